"""Which assumptions matter: one estimator a file, all giving the same shape of table."""

from collections.abc import Callable
from types import MappingProxyType

import xarray as xr

from uncertainty.errors import InputError
from uncertainty.precision import in_float64
from uncertainty.problem import Problem
from uncertainty.sensitivity.shapley import shapley
from uncertainty.sensitivity.sobol import sobol
from uncertainty.sensitivity.table import Estimates, ranking_table
from uncertainty.sensitivity.target import By, Scale, Statistic, Target, players
from uncertainty.sensitivity.tornado import tornado

__all__ = ["METHODS", "Scale", "rank_inputs"]

METHODS: MappingProxyType[str, Callable[..., Estimates]] = MappingProxyType(
    {"sobol": sobol, "shapley": shapley, "tornado": tornado}
)
"""Every ranking method by name."""

_NOTE = (
    "Ranked are the coordinates of the joint prior: the share of an assumption whose parameters "
    "name others is what stays unknown once these are known; expressions are not ranked."
)


@in_float64
def rank_inputs(
    problem: Problem,
    *,
    method: str = "sobol",
    quantity: str | None = None,
    statistic: Statistic = "typical",
    scale: Scale = "log",
    by: By = "input",
    draws: int | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Rank the assumptions by what they do to one statistic of one output.

    Parameters
    ----------
    problem : Problem
    method : {"sobol", "tornado"}
        Shares of the variance, or the swing between P5 and P95 of one input at a time.
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

    Returns
    -------
    xarray.Dataset
        Over ``input``, largest first: what the method estimates, each with ``<name>_se``; ``rank``;
        and ``rank_probability`` over ``input`` and ``position``, the chance under estimation error
        that the input holds that position. ``query_share`` is the share of one query's variance
        that comes from what varies per query.

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
    _check("method", method, METHODS)
    _check("statistic", statistic, ("typical", "mean", "query"))
    _check("scale", scale, ("log", "linear"))
    _check("by", by, ("input", "block", "group"))
    if not isinstance(problem, Problem):
        raise InputError.of("<ranking>", "give a problem from build_problem, not a result")
    target = Target(problem, problem.quantity(quantity), statistic, scale)
    chosen = players(target, by)
    if not chosen:
        raise InputError.of("<ranking>", "nothing is uncertain, so there is nothing to rank")
    found = METHODS[method](target, chosen, draws, seed)
    attributes: dict[str, str | int | float] = {
        "method": method,
        "quantity": target.quantity,
        "units": problem.outputs[target.quantity].unit,
        "statistic": statistic,
        "scale": scale,
        "by": by,
        "seed": seed,
        "note": _NOTE,
    }
    return ranking_table([player.name for player in chosen], found, attributes, seed)


def _check(what: str, got: str, known: object) -> None:
    names = [str(name) for name in known] if isinstance(known, tuple) else list(METHODS)
    if got not in names:
        raise InputError.of(f"<{what}>", f"must be one of {', '.join(names)} (got {got!r})")
