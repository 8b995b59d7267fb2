"""Laws given by points: elicited quantiles, the values of a data column, separate options."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtri
from jax.scipy.stats import norm

from uncertainty.arrays import Floats
from uncertainty.distributions.kernel import (
    Fields,
    Kernel,
    Params,
    bend,
    bisect,
    score_of,
    tails,
    unbend,
)

_HALVINGS = 60
"""Of a cell, to the last digit."""
_FEW = 16
"""Up to so many options comparing with each is faster than halving."""


class Spline(NamedTuple):
    """A rising cubic spline over the score; straight beyond its knots."""

    knots: Array
    values: Array
    slopes: Array

    @classmethod
    def through(cls, knots: Array, values: Array) -> "Spline":
        """Keep a cubic spline rising: slopes are weighted harmonic means of neighboring secants.

        At the ends the secant itself, which is never 0, so that the tails go on.
        Source: Fritsch and Butland (1984), SIAM J. Sci. Stat. Comput. 5, 300.
        """
        steps = knots[1:] - knots[:-1]
        secants = (values[1:] - values[:-1]) / steps
        first, second = 2 * steps[1:] + steps[:-1], steps[1:] + 2 * steps[:-1]
        inner = (first + second) / (first / secants[:-1] + second / secants[1:])
        return cls(knots, values, jnp.concatenate([secants[:1], inner, secants[-1:]]))

    def at(self, z: Array) -> Array:
        """Value at a score."""
        cell = jnp.clip(jnp.searchsorted(self.knots, z) - 1, 0, len(self.knots) - 2)
        t = (z - self.knots[cell]) / (self.knots[cell + 1] - self.knots[cell])
        # Each branch keeps its own derivative at a knot, as minimum and maximum would not.
        inside = self.inside(cell, jnp.where(t < 0, 0.0, jnp.where(t > 1, 1.0, t)))
        below, above = z - self.knots[0], z - self.knots[-1]
        inside += jnp.where(below < 0, below * self.slopes[0], 0.0)
        return inside + jnp.where(above > 0, above * self.slopes[-1], 0.0)

    def inside(self, cell: Array, t: Array) -> Array:
        """Value at a place from 0 to 1 in a cell."""
        step = self.knots[cell + 1] - self.knots[cell]
        low, high = self.values[cell], self.values[cell + 1]
        left, right = step * self.slopes[cell], step * self.slopes[cell + 1]
        rise = high - low
        return low + t * (left + t * (3 * rise - 2 * left - right + t * (left + right - 2 * rise)))

    def invert(self, y: Array) -> Array:
        """Score of a value: by halving within a cell, and one exact step for the derivatives."""
        cell = jnp.clip(jnp.searchsorted(self.values, y) - 1, 0, len(self.knots) - 2)
        start = jnp.zeros_like(y)
        t = bisect(lambda t: self.inside(cell, t) >= y, start, start + 1, _HALVINGS)
        z = self.knots[cell] + t * (self.knots[cell + 1] - self.knots[cell])
        below, above = y - self.values[0], y - self.values[-1]
        z = jnp.where(below < 0, self.knots[0] + below / self.slopes[0], z)
        z = jax.lax.stop_gradient(jnp.where(above > 0, self.knots[-1] + above / self.slopes[-1], z))
        value, slope = jax.jvp(self.at, (z,), (jnp.ones_like(z),))
        score: Array = z + (y - value) / jax.lax.stop_gradient(slope)
        return score


class Quantiles(Kernel):
    """A smooth rise through quantiles: scores, values, and the ends given as quantiles of 0, 1."""

    def parameters(self, fields: Fields) -> Params:
        by_level = sorted((float(key), value) for key, value in fields.items())
        inner = [(level, value) for level, value in by_level if 0 < level < 1]
        ends = dict(by_level)
        return (
            ndtri(jnp.asarray([level for level, _ in inner])),
            jnp.stack([value for _, value in inner]),
            ends.get(0.0, jnp.asarray(-jnp.inf)),
            ends.get(1.0, jnp.asarray(jnp.inf)),
        )

    def spline(self, params: Params) -> Spline:
        """The curve on the scale on which tails are straight."""
        knots, values, low, high = params
        return Spline.through(knots, bend(values, low, high))

    def quantile(self, params: Params, z: Array) -> Array:
        return unbend(self.spline(params).at(z), *params[2:])

    def score(self, params: Params, x: Array) -> Array:
        low, high = params[2:]
        inside = (low < x) & (x < high)
        middle = params[1][0]
        score = self.spline(params).invert(bend(jnp.where(inside, x, middle), low, high))
        return jnp.where(inside, score, jnp.where(x <= low, -jnp.inf, jnp.inf))

    def log_density(self, params: Params, x: Array) -> Array:
        z = self.score(params, x)
        finite = jnp.isfinite(z)
        z = jnp.where(finite, z, 0.0)
        slope = jax.jvp(lambda z: self.quantile(params, z), (z,), (jnp.ones_like(z),))[1]
        return jnp.where(finite, norm.logpdf(z) - jnp.log(slope), -jnp.inf)

    def valid(self, params: Params) -> Array:
        _, values, low, high = params
        rising = (values[1:] > values[:-1]).all()
        return rising & (low < values[0]) & (values[-1] < high)

    def breaks(self, params: Params) -> Floats:
        _, values, low, high = params
        return np.concatenate([[low], values, [high]])


class Empirical(Kernel):
    """The values of a column, sorted, and straight between them: the quantile of type 7.

    Source: Hyndman and Fan (1996), Sample quantiles in statistical packages, Am. Stat. 50, 361.
    """

    def parameters(self, fields: Fields) -> Params:
        return (fields["values"],)

    def quantile(self, params: Params, z: Array) -> Array:
        (values,) = params
        below, above = tails(z)
        last = values.shape[0] - 1
        rank, rest = below * last, above * last
        cell = jnp.clip(jnp.floor(rank), 0, last - 1).astype(jnp.int32)
        share = jnp.where(z > 0, cell + 1 - last + rest, cell + 1 - rank)
        share = jnp.clip(share, 0.0, 1.0)
        return values[cell] * share + values[cell + 1] * (1 - share)

    def cell(self, values: Array, x: Array) -> tuple[Array, Array]:
        """Lower end of the cell that holds a value, and its width."""
        cell = jnp.clip(jnp.searchsorted(values, x, side="right") - 1, 0, values.shape[0] - 2)
        return cell, values[cell + 1] - values[cell]

    def score(self, params: Params, x: Array) -> Array:
        (values,) = params
        last = values.shape[0] - 1
        cell, width = self.cell(values, x)
        share = (x - values[cell]) / jnp.where(width > 0, width, 1.0)
        below, above = (cell + share) / last, (last - cell - share) / last
        score = score_of(jnp.clip(below, 0.0, 1.0), jnp.clip(above, 0.0, 1.0))
        return jnp.where(x < values[0], -jnp.inf, jnp.where(x >= values[-1], jnp.inf, score))

    def log_density(self, params: Params, x: Array) -> Array:
        (values,) = params
        width = self.cell(values, x)[1]
        inside = (values[0] <= x) & (x <= values[-1]) & (width > 0)
        spread = (values.shape[0] - 1) * jnp.where(inside, width, 1.0)
        return jnp.where(inside, -jnp.log(spread), -jnp.inf)

    def valid(self, params: Params) -> Array:
        return jnp.isfinite(params[0]).all()

    def breaks(self, params: Params) -> Floats:
        return np.unique(np.asarray(params[0], np.float64))


class Choice(Kernel):
    """Options ascending, the score up to which each is drawn but the last, and the weights."""

    def parameters(self, fields: Fields) -> Params:
        order = jnp.argsort(fields["options"])
        weights = fields["weights"][order]
        total = weights.sum()
        # Summed from both ends, so that rare options keep their share at either.
        below, above = jnp.cumsum(weights) / total, jnp.cumsum(weights[::-1])[::-1] / total
        return fields["options"][order], score_of(below[:-1], above[1:]), weights

    def count(self, places: Array, x: Array, side: str) -> Array:
        """Number of places before a value."""
        method = "compare_all" if len(places) <= _FEW else "scan"
        return jnp.searchsorted(places, x, side=side, method=method)

    def quantile(self, params: Params, z: Array) -> Array:
        options, scores, _ = params
        return options[self.count(scores, z, "left")]

    def score(self, params: Params, x: Array) -> Array:
        options, scores, _ = params
        ends = jnp.full(1, jnp.inf, scores.dtype)
        return jnp.concatenate([-ends, scores, ends])[self.count(options, x, "right")]

    def log_density(self, params: Params, x: Array) -> Array:
        return jnp.full_like(x, -jnp.inf)

    def valid(self, params: Params) -> Array:
        options, _, weights = params
        return jnp.isfinite(options).all() & (weights >= 0).all() & (weights.sum() > 0)

    def breaks(self, params: Params) -> Floats:
        return np.unique(np.asarray(params[0], np.float64))


POINTS = {"quantiles": Quantiles(), "empirical": Empirical(), "choice": Choice()}
