"""What a result says, in sentences and rows."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.errors import counted
from uncertainty.report.parts import Table, distinct, figure_with_error
from uncertainty.report.style import STATISTIC_LABELS, boundary_words, rounded
from uncertainty.results import (
    NONE,
    STATISTICS,
    Group,
    chances,
    draws_of,
    group_of,
    is_nested,
    lost_text,
    quoted_statistic,
    share_per_query,
    unknown_figures,
    warnings_of,
)
from uncertainty.sampling import summarize_inputs, width_notices

if TYPE_CHECKING:
    import pandas as pd

_ROUNDING = 1e-12  # of a figure: what arithmetic leaves where nothing differs
_KINDS = {"eti": ("equal tails", "equal-tailed"), "hdi": ("shortest", "shortest")}


def figure_of(row: xr.Dataset, key: str) -> str:
    """Write one figure of a row with its Monte Carlo standard error."""
    return figure_with_error(float(row[key]), float(row[f"mcse_{key}"]))


def labeled_draws(
    tree: xr.DataTree, quantity: str, statistic: str, group: Group | None = None
) -> xr.DataArray:
    """Draws of a statistic with what figures say of them: unit, boundary, subject, group."""
    facts = {"subject": tree.attrs["subject"], "group": group_of(tree, group)}
    return xr.DataArray(
        draws_of(tree, quantity, statistic, group),
        dims=("chain", "draw"),
        name=quantity,
        attrs=tree["central"][quantity].attrs | facts,
    )


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


def headline(tree: xr.DataTree, quantity: str, tables: Sequence[xr.Dataset]) -> Headline:
    """Take one quantity out of summaries of a result, each from `summarize` at a probability."""
    rows = tuple(table.sel(quantity=quantity) for table in tables)
    units, group = str(rows[0]["units"].item()), str(rows[0].attrs.get("group", ""))
    return Headline(quantity, units, rows, is_nested(tree), group, quoted_statistic(tree, quantity))


def doubts(tree: xr.DataTree, summary: Headline) -> list[str]:
    """Say why a result, or a figure that is quoted of it, is not to be trusted."""
    figures = (text for table in summary.tables for text in unknown_figures(table))
    reasons = [*warnings_of(tree), *dict.fromkeys(figures)]
    if not reasons and not np.isfinite(summary.tables[0]["sd"]).all():
        reasons = [f"{_not_finite(tree, summary.quantity)}: mend the model or its inputs"]
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
            text = "What differs from it is rarer than they show: use more"
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
            "The value at the medians is not the median of the values, because the model is not "
            "linear or its inputs are skewed."
        )
    if not math.isfinite(least["mean"]):
        reasons.append("The mean is ruled by its tail: quote the median.")
    elif abs(mean - median) > least["mean"]:
        side = "above" if mean > median else "below"
        reasons.append(f"The mean lies {side} the median because it follows the longer tail.")
    return (
        f"With every assumption at its median{prior} the model gives "
        f"{summary.with_unit(central)}; {subject}{group} has median {figure_of(row, 'median')} "
        f"and mean {figure_of(row, 'mean')} {summary.units}".rstrip()
        + f". {' '.join(reasons) or 'The three agree: what is skewed evens out here.'}"
    )


def split_sentence(tree: xr.DataTree, quantity: str) -> str:
    """Split the variance of one query into what is unknown and what varies."""
    if not is_nested(tree):
        return "Nothing varies from query to query here: all of the spread there is, is unknown."
    if quoted_statistic(tree, quantity) == "mean":
        return "A total is one number for all queries: all of its spread is unknown."
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
        f"Of the variance of {name} of one query ({group_of(tree)}), {unknown} is unknown (the "
        f"same for all queries) and {varies} varies from query to query."
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
        return f"The chance that {quantity} is over {over} cannot be told: {lost}."
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


def provenance_lines(tree: xr.DataTree) -> Iterator[str]:
    """Say what a result was computed from, and with which versions."""
    facts = tree.attrs
    keys = ("model", "scenario", "given", "seed", "draws", "randomizations", "queries")
    for key in (*keys, "executor", "command", "created_at"):
        if facts.get(key, "") != "":  # a seed of 0 is one
            yield f"{key}: {facts[key]}"
    for file in json.loads(str(facts["prior_files"])):
        if file["text"]:
            yield f"{file['path']}: sha256 {file['sha256']}"
    yield ", ".join(f"{k} {v}" for k, v in json.loads(str(facts["versions"])).items())


def notices_of(tree: xr.DataTree) -> list[str]:
    """Sentences worth reading before believing a result."""
    wide = width_notices(summarize_inputs(tree)) if "prior" in tree.children else []
    return [*json.loads(str(tree.attrs.get("notices", "[]"))), *wide]


def add_chances(
    frame: "pd.DataFrame", rows: "pd.Series[bool]", tree: xr.DataTree, quantity: str, above: float
) -> None:
    """Add the chance of exceeding a threshold to some rows of a summary, in columns of its own."""
    by_statistic = {row.statistic: row for row in chances(tree, quantity, above)}
    for statistic in STATISTICS:
        # The three are one where nothing varies per query.
        row = by_statistic.get(statistic, by_statistic["query"])
        chosen = rows & (frame["statistic"] == statistic)
        frame.loc[chosen, "threshold"] = row.threshold
        frame.loc[chosen, "chance_over"] = row.chance
        frame.loc[chosen, "mcse_chance_over"] = row.standard_error
        frame.loc[chosen, "not_a_number"] = row.not_a_number
