"""From a problem to a plan of blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from uncertainty.precision import Floats
from uncertainty.problem import Problem
from uncertainty.sampling.blocks import FIRST_DRAWS, Plan, Work, blocks, run_block
from uncertainty.sampling.reducers import (
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
from uncertainty.sketch import BINS, Sketch, unit_near

__all__ = ["Wanted", "make_plan"]

_STRETCH = 2**14
_VALUES = 2**18
_PILOT = {False: 2**13, True: 2**8}  # draws of a chain, for ranks; True where queries vary


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


def make_plan(
    problem: Problem,
    central: Mapping[str, float],
    seed: int,
    queries: int,
    chains: int,
    wanted: Wanted,
) -> Plan:
    """Plan the draws of some quantities.

    Parameters
    ----------
    central : mapping of str to float
        These quantities at the central assumptions.
    queries : int
        0 where nothing varies per query.
    """
    units = {name: unit_near(value) for name, value in central.items()}
    coordinates = [problem.joint.coordinates(varies=varies) for varies in (False, True)]
    outer, inner = _tables(problem)
    work = Work(
        joint=problem.joint,
        outer=outer,
        inner=inner,
        units=dict(units),
        reducers=(Counts(), Moments()),
        model=problem.model,
        queries=queries,
        rows=_rows(queries, chains, len(outer.names)),
        scored=False,
    )
    plan = Plan(work, tuple({**coordinates[0], **coordinates[1]}.items()), chains, seed)
    more = tuple(_more(plan, wanted, units))
    scored = any(isinstance(reducer, Correlations) for reducer in more)
    return replace(plan, work=replace(work, reducers=(*work.reducers, *more), scored=scored))


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


def _more(plan: Plan, wanted: Wanted, units: Mapping[str, float]) -> "list[Reducer]":
    found: list[Reducer] = []
    if any(wanted.thresholds.values()):
        found.append(Exceedances(_limits(plan, wanted, units)))
    if wanted.largest:
        found.append(Tails(wanted.largest))
    if wanted.correlations and plan.work.outer.names:
        found.append(Correlations(_ranks(plan)))
    return found


def _limits(plan: Plan, wanted: Wanted, units: Mapping[str, float]) -> dict[Column, Floats]:
    return {
        Column(name, statistic): np.array(wanted.thresholds.get(name, ())) / unit
        for name, unit in units.items()
        for statistic in (("typical", "mean", "query") if plan.work.queries else ("query",))
    }


def _ranks(plan: Plan) -> dict[Column, Floats]:
    """Rank of the middle of each bin, from a pilot run."""
    state: State = {}
    for block in blocks(plan, 0, _PILOT[plan.work.queries > 0]):
        state = add(state, run_block(plan, block))
    sketches = {column: part for (_, column), part in state.items() if isinstance(part, Sketch)}
    return {column: _middle_ranks(sketch) for column, sketch in sketches.items()}


def _middle_ranks(sketch: Sketch) -> Floats:
    counts = np.zeros(BINS)
    counts[sketch.start : sketch.stop] = sketch.counts.sum(0)
    return np.asarray((np.cumsum(counts) - counts / 2) / max(counts.sum(), 1))
