"""What the commands print: the door to rich."""

import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.report import Headline

__all__ = ["Result", "busy", "implied", "say", "table", "warnings"]


def warnings(tree: "xr.DataTree") -> list[str]:
    """Give what makes a result untrustworthy."""
    from uncertainty.results import warnings_of

    return warnings_of(tree)


@dataclass(frozen=True)
class Result:
    """What `run` shows."""

    tree: "xr.DataTree"
    ranking: "xr.Dataset | None"
    reason: str
    quantity: str
    probs: Sequence[float]
    above: float | None
    written: Sequence[Path]

    @cached_property
    def summary(self) -> "Headline":
        """The table of the quantity asked for."""
        from uncertainty.report import headline

        return headline(self.tree, self.quantity, self.probs)

    def sentences(self) -> Iterator[str]:
        """Give the sentences under the table."""
        from uncertainty import report

        summary = self.summary
        yield report.central_sentence(self.tree, summary)
        yield report.split_sentence(self.tree, self.quantity)
        if self.above is not None:
            yield report.above_sentence(self.tree, self.quantity, self.above)

    def print(self) -> None:
        """Print for people."""
        from uncertainty import report

        summary = self.summary
        say(self.tree.attrs["title"])
        table(summary.title, summary.columns, summary.rows())
        for sentence in self.sentences():
            say(sentence)
        say(self.reason)
        if self.ranking is not None:
            title = f"What matters: {report.ranking_title(self.ranking)}"
            table(title, *report.ranking_rows(self.ranking))
        if not warnings(self.tree):
            say("For a report: " + report.citation_sentence(self.tree, summary))
        for notice in report.notices_of(self.tree):
            say(f"note: {notice}")
        say(f"Written: {', '.join(str(path) for path in self.written)}")
        for warning in warnings(self.tree):
            print(f"not to be trusted: {warning}", file=sys.stderr)

    def print_json(self) -> None:
        """Print for programs."""
        from uncertainty.report import record

        sentences = list(self.sentences())
        found = record(self.tree, self.summary, self.probs, self.ranking, sentences)
        print(json.dumps({**found, "written": [str(path) for path in self.written]}, indent=1))


def implied(percentiles: "xr.Dataset") -> tuple[list[str], list[list[str]]]:
    """Give the columns and rows of what assumptions imply, each figure with its error."""
    from uncertainty.report import figure_with_error

    keys = ("p5", "median", "p95")
    rows = []
    for i in range(percentiles.sizes["input"]):
        row = percentiles.isel(input=i)
        cells = [figure_with_error(float(row[k]), float(row[f"mcse_{k}"])) for k in keys]
        rows.append([str(row["input"].item()), *cells, str(row["units"].item())])
    return ["assumption", *keys, "unit"], rows


def say(text: str) -> None:
    """Print a paragraph."""
    if text:
        print(textwrap.fill(text, _width(), break_long_words=False, break_on_hyphens=False) + "\n")


def _width() -> int:
    from rich.console import Console

    return min(Console().width, 110) if sys.stdout.isatty() else 110


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    grid = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for i, column in enumerate(columns):
        grid.add_column(column, justify="left" if i < 2 else "right")
    for row in rows:
        grid.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(grid)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show what is going on, on a terminal only."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} ..."):
        yield
