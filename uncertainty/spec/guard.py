"""YAML that may be read: no tags, bounded aliases and depth, before anything is built from it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.parser import RoundTripParser

from uncertainty.spec.texts import acting_character

__all__ = ["RefusedYAMLError", "guarded", "refuse_characters"]

_DEEPEST = 20
_MOST = 100_000
_DIGITS = 4000
"""Python reads no whole number of more than 4300; that a value is finite is checked later."""
_WHOLE = re.compile(r"[-+]?(?:0[xo])?[0-9a-fA-F_]+")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})


class RefusedYAMLError(MarkedYAMLError):
    """YAML that is well formed, but asks for something that a data file does not need."""


@dataclass
class _Open:
    """A mapping or list that has begun."""

    anchor: str | None
    start: int
    is_mapping: bool
    nodes: int = 0


@dataclass
class _Guard:
    """Counts what the text stands for with its aliases written out."""

    total: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    open: list[_Open] = field(default_factory=list)

    def see(self, event: Event) -> str:
        """Take one event in; gives what is wrong with it."""
        wrong = next(self._wrong(event), "") if isinstance(event, NodeEvent) else ""
        if wrong:
            return wrong
        if isinstance(event, AliasEvent):
            self.total += self.sizes.get(str(event.anchor), 1)
        elif isinstance(event, CollectionStartEvent):
            self.total += 1
            is_mapping = isinstance(event, MappingStartEvent)
            self.open.append(_Open(event.anchor, self.total, is_mapping))
        elif isinstance(event, ScalarEvent):
            self.total += 1
            self._remember(event.anchor, self.total - 1)
        elif isinstance(event, CollectionEndEvent):
            done = self.open.pop()
            self._remember(done.anchor, done.start - 1)
        if len(self.open) > _DEEPEST:
            return f"is nested more than {_DEEPEST} levels deep"
        if self.total > _MOST:
            return f"stands for more than {_MOST:,} values with its aliases written out"
        return ""

    def _wrong(self, event: NodeEvent) -> Iterator[str]:
        tag = getattr(event, "tag", None)  # one that the text states
        if tag is not None:
            yield f"tags are not allowed (got {tag}); write the plain value"
        if self.open:
            self.open[-1].nodes += 1
            if self.open[-1].is_mapping and self.open[-1].nodes % 2:
                yield from _wrong_key(event)
        if isinstance(event, AliasEvent):
            if any(above.anchor == event.anchor for above in self.open):
                yield f"the alias *{event.anchor} stands inside itself"
        elif isinstance(event, ScalarEvent):
            yield from _wrong_scalar(event)

    def _remember(self, anchor: str | None, start: int) -> None:
        if anchor is not None:
            self.sizes[anchor] = self.total - start


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


def _wrong_scalar(event: ScalarEvent) -> Iterator[str]:
    """Find what YAML would fail on, and what escapes in quotes bring in."""
    text = event.value
    if event.style is None and len(text) > _DIGITS and _WHOLE.fullmatch(text):
        yield f"a number of {len(text):,} digits is too large (got {text[:20]}...)"
    found = acting_character(text) if event.style == '"' else None  # only these have escapes
    if found:
        yield found[1]


def guarded() -> YAML:
    """Give a reader of YAML 1.2 that refuses what a prior file never needs.

    It raises `RefusedYAMLError` at the first tag, alias, depth, key, number or character that is
    not allowed, before anything is built.
    """
    watch = _Guard()

    class Parser(RoundTripParser):
        def get_event(self) -> Event:
            event: Event = super().get_event()
            problem = watch.see(event)
            if problem:
                raise RefusedYAMLError(problem=problem, problem_mark=event.start_mark)
            return event

    yaml = YAML(typ="rt", pure=True)
    yaml.Parser = Parser
    return yaml


def refuse_characters(text: str) -> None:
    """Refuse a text with a character that acts, comments included, at its line and column.

    Raises
    ------
    RefusedYAMLError
    """
    found = acting_character(text)
    if found:
        place, problem = found
        line = text.count("\n", 0, place)
        column = place - (text.rfind("\n", 0, place) + 1)
        mark = StringMark("", place, line, column, text, place)
        raise RefusedYAMLError(problem=problem, problem_mark=mark)
