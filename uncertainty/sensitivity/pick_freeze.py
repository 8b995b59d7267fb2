"""Values at points that keep some inputs of one point and draw all others anew, given those kept.

An estimator of shares of a variance says which inputs to keep; this is where points are made and
the model is evaluated. An input that is correlated with kept ones is drawn from what it is given
them: for normal scores z with correlation R, kept set S and another draw z', the scores
``z' + R[:, S] R[S, S]^-1 (z - z')[S]`` have the same distribution and agree with z in S.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from scipy.special import ndtri

from uncertainty.arrays import Floats, in_float64
from uncertainty.energy import EnergyModel
from uncertainty.errors import InputError
from uncertainty.problem import Columns, Joint, evaluate_point
from uncertainty.sampling import RANDOMIZATIONS, median_of_rows, unit_points
from uncertainty.sensitivity.target import Player, Statistic, Target, refusal, settled

_THREADS = 2  # randomizations at a time: one call of compiled code does not keep two cores busy
_STATIC = {"static": True}


@dataclass(frozen=True)
class Kept:
    """Which players each mixture keeps: shape (mixtures, points or 1, players)."""

    players: tuple[Player, ...]
    keep: np.ndarray

    def of(self, name: str) -> np.ndarray:
        """Whether a coordinate is kept, shape (mixtures, points or 1)."""
        owner = [name in player.members for player in self.players]
        return np.asarray(self.keep[..., owner.index(True)])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Mixtures:
    """What one call of compiled code evaluates.

    Attributes
    ----------
    first, second : dict of str to array
        Scores of the two points, shape (points,) each.
    keep : dict of str to array
        For what stands alone: whether the first is taken, shape (mixtures, points or 1).
    maps : tuple of array
        For each correlated block, from both points' scores to its own, shape
        (mixtures, points or 1, members, 2 members).
    inner : dict of str to array
        Scores of what varies per query, shape (queries,); none where nothing is reduced.
    """

    joint: Joint
    first: Mapping[str, ArrayLike]
    second: Mapping[str, ArrayLike]
    keep: Mapping[str, ArrayLike]
    maps: tuple[ArrayLike, ...]
    inner: Mapping[str, ArrayLike]
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


def randomizations(one: "partial[Floats]") -> Floats:
    """Results of all randomizations, stacked; each computed by itself, two at a time."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return np.stack(list(pool.map(in_float64(one), range(RANDOMIZATIONS))))


def mixed(target: Target, kept: Kept, pair: tuple[Columns, Columns], inner: Columns) -> Floats:
    """The statistic on its scale at every mixture of a pair: shape (mixtures, points)."""
    blocks = target.problem.joint.blocks
    used = [block for block in blocks if block.names[0] in target.coordinates]
    together = {name for block in used for name in block.names}
    alone = [name for name in target.coordinates if name not in together]
    work = _Mixtures(
        joint=target.problem.joint,
        first=pair[0],
        second=pair[1],
        keep={name: kept.of(name) for name in alone},
        maps=tuple(_maps(np.asarray(block.factor), block.names, kept) for block in used),
        inner=inner,
        model=target.problem.model,
        quantity=target.quantity,
        statistic=target.statistic,
    )
    values, lost, low = jax.device_get(_evaluate(work))
    target.check(float(lost), float(low))
    return target.scaled(settled(np.asarray(values)))


def _maps(factor: Floats, names: Sequence[str], kept: Kept) -> Floats:
    """From both points' scores of a block to those of each mixture, before they are correlated."""
    keep = np.stack([kept.of(name) for name in names], -1)
    correlation, one = factor @ factor.T, np.eye(len(names))
    # Few sets differ, whatever the number of points.
    sets, which = np.unique(keep.reshape(-1, len(names)), axis=0, return_inverse=True)
    maps = np.zeros((len(sets), len(names), 2 * len(names)))
    for number, members in enumerate(sets):
        gain = np.zeros_like(factor)
        if members.any():
            inside = correlation[np.ix_(members, members)]
            gain[:, members] = np.linalg.solve(inside, correlation[members]).T
        known = np.linalg.solve(factor, gain @ factor)
        maps[number] = np.concatenate([known, one - known], 1)
    return np.asarray(maps[which.ravel()].reshape(*keep.shape, 2 * len(names)))


@jax.jit
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
