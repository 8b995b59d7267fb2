"""The posterior of a problem as a density: over which unknowns, and what it is at many points."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.arrays import Floats, program
from uncertainty.errors import InputError
from uncertainty.problem import At, Joint, Node, Observation, Problem, Target
from uncertainty.sampling import normal_scores

_BATCH = 1024
_AVERAGED = 2**12  # means over queries times these: as many as of 16 rows
# Rows, and calls of models, of all points of a batch at most: each of their numbers takes some
# megabytes, or a quarter of a gigabyte.
_ROWS, _CALLS = 2**20, 2**25


def target_of(problem: Problem, queries: int, seed: int, *, jumps: bool = False) -> Target:
    """Give the density to sample, guided: over the coordinates that evidence can move.

    Refused without evidence, where it bears on nothing uncertain and, unless `jumps` are no
    matter, where it bears on an assumption that jumps.
    """
    observations = tuple(item for item in problem.observations if item.count)
    if not observations:
        text = "there is nothing to learn from: name evidence in the file, or give some"
        raise InputError.of("<evidence>", text)
    nodes = _movable(problem)
    if not nodes:
        text = "the measurements can move nothing: all that they bear on is fixed"
        raise InputError.of("<evidence>", text)
    text = "takes separate values, and evidence bears on it: its posterior has no slope to follow"
    text += ". Fix it (one run for each value), state it in every row, or smooth it"
    steps = [
        problem.assumptions[node.name].fault(text, node.law.family)
        for node in nodes
        if node.law is not None and node.law.jumps and not jumps
    ]
    if steps:
        raise InputError(steps)
    # Of the prior only what evidence bears on, its coordinates numbered anew: whatever else a file
    # says, the posterior is the same to the last bit.
    bears_on = problem.joint.only(_bears_on(problem))
    places = {node.name: i for i, node in enumerate(sorted(bears_on.nodes, key=lambda n: n.index))}
    renumbered = tuple(replace(node, index=places[node.name]) for node in bears_on.nodes)
    joint = replace(bears_on, nodes=renumbered)
    names = sorted((node.name for node in nodes), key=places.__getitem__)
    means = [item for item in observations if item.statistic == "mean"]
    averaged = sum(len(part.places) for item in means for part in item.rows if part.averaged)
    if averaged and not any(item.model.plain for item in observations):
        # A mean hangs on its largest queries, which all draws share, so that no other error shows
        # theirs: few rows have more of them.
        queries = max(queries, 2 ** int(np.log2(max(_AVERAGED / averaged, 1))))
    return replace(whole_target(joint, observations, queries, seed, names), guided=True)


def whole_target(
    joint: Joint,
    observations: tuple[Observation, ...],
    queries: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> Target:
    """Give the density over these coordinates, or all that do not vary per query."""
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


def learns(problem: Problem) -> bool:
    """Whether there is evidence, and anything that it can move."""
    return problem.has_evidence and bool(_movable(problem))


def _bears_on(problem: Problem) -> frozenset[str]:
    """Names of the assumptions that the log likelihood follows from."""
    joint, names = problem.joint, set[str]()
    for item in problem.observations:
        laws = (item.parameters, item.discrepancy, *(level.sd for level in item.levels))
        names |= joint.behind(n for law in laws if law is not None for n in law.references)
        for part in item.rows:
            names |= joint.left_open(item.model, part.known.keys())
    return frozenset(names)


def _movable(problem: Problem) -> list[Node]:
    """Give the uncertain assumptions, the same for all queries, that evidence bears on."""
    names = _bears_on(problem)
    return [n for n in problem.joint.nodes if n.name in names and n.uncertain and not n.varies]


def describe_evidence(problem: Problem) -> Iterator[dict[str, object]]:
    """Describe what is learned from, so that a report of a result needs no file.

    ``open`` lists what rows leave open and the observed output needs, rows that leave the same
    together: ``rows`` are numbers from 1; ``shared`` is uncertain and the same for all rows, so
    that evidence moves it; ``averaged`` varies per query, and each row is averaged over it.
    """
    joint = problem.joint
    kinds = (joint.coordinates(varies=False), joint.coordinates(varies=True))
    for item, observation in zip(problem.evidence, problem.observations, strict=True):
        numbers = dict[tuple[tuple[str, ...], ...], list[int]]()
        for part in observation.rows:
            behind = joint.left_open(observation.model, part.known.keys())
            key = tuple(tuple(name for name in kind if name in behind) for kind in kinds)
            numbers.setdefault(key, []).extend(place + 1 for place in part.places)
        if item.rows:
            yield {
                "name": item.name,
                "title": item.title,
                "source": item.source,
                "sha256": item.document.sha256,
                "path": item.document.label,
                "text": item.document.text,
                "observes": observation.observes,
                "boundary": (item.measurement and item.measurement.boundary) or "",
                "rows": len(item.rows),
                "open": [
                    {"rows": sorted(rows), "shared": shared, "averaged": averaged}
                    for (shared, averaged), rows in numbers.items()
                ],
            }


def coordinates_of(target: Target) -> dict[str, int]:
    """Name each element of the vector, with the coordinate of its points."""
    places = target.joint.coordinates(varies=False)
    # Groups are not assumptions: their coordinates come after those of all assumptions.
    after = 1 + max((node.index for node in target.joint.nodes), default=-1)
    groups = [f"{x.name}: {group}" for x in target.levels.values() for group in x.groups]
    names = {name: places[name] for name in target.names}
    return names | {name: after + i for i, name in enumerate(groups)}


@program()
def _each_point(target: Target, z: Array, noise: Array) -> At:
    result: At = jax.vmap(Target.at, in_axes=(None, 0, 0))(target, z, noise)
    return result


def batches_at(target: Target, z: Floats, seed: int) -> Iterator[At]:
    """Evaluate points of shape (n, size) in batches of one size, with new errors from `seed`.

    The last batch is filled up with its last point: one compilation serves all.
    """
    size = _BATCH
    while size > 1 and (size * target.count > _ROWS or size * target.calls > _CALLS):
        size //= 2
    for number, start in enumerate(range(0, len(z), size)):
        points = z[start : start + size]
        noise = 1 - np.random.default_rng([seed, number]).random((size, target.count, 3))
        filled = np.pad(points, ((0, size - len(points)), (0, 0)), "edge")
        yield jax.tree.map(np.asarray, _each_point(target, filled, noise))


def rows_at(target: Target, z: Floats, seed: int) -> At:
    """Evaluate points of shape (n, size) as arrays whose first dimension is n."""
    # What is expected without measurements is as large as the rows, and of use for the prior alone.
    parts = [replace(part, expected=()) for part in batches_at(target, z, seed)]
    whole: At = jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(z)], *parts)
    return whole
