"""Blocks of draws: computed by number, each in one call of compiled code, to a small state."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from uncertainty.arrays import in_float64
from uncertainty.energy import EnergyModel
from uncertainty.problem import Joint, evaluate_point
from uncertainty.sampling.forward import median_of_rows
from uncertainty.sampling.points import digital_net
from uncertainty.sampling.reducers import Carry, Column, Reducer, State, Stretch
from uncertainty.sampling.tables import Tables

EVALUATIONS = 2**24
"""Model evaluations of a block."""
FIRST_DRAWS = {False: 2**17, True: 2**12}
"""Draws of the first stage towards a tolerance; True where something varies per query."""
_PLACES = 32
_MANY = 80
_STATIC = {"static": True}
Result = TypeVar("Result")
Net: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Block:
    """Draws `start` to ``start + count`` of every chain."""

    start: int
    count: int


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Work:
    """What is done with the points of a block, the same for all blocks.

    Attributes
    ----------
    outer, inner : Tables
        Of what is unknown, and of what varies per query.
    units : dict of str to float
        The power of two in which each quantity is counted.
    queries : int
        Points for what varies per query; 0 where nothing does.
    rows : int
        Draws that are computed together.
    scored : bool
        Whether a reducer asks for scores.
    """

    joint: Joint
    outer: Tables
    inner: Tables
    units: dict[str, ArrayLike]
    reducers: tuple[Reducer, ...]
    model: EnergyModel = field(metadata=_STATIC)
    queries: int = field(metadata=_STATIC)
    rows: int = field(metadata=_STATIC)
    scored: bool = field(metadata=_STATIC)

    def columns(self, points: "_Points", queries: "_Points") -> dict[Column, Array]:
        """Every statistic of every output, of each row of each chain."""

        def outputs(row: _Points, query: _Points) -> dict[str, Array]:
            known, scores = {**row.known, **query.known}, {**row.scores, **query.scores}
            found = evaluate_point(self.joint, self.model, scores, known)[1]
            return {name: found[name] * (1 / unit) for name, unit in self.units.items()}

        each_query = jax.vmap(outputs, (None, 0))
        found = jax.vmap(jax.vmap(each_query, (0, None)))(points, queries)
        if not self.queries:
            return {Column(name, "query"): _flat(values) for name, values in found.items()}
        return {
            Column(name, statistic): reduced(values)
            for name, values in found.items()
            for statistic, reduced in _STATISTICS.items()
        }


def _mean(values: Array) -> Array:
    return values.mean(-1)


def _flat(values: Array) -> Array:
    return values.reshape(len(values), -1)


_STATISTICS: Mapping[str, Callable[[Array], Array]] = {
    "typical": median_of_rows,
    "mean": _mean,
    "query": _flat,
}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Points:
    """Points by name: values of what is tabulated, scores of the rest, shape (chain, n)."""

    known: dict[str, Array]
    scores: dict[str, Array]
    places: Array


@dataclass(frozen=True)
class Plan:
    """All draws, by number.

    Attributes
    ----------
    coordinates : tuple of (name, place)
        Of the unit cube.
    chains : int
        Independent randomizations.
    """

    work: Work
    coordinates: tuple[tuple[str, int], ...]
    chains: int
    seed: int


def blocks(plan: Plan, start: int, stop: int) -> Iterator[Block]:
    """Cut the draws `start` to `stop` of every chain into blocks.

    `start` is a multiple of the rows done together.
    """
    size = plan.work.rows * _turns(plan.work.queries, plan.work.rows, plan.chains)
    for place in range(start - start % size, stop, size):
        low, high = max(place, start), min(place + size, stop)
        yield Block(low, high - low)


def _turns(queries: int, rows: int, chains: int) -> int:
    """Stretches of a block, for each chain."""
    return max(EVALUATIONS // (max(queries, 1) * rows * chains), 1)


@lru_cache(maxsize=4)
def _nets(names: tuple[tuple[str, int], ...], seed: int, epoch: int, chains: int) -> Net:
    """Points of all chains; after 2^32 of them each goes on with another scramble."""
    numbers = range(epoch * chains, (epoch + 1) * chains)
    net = digital_net(dict(names), seed=seed, randomizations=numbers)
    return net.columns, net.shift, net.rest


def nets_of(plan: Plan, block: Block) -> tuple[Net, Net]:
    """Points of a block: of what is unknown, and of what varies per query."""
    places = dict(plan.coordinates)
    outer, inner = (
        _nets(
            tuple((name, places[name]) for name in tables.names),
            plan.seed,
            block.start >> _PLACES,
            plan.chains,
        )
        for tables in (plan.work.outer, plan.work.inner)
    )
    return outer, inner


@in_float64
def run_block(plan: Plan, block: Block) -> State:
    """Evaluate the draws of a block, and reduce them."""
    return collect(plan, reduce_draws(plan.work, *nets_of(plan, block), block.start, block.count))


def collect(plan: Plan, carries: Sequence[Carry]) -> State:
    """Bring the result of compiled code to the host."""
    state: State = {}
    for reducer, carry in zip(plan.work.reducers, jax.device_get(carries), strict=True):
        state |= reducer.collect(carry)
    return state


@jax.jit
def reduce_draws(
    work: Work, outer: Net, inner: Net, start: ArrayLike, count: ArrayLike
) -> tuple[Carry, ...]:
    """Reduce `count` draws of each chain from the one numbered `start`.

    The values of one stretch are carried to the next turn of the loop and reduced there: otherwise
    each reducer would be compiled into a loop that computes them again.
    """
    queries = _points(work.inner, inner, _shifted(inner, jnp.arange(max(work.queries, 1))))
    within = _digits(outer[0], jnp.arange(work.rows))
    most = _turns(work.queries, work.rows, len(outer[2]))
    firsts = jnp.asarray(start) + jnp.arange(most) * work.rows
    origins = _shifted(outer, firsts)

    def look_up(number: Array) -> _Points:
        return _points(work.outer, outer, within ^ origins[:, :, number, None])

    def draw(number: Array, points: _Points) -> Stretch:
        values = work.columns(points, queries)
        row = jnp.arange(work.rows) + number * work.rows
        valid = (row >= 0) & (row < jnp.asarray(count))
        digits = within ^ origins[:, :, number, None]
        return Stretch(values, _scores(work, outer, digits, points), firsts[number], valid)

    # So many inputs are too much for one loop that compilers vectorize: they wait for a turn too.
    many = len(work.outer.names) > _MANY

    def turn(
        number: Array, carried: tuple[_Points | None, Stretch, tuple[Carry, ...]]
    ) -> tuple[_Points | None, Stretch, tuple[Carry, ...]]:
        waiting, stretch, carries = carried
        points = look_up(number)
        drawn = draw(number - 1, waiting) if waiting is not None else draw(number, points)
        return points if many else None, drawn, _stepped(work, stretch, carries)

    first = jnp.zeros((), int)
    nothing = _zeros(draw, first, _zeros(look_up, first))
    carries = tuple(reducer.start(nothing) for reducer in work.reducers)
    turns = -(-jnp.asarray(count) // work.rows) + many
    start_with = (_zeros(look_up, first) if many else None, nothing, carries)
    return _stepped(work, *lax.fori_loop(0, turns, turn, start_with)[1:])


def _zeros(function: Callable[..., Result], *arguments: object) -> Result:
    """Give a result of the same shape, all of zeros, without computing one."""
    shapes = jax.eval_shape(function, *arguments)
    zeros: Result = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), shapes)
    return zeros


def _stepped(work: Work, stretch: Stretch, carries: tuple[Carry, ...]) -> tuple[Carry, ...]:
    return tuple(r.step(carry, stretch) for r, carry in zip(work.reducers, carries, strict=True))


def _digits(columns: ArrayLike, indices: Array) -> Array:
    """Digits of points before the shift, shape (coordinates, chain, n)."""
    table, low = jnp.swapaxes(jnp.asarray(columns), 0, 1), indices.astype(jnp.uint32)
    digits = jnp.zeros((*table.shape[:2], len(low)), jnp.uint32)
    for place in range(_PLACES):
        bit = (low >> place) & 1 == 1
        digits ^= jnp.where(bit[None, None], table[:, :, place, None], jnp.uint32(0))
    return digits


def _shifted(net: Net, indices: Array) -> Array:
    """Digits of points, shape (coordinates, chain, n)."""
    return _digits(net[0], indices) ^ jnp.asarray(net[1]).T[:, :, None]


def _rest(net: Net) -> Array:
    """What lies beyond the digits, shape (coordinates, chain, 1)."""
    return jnp.asarray(net[2]).T[:, :, None]


def _points(tables: Tables, net: Net, digits: Array) -> _Points:
    known, scores = tables.look_up(digits, _rest(net))
    return _Points(known, scores, jnp.zeros(digits.shape[1:]))


def _scores(work: Work, net: Net, digits: Array, points: _Points) -> dict[str, Array]:
    """Scores of everything unknown, correlated ones as their inputs are."""
    if not work.scored:
        return {}
    rest = _rest(net)
    looked_up = {
        name: work.outer.score(digits[i], rest[i]) for i, name in enumerate(work.outer.tabulated)
    }
    if not points.scores:
        return looked_up
    return {**looked_up, **jax.vmap(jax.vmap(work.joint.correlate))(points.scores)}
