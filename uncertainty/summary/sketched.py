"""Summaries of a streamed result, from its sketches and moments."""

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from uncertainty.estimate import (
    LEVELS,
    Estimate,
    Kind,
    interval_of_function,
    ogive_quantile,
    standard_error,
)
from uncertainty.precision import Floats
from uncertainty.results import MOMENTS, is_streamed
from uncertainty.sketch import Ogive

__all__ = [
    "chances_above",
    "describe_sketch",
    "even_quantiles",
    "is_nested",
    "of_functions",
    "share_of_variances",
]

_STEPS = 2**12
_CONSTANT = 2e-8  # rounding of a variance leaves as much


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


def _moments(tree: xr.DataTree, quantity: str, statistic: str) -> Floats:
    """Number, number not finite, mean and variance: shape (4, chain)."""
    return _kept(tree, "prior_sketch", f"{quantity}_moments", statistic).T


def _ogive(tree: xr.DataTree, quantity: str, statistic: str) -> Ogive:
    edges = tree["prior_sketch"].dataset.variables[f"{quantity}_edges"].values
    return Ogive.of_counts(edges, _kept(tree, "prior_sketch", quantity, statistic))


def even_quantiles(tree: xr.DataTree, quantity: str, statistic: str) -> Floats:
    """Quantiles at even steps of probability: they stand in for draws, of which there are none."""
    steps = (np.arange(_STEPS) + 0.5) / _STEPS
    return _ogive(tree, quantity, statistic).quantile(steps)


def describe_sketch(
    tree: xr.DataTree, quantity: str, statistic: str, prob: float, kind: Kind
) -> dict[str, Estimate]:
    """Summarize from a sketch and moments; no quantiles where a value is not finite."""
    _, bad, means, variances = _moments(tree, quantity, statistic)
    pooled = float(np.sqrt(variances.mean() + means.var()))
    found = {
        "mean": (float(means.mean()), float(standard_error(means))),
        "sd": (pooled, float(standard_error(np.sqrt(variances)))),
    }
    ends = ("median", "lower", "upper")
    if bad.any():
        return found | dict.fromkeys(ends, (np.nan, np.nan))
    if pooled <= _CONSTANT * abs(float(means.mean())):
        return found | dict.fromkeys(ends, found["mean"])
    quantiles = _quantiles(_ogive(tree, quantity, statistic), prob, kind)
    return found | dict(zip(ends, quantiles, strict=True))


def _quantiles(ogive: Ogive, prob: float, kind: Kind) -> list[Estimate]:
    """Median and ends of an interval."""
    if kind == "eti":
        return [ogive_quantile(ogive, p) for p in (0.5, (1 - prob) / 2, (1 + prob) / 2)]
    functions = ogive.functions(LEVELS)
    ends = [partial(_end, prob=prob, kind=kind, number=number) for number in (0, 1)]
    return [ogive_quantile(ogive, 0.5), *(of_functions(functions, end) for end in ends)]


def _end(function: Floats, prob: float, kind: Kind, number: int) -> float:
    return float(interval_of_function(function, prob, kind)[number])


def of_functions(functions: Floats, estimator: Callable[[Floats], Floats | float]) -> Estimate:
    """Estimate from the mean of the chains' quantile functions, with the error from each."""
    each = np.array([estimator(function) for function in functions])
    return float(estimator(functions.mean(0))), float(standard_error(each))


def chances_above(tree: xr.DataTree, threshold: float, quantity: str, statistic: str) -> Floats:
    """Share of each chain above a threshold: as counted, else read from the sketch."""
    if "prior_exceedance" in tree.children and quantity in tree["prior_exceedance"].to_dataset():
        variables = tree["prior_exceedance"].dataset.variables
        limits = list(variables[f"{quantity}_threshold"].values)
        if threshold in limits:
            shares = _kept(tree, "prior_exceedance", quantity, statistic)
            return np.asarray(shares[:, limits.index(threshold)])
    return np.asarray(1 - _ogive(tree, quantity, statistic).share_below(threshold))


def share_of_variances(tree: xr.DataTree, quantity: str) -> Estimate:
    """Share of the variance of one query that is within a draw: the law of total variance."""
    between, total = (
        _moments(tree, quantity, s)[MOMENTS.index("variance")] for s in ("mean", "query")
    )
    return float(1 - between.mean() / total.mean()), float(standard_error(1 - between / total))
