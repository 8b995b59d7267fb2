"""Which measurement to make next: how far each of some runs would narrow an answer."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from uncertainty.errors import InputError
from uncertainty.files import RowsLike, read_rows
from uncertainty.inference import predict
from uncertainty.results import is_streamed, main_quantity
from uncertainty.sensitivity.pick_freeze import Scale, Statistic
from uncertainty.sensitivity.rank import table_of
from uncertainty.sensitivity.sample import sample_of_result
from uncertainty.sensitivity.value import value_of_draws

_LONGEST = 80  # characters of the name of a run


def plan_measurements(
    tree: xr.DataTree,
    runs: RowsLike,
    *,
    quantity: str | None = None,
    statistic: Statistic = "typical",
    observes: str | None = None,
    prob: float = 0.9,
    scale: Scale = "log",
    seed: int = 0,
) -> xr.Dataset:
    """Rank runs that could be measured next by how far each would narrow the answer.

    Parameters
    ----------
    tree : xarray.DataTree
        A result with a posterior.
    runs : rows, as `predict` takes them
        Conditions of each run. Under the names of the evidence's columns of groups stand the
        groups: ``asked`` is the system that the result is about, a group that was measured has
        its effect, and any other is a system of its own.
    quantity : str, optional
        The answer: an output; as for `summarize` where not given.
    statistic : {"typical", "mean", "query"}
    observes : str, optional
        What a run measures; what the first evidence observed, where not given.
    prob : float
        Of the interval, equal tails.
    scale : {"log", "linear"}
        On which widths and variances are compared.
    seed : int

    Returns
    -------
    xarray.Dataset
        Over `run`, the most useful first: ``narrowing``, the expected relative loss of the
        interval's width; ``width``, the width expected then (on the log scale the ratio of its
        ends); ``variance_reduction``; each with ``<name>_se``; ``rank``, ``tied_rank`` and
        ``rank_probability`` as of `rank_inputs`; ``width_now``. `row` is its place in `runs`.

    Raises
    ------
    InputError
        If the result has no posterior, or with every fault of the runs.

    Notes
    -----
    Lindley (1956), Ann. Math. Stat. 27, 986: what an experiment is worth before it is made. A run
    is measured with the error that the evidence had, so its outcome is known as little as
    `predict` says; the expectation over outcomes is that of `rank_inputs` with ``method="value"``,
    where the outcome is the input that would become known.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"normal": {"mean": 1, "sd": 1}},
    ...                                       "z": {"normal": {"mean": 0, "sd": 1}}}}
    >>> seen = {"schema": 1, "observes": "y", "error": {"normal": {"sd": 3}},
    ...         "columns": ["value"], "rows": [[1.0]]}
    >>> problem = un.build_problem(prior, model=lambda x, z, a=1.0: {"y": a * x + z}, evidence=seen)
    >>> tree = un.infer(problem, seed=0)
    >>> plan_measurements(tree, {"a": [0.0, 1.0]}, scale="linear")["row"].values
    array([1, 0])
    """
    if is_streamed(tree) or "posterior" not in tree.children:
        text = "has no posterior: a plan needs what measurements have taught so far"
        raise InputError.of("<result>", text)
    name, cells = main_quantity(tree, quantity), read_rows(runs)
    if not cells:
        raise InputError.of("<runs>", "is empty: give the conditions of one run or more")
    predictions = predict(tree, cells, seed=seed, observes=observes)
    (measured,) = predictions.data_vars.values()
    sample = sample_of_result(tree, name, statistic, scale)
    ends = np.cumsum([len(values) for values in sample.values])
    if ends[-1] != measured.sizes["sample"]:
        text = f"{statistic} of {name} has other draws than predictions; give typical or mean"
        raise InputError.of("<statistic>", text)
    numbers = tuple(map(str, range(len(cells))))
    outcomes = tuple(np.split(np.asarray(measured.values), ends[:-1]))
    estimates = value_of_draws(replace(sample, names=numbers, inputs=outcomes), prob, scale, None)
    table = table_of(numbers, estimates, {"quantity": name, "prob": prob, "scale": scale}, seed)
    rows = table["input"].values.astype(int)
    labels = [_label(number, cells[number]) for number in rows]
    table = table.rename(input="run").assign_coords(run=labels, row=("run", rows))
    table.attrs |= {
        "statistic": statistic,
        "observes": str(measured.name),
        "units": str(tree["central"][name].attrs.get("units", "")),
        "notices": predictions.attrs["notices"],
    }
    return table


def _label(number: int, cells: Mapping[str, object]) -> str:
    """Name a run by its place and its conditions."""
    text = ", ".join(f"{name}={value}" for name, value in cells.items() if value is not None)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"{number + 1}: {text}" if text else str(number + 1)
