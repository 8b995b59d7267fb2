"""Energy from the limits of the hardware: utilization, speed and power are results."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy import constants
from uncertainty.energy.boundaries import BOUNDARY_OUTPUTS, at_boundaries, facility_factor
from uncertainty.energy.decode import step_bytes, step_seconds, tokens_per_step, weight_of_first
from uncertainty.energy.flops import query_flop
from uncertainty.energy.model import arrays, call, model_from_callable
from uncertainty.energy.power import board_power
from uncertainty.energy.transformer import stated_shape
from uncertainty.inputs import ALTERNATIVES, Output

_TOUCHED = "experts_touched_share"
_PARTS = {
    "decode": "generating",
    "prefill": "reading the input",
    "waiting": "waiting for launches and links",
}


def roofline(
    *, active_parameters: ArrayLike, output_tokens: ArrayLike, batch_size: ArrayLike,
    peak_flops: ArrayLike, memory_bandwidth_bytes_per_s: ArrayLike, gpu_power_w: ArrayLike,
    bytes_per_parameter: ArrayLike, total_parameters: ArrayLike | None = None,
    moe_ratio: ArrayLike | None = None, shared_parameters: ArrayLike | None = None,
    experts: ArrayLike | None = None, experts_per_token: ArrayLike | None = None,
    gpu_count: ArrayLike = 1.0, input_tokens: ArrayLike = 0.0, cached_share: ArrayLike = 0.0,
    attention_factor: ArrayLike = 0.5, layers: ArrayLike | None = None,
    heads: ArrayLike | None = None, head_dim: ArrayLike | None = None,
    kv_heads: ArrayLike | None = None, kv_width: ArrayLike | None = None,
    kv_bytes_per_value: ArrayLike = 2.0, kv_cost: ArrayLike = 1.0, expert_cost: ArrayLike = 1.0,
    expert_launch: ArrayLike = 1.0,
    bandwidth_cap: ArrayLike = 1.0, compute_cap: ArrayLike = 1.0,
    prefill_utilization: ArrayLike | None = None, prefill_share: ArrayLike = 1.0,
    launch_s: ArrayLike = 0.0, link_latency_s: ArrayLike = 0.0,
    link_bandwidth_bytes_per_s: ArrayLike | None = None, occupancy: ArrayLike = 1.0,
    speculative_tokens: ArrayLike = 0.0, acceptance: ArrayLike = 0.0,
    draft_parameters: ArrayLike = 0.0, static_power_fraction: ArrayLike = 0.25,
    power_exponent: ArrayLike = 0.67, memory_power_fraction: ArrayLike = 1.0,
    overhead: ArrayLike | None = None, host: ArrayLike | None = None,
    idle: ArrayLike | None = None, pue: ArrayLike | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Energy of one query from the limits of memory and arithmetic.

    Parameters
    ----------
    active_parameters, output_tokens, input_tokens, cached_share, attention_factor
        As in `query_flop`; at least a part of an output token.
    layers, heads, head_dim : array_like, optional
        As in `query_flop`.
    batch_size, occupancy : array_like
        Sequences that can be decoded together, and the average share of them in use (continuous
        batching): above 0.
    peak_flops, memory_bandwidth_bytes_per_s, gpu_power_w : array_like
        Of one GPU: dense peak, FLOP/s; byte/s; rated board power, W.
    gpu_count : array_like
        GPUs over which one copy of the model is split, 1 or more.
    bytes_per_parameter : array_like
        Memory of one parameter.
    total_parameters, moe_ratio : array_like, optional
    shared_parameters, experts, experts_per_token : array_like, optional
        Of a mixture of experts: parameters in all, or their ratio to the active ones; what every
        token uses (see `shared_part`). Dense where none is given.
    kv_heads, kv_width, kv_bytes_per_value : array_like
        As in `kv_bytes_per_token`.
    kv_cost : array_like
        Time to read the cache over that of its bytes, above 0.
    expert_cost, expert_launch : array_like
        Of a model of which a token leaves nearly all experts, above 0: time of the arithmetic with
        the parameters chosen for a token over that of their FLOP (small matrix products, uneven
        loads), and `launch_s` of its layers over that of others (choosing, sorting and joining
        tokens). Both come in with the share of the experts that a token leaves: none if dense.
    bandwidth_cap, compute_cap : array_like
        Highest share of memory bandwidth and of peak FLOP/s reached in decode, above 0 to 1.
    prefill_utilization : array_like, optional
        Achieved over peak FLOP/s in prefill; `compute_cap` where not given.
    prefill_share : array_like
        Share of prefill's time that adds to decode's; the rest is hidden behind its memory
        traffic, or done elsewhere.
    launch_s : array_like
        Time of a step, for each layer, in which the GPUs wait, s.
    link_latency_s, link_bandwidth_bytes_per_s : array_like
        As in `exchange_seconds`.
    speculative_tokens, acceptance, draft_parameters : array_like
        Tokens drafted for each step, the chance that one is accepted, and the size of the model
        that drafts them.
    static_power_fraction, power_exponent, memory_power_fraction : array_like
        As in `board_power`.
    overhead, host, idle, pue : array_like, optional
        Either `overhead`, or the other three (see `at_boundaries`).

    Returns
    -------
    dict of str to Array
        Shape (). Wh: ``energy_wh`` at the facility, the other boundaries, and its parts. Of the
        deployment: ``gpu_energy_per_output_token_j``, ``tokens_per_s``, ``gpu_power_w`` (average of
        one board), ``utilization`` and ``bandwidth_utilization`` in decode, ``memory_bound`` (1
        where memory is the limit, 0 where arithmetic is), ``limit_share`` (of a step's time),
        ``time_per_output_token_s``, ``latency_s`` of the query, ``kv_cache_bytes``,
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

    >>> found = roofline(active_parameters=70.6e9, output_tokens=400.0, batch_size=32.0,
    ...     peak_flops=989e12, memory_bandwidth_bytes_per_s=3.35e12, gpu_power_w=700.0,
    ...     bytes_per_parameter=2.0, gpu_count=4.0, bandwidth_cap=0.7, overhead=1.5)
    >>> round(float(found["gpu_energy_per_output_token_j"]), 2)
    1.34
    """
    inputs = {name: value for name, value in locals().items() if value is not None}
    shape = stated_shape(active_parameters, layers, heads, head_dim)
    inputs |= dict(zip(("layers", "heads", "head_dim"), shape, strict=True))
    found = _operation(inputs, batch_size * occupancy)
    boards_wh = found["gpu_seconds"] * found["gpu_power_w"] / constants.JOULES_PER_WH
    to_facility = facility_factor(overhead, host, idle, pue)
    parts = {part: boards_wh * to_facility * found.pop(part) for part in _PARTS}
    return arrays(
        {
            **call(at_boundaries, inputs, energy_wh_gpu_board=boards_wh),
            **{f"energy_wh_{part}": wh for part, wh in parts.items()},
            "gpu_energy_per_output_token_j": boards_wh * constants.JOULES_PER_WH / output_tokens,
            **found,
            **({} if experts is None else {"experts_touched": experts * found[_TOUCHED]}),
        }
    )


