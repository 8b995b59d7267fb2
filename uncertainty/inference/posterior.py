"""Draws of a posterior, laid out beside its prior; and those of another problem to go with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.arrays import Floats, in_float64, program
from uncertainty.inference.samplers import Weighted
from uncertainty.inference.target import describe_evidence
from uncertainty.problem import At, Columns, Joint, Problem, Target, each_point
from uncertainty.results import BATCHES, LEVELS, QUERY_STATISTICS, build_tree
from uncertainty.sampling import QUERIES, Points, labels, nested, normal_scores

if TYPE_CHECKING:
    import xarray as xr


_CHAINS = ("chain", "draw")


@dataclass(frozen=True)
class Posterior:
    """Draws of a posterior, and whether they can be trusted.

    Attributes
    ----------
    target : Target
    at : At
        The target at each draw, chain after chain.
    chains : int
    stats : dict of str to array
        Of the sampler at each draw, shape (chain, draw), by ArviZ's names.
    weighted : Weighted
        The same posterior by weights.
    doubts : sequence of str
    sampler : str
        ``nuts``, or why the draws are of importance sampling.
    """

    target: Target
    at: At
    chains: int
    stats: Mapping[str, np.ndarray]
    weighted: Weighted
    doubts: Sequence[str]
    sampler: str = "nuts"

    @property
    def z(self) -> Floats:
        """Standard normal scores, plain ones of groups: shape (chain, draw, size)."""
        return np.asarray(self.at.plain).reshape(self.chains, -1, self.target.size)


@program()
def _log_priors(joint: Joint, scores: dict[str, Array]) -> dict[str, Array]:
    return jax.vmap(joint.log_prior)(scores)


def lay_out(
    posterior: Posterior,
    problem: Problem,
    prior: "xr.DataTree",
    queries: int,
    seed: int,
    quantities: Sequence[str] | None = None,
) -> "xr.DataTree":
    """Put a posterior beside its prior, for a system that was not measured."""
    z, target, joint = posterior.z, posterior.target, problem.joint
    shape = z.shape[:2]
    columns = np.moveaxis(z, -1, 0).reshape(target.size, -1)
    known = dict(zip(target.names, columns, strict=False))
    scores = _every_score(problem, known, z[..., 0].size, seed)
    inputs, outputs = each_point(joint, problem.model, scores)

    def by_chain(
        columns: Mapping[str, Floats | Array],
    ) -> dict[str, tuple[Sequence[str], np.ndarray]]:
        return {n: (_CHAINS, np.asarray(column).reshape(shape)) for n, column in columns.items()}

    groups: dict[str, dict[str, tuple[Sequence[str], np.ndarray]]] = {
        "posterior": by_chain({name: inputs[name] for name in problem.assumptions}),
        "posterior_predictive": by_chain({name: outputs[name] for name in problem.outputs}),
        "log_prior": by_chain(_log_priors(joint, scores)),
        "log_likelihood": {},
        "observed_data": {},
        "sample_stats": {name: (_CHAINS, column) for name, column in posterior.stats.items()},
        "unconstrained_posterior": by_chain(scores),
    }
    coords: dict[str, Sequence[str] | Sequence[int] | Floats] = {
        "statistic": QUERY_STATISTICS,
        "level": LEVELS,
    }
    start = len(target.names)
    for item, (densities, replicates) in zip(target.observations, posterior.at.rows, strict=True):
        row, group = f"{item.name}_row", f"{item.name}_group"
        coords |= {row: list(range(item.count)), group: list(item.groups)}
        for kind, rows in (("log_likelihood", densities), ("posterior_predictive", replicates)):
            groups[kind][item.name] = (*_CHAINS, row), np.asarray(rows).reshape(*shape, -1)
        groups["observed_data"] |= {name: ((row,), v) for name, v in item.observed().items()}
        if item.groups and item.sd is not None:
            effects = z[:, :, start : start + len(item.groups)]
            start += len(item.groups)
            spread = item.sd.fields({name: jnp.asarray(v) for name, v in inputs.items()})["value"]
            sd = np.broadcast_to(np.asarray(spread, np.float64), shape[0] * shape[1])
            sd = sd.reshape(*shape, 1)
            density = -0.5 * effects**2 - 0.5 * np.log(2 * np.pi) - np.log(sd)
            for kind, values in (
                ("posterior", effects * sd),
                ("unconstrained_posterior", effects),
                ("log_prior", density),
            ):
                groups[kind][f"{item.name}_effect"] = (*_CHAINS, group), values
    warnings = [*json.loads(prior.attrs["warnings"]), *posterior.doubts]
    if problem.varies:
        batches = _stretches(problem, scores, shape[0], queries, seed)
        invalid, reduced, _ = nested(problem, batches, seed, "posterior", quantities)
        warnings += [f"posterior: {text}" for text in invalid.warnings(problem)]
        for kind, reductions in reduced.items():
            whole = kind.endswith("_statistics")
            dims = (*_CHAINS, "statistic") if whole else ("batch", "level")
            lead = shape if whole else (-1,)
            groups[kind] = {n: (dims, v.reshape(*lead, v.shape[-1])) for n, v in reductions.items()}
    weighted = posterior.weighted
    facts: dict[str, str | int | float] = {
        "posterior_chains": shape[0],
        "posterior_draws": shape[1],
        "evidence": json.dumps([*describe_evidence(problem)]),
        "updated": json.dumps(list(target.names)),
        "pareto_k": weighted.smoothed.k,
        "warnings": json.dumps(warnings),
    }
    if weighted.reliable:
        facts["log_evidence"], facts["log_evidence_se"] = weighted.log_evidence
    return build_tree(groups, labels(problem), facts, coords, prior)


def _every_score(problem: Problem, known: Columns, count: int, seed: int) -> Columns:
    """Scores of every coordinate: those not known are drawn by name, alike in any problem."""
    joint = problem.joint
    names = (*joint.coordinates(varies=False), *joint.coordinates(varies=True))
    return {
        name: known[name]
        if name in known
        else np.random.default_rng([seed, *name.encode()]).standard_normal(count)
        for name in names
    }


def _stretches(
    problem: Problem, scores: Columns, chains: int, queries: int, seed: int
) -> list[Points]:
    """Cut chains into stretches, each with queries of its own: their error shows between them."""
    joint, count = problem.joint, chains * BATCHES
    inner = joint.coordinates(varies=True)
    parts = {name: scores[name].reshape(count, -1) for name in joint.coordinates(varies=False)}
    size = len(next(iter(scores.values()))) // count
    return [
        Points(
            {name: columns[number] for name, columns in parts.items()},
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

    Scores that are `known`, shape (chains * draws,), are not drawn by name. By statistic: shape
    (chains * BATCHES, draws / BATCHES).
    """
    # Where nothing is uncertain, one column without a name still says how many draws there are.
    scores = _every_score(problem, known, chains * draws, seed) or {"": np.zeros(chains * draws)}
    shape = (chains * BATCHES, -1)
    one = each_point(problem.joint, problem.model, scores)[1][quantity]
    query = np.broadcast_to(one, chains * draws).reshape(shape)
    if not problem.varies:
        return dict.fromkeys(("typical", "mean", "query"), query)
    points = _stretches(problem, scores, chains, QUERIES, seed)
    kept = nested(problem, points, seed)[1]["prior_statistics"][quantity]
    typical, mean = (kept[..., place].reshape(shape) for place in (0, 1))
    return {"typical": typical, "mean": mean, "query": query}
