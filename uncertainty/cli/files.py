"""`uncertainty check`, `list` and `init`: what files say, what there is, a file to start from."""

import os
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.question import AsJson, Debug, Force, Question, ResultFolder, asking, renamed
from uncertainty.cli.terminal import busy, print_json, say, show, show_written, table
from uncertainty.errors import Fault, InputError, counted, require_known
from uncertainty.writing import CACHES, refuse_inputs, write_bytes, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uncertainty.files import AssumptionEntry

Row = dict[str, str]

_BUILT = {
    "{fleet: NAME}": "All queries of a day, with training, manufacture, carbon and water.",
    "{ensemble: {NAME: weight, ...}}": "Several models; which of them holds is one more unknown.",
}


class What(StrEnum):
    """What can be listed."""

    priors = "priors"
    hardware = "hardware"
    precision = "precision"
    models = "models"
    sources = "sources"
    model = "model"
    schema = "schema"


Plot = Annotated[bool, typer.Option("--plot", help="Draw every assumption, on one page.")]
Kind = Annotated[What, typer.Argument(help="What to list.")]
Name = Annotated[
    str | None,
    typer.Argument(
        help="With model: the energy model, such as flops. With schema: prior (where not given), "
        "evidence or catalogue."
    ),
]
Target = Annotated[Path, typer.Argument(help="The file to write, such as my.yaml.")]
Origin = Annotated[str, typer.Option("--from", help="A prior file, or the name of a shipped one.")]


@asking(without=("draws", "resample"))
def check(question: Question, plot: Plot = False) -> None:
    """Print what is wrong with a file, or what it implies and expects of its measurements."""
    import uncertainty as un
    from uncertainty import report

    with busy("checking"):
        problem = question.problem()
        quantity = problem.quantity(question.quantity) if plot or question.quantity else ""
        tree = un.simulate(problem, seed=question.seed)
        expected = un.check_prior(problem, question.seed) if problem.has_evidence else None
    page, written = [*report.check_parts(tree, expected)], list[Path]()
    if plot:
        folder, read = question.folder(), [item.path for item in problem.files]
        asked = question.asked("answer", folder)
        with (
            ResultFolder(folder, asked, "check", force=question.force, read=read) as place,
            busy("drawing"),
        ):
            files = un.write_assumptions(
                tree,
                place.unfinished,
                quantity=quantity,
                prob=question.prob,
                png=question.png,
            )
            written = place.keep(files)
    if question.as_json:
        record: dict[str, object] = {
            "inputs": report.rows_of(page, "inputs"),
            "warnings": report.items_of(page, report.Notes, "warning"),
            "notices": report.items_of(page, report.Notes, "note"),
        }
        record |= {"evidence": report.rows_of(page, "evidence")} if expected is not None else {}
        print_json({**record, "written": [str(path) for path in written]})
        return
    show(page)
    show_written(written)
    say(f"No faults: {counted(len(problem.assumptions), 'assumption')} for {problem.model.name}.")


