"""`uncertainty rank`: which assumptions matter most, by as many methods as wanted."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from uncertainty.cli.folder import ResultFolder
from uncertainty.cli.options import (
    NOT_TRUSTED,
    AsJson,
    Debug,
    Draws,
    EvidenceNames,
    Force,
    Model,
    Outside,
    Prob,
    Quantity,
    Question,
    Scenario,
    Seed,
    Sets,
    check_prob,
)
from uncertainty.cli.show import busy, complain, print_json, say, steps, table, warnings
from uncertainty.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.sensitivity import target


Input = Annotated[
    str, typer.Argument(metavar="FILE", help="A prior file, a shipped one, or a saved run.nc.")
]
Method = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[,NAME]...",
        help="sobol, shapley, value, derivative, tornado, correlation, delta, pawn; prior, for a "
        "posterior. Not given: shapley,value,tornado; of a posterior value,correlation; of "
        "another saved run correlation,delta.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--out", help="Folder to write; results/NAME-ranking, or beside a saved run."),
]
Statistic = Annotated[
    str | None,
    typer.Option(help="typical, mean or query; that of what `run` quotes, if not given."),
]
Scale = Annotated[str, typer.Option(help="log or linear.")]
By = Annotated[
    str | None, typer.Option(help="input (if not given), block (correlated together) or group.")
]
Threshold = Annotated[
    float | None, typer.Option(help="With value: a limit of the output that a decision turns on.")
]
Where = Annotated[
    str | None, typer.Option(help="With a saved run: its draws where, say, 'energy_wh > 1'.")
]


_OF_POSTERIOR = "value,correlation"
_OF_INDEPENDENT = ("sobol", "derivative")  # their shares need inputs that are independent


def rank(
    file: Input,
    method: Method = None,
    statistic: Statistic = None,
    scale: Scale = "log",
    by: By = None,
    threshold: Threshold = None,
    where: Where = None,
    out: Folder = None,
    sets: Sets = None,
    scenario: Scenario = None,
    model: Model = None,
    evidence: EvidenceNames = None,
    draws: Draws = None,
    seed: Seed = 0,
    prob: Prob = 0.9,
    quantity: Quantity = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Rank assumptions by what they do to the answer, and say what to measure next.

    Where there is evidence the posterior is ranked, by its draws; methods that choose their own
    points rank the prior, and say so.
    """
    import uncertainty as un

    check_prob(prob)
    question = Question(file, sets or [], scenario, model, allow_outside, evidence)
    saved = Path(file).suffix == ".nc"
    with busy("checking"):
        problem = None if saved else question.problem()
        chosen = quantity if problem is None else problem.quantity(quantity)
    tree = None if problem else _saved(question)
    folder = out or _folder(question, saved=saved)
    asked, read = question.asked("ranking", folder), _files(question, problem, tree)
    with ResultFolder(folder, asked, "rank", force=force, read=read) as place:
        if problem:
            tree = _posterior(problem, method, draws, seed)
        if method is None:
            learned = tree is not None and "posterior" in tree.children
            plain = "correlation,delta" if saved else "shapley,value,tornado"
            method = _OF_POSTERIOR if learned else plain
        ask = partial(
            un.rank_inputs,
            quantity=chosen,
            statistic=cast("target.Statistic", statistic or _quoted(problem, tree, chosen)),
            scale=cast("target.Scale", scale),
            seed=seed,
            prob=prob,
            where=where,
        )
        rankings = [
            _ranked(ask, tree, problem, name.strip(), by, draws, threshold)
            for name in method.split(",")
        ]
        with busy("writing"):
            files = un.write_ranking(rankings, place.unfinished)
            written = place.keep([*files, *_movement(tree, place.unfinished)])
    _print_json(rankings, written) if as_json else _print(rankings, written)
    doubts = warnings(tree) if tree is not None else problem.priors.warnings if problem else ()
    for doubt in doubts:
        complain(f"not to be trusted: {doubt}")
    if doubts:
        raise typer.Exit(NOT_TRUSTED)


def _folder(question: Question, *, saved: bool) -> Path:
    """Where a ranking goes: in the folder of a saved run."""
    if not saved:
        return Path("results") / f"{question.folder_name}-ranking"
    run = Path(question.file)
    return run.parent / ("ranking" if run.stem == "run" else f"ranking-{run.stem}")


