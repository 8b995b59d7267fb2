"""Where shipped files, citations and data are, and how far a file may reach for them."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_ENTRY = re.compile(r"^\s*@\w+\s*\{\s*([^,\s]+)\s*,", re.MULTILINE)
_APART = ("catalogue", "evidence", "ledger")


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
        and else the file's own folder.
        """
        roots = (shipped_folder(), Path.cwd().resolve(), path.parent)
        root = next(r for r in roots if path.resolve().is_relative_to(r.resolve()))
        return cls(path.parent, None if allow_outside else root)

    def of(self, path: Path) -> "Place":
        """Give the place of a file found from here.

        A base in a folder above widens the root to that folder, for itself only: the file that
        names it gets no further by it.
        """
        found = path.resolve()
        if found.is_relative_to(shipped_folder()):
            return Place(path.parent, shipped_folder())
        inside = self.root is None or found.is_relative_to(self.root.resolve())
        return Place(path.parent, self.root if inside else found.parent)

    def reaches(self, path: Path, *, upward: bool = False) -> bool:
        """Say whether a file found from here may be read; `upward`: in a folder above too."""
        found = path.resolve()
        roots = [shipped_folder(), *([self.root.resolve()] if self.root else [])]
        if self.root is None or any(found.is_relative_to(root) for root in roots):
            return True
        return upward and self.folder.resolve().is_relative_to(found.parent)


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
    found = (path.relative_to(root) for path in root.rglob("*.yaml"))
    return sorted(str(p.with_suffix("")) for p in found if p.parts[0] not in _APART)


def _candidates(name: str, folder: Path) -> Iterator[Path]:
    yield folder / name
    for shipped in (name, f"{name}.yaml"):
        path = shipped_folder() / shipped
        if ".." not in path.parts and not Path(name).is_absolute():
            yield path


def _is_file(path: Path) -> bool:
    """Say whether a file is there; a path that no system takes is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long; a NUL or a lone surrogate in it
        return False


def find_file(name: str, place: Place, *, upward: bool = False) -> Path | None:
    """Find a file that may be read: a path from `place`, or the name of a shipped file.

    With `upward`, a file in a folder above that of `place` may be read too: the base that the
    files of a project share.
    """
    found = (path for path in _candidates(name, place.folder) if _is_file(path))
    return next((path for path in found if place.reaches(path, upward=upward)), None)


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
    found = path.resolve()
    if found.is_relative_to(shipped_folder()):
        return str(Path("priors") / found.relative_to(shipped_folder()))
    if not found.is_relative_to(Path.cwd().resolve()):
        return str(found)
    shown = found.relative_to(Path.cwd().resolve())
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
    return {
        match[1]: _fields(text[match.end() : end]) for match, end in zip(places, ends, strict=True)
    }


def _fields(entry: str) -> dict[str, str]:
    """Read ``name = {value}`` lines; braces inside a value only protect capitals."""
    found = re.findall(r"^\s*(\w+)\s*=\s*\{?(.*?)\}?,?\s*$", entry, re.MULTILINE)
    return {name: re.sub(r"[{}]", "", value) for name, value in found}
