"""What a ranking leaves open: shares side by side, chances of each rank, interactions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.report.figures.style import (
    STATISTIC_LABELS,
    colors,
    input_labels,
    legend_above,
    name_figure,
    not_drawn,
    one_axes,
    plain_numbers,
    row_height,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from uncertainty.report.figures.style import Color, heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_MOST_ranking = 15
"""Inputs drawn: more are not legible on a page, and the last of them hardly matter."""


def plot_ranking(ranking: xr.Dataset) -> "Figure":
    """Draw a ranking: bars with standard errors, the largest on top."""
    left, ranking = len(ranking["input"]) - _MOST_ranking, ranking.isel(input=slice(_MOST_ranking))
    names = input_labels(ranking["input"].values)
    figure, axes = one_axes(8, 1.4 + row_height(names) * len(names))
    if "swing" in ranking:
        _draw_tornado(axes, ranking)
    else:
        _draw_shares(axes, ranking)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    name_figure(figure, ranking.attrs)
    not_drawn(axes, left)
    return figure


def _draw_shares(axes: "Axes", ranking: xr.Dataset) -> None:
    palette, rows = colors(), np.arange(ranking.sizes["input"])
    keys = _SHOWN[str(ranking.attrs["method"])]
    height = 0.76 / len(keys)
    for i, (key, label) in enumerate(keys.items()):
        axes.barh(
            rows + height * (i - (len(keys) - 1) / 2),
            np.asarray(ranking[key].values),
            height,
            xerr=np.asarray(ranking[f"{key}_se"].values),
            color=palette[i],
            label=label,
            error_kw={"lw": 1.2},
        )
    axes.set_xlabel(_share_label(ranking))
    legend_above(axes)


_SHOWN: Mapping[str, Mapping[str, str]] = {
    "sobol": {"total": "total share", "first_order": "first-order share"},
    "shapley": {"shapley": "Shapley share"},
    "value": {
        "narrowing": "width of the interval",
        "variance_reduction": "variance",
    },
    "derivative": {"total_bound": "bound of the total share, from slopes"},
    "correlation": {
        "rank_correlation": "rank correlation",
        "partial_rank_correlation": "partial, all other inputs given",
    },
    "delta": {"delta": "Borgonovo's delta"},
    "pawn": {"pawn": "mean Kolmogorov-Smirnov distance"},
    "prior": {"prior": "change for twice the power"},
}
_MEANING: Mapping[str, str] = {
    "sobol": "Share of the variance of",
    "shapley": "Share of the variance of",
    "value": "Share expected to go, were the input known, of",
    "derivative": "Mean squared slope over the variance of",
    "correlation": "Correlation of ranks with",
    "delta": "Share of the density moved, of",
    "pawn": "Distance of distributions of",
    "prior": "Power scaling of the posterior of",
}


def _share_label(ranking: xr.Dataset) -> str:
    statistic = STATISTIC_LABELS[str(ranking.attrs["statistic"])]
    scale = "log " if ranking.attrs["scale"] == "log" else ""
    meaning = _MEANING[str(ranking.attrs["method"])]
    return f"{meaning} {scale}{ranking.attrs['quantity']}, {statistic}"


def _draw_tornado(axes: "Axes", ranking: xr.Dataset) -> None:
    palette, rows = colors(), np.arange(ranking.sizes["input"])
    low, high = (np.asarray(ranking[end].values) for end in ("low", "high"))
    middle = float(ranking["center"])
    for values, color, label in (
        (low, palette[0], "input at P5"),
        (high, palette[1], "input at P95"),
    ):
        axes.barh(rows, values - middle, left=middle, color=color, label=label)
    if ranking.attrs["scale"] == "log":
        axes.set_xscale("log")
        plain_numbers(axes)
    units = f" ({ranking.attrs['units']})" if ranking.attrs.get("units") else ""
    statistic = STATISTIC_LABELS[str(ranking.attrs["statistic"])]
    axes.set_xlabel(f"{ranking.attrs['quantity']}, {statistic}{units}")
    legend_above(axes)


_LETTER = 0.011  # of the width of the bar, for one letter of a name inside it
_MOST = 15  # inputs drawn: more are not legible on a page


def plot_shares(rankings: Sequence[xr.Dataset]) -> "Figure":
    """Draw the shares of each ranking as one bar; what first-order shares leave is interactions.

    Parameters
    ----------
    rankings : sequence of Dataset
        By ``shapley`` or ``sobol``.
    """
    shades: dict[str, Color] = {}
    for ranking in rankings:
        for name, color in zip(ranking["input"].values, cycle(colors()), strict=False):
            shades.setdefault(str(name), color)
    figure, axes = one_axes(9, 1.6 + 0.9 * len(rankings))
    for row, ranking in enumerate(rankings):
        key = "shapley" if "shapley" in ranking else "first_order"
        parts = {
            str(n): max(float(ranking[key].sel(input=n)), 0.0) for n in ranking["input"].values
        }
        left = _stack(axes, row, parts, shades)
        if left < 1:
            axes.barh(row, 1 - left, 0.6, left, color="0.85", edgecolor="white")
    labels = {"shapley": "Shapley", "sobol": "Sobol', first order\n(gray: interactions)"}
    axes.set_yticks(range(len(rankings)), [labels[str(r.attrs["method"])] for r in rankings])
    axes.invert_yaxis()
    facts = rankings[0].attrs
    scale = "log " if facts["scale"] == "log" else ""
    statistic = STATISTIC_LABELS[str(facts["statistic"])]
    axes.set_xlabel(f"Share of the variance of {scale}{facts['quantity']}, {statistic}")
    axes.set_xlim(0, 1)
    name_figure(figure, facts)
    return figure


def _stack(
    axes: "Axes",
    row: int,
    parts: dict[str, float],
    shades: Mapping[str, Color],
) -> float:
    """Draw parts one after the other; gives where they end."""
    left = 0.0
    for name, share in parts.items():
        axes.barh(row, share, 0.6, left, color=shades[name], edgecolor="white")
        words = _words(name)
        width = _LETTER * max(len(line) for line in words.split("\n"))
        if width < share and left + share <= 1:
            axes.text(left + share / 2, row, words, ha="center", va="center", fontsize=8)
        left += share
    return left


def _words(name: str) -> str:
    """A name in a narrow bar; of many ranked together the first."""
    first, *others = name.split(" + ")
    more = [f"{len(others)} more"] if len(others) > 1 else others
    return "\n+ ".join([first, *more]).replace("_", "\n")


def plot_rank_chances(ranking: xr.Dataset) -> "Figure":
    """Draw how the order could change: the chance of each input to hold each rank."""
    left = ranking.sizes["input"] - _MOST
    ranking = ranking.isel(input=slice(_MOST), position=slice(_MOST))
    names = input_labels(ranking["input"].values)
    size = len(names)
    figure, axes = one_axes(3.2 + 0.55 * size, 1.6 + row_height(names) * size)
    chances = 100 * np.asarray(ranking["rank_probability"].values)
    heat_map(axes, chances, names, [str(i + 1) for i in range(size)], "{:.0f}", "Chance (%)")
    axes.set_xlabel(f"Rank by {ranking.attrs['method']}")
    name_figure(figure, ranking.attrs)
    not_drawn(axes, left)
    return figure


def plot_interactions(ranking: xr.Dataset) -> "Figure":
    """Draw second-order shares of all pairs; those below two standard errors stay empty."""
    left = ranking.sizes["input"] - _MOST
    ranking = ranking.isel(input=slice(_MOST), other=slice(_MOST))
    names = input_labels(ranking["input"].values)
    size, row = len(names), row_height(names)
    figure, axes = one_axes(4.0 + max(0.62, row) * size, 2.6 + 1.1 * row * size)
    found, errors = (np.asarray(ranking[f"second_order{end}"].values) for end in ("", "_se"))
    shown = np.tril(np.abs(found) > 2 * errors, -1)
    shares = np.where(shown, 100 * found, np.nan)
    scale = "log " if ranking.attrs["scale"] == "log" else ""
    label = f"Share of the variance of {scale}{ranking.attrs['quantity']} (%)"
    heat_map(axes, shares, names, names, "{:.2f}", label)
    axes.tick_params(axis="x", rotation=90)
    name_figure(figure, ranking.attrs)
    not_drawn(axes, left)
    return figure
