"""A ranking as bars."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.plots.style import (
    STATISTIC_LABELS,
    colors,
    input_labels,
    legend_above,
    name_figure,
    not_drawn,
    one_axes,
    plain_numbers,
    row_height,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_ranking"]

_MOST = 15
"""Inputs drawn: more are not legible on a page, and the last of them hardly matter."""


def plot_ranking(ranking: xr.Dataset) -> "Figure":
    """Draw a ranking: bars with standard errors, the largest on top."""
    left, ranking = len(ranking["input"]) - _MOST, ranking.isel(input=slice(_MOST))
    names = input_labels(ranking["input"].values)
    figure, axes = one_axes(8, 1.4 + row_height(names) * len(names))
    if "swing" in ranking:
        _draw_tornado(axes, ranking)
    else:
        _draw_shares(axes, ranking)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    name_figure(figure, ranking.attrs)
    not_drawn(axes, left)
    return figure


def _draw_shares(axes: "Axes", ranking: xr.Dataset) -> None:
    palette, rows = colors(), np.arange(ranking.sizes["input"])
    keys = _SHOWN[str(ranking.attrs["method"])]
    height = 0.76 / len(keys)
    for i, (key, label) in enumerate(keys.items()):
        axes.barh(
            rows + height * (i - (len(keys) - 1) / 2),
            np.asarray(ranking[key].values),
            height,
            xerr=np.asarray(ranking[f"{key}_se"].values),
            color=palette[i],
            label=label,
            error_kw={"lw": 1.2},
        )
    axes.set_xlabel(_share_label(ranking))
    legend_above(axes)


_SHOWN: Mapping[str, Mapping[str, str]] = {
    "sobol": {"total": "total share", "first_order": "first-order share"},
    "shapley": {"shapley": "Shapley share"},
    "value": {
        "narrowing": "width of the interval",
        "variance_reduction": "variance",
    },
    "derivative": {"total_bound": "bound of the total share, from slopes"},
    "correlation": {
        "rank_correlation": "rank correlation",
        "partial_rank_correlation": "partial, all other inputs given",
    },
    "delta": {"delta": "Borgonovo's delta"},
    "pawn": {"pawn": "mean Kolmogorov-Smirnov distance"},
    "prior": {"prior": "change for twice the power"},
}
_MEANING: Mapping[str, str] = {
    "sobol": "Share of the variance of",
    "shapley": "Share of the variance of",
    "value": "Share expected to go, were the input known, of",
    "derivative": "Mean squared slope over the variance of",
    "correlation": "Correlation of ranks with",
    "delta": "Share of the density moved, of",
    "pawn": "Distance of distributions of",
    "prior": "Power scaling of the posterior of",
}


def _share_label(ranking: xr.Dataset) -> str:
    statistic = STATISTIC_LABELS[str(ranking.attrs["statistic"])]
    scale = "log " if ranking.attrs["scale"] == "log" else ""
    meaning = _MEANING[str(ranking.attrs["method"])]
    return f"{meaning} {scale}{ranking.attrs['quantity']}, {statistic}"


def _draw_tornado(axes: "Axes", ranking: xr.Dataset) -> None:
    palette, rows = colors(), np.arange(ranking.sizes["input"])
    low, high = (np.asarray(ranking[end].values) for end in ("low", "high"))
    middle = float(ranking["center"])
    for values, color, label in (
        (low, palette[0], "input at P5"),
        (high, palette[1], "input at P95"),
    ):
        axes.barh(rows, values - middle, left=middle, color=color, label=label)
    if ranking.attrs["scale"] == "log":
        axes.set_xscale("log")
        plain_numbers(axes)
    units = f" ({ranking.attrs['units']})" if ranking.attrs.get("units") else ""
    statistic = STATISTIC_LABELS[str(ranking.attrs["statistic"])]
    axes.set_xlabel(f"{ranking.attrs['quantity']}, {statistic}{units}")
    legend_above(axes)
