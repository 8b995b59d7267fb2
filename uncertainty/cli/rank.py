"""`uncertainty rank`: which assumptions matter most, by as many methods as wanted."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from uncertainty.cli.question import Question, asking
from uncertainty.cli.run import drawn
from uncertainty.cli.terminal import answer, busy
from uncertainty.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.sensitivity import Scale as OfScale
    from uncertainty.sensitivity import Statistic as OfStatistic

_OF_POSTERIOR = "value,correlation"
_OF_RUN = "correlation,delta"  # of a saved run without a posterior
_OF_PRIOR = "shapley,value,tornado"
_OF_INDEPENDENT = ("sobol", "derivative")  # their shares need inputs that are independent

Ranked = Annotated[
    str, typer.Argument(metavar="FILE", help="A prior file, a shipped one, or a saved run.nc.")
]
Method = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[,NAME]...",
        help="sobol, shapley, value, derivative, tornado, correlation, delta, pawn; prior, for a "
        f"posterior. Not given: {_OF_PRIOR}; of a posterior {_OF_POSTERIOR}; of another saved run "
        f"{_OF_RUN}.",
    ),
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


@asking()
def rank(
    question: Question,
    file: Ranked,
    method: Method = None,
    statistic: Statistic = None,
    scale: Scale = "log",
    by: By = None,
    threshold: Threshold = None,
    where: Where = None,
) -> None:
    """Rank assumptions by what they do to the answer, and say what to measure next.

    Where there is evidence the posterior is ranked, by its draws; methods that choose their own
    points rank the prior, and say so.
    """
    import uncertainty as un
    from uncertainty import report
    from uncertainty.inference import learns
    from uncertainty.results import inputs_of, main_quantity, quoted_statistic, warnings_of
    from uncertainty.sensitivity import OF_DRAWS

    run = Path(file) if Path(file).suffix == ".nc" else None
    tree, problem, quantity, quoted = None, None, question.quantity, ""
    if run is None:
        with busy("checking"):
            problem = question.problem()
            quantity = problem.quantity(quantity)
            quoted = "mean" if problem.outputs[quantity].total else "typical"
        folder, read = question.folder("-ranking"), [file.path for file in problem.files]
    else:
        for option, value in (
            ("--set", question.sets),
            ("--scenario", question.scenario),
            ("--model", question.model),
            ("--evidence", question.evidence),
        ):
            if value:
                raise InputError.of(option, "cannot change a saved run: give its prior file")
        tree = un.load(file)
        quoted = quoted_statistic(tree, main_quantity(tree, quantity))
        beside = "ranking" if run.stem == "run" else f"ranking-{run.stem}"
        folder = question.folder() if question.out else run.parent / beside
        read = [run, *inputs_of(tree)]
    asked = question.asked("ranking", folder)
    with question.place(folder, asked, "rank", read) as place:
        if problem is not None and learns(problem):
            # The posterior that `run` quotes, where a method ranks it.
            methods = {*(method or _OF_POSTERIOR).replace(" ", "").split(",")}
            if methods & {*OF_DRAWS, "prior"}:
                tree = drawn(problem, question, str(quantity), full=False)
        learned = tree is not None and "posterior" in tree.children
        if method is None:
            method = _OF_POSTERIOR if learned else _OF_PRIOR if run is None else _OF_RUN
        ask = partial(
            un.rank_inputs,
            quantity=quantity,
            statistic=cast("OfStatistic", statistic or quoted),
            scale=cast("OfScale", scale),
            seed=question.seed,
            prob=question.prob,
            where=where,
        )
        rankings = [
            _ranked(ask, tree, problem, name.strip(), by, question.draws, threshold)
            for name in method.split(",")
        ]
        with busy("writing"):
            page = [*report.rankings_parts(rankings)]
            if tree is not None and learned:
                ranked = str(rankings[0].attrs["quantity"])
                changed = report.posterior_parts(tree, ranked, question.prob)
                page += [part for part in changed if isinstance(part, report.Figure)]
            written = place.keep(report.write(page, place.unfinished, png=question.png))
    doubts = warnings_of(tree) if tree is not None else problem.priors.warnings if problem else ()
    page += [report.Doubts(doubts)] if doubts else []
    records = {"rankings": [report.ranking_record(ranking) for ranking in rankings]}
    answer(page, written, records if question.as_json else None)


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
    of = tree if by_draws or problem is None else problem
    assert of is not None
    by_method = partial(
        ask,
        of,
        method=method,
        draws=None if (by_draws and problem) or method == "tornado" else draws,
        threshold=threshold if method == "value" else None,
    )
    with busy(f"ranking by {method}"):
        try:
            return by_method(by=by or "input")
        except InputError:
            if by is not None or by_draws or method not in _OF_INDEPENDENT:
                raise
        ranking = by_method(by="block")
    together = "Correlated inputs, whose shares would overlap, are ranked together. "
    ranking.attrs["note"] = together + str(ranking.attrs["note"])
    return ranking
