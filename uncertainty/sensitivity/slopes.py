"""One input at a time: slopes, which bound the total Sobol' indices, and swings (tornado)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import ndtri

from uncertainty.arrays import Floats, program
from uncertainty.energy import EnergyModel
from uncertainty.errors import InputError
from uncertainty.problem import Joint, evaluate_point
from uncertainty.results import standard_error
from uncertainty.sampling import RANDOMIZATIONS
from uncertainty.sensitivity.pick_freeze import (
    Estimates,
    Player,
    Scale,
    Statistic,
    Target,
    base_points,
    mixed,
    pair_of_points,
    randomizations,
    ratio,
    refusal,
    refuse_correlated,
    rounding,
    settled,
)

_POINTS = {False: 2**14, True: 2**11}  # by default; True where queries are reduced
_SURE = 4.0  # standard errors by which an index exceeds a bound that does not hold
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
        come from the queries; they are 0 where none are reduced, because nothing is sampled, but
        for what rounding makes of a swing of 0.
    """
    if draws is not None:
        raise refusal("a tornado has two points an input, and no draws: leave draws out")
    several = [player.name for player in chosen if len(player.members) > 1]
    if several:
        raise refusal(f'a tornado goes by="input", one at a time, not {" or ".join(several)}')
    one = _REACH * np.eye(len(chosen))
    steps = np.concatenate([np.zeros((1, len(chosen))), -one, one])
    scores = dict.fromkeys(target.coordinates, np.zeros(len(steps)))
    scores |= {player.members[0]: steps[:, i] for i, player in enumerate(chosen)}
    ends = target.problem.joint.decorrelate(scores)
    repeats = range(RANDOMIZATIONS if target.nested else 1)
    values = np.stack([target(ends, target.inner(seed, r)) for r in repeats])
    # On the scale: the medians, all inputs at P5, all at P95, and the swings between the two.
    low, high = values[:, 1 : 1 + len(chosen)], values[:, 1 + len(chosen) :]
    parts = {"center": values[:, :1], "low": low, "high": high, "swing": high - low}
    least, size = rounding(values, target.scale), np.abs((high - low).mean(0))
    parts["swing"] = parts["swing"] * (size > least)
    means = {key: part.mean(0) for key, part in parts.items()}
    errors = {
        key: standard_error(part) if target.nested else np.zeros(part.shape[1])
        for key, part in parts.items()
    }
    errors["swing"] = np.where((size > 0) & (size <= least), least, errors["swing"])
    if target.scale == "log":
        for key in ("center", "low", "high"):
            means[key] = np.exp(means[key])
            errors[key] = means[key] * errors[key]
    columns = {key: (means[key], errors[key]) for key in ("low", "high", "swing")}
    columns["center"] = means["center"][0], errors["center"][0]
    return Estimates(columns, parts["swing"])


def derivative(target: Target, chosen: Sequence[Player], draws: int | None, seed: int) -> Estimates:
    """Mean squared slopes of the statistic in each player's normal score.

    Parameters
    ----------
    target : Target
    chosen : sequence of Player
        Must be independent of one another.
    draws : int, optional
        Points over all randomizations; the model is differentiated at each.
    seed : int

    Returns
    -------
    Estimates
        ``mean_square``, in squared units of the scale, summed over the members of a player;
        ``total_bound``: it over the variance, which no total Sobol' index exceeds. Where one does,
        because the output jumps, that index stands in for the bound.

    Notes
    -----
    A choice has no slope, nor has a jump of the model: of what these do the mean square sees
    nothing.

    Sobol' and Kucherenko (2009), Math. Comput. Simul. 79, 3009; the bound by Lamboni et al. (2013),
    ibid. 87, 45: the Poincare constant of a standard normal score is 1, whatever the family of the
    input.
    """
    refuse_correlated(target, chosen)
    if target.problem.model.plain is not None:
        text = f"{target.problem.model.name} is in plain Python and has no slopes; use sobol"
        raise InputError.of("<method>", text)
    count, size = base_points(draws, _POINTS[target.nested]), len(chosen)
    problem, settings = target.problem, (target.quantity, target.statistic, target.scale)
    keep = np.concatenate([np.ones((1, size), bool), ~np.eye(size, dtype=bool)])[:, None]

    def one(number: int) -> Floats:
        """Rows of (players,): variance, rounding, mean squared slopes, what all others leave."""
        pair, inner = pair_of_points(target, count, seed, number), target.inner(seed, number)
        points = ({n: jnp.asarray(c) for n, c in scores.items()} for scores in (pair[0], inner))
        values, slopes = _slopes(problem.joint, problem.model, *points, *settings)
        moved = settled(np.asarray(values))
        # Slopes of what is constant up to rounding are rounding too.
        squares = {n: float((slope**2).mean()) * bool(np.ptp(moved)) for n, slope in slopes.items()}
        sums = [sum(squares[name] for name in player.members) for player in chosen]
        here, *without = mixed(target, chosen, keep, pair, inner)
        target.check(float((~jnp.isfinite(values)).mean()), 0.0)
        totals = [((here - other) ** 2).mean() / 2 for other in without]
        alike = (np.full(size, x) for x in (moved.var(), rounding(moved, target.scale) ** 2))
        return np.stack([*alike, sums, totals])

    parts = randomizations(one)
    variance, least = parts[:, 0, 0], float(parts[:, 1].mean())
    squares, totals = parts[:, 2], parts[:, 3]
    beyond, beyond_error = ratio(totals - squares, variance, least)
    bounds = np.where(beyond > _SURE * beyond_error, totals, squares)
    # Slopes are found by themselves: they may be smaller than what the output can show.
    mean_squares, errors = ratio(squares, np.ones(len(parts)), 0.0)
    errors = np.maximum(errors, rounding(np.sqrt(mean_squares), "linear") ** 2)
    columns = {"mean_square": (mean_squares, errors), "total_bound": ratio(bounds, variance, least)}
    return Estimates(columns, bounds * (columns["total_bound"][0] != 0))


@program("model", "quantity", "statistic", "scale")
def _slopes(
    joint: Joint,
    model: EnergyModel,
    outer: dict[str, Array],
    inner: dict[str, Array],
    quantity: str,
    statistic: Statistic,
    scale: Scale,
) -> tuple[Array, dict[str, Array]]:
    """Values and their slopes in each score, shape (points,) each."""

    def one(known: dict[str, Array], query: dict[str, Array]) -> Array:
        return evaluate_point(joint, model, {**known, **query})[1][quantity]

    def reduced(known: dict[str, Array]) -> Array:
        if not inner:
            value = one(known, {})
        else:
            values = jax.vmap(one, (None, 0))(known, inner)
            value = jnp.median(values) if statistic == "typical" else values.mean()
        return jnp.log(value) if scale == "log" else value

    return jax.vmap(jax.value_and_grad(reduced))(outer)
