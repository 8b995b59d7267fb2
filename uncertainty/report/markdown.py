"""Lists and tables in Markdown."""

from collections.abc import Sequence

__all__ = ["bullets", "table_text"]


def bullets(items: Sequence[str]) -> str:
    """Write a list."""
    return "\n".join(f"- {item}" for item in items)


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Write a table.

    Examples
    --------
    >>> print(table_text(["a", "b"], [["1", "2|3"]]))
    | a | b |
    | --- | --- |
    | 1 | 2\|3 |
    """
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
