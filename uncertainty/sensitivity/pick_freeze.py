"""What an estimator takes and gives, and values at points that keep some inputs and draw others.

A target is one statistic of one output, as a function of normal scores, over players. An estimator
of shares of a variance says which players to keep; here points are made and the model is evaluated.
An input that is correlated with kept ones is drawn from what it is given them: for normal scores z
with correlation R, kept set S and another draw z', the scores
``z' + R[:, S] R[S, S]^-1 (z - z')[S]`` have the same distribution and agree with z in S.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from uncertainty.arrays import Floats, program, side_by_side
from uncertainty.energy import EnergyModel
from uncertainty.errors import InputError
from uncertainty.problem import Columns, Joint, Problem, each_point, evaluate_point, every_pair
from uncertainty.results import ROUNDING
from uncertainty.sampling import QUERIES, RANDOMIZATIONS, median_of_rows, normal_scores, unit_points

Statistic: TypeAlias = Literal["typical", "mean", "query"]
Scale: TypeAlias = Literal["log", "linear"]
By: TypeAlias = Literal["input", "block", "group"]

_LEAST = 1e-150  # in size: squares, and sums of many, are still among float64
_FAR = 6.0  # normal score of one value in a thousand million
_SURE = 5.0  # standard errors by which a mean rank is off where an input makes values fail
_TRIED = 2**10  # points to look for that input
_STATIC = {"static": True}


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
    columns : mapping of str to (values, standard errors)
        By name: a number for all, one for each player, or one for each pair of players; on the
        diagonal a pair is without meaning.
    replicates : array
        What ranks by size, once for each randomization, shape (randomization, players); the
        mean over any of them is again an estimate, up to a factor common to the players.
    """

    columns: Mapping[str, tuple[Floats, Floats]]
    replicates: Floats


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
        Of a decision, on the scale.
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
            text = f"{self.quantity} is not finite for {100 * lost:.3g} % of the draws"
            raise not_finite(text, scores, failed)
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
            text = f"{self.quantity} is the same in all draws, but changes far out in a tail of"
            raise refusal(f"{text} {name}: use more draws")

    def reduce(self, values: Floats) -> Floats:
        """The statistic over queries, the last axis, on the scale: shape (n,)."""
        typical = self.statistic == "typical"
        reduced = settled(np.median(values, -1) if typical else values.mean(-1))
        return on_scale(reduced, self.scale, self.quantity)

    def __call__(self, outer: Mapping[str, Floats], inner: Mapping[str, Floats]) -> Floats:
        """The statistic at epistemic points (n,)."""
        return self.reduce(self.pairs(outer, inner))

    def correlated(self, chosen: Sequence[Player]) -> list[list[str]]:
        """Names of players that are correlated with one another, by block."""
        blocks = [set(block.names) for block in self.problem.joint.blocks]
        owners = [[p.name for p in chosen if block & set(p.members)] for block in blocks]
        return [names for names in owners if len(names) > 1]


def ratio(
    parts: Floats, variance: Floats, least: Floats | float | None = None
) -> tuple[Floats, Floats]:
    """Mean of `parts` (randomization, players) over mean variance, with standard errors.

    Below `least` a share is 0 and known to that, but where all parts are 0. If it is not given,
    parts are differences of variances, in which a part may be lost.
    """
    if not (whole := float(variance.mean())) > 0:
        return np.zeros(parts.shape[1]), np.zeros(parts.shape[1])
    share = parts.mean(0) / whole
    none: Floats = np.full(parts.shape[1], ROUNDING)
    none = none if least is None else parts.any(0).astype(np.float64) * least / whole
    error = (parts / whole - share * variance[:, None] / whole).std(0, ddof=1) / np.sqrt(len(parts))
    nothing = np.abs(share) <= none
    return np.where(nothing, 0.0, share), np.where(nothing, np.maximum(error, none), error)


def rounding(values: Floats, scale: Scale) -> float:
    """How far values on a scale may lie apart by rounding alone."""
    return ROUNDING * float(np.maximum(np.abs(values).max(), scale == "log"))


def settled(values: Floats) -> Floats:
    """Values, all equal where they differ by rounding alone: noise is not spread."""
    same = np.ptp(values) <= ROUNDING * np.abs(values).max()
    return np.full_like(values, values.flat[0]) if same else values


