"""Tables and figures as files."""

from pathlib import Path
from typing import TYPE_CHECKING

from uncertainty.errors import one_line
from uncertainty.report.figures import fit_labels, plain_text
from uncertainty.writing import replacing, write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""


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
    from matplotlib import rc_context
    from matplotlib.text import Text

    written = []
    # The salt makes the ids in an SVG the same each time: they are random without one.
    fit_labels(figure)
    with plain_text(), rc_context({"svg.hashsalt": "uncertainty"}):
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, for all formats
        for suffix, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": 160})):
            path = stem.with_suffix(suffix)
            with replacing(path) as temporary:
                figure.savefig(temporary, **options)
            written.append(path)
    return written
