"""What evidence has moved: outputs and assumptions before and after, and the fit to the rows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.errors import one_line
from uncertainty.report.figures.style import (
    colors,
    input_labels,
    legend_above,
    name_figure,
    one_axes,
    plain_numbers,
    quantity_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_BEFORE, _AFTER = 7, 0  # gray and blue of the palette


def plot_updated(
    prior: xr.DataArray, posterior: xr.DataArray, intervals: Mapping[str, xr.Dataset]
) -> "Figure":
    """Draw one quantity before and after.

    Parameters
    ----------
    prior, posterior : DataArray
        Draws, with units.
    intervals : mapping of str to Dataset
        Summaries of one statistic under ``prior`` and ``posterior``.
    """
    import seaborn as sns

    figure, axes = one_axes(8, 4.2)
    log = float(prior.min()) > 0 and float(posterior.min()) > 0
    for place, values in ((_BEFORE, prior), (_AFTER, posterior)):
        flat = np.asarray(values.values).ravel()
        sns.kdeplot(
            x=flat, ax=axes, color=colors()[place], log_scale=log, fill=True, alpha=0.2, cut=0
        )
    height = axes.get_ylim()[1]
    for i, (name, place) in enumerate((("prior", _BEFORE), ("posterior", _AFTER))):
        row, level = intervals[name], -(0.08 + 0.09 * i) * height
        _interval(axes, row, level, place, f"{name}, {100 * row.attrs['prob']:g} % interval")
    axes.set_ylim(-0.3 * height, 1.02 * height)
    axes.set(xlabel=quantity_label(prior, str(prior.name)), ylabel="Density", yticks=[])
    if log:
        plain_numbers(axes)
    legend_above(axes)
    name_figure(figure, {**prior.attrs, "group": ""})
    return figure


def _interval(axes: "Axes", row: xr.Dataset, level: float, place: int, label: str) -> None:
    color, ends = colors()[place], [float(row["lower"]), float(row["upper"])]
    axes.plot(ends, [level, level], color=color, linewidth=6, solid_capstyle="butt", label=label)
    axes.plot([float(row["median"])], [level], "o", color="white", markeredgecolor=color)


def plot_movement(scores: Mapping[str, np.ndarray], prob: float) -> "Figure":
    """Draw how far evidence has moved and narrowed each assumption, in its prior's own scores.

    Parameters
    ----------
    scores : mapping of str to array
        Posterior draws of each assumption's standard normal score: 0 is its prior median.
    prob : float
        Probability of the intervals.
    """
    from scipy.stats import norm

    figure, axes = one_axes(8, 1.6 + 0.32 * len(scores))
    half = float(norm.ppf((1 + prob) / 2))
    axes.axvspan(-half, half, color=colors()[_BEFORE], alpha=0.2, label=f"prior, {100 * prob:g} %")
    axes.axvline(0, color=colors()[_BEFORE], linewidth=1)
    names = list(scores)[::-1]
    for place, name in enumerate(names):
        low, middle, high = np.quantile(scores[name], [(1 - prob) / 2, 0.5, (1 + prob) / 2])
        axes.plot([low, high], [place, place], color=colors()[_AFTER], linewidth=5)
        axes.plot([middle], [place], "o", color="white", markeredgecolor=colors()[_AFTER])
    axes.plot([], [], color=colors()[_AFTER], linewidth=5, label=f"posterior, {100 * prob:g} %")
    axes.set_yticks(range(len(names)), input_labels(names))
    axes.set(xlabel="Value, as a normal score of its prior", ylabel="Assumption")
    legend_above(axes)
    return figure


def plot_fit(
    observed: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    prob: float,
    label: str,
) -> "Figure":
    """Draw predictive intervals against what was measured.

    Parameters
    ----------
    observed, predicted : mapping of str to array
        By what is told apart (evidence, or a method): shape (row,), and draws of shape
        (sample, row).
    prob : float
        Probability of the intervals.
    label : str
        Quantity with its unit.
    """
    figure, axes = one_axes(6.4, 6.2)
    log = all((values > 0).all() for values in (*observed.values(), *predicted.values()))
    for i, (name, values) in enumerate(observed.items()):
        color, marker = colors()[i % len(colors())], "osD^v"[i // len(colors()) % 5]
        low, middle, high = np.quantile(
            predicted[name], [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0
        )
        axes.vlines(values, low, high, color=color, alpha=0.45, linewidth=1.2)
        axes.plot(
            values, middle, marker, linestyle="", color=color, markersize=4, label=one_line(name)
        )
    ends = _ends([*observed.values()])
    axes.plot(ends, ends, color="0.3", linewidth=1, linestyle="--", label="predicted = measured")
    if log:
        axes.set(xscale="log", yscale="log")
        plain_numbers(axes)
        plain_numbers(axes, "y")
    axes.set(xlabel=f"Measured: {label}", ylabel=f"Predicted: median and {100 * prob:g} % interval")
    legend_above(axes)
    return figure


def _ends(columns: Sequence[np.ndarray]) -> list[float]:
    return [float(min(c.min() for c in columns)), float(max(c.max() for c in columns))]


def plot_fits(found: xr.Dataset) -> "Figure":
    """Draw how much worse than the best each fit predicts rows left out.

    Parameters
    ----------
    found : xarray.Dataset
        From `compare_fits`.
    """
    names = [str(name) for name in found["fit"].values]
    figure, axes = one_axes(8, 1.6 + 0.5 * len(names))
    far, errors = (np.asarray(found[f"elpd_difference{end}"].values) for end in ("", "_se"))
    places = np.arange(len(names))[::-1]
    axes.errorbar(far, places, xerr=2 * errors, fmt="o", color=colors()[_AFTER], capsize=4)
    axes.axvline(0, color="0.3", linewidth=1, linestyle="--")
    axes.set_yticks(places, input_labels(names))
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set(
        xlabel="Log density of rows left out, against the best\n"
        "(sum over rows, nats; bars of two standard errors)",
        ylabel="Fit",
    )
    return figure
