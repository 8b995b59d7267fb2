"""The scalars of a prior file: a number, a number with a unit, or the name of an assumption."""

import math
import re
from numbers import Real
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import AfterValidator, JsonValue, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = [
    "NAME",
    "TEXT_SCHEMA",
    "NonNegative",
    "Positive",
    "Quantity",
    "Reference",
    "Scalar",
    "Value",
    "is_name",
    "parse_value",
]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z%µ].*?)?\s*")
_LONGEST = 200
_WANTED = "must be a number, a number with a unit ('700 W') or the name of an assumption"


class Reference(str):
    """The name of another assumption, standing where a number could."""


class Quantity(NamedTuple):
    """A number with the unit it was written in."""

    number: float
    unit: str


Scalar: TypeAlias = float | Quantity | Reference


def is_name(text: str) -> bool:
    """Say whether `text` can name an assumption."""
    return NAME.fullmatch(text) is not None


def _finite(number: float, got: object) -> float:
    if not math.isfinite(number):
        raise PydanticCustomError(
            "finite", "must be a finite number (got {got})", {"got": str(got)}
        )
    return number


def _as_float(raw: Real) -> float:
    try:
        return float(raw)
    except OverflowError:
        return math.inf


def _parse_text(text: str) -> Scalar:
    if is_name(text):
        return Reference(text)
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise PydanticCustomError("value", _WANTED + " (got {got})", {"got": repr(text[:60])})
    number = _finite(float(match[1]), text)
    return Quantity(number, match[2]) if match[2] else number


def parse_value(raw: object) -> Scalar:
    """Read one scalar.

    Examples
    --------
    >>> parse_value("0.7 kW")
    Quantity(number=0.7, unit='kW')
    >>> parse_value(3)
    3.0
    >>> parse_value("output_tokens_median")
    'output_tokens_median'
    """
    if isinstance(raw, str):
        return _parse_text(raw)
    if isinstance(raw, Real) and not isinstance(raw, bool):
        return _finite(_as_float(raw), str(raw)[:60])
    raise PydanticCustomError("value", _WANTED + " (got {got})", {"got": repr(raw)[:60]})


def number_of(value: Scalar) -> float | None:
    """Give the number as written, or None for a name."""
    if isinstance(value, Reference):
        return None
    return value.number if isinstance(value, Quantity) else value


def _positive(value: Scalar) -> Scalar:
    number = number_of(value)
    if number is not None and number <= 0:
        raise PydanticCustomError(
            "positive", "must be greater than 0 (got {got})", {"got": f"{number:g}"}
        )
    return value


def _non_negative(value: Scalar) -> Scalar:
    number = number_of(value)
    if number is not None and number < 0:
        raise PydanticCustomError(
            "non_negative", "must not be negative (got {got})", {"got": f"{number:g}"}
        )
    return value


_WRITTEN = f"^({NAME.pattern}|{_QUANTITY.pattern})$"
_UNSIGNED_TEXT = _WRITTEN.replace("[-+]?(?:", "[+]?(?:", 1)
TEXT_SCHEMA: dict[str, JsonValue] = {"type": ["number", "string"], "pattern": _WRITTEN}
"""JSON Schema of a scalar."""
_UNSIGNED: dict[str, JsonValue] = {"type": ["number", "string"], "pattern": _UNSIGNED_TEXT}

# JSON Schema constrains a bare number; one with a unit is left to the validator.
Value = Annotated[
    float | Quantity | Reference,
    PlainValidator(parse_value),
    WithJsonSchema(TEXT_SCHEMA),
]
Positive = Annotated[
    float | Quantity | Reference,
    PlainValidator(parse_value),
    AfterValidator(_positive),
    WithJsonSchema({**_UNSIGNED, "exclusiveMinimum": 0}),
]
NonNegative = Annotated[
    float | Quantity | Reference,
    PlainValidator(parse_value),
    AfterValidator(_non_negative),
    WithJsonSchema({**_UNSIGNED, "minimum": 0}),
]
