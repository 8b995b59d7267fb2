"""What the states of a stream say, in the units of each quantity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from uncertainty.estimate import Estimate, ogive_quantile
from uncertainty.evaluation import Columns, each_point
from uncertainty.precision import Floats, Integers
from uncertainty.problem import Problem
from uncertainty.sampling.blocks import Plan
from uncertainty.sampling.points import unit_points
from uncertainty.sampling.reducers import Column, Largest, State
from uncertainty.sampling.tally import is_energy
from uncertainty.sketch import ENDS, NOT_FINITE, ZERO, Ogive, Sketch, edges

__all__ = ["Totals"]


@dataclass(frozen=True)
class Totals:
    """Sums over all blocks; every part has the chains as its first axis."""

    plan: Plan
    state: State

    @cached_property
    def columns(self) -> list[Column]:
        """Every statistic of every quantity."""
        return [column for reducer, column in self.state if reducer == "Counts"]

    def has(self, reducer: str) -> bool:
        """Whether this was kept."""
        return any(name == reducer for name, _ in self.state)

    def main(self, quantity: str) -> Column:
        """Its typical value, or the only one."""
        typical = Column(quantity, "typical")
        return typical if typical in self.columns else Column(quantity, "query")

    def unit(self, column: Column) -> float:
        """The power of two in which the values were counted."""
        return float(np.asarray(self.plan.work.units[column.quantity]))

    def sketch(self, column: Column) -> Sketch:
        """Counts of the chains, shape (chain, bins), without what is not finite."""
        whole = self.state["Counts", column]
        assert isinstance(whole, Sketch)
        return Sketch(whole.start, whole.counts[:, : max(NOT_FINITE - whole.start, 0)])

    def together(self, columns: Sequence[Column]) -> Sketch:
        """Sketches of several columns over the same bins: shape (column, chain, bins)."""
        found = [self.sketch(column) for column in columns]
        return Sketch.stack(found)

    def edges(self, quantity: str, sketch: Sketch) -> Floats:
        """Ends of the bins of a sketch, in the units of its quantity."""
        return edges(sketch.start, sketch.stop) * float(np.asarray(self.plan.work.units[quantity]))

    def ogive(self, column: Column) -> Ogive:
        """Cumulative shares of the chains."""
        sketch = self.sketch(column)
        return Ogive.of_counts(self.edges(column.quantity, sketch), sketch.counts)

    def moments(self, column: Column) -> Floats:
        """Number, number that is not finite, mean and variance of each chain: shape (chain, 4)."""
        number, total, squares = self._sums("Moments", column).T
        off, unit = total / number, self.unit(column)
        counted = self.sketch(column).counts.sum(1)
        variance = np.maximum(squares / number - off**2, 0) * unit**2
        return np.stack([number, number - counted, (1 + off) * unit, variance], 1)

    def exceedances(self, column: Column) -> Floats:
        """Share of each chain above each threshold: shape (chain, threshold)."""
        return self._sums("Exceedances", column) / self._sums("Moments", column)[:, :1]

    def correlations(self, column: Column) -> Floats:
        """Correlation of each input with the output: shape (chain, scale, input)."""
        number, x, y, xx, yy, xy = np.moveaxis(self._sums("Correlations", column), -1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = (number * xx - x * x) * (number * yy - y * y)
            return np.asarray((number * xy - x * y) / np.sqrt(spread))

    def _sums(self, reducer: str, column: Column) -> Floats:
        return np.asarray(self.state[reducer, column], np.float64)

    def quantile(self, column: Column, probability: float) -> Estimate:
        """Quantile with its standard error; NaN where a value is not finite."""
        if self.moments(column)[:, 1].any():
            return np.nan, np.nan
        return ogive_quantile(self.ogive(column), probability)

    def warnings(self, problem: Problem) -> Iterator[str]:
        """Say what share of the draws is impossible."""
        for column in self.columns:
            if column.statistic == "query":
                number, bad = self.moments(column)[:, :2].sum(0)
                energy = is_energy(problem, column.quantity)
                bad += self._negative(column) if energy else 0
                if bad:
                    kind = "not finite or negative" if energy else "not finite"
                    yield f"{column.quantity} is {kind} for {bad / number:.3g} of the draws"
                beyond = self._beyond(column) / number
                if beyond:
                    yield (
                        f"{column.quantity} is over {2.0**32 * self.unit(column):.2g} in size for "
                        f"{beyond:.3g} of the draws, and quantiles among these are not known"
                    )

    def _beyond(self, column: Column) -> int:
        """Values too large for the sketch."""
        sketch = self.sketch(column)
        inside = [end - sketch.start for end in ENDS if sketch.start <= end < sketch.stop]
        return int(sketch.counts[:, inside].sum())

    def _negative(self, column: Column) -> int:
        sketch = self.sketch(column)
        return int(sketch.counts[:, : max(ZERO - sketch.start, 0)].sum())

    def largest(self, column: Column) -> tuple[Floats, Integers, Integers]:
        """Largest values of all chains, falling, with the chain and the place of each."""
        kept = self.state["Tails", column]
        assert isinstance(kept, Largest)
        chains, _ = np.indices(kept.values.shape)
        order = np.lexsort((kept.places.ravel(), chains.ravel(), -kept.values.ravel()))
        first = order[: kept.values.shape[1]]
        values, places = kept.values.ravel()[first], kept.places.ravel()[first]
        return values * self.unit(column), chains.ravel()[first], places

    def inputs_behind(self, problem: Problem, column: Column) -> Columns:
        """Inputs of the largest values: shape (values,) each."""
        _, chains, places = self.largest(column)
        scores = [
            self._scores(int(chain), int(place), column.statistic)
            for chain, place in zip(chains, places, strict=True)
        ]
        joined = {name: np.array([score[name] for score in scores]) for name in scores[0]}
        return each_point(problem.joint, problem.model, joined)[0]

    def _scores(self, chain: int, place: int, statistic: str) -> Mapping[str, float]:
        """Scores of one draw; queries at their medians where the statistic is over all of them."""
        from scipy.special import ndtri

        plan, queries = self.plan, self.plan.work.queries
        row, query = divmod(place, queries) if statistic == "query" and queries else (place, -1)
        where = dict(plan.coordinates)
        scores = {}
        for tables, number in ((plan.work.outer, row), (plan.work.inner, query)):
            for name in tables.names:
                point = unit_points(
                    {name: where[name]},
                    1,
                    seed=plan.seed,
                    randomization=(row >> 32) * plan.chains + chain,
                    start=number & 0xFFFFFFFF,
                )[name][0]
                scores[name] = float(ndtri(point)) if number >= 0 else 0.0
        return scores
