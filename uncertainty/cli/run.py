"""From a file to an answer: `uncertainty run` quotes it, `uncertainty infer` learns more."""

import json
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from uncertainty.cli.question import Above, Question, asking
from uncertainty.cli.terminal import answer, busy, showing, steps, stream_steps
from uncertainty.errors import InputError, counted, in_brief

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.sensitivity import Scale, Statistic

_LARGE = 2**20  # epistemic draws, above which a stored result would fill the memory
_SAMPLE = 2**13  # draws that a stream keeps, for figures
_ALONE = "this is the prior alone: a posterior is not streamed"

Scenarios = Annotated[str | None, typer.Option(help="A scenario, or all, side by side.")]
Executor = Annotated[
    str | None, typer.Option(help="serial, devices, dask, or the address of a Dask scheduler.")
]
Dask = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler: tcp://host:8786.")
]
Full = Annotated[
    bool, typer.Option("--full", help="Keep statistics of every output, and posterior densities.")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Keep the state of the draws here, and go on from it."),
]


def share(text: str) -> float:
    """Read 0.1% or 0.001."""
    try:
        number = float(text.removesuffix("%")) * (0.01 if text.endswith("%") else 1.0)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise typer.BadParameter(f"write 0.1% or 0.001 (got {text!r})")
    return number


Tolerance = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        parser=share,
        help="Draw until every quantile is known this well: 0.1% or 0.001.",
    ),
]
Export = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write the posterior as a prior file.")
]
PerChain = Annotated[int, typer.Option(min=4, help="Draws of each chain.")]
Chains = Annotated[int, typer.Option(min=2, help="Chains.")]
Warmup = Annotated[int, typer.Option(min=10, help="Steps that adapt a chain before its draws.")]
Accept = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of the steps to be accepted; 0.9 if not given, and more where steps diverge.",
    ),
]


@asking()
def run(
    question: Question,
    scenario: Scenarios = None,
    above: Above = None,
    tolerance: Tolerance = None,
    executor: Executor = None,
    dask: Dask = None,
    checkpoint: Checkpoint = None,
    full: Full = False,
) -> None:
    """Simulate, summarize, rank, and write tables, figures and a report.

    Where there is evidence, the posterior stands beside the prior. Draws are streamed, not
    stored, where more than 2^20 are wanted or one of --tolerance, --executor, --dask and
    --checkpoint is given. The result keeps all draws of inputs and outputs, and statistics over
    queries of the output that is reported; with --full, of every output.
    """
    import uncertainty as un
    from uncertainty import report
    from uncertainty.results import LOG_SHARE, in_short

    streaming = (tolerance, dask or executor, checkpoint)
    streamed = any(streaming) or (question.draws or 0) > _LARGE
    if scenario == "all":
        if streamed:
            raise InputError.of("--scenario", "all cannot be streamed: name one scenario at a time")
        _run_scenarios(question, above, full)
        return
    with busy("checking"):
        problem = question.problem()
        quantity = problem.quantity(question.quantity)
    folder, read = question.folder(), [file.path for file in problem.files]
    asked, probs = question.asked("answer", folder), sorted({0.5, question.prob})
    with question.place(folder, asked, "run", read) as place:
        if streamed:
            with stream_steps(quantity, question.prob) as watch:
                tree = un.stream(
                    problem,
                    question.draws,
                    question.seed,
                    executor=dask or executor,
                    tolerance=tolerance,
                    probs=probs,
                    quantities=[quantity],  # the others would each cost as much again
                    thresholds=[] if above is None else [above],
                    sample=_SAMPLE,
                    checkpoint=checkpoint,
                    watch=watch,
                )
            tree.attrs["command"] = _command()
            if problem.has_evidence:
                tree.attrs["notices"] = json.dumps([_ALONE, *json.loads(tree.attrs["notices"])])
            if problem.varies:
                # A stream keeps no moments of logarithms: the share of what varies per query is
                # that of a stored run, since on another scale it would be another figure.
                stored = un.simulate(problem, seed=question.seed)
                split = un.share_per_query(stored, quantity)
                tree.attrs |= dict(zip(LOG_SHARE, split, strict=True))
        else:
            tree = drawn(problem, question, quantity, full)
        page, rankings = list[report.Part](), list["xr.Dataset"]()

        def drivers() -> "Iterator[report.Part]":
            with busy("ranking"):
                ranking, remark = ranking_of(problem, tree, quantity, question.prob, question.seed)
            if remark:
                yield report.Sentence(remark)
            if ranking is not None:
                rankings.append(ranking)
                yield from report.ranking_parts(ranking)

        # The answer is printed first, and figures are drawn while the ranking is made.
        parts = report.parts(tree, quantity=quantity, probs=probs, above=above, drivers=drivers())
        parts = showing(parts, page, quiet=question.as_json)
        files = report.write(parts, place.unfinished, formats=("md",), png=question.png)
        with busy("writing"):
            kept = tree if full or streamed else in_short(tree, quantity)
            saved = un.save(kept, place.unfinished / "run.nc")
            written = place.keep([saved, *files])
    record = None
    if question.as_json:
        ranking = next(iter(rankings), None)
        record = report.record(tree, page, quantity, ranking=ranking)
    answer(page, written, record, begun=True)


