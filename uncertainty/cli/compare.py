"""`uncertainty compare` and `ledger`: how much more one takes, and claims computed again."""

from dataclasses import asdict, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.question import NOT_TRUSTED, AsJson, Debug, Question, asking, folder_name
from uncertainty.cli.terminal import answer, busy, complain, print_json, say, table
from uncertainty.errors import InputError

if TYPE_CHECKING:
    from uncertainty.problem import Problem


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE[:SCENARIO]...", help="Two or more; one alone goes with all its scenarios."
    ),
]
Explain = Annotated[bool, typer.Option("--explain", help="Split the ratio of two by input.")]
Statistic = Annotated[str | None, typer.Option(help="With --explain: typical, mean or query.")]
Only = Annotated[list[str] | None, typer.Argument(help="Claims, such as E1; all if none is named.")]
Of = Annotated[Path | None, typer.Option("--file", help="A ledger of your own.")]


@asking(without=("file", "scenario"))
def compare(
    question: Question, files: Files, explain: Explain = False, statistic: Statistic = None
) -> None:
    """Compare files or scenarios: ratio, difference, chance of more.

    Compared is what `run` quotes: the posterior where there is evidence, else the prior.
    """
    import uncertainty as un
    from uncertainty import report

    problems: dict[str, Problem] = {}
    pairs: list[tuple[str, str | None]] = [
        (file, scenario) if colon and scenario.isidentifier() else (text, None)
        for text in files
        for file, colon, scenario in [text.rpartition(":")]
    ]
    alone = len(files) == 1 and pairs[0][1] is None
    if alone:
        problems = replace(question, file=files[0]).every_scenario()
        pairs = [(files[0], problem.scenario or None) for problem in problems.values()]
    else:
        for text, (file, scenario) in zip(files, pairs, strict=True):
            # One that is named twice is compared with itself.
            again = chain([text], (f"{text} ({number})" for number in count(2)))
            label = next(label for label in again if label not in problems)
            problems[label] = replace(question, file=file, scenario=scenario).problem()
    if len(problems) < 2:
        raise InputError.of("FILE", f"give two or more: {files[0]} has no scenarios")
    if explain and len(problems) != 2:
        raise InputError.of("--explain", f"takes two files (got {len(problems)})")
    # What is compared, however it was written, without what is changed on all sides.
    of = [Question(file=file, scenario=scenario) for file, scenario in pairs]
    names = [of[0].folder_name, "scenarios"] if alone else [side.folder_name for side in of]
    name = folder_name(["-against-".join(names), *question.changes()])
    folder = question.folder() if question.out else Path("results") / name
    asked = {
        "what": "comparison",
        "of": [side.asked("side", folder) for side in of],
        "changes": question.changes(),
    }
    read = [file.path for problem in problems.values() for file in problem.files]
    with question.place(folder, asked, "compare", read) as place:
        with busy("comparing"):
            output, anew = question.quantity, question.resample
            draws, seed = question.draws, question.seed
            compared = un.compare(
                problems, question.prob, quantity=output, draws=draws, seed=seed, resample=anew
            )
            statistic = statistic or str(compared["median"].attrs.get("quoted", "typical"))
            why = None
            if explain:
                sides = problems.values()
                why = un.explain(
                    *sides, quantity=output, statistic=statistic, seed=seed, table=compared
                )
        page = [*report.comparison_parts(compared, why)]
        written = place.keep(report.write(page, place.unfinished, png=question.png))
    record = report.comparison_record(compared, page, why) if question.as_json else None
    answer(page, written, record)


def ledger(
    only: Only = None,
    file: Of = None,
    resample: Annotated[bool, typer.Option("--resample", help="Compute all of it anew.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compute published claims again, and say which are plausible today."""
    from uncertainty.comparison import check_ledger

    with busy("computing claims"):
        findings = check_ledger(file, only=only or (), kept=not resample)
    failed = [finding.id for finding in findings if not finding.holds]
    if as_json:
        records = [asdict(finding) for finding in findings]
        for record in records:
            record["reproduces"] = record.pop("holds")
            for key in ("computed", "mcse"):  # one number stands by itself, several as a list
                record[key] = record[key][0] if len(record[key]) == 1 else [*record[key]]
        print_json(records)
    else:
        rows = []
        for f in findings:
            numbers = [
                f"{value:.4g} ± {error:.1g}" if error else f"{value:.4g}"
                for value, error in zip(f.computed, f.mcse, strict=True)
            ]
            unit = f" {f.unit}" if f.unit not in ("", "1") else ""
            plausible = {None: "not judged", True: "yes", False: "NO"}[f.plausible]
            holds = "yes" if f.holds else "NO"
            rows.append([f.id, f.expected, "; ".join(numbers) + unit, holds, plausible])
            # A claim is a sentence: a column of a terminal would be too narrow for it.
            slip = f"a slip of the source: {f.slip}" if f.slip else ""
            today = f"{f.today}." if f.plausible is not None else ""
            for text in filter(None, (f.claim, slip, f.note, today)):
                say(f"{f.id}: {text}")
        columns = ["id", "expected", "computed", "reproduces", "plausible today"]
        table("Published claims", columns, rows)
        judged = [bool(f.plausible) for f in findings if f.plausible is not None]
        text = (
            f"The arithmetic of {len(findings) - len(failed)} of {len(findings)} claims "
            "reproduces, which does not make a claim true."
        )
        if judged:
            text += (
                f" Of {len(judged)} that can be set against a shipped file, {sum(judged)} "
                f"{'is' if sum(judged) == 1 else 'are'} plausible today."
            )
        say(text)
    if failed:
        complain(f"These do not hold: {', '.join(failed)}")
        raise typer.Exit(NOT_TRUSTED)
