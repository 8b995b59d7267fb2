"""Forward points weighted by the likelihood: the same posterior by another way."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from uncertainty.arrays import Floats, Integers
from uncertainty.inference.nuts import Chains
from uncertainty.inference.target import batches_at, coordinates_of, labels_of
from uncertainty.problem import Target
from uncertainty.results import BATCHES, Smoothed, ess_bulk, smoothed_weights
from uncertainty.sampling import normal_scores

DISAGREE = "NUTS and importance sampling disagree"
"""How a warning tells of chains that weights contradict."""
RELIABLE = 0.7
"""Pareto k below which weights can be relied on."""
FEWEST = 400
"""Effective draws that weights must leave."""
_SOME = 64
"""Effective points under which the tail of the weights has not been seen, whatever its fit."""
_EXPECTED, _FEWEST_EXPECTED = 2**22, 2**10
"""Expected measurements that are kept, and of how many points at least."""
_MOST = 2**16
"""Points that are weighted."""
_RANDOMIZATIONS = 16
_POINTS, _FEWEST_POINTS = 2**9, 2**6
"""Of each randomization."""
_FALSE_ALARM = 1e-4
"""Chance, for all coordinates together, of a disagreement where there is none."""


@dataclass(frozen=True)
class Weighted:
    """Points of the prior with weights.

    Attributes
    ----------
    z : array
        With plain scores of groups, shape (randomizations, points, size).
    log_weight : array
        Log density over that of a standard normal vector, minus infinity for none: the log
        likelihood where scores of groups are plain. Shape (randomizations, points).
    smoothed : Smoothed
        Weights of all points, in order.
    expected : tuple of array
        What the first points expect to be measured: of each observation, shape (points, rows).
    """

    z: Floats
    log_weight: Floats
    smoothed: Smoothed
    expected: tuple[Floats, ...] = ()

    @property
    def reliable(self) -> bool:
        """Whether they say anything."""
        return self.smoothed.k < RELIABLE

    @property
    def log_evidence(self) -> tuple[float, float]:
        """Log probability of the measurements, all unknowns averaged out; with standard error."""
        largest = self.log_weight.max()
        each = np.exp(self.log_weight - largest).mean(1)
        error = each.std(ddof=1) / math.sqrt(len(each)) / each.mean()
        return float(largest + np.log(each.mean())), float(error)

    def means(self) -> tuple[Floats, Floats]:
        """Posterior mean of each coordinate with its standard error, shape (size,) each."""
        weights = self.smoothed.weights.reshape(self.log_weight.shape)
        whole = np.einsum("rn,rnd->d", weights, self.z)
        # A ratio of two means: its error is that of weighted deviations, by randomization.
        deviations = np.einsum("rn,rnd->rd", weights, self.z - whole)
        return whole, np.asarray(deviations.std(0, ddof=1) * math.sqrt(len(weights)))


def prior_points(target: Target, seed: int, count: int = _POINTS) -> Floats:
    """Randomized points of the prior, shape (randomizations, count, size)."""
    places = coordinates_of(target)
    scores = [
        normal_scores(places, count, seed=seed, randomization=number)
        for number in range(_RANDOMIZATIONS)
    ]
    return np.array([np.stack([own[name] for name in places], -1) for own in scores])


def weigh_prior(target: Target, seed: int, count: int | None = None) -> Weighted:
    """Weight points of the prior by the likelihood, the largest weights smoothed.

    There are `count` points in all, rounded up; 2^13 where not given, and fewer for many rows,
    which leave weights little to say.
    """
    few = max(min(_POINTS, _EXPECTED // max(target.count, 1) // _RANDOMIZATIONS), _FEWEST_POINTS)
    each = few if count is None else -(-count // _RANDOMIZATIONS)
    points = prior_points(target, seed, each)
    plain, weights, expected = list[Floats](), list[Floats](), list[tuple[Floats, ...]]()
    kept = max(_FEWEST_EXPECTED, _EXPECTED // max(target.count, 1))
    for found in batches_at(target, points.reshape(-1, target.size), seed):
        plain.append(np.asarray(found.plain))
        if len(expected) * len(found.plain) < kept:
            expected.append(tuple(map(np.asarray, found.expected)))
        weights.append(np.sum([rows.sum(1) for rows, _ in found.rows], axis=0) + found.volume)
    shape = points.shape[:2]
    z = np.concatenate(plain)[: math.prod(shape)].reshape(points.shape)
    whole = np.concatenate(weights)[: math.prod(shape)]
    log_weight = np.where(np.isnan(whole), -np.inf, whole)
    known = tuple(
        np.concatenate(parts)[: math.prod(shape)] for parts in zip(*expected, strict=True)
    )
    smoothed = smoothed_weights(log_weight)
    if smoothed.effective < _SOME:
        smoothed = replace(smoothed, k=math.inf)
    return Weighted(z, log_weight.reshape(shape), smoothed, known)


def more_weights(target: Target, weighted: Weighted, draws: int, seed: int) -> Weighted | None:
    """Weight as many points as leave `draws` effective ones; nothing where weights cannot."""
    if not weighted.reliable or draws < FEWEST:
        return None
    known = weighted.log_weight.size
    wanted = math.ceil(draws * known / weighted.smoothed.effective)
    more = weigh_prior(target, seed, min(max(wanted, known), _MOST))
    return None if any(unreliable(more)) else more


def by_weights(weighted: Weighted, chains: int, draws: int, seed: int) -> Chains:
    """Draws of equal weight, as many as are effective and at most as are wanted."""
    weights = weighted.smoothed
    points = weighted.z.reshape(-1, weighted.z.shape[-1])
    parts = chains * BATCHES
    count = max(int(min(weights.effective, chains * draws)) // parts, 1) * parts
    chosen = systematic(weights.weights, count, seed)
    return Chains(points[chosen].reshape(chains, -1, points.shape[-1]), {})


def systematic(weights: Floats, count: int, seed: int) -> Integers:
    """Which points `count` draws of equal weight are: systematic resampling, in order."""
    steps = (np.random.default_rng([seed, 3]).random() + np.arange(count)) / count
    return np.minimum(np.searchsorted(np.cumsum(weights), steps), len(weights) - 1)


def unreliable(weighted: Weighted) -> Iterator[str]:
    """Say why a posterior by weights alone is not to be trusted."""
    weights = weighted.smoothed
    hint = "give more draws, narrower priors, or a model in jax.numpy, which chains can follow"
    if not weighted.reliable:
        yield (
            "importance sampling from the prior hardly reaches the posterior (Pareto k "
            f"{weights.k:.2f}, over {RELIABLE}): {hint}"
        )
    if weights.effective < FEWEST:
        yield f"{weights.effective:.0f} effective draws ({FEWEST} are wanted): {hint}"


def disagreements(target: Target, weighted: Weighted, z: Floats) -> Iterator[str]:
    """Say where the chains and the weighted points differ by more than their errors.

    Parameters
    ----------
    z : array
        Of the chains, shape (chain, draw, size).
    """
    from scipy.stats import t

    means, errors = weighted.means()
    limit = float(t.isf(_FALSE_ALARM / 2 / target.size, _RANDOMIZATIONS - 1))
    for name, mean, error, draws in zip(
        labels_of(target), means, errors, np.moveaxis(z, -1, 0), strict=True
    ):
        own = draws.std() / math.sqrt(ess_bulk(draws))
        apart = abs(draws.mean() - mean) / math.hypot(own, error)
        if apart > limit:
            yield (
                f"{name}: {DISAGREE} by {apart:.1f} standard errors "
                f"(mean score {draws.mean():.3f} and {mean:.3f}); run longer chains"
            )
