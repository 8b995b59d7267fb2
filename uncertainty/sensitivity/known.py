"""Value of information from draws alone: what knowing one input exactly would buy."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from uncertainty.arrays import Floats
from uncertainty.sensitivity.sample import Sample, from_half_samples
from uncertainty.sensitivity.table import Estimates
from uncertainty.sensitivity.target import Scale

_KNOTS = 15  # of a piecewise linear expectation: every other one alone shows what more would add
_CLASSES = 16
_IN_CLASS = 256  # so that the 5 % and 95 % quantiles of a class, and of half of it, mean something
_DEPENDENT = 1e-9  # a column of the basis that adds less than this is one of the others


def value_of_draws(sample: Sample, prob: float, scale: Scale, threshold: float | None) -> Estimates:
    """Expected narrowing of the interval, and of the variance, were an input known exactly.

    Parameters
    ----------
    sample : Sample
    prob : float
        Of the interval, equal tails.
    scale : {"log", "linear"}
        Of the values.
    threshold : float, optional
        Of a decision, on the scale.

    Returns
    -------
    Estimates
        As from `value`, which chooses its own points: ``narrowing``, ``width``,
        ``variance_reduction``, with a threshold ``decision``, and ``width_now``.

    Notes
    -----
    What depends on an input becomes better known with it, so that shares of dependent inputs
    overlap: they are first-order shares and need not add up to 1.

    The expectation given an input is linear between 15 of its quantiles, or between its values
    where it has few. A squared coefficient is a mean of products between different chains (a
    U-statistic), which has no bias, whatever the dependence within a chain. What every other knot
    adds to the share is part of its standard error. Widths are those of what is left around the
    expectation, in classes of the input, over those in random classes of the same sizes.
    """
    inputs, values = sample.pooled(range(len(sample.values)))
    counts = [len(own) for own in sample.values]
    owner = np.repeat(np.arange(len(counts)), counts)
    known = [_Known.of(column, values, owner) for column in inputs.T]
    ends = ((1 - prob) / 2, (1 + prob) / 2)

    def of_chains(chains: Sequence[int]) -> Floats:
        """Gains, widths, shares, chances of being right and the width now: shape (5, inputs)."""
        mask = np.isin(owner, chains)
        now = float(np.diff(np.quantile(values[mask], ends))[0])
        rows = [item.widths(mask, ends) for item in known]
        left = [after / before if before else 1.0 for before, after in rows]
        shares = [item.share(chains) for item in known]
        right = [0.0 if threshold is None else item.right(chains, threshold) for item in known]
        return np.array(
            [
                [1 - ratio for ratio in left],
                [_shown(now * ratio, scale) for ratio in left],
                shares,
                right,
                [_shown(now, scale)] * len(known),
            ]
        )

    found, errors, replicates = from_half_samples(len(counts), of_chains)
    errors[2] = np.hypot(errors[2], [item.coarse() for item in known])
    names = ("narrowing", "width", "variance_reduction", "decision")[: 3 + (threshold is not None)]
    return Estimates(
        {name: found[i] for i, name in enumerate(names)},
        {name: errors[i] for i, name in enumerate(names)},
        replicates[:, 0],
        {"width_now": (float(found[4, 0]), float(errors[4, 0]))},
    )


def _shown(width: float, scale: Scale) -> float:
    """On the log scale the ratio of the ends."""
    return float(np.exp(width)) if scale == "log" else width


@dataclass(frozen=True)
class _Known:
    """Values beside one input.

    Attributes
    ----------
    values, owner : array
        Of each draw: its value, and the number of its chain.
    basis : array
        Orthonormal functions of the input, shape (draws, functions), the coarse ones first.
    coarse_count : int
        How many of them are the coarse ones.
    label, other : array
        The class of each draw by the input, and at random.
    """

    values: Floats
    owner: np.ndarray
    basis: Floats
    coarse_count: int
    label: np.ndarray
    other: np.ndarray

    @classmethod
    def of(cls, column: Floats, values: Floats, owner: np.ndarray) -> "_Known":
        """Lay out the functions and the classes of one input."""
        count = len(column)
        # Normal scores of the ranks: most outputs are near linear in them.
        scores = ndtri((rankdata(column) - 0.5) / count)
        places, numbers = np.unique(scores, return_inverse=True)
        few = len(places) <= _KNOTS + 2
        knots = places if few else np.quantile(scores, np.arange(1, _KNOTS + 1) / (_KNOTS + 1))
        kinks = [*knots] if few else [*knots[1::2], *knots[0::2]]
        columns = np.stack([np.ones(count), scores, *(np.abs(scores - k) for k in kinks)], -1)
        basis, coarse = _orthonormal(columns, columns.shape[1] if few else 2 + _KNOTS // 2)
        classes = int(np.clip(count // _IN_CLASS, 1, _CLASSES))
        label = numbers if few else (rankdata(column, "ordinal") - 1) * classes // count
        label = np.asarray(label, int)
        return cls(
            values, owner, basis, coarse, label, np.random.default_rng(count).permutation(label)
        )

    @cached_property
    def counts(self) -> Floats:
        """Draws of each chain."""
        return np.bincount(self.owner).astype(float)

    def sums(self, values: Floats) -> Floats:
        """Sums of values times functions over each chain, shape (chains, functions)."""
        ends = np.cumsum(self.counts).astype(int)[:-1]
        parts = zip(np.split(values, ends), np.split(self.basis, ends), strict=True)
        return np.stack([own @ functions for own, functions in parts])

    @cached_property
    def products(self) -> Floats:
        """Sums of the values around their mean, times functions, over each chain."""
        return self.sums(self.centered)

    @cached_property
    def centered(self) -> Floats:
        """Values around their mean."""
        return self.values - self.values.mean()

    @cached_property
    def left(self) -> Floats:
        """What is left of the values around their expectation given the input."""
        return np.asarray(self.centered - self.basis @ (self.products.sum(0) / len(self.values)))

    def share(self, chains: Sequence[int], first: int | None = None) -> float:
        """Share of the variance that goes with the input, by the first functions or all."""
        values = self.values[np.isin(self.owner, chains)]
        variance = values.var()
        if not variance > 0:
            return 0.0
        sums, counts = self.products[list(chains), :first], self.counts[list(chains)]
        products = (sums.sum(0) ** 2 - (sums**2).sum(0)).sum()
        return float(products / (counts.sum() ** 2 - (counts**2).sum()) / variance)

    def coarse(self) -> float:
        """What every other knot adds to the share."""
        every = range(len(self.counts))
        return abs(self.share(every) - self.share(every, self.coarse_count))

    def widths(self, mask: np.ndarray, ends: tuple[float, float]) -> tuple[float, float]:
        """Mean width in random classes, and around the expectation in those of the input."""
        return (
            _mean_width(self.values[mask], self.other[mask], ends),
            _mean_width(self.left[mask], self.label[mask], ends),
        )

    def right(self, chains: Sequence[int], threshold: float) -> float:
        """Gain in the chance of being right about the threshold, as all other chains decide."""
        above = (self.values > threshold).astype(float)
        sums, totals = self.sums(above), np.bincount(self.owner, above)
        everyone = np.array(chains)
        gains = 0.0
        for chain in chains:
            others = everyone[everyone != chain]
            share, own = totals[others].sum() / self.counts[others].sum(), self.owner == chain
            slopes = sums[others].sum(0) / self.counts[others].sum()
            expected = share + self.basis[own] @ slopes
            gains += ((expected > 0.5) == above[own]).sum() - ((share > 0.5) == above[own]).sum()
        return float(gains / self.counts[everyone].sum())


def _orthonormal(columns: Floats, coarse: int) -> tuple[Floats, int]:
    """Functions of mean 0 and mean square 1, and how many of them come from the first columns."""
    factor, size = np.linalg.qr(columns)
    kept = np.abs(np.diag(size)) > _DEPENDENT * np.sqrt(len(columns))
    kept[0] = False  # the constant
    return factor[:, kept] * np.sqrt(len(columns)), int(kept[:coarse].sum())


def _mean_width(values: Floats, labels: np.ndarray, ends: tuple[float, float]) -> float:
    """Mean over classes of the width that holds a class, each by its share of the draws."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(values[order], np.flatnonzero(np.diff(labels[order])) + 1)
    widths = [float(np.diff(np.quantile(part, ends))[0]) * len(part) for part in parts]
    return sum(widths) / len(values)
