"""Array kernels: how well figures are known. No labels, no files.

Arrays of draws have shape (chain, draw). A chain is one independent randomization, so the spread
of an estimate between chains is its standard error, whatever the dependence within a chain.

Whether a Markov chain, or weights, can be trusted is measured by ArviZ. Errors of figures are our
own, of prior and posterior alike: ArviZ carries the error of a quantile over by ranks of the draws,
which says nothing of a gap or of values that repeat, and knows none of nested queries.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri

from uncertainty.arrays import Floats, Integers
from uncertainty.results.sketch import Ogive, unit_near

Kind: TypeAlias = Literal["eti", "hdi"]
Side: TypeAlias = Literal["left", "right"]
Estimate: TypeAlias = tuple[float, float]
"""A number and its standard error."""

NONE = 3.0
"""Rule of three: of what has not been seen in n draws, the chance is below 3/n, with 95 %."""
FEW = 10
"""With fewer draws of an event, chains that agree may do so by chance."""
OUTERMOST = 16
"""Draws of a chain at each end that show how far out the last one may lie."""
_LITTLE = 0.01  # of a mean: a tail that adds less does not rule it
_FARTHEST = 8  # standard errors, from 16 chains: Student's t is as far out once in a million
_REACH = 0.2  # of the way to the nearer end: over this far a density is taken to be even,
_WITHIN = 5  # or over as many draws, where these are fewer
_SPACINGS = 10  # a spacing of draws is 10 times the usual one with a chance of exp(-10)
_APART = 2  # times as far out: a tail of shape 1/4 has its last draw there once in 16
_UNEVEN = 3  # one step of `LEVELS` and the next: smooth ones differ by less, of 8192 points or more
_DIFFER = 2  # times the variance by chance: that of 16 chains is so large once in 100
_QUARTERS = np.array([0.25, 0.5, 0.75])
_RESAMPLES = 50
_SIDES: tuple[Side, Side] = ("left", "right")

ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""Relative spread of values that differ by rounding alone: some tens of operations."""
RULED = 0.7
"""Shape k of a tail from which on it rules the mean (Vehtari et al. 2024)."""
LIGHT = RULED / 2
"""Shape k below which it does not rule the standard deviation either, a mean of squares."""
_FEWEST = 25
"""Draws of which the largest fifth are too few to fit a tail to."""
_OUTERMOST = 225
"""Draws up to which ArviZ takes a fifth for the tail: a cluster of less is taken for one."""
_WIDE = 1.0
"""Sigma from which on a lognormal hides more of its mean than its chains show.

Logarithms of the largest draws of a normal distribution rise by about 0.4 for each of its sigmas,
and those of their squares by twice as much: neither is wide.
"""
_LARGEST_LOG = 700.0
"""Whose exponential still has a place among float64."""
_BOUNDED = -1.0
"""The k of a uniform tail: where the largest draws are all the same."""

QUERY_STATISTICS = ("typical", "mean", "sd", "log_mean", "log_sd")
"""What is kept of the queries of one epistemic draw."""

LEVELS: Floats = np.asarray(ndtr(np.linspace(-5.5, 5.5, 1101)))
"""Probabilities at which a quantile function is kept: even steps of the normal score."""


def query_statistics(values: Floats) -> Floats:
    """Reduce queries, the last axis, to `QUERY_STATISTICS`: shape (..., 5).

    Logarithms are NaN where a value is not above 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(values > 0, values, np.nan))
        columns = np.median(values, -1), *row_moments(values), *row_moments(logs)
    return np.stack(columns, -1)


@np.errstate(invalid="ignore")  # infinities are reported elsewhere
def row_moments(values: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation along the last axis, with all digits whatever size and spread."""
    # In a unit of their own, squares of large and small values have a place among float64; sums of
    # what is left beside the first value do not round where all are the same.
    unit = unit_near(float(max(values.max(initial=0.0), -values.min(initial=0.0))))
    off = values / unit
    first = np.where(np.isfinite(off[..., :1]), off[..., :1], 0.0)
    off -= first
    rest = off.mean(-1, keepdims=True)
    off -= rest
    variance = np.einsum("...i,...i->...", off, off) / off.shape[-1]
    return (first + rest)[..., 0] * unit, np.sqrt(variance) * unit


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
    *rows, count = ordered.shape
    starts = np.arange(math.prod(rows)).reshape(rows) * count
    return quantile_of_runs(ordered.ravel(), starts, np.asarray(count), probabilities)


