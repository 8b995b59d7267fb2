"""One YAML text (or Python mapping) with the place of each of its keys: the one door to ruamel."""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from io import StringIO
from numbers import Real
from pathlib import Path
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.parser import RoundTripParser
from ruamel.yaml.representer import RoundTripRepresenter

from uncertainty.errors import Fault, InputError
from uncertainty.files.library import Place

Key: TypeAlias = str | int
Plain: TypeAlias = "str | float | int | bool | list[Plain] | dict[str, Plain] | None"

_LARGEST = 1_000_000  # bytes of a file
_LEVELS = 20  # of nesting in a file
_LEVELS_OF_CALL = 30  # of a mapping given in a call, which may lie inside others
_MOST = 100_000  # values with aliases written out: ten lines of aliases can stand for 1e10
_DIGITS = 4000  # of a whole number: Python reads no more than 4300
_BITS = 4096  # of a whole number in a mapping, for the same reason
_WIDTH = 96  # of a line that is written
_SHORT = 40  # characters of a value that may share its line with others
_WHOLE = re.compile(r"[-+]?(?:0[xo])?[0-9a-fA-F_]+")
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
    "expected a single document": "; a second '---' begins another document: keep one",
}


class RefusedYAMLError(MarkedYAMLError):
    """YAML that is well formed, but asks for something that a data file does not need."""


@dataclass
class _Open:
    """A mapping or list that has begun."""

    anchor: str | None
    start: int
    is_mapping: bool
    nodes: int = 0


class _Parser(RoundTripParser):
    """Refuses what a prior file never needs, at its place, before anything is built."""

    def __init__(self, loader: YAML) -> None:
        super().__init__(loader)
        self.count = 0  # of values so far, with aliases written out
        self.sizes: dict[str | None, int] = {}  # values that each anchor stands for
        self.open: list[_Open] = []

    def get_event(self) -> Event:
        event: Event = super().get_event()
        problem = next(self.problems(event), "")
        if problem:
            raise RefusedYAMLError(problem=problem, problem_mark=event.start_mark)
        return event

    def problems(self, event: Event) -> Iterator[str]:
        """Find what is wrong with an event, then count what it stands for."""
        if isinstance(event, NodeEvent):
            if self.open:
                self.open[-1].nodes += 1
            tag = getattr(event, "tag", None)  # one that the text states
            if tag is not None:
                yield f"tags are not allowed (got {tag}); write the plain value"
            if self.open and self.open[-1].is_mapping and self.open[-1].nodes % 2:
                yield from _wrong_key(event)
        if isinstance(event, AliasEvent):
            around = (above for above in self.open if above.anchor == event.anchor)
            yield from (f"the alias *{above.anchor} stands inside itself" for above in around)
            self.count += self.sizes.get(event.anchor, 1)
        elif isinstance(event, ScalarEvent):
            text = event.value
            if event.style is None and len(text) > _DIGITS and _WHOLE.fullmatch(text):
                yield f"a number of {len(text):,} digits is too large (got {text[:20]}...)"
            # Only a text in double quotes has escapes, which bring characters in.
            if event.style == '"' and (acting := acting_character(text)):
                yield acting[1]
            self.count += 1
            self.sizes[event.anchor] = 1
        elif isinstance(event, CollectionStartEvent):
            self.count += 1
            is_mapping = isinstance(event, MappingStartEvent)
            self.open.append(_Open(event.anchor, self.count, is_mapping))
        elif isinstance(event, CollectionEndEvent):
            done = self.open.pop()
            self.sizes[done.anchor] = self.count - done.start + 1
        if len(self.open) > _LEVELS:
            yield f"is nested more than {_LEVELS} levels deep"
        if self.count > _MOST:
            yield f"stands for more than {_MOST:,} values with its aliases written out"


def _wrong_key(event: NodeEvent) -> Iterator[str]:
    if isinstance(event, CollectionStartEvent):
        kind = "mapping" if isinstance(event, MappingStartEvent) else "list"
        yield f"a key must be a name (got a {kind})"
    if isinstance(event, AliasEvent):
        yield f"a key must be written out (got the alias *{event.anchor})"
    if isinstance(event, ScalarEvent) and event.style is None:
        if event.value in _NULLS:
            got = repr(event.value) if event.value else "nothing"
            yield f"a key must be a name (got {got}, which YAML reads as no value)"
        elif event.value in _TRUTHS:
            yield f"a key must be a name (got {event.value!r}, which YAML reads as a truth value)"


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
    nodes : object
        The parsed YAML with positions; None for a mapping.
    place : Place
        Where the names of other files in it are looked up.
    path : Path or None
        The file, absolute; None for a mapping.
    """

    label: str
    data: Plain
    text: str = ""
    nodes: object = field(default=None, repr=False, compare=False)
    place: Place = field(default_factory=lambda: Place(Path.cwd(), Path.cwd()))
    path: Path | None = None

    @property
    def sha256(self) -> str:
        """Hash of the text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def fault(self, keys: Sequence[Key], message: str) -> Fault:
        """Make a fault at the place of `keys`, or of the nearest key above that is there."""
        line, column = _position(self.nodes, keys)
        dotted = ".".join(str(key) for key in keys)
        return Fault(self.label, line, column, dotted, message)


def _position(node: object, keys: Sequence[Key]) -> tuple[int, int]:
    """Line and column of the keys, as far as they lead."""
    if node is None:
        return 0, 0
    place = (0, 0)
    for key in keys:
        if isinstance(node, CommentedMap):
            here = key if key in node else next((k for k in node if str(k) == key), None)
            if here is None or here not in (node.lc.data or {}):
                break  # absent, or merged in from elsewhere
            place, node = node.lc.key(here), node[here]
        elif isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
            place, node = node.lc.item(key), node[key]
        else:
            break
    return place[0] + 1, place[1] + 1


