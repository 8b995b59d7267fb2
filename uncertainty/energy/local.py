"""Energy of a model on one's own machine: one query at a time, measured at the wall."""

from jax.typing import ArrayLike

from uncertainty.energy.board import Board, Device, Facility
from uncertainty.energy.model import by_name, model_from_callable
from uncertainty.energy.roofline import roofline
from uncertainty.energy.serving import Query, Serving
from uncertainty.energy.transformer import Transformer
from uncertainty.inputs import Output

OUTPUTS = (
    Output("energy_wh", "Wh", "energy of one query at the wall", "facility"),
    Output("energy_per_output_token_j", "J", "energy of one output token", "facility"),
    Output("tokens_per_s", "token/s", "output tokens per second"),
    Output("utilization", "1", "FLOP/s achieved in decode over the peak"),
    Output("bandwidth_utilization", "1", "memory traffic of decode over its peak"),
    Output("memory_bound", "1", "1 where memory is the limit, 0 where arithmetic is"),
    Output("latency_s", "s", "time from the query to its last token"),
)


def local(
    transformer: Transformer,
    device: Device,
    query: Query,
    *,
    bytes_per_parameter: ArrayLike,
    wall_power_w: ArrayLike | None = None,
) -> dict[str, ArrayLike]:
    """Energy of one query on a laptop or workstation.

    Parameters
    ----------
    transformer : Transformer
    device : Device
        Its `gpu_power_w` is the rated power of the processor or the machine: what `wall_power_w` is
        where not given.
    query : Query
    bytes_per_parameter : array_like
        Memory of one parameter.
    wall_power_w : array_like, optional
        Average power of the whole machine at the wall while it answers, W.

    Returns
    -------
    dict of str to array_like
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

    >>> result = local(
    ...     Transformer(active_parameters=8e9),
    ...     Device(
    ...         peak_flops=1e13, memory_bandwidth_bytes_per_s=1e11, gpu_power_w=40.0, kv_cost=1e-9
    ...     ),
    ...     Query(output_tokens=500.0),
    ...     bytes_per_parameter=0.5,
    ... )
    >>> round(float(result["tokens_per_s"]), 1), round(float(result["energy_wh"]), 3)
    (25.0, 0.222)
    """
    power_w = device.gpu_power_w if wall_power_w is None else wall_power_w
    # The wall power is an average already: a board that always draws it.
    machine = {**vars(device), "gpu_power_w": power_w, "static_power_fraction": 1.0}
    serving = Serving(**vars(query), batch_size=1.0, bytes_per_parameter=bytes_per_parameter)
    outputs = roofline(transformer, Board(**machine), serving, Facility(overhead=1.0))
    outputs["energy_per_output_token_j"] = outputs["gpu_energy_per_output_token_j"]
    return {output.name: outputs[output.name] for output in OUTPUTS}


LOCAL = model_from_callable(by_name(local), outputs=OUTPUTS)
"""The model ``local``, as `ENERGY_MODELS` holds it."""
