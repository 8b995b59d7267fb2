"""Files written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_figure", "write_text"]


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text file."""
    with _replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_figure(stem: Path, figure: "Figure") -> list[Path]:
    """Write a figure as SVG and as PNG."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, for all formats
    written = []
    for suffix, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": 160})):
        path = stem.with_suffix(suffix)
        with _replacing(path) as temporary:
            figure.savefig(temporary, **options)
        written.append(path)
    return written
