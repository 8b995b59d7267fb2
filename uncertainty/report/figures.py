"""Datasets to figures: no mathematics, and nothing is saved here. The door to seaborn.

What all figures share, axes, colors and labels, stands first.
"""

import warnings
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, cycle, pairwise
from textwrap import fill, wrap
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import xarray as xr

from uncertainty.errors import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import HashableList

_LABEL_WIDTH = 32  # characters of the name of an input: a third of the width of a figure
_LABEL_LINES = 3
_TITLE_WIDTH = 90
# What a log axis is labeled with in each decade: the coarsest that gives enough numbers.
_SUBS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), tuple(range(1, 10)))
_LABELS = 4  # an axis with fewer numbers cannot be read between them
_LETTERS_PER_INCH = 5.5  # ten fit, but axes begin to the right of their own labels
Color: TypeAlias = tuple[float, float, float]
STATISTIC_LABELS: Mapping[str, str] = {
    "typical": "typical query",
    "mean": "mean query",
    "query": "any one query",
}
"""How statistics are called in figures and reports."""


def rounded(value: float, digits: int = 3) -> str:
    """Write a number to some digits, without a power of ten up to a million.

    Examples
    --------
    >>> rounded(1193.4), rounded(0.0361), rounded(2.4e9)
    ('1190', '0.0361', '2.4e+09')
    """
    return f"{float(f'{value:.{digits}g}'):.{max(digits, 6)}g}"


def digits_apart(*values: float, digits: int = 2) -> int:
    """Digits to write numbers to: more than these where they leave different numbers the same.

    Examples
    --------
    >>> digits_apart(2025.1, 2025.9, digits=3), digits_apart(1.0, 1.0)
    (4, 2)
    """
    for more in range(digits, 13):
        if len({rounded(value, more) for value in values}) == len(set(values)):
            return more
    return digits  # numbers that agree in twelve digits differ by rounding alone


def distinct(*values: float, digits: int = 2) -> list[str]:
    """Write numbers to some digits, and to more where these leave different numbers the same.

    Examples
    --------
    >>> distinct(0.4, 0.3991, 0.4009), distinct(1.0, 1.0)
    (['0.4', '0.399', '0.401'], ['1', '1'])
    """
    digits = digits_apart(*values, digits=digits)
    return [rounded(value, digits) for value in values]


def ranked_quantity(facts: Mapping[Hashable, object]) -> str:
    """The quantity that is ranked, on its scale, and the statistic of it."""
    scale = "log " if facts["scale"] == "log" else ""
    return f"{scale}{facts['quantity']}, {STATISTIC_LABELS[str(facts['statistic'])]}"


def boundary_words(boundary: object) -> str:
    """Name the boundary of a quantity; empty where it has none.

    Examples
    --------
    >>> boundary_words("gpu_board"), boundary_words("")
    ('GPU board boundary', '')
    """
    return f"{boundary} boundary".replace("_", " ").replace("gpu", "GPU") if boundary else ""


def one_axes(width: float, height: float) -> "tuple[Figure, Axes]":
    """Make a figure with one set of axes."""
    figure, grid = sheet(width, height, [["only"]])
    return figure, grid["only"]


def sheet(
    width: float,
    height: float,
    layout: Sequence[Sequence[str]],
    heights: Sequence[float] | None = None,
) -> "tuple[Figure, dict[str, Axes]]":
    """Make a figure with named axes, as `matplotlib` lays out a mosaic."""
    import seaborn as sns
    from matplotlib.figure import Figure

    with sns.axes_style("ticks"), sns.plotting_context("notebook"):
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplot_mosaic(cast("list[HashableList[str]]", layout), height_ratios=heights)
    for axes in grid.values():
        sns.despine(ax=axes)
    return figure, grid


def colors() -> list[Color]:
    """Give a palette that color-blind readers can tell apart."""
    import seaborn as sns

    return list(sns.color_palette("colorblind"))


