"""One YAML text (or Python mapping) with the place of each of its keys: the one door to ruamel."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TypeAlias

from uncertainty.errors import Fault

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
    prefix : tuple of str
        Keys above `data` in the input, for the field shown.
    """

    label: str
    data: Plain
    text: str = ""
    nodes: object = field(default=None, repr=False, compare=False)
    prefix: tuple[Key, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def fault(self, keys: Sequence[Key], message: str) -> Fault:
        """Make a fault at the place of `keys`, or of the nearest key above that is there."""
        line, column = _position(self.nodes, keys)
        dotted = ".".join(str(key) for key in (*self.prefix, *keys))
        return Fault(self.label, line, column, dotted, message)


def _position(node: object, keys: Sequence[Key]) -> tuple[int, int]:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if node is None:
        return 0, 0
    place = (0, 0)
    for key in keys:
        if isinstance(node, CommentedMap) and key in node:
            place = node.lc.key(key)
        elif isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
            place = node.lc.item(key)
        else:
            break
        node = node[key]
    return place[0] + 1, place[1] + 1


def to_plain(node: object) -> Plain:
    """Copy into built-in types; a value of any other type becomes its text."""
    if isinstance(node, Mapping):
        return {str(key): to_plain(value) for key, value in node.items()}
    if isinstance(node, str):
        return str(node)
    if isinstance(node, Sequence):
        return [to_plain(item) for item in node]
    if node is None or isinstance(node, bool | int):
        return node
    return float(node) if isinstance(node, Real) else str(node)


def parse_yaml(text: str) -> object:
    """Parse YAML 1.2 with positions; raises ``ruamel.yaml.error.YAMLError``."""
    from ruamel.yaml import YAML

    return YAML(typ="rt", pure=True).load(text)


def wrap_mapping(data: Mapping[str, object], label: str, *prefix: Key) -> Document:
    """Treat a Python mapping as a document without lines."""
    return Document(label, to_plain(data), prefix=prefix)


def read_document(path: Path, label: str) -> tuple[Document | None, list[Fault]]:
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
    except RecursionError:
        return None, [Fault(label, 1, 1, "", "is nested too deeply")]
    except (YAMLError, ValueError) as error:
        return None, [Fault(label, 1, 1, "", f"not YAML: {_first_line(str(error))}")]
    if not isinstance(nodes, Mapping):
        return None, [Fault(label, 1, 1, "", "must be a mapping that begins with 'schema: 1'")]
    return Document(label, data, text, nodes), []


def _read_text(path: Path, label: str) -> tuple[str | None, list[Fault]]:
    try:
        if path.stat().st_size > _LARGEST:
            return None, [Fault(label, 0, 0, "", f"is larger than {_LARGEST:,} bytes")]
        return path.read_text(encoding="utf-8"), []
    except UnicodeDecodeError as error:
        return None, [Fault(label, 0, 0, "", f"is not UTF-8 text (byte {error.start})")]
    except OSError as error:
        return None, [Fault(label, 0, 0, "", f"cannot be read: {error.strerror}")]


def _syntax_fault(error: object, label: str) -> Fault:
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError

    assert isinstance(error, MarkedYAMLError)
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = _first_line(str(error.problem or error))
    if isinstance(error, DuplicateKeyError):
        key = problem.split('"')[1] if '"' in problem else problem
        return Fault(label, line, column, key, "the key stands twice in one mapping; keep one")
    return Fault(label, line, column, "", f"not YAML: {problem}")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "unreadable"
