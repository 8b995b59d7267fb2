"""What every estimator takes, one statistic of one output over players, and what it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import rankdata

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.problem import Columns, Problem, each_point, every_pair
from uncertainty.sampling import QUERIES, normal_scores

Statistic: TypeAlias = Literal["typical", "mean", "query"]
Scale: TypeAlias = Literal["log", "linear"]
By: TypeAlias = Literal["input", "block", "group"]

# Relative spread of values that differ by rounding alone: some tens of operations.
_ROUNDING = 64 * float(np.finfo(np.float64).eps)
_FAR = 6.0  # normal score of one value in a thousand million
_SURE = 5.0  # standard errors by which a mean rank is off where an input makes values fail
_TRIED = 2**10  # points to look for that input


@dataclass(frozen=True)
class Player:
    """Coordinates that are varied together."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Estimates:
    """What an estimator gives.

    Attributes
    ----------
    values, errors : mapping of str to array
        Shape (players,).
    replicates : array
        What ranks by size, once for each randomization, shape (randomization, players); the
        mean over any of them is again an estimate, up to a factor common to the players.
    extras : mapping of str to (value, standard error)
        Scalars shown beside the table.
    pairs : mapping of str to (values, standard errors)
        Of two players each, shape (players, players); the diagonal is without meaning.
    """

    values: Mapping[str, Floats]
    errors: Mapping[str, Floats]
    replicates: Floats
    extras: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    pairs: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)


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
        """Values of the output, shape (n, m); m = 1 where nothing is reduced."""
        values = self._evaluate(outer, inner)
        self.check(float((~np.isfinite(values)).mean()), float((values <= 0).mean()))
        return settled(values)

    def _evaluate(self, outer: Mapping[str, Floats], inner: Mapping[str, Floats]) -> Floats:
        joint, model = self.problem.joint, self.problem.model
        if self.nested:
            return every_pair(joint, model, outer, inner, (self.quantity,))[self.quantity]
        return each_point(joint, model, outer)[1][self.quantity][:, None]

    def check(self, lost: float, low: float) -> None:
        """Refuse values of which some are not finite, or not above 0 on a log scale."""
        if lost:
            scores = normal_scores(self.coordinates, _TRIED, seed=0, randomization=0)
            failed = ~np.isfinite(self._evaluate(scores, self.inner(0, 0))).all(-1)
            raise not_finite(self.quantity, lost, scores, failed)
        if low and self.scale == "log":
            raise not_above_0(self.quantity, low)

    def check_tails(self, seed: int) -> None:
        """Refuse an output that is constant but for what is too rare for the draws to hold."""
        names = list(self.coordinates)
        one = _FAR * np.eye(len(names))
        steps = np.concatenate([np.zeros((1, len(names))), one, -one])
        ends = {name: steps[:, i] for i, name in enumerate(names)}
        moved = self(self.problem.joint.decorrelate(ends), self.inner(seed, 0))
        if np.ptp(moved):
            name = names[(int(np.abs(moved - moved[0]).argmax()) - 1) % len(names)]
            text = f"{self.quantity} is the same in all draws, but changes at the end of {name}"
            raise refusal(f"{text}, which is too rare for so few: use more draws")

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

    def correlated(self, chosen: Sequence[Player]) -> list[list[str]]:
        """Names of players that are correlated with one another, by block."""
        blocks = [set(block.names) for block in self.problem.joint.blocks]
        owners = [[p.name for p in chosen if block & set(p.members)] for block in blocks]
        return [names for names in owners if len(names) > 1]


def ratio(parts: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Mean of `parts` (randomization, players) over mean variance, with standard errors."""
    if not variance.mean() > 0:
        return np.zeros(parts.shape[1]), np.zeros(parts.shape[1])
    share = parts.mean(0) / variance.mean()
    residual = (parts - share * variance[:, None]) / variance.mean()
    return share, residual.std(0, ddof=1) / np.sqrt(len(parts))


def settled(values: Floats) -> Floats:
    """Values, all equal where they differ by rounding alone: noise of a last digit is not spread.

    Examples
    --------
    >>> np.ptp(settled(np.array([0.1 + 0.2, 0.3])))
    np.float64(0.0)
    """
    same = np.ptp(values) <= _ROUNDING * np.abs(values).max()
    return np.full_like(values, values.flat[0]) if same else values


def refusal(text: str) -> InputError:
    """The fault of what cannot be ranked."""
    return InputError.of("<ranking>", text)


def not_above_0(quantity: str, share: float) -> InputError:
    """The fault of an output that has no logarithm."""
    text = f"{quantity} is not above 0 for {100 * share:.3g} % of the draws"
    return refusal(f'{text}; use scale="linear"')


def not_finite(
    quantity: str, share: float, inputs: Mapping[str, Floats], failed: np.ndarray
) -> InputError:
    """The fault of an output that is not finite, with the input whose low or high values do it."""
    text = f"{quantity} is not finite for {100 * share:.3g} % of the draws"
    count, off = failed.sum(), dict[str, float]()
    if 0 < count < len(failed):
        for name, column in inputs.items():
            # Of ranks in (0, 1) the mean over draws that an input does not choose is 1/2.
            places = (rankdata(column)[failed] - 0.5) / len(column)
            off[name] = float((places.mean() - 0.5) * np.sqrt(12 * count))
    name = max(off, key=lambda name: abs(off[name]), default="")
    if name and abs(off[name]) > _SURE:
        text += f", mostly where {name} is {'high' if off[name] > 0 else 'low'}"
    return refusal(text)


def players(target: Target, by: By) -> list[Player]:
    """Group the coordinates: each for itself, correlated ones together, or by declared group."""
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
    kept = problem.needed
    assumptions = {name: item for name, item in problem.assumptions.items() if name in kept}
    return replace(problem, assumptions=assumptions, joint=problem.joint.only(kept))