def list_(what: Kind, name: Name = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """List shipped priors, hardware, precisions, models or sources; explain one energy model.

    `schema` prints the JSON Schema of prior files (or of evidence or catalogues), for editors.
    """
    if what is What.schema:
        from uncertainty.files import json_schemas

        schemas = json_schemas()
        print_json(schemas[require_known("schema", name or "prior", schemas)])
        return
    if (what is What.model) != (name is not None):
        text = "write: uncertainty list model NAME (uncertainty list models names them)"
        raise InputError.of("list", text)
    tables = dict(_model(name) if name is not None else _tables(what))
    if as_json:
        print_json(tables)
        return
    for title, rows in tables.items():
        keys = list(dict.fromkeys(key for row in rows for key in row))
        columns = [key.replace("_", " ") for key in keys]
        table(title, columns, [[row.get(key, "") for key in keys] for row in rows])


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all of it.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what is kept for the next run: programs, posteriors, claims. Nothing needs it."""
    del debug  # `main` reads it
    rows = list[tuple[str, int, float, str]]()
    for kept in CACHES:
        if clear:
            kept.shrink(0)
        sizes = [size for _, size in kept.files()]
        rows.append((kept.name, len(sizes), sum(sizes) / 1e6, str(kept.folder or "")))
    columns = ["kept", "files", "megabytes", "folder"]
    if as_json:
        print_json({"cache": [dict(zip(columns, row, strict=True)) for row in rows]})
        return
    say(f"{sum(row[2] for row in rows):.1f} MB are kept for the next run.")
    table("Cache", columns, [[a, str(b), f"{c:.1f}", d or "none"] for a, b, c, d in rows])


def _tables(what: What) -> Iterator[tuple[str, list[Row]]]:
    """Titles and rows of what ships."""
    from uncertainty.files import catalogue, load_priors, shipped_names, sources

    match what:
        case What.priors:
            loaded = {name: load_priors(name) for name in shipped_names()}
            yield (
                "Prior files",
                [
                    {
                        "name": name,
                        "title": priors.title,
                        "model": str(priors.model),
                        "scenarios": ", ".join(priors.scenarios),
                    }
                    for name, priors in loaded.items()
                ],
            )
        case What.hardware:
            yield (
                "Hardware: hardware=NAME; peaks are dense",
                [
                    {"name": name, "title": entry.title, **_values(entry.assumptions)}
                    | {f"{key} FLOP/s": _value(peak) for key, peak in entry.peak_flops.items()}
                    for name, entry in catalogue("hardware").items()
                ],
            )
        case What.precision:
            yield (
                "Precisions: precision=NAME",
                [
                    {"name": name, "title": entry.title, **_values(entry.assumptions)}
                    | {"computed in": ", else ".join(entry.formats)}
                    for name, entry in catalogue("precision").items()
                ],
            )
        case What.models:
            from uncertainty.energy import ENERGY_MODELS

            meanings = {name: model.meaning for name, model in ENERGY_MODELS.items()} | _BUILT
            yield (
                "Energy models: --model NAME; more with: uncertainty list model NAME",
                [{"name": name, "meaning": meaning} for name, meaning in meanings.items()],
            )
            yield (
                "Language models: llm=NAME",
                [
                    {"name": name, "title": entry.title, **_values(entry.assumptions)}
                    for name, entry in catalogue("llm").items()
                ],
            )
        case What.sources:
            keys = ("author", "title", "year")
            yield (
                "Sources of the shipped files (priors/sources.bib)",
                [
                    {"key": key, **{name: entry.get(name, "") for name in keys}}
                    for key, entry in sources().items()
                ],
            )


def _values(assumptions: "Mapping[str, AssumptionEntry]") -> Row:
    return {name: _value(entry) for name, entry in assumptions.items()}


def _value(entry: "AssumptionEntry") -> str:
    """Write the value of a catalogue, which is in the unit of the input's name."""
    return f"{entry.fixed:.4g}" if isinstance(entry.fixed, float) else "uncertain"


def _model(name: str) -> Iterator[tuple[str, list[Row]]]:
    """Inputs and outputs of one energy model."""
    from uncertainty.energy import ENERGY_MODELS, compose
    from uncertainty.errors import nearest
    from uncertainty.files import model_of_text
    from uncertainty.inputs import INPUTS

    declared = model_of_text(name)
    choice = None if callable(declared) else compose(declared)[0]
    if choice is None:
        raise InputError.of("list model", f"no model {name!r}{nearest(name, ENERGY_MODELS)}")
    model = choice.model
    inputs = []
    for item in (INPUTS[key] for key in (*model.required, *model.optional)):
        above = f" to {item.high:g}" if isfinite(item.high) else " or more"
        without = "needed" if item.name in model.required else item.default
        if any(item.name in group for group in model.alternatives):
            others = [group for group in model.alternatives if item.name not in group]
            without = "needed, or " + ", or ".join(" and ".join(group) for group in others)
        row = {"name": item.name, "unit": item.unit, "range": f"{item.low:g}{above}"}
        inputs.append({**row, "without it": without, "meaning": item.meaning})
    yield f"Inputs of {name}: {model.meaning}", inputs
    outputs = [
        {"name": o.name, "unit": o.unit, "boundary": o.boundary, "meaning": o.meaning}
        for o in model.outputs
    ]
    yield f"Outputs of {name}", outputs


def init(
    file: Target, origin: Origin = "gpt-4o", force: Force = False, debug: Debug = False
) -> None:
    """Write a commented prior file to start from; it says the same as the one it starts from."""
    from uncertainty import build_problem, load_priors
    from uncertainty.files import evidence_in, given_layer, resolve, shown_path, starting_file

    if not file.name:
        raise InputError.of(str(file), "cannot be written: it is not a file")
    if not _is_free(file) and not force:
        text = "exists already; choose another name, or replace it with --force"
        raise InputError.of(str(file), text)
    priors = load_priors(origin)
    problems = [build_problem(priors, scenario=name) for name in (None, *priors.scenarios)]
    refuse_inputs([file], [read.path for problem in problems for read in problem.files])
    used = {name for problem in problems for name in problem.used}
    text, copies = starting_file(priors, used, file)
    taken = [copy for copy in copies.values() if not _is_free(copy)]
    if taken:
        text = (
            "exists already, and what the file needs is to be copied to it; choose another folder"
        )
        raise InputError(Fault(str(copy), 0, 0, "", text) for copy in taken)
    for path, copy in copies.items():
        write_bytes(copy, path.read_bytes())
    # Beside its target, since it names other files as seen from there.
    draft = file.with_name(f".{file.stem[:40]}-draft.yaml")
    try:
        draft_priors = load_priors(write_text(draft, text))
        faults = list(resolve(draft_priors, given_layer({}, draft_priors.place), None).faults)
        faults += [fault for item in evidence_in(draft_priors) for fault in item.faults]
        if faults:
            raise InputError(faults)
    except InputError as error:
        for copy in copies.values():
            copy.unlink()
        raise renamed(error, str(draft), str(file)) from error
    finally:
        with suppress(OSError):  # its folder may be a file
            draft.unlink(missing_ok=True)
    written = [str(write_text(file, text)), *map(shown_path, copies.values())]
    say(f"Written: {', '.join(written)}. Change it, then: uncertainty check {file}")


def _is_free(path: Path) -> bool:
    """Whether nothing of that name is there, whatever the name."""
    try:
        return not os.path.lexists(path)
    except ValueError:  # no system takes it, as writing it will tell
        return True
