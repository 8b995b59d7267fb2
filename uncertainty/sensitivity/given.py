"""Measures from draws alone: correlations, distances of distributions, the weight of priors."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import xarray as xr
from scipy.linalg import hadamard
from scipy.stats import rankdata

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.inference import whole
from uncertainty.results import batched, draws_of, smoothed_weights, standard_error
from uncertainty.sensitivity.pick_freeze import Estimates, Scale, Statistic
from uncertainty.sensitivity.sample import Sample, from_half_samples, pooled_estimate

_CELLS = 2**7  # at most, of each side of the unit square
_WIDTHS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16)  # of smoothing, in parts of the unit square
_SLOWEST = 1 / (np.sqrt(2) - 1)  # what is lost falls at least as the root of the draws
_Kind: TypeAlias = tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]
_ALONE = 1e-10  # relative size of a residual that is rounding
_ALPHAS = (0.8, 1.25)  # powers of a density, as the method's authors take them


def correlation(sample: Sample) -> Estimates:
    """Rank correlation with the output, and the partial one, given all other inputs.

    Returns
    -------
    Estimates
        ``rank_correlation`` and ``partial_rank_correlation``; ranked by the size of the first.

    Notes
    -----
    What rises and falls again may have a correlation of 0. Where all other inputs leave nothing of
    the output, the partial one is 0, known to what as many draws of independent variables show.

    Spearman (1904), Am. J. Psychology 15, 72. The partial one is the correlation of what
    regressions on the ranks of all others leave: Iman and Conover (1979), Technometrics 21, 499.
    """
    values, errors, replicates = from_half_samples(
        len(sample.values), lambda chains: _correlations(*sample.pooled(chains))
    )
    inputs, output = sample.pooled(range(len(sample.values)))
    # Half-samples that agree on 0 do not show how far from it chance may be.
    unclear = (values[1] == 0) & (errors[1] == 0) & np.ptp(inputs, axis=0).astype(bool)
    by_chance = 1 / np.sqrt(max(len(output) - inputs.shape[1] - 1, 1))
    errors[1] = np.where(unclear & bool(np.ptp(output)), by_chance, errors[1])
    columns = zip(values, errors, strict=True)
    names = ("rank_correlation", "partial_rank_correlation")
    return Estimates(dict(zip(names, columns, strict=True)), replicates[:, 0])


def delta(sample: Sample) -> Estimates:
    """Borgonovo's delta: half the expected area between the density and that given an input.

    Returns
    -------
    Estimates
        ``delta``, between 0 and 1; of an input that does nothing its estimate scatters about 0.

    Notes
    -----
    Borgonovo (2007), Reliability Engineering and System Safety 92, 771. See `_largest_gain`.
    """
    # Bet on every cell that is more likely than were the two independent, against the others.
    return _distances(sample, "delta", (np.asarray, lambda excess: np.sign(excess) / 2))


def pawn(sample: Sample) -> Estimates:
    """PAWN: distance between the distribution and that given an input.

    Returns
    -------
    Estimates
        ``pawn``, the mean over the input of the Kolmogorov-Smirnov distance, between 0 and 1; of
        an input that does nothing its estimate scatters about 0.

    Notes
    -----
    Pianosi and Wagener (2018), Environmental Modelling and Software 108, 197. See
    `_largest_gain`.
    """
    return _distances(sample, "pawn", _BELOW)


def _below_one(excess: Floats) -> Floats:
    """Bet, for each class of the input, on the output being below its most telling value."""
    at = np.abs(excess).argmax(-1, keepdims=True)
    sides = np.sign(np.take_along_axis(excess, at, -1))
    return np.asarray(sides * (np.arange(excess.shape[-1]) <= at))


_BELOW: _Kind = (lambda excess: excess.cumsum(-1)), _below_one


def _distances(sample: Sample, key: str, kind: _Kind) -> Estimates:
    """Distances of one kind between the output's distribution and that given each input."""
    owner = _owner(sample)
    inputs, values = sample.pooled(range(len(sample.values)))
    gains = [_largest_gain(column, values, owner, kind) for column in inputs.T]
    estimates, errors = (np.array([item[i] for item in gains]) for i in range(2))
    # An estimate below 0 is that of something that does little: its size is 0.
    replicates = np.stack([each + max(value, 0) - value for value, _, each in gains], -1)
    return Estimates({key: (np.minimum(estimates, 1.0), errors)}, replicates)


