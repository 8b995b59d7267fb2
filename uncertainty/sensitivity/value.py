"""Value of information: what knowing one input exactly would buy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm, rankdata

from uncertainty.arrays import Floats, Integers
from uncertainty.errors import InputError
from uncertainty.problem import Columns
from uncertainty.results import NONE, quantile_of_runs, standard_error
from uncertainty.sampling import RANDOMIZATIONS
from uncertainty.sensitivity.pick_freeze import (
    Estimates,
    Player,
    Scale,
    Target,
    base_points,
    mixed,
    pair_of_points,
    randomizations,
    ratio,
)
from uncertainty.sensitivity.sample import Sample, from_half_samples

_CLASS = 2**8  # draws given one value: 13 of them lie beyond each end of a 90 % interval
_LARGEST_CLASS = 2**17
_VALUES = {False: 2**5, True: 2**3}  # of a player in each randomization; True where nested
_LEAST_VALUES = 4  # where an interval so wide takes larger classes
_KNOTS = 15  # of a piecewise linear expectation: every other one alone shows what more would add
_MOST = _KNOTS + 3  # functions: a line and a kink at each of two values more than knots
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
    Where values repeat or leave a gap it does not cancel: see `_Classes.misread`.
    """
    size = _class_size(target.prob)
    values = max(_VALUES[target.nested] * _CLASS // size, _LEAST_VALUES)
    count = base_points(draws, RANDOMIZATIONS * size * values)
    if count < size:
        raise InputError.of("<draws>", f"must be {RANDOMIZATIONS * size} or more (got {draws})")
    # The first row keeps nothing, which is how things are now.
    keep = np.eye(len(chosen) + 1, len(chosen), -1, dtype=bool)[:, None]

    def one(number: int) -> Floats:
        """Widths, variances, chances of being right, misread widths: shape (5, 1 + players)."""
        first, second = pair_of_points(target, count // size * size, seed, number)
        given: Columns = {
            n: np.repeat(column[: count // size], size) for n, column in first.items()
        }
        values = mixed(target, chosen, keep, (given, second), target.inner(seed, number))
        rows = values.reshape(len(keep), -1, size)
        classes, now = _Classes.of_rows(rows), _Classes.of_rows(values[:1, None])
        widths = classes.widths(target.prob).reshape(rows.shape[:2]).mean(-1)
        variances = (rows - values[0, 0]).var(-1).mean(-1)  # exactly 0 where all are the same
        # An interval of one value, as of a constant, has no width to be scaled.
        scale = now.widths(target.prob)[0] / widths[0] if widths[0] > 0 else 1.0
        right = np.zeros(len(keep))
        if target.threshold is not None:
            above = (rows > target.threshold).mean(-1)
            above[0] = above[0].mean()  # nothing is known in the first row
            right = np.maximum(above, 1 - above).mean(-1)
        misread = classes.misread(target.prob).reshape(rows.shape[:2]).mean(-1)
        all_misread = np.full(len(keep), now.misread(target.prob)[0])
        return np.stack([widths * scale, variances, right, misread * scale, all_misread])

    # Over (randomization, player): first what is so now, then what is expected.
    widths, variances, right, misreadings, of_all = np.moveaxis(randomizations(one), 1, 0)
    misread = misreadings.mean(0)
    gains = widths[:, :1] - widths[:, 1:]
    narrowing, error = ratio(gains, widths[:, 0])
    now = widths[:, 0].mean() or 1.0
    unsure = _inverse(misread[0] / now)
    error = np.hypot(error, misread[1:] / now + (1 - narrowing) * unsure)
    after, misread_now = widths[:, 1:].mean(0), of_all[:, 0].mean()
    # What is now stands in the scale of all widths, as read from classes and from all points.
    doubt = misread[1:] + after * (unsure + misread_now / now)
    after_error = np.hypot(standard_error(widths[:, 1:]), doubt)
    se_now = np.hypot(standard_error(widths[:, 0]), misread_now)
    columns = {
        "narrowing": (narrowing, error),
        "width": _as_ratio(target.scale, after, after_error),
        "variance_reduction": ratio(variances[:, :1] - variances[:, 1:], variances[:, 0]),
        "width_now": _as_ratio(target.scale, widths[:, 0].mean(), se_now),
    }
    if target.threshold is not None:
        change = right[:, 1:] - right[:, :1]
        columns["decision"] = change.mean(0), standard_error(change)
    return Estimates(columns, gains * (narrowing != 0))


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
    counts = np.array([len(chain) for chain in sample.values])
    ends, size, every = np.cumsum(counts), _class_size(prob), np.arange(len(counts))
    owner, centered = np.repeat(every, counts), values - values.mean()
    bases, products = list[Floats](), list[Floats]()
    coarse, labels = list[np.ndarray](), list[Integers]()
    for column in inputs.T:
        basis, number, label = _basis(column, size)
        bases.append(basis)
        parts = zip(np.split(centered, ends[:-1]), np.split(basis, ends[:-1]), strict=True)
        sums = np.stack([chain @ functions for chain, functions in parts])
        # Inputs of fewer values have fewer functions; what is not there adds nothing.
        products.append(np.pad(sums, ((0, 0), (0, _MOST - sums.shape[1]))))
        coarse.append(np.arange(_MOST) < number)
        labels.append(label)
    sums = np.stack(products)  # (input, chain, function)
    # What is left of the values around their expectation given each input.
    left = centered - [
        basis @ (s[:, : basis.shape[1]].sum(0) / len(values))
        for basis, s in zip(bases, sums, strict=True)
    ]
    shuffled = [np.random.default_rng(len(values)).permutation(label) for label in labels]
    # One row an input in random classes of the sizes of its own, then one in its own.
    both = np.concatenate([np.broadcast_to(values, left.shape), left])
    classes = _Classes.of_labels(both, np.array([*shuffled, *labels]))

    def of_chains(chains: Sequence[int]) -> Floats:
        """Gains, widths, shares, chances of being right and the width now: shape (5, inputs)."""
        mask = np.isin(owner, chains)
        now = _Classes.of_rows(values[None, mask]).widths(prob)[0]
        inside = classes.among(mask)
        before, after = inside.mean(inside.widths(prob)).reshape(2, -1)
        kept = np.where(before > 0, after / np.where(before > 0, before, 1.0), 1.0)
        shares = _shares(sums[:, chains], counts[chains], values[mask].var())
        decided = np.zeros(len(sums))
        if threshold is not None:
            above = [values[owner == chain] > threshold for chain in chains]
            decided[:] = [_right(above, [basis[owner == c] for c in chains]) for basis in bases]
        return np.array([1 - kept, now * kept, shares, decided, np.full(len(sums), now)])

    estimates, errors, replicates = from_half_samples(len(counts), of_chains)
    now, kept = estimates[4, 0], 1 - estimates[0]
    # Above a part of all draws no one can tell where the interval ends.
    if len(values) * (1 - prob) / 2 < NONE:
        doubt, doubt_now, replicates = np.full(len(sums), np.inf), np.inf, 0 * replicates
    else:
        doubt_now = _Classes.of_rows(values[None]).misread(prob)[0]
        before, after = classes.mean(classes.widths(prob)).reshape(2, -1)
        before = np.where(before > 0, before, 1.0)
        off_before, off_after = classes.mean(classes.misread(prob)).reshape(2, -1)
        doubt = (off_after + after * _inverse(off_before / before)) / before
    errors[0] = np.hypot(errors[0], doubt)
    errors[1] = np.hypot(errors[1], now * doubt + kept * doubt_now)
    # What every other knot adds to the share.
    fewer = _shares(sums * np.array(coarse)[:, None], counts, values.var())
    errors[2] = np.hypot(errors[2], np.abs(estimates[2] - fewer))
    errors[4] = np.hypot(errors[4], doubt_now)
    for row in (1, 4):
        estimates[row], errors[row] = _as_ratio(scale, estimates[row], errors[row])
    names = ("narrowing", "width", "variance_reduction", "decision")[: 3 + (threshold is not None)]
    columns = dict(zip(names, zip(estimates, errors, strict=True), strict=False))
    columns["width_now"] = estimates[4, 0], errors[4, 0]
    return Estimates(columns, replicates[:, 0])


def _shares(sums: Floats, counts: Integers, variance: float) -> Floats:
    """Shares of the variance, of sums of values times functions (input, chain, function)."""
    squares = (sums.sum(1) ** 2 - (sums**2).sum(1)).sum(-1)
    pairs = float(counts.sum()) ** 2 - float((counts**2).sum())
    return np.asarray(squares / pairs / variance) if variance > 0 else np.zeros(len(sums))


def _right(above: Sequence[np.ndarray], basis: Sequence[Floats]) -> float:
    """Gain in the chance of being right about a threshold, where all other chains decide."""
    counts, totals = (np.array([f(chain) for chain in above]) for f in (len, np.sum))
    slopes = np.stack([here @ functions for here, functions in zip(above, basis, strict=True)])
    # Without the chain itself, the sums of all others.
    left, of_others = counts.sum() - counts, totals.sum() - totals
    gains = 0.0
    for here, functions, slope, number, others in zip(
        above, basis, slopes.sum(0) - slopes, left, of_others, strict=True
    ):
        share = others / number
        expected = share + functions @ (slope / number)
        gains += ((expected > 0.5) == here).sum() - ((share > 0.5) == here).sum()
    return float(gains / counts.sum())


def _basis(column: Floats, size: int) -> tuple[Floats, int, Integers]:
    """Functions of one input that an expectation is made of, and its classes.

    Returns
    -------
    functions, shape (draws, functions), orthonormal over the draws; how many of them are the coarse
    ones, which come first; and the class of each draw, of `size` draws or more
    """
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
    coarse = int(kept[: columns.shape[1] if few else 2 + _KNOTS // 2].sum())
    classes = int(np.clip(count // size, 1, _CLASSES))
    label = codes if few else (rankdata(column, "ordinal") - 1) * classes // count
    return factor[:, kept] * np.sqrt(count), coarse, np.asarray(label, np.int64)


def _class_size(prob: float) -> int:
    """Draws of a class: as many beyond each end as 256 have beyond those of a 90 % interval."""
    size = _CLASS
    while size * (1 - prob) < _CLASS * 0.05:  # 256 do for a 95 % interval too
        size *= 2
    if size > _LARGEST_CLASS:
        raise InputError.of("<prob>", f"must be at most 0.9999 to rank by value (got {prob:g})")
    return size


@dataclass(frozen=True)
class _Classes:
    """Sorted values of classes of draws, those of each of several rows, in one array."""

    ordered: Floats  # class after class
    draws: Integers  # number of each of these within its row
    counts: Integers  # draws of each class, none of them 0
    rows: Integers  # row of each class

    @classmethod
    def of_labels(cls, values: Floats, labels: Integers) -> "_Classes":
        """Classes by label: both of shape (rows, draws)."""
        draws = np.lexsort((values, labels))
        number, rows = int(labels.max()) + 1, np.arange(len(values))
        counts = np.bincount(
            (rows[:, None] * number + labels).ravel(), minlength=rows.size * number
        )
        ordered, owner = np.take_along_axis(values, draws, -1), np.repeat(rows, number)
        some = counts > 0
        return cls(ordered.ravel(), draws.ravel(), counts[some], owner[some])

    @classmethod
    def of_rows(cls, values: Floats) -> "_Classes":
        """Every row of the last axis a class by itself."""
        count = values.shape[-1]
        rows, draws = np.arange(values.size // count), np.argsort(values, axis=-1)
        ordered = np.take_along_axis(values, draws, -1)
        return cls(ordered.ravel(), draws.ravel(), np.full_like(rows, count), rows)

    def among(self, mask: np.ndarray) -> "_Classes":
        """Those of some draws alone."""
        inside = mask[self.draws]
        counts = np.add.reduceat(inside, self.starts, dtype=int)
        some = counts > 0
        return _Classes(self.ordered[inside], self.draws[inside], counts[some], self.rows[some])

    @property
    def starts(self) -> Integers:
        """Where each class begins."""
        return np.asarray(np.cumsum(self.counts) - self.counts)

    def mean(self, measures: Floats) -> Floats:
        """Mean over the classes of each row, each by its share of the draws."""
        return np.bincount(self.rows, measures * self.counts) / np.bincount(self.rows, self.counts)

    def quantile(self, levels: Floats | float) -> Floats:
        """Quantiles of each class, the last axis."""
        return quantile_of_runs(self.ordered, self.starts, self.counts, levels)

    def widths(self, prob: float) -> Floats:
        """Width of the interval of each class."""
        return self.quantile((1 + prob) / 2) - self.quantile((1 - prob) / 2)

    def misread(self, prob: float) -> Floats:
        """How far off widths are on average where values repeat or leave a gap.

        A class whose end lies at a gap reads it on the wrong side with the chance that its count is
        that far off. All classes err to one side, so that their spread does not show it, nor do
        more of them mend it. As in `results.pooled_quantile` a gap is what is much wider than the
        density tells, here by its slope over normal scores, in which most tails are near straight.
        """
        counts, off = self.counts, np.zeros(len(self.counts))
        steps, sides = np.arange(1, _FAR + 1)[:, None, None], np.array([[-1.0], [1.0]])
        for level in ((1 - prob) / 2, (1 + prob) / 2):
            tail, score = min(level, 1 - level), ndtri(level)
            errors = np.sqrt(level * (1 - level) / counts)
            # Over (step, side, class).
            away = np.clip(level + steps * errors * sides, 0.5 / counts, 1 - 0.5 / counts)
            near = level + tail * np.clip(5 / (counts * tail), 0.2, 0.9) * sides
            middle, (low, high) = self.quantile(level), self.quantile(near)
            # Each side from the nearest draw: between two the quantile may lie within the gap.
            place = np.clip(level * counts - 0.5, 0, counts - 1)
            below, above = (
                self.ordered[self.starts + whole(place).astype(int)]
                for whole in (np.floor, np.ceil)
            )
            reach = np.abs(ndtri(near) - score)
            slopes = np.minimum((below - low) / reach[0], (high - above) / reach[1])
            apart = np.abs(self.quantile(away) - middle)
            usual = 2 * np.abs(ndtri(away) - score) + _STEP / counts / norm.pdf(score)
            gap = (apart > slopes * usual).any(1)
            same = np.add.reduceat(
                self.ordered == np.repeat(middle, counts), self.starts, dtype=int
            )
            gap |= same > 1.5  # a value with mass
            more = np.diff(apart.max(1), axis=0, prepend=0.0)
            off += (np.where(gap, more, 0.0) * ndtr(1 - steps[:, 0])).sum(0)
        return off


def _inverse(share: Floats) -> Floats:
    """How far off 1/x may be relatively, where x may be too large by this share of it."""
    return np.asarray(share / (1 - np.minimum(share, 0.9)))


def _as_ratio(scale: Scale, widths: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """On the log scale the ratio of the ends."""
    return (np.exp(widths), np.exp(widths) * errors) if scale == "log" else (widths, errors)
