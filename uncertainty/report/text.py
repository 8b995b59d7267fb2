"""What a result says, in sentences and rows that the terminal and the report share."""

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from uncertainty.report.figures import STATISTIC_LABELS
from uncertainty.results import (
    NONE,
    STATISTICS,
    Estimate,
    Group,
    chances,
    group_of,
    is_nested,
    quoted_statistic,
    share_not_a_number,
    share_not_finite,
    share_per_query,
    summarize,
    unknown_figures,
    warnings_of,
)


def figure_with_error(value: float, error: float) -> str:
    """Write a number to three digits, with its standard error to one or two, where it has one.

    Examples
    --------
    >>> figure_with_error(0.14921, 0.00066)
    '0.149 ± 0.00066'
    >>> figure_with_error(0.3, 1e-17)
    '0.3'
    >>> figure_with_error(0.00305, math.inf)
    '0.00305 ± unknown'
    """
    if math.isnan(value):
        return "unknown"
    if not math.isfinite(error):
        return f"{value:.3g} ± unknown"
    # Rounding is no error: what is known has none.
    return f"{value:.3g}" + (f" ± {error:.2g}" if error > 1e-12 * abs(value) else "")


@dataclass(frozen=True)
class Headline:
    """The summaries of one quantity at each probability."""

    quantity: str
    units: str
    tables: tuple[xr.Dataset, ...]
    nested: bool = True
    group: str = ""
    quoted: str = "typical"

    @property
    def title(self) -> str:
        """The quantity with its unit."""
        told = f"{self.quantity} ({self.units})" if self.units else self.quantity
        return f"{told}, {self.group}" if self.group else told

    def told(self, number: float, digits: int = 3) -> str:
        """Write a number with the unit."""
        return f"{number:.{digits}g} {self.units}".rstrip()

    @property
    def columns(self) -> list[str]:
        """Names of the columns of `rows`."""
        kind = {"eti": "equal tails", "hdi": "shortest"}[str(self.tables[0].attrs["kind"])]
        probs = [f"{100 * table.attrs['prob']:g} % interval, {kind}" for table in self.tables]
        return ["statistic", "median", *probs, "mean"]

    def rows(self) -> list[list[str]]:
        """One row a statistic, each figure with its Monte Carlo standard error."""
        if not self.nested:
            return [self._row("typical")]
        # A total is one number for all queries: of one query it says nothing.
        return [self._row(s) for s in (STATISTICS if self.quoted == "typical" else [self.quoted])]

    @property
    def subject(self) -> str:
        """What the quoted row is of, prior or posterior too."""
        return _group_after(STATISTIC_LABELS[self.quoted] if self.nested else "", self.group)

    @property
    def interval(self) -> xr.Dataset:
        """The row that is quoted, with the widest interval."""
        return self.tables[-1].sel(statistic=self.quoted)

    def _row(self, statistic: str) -> list[str]:
        cells = [table.sel(statistic=statistic) for table in self.tables]
        return [
            STATISTIC_LABELS[statistic] if self.nested else "every query",
            _cell(cells[0], "median"),
            *(_interval(cell) for cell in cells),
            _cell(cells[0], "mean"),
        ]


def _interval(row: xr.Dataset) -> str:
    low, high = float(row["lower"]), float(row["upper"])
    if abs(high - low) <= 1e-12 * abs(low):  # rounding
        return "no spread"
    return f"{_cell(row, 'lower')} to {_cell(row, 'upper')}"


def _cell(row: xr.Dataset, key: str) -> str:
    return figure_with_error(float(row[key]), float(row[f"mcse_{key}"]))


def headline(
    tree: xr.DataTree, quantity: str, probs: Sequence[float], group: Group | None = None
) -> Headline:
    """Summarize one quantity at several probabilities."""
    tables = tuple(
        summarize(tree, prob, quantities=[quantity], group=group).sel(quantity=quantity)
        for prob in probs
    )
    told = str(tables[0].attrs.get("group", ""))
    units, quoted = str(tables[0]["units"].item()), quoted_statistic(tree, quantity)
    return Headline(quantity, units, tables, is_nested(tree), told, quoted)


def _group_after(text: str, group: str) -> str:
    return ", ".join(part for part in (text, group) if part)


