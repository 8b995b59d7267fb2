"""What a stream keeps of its draws: small states that add up, whatever the parts and order.

A reducer counts inside compiled code, stretch after stretch of draws. What it collects are parts
that add up with ``+``: arrays, sketches and lists of the largest. Adding is associative and
commutative: counts are integers, and sums differ by rounding only.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import ndtr
from jax.typing import ArrayLike

from uncertainty.precision import Floats, Integers
from uncertainty.sketch import BINS, Sketch, bin_of

__all__ = [
    "SCALES",
    "Column",
    "Correlations",
    "Counts",
    "Exceedances",
    "Largest",
    "Moments",
    "Part",
    "Reducer",
    "State",
    "Stretch",
    "Tails",
    "add",
]

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
        In the unit of each quantity: shape (rows,) or, where each row has m queries, (rows, m).
    scores : dict of str to array
        Normal scores of what is unknown, shape (rows,); empty where nobody asks for them.
    first : array
        Index of the first row.
    valid : array of bool
        Shape (rows,): the others do not count.
    """

    values: dict[Column, Array]
    scores: dict[str, Array]
    first: Array
    valid: Array

    def counted(self, values: Array, otherwise: ArrayLike) -> Array:
        """Replace what does not count."""
        valid = self.valid.reshape(-1, *[1] * (values.ndim - 1))
        return jnp.where(valid, values, otherwise)


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
        return {column: self._empty(column, stretch) for column in stretch.values}

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
    def _empty(self, column: Column, stretch: Stretch) -> tuple[Array, ...]:
        """What a column carries before any draw."""

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
    """A quantile sketch."""

    def _empty(self, column: Column, stretch: Stretch) -> tuple[Array, ...]:
        return (jnp.zeros(BINS + 1, jnp.int32),)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        # What does not count goes into a bin beyond the last.
        bins = stretch.counted(bin_of(values), BINS).ravel()
        return (before[0].at[bins].add(1, mode="promise_in_bounds"),)

    def _part(self, *arrays: np.ndarray) -> Part:
        return Sketch.of_bins(arrays[0][..., :BINS])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Moments(Reducer):
    """Number of values, their sum and the sum of their squares, about 1 unit."""

    def _empty(self, column: Column, stretch: Stretch) -> tuple[Array, ...]:
        return jnp.zeros(()), jnp.zeros(()), jnp.zeros(())

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        off = stretch.counted(values - 1, 0.0).ravel()
        number = stretch.valid.sum() * (values.size // len(stretch.valid))
        # A dot product is the one sum that is compiled into several at a time.
        sums = (number, jnp.dot(jnp.ones_like(off), off), jnp.dot(off, off))
        return tuple(total + more for total, more in zip(before, sums, strict=True))

    def _part(self, *arrays: np.ndarray) -> Part:
        return np.stack(arrays, -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Exceedances(Reducer):
    """How many values lie above each threshold (in units of its quantity)."""

    thresholds: Mapping[str, ArrayLike]

    def _empty(self, column: Column, stretch: Stretch) -> tuple[Array, ...]:
        return (jnp.zeros(np.shape(self.thresholds[column.quantity]), jnp.int64),)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        flat = stretch.counted(values, -jnp.inf).ravel()
        limits = jnp.asarray(self.thresholds[column.quantity])
        return (before[0] + (flat[None] > limits[:, None]).sum(1),)

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
    """

    ranks: Mapping[Column, ArrayLike]

    def _empty(self, column: Column, stretch: Stretch) -> tuple[Array, ...]:
        return (jnp.zeros((len(SCALES), len(stretch.scores), 6)),)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        # Of many queries a row has the first: its score is one number.
        one = values if values.ndim == 1 else values[:, 0]
        scores = jnp.stack(list(stretch.scores.values()))
        ranks = jnp.asarray(self.ranks[column])[bin_of(one)]
        pairs = ((scores, one - 1), (scores, jnp.log(one)), (ndtr(scores) - 0.5, ranks - 0.5))
        sums = [_products(stretch.counted(x.T, 0.0).T, stretch.counted(y, 0.0)) for x, y in pairs]
        number = jnp.full((len(SCALES), len(scores), 1), stretch.valid.sum(), jnp.float64)
        return (before[0] + jnp.concatenate([number, jnp.stack(sums)], -1),)

    def _part(self, *arrays: np.ndarray) -> Part:
        return arrays[0]


def _products(x: Array, y: Array) -> Array:
    """Sums of x, y, x^2, y^2 and xy, for x of shape (inputs, rows): shape (inputs, 5)."""
    whole = jnp.ones(len(x))
    sums = (x.sum(1), y.sum() * whole, (x * x).sum(1), jnp.dot(y, y) * whole, x @ y)
    return jnp.stack(sums, -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tails(Reducer):
    """The largest values, with the places of their draws."""

    size: int = field(metadata={"static": True})

    def _empty(self, column: Column, stretch: Stretch) -> tuple[Array, ...]:
        return jnp.full(self.size, -jnp.inf), jnp.full(self.size, -1, jnp.int64)

    def _take(
        self, column: Column, before: tuple[Array, ...], values: Array, stretch: Stretch
    ) -> tuple[Array, ...]:
        flat = stretch.counted(values, -jnp.inf).ravel()
        usable = jnp.where(jnp.isnan(flat), -jnp.inf, flat)
        queries = values.size // len(stretch.valid)
        places = stretch.first.astype(jnp.int64) * queries + jnp.arange(values.size)

        def merged() -> tuple[Array, ...]:
            joined = jnp.concatenate([before[0], usable]), jnp.concatenate([before[1], places])
            order = lax.top_k(joined[0], self.size)[1]
            return joined[0][order], joined[1][order]

        # Stretches that hold none of the largest are the rule, and sorting is slow.
        found: tuple[Array, ...] = lax.cond((usable > before[0][-1]).any(), merged, lambda: before)
        return found

    def _part(self, *arrays: np.ndarray) -> Part:
        return Largest(*arrays)
