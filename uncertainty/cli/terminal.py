"""The terminal: pages as people read them, JSON, what is going on, streams that take every text."""

import codecs
import io
import os
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, TextIO, TypeAlias

import typer

from uncertainty.cli.question import DONE, NOT_TRUSTED
from uncertainty.errors import InputError, one_line
from uncertainty.writing import json_text, reason

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Buffer

    from uncertainty.report import Part
    from uncertainty.sampling import Progress as StreamProgress

Progress: TypeAlias = Callable[[int, int], None]
Item: TypeAlias = str | tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A paragraph, or title, columns and rows of a table."""

_WIDTH = 110  # characters of a paragraph: longer lines are hard to follow
_PIPE_WIDTH = 150  # characters of a table that no terminal limits
_GAP = 3  # characters that rich leaves between columns in this box
_INTERVAL_EVERY_S = 0.5  # an interval costs quantiles: too often would slow the draws


def answer(
    page: "Sequence[Part]",
    written: Sequence[Path],
    record: Mapping[str, object] | None = None,
    *,
    begun: bool = False,
) -> NoReturn:
    """Print a page, unless that has begun, or its record as JSON; exit as trusted or not."""
    from uncertainty.report import Doubts, items_of

    if record is not None:
        print_json({**record, "written": [str(path) for path in written]})
    else:
        show(() if begun else page)
        show_written(written)
    doubts = items_of(page, Doubts)
    for doubt in doubts:  # last: the rest has scrolled by
        complain(f"not to be trusted: {doubt}")
    raise typer.Exit(NOT_TRUSTED if doubts else DONE)


def show(page: "Iterable[Part]") -> None:
    """Print the parts of a page that a terminal has room for."""
    show_items(items_on_terminal(page))


def items_on_terminal(page: "Iterable[Part]") -> Iterator[Item]:
    """What a terminal has room for, of a page."""
    from uncertainty.report import Heading, Notes, Sentence, Table

    for part in page:
        match part:
            case Heading(text, level=1):
                yield text
            case Sentence(text, label, detail=False):
                yield f"{label}: {text}" if label else text
            case Table(title, columns, rows, detail=False) if rows:
                yield title, columns, rows
            case Notes(_, items, label, detail=False):
                yield from (f"{label}: {item}" for item in items)


def show_items(items: Iterable[Item]) -> None:
    """Print paragraphs and tables."""
    for item in items:
        if isinstance(item, str):
            say(item)
        else:
            table(*item)


def showing(parts: "Iterable[Part]", page: "list[Part]", *, quiet: bool) -> "Iterator[Part]":
    """Keep the parts of a page, each printed before the next is composed, unless `quiet`."""
    for part in parts:
        page.append(part)
        if not quiet:
            show([part])
            sys.stdout.flush()
        yield part


def show_written(written: Sequence[Path]) -> None:
    """Name the files that were written."""
    if written:
        say(f"Written: {', '.join(str(path) for path in written)}")


def print_json(value: object) -> None:
    """Print for programs."""
    print(json_text(value, indent=1))


def console(*, error: bool = False) -> "Console":
    """Give a terminal on which text stays text: square brackets are not markup, colons no emoji."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    width = None if error or sys.stdout.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def complain(text: str) -> None:
    """Print a line about what is wrong, for people, on standard error."""
    print(one_line(text), file=sys.stderr)


def printed(text: str) -> str:
    """Put a text on one line, in the characters that standard output has.

    Lines and columns are laid out by these: where ``±`` is printed as ``+/-``, they are wider.
    """
    encoding = sys.stdout.encoding or "utf-8"  # a stream in memory has none, and takes all
    return one_line(text).encode(encoding, "uncertainty.plain").decode(encoding)


