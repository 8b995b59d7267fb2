"""What a whole log takes: the sum over its requests, which share all that is unknown."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from uncertainty.arrays import Floats, in_float64
from uncertainty.errors import InputError
from uncertainty.files import load_priors, rows_of_usage
from uncertainty.problem import Problem, each_point
from uncertainty.results import draws_of, group_of

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
        ``requests``, ``median``, ``lower``, ``upper``, Wh, over ``part``: the whole log, each
        model and each month; ``median_kg`` and so on with a grid.

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
    each = draws_of(tree, quantity, "mean").ravel() * cells.units.sum()
    row = next((n for n in problem.joint.coordinates(varies=True) if n.endswith("_row")), None)
    energy = cells.sums[:, 3]  # of a fit and of one row: by their output tokens
    if row is not None:
        nodes = [node.name for node in problem.joint.nodes if node.uncertain]
        scores = {name: np.zeros(len(cells.units)) for name in nodes}
        # The middle of each row's part of the unit interval leads to that row.
        scores[row] = ndtri((cells.units.cumsum() - cells.units / 2) / cells.units.sum())
        energy = each_point(problem.joint, problem.model, scores)[1][quantity] * cells.units
    levels = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    # Independent of the draws, and as even as they are many.
    points = (np.random.default_rng(0).permutation(len(each)) + 0.5) / len(each)
    kilograms = each * grid(points) / 1e6 if grid else each
    keys = {"all": np.ones(len(energy), bool)}
    for label in dict.fromkeys([*cells.model, *cells.month]):
        keys[label] = np.array(
            [label in pair for pair in zip(cells.model, cells.month, strict=True)]
        )
    columns: dict[str, list[float]] = {}
    for mine in keys.values():
        share = energy[mine].sum() / energy.sum()
        columns.setdefault("requests", []).append(cells.sums[mine, 0].sum())
        for suffix, draws in (("", each), ("_kg", kilograms))[: 2 if grid else 1]:
            for name, value in zip(
                ("median", "lower", "upper"), np.quantile(draws, levels), strict=True
            ):
                columns.setdefault(f"{name}{suffix}", []).append(float(value) * share)
    data = {name: ("part", values) for name, values in columns.items()}
    return xr.Dataset(data, {"part": list(keys)}, {"quantity": quantity, "group": group_of(tree)})
