"""How many draws, in which stages, and when they are enough."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from uncertainty.results import Estimate
from uncertainty.sampling.blocks import FIRST_DRAWS
from uncertainty.sampling.reducers import Column
from uncertainty.sampling.totals import Totals

_DRAWS = {False: 10**7, True: 2**16}  # True where something varies per query
_MOST = {False: 10**10, True: 2**20}
_MOST_QUERIES = 2**13
_PATIENCE = 4  # stages, each of twice the draws
_OF_ZERO = 1e300


@dataclass(frozen=True)
class Stage:
    """Draws `start` to `stop` of each chain; a stage that starts at 0 forgets those before it."""

    start: int
    stop: int
    queries: int

    @property
    def inner(self) -> int:
        """Model evaluations of a draw."""
        return max(self.queries, 1)


@dataclass(frozen=True)
class Goal:
    """A standard error to be reached.

    Attributes
    ----------
    tolerance : float or None
        Largest standard error of a quantile, as a share of it.
    probs : sequence of float
        Probabilities of the intervals whose ends are quantiles to be known.
    quantities : sequence of str
        Outputs that are held to it.
    """

    tolerance: float | None
    probs: Sequence[float]
    quantities: Sequence[str]

    @property
    def levels(self) -> list[float]:
        """Probabilities of the quantiles that are reported."""
        return sorted({0.5, *((1 + side * prob) / 2 for prob in self.probs for side in (-1, 1))})

    def worst(self, totals: Totals) -> float:
        """Largest error of a quantile, as a share of it; NaN where one is not a number."""
        return max(self._reached(totals).values(), key=lambda error: (math.isnan(error), error))

    def missed(self, totals: Totals) -> str:
        """Say how far from the goal the worst quantile is; empty where all are near enough."""
        if self.tolerance is None:
            return ""
        reached = self._reached(totals)
        missed = [place for place, error in reached.items() if not error <= self.tolerance]
        if not missed:
            return ""
        level, column = max(missed, key=lambda place: (math.isnan(reached[place]), reached[place]))
        error = reached[level, column]
        text = f"{100 * error:.2g} % of it" if error < _OF_ZERO else "not known next to it"
        return (
            f"the tolerance of {100 * self.tolerance:g} % is not reached for {len(missed)} of "
            f"{len(reached)} quantiles: the standard error of the {100 * level:g} % quantile of "
            f"{column.quantity} ({column.statistic}) is {text}"
        )

    def _reached(self, totals: Totals) -> dict[tuple[float, Column], float]:
        return {
            (level, column): _relative(totals.quantile(column, level))
            for column in totals.columns
            if column.quantity in self.quantities
            for level in self.levels
        }


def in_vain(errors: Sequence[float]) -> bool:
    """Whether more draws do not help, from the worst error of each stage so far.

    A figure that is not a number stays so. One that is 0, or lies in a gap or in a bin that a
    stream cannot resolve, keeps its error: 16 times the draws should make that a quarter or less.
    An infinite one, of what lies beyond the draws, may become finite with more.
    """
    if math.isnan(errors[-1]):
        return True
    known = len(errors) > _PATIENCE and errors[-1] < math.inf
    return known and errors[-1] > errors[-1 - _PATIENCE] / 2


def _relative(estimate: Estimate) -> float:
    """Error as a share of the value; more than any other for what is 0 and not exact."""
    value, error = estimate
    if error == 0 or math.isnan(value):
        return 0 * value
    return error / abs(value) if value else max(error, _OF_ZERO)


def schedule(draws: int | None, queries: int, chains: int, goal: Goal) -> list[Stage]:
    """Plan the stages: one, or with a tolerance as many as it takes, each twice the one before.

    Where something varies per query, its points are the same for all draws of a chain, and their
    error does not shrink with draws: every other stage starts anew with four times as many (new
    numbers of queries cost a compilation).
    """
    nested = queries > 0
    most = math.ceil((draws or (_DRAWS if goal.tolerance is None else _MOST)[nested]) / chains)
    if goal.tolerance is None:
        return [Stage(0, most, queries)]
    stages = [Stage(0, min(FIRST_DRAWS[nested] // chains, most), queries)]
    while stages[-1].stop < most:
        last = stages[-1]
        anew = nested and len(stages) % 2 == 0 and last.queries < _MOST_QUERIES
        more = min(4 * last.queries, _MOST_QUERIES) if anew else last.queries
        stages.append(Stage(0 if anew else last.stop, min(2 * last.stop, most), more))
    return stages
