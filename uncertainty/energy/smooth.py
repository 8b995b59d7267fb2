"""The larger of two times, without a corner."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["smooth_maximum", "weight_of_first"]

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
