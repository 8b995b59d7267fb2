"""What to write in place of texts that people write for numbers."""

import re
from collections.abc import Callable

__all__ = ["hint_for_number", "hint_for_unit"]

_MAGNITUDES = {
    **dict.fromkeys(["k", "thousand"], 3),
    **dict.fromkeys(["M", "mn", "mio", "million", "millions"], 6),
    **dict.fromkeys(["G", "B", "b", "bn", "mrd", "billion", "billions"], 9),
    **dict.fromkeys(["T", "tn", "trillion", "trillions"], 12),
}
_KEYBOARD = {"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*"} | dict.fromkeys(
    ["\u2009", "\u202f", "\u00a0"], " "
)
"""Minus, dash, signs of multiplication and spaces as they come out of a text processor."""


def _spread(found: re.Match[str]) -> str:
    share = float(found[1]) / 100 if found[3] else 1.0
    return f"a spread is {{normal: {{mean: {found[1]}, sd: {share * float(found[2]):g}}}}}"


def _range(found: re.Match[str]) -> str:
    low, high = found[1], found[2]
    return (
        f"a range is {{uniform: {{low: {low}, high: {high}}}}} "
        f"or {{lognormal: {{p5: {low}, p95: {high}}}}}"
    )


def _estimate(found: re.Match[str]) -> str:
    return (
        f"an estimate is a distribution, such as {{lognormal: {{median: {found[1]}, sigma: 0.3}}}}"
    )


def _separators(found: re.Match[str]) -> str:
    number = re.sub(r"[ ,'_]", "", found[1]) + (found[2] or "")
    decimal = f", or {found[1].replace(',', '.')}" if found[1].count(",") == 1 else ""
    return f"write it without separators: {number}{decimal}{found[3] or ''}"


def _comma(found: re.Match[str]) -> str:
    return f"write a decimal with a point: {found[1]}.{found[2]}{found[3] or ''}"


def _power(found: re.Match[str]) -> str:
    return f"write {found[1]}e{int(found[2])}{found[3] or ''}"


def _arithmetic(found: re.Match[str]) -> str:
    return f"arithmetic is {{expression: {found[0].replace('^', '**')}}}"


_N = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_MEANT: dict[str, Callable[[re.Match[str]], str]] = {
    rf"{_N}\s*(?:±|\+/-|\+-)\s*{_N}\s*(%?).*": _spread,
    rf"{_N}\s*(?:-|to|\.\.+|…)\s*{_N}\b.*": _range,
    rf"(?:[~≈∼≤≥]|[<>]=?|about|approx\.?|approximately|around|ca\.?|circa)\s*{_N}.*": _estimate,
    r"([-+]?\d{1,3}(?:[ ,'_]\d{3})+)(\.\d+)?(\s\D.*)?": _separators,
    r"([-+]?\d+),(\d+)(\s.*)?": _comma,
    rf"{_N}\s*[xX*]\s*10\s*(?:\^|\*\*)\s*([-+]?\d+)(\s.*)?": _power,
    r"[\d\s.eE()+*/^-]*\d\s*[-+*/^(][\d\s.eE()+*/^-]*": _arithmetic,
    r"\s*[{\[].*\w:[{\[].*": lambda _: "put a space after each ':'",
}
"""What a text looks like, the first that fits, and what to write for it."""


def hint_for_number(text: str) -> str:
    """Say how to write what a text means, where that can be guessed; else nothing.

    Examples
    --------
    >>> hint_for_number("1.2±0.05")
    'a spread is {normal: {mean: 1.2, sd: 0.05}}'
    >>> hint_for_number("0,28")
    'write a decimal with a point: 0.28'
    >>> hint_for_number("3-5")
    'a range is {uniform: {low: 3, high: 5}} or {lognormal: {p5: 3, p95: 5}}'
    >>> hint_for_number("2e6/30")
    'arithmetic is {expression: 2e6/30}'
    """
    plain = "".join(_KEYBOARD.get(letter, letter) for letter in text).strip()
    for pattern, told in _MEANT.items():
        if found := re.fullmatch(pattern, plain, re.IGNORECASE):
            return told(found)
    if plain != text and re.fullmatch(rf"{_N}(\s.*)?", plain):
        return f"write {plain} with the minus and the space of the keyboard"
    return ""


def hint_for_unit(number: float, unit: str) -> str:
    """Say how to write a number of thousands or billions, where a unit is one of these.

    Examples
    --------
    >>> hint_for_unit(200, "billion")
    'write 2e11'
    >>> hint_for_unit(0.7, "kW")
    ''
    """
    first, _, rest = unit.partition(" ")
    power = _MAGNITUDES.get(first if len(first) == 1 else first.lower())
    if power is None:
        return ""
    return (
        f"write {number * 10**power:g}".replace("e+", "e").replace("e0", "e") + f" {rest}".rstrip()
    )
