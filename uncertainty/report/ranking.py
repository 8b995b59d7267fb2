"""Which input matters: rankings as tables, sentences, figures and numbers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from uncertainty.report import figures
from uncertainty.report.figures import STATISTIC_LABELS, ranked_quantity, rounded
from uncertainty.report.parts import (
    Data,
    Figure,
    Heading,
    Part,
    Sentence,
    Table,
    figure_of,
    records,
    write,
)

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
_BAR = 12  # characters of the bar of what ranks first
_REGION = ("distance", "lower", "middle", "upper")  # under a condition
_FACTS = ("method", "quantity", "statistic", "scale", "by")


def ranking_parts(ranking: xr.Dataset) -> Iterator[Part]:
    """What drives an answer, on its page: one line an input."""
    yield Heading("What matters")
    title = f"What matters: {ranking_title(ranking)}"
    yield Table(title, *ranking_rows(ranking))
    constant = "constant" in ranking.attrs
    yield Sentence(str(ranking.attrs["note"]), detail=not constant)
    draw = partial(figures.plot_ranking, ranking)
    yield Figure("ranking", draw, title, ranking_sentence(ranking))
    plain = [key for key, values in ranking.data_vars.items() if values.dims in ((), ("input",))]
    flat = ranking[plain].to_dataframe().reset_index()
    for position in ranking["position"].values:
        chances = ranking["rank_probability"].sel(position=position).values
        flat[f"chance_of_rank_{position}"] = chances
    yield Data("ranking", flat.assign(**{key: ranking.attrs[key] for key in _FACTS}))


def rankings_parts(rankings: Sequence[xr.Dataset]) -> Iterator[Part]:
    """Rankings by several methods: one line of data for each estimate of each input."""
    import pandas as pd

    frames = []
    for ranking in rankings:
        places = pd.DataFrame(
            {key: ranking.attrs[key] for key in _FACTS}
            | {"input": ranking["input"].values.astype(str)}
            | {key: ranking[key].values for key in ("rank", "tied_rank")}
            | {"chance_of_rank": np.diag(ranking["rank_probability"].values)}
        )
        estimates = [
            places.assign(
                estimate=key,
                value=ranking[key].values.astype(np.float64),
                standard_error=ranking[f"{key}_se"].values.astype(np.float64),
            )
            for key in _estimates(ranking)
        ]
        frames.append(pd.concat(estimates).sort_values("rank", kind="stable"))
    yield Data("ranking", pd.concat(frames, ignore_index=True))
    for ranking in rankings:
        yield Table(ranking_title(ranking), *ranking_rows(ranking, bars=True))
        if "narrowing" in ranking and "constant" not in ranking.attrs:
            yield Sentence(ranking_sentence(ranking))
    first = rankings[0]
    if "distance" in first:
        # The most moved first.
        order = np.argsort(-np.asarray(first["distance"].values))
        rows = [
            [str(row["input"].item()), *(figure_of(row, key) for key in _REGION)]
            for row in (first.isel(input=int(i)) for i in order)
        ]
        ends = f"of {100 * first.attrs['prob']:g} %"
        columns = ["input", "distance", f"lower end {ends}", "median", f"upper end {ends}"]
        yield Table(f"Inputs where {first.attrs['where']}", columns, rows)
        yield Sentence(ranking_sentence(first))
    if any((ranking["tied_rank"].values != ranking["rank"].values).any() for ranking in rankings):
        text = "=: these inputs share a rank, because their order is not established at 95 %."
        yield Sentence(text)
    yield from map(Sentence, dict.fromkeys(str(ranking.attrs["note"]) for ranking in rankings))
    yield from _figures(rankings)


def _figures(rankings: Iterable[xr.Dataset]) -> Iterator[Figure]:
    shares = []
    for ranking in rankings:
        method = str(ranking.attrs["method"])
        yield Figure(method, partial(figures.plot_ranking, ranking))
        yield Figure(f"{method}-chances", partial(figures.plot_rank_chances, ranking))
        if "second_order" in ranking:
            pairs, errors = np.abs(ranking["second_order"]), ranking["second_order_se"]
            if (pairs > 2 * errors).any():  # else the figure would be empty
                yield Figure("interactions", partial(figures.plot_interactions, ranking))
        if {"shapley", "total"} & set(ranking.data_vars):
            shares.append(ranking)
    if shares:
        yield Figure("shares", partial(figures.plot_shares, shares))


def _estimates(ranking: xr.Dataset) -> list[str]:
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
    where = f", where {facts['where']}" if "where" in facts else ""
    group = f", {facts['group']}" if "group" in facts else ""
    return f"{_MEASURES[str(facts['method'])]} {ranked_quantity(facts)}{group}{where}"


def ranking_rows(ranking: xr.Dataset, *, bars: bool = False) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a ranking, each figure with its standard error.

    With `bars` the size of what ranks is drawn too.
    """
    keys = [key for key in _estimates(ranking) if key not in _REGION]
    columns = ["rank", "input", *(key.replace("_", " ") for key in keys), "chance of this rank"]
    ranks, rows = ranking["tied_rank"].values, []
    for i, name in enumerate(ranking["input"].values):
        row = ranking.isel(input=i)
        chance = f"{100 * float(row['rank_probability'].isel(position=i)):.0f} %"
        # A rank that several inputs share is marked.
        rank = f"{ranks[i]}{'=' if (ranks == ranks[i]).sum() > 1 else ''}"
        rows.append([rank, str(name), *(figure_of(row, key) for key in keys), chance])
    if bars:
        # Totals and swings rank, but come after what they are set beside.
        key = next((k for k in ("total", "swing", "total_bound") if k in keys), keys[0])
        sizes = np.abs(ranking[key].values)
        columns.insert(2, "")
        for cells, size in zip(rows, sizes / (sizes.max() or 1.0), strict=True):
            cells.insert(2, "█" * round(_BAR * float(size)) or "▏")
    return columns, rows


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
    facts, names = ranking.attrs, [str(name) for name in ranking["input"].values]
    if "constant" in facts:
        return str(facts["note"])
    if "where" in facts:
        row = ranking.isel(input=int(np.argmax(ranking["distance"].values)))
        low, middle, high = (rounded(float(row[key])) for key in ("lower", "middle", "upper"))
        return (
            f"Where {facts['where']}, {row['input'].item()} differs most from all draws: its "
            f"median is {middle}, and {100 * facts['prob']:g} % of it lies between {low} and "
            f"{high} (distance {figure_of(row, 'distance')})."
        )
    if "narrowing" not in ranking:
        return ""
    before, *after = (rounded(float(x)) for x in (ranking["width_now"], *ranking["width"].values))
    unit = f" {facts['units']}" if facts["units"] else ""
    moved = f"from {before} to {after[0]}{unit}"
    if facts["scale"] == "log":  # the width is that of a logarithm
        moved = f"from a factor of {before} to one of {after[0]}"
    group = f", {facts['group']}" if "group" in facts else ""
    text = (
        f"Knowing {names[0]} exactly would be expected to narrow the {100 * facts['prob']:g} % "
        f"interval of {facts['quantity']} ({STATISTIC_LABELS[str(facts['statistic'])]}{group}) "
        f"{moved}"
    )
    if len(names) > 1:
        tied = int(ranking["tied_rank"][1]) == 1
        text += f"; {names[1]}, to {after[1]}" + (" (the order is not established)" if tied else "")
    return f"{text}."