def drawn(problem: "Problem", question: Question, quantity: str, full: bool) -> "xr.DataTree":
    """Draw from the prior, and from the posterior where there is evidence."""
    from uncertainty.inference import answer as answer_of

    others = (name for name, it in problem.outputs.items() if it.part_of == quantity or it.total)
    quantities = None if full else list(dict.fromkeys([quantity, *others]))
    with steps(f"simulating {problem.scenario}".rstrip()) as progress:
        tree = answer_of(
            problem,
            question.draws,
            question.seed,
            resample=question.resample,
            progress=progress,
            quantities=quantities,
        )
    tree.attrs["command"] = _command()
    return tree


def _command() -> str:
    return shlex.join(["uncertainty", *sys.argv[1:]])


def ranking_of(
    problem: "Problem | None", tree: "xr.DataTree", quantity: str, prob: float, seed: int
) -> "tuple[xr.Dataset | None, str]":
    """Rank what is quoted; where that cannot be, say why.

    A posterior by its draws, a prior by independent blocks of inputs.
    """
    from uncertainty import rank_inputs
    from uncertainty.results import quoted_statistic

    ask = (
        partial(rank_inputs, tree, method="value")
        if problem is None or "posterior" in tree.children
        else partial(rank_inputs, problem, by="block")
    )
    statistic = cast("Statistic", quoted_statistic(tree, quantity))
    scales: tuple[Scale, ...] = ("log", "linear")
    reasons: list[str] = []
    for scale in scales:
        try:
            ranking = ask(quantity=quantity, statistic=statistic, scale=scale, seed=seed, prob=prob)
            return ranking, " ".join(reasons)
        except InputError as error:
            reasons.append(f"No ranking on the {scale} scale: {error.faults[0].message}.")
    return None, " ".join(reasons)


def _run_scenarios(question: Question, above: float | None, full: bool) -> None:
    """Run the file as stated and each of its scenarios at the same points."""
    import uncertainty as un
    from uncertainty import report
    from uncertainty.comparison import relate
    from uncertainty.results import in_short

    with busy("checking"):
        problems = question.every_scenario()
        quantity = next(iter(problems.values())).quantity(question.quantity)
    read = [file.path for problem in problems.values() for file in problem.files]
    folder = question.folder()
    asked = question.asked("answer", folder)
    with question.place(folder, asked, "run", read) as place:
        trees = {
            name: drawn(problem, question, quantity, full) for name, problem in problems.items()
        }
        with busy("writing"):
            # A scenario may be called as_stated: no name of a scenario holds a dash.
            stem = "as-stated" if "as_stated" in trees else "as_stated"
            stems = {name: name.replace("as stated", stem) for name in trees}
            saved = [
                un.save(
                    tree if full else in_short(tree, quantity),
                    place.unfinished / f"{stems[name]}.nc",
                )
                for name, tree in trees.items()
            ]
            table = relate(problems, trees, quantity, question.prob, question.draws, question.seed)
            page = [*report.scenario_parts(trees, table, above)]
            files = report.write(page, place.unfinished, formats=("md",), png=question.png)
            written = place.keep([*saved, *files])
    record = report.scenario_record(table, page) if question.as_json else None
    answer(page, written, record)


