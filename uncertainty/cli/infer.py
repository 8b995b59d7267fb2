"""`uncertainty infer`: from prior and measurements to a posterior, its fit and a prior file."""

from pathlib import Path
from typing import Annotated

import typer

from uncertainty.cli.question import Question, ResultFolder, asking
from uncertainty.cli.terminal import answer, busy, steps
from uncertainty.errors import InputError

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
    from uncertainty.results import warnings_of

    model, target = question.model or "", Path(export) if export else None
    if target and (question.sets or question.scenario or ".py:" in model):
        text = "give neither --set, --scenario nor a function: a file of its own can be exported"
        raise InputError.of("--export", text)
    with busy("checking"):
        problem = question.problem()
        quantity = problem.quantity(question.quantity)
        if target:
            may_be_written(target, problem, force=question.force)
    folder, read = question.folder("-posterior"), [file.path for file in problem.files]
    asked = question.asked("posterior", folder)
    with ResultFolder(folder, asked, "infer", force=question.force, read=read) as place:
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
                page.append(
                    report.Sentence(
                        f"Exported to {target}. Its {quantity} (typical query, 90 % interval) "
                        f"against the posterior's: {lost}."
                    )
                )
                written.append(target)
    notices, doubts = report.notices_of(tree), warnings_of(tree)
    if notices:
        text = f"{len(notices)} notices on the file: uncertainty check lists them."
        page.append(report.Sentence(text))
    page += [report.Doubts(doubts)] if doubts else []
    record = {
        "title": tree.attrs["title"],
        "quantity": quantity,
        "assumptions": report.rows_of(page, "posterior"),
        "open": report.rows_of(page, "open"),
        "fit": report.rows_of(page, "fit"),
        "sentences": report.sentences_of(page),
        "warnings": doubts,
    }
    answer(page, written, record if question.as_json else None)
