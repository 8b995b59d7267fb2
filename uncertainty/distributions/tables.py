"""Quantile tables of laws that have no closed form: cubic between points, with exact slopes.

A family whose shape is known is tabulated over an even grid of scores (`fill`, `interpolate`). A
mixture is known by its distribution function and its density (`invert_score`), and what a
truncation leaves far out in a tail, where there is no distribution function in 64 bits, by its
density alone (`invert_density`): their points are laid where they are needed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.stats import norm
from jax.typing import ArrayLike
from scipy import special

from uncertainty.arrays import Floats
from uncertainty.distributions.kernel import unbend

LOG_ROOT_2PI = float(0.5 * np.log(2 * np.pi))
_REACH = 12.0
"""Scores up to which there are points, as far as tails are probed; the last cells go on."""
_CELLS = 3072
"""Of the grid, 1/128 of a score each; a law that bends too sharply for it is not `resolved`."""
GRID: Floats = np.linspace(-_REACH, _REACH, _CELLS + 1)
"""Normal scores at which the table of a family is exact."""
_WITHIN = 6.0
"""Farther out SciPy's own inverses have fewer digits for large shapes."""
_BEND = 0.1
"""A cubic misses by about the cube of this, over 384, of what a cell rises."""
_TOLERANCE = 2e-11
"""Miss of a cubic in the middle of its cell, next to the value."""
_RESOLVED = 1e-13
"""Scores nearer to each other are the same score in 64 bits."""
_PASSES, _MOST = 64, 2**16
"""Each pass halves the cells that are not good yet; never more points than this."""
_FAR = 40.0
"""As far as any score goes."""
_FARTHEST = 1e6
"""Least log density of a tail, negative, that leaves ten digits to its differences."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)

Law = TypeVar("Law")
Indices: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.intp]]"
Evaluate: TypeAlias = Callable[[Floats], tuple[Floats, Floats]]
"""Score and log density at values."""


def cubics(start: Floats, rise: Floats, left: Floats, right: Floats) -> Floats:
    """Coefficients over the place in each cell, shape (cells, 4), from the slopes at both ends."""
    return np.stack([start, left, 3 * rise - 2 * left - right, left + right - 2 * rise], 1)


def fill(values: Floats, log_densities: Floats) -> Floats:
    """Cubic coefficients in each cell of the grid, from values at it on a smooth scale.

    ``phi(z)`` over their density is their derivative in the score.
    """
    log_slopes = -0.5 * GRID * GRID - LOG_ROOT_2PI - log_densities
    slope = np.exp(log_slopes) * (2 * _REACH / _CELLS)
    return cubics(values[:-1], np.diff(values), slope[:-1], slope[1:])


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
    t, c = place - cell, table[cell]
    return c[..., 0] + t * (c[..., 1] + t * (c[..., 2] + t * c[..., 3]))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def exact_slope(
    look_up: Callable[[Law, Array], Array],
    log_density: Callable[[Law, Array], Array],  # noqa: ARG001  # the slope below takes it
    atoms: bool,  # noqa: ARG001  # as well
    law: Law,
    z: Array,
) -> Array:
    """Look a value up, with the slope ``phi(z)/p(x)``; the numbers of the law stay as they are.

    So densities on the natural scale are as exact as the formula, not as the table. Where there may
    be `atoms`, a value at which the table is level is one, and has no slope.
    """
    return look_up(law, z)


@exact_slope.defjvp
def _exact_slope_jvp(
    look_up: Callable[[Law, Array], Array],
    log_density: Callable[[Law, Array], Array],
    atoms: bool,
    primals: tuple[Law, Array],
    tangents: tuple[Law, Array],
) -> tuple[Array, Array]:
    law, z = primals
    x, slope = jax.jvp(partial(look_up, law), (z,), (jnp.ones_like(z),))
    exact = jnp.exp(norm.logpdf(z) - log_density(law, x))
    # In 32 bits a large shape leaves no digits of the formula, and the table keeps its own.
    usable = jnp.isfinite(exact) & (exact > 0) & (z.dtype == jnp.float64)
    if atoms:  # where there are none, a level table is one that 64 bits cannot tell from its end
        usable &= slope > 0
    return x, jnp.where(usable, exact, slope) * tangents[1]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Inverse:
    """A quantile function by cells of any width."""

    scores: ArrayLike  # ends of the cells, ascending
    cubics: ArrayLike  # coefficients of the bent value over the place in a cell, (cells, 4)
    atoms: ArrayLike  # the value of a cell that is one value; NaN elsewhere
    ends: ArrayLike  # of the support, infinite where it has none: what values are bent by

    def at(self, z: Array) -> Array:
        """Value at a score."""
        scores, ends = jnp.asarray(self.scores), jnp.asarray(self.ends)
        cell = jnp.clip(jnp.searchsorted(scores, z) - 1, 0, len(scores) - 2)
        t = (z - scores[cell]) / (scores[cell + 1] - scores[cell])
        c, atom = jnp.asarray(self.cubics)[cell], jnp.asarray(self.atoms)[cell]
        y = c[..., 0] + t * (c[..., 1] + t * (c[..., 2] + t * c[..., 3]))
        smooth = jnp.clip(unbend(y, ends[0], ends[1]), ends[0], ends[1])
        return jnp.where(jnp.isnan(atom), smooth, atom)


@dataclass(frozen=True)
class Scale:
    """The scale on which tails are straight, as `kernel.bend`, on the host."""

    low: float
    high: float

    def bend(self, x: Floats) -> Floats:
        """From values."""
        above = np.log(x - self.low) if math.isfinite(self.low) else 0.0
        below = np.log(self.high - x) if math.isfinite(self.high) else 0.0
        bounded = math.isfinite(self.low) or math.isfinite(self.high)
        return np.asarray(above - below if bounded else x)

    def unbend(self, y: Floats) -> Floats:
        """To values."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            width = self.high - self.low
            lower = self.low + width * special.expit(y)
            upper = self.high - width * special.expit(-y)
            return np.asarray(np.where(y < 0, lower, upper))
        if math.isfinite(self.low):
            return np.asarray(self.low + np.exp(y))
        return np.asarray(self.high - np.exp(-y)) if math.isfinite(self.high) else y

    def log_stretch(self, x: Floats) -> Floats:
        """Logarithm of the derivative of `bend`."""
        low, high = math.isfinite(self.low), math.isfinite(self.high)
        stretch = -np.log(x - self.low) if low else np.zeros(np.shape(x))
        stretch = stretch - np.log(self.high - x) if high else stretch
        return np.asarray(stretch + np.log(self.high - self.low) if low and high else stretch)

    def slopes(self, x: Floats, z: Floats, log_density: Floats) -> Floats:
        """Derivative of the bent value in the score; NaN where there is no density."""
        log_slope = -0.5 * z * z - LOG_ROOT_2PI - log_density + self.log_stretch(x)
        return np.where(np.isfinite(log_density), np.exp(log_slope), np.nan)


