"""Problems compared with the first, and why two differ: tables, figures and sentences."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import xarray as xr

from uncertainty.plots import STATISTIC_LABELS, plot_scenarios, plot_waterfall
from uncertainty.report.files import write_csv, write_figure
from uncertainty.report.scenarios import row_name
from uncertainty.report.text import figure_with_error
from uncertainty.summary import STATISTICS

__all__ = [
    "comparison_rows",
    "comparison_sentences",
    "explanation_rows",
    "explanation_sentence",
    "relation_rows",
    "write_comparison",
    "write_explanation",
]

_KEYS = ("median", "lower", "upper")


def comparison_rows(table: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Intervals by name, each figure with its Monte Carlo standard error."""
    every = [str(name) for name in table["scenario"].values]
    return ["", "statistic", *_KEYS], _rows(table, every, _KEYS)


def relation_rows(table: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """How the others compare with the first."""
    first, *others = (str(name) for name in table["scenario"].values)
    keys = [f"{kind}_{key}" for kind in ("ratio", "difference") for key in _KEYS]
    columns = [f"times {first}", "lower", "upper", f"more than {first}", "lower", "upper"]
    rows = _rows(table, others, [*keys, "chance_above"])
    return ["", "statistic", *columns, "chance of more"], rows


def _rows(table: xr.Dataset, names: Sequence[str], keys: Sequence[str]) -> list[list[str]]:
    return [
        [
            row_name(table, name),
            STATISTIC_LABELS[s],
            *_cells(table.sel(scenario=name, statistic=s), keys),
        ]
        for name in names
        for s in STATISTICS
    ]


def _cells(row: xr.Dataset, keys: Sequence[str]) -> list[str]:
    pairs = [(float(row[key]), float(row[f"mcse_{key}"])) for key in keys]
    return [figure_with_error(*pair) if math.isfinite(pair[0]) else "-" for pair in pairs]


def comparison_sentences(table: xr.Dataset) -> Iterator[str]:
    """Say for each of the others how it compares with the first."""
    first = str(table["scenario"].values[0])
    prob = f"{100 * float(table.attrs['prob']):g} %"
    for name in table["scenario"].values[1:]:
        row = table.sel(scenario=name, statistic="typical")
        ratio = [float(row[f"ratio_{key}"]) for key in _KEYS]
        chance = figure_with_error(
            100 * float(row["chance_above"]), 100 * float(row["mcse_chance_above"])
        )
        if math.isfinite(ratio[0]):
            if _alike(row):
                yield f"{name} takes the same as {first}: nothing differs."
                continue
            yield (
                f"The typical query of {name} takes {ratio[0]:.3g} times that of {first} "
                f"({prob} interval, equal tails: {ratio[1]:.3g} to {ratio[2]:.3g}); it takes more "
                f"with a probability of {chance} %."
            )
    if "pairing" in table.attrs:
        yield str(table.attrs["pairing"])


def _alike(row: xr.Dataset) -> bool:
    """Whether two results agree draw by draw."""
    ratios = [float(row[f"ratio_{key}"]) for key in _KEYS]
    return ratios == [1.0, 1.0, 1.0] and not float(row["chance_above"])


def write_comparison(table: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write a comparison as a table and a figure.

    Parameters
    ----------
    table : Dataset
        From `compare`.
    folder : str or Path
        Made where there is none.

    Returns
    -------
    list of Path
        ``comparison.csv``, and the figure as SVG and PNG.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> files = {name: un.build_problem(name) for name in ("epoch", "de-vries")}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_comparison(un.compare(files, draws=64), folder)]
    ['comparison.csv', 'comparison.svg', 'comparison.png']
    """
    flat = table.reset_coords(drop=True).to_dataframe().reset_index()
    facts = {key: table.attrs[key] for key in ("quantity", "prob", "kind")}
    figure = plot_scenarios(table)
    folder = Path(folder)
    return [
        write_csv(folder / "comparison.csv", flat.assign(**facts)),
        *write_figure(folder / "comparison", figure),
    ]


def explanation_rows(table: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Columns and rows, largest contribution first."""
    sides = [str(side) for side in table["side"].values]
    rows = []
    for name in table["input"].values:
        row = table.sel(input=name)
        told = figure_with_error(float(row["contribution"]), float(row["contribution_se"]))
        rows.append(
            [str(name), f"{float(row['factor']):.3g}", told, *map(str, row["stated"].values)]
        )
    return ["input", "factor", "part of the log ratio", *sides], rows


def explanation_sentence(table: xr.Dataset) -> str:
    """Say what the whole is, and how it was split."""
    values = [
        figure_with_error(float(value), float(error))
        for value, error in zip(table["value"].values, table["value_se"].values, strict=True)
    ]
    ratio = math.exp(float(table["log_ratio"]))
    facts, (first, second) = table.attrs, (str(side) for side in table["side"].values)
    return (
        f"From {first} ({values[0]} {facts['units']}) to {second} ({values[1]} {facts['units']}), "
        f"medians of the {facts['statistic']} query: a factor of {ratio:.3g}. {facts['method']}; "
        "the factors multiply to the whole."
    )


def write_explanation(table: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write why two estimates differ as a table and a waterfall.

    Parameters
    ----------
    table : Dataset
        From `explain`.
    folder : str or Path
        Made where there is none.

    Returns
    -------
    list of Path
        ``explanation.csv``, and the figure as SVG and PNG.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> table = un.explain(un.build_problem("epoch"), un.build_problem("de-vries"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_explanation(table, folder)]
    ['explanation.csv', 'waterfall.svg', 'waterfall.png']
    """
    flat = table[["contribution", "contribution_se", "factor"]].to_dataframe()
    for number, side in enumerate(table["side"].values):
        flat[f"in {side}"] = table["stated"].values[:, number]
    folder = Path(folder)
    return [
        write_csv(folder / "explanation.csv", flat.reset_index()),
        *write_figure(folder / "waterfall", plot_waterfall(table)),
    ]
