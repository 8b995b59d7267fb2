"""Forward Monte Carlo without a ceiling: draws in blocks, each reduced as it is computed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from uncertainty.arrays import in_float64
from uncertainty.errors import Fault, InputError, check_count, check_seed, check_threshold, nearest
from uncertainty.problem import Problem
from uncertainty.sampling.blocks import Plan, blocks
from uncertainty.sampling.checkpoint import Checkpoint, Position, fingerprint
from uncertainty.sampling.executors import Executor, ExecutorLike, executor_of
from uncertainty.sampling.forward import QUERIES, RANDOMIZATIONS
from uncertainty.sampling.planning import Wanted, fly_pilot, make_plan
from uncertainty.sampling.schedule import Goal, Stage, in_vain, schedule
from uncertainty.sampling.streamed import stream_tree
from uncertainty.sampling.totals import Totals

if TYPE_CHECKING:
    import xarray as xr


_SAVE_EVERY_S = 5.0


@dataclass(frozen=True)
class Standing:
    """How a stream stands, for whoever watches it.

    Attributes
    ----------
    number : int
        Of the stage, from 0: a tolerance may need several.
    stage : Stage
    done : int
        Model evaluations of this stage.
    fresh : int
        Those of them that were done since it began or was resumed, in so many `seconds`.
    totals : Totals
        All sums so far.
    """

    number: int
    stage: Stage
    done: int
    fresh: int
    seconds: float
    totals: Totals

    @property
    def wanted(self) -> int:
        """Model evaluations of this stage in all."""
        return (self.stage.stop - self.stage.start) * self.totals.plan.chains * self.stage.inner


@in_float64
def stream(
    problem: Problem,
    draws: int | None = None,
    seed: int = 0,
    *,
    queries: int = QUERIES,
    executor: ExecutorLike = None,
    tolerance: float | None = None,
    probs: Sequence[float] = (0.5, 0.9),
    quantities: Sequence[str] | None = None,
    thresholds: Sequence[float] | Mapping[str, Sequence[float]] = (),
    largest: int = 0,
    correlations: bool = False,
    sample: int = 0,
    checkpoint: str | Path | None = None,
    watch: Callable[[Standing], None] | None = None,
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
        Points for what varies per query, for each epistemic point; with a `tolerance`, those of
        the first stage.
    executor : str, distributed.Client or None
        ``serial``; ``devices`` (all local devices of JAX); ``dask`` (a local cluster for the time
        of the call; in a script under ``if __name__ == "__main__"``), the address of a Dask
        scheduler such as ``tcp://host:8786``, or a client.
    tolerance : float, optional
        Double the draws until the standard error of each quantile reported is under this share
        of it, or, without `draws`, until more of them would not help; what was not reached is
        among the warnings.
    probs : sequence of float
        Probabilities of the intervals that are held to the tolerance, beside the median.
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
        ranks (those of the output as a pilot of 2^17 draws found them).
    sample : int
        Draws whose inputs are kept, for reports of what the assumptions imply.
    checkpoint : str or Path, optional
        A file that holds the state of the run; where there is one, the run goes on from it, to
        the same result bit for bit.
    watch : callable, optional
        Called after each block with a `Standing`.

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
    if problem.model.plain is not None:
        text = f"{problem.model.name} is in plain Python, too slow for a stream: use simulate"
        raise InputError.of("<model>", text)
    named = [problem.quantity(name) for name in quantities or problem.outputs]
    main = "energy_wh" if not quantities and "energy_wh" in named else named[0]
    limits = thresholds if isinstance(thresholds, Mapping) else {main: thresholds}
    goal, wanted = Goal(tolerance, tuple(probs), (main,)), Wanted(limits, largest, correlations)
    check_seed(seed)
    _check(draws, queries, goal, wanted, named)
    worker, own = executor_of(executor), queries if problem.varies else 0
    values = problem.central()
    central = {name: values[name] for name in named}

    pilot = fly_pilot(problem, named, seed, own, RANDOMIZATIONS)

    @lru_cache(maxsize=1)
    def plan_of(count: int) -> Plan:
        return make_plan(problem, pilot, seed, count, RANDOMIZATIONS, wanted)

    stages = schedule(draws, own, RANDOMIZATIONS, goal)
    kept = _checkpoint(checkpoint, plan_of(stages[0].queries), stages, goal)
    run = _Run(plan_of, stages, worker, goal, kept, watch, open_end=draws is None)
    totals, stage, missed = run.result()
    return stream_tree(problem, totals, pilot, central, stage, worker.name, missed, wanted, sample)


def _check(
    draws: int | None, queries: int, goal: Goal, wanted: Wanted, quantities: Sequence[str]
) -> None:
    """Refuse what cannot be computed, all at once."""
    # A Sobol' sequence of 32 digits has 2^32 points in each randomization.
    most = RANDOMIZATIONS * 2**32
    checks = [
        *(
            [partial(check_count, "draws", draws, 2 * RANDOMIZATIONS, most)]
            if draws is not None
            else []
        ),
        partial(check_count, "queries", queries, 2, 2**20),
        *(
            partial(check_threshold, "thresholds", x)
            for limits in wanted.thresholds.values()
            for x in limits
        ),
    ]
    faults: list[Fault] = []
    for check in checks:
        try:
            check()
        except InputError as error:
            faults += error.faults
    rules = (
        ("largest", wanted.largest >= 0, f"must be 0 or more (got {wanted.largest})"),
        (
            "tolerance",
            goal.tolerance is None or goal.tolerance > 0,
            f"must be greater than 0 (got {goal.tolerance})",
        ),
        (
            "probs",
            all(0 < prob < 1 for prob in goal.probs),
            f"must lie between 0 and 1 (got {', '.join(f'{p:g}' for p in goal.probs)})",
        ),
        *(
            (
                "thresholds",
                name in quantities,
                f"no output {name!r} is kept{nearest(name, quantities)}",
            )
            for name in wanted.thresholds
        ),
    )
    faults += [Fault(f"<{name}>", 0, 0, "", text) for name, holds, text in rules if not holds]
    if faults:
        raise InputError(faults)


def _checkpoint(
    path: str | Path | None, plan: Plan, stages: Sequence[Stage], goal: Goal
) -> Checkpoint | None:
    return Checkpoint(Path(path), fingerprint(plan, stages, goal)) if path else None


@dataclass
class _Run:
    """One call of `stream`."""

    plan_of: Callable[[int], Plan]
    stages: Sequence[Stage]
    executor: Executor
    goal: Goal
    checkpoint: Checkpoint | None
    watch: Callable[[Standing], None] | None
    open_end: bool
    saved_at: float = 0.0

    def result(self) -> tuple[Totals, Stage, str]:
        """Go through the stages until the goal is met; say by how much it is missed."""
        with self.executor:
            return self._all_stages(self.checkpoint.load() if self.checkpoint else Position())

    def _all_stages(self, position: Position) -> tuple[Totals, Stage, str]:
        for number, stage in enumerate(self.stages[position.stage :], position.stage):
            plan = self.plan_of(stage.queries)
            position = self._through(plan, stage, position)
            totals = Totals(plan, position.state)
            missed, following = self.goal.missed(totals), self.stages[number + 1 : number + 2]
            if not missed or not following:
                break
            errors = (*position.errors, self.goal.worst(totals))
            # Draws that were asked for are drawn, but not for what is not a number.
            if in_vain(errors if self.open_end else errors[-1:]):
                missed += "; more draws would not help"
                break
            position = Position(number + 1, 0, position.state if following[0].start else {}, errors)
        return totals, stage, missed

    def _through(self, plan: Plan, stage: Stage, position: Position) -> Position:
        """Add up the blocks of a stage that are not yet in."""
        every = list(blocks(plan, stage.start, stage.stop))
        todo, done = every[position.done :], sum(block.count for block in every[: position.done])
        each = stage.inner * plan.chains
        began, fresh = time.perf_counter(), 0
        try:
            for block, state in zip(todo, self.executor.run(plan, todo), strict=True):
                position = position.after(state)
                fresh += block.count
                if time.monotonic() > self.saved_at + _SAVE_EVERY_S:
                    self._save(position)
                if self.watch:
                    seconds, totals = time.perf_counter() - began, Totals(plan, position.state)
                    told = ((done + fresh) * each, fresh * each)
                    self.watch(Standing(position.stage, stage, *told, seconds, totals))
        finally:
            # Whoever interrupts this keeps what was done.
            self._save(position)
        return position

    def _save(self, position: Position) -> None:
        if self.checkpoint:
            self.checkpoint.save(position)
            self.saved_at = time.monotonic()
