"""Shares of a variance: Sobol' indices, and Shapley effects for dependent inputs too."""

from collections.abc import Sequence
from math import comb

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
