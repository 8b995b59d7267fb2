"""pydantic's errors, turned into located faults with hints."""

import re
import typing
from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from uncertainty.errors import Fault, nearest
from uncertainty.files.document import Document, Key, Plain
from uncertainty.files.families import FAMILY_CLASSES

if typing.TYPE_CHECKING:
    from pydantic_core import ErrorDetails


_SYNONYMS = {
    "gaussian": "normal", "log_normal": "lognormal", "log-normal": "lognormal",
    "constant": "fixed", "value": "fixed", "range": "uniform", "mu": "mean",
    "std": "sd", "stdev": "sd", "stddev": "sd", "sigma": "sd",
    "min": "low", "lower": "low", "max": "high", "upper": "high", "units": "unit",
}  # fmt: skip
"""What other tools call our keys."""
Model = TypeVar("Model", bound=BaseModel)


def validate(
    kind: type[Model], data: Plain, document: Document, at: Sequence[Key] = ()
) -> tuple[Model | None, list[Fault]]:
    """Check `data`, found at the keys `at` of `document`, against `kind`."""
    try:
        return kind.model_validate(data), []
    except ValidationError as errors:
        return None, list(_faults(kind, errors.errors(), document, at))


_BRANCH = re.compile(r"(str|int|float|bool|(dict|list|tuple)\[.*\])$")
"""What pydantic puts into the place of an error for each of several types allowed there."""
_KINDS = {
    "string_type": "a text",
    "dict_type": "a mapping of keys",
    "float_type": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
}


def _faults(
    kind: type[BaseModel], errors: "Sequence[ErrorDetails]", document: Document, at: Sequence[Key]
) -> Iterator[Fault]:
    """Turn errors into faults; those of the types allowed at one place become one."""
    branches: dict[tuple[Key, ...], list[ErrorDetails]] = {}
    for error in errors:
        *place, last = error["loc"] or ("",)
        if isinstance(last, str) and _BRANCH.match(last) and error["type"] in _KINDS:
            branches.setdefault(tuple(place), []).append(error)
        else:
            yield _fault(kind, error, document, at)
    for loc, group in branches.items():
        wanted = " or ".join(dict.fromkeys(_KINDS[error["type"]] for error in group))
        text = f"must be {wanted} (got {group[0]['input']!r:.60})"
        yield document.fault((*at, *loc), text)


def _fault(
    kind: type[BaseModel], error: "ErrorDetails", document: Document, at: Sequence[Key]
) -> Fault:
    loc = tuple(key for key in error["loc"] if key != "[key]")
    return document.fault((*at, *loc), _sentence(kind, error, loc))


def _sentence(kind: type[BaseModel], error: "ErrorDetails", loc: Sequence[Key]) -> str:
    code, message = error["type"], error["msg"]
    if code == "extra_forbidden":
        return _unknown_key(str(loc[-1]), error["input"], _keys_at(kind, loc[:-1]))
    if code == "missing":
        return "this key is missing"
    if code in {"model_type", "dict_type", "model_attributes_type"}:
        family = FAMILY_CLASSES.get(str(loc[-1])) if loc else None
        wanted = f"; {family.wanted()}" if family and family.forms else ""
        return f"must be a mapping of keys (got {error['input']!r:.60}){wanted}"
    if code in _KINDS:
        return f"must be {_KINDS[code]} (got {error['input']!r:.60})"
    message = message[0].lower() + message[1:]
    if message.startswith("input should be "):
        message = "must be " + message.removeprefix("input should be ")
    if (
        " (got " in message
        or code == "reserved"
        or isinstance(error["input"], dict | list | tuple | BaseModel)
    ):
        return message
    return f"{message} (got {error['input']!r:.60})"


def _unknown_key(key: str, value: object, known: Sequence[str]) -> str:
    if key.isdigit() and value is None:  # {mean: 1,2} reads as two keys
        return "unknown key; a comma ends a value: write decimals with a point (1.2)"
    if key.partition(":")[0] in known and value is None:  # {mean:1.2} reads as one key
        return "unknown key; put a space after each ':'"
    synonym = _SYNONYMS.get(key.lower())
    if synonym in known:
        return f"unknown key; did you mean {synonym!r}?"
    inside = [name for name, family in FAMILY_CLASSES.items() if key in family.model_fields]
    if "lognormal" in known and inside:
        return (
            f"unknown key here; it belongs inside a distribution, as in {inside[0]}: {{{key}: ...}}"
        )
    return "unknown key" + nearest(key, known)


def _keys_at(kind: type[BaseModel], loc: Sequence[Key]) -> list[str]:
    """Name the keys allowed at `loc`, walking down the classes of the format."""
    found: object = kind
    for key in loc:
        if isinstance(found, type) and issubclass(found, BaseModel):
            fields = {f.alias or name: f.annotation for name, f in found.model_fields.items()}
            found = _inner(fields.get(str(key)))
        else:
            found = _inner(found, step=True)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return [f.alias or name for name, f in found.model_fields.items()]
    return []


def _inner(annotation: object, *, step: bool = False) -> object:
    """Strip optional and annotated wrappers; with `step`, enter a dict or tuple."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, UnionType):
        return _inner(next(a for a in arguments if a is not NoneType), step=step)
    if origin is typing.Annotated:
        return _inner(arguments[0], step=step)
    if step and origin is dict:
        return _inner(arguments[1])
    if step and origin is tuple:
        return _inner(arguments[0])
    return annotation
