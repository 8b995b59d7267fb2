"""Sobol' indices: shares of a variance, by keeping one player, or all but one."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.sampling import RANDOMIZATIONS, normal_scores
from uncertainty.sensitivity.pick_freeze import (
    Kept,
    base_points,
    mixed,
    pair_of_points,
    randomizations,
    refuse_correlated,
)
from uncertainty.sensitivity.target import Estimates, Player, Target, ratio

_POINTS = {False: 2**15, True: 2**12}  # by default; True where queries are reduced


def sobol(target: Target, chosen: Sequence[Player], draws: int | None, seed: int) -> Estimates:
    """First-order, second-order and total Sobol' indices with standard errors.

    Parameters
    ----------
    target : Target
    chosen : sequence of Player
        Must be independent of one another.
    draws : int, optional
        Base points N over all randomizations; the model is evaluated at N (2 players + 2) points.
    seed : int

    Returns
    -------
    Estimates
        ``first_order``, ``total`` and, for pairs, ``second_order``; ``query_share`` where queries
        are reduced.

    Notes
    -----
    Alone, what acts only together with another has a share of 0: read the total beside it.

    Half the mean squared difference of two values that agree in the players S alone is what the
    variance keeps when S is known: Jansen (1999), Comput. Phys. Commun. 117, 35. Each set S of one,
    two, or all but one player has two such pairs among the points: Saltelli (2002), Comput. Phys.
    Commun. 145, 280, theorem 2. Both points of a pair are halves of one point of twice the
    dimension. A ratio's standard error is that of its linearization over randomizations.
    """
    refuse_correlated(target, chosen)
    count, size = base_points(draws, _POINTS[target.nested]), len(chosen)
    parts = randomizations(partial(_one_randomization, target, tuple(chosen), count, seed))
    variance, first, total, second = parts[:, 0, 0], parts[:, 1], parts[:, 2], parts[:, 3:]
    (one, one_error), (most, most_error) = ratio(first, variance), ratio(total, variance)
    both, both_errors = ratio(second.reshape(len(parts), -1), variance)
    extras = {}
    if target.nested:
        # Share of one query's variance that lies within the query's conditions.
        variances = np.array([_of_queries(target, count, seed, r) for r in range(RANDOMIZATIONS)])
        share, error = ratio(variances[:, :1], variances.sum(1))
        extras["query_share"] = float(share[0]), float(error[0])
    return Estimates(
        {"first_order": one, "total": most},
        {"first_order": one_error, "total": most_error},
        total,
        extras,
        {"second_order": (both.reshape(size, size), both_errors.reshape(size, size))},
    )


def _one_randomization(
    target: Target, chosen: tuple[Player, ...], count: int, seed: int, number: int
) -> Floats:
    """Rows of (players,): the variance, first order, total, then second order by player."""
    size = len(chosen)
    one = np.eye(size, dtype=bool)
    sides = np.array([[True] * size, [False] * size])
    kept = Kept(chosen, np.concatenate([sides, one, ~one])[:, None])
    pair = pair_of_points(target, count, seed, number)
    values = mixed(target, kept, pair, target.inner(seed, number))
    here, there, only, but = values[0], values[1], values[2 : 2 + size], values[2 + size :]
    nothing = np.append(_gap(only, but), _gap(here, there)).mean()
    single = (_gap(here, only) + _gap(there, but)) / 2
    total = (_gap(here, but) + _gap(there, only)) / 2
    both = np.array([_gap(row, but) for row in only])
    second = single[:, None] + single - (both + both.T) / 2 - nothing
    return np.stack([np.full(size, nothing), nothing - single, total, *second])


def _gap(one: Floats, other: Floats) -> Floats:
    """Half the mean squared difference, over points."""
    return np.asarray(((one - other) ** 2).mean(-1) / 2)


def _of_queries(target: Target, count: int, seed: int, number: int) -> tuple[float, float]:
    """Variance within and between epistemic points, over all their queries, on the scale."""
    outer = normal_scores(target.coordinates, count, seed=seed, randomization=number)
    values = target.scaled(target.pairs(outer, target.inner(seed, number)))
    return float(values.var(-1).mean()), float(values.mean(-1).var())
