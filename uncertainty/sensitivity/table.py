"""The shape that every ranking has: estimates, standard errors, ranks and their probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from uncertainty.precision import Floats

__all__ = ["Estimates", "ranking_table", "ratio"]

_RESAMPLES = 2000


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


def _rank_probability(replicates: Floats, seed: int) -> Floats:
    """Chance of each position under resampling of the randomizations; ties are shared."""
    count, size = replicates.shape
    generator = np.random.default_rng([seed, count, size])
    chosen = generator.integers(0, count, (_RESAMPLES, count))
    means = np.abs(replicates[chosen].mean(1))
    tiebreak = generator.random(means.shape)
    order = np.lexsort((tiebreak, -means), axis=-1)
    chances = np.zeros((size, size))
    for position in range(size):
        chances[:, position] = np.bincount(order[:, position], minlength=size)
    return chances / _RESAMPLES
