"""Scenarios side by side: one table, one figure, one text."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import xarray as xr

from uncertainty.comparison import summarize_scenarios
from uncertainty.report.figures import STATISTIC_LABELS, plot_scenarios
from uncertainty.report.files import write_csv, write_figure
from uncertainty.report.markdown import bullets, heading, image, paragraph, table_text
from uncertainty.report.record import add_chances, provenance_lines
from uncertainty.report.text import chance_text, figure_with_error
from uncertainty.results import (
    STATISTICS,
    Chance,
    chances,
    check_tree,
    unknown_figures,
    warnings_of,
)
from uncertainty.writing import write_text


def scenario_title(table: xr.Dataset) -> str:
    """Name the quantity, its unit and the interval."""
    units = str(table["units"].item())
    unit = f" ({units})" if units else ""
    groups = _groups(table)
    group = f", {groups.pop()}" if len(groups) == 1 else ""
    prob = f"{100 * table.attrs['prob']:g} % intervals, equal tails"
    return f"{table.attrs['quantity']}{unit}{group}; {prob}"


def _groups(table: xr.Dataset) -> set[str]:
    return {str(group) for group in table["group"].values} if "group" in table else set()


def row_name(table: xr.Dataset, name: str) -> str:
    """The name of a result, with prior or posterior where a table has both."""
    both = len(_groups(table)) > 1
    return f"{name}, {table['group'].sel(scenario=name).item()}" if both else name


def scenario_rows(table: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Columns and rows, each figure with its Monte Carlo standard error."""
    first = str(table["scenario"].values[0])
    ratio = f"times {first}"
    figures = ["median", "lower", "upper", "mean", ratio, f"{ratio}: lower", "upper"]
    rows = [
        [
            row_name(table, str(name)),
            STATISTIC_LABELS[s],
            *_cells(table.sel(scenario=name, statistic=s)),
        ]
        for name in table["scenario"].values
        for s in STATISTICS
    ]
    return ["scenario", "statistic", *figures], rows


def _cells(row: xr.Dataset) -> list[str]:
    def told(key: str) -> str:
        value, error = float(row[key]), float(row[f"mcse_{key}"])
        return figure_with_error(value, error) if math.isfinite(value) else "-"

    ratios = ("ratio_median", "ratio_lower", "ratio_upper")
    return [told(key) for key in ("median", "lower", "upper", "mean", *ratios)]


_PAIRING = (
    "All scenarios are computed at the same points, so the ratios hold what a scenario changes and "
    "nothing else."
)


def scenario_sentences(
    trees: Mapping[str, xr.DataTree], table: xr.Dataset, above: float | None
) -> list[str]:
    """What the table does not say."""
    quantity, pairing = str(table.attrs["quantity"]), str(table.attrs.get("pairing", _PAIRING))
    sentences = [f"{pairing} Each figure is followed by its Monte Carlo standard error."]
    if above is not None:
        units = trees[next(iter(trees))]["central"][quantity].attrs.get("units", "")
        told = "; ".join(
            f"{name} {_chance_text(row)}" for name, row in scenario_chances(trees, quantity, above)
        )
        sentences.append(f"Chance that one query takes over {above:g} {units}: {told}.")
    return sentences


def _chance_text(row: Chance) -> str:
    if row.not_a_number:
        return f"not a number for {100 * row.not_a_number:.3g} % of the draws"
    return chance_text(row.chance, row.standard_error)


def scenario_chances(
    trees: Mapping[str, xr.DataTree], quantity: str, above: float | None
) -> list[tuple[str, Chance]]:
    """Chance that one query exceeds a threshold, in each scenario."""
    if above is None:
        return []
    rows = [(name, row) for name, tree in trees.items() for row in chances(tree, quantity, above)]
    return [(name, row) for name, row in rows if row.statistic == "query"]


def scenario_doubts(trees: Mapping[str, xr.DataTree], table: xr.Dataset) -> list[str]:
    """Say why each result, or a figure quoted of it, is not to be trusted."""
    return [
        f"{name}: {text}"
        for name, tree in trees.items()
        for text in [*warnings_of(tree), *unknown_figures(table.sel(scenario=name))]
    ]


def write_scenarios(
    trees: Mapping[str, xr.DataTree],
    folder: str | Path,
    *,
    quantity: str | None = None,
    prob: float = 0.9,
    above: float | None = None,
    table: xr.Dataset | None = None,
) -> list[Path]:
    """Write a table, a figure and a text about several scenarios of one file.

    Parameters
    ----------
    trees : mapping of str to xarray.DataTree
        From `simulate`, with the same seed and number of draws; see `summarize_scenarios`.
    folder : str or Path
        Made where there is none.
    quantity : str, optional
        An output; the only one, or ``energy_wh``, where not given.
    prob : float
        Probability that the intervals (equal tails) hold.
    above : float, optional
        A threshold: the text gives the chance of exceeding it.
    table : Dataset, optional
        What `summarize_scenarios` gives of the trees, or `compare` of their problems.

    Returns
    -------
    list of Path
        ``scenarios.csv``, the figure as SVG and PNG, and ``report.md``.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> trees = {"as stated": un.simulate(un.build_problem("gpt-4o"), draws=512)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     names = [path.name for path in write_scenarios(trees, folder)]
    >>> "scenarios.csv" in names
    True
    """
    folder = Path(folder)
    for tree in trees.values():
        check_tree(tree)
    if table is None:
        table = summarize_scenarios(trees, prob, quantity=quantity)
    flat = table.reset_coords(drop=True).to_dataframe().reset_index()
    facts = {key: table.attrs[key] for key in ("quantity", "prob", "kind")}
    if above is not None:
        for name, tree in trees.items():
            add_chances(flat, flat["scenario"] == name, tree, str(facts["quantity"]), above)
    text = "\n\n".join(_markdown(trees, table, above)) + "\n"
    return [
        write_csv(folder / "scenarios.csv", flat.assign(**facts)),
        *write_figure(folder / "scenarios", plot_scenarios(table)),
        write_text(folder / "report.md", text),
    ]


def _markdown(
    trees: Mapping[str, xr.DataTree], table: xr.Dataset, above: float | None
) -> Iterator[str]:
    first = next(iter(trees.values()))
    yield heading(1, f"{first.attrs['title'] or 'Scenarios'}: scenarios")
    doubts = scenario_doubts(trees, table)
    if doubts:
        yield paragraph("", strong="Not to be trusted:")
        yield bullets(doubts)
    yield heading(2, scenario_title(table))
    yield table_text(*scenario_rows(table))
    yield from map(paragraph, scenario_sentences(trees, table, above))
    yield image("scenarios")
    yield heading(2, "Provenance")
    yield bullets(provenance_lines(first.attrs))
