"""Rankings: tables, sentences, figures."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.report.figures import (
    STATISTIC_LABELS,
    plot_interactions,
    plot_rank_chances,
    plot_ranking,
    plot_shares,
)
from uncertainty.report.files import write_csv, write_figure
from uncertainty.report.text import figure_with_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_MEASURES: Mapping[str, str] = {
    "sobol": "Sobol' shares of",
    "shapley": "Shapley shares of",
    "value": "value of information about",
    "derivative": "slopes of",
    "tornado": "swings of",
    "correlation": "rank correlations with",
    "delta": "Borgonovo's delta of",
    "pawn": "PAWN distances of",
    "prior": "Power scaling of the posterior of",
}
_BAR = 12
_REGION = ("distance", "lower", "middle", "upper")  # under a condition


def write_ranking(rankings: Sequence[xr.Dataset], folder: str | Path) -> list[Path]:
    """Write rankings as one table and as figures.

    Parameters
    ----------
    rankings : sequence of Dataset
        From `rank_inputs`, each by another method.
    folder : str or Path
        Made where there is none.

    Returns
    -------
    list of Path
        ``ranking.csv``, a line for each estimate of each input; and, as SVG and PNG, a figure of
        each ranking, ``METHOD-chances`` of its ranks, ``shares`` where there are shares of a
        variance, and ``interactions`` where second-order shares are established.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> problem = un.build_problem("gpt-4o")
    >>> tables = [un.rank_inputs(problem, method="tornado")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_ranking(tables, folder) if path.suffix != ".png"]
    ['ranking.csv', 'tornado.svg', 'tornado-chances.svg']
    """
    import pandas as pd

    folder = Path(folder)
    rows = pd.DataFrame([row for ranking in rankings for row in _lines(ranking)])
    figures = [pair for ranking in rankings for pair in _figures(ranking)]
    shares = [ranking for ranking in rankings if {"shapley", "total"} & set(ranking.data_vars)]
    if shares:
        figures.append(("shares", plot_shares(shares)))
    drawn = [path for name, figure in figures for path in write_figure(folder / name, figure)]
    return [write_csv(folder / "ranking.csv", rows), *drawn]


def _figures(ranking: xr.Dataset) -> "Iterator[tuple[str, Figure]]":
    method = str(ranking.attrs["method"])
    yield method, plot_ranking(ranking)
    yield f"{method}-chances", plot_rank_chances(ranking)
    if "second_order" in ranking and _interact(ranking):
        yield "interactions", plot_interactions(ranking)


def _interact(ranking: xr.Dataset) -> bool:
    return bool((np.abs(ranking["second_order"]) > 2 * ranking["second_order_se"]).any())


def _lines(ranking: xr.Dataset) -> Iterator[dict[str, object]]:
    facts = {key: ranking.attrs[key] for key in ("method", "quantity", "statistic", "scale", "by")}
    for i, name in enumerate(ranking["input"].values):
        row = ranking.isel(input=i)
        place = {
            "input": str(name),
            "rank": i + 1,
            "tied_rank": int(row["tied_rank"]),
            "chance_of_rank": float(row["rank_probability"].isel(position=i)),
        }
        for key in estimates(ranking):
            found = {"value": float(row[key]), "standard_error": float(row[f"{key}_se"])}
            yield {**facts, **place, "estimate": key, **found}


def estimates(ranking: xr.Dataset) -> list[str]:
    """Names of what was estimated for each input; that which ranks comes first."""
    return [
        str(key)
        for key, values in ranking.data_vars.items()
        if f"{key}_se" in ranking and values.dims == ("input",)
    ]


def ranking_title(ranking: xr.Dataset) -> str:
    """Name the method, the statistic and the scale: an order without them means little.

    Examples
    --------
    >>> facts = {"method": "sobol", "statistic": "typical", "scale": "log", "quantity": "energy_wh"}
    >>> ranking_title(xr.Dataset(attrs=facts))
    "Sobol' shares of log energy_wh, typical query"
    >>> ranking_title(xr.Dataset(attrs={**facts, "group": "prior"}))
    "Sobol' shares of log energy_wh, typical query, prior"
    """
    facts = ranking.attrs
    scale = "log " if facts["scale"] == "log" else ""
    label = STATISTIC_LABELS[str(facts["statistic"])]
    where = f", where {facts['where']}" if "where" in facts else ""
    group = f", {facts['group']}" if "group" in facts else ""
    return f"{_MEASURES[str(facts['method'])]} {scale}{facts['quantity']}, {label}{group}{where}"


def ranking_rows(ranking: xr.Dataset, *, bars: bool = False) -> tuple[list[str], list[list[str]]]:
    """Give the columns and rows of a ranking, each figure with its standard error.

    With `bars` the size of what ranks is drawn too.
    """
    keys = [key for key in estimates(ranking) if key not in _REGION]
    columns = ["rank", "input", *(key.replace("_", " ") for key in keys), "chance of this rank"]
    rows = []
    for i, name in enumerate(ranking["input"].values):
        row = ranking.isel(input=i)
        cells = [figure_with_error(float(row[k]), float(row[f"{k}_se"])) for k in keys]
        chance = f"{100 * float(row['rank_probability'].isel(position=i)):.0f} %"
        rows.append([_rank(ranking, i), str(name), *cells, chance])
    if bars:
        columns.insert(2, "")
        sizes = np.abs(ranking[_ranking_key(keys)].values)
        for cells, bar in zip(rows, _bars(sizes), strict=True):
            cells.insert(2, bar)
    return columns, rows


def region_rows(ranking: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Give the columns and rows of where inputs lie under a condition, the most moved first."""
    order = np.argsort(-np.asarray(ranking["distance"].values))
    rows = []
    for i in order:
        row = ranking.isel(input=int(i))
        cells = [figure_with_error(float(row[key]), float(row[f"{key}_se"])) for key in _REGION]
        rows.append([str(row["input"].item()), *cells])
    ends = f"of {100 * ranking.attrs['prob']:g} %"
    return ["input", "distance", f"lower end {ends}", "median", f"upper end {ends}"], rows