def on_scale(values: Floats, scale: Scale, quantity: str) -> Floats:
    """Values, or their logarithms; refused where squares of the values are not among float64."""
    if scale == "log":
        return np.asarray(np.log(values))
    size = float(np.abs(values).max())
    if size and not _LEAST < size < 1 / _LEAST:
        text = (
            f"{quantity} is up to {size:.2g}, of which no square can be computed: use another unit"
        )
        raise refusal(f'{text}, or scale="log"')
    return values


def refusal(text: str) -> InputError:
    """The fault of what cannot be ranked."""
    return InputError.of("<ranking>", text)


def not_above_0(quantity: str, share: float) -> InputError:
    """The fault of an output that has no logarithm."""
    text = f"{quantity} is not above 0 for {100 * share:.3g} % of the draws"
    return refusal(f'{text}; use scale="linear"')


def not_finite(text: str, inputs: Mapping[str, Floats], failed: np.ndarray) -> InputError:
    """The fault of an output that is not finite, with the input whose low or high values do it."""
    count, off = failed.sum(), dict[str, float]()
    if 0 < count < len(failed):
        for name, column in inputs.items():
            # Of ranks in (0, 1) the mean over draws that an input does not choose is 1/2.
            places = (rankdata(column)[failed] - 0.5) / len(column)
            off[name] = float((places.mean() - 0.5) * np.sqrt(12 * count))
    name = max(off, key=lambda name: abs(off[name]), default="")
    if name and abs(off[name]) > _SURE:
        text += f", mostly where {name} is {'high' if off[name] > 0 else 'low'}: truncate it there"
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


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Mixtures:
    """What one call of compiled code evaluates.

    For what stands alone `keep` says whether the first point is taken, shape
    (mixtures, points or 1). For each correlated block `maps` lead from both points' scores to its
    own, shape (mixtures, points or 1, members, 2 members).
    """

    joint: Joint
    first: Mapping[str, ArrayLike]  # scores, shape (points,)
    second: Mapping[str, ArrayLike]
    keep: Mapping[str, ArrayLike]
    maps: tuple[ArrayLike, ...]
    inner: Mapping[str, ArrayLike]  # of what varies per query, shape (queries,), where reduced
    model: EnergyModel = field(metadata=_STATIC)
    quantity: str = field(metadata=_STATIC)
    statistic: Statistic = field(metadata=_STATIC)