def _operation(inputs: Mapping[str, ArrayLike], batch: ArrayLike) -> dict[str, Array]:
    """Speed, power and use of a deployment; and the share of a step that each of `_PARTS` takes."""
    tokens, count = jnp.asarray(inputs["output_tokens"]), inputs.get("gpu_count", 1.0)
    flop, produced = call(query_flop, inputs), call(tokens_per_step, inputs)
    moved = call(step_bytes, inputs, batch=batch)
    seconds = call(step_seconds, inputs, flop=flop, batch=batch, produced=produced, moved=moved)
    step = seconds["decode"] + seconds["prefill"] + seconds["waiting"]
    steps = tokens / (batch * produced)
    decoding = count * steps * (step - seconds["prefill"])
    bandwidth = inputs["memory_bandwidth_bytes_per_s"] * decoding
    to_decode = flop["decode_weights"] + flop["decode_attention"]
    return arrays(
        {
            **{part: seconds[part] / step for part in _PARTS},
            "tokens_per_s": batch * produced / step,
            "gpu_power_w": call(board_power, inputs, **_activity(seconds, step)),
            "utilization": to_decode / (inputs["peak_flops"] * decoding),
            "bandwidth_utilization": (moved["weights"] + moved["cache"]) * steps / bandwidth,
            "memory_bound": weight_of_first(seconds["moving"], seconds["computing"]),
            "limit_share": seconds["limit"] / step,
            "time_per_output_token_s": step / produced,
            "latency_s": tokens / produced * step + seconds["reading"],
            "kv_cache_bytes": moved["cache"],
            _TOUCHED: moved["touched"],
            "gpu_seconds": count * steps * step,
        }
    )


def _activity(seconds: Mapping[str, Array], step: Array) -> dict[str, Array]:
    """Share of a step in which the GPU is busy, and of that in which it computes."""
    computing = seconds["computing"] + seconds["prefill"]
    return {
        "busy": 1 - seconds["waiting"] / step,
        "arithmetic": jnp.minimum(computing / (seconds["limit"] + seconds["prefill"]), 1.0),
    }


ROOFLINE = model_from_callable(
    roofline,
    alternatives=ALTERNATIVES,
    outputs=(
        *BOUNDARY_OUTPUTS,
        *(
            Output(f"energy_wh_{part}", "Wh", meaning, "facility", part_of="energy_wh")
            for part, meaning in _PARTS.items()
        ),
        Output("gpu_energy_per_output_token_j", "J", "energy of one output token", "gpu_board"),
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
