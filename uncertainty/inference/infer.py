"""From prior and evidence to a posterior, checked before it is given away."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from uncertainty.arrays import Floats, in_float64
from uncertainty.errors import Fault, InputError, check_count, check_seed
from uncertainty.inference.importance import (
    Weighted,
    by_weights,
    disagreements,
    more_weights,
    prior_points,
    unreliable,
    weigh_prior,
)
from uncertainty.inference.nuts import Chains, Progress, compiling, run_chains
from uncertainty.inference.posterior import Posterior, lay_out
from uncertainty.inference.surprise import surprise_of
from uncertainty.inference.target import RowsAt, has_slopes, labels_of, rows_at, target_of
from uncertainty.problem import Problem, Target
from uncertainty.results import BATCHES, bfmi, ess_bulk, ess_tail, r_hat
from uncertainty.sampling import QUERIES, remember, simulate

if TYPE_CHECKING:
    import xarray as xr


_PRIOR_DRAWS = 2**13
_ACCEPT = (0.9, 0.95, 0.99)
"""Shares of steps accepted, tried in order until no step diverges."""
_MOST = 2**20
"""Draws of a chain, chains, steps and queries beyond this would fill any memory."""
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
    target_accept: float | None = None,
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
    target_accept : float, optional
        Share of the steps to be accepted, between 0 and 1: the higher, the smaller the steps.
        0.9 where not given, and again with 0.95 and 0.99 where steps diverge.
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
        separate values; or if measurements lie so far from what the prior expects that a unit is
        mistaken. What is less far is warned of, before chains are run.

    Notes
    -----
    The No-U-Turn sampler on standard normal scores (Hoffman and Gelman 2014), with the checks of
    Vehtari et al. (2021), Bayesian Analysis 16, 667. A model without slopes (in plain Python, or
    with a loop that ends by a condition) is learned from by importance sampling: ``chains * draws``
    points of the prior are weighted, and as many draws are left as are effective. Weights stand in
    for chains that are not healthy too, where the weights are; attribute ``sampler`` says so.

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
    check_seed(seed)
    check_count("warmup", warmup, 1, _MOST)
    check_count("queries", queries, 2, _MOST)
    for name, count in (("draws", draws), ("chains", chains)):
        check_count(name, count, 1, _MOST)
    if draws < BATCHES or chains < 2:
        text = f"give {BATCHES} or more draws and 2 or more chains (got {draws} and {chains})"
        raise InputError.of("<draws>", text)
    draws = -(-draws // BATCHES) * BATCHES
    if target_accept is not None and not 0 < target_accept < 1:
        text = f"must lie between 0 and 1 (got {target_accept:g})"
        raise InputError.of("<target_accept>", text)
    accepts = _ACCEPT if target_accept is None else (target_accept,)
    system = problem.new_system
    slopes = has_slopes(system)
    target = target_of(system, queries, seed, jumps=not slopes)
    guided = replace(target, guided=True)
    if slopes:
        sampler = compiling(guided, chains, warmup)
    weighted = weigh_prior(guided, seed, None if slopes else chains * draws)
    starts = _starts(weighted, prior_points(guided, seed, weighted.z.shape[1]), chains)
    surprises = _surprises(problem, target, weighted)
    own = _PRIOR_DRAWS if slopes else weighted.log_weight.size
    prior = simulate(problem, prior_draws or own, seed, queries=queries)
    if slopes:
        run = partial(
            run_chains,
            sampler.result(),
            guided,
            starts=starts,
            draws=draws,
            warmup=warmup,
            seed=seed,
            progress=progress,
        )
        found = _learned(run, target, weighted, accepts, (chains, draws), seed)
    else:
        found = _by_weights(target, weighted, (chains, draws), seed, "the model has no slopes")
    posterior = Posterior(system, target, found.chains, found.rows, seed)
    tree = lay_out(posterior, prior, found.weighted, found.doubts, queries)
    notices = [*json.loads(tree.attrs["notices"]), *surprises]
    facts = {"sampler": found.sampler, "notices": json.dumps(notices)}
    tree.attrs |= {**remember(problem), **facts}
    return tree


def _surprises(problem: Problem, target: Target, weighted: Weighted) -> list[str]:
    """Say which measurements the prior did not expect.

    Raises
    ------
    InputError
        If a unit is mistaken, all but certainly.
    """
    read = {item.name: item for item in problem.observed.evidence}
    faults, found = list[Fault](), list[str]()
    for item, draws in zip(target.observations, weighted.expected, strict=True):
        surprise = surprise_of(draws, item)
        if surprise.mistaken:
            text = f"{surprise.text}; mend the unit, or widen the prior if they are right"
            faults.append(read[item.name].fault(text, "rows", surprise.rows[0]))
        elif surprise.text:
            found.append(surprise.text)
    if faults:
        raise InputError(faults)
    return found


@dataclass(frozen=True)
class _Found:
    """Draws with plain scores of groups, and whether they can be trusted.

    Attributes
    ----------
    sampler : str
        ``nuts``, or why the draws are of importance sampling.
    """

    chains: Chains
    rows: RowsAt
    weighted: Weighted
    doubts: Sequence[str]
    sampler: str = "nuts"


def _learned(
    run: Callable[..., Chains],
    target: Target,
    weighted: Weighted,
    accepts: Sequence[float],
    shape: tuple[int, int],
    seed: int,
) -> _Found:
    """Run chains; where they are not healthy, weights that are stand in, else smaller steps."""
    guided = replace(target, guided=True)
    # Who asks for one acceptance asks for chains.
    wanted = math.prod(shape) if len(accepts) > 1 else 0
    stand_in = cache(lambda: more_weights(guided, weighted, wanted, seed))
    for accept in accepts:
        chains = run(accept=accept, last=accept == accepts[-1])
        divergent = int(chains.stats["diverging"].sum())
        if not divergent or (other := stand_in()) is not None:
            break
    if divergent and other is not None:
        why = f"{divergent} steps of the chains diverged"
        return _by_weights(target, other, shape, seed, why)
    rows = rows_at(guided, chains.z.reshape(-1, target.size), seed)
    chains = replace(chains, z=rows.z.reshape(chains.z.shape))
    doubts = [*_unhealthy(target, chains)]
    if doubts and (other := stand_in()) is not None:
        return _by_weights(target, other, shape, seed, f"of chains, {doubts[0].split(': ')[0]}")
    if weighted.reliable:
        doubts += disagreements(target, weighted, chains.z)
    return _Found(chains, rows, weighted, doubts)


def _by_weights(
    target: Target, weighted: Weighted, shape: tuple[int, int], seed: int, why: str
) -> _Found:
    chains = by_weights(weighted, *shape, seed)
    rows = rows_at(target, chains.z.reshape(-1, target.size), seed)
    return _Found(chains, rows, weighted, [*unreliable(weighted)], why)


def _starts(weighted: Weighted, points: Floats, chains: int) -> Floats:
    """Take points of the prior at which the evidence is possible, far apart as they are."""
    possible = np.isfinite(weighted.log_weight.ravel())
    if possible.sum() < chains:
        text = "no draw of the prior makes the measurements possible: compare units and conditions"
        raise InputError.of("<evidence>", text)
    return points.reshape(-1, points.shape[-1])[np.flatnonzero(possible)[:chains]]


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
            "the spreads narrower priors, or run with a higher target acceptance"
        )
    missing = float(bfmi(chains.stats["energy"]).min())
    if not missing >= _LEAST_BFMI:
        yield (
            f"the energy hardly moves (BFMI {missing:.2f}, under {_LEAST_BFMI}): tails may not "
            "have been reached; give the spreads narrower priors"
        )
