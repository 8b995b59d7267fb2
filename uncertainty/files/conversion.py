"""One entry of a file to an assumption's law, its numbers in the canonical unit."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uncertainty.files.assumptions import Assumption, Law, Number
from uncertainty.files.data import read_column
from uncertainty.files.document import Key
from uncertainty.files.expressions import Expression, ExpressionError, parse_expression
from uncertainty.files.families import PERCENTILES, Choice, Empirical, Family, FamilyKeys
from uncertainty.files.layers import Layer
from uncertainty.files.library import Place
from uncertainty.files.schema import AssumptionEntry, Picked
from uncertainty.files.values import Quantity, Reference, Scalar, hint_for_unit
from uncertainty.inputs import INPUTS
from uncertainty.units import UnitError, base_unit, factor

Complaint = tuple[tuple[Key, ...], str]


@dataclass(frozen=True)
class Inherited:
    """What a layer takes over from the layers below it for one name."""

    unit: str = ""
    stated_unit: str | None = None
    varies: bool = False
    group: str = ""


def convert(
    name: str, index: int, entry: AssumptionEntry, layer: Layer, below: Inherited
) -> tuple[Assumption, list[Complaint]]:
    """Turn the topmost entry of `name` into an assumption."""
    work = _Conversion(_canonical_unit(name, entry, below), layer.document.place)
    stated_unit = entry.unit or below.stated_unit
    work.set_unit(stated_unit)
    law = _entry_law(entry, work)
    low, high = _ends(entry, work)
    return Assumption(
        name=name,
        index=index,
        law=law,
        expression=work.expression(entry),
        layer=layer,
        low=low,
        high=high,
        varies=entry.varies == "query" or below.varies,
        unit=work.unit,
        stated_unit=stated_unit,
        group=entry.group or below.group,
        source=entry.source or "",
        basis=entry.basis or "",
        note=entry.note or "",
        solved_for=entry.solved_for or "",
    ), work.complaints


def _canonical_unit(name: str, entry: AssumptionEntry, below: Inherited) -> str:
    if name in INPUTS:
        return INPUTS[name].unit
    if below.unit or entry.unit:
        return below.unit or entry.unit or ""
    written = next(_units_written(entry), "")
    try:
        return base_unit(written) if written else ""
    except UnitError:
        return ""


def _units_written(entry: FamilyKeys) -> Iterator[str]:
    """Yield the units that numbers of the entry carry."""
    for key in entry.stated_families():
        stated = getattr(entry, key)
        values = stated.stated().values() if isinstance(stated, Family) else [stated]
        for value in values:
            yield from (v.unit for v in _flat(value))


def _flat(value: object) -> Iterator[Quantity]:
    if isinstance(value, Quantity):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _flat(item)


@dataclass
class _Conversion:
    """Collects complaints while numbers go over to one unit."""

    unit: str
    place: Place
    complaints: list[Complaint] = field(default_factory=list)
    scale: float = 1.0

    def set_unit(self, stated: str | None) -> None:
        """Take the unit in which bare numbers are written."""
        if stated is not None:
            self.scale = self._factor(stated, self.unit, "unit")

    def _factor(self, unit: str, to: str, *keys: Key, number: float | None = None) -> float:
        try:
            return factor(unit, to)
        except UnitError as error:
            hint = hint_for_unit(number, unit) if number is not None else ""
            self.complaints.append((keys, f"{error}; {hint}" if hint else str(error)))
            return 1.0

    def number(self, value: Scalar, *keys: Key, plain: bool = False) -> Number:
        """Convert one scalar; a name stays a name."""
        if isinstance(value, Reference):
            return value
        if isinstance(value, Quantity):
            to = "1" if plain else self.unit
            return value.number * self._factor(value.unit, to, *keys, number=value.number)
        return value if plain else value * self.scale

    def optional(self, value: Scalar | None, *keys: Key) -> Number | None:
        """Convert a scalar that may be absent."""
        return None if value is None else self.number(value, *keys)

    def expression(self, entry: AssumptionEntry) -> Expression | None:
        """Parse an expression."""
        if entry.empirical is not None and entry.empirical.rows:
            return ("name", row_of(entry.empirical.file))
        if entry.expression is None:
            return None
        try:
            found = parse_expression(entry.expression)
        except ExpressionError as error:
            self.complaints.append((("expression",), str(error)))
            return ("number", 0.0)
        if isinstance(entry, Picked):  # a place has no unit
            return found
        return found if self.scale == 1 else ("*", found, ("number", self.scale))


def _ends(entry: AssumptionEntry, work: _Conversion) -> tuple[Number | None, Number | None]:
    if entry.truncate is None:
        return None, None
    if entry.empirical is not None and entry.empirical.rows:
        text = "would tear the rows of the file apart; leave them out of the file"
        work.complaints.append((("truncate",), text))
    low = work.optional(entry.truncate.low, "truncate", "low")
    high = work.optional(entry.truncate.high, "truncate", "high")
    if isinstance(low, float) and isinstance(high, float) and low >= high:
        text = f"must be greater than low = {low:g} (got {high:g})"
        work.complaints.append((("truncate", "high"), text))
    return low, high


def _entry_law(entry: AssumptionEntry, work: _Conversion) -> Law | None:
    if entry.mixture is not None:
        parts = [_law(part, work, "mixture", i) for i, part in enumerate(entry.mixture)]
        weights = [
            work.number(part.weight, "mixture", i, "weight", plain=True)
            for i, part in enumerate(entry.mixture)
        ]
        _check_weights(weights, work, "mixture")
        return Law("mixture", weights=tuple(weights), parts=tuple(parts))
    if isinstance(entry, Picked):
        return Law("pick", data=tuple(number * work.scale for number in entry.numbers))
    return None if entry.expression is not None else _law(entry, work)


def row_of(file: str) -> str:
    """Name the assumption that says which row of a file holds, from 0.

    Examples
    --------
    >>> row_of("data/chat-2024.csv")
    'chat_2024_row'
    """
    stem = re.sub(r"\W", "_", Path(file).stem, flags=re.ASCII)
    return f"_{stem}_row" if stem[:1].isdigit() else f"{stem}_row"


def _law(keys: FamilyKeys, work: _Conversion, *at: Key) -> Law:
    if keys.fixed is not None:
        return Law("fixed", (("value", work.number(keys.fixed, *at, "fixed")),))
    family = keys.stated_families()[0]
    stated: Family = getattr(keys, family)
    if isinstance(stated, Choice):
        return _choice(stated, work, *at, family)
    if isinstance(stated, Empirical):
        return _column(stated, work, *at, family)
    fields = {
        key: work.number(value, *at, family, key, plain=key in stated.plain)
        for key, value in stated.stated().items()
    }
    _check_fields(stated, fields, work, *at, family)
    return Law(family, tuple(fields.items()))


def _check_fields(
    stated: Family, fields: Mapping[str, Number], work: _Conversion, *at: Key
) -> None:
    numbers = {k: v for k, v in fields.items() if not isinstance(v, Reference)}
    for key, message in stated.complaints(numbers):
        work.complaints.append(((*at, key), message))
    if stated.solved and any(key in PERCENTILES for key in fields):
        text = "must be a number: this family's percentiles are solved for when the file is loaded"
        names = [key for key, value in fields.items() if isinstance(value, Reference)]
        work.complaints += [((*at, key), text) for key in names]


def _choice(stated: Choice, work: _Conversion, *at: Key) -> Law:
    options = [work.number(v, *at, "options", i) for i, v in enumerate(stated.options)]
    given = stated.weights if stated.weights is not None else (1.0,) * len(options)
    weights = [work.number(w, *at, "weights", i, plain=True) for i, w in enumerate(given)]
    _check_weights(weights, work, *at, "weights")
    parts = tuple(Law("fixed", (("value", option),)) for option in options)
    return Law("choice", weights=tuple(weights), parts=parts)


def _column(stated: Empirical, work: _Conversion, *at: Key) -> Law:
    column = read_column(stated.file, stated.column, work.place)
    work.complaints += [((*at, key), message) for key, message in column.faults]
    if stated.rows and len(at) > 1:
        text = "is for a whole assumption: the rows of a part of a mixture are drawn one by one"
        work.complaints.append(((*at, "rows"), text))
    values = tuple(value * work.scale for value in column.values)
    family = "pick" if stated.rows else "empirical"
    return Law(family, data=values, origin=column.origin, read=column.read)


def _check_weights(weights: list[Number], work: _Conversion, *at: Key) -> None:
    if all(not isinstance(weight, Reference) and weight == 0 for weight in weights):
        work.complaints.append((at, "at least one weight must be greater than 0"))
