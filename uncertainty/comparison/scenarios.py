"""Scenarios side by side, at the same points: what differs is what the scenario changes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.results import (
    STATISTICS,
    chance_estimate,
    draws_of,
    group_of,
    independent_draws,
    is_streamed,
    main_quantity,
    quantile_estimate,
    summarize,
)


def summarize_scenarios(
    trees: Mapping[str, xr.DataTree], prob: float = 0.9, *, quantity: str | None = None
) -> xr.Dataset:
    """Summarize one quantity in several scenarios of a file.

    Parameters
    ----------
    trees : mapping of str to xarray.DataTree
        From `simulate` or `infer`, with the same seed and number of draws: their points are then
        the same (common random numbers), so that ratios are free of what the scenarios share.
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
    pairs = [
        {s: (draws_of(tree, name, s), draws_of(first, name, s)) for s in STATISTICS}
        if _same_points(tree, first)
        else None
        for tree in trees.values()
    ]
    return side_by_side(trees, name, prob, pairs)


def _same_points(tree: xr.DataTree, first: xr.DataTree) -> bool:
    """Whether two results share the points of what they have in common."""
    if is_streamed(tree) or is_streamed(first):
        return False
    if group_of(tree) != group_of(first) or tree.attrs["seed"] != first.attrs["seed"]:
        return False
    if group_of(tree) == "posterior":
        return same_posterior(tree, first)
    shapes = [draws_of(t, main_quantity(t), "query").shape for t in (tree, first)]
    return shapes[0] == shapes[1]


def same_posterior(tree: xr.DataTree, other: xr.DataTree) -> bool:
    """Whether chains of two posteriors are the same to the last bit."""
    moved = [json.loads(str(t.attrs["updated"])) for t in (tree, other)]
    scores = [t["unconstrained_posterior"].dataset for t in (tree, other)]
    return sorted(moved[0]) == sorted(moved[1]) and all(
        np.array_equal(scores[0][name].values, scores[1][name].values) for name in moved[0]
    )


Pairs: TypeAlias = Mapping[str, tuple[Floats, Floats]]
"""By statistic: draws, and those of the first that go with them, shape (chain, draw)."""


def side_by_side(
    trees: Mapping[str, xr.DataTree], name: str, prob: float, pairs: Sequence[Pairs | None]
) -> xr.Dataset:
    """Summarize each result, and relate it to the first by the draws that go together."""
    first = next(iter(trees.values()))
    tables = [summarize(tree, prob, quantities=[name]).isel(quantity=0) for tree in trees.values()]
    index = xr.Variable("scenario", list(trees))
    result = xr.concat(tables, index, coords="minimal", compat="override", join="override")
    result.attrs.pop("group", None)
    result["group"] = "scenario", [group_of(tree) for tree in trees.values()]
    rows = [
        [
            dict(
                _relation(own[s], min(_number(t, name, s) for t in (tree, first)), prob)
                if own
                else _relation(None, np.inf, prob)
            )
            for s in STATISTICS
        ]
        for tree, own in zip(trees.values(), pairs, strict=True)
    ]
    for key in rows[0][0]:
        values = np.array([[cell[key] for cell in row] for row in rows])
        result[key] = (("scenario", "statistic"), values)
    result["median"].attrs |= first["central"][name].attrs
    result.attrs |= {"quantity": name, "prob": prob, "kind": "eti"}
    titles = {str(tree.attrs["title"]) for tree in trees.values()}
    if len(titles) == 1:  # scenarios of one file
        result.attrs["subject"] = titles.pop()
    return result


def _number(tree: xr.DataTree, name: str, statistic: str) -> float:
    return independent_draws(tree, name, statistic, group_of(tree))


def _relation(
    pair: tuple[Floats, Floats] | None, number: float, prob: float
) -> Iterator[tuple[str, float]]:
    """Ratio, difference and chance of more; `number` of the draws are worth an independent one."""
    missing = np.full((2, 1), np.nan)
    own, other = pair or (missing, missing)
    usable = bool((own > 0).all() and (other > 0).all())
    relations = {"ratio": own / other if usable else missing, "difference": own - other}
    number = number if np.isinf(number) else min(number, own.size)  # where nothing is uncertain
    levels = {"median": 0.5, "lower": (1 - prob) / 2, "upper": (1 + prob) / 2}
    for kind, draws in relations.items():
        for key, level in levels.items():
            unknown = bool(np.isnan(draws).any())
            found = (np.nan, np.nan) if unknown else quantile_estimate(draws, level, None, number)
            yield f"{kind}_{key}", found[0]
            yield f"mcse_{kind}_{key}", found[1]
    chance, error = np.nan, np.nan
    # Of what is not a number, no one can say whether it is above.
    if not np.isnan(own + other).any():
        chance, error = chance_estimate((own > other).mean(-1), number)
        # What agrees draw by draw is known to.
        error = 0.0 if np.array_equal(own, other) else error
    yield "chance_above", chance
    yield "mcse_chance_above", error
