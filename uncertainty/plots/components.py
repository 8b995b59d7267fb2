"""What a quantity is made of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.errors import one_line
from uncertainty.plots.style import colors, name_figure, one_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_components"]


def plot_components(table: xr.Dataset, labels: Sequence[str], units: str) -> "Figure":
    """Draw what a quantity is made of: means with intervals.

    Parameters
    ----------
    table : Dataset
        A summary of the components over ``quantity``, of one statistic.
    labels : sequence of str
        A name for each.
    units : str
    """
    figure, axes = one_axes(8, 1.4 + 0.55 * len(labels))
    rows, means = np.arange(len(labels)), np.asarray(table["mean"].values)
    axes.barh(rows, means, 0.6, color=colors()[0])
    for row in rows:
        span = [float(table[key].values[row]) for key in ("lower", "upper")]
        axes.plot(span, [row, row], color="0.2", linewidth=1.6, marker="|", markersize=9)
    total = means.sum()
    shares = [
        f"{one_line(label)}\n{100 * mean / total:.3g} % of the mean"
        for label, mean in zip(labels, means, strict=True)
    ]
    axes.set_yticks(rows, shares)
    axes.invert_yaxis()
    prob = f"{100 * table.attrs['prob']:g} %"
    axes.set_xlabel(f"Energy of the mean query ({units}); bar: mean, line: {prob} interval")
    name_figure(figure, table.attrs)
    return figure