@asking()
def infer(
    question: Question,
    export: Export = None,
    draws: PerChain = 1000,
    chains: Chains = 4,
    warmup: Warmup = 1000,
    target_accept: Accept = None,
) -> None:
    """Update a file's assumptions on its evidence; say what has moved and how it fits."""
    import uncertainty as un
    from uncertainty import report
    from uncertainty.inference import may_be_written
    from uncertainty.problem import compiled
    from uncertainty.results import warnings_of

    model, target = question.model or "", Path(export) if export else None
    if target and (question.sets or question.scenario or question.usage or ".py:" in model):
        text = "only a file as it stands is exported: no --set, --scenario, --usage or functions"
        raise InputError.of("--export", text)
    with busy("checking"):
        problem = question.problem()
        quantity = problem.quantity(question.quantity)
        if target:
            may_be_written(target, problem, force=question.force)
    folder, read = question.folder("-posterior"), [file.path for file in problem.files]
    asked = question.asked("posterior", folder)
    with question.place(folder, asked, "infer", read) as place:
        if question.added:
            # What the file teaches is known, of shipped files: what comes with it weighs its draws.
            first = compiled(replace(question, evidence=None).set_up())
            known = drawn(first, question, quantity, full=False)
            with busy("learning from more evidence"):
                tree = un.update(known, question.added, seed=question.seed)
        else:
            with steps("chains") as progress:
                tree = un.infer(
                    problem,
                    draws,
                    chains,
                    question.seed,
                    warmup=warmup,
                    target_accept=target_accept,
                    resample=question.resample,
                    progress=progress,
                )
        with busy("writing"):
            page: list[report.Part] = [report.Heading(str(tree.attrs["subject"]), 1)]
            page += report.posterior_parts(tree, quantity, question.prob)
            saved = un.save(tree, place.unfinished / "run.nc")
            written = place.keep([saved, *report.write(page, place.unfinished, png=question.png)])
            if target:
                may_be_written(target, problem, force=question.force)  # it may be of this result
                row = un.export_priors(tree, target).sel(quantity=quantity)
                lost = ", ".join(
                    f"{key} {100 * float(row[key]):+.2g} ± {100 * float(row[f'{key}_se']):.1g} %"
                    for key in ("median", "lower", "upper")
                )
                text = f"Exported to {target}. Its {quantity} (typical query, 90 % interval)"
                page.append(report.Sentence(f"{text} against the posterior's: {lost}."))
                written.append(target)
    of_file = {*in_brief(problem.notices)}
    notices, doubts = report.notices_of(tree), warnings_of(tree)
    # What the measurements show is not of the file, and may be why they are to be doubted.
    if others := [text for text in notices if text not in of_file]:
        page.append(report.Notes("Notices", others, "note"))
    if of_file:
        text = f"{counted(len(of_file), 'notice')} on the file: see uncertainty check."
        page.append(report.Sentence(text))
    page += [report.Doubts(doubts)] if doubts else []
    record: dict[str, object] = {"title": tree.attrs["title"], "quantity": quantity}
    for key, name in (("assumptions", "posterior"), ("open", "open"), ("fit", "fit")):
        record[key] = report.rows_of(page, name)
    record |= {"sentences": report.sentences_of(page), "notices": notices, "warnings": doubts}
    answer(page, written, record if question.as_json else None)
