"""One YAML text (or Python mapping) with the place of each of its keys: the one door to ruamel."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from uncertainty.errors import Fault
from uncertainty.spec.library import Place

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError

__all__ = ["Document", "Key", "Plain", "parse_yaml", "read_document", "wrap_mapping"]

Key: TypeAlias = str | int
Plain: TypeAlias = "str | float | int | bool | list[Plain] | dict[str, Plain] | None"
_LARGEST = 1_000_000


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
    """

    label: str
    data: Plain
    text: str = ""
    nodes: object = field(default=None, repr=False, compare=False)
    place: Place = field(default_factory=lambda: Place(Path.cwd(), Path.cwd()))

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
    if node is None:
        return 0, 0
    place = (0, 0)
    for key in keys:
        step = _step(node, key)
        if step is None:
            break
        place, node = step
    return place[0] + 1, place[1] + 1


def _step(node: object, key: Key) -> tuple[tuple[int, int], object] | None:
    """Go down by one key: where it stands, and what it holds."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(node, CommentedMap):
        own = next((k for k in node if k == key or str(k) == key), None)
        if own is None or own not in (node.lc.data or {}):
            return None  # absent, or merged in from elsewhere
        return node.lc.key(own), node[own]
    if isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
        return node.lc.item(key), node[key]
    return None


def to_plain(node: object) -> Plain:
    """Copy into built-in types; a value of any other type becomes its text."""
    if isinstance(node, Mapping):
        plain = {str(key): to_plain(value) for key, value in node.items()}
        if len(plain) < len(node):
            raise ValueError("a key stands twice in one mapping, as a number and as a text")
        return plain
    if isinstance(node, str):
        return str(node)
    if isinstance(node, Sequence):
        return [to_plain(item) for item in node]
    if node is None or isinstance(node, bool | int):
        return node
    return float(node) if isinstance(node, Real) else str(node)


def parse_yaml(text: str) -> object:
    """Parse YAML 1.2 with positions, without tags and within limits.

    Raises
    ------
    ruamel.yaml.error.YAMLError
        Where it is not YAML, or more than a prior file needs.
    """
    from ruamel.yaml import YAML

    from uncertainty.spec.guard import guard

    guard(text)
    return YAML(typ="rt", pure=True).load(text)


def wrap_mapping(data: Mapping[str, object], label: str, place: Place) -> Document:
    """Treat a Python mapping as a document without lines."""
    return Document(label, to_plain(data), place=place)


def read_document(path: Path, label: str, place: Place) -> tuple[Document | None, list[Fault]]:
    """Read one YAML file; what cannot be read or parsed comes back as faults."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    text, faults = _read_text(path, label)
    if text is None:
        return None, faults
    try:
        nodes = parse_yaml(text)
        data = to_plain(nodes)
    except MarkedYAMLError as error:
        return None, [_syntax_fault(error, label)]
    except (YAMLError, ValueError, RecursionError) as error:
        return None, [Fault(label, 1, 1, "", f"not YAML: {_first_line(str(error))}")]
    if not isinstance(nodes, Mapping):
        return None, [Fault(label, 1, 1, "", "must be a mapping that begins with 'schema: 1'")]
    return Document(label, data, text, nodes, place=place), []


def _read_text(path: Path, label: str) -> tuple[str | None, list[Fault]]:
    try:
        if path.stat().st_size > _LARGEST:
            return None, [Fault(label, 0, 0, "", f"is larger than {_LARGEST:,} bytes")]
        return path.read_text(encoding="utf-8"), []
    except UnicodeDecodeError as error:
        return None, [Fault(label, 0, 0, "", f"is not UTF-8 text (byte {error.start})")]
    except OSError as error:
        return None, [Fault(label, 0, 0, "", f"cannot be read: {error.strerror}")]


def _syntax_fault(error: "MarkedYAMLError", label: str) -> Fault:
    from ruamel.yaml.constructor import DuplicateKeyError

    from uncertainty.spec.guard import RefusedYAMLError

    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = _first_line(str(error.problem or error))
    if isinstance(error, RefusedYAMLError):
        return Fault(label, line, column, "", problem)
    if isinstance(error, DuplicateKeyError):
        key = problem.split('"')[1] if '"' in problem else problem
        return Fault(label, line, column, key, "the key stands twice in one mapping; keep one")
    return Fault(label, line, column, "", f"not YAML: {problem}")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "unreadable"
