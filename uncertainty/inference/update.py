"""A posterior with more evidence: its draws weighed anew, or a refit where they cannot be."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from uncertainty.arrays import Floats, in_float64
from uncertainty.errors import InputError
from uncertainty.files import Evidence
from uncertainty.inference.importance import (
    FEWEST,
    RELIABLE,
    disagreements,
    systematic,
    weigh_prior,
)
from uncertainty.inference.infer import infer
from uncertainty.inference.nuts import Chains
from uncertainty.inference.posterior import Posterior, lay_out
from uncertainty.inference.target import has_slopes, rows_at, target_of
from uncertainty.problem import EvidenceLike, Problem, Target, build_problem
from uncertainty.results import BATCHES, Smoothed, ess_bulk, smoothed_weights, warnings_of
from uncertainty.sampling import QUERIES, problem_of, remember, simulate

if TYPE_CHECKING:
    import xarray as xr


_OF_THE_DENSITY = ("lp", "energy")  # another one now


@in_float64
def update(
    tree: "xr.DataTree",
    evidence: EvidenceLike | Sequence[EvidenceLike],
    *,
    seed: int = 0,
    queries: int = QUERIES,
) -> "xr.DataTree":
    """Update a posterior on more evidence.

    Parameters
    ----------
    tree : xarray.DataTree
        From `infer`, saved and loaded or not.
    evidence : str, mapping or sequence of these
        As `build_problem` takes it; what the posterior knows already is not to be given again.
    seed : int
    queries : int
        As in `infer`.

    Returns
    -------
    xarray.DataTree
        As `infer` gives it, on all evidence. Attribute ``updated_by`` says how: ``weights``, where
        the draws could be trusted and weighed by the new rows (Pareto k below 0.7 and 400
        effective draws; there are as many draws then as are effective), or ``refit``.

    Raises
    ------
    InputError
        If there is no posterior, or the evidence is at fault.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    >>> rows = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 1}},
    ...         "columns": ["value"], "rows": [[2.0]]}
    >>> tree = un.infer(un.build_problem(prior, model=lambda x: x, evidence=rows))
    >>> update(tree, {**rows, "rows": [[3.0]]}).attrs["updated_by"]
    'weights'
    """
    if "posterior" not in tree.children:
        raise InputError.of("<result>", "has no posterior to update: use infer")
    before = problem_of(tree)
    problem = _with_more(before, evidence)
    slopes = has_slopes(problem.new_system)
    target = target_of(problem.new_system, queries, seed, jumps=not slopes)
    z = _scores(tree, target, seed)
    weights = _weigh(target, z, len(before.observed.evidence), seed)
    effective = weights.effective * _independent(tree, z, target)
    if warnings_of(tree) or weights.k >= RELIABLE or effective < FEWEST:
        chains, draws = (int(tree.attrs[f"posterior_{key}"]) for key in ("chains", "draws"))
        if not slopes:  # fewer draws are left than points were weighted
            draws = max(draws, int(tree.attrs["draws"]) // chains)
        found = infer(problem, draws, chains, seed, queries=queries)
        found.attrs["updated_by"] = "refit"
        return found
    return _resampled(tree, problem, target, z, weights, effective, queries, seed)


def _independent(tree: "xr.DataTree", z: Floats, target: Target) -> float:
    """Share of the draws that are worth an independent one, in the worst coordinate."""
    chains = z.reshape(int(tree.attrs["posterior_chains"]), -1, target.size)
    least = min(ess_bulk(chains[..., i]) for i in range(target.size))
    return min(1.0, least / len(z))


def _with_more(before: Problem, evidence: EvidenceLike | Sequence[EvidenceLike]) -> Problem:
    assert before.arguments is not None
    priors, model, given, scenario, _ = before.arguments
    more: list[EvidenceLike] = (
        [evidence] if isinstance(evidence, str | Mapping | Evidence) else list(evidence)
    )
    known = [item for item in before.observed.evidence if item.rows]
    return build_problem(priors, model, given, scenario, [*known, *more])


def _scores(tree: "xr.DataTree", target: Target, seed: int) -> Floats:
    """Draws of the posterior as points of the new target; what it did not know is drawn."""
    known = tree["unconstrained_posterior"].dataset
    count = int(tree.attrs["posterior_chains"]) * int(tree.attrs["posterior_draws"])
    rng = np.random.default_rng([seed, 2])
    columns = [
        np.asarray(known[name].values).ravel() if name in known else rng.standard_normal(count)
        for name in target.names
    ]
    for item in target.observations:
        name = f"{item.name}_effect"
        own = np.asarray(known[name].values) if name in known else None
        columns += [
            rng.standard_normal(count) if own is None else own[..., i].ravel()
            for i in range(len(item.groups))
        ]
    return np.stack(columns, -1)


def _weigh(target: Target, z: Floats, known: int, seed: int) -> Smoothed:
    """Weights by the likelihood of the rows that are new."""
    found = rows_at(target, z, seed).log_likelihood[known:]
    total = np.sum([rows.sum(1) for rows in found], axis=0)
    return smoothed_weights(np.where(np.isnan(total), -np.inf, total))


def _resampled(
    tree: "xr.DataTree",
    problem: Problem,
    target: Target,
    z: Floats,
    weights: Smoothed,
    effective: float,
    queries: int,
    seed: int,
) -> "xr.DataTree":
    """As many draws as are effective, each with equal weight, by systematic resampling in order."""
    chains = int(tree.attrs["posterior_chains"])
    parts = chains * BATCHES
    count = int(effective) // parts * parts
    chosen = systematic(weights.weights, count, seed)
    stats = {
        str(name): np.asarray(values.values).ravel()[chosen].reshape(chains, -1)
        for name, values in tree["sample_stats"].data_vars.items()
        if name not in _OF_THE_DENSITY
    }
    found = Chains(z[chosen].reshape(chains, -1, target.size), stats)
    rows = rows_at(target, z[chosen], seed)
    prior = simulate(problem, int(tree.attrs["draws"]), int(tree.attrs["seed"]), queries=queries)
    weighted = weigh_prior(replace(target, guided=True), seed)
    doubts = [*disagreements(target, weighted, found.z)] if weighted.reliable else []
    posterior = Posterior(problem.new_system, target, found, rows, seed)
    result = lay_out(posterior, prior, weighted, doubts, queries)
    result.attrs |= {**remember(problem), "updated_by": "weights"}
    return result
