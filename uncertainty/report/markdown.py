"""Markdown in which text stays text: every part of a page is written by a function of this."""

import re
from collections.abc import Iterable, Sequence

from uncertainty.errors import one_line

# What CommonMark and its tables take for markup inside a line. An underscore within a word is a
# letter to them, so that names such as output_tokens stay as they are.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$#]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
# What they take for a list, a rule or a definition at the start of a line.
_BULLET = re.compile(r"^(?=[-+=:]+(\s|$))")
_NUMBER = re.compile(r"^(\d+)(?=[.)](\s|$))")


def escape(text: str) -> str:
    r"""Write a text so that Markdown shows it as it is, on one line.

    Examples
    --------
    >>> print(escape("<b>50 % of a_b* | [x](y)"))
    \<b\>50 % of a_b\* \| \[x\](y)
    """
    line = _MARKUP.sub(r"\\\g<0>", one_line(text).strip())
    return _NUMBER.sub(r"\1\\", _BULLET.sub(r"\\", line))


def paragraph(text: str, *, strong: str = "") -> str:
    """Write a paragraph, with a few words of our own before it in bold."""
    return f"**{strong}** {escape(text)}".rstrip() if strong else escape(text)


def heading(level: int, text: str) -> str:
    """Write a heading."""
    return f"{'#' * level} {escape(text)}"


def image(name: str) -> str:
    """Show a figure that lies beside the page."""
    return f"![{name}]({name}.svg)"


def bullets(items: Iterable[str]) -> str:
    """Write a list."""
    return "\n".join(f"- {escape(item)}" for item in items)


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Write a table.

    Examples
    --------
    >>> print(table_text(["a", "b"], [["1", "2|3"]]))
    | a | b |
    | --- | --- |
    | 1 | 2\|3 |
    """
    lines = [map(escape, columns), ["---"] * len(columns), *(map(escape, row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
