"""Tornado: one input at a time from its P5 to its P95, all others at their medians."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from uncertainty.errors import InputError
from uncertainty.estimate import standard_error
from uncertainty.evaluation import Columns
from uncertainty.precision import Floats
from uncertainty.sampling import RANDOMIZATIONS
from uncertainty.sensitivity.table import Estimates
from uncertainty.sensitivity.target import Player, Target

__all__ = ["tornado"]

_REACH = float(ndtri(0.95))


def tornado(target: Target, chosen: Sequence[Player], draws: int | None, seed: int) -> Estimates:
    """Swing of the statistic as one input goes from its P5 to its P95.

    Correlated inputs are moved one at a time too: a swing says what the value of an input does,
    not what goes along with it.

    Returns
    -------
    Estimates
        ``low`` and ``high``, the statistic in its own unit with the input at P5 and at P95;
        ``swing``, their difference, or ``log(high/low)`` on the log scale. Standard errors
        come from the queries; they are 0 where none are reduced, because nothing is sampled.

    Raises
    ------
    InputError
        If a player has several members, which have no common direction, or `draws` is given.
    """
    if draws is not None:
        raise InputError.of("<ranking>", "a tornado takes no draws: it has two points an input")
    several = [player.name for player in chosen if len(player.members) > 1]
    if several:
        raise InputError.of("<ranking>", f'a tornado goes by="input", not {" or ".join(several)}')
    ends = _ends(target, [player.members[0] for player in chosen])
    repeats = range(RANDOMIZATIONS if target.nested else 1)
    inner = [target.queries(seed, r) if target.nested else {} for r in repeats]
    # On the scale, shape (randomization, end, player).
    found = np.stack([target(ends, queries).reshape(2, -1) for queries in inner])
    swings = found[:, 1] - found[:, 0]
    low, high = found.mean(0)
    errors = standard_error(found) if target.nested else np.zeros_like(found[0])
    swing_error = standard_error(swings) if target.nested else np.zeros(len(chosen))
    values = {"low": _unscaled(target, low), "high": _unscaled(target, high)}
    slopes = {k: v if target.scale == "log" else np.ones_like(v) for k, v in values.items()}
    return Estimates(
        {**values, "swing": swings.mean(0)},
        {
            "low": errors[0] * slopes["low"],
            "high": errors[1] * slopes["high"],
            "swing": swing_error,
        },
        swings,
        {},
    )


def _unscaled(target: Target, values: Floats) -> Floats:
    return np.exp(values) if target.scale == "log" else values


def _ends(target: Target, names: Sequence[str]) -> Columns:
    """Scores with each input first at its P5, then at its P95: shape (2 players,)."""
    steps = np.concatenate([-_REACH * np.eye(len(names)), _REACH * np.eye(len(names))])
    moved = {name: steps[:, i] for i, name in enumerate(names)}
    margins = {name: moved.get(name, np.zeros(len(steps))) for name in target.coordinates}
    return target.problem.joint.decorrelate(margins)
