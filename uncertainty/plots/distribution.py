"""The density of a quantity with its intervals."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.plots.style import (
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

__all__ = ["draw_distribution", "plot_distribution"]


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
