"""What is ranked: one statistic of one output, on one scale, over independent players."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.problem import Columns, Problem, each_point, every_pair
from uncertainty.sampling import QUERIES, normal_scores

_ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""Relative spread of values that differ by rounding alone: some tens of operations."""

Statistic: TypeAlias = Literal["typical", "mean", "query"]
Scale: TypeAlias = Literal["log", "linear"]
By: TypeAlias = Literal["input", "block", "group"]

_FAR = 6.0  # normal score of one value in a thousand million


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
        return settled(values)

    def check(self, lost: float, low: float) -> None:
        """Refuse values of which some are not finite, or not above 0 on a log scale."""
        if lost:
            raise _refusal(f"{self.quantity} is not finite for {100 * lost:.3g} % of the draws")
        if low and self.scale == "log":
            text = f"{self.quantity} is not above 0 for {100 * low:.3g} % of the draws"
            raise _refusal(f'{text}; use scale="linear"')

    def check_tails(self, seed: int) -> None:
        """Refuse an output that is constant but for what is too rare for the draws to hold."""
        names = list(self.coordinates)
        one = _FAR * np.eye(len(names))
        steps = np.concatenate([np.zeros((1, len(names))), one, -one])
        ends = {name: steps[:, i] for i, name in enumerate(names)}
        moved = self(self.problem.joint.decorrelate(ends), self.inner(seed, 0))
        if not np.ptp(moved):
            return
        at = int(np.abs(moved - moved[0]).argmax())
        name = names[(at - 1) % len(names)]
        text = f"{self.quantity} is the same in all draws, but changes at the end of {name}"
        raise _refusal(f"{text}, which is too rare for so few: use more draws")

    def reduce(self, values: Floats) -> Floats:
        """The statistic over queries, the last axis, on the scale: shape (n,)."""
        typical = self.statistic == "typical"
        return self.scaled(settled(np.median(values, -1) if typical else values.mean(-1)))

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


def settled(values: Floats) -> Floats:
    """Values, all equal where they differ by rounding alone: noise of the last digit is no spread.

    Examples
    --------
    >>> np.ptp(settled(np.array([0.1 + 0.2, 0.3])))
    np.float64(0.0)
    """
    same = np.ptp(values) <= _ROUNDING * np.abs(values).max()
    return np.full_like(values, values.flat[0]) if same else values


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


def only_used(problem: Problem) -> Problem:
    """Leave out what nothing that the model gives needs: unused names, and those of evidence.

    What the model does not use but is correlated with something that it uses stays: knowing the
    one tells of the other.
    """
    joint, kept = problem.joint, problem.needed
    bare = replace(
        joint,
        nodes=tuple(node for node in joint.nodes if node.name in kept),
        blocks=tuple(block for block in joint.blocks if kept.issuperset(block.names)),
    )
    assumptions = {name: item for name, item in problem.assumptions.items() if name in kept}
    return replace(problem, assumptions=assumptions, joint=bare)
