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

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.report import Headline

__all__ = ["Result", "SideBySide", "busy", "implied", "note", "say", "steps", "table", "warnings"]

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
        say(self.tree.attrs["title"])
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


@dataclass(frozen=True)
class SideBySide:
    """What `run --scenario all` shows."""

    trees: "Mapping[str, xr.DataTree]"
    quantity: str
    prob: float
    above: float | None
    written: Sequence[Path]

    @cached_property
    def found(self) -> "xr.Dataset":
        """The table."""
        from uncertainty import summarize_scenarios

        return summarize_scenarios(self.trees, self.prob, quantity=self.quantity)

    @cached_property
    def doubts(self) -> list[str]:
        """What makes each result untrustworthy."""
        return [f"{name}: {text}" for name, tree in self.trees.items() for text in warnings(tree)]

    def print(self) -> None:
        """Print for people."""
        from uncertainty import report

        say(next(iter(self.trees.values())).attrs["title"])
        table(report.scenario_title(self.found), *report.scenario_rows(self.found))
        for sentence in report.scenario_sentences(self.trees, self.quantity, self.above):
            say(sentence)
        for notice in self._notices():
            say(f"note: {notice}")
        say(f"Written: {', '.join(str(path) for path in self.written)}")
        for doubt in self.doubts:
            print(f"not to be trusted: {doubt}", file=sys.stderr)

    def _notices(self) -> list[str]:
        from uncertainty.report import notices_of

        notices = (notice for tree in self.trees.values() for notice in notices_of(tree))
        return list(dict.fromkeys(notices))

    def print_json(self) -> None:
        """Print for programs."""
        from uncertainty.report import records, scenario_sentences

        facts = {**self.found.attrs, "units": str(self.found["units"].item())}
        sentences = scenario_sentences(self.trees, self.quantity, self.above)
        rows = records(self.found.reset_coords(drop=True))
        told = {"sentences": sentences, "notices": self._notices(), "warnings": self.doubts}
        paths = [str(path) for path in self.written]
        print(json.dumps({**facts, "scenarios": rows, **told, "written": paths}, indent=1))


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
        numbers = all(row[i][:1] in "-0123456789" for row in rows)
        grid.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 150).print(grid)


@contextmanager
def steps(what: str) -> Iterator[Progress]:
    """Show how far it is, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    bar = Bar(
        "{task.description}",
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
