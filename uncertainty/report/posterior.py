"""What evidence has changed, as rows, sentences and files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.report.figures import plot_fit, plot_movement, plot_updated, quantity_label
from uncertainty.report.files import write_csv, write_figure
from uncertainty.report.fit import fit_rows, fit_sentences, open_rows, updated_names
from uncertainty.report.markdown import heading, image, paragraph, table_text
from uncertainty.report.text import Headline, figure_with_error, headline
from uncertainty.results import (
    Group,
    batched,
    check_tree,
    draws_of,
    ess_bulk,
    ess_tail,
    main_quantity,
    quantile_estimate,
    quoted_statistic,
    summarize,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


_GROUPS: tuple[Group, ...] = ("prior", "posterior")


_POINTS = {"median": 0.5, "p5": 0.05, "p95": 0.95}


def posterior_table(tree: xr.DataTree) -> "pd.DataFrame":
    """Give each assumption that evidence bears on, before and after: a row each, in numbers."""
    import pandas as pd

    rows = []
    for name in updated_names(tree):
        before = np.asarray(tree["prior"][name].values)
        after = np.asarray(tree["posterior"][name].values)
        row: dict[str, str | float] = {"assumption": name}
        bulk = ess_bulk(after)
        number = min(after.size, bulk, ess_tail(after))
        row |= {f"prior_{key}": quantile_estimate(before, p)[0] for key, p in _POINTS.items()}
        for key, p in _POINTS.items():
            row[key], row[f"mcse_{key}"] = quantile_estimate(batched(after, tree), p, None, number)
        row["ess_bulk"] = bulk
        row["units"] = str(tree["posterior"][name].attrs.get("units", ""))
        rows.append(row)
    return pd.DataFrame(rows)


def posterior_rows(tree: xr.DataTree) -> tuple[list[str], list[list[str]]]:
    """Give the columns and rows of `posterior_table` as people read them."""
    columns = ["assumption", "prior P5 to P95", "posterior median", "P5", "P95", "ESS", "unit"]
    rows = []
    for row in posterior_table(tree).to_dict("records"):
        cells = [figure_with_error(row[key], row[f"mcse_{key}"]) for key in _POINTS]
        before = f"{row['prior_p5']:.3g} to {row['prior_p95']:.3g}"
        rows.append([row["assumption"], before, *cells, f"{row['ess_bulk']:.0f}", row["units"]])
    return columns, rows


def evidence_sentence(tree: xr.DataTree) -> str:
    """Name the evidence."""
    items = json.loads(str(tree.attrs["evidence"]))
    told = [f"{item['name']} ({item['rows']} rows of {item['observes']})" for item in items]
    return f"Evidence: {', '.join(told)}."


def update_sentence(tree: xr.DataTree, quantity: str, prob: float) -> str:
    """Say what evidence has done to the figure that is quoted."""
    rows = {group: _of_group(tree, quantity, prob, group) for group in _GROUPS}
    units = str(tree["central"][quantity].attrs.get("units", ""))
    told = {
        group: (
            f"{float(row['median']):.2g} {units} ({100 * prob:g} % interval "
            f"{float(row['lower']):.2g} to {float(row['upper']):.2g})"
        )
        for group, row in rows.items()
    }
    ratios = [float(row["upper"] / row["lower"]) for row in rows.values()]
    moved = f"from {told['prior']} to {told['posterior']}"
    if not all(ratio > 0 for ratio in ratios):
        return f"Evidence moves {quantity} {moved}."
    return (
        f"Evidence moves {quantity} {moved}: the ends of the interval were a factor of "
        f"{ratios[0]:.3g} apart, and are {ratios[1]:.3g}."
    )


def _of_group(tree: xr.DataTree, quantity: str, prob: float, group: Group) -> xr.Dataset:
    table = summarize(tree, prob, quantities=[quantity], group=group)
    return table.sel(quantity=quantity, statistic=quoted_statistic(tree, quantity))


def posterior_markdown(tree: xr.DataTree, summary: Headline) -> Iterator[str]:
    """Write what evidence has changed: the prior, assumptions before and after, the fit."""
    probs = [float(table.attrs["prob"]) for table in summary.tables]
    prior = headline(tree, summary.quantity, probs, "prior")
    yield heading(2, prior.title)
    yield table_text(prior.columns, prior.rows())
    yield paragraph(
        evidence_sentence(tree) + " " + update_sentence(tree, summary.quantity, probs[-1])
    )
    yield image("updated")
    yield heading(2, "What evidence says of the assumptions")
    yield table_text(*posterior_rows(tree))
    yield image("movement")
    yield table_text(*open_rows(tree))
    yield heading(2, "How the measurements are fitted")
    yield table_text(*fit_rows(tree))
    yield paragraph(" ".join(fit_sentences(tree)))
    if _measured(tree):
        yield image("fit")


def write_posterior(
    tree: xr.DataTree, folder: str | Path, *, quantity: str | None = None, prob: float = 0.9
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

    Returns
    -------
    list of Path
        ``posterior.csv``, and as SVG and PNG ``updated`` (the output before and after),
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
    ['posterior.csv', 'updated.svg', 'updated.png']
    """
    check_tree(tree)
    folder, quantity = Path(folder), main_quantity(tree, quantity)
    written = [write_csv(folder / "posterior.csv", posterior_table(tree))]
    prior, posterior = (_draws(tree, quantity, group) for group in _GROUPS)
    intervals: dict[str, xr.Dataset] = {g: _of_group(tree, quantity, prob, g) for g in _GROUPS}
    written += write_figure(folder / "updated", plot_updated(prior, posterior, intervals))
    scores = {
        name: np.asarray(tree["unconstrained_posterior"][name].values).ravel()
        for name in updated_names(tree)
    }
    written += write_figure(folder / "movement", plot_movement(scores, prob))
    if not _measured(tree):
        return written
    return written + write_figure(folder / "fit", _fit_figure(tree, prob))


def _draws(tree: xr.DataTree, quantity: str, group: Group) -> xr.DataArray:
    facts = {**tree["central"][quantity].attrs, "subject": tree.attrs["subject"]}
    draws = draws_of(tree, quantity, quoted_statistic(tree, quantity), group)
    return xr.DataArray(draws, None, ("chain", "draw"), quantity, facts)


def _measured(tree: xr.DataTree) -> list[str]:
    """Name the evidence that has values, and not only limits."""
    observed = tree["observed_data"].dataset
    names = [str(name) for name in tree["log_likelihood"].data_vars]
    return [name for name in names if np.isfinite(observed[name].values).any()]


def _fit_figure(tree: xr.DataTree, prob: float) -> "Figure":
    names = _measured(tree)
    observed = {name: np.asarray(tree["observed_data"][name].values) for name in names}
    kept = {name: np.isfinite(values) for name, values in observed.items()}
    predicted = {
        name: np.asarray(tree["posterior_predictive"][name].values).reshape(-1, len(observed[name]))
        for name in names
    }
    items = json.loads(str(tree.attrs["evidence"]))
    output = str(items[0]["observes"])
    known = tree["central"].dataset.data_vars
    label = quantity_label(known[output], output) if output in known else output
    return plot_fit(
        {name: observed[name][kept[name]] for name in names},
        {name: predicted[name][:, kept[name]] for name in names},
        prob,
        label,
    )
