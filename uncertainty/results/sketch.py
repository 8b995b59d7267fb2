"""Counts of values in bins of one relative width: a distribution in little, mergeable memory.

A bin is named by the sign, the exponent and the first binary digits of a value's distance from an
origin, so a value finds its bin without a logarithm, and counts of any two parts of a sample add up
to those of both. The layout is that of HdrHistogram (G. Tene, 2013). The origin is 0, unless values
are so close together that bins about 0 would not tell them apart (see `Scale`). What is further
away than the last bin, or nearer than the first, falls into the bins at the ends.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.arrays import Floats, Integers

DIGITS = 9  # bins of 0.2 %: well below any standard error that is asked for
_LEAST_DIGITS = 4  # as many octaves as float64 has
_OCTAVES = 64  # on each side of the origin, with all digits
_HALF = (_OCTAVES << DIGITS) + 1  # on each side of the origin; the outermost is what is infinite
_MANTISSA, _BIAS = 52, 1023  # of float64
_NARROW = 1 / 8  # of their size: values closer together than this are binned about their median
_LATTICE = 2.0**40  # points of a lattice that can be told from rounding
_BELOW_SPREAD = 24  # octaves: the first bin about a median ends at 2^-24 of the spread

NOT_A_NUMBER = 2 * _HALF
"""The bin of NaN, behind that of infinity."""
BINS = NOT_A_NUMBER + 1
ENDS = (1, NOT_A_NUMBER - 2)
"""The bins of what is finite and too large for the others."""
RELATIVE_ERROR = 2.0**-DIGITS
"""Width of a bin: no quantile lies further from a value that occurs, relative to it."""


def unit_near(value: float) -> float:
    """Power of two next to a typical value; 1 where there is none.

    Never so near the ends of float64 that squares of values in that unit have no place there.
    """
    usable = np.isfinite(value) and value != 0
    return float(np.ldexp(1.0, np.clip(np.frexp(value)[1] - 1, -600, 600))) if usable else 1.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scale:
    """Where the bins of a column lie.

    Attributes
    ----------
    origin : float
        Bins are narrow near it.
    unit : float
        A power of two: bins reach from 2^-32 to 2^32 of it, on both sides of the origin.
    digits : int
        Binary digits that tell bins of one octave apart. With one less, bins are twice as wide and
        reach twice as many octaves.
    grain : float
        Distance between neighbors where values are multiples of one (counts, say); else 0.
    """

    origin: float = 0.0
    unit: float = 1.0
    digits: int = DIGITS
    grain: float = 0.0

    @classmethod
    def of_sample(cls, sample: Floats) -> "Scale":
        """Choose bins that resolve a distribution, from some of its values.

        Each value weighs once: one that repeats needs no bins.

        Examples
        --------
        >>> Scale.of_sample(np.linspace(1e9, 1e9 + 1, 101)).origin
        1000000000.5
        """
        values = np.unique(sample[np.isfinite(sample)])
        if len(values) < 2:
            return cls(0.0, unit_near(float(values.sum())))
        low, middle, high = (float(values[int(p * (len(values) - 1))]) for p in (0.16, 0.5, 0.84))
        # A few values have a spread too, and so do those that overflow when subtracted.
        spread = max(high / 2 - low / 2, float(np.ptp(values / 2)) / len(values)) * 2
        least = float(np.diff(values).min())
        with np.errstate(over="ignore", invalid="ignore"):
            steps = (values - values[0]) / least
            # Rounding hides a lattice of more points; it would be far finer than any bin.
            whole = steps[-1] < _LATTICE and (np.abs(steps - np.round(steps)) < 1e-3).all()
        grain = least if whole else 0.0
        if spread < _NARROW * abs(middle):
            near = unit_near(spread)
            # Coarse enough to be the same on every machine.
            origin = float(np.round(middle / near * 64) * near / 64)
            return cls(origin, near * 2.0 ** (_OCTAVES // 2 - _BELOW_SPREAD), grain=grain)
        octaves = np.log2(np.abs(values[values != 0]))
        least, most = np.quantile(octaves, (0.001, 0.999))
        # A sample is short of the far tails: twice its octaves reach far enough.
        doublings = np.ceil(np.log2(max(2 * (most - least) / _OCTAVES, 1)))
        digits = int(max(DIGITS - doublings, _LEAST_DIGITS))
        return cls(0.0, unit_near(float(np.exp2((least + most) / 2))), digits, grain)


_PLAIN = Scale()


def bin_of(values: Array, scale: Scale = _PLAIN) -> Array:
    """Bin of each value, rising with it."""
    shifted = (values - scale.origin) * (1 / jnp.asarray(scale.unit))
    magnitude = jax.lax.bitcast_convert_type(jnp.abs(shifted), jnp.int64)
    digits = jnp.asarray(scale.digits)
    place = ((magnitude >> (_MANTISSA - digits)) - ((_BIAS << digits) - _HALF // 2)).astype(
        jnp.int32
    )
    # What is finite may be too large for float64 in units of the scale.
    inside = jnp.where(jnp.isinf(values), _HALF - 1, jnp.clip(place, 0, _HALF - 2))
    signed = jnp.where(shifted < 0, _HALF - 1 - inside, _HALF + inside)
    return jnp.where(jnp.isnan(values), NOT_A_NUMBER, signed)


def _ends(digits: int, start: int, stop: int) -> Floats:
    """Ends of the bins from `start` to before `stop`, as distances from the origin in units."""
    places = np.arange(start, stop + 1) - _HALF
    size = np.abs(places)
    octave, rest = size >> digits, size & ((1 << digits) - 1)
    with np.errstate(over="ignore"):  # few digits reach beyond float64
        value = np.ldexp(1 + rest / (1 << digits), octave - (_HALF >> digits) // 2)
    return np.where(size == 0, 0.0, np.sign(places) * value)


def places_of(values: Floats, scale: Scale) -> Integers:
    """Give the bins of finite values, as `bin_of` does in compiled code."""
    shifted = (values - scale.origin) * (1 / scale.unit)
    ends = _ends(scale.digits, 0, NOT_A_NUMBER)
    above, below = (np.searchsorted(ends, shifted, side) - 1 for side in ("right", "left"))
    return np.clip(np.where(shifted < 0, below, above), *ENDS)


def edges(start: int, stop: int, scale: Scale = _PLAIN) -> Floats:
    """Ends of the bins from `start` to before `stop`: shape (stop - start + 1,).

    The first and the last bin of what is finite hold all that is beyond them.
    """
    with np.errstate(over="ignore"):
        ends = np.asarray(scale.origin + _ends(scale.digits, start, stop) * scale.unit)
    places = np.arange(start, stop + 1)
    return np.select([places <= ENDS[0], places > ENDS[1]], [-np.inf, np.inf], ends)


@dataclass(frozen=True)
class Sketch:
    """Counts of some consecutive bins."""

    start: int  # the first bin
    counts: Integers  # shape (..., bins)

    @classmethod
    def of_bins(cls, counts: Integers) -> "Sketch":
        """Keep the bins from the first to the last that are not empty, of shape (..., bins)."""
        # An or over whole rows is far faster than any().
        used = np.flatnonzero(np.bitwise_or.reduce(np.atleast_2d(counts), 0))
        start, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        return cls(start, np.asarray(counts[..., start:stop], np.int64))

    @property
    def stop(self) -> int:
        """The bin after the last."""
        return self.start + self.counts.shape[-1]

    def within(self, start: int, stop: int) -> Integers:
        """Counts of the bins of a wider stretch."""
        before, after = self.start - start, stop - self.stop
        pad = [(0, 0)] * (self.counts.ndim - 1) + [(before, after)]
        return np.pad(self.counts, pad) if before or after else self.counts

    def __add__(self, other: "Sketch") -> "Sketch":
        """Counts of both."""
        if not self.counts.shape[-1] or not other.counts.shape[-1]:
            return self if self.counts.shape[-1] else other
        start, stop = min(self.start, other.start), max(self.stop, other.stop)
        return Sketch(start, self.within(start, stop) + other.within(start, stop))

    @staticmethod
    def stack(parts: "list[Sketch]") -> "Sketch":
        """Lay sketches side by side along a new first axis."""
        used = [part for part in parts if part.counts.shape[-1]]
        start = min((part.start for part in used), default=0)
        stop = max((part.stop for part in used), default=0)
        rows = [p if p.counts.shape[-1] else Sketch(start, p.counts) for p in parts]
        return Sketch(start, np.stack([row.within(start, stop) for row in rows]))


def with_atoms(
    ends: Floats, counts: Integers, places: Integers, atoms: Floats, passed: Integers
) -> tuple[Floats, Integers]:
    """Cut bins where a value repeats: it becomes a bin of no width.

    Parameters
    ----------
    ends, counts : array
        Of some bins: shapes (bins + 1,) and (chain, bins).
    places : array
        In which of these bins each atom lies.
    atoms : array
        Values that repeat, rising.
    passed : array
        How many values lie before, and before or at, each of them: shape (chain, 2 * atoms).

    Examples
    --------
    >>> with_atoms(np.arange(3.0), np.array([[4, 2]]), np.array([0]), np.array([0.5]),
    ...            np.array([[1, 4]]))
    (array([0. , 0.5, 0.5, 1. , 2. ]), array([[1, 3, 0, 2]]))
    """
    below = np.pad(np.cumsum(counts, 1), ((0, 0), (1, 0)))
    ends = ends.copy()
    # The end of a bin is rounded: it must not pass a value of the bin.
    np.minimum.at(ends, places, atoms)
    np.maximum.at(ends, places + 1, atoms)
    cuts = np.repeat(places + 1, 2)
    whole = np.insert(below, cuts, passed, 1)
    return np.insert(ends, cuts, np.repeat(atoms, 2)), np.diff(whole)


@dataclass(frozen=True)
class Ogive:
    """Cumulative shares of several independent samples (chains), straight within each bin."""

    edges: Floats  # of bins, shape (bins + 1,); one without width holds a value that repeats
    below: Floats  # share of each chain below each edge, shape (chain, bins + 1)
    number: float  # of values in a chain
    grain: float = 0.0  # distance between neighbors, where values lie on a lattice

    @classmethod
    def of_counts(cls, edges: Floats, counts: Integers, grain: float = 0.0) -> "Ogive":
        """From counts of shape (chain, bins)."""
        totals = np.pad(np.cumsum(counts, 1), ((0, 0), (1, 0)))
        number = np.maximum(totals[:, -1:], 1)
        return cls(edges, totals / number, float(number.mean()), grain)

    @cached_property
    def pooled(self) -> Floats:
        """Share of all chains together below each edge."""
        return np.asarray(self.below.mean(0))

    def quantile(self, probability: Floats | float) -> Floats:
        """Quantile of all chains together."""
        return _inverse(self.pooled, self.edges, np.asarray(probability, np.float64))

    @property
    def gaps(self) -> tuple[Floats, Floats]:
        """Ends, below and above, of the stretches between values in which there are none."""
        held = np.flatnonzero(np.diff(self.pooled))
        return self.edges[held[:-1] + 1], self.edges[held[1:]]

    def functions(self, levels: Floats) -> Floats:
        """Quantile function of each chain at some probabilities, shape (chain, level)."""
        return np.stack([_inverse(below, self.edges, levels) for below in self.below])

    def shares(self, value: float) -> tuple[Floats, Floats]:
        """Share of each chain below a value, and the share at or below it."""
        return self._share(value, "left"), self._share(value, "right")

    def _share(self, value: float, side: Literal["left", "right"]) -> Floats:
        last = np.searchsorted(self.edges, value, side) - 1
        if last < 0:  # nothing is below -inf, which may be the first edge
            return np.zeros(len(self.below))
        place = self._cell(last)
        low, high = self.edges[place], self.edges[place + 1]
        with np.errstate(invalid="ignore", divide="ignore"):  # a bin without width, or without end
            share = np.clip((value - low) / (high - low), 0, 1)
        share = share if np.isfinite(share) else float(value >= high)
        before, after = self.below[:, place], self.below[:, place + 1]
        return np.asarray(before * (1 - share) + after * share)

    def hidden(self, probability: float) -> float:
        """How far the quantile may lie from where a straight line puts it within its bin."""
        place = self._cell(np.searchsorted(self.pooled, probability) - 1)
        low, high = self.edges[place : place + 2]
        if low == high:  # both may be infinite
            return 0.0
        # Of a bin without an end nothing is known.
        return float((high - low) * (self._uneven(place) if high - low < np.inf else 1.0))

    def hidden_share(self, value: float) -> float:
        """How far the share at or below a value may lie from where a straight line puts it."""
        place = self._cell(np.searchsorted(self.edges, value, "right") - 1)
        outside = not self.edges[0] <= value < self.edges[-1]
        # Right behind a value that repeats, all is counted.
        if outside or (place > 0 and value == self.edges[place] == self.edges[place - 1]):
            return 0.0
        return float((self.pooled[place + 1] - self.pooled[place]) * self._uneven(place))

    def _cell(self, place: int | np.integer) -> int:
        return int(np.clip(place, 0, len(self.edges) - 2))

    def _uneven(self, place: int) -> float:
        """What share of a bin may be filled otherwise than evenly.

        Half of it for each time that the density changes by itself from bin to bin: next to nothing
        where it is smooth, and the whole bin where values repeat. Beyond all bins there is nothing.
        """
        wide = np.flatnonzero(self.edges[1:] > self.edges[:-1])
        near = wide[max(np.searchsorted(wide, place) - 1, 0) :][:3]
        widths = self.edges[near + 1] - self.edges[near]
        density = np.diff(self.pooled)[near] / (widths / widths.min())
        if place in (wide[0], wide[-1]):
            density = np.append(density, 0.0)
        change = np.ptp(density) / max(float(density.mean()), np.finfo(float).tiny)
        return float(min(change / 2 + self.grain / (self.edges[place + 1] - self.edges[place]), 1))


def _inverse(below: Floats, edges: Floats, probability: Floats) -> Floats:
    """Where a cumulative share is reached; never in an empty bin.

    A bin that ends at 0 holds 0. Of one without an end, all that is known is where it begins.
    """
    place = np.clip(np.searchsorted(below, probability, "left"), 1, len(below) - 1)
    low, high = below[place - 1], below[place]
    start, end = edges[place - 1], edges[place]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(high > low, (probability - low) / (high - low), 0.0)
        inside = start + np.clip(share, 0, 1) * (end - start)
    known = [(start == 0) | (end == 0), np.isinf(end), np.isinf(start)]
    return np.asarray(np.select(known, [np.zeros_like(start), start, end], inside))
