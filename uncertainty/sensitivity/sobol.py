"""Sobol' indices: shares of a variance, by keeping one player, or all but one."""

from collections.abc import Sequence

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.sampling import normal_scores
from uncertainty.sensitivity.pick_freeze import (
    Estimates,
    Player,
    Target,
    base_points,
    mixed,
    on_scale,
    pair_of_points,
    randomizations,
    ratio,
    refuse_correlated,
    rounding,
)

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
    one = np.eye(size, dtype=bool)
    sides = np.array([[True] * size, [False] * size])
    keep = np.concatenate([sides, one, ~one])[:, None]

    def of_one(number: int) -> Floats:
        """Rows of (players,): variances of queries, all, rounding; first order, total, pairs."""
        inner, of_queries = target.inner(seed, number), (0.0, 0.0)
        if target.nested:
            # How one query's variance lies within the query's conditions and between these.
            outer = normal_scores(target.coordinates, count, seed=seed, randomization=number)
            values = on_scale(target.pairs(outer, inner), target.scale, target.quantity)
            of_queries = values.var(-1).mean(), values.mean(-1).var()
        pair = pair_of_points(target, count, seed, number)
        values = mixed(target, chosen, keep, pair, inner)
        here, there, only, but = values[0], values[1], values[2 : 2 + size], values[2 + size :]
        nothing = np.append(_gap(only, but), _gap(here, there)).mean()
        single = (_gap(here, only) + _gap(there, but)) / 2
        total = (_gap(here, but) + _gap(there, only)) / 2
        both = np.array([_gap(row, but) for row in only])
        second = single[:, None] + single - (both + both.T) / 2 - nothing
        least = rounding(values, target.scale) ** 2
        alike = (np.full(size, number) for number in (*of_queries, nothing, least))
        return np.stack([*alike, nothing - single, total, *second])

    parts = randomizations(of_one)
    variance, least = parts[:, 2, 0], float(parts[:, 3].mean())
    both, both_errors = ratio(parts[:, 6:].reshape(len(parts), -1), variance)
    columns = {
        "first_order": ratio(parts[:, 4], variance),
        "total": ratio(parts[:, 5], variance, least),
        "second_order": (both.reshape(size, size), both_errors.reshape(size, size)),
    }
    if target.nested:
        share, error = ratio(parts[:, 0, :1], parts[:, :2, 0].sum(1))
        columns["query_share"] = share[0], error[0]
    return Estimates(columns, parts[:, 5] * (columns["total"][0] != 0))


def _gap(one: Floats, other: Floats) -> Floats:
    """Half the mean squared difference, over points."""
    return np.asarray(((one - other) ** 2).mean(-1) / 2)
