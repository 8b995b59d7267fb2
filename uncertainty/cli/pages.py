"""`uncertainty report`: a finished result as a document."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.files import is_free
from uncertainty.cli.question import Above, AsJson, Debug, Force
from uncertainty.cli.run import ranking_of
from uncertainty.cli.terminal import answer, busy
from uncertainty.errors import InputError
from uncertainty.writing import refuse_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

    from uncertainty.report import Part


class Format(StrEnum):
    """What a document is written as."""

    html = "html"
    md = "md"
    tex = "tex"


Saved = Annotated[Path, typer.Argument(metavar="RUN.nc", help="A result that `run` has saved.")]
To = Annotated[
    Format | None, typer.Option(help="html if not given, or what the name of --out ends in.")
]
Out = Annotated[
    Path | None, typer.Option(metavar="PATH", help="The file to write; beside RUN.nc if not given.")
]
Prob = Annotated[float, typer.Option(help="Probability of the wider interval.")]
Quantity = Annotated[str | None, typer.Option(help="The output to report and rank.")]


def report_(
    file: Saved,
    to: To = None,
    out: Out = None,
    quantity: Quantity = None,
    prob: Prob = 0.9,
    above: Above = None,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a saved result as one document to pass on: HTML, Markdown or LaTeX.

    It needs no other file and asks no other host for anything.
    """
    import uncertainty as un
    from uncertainty import report
    from uncertainty.results import inputs_of, main_quantity

    if not 0 < prob < 1:
        raise InputError.of("--prob", f"must lie between 0 and 1 (got {prob:g})")
    ending = out.suffix.removeprefix(".") if out else ""
    kind = to.value if to else ending if ending in [*Format] else Format.html.value
    stem = "report" if file.stem == "run" else f"report-{file.stem}"
    target = out or file.with_name(f"{stem}.{kind}")
    with busy("reading"):
        tree = un.load(file)
    refuse_inputs([target], [file, *inputs_of(tree)])
    if not is_free(target) and not force:
        text = "exists already; choose another name with --out, or replace it with --force"
        raise InputError.of(str(target), text)
    quantity = main_quantity(tree, quantity)
    drivers = _drivers(tree, quantity, prob)
    probs = sorted({0.5, prob})
    with busy("writing"):
        page = [*report.parts(tree, quantity=quantity, probs=probs, above=above, drivers=drivers)]
        written = report.write_document(page, target, kind)
    first = [part for part in page if isinstance(part, report.Doubts) or _cited(part)]
    record = {"warnings": report.items_of(page, report.Doubts)} if as_json else None
    answer(first, [written], record)


def _cited(part: "Part") -> bool:
    from uncertainty.report import Sentence

    return isinstance(part, Sentence) and bool(part.label)


def _drivers(tree: "xr.DataTree", quantity: str, prob: float) -> "Iterator[Part]":
    """What drives the answer, ranked as `run` ranks it; where that cannot be, why."""
    from uncertainty import report
    from uncertainty.sampling import problem_of

    problem, why = None, ""
    if "posterior" not in tree.children:
        try:
            problem = problem_of(tree)
        except InputError as error:  # it has changed since, or was made of Python objects
            why = f"Ranked by the saved draws: {error.faults[0].message}."
    ranking, reasons = ranking_of(problem, tree, quantity, prob, int(tree.attrs["seed"]))
    yield from report.ranking_parts(ranking) if ranking is not None else ()
    if ranking is None:
        yield report.Heading("What matters")
    yield from map(report.Sentence, filter(None, [why, reasons]))
