"""Measures from draws alone: correlations, and how far an input moves the whole distribution."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
from scipy.stats import ks_2samp, rankdata

from uncertainty.precision import Floats
from uncertainty.sensitivity.sample import Sample, from_half_samples
from uncertainty.sensitivity.table import Estimates

__all__ = ["METHODS", "correlation", "delta", "pawn", "region"]

_CLASSES = 16
_IN_CLASS = 32
_GRID = 64


def correlation(sample: Sample) -> Estimates:
    """Rank correlation with the output, and the partial one, given all other inputs.

    Returns
    -------
    Estimates
        ``rank_correlation`` and ``partial_rank_correlation``; ranked by the size of the first.

    Notes
    -----
    What rises and falls again may have a correlation of 0.

    Spearman (1904), Am. J. Psychology 15, 72. The partial one from the inverse of the matrix of
    rank correlations: Iman and Conover (1979), Technometrics 21, 499.
    """
    return _estimates(sample, {"rank_correlation": _marginal, "partial_rank_correlation": _partial})


def delta(sample: Sample) -> Estimates:
    """Borgonovo's delta: half the expected area between the density and that given an input.

    Returns
    -------
    Estimates
        ``delta``, between 0 and 1.

    Notes
    -----
    Borgonovo (2007), Reliability Engineering and System Safety 92, 771; from draws by Plischke,
    Borgonovo and Smith (2013), European J. Operational Research 226, 536, eq. (26), in 16 classes
    of equal size (fewer, where they would hold less than 32 draws), with SALib's kernel densities.
    """
    return _estimates(sample, {"delta": partial(_delta, classes=_classes(sample))})


def pawn(sample: Sample) -> Estimates:
    """PAWN: distance between the distribution and that given an input.

    Returns
    -------
    Estimates
        ``pawn``, the mean over classes of the input, as those of `delta`, of the
        Kolmogorov-Smirnov distance, by SALib.

    Notes
    -----
    Too large by what few draws make of any two distributions, the more the fewer there are, and so
    above 0 for an input that does nothing.

    Pianosi and Wagener (2018), Environmental Modelling and Software 108, 197.
    """
    return _estimates(sample, {"pawn": partial(_pawn, classes=_classes(sample))})


def _estimates(
    sample: Sample, estimators: Mapping[str, Callable[[Floats, Floats], Floats]]
) -> Estimates:
    count = len(sample.values)
    found = {
        key: from_half_samples(count, partial(_of_chains, sample, estimator))
        for key, estimator in estimators.items()
    }
    return Estimates(
        {key: values for key, (values, _, _) in found.items()},
        {key: errors for key, (_, errors, _) in found.items()},
        next(iter(found.values()))[2],
    )


def _of_chains(
    sample: Sample, estimator: Callable[[Floats, Floats], Floats], chains: Sequence[int]
) -> Floats:
    return estimator(*sample.pooled(chains))


def region(sample: Sample, inside: Sample, prob: float) -> Estimates:
    """Where inputs lie under a condition, and how far that is from where they lie without.

    Returns
    -------
    Estimates
        ``lower``, ``middle`` and ``upper``: quantiles under the condition, `prob` between the
        outer two; ``distance``: of the two distributions, Kolmogorov-Smirnov.

    Notes
    -----
    Regional sensitivity analysis: Spear and Hornberger (1980), Water Research 14, 43.
    """
    probabilities = np.array([(1 - prob) / 2, 0.5, (1 + prob) / 2])

    def of_chains(chains: Sequence[int]) -> Floats:
        outside, within = sample.pooled(chains)[0], inside.pooled(chains)[0]
        columns = zip(within.T, outside.T, strict=True)
        distances = [ks_2samp(one, other).statistic for one, other in columns]
        return np.concatenate([np.quantile(within, probabilities, axis=0), [distances]])

    values, errors, _ = from_half_samples(len(sample.values), of_chains)
    names = ("lower", "middle", "upper", "distance")
    return Estimates(
        dict(zip(names, values, strict=True)), dict(zip(names, errors, strict=True)), values[:1]
    )


def _correlations(inputs: Floats, values: Floats) -> Floats:
    return np.asarray(np.corrcoef(rankdata(np.column_stack([inputs, values]), axis=0).T))


def _marginal(inputs: Floats, values: Floats) -> Floats:
    return _correlations(inputs, values)[:-1, -1]


def _partial(inputs: Floats, values: Floats) -> Floats:
    inverse = np.linalg.pinv(_correlations(inputs, values), hermitian=True)
    scale = np.sqrt(np.diag(inverse)[:-1] * inverse[-1, -1])
    return np.asarray(-inverse[:-1, -1] / scale)


def _classes(sample: Sample) -> int:
    count = sum(len(values) for values in sample.values)
    return int(np.clip(count // _IN_CLASS, 2, _CLASSES))


def _delta(inputs: Floats, values: Floats, classes: int) -> Floats:
    from SALib.analyze.delta import calc_delta

    grid = np.linspace(values.min(), values.max(), _GRID)
    edges = np.linspace(0, len(values), classes + 1)
    return np.array([calc_delta(values, grid, column, edges) for column in inputs.T])


def _pawn(inputs: Floats, values: Floats, classes: int) -> Floats:
    from SALib.analyze.pawn import analyze

    names = [str(i) for i in range(inputs.shape[1])]
    found = analyze({"num_vars": len(names), "names": names}, inputs, values, S=classes)
    return np.asarray(found["mean"])


METHODS: Mapping[str, Callable[[Sample], Estimates]] = MappingProxyType(
    {"correlation": correlation, "delta": delta, "pawn": pawn}
)
"""Methods that take draws, by name."""
