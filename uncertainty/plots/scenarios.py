"""Scenarios side by side."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.plots.style import (
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

__all__ = ["plot_scenarios"]


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
