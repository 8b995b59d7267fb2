"""Distributions through points: elicited quantiles, and the values of a data column."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtri
from jax.scipy.stats import norm

from uncertainty.arrays import Floats
from uncertainty.distributions.kernel import Fields, Kernel, Params, bend, score_of, tails, unbend

_HALVINGS = 60


class _Spline(NamedTuple):
    """A rising cubic spline over the score; straight beyond its knots."""

    knots: Array
    values: Array
    slopes: Array

    def at(self, z: Array) -> Array:
        """Value at a score."""
        cell, t = self._place(z)
        # Each branch keeps its own derivative at a knot, as minimum and maximum would not.
        inside = self._inside(cell, jnp.where(t < 0, 0.0, jnp.where(t > 1, 1.0, t)))
        below, above = z - self.knots[0], z - self.knots[-1]
        inside += jnp.where(below < 0, below * self.slopes[0], 0.0)
        return inside + jnp.where(above > 0, above * self.slopes[-1], 0.0)

    def _place(self, z: Array) -> tuple[Array, Array]:
        cell = jnp.clip(jnp.searchsorted(self.knots, z) - 1, 0, len(self.knots) - 2)
        return cell, (z - self.knots[cell]) / (self.knots[cell + 1] - self.knots[cell])

    def _inside(self, cell: Array, t: Array) -> Array:
        step = self.knots[cell + 1] - self.knots[cell]
        low, high = self.values[cell], self.values[cell + 1]
        left, right = step * self.slopes[cell], step * self.slopes[cell + 1]
        rise = high - low
        return low + t * (left + t * (3 * rise - 2 * left - right + t * (left + right - 2 * rise)))

    def invert(self, y: Array) -> Array:
        """Score of a value: by halving within a cell, and one exact step for the derivatives."""
        cell = jnp.clip(jnp.searchsorted(self.values, y) - 1, 0, len(self.knots) - 2)

        def step(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) / 2
            reached = self._inside(cell, middle) >= y
            return jnp.where(reached, low, middle), jnp.where(reached, middle, high)

        start = jnp.zeros_like(y)
        t = jax.lax.fori_loop(0, _HALVINGS, step, (start, start + 1))[1]
        z = self.knots[cell] + t * (self.knots[cell + 1] - self.knots[cell])
        below, above = y - self.values[0], y - self.values[-1]
        z = jnp.where(below < 0, self.knots[0] + below / self.slopes[0], z)
        z = jax.lax.stop_gradient(jnp.where(above > 0, self.knots[-1] + above / self.slopes[-1], z))
        value, slope = jax.jvp(self.at, (z,), (jnp.ones_like(z),))
        score: Array = z + (y - value) / jax.lax.stop_gradient(slope)
        return score


def _monotone(knots: Array, values: Array) -> _Spline:
    """Slopes that keep a cubic spline rising: weighted harmonic means of the neighboring secants.

    At the ends the secant itself, which is never 0, so that the tails go on.
    Source: Fritsch and Butland (1984), SIAM J. Sci. Stat. Comput. 5, 300.
    """
    steps = knots[1:] - knots[:-1]
    secants = (values[1:] - values[:-1]) / steps
    first, second = 2 * steps[1:] + steps[:-1], steps[1:] + 2 * steps[:-1]
    inner = (first + second) / (first / secants[:-1] + second / secants[1:])
    return _Spline(knots, values, jnp.concatenate([secants[:1], inner, secants[-1:]]))


def _quantiles(fields: Fields) -> Params:
    """Scores, their values, and the ends stated as the quantiles of 0 and 1."""
    by_level = sorted((float(key), value) for key, value in fields.items())
    inner = [(level, value) for level, value in by_level if 0 < level < 1]
    ends = dict(by_level)
    return (
        ndtri(jnp.asarray([level for level, _ in inner])),
        jnp.stack([value for _, value in inner]),
        ends.get(0.0, jnp.asarray(-jnp.inf)),
        ends.get(1.0, jnp.asarray(jnp.inf)),
    )


def _spline(params: Params) -> _Spline:
    knots, values, low, high = params
    return _monotone(knots, bend(values, low, high))


def _quantiles_quantile(params: Params, z: Array) -> Array:
    return unbend(_spline(params).at(z), *params[2:])


def _quantiles_score(params: Params, x: Array) -> Array:
    low, high = params[2:]
    inside = (low < x) & (x < high)
    middle = params[1][0]
    score = _spline(params).invert(bend(jnp.where(inside, x, middle), low, high))
    return jnp.where(inside, score, jnp.where(x <= low, -jnp.inf, jnp.inf))


def _quantiles_density(params: Params, x: Array) -> Array:
    z = _quantiles_score(params, x)
    finite = jnp.isfinite(z)
    z = jnp.where(finite, z, 0.0)
    slope = jax.jvp(lambda z: _quantiles_quantile(params, z), (z,), (jnp.ones_like(z),))[1]
    return jnp.where(finite, norm.logpdf(z) - jnp.log(slope), -jnp.inf)


def _rising(params: Params) -> Array:
    _, values, low, high = params
    ordered = (values[1:] > values[:-1]).all()
    return ordered & (low < values[0]) & (values[-1] < high)


def _empirical(fields: Fields) -> Params:
    return (fields["values"],)


def _empirical_quantile(params: Params, z: Array) -> Array:
    """Straight between the sorted values: the quantile of type 7.

    Source: Hyndman and Fan (1996), Sample quantiles in statistical packages, Am. Stat. 50, 361.
    """
    (values,) = params
    below, above = tails(z)
    last = values.shape[0] - 1
    rank, rest = below * last, above * last
    cell = jnp.clip(jnp.floor(rank), 0, last - 1).astype(jnp.int32)
    share = jnp.where(z > 0, cell + 1 - last + rest, cell + 1 - rank)
    share = jnp.clip(share, 0.0, 1.0)
    return values[cell] * share + values[cell + 1] * (1 - share)


def _empirical_cell(values: Array, x: Array) -> tuple[Array, Array]:
    """Lower end of the cell that holds a value, and its width."""
    cell = jnp.clip(jnp.searchsorted(values, x, side="right") - 1, 0, values.shape[0] - 2)
    return cell, values[cell + 1] - values[cell]


def _empirical_score(params: Params, x: Array) -> Array:
    (values,) = params
    last = values.shape[0] - 1
    cell, width = _empirical_cell(values, x)
    share = (x - values[cell]) / jnp.where(width > 0, width, 1.0)
    below, above = (cell + share) / last, (last - cell - share) / last
    score = score_of(jnp.clip(below, 0.0, 1.0), jnp.clip(above, 0.0, 1.0))
    return jnp.where(x < values[0], -jnp.inf, jnp.where(x >= values[-1], jnp.inf, score))


def _empirical_density(params: Params, x: Array) -> Array:
    (values,) = params
    width = _empirical_cell(values, x)[1]
    inside = (values[0] <= x) & (x <= values[-1]) & (width > 0)
    spread = (values.shape[0] - 1) * jnp.where(inside, width, 1.0)
    return jnp.where(inside, -jnp.log(spread), -jnp.inf)


def _any_column(params: Params) -> Array:
    return jnp.isfinite(params[0]).all()


def _between_ends(params: Params) -> Floats:
    _, values, low, high = params
    return np.concatenate([[low], values, [high]])


def _steps(params: Params) -> Floats:
    return np.unique(np.asarray(params[0], np.float64))


QUANTILES = Kernel(
    _quantiles,
    _quantiles_quantile,
    _quantiles_score,
    _quantiles_density,
    _rising,
    _between_ends,
)
EMPIRICAL = Kernel(
    _empirical, _empirical_quantile, _empirical_score, _empirical_density, _any_column, _steps
)
