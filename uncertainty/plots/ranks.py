"""What a ranking leaves open: shares side by side, chances of each rank, interactions."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.plots.style import (
    STATISTIC_LABELS,
    Color,
    colors,
    heat_map,
    input_labels,
    name_figure,
    not_drawn,
    one_axes,
    row_height,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_interactions", "plot_rank_chances", "plot_shares"]

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
