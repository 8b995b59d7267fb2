"""Counts of values in bins of one relative width: a distribution in little, mergeable memory.

A bin is named by the sign, the exponent and the first `DIGITS` binary digits of a value, so a value
finds its bin without a logarithm, and counts of any two parts of a sample add up to those of both.
The layout is that of HdrHistogram (G. Tene, 2013). Values are counted in a unit of their own, a
power of two, from 2^-32 to 2^32 of it; what is smaller or larger falls into the bins at the ends.
"""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.precision import Floats, Integers

__all__ = [
    "BINS",
    "ENDS",
    "NOT_FINITE",
    "RELATIVE_ERROR",
    "ZERO",
    "Ogive",
    "Sketch",
    "bin_of",
    "edges",
    "unit_near",
]

DIGITS = 9
_OCTAVES = 64
_HALF = _OCTAVES << DIGITS
_MANTISSA, _BIAS = 52, 1023
_LOWEST = (_BIAS - _OCTAVES // 2) << DIGITS

NOT_FINITE = 2 * _HALF
"""The bin of infinities and of what is no number."""
BINS = NOT_FINITE + 1
ZERO = _HALF
"""The first bin of what is not negative."""
ENDS = (0, NOT_FINITE - 1)
"""The bins of what is too large for the others."""
RELATIVE_ERROR = 2.0**-DIGITS
"""Width of a bin: no quantile lies further from a value that occurs, relative to it."""


def unit_near(value: float) -> float:
    """Power of two next to a typical value; 1 where there is none.

    Examples
    --------
    >>> unit_near(0.3), unit_near(-5), unit_near(0)
    (0.25, 4.0, 1.0)
    """
    usable = np.isfinite(value) and value != 0
    return float(2.0 ** (np.frexp(abs(value))[1] - 1)) if usable else 1.0


def bin_of(values: Array) -> Array:
    """Bin of each value, rising with it; values are in units of their sketch."""
    magnitude = jax.lax.bitcast_convert_type(jnp.abs(values), jnp.int64)
    place = (magnitude >> (_MANTISSA - DIGITS)).astype(jnp.int32) - _LOWEST
    inside = jnp.clip(place, 0, _HALF - 1)
    signed = jnp.where(values < 0, _HALF - 1 - inside, _HALF + inside)
    return jnp.where(jnp.isfinite(values), signed, NOT_FINITE)


def edges(start: int, stop: int) -> Floats:
    """Ends of the bins from `start` to before `stop`: shape (stop - start + 1,)."""
    places = np.arange(start, stop + 1) - _HALF
    size = np.abs(places)
    octave, digits = size >> DIGITS, size & ((1 << DIGITS) - 1)
    value = np.ldexp(1 + digits / (1 << DIGITS), octave - _OCTAVES // 2)
    return np.where(size == 0, 0.0, np.sign(places) * value)


@dataclass(frozen=True)
class Sketch:
    """Counts of some consecutive bins.

    Attributes
    ----------
    start : int
        The first bin.
    counts : array
        Shape (..., bins).
    """

    start: int
    counts: Integers

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
        if not used:
            return Sketch(0, np.zeros((len(parts), 0), np.int64))
        start, stop = min(p.start for p in used), max(p.stop for p in used)
        rows = [p if p.counts.shape[-1] else Sketch(start, p.counts) for p in parts]
        return Sketch(start, np.stack([row.within(start, stop) for row in rows]))


@dataclass(frozen=True)
class Ogive:
    """Cumulative shares of several independent samples (chains), straight within each bin.

    Attributes
    ----------
    edges : array
        Ends of the bins, shape (bins + 1,).
    below : array
        Share of each chain below each edge, shape (chain, bins + 1).
    number : float
        Values in a chain.
    """

    edges: Floats
    below: Floats
    number: float

    @classmethod
    def of_counts(cls, edges: Floats, counts: Integers) -> "Ogive":
        """From counts of shape (chain, bins)."""
        totals = np.pad(np.cumsum(counts, 1), ((0, 0), (1, 0)))
        number = np.maximum(totals[:, -1:], 1)
        return cls(edges, totals / number, float(number.mean()))

    @cached_property
    def pooled(self) -> Floats:
        """Share of all chains together below each edge."""
        return np.asarray(self.below.mean(0))

    def quantile(self, probability: Floats | float) -> Floats:
        """Quantile of all chains together."""
        return _inverse(self.pooled, self.edges, np.asarray(probability, np.float64))

    def functions(self, levels: Floats) -> Floats:
        """Quantile function of each chain at some probabilities, shape (chain, level)."""
        return np.stack([_inverse(below, self.edges, levels) for below in self.below])

    def share_below(self, value: float) -> Floats:
        """Share of each chain below a value."""
        place = int(np.clip(np.searchsorted(self.edges, value), 1, len(self.edges) - 1))
        low, high = self.edges[place - 1], self.edges[place]
        share = np.clip((value - low) / (high - low), 0, 1)
        return np.asarray(self.below[:, place - 1] * (1 - share) + self.below[:, place] * share)

    def hidden(self, probability: float) -> float:
        """How far the quantile may lie from where a straight line puts it within its bin.

        Half the bin for each time that the density changes by itself from bin to bin: next to
        nothing where it is smooth, and the whole bin where values repeat.
        """
        last = len(self.edges) - 2
        place = int(np.clip(np.searchsorted(self.pooled, probability) - 1, 0, last))
        near = slice(max(place - 1, 0), place + 3)
        density = np.diff(self.pooled[near]) / np.diff(self.edges[near])
        change = np.ptp(density) / max(float(density.mean()), np.finfo(float).tiny)
        width = self.edges[place + 1] - self.edges[place]
        return float(width * min(change / 2, 1.0))


def _inverse(below: Floats, edges: Floats, probability: Floats) -> Floats:
    """Where a cumulative share is reached; never in an empty bin. A bin that ends at 0 holds 0."""
    place = np.clip(np.searchsorted(below, probability, "left"), 1, len(below) - 1)
    low, high = below[place - 1], below[place]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(high > low, (probability - low) / (high - low), 0.0)
    start, end = edges[place - 1], edges[place]
    inside = start + np.clip(share, 0, 1) * (end - start)
    return np.asarray(np.where((start == 0) | (end == 0), 0.0, inside))
