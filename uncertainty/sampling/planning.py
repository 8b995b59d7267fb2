"""From a problem to a plan of blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.problem import Columns, Problem, each_point
from uncertainty.results import BINS, Scale, Sketch, unit_near
from uncertainty.sampling.blocks import FIRST_DRAWS, Plan, Work, blocks, run_block
from uncertainty.sampling.forward import points_of
from uncertainty.sampling.reducers import (
    Atoms,
    Column,
    Correlations,
    Counts,
    Exceedances,
    Moments,
    Reducer,
    State,
    Tails,
    add,
)
from uncertainty.sampling.tables import Tables, tabulate

_STRETCH = 2**14
_VALUES = 2**18
_RANKED = {False: 2**13, True: 2**8}  # draws of a chain, for ranks; True where queries vary
_PILOT = {False: 2**13, True: 2**15}  # evaluations of the pilot, of all chains
_PILOT_QUERIES = 2**8


@dataclass(frozen=True)
class Wanted:
    """What a stream keeps beside quantiles and moments.

    Attributes
    ----------
    thresholds : mapping of str to sequence of float
        By quantity: how often each is exceeded.
    largest : int
        How many of the largest values, with the inputs behind them.
    correlations : bool
        Whether inputs are correlated with outputs.
    """

    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    largest: int = 0
    correlations: bool = False


@dataclass(frozen=True)
class Pilot:
    """The first few draws of each chain, which show where the others will lie.

    Attributes
    ----------
    inputs : mapping of str to array
        Assumptions, shape (draws,).
    values : mapping of Column to array
        Each statistic of each output that is kept: shape (chain, draw, query).
    """

    inputs: Columns
    values: Mapping[Column, Floats]

    @property
    def quantities(self) -> list[str]:
        """Outputs that are kept."""
        return list(dict.fromkeys(column.quantity for column in self.values))

    def units(self) -> dict[str, float]:
        """Give a power of two near the size of each output."""
        return {
            name: unit_near(float(np.median(sizes)) if len(sizes) else 1.0)
            for name in self.quantities
            for values in [
                np.concatenate([v.ravel() for c, v in self.values.items() if c.quantity == name])
            ]
            for sizes in [np.abs(values[np.isfinite(values) & (values != 0)])]
        }


def fly_pilot(
    problem: Problem, quantities: Sequence[str], seed: int, queries: int, chains: int
) -> Pilot:
    """Evaluate the first draws of each chain, by the code that is compiled for every problem."""
    most = min(queries, _PILOT_QUERIES)
    count = _PILOT[queries > 0] // (chains * max(most, 1))
    points = [points_of(problem, count, max(most, 1), seed, chain) for chain in range(chains)]
    pairs = [
        {
            **{name: np.repeat(scores, max(most, 1)) for name, scores in each.outer.items()},
            **{name: np.tile(scores, count) for name, scores in each.inner.items()},
        }
        for each in points
    ]
    scores = {name: np.concatenate([pair[name] for pair in pairs]) for name in pairs[0]}
    shape = (chains, count, max(most, 1))
    fixed = {"": np.zeros(int(np.prod(shape)))}
    inputs, outputs = each_point(problem.joint, problem.model, scores or fixed)
    values: dict[Column, Floats] = {}
    for name in quantities:
        values[Column(name, "query")] = rows = outputs[name].reshape(shape)
        if queries:
            values[Column(name, "typical")] = np.median(rows, -1, keepdims=True)
            values[Column(name, "mean")] = rows.mean(-1, keepdims=True)
    return Pilot(inputs, values)


def make_plan(
    problem: Problem, pilot: Pilot, seed: int, queries: int, chains: int, wanted: Wanted
) -> Plan:
    """Plan the draws of the quantities of a pilot.

    Parameters
    ----------
    queries : int
        0 where nothing varies per query.
    """
    units = pilot.units()
    values = {column: sample / units[column.quantity] for column, sample in pilot.values.items()}
    scales = {column: Scale.of_sample(sample) for column, sample in values.items()}
    atoms = {column: found for column, sample in values.items() if len(found := _atoms(sample))}
    centers = {column: _middle(sample) for column, sample in values.items()}
    coordinates = [problem.joint.coordinates(varies=varies) for varies in (False, True)]
    outer, inner = _tables(problem)
    work = Work(
        joint=problem.joint,
        outer=outer,
        inner=inner,
        units=dict(units),
        reducers=(Counts(scales), Moments(centers), *([Atoms(atoms)] if atoms else [])),
        model=problem.model,
        queries=queries,
        rows=_rows(queries, chains, len(outer.names)),
        scored=False,
    )
    plan = Plan(work, tuple({**coordinates[0], **coordinates[1]}.items()), chains, seed)
    more: list[Reducer] = []
    if any(wanted.thresholds.values()):
        more.append(Exceedances(_limits(plan, wanted, units)))
    if wanted.largest:
        more.append(Tails(wanted.largest))
    if wanted.correlations and outer.names:
        more.append(Correlations(_ranks(plan), scales, centers))
    return replace(
        plan,
        work=replace(
            work, reducers=(*work.reducers, *more), scored=wanted.correlations and bool(outer.names)
        ),
    )


def _atoms(sample: Floats) -> Floats:
    """Values that occur more than once, filled up to one of few lengths: each costs a compilation.

    Draws of what has a density never agree to the last digit, unless they share the draw or the
    query that the value comes from.
    """
    chains, count, queries = sample.shape
    every, place = np.unique(sample, return_inverse=True)
    rows, columns = (
        np.broadcast_to(np.arange(chains * size).reshape(shape), sample.shape).ravel()
        for size, shape in ((count, (chains, count, 1)), (queries, (chains, 1, queries)))
    )
    seen = [
        np.bincount(np.unique(np.stack([place.ravel(), where]), axis=1)[0])
        for where in ((rows, columns) if queries > 1 else (rows,))
    ]
    found = every[(np.min(seen, 0) > 1) & np.isfinite(every)]
    length = 8 ** int(np.ceil(np.log(max(len(found), 8)) / np.log(8)))
    return np.pad(found, (0, length - len(found)), constant_values=np.inf) if len(found) else found


def _middle(sample: Floats) -> float:
    finite = np.sort(sample[np.isfinite(sample)])
    return float(finite[len(finite) // 2]) if len(finite) else 0.0


@lru_cache(maxsize=16)
def _tables(problem: Problem) -> tuple[Tables, Tables]:
    """Of what is unknown, and of what varies per query."""
    outer, inner = (
        tabulate(problem.joint, tuple(problem.joint.coordinates(varies=varies)))
        for varies in (False, True)
    )
    return outer, inner


def _rows(queries: int, chains: int, inputs: int) -> int:
    """A power of two, for about as many values as fit near the processor.

    No more than the first stage of a tolerance has: the next goes on at a multiple of them.
    """
    fitting = min(_STRETCH, _VALUES // max(inputs, 1)) / (max(queries, 1) * chains)
    most = min(fitting, FIRST_DRAWS[queries > 0] // chains)
    return int(2 ** np.floor(np.log2(max(most, 1))))


def _limits(plan: Plan, wanted: Wanted, units: Mapping[str, float]) -> dict[Column, Floats]:
    return {
        Column(name, statistic): np.array(wanted.thresholds.get(name, ())) / unit
        for name, unit in units.items()
        for statistic in (("typical", "mean", "query") if plan.work.queries else ("query",))
    }


def _ranks(plan: Plan) -> dict[Column, Floats]:
    """Rank of the middle of each bin, from a pilot run."""
    state: State = {}
    for block in blocks(plan, 0, _RANKED[plan.work.queries > 0]):
        state = add(state, run_block(plan, block))
    sketches = {column: part for (_, column), part in state.items() if isinstance(part, Sketch)}
    return {column: _middle_ranks(sketch) for column, sketch in sketches.items()}


def _middle_ranks(sketch: Sketch) -> Floats:
    counts = np.zeros(BINS)
    counts[sketch.start : sketch.stop] = sketch.counts.sum(0)
    return np.asarray((np.cumsum(counts) - counts / 2) / max(counts.sum(), 1))
