"""What a whole log takes: the sum over its requests, which share all that is unknown."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from uncertainty.arrays import Floats, in_float64
from uncertainty.errors import InputError
from uncertainty.files import load_priors, rows_of_usage
from uncertainty.problem import Problem, each_point
from uncertainty.results import draws_of, group_of, quantile_estimate

if TYPE_CHECKING:
    import xarray as xr


@in_float64
def total_energy(
    problem: Problem,
    tree: "xr.DataTree",
    quantity: str = "energy_wh",
    *,
    prob: float = 0.9,
    grid: Callable[[Floats], Floats] | None = None,
) -> "xr.Dataset":
    """Give the energy of a whole log from a result of a question with ``usage``.

    Parameters
    ----------
    problem : Problem
        With ``usage``.
    tree : xarray.DataTree
        From `simulate` or `infer`.
    quantity : str
    prob : float
        Of the interval, equal tails.
    grid : callable, optional
        Quantile function of the grid's g CO2e/kWh: then ``kg`` stand beside ``wh``.

    Returns
    -------
    xarray.Dataset
        ``requests``, ``median``, ``lower``, ``upper``, Wh, with the Monte Carlo standard errors
        ``mcse_median`` and so on, over ``part``: the whole log, each model and each month;
        ``median_kg``, ``mcse_median_kg`` and so on with a grid.

    Notes
    -----
    A draw of what is unknown holds for all requests: the sum is their number times the mean query
    of that draw, and its relative width is that of the mean query, whatever the number. Models and
    months take the shares of it that they have at the central assumptions.

    Examples
    --------
    >>> import uncertainty as un
    >>> problem = un.build_problem("gpt-4o")
    >>> total_energy(problem, un.simulate(problem, draws=64))
    Traceback (most recent call last):
    ...
    uncertainty.errors.InputError: <usage>: is missing: give load_priors(..., usage=FILE)
    """
    import xarray as xr

    if not problem.priors.usage:
        raise InputError.of("<usage>", "is missing: give load_priors(..., usage=FILE)")
    document = load_priors(problem.priors.usage, allow_outside=True).document
    assert document is not None
    assert isinstance(document.data, dict)
    assert document.path is not None
    cells = rows_of_usage(document.data, document.path.parent)
    each = draws_of(tree, quantity, "mean") * cells.units.sum()
    row = next((n for n in problem.joint.coordinates(varies=True) if n.endswith("_row")), None)
    energy = cells.sums[:, 3]  # of a fit and of one row: by their output tokens
    if row is not None:
        nodes = [node.name for node in problem.joint.nodes if node.uncertain]
        scores = {name: np.zeros(len(cells.units)) for name in nodes}
        # The middle of each row's part of the unit interval leads to that row.
        scores[row] = ndtri((cells.units.cumsum() - cells.units / 2) / cells.units.sum())
        energy = each_point(problem.joint, problem.model, scores)[1][quantity] * cells.units
    levels = {"median": 0.5, "lower": 0.5 - prob / 2, "upper": 0.5 + prob / 2}
    sums = {"": each}
    if grid:
        # Independent of the draws, and as even as they are many.
        points = (np.random.default_rng(0).permutation(each.size) + 0.5) / each.size
        sums["_kg"] = each * grid(points).reshape(each.shape) / 1e6
    figures: dict[str, float] = {}
    for suffix, draws in sums.items():
        for name, level in levels.items():
            estimate = quantile_estimate(draws, level)
            figures |= {f"{name}{suffix}": estimate[0], f"mcse_{name}{suffix}": estimate[1]}
    keys = {"all": np.ones(len(energy), bool)}
    for label in dict.fromkeys([*cells.model, *cells.month]):
        keys[label] = np.array(
            [label in pair for pair in zip(cells.model, cells.month, strict=True)]
        )
    columns: dict[str, list[float]] = {name: [] for name in ("requests", *figures)}
    for mine in keys.values():
        columns["requests"].append(cells.sums[mine, 0].sum())
        for name, figure in figures.items():
            columns[name].append(float(figure * energy[mine].sum() / energy.sum()))
    data = {name: ("part", values) for name, values in columns.items()}
    return xr.Dataset(data, {"part": list(keys)}, {"quantity": quantity, "group": group_of(tree)})
