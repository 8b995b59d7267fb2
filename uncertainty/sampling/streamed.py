"""The result of a stream, laid out and labelled."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from uncertainty.problem import Problem, each_point
from uncertainty.results import MOMENTS, build_tree, provenance
from uncertainty.sampling.description import (
    MEANINGLESS,
    description,
    doubts,
    labels,
    load_notices,
    outside_range,
)
from uncertainty.sampling.planning import Pilot, Wanted
from uncertainty.sampling.points import normal_scores
from uncertainty.sampling.reducers import SCALES, Column
from uncertainty.sampling.schedule import Stage
from uncertainty.sampling.totals import Totals

if TYPE_CHECKING:
    import xarray as xr


_STATISTICS = ("typical", "mean", "query")
Group: TypeAlias = dict[str, tuple[Sequence[str], np.ndarray]]


def stream_tree(
    problem: Problem,
    totals: Totals,
    pilot: Pilot,
    central: Mapping[str, float],
    stage: Stage,
    executor: str,
    missed: str,
    wanted: Wanted,
    sample: int,
) -> "xr.DataTree":
    """Lay out what a stream kept."""
    left = list(outside_range(problem, pilot.inputs))
    warnings = [
        *totals.warnings(problem),
        *doubts(problem),
        *(text for share, text in left if share > MEANINGLESS),
        *filter(None, [missed]),
    ]
    few = [text for share, text in left if share <= MEANINGLESS]
    queries = totals.plan.work.queries
    facts: dict[str, str | int | float] = {
        "seed": totals.plan.seed,
        "draws": stage.stop * totals.plan.chains,
        "randomizations": totals.plan.chains,
        "queries": max(queries, 1),
        "executor": executor,
        "sketch_relative_error": max(map(totals.relative_error, totals.columns)),
        "warnings": json.dumps(warnings),
        **description(problem, [*few, *load_notices(problem, pilot.inputs)]),
    }
    groups = {
        "prior": _sampled(problem, totals, sample),
        "prior_sketch": _sketched(totals),
        **_asked_for(problem, totals, wanted),
    }
    return build_tree(
        {"central": central, **{name: group for name, group in groups.items() if group}},
        labels(problem),
        provenance(**facts),
        {
            "chain": range(totals.plan.chains),
            "statistic": [s for s in _STATISTICS if any(s == c.statistic for c in totals.columns)],
            "moment": MOMENTS,
            "scale": SCALES,
            "input": list(_ranked(problem, totals)),
            "behind": list(problem.assumptions),
            **{f"{name}_threshold": list(limits) for name, limits in wanted.thresholds.items()},
        },
    )


def _sampled(problem: Problem, totals: Totals, sample: int) -> Group:
    """Inputs of a few draws of each chain."""
    plan, each = totals.plan, -(-sample // totals.plan.chains)
    chains = [
        normal_scores(dict(plan.coordinates), each, seed=plan.seed, randomization=chain)
        for chain in range(plan.chains if sample else 0)
    ]
    if not chains:
        return {}
    scores = {name: np.concatenate([c[name] for c in chains]) for name in chains[0]}
    inputs = each_point(problem.joint, problem.model, scores or {"": np.zeros(sample)})[0]
    shaped = {name: inputs[name].reshape(plan.chains, -1) for name in problem.assumptions}
    return {name: (("chain", "draw"), values) for name, values in shaped.items()}


def _ranked(problem: Problem, totals: Totals) -> dict[str, int]:
    """Inputs that the outputs follow from, with their place among all that are scored."""
    scored, needed = sorted(totals.plan.work.outer.names), problem.needed
    return {name: i for i, name in enumerate(scored) if name in needed}


def _by_quantity(totals: Totals) -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = {}
    for column in sorted(totals.columns, key=lambda c: _STATISTICS.index(c.statistic)):
        found.setdefault(column.quantity, []).append(column)
    return found


def _sketched(totals: Totals) -> Group:
    found = Group()
    for name, columns in _by_quantity(totals).items():
        chains, (ends, counts) = ("statistic", "chain"), totals.together(columns)
        found[name] = ((*chains, f"{name}_bin"), counts)
        alike = (ends == ends[0]).all()
        found[f"{name}_edges"] = (
            ((f"{name}_edge",), ends[0]) if alike else (("statistic", f"{name}_edge"), ends)
        )
        grains = np.array([totals.grain(column) for column in columns])
        if grains.any():
            found[f"{name}_grain"] = (("statistic",), grains)
        moments = np.stack([totals.moments(column) for column in columns])
        found[f"{name}_moments"] = ((*chains, "moment"), moments)
    return found


def _asked_for(problem: Problem, totals: Totals, wanted: Wanted) -> dict[str, Group]:
    exceedance, correlation, largest, behind = Group(), Group(), Group(), Group()
    for name, columns in _by_quantity(totals).items():
        if wanted.thresholds.get(name):
            own = slice(len(wanted.thresholds[name]))
            shares = np.stack([totals.exceedances(column)[:, own] for column in columns])
            exceedance[name] = (("statistic", "chain", f"{name}_threshold"), shares)
        if totals.has("Correlations"):
            found = np.stack([totals.correlations(column) for column in columns])
            found = found[..., [*_ranked(problem, totals).values()]]
            correlation[name] = (("statistic", "chain", "scale", "input"), found)
        if totals.has("Tails"):
            values = np.stack([totals.largest(column)[0] for column in columns])
            largest[name] = (("statistic", "place"), values)
            inputs = [totals.inputs_behind(problem, column) for column in columns]
            table = [[row[key] for key in problem.assumptions] for row in inputs]
            behind[name] = (("statistic", "behind", "place"), np.array(table))
    return {
        "prior_exceedance": exceedance,
        "prior_correlation": correlation,
        "prior_largest": largest,
        "prior_largest_inputs": behind,
    }
