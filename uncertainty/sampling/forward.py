"""Forward Monte Carlo: the joint prior pushed through the model."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from uncertainty.arrays import Floats, in_float64
from uncertainty.errors import check_count, check_seed
from uncertainty.problem import Columns, Problem, each_point, every_pair
from uncertainty.results import (
    LEVELS,
    QUERY_STATISTICS,
    build_tree,
    mean_and_sd,
    provenance,
    quantile_function,
    query_statistics,
)
from uncertainty.sampling.description import (
    MEANINGLESS,
    Tally,
    description,
    doubts,
    labels,
    load_notices,
    outside_range,
)
from uncertainty.sampling.points import normal_scores

if TYPE_CHECKING:
    import xarray as xr


_HALVINGS = 40


def median_of_rows(values: Array) -> Array:
    """Median along the last axis.

    The median lies within one standard deviation of the mean (Hotelling and Solomons, 1932), so
    halving that bracket finds an order statistic: exactly, where no two values near the
    median are closer than 2^-40 of that deviation, and to that distance otherwise.

    Parameters
    ----------
    values : array
        Shape (..., n).

    Returns
    -------
    array
        Shape (...); NaN where a value is not finite.

    Examples
    --------
    >>> median_of_rows(jnp.array([[1.0, 5.0, 2.0, 8.0]])).tolist()
    [3.5]
    """
    size = values.shape[-1]
    half = (size + 1) // 2
    mean = values.mean(-1, keepdims=True)
    reach = jnp.sqrt(((values - mean) ** 2).mean(-1, keepdims=True)) * (1 + 1e-6)

    def halve(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        enough = _at_most(values, middle) >= half
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    high = lax.fori_loop(0, _HALVINGS, halve, (mean - reach, mean + reach))[1]
    lower = jnp.where(values <= high, values, -jnp.inf).max(-1, keepdims=True)
    above = jnp.where(values > lower, values, jnp.inf).min(-1, keepdims=True)
    upper = jnp.where(_at_most(values, lower) > size / 2, lower, above)
    found = (lower + upper) / 2 if size % 2 == 0 else lower
    return jnp.where(jnp.isfinite(reach), found, jnp.nan)[..., 0]


def _at_most(values: Array, limit: Array) -> Array:
    """How many values of each row are at most `limit`; sums of float64 are the fast ones."""
    return jnp.where(values <= limit, 1.0, 0.0).sum(-1, keepdims=True)


DRAWS = 2**17
NESTED_DRAWS = 2**13
PLAIN_DRAWS, PLAIN_NESTED_DRAWS = 2**12, 2**8
"""Of a model in plain Python, each draw (and each of its queries) is a call of it."""
QUERIES = 2**8
RANDOMIZATIONS = 16
_MOST_DRAWS = 2**25
"""All are kept, for each of some 50 inputs and outputs: more would fill any memory."""
_MOST_QUERIES = 2**20
_WIDER = 16
_WIDER_QUERIES = 64


@in_float64
def simulate(
    problem: Problem, draws: int | None = None, seed: int = 0, *, queries: int = QUERIES
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

    Returns
    -------
    xarray.DataTree
        Groups ``prior`` and ``prior_predictive``, dimensions ``chain`` (randomization) and
        ``draw``; see `uncertainty.results` for the others. Attribute ``warnings`` holds what
        makes it untrustworthy, if anything.

    Raises
    ------
    InputError
        If `draws` or `queries` is less than 2 points a randomization.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = simulate(un.build_problem("gpt-4o"), draws=512)
    >>> dict(tree["prior_predictive"]["energy_wh"].sizes)
    {'chain': 16, 'draw': 32}
    """
    count = _points_per_chain(problem, draws)
    check_count("queries", queries, 2, _MOST_QUERIES)
    check_seed(seed)
    points = [points_of(problem, count, queries, seed, chain) for chain in range(RANDOMIZATIONS)]
    inputs, outputs = each_point(problem.joint, problem.model, paired(points))
    reduced = nested(problem, points, seed) if problem.varies else flat(problem, points, outputs)
    left = list(outside_range(problem, inputs))
    warnings = [*reduced.tally.warnings(problem), *doubts(problem)]
    few = [text for p, text in left if p <= MEANINGLESS]
    facts: dict[str, str | int | float] = {
        "seed": seed,
        "draws": count * RANDOMIZATIONS,
        "randomizations": RANDOMIZATIONS,
        "queries": queries if problem.varies else 1,
        "ruled_means": json.dumps(reduced.ruled),
        "warnings": json.dumps([*warnings, *(text for p, text in left if p > MEANINGLESS)]),
        **description(problem, [*few, *load_notices(problem, inputs)]),
    }
    groups: dict[str, Mapping[str, Floats | float]] = {
        "prior": _by_chain({name: inputs[name] for name in problem.assumptions}, count),
        "prior_predictive": _by_chain({name: outputs[name] for name in problem.outputs}, count),
        "central": problem.central(),
        **reduced.groups,
        **(_control(problem, count, seed) if problem.varies else {}),
    }
    coords = {"statistic": QUERY_STATISTICS, "level": LEVELS.tolist()}
    return build_tree(groups, labels(problem), provenance(**facts), coords)


