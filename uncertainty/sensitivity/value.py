"""Value of information: what knowing one input exactly would buy."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm, rankdata

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.problem import Columns
from uncertainty.results import NONE, quantile, standard_error
from uncertainty.sampling import RANDOMIZATIONS
from uncertainty.sensitivity.pick_freeze import (
    Kept,
    base_points,
    mixed,
    pair_of_points,
    randomizations,
)
from uncertainty.sensitivity.sample import Sample, from_half_samples
from uncertainty.sensitivity.target import Estimates, Player, Scale, Target, ratio

_CLASS = 2**8  # draws given one value: 13 of them lie beyond each end of a 90 % interval
_LARGEST_CLASS = 2**17
_VALUES = {False: 2**5, True: 2**3}  # of a player in each randomization; True where nested
_LEAST_VALUES = 4  # where an interval so wide takes larger classes
_KNOTS = 15  # of a piecewise linear expectation: every other one alone shows what more would add
_CLASSES = 16
_DEPENDENT = 1e-9  # a column of the basis that adds less than this is one of the others
_FAR = 3  # standard errors: beyond them hardly any class is misread
_STEP = 40  # usual spacings of draws: in a smooth tail hardly any class has one as wide by chance


def value(target: Target, chosen: Sequence[Player], draws: int | None, seed: int) -> Estimates:
    """Expected narrowing of the interval, and of the variance, were a player known exactly.

    Parameters
    ----------
    target : Target
        Its `prob` is that of the interval, equal tails; its `threshold` that of a decision.
    chosen : sequence of Player
    draws : int, optional
        Points N over all randomizations, 256 for each value of a player (more for intervals beyond
        95 %); the model is evaluated at N (players + 1) points.
    seed : int

    Returns
    -------
    Estimates
        ``narrowing``: expected relative loss of the interval's width on the scale; ``width``: the
        width expected then, on the log scale the ratio of its ends; ``variance_reduction``: the
        expected share of the variance lost; with a threshold ``decision``: the expected gain in
        the probability of being right about exceeding it. ``width_now`` beside them.

    Notes
    -----
    An interval may narrow where the variance does not fall, and the other way round.

    Howard (1966), IEEE Trans. Systems Science and Cybernetics 2, 22. Correlated inputs become
    better known with the player. Widths before and after come from as many points, so that what
    few points do to a quantile cancels in their ratio; the width as it is now comes from all.
    Where values repeat or leave a gap it does not cancel: see `_misread`.
    """
    size = _class_size(target.prob)
    values = max(_VALUES[target.nested] * _CLASS // size, _LEAST_VALUES)
    count = base_points(draws, RANDOMIZATIONS * size * values)
    if count < size:
        raise InputError.of("<draws>", f"must be {RANDOMIZATIONS * size} or more (got {draws})")
    parts = randomizations(
        partial(_one_randomization, target, tuple(chosen), (count // size, size), seed)
    )
    # Over (randomization, player): first what is so now, then what is expected.
    widths, variances, right = parts[:, 0], parts[:, 1], parts[:, 2]
    misread = parts[:, 3].mean(0)
    gains = widths[:, :1] - widths[:, 1:]
    narrowing, error = ratio(gains, widths[:, 0])
    now = widths[:, 0].mean() or 1.0
    unsure = _inverse(misread[0] / now)
    error = np.hypot(error, misread[1:] / now + (1 - narrowing) * unsure)
    after, misread_now = widths[:, 1:].mean(0), float(parts[:, 4, 0].mean())
    # What is now stands in the scale of all widths, as read from classes and from all points.
    doubt = misread[1:] + after * (unsure + misread_now / now)
    after_error = np.hypot(standard_error(widths[:, 1:]), doubt)
    estimates = {
        "narrowing": (narrowing, error),
        "width": _as_ratio(target.scale, after, after_error),
        "variance_reduction": ratio(variances[:, :1] - variances[:, 1:], variances[:, 0]),
    }
    if target.threshold is not None:
        change = right[:, 1:] - right[:, :1]
        estimates["decision"] = change.mean(0), standard_error(change)
    se_now = np.hypot(standard_error(widths[:, :1]), misread_now)
    width_now = _as_ratio(target.scale, widths[:, :1].mean(0), se_now)
    return Estimates(
        {key: values for key, (values, _) in estimates.items()},
        {key: errors for key, (_, errors) in estimates.items()},
        gains,
        {"width_now": (float(width_now[0][0]), float(width_now[1][0]))},
    )


def _one_randomization(
    target: Target, chosen: tuple[Player, ...], shape: tuple[int, int], seed: int, number: int
) -> Floats:
    """Widths, variances, chances of being right, misread widths: shape (5, 1 + players)."""
    first, second = pair_of_points(target, shape[0] * shape[1], seed, number)
    given: Columns = {n: np.repeat(column[: shape[0]], shape[1]) for n, column in first.items()}
    keep = np.concatenate([np.zeros((1, len(chosen)), bool), np.eye(len(chosen), dtype=bool)])
    kept = Kept(chosen, keep[:, None])
    values = mixed(target, kept, (given, second), target.inner(seed, number))
    values, now = values.reshape(len(keep), *shape), values[:1]
    widths, variances = _widths(values, target.prob).mean(-1), values.var(-1).mean(-1)
    variances[0] = now.var()
    # An interval of one value, as of a constant, has no width to be scaled.
    scale = _widths(now, target.prob)[0] / widths[0] if widths[0] > 0 else 1.0
    right = np.zeros(len(keep))
    if target.threshold is not None:
        above = (values > target.scaled(target.threshold)).mean(-1)
        above[0] = above[0].mean()  # nothing is known in the first row
        right = np.maximum(above, 1 - above).mean(-1)
    misread = np.array([_misread(rows, target.prob).mean() for rows in values])
    all_misread = np.full(len(keep), _misread(now, target.prob)[0])
    return np.stack([widths * scale, variances, right, misread * scale, all_misread])


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
        As from `value`, which chooses its own points. The errors of widths are infinite where the
        interval ends beyond the draws.

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
    counts = [len(chain) for chain in sample.values]
    owner = np.repeat(np.arange(len(counts)), counts)
    known = [_Known(column, values, owner, _class_size(prob)) for column in inputs.T]

    def of_chains(chains: Sequence[int]) -> Floats:
        """Gains, widths, shares, chances of being right and the width now: shape (5, inputs)."""
        mask = np.isin(owner, chains)
        now = _widths(values[mask][None], prob)[0]
        left = np.array([item.width_left(mask, prob) for item in known])
        shares = [item.share(chains) for item in known]
        right = [0.0 if threshold is None else item.right(chains, threshold) for item in known]
        return np.array([1 - left, now * left, shares, right, [now] * len(known)])

    estimates, errors, replicates = from_half_samples(len(counts), of_chains)
    now, left = estimates[4, 0], 1 - estimates[0]
    # Above a part of all draws no one can tell where the interval ends.
    if len(values) * (1 - prob) / 2 < NONE:
        doubt, doubt_now, replicates = np.full(len(known), np.inf), np.inf, 0 * replicates
    else:
        doubt_now = _misread(values[None], prob)[0]
        doubt = np.array([item.misread(prob) for item in known])
    errors[0] = np.hypot(errors[0], doubt)
    errors[1] = np.hypot(errors[1], now * doubt + left * doubt_now)
    errors[2] = np.hypot(errors[2], [item.coarse() for item in known])
    errors[4] = np.hypot(errors[4], doubt_now)
    for row in (1, 4):
        estimates[row], errors[row] = _as_ratio(scale, estimates[row], errors[row])
    names = ("narrowing", "width", "variance_reduction", "decision")[: 3 + (threshold is not None)]
    return Estimates(
        dict(zip(names, estimates, strict=False)),
        dict(zip(names, errors, strict=False)),
        replicates[:, 0],
        {"width_now": (float(estimates[4, 0]), float(errors[4, 0]))},
    )


class _Known:
    """The values of the output beside one input that might become known."""

    def __init__(self, column: Floats, values: Floats, owner: np.ndarray, size: int) -> None:
        count = len(column)
        # Normal scores of the ranks: most outputs are near linear in them.
        scores = ndtri((rankdata(column) - 0.5) / count)
        places, codes = np.unique(scores, return_inverse=True)
        few = len(places) <= _KNOTS + 2
        knots = places if few else np.quantile(scores, np.arange(1, _KNOTS + 1) / (_KNOTS + 1))
        kinks = [*knots] if few else [*knots[1::2], *knots[0::2]]  # the coarse ones first
        columns = np.stack([np.ones(count), scores, *(np.abs(scores - k) for k in kinks)], -1)
        factor, triangle = np.linalg.qr(columns)
        kept = np.abs(np.diag(triangle)) > _DEPENDENT * np.sqrt(count)
        kept[0] = False  # the constant
        self.basis = factor[:, kept] * np.sqrt(count)
        self.coarse_count = int(kept[: columns.shape[1] if few else 2 + _KNOTS // 2].sum())
        classes = int(np.clip(count // size, 1, _CLASSES))
        label = codes if few else (rankdata(column, "ordinal") - 1) * classes // count
        self.label = np.asarray(label, int)
        self.random_label = np.random.default_rng(count).permutation(self.label)
        self.values, self.owner, self.counts = values, owner, np.bincount(owner).astype(float)
        centered = values - values.mean()
        self.products = self.sums(centered)
        # What is left of the values around their expectation given the input.
        self.left = np.asarray(centered - self.basis @ (self.products.sum(0) / count))

    def sums(self, values: Floats) -> Floats:
        """Sums of values times functions over each chain, shape (chains, functions)."""
        ends = np.cumsum(self.counts).astype(int)[:-1]
        parts = zip(np.split(values, ends), np.split(self.basis, ends), strict=True)
        return np.stack([chain @ functions for chain, functions in parts])

    def share(self, chains: Sequence[int], first: int | None = None) -> float:
        """Share of the variance that goes with the input, by the first functions or all."""
        variance = self.values[np.isin(self.owner, chains)].var()
        if not variance > 0:
            return 0.0
        sums, counts = self.products[list(chains), :first], self.counts[list(chains)]
        products = (sums.sum(0) ** 2 - (sums**2).sum(0)).sum()
        return float(products / (counts.sum() ** 2 - (counts**2).sum()) / variance)

    def coarse(self) -> float:
        """What every other knot adds to the share."""
        every = range(len(self.counts))
        return abs(self.share(every) - self.share(every, self.coarse_count))

    def width_left(self, mask: np.ndarray, prob: float) -> float:
        """Mean width around the expectation in classes of the input, over that in random ones."""
        before = _of_classes(_widths, self.values[mask], self.random_label[mask], prob)
        after = _of_classes(_widths, self.left[mask], self.label[mask], prob)
        return after / before if before else 1.0

    def misread(self, prob: float) -> float:
        """How far off classes may be in the share of the width that is left."""
        before = _of_classes(_widths, self.values, self.random_label, prob) or 1.0
        after = _of_classes(_widths, self.left, self.label, prob)
        unsure = _inverse(_of_classes(_misread, self.values, self.random_label, prob) / before)
        return (_of_classes(_misread, self.left, self.label, prob) + after * unsure) / before

    def right(self, chains: Sequence[int], threshold: float) -> float:
        """Gain in the chance of being right about the threshold, as all other chains decide."""
        above = (self.values > threshold).astype(float)
        sums, totals = self.sums(above), np.bincount(self.owner, above)
        everyone = np.array(chains)
        gains = 0.0
        for chain in chains:
            others, here = everyone[everyone != chain], self.owner == chain
            share = totals[others].sum() / self.counts[others].sum()
            slopes = sums[others].sum(0) / self.counts[others].sum()
            expected = share + self.basis[here] @ slopes
            gains += ((expected > 0.5) == above[here]).sum() - ((share > 0.5) == above[here]).sum()
        return float(gains / self.counts[everyone].sum())


def _class_size(prob: float) -> int:
    """Draws of a class: as many beyond each end as 256 have beyond those of a 90 % interval."""
    size = _CLASS
    while size * (1 - prob) < _CLASS * 0.05:  # 256 do for a 95 % interval too
        size *= 2
    if size > _LARGEST_CLASS:
        raise InputError.of("<prob>", f"must be at most 0.9999 to rank by value (got {prob:g})")
    return size


def _of_classes(
    measure: Callable[[Floats, float], Floats], values: Floats, labels: np.ndarray, prob: float
) -> float:
    """Mean of a measure over classes, each by its share of the draws."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(values[order], np.flatnonzero(np.diff(labels[order])) + 1)
    return float(sum(measure(part[None], prob)[0] * len(part) for part in parts) / len(values))


