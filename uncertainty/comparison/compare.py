"""How much more one takes than the other, and how sure that is."""

import json
from collections.abc import Mapping

import xarray as xr

from uncertainty.comparison.common import aligned, common_quantity, origin
from uncertainty.errors import InputError
from uncertainty.problem import Problem
from uncertainty.results import warnings_of
from uncertainty.sampling import NESTED_DRAWS, simulate
from uncertainty.scenarios import summarize_scenarios

__all__ = ["compare"]


def compare(
    problems: Mapping[str, Problem],
    prob: float = 0.9,
    *,
    quantity: str | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Compare problems with the first, at common points.

    Parameters
    ----------
    problems : mapping of str to Problem
        Two or more, by the names to show. Assumptions of one name are taken to be one unknown:
        where they have the same distribution they cancel.
    prob : float
        Probability that the intervals (equal tails) hold.
    quantity : str, optional
        An output that all give; the only one of the first, or ``energy_wh``, where not given.
    draws : int, optional
        As in `simulate`.
    seed : int

    Returns
    -------
    xarray.Dataset
        As from `summarize_scenarios`, over ``scenario`` (the names) and ``statistic``: summaries,
        ``ratio_...`` and ``difference_...`` to the first, and ``chance_above``, the probability of
        being above the first; all with their Monte Carlo standard errors. The attribute
        ``warnings`` holds, as JSON, the sentences on why a result is not to be trusted.

    Raises
    ------
    InputError
        If there are fewer than two, or they do not give the quantity alike.

    Examples
    --------
    >>> import uncertainty as un
    >>> files = {name: un.build_problem(name) for name in ("gpt-4o-mini", "gpt-4o")}
    >>> table = compare(files, draws=512)
    >>> bool(table["chance_above"].sel(scenario="gpt-4o", statistic="typical") > 0.5)
    True
    """
    if len(problems) < 2:
        raise InputError.of("<problems>", "give two or more to compare")
    name = common_quantity(problems, quantity)
    count = draws or _draws(problems)
    at_common = aligned(list(problems.values()))
    trees = {
        label: simulate(problem, count, seed)
        for label, problem in zip(problems, at_common, strict=True)
    }
    table = summarize_scenarios(trees, prob, quantity=name)
    doubts = [f"{label}: {text}" for label, tree in trees.items() for text in warnings_of(tree)]
    table.attrs |= {**origin(list(trees.values())), "warnings": json.dumps(doubts)}
    return table


def _draws(problems: Mapping[str, Problem]) -> int | None:
    """One number of draws for all: that of the nested ones where there are any."""
    nested = {problem.varies for problem in problems.values()}
    return NESTED_DRAWS if nested == {True, False} else None
