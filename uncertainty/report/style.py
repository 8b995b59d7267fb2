"""What all figures share: axes, colors, labels. The door to seaborn."""

import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
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
