"""Mixtures: one uniform number decides both the part and the place in it."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax

from uncertainty.distributions.kernel import just_below, score_of, tails

_HALVINGS = 80
_Function: TypeAlias = Callable[[Array], Array]


def mixture_score(shares: Array, scores: Array) -> Array:
    """Score of a value from its parts' scores, along the first axis.

    Both tails are sums of the parts' tails, so neither loses digits.
    """
    below, above = (jnp.tensordot(shares, tail, 1) for tail in tails(scores))
    return score_of(below, above)


def mixture_quantile(score: _Function, ends: Array, jumps: Array, z: Array) -> Array:
    """Quantile of a mixture: it lies between its parts' quantiles at the same score.

    Atoms come out exactly; within a gap between the parts the quantile function jumps.

    Parameters
    ----------
    score : callable
        Score of a value of the mixture.
    ends : array
        Quantile of each part at `z`.
    jumps : array
        Those of them at which the distribution function may jump.
    z : array
        Of shape ().
    """
    smooth = _invert(score, z, ends.min(), ends.max())
    if not jumps.size:
        return smooth
    reached = score(jnp.stack([just_below(jumps), jumps])) >= z
    # An atom is where the score jumps over z: it comes out to the last digit.
    atom = jnp.where(reached[1] & ~reached[0], jumps, -jnp.inf).max()
    return jnp.where(jnp.isfinite(atom), atom, smooth)


def _invert(score: _Function, z: Array, low: Array, high: Array) -> Array:
    """Least x with ``score(x) >= z``, by halving; differentiated as an implicit function."""

    def gap(x: Array) -> Array:
        return score(x) - z

    def solve(_: _Function, start: Array) -> Array:
        return _halve(score, z, lax.stop_gradient(low), start)

    def tangent(linear: _Function, y: Array) -> Array:
        slope = linear(jnp.ones_like(y))
        usable = jnp.isfinite(slope) & (slope > 0)
        return jnp.where(usable, y / jnp.where(usable, slope, 1.0), 0.0)

    result: Array = lax.custom_root(gap, lax.stop_gradient(high), solve, tangent)
    return result


def _halve(score: _Function, z: Array, low: Array, high: Array) -> Array:
    """Keep the answer in (low, high]; `high` itself is returned, so that an atom is exact."""

    def step(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = _middle(low, high)
        reached = score(middle) >= z
        return jnp.where(reached, low, middle), jnp.where(reached, middle, high)

    at_low = score(low) >= z
    found = jax.lax.fori_loop(0, _HALVINGS, step, (low, high))[1]
    return jnp.where(at_low, low, found)


def _middle(low: Array, high: Array) -> Array:
    """Geometric where both ends have one sign and lie far apart, else arithmetic."""
    product = low * high
    far = (product > 0) & (jnp.abs(high) > 4 * jnp.abs(low))
    geometric = jnp.sign(high) * jnp.sqrt(jnp.where(far, product, 1.0))
    return jnp.where(far, geometric, low + (high - low) / 2)
