"""What a GPU board can do and draws, and what the facility around it adds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from uncertainty.arrays import ArrayLike
from uncertainty.energy.model import ModelError
from uncertainty.inputs import Output

JOULES_PER_WH = 3600.0


@dataclass(frozen=True, kw_only=True)
class Device:
    """One GPU, or the processor of one's own machine.

    Attributes
    ----------
    peak_flops, memory_bandwidth_bytes_per_s : array_like
        Dense peak, FLOP/s, and byte/s.
    gpu_power_w : array_like
        Rated power of the board, W.
    bandwidth_cap, compute_cap : array_like
        Highest share of memory bandwidth and of peak FLOP/s reached in decode, above 0 to 1.
    prefill_utilization : array_like, optional
        Achieved over peak FLOP/s in prefill; `compute_cap` where not given.
    kv_cost : array_like
        Time to read the KV cache over that of its bytes, above 0.
    launch_s : array_like
        Time of a step, for each layer, in which the GPU waits, s.
    memory_bytes : array_like, optional
        What weights must fit into; it costs nothing.
    """

    peak_flops: ArrayLike
    memory_bandwidth_bytes_per_s: ArrayLike
    gpu_power_w: ArrayLike
    bandwidth_cap: ArrayLike = 1.0
    compute_cap: ArrayLike = 1.0
    prefill_utilization: ArrayLike | None = None
    kv_cost: ArrayLike = 1.0
    launch_s: ArrayLike = 0.0
    memory_bytes: ArrayLike | None = None


@dataclass(frozen=True, kw_only=True)
class Board(Device):
    """A GPU board among others, with what it draws when less busy.

    Attributes
    ----------
    expert_cost, expert_launch : array_like
        Of a model of which a token leaves nearly all experts, above 0: time of the arithmetic with
        the parameters chosen for a token over that of their FLOP (small matrix products, uneven
        loads), and `launch_s` of its layers over that of others (choosing, sorting and joining
        tokens). Both come in with the share of the experts that a token leaves: none if dense.
    link_latency_s, link_bandwidth_bytes_per_s : array_like
        Time that an exchange of two GPUs takes to begin, s, and the bandwidth of one GPU's links;
        without limit where not given.
    static_power_fraction : array_like
        Idle over rated power, 0 to 1.
    power_exponent : array_like
        How power grows with the busy share of time, above 0; 1 is a straight line.
    memory_power_fraction : array_like
        Power above idle while it only moves memory over that while it computes, above 0 to 1.
    """

    expert_cost: ArrayLike = 1.0
    expert_launch: ArrayLike = 1.0
    link_latency_s: ArrayLike = 0.0
    link_bandwidth_bytes_per_s: ArrayLike | None = None
    # The two that follow fit the ML.ENERGY measurements.
    static_power_fraction: ArrayLike = 0.25
    power_exponent: ArrayLike = 0.67
    memory_power_fraction: ArrayLike = 1.0


@dataclass(frozen=True, kw_only=True)
class Facility:
    """Power of the facility over that of its GPU boards: `overhead`, or what it consists of.

    Attributes
    ----------
    overhead : array_like, optional
        ``host * idle * pue`` as one number.
    host : array_like, optional
        Node over GPU boards, 1 or more.
    host_power_w, network_power_w : array_like, optional
        In place of `host`: W of the node and of the network for each GPU, beside its board. They
        hardly depend on what the boards do.
    idle : array_like, optional
        Provisioned over busy nodes, 1 or more.
    pue : array_like, optional
        Facility over IT energy, ISO/IEC 30134-2, 1 or more.
    """

    overhead: ArrayLike | None = None
    host: ArrayLike | None = None
    idle: ArrayLike | None = None
    pue: ArrayLike | None = None
    host_power_w: ArrayLike | None = None
    network_power_w: ArrayLike | None = None

    def around(self, joules: ArrayLike, gpu_seconds: ArrayLike = 1.0) -> "Facility":
        """Give the same with `host` as a ratio, for boards that take so many J in so many seconds.

        Examples
        --------
        >>> Facility(host_power_w=200.0, idle=1.0, pue=1.0).around(5000.0, 10.0).host
        1.4
        """
        if self.overhead is not None or self.host_power_w is None:
            return self
        watts = self.host_power_w
        if self.network_power_w is not None:
            watts = watts + self.network_power_w  # not +=, which would change an array of NumPy
        return replace(self, host=1 + watts * gpu_seconds / joules)

    @property
    def factor(self) -> ArrayLike:
        """Facility energy over GPU-board energy.

        Examples
        --------
        >>> Facility(host=1.5, idle=1.0, pue=2.0).factor
        3.0
        """
        if self.overhead is not None:
            return self.overhead
        if self.host is None or self.idle is None or self.pue is None:
            raise ModelError("needs overhead, or host (or host_power_w), idle and pue")
        return self.host * self.idle * self.pue

    @property
    def ratios(self) -> tuple[ArrayLike, ArrayLike, ArrayLike]:
        """Give `host`, `idle` and `pue`, 1 for each that is not known."""
        host, idle, pue = (1.0 if x is None else x for x in (self.host, self.idle, self.pue))
        return host, idle, pue


def board_power(board: Board, *, busy: ArrayLike, arithmetic: ArrayLike = 1.0) -> ArrayLike:
    """Average power of one GPU board.

    Parameters
    ----------
    board : Board
    busy : array_like
        Share of the time in which it computes or moves memory, above 0 to 1.
    arithmetic : array_like
        Share of the busy time in which it computes, 0 to 1; for the rest it waits for memory.

    Returns
    -------
    array_like
        W.

    Notes
    -----
    ``P = P_rated (s + (1 - s) u^a (m + (1 - m) c))``. With ``m = 1`` that is the form of Fan,
    Weber and Barroso (2007), Power provisioning for a warehouse-sized computer, section 4.

    Examples
    --------
    >>> board = Board(peak_flops=1e15, memory_bandwidth_bytes_per_s=3e12, gpu_power_w=700)
    >>> board_power(board, busy=1.0)
    700.0
    """
    active = board.memory_power_fraction + (1 - board.memory_power_fraction) * arithmetic
    dynamic = (1 - board.static_power_fraction) * busy**board.power_exponent * active
    return board.gpu_power_w * (board.static_power_fraction + dynamic)


BOUNDARY_OUTPUTS = (
    Output("energy_wh", "Wh", "energy of one query", "facility"),
    Output("energy_wh_gpu_board", "Wh", "energy of one query", "gpu_board"),
    Output("gpu_energy_wh", "Wh", "energy of one query, as boards measure it", "gpu_board"),
    Output("energy_wh_node", "Wh", "energy of one query", "node"),
    Output("energy_wh_provisioned", "Wh", "energy of one query", "provisioned"),
)


def at_boundaries(
    joules: ArrayLike,
    gpu_seconds: ArrayLike,
    facility: Facility,
    parts: Mapping[str, ArrayLike] = MappingProxyType({}),
) -> dict[str, ArrayLike]:
    """Energy of a query at every boundary that the inputs distinguish.

    Parameters
    ----------
    joules : array_like
        At the GPU boards, J.
    gpu_seconds : array_like
        Time of one whole GPU, s.
    facility : Facility
    parts : mapping of str to array_like, optional
        What these J consist of.

    Returns
    -------
    dict of str to array_like
        Wh: ``energy_wh`` (facility), ``energy_wh_gpu_board`` and the same as ``gpu_energy_wh``;
        with `host`, `idle` and `pue` also ``energy_wh_node`` and ``energy_wh_provisioned``;
        ``energy_wh_PART`` (facility).

    Notes
    -----
    gpu_board < node (x host) < provisioned (x idle) < facility (x PUE). Watts of host and network
    are those of all `gpu_seconds`, spread over the parts by their energy.

    Examples
    --------
    >>> at_boundaries(7200.0, 10.0, Facility(host=1.5, idle=1.0, pue=1.2))["energy_wh_node"]
    3.0
    """
    facility = facility.around(joules, gpu_seconds)
    boards_wh = joules / JOULES_PER_WH
    result = {
        "energy_wh": boards_wh * facility.factor,
        "energy_wh_gpu_board": boards_wh,
        "gpu_energy_wh": boards_wh,  # what evidence observes where it has J per query
    }
    if facility.overhead is None and facility.host is not None and facility.idle is not None:
        node_wh = boards_wh * facility.host
        result |= {"energy_wh_node": node_wh, "energy_wh_provisioned": node_wh * facility.idle}
    to_facility = facility.factor / JOULES_PER_WH
    return {**result, **{f"energy_wh_{part}": j * to_facility for part, j in parts.items()}}
