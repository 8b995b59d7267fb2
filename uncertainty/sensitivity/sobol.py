"""Sobol' indices: shares of a variance, by keeping one player, or all but one."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.sampling import RANDOMIZATIONS
from uncertainty.sensitivity.pick_freeze import (
    Kept,
    base_points,
    mixed,
    pair_of_points,
    randomizations,
    refuse_correlated,
)
from uncertainty.sensitivity.table import Estimates, ratio
from uncertainty.sensitivity.target import Player, Target

_NESTED_POINTS = 2**12
_POINTS = 2**15


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

    Raises
    ------
    InputError
        If players are correlated with one another.

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
    count = base_points(draws, _NESTED_POINTS if target.nested else _POINTS)
    one = partial(_one_randomization, target, tuple(chosen), count, seed)
    parts = randomizations(one)
    size = len(chosen)
    variance = parts[:, 0, 0]
    first, total, second = parts[:, 1], parts[:, 2], parts[:, 3:]
    values, errors = {}, {}
    for key, found in (("first_order", first), ("total", total)):
        values[key], errors[key] = ratio(found, variance)
    both, both_errors = ratio(second.reshape(len(parts), -1), variance)
    return Estimates(
        values,
        errors,
        total,
        {"query_share": _query_share(target, count, seed)} if target.nested else {},
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


def _query_share(target: Target, count: int, seed: int) -> tuple[float, float]:
    """Share of one query's variance that lies within the query's conditions."""
    found = np.array([target.within(seed, number, count) for number in range(RANDOMIZATIONS)])
    share, error = ratio(found[:, :1], found.sum(1))
    return float(share[0]), float(error[0])