def curves() -> Iterator[tuple[Color, str]]:
    """Give a color and a line style for each of any number of curves.

    Neighbors differ in both, so that of two that coincide each shows between the dashes.
    """
    palette, styles = colors(), ("-", "--", ":", "-.")
    for i in count():
        yield palette[i % len(palette)], styles[(i + i // len(palette)) % len(styles)]


def plain_numbers(axes: "Axes", which: str = "x") -> None:
    """Label an axis with plain numbers; a log axis gets as many as it takes to read it."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(lambda x, _: f"{x:g}")
    if axis.get_scale() != "log":
        return
    low, high = sorted(axis.get_view_interval())
    locators = [LogLocator(subs=subs, numticks=_LABELS * 3) for subs in _SUBS]
    for locator in (*locators, MaxNLocator(2 * _LABELS)):
        places = [x for x in locator.tick_values(low, high) if low <= x <= high]
        if len(places) >= _LABELS:
            break
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_formatter(NullFormatter())


def name_figure(figure: "Figure", facts: Mapping[Hashable, object]) -> None:
    """Say above a figure what it is of, and whether it is the prior or the posterior."""
    of, group = (one_line(str(facts.get(key, ""))) for key in ("subject", "group"))
    if of:
        text = fill(f"{of} ({group})" if group else of, _TITLE_WIDTH)
        figure.suptitle(text, x=0.01, ha="left", fontsize="medium")


def input_labels(names: Sequence[str] | np.ndarray) -> list[str]:
    """Names of inputs for an axis: those ranked together on several lines.

    Examples
    --------
    >>> label = input_labels(["compute_cap + bandwidth_cap + static_power_fraction"])[0]
    >>> label.splitlines()
    ['compute cap + bandwidth cap +', 'static power fraction']
    """
    labels = []
    for name in names:
        # Of many inputs ranked together the first two: the table has them all.
        label = one_line(str(name))
        first, *others = label.split(" + ")
        if len(others) > 2:
            label = f"{first} + {others[0]} + {len(others) - 1} more"
        # A space that does not break keeps each name on one line, where it has room there.
        short = max(map(len, label.split(" + "))) <= _LABEL_WIDTH
        lines = wrap(label.replace("_", "\u00a0" if short else " "), _LABEL_WIDTH)
        # Of a name that is longer still the end tells it from others, as the beginning does.
        lines = [lines[0], "…", lines[-1]] if len(lines) > _LABEL_LINES else lines
        labels.append("\n".join(lines).replace("\u00a0", " "))
    return labels


def row_height(labels: Sequence[str]) -> float:
    """Inches for each row, so that labels of several lines do not meet."""
    return max(0.42, 0.22 * max((label.count("\n") + 1 for label in labels), default=1))


def quantity_label(values: xr.DataArray, name: str) -> str:
    """Name a quantity with its boundary and unit."""
    meaning = one_line(str(values.attrs.get("long_name", "")) or name)
    place = boundary_words(values.attrs.get("boundary"))
    units = one_line(str(values.attrs.get("units", "")))
    label = f"{meaning[0].upper()}{meaning[1:]}{place and f', {place}'}"
    return f"{label} ({units})" if units else label


def not_drawn(axes: "Axes", number: int) -> None:
    """Say how many inputs are in the table only."""
    if number > 0:
        text = f"{number} more, which rank below these, are in the table"
        axes.set_xlabel(f"{axes.get_xlabel()}\n{text}")


def legend_above(axes: "Axes", columns: int = 2) -> None:
    """Put the legend over the axes, where it hides nothing and no label takes all the width."""
    drawn, labels = axes.get_legend_handles_labels()
    at, texts = (0, 1), [fill(label, _LABEL_WIDTH) for label in labels]
    axes.legend(drawn, texts, frameon=False, loc="lower left", bbox_to_anchor=at, ncols=columns)


def fit_labels(figure: "Figure") -> None:
    """Break labels under the axes where they would run over the edge of the figure."""
    for axes in figure.axes:
        lines = axes.get_xlabel().split("\n")
        width = int(_LETTERS_PER_INCH * figure.get_figwidth())
        axes.set_xlabel("\n".join(fill(line, width) for line in lines))


@contextmanager
def plain_text() -> Iterator[None]:
    """Draw texts as they are: a dollar sign begins no formula, a rare character warns nobody."""
    from matplotlib import rc_context

    with warnings.catch_warnings(), rc_context({"text.parse_math": False}):
        # What the font lacks is drawn as a box; the tables beside the figure have it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def heat_map(
    axes: "Axes",
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    number: str,
    label: str,
) -> None:
    """Draw a table of numbers as shades, each number in its cell; NaN stays empty."""
    import seaborn as sns

    words = [["" if np.isnan(x) else number.format(x) for x in line] for line in values]
    with plain_text():  # seaborn draws the figure to see whether labels meet
        sns.heatmap(
            values,
            ax=axes,
            cmap="cividis",
            annot=words,
            fmt="",
            annot_kws={"fontsize": 8},
            xticklabels=list(columns),
            yticklabels=list(rows),
            cbar_kws={"label": label},
            linewidths=0.5,
        )
    axes.tick_params(length=0, axis="both")
    axes.tick_params(axis="y", rotation=0)


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
        points = "P5 {}, median {}, P95 {}".format(*distinct(low, middle, high, digits=3))
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
        xlabel=f"{one_line(label)}: measured",
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


_MOST = 15  # inputs drawn: more are not legible on a page, and the last of them hardly matter
_DARK = 1.4  # sum of red, green and blue, below which white letters are read better
_SEEN = 0.003  # of the width of a bar: what is narrower is not seen
_LETTER = 0.011  # of the width of a bar, for one letter of a name inside it
_WIDE = 8.0  # largest over smallest value, above which a linear axis hides the small ones
_LINE = 0.2  # inches, of a line of the names below a figure
_LONGEST = 34  # characters of the name of a side; its end tells files of one folder apart

_ESTIMATES: Mapping[str, Mapping[str, str]] = {
    "sobol": {"total": "total share", "first_order": "first-order share"},
    "shapley": {"shapley": "Shapley share"},
    "value": {"narrowing": "width of the interval", "variance_reduction": "variance"},
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


def plot_ranking(ranking: xr.Dataset) -> "Figure":
    """Draw a ranking: bars with standard errors, the largest on top."""
    left, ranking = len(ranking["input"]) - _MOST, ranking.isel(input=slice(_MOST))
    names = input_labels(ranking["input"].values)
    figure, axes = one_axes(8, 1.4 + row_height(names) * len(names))
    facts, palette, rows = ranking.attrs, colors(), np.arange(len(names))
    if "swing" in ranking:
        middle = float(ranking["center"])
        for i, end in enumerate(("low", "high")):
            axes.barh(
                rows, np.asarray(ranking[end].values) - middle, left=middle, color=palette[i],
                label=f"input at {('P5', 'P95')[i]}",
            )  # fmt: skip
        if facts["scale"] == "log":
            axes.set_xscale("log")
            plain_numbers(axes)
        units = f" ({facts['units']})" if facts.get("units") else ""
        axes.set_xlabel(f"{facts['quantity']}, {STATISTIC_LABELS[str(facts['statistic'])]}{units}")
    else:
        keys = _ESTIMATES[str(facts["method"])]
        height = 0.76 / len(keys)
        for i, (key, label) in enumerate(keys.items()):
            axes.barh(
                rows + height * (i - (len(keys) - 1) / 2), np.asarray(ranking[key].values), height,
                xerr=np.asarray(ranking[f"{key}_se"].values), color=palette[i], label=label,
                error_kw={"lw": 1.2},
            )  # fmt: skip
        axes.set_xlabel(f"{_MEANING[str(facts['method'])]} {ranked_quantity(facts)}")
    legend_above(axes)
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    name_figure(figure, facts)
    not_drawn(axes, left)
    return figure


def plot_shares(rankings: Sequence[xr.Dataset]) -> "Figure":
    """Draw the shares of each ranking as one bar; what first-order shares leave is interactions."""
    # An input has one color in all of them.
    names = dict.fromkeys(str(name) for ranking in rankings for name in ranking["input"].values)
    palette = colors()
    paler = [((1 + r) / 2, (1 + g) / 2, (1 + b) / 2) for r, g, b in palette]
    shades: dict[str, Color] = dict(zip(names, cycle([*palette, *paler]), strict=False))
    figure, axes = one_axes(9, 1.9 + 0.9 * len(rankings))
    narrow = list[str]()  # whose names have no room in their bars
    for row, ranking in enumerate(rankings):
        left, key = 0.0, "shapley" if "shapley" in ranking else "first_order"
        for name in map(str, ranking["input"].values):
            # An estimate may lie below 0, by its error.
            share = max(float(ranking[key].sel(input=name)), 0.0)
            axes.barh(row, share, 0.6, left, color=shades[name], edgecolor="white")
            first, *others = name.split(" + ")
            more = [f"{len(others)} more"] if len(others) > 1 else others
            words = "\n+ ".join([first, *more]).replace("_", "\n")
            width = _LETTER * max(len(line) for line in words.split("\n"))
            if width < share and left + share <= 1:
                dark = sum(shades[name]) < _DARK
                axes.text(
                    left + share / 2, row, words, ha="center", va="center", fontsize=8,
                    color="white" if dark else "black",
                )  # fmt: skip
            elif share > _SEEN:
                narrow.append(name)
            left += share
        if left < 1:
            axes.barh(row, 1 - left, 0.6, left, color="0.85", edgecolor="white")
    labels = {"shapley": "Shapley", "sobol": "Sobol', first order\n(gray: interactions)"}
    axes.set_yticks(range(len(rankings)), [labels[str(r.attrs["method"])] for r in rankings])
    axes.invert_yaxis()
    axes.set_xlabel(f"Share of the variance of {ranked_quantity(rankings[0].attrs)}")
    axes.set_xlim(0, 1)
    labels_of = dict(zip(narrow, input_labels(narrow), strict=True))
    for name, label in labels_of.items():
        axes.barh(0, 0, color=shades[name], label=label)
    if lines := [line for label in labels_of.values() for line in label.splitlines()]:
        figure.set_figheight(figure.get_figheight() + _LINE * len(lines) / 3)
        figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize="small")
    name_figure(figure, rankings[0].attrs)
    return figure


def plot_rank_chances(ranking: xr.Dataset) -> "Figure":
    """Draw how the order could change: the chance of each input to hold each rank."""
    left = ranking.sizes["input"] - _MOST
    ranking = ranking.isel(input=slice(_MOST), position=slice(_MOST))
    names = input_labels(ranking["input"].values)
    size = len(names)
    figure, axes = one_axes(3.2 + 0.55 * size, 1.6 + row_height(names) * size)
    chances = 100 * np.asarray(ranking["rank_probability"].values)
    heat_map(axes, chances, names, [str(i + 1) for i in range(size)], "{:.0f}", "Chance (%)")
    axes.set_xlabel(f"Rank by {ranking.attrs['method']}")
    name_figure(figure, ranking.attrs)
    not_drawn(axes, left)
    return figure


def plot_interactions(ranking: xr.Dataset) -> "Figure":
    """Draw second-order shares of all pairs; those below two standard errors stay empty."""
    left = ranking.sizes["input"] - _MOST
    ranking = ranking.isel(input=slice(_MOST), other=slice(_MOST))
    names = input_labels(ranking["input"].values)
    size, row = len(names), row_height(names)
    figure, axes = one_axes(4.0 + max(0.62, row) * size, 2.6 + 1.1 * row * size)
    values, errors = (np.asarray(ranking[f"second_order{end}"].values) for end in ("", "_se"))
    # Each pair once, below the diagonal.
    established = np.tril(np.abs(values) > 2 * errors, -1)
    label = f"Share of the variance of {ranked_quantity(ranking.attrs)} (%)"
    heat_map(axes, np.where(established, 100 * values, np.nan), names, names, "{:.2f}", label)
    axes.tick_params(axis="x", rotation=90)
    name_figure(figure, ranking.attrs)
    not_drawn(axes, left)
    return figure


def plot_scenarios(table: xr.Dataset) -> "Figure":
    """Draw the interval and median of each statistic in each scenario."""
    scenarios = [str(name) for name in table["scenario"].values]
    statistics = [str(name) for name in table["statistic"].values]
    figure, axes = one_axes(9, 1.8 + 0.75 * len(scenarios))
    spread = table[["lower", "upper"]].to_array()
    same = (spread == spread.isel(statistic=0)).all(["variable", "statistic"]).values
    # Where no query differs from another there is one bar, in a color of its own.
    shifts = 0.24 * (np.arange(len(statistics)) - (len(statistics) - 1) / 2)
    bars = [(x, STATISTIC_LABELS[x], ~same, by) for x, by in zip(statistics, shifts, strict=True)]
    bars.append((statistics[0], "every query", same, 0.0))
    for (statistic, label, drawn, shift), color in zip(bars, colors(), strict=False):
        part = table.sel(statistic=statistic).isel(scenario=drawn)
        if drawn.any():
            rows = np.flatnonzero(drawn) + shift
            axes.hlines(rows, part["lower"], part["upper"], color=color, linewidth=5, alpha=0.55)
            axes.plot(part["median"], rows, "o", color=color, markeredgecolor="white", label=label)
    if float(table["lower"].min()) > 0:
        axes.set_xscale("log")
        plain_numbers(axes)
    label = quantity_label(table["median"], str(table.attrs["quantity"]))
    groups = [str(group) for group in table["group"].values] if "group" in table else []
    if len({*groups}) > 1:  # then each name says which it is of
        scenarios = [f"{name}, {group}" for name, group in zip(scenarios, groups, strict=True)]
    axes.set_yticks(range(len(scenarios)), input_labels(scenarios))
    axes.invert_yaxis()
    prob, kind = 100 * float(table.attrs["prob"]), str(table.attrs["kind"]).upper()
    axes.set_xlabel(f"{label}\nbars: {prob:g} % intervals ({kind}), dots: medians")
    legend_above(axes, len(bars))
    several = f"{len(scenarios)} answers side by side"  # names stand at the axis
    named = " and ".join(map(str, table["scenario"].values)) if len(scenarios) < 4 else several
    subject = table.attrs.get("subject") or named
    name_figure(figure, {"subject": subject, "group": ", ".join(dict.fromkeys(groups))})
    return figure


def plot_sweep(
    tables: Mapping[str, xr.Dataset], quantity: str, marks: Mapping[str, float] | None = None
) -> "Figure":
    """Draw one quantity along one input, and places on it; log axes where the range is wide."""
    parts = {label: table.sel(quantity=quantity) for label, table in tables.items()}
    first = next(iter(parts.values()))
    [name] = [str(dim) for dim in first["median"].dims]
    figure, axes = one_axes(8.5, 5)
    for (color, style), (label, part) in zip(curves(), parts.items(), strict=False):
        x, low, high = (np.asarray(part[key].values) for key in (name, "lower", "upper"))
        axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(
            x, part["median"].values, "o", linestyle=style, color=color, markersize=4,
            label=one_line(label),
        )  # fmt: skip
    for style, (label, place) in zip(cycle((":", "--", "-.")), (marks or {}).items(), strict=False):
        axes.axvline(place, color="0.3", linestyle=style, linewidth=1.4, label=one_line(label))
    values = np.concatenate([part[name].values for part in parts.values()])
    if values.min() > 0 and values.max() > _WIDE * values.min():
        axes.set_xscale("log")
        plain_numbers(axes)
    if min(float(part["lower"].min()) for part in parts.values()) > 0:
        axes.set_yscale("log")
        plain_numbers(axes, "y")
    unit = str(first[name].attrs.get("units", ""))
    unit = "" if name.endswith(unit) else unit  # output tokens are counted in tokens
    axes.set_xlabel(name.replace("_", " ").capitalize() + (f" ({unit})" if unit else ""))
    facts = first.attrs
    meaning, units = (str(first[key].item()) for key in ("meaning", "units"))
    words = (meaning or quantity.replace("_", " ")).capitalize()
    boundary = boundary_words(first["boundary"].item())
    axes.set_ylabel(
        f"{words}{boundary and f', {boundary}'}"
        f"{f' ({units})' if units not in ('', '1') else ''}\n{STATISTIC_LABELS[facts['statistic']]}"
        f"{', ' + facts['group'] if 'group' in facts else ''}: median and "
        f"{100 * float(facts['prob']):g} % interval"
    )
    legend_above(axes, 2)
    name_figure(figure, facts)
    return figure


def plot_waterfall(table: xr.Dataset) -> "Figure":
    """Draw the way from one estimate to the other, each assumption a step on a log axis."""
    names = [
        f"{label} (solved for)" if solved else label  # what follows from the answer is not a cause
        for label, solved in zip(
            input_labels(table["input"].values), table["solved"].values, strict=True
        )
    ]
    first, last = (float(value) for value in table["value"].values)
    ends = first * np.exp(np.concatenate([[0.0], np.cumsum(table["contribution"].values)]))
    figure, axes = one_axes(9, 2.0 + 0.5 * (len(names) + 2))
    up, down, whole = (colors()[i] for i in (1, 0, 7))
    for row, (start, end) in enumerate(pairwise(ends), 1):
        color = up if end > start else down
        axes.barh(row, end - start, left=start, color=color, height=0.62)
        axes.vlines(end, row - 0.31, row + 1.0, color="0.5", linewidth=0.8)
        axes.annotate(
            f"×{rounded(end / start)}", (max(start, end), row), (5, 0),
            textcoords="offset points", va="center",
        )  # fmt: skip
    for row, value in ((0, first), (len(names) + 1, last)):
        axes.plot(value, row, "D", color=whole, markersize=8)
        axes.annotate(rounded(value), (value, row), (8, 0), textcoords="offset points", va="center")
    sides = [one_line(str(x)).replace(".yaml", "")[-_LONGEST:] for x in table["side"].values]
    axes.set_yticks(range(len(names) + 2), [sides[0], *names, sides[1]])
    axes.invert_yaxis()
    axes.set_xscale("log")
    room = max(ends.max() / ends.min(), 2.0) ** 0.12  # for the numbers beside the bars
    axes.set_xlim(ends.min() / room, ends.max() * room)
    plain_numbers(axes)
    facts = table.attrs
    place = boundary_words(facts["boundary"])
    unit = f" ({facts['units']})" if facts["units"] else ""
    what = f"{facts['quantity']}, {STATISTIC_LABELS[facts['statistic']]}: median"
    axes.set_xlabel(f"{what}{place and f', {place}'}{unit}")
    name_figure(figure, {"subject": f"From {sides[0]} to {sides[1]}", **facts})
    return figure