@dataclass
class Points:
    """Points in the order of their values: scores and slopes on either side of each."""

    x: Floats
    y: Floats
    before: Floats
    after: Floats
    slope_before: Floats
    slope_after: Floats
    tested: Floats  # 1 where the cell that begins here is good enough

    def at(self, places: "Indices | np.ndarray[tuple[int], np.dtype[np.bool_]]") -> "Points":
        """Some of them, or all in another order."""
        return Points(*(getattr(self, column.name)[places] for column in fields(self)))

    def with_new(self, places: Indices, new: "Points") -> "Points":
        """Put new points behind those at `places`."""
        pairs = ((getattr(self, c.name), getattr(new, c.name)) for c in fields(self))
        return Points(*(np.insert(column, places + 1, value) for column, value in pairs))

    def cubics(self) -> Floats:
        """Cubic between each point and the next; slopes of at most 3 secants keep it rising.

        Source: Fritsch and Carlson (1980), SIAM J. Numer. Anal. 17, 238.
        """
        width, rise = self.before[1:] - self.after[:-1], np.diff(self.y)
        left, right = (
            np.clip(np.where(np.isnan(slope), rise, slope * width), 0.0, 3 * rise)
            for slope in (self.slope_after[:-1], self.slope_before[1:])
        )
        return cubics(self.y[:-1], rise, left, right)

    def inverse(self, scale: Scale) -> Inverse:
        """Cells in the order of their scores: the value of an atom, then what lies above it."""
        count = len(self.y)
        start, end = np.empty(2 * count - 1), np.empty(2 * count - 1)
        start[::2], end[::2] = self.before, self.after
        start[1::2], end[1::2] = self.after[:-1], self.before[1:]
        cells = np.zeros((2 * count - 1, 4))
        cells[1::2] = self.cubics()
        atoms = np.full(2 * count - 1, np.nan)
        atoms[::2] = self.x
        keep = (end > start) & (np.isfinite(cells).all(1))
        scores = np.clip(np.append(start[keep], end[keep][-1]), -_FAR, _FAR)
        return Inverse(scores, cells[keep], atoms[keep], np.array([scale.low, scale.high]))


@np.errstate(all="ignore")  # bent values at an end are infinite, and a gap has no slope
def invert_score(evaluate: Evaluate, breaks: Floats, starts: Floats) -> Inverse:
    """Tabulate a law whose score and density are known.

    `breaks` are the ends of the support, and every point between at which the law jumps or bends;
    `starts` are values to begin with, from one tail to the other.
    """
    scale = Scale(float(breaks[0]), float(breaks[-1]))
    points = _first_points(evaluate, scale, breaks, starts)
    # Of a law on both sides of 0 a relative miss near 0 asks for too much.
    spread = float(np.ptp(np.interp([-0.7, 0.7], points.after, points.x)))
    floor = spread if scale.low < 0 < scale.high else 0.0
    for _ in range(_PASSES):
        cells = np.flatnonzero(points.tested[:-1] == 0)
        if not len(cells) or len(points.y) > _MOST:
            break
        y = (points.y[cells] + points.y[cells + 1]) / 2
        x = scale.unbend(y)
        z, log_density = evaluate(x)
        width = points.before[cells + 1] - points.after[cells]
        t = np.clip((z - points.after[cells]) / width, 0.0, 1.0)
        a, b, c, d = points.cubics()[cells].T
        bent, slopes = a + t * (b + t * (c + t * d)), scale.slopes(x, z, log_density)
        good = np.abs(scale.unbend(bent) - x) <= _TOLERANCE * np.maximum(np.abs(x), floor)
        # Just above an atom, and at a sharp peak, scores in 64 bits tell no more.
        good |= np.abs(bent - y) <= 10 * slopes * _RESOLVED * (1 + np.abs(z))
        good |= width <= _RESOLVED * (1 + np.abs(z))
        good |= (x <= points.x[cells]) | (x >= points.x[cells + 1])
        points.tested[cells[good]] = 1
        new = Points(x, y, z, z, slopes, slopes, np.zeros(len(x))).at(~good)
        points = points.with_new(cells[~good], new)
    return points.inverse(scale)