def _widths(rows: Floats, prob: float) -> Floats:
    """Width of the interval over the last axis."""
    return quantile(rows, (1 + prob) / 2) - quantile(rows, (1 - prob) / 2)


def _misread(rows: Floats, prob: float) -> Floats:
    """How far off the widths of rows are on average where values repeat or leave a gap.

    A row whose end lies at a gap reads it on the wrong side with the chance that its count is that
    far off. All rows err to one side, so that their spread does not show it, nor do more of them
    mend it. As in `results.pooled_quantile` a gap is what is much wider than the density tells,
    here by its slope over normal scores, in which most tails are near straight.
    """
    count = rows.shape[-1]
    ordered, off = np.sort(rows, axis=-1), np.zeros(len(rows))
    for level in ((1 - prob) / 2, (1 + prob) / 2):
        tail = min(level, 1 - level)
        error = np.sqrt(level * (1 - level) / count)
        steps = np.arange(1, _FAR + 1)[:, None]
        away = np.clip(level + steps * error * np.array([-1, 1]), 0.5 / count, 1 - 0.5 / count)
        reach = tail * np.clip(5 / (count * tail), 0.2, 0.9) * np.array([-1, 1])
        levels = np.concatenate([[level], level + reach, away.ravel()])
        middle, low, high, *others = quantile(ordered, levels[:, None])
        scores = np.abs(ndtri(levels) - ndtri(level))
        # Each side from the nearest draw: between two draws the quantile may lie within the gap.
        place = np.clip(level * count - 0.5, 0, count - 1)
        below, above = ordered[:, int(place)], ordered[:, int(np.ceil(place))]
        slopes = np.minimum((below - low) / scores[1], (high - above) / scores[2])
        apart = np.abs(np.array(others) - middle).reshape(_FAR, 2, -1)
        usual = 2 * scores[3:] + _STEP / count / norm.pdf(ndtri(level))
        gap = (apart > slopes * usual.reshape(_FAR, 2, 1)).any(1)
        gap |= (ordered == middle[:, None]).mean(-1) > 1.5 / count  # a value with mass
        more = np.diff(apart.max(1), axis=0, prepend=0.0)
        off += (np.where(gap, more, 0.0) * ndtr(1 - steps)).sum(0)
    return off


def _inverse(share: float) -> float:
    """How far off 1/x may be relatively, where x may be too large by this share of it."""
    return share / (1 - min(share, 0.9))


def _as_ratio(scale: Scale, widths: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """On the log scale the ratio of the ends."""
    return (np.exp(widths), np.exp(widths) * errors) if scale == "log" else (widths, errors)