def quantile_of_runs(
    ordered: Floats, starts: Integers, counts: Integers, probabilities: Floats | float
) -> Floats:
    """Quantiles, as of `quantile`, of sorted runs of one array, which may differ in length."""
    last = counts - 1
    place = np.clip(np.asarray(probabilities) * counts - 0.5, 0, last)
    below = np.floor(place).astype(np.int64)
    above, share = np.minimum(below + 1, last), place - below
    neighbors = (np.maximum(below - 1, 0), below, above, np.minimum(above + 1, last))
    before, low, high, after = (ordered[starts + at] for at in neighbors)
    # Between two atoms lies nothing that can occur.
    tied = ((before == low) & (below > 0)) | ((high == after) & (above < last))
    with np.errstate(invalid="ignore"):  # infinities are reported elsewhere
        smooth = low * (1 - share) + high * share
    value = np.where(low == high, low, np.where(tied, np.where(share < 0.5, low, high), smooth))
    # NaN sorts last: a run that holds one has no quantiles.
    return np.where(np.isnan(ordered[starts + last]), np.nan, value)


def quantile_function(values: Floats) -> Floats:
    """Quantiles of all values at `LEVELS`."""
    return quantile(values.ravel(), LEVELS)


@np.errstate(invalid="ignore")
def standard_error(estimates: Floats) -> Floats:
    """Standard error of the mean of one estimate a chain, along the first axis."""
    chains = len(estimates)
    if chains < 2:
        return np.full(np.shape(estimates)[1:], np.nan)
    return np.asarray(np.std(estimates - estimates[:1], axis=0, ddof=1) / np.sqrt(chains))


@dataclass(frozen=True)
class Tail:
    """The heavier tail of some draws.

    Its shape is that of the generalized Pareto distribution that fits it: moments of order 1/k and
    more do not exist, or cannot be seen from as many draws. What the largest draw and all beyond it
    should add is by a fit with the shape `upper`, or half of that by a wide lognormal, where this
    is more.
    """

    k: float
    lower: float  # one standard error less
    upper: float  # and more, at most 0.9, at which there is a mean
    unseen: float  # what they should add to the mean
    unseen_root: float  # root of what they should add to the mean of squares about the median
    largest: float  # what the largest draw does add, as drawn


