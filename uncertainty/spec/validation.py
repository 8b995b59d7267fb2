"""pydantic's errors, turned into located faults with hints."""

import difflib
import typing
from collections.abc import Iterable, Sequence
from types import NoneType, UnionType
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from uncertainty.errors import Fault
from uncertainty.spec.document import Document, Key, Plain

if typing.TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["nearest", "validate"]

_SHOWN = 20
Model = TypeVar("Model", bound=BaseModel)


def nearest(name: str, known: Iterable[str]) -> str:
    """Give a hint: the nearest known name, or all of them where none is near.

    Examples
    --------
    >>> nearest("utilisation", ["utilization", "pue"])
    "; did you mean 'utilization'?"
    >>> nearest("colour", ["pue", "host"])
    '; known: host, pue'
    """
    names = sorted(known)
    lowered = {other.lower(): other for other in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {lowered[close[0]]!r}?"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; known: {', '.join(names[:_SHOWN])}{more}" if names else ""


def validate(
    kind: type[Model], data: Plain, document: Document, at: Sequence[Key] = ()
) -> tuple[Model | None, list[Fault]]:
    """Check `data`, found at the keys `at` of `document`, against `kind`."""
    try:
        return kind.model_validate(data), []
    except ValidationError as errors:
        return None, [_fault(kind, error, document, at) for error in errors.errors()]


def _fault(
    kind: type[BaseModel], error: "ErrorDetails", document: Document, at: Sequence[Key]
) -> Fault:
    loc = tuple(key for key in error["loc"] if key != "[key]")
    return document.fault((*at, *loc), _sentence(kind, error, loc))


def _sentence(kind: type[BaseModel], error: "ErrorDetails", loc: Sequence[Key]) -> str:
    code, message = error["type"], error["msg"]
    if code == "extra_forbidden":
        return "unknown key" + nearest(str(loc[-1]), _keys_at(kind, loc[:-1]))
    if code == "missing":
        return "this key is missing"
    if code in {"model_type", "dict_type", "model_attributes_type"}:
        return f"must be a mapping of keys (got {error['input']!r:.60})"
    message = message[0].lower() + message[1:]
    if (
        " (got " in message
        or code == "reserved"
        or isinstance(error["input"], dict | list | tuple | BaseModel)
    ):
        return message
    return f"{message} (got {error['input']!r:.60})"


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
