"""Forward Monte Carlo without a ceiling: draws in blocks, each reduced as it is computed.

A pilot shows where the draws will lie and makes a `Plan`. Each stage of a stream is cut into
blocks; an executor gives the state of each, and the states merge into the `Totals` that a result is
made of. With a tolerance, stages follow each other until it is reached.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, Unpack

import numpy as np

from uncertainty.arrays import Floats, in_float64
from uncertainty.errors import (
    InputError,
    check_all,
    check_count,
    check_keywords,
    check_probability,
    check_seed,
    check_threshold,
    require_known,
)
from uncertainty.problem import Columns, Problem, each_point
from uncertainty.results import BINS, Scale, row_moments, unit_near
from uncertainty.sampling.blocks import (
    Atoms,
    Column,
    Correlations,
    Counts,
    Exceedances,
    Moments,
    Plan,
    Reducer,
    State,
    Tails,
    run_block,
)
from uncertainty.sampling.checkpoint import Checkpoint, fingerprint
from uncertainty.sampling.executors import ExecutorLike, States, executor_name, opened
from uncertainty.sampling.forward import QUERIES, RANDOMIZATIONS, open_medians, points_of
from uncertainty.sampling.points import Tables, digital_net, tabulate
from uncertainty.sampling.totals import Totals

if TYPE_CHECKING:
    import xarray as xr

# Of these pairs, the second is for problems in which something varies per query.
_DRAWS = (10**7, 2**16)
_MOST = (10**10, 2**20)  # with a tolerance
_FIRST = (2**17, 2**12)  # of the first stage towards a tolerance
_RANKED = (2**13, 2**8)  # of each chain, for the ranks of correlations
_PILOT = (2**13, 2**15)  # evaluations of the pilot, of all chains
_PILOT_QUERIES = 2**8  # of a draw of the pilot: more would leave it few draws
_MOST_QUERIES = 2**13  # of a draw, towards a tolerance
_BATCH = 2**14  # evaluations that fit near the processor, with few inputs
_VALUES = 2**18  # and values of inputs
_PATIENCE = 4  # stages, each of twice the draws
_OF_ZERO = 1e300  # the relative error of a figure of 0
_SAVE_EVERY_S = 5.0  # of work that a run that is killed may lose
Stages: TypeAlias = list[tuple[int, range]]


@dataclass(frozen=True)
class Progress:
    """How far a stream is, for `watch`.

    Attributes
    ----------
    number : int
        Of the stage, from 0: a tolerance may need several.
    stage : range
        Its draws of each chain.
    done : int
        Model evaluations of this stage.
    fresh : int
        Those of them that were done since it began or was resumed, in so many `seconds`.
    totals : Totals
        All sums so far.
    """

    number: int
    stage: range
    done: int
    fresh: int
    seconds: float
    totals: Totals

    @property
    def evaluations(self) -> int:
        """Model evaluations of this stage in all."""
        return len(self.stage) * self.totals.plan.chains * max(self.totals.plan.queries, 1)


class StreamOptions(TypedDict, total=False):
    """Options of `stream`, which says what each is, and what it is where not given."""

    queries: int
    executor: ExecutorLike
    tolerance: float | None
    probs: Sequence[float]
    quantities: Sequence[str] | None
    thresholds: Sequence[float] | Mapping[str, Sequence[float]]
    largest: int
    correlations: bool
    sample: int
    checkpoint: str | Path | None
    watch: Callable[[Progress], None] | None


@in_float64
def stream(
    problem: Problem, draws: int | None = None, seed: int = 0, **options: Unpack[StreamOptions]
) -> "xr.DataTree":
    """Push any number of draws of the joint prior through the model, in bounded memory.

    The points are those of `simulate`; a result differs by the resolution of the sketch, and by
    the control variates for which `simulate` stores its draws.

    Parameters
    ----------
    problem : Problem
    draws : int, optional
        Epistemic points over all 16 randomizations, rounded up to a multiple of 16; with a
        `tolerance`, the most to be spent. 10^7 where not given (10^10 with a tolerance), or 2^16
        (2^20) where something varies per query.
    seed : int
        The same seed and file give the same numbers, whatever the executor.
    queries : int
        Points for what varies per query, for each epistemic point (256 where not given); with a
        `tolerance`, those of the first stage.
    executor : str, concurrent.futures.Executor, distributed.Client or None
        ``serial``; ``devices`` (all local devices of JAX); ``dask`` (a local cluster for the time
        of the call; in a script under ``if __name__ == "__main__"``), the address of a Dask
        scheduler such as ``tcp://host:8786``, a client, or any executor of the standard protocol.
    tolerance : float, optional
        Double the draws until the standard error of each quantile reported is under this share
        of it, or, without `draws`, until more of them would not help; what was not reached is
        among the warnings.
    probs : sequence of float
        Probabilities of the intervals that are held to the tolerance, beside the median: 0.5 and
        0.9 where not given.
    quantities : sequence of str, optional
        Outputs to keep, of which the first is held to the tolerance; all where not given, and
        ``energy_wh`` or the first is held to it.
    thresholds : sequence of float, or mapping of str to sequence of float
        How often each is exceeded is counted exactly; a sequence is for the output that is held
        to the tolerance.
    largest : int
        How many of the largest values to keep, with the inputs behind each.
    correlations : bool
        Correlate each unknown input's normal score with each output, its logarithm, and their
        ranks (those of the output as a pilot of 2^17 draws gave them).
    sample : int
        Draws whose inputs are kept, for reports of what the assumptions imply.
    checkpoint : str or Path, optional
        A file that holds the state of the run; where there is one, the run goes on from it, to
        the same result bit for bit.
    watch : callable, optional
        Called after each block with a `Progress`.

    Returns
    -------
    xarray.DataTree
        Group ``prior_sketch`` and what else was asked for, by ``chain`` (see
        `uncertainty.results`); `summarize`, `exceedance` and `save` take it.

    Raises
    ------
    InputError
        If an argument is out of range, or the checkpoint is damaged or of another run.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = stream(un.build_problem("gpt-4o"), draws=512, quantities=["energy_wh"])
    >>> row = un.summarize(tree).sel(quantity="energy_wh", statistic="typical")
    >>> bool(row.lower < row["median"] < row.upper)
    True
    """
    check_keywords("stream", options, StreamOptions.__annotations__)
    if problem.model.plain is not None:
        text = f"{problem.model.name} is in plain Python, too slow for a stream: use simulate"
        raise InputError.of("<model>", text)
    chosen, tolerance = options.get("quantities"), options.get("tolerance")
    names = [problem.quantity(name) for name in chosen or problem.outputs]
    main = "energy_wh" if not chosen and "energy_wh" in names else names[0]
    limits, largest = options.get("thresholds", ()), options.get("largest", 0)
    thresholds = limits if isinstance(limits, Mapping) else {main: limits}
    queries, probs = options.get("queries", QUERIES), options.get("probs", (0.5, 0.9))
    sample = options.get("sample", 0)
    count = 2 * RANDOMIZATIONS if draws is None else draws
    most = RANDOMIZATIONS * 2**32  # a Sobol' sequence of 32 digits has 2^32 points in each

    def check_tolerance() -> None:
        if tolerance is not None and not tolerance > 0:
            raise InputError.of("<tolerance>", f"must be greater than 0 (got {tolerance})")

    check_all(
        check_tolerance,
        partial(check_seed, seed),
        partial(check_count, "draws", count, 2 * RANDOMIZATIONS, most),
        partial(check_count, "queries", queries, 2, 2**20),
        partial(check_count, "largest", largest, 0, most),
        partial(check_count, "sample", sample, 0, most),
        *(partial(check_probability, "probs", prob) for prob in probs),
        *(partial(require_known, "thresholds", name, names) for name in thresholds),
        *(partial(check_threshold, "thresholds", x) for each in thresholds.values() for x in each),
    )
    executor = executor_name(options.get("executor"))
    levels = sorted({0.5, *((1 + side * p) / 2 for p in probs for side in (-1, 1))})

    queries = queries if problem.varies else 0
    inputs, values = _pilot(problem, names, seed, queries)

    def plan_of(queries: int) -> Plan:
        more = (thresholds, largest, options.get("correlations", False))
        return _make_plan(problem, values, seed, queries, *more)

    stages = _schedule(draws, queries, tolerance)
    plan, path = plan_of(queries), options.get("checkpoint")
    name = fingerprint(plan, stages, tolerance, levels, main) if path else ""
    kept = Checkpoint(Path(path), name) if path else None
    with opened(options.get("executor")) as states:
        number, done, errors, state = kept.load() if kept else (0, 0, [], {})
        while True:
            count, stage = stages[number]
            plan = plan if count == plan.queries else plan_of(count)
            state = _all_blocks(
                plan, number, stage, (done, state), errors, states, kept, options.get("watch")
            )
            totals = Totals(plan, state)
            missed, error = _missed(totals, main, levels, tolerance)
            if not missed or number + 1 == len(stages):
                break
            errors = [*errors, error]
            # A figure that is not a number stays so. One that is 0, or lies in a gap or in a bin
            # that a stream cannot resolve, keeps its error: 16 times the draws should make that a
            # quarter or less. An infinite one, of what lies beyond the draws, may become finite
            # with more. Draws that were asked for are drawn, but for what is not a number.
            before = errors[-1 - _PATIENCE] if len(errors) > _PATIENCE else math.inf
            stuck = draws is None and before / 2 < error < math.inf
            if stuck or math.isnan(error):
                missed += "; more draws would not help"
                break
            # A stage that starts at 0 forgets the draws before it.
            number, done = number + 1, 0
            state = state if stages[number][1].start else {}
    facts: dict[str, str | int] = {"seed": seed, "draws": stage.stop * plan.chains}
    facts |= {"executor": executor, "open_medians": open_medians(problem, plan.queries, seed)}
    return totals.tree(problem, inputs, facts, missed, thresholds, sample)


def _schedule(draws: int | None, queries: int, tolerance: float | None) -> Stages:
    """Queries and draws of each chain, by stage: as many as a tolerance takes, else one.

    Each doubles the draws of the one before. Where something varies per query, its points are the
    same for all draws of a chain, and their error does not shrink with draws: every other stage
    starts anew with four times as many (new numbers of queries cost a compilation).
    """
    nested = queries > 0
    most = math.ceil((draws or (_DRAWS if tolerance is None else _MOST)[nested]) / RANDOMIZATIONS)
    if tolerance is None:
        return [(queries, range(most))]
    stages = [(queries, range(min(_FIRST[nested] // RANDOMIZATIONS, most)))]
    while stages[-1][1].stop < most:
        count, last = stages[-1]
        anew = nested and len(stages) % 2 == 0 and count < _MOST_QUERIES
        draws_of_chain = range(0 if anew else last.stop, min(2 * last.stop, most))
        stages.append((min(4 * count, _MOST_QUERIES) if anew else count, draws_of_chain))
    return stages


def _pilot(
    problem: Problem, names: Sequence[str], seed: int, queries: int
) -> tuple[Columns, dict[Column, Floats]]:
    """Evaluate the first draws of each chain, by the code that is compiled for every problem.

    Inputs, shape (draws,), and each statistic of each output: shape (chain, draw, query).
    """
    each = max(min(queries, _PILOT_QUERIES), 1)
    count = _PILOT[queries > 0] // (RANDOMIZATIONS * each)
    points = [points_of(problem, count, each, seed, chain) for chain in range(RANDOMIZATIONS)]
    pairs = [
        {
            **{name: np.repeat(scores, each) for name, scores in chain.outer.items()},
            **{name: np.tile(scores, count) for name, scores in chain.inner.items()},
        }
        for chain in points
    ]
    scores = {name: np.concatenate([pair[name] for pair in pairs]) for name in pairs[0]}
    shape = (RANDOMIZATIONS, count, each)
    scores = scores or {"": np.zeros(math.prod(shape))}  # where nothing is uncertain
    inputs, outputs = each_point(problem.joint, problem.model, scores)
    values: dict[Column, Floats] = {}
    for name in names:
        values[Column(name, "query")] = rows = outputs[name].reshape(shape)
        if queries:
            values[Column(name, "typical")] = np.median(rows, -1, keepdims=True)
            values[Column(name, "mean")] = row_moments(rows)[0][..., None]
    return inputs, values


def _make_plan(
    problem: Problem,
    pilot: Mapping[Column, Floats],
    seed: int,
    queries: int,
    thresholds: Mapping[str, Sequence[float]],
    largest: int,
    correlations: bool,
) -> Plan:
    """Plan the draws of a pilot's quantities; `queries` is 0 where nothing varies per query."""
    units: dict[str, float] = {}
    for name in dict.fromkeys(column.quantity for column in pilot):
        sample = np.concatenate([v.ravel() for c, v in pilot.items() if c.quantity == name])
        sizes = np.abs(sample[np.isfinite(sample) & (sample != 0)])
        ends = np.sqrt([sizes.min(), sizes.max()]) if len(sizes) else np.ones(1)
        units[name] = unit_near(float(ends[0] * ends[-1]))  # both ends have a place in it
    scales: dict[Column, Scale] = {}
    centers, sizes = dict[Column, float](), dict[Column, float]()
    atoms: dict[Column, Floats] = {}
    for column, sample in pilot.items():
        values = sample / units[column.quantity]
        scales[column] = Scale.of_sample(values)
        finite = np.sort(values[np.isfinite(values)])
        centers[column] = float(finite[len(finite) // 2]) if len(finite) else 0.0
        sizes[column] = unit_near(float(np.abs(finite - centers[column]).max(initial=0.0)))
        if len(repeated := _atoms(values)):
            atoms[column] = repeated
    outer, inner = _tables(problem)
    places = problem.joint.coordinates(varies=False) | problem.joint.coordinates(varies=True)
    every = range(RANDOMIZATIONS)
    net, inner_net = (
        digital_net({name: places[name] for name in t.names}, seed=seed, randomizations=every)
        for t in (outer, inner)
    )
    # A power of two, for about as many values as fit near the processor, and no more than the
    # first stage of a tolerance has: the next goes on at a multiple of them.
    fitting = min(_BATCH, _VALUES // max(len(outer.names), 1)) / (max(queries, 1) * RANDOMIZATIONS)
    most = min(fitting, _FIRST[queries > 0] // RANDOMIZATIONS)
    plan = Plan(
        joint=problem.joint,
        outer=outer,
        inner=inner,
        nets=(net, inner_net),
        units=dict(units),
        reducers=(Counts(scales), Moments(centers, sizes), *([Atoms(atoms)] if atoms else [])),
        model=problem.model,
        queries=queries,
        rows=int(2 ** np.floor(np.log2(max(most, 1)))),
    )
    more: list[Reducer] = []
    if any(thresholds.values()):
        limits = {c: np.array(thresholds.get(c.quantity, ())) / units[c.quantity] for c in pilot}
        more.append(Exceedances(limits))
    if largest:
        more.append(Tails(largest))
    if correlations and outer.names:
        state: State = {}
        for block in plan.blocks(0, _RANKED[queries > 0]):
            state = plan.merge(state, run_block(plan, block))
        ranks: dict[Column, Floats] = {}
        for column, (start, counts) in state["Counts"].items():
            sums = np.zeros(BINS)
            sums[int(start) : int(start) + counts.shape[1]] = counts.sum(0)
            ranks[column] = (np.cumsum(sums) - sums / 2) / max(sums.sum(), 1)
        more.append(Correlations(ranks, scales, centers))
    return replace(plan, reducers=(*plan.reducers, *more))


@lru_cache(maxsize=16)
def _tables(problem: Problem) -> tuple[Tables, Tables]:
    """Of what is unknown, and of what varies; kept, as they cost more than a small run."""
    outer, inner = (
        tabulate(problem.joint, tuple(problem.joint.coordinates(varies=varies)))
        for varies in (False, True)
    )
    return outer, inner


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
    repeated = every[(np.min(seen, 0) > 1) & np.isfinite(every)]
    if not len(repeated):
        return repeated
    length = 8 ** math.ceil(np.log(max(len(repeated), 8)) / np.log(8))
    return np.pad(repeated, (0, length - len(repeated)), constant_values=np.inf)


def _all_blocks(
    plan: Plan,
    number: int,
    stage: range,
    reached: tuple[int, State],
    errors: list[float],
    states: States,
    kept: Checkpoint | None,
    watch: Callable[[Progress], None] | None,
) -> State:
    """Add up the blocks of a stage, of which so many are in a state already.

    Both are `reached` in one tuple, so that no interruption leaves half of a step.
    """
    blocks = [*plan.blocks(stage.start, stage.stop)]
    left = blocks[reached[0] :]
    each = plan.chains * max(plan.queries, 1)
    done = before = sum(map(len, blocks[: reached[0]]))
    began, saved = time.perf_counter(), 0.0
    try:
        for block, state in zip(left, states(plan, left), strict=True):
            reached = reached[0] + 1, plan.merge(reached[1], state)
            done += len(block)
            if kept and time.monotonic() > saved + _SAVE_EVERY_S:
                kept.save(number, reached[0], errors, reached[1])
                saved = time.monotonic()
            if watch:
                seconds, fresh = time.perf_counter() - began, (done - before) * each
                totals = Totals(plan, reached[1])
                watch(Progress(number, stage, done * each, fresh, seconds, totals))
    finally:
        # Whoever interrupts this keeps what was done.
        if kept:
            kept.save(number, reached[0], errors, reached[1])
    return reached[1]


def _missed(
    totals: Totals, quantity: str, levels: Sequence[float], tolerance: float | None
) -> tuple[str, float]:
    """Say how far from the tolerance the worst quantile is, with its error as a share of it.

    The text is empty where all are near enough.
    """
    if tolerance is None:
        return "", 0.0
    shares: dict[tuple[float, Column], float] = {}
    for column in totals.columns:
        for level in levels if column.quantity == quantity else ():
            value, error = totals.quantile(column, level)
            # More than any other for what is 0 and not exact.
            share = error / abs(value) if value else max(error, _OF_ZERO)
            shares[level, column] = share if error else 0.0
    missed = [place for place, share in shares.items() if not share <= tolerance]
    if not missed:
        return "", 0.0
    level, column = max(missed, key=lambda place: (math.isnan(shares[place]), shares[place]))
    share = shares[level, column]
    text = f"{100 * share:.2g} % of it" if share < _OF_ZERO else "unknown as a share of it"
    return (
        f"the tolerance of {100 * tolerance:g} % is not reached for {len(missed)} of "
        f"{len(shares)} quantiles: the standard error of the {100 * level:g} % quantile of "
        f"{column.quantity} ({column.statistic}) is {text}"
    ), share
