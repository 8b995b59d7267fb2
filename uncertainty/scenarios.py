"""Scenarios side by side, at the same points: what differs is what the scenario changes."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from uncertainty.errors import InputError
from uncertainty.estimate import chance_estimate, quantile_estimate
from uncertainty.precision import Floats
from uncertainty.summary import (
    STATISTICS,
    draws_of,
    group_of,
    independent_draws,
    main_quantity,
    summarize,
)

__all__ = ["summarize_scenarios"]


def summarize_scenarios(
    trees: Mapping[str, xr.DataTree], prob: float = 0.9, *, quantity: str | None = None
) -> xr.Dataset:
    """Summarize one quantity in several scenarios of a file.

    Parameters
    ----------
    trees : mapping of str to xarray.DataTree
        From `simulate`, with the same seed and number of draws: their points are then the same
        (common random numbers), so that ratios are free of what the scenarios share.
    prob : float
        Probability that the intervals (equal tails) hold.
    quantity : str, optional
        An output; the only one, or ``energy_wh``, where not given.

    Returns
    -------
    xarray.Dataset
        The variables of `summarize` over ``scenario`` and ``statistic``; ``ratio_median``,
        ``ratio_lower``, ``ratio_upper`` of the ratio to the first scenario, point by point (NaN
        where a value is not above 0); ``difference_median`` and so on of the difference; and
        ``chance_above``, the probability that it is above the first. Each has its Monte Carlo
        standard error ``mcse_...``. NaN where the points are not the same.

    Raises
    ------
    InputError
        If there are no trees, or `prob` is no probability.

    Examples
    --------
    >>> import uncertainty as un
    >>> scenarios = {"as stated": None, "long_input": "long_input"}
    >>> problems = {k: un.build_problem("gpt-4o", scenario=s) for k, s in scenarios.items()}
    >>> trees = {name: un.simulate(problem, draws=512) for name, problem in problems.items()}
    >>> table = summarize_scenarios(trees)
    >>> bool(table["ratio_median"].sel(scenario="long_input", statistic="typical") > 1)
    True
    """
    if not trees:
        raise InputError.of("<scenarios>", "give at least one result")
    first = next(iter(trees.values()))
    name = main_quantity(first, quantity)
    tables = [summarize(tree, prob, quantities=[name]).isel(quantity=0) for tree in trees.values()]
    index = xr.Variable("scenario", list(trees))
    result = xr.concat(tables, index, coords="minimal", compat="override", join="override")
    for key, values in _against_first(list(trees.values()), name, prob).items():
        result[key] = (("scenario", "statistic"), values)
    result["median"].attrs |= first["central"][name].attrs
    result.attrs |= {"quantity": name, "prob": prob, "kind": "eti"}
    titles = {str(tree.attrs["title"]) for tree in trees.values()}
    if len(titles) == 1:  # scenarios of one file
        result.attrs["subject"] = titles.pop()
    return result


def _against_first(trees: list[xr.DataTree], name: str, prob: float) -> dict[str, Floats]:
    rows = [[dict(_relation(tree, trees[0], name, s, prob)) for s in STATISTICS] for tree in trees]
    return {key: np.array([[cell[key] for cell in row] for row in rows]) for key in rows[0][0]}


def _relation(
    tree: xr.DataTree, first: xr.DataTree, name: str, statistic: str, prob: float
) -> Iterator[tuple[str, float]]:
    own, other = (draws_of(t, name, statistic) for t in (tree, first))
    same = own.shape == other.shape
    usable = same and bool((own > 0).all() and (other > 0).all())
    relations = {
        "ratio": own / other if usable else None,
        "difference": own - other if same else None,
    }
    number = min(independent_draws(t, name, statistic, group_of(t)) for t in (tree, first))
    levels = {"median": 0.5, "lower": (1 - prob) / 2, "upper": (1 + prob) / 2}
    for kind, draws in relations.items():
        for key, level in levels.items():
            found = (
                (np.nan, np.nan) if draws is None else quantile_estimate(draws, level, None, number)
            )
            yield f"{kind}_{key}", found[0]
            yield f"mcse_{kind}_{key}", found[1]
    chance, error = np.nan, np.nan
    # Of what is not a number, no one can say whether it is above.
    if same and not np.isnan(own + other).any():
        chance, error = chance_estimate((own > other).mean(-1), number)
    yield "chance_above", chance
    yield "mcse_chance_above", error
