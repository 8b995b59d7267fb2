"""Scenarios side by side, at the same points: what differs is what the scenario changes."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from uncertainty.errors import InputError
from uncertainty.estimate import quantile_estimate
from uncertainty.precision import Floats
from uncertainty.summary import STATISTICS, draws_of, main_quantity, summarize

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
        The variables of `summarize` over ``scenario`` and ``statistic``, and ``ratio_median``,
        ``ratio_lower``, ``ratio_upper`` with their Monte Carlo standard errors ``mcse_ratio_...``:
        of the ratio to the first scenario, point by point. NaN where the points are not the same,
        or a value is not above 0.

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
    name = quantity or main_quantity(first)
    tables = [summarize(tree, prob, quantities=[name]).isel(quantity=0) for tree in trees.values()]
    index = xr.Variable("scenario", list(trees))
    result = xr.concat(tables, index, coords="minimal", compat="override", join="override")
    for key, values in _ratios(list(trees.values()), name, prob).items():
        result[key] = (("scenario", "statistic"), values)
    result["median"].attrs |= first["central"][name].attrs
    result.attrs |= {"quantity": name, "prob": prob, "kind": "eti"}
    return result


def _ratios(trees: list[xr.DataTree], name: str, prob: float) -> dict[str, Floats]:
    rows = [[dict(_ratio(tree, trees[0], name, s, prob)) for s in STATISTICS] for tree in trees]
    return {key: np.array([[cell[key] for cell in row] for row in rows]) for key in rows[0][0]}


def _ratio(
    tree: xr.DataTree, first: xr.DataTree, name: str, statistic: str, prob: float
) -> Iterator[tuple[str, float]]:
    above, below = (draws_of(t, name, statistic) for t in (tree, first))
    usable = above.shape == below.shape and bool((above > 0).all() and (below > 0).all())
    levels = {"median": 0.5, "lower": (1 - prob) / 2, "upper": (1 + prob) / 2}
    for key, level in levels.items():
        found = quantile_estimate(above / below, level) if usable else (np.nan, np.nan)
        yield f"ratio_{key}", found[0]
        yield f"mcse_ratio_{key}", found[1]