def _files(question: Question, problem: "Problem | None", tree: "xr.DataTree | None") -> list[Path]:
    """What a ranking is computed from."""
    from uncertainty.results import inputs_of

    if problem is not None:
        return [file.path for file in problem.files]
    return [Path(question.file), *(inputs_of(tree) if tree is not None else [])]


def _movement(tree: "xr.DataTree | None", folder: Path) -> list[Path]:
    """Draw what evidence has moved, where there is a posterior."""
    import uncertainty as un

    if tree is None or "posterior" not in tree.children:
        return []
    return [path for path in un.write_posterior(tree, folder) if path.suffix != ".csv"]


def _quoted(problem: "Problem | None", tree: "xr.DataTree | None", quantity: str | None) -> str:
    """The statistic that `run` quotes of this quantity."""
    from uncertainty.results import main_quantity, quoted_statistic

    if problem is not None:
        return "mean" if problem.outputs[str(quantity)].total else "typical"
    assert tree is not None
    return quoted_statistic(tree, main_quantity(tree, quantity))


def _posterior(
    problem: "Problem", method: str | None, draws: int | None, seed: int
) -> "xr.DataTree | None":
    """Draw the posterior that `run` quotes, where there is one and a method ranks it."""
    from uncertainty.inference import answer, learns
    from uncertainty.sensitivity import OF_DRAWS

    wanted = (method or _OF_POSTERIOR).replace(" ", "").split(",")
    if not learns(problem) or not {*wanted} & {*OF_DRAWS, "prior"}:
        return None
    with steps("chains") as progress:
        return answer(problem, draws, seed, progress)


def _saved(question: Question) -> "xr.DataTree":
    """Load a run, of which nothing can be changed any more."""
    import uncertainty as un

    for option, value in (
        ("--set", question.sets),
        ("--scenario", question.scenario),
        ("--model", question.model),
        ("--evidence", question.evidence),
    ):
        if value is not None and value != []:
            raise InputError.of(option, "cannot change a saved run: give its prior file")
    return un.load(question.file)


def _ranked(
    ask: "partial[xr.Dataset]",
    tree: "xr.DataTree | None",
    problem: "Problem | None",
    method: str,
    by: str | None,
    draws: int | None,
    threshold: float | None,
) -> "xr.Dataset":
    """Rank by one method; what belongs to some methods alone is kept from the others."""
    from uncertainty.sensitivity import OF_DRAWS

    by_draws = tree is not None and (problem is None or method in (*OF_DRAWS, "prior"))
    own = partial(
        ask,
        tree if by_draws else problem,
        method=method,
        draws=None if (by_draws and problem) or method == "tornado" else draws,
        threshold=threshold if method == "value" else None,
    )
    with busy(f"ranking by {method}"):
        try:
            return own(by=cast("target.By", by or "input"))
        except InputError:
            if by is not None or by_draws or method not in _OF_INDEPENDENT:
                raise
        found = own(by="block")
        together = "Correlated inputs, whose shares would overlap, are ranked together. "
        found.attrs["note"] = together + str(found.attrs["note"])
        return found


def _print(rankings: "Sequence[xr.Dataset]", written: Sequence[Path]) -> None:
    from uncertainty import report

    for ranking in rankings:
        table(report.ranking_title(ranking), *report.ranking_rows(ranking, bars=True))
        if "narrowing" in ranking and "constant" not in ranking.attrs:
            say(report.ranking_sentence(ranking))
    if "distance" in rankings[0]:
        table(f"Inputs where {rankings[0].attrs['where']}", *report.region_rows(rankings[0]))
        say(report.ranking_sentence(rankings[0]))
    if any((ranking["tied_rank"].values != ranking["rank"].values).any() for ranking in rankings):
        say("=: these inputs share a rank, because their order is not established at 95 %.")
    for note in dict.fromkeys(str(ranking.attrs["note"]) for ranking in rankings):
        say(note)
    table_file, *figures = written
    drawn = ", ".join(dict.fromkeys(path.stem for path in figures))
    say(f"Written: {table_file}; beside it, as SVG and PNG: {drawn}")


def _print_json(rankings: "Sequence[xr.Dataset]", written: Sequence[Path]) -> None:
    from uncertainty import report

    told = [
        {
            **report.ranking_facts(ranking),
            "sentence": report.ranking_sentence(ranking),
            "inputs": report.ranked_inputs(ranking),
            "pairs": report.ranked_pairs(ranking),
        }
        for ranking in rankings
    ]
    print_json({"rankings": told, "written": [str(path) for path in written]})
