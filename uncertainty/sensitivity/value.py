"""Value of information: what knowing one input exactly would buy."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.problem import Columns
from uncertainty.results import standard_error
from uncertainty.sampling import RANDOMIZATIONS
from uncertainty.sensitivity.pick_freeze import (
    Kept,
    base_points,
    mixed,
    pair_of_points,
    randomizations,
)
from uncertainty.sensitivity.table import Estimates, ratio
from uncertainty.sensitivity.target import Player, Target

_GIVEN = 2**8  # points given one value of a player
_VALUES = {False: 2**5, True: 2**3}  # of a player in each randomization; True where nested


def value(target: Target, chosen: Sequence[Player], draws: int | None, seed: int) -> Estimates:
    """Expected narrowing of the interval, and of the variance, were a player known exactly.

    Parameters
    ----------
    target : Target
        Its `prob` is that of the interval, equal tails; its `threshold` that of a decision.
    chosen : sequence of Player
    draws : int, optional
        Points N over all randomizations, 256 for each value of a player; the model is evaluated
        at N (players + 1) points.
    seed : int

    Returns
    -------
    Estimates
        ``narrowing``: expected relative loss of the interval's width on the scale; ``width``: the
        width expected then, on the log scale the ratio of its ends; ``variance_reduction``: the
        expected share of the variance lost; with a threshold ``decision``: the expected gain in
        the probability of being right about exceeding it. ``width_now`` beside them.

    Raises
    ------
    InputError
        If there is no value of a player for every randomization.

    Notes
    -----
    An interval may narrow where the variance does not fall, and the other way round.

    Howard (1966), IEEE Trans. Systems Science and Cybernetics 2, 22. Correlated inputs become
    better known with the player. Widths before and after come from as many points, so that what
    few points do to a quantile cancels in their ratio; the width shown as it is now comes from all.
    """
    count = base_points(draws, RANDOMIZATIONS * _GIVEN * _VALUES[target.nested])
    if count < _GIVEN:
        least = RANDOMIZATIONS * _GIVEN
        raise InputError.of("<draws>", f"must be {least} or more (got {draws})")
    one = partial(_one_randomization, target, tuple(chosen), count // _GIVEN, seed)
    parts = randomizations(one)
    # Over (randomization, player): first what is so now, then what is expected.
    widths, variances, right = parts[:, 0], parts[:, 1], parts[:, 2]
    gains = widths[:, :1] - widths[:, 1:]
    found = {
        "narrowing": ratio(gains, widths[:, 0]),
        "width": _shown(target, widths[:, 1:]),
        "variance_reduction": ratio(variances[:, :1] - variances[:, 1:], variances[:, 0]),
    }
    if target.threshold is not None:
        change = right[:, 1:] - right[:, :1]
        found["decision"] = change.mean(0), standard_error(change)
    now, now_error = _shown(target, widths[:, :1])
    return Estimates(
        {key: values for key, (values, _) in found.items()},
        {key: errors for key, (_, errors) in found.items()},
        gains,
        {"width_now": (float(now[0]), float(now_error[0]))},
    )


def _one_randomization(
    target: Target, chosen: tuple[Player, ...], count: int, seed: int, number: int
) -> Floats:
    """Widths, variances and chances of being right: shape (3, 1 + players)."""
    first, second = pair_of_points(target, count * _GIVEN, seed, number)
    given: Columns = {n: np.repeat(column[:count], _GIVEN) for n, column in first.items()}
    keep = np.concatenate([np.zeros((1, len(chosen)), bool), np.eye(len(chosen), dtype=bool)])
    kept = Kept(chosen, keep[:, None])
    values = mixed(target, kept, (given, second), target.inner(seed, number))
    values = values.reshape(len(keep), count, _GIVEN)
    widths = _widths(target, values).mean(-1)
    variances = values.var(-1).mean(-1)
    variances[0] = values[0].var()
    # An interval of one value, as of a constant, has no width to be scaled.
    scale = _widths(target, values[0].ravel()) / widths[0] if widths[0] > 0 else 1.0
    return np.stack([widths * scale, variances, _right(target, values)])


def _widths(target: Target, values: Floats) -> Floats:
    """Width of the interval over the last axis."""
    low, high = np.quantile(values, [(1 - target.prob) / 2, (1 + target.prob) / 2], axis=-1)
    return np.asarray(high - low)


def _right(target: Target, values: Floats) -> Floats:
    """Chance of being right about the threshold; nothing is known in the first row."""
    if target.threshold is None:
        return np.zeros(len(values))
    above = (values > target.scaled(target.threshold)).mean(-1)
    above[0] = above[0].mean()
    return np.asarray(np.maximum(above, 1 - above).mean(-1))


def _shown(target: Target, widths: Floats) -> tuple[Floats, Floats]:
    """Mean widths with standard errors; on the log scale as the ratio of the ends."""
    mean, errors = widths.mean(0), standard_error(widths)
    return (np.exp(mean), np.exp(mean) * errors) if target.scale == "log" else (mean, errors)
