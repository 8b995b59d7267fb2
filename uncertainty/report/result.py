"""One result: what it says in sentences and rows, and the page that is composed of these."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.energy import DAYS_PER_YEAR, HOURS_PER_DAY
from uncertainty.errors import counted, require_known
from uncertainty.report import figures
from uncertainty.report.figures import STATISTIC_LABELS, boundary_words, distinct, rounded
from uncertainty.report.pages import FORMATS, appendix_parts
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
    labeled_draws,
    rows_of,
    sentences_of,
    write,
    write_figure,
)
from uncertainty.report.posterior import fit_parts, posterior_parts
from uncertainty.report.ranking import ranking_parts, ranking_record
from uncertainty.results import (
    NONE,
    STATISTICS,
    Chance,
    chances,
    check_tree,
    group_of,
    inputs_of,
    is_nested,
    lost_text,
    main_quantity,
    quoted_statistic,
    share_per_query,
    summaries,
    unknown_figures,
    warnings_of,
)
from uncertainty.sampling import summarize_inputs, width_notices
from uncertainty.writing import json_text, write_text

if TYPE_CHECKING:
    import pandas as pd

_ROUNDING = 1e-12  # of a figure: what arithmetic leaves where nothing differs
# Outputs of a fleet, the unit in which people count them, and how many of these are in a day.
_TOTALS = {
    "fleet_power_mw": ("kWh", 1e3 * HOURS_PER_DAY),
    "fleet_co2e_t_per_year": ("kg CO2e", 1e3 / DAYS_PER_YEAR),
    "fleet_water_m3_per_year": ("liters of water", 1e3 / DAYS_PER_YEAR),
}
_PERIODS = {"day": 1.0, "month": DAYS_PER_YEAR / 12, "year": DAYS_PER_YEAR}
_ENDS = ("lower", "median", "upper")
_KINDS = {"eti": ("equal tails", "equal-tailed"), "hdi": ("shortest", "shortest")}
_CITATION = "For a report"


@dataclass(frozen=True)
class Headline:
    """The summaries of one quantity, one at each probability."""

    quantity: str
    units: str
    tables: tuple[xr.Dataset, ...]
    nested: bool
    group: str
    quoted: str

    @property
    def title(self) -> str:
        """The quantity with its unit."""
        units = f" ({self.units})" if self.units else ""
        return ", ".join(filter(None, [f"{self.quantity}{units}", self.group]))

    @property
    def interval(self) -> xr.Dataset:
        """The row that is quoted, with the widest interval."""
        return self.tables[-1].sel(statistic=self.quoted)

    def with_unit(self, number: float) -> str:
        """Write a number with the unit."""
        return f"{rounded(number, 3)} {self.units}".rstrip()

    def table(self) -> Table:
        """One row a statistic, each figure with its Monte Carlo standard error."""
        kind = _KINDS[str(self.tables[0].attrs["kind"])][0]
        probs = [f"{100 * table.attrs['prob']:g} % interval, {kind}" for table in self.tables]
        rows = []
        for statistic in distinct_statistics(self.quoted, nested=self.nested):
            cells = [table.sel(statistic=statistic) for table in self.tables]
            intervals = [
                "no spread"
                if abs(float(c["upper"] - c["lower"])) <= _ROUNDING * abs(float(c["lower"]))
                else f"{figure_of(c, 'lower')} to {figure_of(c, 'upper')}"
                for c in cells
            ]
            label = STATISTIC_LABELS[statistic] if self.nested else "every query"
            middle, mean = figure_of(cells[0], "median"), figure_of(cells[0], "mean")
            rows.append([label, middle, *intervals, mean])
        return Table(self.title, ["statistic", "median", *probs, "mean"], rows)


def distinct_statistics(quoted: str, *, nested: bool) -> Sequence[str]:
    """Statistics that say something of a quantity of which one is quoted.

    A total is one number for all queries: of one query it says nothing.
    """
    if not nested:
        return STATISTICS[:1]
    return STATISTICS if quoted == STATISTICS[0] else [quoted]


def totals(summary: Headline, table: xr.Dataset) -> Table | None:
    """All queries of a day, a month and a year together, with the widest interval.

    Of those outputs of a fleet that `table` has; None where it has none.
    """
    statistic = STATISTICS[1] if summary.nested else STATISTICS[0]
    rows = []
    for name in (name for name in _TOTALS if name in table["quantity"].values):
        (unit, a_day), row = _TOTALS[name], table.sel(quantity=name, statistic=statistic)
        ends = [float(row[key]) for key in _ENDS]
        with np.errstate(divide="ignore", invalid="ignore"):
            error = float(np.max([row[f"mcse_{key}"] / row[key] for key in _ENDS]))
        known = f"{100 * error:.2g} %" if np.isfinite(error) else "not known"
        for period, days in _PERIODS.items():
            low, middle, high = (f"{float(f'{end * a_day * days:.3g}'):,.15g}" for end in ends)
            rows.append([f"{unit} a {period}", middle, f"{low} to {high}", known])
    prob = f"{100 * table.attrs['prob']:g} % interval, {_KINDS[str(table.attrs['kind'])][0]}"
    title = ", ".join(filter(None, ["All queries together", summary.group]))
    columns = ["total", "median", prob, "standard errors, at most"]
    return Table(title, columns, rows) if rows else None


def headline(tree: xr.DataTree, quantity: str, tables: Sequence[xr.Dataset]) -> Headline:
    """Take one quantity out of summaries of a result, each from `summarize` at a probability."""
    rows = tuple(table.sel(quantity=quantity) for table in tables)
    units, group = str(rows[0]["units"].item()), str(rows[0].attrs.get("group", ""))
    return Headline(quantity, units, rows, is_nested(tree), group, quoted_statistic(tree, quantity))


def doubts(tree: xr.DataTree, summary: Headline) -> list[str]:
    """Say why a result, or a figure that is quoted of it, is not to be trusted."""
    unknown = (text for table in summary.tables for text in unknown_figures(table))
    reasons = [*warnings_of(tree), *dict.fromkeys(unknown)]
    if not reasons and not np.isfinite(summary.tables[0]["sd"]).all():
        reasons = [f"{_not_finite(tree, summary.quantity)}: correct the model or its inputs"]
    return reasons


def _not_finite(tree: xr.DataTree, quantity: str) -> str:
    # Finite values may still have squares that float64 does not hold.
    return lost_text(tree, quantity, infinite=True) or f"{quantity} is too large to be squared"


def central_sentence(tree: xr.DataTree, summary: Headline) -> str:
    """Set the value at the central assumptions beside the median and the mean, and say why."""
    row = summary.tables[0].sel(statistic=summary.quoted)
    central = float(tree["central"][summary.quantity])
    if not math.isfinite(float(row["sd"])):
        return f"{_not_finite(tree, summary.quantity)}, so it has no mean and no spread."
    if not float(row["sd"]):
        if math.isinf(row["mcse_sd"]):
            text = "Other values, if there are any, are too rare for so few draws: use more"
            return f"All draws give {summary.with_unit(central)}. {text}."
        return f"Nothing is uncertain here: the model gives {summary.with_unit(central)}."
    subject = f"the {STATISTIC_LABELS[summary.quoted]}" if summary.nested else "the result"
    prior = " (of the prior)" if summary.group else ""
    group = f", {summary.group}," if summary.group else ""
    median, mean = float(row["median"]), float(row["mean"])
    # A difference is explained where it is larger than its error and worth a word (1 %).
    least = {key: 4 * float(row[f"mcse_{key}"]) + 0.01 * abs(median) for key in ("median", "mean")}
    reasons = []
    if abs(central - median) > least["median"]:
        reasons.append(
            "The first two differ because the model is not linear, or its inputs are skewed."
        )
    if not math.isfinite(least["mean"]):
        reasons.append("A few extreme draws rule the mean: quote the median.")
    elif abs(mean - median) > least["mean"]:
        side = "above" if mean > median else "below"
        reasons.append(f"The mean lies {side} the median because it follows the longer tail.")
    return (
        f"With every assumption at its median{prior} the model gives "
        f"{summary.with_unit(central)}; {subject}{group} has median {figure_of(row, 'median')} "
        f"and mean {figure_of(row, 'mean')} {summary.units}".rstrip()
        + f". {' '.join(reasons) or 'The three agree.'}"
    )


def split_sentence(tree: xr.DataTree, quantity: str) -> str:
    """Split the variance of one query into what is unknown and what varies."""
    if not is_nested(tree):
        return "Nothing varies from query to query here: all spread comes from what is not known."
    if quoted_statistic(tree, quantity) == "mean":
        return "A total is one number for all queries: all its spread comes from what is not known."
    if lost := lost_text(tree, quantity):
        return f"The variance of {quantity} cannot be split: {lost}."
    name = f"log {quantity}"
    share, error = share_per_query(tree, quantity)
    if math.isnan(share):  # where values are not above 0
        name = f"{quantity} (linear scale)"
        share, error = share_per_query(tree, quantity, "linear")
    if math.isnan(share):
        return f"The variance of {quantity} cannot be split, because some draws are not finite."
    unknown, varies = (f"{figure_with_error(100 * s, 100 * error)} %" for s in (1 - share, share))
    return (
        f"Of the variance of {name} of one query ({group_of(tree)}), {unknown} comes from what is "
        f"not known (the same for all queries) and {varies} from what varies from query to query."
    )


def chance_text(chance: float, error: float) -> str:
    """Write a chance in per cent; of what no draw has, or every one, the bound that holds.

    Examples
    --------
    >>> chance_text(0.25, 0.001)
    '25 ± 0.1 %'
    >>> chance_text(0.0, 3 / 15446.2)
    'below 0.019 % (fewer than 3 in 15446 draws, 95 %)'
    """
    if chance not in (0.0, 1.0) or error in (0.0, math.inf):
        return f"{figure_with_error(100 * chance, 100 * error)} %"
    few = f"fewer than 3 in {round(NONE / error):.6g} draws, 95 %"
    if chance == 0.0:
        return f"below {100 * error:.2g} % ({few})"
    return f"over {100 - float(f'{100 * error:.2g}'):.10g} % (all but {few})"


def above_sentence(tree: xr.DataTree, quantity: str, threshold: float) -> str:
    """Give the chance of exceeding a threshold, for each statistic."""
    units = str(tree["central"][quantity].attrs.get("units", ""))
    over = f"{threshold:g} {units}".rstrip()
    rows = chances(tree, quantity, threshold)
    if lost := lost_text(tree, quantity):
        return f"The chance that {quantity} is over {over} is not known: {lost}."
    texts = {row.statistic: chance_text(row.chance, row.standard_error) for row in rows}
    # 3e+06: of 3 times its inverse in draws, a chance is seen at least once with 95 %.
    unseen = any(row.chance in (0.0, 1.0) and row.standard_error for row in rows)
    rare = " A chance of 1e-06 takes 3e+06 draws or more to see." if unseen else ""
    group = f" ({group_of(tree)})"
    quoted = quoted_statistic(tree, quantity)
    if not is_nested(tree) or quoted == "mean":
        chance = texts[quoted if is_nested(tree) else "query"]
        return f"The chance that {quantity} is over {over} is {chance}{group}.{rare}"
    return (
        f"The chance that one query takes over {over} is {texts['query']}; that the typical "
        f"query does, {texts['typical']}; that the mean query does, {texts['mean']}{group}.{rare}"
    )


def citation_sentence(tree: xr.DataTree, summary: Headline) -> str:
    """Write a sentence that a report can use as it is."""
    table, row, facts = summary.tables[-1], summary.interval, tree.attrs
    about = tree["central"][summary.quantity].attrs
    # The energy of a query needs no name: it is what is asked.
    meaning = str(about.get("long_name", "") or summary.quantity).replace("_", " ")
    meaning = "" if summary.quantity == "energy_wh" else f", {meaning}"
    boundary = boundary_words(about.get("boundary"))
    place = f" at the {boundary}" if boundary else ""
    of = f" of the {STATISTIC_LABELS[summary.quoted]}" if summary.nested else ""
    group = f", {summary.group}" if summary.group else ""
    errors = [
        float(row[f"mcse_{k}"]) / abs(float(row[k])) for k in ("median", "lower", "upper") if row[k]
    ]
    worst = max(errors, default=0.0)
    precision = f"at most {100 * worst:.2g} %" if worst > _ROUNDING else "none"
    draws = f"{counted(facts['draws'], 'draw')} of the prior"
    if "posterior_draws" in facts:
        names = ", ".join(item["name"] for item in json.loads(str(facts["evidence"])))
        chains = counted(facts["posterior_chains"], "chain")
        draws = f"posterior given {names}, {chains} of {counted(facts['posterior_draws'], 'draw')}"
    median, low, high = distinct(*(float(row[key]) for key in ("median", "lower", "upper")))
    units = f" {summary.units}".rstrip()
    return (
        f"{facts['subject']}{meaning}: {median}{units}{place} (median"
        f"{of}{group}; {100 * table.attrs['prob']:g} % credible interval, "
        f"{_KINDS[str(table.attrs['kind'])][1]}, {low} to "
        f"{high}{units}; Monte Carlo standard errors {precision}). "
        f"Source: uncertainty {facts['inference_library_version']}, {facts['priors']} (sha256 "
        f"{str(facts['priors_sha256'])[:12]}), model {facts['model']}, {draws}, "
        f"seed {facts['seed']}."
    )


def notices_of(tree: xr.DataTree) -> list[str]:
    """Sentences worth reading before believing a result."""
    wide = width_notices(summarize_inputs(tree)) if "prior" in tree.children else []
    return [*json.loads(str(tree.attrs.get("notices", "[]"))), *wide]


def add_chances(
    frame: "pd.DataFrame", rows: "pd.Series[bool]", tree: xr.DataTree, quantity: str, above: float
) -> dict[str, Chance]:
    """Add the chance of exceeding a threshold to some rows of a summary; gives it by statistic."""
    by_statistic = {row.statistic: row for row in chances(tree, quantity, above)}
    for statistic in STATISTICS:
        # The three are one where nothing varies per query.
        row = by_statistic.get(statistic, by_statistic["query"])
        chosen = rows & (frame["statistic"] == statistic)
        frame.loc[chosen, "threshold"] = row.threshold
        frame.loc[chosen, "chance_over"] = row.chance
        frame.loc[chosen, "mcse_chance_over"] = row.standard_error
        frame.loc[chosen, "not_a_number"] = row.not_a_number
    return by_statistic


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
    import pandas as pd

    ranked = str(ranking.attrs["quantity"]) if ranking is not None else None
    quantity = main_quantity(tree, quantity if quantity is not None else ranked)
    tables = summaries(tree, probs)
    summary = headline(tree, quantity, tables)
    reasons = doubts(tree, summary)
    yield Heading(str(tree.attrs["subject"]), 1)
    yield Doubts(reasons) if reasons else Sentence(citation_sentence(tree, summary), _CITATION)
    whole = _frame(tables)
    if above is not None:
        every = add_chances(whole, whole["quantity"] == quantity, tree, quantity, above)
        yield Data("above", pd.DataFrame(every.values()), file=False)
    yield Data("summary", whole)
    prior = None
    if "posterior" in tree.children:
        before = summaries(tree, probs, group="prior")
        yield Data("prior_summary", _frame(before), file=False)
        prior = headline(tree, quantity, before)
        yield prior.table()
    yield summary.table()
    together = totals(summary, tables[-1])
    if together:
        yield together
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
    notices = notices_of(tree)
    if notices:
        yield Notes("What to know before trusting it", notices, "note")
    yield from appendix_parts(tree)


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
    rows = summary.table().rows
    text = "; ".join(f"{row[0]}: median {row[1]}, widest interval {row[-2]}" for row in rows)
    draw = partial(figures.plot_distribution, draws, tables, central)
    yield Figure("distribution", draw, "How the answer is spread", text)
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
        draw = partial(figures.plot_components, table, labels, summary.units)
        yield Figure("components", draw, f"What the answer is made of: {', '.join(labels)}")


def _draws_by_statistic(tree: xr.DataTree, quantity: str) -> dict[str, xr.DataArray]:
    names = distinct_statistics(quoted_statistic(tree, quantity), nested=is_nested(tree))
    return {name: labeled_draws(tree, quantity, name) for name in names}


def record(
    tree: xr.DataTree,
    page: Sequence[Part],
    quantity: str,
    *,
    ranking: xr.Dataset | None = None,
) -> dict[str, object]:
    """Give what the page of a result says as plain data, for JSON."""
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
        "above": rows_of(page, "above"),
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
        digits = figures.digits_apart(*(float(row[key]) for key in keys), digits=3)
        cells = [figure_of(row, key, digits) for key in keys]
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
    formats: Sequence[str] = ("md",),
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
    formats : sequence of str
        Of the text: ``md``, whose figures are those beside it; ``html``, one file that holds all of
        them; ``tex``, without figures.

    Returns
    -------
    list of Path
        ``summary.csv``, ``ranking.csv``, figures as SVG, and ``report.md`` and so on; of a
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
    for kind in formats:
        require_known("formats", kind, FORMATS)
    page = parts(tree, quantity=quantity, ranking=ranking, probs=probs, above=above)
    return write(page, folder, formats=formats, png=png, read=inputs_of(tree))


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
    figure = figures.plot_assumptions(inputs, implied, draws, tables, central)
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
