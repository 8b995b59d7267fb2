"""One input through a range of values: how the answer changes, at common points."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TypedDict, Unpack

import numpy as np
import xarray as xr

from uncertainty.comparison.compare import origin
from uncertainty.errors import InputError, check_keywords, require_known
from uncertainty.files import Priors, load_priors
from uncertainty.inputs import INPUTS
from uncertainty.problem import ModelLike, build_problem
from uncertainty.results import STATISTICS, summarize, unknown_figures, warnings_of
from uncertainty.sampling import stream


class Question(TypedDict, total=False):
    """What `build_problem` takes beside the priors."""

    model: ModelLike | None
    given: Mapping[str, object] | None
    scenario: str | None


def sweep(
    priors: Priors | str | Mapping[str, object],
    name: str,
    values: Sequence[float],
    *,
    quantities: Sequence[str] = ("energy_wh",),
    statistic: str = "typical",
    prob: float = 0.9,
    draws: int | None = None,
    seed: int = 0,
    **question: Unpack[Question],
) -> xr.Dataset:
    """Summarize outputs for each of several values of one assumption.

    Parameters
    ----------
    priors
        As in `build_problem`.
    name : str
        The assumption that is fixed at each value, in its canonical unit.
    values : sequence of float
    quantities : sequence of str
        Outputs.
    statistic : {"typical", "mean", "query"}
    prob : float
        Probability that the intervals (equal tails) hold.
    draws, seed
        As in `stream`: the points of all other assumptions are the same for every value.
    **question
        ``model``, ``given`` and ``scenario``, as in `build_problem`.

    Returns
    -------
    xarray.Dataset
        ``median``, ``lower``, ``upper`` and their Monte Carlo standard errors ``mcse_...`` over
        ``quantity`` and the assumption's name. The attribute ``warnings`` holds, as JSON, the
        sentences on why a result is not to be trusted. Evidence is left out: where there is some,
        the attribute ``group`` says ``prior``.

    Raises
    ------
    InputError
        If there are no values, or what `build_problem` refuses.

    Examples
    --------
    >>> table = sweep("gpt-4o", "output_tokens", [100, 1000], draws=512)
    >>> bool(table["median"][0, 1] > table["median"][0, 0])
    True
    """
    check_keywords("sweep", question, Question.__annotations__)
    if not len(values):
        raise InputError.of("<values>", "give one or more")
    require_known("statistic", statistic, STATISTICS)
    priors = priors if isinstance(priors, Priors) else load_priors(priors)
    tables, facts, doubts = [], {}, list[str]()
    for value in values:
        fixed = {**(question.get("given") or {}), name: float(value)}
        problem = build_problem(priors, question.get("model"), fixed, question.get("scenario"))
        tree = stream(problem, draws, seed, quantities=quantities)
        table = summarize(tree, prob, quantities=list(quantities)).sel(statistic=[statistic])
        tables.append(table.isel(statistic=0))
        facts = origin([tree])
        shown = ("median", "lower", "upper")
        unknown = (unknown_figures(table.sel(quantity=q), shown) for q in quantities)
        texts = chain(warnings_of(tree), *unknown)
        doubts += [f"{name} = {value:g}: {text}" for text in texts]
    unit = INPUTS[name].unit if name in INPUTS else ""
    units = {"units": "" if unit == "1" else unit}
    index = xr.Variable(name, np.asarray(values, float), units)
    result = xr.concat(tables, index, coords="minimal", compat="override", join="override")
    outputs = [problem.outputs[quantity] for quantity in quantities]
    named = {
        "boundary": ("quantity", [output.boundary for output in outputs]),
        "meaning": ("quantity", [output.meaning for output in outputs]),
    }
    order = result.transpose("quantity", name).assign_coords(named)
    facts |= {"warnings": json.dumps(doubts)}
    return order.assign_attrs({**facts, "prob": prob, "kind": "eti", "statistic": statistic})
