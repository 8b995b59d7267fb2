"""Why two estimates differ, step by step."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.report.figures.style import (
    STATISTIC_LABELS,
    colors,
    input_labels,
    legend_above,
    name_figure,
    one_axes,
    plain_numbers,
    quantity_label,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

from uncertainty.errors import one_line
from uncertainty.report.figures.style import curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_scenarios(table: xr.Dataset) -> "Figure":
    """Draw the interval and median of each statistic in each scenario.

    Parameters
    ----------
    table : Dataset
        From `summarize_scenarios`.
    """
    scenarios = [str(name) for name in table["scenario"].values]
    statistics = [str(name) for name in table["statistic"].values]
    figure, axes = one_axes(9, 1.8 + 0.75 * len(scenarios))
    for i, (statistic, color) in enumerate(zip(statistics, colors(), strict=False)):
        rows = np.arange(len(scenarios)) + 0.24 * (i - (len(statistics) - 1) / 2)
        part = table.sel(statistic=statistic)
        low, middle, high = (np.asarray(part[key].values) for key in ("lower", "median", "upper"))
        axes.hlines(rows, low, high, color=color, linewidth=5, alpha=0.55)
        label = STATISTIC_LABELS[statistic] if len(statistics) > 1 else "every query"
        axes.plot(middle, rows, "o", color=color, markeredgecolor="white", label=label)
    if float(table["lower"].min()) > 0:
        axes.set_xscale("log")
        plain_numbers(axes)
    axes.set_yticks(range(len(scenarios)), input_labels(scenarios))
    axes.invert_yaxis()
    prob, kind = 100 * float(table.attrs["prob"]), str(table.attrs["kind"]).upper()
    label = quantity_label(table["median"], str(table.attrs["quantity"]))
    axes.set_xlabel(f"{label}\nbars: {prob:g} % intervals ({kind}), dots: medians")
    legend_above(axes, len(statistics))
    name_figure(figure, table.attrs)
    return figure


_WIDE = 8.0


def plot_sweep(
    tables: Mapping[str, xr.Dataset],
    quantity: str,
    marks: Mapping[str, float] | None = None,
) -> "Figure":
    """Draw one quantity along one input; log axes where the range is wide.

    Parameters
    ----------
    tables : mapping of str to Dataset
        From `sweep`, all over one input, by label.
    quantity : str
    marks : mapping of str to float, optional
        Places on the input's axis, by label.
    """
    first = next(iter(tables.values())).sel(quantity=quantity)
    [name] = [str(dim) for dim in first["median"].dims]
    figure, axes = one_axes(8.5, 5)
    for (color, style), (label, table) in zip(curves(), tables.items(), strict=False):
        part = table.sel(quantity=quantity)
        x, low, high = (np.asarray(part[key].values) for key in (name, "lower", "upper"))
        axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(
            x, part["median"].values, "o", linestyle=style, color=color, markersize=4,
            label=one_line(label),
        )  # fmt: skip
    for style, (label, place) in zip(cycle((":", "--", "-.")), (marks or {}).items(), strict=False):
        axes.axvline(place, color="0.3", linestyle=style, linewidth=1.4, label=one_line(label))
    values = np.concatenate([table[name].values for table in tables.values()])
    if values.min() > 0 and values.max() > _WIDE * values.min():
        axes.set_xscale("log")
        plain_numbers(axes)
    lowest = min(float(table.sel(quantity=quantity)["lower"].min()) for table in tables.values())
    if lowest > 0:
        axes.set_yscale("log")
        plain_numbers(axes, "y")
    unit = str(first[name].attrs.get("units", ""))
    axes.set_xlabel(name.replace("_", " ").capitalize() + (f" ({unit})" if unit else ""))
    axes.set_ylabel(_label(first, quantity))
    legend_above(axes, 2)
    return figure


def _label(table: xr.Dataset, quantity: str) -> str:
    meaning, units = (str(table[key].item()) for key in ("meaning", "units"))
    place = str(table["boundary"].item()).replace("_", " ")
    unit = f" ({units})" if units not in ("", "1") else ""
    words = (meaning or quantity.replace("_", " ")).capitalize()
    prob = f"{100 * float(table.attrs['prob']):g} %"
    where = f", {place} boundary" if place else ""
    group = f", {table.attrs['group']}" if "group" in table.attrs else ""
    statistic = f"{table.attrs['statistic']} query{group}"
    return f"{words}{where}{unit}\n{statistic}: median and {prob} interval"


_LONGEST = 34


def plot_waterfall(table: xr.Dataset) -> "Figure":
    """Draw the way from one estimate to the other, each assumption a step on a log axis.

    Parameters
    ----------
    table : Dataset
        From `explain`.
    """
    names = [
        f"{label} (solved for)" if solved else label  # what follows from the answer is no cause
        for label, solved in zip(
            input_labels(table["input"].values), table["solved"].values, strict=True
        )
    ]
    first, last = (float(value) for value in table["value"].values)
    ends = first * np.exp(np.concatenate([[0.0], np.cumsum(table["contribution"].values)]))
    figure, axes = one_axes(9, 2.0 + 0.5 * (len(names) + 2))
    up, down, whole = (colors()[i] for i in (1, 0, 7))
    text: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
    for row, (start, end) in enumerate(pairwise(ends), 1):
        color = up if end > start else down
        axes.barh(row, end - start, left=start, color=color, height=0.62)
        axes.vlines(end, row - 0.31, row + 1.0, color="0.5", linewidth=0.8)
        axes.annotate(f"×{end / start:.3g}", (max(start, end), row), (5, 0), **text)
    for row, value in ((0, first), (len(names) + 1, last)):
        axes.plot(value, row, "D", color=whole, markersize=8)
        axes.annotate(f"{value:.3g}", (value, row), (8, 0), textcoords="offset points", va="center")
    sides = [one_line(str(side))[-_LONGEST:] for side in table["side"].values]
    axes.set_yticks(range(len(names) + 2), [sides[0], *names, sides[1]])
    axes.invert_yaxis()
    axes.set_xscale("log")
    room = max(ends.max() / ends.min(), 2.0) ** 0.12
    axes.set_xlim(ends.min() / room, ends.max() * room)
    plain_numbers(axes)
    facts = table.attrs
    place = f", {facts['boundary']} boundary" if facts["boundary"] else ""
    unit = f" ({facts['units']})" if facts["units"] else ""
    axes.set_xlabel(f"{facts['quantity']}, median of the {facts['statistic']} query{place}{unit}")
    return figure
