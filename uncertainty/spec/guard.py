"""YAML that may be read: no tags, bounded aliases and depth, before anything is built from it."""

from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    NodeEvent,
    ScalarEvent,
)

__all__ = ["RefusedYAMLError", "guard"]

_DEEPEST = 20
_MOST = 100_000


class RefusedYAMLError(MarkedYAMLError):
    """YAML that is well formed, but asks for something that a data file does not need."""


@dataclass
class _Guard:
    """Counts what the text stands for with its aliases written out."""

    total: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    open: list[tuple[str | None, int]] = field(default_factory=list)

    def see(self, event: Event) -> str:
        """Take one event in; gives what is wrong with it."""
        if isinstance(event, NodeEvent) and _tag(event):
            return f"tags are not allowed (got {_tag(event)}); write the plain value"
        if isinstance(event, AliasEvent):
            return self._alias(str(event.anchor))
        if isinstance(event, CollectionStartEvent):
            self.total += 1
            self.open.append((event.anchor, self.total))
        elif isinstance(event, ScalarEvent):
            self.total += 1
            self._remember(event.anchor, self.total - 1)
        elif isinstance(event, CollectionEndEvent):
            anchor, start = self.open.pop()
            self._remember(anchor, start - 1)
        if len(self.open) > _DEEPEST:
            return f"is nested more than {_DEEPEST} levels deep"
        return self._too_many()

    def _alias(self, name: str) -> str:
        if any(anchor == name for anchor, _ in self.open):
            return f"the alias *{name} stands inside itself"
        self.total += self.sizes.get(name, 1)
        return self._too_many()

    def _remember(self, anchor: str | None, start: int) -> None:
        if anchor is not None:
            self.sizes[anchor] = self.total - start

    def _too_many(self) -> str:
        if self.total > _MOST:
            return f"stands for more than {_MOST:,} values with its aliases written out"
        return ""


def _tag(event: NodeEvent) -> str | None:
    """Give a tag that the text states."""
    tag = getattr(event, "tag", None)
    return None if tag is None else str(tag)


def guard(text: str) -> None:
    """Refuse what a prior file never needs.

    Raises
    ------
    RefusedYAMLError
        At the first tag, alias or depth that is not allowed.
    MarkedYAMLError
        If the text is not YAML.
    """
    watch = _Guard()
    for event in YAML(typ="rt", pure=True).parse(text):
        problem = watch.see(event)
        if problem:
            raise RefusedYAMLError(problem=problem, problem_mark=event.start_mark)
