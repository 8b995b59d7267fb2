"""Names that are not known: which one was meant."""

import difflib
import re
from collections.abc import Iterable, Sequence

from uncertainty.errors import InputError

__all__ = ["nearest", "require_known"]

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
