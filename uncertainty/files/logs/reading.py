"""Texts of logs to named values, each with its place; nothing that is not asked for is kept."""

import csv
import hashlib
import io
import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from uncertainty.errors import Fault, InputError
from uncertainty.files.library import OTHER_FORMATS, shown_path

Place = tuple[int, int]
"""Line and column, from 1."""

_LARGEST = 200_000_000  # bytes: detailed results of a benchmark take tens of megabytes
_ABSENT = frozenset({"", "-", "n/a", "na", "none", "null", "[n/a]", "[not supported]"})
# Characters of a value that a message repeats; a key or a prompt that stands there is longer.
_REPEATED = 12


def read_text(path: Path) -> tuple[str, str]:
    """Read a log: its text, and the SHA-256 of the file.

    Raises
    ------
    InputError
        Where there is no such file, it is empty, or it is not text.
    """
    label = shown_path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError.of(label, f"cannot be read: {why}") from error
    if len(raw) > _LARGEST:
        raise InputError.of(label, f"is larger than {_LARGEST:,} bytes; leave single requests out")
    for start, what in OTHER_FORMATS.items():
        if raw.startswith(start):
            raise InputError.of(label, f"is {what}: save it as text in UTF-8, JSON or CSV")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        text = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise InputError([Fault(label, line, 1, "", text)]) from error
    if not text.strip():
        raise InputError.of(label, "is empty")
    if "\0" in text:
        raise InputError.of(label, "is not text: it holds zero bytes")
    return text, hashlib.sha256(raw).hexdigest()


# Each run of a file asks for its place.
@lru_cache(maxsize=2)
def _line_starts(text: str) -> list[int]:
    return [0, *(end.end() for end in re.finditer("\n", text))]


def _place_of(text: str, at: int) -> Place:
    starts = _line_starts(text)
    line = bisect_right(starts, at)
    return line, at - starts[line - 1] + 1


@lru_cache(maxsize=64)
def _members(text: str, keys: tuple[str | int, ...]) -> dict[str | int, tuple[int, int]]:
    """Say where each key or item, and its value, begin in what `keys` lead to."""
    decode, blank = json.JSONDecoder().raw_decode, re.compile(r"[\s:,]*")

    def skip(at: int) -> int:
        match = blank.match(text, at)
        return match.end() if match else at

    members = dict[str | int, tuple[int, int]]()
    end = len(text)
    at = skip(_members(text, keys[:-1]).get(keys[-1], (end, end))[1] if keys else 0)
    inside, at = text[at : at + 1], skip(at + 1)
    while inside in ("{", "[") and at < end and text[at] not in "}]":
        start, name = at, len(members)
        if inside == "{":
            name, at = decode(text, at)
            at = skip(at)
        members[name] = start, at
        at = skip(decode(text, at)[1])
    return members


def json_place(text: str, keys: Sequence[str | int]) -> Place:
    r"""Find where a key or an item stands in a text that is JSON; else what should have it.

    Examples
    --------
    >>> json_place('{"a": 1,\n "b": [5, 6]}', ["b", 1])
    (2, 11)
    """
    for length in range(len(keys), 0, -1):
        members = _members(text, tuple(keys[: length - 1]))
        if keys[length - 1] in members:
            return _place_of(text, members[keys[length - 1]][0])
    return 1, 1


class _TwiceError(ValueError):
    pass


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if len({*names}) < len(names):
        raise _TwiceError(next(name for i, name in enumerate(names) if name in names[:i]))
    return dict(pairs)


# Recognizing a format and reading it both ask for it.
@lru_cache(maxsize=2)
def parse_json(path: Path, text: str) -> object:
    """Parse a text as JSON, in which each key of an object stands once.

    Raises
    ------
    InputError
    """
    label = shown_path(path)
    try:
        return json.loads(text, object_pairs_hook=_once)
    except _TwiceError as error:
        key = re.escape(json.dumps(str(error), ensure_ascii=False))
        places = [m.start() for m in re.finditer(key + r"\s*:", text)]
        line, column = _place_of(text, places[-1]) if places else (1, 1)
        message = "this key is there twice; keep one"
        raise InputError([Fault(label, line, column, f"{error}", message)]) from error
    except json.JSONDecodeError as error:
        rest = text[error.pos : error.pos + 2]
        hint = "; JSON has no comments: take them out" if rest in ("//", "/*") else ""
        if error.pos >= len(text.rstrip()):
            hint = "; the file ends too early: was it cut off?"
        message = f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]}{hint}"
        raise InputError([Fault(label, error.lineno, error.colno, "", message)]) from error
    except RecursionError as error:
        raise InputError.of(label, "is not JSON of a log: it is nested too deep") from error