def _first_points(evaluate: Evaluate, scale: Scale, breaks: Floats, starts: Floats) -> Points:
    """Points at the breaks, with both sides of each, and between them at the starts."""
    inner = np.setdiff1d(starts[np.isfinite(scale.bend(starts))], breaks)
    inner = inner[(scale.low < inner) & (inner < scale.high)]
    if len(inner):  # and on the way from the outermost to the ends of the support
        bent, further = scale.bend(inner), [inner]
        for side, y in ((-1.0, bent.min()), (1.0, bent.max())):
            # Half a unit at a time at first: in the bent scale a tail is nearly straight.
            x = scale.unbend(y + side * np.cumsum(np.geomspace(0.5, 60.0, 48)))
            x = x[(scale.low < x) & (x < scale.high) & np.isfinite(x)]
            near = np.concatenate([[True], np.abs(evaluate(x)[0][:-1]) < _REACH])
            further.append(x[np.logical_and.accumulate(near[: len(x)])])
        inner = np.unique(np.concatenate(further))
    # A jump at an end of the support is one of the points, although its bent value is infinite.
    jumps = breaks[np.isfinite(breaks)]
    step = np.maximum(np.abs(jumps) * 2.0**-50, 1e-300)
    before, density_before = evaluate(jumps - step)
    after, _ = evaluate(jumps)
    density_after = evaluate(jumps + step)[1]
    z, density = evaluate(inner)
    slopes = scale.slopes(inner, z, density)
    points = Points(
        np.concatenate([inner, jumps]),
        np.concatenate([scale.bend(inner), scale.bend(jumps)]),
        np.concatenate([z, np.minimum(before, after)]),
        np.concatenate([z, after]),
        np.concatenate([slopes, scale.slopes(jumps, before, density_before)]),
        np.concatenate([slopes, scale.slopes(jumps, after, density_after)]),
        np.zeros(len(inner) + len(jumps)),
    )
    points = points.at(np.argsort(points.x))
    # Without those farther out than any draw, or without a score.
    return points.at((points.after > -2 * _REACH) & (points.before < 2 * _REACH))


@np.errstate(all="ignore")
def invert_density(
    log_density: Callable[[Floats], Floats], low: float, high: float
) -> tuple[Inverse, float] | None:
    """Tabulate what a truncation leaves far out in a tail, from the density alone.

    At least one end is finite. Gives the table and the logarithm of what is left; None where that
    is nothing, or less than 64 bits can tell apart.
    """
    scale = Scale(low, high)

    def over(y: Floats) -> Floats:
        """Log density of the bent value."""
        x = scale.unbend(y)
        density = log_density(x) - scale.log_stretch(x)
        return np.where(np.isfinite(density), density, -np.inf)

    # A logit saturates at 37, a logarithm leaves float64 at 709.
    reach = 40.0 if math.isfinite(low) and math.isfinite(high) else 700.0
    coarse = np.arange(-reach, reach, 2.0**-5)
    levels = over(coarse)
    top = levels.max()
    if not top > -_FARTHEST:
        return None
    # e^-90 of the most is beyond a score of 12.
    inside = coarse[levels > top - 90]
    y = np.arange(inside.min() - 2.0**-5, inside.max() + 2.0**-4, 2.0**-7)
    half = np.diff(y) / 2
    places = y[:-1, None] + half[:, None] * (1 + _NODES)
    masses = (np.exp(over(places.ravel()) - top).reshape(places.shape) * _WEIGHTS).sum(1) * half
    total = masses.sum()
    below = np.concatenate([[0.0], np.cumsum(masses)]) / total
    above = np.concatenate([np.cumsum(masses[::-1])[::-1], [0.0]]) / total
    z = np.where(below < above, special.ndtri(below), -special.ndtri(above))
    keep = np.abs(z) < 2 * _REACH
    y, z = y[keep], z[keep]
    slopes = np.exp(-0.5 * z * z - LOG_ROOT_2PI - over(y) + top + np.log(total))
    points = Points(scale.unbend(y), y, z, z, slopes, slopes, np.ones(len(y)))
    return points.inverse(scale), float(top + np.log(total))
