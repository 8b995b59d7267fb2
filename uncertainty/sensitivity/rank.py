"""Which assumptions matter: one estimator a file, all giving the same shape of table."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import xarray as xr

from uncertainty.arrays import in_float64
from uncertainty.errors import InputError, check_seed, check_threshold, require_known
from uncertainty.problem import Problem
from uncertainty.results import STATISTICS, group_of, main_quantity
from uncertainty.sampling import subject
from uncertainty.sensitivity.derivative import derivative
from uncertainty.sensitivity.given import METHODS as GIVEN
from uncertainty.sensitivity.given import region
from uncertainty.sensitivity.known import value_of_draws
from uncertainty.sensitivity.sample import Sample, draws_where, sample_of_result, sample_of_target
from uncertainty.sensitivity.scaling import power_scaling
from uncertainty.sensitivity.shapley import shapley
from uncertainty.sensitivity.sobol import sobol
from uncertainty.sensitivity.table import Estimates, ranking_table
from uncertainty.sensitivity.target import By, Scale, Statistic, Target, only_used, players
from uncertainty.sensitivity.tornado import tornado
from uncertainty.sensitivity.value import value

DESIGNED: Mapping[str, Callable[..., Estimates]] = MappingProxyType(
    {
        "sobol": sobol,
        "shapley": shapley,
        "value": value,
        "derivative": derivative,
        "tornado": tornado,
    }
)
"""Methods that choose their points, by name."""
OF_DRAWS = ("value", *GIVEN)
"""Names of the methods that rank the draws of a result, and so a posterior."""
METHODS = (*DESIGNED, *GIVEN)
"""Names of the methods that rank a problem."""

_NOTE = (
    "Ranked are the coordinates of the joint prior: the share of an assumption whose parameters "
    "name others is what stays unknown once these are known; expressions are not ranked."
)
_NOTE_OF_DRAWS = (
    "Ranked are uncertain assumptions by their values in the draws: what goes along with an input "
    "counts as its own."
)

_NOTE_OF_POSTERIOR = (
    "Ranked are uncertain assumptions by their values in the draws of the posterior: what depends "
    "on an input becomes known with it, so that shares overlap and need not add up to 1."
)
_NOTE_OF_PRIOR = (
    "This method chooses its own points, which only a prior allows: the evidence is left out. By "
    "value, correlation, delta, pawn and prior the posterior is ranked."
)
_NOTE_OF_PRIOR_BY_DRAWS = (
    "Ranked is the prior: the evidence is left out. For the posterior give the result of infer."
)

_NOTE_OF_SCALING = (
    "Ranked is how far the output moves when the density of a prior, or of evidence, is made "
    "weaker and stronger; a prior that matters beside much evidence deserves a second look."
)


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
    prob: float = 0.9,
    threshold: float | None = None,
    where: str | None = None,
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
        Each input for itself, correlated inputs together, or by stated group.
    draws : int, optional
        Base points N over all randomizations.
    seed : int
    prob : float
        Of the interval that ``value`` narrows, equal tails, and of intervals under a condition.
    threshold : float, optional
        For ``value``: a limit in units of the output; what is wanted is to know which side of it
        the output lies on.
    where : str, optional
        Such as ``"energy_wh > 1"``, for a result: its draws under this condition are ranked.

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
    check_seed(seed)
    if threshold is not None:
        check_threshold("threshold", threshold)
    require_known("method", method, (*METHODS, "prior"))
    require_known("statistic", statistic, STATISTICS)
    require_known("scale", scale, ("log", "linear"))
    require_known("by", by, ("input", "block", "group"))
    if not 0 < prob < 1:
        raise InputError.of("<prob>", f"must lie between 0 and 1 (got {prob:g})")
    facts: dict[str, str | int | float] = {
        "method": method,
        "statistic": statistic,
        "scale": scale,
        "by": by,
        "seed": seed,
    }
    if isinstance(problem, xr.DataTree):
        if by != "input" or draws is not None:
            raise InputError.of("<ranking>", "by and draws are for a problem")
        names, found, more = _of_result(
            problem, method, quantity, statistic, scale, prob, threshold, where
        )
    else:
        if where is not None:
            raise InputError.of("<where>", "is for draws: give a result of simulate")
        name = problem.quantity(quantity)
        target = Target(only_used(problem), name, statistic, scale, prob, threshold)
        plain = problem.model.plain
        before = plain.calls if plain else 0
        names, found = _of_problem(target, method, by, draws, seed)
        without = _NOTE_OF_PRIOR_BY_DRAWS if method in OF_DRAWS else _NOTE_OF_PRIOR
        note = f"{_NOTE} {without}" if problem.has_evidence else _NOTE
        if plain is not None:
            note = f"{note} {problem.model.name} was called {plain.calls - before} times."
        units = problem.outputs[name].unit
        more = {"quantity": name, "units": units, "group": "prior", "note": note}
        more["subject"] = subject(problem)
        if not found.replicates.any():
            more |= _of_constant(sample_of_target(target, draws, seed), name, scale)
            if "constant" in more:
                target.check_tails(seed)
    if method == "value":
        more |= {"prob": prob, **({} if threshold is None else {"threshold": threshold})}
    return ranking_table(names, found, facts | more, seed)


def _of_problem(
    target: Target, method: str, by: By, draws: int | None, seed: int
) -> tuple[list[str], Estimates]:
    if target.threshold is not None and method != "value":
        raise InputError.of("<threshold>", 'is for method="value"')
    chosen = players(target, by)
    if not chosen:
        text = "nothing is uncertain that the model uses, so there is nothing to rank"
        if target.problem.varies:
            text = 'all that is uncertain varies per query: rank any one query (statistic="query")'
        raise InputError.of("<ranking>", text)
    if method == "prior":
        raise InputError.of("<method>", "prior is for a posterior: give a result of infer")
    if method in DESIGNED:
        return [player.name for player in chosen], DESIGNED[method](target, chosen, draws, seed)
    if by != "input":
        raise InputError.of("<by>", f'{method} takes each input for itself: by="input"')
    sample = sample_of_target(target, draws, seed)
    return list(sample.names), GIVEN[method](sample)


def _of_result(
    tree: xr.DataTree,
    method: str,
    quantity: str | None,
    statistic: Statistic,
    scale: Scale,
    prob: float,
    threshold: float | None,
    where: str | None,
) -> tuple[list[str], Estimates, dict[str, str | int | float]]:
    if method not in (*OF_DRAWS, "prior"):
        known = ", ".join(OF_DRAWS)
        text = f"{method} chooses its own points: give the problem; by draws go {known}"
        raise InputError.of("<method>", text)
    if threshold is not None and method != "value":
        raise InputError.of("<threshold>", 'is for method="value"')
    name = main_quantity(tree, quantity)
    sample = sample_of_result(tree, name, statistic, scale)
    facts: dict[str, str | int | float] = {
        "quantity": name,
        "units": str(tree["central"][name].attrs.get("units", "")),
        "subject": str(tree.attrs["subject"]),
        "group": group_of(tree),
        "note": _NOTE_OF_POSTERIOR if group_of(tree) == "posterior" else _NOTE_OF_DRAWS,
    }
    if method == "prior":
        if where is not None:
            raise InputError.of("<where>", "goes with correlation, delta and pawn")
        names, found = power_scaling(tree, name, statistic, scale)
        return names, found, {**facts, "note": _NOTE_OF_SCALING}
    estimator = _of_draws(method, scale, prob, threshold)
    if where is None:
        found = estimator(sample)
        if not found.replicates.any():
            facts |= _of_constant(sample, name, scale)
        return list(sample.names), found, facts
    inside = draws_where(tree, where, statistic)
    found, places = estimator(sample.among(inside)), region(sample, inside, prob)
    values, errors = {**found.values, **places.values}, {**found.errors, **places.errors}
    joined = replace(found, values=values, errors=errors)
    return list(sample.names), joined, {**facts, "where": where, "prob": prob}


def _of_constant(sample: Sample, quantity: str, scale: Scale) -> dict[str, str | float]:
    """Say that nothing matters, where an output is the same in all draws; else nothing."""
    values = sample.pooled(range(len(sample.values)))[1]
    if np.ptp(values):
        return {}
    value = float(f"{np.exp(values[0]) if scale == 'log' else values[0]:.12g}")
    text = f"{quantity} is {value:.6g} in all {len(values)} draws: nothing that is ranked moves it."
    return {"constant": value, "note": text}


def _of_draws(
    method: str, scale: Scale, prob: float, threshold: float | None
) -> Callable[[Sample], Estimates]:
    if method != "value":
        return GIVEN[method]
    limit = None if threshold is None else _scaled(threshold, scale)
    return partial(value_of_draws, prob=prob, scale=scale, threshold=limit)


def _scaled(threshold: float, scale: Scale) -> float:
    if scale == "linear":
        return threshold
    return math.log(threshold) if threshold > 0 else -math.inf
