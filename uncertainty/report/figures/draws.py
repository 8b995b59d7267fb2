"""Figures of draws: an answer, what it is made of and assumed from, what evidence has moved."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from uncertainty.errors import one_line
from uncertainty.report.figures.style import (
    STATISTIC_LABELS,
    colors,
    curves,
    input_labels,
    legend_above,
    name_figure,
    one_axes,
    plain_numbers,
    quantity_label,
    rounded,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the height of a density, in which bars of intervals lie below it.
_FIRST_BAR, _NEXT_BAR = 0.08, 0.09
_BEFORE, _AFTER = 7, 0  # gray and blue of the palette
_COLUMNS = 4  # of the page of assumptions
_BOTTOM = "the prior predictive distribution"  # no name of an assumption has spaces
_TAIL = 0.0005  # of the draws on each side that lie beyond the axis: a few would fill half of it
_ENDS = ("lower", "upper")
_BOTH = "prior and posterior"
_ROUNDING = 1e-12  # of a value, which sums of a few numbers may lose
_EMPTY = "."  # an empty place in a mosaic of matplotlib


def plot_distribution(
    draws: Mapping[str, xr.DataArray], intervals: Sequence[xr.Dataset], central: float
) -> "Figure":
    """Draw the density of each statistic; beneath, its intervals, the narrower the thicker."""
    figure, axes = one_axes(8, 4.6)
    _draw_distribution(axes, draws, intervals, central)
    name_figure(figure, next(iter(draws.values())).attrs)
    return figure


def _draw_distribution(
    axes: "Axes", draws: Mapping[str, xr.DataArray], intervals: Sequence[xr.Dataset], central: float
) -> None:
    """Draw on given axes; see `plot_distribution`."""
    import seaborn as sns

    log = all(float(values.min()) > 0 for values in draws.values())
    constant = all(float(values.std()) == 0 for values in draws.values())
    for (color, style), values in zip(curves(), draws.values(), strict=False):
        if not constant:  # what is known has no density
            sns.kdeplot(
                x=np.asarray(values.values).ravel(), ax=axes, color=color, linestyle=style,
                log_scale=log, fill=True, alpha=0.15, linewidth=1.8, cut=0,
            )  # fmt: skip
    if not constant:
        _reach_over_most(
            axes, draws.values(), [table[key] for table in intervals for key in _ENDS], central
        )
    height = axes.get_ylim()[1]
    widest_first = sorted(intervals, key=lambda table: -float(table.attrs["prob"]))
    for i, (color, statistic) in enumerate(zip(colors(), draws, strict=False)):
        level = -(_FIRST_BAR + _NEXT_BAR * i) * height
        rows = [table.sel(statistic=statistic) for table in widest_first]
        for width, row in zip(np.linspace(2.5, 7.0, len(rows)), rows, strict=True):
            ends = [float(row["lower"]), float(row["upper"])]
            axes.plot(ends, [level, level], color=color, linewidth=width, solid_capstyle="butt")
        axes.plot(
            [float(rows[0]["median"])], [level], "o", color="white", markeredgecolor=color,
            markersize=7, markeredgewidth=2,
        )  # fmt: skip
        axes.plot([], [], color=color, linewidth=6, label=STATISTIC_LABELS[statistic])
    axes.axvline(central, color="0.25", linestyle="--", linewidth=1.4)
    axes.plot([], [], color="0.25", linestyle="--", label="at the central assumptions")
    first = next(iter(draws.values()))
    axes.set(xlabel=quantity_label(first, str(first.name)), ylabel="Density", yticks=[])
    axes.set_ylim(-(0.1 + _NEXT_BAR * len(draws)) * height, 1.02 * height)
    if log:
        plain_numbers(axes)
    axes.legend(frameon=False, loc="upper right")
    kind = str(intervals[0].attrs["kind"]).upper()
    probs = ", ".join(f"{100 * table.attrs['prob']:g} %" for table in intervals)
    title = f"Bars: {probs} intervals ({kind}); dots: medians"
    axes.set_title(title, fontsize="medium", loc="left")


def _reach_over_most(
    axes: "Axes", draws: Iterable[xr.DataArray], ends: Iterable[xr.DataArray], *others: float
) -> None:
    """Let an axis reach over nearly all draws, and over all of their intervals."""
    kept = [np.quantile(values.values, (_TAIL, 1 - _TAIL)) for values in draws]
    places = np.concatenate([*kept, *(np.atleast_1d(end.values).ravel() for end in ends), others])
    low, high = float(places.min()), float(places.max())
    # Draws that differ by rounding alone have no range to reach over.
    if high - low > _ROUNDING * max(abs(low), abs(high)):
        axes.set_xlim(low, high)


def plot_components(table: xr.Dataset, labels: Sequence[str], units: str) -> "Figure":
    """Draw what a quantity is made of, from a summary of one statistic: means with intervals."""
    figure, axes = one_axes(8, 1.4 + 0.55 * len(labels))
    rows, means = np.arange(len(labels)), np.asarray(table["mean"].values)
    axes.barh(rows, means, 0.6, color=colors()[0])
    for row in rows:
        span = [float(table[key].values[row]) for key in ("lower", "upper")]
        axes.plot(span, [row, row], color="0.2", linewidth=1.6, marker="|", markersize=9)
    shares = [
        f"{one_line(label)}\n{100 * mean / means.sum():.3g} % of the mean"
        for label, mean in zip(labels, means, strict=True)
    ]
    axes.set_yticks(rows, shares)
    axes.invert_yaxis()
    prob = f"{100 * table.attrs['prob']:g} %"
    axes.set_xlabel(f"Energy of the mean query ({units})\nbar: mean, line: {prob} interval")
    name_figure(figure, table.attrs)
    return figure


def plot_assumptions(
    inputs: Mapping[str, xr.DataArray],
    percentiles: xr.Dataset,
    outputs: Mapping[str, xr.DataArray],
    intervals: Sequence[xr.Dataset],
    central: float,
) -> "Figure":
    """Draw each uncertain assumption with P5, median and P95; beneath, what they imply.

    Assumptions that are known are left out; the last three are those of `plot_distribution`.
    """
    import seaborn as sns

    names = [name for name, draws in inputs.items() if float(np.ptp(draws.values)) > 0]
    rows = -(-len(names) // _COLUMNS)
    places = [*names, *[_EMPTY] * (rows * _COLUMNS - len(names))]
    layout = [places[i * _COLUMNS : (i + 1) * _COLUMNS] for i in range(rows)]
    figure, grid = sheet(
        15, 2.3 * rows + 4.4, [*layout, [_BOTTOM] * _COLUMNS], [*[1.0] * rows, 1.9]
    )
    for name in names:
        axes, draws, row = grid[name], inputs[name], percentiles.sel(input=name)
        values = np.asarray(draws.values).ravel()
        low, middle, high = (float(row[key]) for key in ("p5", "median", "p95"))
        # A linear axis shows nothing of the lower half of a spread wider than about 8 times.
        log = bool(values.min() > 0 and high > 8 * low)
        per_query = draws.attrs.get("varies") == "query"
        sns.histplot(
            x=values, ax=axes, bins=60, log_scale=log, stat="density", element="step",
            color=colors()[2 if per_query else 0], alpha=0.3, linewidth=1.2,
        )  # fmt: skip
        for value, style in ((low, ":"), (middle, "-"), (high, ":")):
            axes.axvline(value, color="0.2", linestyle=style, linewidth=1.3)
        plain_numbers(axes)
        units = str(row["units"].item())
        unit = f" ({units})" if units not in ("", "1") else ""
        axes.set(ylabel="", yticks=[], xlabel=f"{name.replace('_', ' ')}{unit}")
        varies = ", varies per query" if per_query else ""
        points = f"P5 {rounded(low)}, median {rounded(middle)}, P95 {rounded(high)}"
        axes.set_title(f"{points}{varies}", fontsize="small")
    _draw_distribution(grid[_BOTTOM], outputs, intervals, central)
    name_figure(figure, next(iter(outputs.values())).attrs)
    return figure


def plot_updated(
    prior: xr.DataArray, posterior: xr.DataArray, intervals: Mapping[str, xr.Dataset]
) -> "Figure":
    """Draw one quantity before and after, with its intervals under ``prior`` and ``posterior``."""
    import seaborn as sns

    figure, axes = one_axes(8, 4.2)
    log = float(prior.min()) > 0 and float(posterior.min()) > 0
    groups = {"prior": (colors()[_BEFORE], prior), "posterior": (colors()[_AFTER], posterior)}
    for color, values in groups.values():
        flat = np.asarray(values.values).ravel()
        sns.kdeplot(x=flat, ax=axes, color=color, log_scale=log, fill=True, alpha=0.2, cut=0)
    _reach_over_most(
        axes, (prior, posterior), [row[key] for row in intervals.values() for key in _ENDS]
    )
    height = axes.get_ylim()[1]
    for i, (name, (color, _)) in enumerate(groups.items()):
        row, level = intervals[name], -(_FIRST_BAR + _NEXT_BAR * i) * height
        axes.plot(
            [float(row["lower"]), float(row["upper"])], [level, level], color=color, linewidth=6,
            solid_capstyle="butt", label=f"{name}, {100 * row.attrs['prob']:g} % interval",
        )  # fmt: skip
        axes.plot([float(row["median"])], [level], "o", color="white", markeredgecolor=color)
    axes.set_ylim(-0.3 * height, 1.02 * height)
    axes.set(xlabel=quantity_label(prior, str(prior.name)), ylabel="Density", yticks=[])
    if log:
        plain_numbers(axes)
    legend_above(axes)
    statistic = STATISTIC_LABELS[str(intervals["prior"]["statistic"].item())]
    name_figure(figure, {**prior.attrs, "group": f"{statistic}, {_BOTH}"})
    return figure


def plot_movement(scores: Mapping[str, np.ndarray], prob: float, subject: str) -> "Figure":
    """Draw how far evidence has moved and narrowed each assumption, in its prior's own scores.

    The scores are standard normal: 0 is the prior median.
    """
    from scipy.stats import norm

    figure, axes = one_axes(8, 1.6 + 0.32 * len(scores))
    before, after = colors()[_BEFORE], colors()[_AFTER]
    half = float(norm.ppf((1 + prob) / 2))
    axes.axvspan(-half, half, color=before, alpha=0.2, label=f"prior, {100 * prob:g} %")
    axes.axvline(0, color=before, linewidth=1)
    names = list(scores)[::-1]  # the first on top
    for place, name in enumerate(names):
        low, middle, high = np.quantile(scores[name], [(1 - prob) / 2, 0.5, (1 + prob) / 2])
        axes.plot([low, high], [place, place], color=after, linewidth=5)
        axes.plot([middle], [place], "o", color="white", markeredgecolor=after)
    axes.plot([], [], color=after, linewidth=5, label=f"posterior, {100 * prob:g} %")
    axes.set_yticks(range(len(names)), input_labels(names))
    axes.set(xlabel="Value, as a normal score of its prior", ylabel="Assumption")
    legend_above(axes)
    name_figure(figure, {"subject": subject, "group": _BOTH})
    return figure


def plot_fit(
    observed: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    prob: float,
    label: str,
    subject: str = "",
) -> "Figure":
    """Draw predictive intervals against what was measured, by evidence or by method.

    Measurements have shape (row,), draws (sample, row).
    """
    figure, axes = one_axes(6.4, 6.2)
    log = all((values > 0).all() for values in (*observed.values(), *predicted.values()))
    for i, (name, values) in enumerate(observed.items()):
        # Another marker where the colors begin again, so that any number can be told apart.
        color, marker = colors()[i % len(colors())], "osD^v"[i // len(colors()) % 5]
        low, middle, high = np.quantile(
            predicted[name], [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0
        )
        axes.vlines(values, low, high, color=color, alpha=0.45, linewidth=1.2)
        axes.plot(
            values, middle, marker, linestyle="", color=color, markersize=4, label=one_line(name)
        )
    measured = np.concatenate([*observed.values()])
    ends = [float(measured.min()), float(measured.max())]
    axes.plot(ends, ends, color="0.3", linewidth=1, linestyle="--", label="predicted = measured")
    if log:
        axes.set(xscale="log", yscale="log")
        plain_numbers(axes)
        plain_numbers(axes, "y")
    axes.set(
        xlabel=f"{label}: measured",
        ylabel=f"The same, predicted: median, {100 * prob:g} % interval",
    )
    legend_above(axes)
    name_figure(figure, {"subject": subject, "group": "posterior"})
    return figure


def plot_fits(fits: xr.Dataset) -> "Figure":
    """Draw how much worse than the best each fit predicts rows left out, from `compare_fits`."""
    names = [str(name) for name in fits["fit"].values]
    figure, axes = one_axes(8, 1.6 + 0.5 * len(names))
    far, errors = (np.asarray(fits[f"elpd_difference{end}"].values) for end in ("", "_se"))
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
