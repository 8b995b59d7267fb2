"""What the states of a stream say, in the units of each quantity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from uncertainty.arrays import Floats, Integers
from uncertainty.problem import Columns, Problem, each_point
from uncertainty.results import (
    ENDS,
    NOT_FINITE,
    Estimate,
    Ogive,
    Scale,
    Sketch,
    edges,
    ogive_quantile,
    places_of,
    with_atoms,
)
from uncertainty.sampling.blocks import Plan
from uncertainty.sampling.description import is_energy
from uncertainty.sampling.points import unit_points
from uncertainty.sampling.reducers import Atoms, Column, Counts, Largest, Moments, State

_COARSE = 0.05  # of the draws in one bin: the ends of a 90 % interval may lie in it
_MANY = 64  # draws: fewer may share a bin by chance


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

    def scale(self, column: Column) -> Scale:
        """Bins of a column, in units of its quantity."""
        return next(r.scales[column] for r in self.plan.work.reducers if isinstance(r, Counts))

    def relative_error(self, column: Column) -> float:
        """Width of its bins, relative to the distance from their origin."""
        return float(2.0 ** -self.scale(column).digits)

    def together(self, columns: Sequence[Column]) -> tuple[Floats, Integers]:
        """Ends and counts of the bins of several columns, filled up with bins without a width.

        Shapes (column, bins + 1) and (column, chain, bins).
        """
        spans = [self.sketch(column) for column in columns]
        if all(self.scale(column) == self.scale(columns[0]) for column in columns):
            whole = Sketch.stack(spans)
            spans = [Sketch(whole.start, counts) for counts in whole.counts]
        cells = [self._cells(column, span) for column, span in zip(columns, spans, strict=True)]
        most = max(len(ends) for ends, _ in cells)
        return (
            np.stack([np.pad(ends, (0, most - len(ends)), "edge") for ends, _ in cells]),
            np.stack([np.pad(c, ((0, 0), (0, most - 1 - c.shape[1]))) for _, c in cells]),
        )

    def _cells(self, column: Column, sketch: Sketch) -> tuple[Floats, Integers]:
        """Ends of bins in the units of the quantity, and counts of each chain."""
        scale, unit = self.scale(column), self.unit(column)
        with np.errstate(over="ignore"):
            ends = edges(sketch.start, sketch.stop, scale) * unit
        if ("Atoms", column) not in self.state:
            return ends, sketch.counts
        atoms = next(
            np.asarray(r.atoms[column]) for r in self.plan.work.reducers if isinstance(r, Atoms)
        )
        # What fills up the list is infinite, and atoms of no draw are nowhere.
        places = places_of(atoms, scale) - sketch.start
        used = np.isfinite(atoms) & (places >= 0) & (places < sketch.counts.shape[1])
        passed = np.cumsum(self._sums("Atoms", column).astype(np.int64), 1)[:, :-1]
        return with_atoms(
            ends, sketch.counts, places[used], atoms[used] * unit, passed[:, np.repeat(used, 2)]
        )

    def ogive(self, column: Column) -> Ogive:
        """Cumulative shares of the chains."""
        return Ogive.of_counts(*self._cells(column, self.sketch(column)), self.grain(column))

    def grain(self, column: Column) -> float:
        """Distance between neighboring values on a lattice, in the units of the quantity."""
        return self.scale(column).grain * self.unit(column)

    def moments(self, column: Column) -> Floats:
        """`MOMENTS` of each chain: shape (chain, 5)."""
        number, total, squares = self._sums("Moments", column).T
        center = next(r.centers[column] for r in self.plan.work.reducers if isinstance(r, Moments))
        off, unit = total / number, self.unit(column)
        counted = self.sketch(column).counts.sum(1)
        sd = np.sqrt(np.maximum(squares / number - off**2, 0)) * unit
        with np.errstate(over="ignore", under="ignore"):
            return np.stack(
                [number, number - counted, (float(np.asarray(center)) + off) * unit, sd**2, sd], 1
            )

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
        queries, ogive = self.plan.work.queries, self.ogive(column)
        number = ogive.number * self.plan.chains
        if queries and column.statistic == "query":  # each serves all draws of its chain
            number = min(number / queries, queries * self.plan.chains)
        return ogive_quantile(ogive, probability, number)

    def warnings(self, problem: Problem) -> Iterator[str]:
        """Say what share of the draws is impossible, and what the bins cannot tell."""
        for column in self.columns:
            moments = self.moments(column)
            number, bad = moments[:, :2].sum(0)
            if column.statistic == "query":
                energy = is_energy(problem, column.quantity)
                wrong = bad + (self._negative(column) if energy else 0)
                if wrong:
                    kind = "not finite or negative" if energy else "not finite"
                    yield f"{column.quantity} is {kind} for {wrong / number:.3g} of the draws"
                beyond = self._beyond(column) / number
                if beyond:
                    yield (
                        f"{column.quantity} is over {self._farthest(column):.2g} in size for "
                        f"{beyond:.3g} of the draws, and quantiles among these are not known"
                    )
            if not bad:
                yield from self._unresolved(column)

    def _unresolved(self, column: Column) -> Iterator[str]:
        """Say that a bin holds more draws than can be told apart."""
        ogive = self.ogive(column)
        share = np.diff(ogive.pooled) * (np.diff(ogive.edges) > 0)
        place = int(share.argmax())
        if share[place] <= _COARSE or share[place] * ogive.number * len(ogive.below) < _MANY:
            return
        middle = float(ogive.pooled[place : place + 2].mean())
        # What the bin hides is more than the error that is there anyway.
        if ogive.hidden(middle) ** 2 > self.quantile(column, middle)[1] ** 2 / 2:
            low, high = ogive.edges[place : place + 2]
            yield (
                f"{column.quantity} ({column.statistic}) is between {low:.10g} and {high:.10g} for "
                f"{share[place]:.3g} of the draws, which a stream cannot tell apart: store the "
                "draws (up to 2^20 of them, without --tolerance, --executor and --checkpoint)"
            )

    def _farthest(self, column: Column) -> float:
        """Distance from the origin at which the last bin begins."""
        scale = self.scale(column)
        whole = Scale(0.0, scale.unit, scale.digits)
        return float(edges(ENDS[1], NOT_FINITE, whole)[0]) * self.unit(column)

    def _beyond(self, column: Column) -> int:
        """Values too large for the sketch, but for those that repeat."""
        ends, counts = self._cells(column, self.sketch(column))
        return int(counts[:, np.isinf(np.diff(ends))].sum())

    def _negative(self, column: Column) -> int:
        ends, counts = self._cells(column, self.sketch(column))
        return int(counts[:, (ends[:-1] < 0) & (ends[1:] <= 0)].sum())

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
