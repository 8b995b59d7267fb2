"""`uncertainty compare`: how much more one takes than the other, and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    Out,
    Outside,
    Prob,
    Quantity,
    Question,
    Seed,
    Sets,
    check_prob,
    folder_name,
)
from uncertainty.cli.show import busy, complain, print_json, say, table
from uncertainty.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE[:SCENARIO]...", help="Two or more; one alone goes with all its scenarios."
    ),
]
Explain = Annotated[bool, typer.Option("--explain", help="Split the ratio of two by input.")]
Statistic = Annotated[
    str | None,
    typer.Option(help="With --explain: typical, mean or query."),
]


def compare(
    files: Files,
    explain: Explain = False,
    statistic: Statistic = None,
    out: Out = None,
    sets: Sets = None,
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
    """Compare files or scenarios: ratio, difference, chance of more.

    Compared is what `run` quotes: the posterior where there is evidence, else the prior.
    """
    import uncertainty as un
    from uncertainty import report

    check_prob(prob)
    question = Question("", sets or [], None, model, allow_outside, evidence)
    problems = _problems(files, question)
    if len(problems) < 2:
        raise InputError.of("FILE", f"give two or more: {files[0]} has no scenarios")
    sides = _sides(files, problems)
    names = [side.folder_name for side in sides]
    if len(files) < len(problems):
        names = [names[0], "scenarios"]
    name = folder_name(["-against-".join(names), *question.changes()])
    folder = out or Path("results") / name
    if explain and len(problems) != 2:
        raise InputError.of("--explain", f"takes two files (got {len(problems)})")
    read = [file.path for problem in problems.values() for file in problem.files]
    asked = {
        "what": "comparison",
        "of": [side.asked("side", folder) for side in sides],
        "changes": question.changes(),
    }
    with ResultFolder(folder, asked, "compare", force=force, read=read) as place:
        with busy("comparing"):
            found = un.compare(problems, prob, quantity=quantity, draws=draws, seed=seed)
            parts = (
                un.explain(
                    *problems.values(),
                    quantity=quantity,
                    statistic=statistic or str(found["median"].attrs.get("quoted", "typical")),
                    seed=seed,
                    table=found,
                )
                if explain
                else None
            )
        drawn = report.write_comparison(found, place.unfinished)
        drawn += report.write_explanation(parts, place.unfinished) if parts is not None else []
        written = place.keep(drawn)
    _show(found, parts, written, as_json)
    doubts: list[str] = json.loads(found.attrs["warnings"])
    for doubt in doubts:
        complain(f"not to be trusted: {doubt}")
    if doubts:
        raise typer.Exit(NOT_TRUSTED)


def _problems(files: Sequence[str], question: Question) -> "dict[str, Problem]":
    """Read each file, with its scenario where one is named."""
    if len(files) == 1 and ":" not in files[0]:
        return replace(question, file=files[0]).every_scenario()
    found: dict[str, Problem] = {}
    for text in files:
        file, scenario = _file_and_scenario(text)
        # One that is named twice is compared with itself.
        again = chain([text], (f"{text} ({number})" for number in count(2)))
        label = next(label for label in again if label not in found)
        found[label] = replace(question, file=file, scenario=scenario).problem()
    return found


def _file_and_scenario(text: str) -> tuple[str, str | None]:
    file, colon, scenario = text.rpartition(":")
    return (file, scenario) if colon and scenario.isidentifier() else (text, None)


def _sides(files: Sequence[str], problems: "Mapping[str, Problem]") -> list[Question]:
    """Say what is compared, however it was written, without what is changed on all sides."""
    if len(files) < len(problems):
        pairs = [(files[0], problem.scenario or None) for problem in problems.values()]
    else:
        pairs = [_file_and_scenario(text) for text in files]
    return [Question(file, [], scenario, None) for file, scenario in pairs]


def _show(
    found: "xr.Dataset", parts: "xr.Dataset | None", written: Sequence[Path], as_json: bool
) -> None:
    from uncertainty import report

    if as_json:
        facts: Mapping[str, object] = {**found.attrs, "units": str(found["units"].item())}
        rows = report.records(found.reset_coords(drop=True))
        why = {} if parts is None else {"explanation": _told(parts)}
        paths = [str(path) for path in written]
        print_json({**facts, "compared": rows, **why, "written": paths})
        return
    table(report.scenario_title(found), *report.comparison_rows(found))
    table("Against the first", *report.relation_rows(found))
    for sentence in report.comparison_sentences(found):
        say(sentence)
    if parts is not None:
        table("Why they differ", *report.explanation_rows(parts))
        say(report.explanation_sentence(parts))
    say(f"Written: {', '.join(str(path) for path in written)}")


def _told(parts: "xr.Dataset") -> dict[str, object]:
    from uncertainty.report import records

    whole = {key: float(parts[key]) for key in ("log_ratio", "log_ratio_se")}
    sides = [str(side) for side in parts["side"].values]
    values = dict(zip(sides, map(float, parts["value"].values), strict=True))
    rows = records(parts[["contribution", "contribution_se", "factor", "solved"]])
    return {**parts.attrs, **whole, "values": values, "inputs": rows}
