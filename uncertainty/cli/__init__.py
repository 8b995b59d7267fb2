"""The command line: parses, calls, prints, exits. Nothing is computed here."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from uncertainty.cli.show import Result, busy, implied, say, table, warnings
from uncertainty.errors import InputError, UncertaintyError

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.sensitivity import Scale

__all__ = ["app", "main"]

DONE, DEFECT, INPUT_AT_FAULT, NOT_TRUSTED = 0, 1, 2, 3


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"uncertainty {version('uncertainty')}")
        raise typer.Exit


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


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Uncertainty analysis of the energy of LLM queries."""


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
    with busy("checking"):
        problem = Question(file, sets or [], scenario, model).problem()
        chosen = problem.quantity(quantity)
        folder = out or Path("results") / _folder_name(file, scenario, sets)
        _check_prob(prob)
        _check_folder(folder)
    with busy("simulating"):
        tree = un.simulate(problem, draws, seed)
        tree.attrs["command"] = shlex.join(["uncertainty", *sys.argv[1:]])
    with busy("ranking"):
        ranking, reason = _ranking(problem, chosen, seed)
    probs = sorted({0.5, prob})
    with busy("writing"):
        written = [un.save(tree, folder / "run.nc")]
        written += un.write_report(
            tree, folder, quantity=chosen, ranking=ranking, probs=probs, above=above
        )
    result = Result(tree, ranking, reason, chosen, probs, above, written)
    result.print_json() if as_json else result.print()
    raise typer.Exit(NOT_TRUSTED if warnings(tree) else DONE)


def _folder_name(file: str, scenario: str | None, sets: Sequence[str] | None) -> str:
    """Name the folder after all that differs, so that no result replaces another unasked."""
    return "-".join(
        [Path(file).stem, *([scenario] if scenario else []), *(["set"] if sets else [])]
    )


def _check_folder(folder: Path) -> None:
    """Find out before the work is done whether its results can be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.of("--out", f"cannot write to {folder}: {error.strerror}") from error


def _check_prob(prob: float) -> None:
    if not 0 < prob < 1:
        raise InputError.of("--prob", f"must lie between 0 and 1 (got {prob:g})")


def _ranking(problem: "Problem", quantity: str, seed: int) -> "tuple[xr.Dataset | None, str]":
    """Rank independent blocks of inputs; where that cannot be, say why."""
    from uncertainty import rank_inputs

    scales: tuple[Scale, ...] = ("log", "linear")
    reasons: list[str] = []
    for scale in scales:
        try:
            found = rank_inputs(problem, quantity=quantity, by="block", scale=scale, seed=seed)
            return found, " ".join(reasons)
        except InputError as error:
            reasons.append(f"No ranking on the {scale} scale: {error.faults[0].message}.")
    return None, " ".join(reasons)


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
    percentiles = un.summarize_inputs(tree)
    notices = notices_of(tree)
    if as_json:
        print(json.dumps({"inputs": records(percentiles), "notices": notices}, indent=1))
        return
    table(f"{problem.priors.label}: what each assumption implies", *implied(percentiles))
    for notice in notices:
        say(f"note: {notice}")
    say(f"No faults: {len(problem.assumptions)} assumptions for {problem.model.name}.")


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
