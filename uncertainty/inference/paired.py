"""Draws of one problem that go with the posterior draws of another."""

import numpy as np

from uncertainty.arrays import Floats, in_float64
from uncertainty.problem import Columns, Problem, each_point
from uncertainty.results import BATCHES
from uncertainty.sampling import QUERIES, Points, nested, normal_scores


def drawn_scores(problem: Problem, known: Columns, count: int, seed: int) -> Columns:
    """Scores of every coordinate: those known, the others drawn by name, the same in any problem.

    Parameters
    ----------
    problem : Problem
    known : mapping of str to array
        Shape (count,).
    count, seed : int
    """
    joint = problem.joint
    names = (*joint.coordinates(varies=False), *joint.coordinates(varies=True))
    return {
        name: known[name]
        if name in known
        else np.random.default_rng([seed, *name.encode()]).standard_normal(count)
        for name in names
    }


def batches_of(
    problem: Problem, scores: Columns, chains: int, queries: int, seed: int
) -> list[Points]:
    """Stretches of the chains, each with query points of its own."""
    joint, count = problem.joint, chains * BATCHES
    inner = joint.coordinates(varies=True)
    parts = {name: scores[name].reshape(count, -1) for name in joint.coordinates(varies=False)}
    size = len(next(iter(scores.values()))) // count
    return [
        Points(
            {name: own[number] for name, own in parts.items()},
            normal_scores(inner, queries, seed=seed, randomization=number),
            size,
        )
        for number in range(count)
    ]


@in_float64
def paired_draws(
    problem: Problem, quantity: str, known: Columns, chains: int, draws: int, seed: int
) -> dict[str, Floats]:
    """Draws of each statistic at scores that a posterior of `chains` of `draws` shares by name.

    Parameters
    ----------
    problem : Problem
    quantity : str
    known : mapping of str to array
        Scores that are not drawn by name, shape (chains * draws,).
    chains, draws, seed : int

    Returns
    -------
    dict of str to array
        By statistic, shape (chains * BATCHES, draws / BATCHES).
    """
    scores = drawn_scores(problem, known, chains * draws, seed) or {"": np.zeros(chains * draws)}
    shape = (chains * BATCHES, -1)
    one = each_point(problem.joint, problem.model, scores)[1][quantity]
    alone = np.broadcast_to(one, chains * draws).reshape(shape)
    if not problem.varies:
        return dict.fromkeys(("typical", "mean", "query"), alone)
    points = batches_of(problem, scores, chains, QUERIES, seed)
    kept = nested(problem, points, seed).groups["prior_statistics"][quantity]
    typical, mean = (kept[..., place].reshape(shape) for place in (0, 1))
    return {"typical": typical, "mean": mean, "query": alone}
