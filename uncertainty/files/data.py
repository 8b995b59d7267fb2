"""A column of a CSV file as numbers, with every cell that is none of them reported."""

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from uncertainty.errors import nearest
from uncertainty.files.document import Key
from uncertainty.files.library import InputFile, Place, find_file, missing_file, shown_path

_LARGEST = 200_000_000
_MOST = 1_000_000
_SHOWN = 3
_LONGEST = 40
_NUMERAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_FORMATS = {
    b"PK\x03\x04": "an Excel workbook (.xlsx) or another zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstandard",
    b"\x89HDF": "an HDF5 or NetCDF file",
    b"CDF": "a NetCDF file",
    b"ARROW1": "an Arrow file",
    b"\x93NUMPY": "a NumPy array",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
"""First bytes of what people keep tables in."""


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
    faults : tuple of (key, message)
        The key at fault (``file`` or ``column``) and what is wrong.
    """

    values: tuple[float, ...] = ()
    origin: str = ""
    read: InputFile | None = None
    faults: tuple[tuple[Key, str], ...] = ()


class _FileError(ValueError):
    """A file that holds no table of the format."""


def read_column(file: str, column: str, place: Place) -> Column:
    """Read a column of a CSV file with a header."""
    path = find_file(file, place)
    if path is None:
        return Column(faults=(("file", missing_file(file, place)),))
    state = path.stat()
    if state.st_size > _LARGEST:
        return Column(faults=(("file", f"{file!r} is larger than {_LARGEST:,} bytes"),))
    return _read(path, file, column, state.st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, file: str, column: str, _changed: int) -> Column:
    try:
        raw = path.read_bytes()
        rows = _rows(raw)
    except OSError as error:
        return Column(faults=(("file", f"{file!r} cannot be read: {error.strerror}"),))
    except _FileError as error:
        return Column(faults=(("file", f"{file!r} {error}"),))
    header = [name.strip() for name in rows[0][1]] if rows else []
    wrong = _wrong_header(column, header)
    if wrong:
        return Column(faults=(("column", f"{file!r} {wrong}"),))
    place = header.index(column)
    again = [line for line, row in rows[1:] if [cell.strip() for cell in row] == header]
    numbers = [
        (line, row[place].strip(), _number(row[place]))
        for line, row in rows[1:]
        if len(row) == len(header) and line not in again
    ]
    faults = [*_wrong_lines(header, rows[1:], again), *_wrong_cells(numbers)]
    values = tuple(number for _, _, number in numbers if number is not None)
    if not faults and len({*values}) < 2:
        faults = ["must hold at least two different values in this column"]
    if faults:
        return Column(faults=tuple(("column", f"{file!r} {fault}") for fault in faults))
    mark = hashlib.sha256(raw).hexdigest()
    told = f"file: {file}, column: {column}, {len(numbers)} values, sha256: {mark[:12]}"
    read = InputFile(path.resolve(), shown_path(path), mark)
    return Column(values, told, read)


def _rows(raw: bytes) -> list[tuple[int, list[str]]]:
    """Split into rows with the number of their last line; empty lines are none."""
    for start, name in _FORMATS.items():
        if raw.startswith(start):
            raise _FileError(f"is {name}, not CSV; save the table as CSV (UTF-8, commas)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _FileError(f"is not UTF-8 text (byte {error.start})") from error
    if "\0" in text:
        raise _FileError(f"is not a text: byte {len(text[: text.index(chr(0))].encode())} is NUL")
    if text.lstrip()[:1] in ("{", "["):
        raise _FileError("is JSON, not CSV; save the table as CSV (UTF-8, commas)")
    reader, rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True), []
    try:
        for row in reader:
            if row:
                rows.append((reader.line_num, row))
            if len(rows) > _MOST + 1:
                raise _FileError(f"has more than {_MOST:,} rows; thin it out")
    except csv.Error as error:
        raise _FileError(f"is not CSV in line {reader.line_num}: {error}") from error
    return rows


def _wrong_header(column: str, header: list[str]) -> str:
    if header.count(column) == 1:
        return ""
    if column in header:
        return f"has {header.count(column)} columns called {column!r}; rename all but one"
    if not header:
        return "is empty; its first line must name the columns"
    first = ",".join(header)
    for delimiter, name in _DELIMITERS.items():
        if column in [cell.strip().strip('"') for cell in first.split(delimiter)]:
            return f"separates its cells by {name}; save it with commas (and points in numbers)"
    if _number(header[0]) is not None:
        return f"has no header: its first line must name the columns (got {header[0]!r})"
    return f"has no column {column!r}{nearest(column, header)}"


def _number(cell: str) -> float | None:
    """Give the number that a cell holds; None for anything else, infinity and 1_000 too."""
    number = float(cell) if _NUMERAL.fullmatch(cell.strip()) else math.inf
    return number if math.isfinite(number) else None


def _wrong_lines(
    header: list[str], rows: list[tuple[int, list[str]]], again: list[int]
) -> Iterator[str]:
    """Find the lines that do not have one cell for each column, and headers that come again."""
    count = len(header)
    wrong = [f"line {line} has {len(row)}" for line, row in rows if len(row) != count]
    if wrong:
        yield (
            f"must have {count} cell{'s' * (count > 1)} in each line, as the header has "
            f"({_some(wrong)}); numbers are written 1.5 and 1000"
        )
    if again:
        yield f"repeats its header ({_some([f'line {line}' for line in again])})"


def _wrong_cells(numbers: list[tuple[int, str, float | None]]) -> Iterator[str]:
    bad = [(line, cell) for line, cell, number in numbers if number is None]
    if bad:
        hint = "; numbers are written 1.5 and 1000" * any("," in cell for _, cell in bad)
        told = _some([f"{cell[:_LONGEST]!r} in line {line}" for line, cell in bad])
        yield f"must hold finite numbers only (got {told}){hint}"


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
