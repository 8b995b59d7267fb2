"""The posterior of a problem as a density, evaluated at many points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.arrays import Floats
from uncertainty.energy import EFFECTS
from uncertainty.errors import Fault, InputError
from uncertainty.problem import At, Joint, Node, Observation, Problem, Target
from uncertainty.sampling import normal_scores

_BATCH = 1024
_ROWS = 2**20
"""Rows of all points of a batch, at most: numbers of each stay within some megabytes."""


def target_of(problem: Problem, queries: int, seed: int, *, jumps: bool = False) -> Target:
    """Give the density to sample: over the coordinates that evidence can move.

    Raises
    ------
    InputError
        If there is no evidence, or it bears on nothing uncertain or, unless `jumps` are no matter,
        on an assumption that jumps.
    """
    observations = tuple(item for item in problem.observations if item.count)
    if not observations:
        text = "there is nothing to learn from: name evidence in the file, or give some"
        raise InputError.of("<evidence>", text)
    nodes = _movable(problem)
    if not nodes:
        text = "the measurements can move nothing: all that they bear on is fixed"
        raise InputError.of("<evidence>", text)
    steps = [] if jumps else list(_jumps(problem, nodes))
    if steps:
        raise InputError(steps)
    ordered = sorted(nodes, key=lambda node: node.index)
    return whole_target(problem, observations, queries, seed, [node.name for node in ordered])


def whole_target(
    problem: Problem,
    observations: tuple[Observation, ...],
    queries: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> Target:
    """Give the density over these coordinates, or all that do not vary per query."""
    joint = problem.joint
    averaged = any(part.averaged for item in observations for part in item.rows)
    inner = joint.coordinates(varies=True) if averaged else {}
    points = normal_scores(inner, queries, seed=seed, randomization=0)
    every = joint.coordinates(varies=False) if names is None else names
    return Target(joint, observations, points, tuple(every))


def has_slopes(problem: Problem) -> bool:
    """Whether the log likelihood of the evidence can be differentiated."""
    models = {item.model for item in problem.observations if item.count}
    if all(model.outputs for model in models):
        return True  # those shipped can
    if any(model.plain for model in models):
        return False
    target = target_of(problem, 2, 0, jumps=True)
    try:
        jax.eval_shape(jax.grad(target.log_density), jnp.zeros(target.size))
    except Exception:  # a user's function may hold anything that has no derivative
        return False
    return True


@dataclass(frozen=True)
class Open:
    """What some rows of an evidence do not state and the observed output needs.

    Attributes
    ----------
    rows : tuple of int
        Their numbers, from 1.
    shared : tuple of str
        Uncertain and the same for all rows: evidence moves them.
    averaged : tuple of str
        They vary per query: each row is averaged over them.
    """

    rows: tuple[int, ...]
    shared: tuple[str, ...]
    averaged: tuple[str, ...]


def open_names(joint: Joint, item: Observation) -> Iterator[Open]:
    """Tell what each row leaves open, rows that leave the same open together."""
    found = dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]]()
    names = _own_names(joint)
    for part in item.rows:
        behind = joint.behind(item.model.used(names), part.known)
        kinds = (joint.coordinates(varies=False), joint.coordinates(varies=True))
        shared, averaged = (tuple(name for name in kind if name in behind) for kind in kinds)
        found.setdefault((shared, averaged), []).extend(place + 1 for place in part.places)
    for (shared, averaged), places in found.items():
        yield Open(tuple(sorted(places)), shared, averaged)


def learns(problem: Problem) -> bool:
    """Whether there is evidence, and anything that it can move."""
    return problem.has_evidence and bool(_movable(problem))


def _movable(problem: Problem) -> list[Node]:
    """Give the uncertain assumptions, the same for all queries, that evidence bears on."""
    touched = _touched(problem)
    return [n for n in problem.joint.nodes if n.name in touched and n.uncertain and not n.varies]


def _touched(problem: Problem) -> frozenset[str]:
    """Names whose scores may move the likelihood."""
    joint, found = problem.joint, set[str]()
    names = _own_names(joint)
    for item in problem.observations:
        laws = (item.parameters, item.sd, item.discrepancy)
        found |= joint.behind(n for law in laws if law is not None for n in law.references)
        for part in item.rows:
            found |= joint.behind(item.model.used(names), part.known)
    return frozenset(found)


def _own_names(joint: Joint) -> list[str]:
    """Names that a measured system has, not the effect of one that nobody measured."""
    return [node.name for node in joint.nodes if node.name not in EFFECTS]


def _jumps(problem: Problem, nodes: Sequence[Node]) -> Iterator[Fault]:
    for node in nodes:
        if node.law is not None and node.law.jumps:
            text = (
                "takes separate values, and evidence bears on it: its posterior has no slope to "
                "follow. Fix it (one run for each value), state it in every row, or smooth it"
            )
            yield problem.assumptions[node.name].fault(text, node.law.family)


def coordinates_of(target: Target) -> dict[str, int]:
    """Name each element of the vector, with a coordinate of its own."""
    places = target.joint.coordinates(varies=False)
    after = 1 + max((node.index for node in target.joint.nodes), default=-1)
    groups = [f"{item.name}: {group}" for item in target.observations for group in item.groups]
    own = {name: places[name] for name in target.names}
    return own | {name: after + i for i, name in enumerate(groups)}


def labels_of(target: Target) -> list[str]:
    """Names of the elements of the vector."""
    return list(coordinates_of(target))


@dataclass(frozen=True)
class RowsAt:
    """What each observation's rows say at points: shape (points, rows) each.

    Attributes
    ----------
    z : array
        The points with plain scores of groups, shape (points, size).
    volume : array
        `At.volume`, shape (points,).
    """

    log_likelihood: tuple[Floats, ...]
    replicate: tuple[Floats, ...]
    z: Floats
    volume: Floats


@jax.jit
def _batch(target: Target, z: Array, noise: Array) -> At:
    return jax.vmap(target.at)(z, noise)


def rows_at(target: Target, z: Floats, seed: int) -> RowsAt:
    """Evaluate the rows at points of shape (n, size), with new errors from `seed`."""
    parts = [*batches_at(target, z, seed)]
    whole = jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(z)], *parts)
    densities, replicates = zip(*whole.rows, strict=True)
    return RowsAt(densities, replicates, whole.plain, whole.volume)


def batches_at(target: Target, z: Floats, seed: int) -> Iterator[At]:
    """Evaluate points in batches of one size; the last is filled up with its last point."""
    size = _BATCH
    while size > 1 and size * target.count > _ROWS:
        size //= 2
    for number, start in enumerate(range(0, len(z), size)):
        own = z[start : start + size]
        noise = 1 - np.random.default_rng([seed, number]).random((size, target.count, 3))
        found = _batch(target, np.pad(own, ((0, size - len(own)), (0, 0)), "edge"), noise)
        yield jax.tree.map(np.asarray, found)