def _points_per_chain(problem: Problem, draws: int | None) -> int:
    plain = problem.model.plain is not None
    nested_draws = PLAIN_NESTED_DRAWS if plain else NESTED_DRAWS
    flat_draws = PLAIN_DRAWS if plain else DRAWS
    total = draws if draws is not None else (nested_draws if problem.varies else flat_draws)
    remedy = "; stream takes more, without keeping them"
    check_count("draws", total, 2 * RANDOMIZATIONS, _MOST_DRAWS, remedy)
    return math.ceil(total / RANDOMIZATIONS)


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


def paired(points: Sequence[Points]) -> Columns:
    """Give each epistemic point of all chains one query, and lay the chains end to end."""
    chains = [
        {**p.outer, **{name: np.resize(scores, p.count) for name, scores in p.inner.items()}}
        for p in points
    ]
    columns = {name: np.concatenate([chain[name] for chain in chains]) for name in chains[0]}
    return columns or {"": np.zeros(len(points) * points[0].count)}


def _by_chain(columns: Mapping[str, Floats], count: int) -> Columns:
    return {name: column.reshape(-1, count) for name, column in columns.items()}


@dataclass(frozen=True)
class Reduced:
    """What is kept of all outputs, and those whose mean over queries the tail rules."""

    tally: Tally
    groups: Mapping[str, Columns] = field(default_factory=dict)
    ruled: tuple[str, ...] = ()


def flat(problem: Problem, points: Sequence[Points], outputs: Mapping[str, Floats]) -> Reduced:
    """Nothing varies per query: the draws themselves are all there is."""
    tally = Tally()
    for name, column in outputs.items():
        chains = column.reshape(len(points), -1)
        for chain, values in zip(points, chains, strict=True):
            tally.add(problem, name, values[:, None], chain.pair)
    return Reduced(tally)


def nested(problem: Problem, points: Sequence[Points], seed: int, group: str = "prior") -> Reduced:
    """Every epistemic point with every query of its chain."""
    tally, names = Tally(), tuple(problem.outputs)
    corrections, ruled = _corrections(problem, points, seed)
    statistics: dict[str, list[Floats]] = {name: [] for name in names}
    functions: dict[str, list[Floats]] = {name: [] for name in names}
    for chain, correction in zip(points, corrections, strict=True):
        pairs = every_pair(problem.joint, problem.model, chain.outer, chain.inner, names)
        for name, found in pairs.items():
            values = np.broadcast_to(found, (chain.count, found.shape[1]))
            tally.add(problem, name, found, chain.pair)
            statistics[name].append(query_statistics(values) * correction[name])
            functions[name].append(quantile_function(found))
    groups = {f"{group}_statistics": statistics, f"{group}_query_quantiles": functions}
    stacked = {group: _stacked(arrays) for group, arrays in groups.items()}
    return Reduced(tally, stacked, ruled)


def _corrections(
    problem: Problem, points: Sequence[Points], seed: int
) -> tuple[list[Columns], tuple[str, ...]]:
    """Factors on the statistics of each chain: 1, but for the mean; and where that is no help.

    The largest queries make up much of a mean, and a chain has few of them, the same for all its
    epistemic points. What that does is seen at the central assumptions, where many more queries
    cost little: a ratio estimator. Even these may miss what a heavy tail adds.
    """
    few = len(next(iter(points[0].inner.values())))
    if problem.model.plain is not None:  # it would take more calls than the draws do
        ones: Floats = np.ones(len(QUERY_STATISTICS))
        return [dict.fromkeys(problem.outputs, ones)] * len(points), ()
    found, chains = [], []
    for number in range(len(points)):
        wide = points_of(problem, 1, _WIDER_QUERIES * few, seed, number)
        center = {name: np.zeros(_WIDER_QUERIES * few) for name in wide.outer}
        outputs = each_point(problem.joint, problem.model, {**center, **wide.inner})[1]
        found.append({name: _correction(values, few) for name, values in outputs.items()})
        chains.append(outputs)
    whole = {name: np.stack([chain[name] for chain in chains]) for name in chains[0]}
    return found, tuple(n for n, values in whole.items() if np.isinf(mean_and_sd(values)[0][1]))


def _correction(values: Floats, few: int) -> Floats:
    """Give the ratio of the mean of all values to that of the first few, where it has a meaning."""
    ratios = np.ones(len(QUERY_STATISTICS))
    if np.isfinite(values).all() and (values > 0).all():
        ratios[QUERY_STATISTICS.index("mean")] = values.mean() / values[:few].mean()
    return ratios


def _control(problem: Problem, count: int, seed: int) -> dict[str, Columns]:
    """Outputs with what varies per query at its median: cheap, so from many more points.

    It follows the typical and the mean query closely and serves them as a control variate.
    """
    if problem.model.plain is not None:  # it is not cheap
        return {}
    wide = [points_of(problem, _WIDER * count, 1, seed, chain) for chain in range(RANDOMIZATIONS)]
    scores = paired(wide)
    for name in problem.joint.coordinates(varies=True):
        scores[name] = np.zeros_like(scores[name])
    outputs = each_point(problem.joint, problem.model, scores)[1]
    chains = _by_chain(outputs, _WIDER * count)
    return {
        "prior_control": {name: values[:, :count] for name, values in chains.items()},
        "prior_control_quantiles": {
            name: np.stack([quantile_function(chain) for chain in values])
            for name, values in chains.items()
        },
    }


def _stacked(chains: Mapping[str, Sequence[Floats]]) -> Columns:
    return {name: np.stack(arrays) for name, arrays in chains.items()}
