"""What goes wrong, in sentences: faults with their place, the nearest name, arguments refused."""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TypeGuard

DISTRIBUTION = "llm-energy-uncertainty"
"""The name to install by: on an index, `uncertainty` is the name of another project."""

_LISTED = 20  # names: more are counted, or a message fills a screen
_OFFERED = 3  # names that may have been meant
_COMPARED = 100  # characters: comparing takes the square of the length
_SEEDS = 2**32  # JAX and NumPy take 32 bits of a seed; a larger one would be cut off in silence


@dataclass(frozen=True)
class Fault:
    """One thing wrong (or worth knowing) at one place of one input.

    Attributes
    ----------
    path : str
        File, or a name in angle brackets for input that is not a file (``<given>``).
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

    def __lt__(self, other: "Fault") -> bool:
        """Come first by place, and by the numbers in a text: row 2 before row 10."""
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, int, int, str, str]:
        field, message = (
            re.sub(r"\d+", lambda digits: digits[0].zfill(9), text)
            for text in (self.field, self.message)
        )
        return self.path, self.line, self.column, field, message

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return one_line(": ".join(part for part in (place, self.field, self.message) if part))


def in_brief(notices: Iterable[Fault]) -> list[str]:
    """Texts of notices, where what one file says of several names in the same words is one text.

    Examples
    --------
    >>> in_brief(Fault("p.yaml", i, 1, f"assumptions.{x}", f"overrides {i} -> 5")
    ...          for i, x in ((1, "pue"), (2, "host")))
    ['p.yaml:1:1: assumptions.pue: overrides 1 -> 5; host 2 -> 5']
    """
    texts: dict[tuple[str, str], str] = {}
    for notice in notices:
        match = re.fullmatch(r"(overrides|not given; \w+ takes) (.*)", notice.message)
        key = (notice.path, match[1]) if match else (str(notice), "")
        if match and key in texts:
            texts[key] += one_line(f"; {notice.field.removeprefix('assumptions.')} {match[2]}")
        else:
            texts[key] = str(notice)
    return [*texts.values()]


class UncertaintyError(Exception):
    """Every error that this package raises on purpose."""


class InputError(UncertaintyError):
    """The user's input is at fault; carries every fault, sorted.

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
    >>> print(InputError(Fault("<rows>", 0, 0, f"{row}.pue", "is below 1") for row in (10, 2)))
    <rows>: 2.pue: is below 1
    <rows>: 10.pue: is below 1
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @classmethod
    def of(cls, where: str, message: str) -> "InputError":
        """Make an error of one fault that has no place in a file."""
        return cls([Fault(where, 0, 0, "", message)])


def message_of(error: BaseException) -> str:
    """Message of an error of a user's code; asking for it may itself fail."""
    try:
        return str(error).strip()
    except Exception:
        return ""


def counted(number: int, noun: str) -> str:
    """Write how many there are.

    Examples
    --------
    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
    near = [repr(other) for other in _near(name, names)]
    if near:
        *others, last = near
        return f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
    return f"; known: {listed(names)}" if names else ""


def check_keywords(function: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a keyword that a function does not have, as Python does, with the nearest name.

    Examples
    --------
    >>> check_keywords("stream", ["tolerence"], ["tolerance", "queries"])
    Traceback (most recent call last):
    ...
    TypeError: stream() got an unexpected keyword argument 'tolerence'; did you mean 'tolerance'?
    """
    known = [*known]
    for name in options:
        if name not in known:
            hint = nearest(name, known)
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{hint}")


def listed(texts: Sequence[str], most: int = _LISTED) -> str:
    """Join texts; those beyond the first `most` are counted."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return f"{', '.join(texts[:most])}{more}"


def _near(name: str, names: list[str]) -> list[str]:
    """Names that read alike, else those with the same words in them, else those a bit alike."""
    name, lowered = name[:_COMPARED].lower(), {other.lower(): other for other in names}

    def words(text: str) -> list[str]:
        return [word for word in re.split(r"[^a-z0-9.]+", text) if len(word) > 1]

    alike = difflib.get_close_matches(name, lowered, n=_OFFERED, cutoff=0.8)
    if alike:
        # The best one, and what is as near; of a name that differs in case only, there is one.
        ratios = [difflib.SequenceMatcher(None, name, other).ratio() for other in alike]
        ties = [ratio > ratios[0] - 0.01 and ratios[0] < 1 for ratio in ratios]
        return [lowered[o] for o, tie in zip(alike, ties, strict=True) if tie or o == alike[0]]
    # Words count in the singular or plural, and by their first letters.
    stems = [word.rstrip("s") if len(word) > 3 else word for word in words(name)]
    shared = [
        other
        for other in lowered
        if stems
        and all(
            any(word == stem or (len(stem) > 2 and word.startswith(stem)) for word in words(other))
            for stem in stems
        )
    ]
    shared.sort(key=lambda other: (not other.startswith(stems[0].rstrip("s")), len(other)))
    bit_alike = shared or difflib.get_close_matches(name, lowered, n=1, cutoff=0.6)
    return [lowered[other] for other in bit_alike[:_OFFERED]]


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
    hint = nearest(str(got), names)
    hint = hint if hint.startswith("; did you mean") else ""  # all are listed before it
    raise InputError.of(f"<{what}>", f"must be one of {listed(names)} (got {got!r}{hint})")


def check_all(*checks: Callable[[], object]) -> None:
    """Run every check, and refuse at once all that they refuse.

    Raises
    ------
    InputError
    """
    faults: list[Fault] = []
    for check in checks:
        try:
            check()
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)


def check_seed(seed: object) -> None:
    """Refuse what is not a whole number from 0 to 2^32 - 1."""
    if not _is_whole(seed) or not 0 <= int(seed) < _SEEDS:
        text = f"must be a whole number from 0 to 2^32 - 1 (got {seed!r:.40})"
        raise InputError.of("<seed>", text)


def check_count(name: str, count: object, least: int, most: int, remedy: str = "") -> None:
    """Refuse a number of things that is not a whole number between two limits.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_count("draws", 10**400, 1, 10**9)
    Traceback (most recent call last):
    ...
    uncertainty.errors.InputError: <draws>: must be 1,000,000,000 or fewer (got 1e+300 or more)
    """
    if not _is_whole(count) or int(count) < least:
        kind = "" if _is_whole(count) else "a whole number, "
        raise InputError.of(f"<{name}>", f"must be {kind}{least} or more (got {count!r:.40})")
    if int(count) > most:
        # A whole number may be larger than any float, which is what is written.
        got = f"{count:.3g}" if int(count) < 10**300 else "1e+300 or more"
        raise InputError.of(f"<{name}>", f"must be {most:,} or fewer (got {got}){remedy}")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_threshold(name: str, value: object) -> None:
    """Refuse a threshold that is not a finite number."""
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise InputError.of(f"<{name}>", f"must be a finite number (got {value!r:.40})")


def check_probability(name: str, value: object) -> None:
    """Refuse what does not lie between 0 and 1."""
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        got = f"{float(value):g}" if isinstance(value, Real) else f"{value!r:.40}"
        raise InputError.of(f"<{name}>", f"must lie between 0 and 1 (got {got})")
