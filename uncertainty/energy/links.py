"""What the GPUs of one copy of a model tell one another."""

import jax.numpy as jnp
from jax.typing import ArrayLike

from uncertainty.energy import constants

__all__ = ["exchange_seconds"]


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
