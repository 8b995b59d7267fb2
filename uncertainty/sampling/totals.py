"""What the states of a stream say, in the units of each quantity, and how a result holds it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from uncertainty.arrays import Floats, Integers
from uncertainty.problem import Columns, Problem, each_point
from uncertainty.results import (
    ENDS,
    MOMENTS,
    NOT_A_NUMBER,
    STATISTICS,
    Estimate,
    Ogive,
    Scale,
    Sketch,
    build_tree,
    edges,
    ogive_quantile,
    places_of,
    provenance,
    with_atoms,
)
from uncertainty.sampling.blocks import SCALES, Atoms, Column, Counts, Moments, Plan, State
from uncertainty.sampling.description import description, doubts, is_energy, labels, range_texts

if TYPE_CHECKING:
    import xarray as xr

_COARSE = 0.05  # of the draws in one bin: the ends of a 90 % interval may lie in it
_MANY = 64  # draws: fewer may share a bin by chance
Group: TypeAlias = dict[str, tuple[Sequence[str], np.ndarray]]


@dataclass(frozen=True)
class Totals:
    """Sums over all blocks; every array has the chains as its first axis."""

    plan: Plan
    state: State

    @property
    def columns(self) -> list[Column]:
        """Every statistic of every quantity."""
        return list(self.state["Counts"])

    def main(self, quantity: str) -> Column:
        """Its typical value, or the only one."""
        return Column(quantity, "typical" if self.plan.queries else "query")

    def scale(self, column: Column) -> Scale:
        """Bins of a column, in units of its quantity."""
        return self.plan.reducer(Counts).scales[column]

    def unit(self, column: Column) -> float:
        """The power of two in which the values were counted."""
        return float(np.asarray(self.plan.units[column.quantity]))

    def sketch(self, column: Column) -> Sketch:
        """Counts of the chains, shape (chain, bins), without what is not a number."""
        start, counts = self.state["Counts"][column]
        return Sketch(int(start), counts[:, : max(NOT_A_NUMBER - int(start), 0)])

    def cells(self, column: Column, sketch: Sketch | None = None) -> tuple[Floats, Integers]:
        """Ends of bins in the units of the quantity, and counts of each chain."""
        sketch = sketch or self.sketch(column)
        scale, unit = self.scale(column), self.unit(column)
        with np.errstate(over="ignore"):
            ends = edges(sketch.start, sketch.stop, scale) * unit
        if column not in self.state.get("Atoms", {}):
            return ends, sketch.counts
        atoms = np.asarray(self.plan.reducer(Atoms).atoms[column])
        # What fills up the list is infinite, and atoms of no draw are nowhere.
        places = places_of(atoms, scale) - sketch.start
        used = np.isfinite(atoms) & (places >= 0) & (places < sketch.counts.shape[1])
        passed = np.cumsum(self.state["Atoms"][column][0], 1)[:, :-1]
        return with_atoms(
            ends, sketch.counts, places[used], atoms[used] * unit, passed[:, np.repeat(used, 2)]
        )

    def together(self, columns: Sequence[Column]) -> tuple[Floats, Integers]:
        """Ends and counts of the bins of several columns, filled up with bins without a width.

        Shapes (column, bins + 1) and (column, chain, bins).
        """
        spans = [self.sketch(column) for column in columns]
        if all(self.scale(column) == self.scale(columns[0]) for column in columns):
            whole = Sketch.stack(spans)
            spans = [Sketch(whole.start, counts) for counts in whole.counts]
        cells = [self.cells(column, span) for column, span in zip(columns, spans, strict=True)]
        most = max(len(ends) for ends, _ in cells)
        return (
            np.stack([np.pad(ends, (0, most - len(ends)), "edge") for ends, _ in cells]),
            np.stack([np.pad(c, ((0, 0), (0, most - 1 - c.shape[1]))) for _, c in cells]),
        )

    def ogive(self, column: Column) -> Ogive:
        """Cumulative shares of the chains."""
        return Ogive.of_counts(*self.cells(column), self.grain(column))

    def grain(self, column: Column) -> float:
        """Distance between neighboring values on a lattice, in the units of the quantity."""
        return self.scale(column).grain * self.unit(column)

    def moments(self, column: Column) -> Floats:
        """`MOMENTS` of each chain: shape (chain, 5)."""
        number, total, squares = self.state["Moments"][column][0].T
        moments, unit = self.plan.reducer(Moments), self.unit(column)
        center, size = (float(np.asarray(of[column])) for of in (moments.centers, moments.sizes))
        off, sketch = total / number, self.sketch(column)
        first, last = (max(place - sketch.start, 0) for place in (ENDS[0], ENDS[1] + 1))
        counted = sketch.counts[:, first:last].sum(1)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            sd = np.sqrt(np.maximum(squares / number - off**2, 0)) * size * unit
            mean = (center + off * size) * unit
            return np.stack([number, number - counted, mean, sd**2, sd], 1)

    def lost(self, column: Column) -> bool:
        """Whether a value is not a number: it may belong anywhere."""
        start, counts = self.state["Counts"][column]
        return bool(start + counts.shape[1] > NOT_A_NUMBER)

    def exceedances(self, column: Column) -> Floats:
        """Share of each chain above each threshold: shape (chain, threshold)."""
        number = self.state["Moments"][column][0][:, :1]
        return np.asarray(self.state["Exceedances"][column][0] / number)

    def correlations(self, column: Column) -> Floats:
        """Correlation of each input with the output: shape (chain, scale, input)."""
        number, x, y, xx, yy, xy = np.moveaxis(self.state["Correlations"][column][0], -1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = (number * xx - x * x) * (number * yy - y * y)
            return np.asarray((number * xy - x * y) / np.sqrt(spread))

    def quantile(self, column: Column, probability: float) -> Estimate:
        """Quantile with its standard error; NaN where a value is not a number."""
        if self.lost(column):
            return np.nan, np.nan
        queries, ogive = self.plan.queries, self.ogive(column)
        number = ogive.number * self.plan.chains
        if queries and column.statistic == "query":  # each serves all draws of its chain
            number = min(number / queries, queries * self.plan.chains)
        return ogive_quantile(ogive, probability, number)

    def largest(self, column: Column) -> tuple[Floats, Integers, Integers]:
        """Largest values of all chains, falling, with the chain and the place of each."""
        values, places = self.state["Tails"][column]
        chains, _ = np.indices(values.shape)
        order = np.lexsort((places.ravel(), chains.ravel(), -values.ravel()))[: values.shape[1]]
        largest = values.ravel()[order] * self.unit(column)
        return largest, chains.ravel()[order], places.ravel()[order]

    def inputs_behind(self, problem: Problem, column: Column) -> Columns:
        """Inputs of the largest values, shape (values,) each; NaN where there are fewer draws.

        Queries are at their medians where the statistic is over all of them.
        """
        from scipy.special import ndtri

        plan, (_, chains, places) = self.plan, self.largest(column)
        each = plan.queries if column.statistic == "query" else 0
        drawn = np.maximum(places, 0)
        scores: Columns = {}
        for tables, net, one in ((plan.outer, plan.nets[0], 0), (plan.inner, plan.nets[1], 1)):
            at = np.divmod(drawn, each)[one] if each else drawn
            of_each = zip(chains.tolist(), at.tolist(), strict=True)
            points = np.stack([net.points(chain, 1, i)[:, 0] for chain, i in of_each], 1)
            known = ndtri(points) if each or not one else np.zeros(points.shape)
            scores |= dict(zip(tables.names, known, strict=True))
        scores = scores or {"": np.zeros(len(places))}  # where nothing is uncertain
        inputs = each_point(problem.joint, problem.model, scores)[0]
        return {name: np.where(places < 0, np.nan, values) for name, values in inputs.items()}

    def warnings(self, problem: Problem) -> Iterator[str]:
        """Say what share of the draws is impossible, and what the bins cannot tell."""
        for column in self.columns:
            number, bad = self.moments(column)[:, :2].sum(0)
            if column.statistic == "query":
                ends, counts = self.cells(column)
                energy = is_energy(problem, column.quantity)
                finite = np.isfinite(ends)
                negative = counts[:, (ends[:-1] < 0) & (ends[1:] <= 0) & finite[1:]].sum()
                wrong = bad + (negative if energy else 0)
                if wrong:
                    kind = "not finite or negative" if energy else "not finite"
                    share = f"{100 * wrong / number:.3g} % of the draws"
                    yield f"{column.quantity} is {kind} for {share}"
                # Values too large for the sketch, but for those that repeat.
                beyond = counts[:, finite[1:] != finite[:-1]].sum()
                if beyond:
                    scale = self.scale(column)
                    last = edges(ENDS[1], ENDS[1], Scale(0.0, scale.unit, scale.digits))[0]
                    yield (
                        f"{column.quantity} is over {last * self.unit(column):.2g} in size for "
                        f"{100 * beyond / number:.3g} % of the draws, and quantiles among these "
                        "are not known"
                    )
            if not self.lost(column):
                yield from self._unresolved(column)

    def _unresolved(self, column: Column) -> Iterator[str]:
        """Say that a bin holds more draws than can be told apart."""
        ogive = self.ogive(column)
        share = np.diff(ogive.pooled) * (ogive.edges[1:] > ogive.edges[:-1])
        place = int(share.argmax())
        if share[place] <= _COARSE or share[place] * ogive.number * len(ogive.below) < _MANY:
            return
        middle = float(ogive.pooled[place : place + 2].mean())
        # What the bin hides is more than the error that is there anyway.
        if ogive.hidden(middle) ** 2 > self.quantile(column, middle)[1] ** 2 / 2:
            low, high = ogive.edges[place : place + 2]
            yield (
                f"{column.quantity} ({column.statistic}) is between {low:.10g} and {high:.10g} for "
                f"{100 * share[place]:.3g} % of the draws, which a stream cannot tell apart: store "
                "the draws (up to 2^20 of them, without --tolerance, --executor and --checkpoint)"
            )

    def tree(
        self,
        problem: Problem,
        pilot: Columns,
        facts: Mapping[str, str | int],
        missed: str,
        thresholds: Mapping[str, Sequence[float]],
        sample: int,
    ) -> "xr.DataTree":
        """Lay out a result.

        `pilot` are the inputs of the first draws, `facts` attributes beside those of the plan,
        `missed` says by how much the tolerance is missed; inputs of `sample` draws are kept.
        """
        from scipy.special import ndtri

        plan, state = self.plan, self.state
        doubtful, few = range_texts(problem, pilot)
        warnings = [*self.warnings(problem), *doubts(problem), *doubtful, *filter(None, [missed])]
        attributes: dict[str, str | int | float] = {
            **facts,
            "randomizations": plan.chains,
            "queries": max(plan.queries, 1),
            "sketch_relative_error": max(2.0 ** -self.scale(c).digits for c in self.columns),
            "warnings": json.dumps(warnings),
            **description(problem, few),
        }
        # Inputs that the outputs follow from, with their place among all that are scored.
        ranked = {
            name: i for i, name in enumerate(sorted(plan.outer.names)) if name in problem.needed
        }
        # In the order in which they were named: compiled code sorts what it gives by name.
        names = [*plan.units]
        statistics = STATISTICS if plan.queries else ("query",)
        sketch, exceedance, correlation, largest, behind = (Group() for _ in range(5))
        for name in names:
            columns = [Column(name, statistic) for statistic in statistics]
            ends, counts = self.together(columns)
            sketch[name] = (("statistic", "chain", f"{name}_bin"), counts)
            alike = (ends == ends[0]).all()
            edge = (f"{name}_edge",)
            sketch[f"{name}_edges"] = (edge, ends[0]) if alike else (("statistic", *edge), ends)
            if any(grains := [self.grain(column) for column in columns]):
                sketch[f"{name}_grain"] = (("statistic",), np.array(grains))
            moments = np.stack([self.moments(column) for column in columns])
            sketch[f"{name}_moments"] = (("statistic", "chain", "moment"), moments)
            if count := len(thresholds.get(name, ())):
                shares = np.stack([self.exceedances(column)[:, :count] for column in columns])
                exceedance[name] = (("statistic", "chain", f"{name}_threshold"), shares)
            if "Correlations" in state:
                values = np.stack([self.correlations(column) for column in columns])
                places = [*ranked.values()]
                correlation[name] = (("statistic", "chain", "scale", "input"), values[..., places])
            if "Tails" in state:
                values = np.stack([self.largest(column)[0] for column in columns])
                largest[name] = (("statistic", "place"), values)
                inputs = [self.inputs_behind(problem, column) for column in columns]
                table = [[row[key] for key in problem.assumptions] for row in inputs]
                behind[name] = (("statistic", "behind", "place"), np.array(table))
        groups: dict[str, Group] = {
            "prior": {},
            "prior_sketch": sketch,
            "prior_exceedance": exceedance,
            "prior_correlation": correlation,
            "prior_largest": largest,
            "prior_largest_inputs": behind,
        }
        if sample:
            # Inputs of the first draws of each chain.
            count, scores = -(-sample // plan.chains), Columns()
            for tables, net in zip((plan.outer, plan.inner), plan.nets, strict=True):
                points = np.concatenate([net.points(i, count) for i in range(plan.chains)], 1)
                scores |= dict(zip(tables.names, ndtri(points), strict=True))
            scores = scores or {"": np.zeros(plan.chains * count)}  # where nothing is uncertain
            values_of = each_point(problem.joint, problem.model, scores)[0]
            groups["prior"] = {
                name: (("chain", "draw"), values_of[name].reshape(plan.chains, -1))
                for name in problem.assumptions
            }
        central = problem.central()
        kept = {name: group for name, group in groups.items() if group}
        return build_tree(
            {"central": {name: central[name] for name in names}, **kept},
            labels(problem),
            provenance(**attributes),
            {
                "chain": range(plan.chains),
                "statistic": statistics,
                "moment": MOMENTS,
                "scale": SCALES,
                "input": list(ranked),
                "behind": list(problem.assumptions),
                **{f"{name}_threshold": list(limits) for name, limits in thresholds.items()},
            },
        )
