"""From prior and evidence to a posterior, checked before it is given away."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np
from jax import Array

from uncertainty.errors import InputError
from uncertainty.estimate import LEVELS, QUERY_STATISTICS
from uncertainty.evaluation import Columns, each_point
from uncertainty.health import bfmi, ess_bulk, ess_tail, r_hat
from uncertainty.joint import Joint
from uncertainty.likelihood import Target
from uncertainty.precision import Floats, in_float64
from uncertainty.problem import Problem
from uncertainty.results import BATCHES, with_posterior
from uncertainty.sampling.description import labels
from uncertainty.sampling.forward import QUERIES, Points, nested, simulate
from uncertainty.sampling.importance import Weighted, disagreements, weigh_prior
from uncertainty.sampling.nuts import Chains, Progress, run_chains
from uncertainty.sampling.points import normal_scores
from uncertainty.sampling.recall import remember
from uncertainty.sampling.target import RowsAt, labels_of, rows_at, target_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["infer"]

_PRIOR_DRAWS = 2**13
_WORST_R_HAT = 1.01
_FEWEST_EFFECTIVE = 100  # for each chain
_LEAST_BFMI = 0.3


@in_float64
def infer(
    problem: Problem,
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
    *,
    warmup: int = 1000,
    queries: int = QUERIES,
    prior_draws: int | None = None,
    progress: Progress | None = None,
) -> "xr.DataTree":
    """Update the joint prior on the evidence.

    Parameters
    ----------
    problem : Problem
        With evidence.
    draws, chains, warmup : int
        Draws of each chain, rounded up to a multiple of 4, after `warmup` steps that adapt it.
    seed : int
        The same seed and file give the same numbers.
    queries : int
        Points for what varies per query, as in `simulate`; over as many a row is averaged that
        leaves it open.
    prior_draws : int, optional
        Of the prior, which stands beside it; 2^13 where not given.
    progress : callable, optional
        Called with the steps done and those wanted.

    Returns
    -------
    xarray.DataTree
        The groups of `simulate` and ``posterior``, ``posterior_predictive``, ``log_likelihood``,
        ``log_prior``, ``sample_stats``, ``observed_data`` and others; see `uncertainty.results`.
        The posterior of outputs is that of a system that was not measured: with an effect of its
        own, and without the error of a measurement. Attribute ``warnings`` holds what makes it
        untrustworthy, if anything: chains that disagree, too few effective draws, divergences, or
        importance sampling that disagrees where it can be relied on.

    Raises
    ------
    InputError
        If there is no evidence, or it bears on an assumption that takes separate values.

    Notes
    -----
    The No-U-Turn sampler on standard normal scores (Hoffman and Gelman 2014), with the checks of
    Vehtari et al. (2021), Bayesian Analysis 16, 667.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    >>> evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 1}},
    ...             "columns": ["value"], "rows": [[7.39]]}
    >>> problem = un.build_problem(prior, model=lambda x: x, evidence=evidence)
    >>> tree = infer(problem)
    >>> round(float(np.log(tree["posterior"]["x"]).mean()), 1)
    1.0
    """
    if draws < BATCHES or chains < 2:
        text = f"give {BATCHES} or more draws and 2 or more chains (got {draws} and {chains})"
        raise InputError.of("<draws>", text)
    draws = -(-draws // BATCHES) * BATCHES
    target = target_of(problem, queries, seed)
    weighted = weigh_prior(target, seed)
    starts = _starts(weighted, chains)
    found = run_chains(
        target, starts=starts, draws=draws, warmup=warmup, seed=seed, progress=progress
    )
    rows = rows_at(target, found.z.reshape(-1, target.size), seed)
    doubts = [*_unhealthy(target, found)]
    if weighted.reliable:
        doubts += disagreements(target, weighted, found.z)
    tree = simulate(problem, prior_draws or _PRIOR_DRAWS, seed, queries=queries)
    return _laid_out(problem, target, found, rows, weighted, tree, doubts, queries, seed)


def _starts(weighted: Weighted, chains: int) -> Floats:
    """Take points of the prior at which the evidence is possible, far apart as they are."""
    points = weighted.z.reshape(-1, weighted.z.shape[-1])
    possible = np.isfinite(weighted.log_likelihood.ravel())
    if possible.sum() < chains:
        text = "no draw of the prior makes the measurements possible: compare units and conditions"
        raise InputError.of("<evidence>", text)
    return points[np.flatnonzero(possible)[:chains]]


def _unhealthy(target: Target, chains: Chains) -> Iterator[str]:
    """Say what is wrong with the chains, and what to do."""
    count = chains.z.shape[0]
    draws = dict(zip(labels_of(target), np.moveaxis(chains.z, -1, 0), strict=True))
    apart = {name: r_hat(own) for name, own in draws.items()}
    worst = max(apart, key=lambda name: apart[name])
    if not apart[worst] <= _WORST_R_HAT:
        yield (
            f"chains disagree on {worst} (R-hat {apart[worst]:.3f}, over {_WORST_R_HAT}): "
            "run longer, or look for two solutions that the evidence cannot tell apart"
        )
    for kind, measure in (("bulk", ess_bulk), ("tail", ess_tail)):
        effective = {name: measure(own) for name, own in draws.items()}
        least = min(effective, key=lambda name: effective[name])
        if not effective[least] >= _FEWEST_EFFECTIVE * count:
            yield (
                f"{least} has {effective[least]:.0f} effective draws ({kind}; "
                f"{_FEWEST_EFFECTIVE * count} are wanted): run with more draws"
            )
    divergent = int(chains.stats["diverging"].sum())
    if divergent:
        yield (
            f"{divergent} divergent steps: part of the posterior may not have been reached; give "
            "the spreads narrower priors, or run with a longer warm-up"
        )
    missing = float(bfmi(chains.stats["energy"]).min())
    if not missing >= _LEAST_BFMI:
        yield (
            f"the energy hardly moves (BFMI {missing:.2f}, under {_LEAST_BFMI}): tails may not "
            "have been reached; give the spreads narrower priors"
        )


@jax.jit
def _log_priors(joint: Joint, scores: dict[str, Array]) -> dict[str, Array]:
    return jax.vmap(joint.log_prior)(scores)


def _all_scores(problem: Problem, target: Target, chains: Chains, seed: int) -> Columns:
    """Scores of every coordinate, shape (chain * draw,): what evidence cannot move is drawn."""
    joint, count = problem.joint, chains.z.shape[0] * chains.z.shape[1]
    own = dict(
        zip(target.names, np.moveaxis(chains.z, -1, 0).reshape(target.size, -1), strict=False)
    )
    places = {**joint.coordinates(varies=False), **joint.coordinates(varies=True)}
    rest = {name: place for name, place in places.items() if name not in own}
    drawn = _independent(rest, count, seed)
    return {name: own[name] if name in own else drawn[name] for name in places}


def _independent(places: Mapping[str, int], count: int, seed: int) -> Columns:
    """Independent normal scores, each name with a stream of its own."""
    streams = {
        name: np.random.default_rng([seed, *name.encode()]).standard_normal(count)
        for name in places
    }
    return streams


def _batches(
    problem: Problem, scores: Columns, chains: int, queries: int, seed: int
) -> list[Points]:
    """Stretches of the chains, each with query points of its own."""
    outer = problem.joint.coordinates(varies=False)
    inner = problem.joint.coordinates(varies=True)
    parts = {name: scores[name].reshape(chains * BATCHES, -1) for name in outer}
    return [
        Points(
            {name: own[number] for name, own in parts.items()},
            normal_scores(inner, queries, seed=seed, randomization=number),
            len(next(iter(parts.values()))[number]),
        )
        for number in range(chains * BATCHES)
    ]


_Groups = dict[str, dict[str, tuple[Sequence[str], np.ndarray]]]


def _laid_out(
    problem: Problem,
    target: Target,
    chains: Chains,
    rows: RowsAt,
    weighted: Weighted,
    tree: "xr.DataTree",
    doubts: Sequence[str],
    queries: int,
    seed: int,
) -> "xr.DataTree":
    count, draws = chains.z.shape[:2]
    scores = _all_scores(problem, target, chains, seed)
    inputs, outputs = each_point(problem.joint, problem.model, scores)

    def by_chain(columns: Mapping[str, np.ndarray]) -> dict[str, tuple[Sequence[str], np.ndarray]]:
        return {
            name: (("chain", "draw"), column.reshape(count, draws))
            for name, column in columns.items()
        }

    densities = _log_priors(problem.joint, scores)
    groups: _Groups = {
        "posterior": by_chain({name: inputs[name] for name in problem.assumptions}),
        "posterior_predictive": by_chain({name: outputs[name] for name in problem.outputs}),
        "log_prior": by_chain({name: np.asarray(d) for name, d in densities.items()}),
        "log_likelihood": {},
        "observed_data": {},
        "sample_stats": {k: (("chain", "draw"), v) for k, v in chains.stats.items()},
        "unconstrained_posterior": by_chain(scores),
    }
    coords: dict[str, Sequence[str] | Sequence[int] | Floats] = {}
    start = len(target.names)
    for i, item in enumerate(target.observations):
        row, group = f"{item.name}_row", f"{item.name}_group"
        shape = (count, draws, item.count)
        groups["log_likelihood"][item.name] = (
            ("chain", "draw", row),
            rows.log_likelihood[i].reshape(shape),
        )
        groups["posterior_predictive"][item.name] = (
            ("chain", "draw", row),
            rows.replicate[i].reshape(shape),
        )
        groups["observed_data"] |= {
            name: ((row,), values) for name, values in item.observed().items()
        }
        coords[row] = list(range(item.count))
        if item.groups:
            z = chains.z[:, :, start : start + len(item.groups)]
            name = f"{item.name}_effect"
            sd = _spread(item.sd.fields({k: v for k, v in inputs.items()})["value"], count, draws)
            groups["posterior"][name] = (("chain", "draw", group), z * sd)
            groups["unconstrained_posterior"][name] = (("chain", "draw", group), z)
            groups["log_prior"][name] = (
                ("chain", "draw", group),
                -0.5 * z**2 - 0.5 * np.log(2 * np.pi) - np.log(sd),
            )
            coords[group] = list(item.groups)
            start += len(item.groups)
    if problem.varies:
        points = _batches(problem, scores, count, queries, seed)
        reduced = nested(problem, points, seed, "posterior")
        dims = {
            "posterior_statistics": ("chain", "draw", "statistic"),
            "posterior_query_quantiles": ("batch", "level"),
        }
        for name, columns in reduced.groups.items():
            shape = (count, draws, -1) if "draw" in dims[name] else (count * BATCHES, -1)
            groups[name] = {k: (dims[name], v.reshape(shape)) for k, v in columns.items()}
        coords |= {"statistic": QUERY_STATISTICS, "level": LEVELS}
    warnings = [*json.loads(tree.attrs["warnings"]), *doubts]
    facts = {**_facts(problem, target, weighted, count, draws), "warnings": json.dumps(warnings)}
    return with_posterior(tree, groups, labels(problem), facts, coords)


def _spread(sd: Array, chains: int, draws: int) -> Floats:
    column = np.asarray(sd, np.float64)
    whole = np.broadcast_to(column, (chains * draws,)) if column.ndim == 0 else column
    return whole.reshape(chains, draws, 1)


def _facts(
    problem: Problem, target: Target, weighted: Weighted, chains: int, draws: int
) -> dict[str, str | int | float]:
    evidence, error = weighted.log_evidence
    reliable = {"log_evidence": evidence, "log_evidence_se": error} if weighted.reliable else {}
    told = [
        {
            "name": item.name,
            "title": item.title,
            "source": item.source,
            "sha256": item.document.sha256,
            "path": item.document.label,
            "text": item.document.text,
            "observes": item.measurement.observes if item.measurement else "",
            "boundary": item.measurement.boundary if item.measurement else "",
            "rows": len(item.rows),
        }
        for item in problem.observed.evidence
        if item.rows
    ]
    return {
        "posterior_chains": chains,
        "posterior_draws": draws,
        "evidence": json.dumps(told),
        "updated": json.dumps(list(target.names)),
        "pareto_k": weighted.smoothed.k,
        **reliable,
        **remember(problem),
    }
