"""What can go wrong, as data: located faults and the exceptions that carry them."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["DISTRIBUTION", "Fault", "InputError", "UncertaintyError", "one_line", "said"]

DISTRIBUTION = "llm-energy-uncertainty"
"""The name to install by: on an index, `uncertainty` is the name of another project."""


def one_line(text: str) -> str:
    r"""Give a text as one line, without characters that act on a terminal or a reader.

    Line ends and tabs become spaces. Other control characters (among them those that move the
    cursor, and marks that turn the direction of what follows) and lone surrogates become U+FFFD.

    Examples
    --------
    >>> one_line("a title\n# not a heading\x1b[2J")
    'a title # not a heading\ufffd[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong (or worth knowing) at one place of one input.

    Attributes
    ----------
    path : str
        File, or a name in angle brackets for input that is no file (``<given>``).
    line, column : int
        Counted from 1; 0 where the input has no lines.
    field : str
        Dotted path of keys inside the input; may be empty.
    message : str
        What is wrong and how to mend it.

    Examples
    --------
    >>> print(Fault("p.yaml", 5, 21, "assumptions.pue.sd", "must be greater than 0 (got -1)"))
    p.yaml:5:21: assumptions.pue.sd: must be greater than 0 (got -1)
    """

    path: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return one_line(": ".join(part for part in (place, self.field, self.message) if part))


def said(error: BaseException) -> str:
    """Give what an error of a user's code says, which may itself fail."""
    try:
        return str(error).strip()
    except Exception:
        return ""


class UncertaintyError(Exception):
    """Every error that this package raises on purpose."""


class InputError(UncertaintyError):
    """The user's input is at fault; carries every fault found, sorted.

    Parameters
    ----------
    faults : iterable of Fault
        All faults, in any order.

    Examples
    --------
    >>> faults = [Fault("b.yaml", 2, 1, "", "second"), Fault("a.yaml", 1, 1, "", "first")]
    >>> print(InputError(faults))
    a.yaml:1:1: first
    b.yaml:2:1: second
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @classmethod
    def of(cls, where: str, message: str) -> "InputError":
        """Make an error of one fault that has no place in a file."""
        return cls([Fault(where, 0, 0, "", message)])
