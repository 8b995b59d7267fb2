"""From prior and evidence to a posterior, checked before it is given away."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from uncertainty.errors import InputError
from uncertainty.health import bfmi, ess_bulk, ess_tail, r_hat
from uncertainty.likelihood import Target
from uncertainty.precision import Floats, in_float64
from uncertainty.problem import Problem
from uncertainty.results import BATCHES
from uncertainty.sampling.forward import QUERIES, simulate
from uncertainty.sampling.importance import Weighted, disagreements, weigh_prior
from uncertainty.sampling.nuts import Chains, Progress, compiling, run_chains
from uncertainty.sampling.posterior import Posterior, lay_out
from uncertainty.sampling.recall import remember
from uncertainty.sampling.target import labels_of, rows_at, target_of

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
        If there is no evidence, or it bears on nothing uncertain, or on an assumption that takes
        separate values.

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
    system = problem.new_system
    target = target_of(system, queries, seed)
    sampler = compiling(target, chains, warmup)
    weighted = weigh_prior(target, seed)
    starts = _starts(weighted, chains)
    prior = simulate(problem, prior_draws or _PRIOR_DRAWS, seed, queries=queries)
    found = run_chains(
        sampler.result(),
        target,
        starts=starts,
        draws=draws,
        warmup=warmup,
        seed=seed,
        progress=progress,
    )
    rows = rows_at(target, found.z.reshape(-1, target.size), seed)
    doubts = [*_unhealthy(target, found)]
    if weighted.reliable:
        doubts += disagreements(target, weighted, found.z)
    tree = lay_out(Posterior(system, target, found, rows, seed), prior, weighted, doubts, queries)
    tree.attrs |= remember(problem)
    return tree


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
