"""What every distribution family computes, and the helpers that keep both tails exact."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import sigmoid
from jax.scipy.special import ndtr, ndtri

from uncertainty.precision import Floats

__all__ = [
    "Fields",
    "Kernel",
    "Params",
    "bend",
    "half_line",
    "just_below",
    "line_through",
    "on_log",
    "percentiles_in",
    "score_of",
    "tails",
    "unbend",
    "whole_line",
    "within",
]

Fields: TypeAlias = Mapping[str, Array]
Params: TypeAlias = tuple[Array, ...]


@dataclass(frozen=True)
class Kernel:
    """One distribution family over a standard normal score z; all functions are elementwise.

    Attributes
    ----------
    parameters
        Any parametrization of the format to the one computed with.
    quantile
        ``(parameters, z) -> x``, rising in z.
    score
        ``(parameters, x) -> z``, the inverse where there is one; -inf and inf outside.
    log_density
        ``(parameters, x) -> log p``; -inf outside and at an atom.
    valid
        ``(parameters) -> bool``: parameters that name assumptions are known only in a draw.
    breaks
        ``(parameters) -> points``, ascending, on the host: both ends of the support, and every
        point between them where the distribution function jumps or bends.
    solve
        Host-side step for parametrizations that need an iteration, or None.
    table
        ``(parameters) -> coefficients`` on the host where `quantile` is slow, or None.
    look_up
        ``(parameters, coefficients, z) -> x``, with a table.
    """

    parameters: Callable[[Fields], Params]
    quantile: Callable[[Params, Array], Array]
    score: Callable[[Params, Array], Array]
    log_density: Callable[[Params, Array], Array]
    valid: Callable[[Params], Array]
    breaks: Callable[[Params], Floats]
    solve: Callable[[Mapping[str, float]], dict[str, float]] | None = None
    table: Callable[[Params], Floats] | None = None
    look_up: Callable[[Params, Array, Array], Array] | None = None


def whole_line(_: Params) -> Floats:
    """Give the ends of all numbers."""
    return np.array([-np.inf, np.inf])


def half_line(_: Params) -> Floats:
    """Give the ends of the positive numbers."""
    return np.array([0.0, np.inf])


def tails(z: Array) -> tuple[Array, Array]:
    """Probability below and above a score, both to full relative accuracy."""
    return ndtr(z), ndtr(-z)


def score_of(below: Array, above: Array) -> Array:
    """Score of a probability given by both of its tails: the smaller one is inverted."""
    lower = below < above
    smaller = ndtri(jnp.where(lower, below, above))
    return jnp.where(lower, smaller, -smaller)


def bend(x: Array, low: Array, high: Array) -> Array:
    """Scale on which the tails are straight: x, log(x - low), -log(high - x) or the logit."""
    has_low, has_high = jnp.isfinite(low), jnp.isfinite(high)
    above = jnp.log(jnp.where(has_low, x - low, 1.0))
    below = jnp.log(jnp.where(has_high, high - x, 1.0))
    return jnp.where(has_low | has_high, above - below, x)


def unbend(y: Array, low: Array, high: Array) -> Array:
    """Invert `bend`."""
    has_low, has_high = jnp.isfinite(low), jnp.isfinite(high)
    start, end = jnp.where(has_low, low, 0.0), jnp.where(has_high, high, 0.0)
    above = start + jnp.exp(jnp.where(has_low & ~has_high, y, 0.0))
    below = end - jnp.exp(jnp.where(has_high & ~has_low, -y, 0.0))
    between = start + (end - start) * sigmoid(y)
    one_end = jnp.where(has_low, above, jnp.where(has_high, below, y))
    return jnp.where(has_low & has_high, between, one_end)


def just_below(x: Array) -> Array:
    """Nearest smaller number that no processor takes for the same: constant, for derivatives."""
    limits = np.finfo(x.dtype)
    step = jnp.maximum(jnp.abs(x) * float(limits.eps), float(limits.tiny))
    return x - lax.stop_gradient(step)


def percentiles_in(fields: Iterable[str]) -> list[tuple[float, str]]:
    """Give the probabilities of percentile keys, with the keys, ascending."""
    return sorted((int(key[1:]) / 100, key) for key in fields if key[1:].isdigit())


def normal_score(probability: float) -> float:
    """Score of a fixed probability, as a plain float."""
    return NormalDist().inv_cdf(probability)


def line_through(
    fields: Fields, place: Callable[[float], float], bend: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """Intercept and slope with ``bend(x) = intercept + slope * place(p)`` at two percentiles."""
    (p, low), (q, high) = percentiles_in(fields)
    slope = (bend(fields[high]) - bend(fields[low])) / (place(q) - place(p))
    return bend(fields[low]) - slope * place(p), slope


def within(low: Array, x: Array, high: Array, log_density: Array) -> Array:
    """Give a log density inside the ends, and -inf outside."""
    return jnp.where((low <= x) & (x <= high), log_density, -jnp.inf)


def on_log(
    score: Callable[[Params, Array], Array], log_density: Callable[[Params, Array], Array]
) -> tuple[Callable[[Params, Array], Array], Callable[[Params, Array], Array]]:
    """Score and log density of a positive quantity, from those of its logarithm."""

    def score_of_value(params: Params, x: Array) -> Array:
        inside = jnp.where(x > 0, x, 1.0)
        return jnp.where(x > 0, score(params, jnp.log(inside)), -jnp.inf)

    def log_density_of_value(params: Params, x: Array) -> Array:
        y = jnp.log(jnp.where(x > 0, x, 1.0))
        return jnp.where(x > 0, log_density(params, y) - y, -jnp.inf)

    return score_of_value, log_density_of_value
