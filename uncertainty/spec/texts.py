"""Characters that act on who reads a text: terminal controls, changes of direction, half a pair."""

import re
from collections.abc import Iterator, Mapping

__all__ = ["acting_character", "acting_texts"]

# Controls but for tab and line break; separators that are line breaks to some; embeddings,
# overrides and isolates of direction ("Trojan source", CVE-2021-42574); lone surrogates.
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def acting_character(text: str) -> tuple[int, str] | None:
    r"""Find the first character that acts: its place, and a sentence.

    Examples
    --------
    >>> acting_character("a\x1b[2J")
    (1, 'has the control character U+001B; take it out')
    """
    found = _ACTING.search(text)
    if found is None:
        return None
    code = ord(found[0])
    kind = "half a character" if 0xD800 <= code < 0xE000 else "the control character"
    return found.start(), f"has {kind} U+{code:04X}; take it out"


def acting_texts(
    data: object, keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Find the texts of built-in containers that have such a character: keys and sentence."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if found := acting_character(str(key)):
                yield keys, f"the key {key!a:.60} {found[1]}"
            yield from acting_texts(value, (*keys, key))
    elif isinstance(data, list):
        for place, item in enumerate(data):
            yield from acting_texts(item, (*keys, place))
    elif isinstance(data, str) and (found := acting_character(data)):
        yield keys, found[1]
