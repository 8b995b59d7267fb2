"""One step of decode: the bytes it moves and the time it takes."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy import constants
from uncertainty.energy.model import arrays
from uncertainty.energy.transformer import (
    all_parameters,
    kv_bytes_per_token,
    routed_share,
    shared_part,
    touched_share,
)

_SHARPNESS = 8.0


def smooth_maximum(one: ArrayLike, other: ArrayLike) -> Array:
    """Larger of two numbers above 0, differentiable everywhere.

    Parameters
    ----------
    one, other : array_like
        Above 0, any shapes that fit.

    Returns
    -------
    Array
        Never below the larger; 9 % above it where both are equal, under 1 % above it where one is
        1.5 times the other, and next to nothing beyond twice.

    Notes
    -----
    The norm ``(a^p + b^p)^(1/p)`` with ``p = 8``, by the logarithm of their ratio so that nothing
    overflows.

    Examples
    --------
    >>> [round(float(smooth_maximum(1.0, b)), 4) for b in (0.25, 0.5, 1.0)]
    [1.0, 1.0005, 1.0905]
    """
    first = jnp.asarray(one)
    return first * jnp.exp(jnp.logaddexp(0.0, _SHARPNESS * jnp.log(other / first)) / _SHARPNESS)


def weight_of_first(one: ArrayLike, other: ArrayLike) -> Array:
    """How far the first decides the maximum: 1 where it is far larger, 0 where far smaller.

    It is the elasticity of `smooth_maximum` in its first argument.

    Examples
    --------
    >>> [round(float(weight_of_first(1.0, b)), 3) for b in (0.5, 1.0, 2.0)]
    [0.996, 0.5, 0.004]
    """
    ratio = jnp.log(jnp.asarray(other) / one)
    return 1 / (1 + jnp.exp(_SHARPNESS * ratio))


def tokens_per_step(speculative_tokens: ArrayLike = 0.0, acceptance: ArrayLike = 0.0) -> Array:
    """Tokens that one step of the large model gives each sequence, on average.

    Parameters
    ----------
    speculative_tokens : array_like
        Tokens drafted for the step, 0 or more.
    acceptance : array_like
        Chance that a drafted token is accepted, 0 to 1.

    Returns
    -------
    Array
        From 1 to ``speculative_tokens + 1``.

    Notes
    -----
    ``(1 - a^(g+1)) / (1 - a)``: Leviathan et al. (2023), Fast inference from transformers via
    speculative decoding, arXiv:2211.17192, equation 1.

    Examples
    --------
    >>> [round(float(tokens_per_step(4, a)), 2) for a in (0.0, 0.8, 1.0)]
    [1.0, 3.36, 5.0]
    """
    chance, most = jnp.asarray(acceptance), jnp.asarray(speculative_tokens) + 1.0
    inside = (chance > 0) & (chance < 1)
    some = jnp.where(inside, chance, 0.5)
    between = -jnp.expm1(most * jnp.log(some)) / (1 - some)
    return jnp.where(inside, between, jnp.where(chance >= 1, most, 1.0))


def exchange_seconds(
    *,
    tokens: ArrayLike,
    layers: ArrayLike,
    model_width: ArrayLike,
    gpu_count: ArrayLike = 1.0,
    link_latency_s: ArrayLike = 0.0,
    link_bandwidth_bytes_per_s: ArrayLike | None = None,
) -> ArrayLike:
    """Time in which the GPUs of one copy of a model exchange results, for one step.

    Parameters
    ----------
    tokens : array_like
        Tokens of the step.
    layers, model_width : array_like
        Layers, and numbers that stand for a token between them.
    gpu_count : array_like
        GPUs over which each layer is split, 1 or more.
    link_latency_s : array_like
        Time that an exchange of two GPUs takes to begin, s.
    link_bandwidth_bytes_per_s : array_like, optional
        Of one GPU's links; without limit where not given.

    Returns
    -------
    array_like
        s; 0 for one GPU.

    Notes
    -----
    Two all-reduces in each layer (attention and feed-forward), each of ``tokens * width`` numbers
    of 16 bits: ``2 (n-1)/n`` of them cross each link, after ``log2(n)`` rounds of latency. Shoeybi
    et al. (2019), Megatron-LM, arXiv:1909.08053; Thakur et al. (2005), Optimization of collective
    communication operations in MPICH.

    Examples
    --------
    >>> float(exchange_seconds(tokens=8, layers=80, model_width=8192, link_latency_s=1e-5))
    0.0
    """
    count = jnp.asarray(gpu_count)
    numbers = 2 * (count - 1) / count * tokens * model_width
    rounds = jnp.log2(count) * link_latency_s
    moving: ArrayLike = 0.0
    if link_bandwidth_bytes_per_s is not None:
        moving = numbers * constants.BYTES_PER_NUMBER / link_bandwidth_bytes_per_s
    return 2 * layers * (rounds + moving)


def step_bytes(
    *, batch: ArrayLike, active_parameters: ArrayLike, output_tokens: ArrayLike,
    bytes_per_parameter: ArrayLike, input_tokens: ArrayLike = 0.0,
    speculative_tokens: ArrayLike = 0.0, total_parameters: ArrayLike | None = None,
    moe_ratio: ArrayLike | None = None, shared_parameters: ArrayLike | None = None,
    experts: ArrayLike | None = None, experts_per_token: ArrayLike | None = None,
    layers: ArrayLike | None = None, head_dim: ArrayLike | None = None,
    kv_heads: ArrayLike | None = None, kv_width: ArrayLike | None = None,
    kv_bytes_per_value: ArrayLike = 2.0,
) -> dict[str, Array]:  # fmt: skip
    """Bytes that a step reads from memory.

    Parameters
    ----------
    batch : array_like
        Sequences decoded together, above 0.
    others
        As in `roofline`.

    Returns
    -------
    dict of str to Array
        Bytes, shape (): ``weights`` and ``cache``; the share of the experts ``touched``; the share
        of a token's parameters that are ``chosen`` for it, and the share of the experts that it
        leaves (``sparsity``, 0 if dense).

    Notes
    -----
    Parameters that all tokens share are read once for all sequences, and so is each expert that
    one of them chooses; the cache is read for each. The average context is
    ``n_in + (n_out - 1) / 2``. Pope et al. (2023), arXiv:2211.05102.

    Examples
    --------
    >>> moved = step_bytes(batch=8.0, active_parameters=70e9, output_tokens=400.0,
    ...     bytes_per_parameter=2.0)
    >>> f"{float(moved['weights']):.3g}"
    '1.4e+11'
    """
    whole = jnp.asarray(all_parameters(active_parameters, total_parameters, moe_ratio))
    shared = shared_part(active_parameters, whole, shared_parameters, experts, experts_per_token)
    share = routed_share(active_parameters, whole, shared)
    touched = touched_share(share, batch * (1 + speculative_tokens))
    of_token = kv_bytes_per_token(
        active_parameters=active_parameters,
        layers=layers,
        head_dim=head_dim,
        kv_heads=kv_heads,
        kv_width=kv_width,
        kv_bytes_per_value=kv_bytes_per_value,
    )
    context = input_tokens + jnp.maximum(output_tokens - 1, 0) / 2
    return arrays(
        {
            "weights": bytes_per_parameter * (shared + (whole - shared) * touched),
            "cache": batch * of_token * context,
            "touched": touched,
            "chosen": 1 - jnp.minimum(shared / active_parameters, 1),
            "sparsity": 1 - share,
        }
    )


def step_seconds(
    *, flop: dict[str, Array], batch: ArrayLike, produced: ArrayLike, moved: dict[str, Array],
    output_tokens: ArrayLike, peak_flops: ArrayLike,
    memory_bandwidth_bytes_per_s: ArrayLike, bytes_per_parameter: ArrayLike, layers: ArrayLike,
    heads: ArrayLike, head_dim: ArrayLike, gpu_count: ArrayLike = 1.0, kv_cost: ArrayLike = 1.0,
    bandwidth_cap: ArrayLike = 1.0, compute_cap: ArrayLike = 1.0,
    prefill_utilization: ArrayLike | None = None, prefill_share: ArrayLike = 1.0,
    launch_s: ArrayLike = 0.0, link_latency_s: ArrayLike = 0.0,
    link_bandwidth_bytes_per_s: ArrayLike | None = None, speculative_tokens: ArrayLike = 0.0,
    draft_parameters: ArrayLike = 0.0, expert_cost: ArrayLike = 1.0,
    expert_launch: ArrayLike = 1.0,
) -> dict[str, Array]:  # fmt: skip
    """Time that a step takes, and for what.

    Parameters
    ----------
    flop : dict of str to Array
        Of one query, from `query_flop`.
    batch, produced : array_like
        Sequences decoded together, and tokens that each is given.
    moved : dict of str to Array
        From `step_bytes`.
    others
        As in `roofline`.

    Returns
    -------
    dict of str to Array
        s, shape (). Of a step: ``decode``, which is its ``limit`` (the larger of ``moving`` bytes
        and ``computing``) and drafting; ``prefill`` of the queries that take the places of those
        that end; ``waiting``. ``reading`` is the prefill of one query by itself.

    Notes
    -----
    As in `roofline`.
    """
    bandwidth = gpu_count * memory_bandwidth_bytes_per_s * bandwidth_cap
    arithmetic = gpu_count * peak_flops * compute_cap
    checked = batch * (1 + speculative_tokens)
    # What is lost to experts grows with the share of them that a token leaves: none if dense.
    slowed = 1 + (jnp.asarray(expert_cost) ** moved["sparsity"] - 1) * moved["chosen"]
    launching = launch_s * jnp.asarray(expert_launch) ** moved["sparsity"]
    of_token = (slowed * flop["decode_weights"] + flop["decode_attention"]) / output_tokens
    moving = (moved["weights"] + kv_cost * moved["cache"]) / bandwidth
    computing = of_token * checked / arithmetic
    limit = smooth_maximum(moving, computing)
    cap = compute_cap if prefill_utilization is None else prefill_utilization
    to_read = slowed * flop["prefill_weights"] + flop["prefill_attention"]
    reading = to_read / (gpu_count * peak_flops * cap)
    drafted = smooth_maximum(
        bytes_per_parameter / bandwidth, constants.FLOP_PER_PARAMETER * batch / arithmetic
    )
    links = exchange_seconds(
        tokens=checked,
        layers=layers,
        model_width=heads * head_dim,
        gpu_count=gpu_count,
        link_latency_s=link_latency_s,
        link_bandwidth_bytes_per_s=link_bandwidth_bytes_per_s,
    )
    return arrays(
        {
            "decode": limit + speculative_tokens * draft_parameters * drafted,
            "limit": limit,
            "prefill": prefill_share * reading * batch * produced / output_tokens,
            "waiting": layers * launching + links,
            "moving": moving,
            "computing": computing,
            "reading": reading,
        }
    )