def doubts(tree: xr.DataTree, summary: Headline) -> list[str]:
    """Say why a result, or a figure that is quoted of it, is not to be trusted."""
    figures = (text for table in summary.tables for text in unknown_figures(table))
    found = [*warnings_of(tree), *dict.fromkeys(figures)]
    if not found and not np.isfinite(summary.tables[0]["sd"]).all():
        found.append(f"{_not_finite(tree, summary.quantity)}: mend the model or its inputs")
    return found


def _not_finite(tree: xr.DataTree, quantity: str) -> str:
    share = share_not_finite(tree, quantity)
    # Finite values may still have squares that float64 does not hold.
    return f"{quantity} is " + (
        f"not finite for {100 * share:.3g} % of the draws" if share else "too large to be squared"
    )


def central_sentence(tree: xr.DataTree, summary: Headline) -> str:
    """Set the value at the central assumptions beside the median and the mean, and say why."""
    row = summary.tables[0].sel(statistic=summary.quoted)
    central = float(tree["central"][summary.quantity])
    if not math.isfinite(float(row["sd"])):
        return f"{_not_finite(tree, summary.quantity)}, so it has no mean and no spread."
    if not float(row["sd"]):
        return f"Nothing is uncertain here: the model gives {summary.told(central)}."
    subject = f"the {STATISTIC_LABELS[summary.quoted]}" if summary.nested else "the result"
    prior = " (of the prior)" if summary.group else ""
    group = f", {summary.group}," if summary.group else ""
    return (
        f"With every assumption at its median{prior} the model gives {summary.told(central)}; "
        f"{subject}{group} has median {_cell(row, 'median')} and mean {_cell(row, 'mean')} "
        f"{summary.units}".rstrip()
        + f". {_why(row, central)}"
    )


def _why(row: xr.Dataset, central: float) -> str:
    """Explain the differences that are larger than their error and worth a word (1 %)."""
    median, mean = float(row["median"]), float(row["mean"])
    errors = {key: 4 * float(row[f"mcse_{key}"]) + 0.01 * abs(median) for key in ("median", "mean")}
    reasons = []
    if abs(central - median) > errors["median"]:
        reasons.append(
            "The value at the medians is not the median of the values, because the model is not "
            "linear or its inputs are skewed."
        )
    if not math.isfinite(errors["mean"]):
        reasons.append("The mean is ruled by its tail: quote the median.")
    elif abs(mean - median) > errors["mean"]:
        side = "above" if mean > median else "below"
        reasons.append(f"The mean lies {side} the median because it follows the longer tail.")
    return " ".join(reasons) or "The three agree: what is skewed evens out here."


def split_sentence(tree: xr.DataTree, quantity: str) -> str:
    """Split the variance of one query into what is unknown and what varies."""
    if not is_nested(tree):
        return "Nothing varies from query to query here: all of the spread there is, is unknown."
    if quoted_statistic(tree, quantity) == "mean":
        return "A total is one number for all queries: all of its spread is unknown."
    if share_not_a_number(tree, quantity, "mean"):
        return f"The variance of {quantity} cannot be split, because some draws are not a number."
    name = f"log {quantity}"
    share, error = share_per_query(tree, quantity)
    if math.isnan(share):
        name = f"{quantity} (linear scale)"
        share, error = share_per_query(tree, quantity, "linear")
    if math.isnan(share):
        return f"The variance of {quantity} cannot be split, because some draws are not finite."
    unknown, varies = _percent((1 - share, error)), _percent((share, error))
    group = f" ({group_of(tree)})"
    return (
        f"Of the variance of {name} of one query{group}, {unknown} is unknown (the same "
        f"for all queries) and {varies} varies from query to query."
    )


def chance_text(chance: float, error: float) -> str:
    """Write a chance in per cent; of what no draw shows, or every one, the bound that holds.

    Examples
    --------
    >>> chance_text(0.25, 0.001)
    '25 ± 0.1 %'
    >>> chance_text(0.0, 3e-5)
    'below 0.003 % (fewer than 3 in 100000 draws, 95 %)'
    """
    if chance not in (0.0, 1.0) or error in (0.0, math.inf):
        return _percent((chance, error))
    few = f"fewer than 3 in {NONE / error:.6g} draws, 95 %"
    if chance == 0.0:
        return f"below {100 * error:.2g} % ({few})"
    return f"over {100 * (1 - error):.15g} % (all but {few})"


