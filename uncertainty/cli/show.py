"""What the commands print: the door to rich."""

import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from uncertainty.errors import one_line
from uncertainty.writing import json_text

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

    from uncertainty.report import Headline


Progress: TypeAlias = Callable[[int, int], None]


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

    @cached_property
    def doubts(self) -> list[str]:
        """What makes it, or a figure quoted of it, untrustworthy."""
        from uncertainty.report import doubts

        return doubts(self.tree, self.summary)

    def sentences(self) -> Iterator[str]:
        """Give the sentences under the table."""
        from uncertainty import report

        summary = self.summary
        if "posterior" in self.tree.children:
            yield report.evidence_sentence(self.tree)
            yield report.update_sentence(self.tree, self.quantity, self.probs[-1])
            yield from report.fit_sentences(self.tree)
        yield report.central_sentence(self.tree, summary)
        yield report.split_sentence(self.tree, self.quantity)
        if self.above is not None:
            yield report.above_sentence(self.tree, self.quantity, self.above)

    def print(self) -> None:
        """Print for people."""
        from uncertainty import report

        summary = self.summary
        say(self.tree.attrs["subject"])
        if "posterior" in self.tree.children:
            prior = report.headline(self.tree, self.quantity, self.probs, "prior")
            table(prior.title, prior.columns, prior.rows())
        table(summary.title, summary.columns, summary.rows())
        for sentence in self.sentences():
            say(sentence)
        say(self.reason)
        if self.ranking is not None:
            title = f"What matters: {report.ranking_title(self.ranking)}"
            table(title, *report.ranking_rows(self.ranking))
            if "constant" in self.ranking.attrs:
                say(report.ranking_sentence(self.ranking))
        if not self.doubts:
            say("For a report: " + report.citation_sentence(self.tree, summary))
        for notice in report.notices_of(self.tree):
            say(f"note: {notice}")
        say(f"Written: {', '.join(str(path) for path in self.written)}")
        for warning in self.doubts:
            complain(f"not to be trusted: {warning}")

    def print_json(self) -> None:
        """Print for programs."""
        from uncertainty.report import record

        sentences = list(self.sentences())
        found = record(self.tree, self.summary, self.probs, self.ranking, sentences, self.above)
        print_json({**found, "written": [str(path) for path in self.written]})


@dataclass(frozen=True)
class SideBySide:
    """What `run --scenario all` shows."""

    trees: "Mapping[str, xr.DataTree]"
    found: "xr.Dataset"
    quantity: str
    above: float | None
    written: Sequence[Path]

    @cached_property
    def doubts(self) -> list[str]:
        """What makes each result untrustworthy."""
        from uncertainty.report import scenario_doubts

        return scenario_doubts(self.trees, self.found)

    def print(self) -> None:
        """Print for people."""
        from uncertainty import report

        say(next(iter(self.trees.values())).attrs["title"])
        table(report.scenario_title(self.found), *report.scenario_rows(self.found))
        for sentence in report.scenario_sentences(self.trees, self.found, self.above):
            say(sentence)
        for notice in self._notices():
            say(f"note: {notice}")
        say(f"Written: {', '.join(str(path) for path in self.written)}")
        for doubt in self.doubts:
            complain(f"not to be trusted: {doubt}")

    def _notices(self) -> list[str]:
        from uncertainty.report import notices_of

        notices = (notice for tree in self.trees.values() for notice in notices_of(tree))
        return list(dict.fromkeys(notices))

    def print_json(self) -> None:
        """Print for programs."""
        from uncertainty.report import records, scenario_chances, scenario_sentences

        facts = {**self.found.attrs, "units": str(self.found["units"].item())}
        sentences = scenario_sentences(self.trees, self.found, self.above)
        rows = records(self.found.reset_coords(drop=True))
        chances = scenario_chances(self.trees, self.quantity, self.above)
        told = {
            "above": [{"scenario": name, **row._asdict()} for name, row in chances],
            "sentences": sentences,
            "notices": self._notices(),
            "warnings": self.doubts,
        }
        paths = [str(path) for path in self.written]
        print_json({**facts, "scenarios": rows, **told, "written": paths})


def print_json(value: object) -> None:
    """Print for programs."""
    print(json_text(value, indent=1))


def note(tree: "xr.DataTree", text: str, holds: bool) -> None:
    """Add a notice to a result, where it holds."""
    if not holds:
        return
    tree.attrs["notices"] = json.dumps([text, *json.loads(str(tree.attrs["notices"]))])


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


def console(*, error: bool = False) -> "Console":
    """Give a terminal on which text stays text: square brackets are no markup, colons no emoji."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    width = None if error or sys.stdout.isatty() else 150
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def complain(text: str) -> None:
    """Print a line about what is wrong, for people, on standard error."""
    print(one_line(text), file=sys.stderr)


def say(text: str) -> None:
    """Print a paragraph."""
    text = one_line(text)
    if text:
        print(textwrap.fill(text, _width(), break_long_words=False, break_on_hyphens=False) + "\n")


def _width() -> int:
    return min(console().width, 110)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    from rich import box
    from rich.table import Table

    grid = Table(title=one_line(title), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for i, column in enumerate(columns):
        numbers = all(row[i][:1] in "-0123456789" for row in rows)
        grid.add_column(one_line(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*map(one_line, row))
    console().print(grid)


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
def busy(what: str) -> Iterator[None]:
    """Show what is going on, on a terminal only."""
    from rich.text import Text

    terminal = console(error=True)
    if not terminal.is_terminal:
        yield
        return
    with terminal.status(Text(f"{one_line(what)} ...")):
        yield
