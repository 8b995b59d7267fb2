"""The files that are named: shipped, cited, columns of data, models; and how far a name reaches."""

import csv
import hashlib
import importlib.util
import io
import math
import os
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary

from uncertainty.errors import Fault, InputError, listed, message_of, nearest

_ENTRY = re.compile(r"^\s*@\w+\s*\{\s*([^,\s]+)\s*,", re.MULTILINE)
_APART = ("catalogue", "evidence", "ledger")  # folders of files that are not priors


@dataclass(frozen=True)
class InputFile:
    """A file that was read.

    Attributes
    ----------
    path : Path
        Absolute.
    label, sha256 : str
        How messages show it; hash of what was read.
    """

    path: Path
    label: str
    sha256: str


@dataclass(frozen=True)
class Place:
    """Where the names in one file are looked up.

    Attributes
    ----------
    folder : Path
        The file's own folder.
    root : Path or None
        The folder that names may not lead out of; None where they may lead anywhere.
    """

    folder: Path
    root: Path | None

    @classmethod
    def first(cls, path: Path, *, allow_outside: bool) -> "Place":
        """Give the place of the file that a call names.

        Its root is the library for a shipped file, the working folder for a file inside that,
        and else the file's own folder. A link that leads out of these, or into the library,
        stands for the file where that lies.
        """
        target, shipped = path.resolve(), shipped_folder()
        roots = [shipped, Path.cwd().resolve(), path.parent.resolve(), target.parent]
        root = next(root for root in roots if target.is_relative_to(root))
        there = root in (shipped, target.parent)
        return cls(target.parent if there else path.parent, None if allow_outside else root)

    def of(self, path: Path) -> "Place":
        """Give the place of a file that is named from here.

        A base in a folder above widens the root to that folder, for itself only: the file that
        names it gets no further by it.
        """
        target = path.resolve()
        if target.is_relative_to(shipped_folder()):
            return Place(target.parent, shipped_folder())
        inside = self.root is None or target.is_relative_to(self.root.resolve())
        return Place(path.parent, self.root if inside else target.parent)

    def reaches(self, path: Path, *, upward: bool = False) -> bool:
        """Say whether a file named from here may be read; `upward`: in a folder above too."""
        target = path.resolve()
        roots = [shipped_folder(), *([self.root.resolve()] if self.root else [])]
        if self.root is None or any(target.is_relative_to(root) for root in roots):
            return True
        return upward and self.folder.resolve().is_relative_to(target.parent)


