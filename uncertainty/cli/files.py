"""`uncertainty check`, `list` and `init`: what files say, what there is, a file to start from."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.question import AsJson, Debug, Force, Question, asking, renamed, say_first
from uncertainty.cli.terminal import (
    busy,
    items_on_terminal,
    print_json,
    say,
    show_items,
    show_written,
    table,
)
from uncertainty.errors import Fault, InputError, counted, require_known
from uncertainty.writing import (
    CACHES,
    FINDINGS,
    digest_of,
    json_text,
    refuse_inputs,
    write_bytes,
    write_text,
)

if TYPE_CHECKING:
    from uncertainty.problem import Setup

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
    written = list[Path]()
    with busy("checking"):
        setup = question.set_up()
        key = _key(question, setup)
        content = None if plot else FINDINGS.load(key)
        if content is None:
            content, written = _implied(question, setup, plot=plot)
            FINDINGS.save(key, content)
    kept = json.loads(content)
    say_first(kept["cautions"])
    if question.as_json:
        print_json({**kept["record"], "written": [str(path) for path in written]})
        return
    *items, verdict = kept["items"]
    show_items(items)
    show_written(written)
    say(verdict)


def _key(question: Question, setup: "Setup") -> str:
    """Hash all that `check` prints depends on; no name of a file where a function is the model."""
    from uncertainty.arrays import machine, source_digest
    from uncertainty.files import shipped_folder

    if callable(setup.arguments[1]):
        return ""  # what it does may change elsewhere, so nothing is kept
    asked = (question.sets, question.scenario, question.model, question.evidence)
    files = [(file.label, file.sha256) for file in setup.files]
    # Rows of evidence take numbers from the catalogues, which are no files of theirs.
    shipped = digest_of((shipped_folder() / "catalogue").iterdir())
    settings = sorted(item for item in os.environ.items() if item[0].startswith(("JAX_", "XLA_")))
    around = (shipped, settings, machine(), source_digest())
    parts = (*asked, question.seed, question.quantity, files, *around)
    return hashlib.sha256(repr(parts).encode(errors="replace")).hexdigest()


def _implied(question: Question, setup: "Setup", *, plot: bool) -> tuple[bytes, list[Path]]:
    """Draw what a file implies, as JSON, and its figures."""
    import uncertainty as un
    from uncertainty import report
    from uncertainty.problem import compiled

    problem, written = compiled(setup), list[Path]()
    quantity = problem.quantity(question.quantity) if plot or question.quantity else ""
    tree = un.simulate(problem, seed=question.seed)
    expected = un.check_prior(problem, question.seed) if problem.has_evidence else None
    page = [*report.check_parts(tree, expected)]
    if plot:
        folder, read = question.folder(), [item.path for item in problem.files]
        asked = question.asked("answer", folder)
        with question.place(folder, asked, "check", read) as place:
            draw = partial(un.write_assumptions, tree, prob=question.prob, png=question.png)
            written = place.keep(draw(place.unfinished, quantity=quantity))
    record: dict[str, object] = {
        "inputs": report.rows_of(page, "inputs"),
        "warnings": report.items_of(page, report.Notes, "warning"),
        "notices": report.items_of(page, report.Notes, "note"),
    }
    record |= {"evidence": report.rows_of(page, "evidence")} if expected is not None else {}
    cautions, items = [*map(str, problem.cautions)], [*items_on_terminal(page)]
    size = counted(len(problem.assumptions), "assumption")
    items.append(f"No faults: {size} for {problem.model.name}.")
    kept = {"cautions": cautions, "items": items, "record": record}
    return json_text(kept).encode(), written


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
        text = "only model takes a name, and needs one (uncertainty list models shows all)"
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
    """Show what is kept so that the next run is faster: programs, posteriors, findings."""
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
    from uncertainty import files

    match what:
        case What.priors:
            loaded = {name: files.load_priors(name) for name in files.shipped_names()}
            rows = [
                {"name": name, "title": priors.title, "model": str(priors.model)}
                | {"scenarios": ", ".join(priors.scenarios)}
                for name, priors in loaded.items()
            ]
            yield "Prior files", rows
        case What.hardware:
            yield "Hardware: hardware=NAME; peaks are dense", _bundles("hardware")
        case What.precision:
            yield "Precisions: precision=NAME", _bundles("precision")
        case What.models:
            from uncertainty.energy import ENERGY_MODELS

            meanings = {name: model.meaning for name, model in ENERGY_MODELS.items()} | _BUILT
            rows = [{"name": name, "meaning": meaning} for name, meaning in meanings.items()]
            yield "Energy models: --model NAME; more with: uncertainty list model NAME", rows
            yield "Language models: llm=NAME", _bundles("llm")
        case What.sources:
            cited = files.sources().items()
            rows = [
                {"key": key} | {name: entry.get(name, "") for name in ("author", "title", "year")}
                for key, entry in cited
            ]
            yield "Sources of the shipped files (priors/sources.bib)", rows


def _bundles(kind: str) -> list[Row]:
    """Entries of a catalogue, whose values are in the units of the names of inputs."""
    from uncertainty.files import catalogue

    rows = list[Row]()
    for name, entry in catalogue(kind).items():
        peaks = {f"{k} FLOP/s": x for k, x in getattr(entry, "peak_flops", {}).items()}
        numbers = {
            key: f"{value.fixed:.4g}" if isinstance(value.fixed, float) else "uncertain"
            for key, value in {**entry.assumptions, **peaks}.items()
        }
        formats = ", else ".join(getattr(entry, "formats", ()))
        computed = {"computed in": formats} if formats else {}
        rows.append({"name": name, "title": entry.title, **numbers, **computed})
    return rows


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
    keys = ("name", "unit", "boundary", "meaning")
    yield f"Outputs of {name}", [{key: getattr(o, key) for key in keys} for o in model.outputs]


def init(
    file: Target, origin: Origin = "gpt-4o", force: Force = False, debug: Debug = False
) -> None:
    """Write a commented prior file to start from; it says the same as the one it starts from."""
    from uncertainty.files import load_priors, shown_path, starting_file
    from uncertainty.problem import set_up

    if not file.name:
        raise InputError.of(str(file), "cannot be written: it is not a file")
    if not is_free(file) and not force:
        text = "exists already; choose another name, or replace it with --force"
        raise InputError.of(str(file), text)
    priors = load_priors(origin)
    setups = [set_up(priors, scenario=name) for name in (None, *priors.scenarios)]
    refuse_inputs([file], [read.path for setup in setups for read in setup.files])
    used = {name for setup in setups for name in setup.used}
    text, copies = starting_file(priors, used, file)
    taken = [copy for copy in copies.values() if not is_free(copy)]
    if taken:
        text = "exists already, and the new file needs a copy of that name; choose another folder"
        raise InputError(Fault(str(copy), 0, 0, "", text) for copy in taken)
    for path, copy in copies.items():
        write_bytes(copy, path.read_bytes())
    # Beside its target, since it names other files as seen from there.
    draft = file.with_name(f".{file.stem[:40]}-draft.yaml")
    try:
        set_up(load_priors(write_text(draft, text)))
    except InputError as error:
        for copy in copies.values():
            copy.unlink()
        raise renamed(error, str(draft), str(file)) from error
    finally:
        with suppress(OSError):  # its folder may be a file
            draft.unlink(missing_ok=True)
    written = [str(write_text(file, text)), *map(shown_path, copies.values())]
    say(f"Written: {', '.join(written)}. Change it, then: uncertainty check {file}")


def is_free(path: Path) -> bool:
    """Whether nothing of that name is there, whatever the name."""
    try:
        return not os.path.lexists(path)
    except ValueError:  # no system takes it, as writing it will tell
        return True
