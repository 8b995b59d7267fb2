"""Forward points weighted by the likelihood: the same posterior by another way."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from uncertainty.health import Smoothed, ess_bulk, smoothed_weights
from uncertainty.likelihood import Target
from uncertainty.precision import Floats
from uncertainty.sampling.points import normal_scores
from uncertainty.sampling.target import coordinates_of, labels_of, rows_at

__all__ = ["DISAGREE", "RELIABLE", "Weighted", "disagreements", "weigh_prior"]

DISAGREE = "NUTS and importance sampling disagree"
"""How a warning tells of chains that weights contradict."""
RELIABLE = 0.7
"""Pareto k below which weights can be relied on."""
_RANDOMIZATIONS = 16
_POINTS = 2**9
_FALSE_ALARM = 1e-4
"""Chance, for all coordinates together, of a disagreement where there is none."""


@dataclass(frozen=True)
class Weighted:
    """Points of the prior with weights.

    Attributes
    ----------
    z : array
        Shape (randomizations, points, size).
    log_likelihood : array
        Shape (randomizations, points).
    smoothed : Smoothed
        Weights of all points, in order.
    """

    z: Floats
    log_likelihood: Floats
    smoothed: Smoothed

    @property
    def reliable(self) -> bool:
        """Whether they say anything."""
        return self.smoothed.k < RELIABLE

    @property
    def log_evidence(self) -> tuple[float, float]:
        """Log probability of the measurements, all unknowns averaged out; with standard error."""
        largest = self.log_likelihood.max()
        each = np.exp(self.log_likelihood - largest).mean(1)
        error = each.std(ddof=1) / math.sqrt(len(each)) / each.mean()
        return float(largest + np.log(each.mean())), float(error)

    def means(self) -> tuple[Floats, Floats]:
        """Posterior mean of each coordinate with its standard error, shape (size,) each."""
        weights = self.smoothed.weights.reshape(self.log_likelihood.shape)
        whole = np.einsum("rn,rnd->d", weights, self.z)
        # A ratio of two means: its error is that of weighted deviations, by randomization.
        deviations = np.einsum("rn,rnd->rd", weights, self.z - whole)
        return whole, np.asarray(deviations.std(0, ddof=1) * math.sqrt(len(weights)))


def prior_points(target: Target, seed: int) -> Floats:
    """Randomized points of the prior, shape (randomizations, points, size)."""
    places = coordinates_of(target)
    scores = [
        normal_scores(places, _POINTS, seed=seed, randomization=number)
        for number in range(_RANDOMIZATIONS)
    ]
    return np.array([np.stack([own[name] for name in places], -1) for own in scores])


def weigh_prior(target: Target, seed: int) -> Weighted:
    """Weight points of the prior by the likelihood, the largest weights smoothed."""
    z = prior_points(target, seed)
    found = rows_at(target, z.reshape(-1, target.size), seed).total
    return Weighted(z, found.reshape(z.shape[:2]), smoothed_weights(found))


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
