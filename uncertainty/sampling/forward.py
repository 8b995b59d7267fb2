"""Forward Monte Carlo: the joint prior pushed through the model."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from uncertainty.arrays import Floats, in_float64, side_by_side
from uncertainty.errors import check_all, check_count, check_seed
from uncertainty.problem import Columns, Problem, each_point, every_pair
from uncertainty.results import (
    LEVELS,
    QUERY_STATISTICS,
    build_tree,
    mean_and_sd,
    provenance,
    quantile,
    quantile_estimate,
    quantile_function,
    query_statistics,
    row_moments,
)
from uncertainty.sampling.description import InvalidDraws, description, doubts, labels, range_texts
from uncertainty.sampling.points import normal_scores

if TYPE_CHECKING:
    import xarray as xr


DRAWS = 2**17
NESTED_DRAWS = 2**13
QUERIES = 2**8
RANDOMIZATIONS = 16
# Of a model in plain Python, each draw (and each of its queries) is a call of it.
_PLAIN_DRAWS, _PLAIN_NESTED_DRAWS = 2**12, 2**8
# All are kept, for each of some 50 inputs and outputs: more would fill any memory.
_MOST_DRAWS = 2**25
_MOST_QUERIES = 2**20
_WIDER = 16  # times the draws, with queries at their medians: a control variate
_WIDER_QUERIES = 64  # times the queries, at the central assumptions: a ratio estimator
_HALVINGS = 40  # of a bracket of at most 2^64 numbers, to 2^24, of which an octave has 2^52


def median_of_rows(values: Array) -> Array:
    """Median along the last axis, of shape (..., n); NaN where a value is.

    Halving what lies between the least and the largest value finds an order statistic, on the scale
    of the bits of float64, which rise with the number: exactly, where no two values near the median
    are closer than 2^-28 of their size, and to that distance otherwise.
    """
    size = values.shape[-1]
    half = (size + 1) // 2

    def read(values: Array, kind: DTypeLike) -> Array:
        size = lax.bitcast_convert_type(jnp.abs(values), kind)
        return jnp.where(values < 0, -size, size)

    def at_most(limit: Array) -> Array:
        """How many values of each row are at most `limit`; sums of float64 are the fast ones."""
        return jnp.where(values <= limit, 1.0, 0.0).sum(-1, keepdims=True)

    def halve(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low & high) + ((low ^ high) >> 1)  # their sum may overflow
        enough = at_most(read(middle, jnp.float64)) >= half
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    ends = values.min(-1, keepdims=True), values.max(-1, keepdims=True)
    low, high = (read(end, jnp.int64) for end in ends)
    high = read(lax.fori_loop(0, _HALVINGS, halve, (low - 1, high))[1], jnp.float64)
    lower = jnp.where(values <= high, values, -jnp.inf).max(-1, keepdims=True)
    above = jnp.where(values > lower, values, jnp.inf).min(-1, keepdims=True)
    upper = jnp.where(at_most(lower) > size / 2, lower, above)
    median = lower / 2 + upper / 2 if size % 2 == 0 else lower
    return jnp.where(jnp.isnan(values).any(-1), jnp.nan, median[..., 0])


@in_float64
def simulate(
    problem: Problem,
    draws: int | None = None,
    seed: int = 0,
    *,
    queries: int = QUERIES,
    quantities: Sequence[str] | None = None,
) -> "xr.DataTree":
    """Push the joint prior through the model.

    Parameters
    ----------
    problem : Problem
    draws : int, optional
        Epistemic points over all randomizations, rounded up to a multiple of their number (16);
        2^13 where something varies per query and 2^17 otherwise; 2^8 and 2^12 for a model in
        plain Python, which is called once for each draw and query.
    seed : int
        The same seed and file give the same numbers.
    queries : int
        Points for what varies per query. Those of one randomization are shared by all its
        epistemic points, so that their error shows in the standard errors.
    quantities : sequence of str, optional
        Outputs to keep statistics over queries of; all where not given. Draws are of all.

    Returns
    -------
    xarray.DataTree
        Groups ``prior`` and ``prior_predictive``, dimensions ``chain`` (randomization) and
        ``draw``; see `uncertainty.results` for the others. Attribute ``warnings`` holds what
        makes it untrustworthy, if anything.

    Raises
    ------
    InputError
        If `draws`, `queries` or `seed` is out of range: all that are, at once.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = simulate(un.build_problem("gpt-4o"), draws=512)
    >>> dict(tree["prior_predictive"]["energy_wh"].sizes)
    {'chain': 16, 'draw': 32}
    """
    plain = problem.model.plain is not None
    defaults = (_PLAIN_DRAWS, _PLAIN_NESTED_DRAWS) if plain else (DRAWS, NESTED_DRAWS)
    total = draws if draws is not None else defaults[problem.varies]
    remedy = "; stream takes more, without keeping them"
    check_all(
        partial(check_count, "draws", total, 2 * RANDOMIZATIONS, _MOST_DRAWS, remedy),
        partial(check_count, "queries", queries, 2, _MOST_QUERIES),
        partial(check_seed, seed),
    )
    if quantities is not None:
        quantities = [problem.quantity(name) for name in quantities]
    problem.compile(queries, quantities)
    count = math.ceil(total / RANDOMIZATIONS)
    points = [points_of(problem, count, queries, seed, chain) for chain in range(RANDOMIZATIONS)]
    inputs, outputs = each_point(problem.joint, problem.model, _paired(points))

    def by_chain(columns: Columns, names: Iterable[str]) -> Columns:
        return {name: columns[name].reshape(RANDOMIZATIONS, -1) for name in names}

    over_queries: dict[str, Columns] = {}
    ruled: tuple[str, ...] = ()
    invalid = InvalidDraws()
    if problem.varies:
        invalid, over_queries, ruled = nested(problem, points, seed, "prior", quantities)
    else:
        for name, values in by_chain(outputs, outputs).items():
            for chain, column in zip(points, values, strict=True):
                invalid.add(problem, name, column[:, None], chain.pair)
    if problem.varies and not plain:  # else it is not cheap
        # Outputs with what varies per query at its median follow the typical and the mean query
        # closely, and serve them as a control variate, from many more points.
        many = _WIDER * count
        scores = _paired([points_of(problem, many, 1, seed, i) for i in range(RANDOMIZATIONS)])
        scores |= {n: np.zeros_like(scores[n]) for n in problem.joint.coordinates(varies=True)}
        control = each_point(problem.joint, problem.model, scores)[1]
        chains = by_chain(control, control)
        names = over_queries["prior_statistics"]
        over_queries["prior_control"] = {name: chains[name][:, :count] for name in names}
        over_queries["prior_control_quantiles"] = {
            name: np.stack([quantile_function(chain) for chain in chains[name]]) for name in names
        }
    doubtful, few = range_texts(problem, inputs)
    facts: dict[str, str | int | float] = {
        "seed": seed,
        "draws": count * RANDOMIZATIONS,
        "randomizations": RANDOMIZATIONS,
        "queries": queries if problem.varies else 1,
        "ruled_means": json.dumps(ruled),
        "open_medians": open_medians(problem, queries, seed),
        "warnings": json.dumps([*invalid.warnings(problem), *doubts(problem), *doubtful]),
        **description(problem, few),
    }
    groups: dict[str, Mapping[str, Floats | float]] = {
        "prior": by_chain(inputs, problem.assumptions),
        "prior_predictive": by_chain(outputs, problem.outputs),
        "central": problem.central(),
        **over_queries,
    }
    coords = {"statistic": QUERY_STATISTICS, "level": LEVELS.tolist()}
    return build_tree(groups, labels(problem), provenance(**facts), coords)


@dataclass(frozen=True)
class Points:
    """Scores of one randomization: (n,) of what is unknown, (m,) of what varies per query."""

    outer: Columns
    inner: Columns
    count: int

    def pair(self, row: int, column: int) -> Columns:
        """One epistemic point with one query."""
        outer = {name: scores[[row]] for name, scores in self.outer.items()}
        return {**outer, **{name: scores[[column]] for name, scores in self.inner.items()}}


def points_of(problem: Problem, count: int, queries: int, seed: int, chain: int) -> Points:
    """Points of one randomization."""
    outer, inner = (
        normal_scores(problem.joint.coordinates(varies=v), n, seed=seed, randomization=chain)
        for v, n in ((False, count), (True, queries))
    )
    return Points(outer, inner, count)


def _paired(points: Sequence[Points]) -> Columns:
    """Give each epistemic point of all chains one query, and lay the chains end to end."""
    chains = [
        {**p.outer, **{name: np.resize(scores, p.count) for name, scores in p.inner.items()}}
        for p in points
    ]
    columns = {name: np.concatenate([chain[name] for chain in chains]) for name in chains[0]}
    return columns or {"": np.zeros(len(points) * points[0].count)}


def nested(
    problem: Problem,
    points: Sequence[Points],
    seed: int,
    group: str = "prior",
    quantities: Sequence[str] | None = None,
) -> tuple[InvalidDraws, dict[str, Columns], tuple[str, ...]]:
    """Evaluate every epistemic point with every query of its chain.

    Returns
    -------
    tuple
        What cannot be; groups of statistics and quantile functions over queries, by output, with
        the chain as their first axis; and outputs whose mean over queries the tail rules.
    """
    invalid, names = InvalidDraws(), tuple(quantities or problem.outputs)
    corrections, ruled = _corrections(problem, points, seed, names)

    def reduced(chain: Points, factors: Columns, sign: int) -> tuple[InvalidDraws, list[Columns]]:
        bad, statistics, functions = InvalidDraws(), Columns(), Columns()
        pairs = every_pair(problem.joint, problem.model, chain.outer, chain.inner, names)
        for name, values in pairs.items():
            whole = np.broadcast_to(values, (chain.count, values.shape[1]))
            bad.add(problem, name, values, chain.pair)
            statistics[name] = query_statistics(whole) * factors[name]
            # What differs by draws alone, or by queries alone, counts once: repeated for each of
            # the others, values would be steps between which nothing can occur.
            values = values[:1] if (values == values[:1]).all() else values
            values = values[:, :1] if (values == values[:, :1]).all() else values
            # Where values repeat the median of a chain may lie between two, and the upper one is
            # taken; with the other sign the lower one, so that all chains together are not off.
            functions[name] = (sign * quantile_function(sign * values))[::sign]
        return bad, [statistics, functions]

    # NumPy sorts and sums without holding other threads up; a function in plain Python does not.
    each = map if problem.model.plain is not None else side_by_side
    counts, chains = zip(*each(reduced, points, corrections, (1, -1) * len(points)), strict=True)
    for count in counts:
        invalid.join(count)
    groups = (f"{group}_statistics", f"{group}_query_quantiles")
    stacked = {
        kind: {name: np.stack([chain[place][name] for chain in chains]) for name in names}
        for place, kind in enumerate(groups)
    }
    return invalid, stacked, ruled


def open_medians(problem: Problem, queries: int, seed: int) -> str:
    """Median over queries and its error, where it lies in a gap, by output, as JSON.

    All draws of a chain share their queries, so draws that agree say nothing of it: it is seen at
    the central assumptions. Where values are dense around the median there is no entry.
    """
    if not problem.varies or problem.model.plain is not None:  # it would take many calls
        return "{}"
    chains = [points_of(problem, 1, queries, seed, i).inner for i in range(RANDOMIZATIONS)]
    scores = {name: np.concatenate([chain[name] for chain in chains]) for name in chains[0]}
    center = {n: np.zeros(len(chains) * queries) for n in problem.joint.coordinates(varies=False)}
    known = {}
    for name, values in each_point(problem.joint, problem.model, {**center, **scores})[1].items():
        median, error = quantile_estimate(values.reshape(len(chains), -1), 0.5)
        # Of a smooth distribution it is some thousandths of the distance between the quartiles.
        if error > np.ptp(quantile(values, np.array([0.25, 0.75]))) / 10:
            known[name] = median, error
    return json.dumps(known)


def _corrections(
    problem: Problem, points: Sequence[Points], seed: int, names: tuple[str, ...]
) -> tuple[list[Columns], tuple[str, ...]]:
    """Factors on the statistics of each chain: 1, but for the mean; and where that is no help.

    The largest queries make up much of a mean, and a chain has few of them, the same for all its
    epistemic points. What that does is seen at the central assumptions, where many more queries
    cost little: a ratio estimator. Even these may miss what a heavy tail adds.
    """
    few = len(next(iter(points[0].inner.values())))
    ones: Floats = np.ones(len(QUERY_STATISTICS))
    if problem.model.plain is not None:  # it would take more calls than the draws do
        return [dict.fromkeys(problem.outputs, ones)] * len(points), ()
    center = {name: np.zeros(_WIDER_QUERIES * few) for name in points[0].outer}

    def wide(number: int) -> Columns:
        queries = points_of(problem, 1, _WIDER_QUERIES * few, seed, number).inner
        every = each_point(problem.joint, problem.model, {**center, **queries})[1]
        return {name: every[name] for name in names}

    chains = side_by_side(wide, range(len(points)))
    factors = [{name: ones.copy() for name in names} for _ in chains]
    for factor, outputs in zip(factors, chains, strict=True):
        for name, values in outputs.items():
            if np.isfinite(values).all() and (values > 0).all():  # else a ratio has no meaning
                ratio = row_moments(values)[0] / row_moments(values[:few])[0]
                factor[name][QUERY_STATISTICS.index("mean")] = ratio
    whole = {name: np.stack([chain[name] for chain in chains]) for name in names}
    return factors, tuple(n for n, values in whole.items() if np.isinf(mean_and_sd(values)[0][1]))
