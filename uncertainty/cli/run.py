"""`uncertainty run`: from a file to an interval, a ranking, figures and a report."""

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from uncertainty.cli.folder import ResultFolder
from uncertainty.cli.options import (
    DONE,
    NOT_TRUSTED,
    Above,
    AsJson,
    Checkpoint,
    Dask,
    Debug,
    Draws,
    EvidenceNames,
    Executor,
    File,
    Force,
    Model,
    Out,
    Outside,
    Prob,
    Quantity,
    Question,
    Scenarios,
    Seed,
    Sets,
    Tolerance,
    check_prob,
)
from uncertainty.cli.show import Result, SideBySide, busy, note, steps
from uncertainty.cli.streaming import Streaming
from uncertainty.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.sensitivity import Scale, Statistic


def run(
    file: File,
    out: Out = None,
    sets: Sets = None,
    scenario: Scenarios = None,
    model: Model = None,
    evidence: EvidenceNames = None,
    draws: Draws = None,
    seed: Seed = 0,
    prob: Prob = 0.9,
    above: Above = None,
    quantity: Quantity = None,
    tolerance: Tolerance = None,
    executor: Executor = None,
    dask: Dask = None,
    checkpoint: Checkpoint = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Simulate, summarize, rank, and write tables, figures and a report.

    Where there is evidence, the posterior stands beside the prior. Draws are streamed, not
    stored, where more than 2^20 are wanted or one of --tolerance, --executor, --dask and
    --checkpoint is given.
    """
    streaming = Streaming(tolerance, dask or executor, checkpoint)
    question = Question(file, sets or [], scenario, model, allow_outside, evidence)
    check_prob(prob)
    if scenario == "all":
        if streaming.wanted(draws):
            raise InputError.of("--scenario", "all cannot be streamed: run one after the other")
        _run_scenarios(question, out, draws, seed, prob, above, quantity, force, as_json)
    import uncertainty as un

    with busy("checking"):
        problem = question.problem()
        chosen = problem.quantity(quantity)
    folder = out or Path("results") / question.folder_name
    asked, read = question.asked("answer", folder), [file.path for file in problem.files]
    with ResultFolder(folder, asked, "run", force=force, read=read) as place:
        if streaming.wanted(draws):
            tree = streaming.run(problem, chosen, draws, seed, prob, above)
            tree.attrs["command"] = _command()
            alone = "this is the prior alone: a posterior is not streamed"
            note(tree, alone, problem.has_evidence)
            tree.attrs |= _log_share(problem, chosen, seed)
        else:
            tree = _answer(problem, draws, seed)
        with busy("ranking"):
            ranking, reason = _ranking(problem, tree, chosen, seed, prob)
        with busy("writing"):
            probs = sorted({0.5, prob})
            saved = un.save(tree, place.unfinished / "run.nc")
            files = un.write_report(
                tree, place.unfinished, quantity=chosen, ranking=ranking, probs=probs, above=above
            )
            written = place.keep([saved, *files])
    result = Result(tree, ranking, reason, chosen, probs, above, written)
    result.print_json() if as_json else result.print()
    raise typer.Exit(NOT_TRUSTED if result.doubts else DONE)


def _answer(problem: "Problem", draws: int | None, seed: int) -> "xr.DataTree":
    """Draw from the prior, and from the posterior where there is evidence."""
    from uncertainty.inference import answer

    with steps(f"simulating {problem.scenario}".rstrip()) as progress:
        tree = answer(problem, draws, seed, progress)
    tree.attrs["command"] = _command()
    return tree


def _log_share(problem: "Problem", quantity: str, seed: int) -> dict[str, float]:
    """Share of what varies per query on the log scale, as a stored run gives it.

    A stream keeps no moments of logarithms; on another scale the share would be another figure.
    """
    from uncertainty import share_per_query, simulate
    from uncertainty.results import LOG_SHARE

    if not problem.varies:
        return {}
    share = share_per_query(simulate(problem, seed=seed), quantity)
    return dict(zip(LOG_SHARE, share, strict=True))


def _command() -> str:
    return shlex.join(["uncertainty", *sys.argv[1:]])


def _ranking(
    problem: "Problem", tree: "xr.DataTree", quantity: str, seed: int, prob: float
) -> "tuple[xr.Dataset | None, str]":
    """Rank what is quoted; where that cannot be, say why.

    A posterior by its draws, a prior by independent blocks of inputs.
    """
    from uncertainty import rank_inputs
    from uncertainty.results import quoted_statistic

    ask = (
        partial(rank_inputs, tree, method="value")
        if "posterior" in tree.children
        else partial(rank_inputs, problem, by="block")
    )
    statistic = cast("Statistic", quoted_statistic(tree, quantity))
    scales: tuple[Scale, ...] = ("log", "linear")
    reasons: list[str] = []
    for scale in scales:
        try:
            found = ask(quantity=quantity, statistic=statistic, scale=scale, seed=seed, prob=prob)
            return found, " ".join(reasons)
        except InputError as error:
            reasons.append(f"No ranking on the {scale} scale: {error.faults[0].message}.")
    return None, " ".join(reasons)


def _run_scenarios(
    question: Question,
    out: Path | None,
    draws: int | None,
    seed: int,
    prob: float,
    above: float | None,
    quantity: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Run the file as stated and each of its scenarios at the same points."""
    import uncertainty as un
    from uncertainty.comparison import relate

    with busy("checking"):
        problems = question.every_scenario()
        chosen = next(iter(problems.values())).quantity(quantity)
    read = [file.path for problem in problems.values() for file in problem.files]
    folder = out or Path("results") / question.folder_name
    asked = question.asked("answer", folder)
    with ResultFolder(folder, asked, "run", force=force, read=read) as place:
        trees = {name: _answer(problem, draws, seed) for name, problem in problems.items()}
        with busy("writing"):
            # A scenario may be called as_stated: no name of a scenario holds a dash.
            stated = "as-stated" if "as_stated" in trees else "as_stated"
            stems = {name: name.replace("as stated", stated) for name in trees}
            saved = [
                un.save(tree, place.unfinished / f"{stems[name]}.nc")
                for name, tree in trees.items()
            ]
            table = relate(problems, trees, chosen, prob, draws, seed)
            files = un.write_scenarios(
                trees, place.unfinished, quantity=chosen, prob=prob, above=above, table=table
            )
            written = place.keep([*saved, *files])
    result = SideBySide(trees, table, chosen, above, written)
    result.print_json() if as_json else result.print()
    raise typer.Exit(NOT_TRUSTED if result.doubts else DONE)
