"""`uncertainty rank`: which assumptions matter most, by as many methods as wanted."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from uncertainty.cli.options import (
    NOT_TRUSTED,
    AsJson,
    Debug,
    Draws,
    Model,
    Outside,
    Prob,
    Quantity,
    Question,
    Scenario,
    Seed,
    Sets,
    check_folder,
    check_prob,
)
from uncertainty.cli.show import busy, complain, say, table, warnings
from uncertainty.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.sensitivity import target

__all__ = ["rank"]

Input = Annotated[
    str, typer.Argument(metavar="FILE", help="A prior file, a shipped one, or a saved run.nc.")
]
Method = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[,NAME]...",
        help="sobol, shapley, value, derivative, tornado, correlation, delta, pawn; prior, for a "
        "saved posterior. Not given: shapley,value,tornado; for a saved run correlation,delta.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--out", help="Folder to write; results/NAME-ranking, or beside a saved run."),
]
Statistic = Annotated[str, typer.Option(help="typical, mean or query.")]
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


_OF_INDEPENDENT = ("sobol", "derivative")  # their shares need inputs that are independent


def rank(
    file: Input,
    method: Method = None,
    statistic: Statistic = "typical",
    scale: Scale = "log",
    by: By = None,
    threshold: Threshold = None,
    where: Where = None,
    out: Folder = None,
    sets: Sets = None,
    scenario: Scenario = None,
    model: Model = None,
    draws: Draws = None,
    seed: Seed = 0,
    prob: Prob = 0.9,
    quantity: Quantity = None,
    allow_outside: Outside = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Rank assumptions by what they do to the answer, and say what to measure next."""
    import uncertainty as un

    check_prob(prob)
    question = Question(file, sets or [], scenario, model, allow_outside)
    saved = Path(file).suffix == ".nc"
    with busy("checking"):
        problem: Problem | xr.DataTree = _saved(question) if saved else question.problem()
    methods = (method or ("correlation,delta" if saved else "shapley,value,tornado")).split(",")
    ask = partial(
        un.rank_inputs,
        problem,
        quantity=quantity,
        statistic=cast("target.Statistic", statistic),
        scale=cast("target.Scale", scale),
        seed=seed,
        prob=prob,
        where=where,
    )
    rankings = [_ranked(ask, name.strip(), by, draws, threshold) for name in methods]
    beside = Path(file).parent / "ranking"
    folder = out or (beside if saved else Path("results") / f"{question.folder_name}-ranking")
    check_folder(folder)
    with busy("writing"):
        written = [*un.write_ranking(rankings, folder), *_movement(problem, folder)]
    _print_json(rankings, written) if as_json else _print(rankings, written)
    doubts = [] if isinstance(problem, un.Problem) else warnings(problem)
    for doubt in doubts:
        complain(f"not to be trusted: {doubt}")
    if doubts:
        raise typer.Exit(NOT_TRUSTED)


def _movement(answered: "Problem | xr.DataTree", folder: Path) -> list[Path]:
    """Draw what evidence has moved, where the saved run has a posterior."""
    import uncertainty as un

    if isinstance(answered, un.Problem) or "posterior" not in answered.children:
        return []
    return [path for path in un.write_posterior(answered, folder) if path.suffix != ".csv"]


def _saved(question: Question) -> "xr.DataTree":
    """Load a run, of which nothing can be changed any more."""
    import uncertainty as un

    for option, value in (
        ("--set", question.sets),
        ("--scenario", question.scenario),
        ("--model", question.model),
    ):
        if value:
            raise InputError.of(option, "cannot change a saved run: give its prior file")
    return un.load(question.file)


def _ranked(
    ask: "partial[xr.Dataset]",
    method: str,
    by: str | None,
    draws: int | None,
    threshold: float | None,
) -> "xr.Dataset":
    """Rank by one method; what belongs to some methods alone is kept from the others."""
    own = partial(
        ask,
        method=method,
        draws=None if method == "tornado" else draws,
        threshold=threshold if method == "value" else None,
    )
    with busy(f"ranking by {method}"):
        try:
            return own(by=cast("target.By", by or "input"))
        except InputError:
            if by is not None or method not in _OF_INDEPENDENT:
                raise
        found = own(by="block")
        together = "Correlated inputs, whose shares would overlap, are ranked together. "
        found.attrs["note"] = together + str(found.attrs["note"])
        return found


def _print(rankings: "Sequence[xr.Dataset]", written: Sequence[Path]) -> None:
    from uncertainty import report

    for ranking in rankings:
        table(report.ranking_title(ranking), *report.ranking_rows(ranking, bars=True))
        if "narrowing" in ranking:
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
            **ranking.attrs,
            "sentence": report.ranking_sentence(ranking),
            "inputs": report.records(ranking[[*report.estimates(ranking), "rank", "tied_rank"]]),
        }
        for ranking in rankings
    ]
    print(json.dumps({"rankings": told, "written": [str(path) for path in written]}, indent=1))
