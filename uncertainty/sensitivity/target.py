"""What is ranked: one statistic of one output, on one scale, over independent players."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from uncertainty.errors import InputError
from uncertainty.evaluation import Columns, each_point, every_pair
from uncertainty.precision import Floats
from uncertainty.problem import Problem
from uncertainty.sampling import QUERIES, normal_scores

__all__ = ["By", "Player", "Scale", "Statistic", "Target", "players", "without_evidence"]

Statistic: TypeAlias = Literal["typical", "mean", "query"]
Scale: TypeAlias = Literal["log", "linear"]
By: TypeAlias = Literal["input", "block", "group"]


@dataclass(frozen=True)
class Player:
    """Coordinates that are varied together."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A statistic of an output as a function of independent normal scores.

    Attributes
    ----------
    problem : Problem
    quantity : str
    statistic : {"typical", "mean", "query"}
    scale : {"log", "linear"}
    prob : float
        Of an interval, equal tails.
    threshold : float or None
        Of a decision, in units of the output.
    """

    problem: Problem
    quantity: str
    statistic: Statistic
    scale: Scale
    prob: float = 0.9
    threshold: float | None = None

    @property
    def nested(self) -> bool:
        """True where queries are reduced to their median or mean."""
        return self.statistic != "query" and self.problem.varies

    @property
    def coordinates(self) -> dict[str, int]:
        """Places of the coordinates that may be ranked."""
        epistemic = self.problem.joint.coordinates(varies=False)
        if self.statistic == "query":
            return {**epistemic, **self.problem.joint.coordinates(varies=True)}
        return epistemic

    def inner(self, seed: int, randomization: int) -> Columns:
        """Per-query points that all epistemic points of a randomization share."""
        if not self.nested:
            return {}
        names = self.problem.joint.coordinates(varies=True)
        return normal_scores(names, QUERIES, seed=seed, randomization=randomization)

    def pairs(self, outer: Mapping[str, Floats], inner: Mapping[str, Floats]) -> Floats:
        """Values of the output on the scale, shape (n, m); m = 1 where nothing is reduced."""
        joint, model = self.problem.joint, self.problem.model
        if self.nested:
            values = every_pair(joint, model, outer, inner, (self.quantity,))[self.quantity]
        else:
            values = each_point(joint, model, outer)[1][self.quantity][:, None]
        self.check(float((~np.isfinite(values)).mean()), float((values <= 0).mean()))
        return values

    def check(self, lost: float, low: float) -> None:
        """Refuse values of which some are not finite, or not above 0 on a log scale."""
        if lost:
            raise _refusal(f"{self.quantity} is not finite for {lost:.3g} of the draws")
        if low and self.scale == "log":
            text = f"{self.quantity} is not above 0 for {low:.3g} of the draws"
            raise _refusal(f'{text}; use scale="linear"')

    def reduce(self, values: Floats) -> Floats:
        """The statistic over queries, the last axis, on the scale: shape (n,)."""
        typical = self.statistic == "typical"
        return self.scaled(np.median(values, -1) if typical else values.mean(-1))

    def scaled(self, values: Floats | float) -> Floats:
        """Values on the scale."""
        return np.asarray(np.log(values) if self.scale == "log" else values)

    def __call__(self, outer: Mapping[str, Floats], inner: Mapping[str, Floats]) -> Floats:
        """The statistic at epistemic points (n,)."""
        return self.reduce(self.pairs(outer, inner))

    def within(self, seed: int, randomization: int, count: int) -> tuple[float, float]:
        """Variance within and between epistemic points, over all their queries, on the scale."""
        places = self.coordinates
        outer = normal_scores(places, count, seed=seed, randomization=randomization)
        values = self.pairs(outer, self.inner(seed, randomization))
        scaled = np.log(values) if self.scale == "log" else values
        return float(scaled.var(-1).mean()), float(scaled.mean(-1).var())

    def correlated(self, chosen: Sequence[Player]) -> list[list[str]]:
        """Names of players that are correlated with one another, by block."""
        blocks = [set(block.names) for block in self.problem.joint.blocks]
        owners = [[p.name for p in chosen if block & set(p.members)] for block in blocks]
        return [names for names in owners if len(names) > 1]


def _refusal(text: str) -> InputError:
    return InputError.of("<ranking>", text)


def players(target: Target, by: By) -> list[Player]:
    """Group the coordinates: each for itself, correlated ones together, or by stated group."""
    blocks = [block.names for block in target.problem.joint.blocks]
    named: dict[str, list[str]] = {}
    for name in target.coordinates:
        block = next((names for names in blocks if name in names), (name,))
        group = target.problem.assumptions[name].group or "other"
        label = {"input": name, "block": " + ".join(block), "group": group}[by]
        named.setdefault(label, []).append(name)
    return [Player(label, tuple(members)) for label, members in named.items()]


def without_evidence(problem: Problem) -> Problem:
    """Leave out what evidence alone uses: nothing that the model gives needs it."""
    joint = problem.joint
    behind = joint.behind(problem.model.used(node.name for node in joint.nodes))
    dropped = problem.observed.used - behind
    bare = replace(
        joint,
        nodes=tuple(node for node in joint.nodes if node.name not in dropped),
        blocks=tuple(block for block in joint.blocks if dropped.isdisjoint(block.names)),
    )
    kept = {name: item for name, item in problem.assumptions.items() if name not in dropped}
    return replace(problem, assumptions=kept, joint=bare)
