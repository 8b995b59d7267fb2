"""Rows of an evidence file: the conditions of a measurement, and what was measured."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from uncertainty.errors import Fault
from uncertainty.spec.catalogue import expand
from uncertainty.spec.conversion import Inherited, convert
from uncertainty.spec.document import Document, Key, wrap_mapping
from uncertainty.spec.library import Place
from uncertainty.spec.priors import given_layer
from uncertainty.spec.values import Quantity, Scalar, parse_value

__all__ = [
    "OBSERVED",
    "Cell",
    "CellEntry",
    "Row",
    "conditions_of",
    "group_of_row",
    "read_conditions",
    "read_observed",
    "row_fault",
]


OBSERVED = ("value", "at_least", "at_most")
"""Columns that hold what was measured: the value, or its limits where it was censored."""


Cell: TypeAlias = float | str | None


def _cell(raw: object) -> Cell:
    if raw is None or isinstance(raw, str):
        return raw
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        text = f"must be a number, a text or empty (got {raw!r:.60})"
        raise PydanticCustomError("cell", "{text}", {"text": text})
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
    group, boundary : str
    """

    number: int
    conditions: Mapping[str, float]
    observed: Mapping[str, Scalar]
    group: str = ""
    boundary: str = ""


def row_fault(document: Document, at: tuple[Key, ...], name: str, message: str) -> Fault:
    """Make a fault at the cell of a row that stands in the column `name`."""
    fault = document.fault((*at, name), message)
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
    found, faults = dict[str, Scalar](), list[Fault]()
    for name in OBSERVED:
        if cells.get(name) is not None:
            try:
                found[name] = parse_value(cells[name])
            except PydanticCustomError as error:
                faults.append(row_fault(document, at, name, error.message()))
    for name, value in found.items():
        if not isinstance(value, float | Quantity):
            faults.append(row_fault(document, at, name, f"must be a number (got {value!r})"))
    if not found and not faults:
        faults.append(document.fault(at, f"needs one of {', '.join(OBSERVED)}"))
    if "value" in found and len(found) > 1:
        faults.append(document.fault(at, "has a value, so it can have no limit"))
    return found, faults


def read_conditions(
    document: Document,
    at: tuple[Key, ...],
    cells: Mapping[str, Cell],
    below: tuple[Mapping[str, Cell], ...],
) -> tuple[dict[str, float], list[Fault]]:
    """Turn the conditions of a row into numbers, catalogue names and units included."""
    merged = {**(below[0] if below else {}), **cells}
    if not merged:
        return {}, []
    layer, complaints = given_layer(merged, document.place, document.label)
    expansion = expand([layer])
    faults = [
        row_fault(document, at, fault.field.split(".")[0], fault.message)
        for fault in (*complaints, *expansion.faults)
    ]
    found = dict[str, float]()
    for part in expansion.layers:
        for name, entry in part.entries.items():
            assumption, problems = convert(name, 0, entry, part, Inherited())
            faults += [row_fault(document, at, name, message) for _, message in problems]
            value = (
                assumption.law.fields[0][1] if assumption.law and assumption.law.fields else None
            )
            if isinstance(value, float):
                found[name] = value
            else:
                faults.append(row_fault(document, at, name, f"must be a number (got {value!s})"))
    return found, faults


def conditions_of(
    given: Mapping[str, object], place: Place
) -> tuple[dict[str, float], list[Fault]]:
    """Turn conditions given in a call, catalogue names and units included, into numbers."""
    document = wrap_mapping(given, "<rows>", place)
    assert isinstance(document.data, dict)
    return read_conditions(document, (), {k: _cell(v) for k, v in document.data.items()}, ())