def say(text: str) -> None:
    """Print a paragraph."""
    text, width = printed(text), min(console().width, _WIDTH)
    if text:
        print(textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; where words would break, several, each with the columns that name the rows."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table

    lines = [[*map(printed, line)] for line in (columns, *rows)]
    terminal, every = console(), range(len(columns))
    numbers = [all(line[i][:1] in "-0123456789" for line in lines[1:]) for i in every]
    whole = [max(cell_len(line[i]) for line in lines) for i in every]
    figures = [
        max((cell_len(line[i]) for line in lines[1:]), default=0) * numbers[i] for i in every
    ]
    # A word that is wider than the terminal cannot but break.
    words = [[cell_len(word) for line in lines for word in line[i].split()] for i in every]
    least = [min(max(words[i], default=0), terminal.width // 2) for i in every]
    names = next((i for i in every if numbers[i] and i), 1)
    groups: list[list[int]] = [[*range(names)]]
    for i in range(names, len(columns)):
        if len(groups[-1]) > names and _spare(terminal, least, [*groups[-1], i]) < 0:
            groups.append([*range(names)])
        groups[-1].append(i)
    for number, group in enumerate(groups):
        grid = Table(
            title=None if number else printed(title),
            box=box.SIMPLE_HEAD,
            title_justify="left",
            pad_edge=False,
        )
        # What is left goes to figures, whose errors belong beside them, then to the columns that
        # lack most: rich alone would break words instead.
        widths, spare = least.copy(), _spare(terminal, least, group)
        for _ in range(spare):
            longest = max(group, key=lambda i: (widths[i] < figures[i], whole[i] - widths[i]))
            widths[longest] += whole[longest] > widths[longest]
        for i in group:
            justify: Literal["right", "left"] = "right" if numbers[i] else "left"
            width = None if spare < 0 else widths[i]  # then rich breaks words, and loses none
            grid.add_column(lines[0][i], justify=justify, overflow="fold", width=width)
        for line in lines[1:]:
            grid.add_row(*(line[i] for i in group))
        terminal.print(grid)


def _spare(terminal: "Console", widths: Sequence[int], group: Sequence[int]) -> int:
    """Characters that columns of these widths leave."""
    return terminal.width + 1 - sum(widths[i] + _GAP for i in group)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show what is going on, on a terminal only."""
    from rich.text import Text

    terminal = console(error=True)
    if not terminal.is_terminal:
        yield
        return
    with terminal.status(Text(f"{one_line(what)} ...")):
        yield


@contextmanager
def steps(what: str) -> Iterator[Progress]:
    """Show how far it is, on a terminal only."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    terminal = console(error=True)
    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
    )
    with bar:
        task = bar.add_task(one_line(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stream_steps(quantity: str, prob: float) -> "Iterator[Callable[[StreamProgress], None] | None]":
    """Show a stream with its rate, the time left and the interval so far, on a terminal only."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    terminal = console(error=True)
    if not terminal.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %  {task.fields[rate]}  time left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[interval]}"),
    )
    with Bar(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("streaming", total=None, rate="", interval="")
        last = -_INTERVAL_EVERY_S

        def watch(progress: "StreamProgress") -> None:
            nonlocal last
            bar.update(
                task,
                description=f"streaming, stage {progress.number + 1}",
                completed=progress.done,
                total=progress.evaluations,
                rate=f"{progress.fresh / max(progress.seconds, 1e-9):.2g} evaluations/s",
            )
            # Seconds begin again with each stage.
            if progress.seconds > last + _INTERVAL_EVERY_S or progress.seconds < last:
                last, totals = progress.seconds, progress.totals
                levels = ((1 - prob) / 2, (1 + prob) / 2)
                low, high = (totals.quantile(totals.main(quantity), p)[0] for p in levels)
                text = f"{quantity} {low:.3g} to {high:.3g} ({100 * prob:g} %)"
                bar.update(task, interval=text)

        yield watch


_PLAIN = {
    "±": "+/-", "×": "x", "÷": "/", "−": "-", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"',
    "”": '"', "•": "*", "·": ".", "→": "->", "≤": "<=", "≥": ">=", "≈": "~", "µ": "u", "μ": "u",
    "²": "^2", "³": "^3", "─": "-", "━": "-", "│": "|", "┃": "|",
}  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks in plain characters."""
    assert isinstance(error, UnicodeEncodeError)

    def plain(character: str) -> str:
        if character in _PLAIN:
            return _PLAIN[character]
        if "\u2500" <= character <= "\u257f":  # corners and crossings of boxes
            return "+"
        if "\u2580" <= character <= "\u259f":  # blocks, of bars
            return "#"
        apart = unicodedata.normalize("NFKD", character)  # letters without their accents
        return apart.encode("ascii", "ignore").decode() or "?"

    return "".join(map(plain, error.object[error.start : error.end])), error.end


codecs.register_error("uncertainty.plain", _plain)


class _Lasting(io.RawIOBase):
    """A stream that stays quiet once its reader is gone, or once it has failed."""

    def __init__(self, raw: io.FileIO, *, optional: bool) -> None:
        self._raw = raw
        self._optional = optional
        self._failed = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: "Buffer") -> int:
        if not self._failed:
            try:
                return self._raw.write(data)
            except OSError as error:
                self._failed = True  # what is still in a buffer would fail again at the exit
                if not self._optional and not isinstance(error, BrokenPipeError):
                    text = f"cannot be written: {reason(error)}"
                    raise InputError.of("standard output", text) from error
        return memoryview(data).nbytes


class _Open(io.TextIOWrapper):
    """A text stream that stays open: the answer comes after a user's model that closes it."""

    def close(self) -> None:
        if not self.closed:  # as it is once it was detached
            self.flush()


@contextmanager
def standard_streams() -> Iterator[None]:
    """Let both streams take every text; a reader that leaves early ends nothing."""
    before = sys.stdout, sys.stderr
    sys.stdout = _patient(sys.stdout, optional=False)
    sys.stderr = _patient(sys.stderr, optional=True)
    during = sys.stdout, sys.stderr
    try:
        yield
        during[0].flush()
    finally:
        for stream, old in zip(during, before, strict=True):
            with suppress(OSError, InputError):
                stream.flush()
            if old is not None and old is not stream and isinstance(stream, io.TextIOWrapper):
                stream.detach()  # else the file is closed with it
        sys.stdout, sys.stderr = before


def _patient(stream: TextIO | None, *, optional: bool) -> TextIO:
    if stream is None:  # closed before the program began
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # a stream for good
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    file = getattr(stream.buffer, "raw", stream.buffer)
    if not isinstance(file, io.FileIO):
        stream.reconfigure(errors="uncertainty.plain")
        return stream
    stream.flush()
    return _Open(
        io.BufferedWriter(_Lasting(file, optional=optional)),
        encoding=stream.encoding,
        errors="uncertainty.plain",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
