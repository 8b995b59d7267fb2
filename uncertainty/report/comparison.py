"""Results side by side, why two differ, and ranges of one input."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import xarray as xr

from uncertainty.comparison import EVIDENCE, summarize_scenarios
from uncertainty.errors import require_known
from uncertainty.report import figures
from uncertainty.report.figures import STATISTIC_LABELS, rounded
from uncertainty.report.pages import provenance_lines
from uncertainty.report.parts import (
    Data,
    Doubts,
    Figure,
    Heading,
    Notes,
    Part,
    Sentence,
    Table,
    figure_of,
    figure_with_error,
    items_of,
    rows_of,
    sentences_of,
    write,
)
from uncertainty.report.result import add_chances, chance_text, notices_of
from uncertainty.results import (
    check_tree,
    inputs_of,
    lost_text,
    quoted_statistic,
    unknown_figures,
    warnings_of,
)

_ENDS = ("median", "lower", "upper")
_ROUNDING = 1e-9  # of a figure: what arithmetic leaves where nothing differs
_ESTABLISHED = 2.0  # standard errors that a part must exceed to be given as one
_PAIRING = (
    "All scenarios are computed at the same points, so that a ratio shows only what a scenario "
    "changes."
)


def side_by_side_title(table: xr.Dataset) -> str:
    """Name the quantity, its unit and the interval."""
    units, groups = str(table["units"].item()), _groups(table)
    unit = f" ({units})" if units else ""
    group = f", {groups.pop()}" if len(groups) == 1 else ""
    prob = f"{100 * table.attrs['prob']:g} % intervals, equal tails"
    return f"{table.attrs['quantity']}{unit}{group}; {prob}"


def _groups(table: xr.Dataset) -> set[str]:
    return {str(group) for group in table["group"].values} if "group" in table else set()


def _distinct(table: xr.Dataset) -> xr.Dataset:
    """Leave out statistics that say nothing: a total is one number for all queries."""
    if all((table[key] == table[key].isel(statistic=0)).all() for key in _ENDS):
        return table.isel(statistic=[0])
    return table.sel(statistic=["mean"]) if table["median"].attrs.get("quoted") == "mean" else table


def _rows(table: xr.Dataset, names: Sequence[str], keys: Sequence[str]) -> list[list[str]]:
    """A row for each result and statistic, each figure with its Monte Carlo standard error."""
    both = len(_groups(table)) > 1  # then each row has to say which it is of
    rows, statistics = [], [str(statistic) for statistic in _distinct(table)["statistic"].values]
    for name in names:
        group = f", {table['group'].sel(scenario=name).item()}" if both else ""
        for statistic in statistics:
            label = "every query" if statistics == ["typical"] else STATISTIC_LABELS[statistic]
            row = table.sel(scenario=name, statistic=statistic)
            cells = [figure_of(row, k) if math.isfinite(float(row[k])) else "-" for k in keys]
            rows.append([f"{name}{group}", label, *cells])
    return rows


def _data(name: str, table: xr.Dataset) -> Data:
    flat = table.reset_coords(drop=True).to_dataframe().reset_index()
    return Data(
        name, flat.assign(**{key: table.attrs[key] for key in ("quantity", "prob", "kind")})
    )


def scenario_parts(
    trees: Mapping[str, xr.DataTree], table: xr.Dataset, above: float | None = None
) -> Iterator[Part]:
    """Scenarios of one file on one page."""
    import pandas as pd

    tree, quantity = next(iter(trees.values())), str(table.attrs["quantity"])
    yield Heading(f"{tree.attrs['title'] or 'Scenarios'}: scenarios", 1)
    doubts = [
        f"{name}: {text}"
        for name, result in trees.items()
        for text in [*warnings_of(result), *unknown_figures(table.sel(scenario=name))]
    ]
    if doubts:
        yield Doubts(doubts)
    every = [str(name) for name in table["scenario"].values]
    ratio = f"times {every[0]}"
    columns = ["scenario", "statistic", *_ENDS, "mean", ratio, f"{ratio}: lower", "upper"]
    keys = [*_ENDS, "mean", *(f"ratio_{key}" for key in _ENDS)]
    yield Table(side_by_side_title(table), columns, _rows(table, every, keys))
    pairing = str(table.attrs.get("pairing", _PAIRING))
    yield Sentence(f"{pairing} Each figure is followed by its Monte Carlo standard error.")
    data = _data("scenarios", table)
    if above is not None:
        texts, chosen = [], []
        for name, result in trees.items():
            rows = data.frame["scenario"] == name
            chances = add_chances(data.frame, rows, result, quantity, above)
            total = quoted_statistic(result, quantity) == "mean"
            chance = chances.get("mean" if total else "query", chances["query"])
            chosen.append({"scenario": name, **chance._asdict()})
            text = chance_text(chance.chance, chance.standard_error)
            texts.append(f"{name} {lost_text(result, quantity) or text}")
        yield Data("above", pd.DataFrame(chosen), file=False)
        units = tree["central"][quantity].attrs.get("units", "")
        what = f"{quantity} is" if quoted_statistic(tree, quantity) == "mean" else "one query takes"
        yield Sentence(f"Chance that {what} over {above:g} {units}: {'; '.join(texts)}.")
    yield data
    yield Figure("scenarios", partial(figures.plot_scenarios, _distinct(table)))
    notices = [notice for result in trees.values() for notice in notices_of(result)]
    if notices:
        yield Notes("Notices", list(dict.fromkeys(notices)), "note")
    yield Notes("Provenance", [*provenance_lines(tree)], detail=True)


def scenario_record(table: xr.Dataset, page: Sequence[Part]) -> dict[str, object]:
    """Give what the page of scenarios says as plain data, for JSON."""
    return {
        **{str(key): value for key, value in table.attrs.items()},
        "units": str(table["units"].item()),
        "scenarios": rows_of(page, "scenarios"),
        "above": rows_of(page, "above"),
        "sentences": sentences_of(page),
        "notices": items_of(page, Notes, "note"),
        "warnings": items_of(page, Doubts),
    }


def comparison_record(
    table: xr.Dataset, page: Sequence[Part], explanation: xr.Dataset | None = None
) -> dict[str, object]:
    """Give what a comparison says as plain data, for JSON."""
    facts = {str(key): value for key, value in table.attrs.items()}
    facts |= {"units": str(table["units"].item()), "compared": rows_of(page, "comparison")}
    if explanation is not None:
        sides = [str(side) for side in explanation["side"].values]
        facts["explanation"] = {
            **{str(key): value for key, value in explanation.attrs.items()},
            **{key: float(explanation[key]) for key in ("log_ratio", "log_ratio_se")},
            "values": dict(zip(sides, explanation["value"].values.tolist(), strict=True)),
            "inputs": rows_of(page, "explanation"),
        }
    return facts


def comparison_parts(table: xr.Dataset, explanation: xr.Dataset | None = None) -> Iterator[Part]:
    """Results against the first, and why two of them differ."""
    doubts = json.loads(str(table.attrs.get("warnings", "[]")))
    if doubts:
        yield Doubts(doubts)
    yield _data("comparison", table)
    first, *others = every = [str(name) for name in table["scenario"].values]
    yield Table(side_by_side_title(table), ["", "statistic", *_ENDS], _rows(table, every, _ENDS))
    columns = [f"times {first}", "lower", "upper", f"more than {first}", "lower", "upper"]
    keys = [f"{kind}_{key}" for kind in ("ratio", "difference") for key in _ENDS]
    rows = _rows(table, others, [*keys, "chance_above"])
    yield Table("Against the first", ["", "statistic", *columns, "chance of more"], rows)
    quoted = str(table["median"].attrs.get("quoted", "typical"))
    for name in others:
        row = table.sel(scenario=name, statistic=quoted)
        middle, low, high = ratio = [float(row[f"ratio_{key}"]) for key in _ENDS]
        chance = chance_text(float(row["chance_above"]), float(row["mcse_chance_above"]))
        times = f"{rounded(middle)} times that of {first}"
        takes = f"The {STATISTIC_LABELS[quoted]} of {name} takes {times}"
        if not math.isfinite(middle):
            continue
        if ratio == [1.0, 1.0, 1.0] and not float(row["chance_above"]):
            yield Sentence(f"{name} takes the same as {first}: nothing differs.")
        elif max(ratio) - min(ratio) <= _ROUNDING * middle:
            yield Sentence(f"{takes} (nothing uncertain differs).")
        else:
            interval = f"{100 * float(table.attrs['prob']):g} % interval, equal tails"
            yield Sentence(
                f"{takes} ({interval}: {rounded(low)} to {rounded(high)}); it takes more with a "
                f"probability of {chance}."
            )
    if "pairing" in table.attrs:
        yield Sentence(str(table.attrs["pairing"]))
    yield Figure("comparison", partial(figures.plot_scenarios, _distinct(table)))
    if explanation is not None:
        yield from explanation_parts(explanation)


def explanation_parts(table: xr.Dataset) -> Iterator[Part]:
    """Why two differ: what each input does to the ratio, the largest first."""
    first, second = sides = [str(side) for side in table["side"].values]
    rows = []
    for name in table["input"].values:
        row = table.sel(input=name)
        part, error = float(row["contribution"]), float(row["contribution_se"])
        cells = ["1", "not established"]
        if abs(part) > max(_ESTABLISHED * error, _ROUNDING):
            cells = [rounded(float(row["factor"])), figure_of(row, "contribution")]
        solved = " (solved for)" if bool(row["solved"]) else ""
        rows.append([f"{name}{solved}", *cells, *map(str, row["stated"].values)])
    columns = ["input", "factor", "part of the log ratio", *sides]
    yield Table("Why they differ", columns, rows)
    facts = table.attrs
    before, after = (
        f"{side} ({figure_with_error(float(value), float(error))} {facts['units']})"
        for side, value, error in zip(
            (first, second), table["value"].values, table["value_se"].values, strict=True
        )
    )
    article = "" if facts["statistic"] == "query" else "the "
    ratio = rounded(math.exp(float(table["log_ratio"])))
    text = (
        f"From {before} to {after}, medians of {article}{STATISTIC_LABELS[facts['statistic']]}: a "
        f"factor of {ratio}. {facts['method']}; the factors multiply to the whole."
    )
    chosen = [str(name) for name in table["input"].values[table["solved"].values]]
    if chosen:
        are = "are not causes: they were" if len(chosen) > 1 else "is not a cause: it was"
        text += (
            f" {' and '.join(chosen)} {are} chosen so that the published answer comes out, and "
            f"take{'s' * (len(chosen) == 1)} up what all other numbers leave."
        )
    if EVIDENCE in table["input"].values:
        text += (
            " The steps swap assumptions of the prior; evidence is what the measurements add, so "
            "that both ends are those of the posterior."
        )
    elif "group" in facts:
        text += " All figures here are of the prior."
    yield Sentence(text)
    flat = table[["contribution", "contribution_se", "factor", "solved"]].to_dataframe()
    for number, side in enumerate(sides):
        flat[f"in {side}"] = table["stated"].values[:, number]
    yield Data("explanation", flat.reset_index())
    yield Figure("waterfall", partial(figures.plot_waterfall, table))


def write_scenarios(
    trees: Mapping[str, xr.DataTree],
    folder: str | Path,
    *,
    quantity: str | None = None,
    prob: float = 0.9,
    above: float | None = None,
    table: xr.Dataset | None = None,
    png: bool = False,
) -> list[Path]:
    """Write a table, a figure and a text about several scenarios of one file.

    Parameters
    ----------
    trees : mapping of str to xarray.DataTree
        From `simulate`, with the same seed and number of draws; see `summarize_scenarios`.
    folder : str or Path
        Made where there is none.
    quantity : str, optional
        The output to report; the only one, or ``energy_wh``, where not given.
    prob : float
        Probability that the intervals (equal tails) hold.
    above : float, optional
        A threshold: the text gives the chance of exceeding it.
    table : Dataset, optional
        What `summarize_scenarios` gives of the trees, or `compare` of their problems.
    png : bool
        Write the figure as PNG too.

    Returns
    -------
    list of Path
        ``scenarios.csv``, the figure as SVG, and ``report.md``.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> trees = {"as stated": un.simulate(un.build_problem("gpt-4o"), draws=512)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     names = [path.name for path in write_scenarios(trees, folder)]
    >>> "scenarios.csv" in names
    True
    """
    for tree in trees.values():
        check_tree(tree)
    if table is None:
        table = summarize_scenarios(trees, prob, quantity=quantity)
    read = [path for tree in trees.values() for path in inputs_of(tree)]
    return write(scenario_parts(trees, table, above), folder, formats=("md",), png=png, read=read)


def write_comparison(table: xr.Dataset, folder: str | Path, *, png: bool = False) -> list[Path]:
    """Write a comparison as a table and a figure.

    Parameters
    ----------
    table : Dataset
        From `compare`.
    folder : str or Path
        Made where there is none.
    png : bool
        Write the figure as PNG too.

    Returns
    -------
    list of Path
        ``comparison.csv``, and the figure as SVG.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> files = {name: un.build_problem(name) for name in ("epoch", "de-vries")}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_comparison(un.compare(files, draws=64), folder)]
    ['comparison.csv', 'comparison.svg']
    """
    return write(comparison_parts(table), folder, png=png)


def write_explanation(table: xr.Dataset, folder: str | Path, *, png: bool = False) -> list[Path]:
    """Write why two estimates differ as a table and a waterfall.

    Parameters
    ----------
    table : Dataset
        From `explain`.
    folder : str or Path
        Made where there is none.
    png : bool
        Write the figure as PNG too.

    Returns
    -------
    list of Path
        ``explanation.csv``, and the figure as SVG.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> table = un.explain(un.build_problem("epoch"), un.build_problem("de-vries"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_explanation(table, folder)]
    ['explanation.csv', 'waterfall.svg']
    """
    return write(explanation_parts(table), folder, png=png)


def write_sweep(
    tables: Mapping[str, xr.Dataset],
    folder: str | Path,
    *,
    quantity: str = "energy_wh",
    marks: Mapping[str, float] | None = None,
    png: bool = False,
) -> list[Path]:
    """Write ranges of one input as a table and a figure.

    Parameters
    ----------
    tables : mapping of str to Dataset
        From `sweep`, all over the same input, by the label of their curve.
    folder : str or Path
        Made where there is none.
    quantity : str
        The output to draw; the table has all.
    marks : mapping of str to float, optional
        Places on the input's axis to mark, by label.
    png : bool
        Write the figure as PNG too.

    Returns
    -------
    list of Path
        ``sweep.csv``, and the figure as SVG.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> table = un.sweep("gpt-4o", "output_tokens", [100, 1000], draws=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_sweep({"GPT-4o": table}, folder)]
    ['sweep.csv', 'sweep.svg']
    """
    for table in tables.values():
        require_known("quantity", quantity, [str(name) for name in table["quantity"].values])
    flat = xr.concat(
        [table.reset_coords(drop=True).drop_attrs() for table in tables.values()],
        xr.Variable("label", list(tables)),
        join="outer",
    )
    rows = flat.to_dataframe().dropna(how="all").reset_index()
    groups = {label: str(table.attrs.get("group", "")) for label, table in tables.items()}
    if any(groups.values()):
        rows["group"] = rows["label"].map(groups)
    figure = Figure("sweep", partial(figures.plot_sweep, tables, quantity, marks))
    return write([Data("sweep", rows), figure], folder, png=png)