def ranking_record(ranking: xr.Dataset) -> dict[str, object]:
    """Give a ranking as plain data, for JSON: a row for each input and each pair of them."""
    variables = {str(key): values for key, values in ranking.data_vars.items()}
    each = [key for key, values in variables.items() if values.dims == ("input",)]
    chances = np.diag(ranking["rank_probability"].values)
    inputs = ranking[each].to_dataframe().reset_index().assign(chance_of_rank=chances)
    of_pairs = [key for key, values in variables.items() if "other" in values.dims]
    pairs = records(ranking[of_pairs].to_dataframe().reset_index()) if of_pairs else []
    place = {str(name): i for i, name in enumerate(ranking["input"].values)}
    return {
        **{str(key): value for key, value in ranking.attrs.items()},
        **{key: float(values) for key, values in variables.items() if not values.dims},
        "sentence": ranking_sentence(ranking),
        "inputs": records(inputs),
        "pairs": [row for row in pairs if place[str(row["input"])] < place[str(row["other"])]],
    }


def write_ranking(
    rankings: Sequence[xr.Dataset], folder: str | Path, *, png: bool = False
) -> list[Path]:
    """Write rankings as one table and as figures.

    Parameters
    ----------
    rankings : sequence of Dataset
        From `rank_inputs`, each by another method.
    folder : str or Path
        Made where there is none.
    png : bool
        Write figures as PNG too.

    Returns
    -------
    list of Path
        ``ranking.csv``, a line for each estimate of each input; and, as SVG, a figure of each
        ranking, ``METHOD-chances`` of its ranks, ``shares`` where there are shares of a
        variance, and ``interactions`` where second-order shares are established.

    Examples
    --------
    >>> import uncertainty as un
    >>> import tempfile
    >>> problem = un.build_problem("gpt-4o")
    >>> tables = [un.rank_inputs(problem, method="tornado")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_ranking(tables, folder)]
    ['ranking.csv', 'tornado.svg', 'tornado-chances.svg']
    """
    return write(rankings_parts(rankings), folder, png=png)
