"""Mixtures and choices: one uniform number decides both the part and the place in it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax

from uncertainty.families.kernel import just_below, score_of, tails

__all__ = ["Part", "choice_quantile", "mixture_quantile", "mixture_score"]

Part: TypeAlias = tuple[Callable[[Array], Array], Callable[[Array], Array]]
"""Quantile and score function of one part."""

_HALVINGS = 80


def _shares(weights: Sequence[Array]) -> list[Array]:
    total = sum(weights[1:], start=weights[0])
    return [weight / total for weight in weights]


def mixture_score(weights: Sequence[Array], parts: Sequence[Part], x: Array) -> Array:
    """Score of a value: both tails are sums of the parts' tails, so neither loses digits."""
    below = above = jnp.zeros(())
    for share, (_, score) in zip(_shares(weights), parts, strict=True):
        lower, upper = tails(score(x))
        below, above = below + share * lower, above + share * upper
    return score_of(below, above)


def mixture_quantile(weights: Sequence[Array], parts: Sequence[Part], z: Array) -> Array:
    """Quantile of a mixture: it lies between its parts' quantiles at the same score.

    Atoms come out exactly; within a gap between the parts the quantile function jumps.
    """
    ends = jnp.stack([quantile(z) for quantile, _ in parts])
    low, high = ends.min(0), ends.max(0)
    score = partial(mixture_score, weights, parts)
    reached = score(jnp.stack([just_below(ends), ends])) >= z
    # An atom is where the score jumps over z: it comes out to the last digit.
    atom = jnp.where(reached[1] & ~reached[0], ends, -jnp.inf).max(0)
    return jnp.where(jnp.isfinite(atom), atom, _invert(score, z, low, high))


def _invert(score: Callable[[Array], Array], z: Array, low: Array, high: Array) -> Array:
    """Least x with ``score(x) >= z``, by halving; differentiated as an implicit function."""

    def gap(x: Array) -> Array:
        return score(x) - z

    def solve(_: Callable[[Array], Array], start: Array) -> Array:
        return _halve(score, z, lax.stop_gradient(low), start)

    def tangent(linear: Callable[[Array], Array], y: Array) -> Array:
        slope = linear(jnp.ones_like(y))
        usable = jnp.isfinite(slope) & (slope > 0)
        return jnp.where(usable, y / jnp.where(usable, slope, 1.0), 0.0)

    result: Array = lax.custom_root(gap, lax.stop_gradient(high), solve, tangent)
    return result


def _halve(score: Callable[[Array], Array], z: Array, low: Array, high: Array) -> Array:
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


def choice_quantile(weights: Sequence[Array], options: Sequence[Array], z: Array) -> Array:
    """One of the options: the least whose cumulative weight reaches the probability of z."""
    values = jnp.stack(options)
    order = jnp.argsort(values)
    cumulative = jnp.cumsum(jnp.stack(_shares(weights))[order])
    place = (cumulative[:-1] < tails(z)[0]).sum()
    return values[order][place]
