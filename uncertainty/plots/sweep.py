"""Medians and intervals along a range of one input."""

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.errors import one_line
from uncertainty.plots.style import curves, legend_above, one_axes, plain_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_sweep"]

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
