"""Energy from the limits of the hardware, in a datacenter or on one's own machine."""

from uncertainty.arrays import ArrayLike, jnp
from uncertainty.energy.board import (
    BOUNDARY_OUTPUTS,
    Board,
    Device,
    Facility,
    at_boundaries,
    board_power,
)
from uncertainty.energy.flops import query_flop
from uncertainty.energy.model import by_name, model_from_callable
from uncertainty.energy.serving import (
    SESSION,
    TOKEN_OUTPUTS,
    Query,
    Serving,
    energy_per_token,
    session_energy,
    step_bytes,
    step_seconds,
    tokens_per_step,
    weight_of_first,
)
from uncertainty.energy.transformer import Transformer
from uncertainty.inputs import ALTERNATIVES, Output

_PARTS = {
    "decode": "generating",
    "prefill": "reading the input",
    "waiting": "waiting for launches and links",
}


def roofline(
    transformer: Transformer, board: Board, serving: Serving, facility: Facility
) -> dict[str, ArrayLike]:
    """Energy of one query from the limits of memory and arithmetic.

    Parameters
    ----------
    transformer : Transformer
    board : Board
    serving : Serving
        The query with it.
    facility : Facility

    Returns
    -------
    dict of str to array_like
        Shape (). Wh: ``energy_wh`` at the facility, the other boundaries, and its parts. Of the
        deployment: the J of a token (see `energy_per_token`), ``tokens_per_s``, ``gpu_power_w``
        (average of one board), ``utilization`` and ``bandwidth_utilization`` in decode,
        ``memory_bound`` (1 where memory is the limit, 0 where arithmetic is), ``limit_share`` (of a
        step's time), ``time_per_output_token_s``, ``latency_s`` of the query, ``kv_cache_bytes``,
        ``experts_touched_share`` and, where `experts` are given, ``experts_touched`` in a layer;
        ``gpu_seconds``.

    Notes
    -----
    A step of B sequences gives each of them ``tokens_per_step`` tokens and takes ``launch + links +
    max(bytes / (n BW cap), FLOP / (n peak cap)) + draft + prefill`` (the maximum is smooth, see
    `smooth_maximum`). Bytes are those of the parameters touched and of the cache; prefill is that
    of as many queries as end in a step. Sources: Williams, Waterman and Patterson (2009), Roofline;
    Pope et al. (2023), arXiv:2211.05102; Erdil (2025), Inference economics of language models,
    arXiv:2506.04645.

    Examples
    --------
    A 70B model in 16 bits on four H100, 32 sequences at a time:

    >>> result = roofline(
    ...     Transformer(active_parameters=70.6e9),
    ...     Board(
    ...         peak_flops=989e12, memory_bandwidth_bytes_per_s=3.35e12, gpu_power_w=700.0,
    ...         bandwidth_cap=0.7,
    ...     ),
    ...     Serving(output_tokens=400.0, batch_size=32.0, bytes_per_parameter=2.0, gpu_count=4.0),
    ...     Facility(overhead=1.5),
    ... )
    >>> round(float(result["gpu_energy_per_output_token_j"]), 2)
    1.34
    """
    tokens, count = serving.output_tokens, serving.gpu_count
    flop, moved = query_flop(transformer, serving), step_bytes(transformer, serving)
    produced = tokens_per_step(serving.speculative_tokens, serving.acceptance)
    seconds = step_seconds(transformer, board, serving, flop=flop, moved=moved, produced=produced)
    step = sum(seconds[part] for part in _PARTS)
    computing = seconds["computing"] + seconds["prefill"]
    power_w = board_power(
        board,
        busy=1 - seconds["waiting"] / step,
        # The limit is never below the arithmetic, but for rounding.
        arithmetic=jnp.minimum(computing / (seconds["limit"] + seconds["prefill"]), 1.0),
    )
    steps = tokens / (serving.batch * produced)  # each query's part of those that it shares
    gpu_seconds = count * steps * step
    decoding = gpu_seconds - count * steps * seconds["prefill"]
    joules, latency = gpu_seconds * power_w, seconds["reading"]
    parts = {part: joules * seconds[part] / step for part in _PARTS}
    if serving.prefill_gpu_count is not None:
        apart = jnp.asarray(serving.prefill_gpu_count)
        # As many GPU-seconds as on those that decode, at the power of arithmetic.
        read_seconds = jnp.where(apart > 0, count * seconds["reading"], 0.0)
        parts["prefill"] += read_seconds * board_power(board, busy=1.0)
        joules, gpu_seconds = sum(parts.values()), gpu_seconds + read_seconds
        latency = jnp.where(apart > 0, read_seconds / jnp.maximum(apart, 1.0), latency)
    boundaries = at_boundaries(joules, gpu_seconds, facility, parts)
    return {
        **boundaries,
        **session_energy(serving, boundaries["energy_wh"]),
        **energy_per_token(serving, joules, parts["prefill"]),
        "tokens_per_s": serving.batch * produced / step,
        "gpu_power_w": power_w,
        "utilization": (flop["decode_weights"] + flop["decode_attention"])
        / (board.peak_flops * decoding),
        "bandwidth_utilization": (moved["weights"] + moved["cache"] + moved["state"])
        * steps
        / (board.memory_bandwidth_bytes_per_s * decoding),
        "memory_bound": weight_of_first(seconds["moving"], seconds["computing"]),
        "limit_share": seconds["limit"] / step,
        "time_per_output_token_s": step / produced,
        "latency_s": tokens / produced * step + latency,
        "kv_cache_bytes": moved["cache"],
        "experts_touched_share": moved["touched"],
        **(
            {}
            if transformer.experts is None
            else {"experts_touched": transformer.experts * moved["touched"]}
        ),
        "gpu_seconds": gpu_seconds,
    }


ROOFLINE = model_from_callable(
    by_name(roofline),
    alternatives=ALTERNATIVES,
    outputs=(
        *BOUNDARY_OUTPUTS,
        *(
            Output(f"energy_wh_{part}", "Wh", meaning, "facility", part_of="energy_wh")
            for part, meaning in _PARTS.items()
        ),
        SESSION,
        *TOKEN_OUTPUTS,
        Output("tokens_per_s", "token/s", "output tokens per second of the deployment"),
        Output("gpu_power_w", "W", "average power of one GPU board"),
        Output("utilization", "1", "FLOP/s achieved in decode over the peak"),
        Output("bandwidth_utilization", "1", "memory traffic of decode over its peak"),
        Output("memory_bound", "1", "1 where memory is the limit, 0 where arithmetic is"),
        Output("limit_share", "1", "share of a step that the limit takes"),
        Output("time_per_output_token_s", "s", "time between the tokens of one sequence"),
        Output("latency_s", "s", "time from the query to its last token"),
        Output("kv_cache_bytes", "byte", "memory of the KV cache of the batch"),
        Output("experts_touched_share", "1", "share of the experts that a step reads"),
        Output("experts_touched", "1", "distinct experts of a layer that a step reads"),
        Output("gpu_seconds", "s", "time of one whole GPU spent on the query"),
    ),
)
"""The model ``roofline``, as `ENERGY_MODELS` holds it."""


LOCAL_OUTPUTS = (
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
    return {output.name: outputs[output.name] for output in LOCAL_OUTPUTS}


LOCAL = model_from_callable(by_name(local), outputs=LOCAL_OUTPUTS)
"""The model ``local``, as `ENERGY_MODELS` holds it."""
