"""Energy of a model on one's own machine: one query at a time, measured at the wall."""

from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy.model import call, model_from_callable
from uncertainty.energy.roofline import roofline
from uncertainty.inputs import Output

_KEPT = ("tokens_per_s", "utilization", "bandwidth_utilization", "memory_bound", "latency_s")


def local(
    *, active_parameters: ArrayLike, output_tokens: ArrayLike, peak_flops: ArrayLike,
    memory_bandwidth_bytes_per_s: ArrayLike, gpu_power_w: ArrayLike,
    bytes_per_parameter: ArrayLike, wall_power_w: ArrayLike | None = None,
    total_parameters: ArrayLike | None = None, moe_ratio: ArrayLike | None = None,
    shared_parameters: ArrayLike | None = None, experts: ArrayLike | None = None,
    experts_per_token: ArrayLike | None = None, input_tokens: ArrayLike = 0.0,
    cached_share: ArrayLike = 0.0, attention_factor: ArrayLike = 0.5,
    layers: ArrayLike | None = None, heads: ArrayLike | None = None,
    head_dim: ArrayLike | None = None, kv_heads: ArrayLike | None = None,
    kv_width: ArrayLike | None = None, kv_bytes_per_value: ArrayLike = 2.0,
    kv_cost: ArrayLike = 1.0, bandwidth_cap: ArrayLike = 1.0, compute_cap: ArrayLike = 1.0,
    prefill_utilization: ArrayLike | None = None, launch_s: ArrayLike = 0.0,
) -> dict[str, Array]:  # fmt: skip
    """Energy of one query on a laptop or workstation.

    Parameters
    ----------
    gpu_power_w : array_like
        Rated power of the processor or the machine, W: what `wall_power_w` is where not given.
    wall_power_w : array_like, optional
        Average power of the whole machine at the wall while it answers, W.
    others
        As in `roofline`, for one sequence on one device.

    Returns
    -------
    dict of str to Array
        Shape (): ``energy_wh``, Wh, at the wall (no host, idle machine or PUE is added, so it
        compares with the facility energy of a datacenter); ``energy_per_output_token_j``;
        and ``tokens_per_s``, ``utilization``, ``bandwidth_utilization``, ``memory_bound``,
        ``latency_s`` as in `roofline`.

    Notes
    -----
    ``E = wall power x time``: the time to read the input and of one decode step for each token, in
    which all active parameters are read from memory. What the machine would draw anyway is
    part of it. Source: as `roofline`.

    Examples
    --------
    An 8B model in 4 bits at 100 GB/s and 40 W gives 25 tokens per second:

    >>> found = local(active_parameters=8e9, output_tokens=500.0, peak_flops=1e13, gpu_power_w=40.0,
    ...     memory_bandwidth_bytes_per_s=1e11, bytes_per_parameter=0.5, kv_cost=1e-9)
    >>> round(float(found["tokens_per_s"]), 1), round(float(found["energy_wh"]), 3)
    (25.0, 0.222)
    """
    inputs = {name: value for name, value in locals().items() if value is not None}
    power = gpu_power_w if wall_power_w is None else wall_power_w
    inputs |= {"gpu_power_w": power, "static_power_fraction": 1.0}
    found = call(roofline, inputs, batch_size=1.0, overhead=1.0)
    return {
        "energy_wh": found["energy_wh"],
        "energy_per_output_token_j": found["gpu_energy_per_output_token_j"],
        **{name: found[name] for name in _KEPT},
    }


LOCAL = model_from_callable(
    local,
    outputs=(
        Output("energy_wh", "Wh", "energy of one query at the wall", "facility"),
        Output("energy_per_output_token_j", "J", "energy of one output token", "facility"),
        Output("tokens_per_s", "token/s", "output tokens per second"),
        Output("utilization", "1", "FLOP/s achieved in decode over the peak"),
        Output("bandwidth_utilization", "1", "memory traffic of decode over its peak"),
        Output("memory_bound", "1", "1 where memory is the limit, 0 where arithmetic is"),
        Output("latency_s", "s", "time from the query to its last token"),
    ),
)
"""The model ``local``, as `ENERGY_MODELS` holds it."""