# Asked for with every file that is named.
@lru_cache(maxsize=1)
def shipped_folder() -> Path:
    """Find the shipped `priors/`: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "priors"
    return inside if inside.is_dir() else package.parent / "priors"


def shipped_names() -> list[str]:
    """Name the shipped prior files, as `load_priors` takes them.

    Examples
    --------
    >>> "gpt-4o" in shipped_names()
    True
    """
    root = shipped_folder()
    paths = (path.relative_to(root) for path in root.rglob("*.yaml"))
    return sorted(str(p.with_suffix("")) for p in paths if p.parts[0] not in _APART)


def find_file(name: str, place: Place, *, upward: bool = False) -> Path | None:
    """Find a file that may be read: a path from `place`, or the name of a shipped file.

    With `upward`, a file in a folder above that of `place` may be read too: the base that the
    files of a project share.
    """
    candidates = [place.folder / name]
    if ".." not in Path(name).parts and not Path(name).is_absolute():
        candidates += [shipped_folder() / name, shipped_folder() / f"{name}.yaml"]
    for path in candidates:
        with suppress(OSError, ValueError):  # too long; a NUL or a lone surrogate in it
            if path.is_file() and place.reaches(path, upward=upward):
                return path
    return None


def missing_file(name: str, place: Place) -> str:
    """Say why `find_file` found nothing."""
    path = place.folder / name
    try:
        reaches, folder = place.reaches(path), path.is_dir()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle, to Python 3.12
        reaches, folder = True, False
    if reaches:
        return f"no such file: {name[:60]!r}{' is a folder' * folder}"
    return (
        f"{name!r} lies outside the folder of the file and the working folder; move it inside, or "
        "allow it with --allow-outside (allow_outside=True)"
    )


def shown_path(path: Path) -> str:
    """Give a path as messages show it: from the shipped library, or from the current folder.

    A file of the user's that would be shown like a shipped one begins with ``./``.
    """
    target = path.resolve()
    if target.is_relative_to(shipped_folder()):
        return str(Path("priors") / target.relative_to(shipped_folder()))
    if not target.is_relative_to(Path.cwd().resolve()):
        return str(target)
    shown = target.relative_to(Path.cwd().resolve())
    inside = shown.relative_to("priors") if shown.is_relative_to("priors") else None
    twice = inside is not None and (shipped_folder() / inside).is_file()
    return f".{os.sep}{shown}" if twice else str(shown)


def source_keys(place: Place) -> frozenset[str]:
    """Collect the citation keys of the shipped `sources.bib` and of one beside a file."""
    files = (shipped_folder() / "sources.bib", place.folder / "sources.bib")
    readable = (path for path in files if path.is_file() and place.reaches(path))
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in readable]
    return frozenset(key for text in texts for key in _ENTRY.findall(text))


def sources() -> dict[str, dict[str, str]]:
    """Give the fields of each shipped citation by key.

    Examples
    --------
    >>> sources()["epoch2025"]["year"]
    '2025'
    """
    text = (shipped_folder() / "sources.bib").read_text(encoding="utf-8")
    places = [*_ENTRY.finditer(text)]
    ends = [*(match.start() for match in places[1:]), len(text)]
    result = {}
    for match, end in zip(places, ends, strict=True):
        fields = re.findall(
            r"^\s*(\w+)\s*=\s*\{?(.*?)\}?,?\s*$", text[match.end() : end], re.MULTILINE
        )
        # Braces inside a value only protect capitals.
        result[match[1]] = {name: re.sub(r"[{}]", "", value) for name, value in fields}
    return result


_LARGEST = 200_000_000  # bytes of a table
_MOST = 1_000_000  # rows of a table
_LONGEST = 40  # characters of a cell in a message
# float() would take 1_000, infinity and digits of other scripts too.
_NUMERAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# What other programs put between cells.
_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
# First bytes of what people keep tables in.
OTHER_FORMATS = {
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
    faults: tuple[tuple[str, str], ...] = ()


class _TableError(ValueError):
    """A file that holds no table of the format, or not the column."""


def read_column(file: str, column: str, place: Place) -> Column:
    """Read a column of a CSV file with a header."""
    path = find_file(file, place)
    if path is None:
        return Column(faults=(("file", missing_file(file, place)),))
    state = path.stat()
    if state.st_size > _LARGEST:
        return Column(faults=(("file", f"{file!r} is larger than {_LARGEST:,} bytes"),))
    return _read(path, file, column, state.st_mtime_ns)


# A column is read once, however many problems are built of its file.
@lru_cache(maxsize=32)
def _read(path: Path, file: str, column: str, _changed: int) -> Column:
    key = "file"
    try:
        raw = path.read_bytes()
        rows, key = _rows(raw), "column"
        header = [name.strip() for name in rows[0][1]] if rows else []
        place = _place_of(column, header)
    except OSError as error:
        return Column(faults=((key, f"{file!r} cannot be read: {error.strerror}"),))
    except _TableError as error:
        return Column(faults=((key, f"{file!r} {error}"),))
    count, faults = len(header), list[str]()
    short = [f"line {line} has {len(row)}" for line, row in rows[1:] if len(row) != count]
    if short:
        faults.append(
            f"must have {count} cell{'s' * (count > 1)} in each line, as the header has "
            f"({listed(short, 3)}); numbers are written 1.5 and 1000"
        )
    again = [line for line, row in rows[1:] if [cell.strip() for cell in row] == header]
    if again:
        faults.append(f"repeats its header ({listed([f'line {line}' for line in again], 3)})")
    cells = [
        (line, row[place].strip())
        for line, row in rows[1:]
        if len(row) == count and line not in again
    ]
    numbers = [_number(cell) for _, cell in cells]
    wrong = [cell for cell, number in zip(cells, numbers, strict=True) if number is None]
    if wrong:
        hint = "; numbers are written 1.5 and 1000" * any("," in cell for _, cell in wrong)
        got = listed([f"{cell[:_LONGEST]!r} in line {line}" for line, cell in wrong], 3)
        faults.append(f"must hold finite numbers only (got {got}){hint}")
    values = tuple(number for number in numbers if number is not None)
    if not faults and len({*values}) < 2:
        faults = ["has one value only in this column; write it as fixed"]
    if faults:
        return Column(faults=tuple(("column", f"{file!r} {fault}") for fault in faults))
    mark = hashlib.sha256(raw).hexdigest()
    origin = f"file: {file}, column: {column}, {len(values)} values, sha256: {mark[:12]}"
    return Column(values, origin, InputFile(path.resolve(), shown_path(path), mark))


def _rows(raw: bytes) -> list[tuple[int, list[str]]]:
    """Split a text into rows, each with its last line; empty lines are none."""
    for start, name in OTHER_FORMATS.items():
        if raw.startswith(start):
            raise _TableError(f"is {name}, not CSV; save the table as CSV (UTF-8, commas)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _TableError(f"is not UTF-8 text (byte {error.start})") from error
    if "\0" in text:
        raise _TableError(f"is not text: byte {len(text[: text.index(chr(0))].encode())} is NUL")
    if text.lstrip()[:1] in ("{", "["):
        raise _TableError("is JSON, not CSV; save the table as CSV (UTF-8, commas)")
    reader, rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True), []
    try:
        for row in reader:
            if row:
                rows.append((reader.line_num, row))
            if len(rows) > _MOST + 1:
                raise _TableError(f"has more than {_MOST:,} rows; thin it out")
    except csv.Error as error:
        raise _TableError(f"is not CSV in line {reader.line_num}: {error}") from error
    return rows


def _place_of(column: str, header: list[str]) -> int:
    """Look a column up in the header."""
    if header.count(column) == 1:
        return header.index(column)
    if column in header:
        text = f"has {header.count(column)} columns called {column!r}; rename all but one"
        raise _TableError(text)
    if not header:
        raise _TableError("is empty; its first line must name the columns")
    for delimiter, name in _DELIMITERS.items():
        if column in [cell.strip().strip('"') for cell in ",".join(header).split(delimiter)]:
            text = f"separates its cells by {name}; save it with commas (and points in numbers)"
            raise _TableError(text)
    if _number(header[0]) is not None:
        text = f"has no header: its first line must name the columns (got {header[0]!r})"
        raise _TableError(text)
    raise _TableError(f"has no column {column!r}{nearest(column, header)}")


def _number(cell: str) -> float | None:
    """Give the number that a cell holds; None for anything else, infinity and 1_000 too."""
    number = float(cell) if _NUMERAL.fullmatch(cell.strip()) else math.inf
    return number if math.isfinite(number) else None


# Which file a function came from, as long as somebody holds the function.
_FILES: "WeakKeyDictionary[Callable[..., object], InputFile]" = WeakKeyDictionary()


LOADED_AS = "user_model"
"""Name of the module that a model's file becomes: none that can be imported elsewhere."""


