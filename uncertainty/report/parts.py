"""The parts that a page is made of, and the files that they become."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from uncertainty.errors import one_line
from uncertainty.report.figures import fit_labels, plain_text, rounded
from uncertainty.results import Group, draws_of, group_of
from uncertainty.writing import refuse_inputs, replacing, write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Heading:
    """The title of a page (level 1) or of a section; a terminal has the titles of tables.

    A section that is `detail` stands in the appendix of a document.
    """

    text: str
    level: int = 2
    detail: bool = False


@dataclass(frozen=True)
class Sentence:
    """A paragraph; what is `detail` stands in files only, and `code` is to be typed."""

    text: str
    label: str = ""
    detail: bool = False
    code: bool = False


@dataclass(frozen=True)
class Table:
    """Text in columns.

    Documents link the cells whose text has an address in `links`, and draw for each row how the
    draws in `drawn` spread, each under its name.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    detail: bool = False
    links: Mapping[str, str] = field(default_factory=dict)
    drawn: Sequence[Mapping[str, np.ndarray]] = ()


@dataclass(frozen=True)
class Notes:
    """Short texts of one kind, each on a line; a terminal has the label before each."""

    title: str
    items: Sequence[str]
    label: str = ""
    detail: bool = False


@dataclass(frozen=True)
class Doubts:
    """Why a result, or a figure quoted of it, is not to be trusted."""

    items: Sequence[str]


@dataclass(frozen=True)
class Figure:
    """A figure beside the page; drawn when it is written.

    The caption says what it shows, and `text` what is seen there, to those who cannot see it.
    """

    name: str
    draw: "Callable[[], Drawing]"
    caption: str = ""
    text: str = ""


@dataclass(frozen=True)
class Data:
    """Numbers as numbers, one row a thing: a CSV file beside the page, and rows of JSON."""

    name: str
    frame: "pd.DataFrame"
    file: bool = True


Part: TypeAlias = Heading | Sentence | Table | Notes | Doubts | Figure | Data


def figure_with_error(value: float, error: float, digits: int = 3) -> str:
    """Write a number to some digits, with its standard error to one or two, where it has one.

    Examples
    --------
    >>> import math
    >>> figure_with_error(0.14921, 0.00066)
    '0.149 ± 0.00066'
    >>> figure_with_error(1234.5, 123.4)
    '1230 ± 120'
    >>> figure_with_error(0.3, 1e-17)
    '0.3'
    >>> figure_with_error(0.00305, math.inf)
    '0.00305 ± unknown'
    """
    if value != value:  # not a number
        return "unknown"
    if not abs(error) < float("inf"):
        return f"{rounded(value, digits)} ± unknown"
    # Rounding is not an error: what is known has none.
    text = rounded(value, digits)
    return f"{text} ± {rounded(error, 2)}" if error > 1e-12 * abs(value) else text


def figure_of(row: xr.Dataset | Mapping[str, float], key: str, digits: int = 3) -> str:
    """Write one figure of a row with its standard error, Monte Carlo's or another."""
    error = f"mcse_{key}" if f"mcse_{key}" in row else f"{key}_se"
    return figure_with_error(float(row[key]), float(row[error]), digits)


def labeled_draws(
    tree: xr.DataTree, quantity: str, statistic: str, group: Group | None = None
) -> xr.DataArray:
    """Draws of a statistic with what figures say of them: unit, boundary, subject, group."""
    facts = {"subject": tree.attrs["subject"], "group": group_of(tree, group)}
    return xr.DataArray(
        draws_of(tree, quantity, statistic, group),
        dims=("chain", "draw"),
        name=quantity,
        attrs=tree["central"][quantity].attrs | facts,
    )


def sentences_of(page: Iterable[Part]) -> list[str]:
    """Sentences of a page that a terminal has too."""
    return [p.text for p in page if isinstance(p, Sentence) and not (p.detail or p.label)]


def items_of(page: Iterable[Part], kind: type[Notes] | type[Doubts], label: str = "") -> list[str]:
    """Texts of the notes of one label, or of the doubts."""
    parts = (p for p in page if isinstance(p, kind))
    return [item for p in parts if getattr(p, "label", "") == label for item in p.items]


def rows_of(page: Iterable[Part], name: str) -> list[dict[str, object]]:
    """Rows of the data of one name; none where a page has no such data."""
    frames = (p.frame for p in page if isinstance(p, Data) and p.name == name)
    return [row for frame in frames for row in records(frame)]


