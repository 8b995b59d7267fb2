"""`uncertainty check`: what is wrong with a file, or what it implies."""

from pathlib import Path
from typing import Annotated

import typer

from uncertainty.cli.folder import ResultFolder
from uncertainty.cli.options import (
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
from uncertainty.cli.show import busy, implied, print_json, say, table, warnings

Plot = Annotated[bool, typer.Option("--plot", help="Draw every assumption, on one page.")]


def check(
    file: File,
    plot: Plot = False,
    evidence: EvidenceNames = None,
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
    """Print what is wrong with a file, or what it implies and expects of its measurements."""
    import uncertainty as un
    from uncertainty.report import notices_of, prior_fit_rows, records, surprises
    from uncertainty.sampling import width_notices

    check_prob(prob)
    question = Question(file, sets or [], scenario, model, allow_outside, evidence)
    with busy("checking"):
        problem = question.problem()
        chosen = problem.quantity(quantity) if plot or quantity else ""
        tree = un.simulate(problem, seed=seed)
        expected = un.check_prior(problem, seed) if problem.has_evidence else None
    percentiles = un.summarize_inputs(tree)
    doubts = [*warnings(tree), *width_notices(percentiles)]
    doubts += surprises(expected) if expected is not None else []
    notices = [notice for notice in notices_of(tree) if notice not in doubts]
    folder = out or Path("results") / question.folder_name
    written: list[Path] = []
    if plot:
        asked, read = question.asked("answer", folder), [item.path for item in problem.files]
        with (
            ResultFolder(folder, asked, "check", force=force, read=read) as place,
            busy("drawing"),
        ):
            files = un.write_assumptions(tree, place.unfinished, quantity=chosen, prob=prob)
            written = place.keep(files)
    if as_json:
        found = {"inputs": records(percentiles), "warnings": doubts, "notices": notices}
        found |= {"evidence": records(expected)} if expected is not None else {}
        print_json({**found, "written": [str(path) for path in written]})
        return
    table(f"{problem.priors.label}: what each assumption implies", *implied(percentiles))
    if expected is not None:
        table("What the prior expects of the measurements", *prior_fit_rows(expected))
    for notice in notices:
        say(f"note: {notice}")
    for doubt in doubts:
        say(f"warning: {doubt}")
    if written:
        say(f"Written: {', '.join(str(path) for path in written)}")
    say(f"No faults: {len(problem.assumptions)} assumptions for {problem.model.name}.")
