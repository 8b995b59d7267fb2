"""`uncertainty check`: what is wrong with a file, or what it implies."""

import json
from pathlib import Path
from typing import Annotated

import typer

from uncertainty.cli.options import (
    AsJson,
    Debug,
    File,
    Model,
    Out,
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
from uncertainty.cli.show import busy, implied, say, table, warnings

__all__ = ["check"]

Plot = Annotated[bool, typer.Option("--plot", help="Draw every assumption, on one page.")]


def check(
    file: File,
    plot: Plot = False,
    out: Out = None,
    sets: Sets = None,
    scenario: Scenario = None,
    model: Model = None,
    seed: Seed = 0,
    prob: Prob = 0.9,
    quantity: Quantity = None,
    allow_outside: Outside = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Print what is wrong with a file, or what each of its assumptions implies."""
    import uncertainty as un
    from uncertainty.implied import width_notices
    from uncertainty.report import notices_of, records

    check_prob(prob)
    question = Question(file, sets or [], scenario, model, allow_outside)
    with busy("checking"):
        problem = question.problem()
        tree = un.simulate(problem, seed=seed)
    percentiles = un.summarize_inputs(tree)
    doubts = [*warnings(tree), *width_notices(percentiles)]
    notices = [notice for notice in notices_of(tree) if notice not in doubts]
    written = []
    if plot:
        folder = out or Path("results") / question.folder_name
        check_folder(folder)
        with busy("drawing"):
            written = un.write_assumptions(
                tree, folder, quantity=problem.quantity(quantity), prob=prob
            )
    if as_json:
        found = {"inputs": records(percentiles), "warnings": doubts, "notices": notices}
        print(json.dumps({**found, "written": [str(path) for path in written]}, indent=1))
        return
    table(f"{problem.priors.label}: what each assumption implies", *implied(percentiles))
    for notice in notices:
        say(f"note: {notice}")
    for doubt in doubts:
        say(f"warning: {doubt}")
    if written:
        say(f"Written: {', '.join(str(path) for path in written)}")
    say(f"No faults: {len(problem.assumptions)} assumptions for {problem.model.name}.")
