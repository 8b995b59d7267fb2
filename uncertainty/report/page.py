"""Summaries, rankings and provenance to files that people read."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.report.figures import (
    plot_assumptions,
    plot_components,
    plot_distribution,
    plot_ranking,
)
from uncertainty.report.files import write_csv, write_figure
from uncertainty.report.markdown import bullets, heading, image, paragraph, table_text
from uncertainty.report.posterior import (
    posterior_markdown,
    write_posterior,
)
from uncertainty.report.ranking import (
    ranking_rows,
    ranking_title,
)
from uncertainty.report.record import (
    add_chances,
    notices_of,
    provenance_lines,
)
from uncertainty.report.text import (
    Headline,
    above_sentence,
    central_sentence,
    citation_sentence,
    doubts,
    headline,
    split_sentence,
)
from uncertainty.results import (
    STATISTICS,
    check_tree,
    draws_of,
    is_nested,
    main_quantity,
    summarize,
)
from uncertainty.sampling import summarize_inputs
from uncertainty.writing import write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def write_report(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    quantity: str | None = None,
    ranking: xr.Dataset | None = None,
    probs: Sequence[float] = (0.5, 0.9),
    above: float | None = None,
) -> list[Path]:
    """Write tables, figures and a text about one result.

    Parameters
    ----------
    tree : xarray.DataTree
        From `simulate` or `load`.
    folder : str or Path
        Made where there is none.
    quantity : str, optional
        The output to report; that of the ranking, or ``energy_wh``, where not given.
    ranking : xarray.Dataset, optional
        From `rank_inputs`.
    probs : sequence of float
        Probabilities of the intervals, ascending.
    above : float, optional
        A threshold: the report gives the chance of exceeding it.

    Returns
    -------
    list of Path
        ``summary.csv``, ``ranking.csv``, figures as SVG and PNG, and ``report.md``; of a
        posterior also what `write_posterior` writes.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     names = [path.name for path in write_report(tree, folder)]
    >>> "report.md" in names
    True
    """
    check_tree(tree)
    folder = Path(folder)
    ranked = str(ranking.attrs["quantity"]) if ranking is not None else None
    quantity = main_quantity(tree, quantity if quantity is not None else ranked)
    summary = headline(tree, quantity, probs)
    written = [write_csv(folder / "summary.csv", _summary_frame(tree, probs, quantity, above))]
    if ranking is not None:
        written.append(write_csv(folder / "ranking.csv", _ranking_frame(ranking)))
    figures = dict(_figures(tree, summary, ranking))
    for name, figure in figures.items():
        written += write_figure(folder / name, figure)
    if "posterior" in tree.children:
        written += write_posterior(tree, folder, quantity=quantity, prob=max(probs))
    text = "\n\n".join(_markdown(tree, summary, ranking, list(figures), above)) + "\n"
    return [*written, write_text(folder / "report.md", text)]


def write_assumptions(
    tree: xr.DataTree, folder: str | Path, *, quantity: str | None = None, prob: float = 0.9
) -> list[Path]:
    """Draw every assumption on one page, and what they imply together.

    Parameters
    ----------
    tree : xarray.DataTree
        From `simulate` or `load`.
    folder : str or Path
        Made where there is none.
    quantity : str, optional
        The output drawn; the only one, or ``energy_wh``, where not given.
    prob : float
        Probability of the wider interval.

    Returns
    -------
    list of Path
        ``assumptions.svg`` and ``assumptions.png``.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_assumptions(tree, folder)]
    ['assumptions.svg', 'assumptions.png']
    """
    check_tree(tree)
    quantity = main_quantity(tree, quantity)
    summary, draws = headline(tree, quantity, (0.5, prob)), _draws_by_statistic(tree, quantity)
    inputs = {str(name): values for name, values in tree["prior"].data_vars.items()}
    tables = [table.sel(statistic=list(draws)) for table in summary.tables]
    central = float(tree["central"][quantity])
    figure = plot_assumptions(inputs, summarize_inputs(tree), draws, tables, central)
    return write_figure(Path(folder) / "assumptions", figure)


def _summary_frame(
    tree: xr.DataTree, probs: Sequence[float], quantity: str, above: float | None
) -> "pd.DataFrame":
    import pandas as pd

    tables = [summarize(tree, prob) for prob in probs]
    frames = [
        t.to_dataframe().reset_index().assign(prob=p, kind=t.attrs["kind"])
        for t, p in zip(tables, probs, strict=True)
    ]
    whole = pd.concat(frames, ignore_index=True)
    if above is not None:
        add_chances(whole, whole["quantity"] == quantity, tree, quantity, above)
    return whole


def _ranking_frame(ranking: xr.Dataset) -> "pd.DataFrame":
    plain = [key for key, values in ranking.data_vars.items() if values.dims in ((), ("input",))]
    flat = ranking[plain].to_dataframe().reset_index()
    for position in ranking["position"].values:
        flat[f"chance_of_rank_{position}"] = (
            ranking["rank_probability"].sel(position=position).values
        )
    facts = {key: ranking.attrs[key] for key in ("method", "quantity", "statistic", "scale", "by")}
    return flat.assign(**facts)


def _figures(
    tree: xr.DataTree, summary: Headline, ranking: xr.Dataset | None
) -> Iterator[tuple[str, "Figure"]]:
    draws = _draws_by_statistic(tree, summary.quantity)
    finite = all(bool(np.isfinite(values).all()) for values in draws.values())
    if finite:
        tables = [table.sel(statistic=list(draws)) for table in summary.tables]
        yield (
            "distribution",
            plot_distribution(draws, tables, float(tree["central"][summary.quantity])),
        )
    if ranking is not None:
        yield "ranking", plot_ranking(ranking)
    parts = _components(tree, summary.quantity)
    if parts and finite:
        prob = float(summary.tables[-1].attrs["prob"])
        table = summarize(tree, prob, quantities=list(parts)).sel(statistic="mean")
        group = "posterior" if "posterior" in tree.children else "prior"
        table.attrs |= {"subject": tree.attrs["subject"], "group": group}
        yield "components", plot_components(table, list(parts.values()), summary.units)


def _draws_by_statistic(tree: xr.DataTree, quantity: str) -> dict[str, xr.DataArray]:
    group = "posterior" if "posterior" in tree.children else "prior"
    facts = {**tree["central"][quantity].attrs, "subject": tree.attrs["subject"], "group": group}
    names = STATISTICS if is_nested(tree) else STATISTICS[:1]
    return {
        name: xr.DataArray(draws_of(tree, quantity, name), None, ("chain", "draw"), quantity, facts)
        for name in names
    }


def _components(tree: xr.DataTree, quantity: str) -> dict[str, str]:
    """Outputs that add up to `quantity`, with what they are."""
    return {
        str(name): str(values.attrs["long_name"])
        for name, values in tree["central"].data_vars.items()
        if values.attrs.get("part_of") == quantity
    }


def _markdown(
    tree: xr.DataTree,
    summary: Headline,
    ranking: xr.Dataset | None,
    figures: Sequence[str],
    above: float | None,
) -> Iterator[str]:
    yield heading(1, str(tree.attrs["subject"]))
    warnings = doubts(tree, summary)
    if warnings:
        yield paragraph("", strong="Not to be trusted:")
        yield bullets(warnings)
    else:
        yield paragraph(citation_sentence(tree, summary))
    yield heading(2, summary.title)
    yield table_text(summary.columns, summary.rows())
    yield paragraph("Each figure is followed by its Monte Carlo standard error.")
    if "posterior" in tree.children:
        yield from posterior_markdown(tree, summary)
    yield paragraph(central_sentence(tree, summary))
    yield paragraph(split_sentence(tree, summary.quantity))
    if above is not None:
        yield paragraph(above_sentence(tree, summary.quantity, above))
    yield from (image(name) for name in figures if name != "ranking")
    if ranking is not None:
        yield heading(2, f"What matters: {ranking_title(ranking)}")
        yield table_text(*ranking_rows(ranking))
        yield paragraph(str(ranking.attrs["note"]))
        yield image("ranking")
    if "prior" in tree.children:
        yield heading(2, "Assumptions")
        yield table_text(*_assumption_rows(tree))
    notices = notices_of(tree)
    if notices:
        yield heading(2, "Notices")
        yield bullets(notices)
    yield heading(2, "Provenance")
    yield bullets(provenance_lines(tree.attrs))


def _assumption_rows(tree: xr.DataTree) -> tuple[list[str], list[list[str]]]:
    keys = ("law", "units", "varies", "basis", "source", "note")
    rows = [
        [str(name), *(str(values.attrs.get(key, "")) for key in keys)]
        for name, values in tree["prior"].data_vars.items()
    ]
    return ["assumption", *keys], rows
