"""Shapley effects: shares of a variance that add up to one, for dependent inputs too."""

from collections.abc import Sequence
from math import comb

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.sensitivity.pick_freeze import (
    Estimates,
    Player,
    Target,
    base_points,
    mixed,
    pair_of_points,
    randomizations,
    ratio,
)

_EVALUATIONS = {False: 2**25, True: 2**18}  # by default, over all mixtures; True where nested
_EXACT = 12  # players: 4096 subsets of them are as many as there is time for
_FEWEST, _MOST, _MOST_ORDERS = {False: 2**10, True: 2**8}, 2**13, 2**15  # base points by default
_CONTROLS = 2**4  # base points for each at which all queries are looked at


def shapley(target: Target, chosen: Sequence[Player], draws: int | None, seed: int) -> Estimates:
    """Shapley effects with standard errors.

    What a player adds to the variance of the conditional expectation, averaged over all orders in
    which players become known. Correlated inputs are drawn from their conditional distribution.

    Parameters
    ----------
    target : Target
    chosen : sequence of Player
    draws : int, optional
        Base points N over all randomizations. The model is evaluated at N 2^players points over
        all subsets, and at N (players + 1) over orders. Where queries are reduced, it is so for
        every query at a sixteenth of the points over subsets, and at all points over orders.
    seed : int

    Returns
    -------
    Estimates
        ``shapley``.

    Notes
    -----
    An input that the model does not use has a share where it is correlated with one that it does.

    Owen (2014), SIAM/ASA J. Uncertainty Quantification 2, 245; under dependence Song, Nelson and
    Staum (2016), ibid. 4, 1060. Over all subsets of up to 12 players: each from half the mean
    squared difference of values that agree in the subset alone, over all such pairs, which a
    Walsh-Hadamard transform sums. Where queries are reduced, one query of them at many more points
    is a control variate: Owen (2013), Monte Carlo theory, methods and examples, section 8.9.
    Beyond 12 players, by one order of them for each point: Goda (2021), Reliability Engineering
    and System Safety 206, 107282.
    """
    tied = {name for names in target.correlated(chosen) for name in names}
    # Tied ones last: subsets of them are the leading bits, as `_left` takes them.
    players = sorted(chosen, key=lambda player: player.name in tied)
    nested, size = target.nested, len(players)
    if exact := size <= _EXACT:
        each = min(max(_EVALUATIONS[nested] >> size, _FEWEST[nested]), _MOST)
        most = each * _CONTROLS if nested else each
    else:
        most = min(_EVALUATIONS[nested] // (size + 1), _MOST_ORDERS)
    count = base_points(draws, most)

    def over_subsets(number: int) -> Floats:
        """Effects times the variance, shape (players,).

        Where queries are reduced also those of a control, at the same points and at many more, and
        the slope of the values on the control: shape (4, players).
        """
        keep = (np.arange(2**size)[:, None] >> np.arange(size) & 1 == 1)[:, None]
        pair, inner = pair_of_points(target, count, seed, number), target.inner(seed, number)
        if not nested:
            return _effects(mixed(target, players, keep, pair, inner), len(tied), size)
        few = max(count // _CONTROLS, 2)
        first, second = ({name: column[:few] for name, column in point.items()} for point in pair)
        values = mixed(target, players, keep, (first, second), inner)
        # The control is the query nearest to the medians of what varies per query.
        at = int(np.argmin(sum(column**2 for column in inner.values())))
        central = {name: column[at : at + 1] for name, column in inner.items()}
        control = mixed(target, players, keep, pair, central)
        same = control[:, :few]
        slope = np.cov(same.ravel(), values.ravel())[0, 1] / (same.var() or 1.0)
        effects = [_effects(part, len(tied), size) for part in (values, same, control)]
        return np.stack([*effects, np.full(size, slope)])

    def over_orders(number: int) -> Floats:
        """Effects times the variance, from one order of the players for each point."""
        # In each run of as many orders as players, every player has every place.
        generator = np.random.default_rng([seed, number, size])
        starts = np.stack([generator.permutation(size) for _ in range(-(-count // size))])
        shifts = (np.arange(size)[:, None] + np.arange(size)) % size
        orders = starts[:, shifts].reshape(-1, size)[:count]
        keep = np.argsort(orders, 1) < np.arange(size + 1)[:, None, None]
        pair = pair_of_points(target, count, seed, number)
        values = mixed(target, players, keep, pair, target.inner(seed, number))
        # Known before a step is what agrees with the first point, or all that agrees with the
        # second.
        taken = -np.diff((values - values[-1]) ** 2, axis=0) / 2
        if not tied:
            taken = (taken + np.diff((values - values[0]) ** 2, axis=0) / 2) / 2
        effects = np.zeros(size)
        np.add.at(effects, orders.T, taken)
        return effects / count

    parts = randomizations(over_subsets if exact else over_orders)
    if exact and nested:
        effects, same, many, slope = np.moveaxis(parts, 1, 0)
        # A randomization takes the mean slope of all others, which knows nothing of its points, so
        # that the correction has the expectation 0.
        others = (slope.sum(0) - slope) / (len(slope) - 1)
        parts = effects + others**2 * (many - same)
    parts = parts[:, [players.index(player) for player in chosen]]
    shares, errors = ratio(parts, parts.sum(1))
    return Estimates({"shapley": (shares, errors)}, parts * (shares != 0))


def _effects(values: Floats, tied: int, size: int) -> Floats:
    """From values over all subsets, shape (subsets, points), to shape (players,).

    Two mixtures agree in the free players outside the symmetric difference of what they keep. In
    tied players, drawn from what they are given the first point's, each agrees with the mixture
    that keeps all of them. What is left of the variance when a subset is known is half the mean
    squared difference, averaged over all such pairs: the sums of products with one difference are a
    correlation over bits.
    """
    subsets, centered = np.arange(len(values)), values - values.mean()
    parts = centered.reshape(2**tied, -1, values.shape[1])  # (subsets of tied, of free, points)
    spectra = np.stack([_transformed(part) for part in parts])
    products = _transformed((spectra * spectra[-1]).mean(2).T).T / parts.shape[1] ** 2
    squares = (parts**2).mean((1, 2))
    # In order of the difference, whose complement is what both agree in: the reversed order.
    left = ((squares + squares[-1])[:, None] / 2 - products[:, ::-1]).ravel()
    weights = np.array([1 / (size * comb(size - 1, k)) for k in range(size)])
    effects = np.zeros(size)
    for player in range(size):
        # What it takes from the variance left, averaged over the orders of all players.
        without = subsets[(subsets >> player) & 1 == 0]
        taken = left[without] - left[without | 1 << player]
        effects[player] = weights[np.bitwise_count(without)] @ taken
    return effects


def _transformed(values: Floats) -> Floats:
    """Walsh-Hadamard transform along the first axis, of a power of two."""
    size, half = len(values), 1
    while half < size:
        parts = values.reshape(size // (2 * half), 2, half, -1)
        values = np.stack([parts[:, 0] + parts[:, 1], parts[:, 0] - parts[:, 1]], 1)
        half *= 2
    return values.reshape(size, -1)