def records(frame: "pd.DataFrame") -> list[dict[str, object]]:
    """Rows of a table as mappings."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def write(
    parts: Iterable[Part],
    folder: str | Path,
    *,
    formats: Sequence[str] = (),
    png: bool = False,
    read: Collection[Path] = (),
) -> list[Path]:
    """Write data as CSV, figures as SVG, and all of it in some formats as ``report.md`` and so on.

    None of the inputs in `read` is written over. Parts are written as they come: a figure is drawn
    while those that follow it are composed.
    """
    kept, folder, drawn = list[Part](), Path(folder), list[Future[list[Path]]]()
    written = list[Path]()
    pages = {kind: folder / f"report.{kind}" for kind in formats}
    refuse_inputs(pages.values(), read)
    with ThreadPoolExecutor(1) as thread:  # one: the settings of matplotlib are of the process
        try:
            for part in parts:
                kept.append(part)
                if isinstance(part, Data) and part.file:
                    path = folder / f"{part.name}.csv"
                    refuse_inputs([path], read)
                    written.append(write_csv(path, part.frame))
                elif isinstance(part, Figure):
                    stem, draw = folder / part.name, part.draw
                    drawn.append(
                        thread.submit(lambda s, d: write_figure(s, d(), png=png), stem, draw)
                    )
            written += [path for figure in drawn for path in figure.result()]
        except BaseException:
            thread.shutdown(cancel_futures=True)
            raise
    for kind, path in pages.items():
        from uncertainty.report.pages import document

        text = markdown(kept) if kind == "md" else document(kept, kind, folder)
        written.append(write_text(path, text))
    return written


def write_csv(path: Path, frame: "pd.DataFrame") -> Path:
    """Write a table as CSV: a text that a spreadsheet would take for a formula gets a ``'``."""

    def cell(value: object) -> object:
        if not isinstance(value, str):
            return value
        line = one_line(value)
        return f"'{line}" if line.lstrip().startswith(("=", "+", "-", "@")) else line

    plain = frame.map(cell).rename(columns=cell)
    return write_text(path, str(plain.to_csv(index=False, lineterminator="\n")))


def write_figure(stem: Path, figure: "Drawing", *, png: bool = False) -> list[Path]:
    """Write a figure as SVG, and as PNG too; a dollar sign in its texts is a dollar sign."""
    from matplotlib import rc_context
    from matplotlib.text import Text

    written = []
    fit_labels(figure)
    # The salt makes the ids in an SVG the same each time: they are random without one.
    with plain_text(), rc_context({"svg.hashsalt": "uncertainty"}):
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, for both formats
        with replacing(path := stem.with_suffix(".svg")) as temporary:
            figure.savefig(temporary, metadata={"Date": None})
        written.append(path)
        if png:
            with replacing(path := stem.with_suffix(".png")) as temporary:
                figure.savefig(temporary, dpi=160)
            written.append(path)
    return written


# What CommonMark and its tables take for markup inside a line. An underscore within a word is a
# letter to them, so that names such as output_tokens stay as they are.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$#]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
# What they take for a list, a rule or a definition at the start of a line.
_BULLET = re.compile(r"^(?=[-+=:]+(\s|$))")
_NUMBER = re.compile(r"^(\d+)(?=[.)](\s|$))")


def escape(text: str) -> str:
    r"""Write a text so that Markdown has it as it is, on one line.

    Examples
    --------
    >>> print(escape("<b>50 % of a_b* | [x](y)"))
    \<b\>50 % of a_b\* \| \[x\](y)
    """
    line = _MARKUP.sub(r"\\\g<0>", one_line(text).strip())
    return _NUMBER.sub(r"\1\\", _BULLET.sub(r"\\", line))


def markdown(parts: Iterable[Part]) -> str:
    r"""Write a page.

    Examples
    --------
    >>> print(markdown([Heading("A", 1), Table("T", ["a", "b"], [["1", "2|3"]])]), end="")
    # A
    <BLANKLINE>
    **T**
    <BLANKLINE>
    | a | b |
    | --- | --- |
    | 1 | 2\|3 |
    """
    return "\n\n".join(block for part in parts for block in _blocks(part)) + "\n"


def _blocks(part: Part) -> Iterator[str]:
    match part:
        case Heading(text, level):
            yield f"{'#' * level} {escape(text)}"
        case Sentence(text, code=True):
            yield f"    {one_line(text).strip()}"
        case Sentence(text, label):
            yield f"**{escape(label)}:** {escape(text)}" if label else escape(text)
        case Table(title, columns, rows):
            if title:
                yield f"**{escape(title)}**"
            lines = ["| " + " | ".join(map(escape, line)) + " |" for line in (columns, *rows)]
            yield "\n".join([lines[0], "| --- " * len(columns) + "|", *lines[1:]])
        case Notes(title, items):
            yield f"## {escape(title)}"
            yield "\n".join(f"- {escape(item)}" for item in items)
        case Doubts(items):
            yield "**Not to be trusted:**"
            yield "\n".join(f"- {escape(item)}" for item in items)
        case Figure(name):
            yield f"![{name}]({name}.svg)"
