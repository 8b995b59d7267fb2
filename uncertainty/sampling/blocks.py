"""Blocks of draws: points, outputs and what is kept of them, in one call of compiled code.

A `Plan` computes any block by its numbers. Compiled code goes through a block batch after batch,
and each `Reducer` takes in what it keeps of a batch. What that leaves of a block is its state:
arrays by reducer and column, which add up whatever the blocks and their order. Counts are integers,
and sums differ by rounding only.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import ndtr
from jax.typing import ArrayLike

from uncertainty.arrays import in_float64, program
from uncertainty.energy import EnergyModel
from uncertainty.problem import Joint, evaluate_point
from uncertainty.results import BINS, Scale, Sketch, bin_of
from uncertainty.sampling.forward import median_of_rows
from uncertainty.sampling.points import DigitalNet, Tables

EVALUATIONS = 2**24
"""Model evaluations of a block: about a second, and a state is small beside that."""
SCALES = ("linear", "log", "rank")
"""Scales of an output on which its association with each input is kept."""
_LANES = 64  # sums side by side, which a processor adds up together
_MANY = 80  # inputs: more are too many for one loop that compilers vectorize
_STATIC = {"static": True}


@dataclass(frozen=True, order=True)  # a tuple would lose its names on its way through Dask
class Column:
    """One statistic of one output."""

    quantity: str
    statistic: str


Arrays: TypeAlias = tuple[np.ndarray, ...]
Carry: TypeAlias = tuple[Array, ...]
Carries: TypeAlias = tuple[dict[Column, Carry], ...]
State: TypeAlias = dict[str, dict[Column, Arrays]]
Inputs: TypeAlias = tuple[dict[str, Array], dict[str, Array], Array]
"""Values of what is tabulated, scores of the rest, and zeros (see `_points`)."""
ReducerT = TypeVar("ReducerT", bound="Reducer")
T = TypeVar("T")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batch:
    """Draws that are reduced together."""

    # In the unit of each quantity: (chain, rows) or, row by row, (chain, rows * queries).
    values: dict[Column, Array]
    scores: dict[str, Array]  # of what is unknown, (chain, rows); empty where no reducer needs them
    first: Array  # index of the first row
    valid: Array  # (rows,): the others do not count

    def queries(self, values: Array) -> int:
        """Values of each row."""
        return values.shape[-1] // len(self.valid)

    def counted(self, values: Array, otherwise: ArrayLike) -> Array:
        """Replace what does not count."""
        valid = jnp.repeat(self.valid, self.queries(values))
        return jnp.where(valid.reshape(*[1] * (values.ndim - 1), -1), values, otherwise)


class Reducer(ABC):
    """What is kept of each column, in arrays whose first axis is the chain."""

    def columns(self, batch: Batch) -> Iterable[Column]:
        """Columns of which it keeps anything."""
        return batch.values

    @abstractmethod
    def start(self, column: Column, batch: Batch) -> Carry:
        """Give what is carried before any draw, for batches of this shape; in compiled code."""

    @abstractmethod
    def step(self, column: Column, carry: Carry, batch: Batch) -> Carry:
        """Take in a batch; in compiled code."""

    def state(self, *carried: np.ndarray) -> Arrays:
        """Give what leaves the compiled code, as small as can be."""
        return carried

    def merge(self, one: Arrays, other: Arrays) -> Arrays:
        """Give the state of the draws of both."""
        return tuple(a + b for a, b in zip(one, other, strict=True))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Counts(Reducer):
    """A quantile sketch, of bins on the scale of each column; its state is a `Sketch`."""

    scales: Mapping[Column, Scale]

    def start(self, column: Column, batch: Batch) -> Carry:
        # What does not count goes into a bin beyond the last.
        return (jnp.zeros(len(batch.values[column]) * (BINS + 1), jnp.int32),)

    def step(self, column: Column, carry: Carry, batch: Batch) -> Carry:
        values = batch.values[column]
        origin = jnp.arange(len(values), dtype=jnp.int32)[:, None] * (BINS + 1)
        bins = batch.counted(bin_of(values, self.scales[column]), BINS) + origin
        return (carry[0].at[bins.ravel()].add(1, mode="promise_in_bounds"),)

    def state(self, *carried: np.ndarray) -> Arrays:
        sketch = Sketch.of_bins(carried[0].reshape(-1, BINS + 1)[:, :BINS])
        return np.asarray(sketch.start), sketch.counts

    def merge(self, one: Arrays, other: Arrays) -> Arrays:
        sketch = Sketch(int(one[0]), one[1]) + Sketch(int(other[0]), other[1])
        return np.asarray(sketch.start), sketch.counts


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Atoms(Reducer):
    """How many values lie before, at and between those that repeat."""

    # Rising, in units of the quantity; infinities fill up. Columns without any are left out.
    atoms: Mapping[Column, ArrayLike]

    def columns(self, batch: Batch) -> Iterable[Column]:
        return [column for column in batch.values if column in self.atoms]

    def start(self, column: Column, batch: Batch) -> Carry:
        # What does not count goes into a cell beyond the last.
        cells = 2 * np.shape(self.atoms[column])[0] + 2
        return (jnp.zeros((len(batch.values[column]), cells), jnp.int32),)

    def step(self, column: Column, carry: Carry, batch: Batch) -> Carry:
        atoms, values = jnp.asarray(self.atoms[column]), batch.values[column]
        place = jnp.searchsorted(atoms, values).astype(jnp.int32)
        same = atoms.at[place].get(mode="clip") == values
        last = carry[0].shape[1] - 1
        cells = batch.counted(2 * place + same, last)
        chains = jnp.arange(len(values), dtype=jnp.int32)[:, None]
        return (carry[0].at[chains, cells].add(1, mode="promise_in_bounds"),)

    def state(self, *carried: np.ndarray) -> Arrays:
        return (carried[0][:, :-1].astype(np.int64),)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Moments(Reducer):
    """Number of values, their sum and the sum of their squares, about a value near the middle."""

    # In units of the quantity: what is summed is as small as the spread, and keeps its digits.
    centers: Mapping[Column, ArrayLike]
    sizes: Mapping[Column, ArrayLike]  # in which squares of what is furthest away have a place

    def start(self, column: Column, batch: Batch) -> Carry:
        # Several sums side by side: one after the other would wait for each other.
        chains, count = batch.values[column].shape
        lanes = (chains, math.gcd(count, _LANES))
        return jnp.zeros(chains), jnp.zeros(lanes), jnp.zeros(lanes)

    def step(self, column: Column, carry: Carry, batch: Batch) -> Carry:
        (number, total, squares), values = carry, batch.values[column]
        even = (values - self.centers[column]) / self.sizes[column]
        off = batch.counted(even, 0.0).reshape(len(values), -1, total.shape[1])
        more = batch.valid.sum() * batch.queries(values)
        return number + more, total + off.sum(1), squares + (off * off).sum(1)

    @np.errstate(invalid="ignore")  # infinities of both signs have no sum
    def state(self, *carried: np.ndarray) -> Arrays:
        return (np.stack([carried[0], carried[1].sum(1), carried[2].sum(1)], -1),)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Exceedances(Reducer):
    """How many values lie above each threshold (in units of its quantity)."""

    thresholds: Mapping[Column, ArrayLike]

    def start(self, column: Column, batch: Batch) -> Carry:
        most = max(np.shape(limits)[0] for limits in self.thresholds.values())
        return (jnp.zeros((len(batch.values[column]), most), jnp.int64),)

    def step(self, column: Column, carry: Carry, batch: Batch) -> Carry:
        known = batch.counted(batch.values[column], -jnp.inf)
        limits = jnp.asarray(self.thresholds[column])
        above = (known[:, None] > limits[None, :, None]).sum(-1)
        return (carry[0].at[:, : len(limits)].add(above),)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Correlations(Reducer):
    """Sums of products of each input's normal score (or rank) with the output, on every scale."""

    ranks: Mapping[Column, ArrayLike]  # in (0, 1), of the middle of each bin, as a pilot gave them
    scales: Mapping[Column, Scale]
    centers: Mapping[Column, ArrayLike]

    def start(self, column: Column, batch: Batch) -> Carry:
        return (jnp.zeros((len(batch.values[column]), len(SCALES), len(batch.scores), 6)),)

    def step(self, column: Column, carry: Carry, batch: Batch) -> Carry:
        values = batch.values[column]
        # Of many queries a row has the first: its score is one number.
        one = values[:, :: batch.queries(values)]
        scores = jnp.stack(list(batch.scores.values()), 1)
        ranks = jnp.asarray(self.ranks[column])[bin_of(one, self.scales[column])]
        pairs = (
            (scores, one - self.centers[column]),
            (scores, jnp.log(one)),
            (ndtr(scores) - 0.5, ranks - 0.5),
        )

        def products(x: Array, y: Array) -> Array:
            """Sums of x, y, x^2, y^2 and xy: (chain, inputs, 5)."""
            whole, both = jnp.ones(x.shape[:2]), jnp.einsum("cir,cr->ci", x, y)
            squares = (x * x).sum(-1), (y * y).sum(-1)[:, None] * whole
            return jnp.stack([x.sum(-1), y.sum(-1)[:, None] * whole, *squares, both], -1)

        sums = [products(batch.counted(x, 0.0), batch.counted(y, 0.0)) for x, y in pairs]
        number = jnp.full((len(values), len(SCALES), scores.shape[1], 1), batch.valid.sum())
        return (carry[0] + jnp.concatenate([number, jnp.stack(sums, 1)], -1),)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tails(Reducer):
    """The largest values, falling, and the places of their draws: shape (chain, size) both.

    Where there are fewer, -inf stands at the place -1.
    """

    size: int = field(metadata=_STATIC)

    def start(self, column: Column, batch: Batch) -> Carry:
        shape = (len(batch.values[column]), self.size)
        return jnp.full(shape, -jnp.inf), jnp.full(shape, -1, jnp.int64)

    def step(self, column: Column, carry: Carry, batch: Batch) -> Carry:
        values = batch.values[column]
        known = batch.counted(values, -jnp.inf)
        usable = jnp.where(jnp.isnan(known), -jnp.inf, known)
        first = batch.first.astype(jnp.int64) * batch.queries(values)
        places = jnp.broadcast_to(first + jnp.arange(values.shape[1])[None], values.shape)

        def merged() -> Carry:
            largest, where = (
                jnp.concatenate(pair, 1) for pair in zip(carry, (usable, places), strict=True)
            )
            top, order = lax.top_k(largest, self.size)
            return top, jnp.take_along_axis(where, order, 1)

        # Batches that hold none of the largest are the rule, and sorting is slow.
        better = (usable > carry[0][:, -1:]).any()
        kept: Carry = lax.cond(better, merged, lambda: carry)
        return kept

    def merge(self, one: Arrays, other: Arrays) -> Arrays:
        values, places = (np.concatenate(pair, -1) for pair in zip(one, other, strict=True))
        # Equal values go by their place, so that the order of merging does not matter.
        order = np.lexsort((places, -values))[..., : self.size]
        return np.take_along_axis(values, order, -1), np.take_along_axis(places, order, -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Plan:
    """All draws, by number, and what is kept of them."""

    joint: Joint
    outer: Tables  # of what is unknown
    inner: Tables  # of what varies per query
    nets: tuple[DigitalNet, DigitalNet]  # of both, one randomization for each chain
    units: dict[str, ArrayLike]  # the power of two in which each quantity is counted
    reducers: tuple[Reducer, ...]
    model: EnergyModel = field(metadata=_STATIC)
    queries: int = field(metadata=_STATIC)  # 0 where nothing varies per query
    rows: int = field(metadata=_STATIC)  # draws of each chain that are computed together

    @property
    def chains(self) -> int:
        """Independent randomizations."""
        return len(self.nets[0].rest)

    @property
    def batches(self) -> int:
        """Batches of a block."""
        return max(EVALUATIONS // (max(self.queries, 1) * self.rows * self.chains), 1)

    def reducer(self, kind: type[ReducerT]) -> ReducerT:
        """Give the reducer of a kind."""
        return next(reducer for reducer in self.reducers if isinstance(reducer, kind))

    def blocks(self, start: int, stop: int) -> Iterator[range]:
        """Cut the draws `start` to `stop` of every chain; `start` is a multiple of the rows."""
        size = self.rows * self.batches
        for place in range(start - start % size, stop, size):
            yield range(max(place, start), min(place + size, stop))

    @np.errstate(invalid="ignore")
    def merge(self, one: State, other: State) -> State:
        """Give the state of the draws of both."""
        if not one or not other:
            return one or other
        return {
            name: {
                column: reducer.merge(arrays, other[name][column])
                for column, arrays in one[name].items()
            }
            for reducer in self.reducers
            for name in [type(reducer).__name__]
        }


@in_float64
def run_block(plan: Plan, block: range) -> State:
    """Evaluate the draws of a block, and give what is kept of them."""
    carries = jax.device_get(reduce_draws(plan, block.start, len(block)))
    return {
        type(reducer).__name__: {c: reducer.state(*arrays) for c, arrays in carry.items()}
        for reducer, carry in zip(plan.reducers, carries, strict=True)
    }


@program()
def reduce_draws(plan: Plan, start: ArrayLike, count: ArrayLike) -> Carries:
    """Reduce `count` draws of each chain from the one numbered `start`.

    The values of one batch are carried to the next turn of the loop and reduced there: otherwise
    each reducer would be compiled into a loop that computes them again.
    """
    net, inner_net = plan.nets
    within = net.unshifted(jnp.arange(plan.rows))
    firsts = jnp.asarray(start) + jnp.arange(plan.batches) * plan.rows
    origins = net.digits(firsts)
    queries = _points(plan.inner, inner_net, inner_net.digits(jnp.arange(max(plan.queries, 1))))
    scored = any(isinstance(reducer, Correlations) for reducer in plan.reducers)
    # Too many inputs for one loop wait for a turn too.
    many = len(plan.outer.names) > _MANY

    def look_up(number: Array) -> Inputs:
        return _points(plan.outer, net, within ^ origins[:, :, number, None])

    def draw(number: Array, points: Inputs) -> Batch:
        values = _columns(plan, points, queries)
        row = jnp.arange(plan.rows) + number * plan.rows
        valid = (row >= 0) & (row < jnp.asarray(count))
        scores = {}
        if scored:
            digits, rest = within ^ origins[:, :, number, None], _rest(net)
            scores = {
                name: plan.outer.score(digits[i], rest[i])
                for i, name in enumerate(plan.outer.tabulated)
            }
            if points[1]:  # correlated ones as their inputs are
                scores |= jax.vmap(jax.vmap(plan.joint.correlate))(points[1])
        return Batch(values, scores, firsts[number], valid)

    def step(batch: Batch, carries: Carries) -> Carries:
        return tuple(
            {column: reducer.step(column, before, batch) for column, before in carry.items()}
            for reducer, carry in zip(plan.reducers, carries, strict=True)
        )

    def turn(
        number: Array, carried: tuple[Inputs | None, Batch, Carries]
    ) -> tuple[Inputs | None, Batch, Carries]:
        waiting, batch, carries = carried
        points = look_up(number)
        drawn = draw(number - 1, waiting) if waiting is not None else draw(number, points)
        return points if many else None, drawn, step(batch, carries)

    first = jnp.zeros((), int)
    nothing = _zeros(draw, first, _zeros(look_up, first))
    before = tuple(
        {column: r.start(column, nothing) for column in r.columns(nothing)} for r in plan.reducers
    )
    turns = -(-jnp.asarray(count) // plan.rows) + many
    initial = (_zeros(look_up, first) if many else None, nothing, before)
    return step(*lax.fori_loop(0, turns, turn, initial)[1:])


def _zeros(function: Callable[..., T], *arguments: object) -> T:
    """Give a result of the same shape, all of zeros, without computing one."""
    shapes = jax.eval_shape(function, *arguments)
    zeros: T = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), shapes)
    return zeros


def _rest(net: DigitalNet) -> Array:
    """What lies beyond the digits, shape (coordinates, chain, 1)."""
    return jnp.asarray(net.rest).T[:, :, None]


def _points(tables: Tables, net: DigitalNet, digits: Array) -> Inputs:
    """Values of what is tabulated, scores of the rest, shape (chain, n).

    The zeros give `vmap` an axis where nothing is uncertain.
    """
    return (*tables.look_up(digits, _rest(net)), jnp.zeros(digits.shape[1:]))


def _columns(plan: Plan, points: Inputs, queries: Inputs) -> dict[Column, Array]:
    """Every statistic of every output, of each row of each chain."""

    def outputs(row: Inputs, query: Inputs) -> dict[str, Array]:
        values, scores = {**row[0], **query[0]}, {**row[1], **query[1]}
        results = evaluate_point(plan.joint, plan.model, scores, values)[1]
        return {name: results[name] * (1 / unit) for name, unit in plan.units.items()}

    results = jax.vmap(jax.vmap(jax.vmap(outputs, (None, 0)), (0, None)))(points, queries)
    statistics: dict[str, Callable[[Array], Array]] = {
        "query": lambda values: values.reshape(len(values), -1)
    }

    def mean_of_rows(values: Array) -> Array:
        # As `row_moments`: a sum of equal values may round, and its mean be none of them.
        first = jnp.where(jnp.isfinite(values[..., :1]), values[..., :1], 0.0)
        return first[..., 0] + (values - first).mean(-1)

    if plan.queries:
        statistics |= {"mean": mean_of_rows, "typical": median_of_rows}
    return {
        Column(name, statistic): reduce(values)
        for name, values in results.items()
        for statistic, reduce in statistics.items()
    }
