"""Array kernels: quantiles, intervals and their standard errors. No labels, no files.

Arrays of draws have shape (chain, draw). A chain is one independent randomization, so the spread
of an estimate between chains is its standard error, whatever the dependence within a chain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from uncertainty.precision import Floats, Integers
from uncertainty.sketch import Ogive

__all__ = [
    "LEVELS",
    "QUERY_STATISTICS",
    "Control",
    "Estimate",
    "Kind",
    "exceedance_of_function",
    "from_chains",
    "interval_of_function",
    "ogive_quantile",
    "quantile",
    "quantile_estimate",
    "quantile_function",
    "query_statistics",
    "shortest_interval",
    "standard_error",
]

Kind: TypeAlias = Literal["eti", "hdi"]
Estimate: TypeAlias = tuple[float, float]
"""A number and its standard error."""

_RESAMPLES = 50
_FEW = 10

QUERY_STATISTICS = ("typical", "mean", "sd", "log_mean", "log_sd")
"""What is kept of the queries of one epistemic draw."""


def _levels() -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(np.linspace(-5.5, 5.5, 1101)))


LEVELS = _levels()
"""Probabilities at which a quantile function is kept: even steps of the normal score."""


def query_statistics(values: Floats) -> Floats:
    """Reduce queries, the last axis, to `QUERY_STATISTICS`: shape (..., 5).

    Logarithms are NaN where a value is not above 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(values > 0, values, np.nan))
        columns = (
            np.median(values, -1),
            values.mean(-1),
            values.std(-1),
            logs.mean(-1),
            logs.std(-1),
        )
    return np.stack(columns, -1)


def quantile(values: Floats, probabilities: Floats | float) -> Floats:
    """Quantiles along the last axis (Hazen's definition, plotting position (i - 1/2)/n).

    Where values repeat, as they do in a discrete distribution, one that occurs is given.

    Parameters
    ----------
    values : array
        Shape (..., n).
    probabilities : float or array
        Broadcast against the leading axes of `values`: one probability a row.

    Returns
    -------
    array
        The broadcast shape; NaN where a row holds NaN.
    """
    ordered = np.sort(values, axis=-1)
    below, above, share = _places(np.asarray(probabilities), ordered.shape[-1])
    shape = np.broadcast_shapes(below.shape, ordered.shape[:-1])
    rows = np.broadcast_to(ordered, (*shape, ordered.shape[-1]))
    before, low, high, after = (
        np.take_along_axis(rows, np.broadcast_to(place, shape)[..., None], -1)[..., 0]
        for place in (
            np.maximum(below - 1, 0),
            below,
            above,
            np.minimum(above + 1, rows.shape[-1] - 1),
        )
    )
    found = _between(
        low,
        high,
        share,
        ((before == low) & (below > 0)) | ((high == after) & (above < rows.shape[-1] - 1)),
    )
    # NaN sorts last: a row that holds one has no quantiles.
    return np.where(np.isnan(ordered[..., -1]), np.nan, found)


def _between(low: Floats, high: Floats, share: Floats, tied: Floats) -> Floats:
    """Interpolate, but where values repeat: between two atoms lies nothing that can occur."""
    with np.errstate(invalid="ignore"):  # infinities are reported elsewhere
        smooth = low * (1 - share) + high * share
    return np.where(low == high, low, np.where(tied, np.where(share < 0.5, low, high), smooth))


def _places(probabilities: Floats, count: int) -> tuple[Integers, Integers, Floats]:
    """Order statistics on both sides of each probability, and the share of the upper one."""
    place = np.clip(probabilities * count - 0.5, 0, count - 1)
    below = np.floor(place).astype(np.int64)
    return below, np.minimum(below + 1, count - 1), place - below


def quantile_function(values: Floats) -> Floats:
    """Quantiles of all values at `LEVELS`."""
    return quantile(values.ravel(), LEVELS)


def standard_error(estimates: Floats) -> Floats:
    """Standard error of the mean of one estimate a chain, along the first axis."""
    chains = len(estimates)
    if chains < 2:
        return np.full(np.shape(estimates)[1:], np.nan)
    return np.asarray(np.std(estimates, axis=0, ddof=1) / np.sqrt(chains))


def from_chains(draws: Floats, estimator: Callable[[Floats], Floats]) -> Estimate:
    """Estimate from all draws together, with the standard error from the chains apart.

    `estimator` reduces the last axis of an array of shape (rows, n).
    """
    return float(estimator(draws.reshape(1, -1))[0]), float(standard_error(estimator(draws)))