def tail_of(ordered: Floats) -> Tail:
    """Fit both tails of finite draws, from the smallest to the largest, and give the heavier one.

    Notes
    -----
    Vehtari et al. (2024), Journal of Machine Learning Research 25, 72. Draws far out that are a
    cluster of their own look like a heavy tail where some of the bulk are fitted with them, so the
    outermost sixteenth is fitted by itself too, and counts where it surely has a light tail.

    Where the few largest draws of a lognormal lie close by chance, the fit takes its tail for one
    that ends there. The mean of the logarithms of more of them (Hill 1975, Annals of Statistics 3,
    1163) hardly depends on these few.
    """
    values = ordered - ordered[len(ordered) // 2]
    return max((_right_tail(v) for v in (values, -values[::-1])), key=lambda tail: tail.k)


def _right_tail(ordered: Floats) -> Tail:
    count = len(ordered)
    outer = ordered[-max(count // 16, _OUTERMOST) :]
    k, alone = _shape(ordered), _shape(outer)
    # Alone they are few: by chance a heavy tail looks light, so a standard error is allowed for.
    k = alone if alone + (1 + alone) / _tail_length(len(outer)) ** 0.5 < LIGHT else k
    number = _tail_length(count)
    start, largest = max(float(ordered[-number - 1]), 0.0), float(ordered[-1]) / count
    error = (1 + k) / number**0.5
    upper = min(k + error, 0.9)
    squares = min(2 * upper, 0.9)  # the shape of squares is twice that of the draws
    unseen, squared = (
        number**shape / count / (1 - shape) if shape >= LIGHT else 0.0 for shape in (upper, squares)
    )
    by_sigma = _lognormal_tail(ordered, _tail_length(len(outer)))
    unseen = max(start * unseen, by_sigma[0] / 2)
    root = max(start * squared**0.5, (by_sigma[1] / 2) ** 0.5)
    return Tail(k, k - error, upper, unseen, root, largest)


def _lognormal_tail(ordered: Floats, number: int) -> tuple[float, float]:
    """What lies beyond the largest draw of a lognormal adds to the mean, and to that of squares.

    Its sigma is that of so many of the largest draws, from the median on. Where it is less than
    `_WIDE`, and twice as much for squares, it is 0: what a mean misses is then less than its error.
    """
    count, start = len(ordered), float(ordered[-number - 1])
    if count < _FEWEST or not start > 0:
        return 0.0, 0.0
    scores, before = -ndtri((np.arange(number) + 0.5) / count), -ndtri(number / count)
    sigma = float(np.log(ordered[-number:] / start).mean() / (scores.mean() - before))
    more, last = sigma * (1 + number**-0.5), -ndtri(1 / count)  # one standard error more
    sums = (
        power * (np.log(start) - more * before)
        + (power * more) ** 2 / 2
        + log_ndtr(power * more - last)
        if power * sigma >= _WIDE
        else -np.inf
        for power in (1, 2)
    )
    mean, square = (float(np.exp(min(total, _LARGEST_LOG))) for total in sums)
    return mean, square


def _tail_length(count: int) -> int:
    """Draws that ArviZ fits of as many."""
    return int(3 * count**0.5) if count > _OUTERMOST else count // 5


def _shape(values: Floats) -> float:
    from arviz_stats.base import array_stats

    if len(values) < _FEWEST or not values[-1] > 0:
        return _BOUNDED
    try:
        with np.errstate(all="ignore"):
            scaled = (values / values[-1])[None]
            k = float(
                array_stats.pareto_khat(scaled, chain_axis=0, draw_axis=1, r_eff=1.0, tail="right")
            )
    except ValueError:  # all of it is one value
        return _BOUNDED
    return k if np.isfinite(k) else _BOUNDED


def mean_and_sd(draws: Floats) -> tuple[Estimate, Estimate]:
    """Mean and standard deviation of all draws (chain, draw), with their standard errors.

    Notes
    -----
    Where the tail rules, the chains agree on what they have all not seen. With a tail of shape k
    the error of a mean cannot be known for k of 0.7 or more (Vehtari et al. 2024), and a standard
    deviation not where k may be 1/2: the error is infinite. Below that, and where a standard error
    of k is in doubt, it is at least what the largest draw, and all beyond it, should add to the
    mean, or to the mean of squares; and where ten times the largest draw is next to nothing beside
    the mean, that is its error.
    """
    unit = unit_near(float(np.abs(draws).max(initial=0.0)))
    even = draws / unit
    means, sds = row_moments(even)
    mean = float(row_moments(even.ravel())[0]), float(standard_error(means))
    sd = sd_of_chains(means, sds)
    if np.isfinite(draws).all() and sd[0] > 0:
        ordered, few = np.sort(even, axis=None), OUTERMOST * len(even) + 1
        gaps, ends = (ordered[:-1], ordered[1:]), (ordered[-few:], -ordered[:few][::-1])
        shape = len(even), float(even.size)
        mean, sd = with_gaps(mean, sd, gaps, ends if 2 * few < even.size + 3 else None, shape)
        mean, sd = with_tail(mean, sd, tail_of(ordered))
        # A few draws far off all others show little of how many such there are, and how far out.
        middle = ordered[even.size // 2]
        off = np.sort(np.abs(ordered - middle))[-FEW:][::-1]
        off[off <= ROUNDING * abs(middle)] = 0
        few = int(np.flatnonzero(off[:-1] > _APART * off[1:]).max(initial=-1)) + 1
        part, square = (float((off[:few] ** power).sum()) / even.size for power in (1, 2))
        if few and off[few] > 0:
            mean = mean[0], max(mean[1], 2 * _doubt(few) * part)
            sd = sd[0], max(sd[1], 4 * _doubt(few) * square / sd[0])
        elif few and FEW * few < even.size and (few == 1 or np.ptp(off[:few])):
            # Beside a value that nearly all draws have they show nothing of it.
            mean, sd = _ruled(mean, part * (FEW if few == 1 else 1)), (sd[0], np.inf)
    return (mean[0] * unit, mean[1] * unit), (sd[0] * unit, sd[1] * unit)


def sd_of_chains(means: Floats, sds: Floats) -> Estimate:
    """Standard deviation of all chains together, from the moments of each.

    The queries that all draws of a chain share move its mean too: what lies between chains may be
    spread of the draws or not, so it is part of the error. Where nothing lies within, it is not.
    """
    within, between = float(np.sqrt((sds**2).mean())), float(row_moments(means)[1])
    if within < between and within <= ROUNDING * float(np.abs(means).max()):
        return 0.0, 0.0
    whole = float(np.hypot(within, between))
    return whole, max(float(standard_error(sds)), whole - within)


def with_gaps(
    mean: Estimate,
    sd: Estimate,
    gaps: tuple[Floats, Floats],
    ends: tuple[Floats, Floats] | None,
    shape: tuple[int, float],
) -> tuple[Estimate, Estimate]:
    """Mean and standard deviation, with what even points of few chains hide of them.

    Chains of even points agree, far too well, where in each as many draws lie below a gap, and
    where by chance all draws near an end lie near. What share is below a gap is known to a draw of
    a chain. How far out the last draw of a chain lies is nearly exponential, and more draws show
    its mean excess: with an end of any shape it falls by one factor from the outermost sixteen of a
    chain to the outermost four, and from these to the last.

    Gaps are given by the values below and above; ends by the largest draws, rising, and the
    smallest with the other sign, `OUTERMOST` a chain and one more; the shape is that of all draws,
    (chains, number of all).
    """
    (below, above), (chains, count) = gaps, shape
    if not sd[0] > 0 or chains < 2:
        return mean, sd
    # In standard deviations: squares of large and small values have no place among float64.
    low, high = ((side - mean[0]) / sd[0] for side in (below, above))
    errors = np.sqrt([((high - low) ** 2).sum() / 12, ((high**2 - low**2) ** 2).sum() / 48])
    for end, center in zip(ends or (), (mean[0], -mean[0]), strict=bool(ends)):
        near, wide = ((end[-n:] - end[-n - 1]).mean() for n in (4 * chains, 16 * chains))
        excess = near * (near / wide) / sd[0] if wide > 0 else 0.0
        distance = max(end[-chains:].mean() - center, 0.0) / sd[0]
        errors = np.hypot(errors, [excess, excess * distance])
    of_mean, of_sd = errors * (sd[0] * np.sqrt(chains) / count)
    return (mean[0], max(mean[1], float(of_mean))), (sd[0], max(sd[1], float(of_sd)))


def with_tail(mean: Estimate, sd: Estimate, tail: Tail) -> tuple[Estimate, Estimate]:
    """Mean and standard deviation, with what their tail leaves unseen in their errors."""
    if (2 * tail.upper >= LIGHT or tail.unseen_root > 0) and sd[0] > 0:
        # A tail of shape 1/2 has no variance: where one cannot be told from it, nothing is known.
        unseen = tail.unseen_root * (tail.unseen_root / sd[0]) / 2 if 2 * tail.upper < 1 else np.inf
        sd = sd[0], max(sd[1], unseen)
    ruled = tail.lower >= RULED
    return _ruled(mean, tail.largest) if ruled else (mean[0], max(mean[1], tail.unseen)), sd


def _ruled(mean: Estimate, part: float) -> Estimate:
    """A mean of which a few draws add a part that may be ten times as large, or is not known."""
    error = FEW * part if FEW * part < _LITTLE * abs(mean[0]) else np.inf
    return mean[0], max(mean[1], error)


@dataclass(frozen=True)
class Control:
    """A variable that follows the draws and is known better than they are."""

    draws: Floats  # at the same points as the draws, shape (chain, draw)
    functions: Floats  # its quantiles at `LEVELS` from many more points, shape (chain, level)

    def excess(self, probability: float) -> tuple[Floats, Floats]:
        """Whether each draw is below the control's quantile, and each chain's excess of these."""
        whole, last = self.functions.mean(0), len(LEVELS) - 1
        place = int(np.clip(np.searchsorted(LEVELS, probability), 2, last - 1))
        steps = np.diff(whole[place - 2 : place + 2])
        # Next to an atom, or in a gap, a share is known to a step of the levels only.
        if not steps.max() < _UNEVEN * steps.min():
            return np.zeros(self.draws.shape), np.zeros(len(self.draws))
        target = float(np.interp(probability, LEVELS, whole))
        below = (self.draws <= target).astype(np.float64)
        known = np.array([np.interp(target, function, LEVELS) for function in self.functions])
        return below, below.mean(1) - known


def chance_estimate(shares: Floats, number: float, count: float | None = None) -> Estimate:
    """Chance of an event from the share of it in each chain, with its standard error.

    Parameters
    ----------
    shares : array
        Shape (chain,).
    number : float
        Independent draws in all chains together; infinite where nothing is uncertain.
    count : float, optional
        Draws in all, with those that share a point, where there are such.

    Notes
    -----
    An event that never happens, or always does, has an error of 3 / number: it then holds with
    95 % that the chance is less than that (the rule of three). Of a rare event the chains may agree
    by chance, so the error is at least that of a count. How many are counted is read from the
    spread of the chains, because draws that share a point count as one.
    """
    chance = float(shares.mean())
    rare = min(chance, 1 - chance)
    if rare < 1e-12:  # nothing but rounding
        return chance, NONE / number
    # Stratified chains may agree to the last count; a count still hides a point's place in it.
    hidden = np.sqrt(len(shares) / 12) / (count or number)
    error = max(float(standard_error(shares)), hidden)
    counted = (rare / error) ** 2 if error > 0 else np.inf
    if counted < FEW:
        error = max(error, rare * _doubt(counted))
    return chance, error


def _doubt(count: float) -> float:
    """Standard error of a count, as a share of it: Gehrels (1986), ApJ 303, 336, eq. (7)."""
    return float(1 + np.sqrt(count + 0.75)) / count


@dataclass(frozen=True)
class Pool:
    """One distribution from several chains."""

    quantile: Callable[[Floats], Floats]  # of all chains together
    shares: Callable[[float], tuple[Floats, Floats]]  # of each chain below, and at or below
    number: float  # independent draws in all; infinite where nothing is uncertain
    count: float  # draws in all, with those that share a point
    step: Callable[[float], float] = lambda _: 0.0  # between the probabilities that are kept


def chance_of_pool(pool: Pool, shares: Floats) -> Estimate:
    """Chance of lying below a value, as in `chance_estimate`, from the share of each chain.

    Where draws share points, even ones agree, far too well, at the ends of their strata, and next
    to these lies no draw: the error is that a third of a stratum away, to both sides, if larger.
    """
    chance, error = chance_estimate(shares, pool.number, pool.count)
    if pool.number < pool.count:
        step = min(len(shares) / pool.number, chance, 1 - chance) / 3
        near = pool.quantile(np.array([chance - step, chance + step]))
        errors = [standard_error(pool.shares(float(value))[1]) for value in near]
        error = max(error, float(np.linalg.norm(errors)) / np.sqrt(2))
    return chance, error


def pooled_quantile(pool: Pool, probability: float) -> Estimate:
    """Quantile of all chains together with its standard error.

    Notes
    -----
    The error is found in probability and carried over by the quantile function: how well the share
    of draws below the value is known, and which values lie that far away in probability. (The
    quantiles of the chains apart would add the coarseness of each.)

    - Where the density is smooth that is the error over the density.
    - In a gap, and where values repeat, it reaches the next value that occurs, if that is one or
      two standard errors away, and less of it further away: it is 0 for a discrete value that no
      other can be taken for.
    - Of a quantile beyond the draws nothing is known: the error is infinite.
    """
    tail = min(probability, 1 - probability)
    value = float(pool.quantile(np.array([probability]))[0])
    if not pool.count * tail >= NONE:
        return value, np.inf if pool.number < np.inf else 0.0
    below, upto = pool.shares(value)
    less, more = (chance_of_pool(pool, side)[1] for side in (below, upto))
    resolved = probability + (errors := np.array([-less, more]))
    beyond = resolved[0] < 0.5 / pool.count or resolved[1] > 1 - 0.5 / pool.count
    if beyond and pool.count * tail >= FEW:  # many draws, but of hardly any points
        return value, np.inf
    # Values that lie 1, 2, ... standard errors away, to both sides, or as far as a gap may lie from
    # where it seems: the error of what is anywhere in between is that of a uniform distribution.
    steps, step = np.arange(1, _FARTHEST + 1), pool.step(probability)
    away = np.vstack([np.multiply.outer(steps, errors), [-step, step]])
    away = np.clip(probability + away, 0, 1)
    parts = np.append(np.maximum(steps - 1, 1), np.sqrt(3))
    reach = tail * float(np.clip(_WITHIN / (pool.number * tail), _REACH, 0.9))
    ends = pool.quantile(probability + np.array([-reach, reach]))
    with np.errstate(invalid="ignore"):  # infinite draws have their own warning
        reached = pool.quantile(away)
        sides = np.where(reached == value, 0.0, np.abs(reached - value)).max(1)
        slopes = np.abs(ends - value) / reach
        if upto.mean() - below.mean() > 1.5 / pool.number:  # more than one draw: a value with mass
            return value, float((sides / parts).max())
        error = np.abs(errors).max()
        distances = np.append(steps * error, step)
        smooth = error * float(ends[1] - ends[0]) / (2 * reach)
        # A few draws lie unevenly by chance, and a density may double; a gap is wider than that,
        # as seen from its other side.
        gap = sides > slopes.min() * (2 * distances + _SPACINGS / pool.number)
        gap &= (distances <= reach) | np.append(steps == 1, True)
        return value, max(smooth, float(np.where(gap, sides / parts, 0.0).max()))


def quantile_estimate(
    draws: Floats, probability: float, control: Control | None = None, number: float | None = None
) -> Estimate:
    """Quantile of all draws (chain, draw) with its standard error, as in `pooled_quantile`.

    Parameters
    ----------
    draws : array
        Shape (chain, draw).
    probability : float
    control : Control, optional
        The probability at which the draws are read is moved by as much of the control's excess as
        the two have in common.
    number : float, optional
        Independent draws, where that is not all of them.

    Notes
    -----
    Control variates: Hesterberg and Nelson (1998), Control variates for probability and quantile
    estimation, Manag. Sci. 44; Gorodetsky et al. (2020), Approximate control variates, J. Comput.
    Phys. 408.
    """
    flat, independent = np.sort(draws, axis=None), float(number or draws.size)
    if np.isnan(flat[-1]):
        return np.nan, np.nan
    moved, excess = probability, np.zeros(len(draws))
    if control:
        below, apart = control.excess(probability)
        inside = (draws <= quantile(flat, probability)).astype(np.float64)
        variance = below.var()
        common = ((inside - inside.mean()) * (below - below.mean())).mean()
        excess = apart * (common / variance if variance > 0 else 0.0)
        moved = float(np.clip(probability + excess.mean(), 0, 1))

    def shares(value: float) -> tuple[Floats, Floats]:
        centered = excess - excess.mean()
        return (draws < value).mean(1) - centered, (draws <= value).mean(1) - centered

    pool = Pool(lambda p: quantile(flat, p), shares, independent, independent)
    each = quantile(draws, np.clip(probability + excess, 0, 1))
    return _with_shared(pooled_quantile(pool, moved), each, pool)


def _with_shared(pooled: Estimate, each: Floats, pool: Pool) -> Estimate:
    """A quantile, with what the queries that all draws of a chain share move it by.

    They widen the distribution of all chains together, so that its quantiles have a bias, which
    those of the chains apart (`each`) hardly have; and few of the chains may reach an end. It shows
    where the shares of chains, there or at the quartiles, differ more than independent draws would.
    """
    # Infinite draws have their own warning.
    for value in (pooled[0], *pool.quantile(_QUARTERS)) if np.isfinite(each).all() else ():
        shares = pool.shares(float(value))[1]
        by_chance = shares.mean() * (1 - shares.mean()) / pool.number
        if standard_error(shares) ** 2 > _DIFFER * by_chance:
            moved = [pooled[1], float(standard_error(each)), float(each.mean()) - pooled[0]]
            return pooled[0], float(np.linalg.norm(moved))
    return pooled


def ogive_quantile(ogive: Ogive, probability: float, number: float | None = None) -> Estimate:
    """Quantile of all chains of a sketch together, with its standard error.

    As in `pooled_quantile`, and what the bin hides is part of the error.
    """
    count = ogive.number * len(ogive.below)
    pool = Pool(ogive.quantile, ogive.shares, number or count, count)
    each = ogive.functions(np.array([probability]))[:, 0]
    value, error = _with_shared(pooled_quantile(pool, probability), each, pool)
    return value, float(np.hypot(error, ogive.hidden(probability)))


def shortest_interval(
    draws: Floats, prob: float, number: float | None = None
) -> tuple[Estimate, Estimate]:
    """Ends of the shortest interval that holds `prob` of all draws, with standard errors.

    The ends wander where the density is flat, and one may lie far out in a tail, so that a chain by
    itself says little: the errors are those of the bootstrap over whole chains. Where less than a
    few independent draws (`number` in all) lie outside, nothing is known of the ends.
    """
    ends = _shortest(draws.reshape(1, -1), prob)[0]
    if not (number or draws.size) * (1 - prob) >= NONE:
        return (float(ends[0]), np.inf), (float(ends[1]), np.inf)
    chosen = np.random.default_rng(len(draws)).integers(0, len(draws), (_RESAMPLES, len(draws)))
    resampled = np.concatenate([_shortest(draws[rows].reshape(1, -1), prob) for rows in chosen])
    errors = resampled.std(0) * np.sqrt(len(draws) / max(len(draws) - 1, 1))
    # Where the queries of a chain move all its draws, few chains may reach an end of all together.
    errors = np.maximum(errors, np.abs(_shortest(draws, prob).mean(0) - ends))
    return (float(ends[0]), float(errors[0])), (float(ends[1]), float(errors[1]))


def shortest_of_functions(
    functions: Floats, prob: float, number: float
) -> tuple[Estimate, Estimate]:
    """As `shortest_interval`, of chains given by their quantiles at `LEVELS`."""
    whole = pool_of_functions(functions, number, number).quantile(LEVELS)
    ends = interval_of_function(whole, prob, "hdi")
    each = np.array([interval_of_function(function, prob, "hdi") for function in functions])
    errors = standard_error(each) if number * (1 - prob) >= NONE else np.full(2, np.inf)
    return (float(ends[0]), float(errors[0])), (float(ends[1]), float(errors[1]))


def _shortest(values: Floats, prob: float) -> Floats:
    from arviz_stats.base import array_stats

    return np.asarray(array_stats.hdi(values, prob=prob, axis=-1))


def interval_of_function(function: Floats, prob: float, kind: Kind) -> Floats:
    """Interval of a distribution given by its quantiles at `LEVELS`."""
    low = np.array([(1 - prob) / 2]) if kind == "eti" else LEVELS[1 - prob >= LEVELS]
    ends = np.stack([np.interp(low, LEVELS, function), np.interp(low + prob, LEVELS, function)])
    return np.asarray(ends[:, np.argmin(ends[1] - ends[0])])


def pool_of_functions(functions: Floats, number: float, count: float) -> Pool:
    """Pool chains that are given by their quantiles at `LEVELS`, shape (chain, level)."""
    edges = np.unique(functions)
    sides = [np.stack([_share(f, edges, side) for f in functions]) for side in _SIDES]
    # The share rises on the way to each edge, and at once where values repeat.
    levels = np.stack([side.mean(0) for side in sides], -1).ravel()
    values = np.repeat(edges, 2)

    def shares(value: float) -> tuple[Floats, Floats]:
        at = np.array([value])
        below, upto = (np.concatenate([_share(f, at, s) for f in functions]) for s in _SIDES)
        return below, upto

    def step(probability: float) -> float:
        return float(np.interp(probability, LEVELS[1:], np.diff(LEVELS)))

    return Pool(lambda p: np.interp(p, levels, values), shares, number, count, step)


def _share(function: Floats, values: Floats, side: Side) -> Floats:
    """Share below each value (left), or at or below it (right), of a quantile function."""
    place = np.searchsorted(function, values, side)
    low, high = np.maximum(place - 1, 0), np.minimum(place, len(function) - 1)
    with np.errstate(invalid="ignore"):  # on the way from or to infinity lies nothing
        width = np.where(high > low, function[high] - function[low], 1.0)
        inside = np.nan_to_num((values - function[low]) / width)
    part = LEVELS[low] + (LEVELS[high] - LEVELS[low]) * inside
    return np.where(place == 0, 0.0, np.where(place == len(function), 1.0, part))


def exceedance_of_functions(
    functions: Floats, threshold: float, number: float, count: float
) -> Estimate:
    """Chance of more than a threshold, from chains' quantiles at `LEVELS`, shape (chain, level).

    Next to a gap, or to a value with mass, the chance is known to the step between two levels only.
    """
    pool = pool_of_functions(functions, number, count)
    below, error = chance_of_pool(pool, pool.shares(threshold)[1])
    coarse, last = np.zeros(len(functions)), len(LEVELS) - 1
    for chain, function in enumerate(functions):
        low = int(np.searchsorted(function, threshold, "right")) - 1
        if 0 <= low < last:
            before, step, after = (
                function[min(i + 1, last)] - function[max(i, 0)] for i in (low - 1, low, low + 1)
            )
            # Even a steep tail makes a step less than twice the steps on both its sides. In a
            # wider one the share lies anywhere: the error is that of a uniform distribution.
            if not step <= 2 * min(before, after):
                coarse[chain] = (LEVELS[low + 1] - LEVELS[low]) / np.sqrt(3)
    return 1 - below, float(np.hypot(error, coarse.mean()))


def r_hat(draws: Floats) -> float:
    """Rank-normalized split R-hat: 1 where chains agree.

    Notes
    -----
    Vehtari et al. (2021), Bayesian Analysis 16, 667.
    """
    from arviz_stats.base import array_stats

    return float(array_stats.rhat(draws, chain_axis=0, draw_axis=1)) if _moves(draws) else 1.0


def ess_bulk(draws: Floats) -> float:
    """Effective number of draws in the middle of the distribution."""
    return _ess(draws, "bulk")


def ess_tail(draws: Floats) -> float:
    """Effective number of draws at the 5 and 95 % quantiles, the smaller."""
    return _ess(draws, "tail")


def _ess(draws: Floats, method: str) -> float:
    from arviz_stats.base import array_stats

    if not _moves(draws):
        return float(draws.size)
    tails = {"prob": (0.05, 0.95)} if method == "tail" else {}
    return float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method=method, **tails))


def _moves(draws: Floats) -> bool:
    """Whether there is anything to measure: a constant has no chains that could disagree."""
    return bool(np.ptp(draws) > 0)


def bfmi(energy: Floats) -> Floats:
    """Bayesian fraction of missing information of each chain, shape (chain,).

    Notes
    -----
    Betancourt (2016), arXiv:1604.00695.
    """
    from arviz_stats.base import array_stats

    return np.asarray(array_stats.bfmi(energy, chain_axis=0, draw_axis=1), np.float64)


@dataclass(frozen=True)
class Smoothed:
    """Importance weights with the largest ones smoothed."""

    weights: Floats  # they add up to one, shape (n,)
    k: float  # shape of the tail of the raw ones; above 0.7 they cannot be relied on

    @property
    def effective(self) -> float:
        """Number of equal weights that know as much."""
        return float(1 / np.sum(self.weights**2))


def smoothed_weights(log_weights: Floats) -> Smoothed:
    """Pareto-smoothed importance weights, from shape (n,).

    Notes
    -----
    Vehtari et al. (2024), Journal of Machine Learning Research 25, 72.
    """
    if not np.isfinite(log_weights).any():
        return Smoothed(np.full(len(log_weights), 1 / len(log_weights)), np.inf)
    # ArviZ takes no infinite ones: what weighs nothing gets next to nothing.
    least = np.min(log_weights[np.isfinite(log_weights)]) - _LARGEST_LOG
    smoothed, k = _smooth(np.maximum(log_weights, least))
    return Smoothed(np.exp(smoothed), k)


def _smooth(log_weights: Floats) -> tuple[Floats, float]:
    """Logarithms of smoothed weights that add up to one, with the k of their tail."""
    from arviz_stats.base import array_stats

    raw = log_weights - logsumexp(log_weights)
    if len(log_weights) < _FEWEST:
        return raw, np.inf
    try:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # It is made for leaving one out, so it takes the logarithm of one over the weight.
            smoothed, k = array_stats.psislw(-log_weights)
    except ValueError:  # there is no tail to fit
        return raw, _BOUNDED
    if not np.isfinite(k) or np.isnan(smoothed).any():  # too far apart for the older ArviZ
        return raw, _BOUNDED
    return np.asarray(smoothed - logsumexp(smoothed), np.float64), float(k)


def leave_one_out(log_likelihood: Floats) -> tuple[Floats, Floats, Floats]:
    """Expected log density of each row were it left out, from shape (chain, draw, row).

    Returns
    -------
    elpd, k, parameters : array
        Shape (row,): with the Pareto k of its weights and the effective number of parameters.

    Notes
    -----
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413.
    """
    from arviz_stats.base import array_stats

    rows = []
    for row in log_likelihood.reshape(-1, log_likelihood.shape[-1]).T:
        # Weights are ours where ArviZ fits no tail: few draws, or all of one density.
        weights, k = _smooth(-row)
        rows.append(array_stats.loo(row[None], log_weights=weights[None], pareto_k=k))
    elpd, shapes, parameters = np.array(rows, np.float64).T
    return elpd, shapes, parameters
