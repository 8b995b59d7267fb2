"""`uncertainty infer`: from prior and measurements to a posterior, its fit and a prior file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.folder import ResultFolder
from uncertainty.cli.options import (
    DONE,
    NOT_TRUSTED,
    AsJson,
    Debug,
    EvidenceNames,
    File,
    Force,
    Model,
    Out,
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


Export = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the posterior as a prior file.")
]
PerChain = Annotated[int, typer.Option("--draws", min=4, help="Draws of each chain.")]
Chains = Annotated[int, typer.Option(min=2, help="Chains.")]
Warmup = Annotated[int, typer.Option(min=10, help="Steps that adapt a chain before its draws.")]

Accept = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of the steps to be accepted; 0.9 if not given, and more where steps diverge.",
    ),
]


def infer(
    file: File,
    export: Export = None,
    evidence: EvidenceNames = None,
    draws: PerChain = 1000,
    chains: Chains = 4,
    warmup: Warmup = 1000,
    target_accept: Accept = None,
    out: Out = None,
    sets: Sets = None,
    scenario: Scenario = None,
    model: Model = None,
    seed: Seed = 0,
    prob: Prob = 0.9,
    quantity: Quantity = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Update a file's assumptions on its evidence; say what has moved and how it fits."""
    import uncertainty as un
    from uncertainty.inference import may_be_written

    check_prob(prob)
    if export and (sets or scenario or (model and ".py:" in model)):
        text = "give neither --set, --scenario nor a function: a file of its own can be exported"
        raise InputError.of("--export", text)
    question = Question(file, sets or [], scenario, model, allow_outside, evidence)
    with busy("checking"):
        problem = question.problem()
        chosen = problem.quantity(quantity)
        if export:
            may_be_written(export, problem, force=force)
    folder = out or Path("results") / f"{question.folder_name}-posterior"
    asked, read = question.asked("posterior", folder), [file.path for file in problem.files]
    with ResultFolder(folder, asked, "infer", force=force, read=read) as place:
        with steps("chains") as progress:
            tree = un.infer(
                problem,
                draws,
                chains,
                seed,
                warmup=warmup,
                target_accept=target_accept,
                progress=progress,
            )
        with busy("writing"):
            saved = un.save(tree, place.unfinished / "run.nc")
            files = un.write_posterior(tree, place.unfinished, quantity=chosen, prob=prob)
            written = place.keep([saved, *files])
            if export:  # again: it may name what was just written
                may_be_written(export, problem, force=force)
            lost = un.export_priors(tree, export) if export else None
    if as_json:
        _print_json(tree, chosen, prob, [*written, *([export] if export else [])])
    else:
        _print(tree, chosen, prob, written)
        if lost is not None and export is not None:
            say(_told_export(lost, chosen, export))
    for warning in warnings(tree):
        complain(f"not to be trusted: {warning}")
    raise typer.Exit(NOT_TRUSTED if warnings(tree) else DONE)


def _print(tree: "xr.DataTree", quantity: str, prob: float, written: list[Path]) -> None:
    from uncertainty import report

    say(tree.attrs["subject"])
    table("Assumptions, before and after", *report.posterior_rows(tree))
    table("What the rows do not state", *report.open_rows(tree))
    table("Fit to the measurements", *report.fit_rows(tree))
    say(report.evidence_sentence(tree))
    for sentence in report.fit_sentences(tree):
        say(sentence)
    say(report.update_sentence(tree, quantity, prob))
    notices = len(report.notices_of(tree))
    if notices:
        say(f"{notices} notices on the file: uncertainty check lists them.")
    say(f"Written: {', '.join(str(path) for path in written)}")


def _told_export(lost: "xr.Dataset", quantity: str, path: Path) -> str:
    row = lost.sel(quantity=quantity)
    told = ", ".join(
        f"{key} {100 * float(row[key]):+.2g} ± {100 * float(row[f'{key}_se']):.1g} %"
        for key in ("median", "lower", "upper")
    )
    return (
        f"Exported to {path}. Its {quantity} (typical query, 90 % interval) against the "
        f"posterior's: {told}."
    )


def _print_json(tree: "xr.DataTree", quantity: str, prob: float, written: list[Path]) -> None:
    from uncertainty import check_fit, report

    found = {
        "title": tree.attrs["title"],
        "quantity": quantity,
        "assumptions": report.posterior_table(tree).to_dict("records"),
        "open": _records(*report.open_rows(tree)),
        "fit": report.records(check_fit(tree)),
        "sentences": [report.update_sentence(tree, quantity, prob), *report.fit_sentences(tree)],
        "warnings": warnings(tree),
        "written": [str(path) for path in written],
    }
    print_json(found)


def _records(columns: list[str], rows: list[list[str]]) -> list[dict[str, str]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]
