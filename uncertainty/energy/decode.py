"""One step of decode: the bytes it moves and the time it takes."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy import constants
from uncertainty.energy.experts import all_parameters, routed_share, shared_part, touched_share
from uncertainty.energy.links import exchange_seconds
from uncertainty.energy.model import arrays
from uncertainty.energy.shape import kv_bytes_per_token
from uncertainty.energy.smooth import smooth_maximum

__all__ = ["step_bytes", "step_seconds"]


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
