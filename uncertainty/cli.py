"""The command line: parses, calls, prints, exits. Nothing is computed here."""

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from uncertainty.errors import InputError, UncertaintyError

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.report import Headline
    from uncertainty.sensitivity import Scale

__all__ = ["app", "main"]

DONE, DEFECT, INPUT_AT_FAULT, NOT_TRUSTED = 0, 1, 2, 3

app = typer.Typer(
    help="How much energy does an LLM query take, and how sure are we?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[str, typer.Argument(help="A prior file, or the name of a shipped one (gpt-4o).")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Fix or replace an assumption."),
]
Scenario = Annotated[str | None, typer.Option(help="A scenario of the file.")]
Model = Annotated[
    str | None, typer.Option(help="A shipped model, or your own function as my_model.py:function.")
]
Draws = Annotated[int | None, typer.Option(min=32, help="Epistemic draws over all randomizations.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed and file, same numbers.")]
Prob = Annotated[float, typer.Option(help="Probability of the wider interval.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


@dataclass(frozen=True)
class Question:
    """What every verb is asked."""

    file: str
    sets: Sequence[str]
    scenario: str | None
    model: str | None

    def problem(self) -> "Problem":
        """Check it."""
        from uncertainty import build_problem
        from uncertainty.spec import load_function

        by_path = self.model is not None and ":" in self.model
        model = load_function(self.model) if self.model and by_path else self.model
        given = dict(_parsed(item) for item in self.sets)
        return build_problem(self.file, model, given, self.scenario)


def _parsed(item: str) -> tuple[str, object]:
    from uncertainty.spec import parse_yaml

    name, equals, text = item.partition("=")
    if not equals or not name.strip():
        raise InputError.of("--set", f"write NAME=VALUE (got {item!r})")
    try:
        return name.strip(), parse_yaml(text)
    except Exception as error:
        raise InputError.of("--set", f"{name}: not a value: {text!r}") from error


@app.command()
def run(
    file: File,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; results/NAME if not given.")
    ] = None,
    sets: Sets = None,
    scenario: Scenario = None,
    model: Model = None,
    draws: Draws = None,
    seed: Seed = 0,
    prob: Prob = 0.9,
    above: Annotated[float | None, typer.Option(help="Give the chance of exceeding this.")] = None,
    quantity: Annotated[str | None, typer.Option(help="The output to report and rank.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Simulate, summarize, rank, and write tables, figures and a report."""
    import uncertainty as un

    _keep_compilations()
    with _busy("checking"):
        problem = Question(file, sets or [], scenario, model).problem()
        chosen = problem.quantity(quantity)
        _check_prob(prob)
    with _busy("simulating"):
        tree = un.simulate(problem, draws, seed)
        tree.attrs["command"] = shlex.join(["uncertainty", *sys.argv[1:]])
    with _busy("ranking"):
        ranking = _ranking(problem, chosen, seed)
    probs = sorted({0.5, prob})
    with _busy("writing"):
        folder = out or Path("results") / (Path(file).stem + (f"-{scenario}" if scenario else ""))
        written = [un.save(tree, folder / "run.nc")]
        written += un.write_report(tree, folder, ranking=ranking, probs=probs, above=above)
    result = Result(tree, ranking, chosen, probs, above, written)
    result.print_json() if as_json else result.print()
    raise typer.Exit(NOT_TRUSTED if _warnings(tree) else DONE)


def _check_prob(prob: float) -> None:
    if not 0 < prob < 1:
        raise InputError.of("--prob", f"must lie between 0 and 1 (got {prob:g})")


def _ranking(problem: "Problem", quantity: str, seed: int) -> "xr.Dataset | None":
    """Rank independent blocks of inputs; None where nothing is uncertain or a draw is no number."""
    from uncertainty import rank_inputs

    scales: tuple[Scale, ...] = ("log", "linear")
    for scale in scales:
        try:
            return rank_inputs(problem, quantity=quantity, by="block", scale=scale, seed=seed)
        except InputError:
            continue
    return None


def _warnings(tree: "xr.DataTree") -> list[str]:
    from uncertainty.results import warnings_of

    return warnings_of(tree)


@dataclass(frozen=True)
class Result:
    """What `run` shows."""

    tree: "xr.DataTree"
    ranking: "xr.Dataset | None"
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
        _say(self.tree.attrs["title"])
        _table(f"{self.quantity} ({summary.units})", summary.columns, summary.rows())
        for sentence in self.sentences():
            _say(sentence)
        if self.ranking is not None:
            title = f"What matters: {report.ranking_title(self.ranking)}"
            _table(title, *report.ranking_rows(self.ranking))
        _say("For a report: " + report.citation_sentence(self.tree, summary))
        for notice in report.notices_of(self.tree):
            _say(f"note: {notice}")
        _say(f"Written: {', '.join(str(path) for path in self.written)}")
        for warning in _warnings(self.tree):
            print(f"not to be trusted: {warning}", file=sys.stderr)

    def print_json(self) -> None:
        """Print for programs."""
        from uncertainty.report import record

        sentences = list(self.sentences())
        found = record(self.tree, self.summary, self.probs, self.ranking, sentences)
        print(json.dumps({**found, "written": [str(path) for path in self.written]}, indent=1))


@app.command()
def check(
    file: File,
    sets: Sets = None,
    scenario: Scenario = None,
    model: Model = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Print what is wrong with a file, or what each of its assumptions implies."""
    import uncertainty as un
    from uncertainty.report import notices_of, records

    _keep_compilations()
    problem = Question(file, sets or [], scenario, model).problem()
    tree = un.simulate(problem, seed=seed)
    table, notices = un.summarize_inputs(tree), notices_of(tree)
    if as_json:
        print(json.dumps({"inputs": records(table), "notices": notices}, indent=1))
        return
    _table(f"{problem.priors.label}: what each assumption implies", *_implied(table))
    for notice in notices:
        _say(f"note: {notice}")
    _say(f"No faults: {len(problem.assumptions)} assumptions for {problem.model.name}.")


def _implied(table: "xr.Dataset") -> tuple[list[str], list[list[str]]]:
    keys = ("p5", "median", "p95")
    rows = [
        [
            str(row["input"].item()),
            *(f"{float(row[k]):.4g}" for k in keys),
            str(row["units"].item()),
        ]
        for row in (table.isel(input=i) for i in range(table.sizes["input"]))
    ]
    return ["assumption", *keys, "unit"], rows


def _say(text: str) -> None:
    import textwrap

    if text:
        print(textwrap.fill(text, _width(), break_long_words=False, break_on_hyphens=False) + "\n")


def _width() -> int:
    from rich.console import Console

    return min(Console().width, 110) if sys.stdout.isatty() else 110


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < 2 else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


@contextmanager
def _busy(what: str) -> Iterator[None]:
    """Show what is going on, on a terminal only."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} ..."):
        yield


def _keep_compilations() -> None:
    """Let JAX, not yet imported, keep what it compiles, so that the next run starts sooner."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home / "uncertainty" / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")


def main() -> NoReturn:
    """Run the command line, and turn every outcome into an exit status."""
    debug = "--debug" in sys.argv
    try:
        app(standalone_mode=True)
    except UncertaintyError as error:
        if debug:
            raise
        print(error, file=sys.stderr)
        sys.exit(INPUT_AT_FAULT)
    except Exception as error:
        if debug:
            raise
        print(
            f"a defect of uncertainty: {type(error).__name__}: {error}\n"
            "Run again with --debug and report what it prints.",
            file=sys.stderr,
        )
        sys.exit(DEFECT)
    sys.exit(DONE)
