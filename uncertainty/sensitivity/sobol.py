"""Sobol' indices: shares of a variance, by freezing coordinates one at a time."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from uncertainty.errors import InputError
from uncertainty.evaluation import Columns
from uncertainty.precision import Floats
from uncertainty.sampling import RANDOMIZATIONS, unit_points
from uncertainty.sensitivity.table import Estimates
from uncertainty.sensitivity.target import Player, Target

__all__ = ["sobol"]

_NESTED_POINTS = 2**13
_POINTS = 2**15


def sobol(target: Target, chosen: Sequence[Player], draws: int | None, seed: int) -> Estimates:
    """First-order and total Sobol' indices with standard errors.

    Parameters
    ----------
    target : Target
    chosen : sequence of Player
        Must be independent of one another.
    draws : int, optional
        Base points N over all randomizations; the model is evaluated at N (players + 2) points.
    seed : int

    Returns
    -------
    Estimates
        ``first_order`` and ``total``; ``query_share`` where queries are reduced.

    Raises
    ------
    InputError
        If players are correlated with one another.

    Notes
    -----
    First order: Saltelli et al. (2010), Comput. Phys. Commun. 181, 259, eq. (b) of table 2; total:
    Jansen (1999), Comput. Phys. Commun. 117, 35. Both points of a pair are halves of one point of
    twice the dimension. A ratio's standard error is that of its linearization over randomizations.
    """
    _refuse_correlated(target, chosen)
    if draws is not None and draws < 2 * RANDOMIZATIONS:
        least = 2 * RANDOMIZATIONS
        raise InputError.of("<draws>", f"must be {least} or more (got {draws})")
    default = _NESTED_POINTS if target.nested else _POINTS
    count = -(-(draws or default) // RANDOMIZATIONS)
    runs = [_one_randomization(target, chosen, count, seed, r) for r in range(RANDOMIZATIONS)]
    first, total, variance = (np.stack([run[i] for run in runs]) for i in range(3))
    values, errors = {}, {}
    for key, parts in (("first_order", first), ("total", total)):
        values[key], errors[key] = _ratio(parts, variance)
    extras = (
        {"query_share": _query_share(np.array([run[3] for run in runs]))} if target.nested else {}
    )
    return Estimates(values, errors, total, extras)


def _refuse_correlated(target: Target, chosen: Sequence[Player]) -> None:
    for block in target.problem.joint.blocks:
        owners = [player.name for player in chosen if set(player.members) & set(block.names)]
        if len(owners) > 1:
            text = (
                f"{' and '.join(owners)} are correlated: their shares of the variance overlap and "
                'a Sobol\' index has no meaning; rank them together (by="block") or use '
                'method="tornado"'
            )
            raise InputError.of("<ranking>", text)


def _points(target: Target, count: int, seed: int, randomization: int) -> tuple[Columns, Columns]:
    """Two independent halves of one point set of twice the dimension."""
    places = target.coordinates
    doubled = {name: 2 * place for name, place in places.items()}
    doubled |= {f"{name}'": 2 * place + 1 for name, place in places.items()}
    points = unit_points(doubled, count, seed=seed, randomization=randomization)
    scores = {name: np.asarray(ndtri(u)) for name, u in points.items()}
    return {n: scores[n] for n in places}, {n: scores[f"{n}'"] for n in places}


def _one_randomization(
    target: Target, chosen: Sequence[Player], count: int, seed: int, randomization: int
) -> tuple[Floats, Floats, Floats, tuple[float, float]]:
    """Numerators of both indices (players,), the variance, and variances within and between."""
    first, second = _points(target, count, seed, randomization)
    inner = target.queries(seed, randomization) if target.nested else {}
    pairs = target.pairs(first, inner)
    base, other = target.reduce(pairs), target(second, inner)
    center = (base.mean() + other.mean()) / 2
    base, other = base - center, other - center
    swapped = [
        target({**first, **{name: second[name] for name in player.members}}, inner) - center
        for player in chosen
    ]
    numerators = np.array([(other * (f - base)).mean() for f in swapped])
    totals = np.array([((base - f) ** 2).mean() / 2 for f in swapped])
    variance = np.asarray(((base**2).mean() + (other**2).mean()) / 2)
    return numerators, totals, variance, target.within(pairs)


def _ratio(parts: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Mean of `parts` (randomization, players) over mean variance, with standard errors."""
    if not variance.mean() > 0:
        return np.zeros(parts.shape[1]), np.zeros(parts.shape[1])
    share = parts.mean(0) / variance.mean()
    residual = (parts - share * variance[:, None]) / variance.mean()
    return share, residual.std(0, ddof=1) / np.sqrt(len(parts))


def _query_share(variances: Floats) -> tuple[float, float]:
    share, error = _ratio(variances[:, :1], variances.sum(1))
    return float(share[0]), float(error[0])
