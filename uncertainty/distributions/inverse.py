"""Quantile tables of laws known by their distribution function or their density alone.

A mixture has no quantile function in closed form, and what a truncation leaves far out in a tail
has no distribution function in 64 bits. Points are laid where they are needed, the score of each is
computed exactly, and between them the quantile function is cubic with exact slopes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from scipy import special

from uncertainty.arrays import Floats
from uncertainty.distributions.kernel import LOG_ROOT_2PI, unbend

_REACH = 12.0
"""Scores up to which points are laid, as in `table`; beyond, the last cell goes on."""
_TOLERANCE = 2e-11
_RESOLVED = 1e-13
"""Scores nearer to each other are the same score in 64 bits."""
_PASSES = 64
_MOST = 2**16
FARTHEST = 1e6
"""Least log density of a tail, negative, that leaves ten digits to its differences."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)

_Evaluate: TypeAlias = Callable[[Floats], tuple[Floats, Floats]]
"""Score and log density at values."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Inverse:
    """A quantile function by cells.

    Attributes
    ----------
    scores : array
        Ends of the cells, ascending, shape (cells + 1,).
    cubics : array
        Coefficients of the bent value over the place in a cell, shape (cells, 4).
    atoms : array
        The value of a cell that is one value; NaN elsewhere.
    ends : array
        Of the support, infinite where it has none: what values are bent by.
    """

    scores: ArrayLike
    cubics: ArrayLike
    atoms: ArrayLike
    ends: ArrayLike

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
class _Scale:
    """The scale on which tails are straight: x, log(x - low), -log(high - x) or the logit."""

    low: float
    high: float

    def bend(self, x: Floats) -> Floats:
        above = np.log(x - self.low) if math.isfinite(self.low) else 0.0
        below = np.log(self.high - x) if math.isfinite(self.high) else 0.0
        bounded = math.isfinite(self.low) or math.isfinite(self.high)
        return np.asarray(above - below if bounded else x)

    def unbend(self, y: Floats) -> Floats:
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
        found = np.zeros(np.shape(x))
        if math.isfinite(self.low):
            found = found - np.log(x - self.low)
        if math.isfinite(self.high):
            found = found - np.log(self.high - x)
        if math.isfinite(self.low) and math.isfinite(self.high):
            found = found + np.log(self.high - self.low)
        return np.asarray(found)


@dataclass
class _Points:
    """Points in the order of their values: scores and slopes on either side of each."""

    x: Floats
    y: Floats
    before: Floats
    after: Floats
    slope_before: Floats
    slope_after: Floats
    tested: Floats  # 1 where the cell that begins here is good enough

    def insert(self, places: "np.ndarray[tuple[int], np.dtype[np.intp]]", new: "_Points") -> None:
        """Put new points behind those at `places`."""
        for name, value in vars(new).items():
            setattr(self, name, np.insert(getattr(self, name), places + 1, value))


def _slopes(scale: _Scale, x: Floats, z: Floats, log_density: Floats) -> Floats:
    """Derivative of the bent value in the score; NaN where there is no density."""
    log_slope = -0.5 * z * z - LOG_ROOT_2PI - log_density + scale.log_stretch(x)
    return np.where(np.isfinite(log_density), np.exp(log_slope), np.nan)


@np.errstate(all="ignore")  # bent values at an end are infinite, and a gap has no slope
def invert_score(evaluate: _Evaluate, breaks: Floats, starts: Floats) -> Inverse:
    """Tabulate a law whose score and density are known.

    Parameters
    ----------
    evaluate : callable
        Score and log density at values.
    breaks : array
        Ends of the support, and every point between at which the law jumps or bends; ascending.
    starts : array
        Values to begin with, from one tail to the other.
    """
    scale = _Scale(float(breaks[0]), float(breaks[-1]))
    points = _first_points(evaluate, scale, breaks, starts)
    spread = float(np.ptp(np.interp([-0.7, 0.7], points.after, points.x)))
    floor = spread if scale.low < 0 < scale.high else 0.0
    for _ in range(_PASSES):
        cells = np.flatnonzero(points.tested[:-1] == 0)
        if not len(cells) or len(points.y) > _MOST:
            break
        y = (points.y[cells] + points.y[cells + 1]) / 2
        x = scale.unbend(y)
        z, log_density = evaluate(x)
        bent = _cubic(points, cells, z)
        found, slopes = scale.unbend(bent), _slopes(scale, x, z, log_density)
        width = points.before[cells + 1] - points.after[cells]
        good = np.abs(found - x) <= _TOLERANCE * np.maximum(np.abs(x), floor)
        # Just above an atom, and at a sharp peak, scores in 64 bits tell no more.
        good |= np.abs(bent - y) <= 10 * slopes * _RESOLVED * (1 + np.abs(z))
        good |= width <= _RESOLVED * (1 + np.abs(z))
        good |= (x <= points.x[cells]) | (x >= points.x[cells + 1])
        points.tested[cells[good]] = 1
        bad = ~good
        slopes = slopes[bad]
        new = _Points(x[bad], y[bad], z[bad], z[bad], slopes, slopes, np.zeros(bad.sum()))
        points.insert(cells[bad], new)
    return _assembled(points, scale)


def _first_points(evaluate: _Evaluate, scale: _Scale, breaks: Floats, starts: Floats) -> _Points:
    """Points at the breaks, with both sides of each, and between them at the starts."""
    inner = np.setdiff1d(starts[np.isfinite(scale.bend(starts))], breaks)
    inner = inner[(scale.low < inner) & (inner < scale.high)]
    inner = np.unique(np.concatenate([inner, _ends(evaluate, scale, inner)]))
    # A jump at an end of the support is one of the points, although its bent value is infinite.
    own = breaks[np.isfinite(breaks)]
    step = np.maximum(np.abs(own) * 2.0**-50, 1e-300)
    before, density_before = evaluate(own - step)
    after, _ = evaluate(own)
    density_after = evaluate(own + step)[1]
    z, density = evaluate(inner)
    slopes = _slopes(scale, inner, z, density)
    x = np.concatenate([inner, own])
    order = np.argsort(x)
    found = _Points(
        x[order],
        np.concatenate([scale.bend(inner), scale.bend(own)])[order],
        np.concatenate([z, np.minimum(before, after)])[order],
        np.concatenate([z, after])[order],
        np.concatenate([slopes, _slopes(scale, own, before, density_before)])[order],
        np.concatenate([slopes, _slopes(scale, own, after, density_after)])[order],
        np.zeros(len(x)),
    )
    return _within_reach(found)


def _ends(evaluate: _Evaluate, scale: _Scale, inner: Floats) -> Floats:
    """Points on the way from the outermost starts to the ends of the support."""
    found = list[float]()
    bent = scale.bend(inner)
    if not len(inner):
        return inner
    for side, y in ((-1.0, bent.min()), (1.0, bent.max())):
        # Half a unit at a time at first: in the bent scale a tail is nearly straight.
        steps = y + side * np.cumsum(np.geomspace(0.5, 60.0, 48))
        x = scale.unbend(steps)
        usable = (scale.low < x) & (x < scale.high) & np.isfinite(x)
        z = evaluate(x[usable])[0]
        near = np.concatenate([[True], np.abs(z[:-1]) < _REACH])
        found += x[usable][np.logical_and.accumulate(near[: len(z)])].tolist()
    return np.array(found)


def _within_reach(points: _Points) -> _Points:
    """Leave out points whose score is none or farther out than any draw."""
    keep = (points.after > -2 * _REACH) & (points.before < 2 * _REACH)
    kept = {name: value[keep] for name, value in vars(points).items()}
    return _Points(**kept)


def _cubic(
    points: _Points, cells: "np.ndarray[tuple[int], np.dtype[np.intp]]", z: Floats
) -> Floats:
    coefficients = _coefficients(points)[cells]
    width = points.before[cells + 1] - points.after[cells]
    t = np.clip((z - points.after[cells]) / width, 0.0, 1.0)
    a, b, c, d = coefficients.T
    return np.asarray(a + t * (b + t * (c + t * d)))


def _coefficients(points: _Points) -> Floats:
    """Cubic between each point and the next; slopes of at most 3 secants keep it rising.

    Source: Fritsch and Carlson (1980), SIAM J. Numer. Anal. 17, 238.
    """
    width = points.before[1:] - points.after[:-1]
    rise = np.diff(points.y)
    left, right = (
        np.clip(np.where(np.isnan(slope), rise, slope * width), 0.0, 3 * rise)
        for slope in (points.slope_after[:-1], points.slope_before[1:])
    )
    last = left + right - 2 * rise
    return np.stack([points.y[:-1], left, 3 * rise - 2 * left - right, last], 1)


def _assembled(points: _Points, scale: _Scale) -> Inverse:
    """Cells in the order of their scores: the value of an atom, then what lies above it."""
    count = len(points.y)
    start, end = np.empty(2 * count - 1), np.empty(2 * count - 1)
    start[::2], end[::2] = points.before, points.after
    start[1::2], end[1::2] = points.after[:-1], points.before[1:]
    cubics = np.zeros((2 * count - 1, 4))
    cubics[1::2] = _coefficients(points)
    atoms = np.full(2 * count - 1, np.nan)
    atoms[::2] = points.x
    keep = (end > start) & (np.isfinite(cubics).all(1))
    far = 40.0  # as far as any score goes
    scores = np.clip(np.append(start[keep], end[keep][-1]), -far, far)
    return Inverse(scores, cubics[keep], atoms[keep], np.array([scale.low, scale.high]))


@np.errstate(all="ignore")
def invert_density(
    log_density: Callable[[Floats], Floats], low: float, high: float
) -> tuple[Inverse, float] | None:
    """Tabulate what a truncation leaves far out in a tail, from the density alone.

    Parameters
    ----------
    log_density : callable
    low, high : float
        The ends that are left; at least one is finite.

    Returns
    -------
    table, log_mass : Inverse, float
        None where nothing is left, or less than 64 bits can tell apart.
    """
    scale = _Scale(low, high)

    def over(y: Floats) -> Floats:
        """Log density of the bent value."""
        x = scale.unbend(y)
        found = log_density(x) - scale.log_stretch(x)
        return np.where(np.isfinite(found), found, -np.inf)

    reach = 40.0 if math.isfinite(low) and math.isfinite(high) else 700.0
    coarse = np.arange(-reach, reach, 2.0**-5)
    levels = over(coarse)
    top = levels.max()
    if not top > -FARTHEST:
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
    points = _Points(scale.unbend(y), y, z, z, slopes, slopes, np.ones(len(y)))
    return _assembled(points, scale), float(top + np.log(total))