class NotPlainError(ValueError):
    """Data that a document cannot hold; `keys` lead to it."""

    def __init__(self, keys: tuple[Key, ...], message: str) -> None:
        super().__init__(message)
        self.keys = keys


def to_plain(node: object, keys: tuple[Key, ...] = ()) -> Plain:
    """Copy into built-in types; a value of any other type becomes its text."""
    if len(keys) > _LEVELS_OF_CALL:
        raise NotPlainError(keys[:1], f"is nested more than {_LEVELS_OF_CALL} levels deep")
    if isinstance(node, str):
        return str(node)
    if isinstance(node, Mapping):
        plain: dict[str, Plain] = {}
        for key, value in node.items():
            if str(key) in plain:
                text = f"{str(key)!r} stands twice in one mapping, as a number and as a text"
                raise NotPlainError((*keys, key), text)
            plain[str(key)] = to_plain(value, (*keys, str(key)))
        return plain
    if isinstance(node, Sequence):
        return [to_plain(item, (*keys, place)) for place, item in enumerate(node)]
    if node is None or isinstance(node, bool | int):
        small = not isinstance(node, int) or node.bit_length() < _BITS
        return node if small else math.inf  # Python writes no more than 4300 digits out
    return float(node) if isinstance(node, Real) else str(node)


def parse_yaml(text: str) -> object:
    """Parse YAML 1.2 with positions, without tags and within limits.

    Raises
    ------
    ruamel.yaml.error.YAMLError
        Where it is not YAML, or more than a prior file needs.
    """
    if acting := acting_character(text):  # comments included
        place, problem = acting
        column = place - (text.rfind("\n", 0, place) + 1)
        mark = StringMark("", place, text.count("\n", 0, place), column, text, place)
        raise RefusedYAMLError(problem=problem, problem_mark=mark)
    yaml = YAML(typ="rt", pure=True)
    yaml.Parser = _Parser
    try:
        return yaml.load(text)
    except YAMLError:
        raise
    except Exception as error:  # odd texts end in any error inside the library
        raise MarkedYAMLError(problem=f"{type(error).__name__}: {error}") from error


def wrap_mapping(data: Mapping[str, object], label: str, place: Place) -> Document:
    """Treat a Python mapping as a document without lines.

    Raises
    ------
    InputError
        If it holds what no file could: a mapping inside itself, one key twice.
    """
    try:
        return Document(label, to_plain(data), place=place)
    except NotPlainError as error:
        field = ".".join(map(str, error.keys))
        raise InputError([Fault(label, 0, 0, field, str(error))]) from error


def text_faults(document: Document) -> list[Fault]:
    """Find texts of a Python mapping that act on who reads them; in a file, parsing has."""
    if document.nodes is not None:
        return []
    return [document.fault(keys, message) for keys, message in acting_texts(document.data)]


def read_document(path: Path, label: str, place: Place) -> tuple[Document | None, list[Fault]]:
    """Read one YAML file; what cannot be read or parsed comes back as faults."""
    text, fault = _read_text(path, label)
    if fault is not None:
        return None, [fault]
    try:
        nodes = parse_yaml(text)
    except YAMLError as error:
        return None, [_syntax_fault(error, label)]
    if not isinstance(nodes, Mapping):
        got = "is empty: it must be" if nodes is None else "must be"
        return None, [Fault(label, 1, 1, "", f"{got} a mapping that begins with 'schema: 1'")]
    try:
        return Document(label, to_plain(nodes), text, nodes, place, path.resolve()), []
    except NotPlainError as error:
        line, column = _position(nodes, error.keys)
        return None, [Fault(label, line, column, ".".join(map(str, error.keys)), str(error))]


def _read_text(path: Path, label: str) -> tuple[str, Fault | None]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)  # what says its size is 0 may have no end
    except OSError as error:
        return "", Fault(label, 0, 0, "", f"cannot be read: {error.strerror}")
    if len(raw) > _LARGEST:
        return "", Fault(label, 1, 1, "", f"is larger than {_LARGEST:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        message = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        return "", Fault(label, before.count(b"\n") + 1, column, "", message)
    return text.replace("\r\n", "\n").replace("\r", "\n"), None


def _syntax_fault(error: YAMLError, label: str) -> Fault:
    """Say where a text is not YAML, and what would help."""
    if not isinstance(error, MarkedYAMLError):
        return Fault(label, 1, 1, "", f"not YAML: {[*str(error).strip().splitlines(), ''][0]}")
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = next(iter(str(error.problem or error).strip().splitlines()), "unreadable")
    if isinstance(error, RefusedYAMLError):
        return Fault(label, line, column, "", problem)
    if isinstance(error, DuplicateKeyError):
        key = problem.split('"')[1] if '"' in problem else problem
        return Fault(label, line, column, key, "the key stands twice in one mapping; keep one")
    hint = next((hint for part, hint in _HINTS.items() if part in f"{error.context} {problem}"), "")
    if mark and mark.buffer:
        before = mark.buffer.splitlines()[mark.line : mark.line + 1]
        if before and re.search(r"\w:[{\[]", before[0][: mark.column + 1]):
            hint = "; put a space after each ':'"
    return Fault(label, line, column, "", f"not YAML: {problem}{hint}")


def _write_float(representer: RoundTripRepresenter, value: float) -> ScalarNode:
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

    A list or mapping of a few short values stands on one line, any other one on several.

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
        short = all(not isinstance(x, dict | list) and len(str(x)) <= _SHORT for x in items)
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
