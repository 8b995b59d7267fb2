"""Quantile tables: a bent value over the normal score, cubic between points with exact slopes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import sigmoid
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm

from uncertainty.arrays import Floats

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


_CELLS = 3072
_REACH = 12.0  # as far as the tails are probed for moments that do not exist
GRID: Floats = np.linspace(-_REACH, _REACH, _CELLS + 1)
"""Normal scores at which a table is exact."""
_WITHIN = 6.0  # farther out SciPy's own inverses have fewer digits for large shapes
_BEND = 0.1  # a cubic misses by about the cube of this, over 384, of what a cell rises
LOG_ROOT_2PI = float(0.5 * np.log(2 * np.pi))


def fill(values: Floats, log_slopes: Floats) -> Floats:
    """Cubic coefficients in each cell, shape (cells, 4).

    Parameters
    ----------
    values : array
        At `GRID`, on a scale on which the quantile function is smooth.
    log_slopes : array
        Logarithm of their derivative in the score.
    """
    slope = np.exp(log_slopes) * (2 * _REACH / _CELLS)
    rise, left, right = np.diff(values), slope[:-1], slope[1:]
    return np.stack([values[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise], 1)


def resolved(table: Floats) -> bool:
    """Whether slopes change little within each cell, so that a cubic is good to nine digits."""
    _, left, square, cube = table[np.abs(GRID[:-1]) < _WITHIN].T
    rise, right = left + square + cube, left + 2 * square + 3 * cube
    near = (np.abs(left - rise) <= _BEND * rise) & (np.abs(right - rise) <= _BEND * rise)
    return bool(near.all())


def interpolate(table: Array, z: Array) -> Array:
    """Value at the score `z`; the last cells go on beyond the ends."""
    place = (z + _REACH) * (_CELLS / (2 * _REACH))
    cell = jnp.clip(jnp.floor(place), 0, _CELLS - 1).astype(jnp.int32)
    t = place - cell
    c = table[cell]
    return c[..., 0] + t * (c[..., 1] + t * (c[..., 2] + t * c[..., 3]))


def with_exact_slope(
    look_up: Callable[[Params, Array, Array], Array], log_density: Callable[[Params, Array], Array]
) -> Callable[[Params, Array, Array], Array]:
    """Differentiate a look-up as ``phi(z)/p(x)``; its parameters are numbers that stay as they are.

    So densities on the natural scale are as exact as the formula, not as the table.
    """

    @jax.custom_jvp
    def quantile(params: Params, table: Array, z: Array) -> Array:
        return look_up(params, table, z)

    @quantile.defjvp
    def _(
        primals: tuple[Params, Array, Array], tangents: tuple[Params, Array, Array]
    ) -> tuple[Array, Array]:
        params, table, z = primals
        of_table = jax.jvp(partial(look_up, params, table), (z,), (jnp.ones_like(z),))
        x, slope = of_table
        exact = jnp.exp(norm.logpdf(z) - log_density(params, x))
        # In 32 bits a large shape leaves no digits of the formula, and the table keeps its own.
        usable = jnp.isfinite(exact) & (exact > 0) & (z.dtype == jnp.float64)
        return x, jnp.where(usable, exact, slope) * tangents[2]

    return quantile
