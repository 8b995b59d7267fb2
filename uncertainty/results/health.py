"""Array kernels that say whether a Markov chain, or weights, can be trusted.

Draws have shape (chain, draw). The measures are those of ArviZ.
"""

from dataclasses import dataclass

import numpy as np

from uncertainty.arrays import Floats

RULED = 0.7
"""Shape k of a tail from which on it rules the mean."""
LIGHT = RULED / 2
"""Shape k below which it does not rule the standard deviation either, a mean of squares."""
_FEWEST = 25
"""Draws of which the largest fifth are too few to fit a tail to."""

_OUTERMOST = 225
"""Draws up to which ArviZ takes a fifth for the tail: a cluster of less is taken for one."""

_LARGEST_LOG = 700.0
"""Whose exponential still has a place among float64."""

_BOUNDED = -1.0
"""The k of a uniform tail: where the largest draws are all the same."""


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
class Tail:
    """The heavier tail of some draws.

    Attributes
    ----------
    k : float
        Shape of the generalized Pareto distribution that fits it: moments of order 1/k and more
        do not exist, or cannot be seen from as many draws.
    lower, upper : float
        One standard error less and more; the latter at most 0.9, at which there is a mean.
    unseen : float
        What the largest draw and all beyond it should add to the mean, by a fit with the shape
        `upper`, or half of that by a wide lognormal, where this is more.
    unseen_root : float
        The root of what they should add to the mean of squares about the median.
    wide : bool
        Whether it rises like that of a lognormal of sigma 1 or more.
    largest : float
        What the largest draw does add, as drawn.
    """

    k: float
    lower: float
    upper: float
    unseen: float
    unseen_root: float
    wide: bool
    largest: float


def tail_of(draws: Floats) -> Tail:
    """Fit both tails of finite draws, of any shape, and give the heavier one.

    Notes
    -----
    Vehtari et al. (2024), Journal of Machine Learning Research 25, 72. Draws far out that are a
    cluster of their own look like a heavy tail where some of the bulk are fitted with them, so the
    outermost sixteenth is fitted by itself too, and counts where it surely has a light tail.

    Where the few largest draws of a lognormal lie close by chance, the fit takes its tail for one
    that ends there. The mean of the logarithms of more of them (Hill 1975, Annals of Statistics 3,
    1163) hardly depends on these few.
    """
    values = np.sort(draws, axis=None)
    values = values - values[len(values) // 2]
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
    unseen, squared = (number**shape / count / (1 - shape) for shape in (upper, squares))
    by_sigma = _lognormal_tail(ordered, _tail_length(len(outer)))
    unseen = max(start * unseen, by_sigma[0] / 2)
    root = max(start * squared**0.5, (by_sigma[1] / 2) ** 0.5)
    return Tail(k, k - error, upper, unseen, root, by_sigma[0] > 0, largest)


def _lognormal_tail(ordered: Floats, number: int) -> tuple[float, float]:
    """What lies beyond the largest draw of a lognormal adds to the mean, and to that of squares.

    Its sigma is that of so many of the largest draws. Below 1 it is 0: what a mean misses is then
    less than its error.
    """
    from scipy.special import log_ndtr, ndtri

    count, start = len(ordered), float(ordered[-number - 1])
    if count < _FEWEST or not start > 0:
        return 0.0, 0.0
    scores, before = -ndtri((np.arange(number) + 0.5) / count), -ndtri(number / count)
    sigma = float(np.log(ordered[-number:] / start).mean() / (scores.mean() - before))
    if sigma < 1:
        return 0.0, 0.0
    sigma, last = sigma * (1 + number**-0.5), -ndtri(1 / count)  # one standard error more
    sums = (
        power * (np.log(start) - sigma * before)
        + (power * sigma) ** 2 / 2
        + log_ndtr(power * sigma - last)
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


@dataclass(frozen=True)
class Smoothed:
    """Importance weights with the largest ones smoothed.

    Attributes
    ----------
    weights : array
        They add up to one, shape (n,).
    k : float
        Shape of the tail of the raw weights; above 0.7 they cannot be relied on.
    """

    weights: Floats
    k: float

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
    least = np.min(log_weights[np.isfinite(log_weights)]) - 700.0
    smoothed, k = _smooth(np.maximum(log_weights, least))
    return Smoothed(np.exp(smoothed), k)


def _smooth(log_weights: Floats) -> tuple[Floats, float]:
    """Logarithms of smoothed weights that add up to one, with the k of their tail."""
    from arviz_stats.base import array_stats
    from scipy.special import logsumexp

    raw = log_weights - logsumexp(log_weights)
    if len(log_weights) < _FEWEST:
        return raw, np.inf
    try:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # It is made for leaving one out, so it takes the logarithm of one over the weight.
            smoothed, k = array_stats.psislw(-log_weights)
    except ValueError:  # there is no tail to fit
        return raw, _BOUNDED
    if not np.isfinite(k):
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
    from scipy.special import logsumexp

    each = [
        (logsumexp(weights + row), k, logsumexp(row) - np.log(len(row)))
        for row in log_likelihood.reshape(-1, log_likelihood.shape[-1]).T
        for weights, k in [_smooth(-row)]
    ]
    elpd, k, whole = np.array(each, np.float64).T
    return elpd, k, whole - elpd
