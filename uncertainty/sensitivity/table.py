"""The shape that every ranking has: estimates, standard errors, ranks and their probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats

_RESAMPLES = 2000
_ESTABLISHED = 0.975  # to one side: an order of equals is found in a twentieth of the cases


@dataclass(frozen=True)
class Estimates:
    """What a method found.

    Attributes
    ----------
    values, errors : mapping of str to array
        Shape (players,).
    replicates : array
        What ranks by size, once for each randomization, shape (randomization, players); the
        mean over any of them is again an estimate, up to a factor common to the players.
    extras : mapping of str to (value, standard error)
        Scalars shown beside the table.
    pairs : mapping of str to (values, standard errors)
        Of two players each, shape (players, players); the diagonal is without meaning.
    """

    values: Mapping[str, Floats]
    errors: Mapping[str, Floats]
    replicates: Floats
    extras: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    pairs: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)


def ranking_table(
    names: Sequence[str], found: Estimates, attributes: Mapping[str, str | int | float], seed: int
) -> xr.Dataset:
    """Label the estimates, largest first."""
    sizes = np.abs(found.replicates.mean(0))
    order = np.argsort(-sizes, kind="stable")
    chances = _rank_probability(found.replicates, seed)
    table: dict[str, tuple[str | tuple[str, ...], np.ndarray]] = {
        **{key: ("input", values[order]) for key, values in found.values.items()},
        **{f"{key}_se": ("input", errors[order]) for key, errors in found.errors.items()},
        "rank": ("input", np.arange(1, len(names) + 1)),
        "tied_rank": ("input", _tied_ranks(found.replicates[:, order], seed)),
        "rank_probability": (("input", "position"), chances[order]),
    }
    for key, (value, error) in found.extras.items():
        table |= {key: ((), np.asarray(value)), f"{key}_se": ((), np.asarray(error))}
    coords = {"input": [names[i] for i in order], "position": np.arange(1, len(names) + 1)}
    if found.pairs:
        coords["other"] = coords["input"]
    for key, parts in found.pairs.items():
        for name, part in zip((key, f"{key}_se"), parts, strict=True):
            off = np.where(np.eye(len(names), dtype=bool), np.nan, part)
            table[name] = (("input", "other"), off[np.ix_(order, order)])
    return xr.Dataset(table, coords, dict(attributes))


def ratio(parts: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Mean of `parts` (randomization, players) over mean variance, with standard errors."""
    if not variance.mean() > 0:
        return np.zeros(parts.shape[1]), np.zeros(parts.shape[1])
    share = parts.mean(0) / variance.mean()
    residual = (parts - share * variance[:, None]) / variance.mean()
    return share, residual.std(0, ddof=1) / np.sqrt(len(parts))


def _resampled(replicates: Floats, seed: int) -> Floats:
    """Sizes under resampling of the randomizations, shape (resamples, players)."""
    count, size = replicates.shape
    generator = np.random.default_rng([seed, count, size])
    chosen = generator.integers(0, count, (_RESAMPLES, count))
    return np.asarray(np.abs(replicates[chosen].mean(1)))


def _tied_ranks(replicates: Floats, seed: int) -> np.ndarray:
    """Ranks of players in order; one not established to be below the first of a rank shares it."""
    sizes, ranks = _resampled(replicates, seed), np.ones(replicates.shape[1], int)
    first = 0
    for i in range(1, len(ranks)):
        if (sizes[:, first] > sizes[:, i]).mean() >= _ESTABLISHED:
            first = i
        ranks[i] = first + 1
    return ranks


def _rank_probability(replicates: Floats, seed: int) -> Floats:
    """Chance of each position under resampling of the randomizations; ties are shared."""
    means, size = _resampled(replicates, seed), replicates.shape[1]
    tiebreak = np.random.default_rng([seed, size]).random(means.shape)
    order = np.lexsort((tiebreak, -means), axis=-1)
    chances = np.zeros((size, size))
    for position in range(size):
        chances[:, position] = np.bincount(order[:, position], minlength=size)
    return chances / _RESAMPLES
