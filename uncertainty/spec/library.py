"""Where shipped files and citations are: one function finds `priors/` in every kind of install."""

import re
from functools import lru_cache
from pathlib import Path

__all__ = ["find_file", "shipped_folder", "shipped_names", "source_keys"]

_ENTRY = re.compile(r"^\s*@\w+\s*\{\s*([^,\s]+)\s*,", re.MULTILINE)


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
    return sorted(str(p.relative_to(root).with_suffix("")) for p in root.rglob("*.yaml"))


def find_file(name: str, folder: Path) -> Path | None:
    """Find a prior file: a path from `folder`, or the name of a shipped file."""
    candidates = [folder / name, shipped_folder() / name, shipped_folder() / f"{name}.yaml"]
    return next((path for path in candidates if path.is_file()), None)


def source_keys(folder: Path) -> frozenset[str]:
    """Collect the citation keys of the shipped `sources.bib` and of one in `folder`."""
    files = (shipped_folder() / "sources.bib", folder / "sources.bib")
    texts = [path.read_text(encoding="utf-8") for path in files if path.is_file()]
    return frozenset(key for text in texts for key in _ENTRY.findall(text))
