"""One YAML text (or Python mapping) with the place of each of its keys: the door to YAML."""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from io import StringIO
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias

import yaml

from uncertainty.errors import Fault, InputError
from uncertainty.files.library import Place

if TYPE_CHECKING:
    from ruamel.yaml.nodes import ScalarNode
    from ruamel.yaml.representer import RoundTripRepresenter

Key: TypeAlias = str | int
Plain: TypeAlias = "str | float | int | bool | list[Plain] | dict[str, Plain] | None"

_LARGEST = 2_000_000  # bytes of a file: twice 10,000 rows of evidence
_LEVELS = 20  # of nesting in a file
_LEVELS_OF_CALL = 30  # of a mapping given in a call, which may lie inside others
_MOST = 100_000  # values with aliases written out: ten lines of aliases can stand for 1e10
_DIGITS = 4000  # of a whole number: Python reads no more than 4300
_BITS = 4096  # of a whole number in a mapping, for the same reason
_WIDTH = 96  # of a line that is written
_SHORT = 40  # characters of a value that may share its line with others
# Numbers of YAML 1.2, with underscores as its readers allow them.
_WHOLE = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NUMBER_KEY = re.compile(r"[0-9]*\.?[0-9]+(?:[eE]-?[0-9]+)?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
# What helps with the errors of YAML that people meet most.
_HINTS = {
    "'\\t'": " (a tab: indent with spaces)",
    "'@'": "; put the text in quotes",
    "'`'": "; put the text in quotes",
    "'%'": "; put the text in quotes",
    "mapping values are not allowed": "; put a text with ': ' in it in quotes",
}


# What people name in place of YAML, and what it is for.
_OTHERS = {
    ".nc": "a result, for uncertainty rank and un.load",
    ".bib": "a list of sources, which files beside a sources.bib cite by their keys",
    ".csv": "a table, of which an assumption takes a column: empirical {file, column}",
    ".py": "Python, for --model FILE.py:FUNCTION",
}


class DocumentError(ValueError):
    """What a document cannot hold, with the keys that lead to it, and its place in a text."""

    def __init__(
        self, message: str, keys: Sequence[Key] = (), line: int = 1, column: int = 1
    ) -> None:
        super().__init__(message)
        self.keys, self.line, self.column = tuple(keys), line, column


class _Mark(Protocol):
    line: int
    column: int


class _Event(Protocol):
    """What begins, ends or stands in a text, as PyYAML and ruamel both name it."""

    anchor: str | None
    tag: object
    value: str
    style: str | None
    start_mark: _Mark


class _Composer:
    """Builds values from the events of a parser, and refuses what a data file never needs."""

    def __init__(self, events: Iterable[_Event]) -> None:
        self.events = iter(events)
        self.places: dict[tuple[Key, ...], tuple[int, int]] = {}
        self.open: list[str | None] = []  # anchors of the mappings and lists that have begun
        self.anchored: dict[str, tuple[Plain, int]] = {}  # each with the values it stands for
        self.count = 0  # of values so far, with aliases written out

    def refuse(self, event: _Event, message: str, keys: Sequence[Key] = ()) -> NoReturn:
        raise DocumentError(message, keys, *_place_of(event))

    def document(self) -> Plain:
        """Build the only document of a stream."""
        result: Plain = None
        next(self.events)  # the stream begins
        if _kind(next(self.events)) == "DocumentStart":
            result = self.value(next(self.events), ())
            next(self.events)  # the document ends
            if _kind(after := next(self.events)) == "DocumentStart":
                self.refuse(after, "not YAML: a second '---' begins another document: keep one")
        return result

    def value(self, event: _Event, keys: tuple[Key, ...]) -> Plain:
        kind = _kind(event)
        if kind == "Alias":
            if event.anchor in self.open:
                self.refuse(event, f"the alias *{event.anchor} is inside what it repeats")
            if event.anchor not in self.anchored:
                self.refuse(event, f"not YAML: found undefined alias {event.anchor!r}")
            result, size = self.anchored[event.anchor]
            self.add(event, size)
            return result
        if event.tag is not None:  # one that the text states
            self.refuse(event, f"tags are not allowed (got {event.tag}); write the plain value")
        before = self.count
        self.add(event, 1)
        if kind == "Scalar":
            result = self.scalar(event)
        else:
            self.open.append(event.anchor)
            if len(self.open) > _LEVELS:
                self.refuse(event, f"is nested more than {_LEVELS} levels deep")
            result = self.mapping(keys) if kind == "MappingStart" else self.items(keys)
            self.open.pop()
        if event.anchor is not None:
            self.anchored[event.anchor] = result, self.count - before
        return result

    def add(self, event: _Event, size: int) -> None:
        self.count += size
        if _kind(event) == "Alias" and self.count > _MOST:  # what is written out takes its bytes
            self.refuse(event, f"aliases repeat more than {_MOST:,} values; use fewer of them")

    def items(self, keys: tuple[Key, ...]) -> list[Plain]:
        result: list[Plain] = []
        while _kind(event := next(self.events)) != "SequenceEnd":
            here = (*keys, len(result))
            self.places[here] = _place_of(event)
            result.append(self.value(event, here))
        return result

    def mapping(self, keys: tuple[Key, ...]) -> dict[str, Plain]:
        result: dict[str, Plain] = {}
        merged: list[Plain] = []
        while _kind(event := next(self.events)) != "MappingEnd":
            key = self.key(event)
            here = (*keys, key)
            if key == "<<" and not event.style:  # the mappings whose keys hold where none stands
                value = self.value(next(self.events), keys)
                merged += value if isinstance(value, list) else [value]
                continue
            if key in result:
                self.refuse(event, "this key is there twice; keep one", here)
            self.places[here] = _place_of(event)
            result[key] = self.value(next(self.events), here)
        for value in merged:
            result = {**(value if isinstance(value, dict) else {}), **result}
        return result

    def key(self, event: _Event) -> str:
        kind = _kind(event)
        if kind == "Alias":
            self.refuse(event, f"a key must be written out (got the alias *{event.anchor})")
        if kind != "Scalar":
            got = "mapping" if kind == "MappingStart" else "list"
            self.refuse(event, f"a key must be a name (got a {got})")
        value = self.value(event, ())
        if value is None:
            got = repr(event.value) if event.value else "nothing"
            self.refuse(event, f"a key must be a name (got {got}, which is no value in YAML)")
        if isinstance(value, bool):
            text = f"a key must be a name (got {event.value}, which YAML reads as true or false)"
            self.refuse(event, text)
        return str(value)

    def scalar(self, event: _Event) -> Plain:
        """Read a scalar as YAML 1.2 has it: a plain one may be a number, a truth or nothing."""
        text: str = event.value
        if event.style:
            # Only a text in double quotes has escapes, which bring characters in.
            if event.style == '"' and (acting := acting_character(text)):
                self.refuse(event, acting[1])
            return text
        if text in _NULLS:
            return None
        if text in _TRUTHS:
            return text.lower() == "true"
        digits = text.replace("_", "").lstrip("+")
        if _WHOLE.fullmatch(text):
            if len(text) > _DIGITS:
                text = f"a number of {len(text):,} digits is too large (got {text[:20]}...)"
                self.refuse(event, text)
            # Base 0 reads the prefixes 0x, 0o and 0b, but no zeros before a number.
            number = int(digits, 0 if digits.lstrip("-")[1:2] in {"x", "o", "b"} else 10)
            return number if number.bit_length() < _BITS else math.inf
        # Python writes .inf and .nan without the dot.
        return float(re.sub(r"\.(?=[a-z])", "", digits.lower())) if _FLOAT.fullmatch(text) else text


def _kind(event: _Event) -> str:
    return type(event).__name__.removesuffix("Event")


def _place_of(event: _Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


# Controls but for tab and line break; separators that are line breaks to some; embeddings,
# overrides and isolates of direction ("Trojan source", CVE-2021-42574); surrogates, noncharacters.
_ACTING = re.compile(
    r"[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def acting_character(text: str) -> tuple[int, str] | None:
    r"""Find the first character that acts: its place, and a sentence.

    Examples
    --------
    >>> acting_character("a\x1b[2J")
    (1, 'has the control character U+001B; take it out')
    """
    match = _ACTING.search(text)
    if match is None:
        return None
    code = ord(match[0])
    kind = "half a character" if 0xD800 <= code < 0xE000 else "the control character"
    return match.start(), f"has {kind} U+{code:04X}; take it out"


def acting_texts(data: object, keys: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Find the texts of built-in containers that have such a character: keys and sentence."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if acting := acting_character(str(key)):
                yield keys, f"the key {key!a:.60} {acting[1]}"
            yield from acting_texts(value, (*keys, key))
    elif isinstance(data, list):
        for place, item in enumerate(data):
            yield from acting_texts(item, (*keys, place))
    elif isinstance(data, str) and (acting := acting_character(data)):
        yield keys, acting[1]


@dataclass(frozen=True)
class Document:
    """What one input says and where it says it.

    Attributes
    ----------
    label : str
        How faults name it: a path, or ``<given>`` and the like.
    data : Plain
        Built-in containers and scalars only.
    text : str
        The text as read; empty for a mapping.
    places : mapping of tuple to (int, int)
        Line and column of each key and item, by the keys that lead to it; none for a mapping.
    place : Place
        Where the names of other files in it are looked up.
    path : Path or None
        The file, absolute; None for a mapping.
    """

    label: str
    data: Plain
    text: str = ""
    places: Mapping[tuple[Key, ...], tuple[int, int]] = field(
        default_factory=dict, repr=False, compare=False
    )
    place: Place = field(default_factory=lambda: Place(Path.cwd(), Path.cwd()))
    path: Path | None = None

    @property
    def sha256(self) -> str:
        """Hash of the text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def fault(self, keys: Sequence[Key], message: str) -> Fault:
        """Make a fault at the place of `keys`, or of the nearest key above that is there."""
        above = (tuple(keys[:length]) for length in range(len(keys), 0, -1))
        nowhere = (1, 1) if self.text else (0, 0)
        line, column = next((self.places[at] for at in above if at in self.places), nowhere)
        return Fault(self.label, line, column, ".".join(map(str, keys)), message)


def to_plain(node: object, keys: tuple[Key, ...] = ()) -> Plain:
    """Copy into built-in types; a value of any other type becomes its text."""
    if len(keys) > _LEVELS_OF_CALL:
        raise DocumentError(f"is nested more than {_LEVELS_OF_CALL} levels deep", keys[:1])
    if isinstance(node, str):
        return str(node)
    if isinstance(node, Mapping):
        plain: dict[str, Plain] = {}
        for key, value in node.items():
            if str(key) in plain:
                text = f"{str(key)!r} stands twice in one mapping, as a number and as a text"
                raise DocumentError(text, (*keys, key))
            plain[str(key)] = to_plain(value, (*keys, str(key)))
        return plain
    if isinstance(node, Sequence):
        return [to_plain(item, (*keys, place)) for place, item in enumerate(node)]
    if node is None or isinstance(node, bool | int):
        small = not isinstance(node, int) or node.bit_length() < _BITS
        return node if small else math.inf  # Python writes no more than 4300 digits out
    return float(node) if isinstance(node, Real) else str(node)


def parse_yaml(text: str) -> Plain:
    """Parse YAML 1.2, without tags and within limits.

    Raises
    ------
    DocumentError
        Where it is not YAML, or more than a prior file needs.

    Examples
    --------
    >>> parse_yaml("{low: 1e-9, high: 2}")
    {'low': 1e-09, 'high': 2}
    """
    return _composed(text)[0]


def _composed(text: str) -> tuple[Plain, Mapping[tuple[Key, ...], tuple[int, int]]]:
    """Parse a text: its value, and the places of all keys and items."""
    if acting := acting_character(text):  # comments included
        place, problem = acting
        column = place - (text.rfind("\n", 0, place) + 1)
        raise DocumentError(problem, (), text.count("\n", 0, place) + 1, column + 1)
    # The parser in C takes a fifteenth of the time, but says little of what it refuses: then, and
    # where PyYAML was built without it, the one in Python decides; and of tabs, which both allow in
    # other places.
    with suppress(yaml.YAMLError, AttributeError):
        if "\t" not in text:
            composer = _Composer(yaml.parse(text, Loader=yaml.CSafeLoader))
            return composer.document(), composer.places
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        composer = _Composer(YAML(typ="safe", pure=True).parse(text))
        return composer.document(), composer.places
    except DocumentError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        problem = next(iter(str(error.problem or error).strip().splitlines()), "unreadable")
        around = f"{error.context} {problem}"
        hint = next((hint for part, hint in _HINTS.items() if part in around), "")
        before = text.splitlines()[line : line + 1]
        if before and re.search(r"\w:[{\[]", before[0][: column + 1]):
            hint = "; put a space after each ':'"
        raise DocumentError(f"not YAML: {problem}{hint}", (), line + 1, column + 1) from error
    except Exception as error:  # odd texts end in any error inside the library
        raise DocumentError(f"not YAML: {type(error).__name__}: {error}") from error


def wrap_mapping(data: Mapping[str, object], label: str, place: Place) -> Document:
    """Treat a Python mapping as a document without lines.

    Raises
    ------
    InputError
        If it holds what no file could: a mapping inside itself, one key twice.
    """
    try:
        return Document(label, to_plain(data), place=place)
    except DocumentError as error:
        field = ".".join(map(str, error.keys))
        raise InputError([Fault(label, 0, 0, field, str(error))]) from error


def text_faults(document: Document) -> list[Fault]:
    """Find texts of a Python mapping that act on who reads them; in a file, parsing has."""
    if document.text:
        return []
    return [document.fault(keys, message) for keys, message in acting_texts(document.data)]


def read_document(path: Path, label: str, place: Place) -> tuple[Document | None, list[Fault]]:
    """Read one YAML file; what cannot be read or parsed comes back as faults."""
    try:
        if other := _OTHERS.get(path.suffix.lower()):
            raise DocumentError(f"is not YAML, but {other}")
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)  # what says its size is 0 may have no end
        if len(raw) > _LARGEST:
            raise DocumentError(f"is larger than {_LARGEST:,} bytes")
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        data, places = _composed(text)
        if not isinstance(data, dict):
            got = "is empty: it must be" if data is None else "must be"
            raise DocumentError(f"{got} a mapping that begins with 'schema: 1'")
    except OSError as error:
        return None, [Fault(label, 0, 0, "", f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        message = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        return None, [Fault(label, line, column, "", message)]
    except DocumentError as error:
        field = ".".join(map(str, error.keys))
        return None, [Fault(label, error.line, error.column, field, str(error))]
    return Document(label, data, text, places, place, path.resolve()), []


def _write_float(representer: "RoundTripRepresenter", value: float) -> "ScalarNode":
    """Write a float so that it reads back the same: 300, 0.25, 1.5e11."""
    exact = Decimal(repr(value)).normalize()  # the shortest digits that are this float
    text = f"{exact:f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{exact:e}"
    kind = "int" if text.lstrip("-").isdigit() else "float"  # what it reads as needs no tag
    return representer.represent_scalar(f"tag:yaml.org,2002:{kind}", text.replace("e+", "e"))


def yaml_text(
    data: Mapping[str, object],
    head: str = "",
    comments: Mapping[tuple[Key, ...], str] | None = None,
) -> str:
    """Write a mapping as YAML that reads back the same, by ruamel's round trip.

    A list or mapping of a few short values, or within a list, stands on one line, any other one
    on several.

    Parameters
    ----------
    data : mapping
        Values, lists and mappings; other types become their texts.
    head : str
        Comment above all, without its ``#``.
    comments : mapping, optional
        Comments by the keys that lead to what they stand above; an empty one is an empty line.

    Examples
    --------
    >>> print(yaml_text({"x": {"low": 1e-9, "high": 2e11}}, "Mine.", {("x",): "in bytes"}))
    # Mine.
    # in bytes
    x: {low: 1e-9, high: 2e11}
    <BLANKLINE>
    """
    # Of the program's start, ruamel would be a good part.
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        pass

    Representer.add_representer(float, _write_float)
    # ruamel writes nothing, which inside a flow list is an error.
    Representer.add_representer(
        type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null")
    )

    def commented(node: Plain, keys: tuple[Key, ...]) -> object:
        if not isinstance(node, dict | list):
            return node
        result: CommentedMap | CommentedSeq
        if isinstance(node, dict):
            # A probability is a number: a text that looks like one would be put in quotes.
            result = CommentedMap(
                (float(key) if _NUMBER_KEY.fullmatch(key) else key, commented(value, (*keys, key)))
                for key, value in node.items()
            )
        else:
            result = CommentedSeq(commented(item, (*keys, i)) for i, item in enumerate(node))
        items = [*(node.values() if isinstance(node, dict) else node)]
        longest = math.inf if isinstance(keys[-1:] and keys[-1], int) else _SHORT
        short = all(not isinstance(x, dict | list) and len(str(x)) <= longest for x in items)
        if keys and short:
            result.fa.set_flow_style()
        for key in node if isinstance(node, dict) else ():
            text = (comments or {}).get((*keys, key))
            if text is not None:
                result.yaml_set_comment_before_after_key(key, text, indent=2 * len(keys))
        return result

    root = commented(to_plain(data), ())
    assert isinstance(root, CommentedMap)
    if head:
        root.yaml_set_start_comment(head)
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = Representer
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump(root, stream)
    return stream.getvalue()
