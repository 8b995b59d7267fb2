"""The page of one result: composed once, for the terminal, for files and for programs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.report.figures import plot_assumptions, plot_components, plot_distribution
from uncertainty.report.parts import (
    Data,
    Doubts,
    Figure,
    Heading,
    Notes,
    Part,
    Sentence,
    Table,
    figure_with_error,
    items_of,
    rows_of,
    sentences_of,
    write,
    write_figure,
)
from uncertainty.report.posterior import fit_parts, posterior_parts
from uncertainty.report.ranking import ranking_parts, ranking_record
from uncertainty.report.result import (
    Headline,
    above_sentence,
    add_chances,
    central_sentence,
    citation_sentence,
    distinct_statistics,
    doubts,
    headline,
    labeled_draws,
    notices_of,
    provenance_lines,
    split_sentence,
)
from uncertainty.results import (
    chances,
    check_tree,
    group_of,
    inputs_of,
    is_nested,
    main_quantity,
    quoted_statistic,
    summaries,
    warnings_of,
)
from uncertainty.sampling import summarize_inputs, width_notices
from uncertainty.writing import json_text, write_text

if TYPE_CHECKING:
    import pandas as pd

_CITATION = "For a report"


def parts(
    tree: xr.DataTree,
    *,
    quantity: str | None = None,
    ranking: xr.Dataset | None = None,
    probs: Sequence[float] = (0.5, 0.9),
    above: float | None = None,
    drivers: Iterable[Part] = (),
) -> Iterator[Part]:
    """Compose the page of one result, the answer first; see `write_report`.

    What drives the answer, in parts that are composed when they are reached, may stand in for a
    ranking that is still to be made.
    """
    ranked = str(ranking.attrs["quantity"]) if ranking is not None else None
    quantity = main_quantity(tree, quantity if quantity is not None else ranked)
    tables = summaries(tree, probs)
    summary = headline(tree, quantity, tables)
    reasons = doubts(tree, summary)
    yield Heading(str(tree.attrs["subject"]), 1)
    yield Doubts(reasons) if reasons else Sentence(citation_sentence(tree, summary), _CITATION)
    whole = _frame(tables)
    if above is not None:
        add_chances(whole, whole["quantity"] == quantity, tree, quantity, above)
    yield Data("summary", whole)
    prior = None
    if "posterior" in tree.children:
        before = summaries(tree, probs, group="prior")
        yield Data("prior_summary", _frame(before), file=False)
        prior = headline(tree, quantity, before)
        yield prior.table()
    yield summary.table()
    yield Sentence("Each figure is followed by its Monte Carlo standard error.", detail=True)
    yield Sentence(central_sentence(tree, summary))
    yield Sentence(split_sentence(tree, quantity))
    if above is not None:
        yield Sentence(above_sentence(tree, quantity, above))
    yield from _figures(tree, summary, tables[-1])
    if prior is not None:
        intervals = {"prior": prior.interval, "posterior": summary.interval}
        for part in posterior_parts(tree, quantity, max(probs), intervals):
            # Each assumption, before and after, is too long for the terminal of a run.
            yield replace(part, detail=True) if isinstance(part, Table) else part
    yield from drivers
    if ranking is not None:
        yield from ranking_parts(ranking)
    if "prior" in tree.children:
        keys = ("law", "units", "varies", "basis", "source", "note")
        rows = [
            [str(name), *(str(values.attrs.get(key, "")) for key in keys)]
            for name, values in tree["prior"].data_vars.items()
        ]
        yield Heading("Assumptions")
        yield Table("", ["assumption", *keys], rows, detail=True)
    notices = notices_of(tree)
    if notices:
        yield Notes("Notices", notices, "note")
    yield Notes("Provenance", [*provenance_lines(tree)], detail=True)


def _frame(tables: Sequence[xr.Dataset]) -> "pd.DataFrame":
    """Summaries at several probabilities as one table of numbers."""
    import pandas as pd

    frames = [
        table.to_dataframe()
        .reset_index()
        .assign(prob=table.attrs["prob"], kind=table.attrs["kind"])
        for table in tables
    ]
    return pd.concat(frames, ignore_index=True)


def _figures(tree: xr.DataTree, summary: Headline, whole: xr.Dataset) -> Iterator[Figure]:
    """The distribution, and what it is made of; neither where a draw is not finite."""
    draws = _draws_by_statistic(tree, summary.quantity)
    if not all(bool(np.isfinite(values).all()) for values in draws.values()):
        return
    tables = [table.sel(statistic=list(draws)) for table in summary.tables]
    central = float(tree["central"][summary.quantity])
    yield Figure("distribution", partial(plot_distribution, draws, tables, central))
    components = {
        str(name): str(values.attrs["long_name"])
        for name, values in tree["central"].data_vars.items()
        # A result kept in short has no statistics of them.
        if values.attrs.get("part_of") == summary.quantity and name in whole["quantity"].values
    }
    if components:
        table = whole.sel(quantity=list(components), statistic="mean")
        table.attrs |= {"subject": tree.attrs["subject"], "group": group_of(tree)}
        labels = list(components.values())
        yield Figure("components", partial(plot_components, table, labels, summary.units))


def _draws_by_statistic(tree: xr.DataTree, quantity: str) -> dict[str, xr.DataArray]:
    names = distinct_statistics(quoted_statistic(tree, quantity), nested=is_nested(tree))
    return {name: labeled_draws(tree, quantity, name) for name in names}


def record(
    tree: xr.DataTree,
    page: Sequence[Part],
    quantity: str,
    *,
    ranking: xr.Dataset | None = None,
    above: float | None = None,
) -> dict[str, object]:
    """Give what the page of a result says as plain data, for JSON."""
    rows = [row._asdict() for row in chances(tree, quantity, above)] if above is not None else []
    ranked = ranking_record(ranking) if ranking is not None else {}
    cited = [p.text for p in page if isinstance(p, Sentence) and p.label == _CITATION]
    return {
        "title": tree.attrs["title"],
        "subject": tree.attrs["subject"],
        "quantity": quantity,
        "statistic": quoted_statistic(tree, quantity),
        "group": group_of(tree),
        "units": str(tree["central"][quantity].attrs.get("units", "")),
        "central": float(tree["central"][quantity]),
        "summary": rows_of(page, "summary"),
        "prior_summary": rows_of(page, "prior_summary"),
        "ranking": ranked.pop("inputs", []),
        "ranking_pairs": ranked.pop("pairs", []),
        "ranking_facts": {k: v for k, v in ranked.items() if k != "sentence"},
        "above": rows,
        "sentences": sentences_of(page),
        "report": " ".join(cited),
        "notices": items_of(page, Notes, "note"),
        "warnings": items_of(page, Doubts),
    }


def check_parts(tree: xr.DataTree, expected: xr.Dataset | None = None) -> Iterator[Part]:
    """What assumptions imply, and what they expect of the measurements (from `check_prior`)."""
    percentiles = summarize_inputs(tree)
    warnings = [*warnings_of(tree), *width_notices(percentiles)]
    keys, rows = ("p5", "median", "p95"), []
    for name in percentiles["input"].values:
        row = percentiles.sel(input=name)
        cells = [figure_with_error(float(row[k]), float(row[f"mcse_{k}"])) for k in keys]
        rows.append([str(name), *cells, str(row["units"].item())])
    title = f"{tree.attrs['priors']}: what each assumption implies"
    yield Table(title, ["assumption", *keys, "unit"], rows)
    yield Data("inputs", percentiles.to_dataframe().reset_index())
    if expected is not None:
        yield from fit_parts("What the prior expects of the measurements", expected)
        yield Data("evidence", expected.to_dataframe().reset_index())
        warnings += [str(text) for text in expected["surprise"].values if text]
    yield Notes("Notices", [text for text in notices_of(tree) if text not in warnings], "note")
    yield Notes("Warnings", warnings, "warning")


def write_report(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    quantity: str | None = None,
    ranking: xr.Dataset | None = None,
    probs: Sequence[float] = (0.5, 0.9),
    above: float | None = None,
    png: bool = False,
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
    png : bool
        Write figures as PNG too.

    Returns
    -------
    list of Path
        ``summary.csv``, ``ranking.csv``, figures as SVG, and ``report.md``; of a
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
    page = parts(tree, quantity=quantity, ranking=ranking, probs=probs, above=above)
    return write(page, folder, page=True, png=png, read=inputs_of(tree))


def write_assumptions(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    quantity: str | None = None,
    prob: float = 0.9,
    png: bool = False,
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
    png : bool
        Write it as PNG too.

    Returns
    -------
    list of Path
        ``assumptions.svg``.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_assumptions(tree, folder)]
    ['assumptions.svg']
    """
    implied = summarize_inputs(tree)
    quantity = main_quantity(tree, quantity)
    draws = _draws_by_statistic(tree, quantity)
    inputs = {str(name): values for name, values in tree["prior"].data_vars.items()}
    tables = [
        table.sel(quantity=quantity, statistic=list(draws))
        for table in summaries(tree, (0.5, prob), quantities=[quantity])
    ]
    central = float(tree["central"][quantity])
    figure = plot_assumptions(inputs, implied, draws, tables, central)
    return write_figure(Path(folder) / "assumptions", figure, png=png)


def write_provenance(
    result: "xr.DataTree | xr.Dataset", folder: str | Path, script: str = ""
) -> Path:
    """Write where figures come from, beside them.

    Parameters
    ----------
    result : xarray.DataTree or xarray.Dataset
        From `simulate`, `compare` or `sweep`.
    folder : str or Path
        Made where there is none.
    script : str
        Name of the script that drew them.

    Returns
    -------
    Path
        ``provenance.json``: files with their hashes, seed and versions.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_provenance(tree, folder, "mine.py").name
    'provenance.json'
    """
    if isinstance(result, xr.DataTree):
        check_tree(result)
    facts = {key: result.attrs[key] for key in ("priors", "priors_sha256", "seed", "versions")}
    text = json_text({**facts, "script": script}, indent=1)
    return write_text(Path(folder) / "provenance.json", text)
