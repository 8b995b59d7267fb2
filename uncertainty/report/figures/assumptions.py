"""Every assumption on one page, and what they imply together."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.report.figures.distribution import draw_distribution
from uncertainty.report.figures.style import colors, name_figure, plain_numbers, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_COLUMNS = 4
_BOTTOM = "the prior predictive distribution"
_EMPTY = "."


def plot_assumptions(
    inputs: Mapping[str, xr.DataArray],
    percentiles: xr.Dataset,
    outputs: Mapping[str, xr.DataArray],
    intervals: Sequence[xr.Dataset],
    central: float,
) -> "Figure":
    """Draw each uncertain assumption with P5, median and P95; beneath, what they imply.

    Parameters
    ----------
    inputs : mapping of str to DataArray
        Draws of the assumptions; those that are known are left out.
    percentiles : Dataset
        From `summarize_inputs`.
    outputs, intervals, central
        As in `plot_distribution`.
    """
    names = [name for name, draws in inputs.items() if float(np.ptp(draws.values)) > 0]
    rows = -(-len(names) // _COLUMNS)
    places = [*names, *[_EMPTY] * (rows * _COLUMNS - len(names))]
    layout = [places[i * _COLUMNS : (i + 1) * _COLUMNS] for i in range(rows)]
    figure, grid = sheet(
        15, 2.3 * rows + 4.4, [*layout, [_BOTTOM] * _COLUMNS], [*[1.0] * rows, 1.9]
    )
    for name in names:
        _draw_assumption(grid[name], inputs[name], percentiles.sel(input=name))
    draw_distribution(grid[_BOTTOM], outputs, intervals, central)
    name_figure(figure, next(iter(outputs.values())).attrs)
    return figure


def _draw_assumption(axes: "Axes", draws: xr.DataArray, row: xr.Dataset) -> None:
    import seaborn as sns

    values = np.asarray(draws.values).ravel()
    low, middle, high = (float(row[key]) for key in ("p5", "median", "p95"))
    log = bool(values.min() > 0 and high > 8 * low)
    color = colors()[0 if draws.attrs.get("varies") != "query" else 2]
    sns.histplot(
        x=values, ax=axes, bins=60, log_scale=log, stat="density", element="step", color=color,
        alpha=0.3, linewidth=1.2,
    )  # fmt: skip
    for value, style in ((low, ":"), (middle, "-"), (high, ":")):
        axes.axvline(value, color="0.2", linestyle=style, linewidth=1.3)
    plain_numbers(axes)
    units = str(row["units"].item())
    unit = f" ({units})" if units not in ("", "1") else ""
    axes.set(ylabel="", yticks=[], xlabel=f"{str(draws.name).replace('_', ' ')}{unit}")
    per_query = ", varies per query" if draws.attrs.get("varies") == "query" else ""
    axes.set_title(
        f"P5 {low:.3g}, median {middle:.3g}, P95 {high:.3g}{per_query}", fontsize="small"
    )
