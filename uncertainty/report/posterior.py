"""What measurements have changed, and how they are fitted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.errors import InputError, counted
from uncertainty.inference import DISAGREE, RELIABLE, check_fit, score, stretches, whole
from uncertainty.report import figures
from uncertainty.report.figures import distinct, quantity_label, rounded
from uncertainty.report.parts import (
    Data,
    Figure,
    Heading,
    Part,
    Sentence,
    Table,
    figure_of,
    labeled_draws,
    write,
    write_csv,
    write_figure,
)
from uncertainty.results import (
    Group,
    batched,
    check_tree,
    ess_bulk,
    ess_tail,
    inputs_of,
    main_quantity,
    quantile_estimate,
    quoted_statistic,
    r_hat,
    summarize,
    warnings_of,
)

if TYPE_CHECKING:
    import pandas as pd

_GROUPS: tuple[Group, Group] = ("prior", "posterior")
_POINTS = {"median": 0.5, "p5": 0.05, "p95": 0.95}


def posterior_parts(
    tree: xr.DataTree, quantity: str, prob: float, intervals: Mapping[str, xr.Dataset] | None = None
) -> Iterator[Part]:
    """What evidence has changed: one output, each assumption, and how the rows are fitted.

    The row of the output may be given by group, where it is summarized already.
    """
    import pandas as pd

    statistic, subject = quoted_statistic(tree, quantity), str(tree.attrs["subject"])
    if intervals is None:
        intervals = {
            group: summarize(tree, prob, quantities=[quantity], group=group).sel(
                quantity=quantity, statistic=statistic
            )
            for group in _GROUPS
        }
    table = posterior_table(tree)
    evidence = json.loads(str(tree.attrs["evidence"]))
    yield Data("posterior", table)
    names = [
        f"{item['name']} ({counted(item['rows'], 'row')} of {item['observes']})"
        for item in evidence
    ]
    yield Sentence(f"Evidence: {', '.join(names)}.")
    yield Sentence(text := _update_sentence(tree, quantity, prob, intervals))
    before, after = (labeled_draws(tree, quantity, statistic, g) for g in _GROUPS)
    draw = partial(figures.plot_updated, before, after, intervals)
    yield Figure("updated", draw, "The answer before and after the measurements", text)
    yield Heading("What evidence says of the assumptions", detail=True)
    columns = ["assumption", "prior P5 to P95", "posterior median", "P5", "P95", "ESS", "unit"]
    rows = []
    for row in table.to_dict("records"):
        cells = [figure_of(row, key) for key in _POINTS]
        prior = f"{rounded(row['prior_p5'])} to {rounded(row['prior_p95'])}"
        rows.append([row["assumption"], prior, *cells, f"{row['ess_bulk']:.0f}", row["units"]])
    yield Table("Assumptions, before and after", columns, rows)
    scores = {
        name: np.asarray(tree["unconstrained_posterior"].dataset[name].values).ravel()
        for name in map(str, table["assumption"])
    }
    draw = partial(figures.plot_movement, scores, prob, subject)
    caption = "How far each assumption moved, in standard deviations of its prior"
    yield Figure("movement", draw, caption, f"{caption}: the table above has the numbers.")
    columns = ["evidence", "rows", "left open, the same for all", "left open, averaged per row"]
    left = [
        [
            item["name"],
            ", ".join(stretches(part["rows"])),
            *(", ".join(part[key]) or "none" for key in ("shared", "averaged")),
        ]
        for item in evidence
        for part in item["open"]
    ]
    yield Table("What the rows do not state", columns, left)
    yield Data("open", pd.DataFrame(left, columns=columns), file=False)
    yield Heading("How the measurements are fitted", detail=True)
    try:
        tree = whole(tree)
    except InputError as error:  # what a result kept in short follows from may be gone
        yield Sentence(f"The fit cannot be shown: {error}")
        return
    fit = check_fit(tree)
    yield from fit_parts("Fit to the measurements", fit)
    yield Data("fit", fit.to_dataframe().reset_index(), file=False)
    yield from map(Sentence, fit_sentences(tree, fit))
    # Limits cannot be drawn against a prediction.
    observed = {
        name: np.asarray(tree["observed_data"][name].values)
        for name in map(str, tree["log_likelihood"].data_vars)
    }
    finite = {name: np.isfinite(rows) for name, rows in observed.items()}
    measured = [name for name, rows in finite.items() if rows.any()]
    if measured:
        predicted = tree["posterior_predictive"]
        output, known = str(evidence[0]["observes"]), tree["central"].dataset.data_vars
        label = quantity_label(known[output], output) if output in known else output
        seen = {name: observed[name][finite[name]] for name in measured}
        draws = {
            name: np.asarray(predicted[name].values).reshape(-1, len(observed[name]))[
                :, finite[name]
            ]
            for name in measured
        }
        draw = partial(figures.plot_fit, seen, draws, prob, label, subject)
        caption = "What was measured, and what is predicted for it"
        yield Figure("fit", draw, caption, f"{caption}: the table above has the errors.")


def posterior_table(tree: xr.DataTree) -> "pd.DataFrame":
    """Give each assumption that evidence bears on, before and after: a row each, in numbers."""
    import pandas as pd

    rows = []
    for name in json.loads(str(tree.attrs["updated"])):
        before = np.asarray(tree["prior"][name].values)
        after = np.asarray(tree["posterior"][name].values)
        bulk = ess_bulk(after)
        row = {"assumption": name}
        row |= {f"prior_{key}": quantile_estimate(before, p)[0] for key, p in _POINTS.items()}
        number = min(after.size, bulk, ess_tail(after))  # what the draws are worth
        for key, p in _POINTS.items():
            row[key], row[f"mcse_{key}"] = quantile_estimate(batched(after, tree), p, None, number)
        units = str(tree["posterior"][name].attrs.get("units", ""))
        rows.append({**row, "ess_bulk": bulk, "units": units})
    return pd.DataFrame(rows)


def _update_sentence(
    tree: xr.DataTree, quantity: str, prob: float, intervals: Mapping[str, xr.Dataset]
) -> str:
    """Say what evidence has done to the figure that is quoted."""
    units = str(tree["central"][quantity].attrs.get("units", ""))
    before, after = (
        f"{median} {units}".strip() + f" ({100 * prob:g} % interval {low} to {high})"
        for median, low, high in (
            distinct(*(float(intervals[group][key]) for key in ("median", "lower", "upper")))
            for group in _GROUPS
        )
    )
    ratios = [float(intervals[g]["upper"] / intervals[g]["lower"]) for g in _GROUPS]
    moved = f"Evidence moves {quantity} from {before} to {after}"
    if not all(ratio > 0 for ratio in ratios):
        return f"{moved}."
    wide, narrow, _ = distinct(*ratios, 1.0, digits=3)  # a factor of 1 would be no interval
    return f"{moved}: the upper end was {wide} times the lower one, and is {narrow} times it."


def fit_parts(title: str, fit: xr.Dataset) -> Iterator[Part]:
    """How a posterior fits each evidence, or a prior expects it, and why a figure is missing."""
    last = ["elpd, left out", "k"] if "elpd_loo" in fit else ["farthest row", "tail"]
    columns = ["evidence", "rows", "log-RMSE", "bias", "in 50 %", "in 90 %", *last]
    rows, limits, signed = [], list[str](), list[str]()
    for name in map(str, fit["evidence"].values):
        row = fit.sel(evidence=name)
        errors = [f"{float(row[key]):z.2f}" for key in ("log_rmse", "bias")]
        inside = [f"{100 * float(row['coverage'].sel(prob=p)):.0f} %" for p in (0.5, 0.9)]
        if not row["rows"]:
            limits.append(name)
            errors, inside = ["none"] * 2, ["none"] * 2
        elif np.isnan(row["log_rmse"]):
            signed.append(name)
            errors = ["none"] * 2
        if "elpd_loo" in fit:
            ends = [figure_of(row, "elpd_loo"), f"{float(row['worst_k']):.2f}"]
        else:
            ends = [f"{int(row['farthest'])}", figure_of(row, "tail")]
        rows.append([name, f"{int(row['rows'])}", *errors, *inside, *ends])
    yield Table(title, columns, rows)
    if limits:
        yield Sentence(f"Rows with limits only have no error and no coverage: {', '.join(limits)}.")
    if signed:
        yield Sentence(
            "log-RMSE and bias need logarithms: there are none where a measurement, or its "
            f"predicted median, is not above 0: {', '.join(signed)}."
        )


def fit_sentences(tree: xr.DataTree, fit: xr.Dataset) -> Iterator[str]:
    """Say where leaving rows out cannot be trusted, and how the chains were checked."""
    facts, above = tree.attrs, int(fit["rows_above"].sum())
    count = sum(rows.shape[-1] for rows in tree["log_likelihood"].data_vars.values())
    if above:
        yield (
            f"Pareto k is above {RELIABLE} in {above} of {counted(count, 'row')}: there the "
            "posterior depends on single rows, and elpd with rows left out is too optimistic."
        )
    k, sampler = float(facts["pareto_k"]), str(facts.get("sampler", "nuts"))
    if sampler != "nuts":
        yield (
            f"{counted(facts['posterior_chains'] * facts['posterior_draws'], 'draw')} of equal "
            f"weight, by importance sampling (Pareto k {k:.2f}): {sampler}."
        )
        return
    # What was sampled: the scores of assumptions, and the effects of groups too.
    scores = tree["unconstrained_posterior"]
    sampled = [np.asarray(scores[name].values) for name in json.loads(str(facts["updated"]))]
    effects = [x for x in scores.data_vars.values() if x.ndim > 2]
    sampled += [z for x in effects for z in np.moveaxis(np.asarray(x.values), -1, 0)]
    importance = "importance sampling from the prior"
    if k >= RELIABLE:
        checked = f"{importance} cannot check them (Pareto k {k:.2f}, over {RELIABLE})"
    elif any(DISAGREE in text for text in warnings_of(tree)):
        checked = f"{importance} does not agree (Pareto k {k:.2f})"
    else:
        checked = f"{importance} agrees (Pareto k {k:.2f})"
    yield (
        f"{counted(facts['posterior_chains'], 'chain')} of "
        f"{counted(facts['posterior_draws'], 'draw')}, "
        f"largest R-hat {max(map(r_hat, sampled)):.3f}; {checked}."
    )


def write_posterior(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    quantity: str | None = None,
    prob: float = 0.9,
    png: bool = False,
) -> list[Path]:
    """Draw what evidence has moved, and how it is fitted.

    Parameters
    ----------
    tree : xarray.DataTree
        From `infer` or `load`.
    folder : str or Path
        Made where there is none.
    quantity : str, optional
        The output drawn; the only one, or ``energy_wh``, where not given.
    prob : float
        Probability of the intervals.
    png : bool
        Write figures as PNG too.

    Returns
    -------
    list of Path
        ``posterior.csv``, and as SVG ``updated`` (the output before and after),
        ``movement`` (each assumption) and, unless all rows are limits, ``fit`` (predictive
        intervals against measurements).

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    >>> evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 0.2}},
    ...             "columns": ["value"], "rows": [[2.0], [2.5]]}
    >>> tree = un.infer(un.build_problem(prior, model=lambda x: x, evidence=evidence))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_posterior(tree, folder)][:3]
    ['posterior.csv', 'updated.svg', 'movement.svg']
    """
    check_tree(tree)
    page = posterior_parts(tree, main_quantity(tree, quantity), prob)
    return write(page, folder, png=png, read=inputs_of(tree))


def write_fits(fits: xr.Dataset, folder: str | Path, *, png: bool = False) -> list[Path]:
    """Write a comparison of fits as a table and a figure.

    Parameters
    ----------
    fits : xarray.Dataset
        From `compare_fits`.
    folder : str or Path
        Made where there is none.
    png : bool
        Write the figure as PNG too.

    Returns
    -------
    list of Path
        ``fits.csv``, and the figure as SVG.

    Examples
    --------
    >>> import tempfile
    >>> columns = {"elpd_difference": [0.0, -9.0], "elpd_difference_se": [0.0, 3.0]}
    >>> fits = xr.Dataset({k: ("fit", v) for k, v in columns.items()}, {"fit": ["one", "other"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_fits(fits, folder)]
    ['fits.csv', 'fits.svg']
    """
    data = Data("fits", fits.to_dataframe().reset_index())
    return write([data, Figure("fits", partial(figures.plot_fits, fits))], folder, png=png)


def write_scores(
    predictions: Mapping[str, xr.Dataset | xr.DataArray],
    observed: Sequence[float],
    folder: str | Path,
    *,
    prob: float = 0.9,
    label: str = "energy of one output token, GPU boards (J)",
    png: bool = False,
) -> xr.Dataset:
    """Score the predictions of several approaches, and draw them against what was measured.

    Parameters
    ----------
    predictions : mapping of str to Dataset or DataArray
        Of each approach, as `predict` gives them; a single draw states no interval.
    observed : sequence of float
        One measurement a row.
    folder : str or Path
        Made where there is none.
    prob : float
        Probability of the intervals drawn.
    label : str
        What was measured, with its unit.
    png : bool
        Draw it as PNG too.

    Returns
    -------
    xarray.Dataset
        `score` of each over ``approach``, coverage NaN where no interval is stated; also written to
        ``scores.csv``, and drawn as ``fit.svg``.

    Examples
    --------
    >>> import tempfile
    >>> numbers = np.random.default_rng(0).lognormal(size=(99, 3))
    >>> draws = xr.DataArray(numbers, dims=("sample", "row"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = write_scores({"one": draws, "other": draws[:1]}, [1.0, 2.0, 3.0], folder)
    >>> scores["approach"].values.tolist()
    ['one', 'other']
    """
    values, plain, tables = np.asarray(observed, np.float64), {}, []
    for name, given in predictions.items():
        one = given if isinstance(given, xr.DataArray) else given[next(iter(given.data_vars))]
        draws = plain[name] = one.transpose("sample", "row")
        single = draws.sizes["sample"] == 1
        table = score(xr.concat([draws, draws], "sample") if single else draws, values)
        if single:  # scored as two equal draws, of which coverage means nothing
            unknown = ("coverage", "coverage_se", "pit")
            table = table.assign({key: table[key] * np.nan for key in unknown})
        tables.append(table)
    scores = xr.concat(tables, xr.DataArray(list(plain), dims="approach", name="approach"))
    flat = scores.drop_dims("row").to_dataframe().reset_index()
    write_csv(Path(folder) / "scores.csv", flat)
    numbers = {name: np.asarray(draws.values) for name, draws in plain.items()}
    figure = figures.plot_fit(dict.fromkeys(plain, values), numbers, prob, label)
    write_figure(Path(folder) / "fit", figure, png=png)
    return scores
