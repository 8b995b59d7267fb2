"""`uncertainty list`: what there is to choose from."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.options import AsJson, Debug
from uncertainty.cli.show import print_json, table
from uncertainty.errors import InputError, require_known

if TYPE_CHECKING:
    from uncertainty.energy import EnergyModel
    from uncertainty.files import AssumptionEntry
    from uncertainty.inputs import Input


Row = dict[str, str]


class What(StrEnum):
    """What can be listed."""

    priors = "priors"
    hardware = "hardware"
    precision = "precision"
    models = "models"
    sources = "sources"
    model = "model"
    schema = "schema"


Wanted = Annotated[What, typer.Argument(help="What to list.")]
Name = Annotated[
    str | None,
    typer.Argument(
        help="With model: the energy model, such as flops. With schema: prior (where not given), "
        "evidence or catalogue."
    ),
]


def list_(what: Wanted, name: Name = None, as_json: AsJson = False, debug: Debug = False) -> None:
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
    tables = dict(_model(str(name)) if name else _TABLES[what]())
    if as_json:
        print_json(tables)
        return
    for title, rows in tables.items():
        keys = list(dict.fromkeys(key for row in rows for key in row))
        columns = [key.replace("_", " ") for key in keys]
        table(title, columns, [[row.get(key, "") for key in keys] for row in rows])


def _priors() -> Iterator[tuple[str, list[Row]]]:
    from uncertainty.files import load_priors, shipped_names

    rows = []
    for name in shipped_names():
        found = load_priors(name)
        rows.append(
            {
                "name": name,
                "title": found.title,
                "model": str(found.model),
                "scenarios": ", ".join(found.scenarios),
            }
        )
    yield "Prior files", rows


def _hardware() -> Iterator[tuple[str, list[Row]]]:
    from uncertainty.files import catalogue

    rows = []
    for name, entry in catalogue("hardware").items():
        peaks = {f"{key} FLOP/s": _told(value) for key, value in entry.peak_flops.items()}
        rows.append({"name": name, "title": entry.title, **_values(entry.assumptions), **peaks})
    yield "Hardware: hardware=NAME; peaks are dense", rows


def _precision() -> Iterator[tuple[str, list[Row]]]:
    from uncertainty.files import catalogue

    rows = [
        {
            "name": name,
            "title": entry.title,
            **_values(entry.assumptions),
            "computed in": ", else ".join(entry.formats),
        }
        for name, entry in catalogue("precision").items()
    ]
    yield "Precisions: precision=NAME", rows


def _models() -> Iterator[tuple[str, list[Row]]]:
    from uncertainty.energy import ENERGY_MODELS
    from uncertainty.files import catalogue

    energy = [{"name": name, "meaning": m.meaning} for name, m in ENERGY_MODELS.items()]
    energy += [{"name": name, "meaning": meaning} for name, meaning in _BUILT.items()]
    yield "Energy models: --model NAME; more with: uncertainty list model NAME", energy
    rows = [
        {"name": name, "title": entry.title, **_values(entry.assumptions)}
        for name, entry in catalogue("llm").items()
    ]
    yield "Language models: llm=NAME", rows


_BUILT = {
    "{fleet: NAME}": "All queries of a day, with training, manufacture, carbon and water.",
    "{ensemble: {NAME: weight, ...}}": "Several models; which of them holds is one more unknown.",
}


def _sources() -> Iterator[tuple[str, list[Row]]]:
    from uncertainty.files import sources

    keys = ("author", "title", "year")
    rows = [
        {"key": key, **{name: entry.get(name, "") for name in keys}}
        for key, entry in sources().items()
    ]
    yield "Sources of the shipped files (priors/sources.bib)", rows


_TABLES: Mapping[What, Callable[[], Iterator[tuple[str, list[Row]]]]] = {
    What.priors: _priors,
    What.hardware: _hardware,
    What.precision: _precision,
    What.models: _models,
    What.sources: _sources,
}


def _values(assumptions: "Mapping[str, AssumptionEntry]") -> Row:
    return {name: _told(entry) for name, entry in assumptions.items()}


def _told(entry: "AssumptionEntry") -> str:
    """Write the value of a catalogue, which is in the unit of the input's name."""
    return f"{entry.fixed:.4g}" if isinstance(entry.fixed, float) else "uncertain"


def _model(name: str) -> Iterator[tuple[str, list[Row]]]:
    """Inputs and outputs of one energy model."""
    from uncertainty.energy import ENERGY_MODELS, compose
    from uncertainty.errors import nearest
    from uncertainty.files import model_of_text
    from uncertainty.inputs import INPUTS

    stated = model_of_text(name)
    choice = None if callable(stated) else compose(stated)[0]
    if choice is None:
        raise InputError.of("list model", f"no model {name!r}{nearest(name, ENERGY_MODELS)}")
    model = choice.model
    inputs = [
        {
            "name": item.name,
            "unit": item.unit,
            "range": _range(item.low, item.high),
            "without it": _without(item, model),
            "meaning": item.meaning,
        }
        for item in (INPUTS[key] for key in (*model.required, *model.optional))
    ]
    yield f"Inputs of {name}: {model.meaning}", inputs
    outputs = [
        {"name": o.name, "unit": o.unit, "boundary": o.boundary, "meaning": o.meaning}
        for o in model.outputs
    ]
    yield f"Outputs of {name}", outputs


def _range(low: float, high: float) -> str:
    return f"{low:g} to {high:g}" if isfinite(high) else f"{low:g} or more"


def _without(item: "Input", model: "EnergyModel") -> str:
    """Say what a model does without an input."""
    ways = [group for group in model.alternatives if item.name in group]
    if ways:
        others = [group for group in model.alternatives if group not in ways]
        return "needed, or " + ", or ".join(" and ".join(group) for group in others)
    return "needed" if item.name in model.required else item.default
