"""Tornado: one input at a time from its P5 to its P95, all others at their medians."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.problem import Columns
from uncertainty.results import standard_error
from uncertainty.sampling import RANDOMIZATIONS
from uncertainty.sensitivity.table import Estimates
from uncertainty.sensitivity.target import Player, Target

_REACH = float(ndtri(0.95))


def tornado(target: Target, chosen: Sequence[Player], draws: int | None, seed: int) -> Estimates:
    """Swing of the statistic as one input goes from its P5 to its P95.

    What rises and falls again between the two may have a swing of 0. Correlated inputs are moved
    one at a time too: a swing says what the value of an input does, not what goes along with it.

    Returns
    -------
    Estimates
        ``low`` and ``high``, the statistic in its own unit with the input at P5 and at P95;
        ``swing``, their difference, or ``log(high/low)`` on the log scale; ``center``, the
        statistic with all inputs at their medians. Standard errors
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
    inner = [target.inner(seed, r) for r in repeats]
    values = np.stack([target(ends, queries) for queries in inner])
    # On the scale: the center (randomization,), then both ends (randomization, end, player).
    center, found = values[:, 0], values[:, 1:].reshape(len(values), 2, -1)
    swings = found[:, 1] - found[:, 0]
    low, high = found.mean(0)
    errors = standard_error(found) if target.nested else np.zeros_like(found[0])
    swing_error = standard_error(swings) if target.nested else np.zeros(len(chosen))
    shown = {"low": _unscaled(target, low, errors[0]), "high": _unscaled(target, high, errors[1])}
    shown["swing"] = (swings.mean(0), swing_error)
    center_error = standard_error(center) if target.nested else np.zeros(())
    middle = _unscaled(target, np.asarray(center.mean()), center_error)
    return Estimates(
        {key: value for key, (value, _) in shown.items()},
        {key: error for key, (_, error) in shown.items()},
        swings,
        {"center": (float(middle[0]), float(middle[1]))},
    )


def _unscaled(target: Target, values: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Undo the logarithm of values with their standard errors."""
    if target.scale == "linear":
        return values, errors
    return np.exp(values), np.exp(values) * errors


def _ends(target: Target, names: Sequence[str]) -> Columns:
    """Scores at the medians, with each input at its P5, and at its P95: shape (1 + 2 players,)."""
    one = _REACH * np.eye(len(names))
    steps = np.concatenate([np.zeros((1, len(names))), -one, one])
    moved = {name: steps[:, i] for i, name in enumerate(names)}
    margins = {name: moved.get(name, np.zeros(len(steps))) for name in target.coordinates}
    return target.problem.joint.decorrelate(margins)
