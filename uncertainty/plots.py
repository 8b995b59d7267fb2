"""Datasets to figures: no mathematics, and nothing is saved here. The door to seaborn."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["STATISTIC_LABELS", "plot_components", "plot_distribution", "plot_ranking"]

STATISTIC_LABELS: Mapping[str, str] = {
    "typical": "typical query",
    "mean": "mean query",
    "query": "any one query",
}
"""How statistics are called in figures and reports."""


def _axes(width: float, height: float) -> "tuple[Figure, Axes]":
    import seaborn as sns
    from matplotlib.figure import Figure

    with sns.axes_style("ticks"), sns.plotting_context("notebook"):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
    sns.despine(ax=axes)
    return figure, axes


def _colors() -> list[tuple[float, float, float]]:
    import seaborn as sns

    return list(sns.color_palette("colorblind"))


def _plain_numbers(axes: "Axes") -> None:
    """Label a log axis with numbers, not powers; between the powers only where these are few."""
    from matplotlib.ticker import LogLocator

    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    low, high = axes.get_xlim()
    if high < 100 * low:
        axes.xaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        axes.xaxis.set_minor_formatter(lambda x, _: f"{x:g}")


def _quantity_label(values: xr.DataArray, name: str) -> str:
    meaning = str(values.attrs.get("long_name", "")) or name
    boundary = str(values.attrs.get("boundary", "")).replace("_", " ")
    units = str(values.attrs.get("units", ""))
    place = f", {boundary} boundary" if boundary else ""
    return f"{meaning[0].upper()}{meaning[1:]}{place}" + (f" ({units})" if units else "")


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
    import seaborn as sns

    figure, axes = _axes(8, 4.6)
    colors = _colors()
    log = all(float(values.min()) > 0 for values in draws.values())
    constant = all(float(values.std()) == 0 for values in draws.values())
    for color, values in zip(colors, draws.values(), strict=False):
        if not constant:
            flat = np.asarray(values.values).ravel()
            sns.kdeplot(
                x=flat,
                ax=axes,
                color=color,
                log_scale=log,
                fill=True,
                alpha=0.15,
                linewidth=1.8,
                cut=0,
            )
    height = axes.get_ylim()[1]
    for i, (color, statistic) in enumerate(zip(colors, draws, strict=False)):
        _draw_intervals(axes, intervals, statistic, color, -(0.08 + 0.09 * i) * height)
    axes.axvline(central, color="0.25", linestyle="--", linewidth=1.4)
    axes.plot([], [], color="0.25", linestyle="--", label="at the central assumptions")
    first = next(iter(draws.values()))
    axes.set(xlabel=_quantity_label(first, str(first.name)), ylabel="Density", yticks=[])
    axes.set_ylim(-(0.1 + 0.09 * len(draws)) * height, 1.02 * height)
    if log:
        _plain_numbers(axes)
    axes.legend(frameon=False, loc="upper right")
    kind = str(intervals[0].attrs["kind"]).upper()
    probs = " and ".join(f"{100 * table.attrs['prob']:g} %" for table in intervals)
    axes.set_title(
        f"Bars: {probs} intervals ({kind}); dots: medians", fontsize="medium", loc="left"
    )
    return figure


def _draw_intervals(
    axes: "Axes",
    intervals: Sequence[xr.Dataset],
    statistic: str,
    color: tuple[float, float, float],
    height: float,
) -> None:
    widest_last = sorted(intervals, key=lambda table: -float(table.attrs["prob"]))
    for width, table in zip((2.5, 7.0), widest_last, strict=False):
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


def plot_ranking(ranking: xr.Dataset) -> "Figure":
    """Draw a ranking: bars with standard errors, the largest on top."""
    figure, axes = _axes(8, 1.4 + 0.42 * ranking.sizes["input"])
    if "swing" in ranking:
        _draw_tornado(axes, ranking)
    else:
        _draw_shares(axes, ranking)
    names = [str(name).replace("_", " ") for name in ranking["input"].values]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    return figure


def _draw_shares(axes: "Axes", ranking: xr.Dataset) -> None:
    colors, rows = _colors(), np.arange(ranking.sizes["input"])
    styles = (("total", "total share", 0.2, 0), ("first_order", "first-order share", -0.2, 1))
    for key, label, offset, i in styles:
        errors = np.asarray(ranking[f"{key}_se"].values)
        values = np.asarray(ranking[key].values)
        axes.barh(
            rows - offset,
            values,
            0.38,
            xerr=errors,
            color=colors[i],
            label=label,
            error_kw={"lw": 1.2},
        )
    axes.set_xlabel(_share_label(ranking))
    _legend_above(axes)


def _legend_above(axes: "Axes") -> None:
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


def _share_label(ranking: xr.Dataset) -> str:
    statistic = STATISTIC_LABELS[str(ranking.attrs["statistic"])]
    scale = "log " if ranking.attrs["scale"] == "log" else ""
    return f"Share of the variance of {scale}{ranking.attrs['quantity']}, {statistic}"


def _draw_tornado(axes: "Axes", ranking: xr.Dataset) -> None:
    colors, rows = _colors(), np.arange(ranking.sizes["input"])
    low, high = (np.asarray(ranking[end].values) for end in ("low", "high"))
    middle = float(ranking["center"])
    for values, color, label in (
        (low, colors[0], "input at P5"),
        (high, colors[1], "input at P95"),
    ):
        axes.barh(rows, values - middle, left=middle, color=color, label=label)
    if ranking.attrs["scale"] == "log":
        axes.set_xscale("log")
        _plain_numbers(axes)
    units = f" ({ranking.attrs['units']})" if ranking.attrs.get("units") else ""
    statistic = STATISTIC_LABELS[str(ranking.attrs["statistic"])]
    axes.set_xlabel(f"{ranking.attrs['quantity']}, {statistic}{units}")
    _legend_above(axes)


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
    figure, axes = _axes(8, 1.4 + 0.55 * len(labels))
    rows, means = np.arange(len(labels)), np.asarray(table["mean"].values)
    axes.barh(rows, means, 0.6, color=_colors()[0])
    for row in rows:
        span = [float(table[key].values[row]) for key in ("lower", "upper")]
        axes.plot(span, [row, row], color="0.2", linewidth=1.6, marker="|", markersize=9)
    total = means.sum()
    shares = [
        f"{label}\n{100 * mean / total:.3g} % of the mean"
        for label, mean in zip(labels, means, strict=True)
    ]
    axes.set_yticks(rows, shares)
    axes.invert_yaxis()
    prob = f"{100 * table.attrs['prob']:g} %"
    axes.set_xlabel(f"Energy of the mean query ({units}); bar: mean, line: {prob} interval")
    return figure