def _ranking_key(keys: Sequence[str]) -> str:
    """What ranks: totals and swings come after what they are shown with."""
    return next((key for key in ("total", "swing", "total_bound") if key in keys), keys[0])


def _bars(sizes: np.ndarray) -> list[str]:
    largest = sizes.max() or 1.0
    return ["█" * round(_BAR * float(size / largest)) or "▏" for size in sizes]


def _rank(ranking: xr.Dataset, number: int) -> str:
    """A rank; one that several inputs share is marked."""
    ranks = ranking["tied_rank"].values
    return f"{ranks[number]}{'=' if (ranks == ranks[number]).sum() > 1 else ''}"


def ranking_sentence(ranking: xr.Dataset) -> str:
    """Say what the ranking means for the next measurement; empty where it means nothing for it.

    Examples
    --------
    >>> import uncertainty as un
    >>> laws = {"a": {"lognormal": {"median": 1, "sigma": 1}},
    ...         "b": {"lognormal": {"median": 1, "sigma": 0.5}}}
    >>> problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, b: a * b)
    >>> sentence = ranking_sentence(un.rank_inputs(problem, method="value"))
    >>> print(sentence[: sentence.index(" from")])
    Knowing a exactly would be expected to narrow the 90 % interval of y (typical query, prior)
    """
    if "constant" in ranking.attrs:
        return str(ranking.attrs["note"])
    if "where" in ranking.attrs:
        return _where_sentence(ranking)
    return _value_sentence(ranking) if "narrowing" in ranking else ""


def _value_sentence(ranking: xr.Dataset) -> str:
    facts, names = ranking.attrs, [str(name) for name in ranking["input"].values]
    factor = facts["scale"] == "log"
    before, *after = (f"{x:.3g}" for x in (ranking["width_now"], *ranking["width"].values))
    unit = f" {facts['units']}" if facts["units"] and not factor else ""
    said = (
        f"from a factor of {before} to one of {after[0]}"
        if factor
        else f"from {before} to {after[0]}{unit}"
    )
    text = (
        f"Knowing {names[0]} exactly would be expected to narrow the {100 * facts['prob']:g} % "
        f"interval of {facts['quantity']} ({_place(facts)}) {said}"
    )
    if len(names) > 1:
        tied = int(ranking["tied_rank"][1]) == 1
        text += f"; {names[1]}, to {after[1]}" + (" (the order is not established)" if tied else "")
    return text + "."


def _place(facts: Mapping[Hashable, object]) -> str:
    """The statistic, and whether it is of the prior or of the posterior."""
    group = [str(facts["group"])] if "group" in facts else []
    return ", ".join([STATISTIC_LABELS[str(facts["statistic"])], *group])


def _where_sentence(ranking: xr.Dataset) -> str:
    row = ranking.isel(input=int(np.argmax(ranking["distance"].values)))
    name, facts = row["input"].item(), ranking.attrs
    low, middle, high = (f"{float(row[key]):.3g}" for key in ("lower", "middle", "upper"))
    distance = figure_with_error(float(row["distance"]), float(row["distance_se"]))
    return (
        f"Where {facts['where']}, {name} differs most from all draws: its median is {middle}, and "
        f"{100 * facts['prob']:g} % of it lies between {low} and {high} (distance {distance})."
    )