def base_points(draws: int | None, default: int) -> int:
    """Points of one randomization."""
    least = 2 * RANDOMIZATIONS
    if draws is not None and draws < least:
        raise InputError.of("<draws>", f"must be {least} or more (got {draws})")
    return -(-(draws or default) // RANDOMIZATIONS)


def refuse_correlated(target: Target, chosen: Sequence[Player]) -> None:
    """Refuse players that are correlated with one another."""
    clashes = target.correlated(chosen)
    if clashes:
        together = "; ".join(dict.fromkeys(" and ".join(names) for names in clashes))
        raise refusal(
            f"{together} are correlated: their shares of the variance overlap and "
            'this method has no meaning; use method="shapley", or rank them together (by="block")'
        )


def pair_of_points(
    target: Target, count: int, seed: int, randomization: int
) -> tuple[Columns, Columns]:
    """Two independent halves of one point set of twice the dimension: scores, shape (count,)."""
    places = target.coordinates
    doubled = {name: 2 * place for name, place in places.items()}
    doubled |= {f"{name}'": 2 * place + 1 for name, place in places.items()}
    points = unit_points(doubled, count, seed=seed, randomization=randomization)
    scores = {name: np.asarray(ndtri(u)) for name, u in points.items()}
    return {n: scores[n] for n in places}, {n: scores[f"{n}'"] for n in places}


def randomizations(one: Callable[[int], Floats]) -> Floats:
    """Results of all randomizations, stacked; each computed by itself, two at a time."""
    return np.stack(side_by_side(one, range(RANDOMIZATIONS)))


def mixed(
    target: Target,
    chosen: Sequence[Player],
    keep: np.ndarray,
    pair: tuple[Columns, Columns],
    inner: Columns,
) -> Floats:
    """The statistic on its scale at every mixture of a pair: shape (mixtures, points).

    Parameters
    ----------
    target : Target
    chosen : sequence of Player
    keep : array of bool
        Which players each mixture keeps of the first point, shape (mixtures, points or 1, players).
    pair, inner
        Scores of both points, and of the queries.
    """
    blocks = target.problem.joint.blocks
    used = [block for block in blocks if block.names[0] in target.coordinates]
    together = {name for block in used for name in block.names}
    kept = {name: keep[..., i] for i, player in enumerate(chosen) for name in player.members}
    work = _Mixtures(
        joint=target.problem.joint,
        first=pair[0],
        second=pair[1],
        keep={name: kept[name] for name in target.coordinates if name not in together},
        maps=tuple(
            _maps(np.asarray(block.factor), np.stack([kept[name] for name in block.names], -1))
            for block in used
        ),
        inner=inner,
        model=target.problem.model,
        quantity=target.quantity,
        statistic=target.statistic,
    )
    values, lost, low = jax.device_get(_evaluate(work))
    target.check(float(lost), float(low))
    return on_scale(settled(np.asarray(values)), target.scale, target.quantity)


def _maps(factor: Floats, keep: np.ndarray) -> Floats:
    """From both points' scores of a block to those of each mixture, before they are correlated."""
    correlation, size = factor @ factor.T, len(factor)
    # Few sets differ, whatever the number of points.
    sets, which = np.unique(keep.reshape(-1, size), axis=0, return_inverse=True)
    maps = np.zeros((len(sets), size, 2 * size))
    for number, members in enumerate(sets):
        gain = np.zeros_like(factor)
        if members.any():
            inside = correlation[np.ix_(members, members)]
            gain[:, members] = np.linalg.solve(inside, correlation[members]).T
        known = np.linalg.solve(factor, gain @ factor)
        maps[number] = np.concatenate([known, np.eye(size) - known], 1)
    return np.asarray(maps[which.ravel()].reshape(*keep.shape, 2 * size))


@program()
def _evaluate(work: _Mixtures) -> tuple[Array, Array, Array]:
    """Reduced values, and the shares of all values that are not finite, and not above 0."""
    work = jax.tree.map(jnp.asarray, work)
    points = work.first, work.second
    inner = {name: jnp.asarray(column) for name, column in work.inner.items()}
    # What needs only its own score has the same value in every mixture: it is computed once.
    laws = {n.name: n.law for n in work.joint.nodes if n.name in work.keep and n.law is not None}
    ready = [
        {
            name: jax.vmap(partial(law.quantile, values={}))(jnp.asarray(point[name]))
            for name, law in laws.items()
            if law.closed
        }
        for point in points
    ]
    blocks = [block for block in work.joint.blocks if block.names[0] in work.first]

    def value(scores: dict[str, Array], values: dict[str, Array], query: dict[str, Array]) -> Array:
        return evaluate_point(work.joint, work.model, {**scores, **query}, values)[1][work.quantity]

    def mixture(part: tuple[dict[str, Array], tuple[Array, ...]]) -> tuple[Array, Array, Array]:
        keep, maps = part
        scores = {n: jnp.where(k, points[0][n], points[1][n]) for n, k in keep.items()}
        for block, block_map in zip(blocks, maps, strict=True):
            both = [jnp.asarray(point[name]) for point in points for name in block.names]
            moved = (block_map * jnp.stack(both, -1)[:, None, :]).sum(-1)
            scores |= {name: moved[:, i] for i, name in enumerate(block.names)}
        known = {n: jnp.where(keep[n], ready[0][n], ready[1][n]) for n in ready[0]}
        if inner:
            values = jax.vmap(jax.vmap(value, (None, None, 0)), (0, 0, None))(scores, known, inner)
            reduced = median_of_rows(values) if work.statistic == "typical" else values.mean(-1)
        else:
            reduced = values = jax.vmap(value, (0, 0, None))(scores, known, {})
        return reduced, (~jnp.isfinite(values)).mean(), (values <= 0).mean()

    values, lost, low = lax.map(mixture, (work.keep, work.maps))
    return values, lost.mean(), low.mean()