@dataclass
class Record:
    """Named values of one run, asked for one by one; what is wrong with them is in `faults`.

    Attributes
    ----------
    path : Path
    values : mapping
    place_of : callable
        Line and column of a name.
    prefix : str
        Keys that lead to it, for messages.
    """

    path: Path
    values: Mapping[str, object]
    place_of: Callable[[str], Place]
    prefix: str = ""
    faults: list[Fault] = field(default_factory=list)

    def fault(self, name: str, message: str) -> None:
        """Keep a fault of a value."""
        line, column = self.place_of(name)
        label = ".".join(part for part in (self.prefix, name) if part)
        self.faults.append(Fault(shown_path(self.path), line, column, label, message))

    def number(self, name: str, *, needed: bool = False, scale: float = 1.0) -> float | None:
        """Give a number that is not negative, times `scale`; None where it is absent or wrong."""
        value = self.values.get(name)
        if isinstance(value, str) and value.strip().lower() in _ABSENT:
            value = None
        if value is None:
            if needed:
                self.fault(name, "is missing")
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # refused below
        except (TypeError, ValueError, OverflowError):
            got = repr(value) if isinstance(value, str) and len(value) <= _REPEATED else "a text"
            got = got if isinstance(value, str) else "a list or a mapping"
            self.fault(name, f"must be a number (got {got})")
            return None
        if not math.isfinite(number) or number < 0:
            self.fault(name, f"must be a finite number, 0 or more (got {value})")
            return None
        return number * scale

    def text(self, name: str) -> str:
        """Give a short text; empty where there is none."""
        value = self.values.get(name)
        return value.strip()[:200] if isinstance(value, str) else ""


def json_record(path: Path, text: str, *keys: str | int) -> Record:
    """Give the object that `keys` lead to; one without values where there is none."""
    node = parse_json(path, text)
    for key in keys:
        if isinstance(node, Mapping):
            node = node.get(key)
        elif isinstance(node, list) and isinstance(key, int) and key < len(node):
            node = node[key]
        else:
            node = None
    values = node if isinstance(node, Mapping) else {}
    prefix = ".".join(map(str, keys))
    return Record(path, values, lambda name: json_place(text, [*keys, name]), prefix)


def csv_records(path: Path, text: str, first_line: int = 1) -> list[Record]:
    """Give the rows of a CSV text with a header.

    Raises
    ------
    InputError
        With every row that does not match the header, and names that stand twice in it.
    """
    label = shown_path(path)
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    rows, faults, before = list[tuple[int, list[str]]](), list[Fault](), first_line
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((before, row))
            before = first_line + reader.line_num
    except csv.Error as error:
        raise InputError([Fault(label, before, 1, "", f"is not CSV: {error}")]) from error
    (line, header), *rest = rows or [(1, [])]
    names = [name.strip() for name in header]
    again = {name for i, name in enumerate(names) if name and name in names[:i]}
    faults += [Fault(label, line, 1, name, "is there twice in the header") for name in again]
    records = []
    for number, row in rest:
        if len(row) != len(names):
            text = f"has {len(row)} cells, and the header {len(names)}: mend or remove the row"
            faults.append(Fault(label, number, 1, "", text))
            continue
        starts = [sum(len(cell) + 1 for cell in row[:i]) + 1 for i in range(len(row))]
        places = {name: (number, start) for name, start in zip(names, starts, strict=True)}
        cells = dict(zip(names, row, strict=True))
        records.append(Record(path, cells, _finder(places, number)))
    if faults:
        raise InputError(faults)
    return records


def _finder(places: Mapping[str, Place], line: int) -> Callable[[str], Place]:
    return lambda name: places.get(name, (line, 1))
