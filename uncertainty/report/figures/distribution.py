"""What a quantity is made of."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.report.figures.style import (
    STATISTIC_LABELS,
    Color,
    colors,
    curves,
    name_figure,
    one_axes,
    plain_numbers,
    quantity_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from typing import TYPE_CHECKING

from uncertainty.errors import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_distribution(
    draws: Mapping[str, xr.DataArray], intervals: Sequence[xr.Dataset], central: float
) -> "Figure":
    """Draw the density of each statistic with its intervals beneath.

    Parameters
    ----------
    draws : mapping of str to DataArray
        Draws by statistic, with units.
    intervals : sequence of Dataset
        Summaries of one quantity over ``statistic``; the narrower is drawn thicker.
    central : float
        Value at the central assumptions.
    """
    figure, axes = one_axes(8, 4.6)
    draw_distribution(axes, draws, intervals, central)
    name_figure(figure, next(iter(draws.values())).attrs)
    return figure


def draw_distribution(
    axes: "Axes",
    draws: Mapping[str, xr.DataArray],
    intervals: Sequence[xr.Dataset],
    central: float,
) -> None:
    """Draw on given axes; see `plot_distribution`."""
    import seaborn as sns

    log = all(float(values.min()) > 0 for values in draws.values())
    constant = all(float(values.std()) == 0 for values in draws.values())
    for (color, style), values in zip(curves(), draws.values(), strict=False):
        if not constant:
            flat = np.asarray(values.values).ravel()
            sns.kdeplot(
                x=flat,
                ax=axes,
                color=color,
                linestyle=style,
                log_scale=log,
                fill=True,
                alpha=0.15,
                linewidth=1.8,
                cut=0,
            )
    height = axes.get_ylim()[1]
    for i, (color, statistic) in enumerate(zip(colors(), draws, strict=False)):
        _draw_intervals(axes, intervals, statistic, color, -(0.08 + 0.09 * i) * height)
    axes.axvline(central, color="0.25", linestyle="--", linewidth=1.4)
    axes.plot([], [], color="0.25", linestyle="--", label="at the central assumptions")
    first = next(iter(draws.values()))
    axes.set(xlabel=quantity_label(first, str(first.name)), ylabel="Density", yticks=[])
    axes.set_ylim(-(0.1 + 0.09 * len(draws)) * height, 1.02 * height)
    if log:
        plain_numbers(axes)
    axes.legend(frameon=False, loc="upper right")
    kind = str(intervals[0].attrs["kind"]).upper()
    probs = ", ".join(f"{100 * table.attrs['prob']:g} %" for table in intervals)
    axes.set_title(
        f"Bars: {probs} intervals ({kind}); dots: medians", fontsize="medium", loc="left"
    )


def _draw_intervals(
    axes: "Axes",
    intervals: Sequence[xr.Dataset],
    statistic: str,
    color: Color,
    height: float,
) -> None:
    widest_last = sorted(intervals, key=lambda table: -float(table.attrs["prob"]))
    for width, table in zip(np.linspace(2.5, 7.0, len(widest_last)), widest_last, strict=True):
        row = table.sel(statistic=statistic)
        axes.plot(
            [float(row["lower"]), float(row["upper"])],
            [height, height],
            color=color,
            linewidth=width,
            solid_capstyle="butt",
        )
    median = float(widest_last[0].sel(statistic=statistic)["median"])
    label = STATISTIC_LABELS[statistic]
    axes.plot(
        [median],
        [height],
        "o",
        color="white",
        markeredgecolor=color,
        markersize=7,
        markeredgewidth=2,
    )
    axes.plot([], [], color=color, linewidth=6, label=label)


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
