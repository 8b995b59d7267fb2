"""Which assumptions matter: a table of methods, all giving the same shape of table."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias, TypedDict, Unpack

import numpy as np
import xarray as xr

from uncertainty.arrays import in_float64
from uncertainty.errors import (
    InputError,
    check_keywords,
    check_probability,
    check_seed,
    check_threshold,
    counted,
    require_known,
)
from uncertainty.inference import learns
from uncertainty.problem import Problem
from uncertainty.results import STATISTICS, check_tree, group_of, main_quantity
from uncertainty.sampling import subject
from uncertainty.sensitivity.given import correlation, delta, pawn, power_scaling, region
from uncertainty.sensitivity.pick_freeze import (
    By,
    Estimates,
    Player,
    Scale,
    Statistic,
    Target,
    only_used,
    players,
    refusal,
)
from uncertainty.sensitivity.sample import Sample, draws_where, sample_of_result, sample_of_target
from uncertainty.sensitivity.shapley import shapley
from uncertainty.sensitivity.slopes import derivative, tornado
from uncertainty.sensitivity.sobol import sobol
from uncertainty.sensitivity.value import value, value_of_draws

Facts: TypeAlias = dict[str, str | int | float]
Designed: TypeAlias = Callable[[Target, Sequence[Player], int | None, int], Estimates]

BY_POINTS: Mapping[str, Designed] = MappingProxyType(
    {
        "sobol": sobol,
        "shapley": shapley,
        "value": value,
        "derivative": derivative,
        "tornado": tornado,
    }
)
"""Methods that choose their points, by name."""
BY_DRAWS: Mapping[str, Callable[[Sample], Estimates]] = MappingProxyType(
    {"correlation": correlation, "delta": delta, "pawn": pawn}
)
"""Methods that take draws and nothing else, by name."""
OF_DRAWS = ("value", *BY_DRAWS)
"""Names of the methods that rank the draws of a result, and so a posterior."""
METHODS = (*BY_POINTS, *BY_DRAWS)
"""Names of the methods that rank a problem."""

_NOTE = (
    "Expressions are not ranked. Where the parameters of an assumption are assumptions too, its "
    "share is what stays uncertain once these are known."
)
_NOTE_OF_DRAWS = (
    "Inputs are ranked by their values in the draws: what goes along with an input counts as its "
    "own effect."
)
_NOTE_OF_POSTERIOR = (
    "Inputs are ranked by their values in the draws of the posterior: shares of inputs that go "
    "together overlap, and need not add up to 1."
)
_NOTE_OF_PRIOR = (
    "This ranks the prior, without the evidence, because the method chooses its own points. To "
    "rank the posterior, use value, correlation, delta, pawn or prior."
)
_NOTE_OF_PRIOR_BY_DRAWS = (
    "This ranks the prior, without the evidence. To rank the posterior, give the result of infer."
)
_NOTE_OF_FIXED = "This ranks the prior: all assumptions that the evidence could inform are fixed."
_NOTE_OF_SCALING = (
    "This ranks how far the output moves when one prior, or the evidence, is given less and more "
    "weight. Look again at a prior that matters much beside much evidence."
)
_RESAMPLES = 2000  # chances are known to a hundredth
_ESTABLISHED = 0.975  # to one side: an order of equals is found in a twentieth of the cases


class RankOptions(TypedDict, total=False):
    """What some methods of `rank_inputs` take beside the rest."""

    prob: float
    """Of the interval that ``value`` narrows, equal tails, and of those under a condition; 0.9."""
    threshold: float | None
    """For ``value``: a limit in units of the output; is the output above it?"""
    where: str | None
    """Such as ``"energy_wh > 1"``, for a result: its draws under this condition are ranked."""


@in_float64
def rank_inputs(
    problem: Problem | xr.DataTree,
    *,
    method: str = "sobol",
    quantity: str | None = None,
    statistic: Statistic = "typical",
    scale: Scale = "log",
    by: By = "input",
    draws: int | None = None,
    seed: int = 0,
    **options: Unpack[RankOptions],
) -> xr.Dataset:
    """Rank the assumptions by what they do to one statistic of one output.

    Parameters
    ----------
    problem : Problem or xarray.DataTree
        Of a problem the prior is ranked. A result with draws is ranked by these, the posterior
        where there is one, with ``value``, ``correlation``, ``delta`` or ``pawn``; a posterior with
        ``prior`` too.
    method : str
        ``sobol``, ``shapley``: shares of the variance, the second for dependent inputs too;
        ``value``: what knowing one input exactly would buy; ``derivative``: mean squared slopes,
        which bound the total Sobol' indices; ``tornado``: the swing between P5 and P95 of one input
        at a time; ``correlation``: rank and partial rank correlation; ``delta``, ``pawn``: how far
        an input moves the whole distribution; ``prior``: how far the posterior would move with
        the weight of each prior, and of the evidence.
    quantity : str, optional
        An output; the only one, or ``energy_wh``, where not given.
    statistic : {"typical", "mean", "query"}
        The median query, the mean query, or any one query. For the first two the unknown
        assumptions are ranked; for the last, what varies per query as well.
    scale : {"log", "linear"}
        The order may differ between the two.
    by : {"input", "block", "group"}
        Each input for itself, correlated inputs together, or by declared group.
    draws : int, optional
        Base points N over all randomizations.
    seed : int
    **options
        As in `RankOptions`: ``prob`` (0.9), ``threshold``, ``where``.

    Returns
    -------
    xarray.Dataset
        Over ``input``, largest first: what the method estimates, each with ``<name>_se``; ``rank``;
        ``tied_rank``, the same for inputs whose order is not established at 95 %; and
        ``rank_probability`` over ``input`` and ``position``, the chance under estimation error
        that the input holds that position. ``query_share`` is the share of one query's variance
        that comes from what varies per query. Under a condition also ``lower``, ``middle`` and
        ``upper`` of each input, and the ``distance`` of its distribution from that of all draws.

    Raises
    ------
    InputError
        If the method has no meaning for these inputs, or the scale none for this output.

    Examples
    --------
    >>> import uncertainty as un
    >>> factors = {"a": {"lognormal": {"median": 1, "sigma": 0.8}},
    ...            "b": {"lognormal": {"median": 1, "sigma": 0.6}}}
    >>> problem = un.build_problem({"schema": 1, "assumptions": factors}, model=lambda a, b: a * b)
    >>> table = rank_inputs(problem, method="sobol")
    >>> [(str(name), round(float(s), 2)) for name, s in zip(table.input.values, table.total.values)]
    [('a', 0.64), ('b', 0.36)]
    """
    check_keywords("rank_inputs", options, RankOptions.__annotations__)
    prob, where = options.get("prob", 0.9), options.get("where")
    threshold = options.get("threshold")
    check_seed(seed)
    require_known("method", method, (*METHODS, "prior"))
    require_known("statistic", statistic, STATISTICS)
    require_known("scale", scale, ("log", "linear"))
    require_known("by", by, ("input", "block", "group"))
    check_probability("prob", prob)
    limit = threshold
    if threshold is not None:
        check_threshold("threshold", threshold)
        if method != "value":
            raise InputError.of("<threshold>", 'is for method="value"')
        if scale == "log":  # on which no output is below 0
            limit = math.log(threshold) if threshold > 0 else -math.inf
    facts: Facts = {
        "method": method,
        "statistic": statistic,
        "scale": scale,
        "by": by,
        "seed": seed,
    }
    if isinstance(problem, xr.DataTree):
        if by != "input" or draws is not None:
            raise refusal("a result is ranked by its own draws: leave by and draws out")
        options = {**options, "threshold": limit}
        names, estimates, more = _of_result(problem, method, quantity, statistic, scale, options)
    else:
        if where is not None:
            raise InputError.of("<where>", "is for draws: give a result of simulate")
        name = problem.quantity(quantity)
        target = Target(only_used(problem), name, statistic, scale, prob, limit)
        names, estimates, more = _of_problem(target, method, by, draws, seed)
    if method == "value":
        more |= {"prob": prob, **({} if threshold is None else {"threshold": threshold})}
    return table_of(names, estimates, facts | more, seed)


def _of_problem(
    target: Target, method: str, by: By, draws: int | None, seed: int
) -> tuple[list[str], Estimates, Facts]:
    """Names, estimates and facts of a prior."""
    problem, plain = target.problem, target.problem.model.plain
    chosen = players(target, by)
    if not chosen:
        text = "nothing that the model uses is uncertain, so there is nothing to rank"
        if problem.varies:
            text = 'all that is uncertain varies per query: rank any one query (statistic="query")'
        raise refusal(text)
    if method == "prior":
        raise InputError.of("<method>", "prior is for a posterior: give a result of infer")
    if method in BY_DRAWS and by != "input":
        raise InputError.of("<by>", f'{method} ranks each input by itself: use by="input"')
    before = plain.calls if plain else 0
    if method in BY_POINTS:
        names = [player.name for player in chosen]
        estimates = BY_POINTS[method](target, chosen, draws, seed)
    else:
        sample = sample_of_target(target, draws, seed)
        names, estimates = list(sample.names), BY_DRAWS[method](sample)
    note = _NOTE_OF_DRAWS if method in BY_DRAWS else _NOTE
    if problem.has_evidence:  # which may bear on nothing that is uncertain
        of_prior = _NOTE_OF_PRIOR_BY_DRAWS if method in OF_DRAWS else _NOTE_OF_PRIOR
        note += f" {of_prior if learns(problem) else _NOTE_OF_FIXED}"
    if plain:
        note += f" {problem.model.name} was called {plain.calls - before} times."
    facts: Facts = {
        "quantity": target.quantity,
        "units": problem.outputs[target.quantity].unit,
        "group": "prior",
        "note": note,
        "subject": subject(problem),
    }
    if not estimates.replicates.any():
        sample = sample_of_target(target, draws, seed)
        facts |= _of_constant(sample, target.quantity, target.scale)
        if "constant" in facts:
            target.check_tails(seed)
    return names, estimates, facts


def _of_result(
    tree: xr.DataTree,
    method: str,
    quantity: str | None,
    statistic: Statistic,
    scale: Scale,
    options: RankOptions,
) -> tuple[list[str], Estimates, Facts]:
    """Names, estimates and facts of the draws of a result; a threshold is on the scale."""
    prob, where = options.get("prob", 0.9), options.get("where")
    if method not in (*OF_DRAWS, "prior"):
        text = f"{method} chooses its own points: give the problem (its prior file), or use"
        raise InputError.of("<method>", f"{text} {', '.join(OF_DRAWS)}")
    check_tree(tree)
    name = main_quantity(tree, quantity)
    sample = sample_of_result(tree, name, statistic, scale)
    facts: Facts = {
        "quantity": name,
        "units": str(tree["central"][name].attrs.get("units", "")),
        "subject": str(tree.attrs["subject"]),
        "group": group_of(tree),
        "note": _NOTE_OF_POSTERIOR if group_of(tree) == "posterior" else _NOTE_OF_DRAWS,
    }
    if method == "prior":
        if where is not None:
            raise InputError.of("<where>", "goes with correlation, delta and pawn")
        return *power_scaling(tree, name, statistic, scale), {**facts, "note": _NOTE_OF_SCALING}
    inside = None if where is None else draws_where(tree, where, statistic)
    ranked = sample if inside is None else sample.among(inside)
    if method == "value":
        estimates = value_of_draws(ranked, prob, scale, options.get("threshold"))
    else:
        estimates = BY_DRAWS[method](ranked)
    if inside is not None:
        places = region(sample, inside, prob)
        estimates = replace(estimates, columns={**estimates.columns, **places.columns})
        facts |= {"where": str(where), "prob": prob}
    elif not estimates.replicates.any():
        facts |= _of_constant(sample, name, scale)
    return list(sample.names), estimates, facts


def _of_constant(sample: Sample, quantity: str, scale: Scale) -> Facts:
    """Facts that say that nothing matters, where an output is the same in all draws; else none."""
    values = sample.pooled(range(len(sample.values)))[1]
    if np.ptp(values):
        return {}
    constant = float(f"{np.exp(values[0]) if scale == 'log' else values[0]:.12g}")
    text = f"{quantity} is {constant:.6g} in all {counted(len(values), 'draw')}"
    return {"constant": constant, "note": f"{text}: no input that is ranked changes it."}


def table_of(names: Sequence[str], estimates: Estimates, facts: Facts, seed: int) -> xr.Dataset:
    """Label the estimates, largest first, with the chance of each position.

    Chances are those of resampled randomizations. One that is not established to be below the
    first of a rank shares this rank.
    """
    count, size = estimates.replicates.shape
    order = np.argsort(-np.abs(estimates.replicates.mean(0)), kind="stable")
    resamples = np.random.default_rng([seed, count, size]).integers(0, count, (_RESAMPLES, count))
    sizes = np.abs(estimates.replicates[resamples].mean(1))
    ranks, first = np.ones(size, int), 0
    for i in range(1, size):
        if (sizes[:, order[first]] > sizes[:, order[i]]).mean() >= _ESTABLISHED:
            first = i
        ranks[i] = first + 1
    # Ties are shared, by a draw for each resample.
    tiebreak = np.random.default_rng([seed, size]).random(sizes.shape)
    places = np.lexsort((tiebreak, -sizes), axis=-1)
    chances = np.zeros((size, size))
    for position in range(size):
        chances[:, position] = np.bincount(places[:, position], minlength=size) / _RESAMPLES
    positions, apart = np.arange(1, size + 1), np.eye(size, dtype=bool)
    coords = {"input": [names[i] for i in order], "position": positions}
    parts = {key: np.asarray(values) for key, (values, _) in estimates.columns.items()}
    parts |= {f"{key}_se": np.asarray(errors) for key, (_, errors) in estimates.columns.items()}
    table: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        **{key: (("input",), part[order]) for key, part in parts.items() if part.ndim == 1},
        "rank": (("input",), positions),
        "tied_rank": (("input",), ranks),
        "rank_probability": (("input", "position"), chances[order]),
    }
    for key, part in parts.items():
        if part.ndim == 0:
            table[key] = (), part
        elif part.ndim == 2:
            coords["other"] = coords["input"]
            off = np.where(apart, np.nan, part)[np.ix_(order, order)]
            table[key] = ("input", "other"), off
    return xr.Dataset(table, coords, facts)
