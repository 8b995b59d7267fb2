"""Speculative decoding: a small model drafts, the large one checks several tokens at once."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["tokens_per_step"]


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