def _percent(estimate: Estimate) -> str:
    return figure_with_error(100 * estimate[0], 100 * estimate[1]) + " %"


def above_sentence(tree: xr.DataTree, quantity: str, threshold: float) -> str:
    """Give the chance of exceeding a threshold, for each statistic."""
    units = str(tree["central"][quantity].attrs.get("units", ""))
    over = f"{threshold:g} {units}".rstrip()
    rows = chances(tree, quantity, threshold)
    missing = max(row.not_a_number for row in rows)
    if missing:
        return (
            f"The chance that {quantity} is over {over} cannot be told: it is not a number for "
            f"{100 * missing:.3g} % of the draws."
        )
    told = {row.statistic: chance_text(row.chance, row.standard_error) for row in rows}
    unseen = any(row.chance in (0.0, 1.0) and row.standard_error for row in rows)
    rare = " A chance of 1e-06 takes 3e+06 draws or more to see." if unseen else ""
    group = f" ({group_of(tree)})"
    quoted = quoted_statistic(tree, quantity)
    if not is_nested(tree) or quoted == "mean":
        chance = told[quoted if is_nested(tree) else "query"]
        return f"The chance that {quantity} is over {over} is {chance}{group}.{rare}"
    one, typical, mean = (told[statistic] for statistic in ("query", "typical", "mean"))
    return (
        f"The chance that one query takes over {over} is {one}; that the typical "
        f"query does, {typical}; that the mean query does, {mean}{group}.{rare}"
    )


def citation_sentence(tree: xr.DataTree, summary: Headline) -> str:
    """Write a sentence that a report can use as it is."""
    table, row = summary.tables[-1], summary.interval
    facts = tree.attrs
    boundary = str(tree["central"][summary.quantity].attrs.get("boundary", ""))
    return (
        f"{facts['subject']}{_meaning(tree, summary.quantity)}: "
        f"{summary.told(float(row['median']), 2)}{_place(boundary)} (median"
        f"{_of(summary)}; {100 * table.attrs['prob']:g} % "
        f"credible interval, {_KINDS[str(table.attrs['kind'])]}, {float(row['lower']):.2g} to "
        f"{summary.told(float(row['upper']), 2)}; Monte Carlo standard errors {_relative(row)}). "
        f"Source: uncertainty {facts['inference_library_version']}, {facts['priors']} (sha256 "
        f"{str(facts['priors_sha256'])[:12]}), model {facts['model']}, {_told_draws(facts)}, "
        f"seed {facts['seed']}."
    )


def _of(summary: Headline) -> str:
    query = f" of the {STATISTIC_LABELS[summary.quoted]}" if summary.nested else ""
    return f"{query}, {summary.group}" if summary.group else query


def _meaning(tree: xr.DataTree, quantity: str) -> str:
    """Say what is quoted, where it is not the energy of a query."""
    meaning = str(tree["central"][quantity].attrs.get("long_name", "")) or quantity
    return "" if quantity == "energy_wh" else f", {meaning.replace('_', ' ')}"


def _told_draws(facts: Mapping[Hashable, object]) -> str:
    if "posterior_draws" not in facts:
        return f"{facts['draws']} draws of the prior"
    chains, draws = facts["posterior_chains"], facts["posterior_draws"]
    names = ", ".join(item["name"] for item in json.loads(str(facts["evidence"])))
    return f"posterior given {names}, {chains} chains of {draws} draws"


_KINDS = {"eti": "equal-tailed", "hdi": "shortest"}


def _place(boundary: str) -> str:
    return f" at the {boundary.replace('_', ' ')} boundary" if boundary else ""


def _relative(row: xr.Dataset) -> str:
    """Tell the largest relative standard error of the three figures quoted."""
    errors = [
        float(row[f"mcse_{k}"]) / abs(float(row[k])) for k in ("median", "lower", "upper") if row[k]
    ]
    worst = max(errors, default=0.0)
    return f"at most {100 * worst:.2g} %" if worst > 1e-12 else "none"