@dataclass(frozen=True)
class Control:
    """A variable that follows the draws and is known better than they are.

    Attributes
    ----------
    draws : array
        At the same points as the draws, shape (chain, draw).
    functions : array
        Its quantiles at `LEVELS` from many more points, shape (chain, level).
    """

    draws: Floats
    functions: Floats

    def excess(self, probability: float) -> tuple[Floats, Floats]:
        """Whether each draw is below the control's quantile, and each chain's excess of these."""
        target = float(np.interp(probability, LEVELS, self.functions.mean(0)))
        below = (self.draws <= target).astype(np.float64)
        known = np.array([np.interp(target, function, LEVELS) for function in self.functions])
        return below, below.mean(1) - known


def quantile_estimate(
    draws: Floats, probability: float, control: Control | None = None
) -> Estimate:
    """Quantile of all draws (chain, draw) with its standard error.

    Notes
    -----
    The standard error is that of the share of draws below the quantile, between chains, over the
    density there: the quantiles of the chains apart would add the coarseness of each.

    With a control, the probability at which the draws are read is moved by as much of the control's
    excess as the two have in common. Sources: Hesterberg and Nelson (1998), Control variates for
    probability and quantile estimation, Manag. Sci. 44; Gorodetsky et al. (2020), Approximate
    control variates, J. Comput. Phys. 408.
    """
    flat = draws.ravel()
    inside = (draws <= quantile(flat, probability)).astype(np.float64)
    below, excess = control.excess(probability) if control else (inside, np.zeros(len(draws)))
    variance = below.var()
    common = ((inside - inside.mean()) * (below - below.mean())).mean()
    slope = common / variance if control and variance > 0 else 0.0
    moved = float(np.clip(probability + slope * excess.mean(), 0, 1))
    found = float(quantile(flat, moved))
    error = float(standard_error((draws <= found).mean(1) - slope * excess))
    # Stratified chains may agree to the last count; a count still hides a point's place in it.
    hidden = 1 / (draws.shape[1] * np.sqrt(12 * len(draws)))
    return found, max(error, hidden) * _steepness(flat, moved)


def ogive_quantile(ogive: Ogive, probability: float) -> Estimate:
    """Quantile of all chains of a sketch together, with its standard error.

    As in `quantile_estimate`, and what the bin hides is part of the error. A quantile with less
    than one value beyond it cannot be known; with few, chains that agree do so by chance.
    """
    found = float(ogive.quantile(probability))
    total = ogive.number * len(ogive.below)
    beyond = total * min(probability, 1 - probability)
    if beyond < 1:
        return found, np.inf
    hidden = 1 / (ogive.number * np.sqrt(12 * len(ogive.below)))
    chance = np.sqrt(probability * (1 - probability) / total) if beyond < _FEW else 0.0
    error = max(float(standard_error(ogive.share_below(found))), hidden, chance)
    reach = 0.2 * min(probability, 1 - probability)
    ends = ogive.quantile(np.array([probability - reach, probability + reach]))
    steepness = float(ends[1] - ends[0]) / (2 * reach)
    return found, float(np.hypot(error * steepness, ogive.hidden(probability)))


def _steepness(values: Floats, probability: float) -> float:
    """Slope of the quantile function, over a fifth of the way to the nearer end."""
    reach = 0.2 * min(probability, 1 - probability)
    ends = quantile(values, np.array([probability - reach, probability + reach]))
    with np.errstate(invalid="ignore"):
        return float((ends[1] - ends[0]) / (2 * reach)) if reach > 0 else np.inf


def shortest_interval(draws: Floats, prob: float) -> tuple[Estimate, Estimate]:
    """Ends of the shortest interval that holds `prob` of all draws, with standard errors.

    The ends wander where the density is flat, and one may lie far out in a tail, so that a chain by
    itself says little: the errors are those of the bootstrap over whole chains.
    """
    ends = _shortest(draws.reshape(1, -1), prob)[0]
    chosen = np.random.default_rng(len(draws)).integers(0, len(draws), (_RESAMPLES, len(draws)))
    found = np.concatenate([_shortest(draws[rows].reshape(1, -1), prob) for rows in chosen])
    errors = found.std(0) * np.sqrt(len(draws) / max(len(draws) - 1, 1))
    return (float(ends[0]), float(errors[0])), (float(ends[1]), float(errors[1]))


def _shortest(values: Floats, prob: float) -> Floats:
    from arviz_stats.base import array_stats

    return np.asarray(array_stats.hdi(values, prob=prob, axis=-1))


def interval_of_function(function: Floats, prob: float, kind: Kind) -> Floats:
    """Interval of a distribution given by its quantiles at `LEVELS`."""
    low = np.array([(1 - prob) / 2]) if kind == "eti" else LEVELS[1 - prob >= LEVELS]
    ends = np.stack([np.interp(low, LEVELS, function), np.interp(low + prob, LEVELS, function)])
    return np.asarray(ends[:, np.argmin(ends[1] - ends[0])])


def exceedance_of_function(function: Floats, threshold: float) -> float:
    """Probability above a threshold, of a distribution given by its quantiles at `LEVELS`."""
    return 1 - float(np.interp(threshold, function, LEVELS, left=0.0, right=1.0))
