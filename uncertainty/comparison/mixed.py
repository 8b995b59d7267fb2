"""A problem in which each assumption is that of one file or of another, as switches say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

import jax
import jax.numpy as jnp
from jax import Array

from uncertainty.declarations import ALTERNATIVES
from uncertainty.energy import EnergyModel
from uncertainty.errors import InputError
from uncertainty.joint import Joint, Scores
from uncertainty.problem import Problem
from uncertainty.spec import Assumption

__all__ = ["CORRELATIONS", "MODEL", "OTHERS", "Mixed", "mix"]

MODEL, CORRELATIONS = "model", "correlations"
OTHERS = "other:"
"""Marks the scores of the second problem that the first does not share."""
_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Mixed:
    """Two problems, and what can be swapped between them.

    Attributes
    ----------
    joints : tuple of Joint
        Of the first and the second, at common coordinates.
    models : tuple of EnergyModel
    order : tuple of str
        Every name after what it needs in either.
    players : tuple of (str, tuple of str)
        What is swapped together, by name.
    absent : tuple of (str, two frozensets)
        Of players that one file leaves to the model: the inputs withheld, unswapped and swapped.
    """

    joints: tuple[Joint, Joint]
    models: tuple[EnergyModel, EnergyModel] = field(metadata=_STATIC)
    order: tuple[str, ...] = field(metadata=_STATIC)
    players: tuple[tuple[str, tuple[str, ...]], ...] = field(metadata=_STATIC)
    absent: tuple[tuple[str, tuple[frozenset[str], frozenset[str]]], ...] = field(metadata=_STATIC)

    @property
    def names(self) -> tuple[str, ...]:
        """Players in the order of the switches."""
        return tuple(name for name, _ in self.players)

    def withheld(self, swapped: Iterable[str]) -> frozenset[str]:
        """Inputs that the model is not told when these players are swapped."""
        chosen = set(swapped)
        return frozenset().union(*(pair[name in chosen] for name, pair in self.absent))

    def outputs(
        self, switches: Array, scores: Scores, withheld: frozenset[str], quantity: str
    ) -> Array:
        """One output at one point: `scores` by name, those of the second file's own marked."""
        by_player = dict(zip(self.names, switches, strict=True))
        own = [_own_scores(joint, scores, second) for second, joint in enumerate(self.joints)]
        correlated = [joint.correlate(s) for joint, s in zip(self.joints, own, strict=True)]
        if CORRELATIONS in by_player:
            both = correlated[0].keys() & correlated[1].keys()
            swapped = by_player[CORRELATIONS]
            chosen = {n: jnp.where(swapped, correlated[1][n], correlated[0][n]) for n in both}
            correlated = [{**scores, **chosen} for scores in correlated]
        values = self._values(by_player, correlated)
        first, second = (_told(model, values, withheld)[quantity] for model in self.models)
        return jnp.where(by_player[MODEL], second, first) if MODEL in by_player else first

    def _values(
        self, switches: Mapping[str, Array], scores: list[dict[str, Array]]
    ) -> dict[str, Array]:
        owner = {name: player for player, names in self.players for name in names}
        nodes = [{node.name: node for node in joint.nodes} for joint in self.joints]
        values: dict[str, Array] = {}
        for name in self.order:
            found = [
                own[name].value(score, values)
                for own, score in zip(nodes, scores, strict=True)
                if name in own
            ]
            swapped = switches.get(owner.get(name, ""), jnp.zeros((), bool))
            values[name] = jnp.where(swapped, found[-1], found[0])
        return values


def _told(
    model: EnergyModel, values: Mapping[str, Array], withheld: frozenset[str]
) -> dict[str, Array]:
    """Outputs of a model that is not told some of what it can do without."""
    hidden = withheld - {*model.required}
    return model({name: value for name, value in values.items() if name not in hidden})


def _own_scores(joint: Joint, scores: Scores, second: int) -> dict[str, Array]:
    """Scores of one problem: marked ones are of what varies in it alone."""
    names = [node.name for node in joint.nodes if node.uncertain]
    marked = [f"{OTHERS}{name}" if second else name for name in names]
    return {
        name: scores[mark if mark in scores else name]
        for name, mark in zip(names, marked, strict=True)
    }


def mix(first: Problem, second: Problem) -> Mixed:
    """Find what differs between two problems at common coordinates.

    Raises
    ------
    InputError
        If assumptions need one another in a circle once some are swapped.
    """
    here, there = first.assumptions, second.assumptions
    same_model = _same(first.model, second.model)
    told = _left_to_the_model(first, second)
    used = first.used | second.used
    changed = [n for n in here if n in there and n in used and not _alike(here[n], there[n])]
    grouped = {name for pair in told.values() for names in pair for name in names}
    players: dict[str, tuple[str, ...]] = {n: (n,) for n in changed if n not in grouped}
    players |= {player: tuple(n for n in pair[0] | pair[1]) for player, pair in told.items()}
    players |= {} if same_model else {MODEL: ()}
    if _blocks(first.joint) != _blocks(second.joint):
        players[CORRELATIONS] = ()
    return Mixed(
        joints=(first.joint, second.joint),
        models=(first.model, second.model),
        order=_order(here, there),
        players=tuple(players.items()),
        absent=tuple(told.items()),
    )


def _same(one: EnergyModel, other: EnergyModel) -> bool:
    """Tell models of ours by their names, and a user's functions by what they are."""
    return one.function is other.function or bool(one.outputs and one.name == other.name)


def _alike(one: Assumption, other: Assumption) -> bool:
    keys = ("law", "expression", "low", "high", "varies")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _left_to_the_model(
    first: Problem, second: Problem
) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Inputs that one file states and the other leaves to the model: withheld, by player.

    What only one of two models takes goes with the model.
    """
    used = [
        {name for name in p.model.used(p.assumptions) if other.model.used([name])}
        for p, other in ((first, second), (second, first))
    ]
    stated = [first.assumptions.keys(), second.assumptions.keys()]
    one_sided = {n for n in used[0] | used[1] if (n in stated[0]) != (n in stated[1])}
    found = {
        name: (frozenset({name} - used[0]), frozenset({name} - used[1]))
        for name in sorted(one_sided)
    }
    ways = {name for group in ALTERNATIVES for name in group}
    if one_sided & ways:
        found = {name: pair for name, pair in found.items() if name not in ways}
        every = (used[0] | used[1]) & ways
        found["overhead"] = (frozenset(every - used[0]), frozenset(every - used[1]))
    return found


def _blocks(joint: Joint) -> list[tuple[tuple[str, ...], list[float]]]:
    return sorted((block.names, _flat(block.factor)) for block in joint.blocks)


def _flat(factor: object) -> list[float]:
    return [float(x) for x in jnp.asarray(factor).ravel()]


def _order(here: Mapping[str, Assumption], there: Mapping[str, Assumption]) -> tuple[str, ...]:
    both: dict[str, set[str]] = {}
    for assumptions in (here, there):
        for name, item in assumptions.items():
            both.setdefault(name, set()).update(item.needs)
    try:
        return tuple(TopologicalSorter(both).static_order())
    except CycleError as error:
        around = " needs ".join(reversed(error.args[1]))
        raise InputError.of(
            "<explain>", f"swapped assumptions need one another: {around}"
        ) from error
