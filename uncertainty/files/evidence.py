"""Evidence files: measured rows, and how a measurement differs from what a model gives."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from uncertainty.errors import Fault, nearest
from uncertainty.files.assumptions import Layer, convert
from uncertainty.files.catalogue import KINDS, NOT_IN_MODEL, expand
from uncertainty.files.document import Document, Key, read_document, text_faults, wrap_mapping
from uncertainty.files.entries import (
    AssumptionEntry,
    Measurement,
    ModelEntry,
    Name,
    Origin,
    validate,
    wrong_kind,
)
from uncertainty.files.families import Quantity, Scalar, parse_value, refusal
from uncertainty.files.library import Place, find_file, missing_file, shipped_folder, shown_path
from uncertainty.files.priors import Priors, given_layer, read_layer

OBSERVED = ("value", "at_least", "at_most")
"""Columns that hold what was measured: the value, or its limits where it was censored."""


Cell: TypeAlias = float | str | None


def _cell(raw: object) -> Cell:
    if raw is None or isinstance(raw, str):
        return raw
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        text = f"must be a number, a text or empty (got {raw!r:.60})"
        raise refusal("cell", text)
    try:
        return float(raw)
    except OverflowError:
        return math.inf  # where it is used it must be finite


CellEntry = Annotated[
    float | str | None,
    PlainValidator(_cell),
    WithJsonSchema({"type": ["number", "string", "null"]}),
]


@dataclass(frozen=True)
class Row:
    """One measurement at its own conditions.

    Attributes
    ----------
    number : int
        Its place in the file, from 0.
    conditions : mapping of str to float
        Inputs that it states, in canonical units.
    observed : mapping of str to number
        Under names of `OBSERVED`.
    groups : tuple of str
        One for each level of the random effects.
    boundary : str
    """

    number: int
    conditions: Mapping[str, float]
    observed: Mapping[str, Scalar]
    groups: tuple[str, ...] = ()
    boundary: str = ""


def row_fault(document: Document, at: tuple[Key, ...], name: str, message: str) -> Fault:
    """Make a fault at the cell of a row that stands in the column `name`."""
    fault = document.fault((*at, name), message)
    # The field names the column; the position is that of the cell.
    columns = document.data.get("columns") if isinstance(document.data, dict) else None
    if at[:1] == ("rows",) and isinstance(columns, list) and name in columns:
        cell = document.fault((*at, columns.index(name)), message)
        return replace(fault, line=cell.line, column=cell.column)
    return fault


def group_of_row(cell: object) -> str:
    """Name a group as its cell does; 1 and 1.0 are the same."""
    return f"{cell:g}" if isinstance(cell, float | int) else str(cell)


def read_observed(
    document: Document, at: tuple[Key, ...], cells: Mapping[str, Cell]
) -> tuple[dict[str, Scalar], list[Fault]]:
    """Read what was measured: a value, or one or two limits."""
    observed, faults = dict[str, Scalar](), list[Fault]()
    for name in OBSERVED:
        if cells.get(name) is not None:
            try:
                observed[name] = parse_value(cells[name])
            except PydanticCustomError as error:
                faults.append(row_fault(document, at, name, error.message()))
    for name, value in observed.items():
        if not isinstance(value, float | Quantity):
            faults.append(row_fault(document, at, name, f"must be a number (got {value!r})"))
    if not observed and not faults:
        faults.append(document.fault(at, f"needs one of {', '.join(OBSERVED)}"))
    if "value" in observed and len(observed) > 1:
        faults.append(document.fault(at, "has a value, so it can have no limit"))
    return observed, faults


def read_conditions(
    document: Document, at: tuple[Key, ...], cells: Mapping[str, Cell]
) -> tuple[dict[str, float], list[Fault]]:
    """Turn the conditions of a row into numbers, catalogue names and units included."""
    layer = given_layer(cells, document.place, document.label)
    layers, _, expansion = expand([layer])
    faults = [
        row_fault(document, at, fault.field.split(".")[0], fault.message)
        for fault in (*layer.faults, *expansion.faults)
    ]
    # A model has nothing that the catalogue does not say of it, whatever the question's has.
    numbers = dict(NOT_IN_MODEL) if "llm" in cells else dict[str, float]()
    for part in layers:
        for name, entry in part.entries.items():
            assumption, complaints = convert(name, 0, entry, part)
            faults += [row_fault(document, at, name, fault.message) for fault in complaints]
            law = assumption.law
            value = law.fields[0][1] if law is not None and law.fields else None
            if isinstance(value, float):
                numbers[name] = value
            else:
                faults.append(row_fault(document, at, name, f"must be a number (got {value!s})"))
    return numbers, faults


def conditions_of(
    given: Mapping[str, object], place: Place
) -> tuple[dict[str, float], list[Fault]]:
    """Turn conditions given in a call, catalogue names and units included, into numbers."""
    document = wrap_mapping(given, "<rows>", place)
    assert isinstance(document.data, dict)
    return read_conditions(document, (), {k: _cell(v) for k, v in document.data.items()})


class EvidenceFile(Measurement):
    """An evidence file."""

    schema_version: Literal[1] = Field(alias="schema", description="format version")
    title: str | None = Field(None, description="what was measured, for people")
    model: ModelEntry | None = Field(None, description="the energy model that gives the output")
    assumptions: dict[Name, AssumptionEntry] = Field(
        default_factory=dict, description="those that the error needs, where the priors state none"
    )
    conditions: dict[str, CellEntry] = Field(
        default_factory=dict, description="what holds in every row, as columns would say it"
    )
    columns: tuple[str, ...] = Field(min_length=1, description="names of the cells of a row")
    rows: tuple[tuple[CellEntry, ...], ...] = Field(min_length=1)
    origins: tuple[Origin, ...] = Field((), description="where each row comes from")
    source: str | None = Field(None, description="a key of sources.bib")
    note: str | None = Field(None, description="how it was measured")


@dataclass(frozen=True)
class Evidence:
    """One evidence file, or the statement of a prior file on how measurements differ from it.

    Attributes
    ----------
    name : str
        Of the file, without its suffix.
    document : Document
        Where it stands; `at` are the keys of the measurement in it.
    model : str or mapping
        Energy model that gives the output; empty for that of the problem.
    layer : Layer or None
        Assumptions that it brings along.
    rows : tuple of Row
    columns : tuple of (keys, name)
        Inputs, as named by columns and common conditions, and where.
    faults : tuple of Fault
    """

    name: str
    document: Document
    measurement: Measurement | None = None
    model: str | Mapping[str, object] = ""
    layer: Layer | None = None
    rows: tuple[Row, ...] = ()
    columns: tuple[tuple[tuple[Key, ...], str], ...] = ()
    source: str = ""
    title: str = ""
    faults: tuple[Fault, ...] = ()
    at: tuple[Key, ...] = field(default=())

    @classmethod
    def wrong(cls, message: str) -> "Evidence":
        """Stand for evidence that could not be read."""
        nowhere = Document("<evidence>", None)
        return cls("", nowhere, faults=(Fault("<evidence>", 0, 0, "", message),))

    def fault(self, message: str, *keys: Key) -> Fault:
        """Make a fault inside the statement."""
        if keys[:1] == ("rows",) and len(keys) > 2:
            return row_fault(self.document, keys[:2], str(keys[2]), message)
        return self.document.fault((*self.at, *keys), message)


def evidence_in(priors: Priors) -> tuple[Evidence, ...]:
    """Read the evidence that a prior file names."""
    result = []
    for item in priors.evidence:
        assert isinstance(item.what, str | Mapping)
        evidence = read_evidence(item.what, item.document.place)
        missing = evidence.document.data is None and evidence.faults
        if missing and evidence.faults[0].path == "<evidence>":
            # No such file: the fault is in the one that names it.
            fault = item.document.fault(item.keys, evidence.faults[0].message)
            evidence = replace(evidence, faults=(fault,))
        result.append(evidence)
    return tuple(result)


def measurement_in(priors: Priors) -> Evidence | None:
    """Give the measurement that a prior file states, as evidence without rows."""
    item = priors.measurement
    if item is None:
        return None
    assert isinstance(item.what, Measurement)
    return Evidence("measurement", item.document, item.what, at=item.keys)


def evidence_names() -> list[str]:
    """Name the shipped evidence.

    Examples
    --------
    >>> "mlenergy-chat" in evidence_names()
    True
    """
    return sorted(path.stem for path in (shipped_folder() / "evidence").glob("*.yaml"))


def read_evidence(
    source: str | Mapping[str, object], place: Place, *, anywhere: bool = False
) -> Evidence:
    """Read evidence: a path from `place`, the name of a shipped file, or a mapping.

    A file that a call names may lie `anywhere`. What is wrong with it is in its `faults`.
    """
    if isinstance(source, Mapping):
        return _from_document(wrap_mapping(source, "<evidence>", place), "evidence")
    path = find_evidence(source, replace(place, root=None) if anywhere else place)
    if path is not None:
        return _read(path, place.of(path), path.stat().st_mtime_ns)
    why = missing_file(source, place)
    return Evidence.wrong(why + nearest(source, evidence_names()) * why.startswith("no such"))


def find_evidence(name: str, place: Place) -> Path | None:
    """Find an evidence file: a path from `place`, or the name of one in a folder `evidence/`."""
    names = (name, f"{name}.yaml", f"evidence/{name}.yaml")
    return next(filter(None, (find_file(each, place) for each in names)), None)


# A fleet's problem asks for the same file many times.
@lru_cache(maxsize=32)
def _read(path: Path, place: Place, _changed: int) -> Evidence:
    document, faults = read_document(path, shown_path(path), place)
    if document is None:
        return Evidence(path.stem, Document(shown_path(path), None), faults=tuple(faults))
    return _from_document(document, path.stem)


def _from_document(document: Document, name: str) -> Evidence:
    if wrong := wrong_kind(document, "evidence"):
        return Evidence(name, document, faults=(wrong,))
    assert isinstance(document.data, dict)
    frame, layer = dict(document.data), None
    if isinstance(frame.get("assumptions"), dict):
        layer = read_layer(document, ("assumptions",), frame["assumptions"])
        # Their names are checked with the frame, and each entry once, by the layer.
        frame["assumptions"] = {name: {"fixed": 0} for name in layer.names}
    file, faults = validate(EvidenceFile, frame, document)
    faults += (*(layer.faults if layer else ()), *text_faults(document))
    if file is None:
        return Evidence(name, document, faults=tuple(faults))
    grouping = file.grouping
    text = "name the column of the groups"
    faults += [document.fault(file.level_at(i), text) for i, x in enumerate(grouping) if not x]
    shared = {key: cell for key, cell in file.conditions.items() if key not in grouping}
    faults += read_conditions(document, ("conditions",), shared)[1]
    rows = []
    for number, values in enumerate(file.rows):
        at: tuple[Key, ...] = ("rows", number)
        if len(values) != len(file.columns):
            text = f"must have {len(file.columns)} cells, as columns has (got {len(values)})"
            faults.append(document.fault(at, text))
            continue
        cells = dict(zip(file.columns, values, strict=True))
        observed, complaints = read_observed(document, at, cells)
        faults += complaints
        # What holds in every row may be the group of all.
        labels = {x: cells.pop(x, file.conditions.get(x)) for x in grouping if x}
        unnamed = [column for column, label in labels.items() if label is None]
        faults += [row_fault(document, at, column, "names no group") for column in unnamed]
        boundary = cells.pop("boundary", None)
        inputs = {k: v for k, v in cells.items() if k not in OBSERVED and v is not None}
        conditions, complaints = read_conditions(document, at, {**shared, **inputs})
        faults += complaints
        names = tuple(map(group_of_row, labels.values()))
        rows.append(Row(number, conditions, observed, names, str(boundary or "")))
    if file.origins and len(file.origins) != len(file.rows):
        text = f"must be one for each of the {len(file.rows)} rows (got {len(file.origins)})"
        faults.append(document.fault(("origins",), text))
    again = [(i, column) for i, column in enumerate(file.columns) if column in file.columns[:i]]
    faults += [document.fault(("columns", i), f"{column!r} stands twice") for i, column in again]
    named = list[tuple[tuple[Key, ...], str]]()
    named += [(("columns", i), column) for i, column in enumerate(file.columns)]
    named += [(("conditions", column), column) for column in file.conditions]
    others = (*OBSERVED, "boundary", *KINDS, *grouping)
    return Evidence(
        name=name,
        document=document,
        measurement=file,
        model=file.model or "",
        layer=layer if layer and layer.names else None,
        rows=tuple(rows),
        columns=tuple(pair for pair in named if pair[1] not in others),
        source=file.source or "",
        title=file.title or "",
        faults=tuple(faults),
    )
