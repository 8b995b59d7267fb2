"""Files written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from uncertainty.errors import one_line
from uncertainty.plots import plain_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["write_csv", "write_figure", "write_text"]

_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""


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


def write_csv(path: Path, frame: "pd.DataFrame") -> Path:
    """Write a table as CSV: a text that a spreadsheet would take for a formula gets a ``'``."""
    shown = frame.map(_cell).rename(columns=_cell)
    return write_text(path, str(shown.to_csv(index=False, lineterminator="\n")))


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    line = one_line(value)
    return f"'{line}" if line.lstrip().startswith(_FORMULA) else line


def write_figure(stem: Path, figure: "Figure") -> list[Path]:
    """Write a figure as SVG and as PNG; a dollar sign in its texts is a dollar sign."""
    from matplotlib.text import Text

    written = []
    with plain_text():
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, for all formats
        for suffix, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": 160})):
            path = stem.with_suffix(suffix)
            with _replacing(path) as temporary:
                figure.savefig(temporary, **options)
            written.append(path)
    return written
