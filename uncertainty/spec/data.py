"""A column of a CSV file as numbers, with every cell that is none of them reported."""

import csv
import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from uncertainty.spec.document import Key
from uncertainty.spec.library import InputFile, Place, find_file, missing_file, shown_path
from uncertainty.spec.validation import nearest

__all__ = ["Column", "read_column"]

_LARGEST = 200_000_000
_MOST = 1_000_000
_SHOWN = 3


@dataclass(frozen=True)
class Column:
    """Values of a column, or why there are none.

    Attributes
    ----------
    values : tuple of float
        In the order of the file.
    origin : str
        File, column, number of values and a hash, for provenance.
    read : InputFile or None
        The file.
    key, message
        The key at fault (``file`` or ``column``) and what is wrong; empty where nothing is.
    """

    values: tuple[float, ...] = ()
    origin: str = ""
    key: Key = ""
    message: str = ""
    read: InputFile | None = None


def read_column(file: str, column: str, place: Place) -> Column:
    """Read a column of a CSV file with a header."""
    path = find_file(file, place)
    if path is None:
        return Column(key="file", message=missing_file(file, place))
    state = path.stat()
    if state.st_size > _LARGEST:
        return Column(key="file", message=f"{file!r} is larger than {_LARGEST:,} bytes")
    return _read(path, file, column, state.st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, file: str, column: str, _changed: int) -> Column:
    try:
        raw = path.read_bytes()
        rows = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return Column(key="file", message=f"{file!r} cannot be read as CSV: {error}")
    header = [name.strip() for name in rows[0]] if rows else []
    if column not in header:
        hint = nearest(column, header)
        return Column(key="column", message=f"{file!r} has no column {column!r}{hint}")
    place = header.index(column)
    cells = [(line, _cell(row, place)) for line, row in enumerate(rows[1:], 2) if row]
    numbers = [(line, cell, _number(cell)) for line, cell in cells]
    problem = _problem(file, numbers)
    if problem:
        return Column(key="column", message=problem)
    values = tuple(number for _, _, number in numbers)
    mark = hashlib.sha256(raw).hexdigest()
    told = f"file: {file}, column: {column}, {len(values)} values, sha256: {mark[:12]}"
    return Column(values, told, read=InputFile(path.resolve(), shown_path(path), mark))


def _cell(row: list[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _problem(file: str, numbers: list[tuple[int, str, float]]) -> str:
    bad = [(line, cell) for line, cell, number in numbers if not math.isfinite(number)]
    if bad:
        shown = ", ".join(f"{cell!r} in line {line}" for line, cell in bad[:_SHOWN])
        more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        return f"{file!r} must hold finite numbers only (got {shown}{more})"
    if len(numbers) > _MOST:
        return f"{file!r} has more than {_MOST:,} values; thin it out"
    if len({number for _, _, number in numbers}) < 2:
        return f"{file!r} must hold at least two different values in this column"
    return ""
