"""From the GPU board to the facility: the boundaries an energy can be stated at."""

from jax import Array
from jax.typing import ArrayLike

from uncertainty.inputs import Output

BOUNDARY_OUTPUTS = (
    Output("energy_wh", "Wh", "energy of one query", "facility"),
    Output("energy_wh_gpu_board", "Wh", "energy of one query", "gpu_board"),
    Output("energy_wh_node", "Wh", "energy of one query", "node"),
    Output("energy_wh_provisioned", "Wh", "energy of one query", "provisioned"),
)


def facility_factor(
    overhead: ArrayLike | None,
    host: ArrayLike | None,
    idle: ArrayLike | None,
    pue: ArrayLike | None,
) -> ArrayLike:
    """Facility energy over GPU-board energy: `overhead`, or ``host * idle * pue``.

    Examples
    --------
    >>> facility_factor(None, 1.5, 1.0, 1.2)
    1.7999999999999998
    """
    if overhead is not None:
        return overhead
    assert host is not None
    assert idle is not None
    assert pue is not None
    return host * idle * pue


def at_boundaries(
    energy_wh_gpu_board: Array,
    *,
    overhead: ArrayLike | None = None,
    host: ArrayLike | None = None,
    idle: ArrayLike | None = None,
    pue: ArrayLike | None = None,
) -> dict[str, Array]:
    """State a GPU-board energy at every boundary that the inputs tell apart.

    Parameters
    ----------
    energy_wh_gpu_board : Array
        Energy at the GPU boards, Wh, shape ().
    overhead, host, idle, pue : array_like, optional
        Ratios, 1 or more: either `overhead`, or the other three.

    Returns
    -------
    dict of str to Array
        ``energy_wh`` (facility) and ``energy_wh_gpu_board``; with `host`, `idle` and `pue` also
        ``energy_wh_node`` and ``energy_wh_provisioned``.

    Notes
    -----
    gpu_board < node (x host) < provisioned (x idle) < facility (x PUE). PUE is facility over IT
    energy, ISO/IEC 30134-2.

    Examples
    --------
    >>> at_boundaries(2.0, host=1.5, idle=1.0, pue=1.2)["energy_wh_node"]
    3.0
    """
    result = {
        "energy_wh": energy_wh_gpu_board * facility_factor(overhead, host, idle, pue),
        "energy_wh_gpu_board": energy_wh_gpu_board,
    }
    if overhead is None and host is not None and idle is not None:
        node = energy_wh_gpu_board * host
        result |= {"energy_wh_node": node, "energy_wh_provisioned": node * idle}
    return result