def _owner(sample: Sample) -> np.ndarray:
    """Number of the group of chains of each draw: 16 groups, or the next lower power of two."""
    chains = len(sample.values)
    groups = 2 ** min(chains.bit_length() - 1, 4)
    return np.repeat(np.arange(chains) * groups // chains, [len(chain) for chain in sample.values])


def _largest_gain(
    first: Floats, second: Floats, owner: np.ndarray, kind: _Kind
) -> tuple[float, float, Floats]:
    """The most that a bet on two variables gains over the same bet on the two drawn apart.

    Both distances are such a largest gain. A bet that is judged by the draws that suggested it
    gains by chance, which is what makes the usual estimates too large. Here each half of the chains
    suggests bets by which the other half is judged, over balanced halves: for an input that does
    nothing the expectation is 0, and what is lost by bets that are not the best is of second order.
    That loss is extrapolated, from half as many draws to bet by and from half as many cells,
    and half of what this adds is part of the error.

    Given are the values of each draw, the number of its chain, and a kind of bet. It leads from
    excesses of cells, shape (classes of the first, ..., of the second), to what a bet is chosen by,
    linear and along the last axis alone; and from these to weights of the cells. Returned are the
    estimate, its standard error, and an estimate of each chain.
    """
    cells = int(np.clip(2 ** (2 + int(np.log2(len(second))) // 3), 2**3, _CELLS))
    pair = _Classes.of(first, cells), _Classes.of(second, cells)
    full, fewer = (_gains(pair, parts, owner, kind) for parts in (1, 2))
    coarser = _gains((pair[0].halved(), pair[1].halved()), 1, owner, kind)
    added = _SLOWEST * (full - fewer) + full - coarser
    total, correction = full + added, float(added.mean())
    error, of_correction = _spread(total), _spread(added)
    left = max(correction**2 - of_correction**2, 0.0) / 4
    estimate, each = float(total.mean()), total.mean(1)
    whole, apart = float(np.sqrt(error**2 + left)), float(standard_error(each))
    if min(len(classes.places) for classes in pair) > 1:
        whole = max(whole, 1 / len(second))  # even points agree to the last one in every cell
    # Chains apart show too little of the error, as `_spread` says.
    return estimate, whole, estimate + (each - estimate) * (whole / apart if apart > 0 else 1.0)


@dataclass(frozen=True)
class _Classes:
    """Classes of a variable: of equal numbers of draws, or of one value where these are few."""

    codes: np.ndarray  # class of each draw
    places: Floats  # mean rank of each class, in (0, 1)
    whole: bool  # each value has a class

    @classmethod
    def of(cls, values: Floats, classes: int) -> "_Classes":
        ranks = (rankdata(values) - 0.5) / len(values)
        distinct, codes = np.unique(values, return_inverse=True)
        if len(distinct) <= classes:
            return cls(codes, np.bincount(codes, ranks) / np.bincount(codes), True)
        codes = (ranks * classes).astype(int)
        return cls(codes, (np.arange(classes) + 0.5) / classes, False)

    def halved(self) -> "_Classes":
        """Half as many, where classes hold several values."""
        if self.whole:
            return self
        return _Classes(self.codes // 2, self.places.reshape(-1, 2).mean(1), False)

    def kernel(self, width: float) -> Floats:
        """Smoothing of what the classes hold, reflected at both ends."""
        if not width:
            return np.eye(len(self.places))
        mirrored = np.stack([self.places, -self.places, 2 - self.places])
        steps = (self.places[:, None] - mirrored[:, None]) / width
        weights = np.exp(-(steps**2) / 2).sum(0)
        return np.asarray(weights / weights.sum(1, keepdims=True))


def _gains(pair: tuple[_Classes, _Classes], parts: int, owner: np.ndarray, kind: _Kind) -> Floats:
    """What bets gain on each chain: shape (chains, halvings of the chains).

    A chain is bet on by the half that it is not in, or by each of two `parts` of that half, with
    the smoothing that is best for the other chains of its half: it has no say in its bets.
    """
    accumulated, bets = kind
    chains = int(owner[-1]) + 1
    shape = len(pair[0].places), chains, len(pair[1].places)
    code = (pair[0].codes * chains + owner) * shape[2] + pair[1].codes
    counts = np.bincount(code, minlength=math.prod(shape)).reshape(shape)
    joint: Floats = counts.astype(np.float64) * (chains / len(owner))
    margins = joint.mean(1).sum(1), joint.mean(1).sum(0)
    signs = hadamard(chains)[1:]
    # Who bets, shape (side, part, halving, chain): a part agrees on the next halving too.
    sides = np.stack([signs > 0, signs < 0])[:, None]
    following = np.roll(signs, -1, 0)
    who = sides & np.stack([following > 0, following < 0])[None] if parts == 2 else sides
    share = who.reshape(-1, chains) * (2 * parts / chains)
    held, gains = accumulated(joint), []
    # All products are of small matrices, one for each class of the first: larger ones are shared
    # among threads, which on a busy machine wait for one another five times as long as they work.
    for width in _WIDTHS:
        rows, columns = (axis.kernel(width) for axis in pair)
        smooth = (rows @ (held @ columns.T).swapaxes(0, 1)).swapaxes(0, 1) if width else held
        first = rows @ joint.sum(2) @ share.T
        second = share @ accumulated(joint.sum(0)) @ columns.T
        # Of even points many cells hold what they should, or tie, but for rounding.
        weights = bets(np.round(share @ smooth - first[:, :, None] * second, 12))
        # Less what the margins gain by themselves, which is 0 over all chains.
        weights = weights - (weights @ margins[1])[:, :, None]
        weights = weights - np.einsum("itj,i->tj", weights, margins[0])
        gained = (weights @ joint.swapaxes(1, 2)).sum(0)
        each = gained.reshape(2, parts, len(signs), chains).mean(1)
        gains.append(np.where(signs > 0, each[1], each[0]))
    judged = np.stack(gains)  # (width, halving, chain)
    mates = (signs[:, :, None] == signs[:, None, :]) & ~np.eye(chains, dtype=bool)
    best = np.einsum("wsp,spq->wq", judged, mates).argmax(0)
    return judged[best, :, np.arange(chains)]


def _spread(gains: Floats) -> float:
    """Standard error of the mean of gains (chains, halvings).

    Each chain is judged by bets of others and bets on others, so that its gains are not
    independent: what changes from halving to halving counts once more.
    """
    chains = len(gains)
    between, within = gains.mean(1).var(ddof=1), gains.var(1, ddof=1).mean()
    return float(np.sqrt(between / chains + within / (chains - 1)))


def region(sample: Sample, inside: Sequence[np.ndarray], prob: float) -> Estimates:
    """Where inputs lie under a condition, and how far that is from where they lie without.

    Parameters
    ----------
    sample : Sample
    inside : sequence of array of bool
        Which draws of each chain meet the condition.
    prob : float

    Returns
    -------
    Estimates
        ``lower``, ``middle`` and ``upper``: quantiles under the condition, `prob` between the
        outer two; ``distance``: of the distribution under it from that of all draws,
        Kolmogorov-Smirnov.

    Notes
    -----
    Regional sensitivity analysis: Spear and Hornberger (1980), Water Research 14, 43. See
    `_largest_gain`.
    """

    def below_one_inside(excess: Floats) -> Floats:
        """Bet as `_below_one`, in the last class alone."""
        weights = _below_one(excess)
        weights[:-1] = 0
        return weights

    probabilities, chosen = ((1 - prob) / 2, 0.5, (1 + prob) / 2), sample.among(inside)
    columns = [[chain[:, i] for chain in chosen.inputs] for i in range(len(sample.names))]
    places = np.array([[pooled_estimate(x, p) for x in columns] for p in probabilities])
    names = ("lower", "middle", "upper")
    table = {name: (p[:, 0], p[:, 1]) for name, p in zip(names, places, strict=True)}
    met, inputs = np.concatenate(inside), sample.pooled(range(len(sample.values)))[0]
    kind, owner = (_BELOW[0], below_one_inside), _owner(sample)
    gains = [_largest_gain(met.astype(np.float64), column, owner, kind) for column in inputs.T]
    # Gained on the draws that meet the condition, of all draws.
    distances, errors = (np.array([item[i] for item in gains]) / met.mean() for i in range(2))
    return Estimates({**table, "distance": (distances, errors)}, distances[None])


def _correlations(inputs: Floats, values: Floats) -> Floats:
    """Rank correlations and partial ones: shape (2, inputs)."""
    ranks = rankdata(np.column_stack([inputs, values]), axis=0)
    # Dot products of columns are those of the columns of this small triangle, and its differences
    # keep the digits that a matrix of correlations near 1 loses.
    triangle = np.linalg.qr(ranks - ranks.mean(0), mode="r")
    triangle = np.pad(triangle, ((0, triangle.shape[1] - len(triangle)), (0, 0)))  # few draws
    sizes = np.linalg.norm(triangle, axis=0)
    triangle = triangle / np.where(sizes > 0, sizes, 1.0)
    last = triangle.shape[1] - 1
    partial_ones = np.zeros(last)
    for i in range(last):
        # What all others leave of the input and of the output stands last in the triangle.
        others = [j for j in range(last) if j != i]
        left = np.linalg.qr(triangle[:, [*others, i, last]], mode="r")
        alone, common, rest = left[-2, -2], left[-2, -1], left[-1, -1]
        size = np.hypot(common, rest)
        if min(abs(alone), size) > _ALONE:
            partial_ones[i] = np.sign(alone) * common / size
    return np.array([triangle[:, :-1].T @ triangle[:, -1], partial_ones])


def power_scaling(
    tree: xr.DataTree, quantity: str, statistic: Statistic, scale: Scale
) -> tuple[list[str], Estimates]:
    """How far an output moves when one prior, or the evidence, is made weaker and stronger.

    Returns
    -------
    names : list of str
        Assumptions that evidence bears on, and evidence.
    Estimates
        ``prior``: the change of the distribution of the output, for a doubling of the power of
        that density; above 0.05 it is worth a look.

    Notes
    -----
    Kallioinen et al. (2024), Statistics and Computing 34, 57, with Pareto-smoothed weights, by
    ArviZ; powers 0.8 and 1.25. The densities of priors are those of the natural scale.
    """
    from arviz_stats.base import array_stats

    if "posterior" not in tree.children:
        raise InputError.of("<method>", "prior is for a posterior: give a result of infer")
    tree = whole(tree, "log_prior")
    assumptions = [str(name) for name in json.loads(str(tree.attrs["updated"]))]
    evidence = [str(name) for name in tree["log_likelihood"].data_vars]
    densities = {
        **{name: np.asarray(tree["log_prior"][name].values) for name in assumptions},
        **{name: np.asarray(tree["log_likelihood"][name].sum(f"{name}_row")) for name in evidence},
    }
    draws = draws_of(tree, quantity, statistic)
    values = np.log(draws) if scale == "log" else draws
    columns = np.stack([batched(density, tree) for density in densities.values()])

    def moves(chains: Sequence[int]) -> Floats:
        """Sensitivity to each density, from the draws of some chains."""
        moved = np.zeros(len(columns))
        for i, density in enumerate(columns[:, chains]):
            if np.ptp(density):
                powers = (smoothed_weights((alpha - 1) * density.ravel()) for alpha in _ALPHAS)
                weights = [power.weights.reshape(density.shape) for power in powers]
                moved[i] = array_stats.power_scale_sense(values[chains], *weights, *_ALPHAS)
        return moved

    estimates, errors, replicates = from_half_samples(len(values), moves)
    return list(densities), Estimates({"prior": (estimates, errors)}, replicates)