def load_function(place: str) -> Callable[..., object]:
    """Load ``path/to/file.py:function``: the one input that is run, and only when asked for.

    What the file prints goes to standard error: standard output is for results. It may import
    files that lie beside it.

    Raises
    ------
    InputError
        If there is no such file, it cannot be run, or it has no such function.
    """
    path, name = place.rsplit(":", 1) if ":" in place else (place, "")
    spec = importlib.util.spec_from_file_location(LOADED_AS, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):  # noqa: PTH113  # Path.is_file raises on odd names
        raise InputError.of("--model", f"no Python file {path!r}")
    module = importlib.util.module_from_spec(spec)
    vars(module)["print"] = partial(print, file=sys.stderr)
    sys.modules[LOADED_AS] = module  # dataclasses look their own module up
    sys.path.append(str(Path(path).resolve().parent))
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may raise anything
        raise InputError([_failure(path, error)]) from error
    function = vars(module).get(name)
    known = [
        other
        for other, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    ]
    if function is None or name == "print":
        text = f"{path} has no function {name!r}"
        if known and not name:
            text = f"name a function of {path}, as {path}:{known[0]}"
        raise InputError.of("--model", f"{text}{nearest(name, known)}")
    if not callable(function):
        text = f"{name} of {path} is not a function, but of type {type(function).__name__}"
        raise InputError.of("--model", f"{text}{nearest(name, known)}")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError.of("--model", f"{path} cannot be read: {error.strerror}") from error
    file = InputFile(Path(path).resolve(), path, hashlib.sha256(content).hexdigest())
    with suppress(TypeError):  # an object that cannot be a key is not remembered
        _FILES[function] = file
    return cast(Callable[..., object], function)


def _failure(path: str, error: BaseException) -> Fault:
    """Say at which line a file cannot be run."""
    absolute = os.path.abspath(path)  # noqa: PTH100  # as the import names it: links unresolved
    if isinstance(error, SyntaxError):
        imported = error.filename not in (None, path, absolute)
        place = str(error.filename) if imported else path
        return Fault(place, error.lineno or 0, error.offset or 0, "", f"is not Python: {error.msg}")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno or 0 for frame in frames if frame.filename in (path, absolute)]
    line = lines[-1] if lines else 0
    if isinstance(error, SystemExit):
        text = "ends the program (sys.exit) when it is imported; take that out of the file"
    else:
        text = f"cannot be run: {type(error).__name__}: {message_of(error)}"
    return Fault(path, line, 1 if line else 0, "", text)


def file_of_function(function: Callable[..., object]) -> InputFile | None:
    """Give the file that a function was loaded from, where `load_function` did."""
    try:
        return _FILES.get(getattr(function, "function", function))  # behind one in plain Python
    except TypeError:
        return None
