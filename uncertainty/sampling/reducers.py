"""What a stream keeps of its draws: small states that add up, whatever the parts and order.

A reducer counts inside compiled code, stretch after stretch of draws. What it collects are parts
that add up with ``+``: arrays, sketches and lists of the largest. Adding is associative and
commutative: counts are integers, and sums differ by rounding only.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import ndtr
from jax.typing import ArrayLike

from uncertainty.arrays import Floats, Integers
from uncertainty.results import BINS, Scale, Sketch, bin_of

_LANES = 64
SCALES = ("linear", "log", "rank")
"""Scales of an output on which its association with each input is kept."""


@dataclass(frozen=True, order=True)
class Column:
    """One statistic of one output."""

    quantity: str
    statistic: str


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Stretch:
    """Draws that are reduced together.

    Attributes
    ----------
    values : dict of Column to array
        In the unit of each quantity, shape (chain, rows) or, one after the other for each row,
        its queries: (chain, rows * queries).
    scores : dict of str to array
        Normal scores of what is unknown, shape (chain, rows); empty where nobody asks for them.
    first : array
        Index of the first row.
    valid : array of bool
        Shape (rows,): the others do not count.
    """

    values: dict[Column, Array]
    scores: dict[str, Array]
    first: Array
    valid: Array

    def queries(self, values: Array) -> int:
        """Values of each row."""
        return values.shape[-1] // len(self.valid)

    def counted(self, values: Array, otherwise: ArrayLike) -> Array:
        """Replace what does not count."""
        valid = jnp.repeat(self.valid, self.queries(values))
        return jnp.where(valid.reshape(*[1] * (values.ndim - 1), -1), values, otherwise)


@dataclass(frozen=True)
class Largest:
    """The largest values, falling, and where they stand: shape (chain, size) both.

    Where there are fewer, -inf stands at the place -1.
    """

    values: Floats
    places: Integers

    def __add__(self, other: "Largest") -> "Largest":
        values = np.concatenate([self.values, other.values], -1)
        places = np.concatenate([self.places, other.places], -1)
        # Equal values go by their place, so that the order of adding does not matter.
        order = np.lexsort((places, -values))[..., : self.values.shape[-1]]
        return Largest(np.take_along_axis(values, order, -1), np.take_along_axis(places, order, -1))


Part: TypeAlias = Sketch | Largest | np.ndarray
State: TypeAlias = dict[tuple[str, Column], Part]
Carry: TypeAlias = dict[Column, tuple[Array, ...]]


def add(one: State, other: State) -> State:
    """Give the state of the draws of both."""
    if not one or not other:
        return one or other
    return {key: part + other[key] for key, part in one.items()}  # type: ignore[operator]  # alike


class Reducer(ABC):
    """Turns the draws of each column into a part."""

    def start(self, stretch: Stretch) -> Carry:
        """Give what is carried before any draw, for stretches of this shape."""
        return {
            column: self._empty(column, values, stretch)
            for column, values in stretch.values.items()
        }

    def step(self, carry: Carry, stretch: Stretch) -> Carry:
        """Take in a stretch."""
        return {
            column: self._take(column, before, stretch.values[column], stretch)
            for column, before in carry.items()
        }

    def collect(self, carry: Carry) -> State:
        """Bring what was carried into parts."""
        name = type(self).__name__
        return {
            (name, column): self._part(*(np.asarray(array) for array in arrays))
            for column, arrays in carry.items()
        }

    @abstractmethod
    def _empty(self, column: Column, values: Array, stretch: Stretch) -> tuple[Array, ...]:
        """What a column with such values carries before any draw."""

    @abstractmethod
    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        """Take in the values of a column."""

    @abstractmethod
    def _part(self, *arrays: np.ndarray) -> Part:
        """Make a part of what a column carries, with the chains as the first axis."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Counts(Reducer):
    """A quantile sketch.

    Attributes
    ----------
    scales : mapping
        Bins of each column, in units of its quantity.
    """

    scales: Mapping[Column, Scale]

    def _empty(self, column: Column, values: Array, stretch: Stretch) -> tuple[Array, ...]:
        # What does not count goes into a bin beyond the last.
        return (jnp.zeros(len(values) * (BINS + 1), jnp.int32),)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        own = jnp.arange(len(values), dtype=jnp.int32)[:, None] * (BINS + 1)
        bins = stretch.counted(bin_of(values, self.scales[column]), BINS) + own
        return (before[0].at[bins.ravel()].add(1, mode="promise_in_bounds"),)

    def _part(self, *arrays: np.ndarray) -> Part:
        return Sketch.of_bins(arrays[0].reshape(-1, BINS + 1)[:, :BINS])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Atoms(Reducer):
    """How many values lie before, at and between those that repeat.

    Attributes
    ----------
    atoms : mapping
        Values that repeat, rising, in units of the quantity; infinities fill up. Columns without
        any are left out.
    """

    atoms: Mapping[Column, ArrayLike]

    def start(self, stretch: Stretch) -> Carry:
        """Give what is carried of these columns before any draw."""
        known = {column: stretch.values[column] for column in self.atoms}
        return super().start(replace(stretch, values=known))

    def _empty(self, column: Column, values: Array, stretch: Stretch) -> tuple[Array, ...]:
        # What does not count goes into a cell beyond the last.
        return (jnp.zeros((len(values), 2 * np.shape(self.atoms[column])[0] + 2), jnp.int32),)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        atoms = jnp.asarray(self.atoms[column])
        place = jnp.searchsorted(atoms, values).astype(jnp.int32)
        same = atoms.at[place].get(mode="clip") == values
        last = before[0].shape[1] - 1
        cells = stretch.counted(jnp.where(jnp.isfinite(values), 2 * place + same, last), last)
        own = jnp.arange(len(values), dtype=jnp.int32)[:, None]
        return (before[0].at[own, cells].add(1, mode="promise_in_bounds"),)

    def _part(self, *arrays: np.ndarray) -> Part:
        return arrays[0][:, :-1].astype(np.int64)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Moments(Reducer):
    """Number of values, their sum and the sum of their squares, about a value near the middle.

    Attributes
    ----------
    centers : mapping
        This value of each column, in units of its quantity: what is summed is as small as the
        spread, and keeps its digits.
    """

    centers: Mapping[Column, ArrayLike]

    def _empty(self, column: Column, values: Array, stretch: Stretch) -> tuple[Array, ...]:
        # Several sums side by side: one after the other would wait for each other.
        lanes = (len(values), math.gcd(values.shape[1], _LANES))
        return jnp.zeros(len(values)), jnp.zeros(lanes), jnp.zeros(lanes)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        number, total, squares = before
        off = stretch.counted(values - self.centers[column], 0.0).reshape(
            len(values), -1, total.shape[1]
        )
        more = stretch.valid.sum() * stretch.queries(values)
        return number + more, total + off.sum(1), squares + (off * off).sum(1)

    def _part(self, *arrays: np.ndarray) -> Part:
        return np.stack([arrays[0], arrays[1].sum(1), arrays[2].sum(1)], -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Exceedances(Reducer):
    """How many values lie above each threshold (in units of its quantity)."""

    thresholds: Mapping[Column, ArrayLike]

    def _empty(self, column: Column, values: Array, stretch: Stretch) -> tuple[Array, ...]:
        most = max(np.shape(limits)[0] for limits in self.thresholds.values())
        return (jnp.zeros((len(values), most), jnp.int64),)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        known = stretch.counted(values, -jnp.inf)
        limits = jnp.asarray(self.thresholds[column])
        above = (known[:, None] > limits[None, :, None]).sum(-1)
        return (before[0].at[:, : len(limits)].add(above),)

    def _part(self, *arrays: np.ndarray) -> Part:
        return arrays[0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Correlations(Reducer):
    """Sums of products of each input's normal score (or rank) with the output, on every scale.

    Attributes
    ----------
    ranks : mapping
        Rank in (0, 1) of the middle of each bin, for each column, as a pilot run found it.
    scales, centers : mapping
        Those of `Counts` and of `Moments`.
    """

    ranks: Mapping[Column, ArrayLike]
    scales: Mapping[Column, Scale]
    centers: Mapping[Column, ArrayLike]

    def _empty(self, column: Column, values: Array, stretch: Stretch) -> tuple[Array, ...]:
        return (jnp.zeros((len(values), len(SCALES), len(stretch.scores), 6)),)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        # Of many queries a row has the first: its score is one number.
        one = values[:, :: stretch.queries(values)]
        scores = jnp.stack(list(stretch.scores.values()), 1)
        ranks = jnp.asarray(self.ranks[column])[bin_of(one, self.scales[column])]
        pairs = (
            (scores, one - self.centers[column]),
            (scores, jnp.log(one)),
            (ndtr(scores) - 0.5, ranks - 0.5),
        )
        sums = [_products(stretch.counted(x, 0.0), stretch.counted(y, 0.0)) for x, y in pairs]
        number = jnp.full((len(values), len(SCALES), scores.shape[1], 1), stretch.valid.sum())
        return (before[0] + jnp.concatenate([number, jnp.stack(sums, 1)], -1),)

    def _part(self, *arrays: np.ndarray) -> Part:
        return arrays[0]


def _products(x: Array, y: Array) -> Array:
    """Sums of x, y, x^2, y^2 and xy.

    For x of shape (chain, inputs, rows) and y of shape (chain, rows): shape (chain, inputs, 5).
    """
    whole = jnp.ones(x.shape[:2])
    products = jnp.einsum("cir,cr->ci", x, y)
    totals = (y.sum(-1)[:, None] * whole, (x * x).sum(-1), (y * y).sum(-1)[:, None] * whole)
    return jnp.stack([x.sum(-1), *totals, products], -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tails(Reducer):
    """The largest values, with the places of their draws."""

    size: int = field(metadata={"static": True})

    def _empty(self, column: Column, values: Array, stretch: Stretch) -> tuple[Array, ...]:
        shape = (len(values), self.size)
        return jnp.full(shape, -jnp.inf), jnp.full(shape, -1, jnp.int64)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        known = stretch.counted(values, -jnp.inf)
        usable = jnp.where(jnp.isnan(known), -jnp.inf, known)
        first = stretch.first.astype(jnp.int64) * stretch.queries(values)
        places = jnp.broadcast_to(first + jnp.arange(values.shape[1])[None], values.shape)

        def merged() -> tuple[Array, ...]:
            joined = (
                jnp.concatenate(pair, 1) for pair in zip(before, (usable, places), strict=True)
            )
            largest, where = (next(joined), next(joined))
            found, order = lax.top_k(largest, self.size)
            return found, jnp.take_along_axis(where, order, 1)

        # Stretches that hold none of the largest are the rule, and sorting is slow.
        better = (usable > before[0][:, -1:]).any()
        found: tuple[Array, ...] = lax.cond(better, merged, lambda: before)
        return found

    def _part(self, *arrays: np.ndarray) -> Part:
        return Largest(*arrays)
