"""The scalars of a prior file: a number, a number with a unit, or the name of an assumption."""

import math
import re
from collections.abc import Callable
from numbers import Real
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import AfterValidator, JsonValue, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_MAGNITUDES = {
    **dict.fromkeys(["k", "thousand"], 3),
    **dict.fromkeys(["M", "mn", "mio", "million", "millions"], 6),
    **dict.fromkeys(["G", "B", "b", "bn", "mrd", "billion", "billions"], 9),
    **dict.fromkeys(["T", "tn", "trillion", "trillions"], 12),
}
_KEYBOARD = {"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*"} | dict.fromkeys(
    ["\u2009", "\u202f", "\u00a0"], " "
)
"""Minus, dash, signs of multiplication and spaces as they come out of a text processor."""


def _spread(found: re.Match[str]) -> str:
    share = float(found[1]) / 100 if found[3] else 1.0
    return f"a spread is {{normal: {{mean: {found[1]}, sd: {share * float(found[2]):g}}}}}"


def _range(found: re.Match[str]) -> str:
    low, high = found[1], found[2]
    return (
        f"a range is {{uniform: {{low: {low}, high: {high}}}}} "
        f"or {{lognormal: {{p5: {low}, p95: {high}}}}}"
    )


def _estimate(found: re.Match[str]) -> str:
    return (
        f"an estimate is a distribution, such as {{lognormal: {{median: {found[1]}, sigma: 0.3}}}}"
    )


def _separators(found: re.Match[str]) -> str:
    number = re.sub(r"[ ,'_]", "", found[1]) + (found[2] or "")
    decimal = f", or {found[1].replace(',', '.')}" if found[1].count(",") == 1 else ""
    return f"write it without separators: {number}{decimal}{found[3] or ''}"


def _comma(found: re.Match[str]) -> str:
    return f"write a decimal with a point: {found[1]}.{found[2]}{found[3] or ''}"


def _power(found: re.Match[str]) -> str:
    return f"write {found[1]}e{int(found[2])}{found[3] or ''}"


def _arithmetic(found: re.Match[str]) -> str:
    return f"arithmetic is {{expression: {found[0].replace('^', '**')}}}"


_N = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_MEANT: dict[str, Callable[[re.Match[str]], str]] = {
    rf"{_N}\s*(?:±|\+/-|\+-)\s*{_N}\s*(%?).*": _spread,
    rf"{_N}\s*(?:-|to|\.\.+|…)\s*{_N}\b.*": _range,
    rf"(?:[~≈∼≤≥]|[<>]=?|about|approx\.?|approximately|around|ca\.?|circa)\s*{_N}.*": _estimate,
    r"([-+]?\d{1,3}(?:[ ,'_]\d{3})+)(\.\d+)?(\s\D.*)?": _separators,
    r"([-+]?\d+),(\d+)(\s.*)?": _comma,
    rf"{_N}\s*[xX*]\s*10\s*(?:\^|\*\*)\s*([-+]?\d+)(\s.*)?": _power,
    r"[\d\s.eE()+*/^-]*\d\s*[-+*/^(][\d\s.eE()+*/^-]*": _arithmetic,
    r"\s*[{\[].*\w:[{\[].*": lambda _: "put a space after each ':'",
}
"""What a text looks like, the first that fits, and what to write for it."""


def hint_for_number(text: str) -> str:
    """Say how to write what a text means, where that can be guessed; else nothing.

    Examples
    --------
    >>> hint_for_number("1.2±0.05")
    'a spread is {normal: {mean: 1.2, sd: 0.05}}'
    >>> hint_for_number("0,28")
    'write a decimal with a point: 0.28'
    >>> hint_for_number("3-5")
    'a range is {uniform: {low: 3, high: 5}} or {lognormal: {p5: 3, p95: 5}}'
    >>> hint_for_number("2e6/30")
    'arithmetic is {expression: 2e6/30}'
    """
    plain = "".join(_KEYBOARD.get(letter, letter) for letter in text).strip()
    for pattern, told in _MEANT.items():
        if found := re.fullmatch(pattern, plain, re.IGNORECASE):
            return told(found)
    if plain != text and re.fullmatch(rf"{_N}(\s.*)?", plain):
        return f"write {plain} with the minus and the space of the keyboard"
    return ""


def hint_for_unit(number: float, unit: str) -> str:
    """Say how to write a number of thousands or billions, where a unit is one of these.

    Examples
    --------
    >>> hint_for_unit(200, "billion")
    'write 2e11'
    >>> hint_for_unit(0.7, "kW")
    ''
    """
    first, _, rest = unit.partition(" ")
    power = _MAGNITUDES.get(first if len(first) == 1 else first.lower())
    if power is None:
        return ""
    return (
        f"write {number * 10**power:g}".replace("e+", "e").replace("e0", "e") + f" {rest}".rstrip()
    )


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What looks like an exponent belongs to the number (2e6/30 is not 2 in units of e6/30), and "to"
# and "x" are no units (3 to 5, 5x10^3).
_QUANTITY = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\s*[eE]\s*[-+]?\d)"
    r"\s*((?!to\s|[xX]\s*\d)[A-Za-z%µμ°].*?)?\s*"
)
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_LONGEST = 200
_ALSO_UNITS = frozenset({"B", "b"})
"""Byte and bit; where these do not convert, the hint of a billion goes with the fault."""
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


LARGEST = 1e300
"""Of a number, and its inverse the smallest but 0: beyond, sums and tails leave float64."""


def _finite(number: float, got: object) -> float:
    if not math.isfinite(number):
        raise PydanticCustomError(
            "finite", "must be a finite number (got {got})", {"got": str(got)}
        )
    if abs(number) > LARGEST or 0 < abs(number) < 1 / LARGEST:
        side = ("large", "at most", "1e300") if abs(number) > 1 else ("small", "at least", "1e-300")
        text = "is too {} to compute with: {} {} in size (got {})".format(*side, got)
        raise PydanticCustomError("range", "{text}", {"text": text})
    return number


def _as_float(raw: Real) -> float:
    try:
        return float(raw)
    except OverflowError:
        return math.inf


def _not_a_value(got: str, hint: str = "") -> PydanticCustomError:
    text = f"{_WANTED} (got {got})" + (f"; {hint}" if hint else "")
    return PydanticCustomError("value", "{text}", {"text": text})


def _parse_text(text: str) -> Scalar:
    if is_name(text):
        return Reference(text) if text.lower() not in _NOT_FINITE else _finite(math.nan, text)
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        hint = hint_for_number(text) if len(text) <= _LONGEST else ""
        raise _not_a_value(repr(text[:60]), hint)
    number = _finite(float(match[1]), text)
    magnitude = hint_for_unit(number, match[2]) if match[2] else ""
    if magnitude and match[2] not in _ALSO_UNITS:
        raise _not_a_value(repr(text), magnitude)
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
    if raw is None:
        raise _not_a_value("nothing")
    pair = isinstance(raw, list | tuple) and len(raw) == 2
    listed = "a range is {uniform: {low: ..., high: ...}}; " * pair
    hint = listed + "a list of values is {choice: {options: [...]}}"
    raise _not_a_value(repr(raw)[:60], hint if isinstance(raw, list | tuple) else "")


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
