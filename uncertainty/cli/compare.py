"""`uncertainty rank`, `compare` and `ledger`: what matters, how much more one takes, claims."""

from dataclasses import asdict, replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from uncertainty.cli.question import NOT_TRUSTED, AsJson, Debug, Question, asking, folder_name
from uncertainty.cli.run import drawn
from uncertainty.cli.terminal import answer, busy, complain, print_json, say, table
from uncertainty.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.sensitivity import Scale as OfScale
    from uncertainty.sensitivity import Statistic as OfStatistic

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE[:SCENARIO]...", help="Two or more; one alone goes with all its scenarios."
    ),
]
Explain = Annotated[bool, typer.Option("--explain", help="Split the ratio of two by input.")]
Statistic = Annotated[
    str | None,
    typer.Option(
        help="typical, mean or query (`compare`: with --explain); what `run` quotes, if not given."
    ),
]
Only = Annotated[list[str] | None, typer.Argument(help="Claims, such as E1; all if none is named.")]
Of = Annotated[Path | None, typer.Option("--file", help="A ledger of your own.")]


@asking(without=("file", "scenario"))
def compare(
    question: Question, files: Files, explain: Explain = False, statistic: Statistic = None
) -> None:
    """Compare files or scenarios: ratio, difference, chance of more.

    It compares what `run` quotes: the posterior where there is evidence, else the prior.
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
        for name in ("sets", "scenario", "model", "evidence"):
            if getattr(question, name):
                option = "--set" if name == "sets" else f"--{name}"
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
