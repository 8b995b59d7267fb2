"""Arguments that many functions take, refused in a sentence before anything is computed."""

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

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


_SHOWN = 20
_OFFERED = 3
_LONGEST = 100


def nearest(name: str, known: Iterable[str]) -> str:
    """Give a hint: the nearest known names, or all of them where none is near.

    Examples
    --------
    >>> nearest("utilisation", ["utilization", "pue"])
    "; did you mean 'utilization'?"
    >>> nearest("H100", ["h100-sxm", "h100-pcie", "h200"])
    "; did you mean 'h100-sxm' or 'h100-pcie'?"
    >>> nearest("colour", ["pue", "host"])
    '; known: host, pue'
    """
    names = sorted(known)
    near = _near(name[:_LONGEST].lower(), names)[:_OFFERED]
    if near:
        shown = [repr(other) for other in near]
        return (
            f"; did you mean {' or '.join([', '.join(shown[:-1]), shown[-1]][len(shown) < 2 :])}?"
        )
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; known: {', '.join(names[:_SHOWN])}{more}" if names else ""


def _near(name: str, names: Sequence[str]) -> list[str]:
    """Names that read alike, else those with the same words in them, else those a bit alike."""
    lowered = {other.lower(): other for other in names}
    alike = difflib.get_close_matches(name, lowered, n=_OFFERED, cutoff=0.8)
    if alike:
        ratios = [difflib.SequenceMatcher(None, name, other).ratio() for other in alike]
        return [
            lowered[other]
            for other, ratio in zip(alike, ratios, strict=True)
            if (ratio > ratios[0] - 0.01 and ratios[0] < 1) or other == alike[0]
        ]
    asked = _words(name)
    shared = [other for other in lowered if asked and all(_holds(other, word) for word in asked)]
    if shared:
        first = asked[0].rstrip("s")
        ranked = sorted(shared, key=lambda other: (not other.startswith(first), len(other)))
        return [lowered[other] for other in ranked]
    return [lowered[other] for other in difflib.get_close_matches(name, lowered, n=1, cutoff=0.6)]


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9.]+", name) if len(word) > 1]


def _holds(name: str, word: str) -> bool:
    """Say whether a name has this word, in the singular or plural, or one that begins with it."""
    stem = word.rstrip("s") if len(word) > 3 else word
    return any(
        other == word or (len(stem) > 2 and other.startswith(stem)) for other in _words(name)
    )


def require_known(what: str, got: object, known: Iterable[str]) -> str:
    """Give a name back that is known.

    Raises
    ------
    InputError
        Else, with all that are known and the nearest.

    Examples
    --------
    >>> require_known("kind", "et", ["eti", "hdi"])
    Traceback (most recent call last):
    ...
    uncertainty.errors.InputError: <kind>: must be one of eti, hdi (got 'et'; did you mean 'eti'?)
    """
    names = list(known)
    if isinstance(got, str) and got in names:
        return got
    close = nearest(str(got), names)
    hint = close if close.startswith("; did you mean") else ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    listed = f"{', '.join(names[:_SHOWN])}{more}"
    raise InputError.of(f"<{what}>", f"must be one of {listed} (got {got!r}{hint})")


_SEEDS = 2**32
"""JAX and NumPy take 32 bits of a seed; a larger one would be cut off in silence."""


def check_seed(seed: object) -> None:
    """Refuse what is no seed.

    Raises
    ------
    InputError
        If `seed` is no whole number from 0 to 2^32 - 1.
    """
    whole = isinstance(seed, Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= int(seed) < _SEEDS:  # type: ignore[call-overload]  # is a whole number
        shown = f"{seed!r:.40}"
        raise InputError.of("<seed>", f"must be a whole number from 0 to 2^32 - 1 (got {shown})")


def check_count(name: str, count: object, least: int, most: int, remedy: str = "") -> None:
    """Refuse a number of things that is no whole number between two limits.

    Raises
    ------
    InputError
    """
    whole = isinstance(count, Integral) and not isinstance(count, bool)
    if not whole or int(count) < least:  # type: ignore[call-overload]  # is a whole number
        kind = "" if whole else "a whole number, "
        raise InputError.of(f"<{name}>", f"must be {kind}{least} or more (got {count!r:.40})")
    if int(count) > most:  # type: ignore[call-overload]  # is a whole number
        raise InputError.of(f"<{name}>", f"must be {most:,} or fewer (got {count:.3g}){remedy}")


def check_threshold(name: str, value: object) -> None:
    """Refuse a threshold that is no finite number.

    Raises
    ------
    InputError
    """
    if not isinstance(value, Real) or not math.isfinite(value):
        raise InputError.of(f"<{name}>", f"must be a finite number (got {value!r:.40})")
