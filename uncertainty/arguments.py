"""Arguments that many functions take, refused in a sentence before anything is computed."""

import math
from numbers import Integral, Real

from uncertainty.errors import InputError

__all__ = ["check_count", "check_seed", "check_threshold"]

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
