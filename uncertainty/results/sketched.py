"""Summaries of a streamed result, from its sketches and moments."""

from dataclasses import replace

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.results.estimate import (
    LEVELS,
    NONE,
    Estimate,
    Kind,
    interval_of_function,
    ogive_quantile,
    standard_error,
    with_tail,
)
from uncertainty.results.health import tail_of
from uncertainty.results.sketch import Ogive, unit_near
from uncertainty.results.tree import is_streamed

_STEPS = 2**12
_TAIL = 2**17  # quantiles that show the shape of a tail


def is_nested(tree: xr.DataTree) -> bool:
    """Whether something varies from query to query."""
    if is_streamed(tree):
        return "typical" in tree["prior_sketch"].to_dataset()["statistic"].values
    return "prior_statistics" in tree.children


def _kept(tree: xr.DataTree, group: str, name: str, statistic: str) -> np.ndarray:
    """One statistic of a variable; all three are one where nothing varies per query."""
    variables = tree[group].dataset.variables
    names = list(variables["statistic"].values)
    return np.asarray(
        variables[name].values[names.index(statistic if statistic in names else "query")]
    )


def _moments(tree: xr.DataTree, quantity: str, statistic: str) -> dict[str, Floats]:
    """Each of `MOMENTS` of each chain."""
    kept = _kept(tree, "prior_sketch", f"{quantity}_moments", statistic)
    names = tree["prior_sketch"].dataset.variables["moment"].values.tolist()
    found = dict(zip(names, kept.T, strict=True))
    return {"sd": np.sqrt(found["variance"]), **found}  # results of older versions lack it


def _ogive(tree: xr.DataTree, quantity: str, statistic: str) -> Ogive:
    edges = tree["prior_sketch"].dataset.variables[f"{quantity}_edges"]
    own = edges.ndim > 1
    grain = f"{quantity}_grain"
    return Ogive.of_counts(
        _kept(tree, "prior_sketch", f"{quantity}_edges", statistic) if own else edges.values,
        _kept(tree, "prior_sketch", quantity, statistic),
        float(_kept(tree, "prior_sketch", grain, statistic))
        if grain in tree["prior_sketch"].dataset.variables
        else 0.0,
    )


def even_quantiles(tree: xr.DataTree, quantity: str, statistic: str) -> Floats:
    """Quantiles at even steps of probability: they stand in for draws, of which there are none."""
    steps = (np.arange(_STEPS) + 0.5) / _STEPS
    return _ogive(tree, quantity, statistic).quantile(steps)


def describe_sketch(
    tree: xr.DataTree, quantity: str, statistic: str, prob: float, kind: Kind
) -> dict[str, Estimate]:
    """Summarize from a sketch and moments; no quantiles where a value is not finite."""
    moments = _moments(tree, quantity, statistic)
    # In a unit of their own, squares of large and small values have a place among float64.
    unit = unit_near(float(np.max([np.abs(moments["mean"]), moments["sd"]])))
    means, sds = moments["mean"] / unit, moments["sd"] / unit
    found = {
        "mean": (unit * float(means.mean()), unit * float(standard_error(means))),
        "sd": (
            unit * float(np.sqrt((sds**2).mean() + means.var())),
            unit * float(standard_error(sds)),
        ),
    }
    ends = ("median", "lower", "upper")
    if moments["not_finite"].any():
        return found | dict.fromkeys(ends, (np.nan, np.nan))
    ogive, (number, count) = _ogive(tree, quantity, statistic), numbers_of(tree, statistic)
    seen = int(min(count, _TAIL))
    tail = tail_of(ogive.quantile((np.arange(seen) + 0.5) / seen))
    # More draws have seen more of it.
    unseen = tail.unseen * (count / seen) ** (tail.upper - 1)
    found["mean"], found["sd"] = with_tail(found["mean"], found["sd"], replace(tail, unseen=unseen))
    quantiles = _quantiles(ogive, prob, kind, number)
    return found | dict(zip(ends, quantiles, strict=True))


def numbers_of(tree: xr.DataTree, statistic: str) -> tuple[float, float]:
    """Independent draws that a figure rests on, and draws in all.

    Each of the queries of a chain serves all its draws.
    """
    draws, queries = float(tree.attrs["draws"]), float(tree.attrs["queries"])
    if statistic != "query" or not is_nested(tree):
        return draws, draws
    return min(draws, queries * float(tree.attrs["randomizations"])), draws * queries


def _quantiles(ogive: Ogive, prob: float, kind: Kind, number: float) -> list[Estimate]:
    """Median and ends of an interval."""
    if kind == "eti":
        return [ogive_quantile(ogive, p, number) for p in (0.5, (1 - prob) / 2, (1 + prob) / 2)]
    ends = interval_of_function(ogive.quantile(LEVELS), prob, kind)
    each = [interval_of_function(f, prob, kind) for f in ogive.functions(LEVELS)]
    hidden = [ogive.hidden(float(ogive.shares(end)[1].mean())) for end in ends]
    errors = np.hypot(standard_error(np.array(each)), hidden)
    errors = errors if number * (1 - prob) >= NONE else np.full(2, np.inf)
    return [ogive_quantile(ogive, 0.5, number), *zip(ends.tolist(), errors.tolist(), strict=True)]


def chances_above(
    tree: xr.DataTree, threshold: float, quantity: str, statistic: str
) -> tuple[Floats, float]:
    """Share of each chain above a threshold, and how far a bin may hide the share of all.

    As counted where it was named beforehand, else read from the sketch.
    """
    if "prior_exceedance" in tree.children and quantity in tree["prior_exceedance"].to_dataset():
        variables = tree["prior_exceedance"].dataset.variables
        limits = list(variables[f"{quantity}_threshold"].values)
        if threshold in limits:
            shares = _kept(tree, "prior_exceedance", quantity, statistic)
            return np.asarray(shares[:, limits.index(threshold)]), 0.0
    ogive = _ogive(tree, quantity, statistic)
    return np.asarray(1 - ogive.shares(threshold)[1]), ogive.hidden_share(threshold)


def share_not_finite(tree: xr.DataTree, quantity: str, statistic: str) -> float:
    """Share of the draws that have no place in a sketch."""
    moments = _moments(tree, quantity, statistic)
    return float(moments["not_finite"].sum() / moments["number"].sum())


def share_of_variances(tree: xr.DataTree, quantity: str) -> Estimate:
    """Share of the variance of one query that is within a draw: the law of total variance."""
    between, total = (_moments(tree, quantity, s)["variance"] for s in ("mean", "query"))
    return float(1 - between.mean() / total.mean()), float(standard_error(1 - between / total))
