"""Problems compared with the first, and why two differ: tables, figures and sentences."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import xarray as xr

from uncertainty.comparison import EVIDENCE
from uncertainty.report.figures import STATISTIC_LABELS, plot_scenarios, plot_waterfall
from uncertainty.report.files import write_csv, write_figure
from uncertainty.report.scenarios import row_name
from uncertainty.report.text import chance_text, figure_with_error
from uncertainty.results import STATISTICS

_KEYS = ("median", "lower", "upper")
_ROUNDING = 1e-9  # of a figure: what arithmetic leaves where nothing differs
_ESTABLISHED = 2.0  # standard errors that a part must exceed to be shown as one


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
    quoted = str(table["median"].attrs.get("quoted", "typical"))
    for name in table["scenario"].values[1:]:
        row = table.sel(scenario=name, statistic=quoted)
        ratio = [float(row[f"ratio_{key}"]) for key in _KEYS]
        if math.isfinite(ratio[0]):
            if _alike(row):
                yield f"{name} takes the same as {first}: nothing differs."
                continue
            chance = chance_text(*(float(row[k]) for k in ("chance_above", "mcse_chance_above")))
            known = max(ratio) - min(ratio) <= _ROUNDING * ratio[0]
            spread = (
                "nothing uncertain differs"
                if known
                else f"{prob} interval, equal tails: {ratio[1]:.3g} to {ratio[2]:.3g}"
            )
            yield (
                f"The {STATISTIC_LABELS[quoted]} of {name} takes {ratio[0]:.3g} times that of "
                f"{first} ({spread})"
                f"{'' if known else f'; it takes more with a probability of {chance}'}."
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
        part, error = float(row["contribution"]), float(row["contribution_se"])
        established = abs(part) > max(_ESTABLISHED * error, _ROUNDING)
        cells = (
            [f"{float(row['factor']):.3g}", figure_with_error(part, error)]
            if established
            else ["1", "none established"]
        )
        solved = " (solved for)" if bool(row["solved"]) else ""
        rows.append([f"{name}{solved}", *cells, *map(str, row["stated"].values)])
    return ["input", "factor", "part of the log ratio", *sides], rows


def explanation_sentence(table: xr.Dataset) -> str:
    """Say what the whole is, and how it was split."""
    values = [
        figure_with_error(float(value), float(error))
        for value, error in zip(table["value"].values, table["value_se"].values, strict=True)
    ]
    ratio = math.exp(float(table["log_ratio"]))
    facts, (first, second) = table.attrs, (str(side) for side in table["side"].values)
    solved = [str(name) for name in table["input"].values[table["solved"].values]]
    said = [
        f"From {first} ({values[0]} {facts['units']}) to {second} ({values[1]} {facts['units']}), "
        f"medians of the {facts['statistic']} query: a factor of {ratio:.3g}. {facts['method']}; "
        "the factors multiply to the whole."
    ]
    if solved:
        are = "are no causes: they were" if len(solved) > 1 else "is no cause: it was"
        said.append(
            f"{' and '.join(solved)} {are} chosen so that the published answer comes out, and "
            f"take{'s' * (len(solved) == 1)} up what all other numbers leave."
        )
    if EVIDENCE in table["input"].values:
        said.append(
            "Swapped are the assumptions of the prior; evidence is what the measurements add to "
            "that, so that the ends are those of the posterior."
        )
    elif "group" in facts:
        said.append("All of this is of the prior.")
    return " ".join(said)


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
    flat = table[["contribution", "contribution_se", "factor", "solved"]].to_dataframe()
    for number, side in enumerate(table["side"].values):
        flat[f"in {side}"] = table["stated"].values[:, number]
    folder = Path(folder)
    return [
        write_csv(folder / "explanation.csv", flat.reset_index()),
        *write_figure(folder / "waterfall", plot_waterfall(table)),
    ]
