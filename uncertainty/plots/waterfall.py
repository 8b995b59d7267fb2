"""Why two estimates differ, step by step."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from uncertainty.errors import one_line
from uncertainty.plots.style import colors, input_labels, one_axes, plain_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_waterfall"]

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
