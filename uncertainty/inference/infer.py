"""From prior and evidence to a posterior, checked before it is given away."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from uncertainty.arrays import Floats, in_float64
from uncertainty.errors import (
    Fault,
    InputError,
    check_all,
    check_count,
    check_keywords,
    check_probability,
    check_seed,
    counted,
)
from uncertainty.files import Evidence
from uncertainty.inference import samplers
from uncertainty.inference.fit import surprise_of
from uncertainty.inference.posterior import (
    Posterior,
    in_32_bits,
    keep_posterior,
    kept_posterior,
    lay_out,
    marked,
    names_of,
    posterior_bytes,
    scores_of,
    shipped_posteriors,
)
from uncertainty.inference.samplers import Progress, Weighted, disagreements, weigh_prior
from uncertainty.inference.target import has_slopes, learns, rows_at, target_of
from uncertainty.problem import EvidenceLike, Problem, Target, build_problem
from uncertainty.results import BATCHES, ess_bulk, smoothed_weights, warnings_of
from uncertainty.sampling import QUERIES, problem_of, remember, simulate
from uncertainty.writing import write_bytes

if TYPE_CHECKING:
    import xarray as xr


_CHAINS, _WARMUP = 4, 1000
_ANSWER_DRAWS = 4000  # of each chain of `answer`: its steps cost little beside compiling them
_PRIOR_DRAWS = 2**13
# Rows above which points near the mode are weighted first, as a step of a chain costs what they
# do; unknowns at most; and points and their rows at most: half a minute on two cores.
_MANY, _WIDE, _CLOSE, _NUMBERS = 500, 500, 2**14, 2**27
# Calls of the model at all these points (20 s each 2^30), first and where a share of the first is
# effective, as of a posterior that is nearly normal; and at one of them: more are refused at once.
_CALLS, _PROMISING, _CALLED = (2**30, 2**31), 0.125, 2**20
_THROUGH = 1000  # rows that chains go through unasked: 2000 had no answer in five minutes
_ACCEPT = (0.9, 0.95, 0.99)  # shares of steps accepted, in order until no step diverges
_MOST = 2**20  # draws of a chain, chains, steps and queries: more would fill any memory


class InferOptions(TypedDict, total=False):
    """Options of `infer`, which says what each is, and what it is where not given."""

    warmup: int
    queries: int
    prior_draws: int | None
    target_accept: float | None
    resample: bool
    progress: Progress | None
    quantities: Sequence[str] | None


@in_float64
def infer(
    problem: Problem,
    draws: int = 1000,
    chains: int = _CHAINS,
    seed: int = 0,
    **options: Unpack[InferOptions],
) -> "xr.DataTree":
    """Update the joint prior on the evidence.

    A posterior that was sampled before, by the same evidence, model, settings and priors of what
    evidence bears on, is taken from the user's cache folder.

    Parameters
    ----------
    problem : Problem
        With evidence.
    draws, chains : int
        Draws of each chain, rounded up to a multiple of 4.
    seed : int
        The same seed and file give the same numbers.
    warmup : int
        Steps before the draws, which adapt each chain; 1000 where not given.
    queries : int
        Points for what varies per query, as in `simulate`, and as many where not given; over as
        many, or more where few rows are means, a row is averaged that leaves it open.
    prior_draws : int, optional
        Of the prior, which stands beside it; 2^13 where not given.
    target_accept : float, optional
        Share of the steps to be accepted, between 0 and 1: the higher, the smaller the steps.
        0.9 where not given, and again with 0.95 and 0.99 where steps diverge. Asks for chains
        of more than 1000 rows too, which take long: of 2000, more than five minutes.
    resample : bool
        Sample anew what was sampled before; the numbers are the same. Not where not given.
    progress : callable, optional
        Called with the steps done and those to do, where there are any.
    quantities : sequence of str, optional
        Outputs to keep statistics over queries of, and no log densities of the prior; all where
        not given. Draws are of all.

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
    check_keywords("infer", options, InferOptions.__annotations__)
    warmup, queries = options.get("warmup", _WARMUP), options.get("queries", QUERIES)
    target_accept, quantities = options.get("target_accept"), options.get("quantities")
    check_all(
        partial(check_seed, seed),
        partial(check_count, "warmup", warmup, 1, _MOST),
        partial(check_count, "queries", queries, 2, _MOST),
        partial(check_count, "draws", draws, 1, _MOST),
        partial(check_count, "chains", chains, 1, _MOST),
    )
    if draws < BATCHES or chains < 2:
        text = f"give {BATCHES} or more draws and 2 or more chains (got {draws} and {chains})"
        raise InputError.of("<draws>", text)
    draws = -(-draws // BATCHES) * BATCHES
    if target_accept is not None:
        check_probability("target_accept", target_accept)
    system = problem.new_system
    for each in (problem, system):
        each.compile(queries, quantities)
    slopes = has_slopes(system)
    target = target_of(system, queries, seed, jumps=not slopes)
    names = names_of(target, (chains, draws, warmup, target_accept, seed))
    posterior = None if options.get("resample") else kept_posterior(names, target, seed)
    if posterior is None:
        unasked = slopes and target_accept is None
        if unasked and target.count > _THROUGH and target.calls > _CALLED:
            raise _too_many(target)
        shape, progress = (chains, draws), options.get("progress")
        posterior = _sampled(
            problem, target, shape, warmup, target_accept, seed, slopes=slopes, progress=progress
        )
        keep_posterior(names, posterior := marked(posterior, seed))
    beside = options.get("prior_draws") or (
        _PRIOR_DRAWS if slopes else samplers.points_of(target, chains * draws)
    )
    prior = simulate(problem, beside, seed, queries=queries, quantities=quantities)
    tree = lay_out(
        posterior, system, prior, queries, seed, quantities, short=quantities is not None
    )
    notices = [*json.loads(tree.attrs["notices"]), *posterior.surprises]
    tree.attrs |= remember(problem) | {"sampler": posterior.sampler, "notices": json.dumps(notices)}
    return tree


def _sampled(
    problem: Problem,
    target: Target,
    shape: tuple[int, int],
    warmup: int,
    target_accept: float | None,
    seed: int,
    *,
    slopes: bool,
    progress: Progress | None,
) -> Posterior:
    """Sample by chains of `shape` (chains, draws), or by weights where there are no `slopes`.

    Refused where measurements lie so far from what the prior expects that a unit is mistaken.
    """
    chains, draws = shape
    # Compiling takes longest, so it begins first.
    if slopes and (target.count <= _THROUGH or target_accept is not None):
        sampler = samplers.compiling(target, chains, warmup)
    weighted = weigh_prior(target, seed, None if slopes else chains * draws)
    possible = np.flatnonzero(np.isfinite(weighted.log_weight.ravel()))
    if len(possible) < chains:
        text = "no draw of the prior makes the measurements possible: compare units and conditions"
        raise InputError.of("<evidence>", text)
    faults, surprises = list[Fault](), list[str]()
    evidence = {item.name: item for item in problem.evidence}
    for item, expected in zip(target.observations, weighted.expected, strict=True):
        surprise = surprise_of(expected, item)
        if surprise.mistaken:
            text = f"{surprise.text}; mend the unit, or widen the prior if they are right"
            faults.append(evidence[item.name].fault(text, "rows", surprise.rows[0]))
        elif surprise.text:
            surprises.append(surprise.text)
    if faults:
        raise InputError(faults)

    def by_weights(weighted: Weighted, why: str) -> Posterior:
        """Draws of equal weight, as many as are effective, asked for, and fit into a gigabyte."""
        effective = min(weighted.smoothed.effective, chains * draws, 2**24 // target.count)
        z = weighted.resampled(_in_whole_stretches(effective, chains), seed)
        # A model in plain Python is not called again at points that it was called at.
        z = in_32_bits(z) if slopes else z
        at, doubts = rows_at(target, z, seed), [*samplers.unreliable(weighted)]
        z = z.reshape(chains, -1, target.size)
        k, evidence = weighted.smoothed.k, weighted.log_evidence
        return Posterior(target, z, at, {}, k, evidence, doubts, why, surprises)

    if not slopes:
        return by_weights(weighted, "the model has no slopes")
    many = target_accept is None and target.count > _MANY
    if many and (near := _near_mode(target, weighted, seed)) is not None:
        text = f"chains of {target.count:,} rows take longer than points near the mode"
        return by_weights(near, text)
    # Points of a net lie far apart, as starting points should.
    starts = weighted.points.reshape(-1, target.size)[possible[:chains]]
    accepts = _ACCEPT if target_accept is None else (target_accept,)
    sampler.result()
    run = partial(samplers.run_chains, target, starts, draws, warmup, seed)
    # Who asks for one acceptance asks for chains: no draws then for which weights may stand in.
    needed = math.prod(shape) if len(accepts) > 1 else 0
    stand_in = cache(lambda: samplers.more_weights(target, weighted, needed, seed))
    # Where chains are not healthy, weights that are stand in, else smaller steps.
    for accept in accepts:
        z, stats = run(accept=accept, last=accept == accepts[-1], progress=progress)
        divergent = int(stats["diverging"].sum())
        if not divergent or (other := stand_in()) is not None:
            break
    if divergent and other is not None:
        return by_weights(other, f"{counted(divergent, 'step')} of the chains diverged")
    z, stats = in_32_bits(z), {name: in_32_bits(column) for name, column in stats.items()}
    at = rows_at(target, z.reshape(-1, target.size), seed)
    posterior = Posterior(target, z, at, stats, weighted.smoothed.k, weighted.log_evidence)
    doubts = [*samplers.unhealthy(target, posterior.scores, stats)]
    if doubts and (other := stand_in()) is not None:
        return by_weights(other, f"of chains, {doubts[0].split(': ')[0]}")
    doubts += disagreements(target, weighted, posterior.scores) if weighted.reliable else []
    return replace(posterior, doubts=doubts, surprises=surprises)


def _near_mode(target: Target, weighted: Weighted, seed: int) -> Weighted | None:
    """Weight points near the mode, if reliable; refused where rows are too many for chains."""
    if target.size <= _WIDE:
        start = weighted.points.reshape(-1, target.size)[weighted.log_weight.argmax()]
        mode = samplers.mode_of(target, start)
        most = min(_NUMBERS // target.count, _CLOSE)
        for points in sorted({min(most, calls // target.calls) for calls in _CALLS}):
            near = weigh_prior(target, seed, points, mode)
            if not any(samplers.unreliable(near)):
                return near
            if near.smoothed.effective < _PROMISING * near.log_weight.size:
                break
    if target.count > _THROUGH:
        raise _too_many(target)
    return None


def _too_many(target: Target) -> InputError:
    averaged = ", state in each what varies per query" if target.calls > target.count else ""
    text = (
        f"chains of {target.count:,} rows take too long, and points near the mode cannot stand "
        f"in: give {_THROUGH:,} rows or fewer, drawn at random of each group{averaged}, or give a "
        "target acceptance, which asks for chains all the same"
    )
    return InputError.of("<evidence>", text)


def _in_whole_stretches(effective: float, chains: int) -> int:
    """Draws that are effective, rounded down to whole stretches of all chains, one of each or more.

    Many short chains have more stretches than draws are effective: there must still be a result.
    """
    parts = chains * BATCHES
    return max(int(effective) // parts, 1) * parts


@in_float64
def ship_posterior(problem: Problem) -> Path:
    r"""Sample what `answer` asks of a shipped file, and put it among the shipped posteriors.

    Returns
    -------
    Path
        Of the file; nobody needs it, as what is not there is sampled. To be made anew after a
        change of shipped priors, of evidence, or of what computes a density.
    """
    target = target_of(problem.new_system, QUERIES, 0)
    shape, warmup = (_CHAINS, _ANSWER_DRAWS), _WARMUP
    question = names_of(target, (*shape, warmup, None, 0))[1]
    posterior = _sampled(problem, target, shape, warmup, None, 0, slopes=True, progress=None)
    return write_bytes(shipped_posteriors() / f"{question}.npz", posterior_bytes(posterior))


def answer(
    problem: Problem,
    draws: int | None = None,
    seed: int = 0,
    *,
    resample: bool = False,
    progress: Progress | None = None,
    quantities: Sequence[str] | None = None,
) -> "xr.DataTree":
    """Draw what is quoted: the posterior where evidence bears on a problem, else the prior.

    The `draws` are of the prior; a posterior has 4 chains of 4000. Statistics over queries are kept
    of some `quantities`, or of all outputs.
    """
    if learns(problem):
        return infer(
            problem,
            _ANSWER_DRAWS,
            seed=seed,
            prior_draws=draws,
            resample=resample,
            progress=progress,
            quantities=quantities,
        )
    tree = simulate(problem, draws, seed, quantities=quantities)
    if problem.has_evidence:
        where = f"{problem.scenario}: " if problem.scenario else ""
        text = f"{where}this is the prior alone: all that the measurements bear on is fixed"
        tree.attrs["notices"] = json.dumps([text, *json.loads(str(tree.attrs["notices"]))])
    return tree


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
    priors, model, given, scenario, _ = before.arguments
    known = [item for item in before.evidence if item.rows]
    more = [evidence] if isinstance(evidence, str | Mapping | Evidence) else [*evidence]
    problem = build_problem(priors, model, given, scenario, [*known, *more])
    system = problem.new_system
    slopes = has_slopes(system)
    guided = target_of(system, queries, seed, jumps=not slopes)
    target = replace(guided, guided=False)  # what was learned before are plain scores
    chains, draws = (int(tree.attrs[f"posterior_{key}"]) for key in ("chains", "draws"))
    # Draws of before are points of the new target; what they do not know is drawn.
    z: Floats = scores_of(tree, target, seed).reshape(-1, target.size)
    # The draws know the rows of before: what is new weighs them.
    new = [np.asarray(rows).sum(1) for rows, _ in rows_at(target, z, seed).rows[len(known) :]]
    total = np.sum(new, axis=0)
    weights = smoothed_weights(np.where(np.isnan(total), -np.inf, total))
    # Draws of a chain depend on each other: their weights count as many as are independent.
    least = min(ess_bulk(z[:, i].reshape(chains, -1)) for i in range(target.size))
    effective = weights.effective * min(1.0, least / len(z))
    if warnings_of(tree) or weights.k >= samplers.RELIABLE or effective < samplers.FEWEST:
        if not slopes:  # fewer draws are left than points were weighted
            draws = max(draws, int(tree.attrs["draws"]) // chains)
        result = infer(problem, draws, chains, seed, queries=queries)
        result.attrs["updated_by"] = "refit"
        return result
    chosen = samplers.systematic(weights.weights, _in_whole_stretches(effective, chains), seed)
    stats = {
        str(name): np.asarray(values.values).ravel()[chosen].reshape(chains, -1)
        for name, values in tree["sample_stats"].data_vars.items()
        if name not in ("lp", "energy")  # of the density, which is another one now
    }
    prior = simulate(problem, int(tree.attrs["draws"]), int(tree.attrs["seed"]), queries=queries)
    weighted, at = weigh_prior(guided, seed), rows_at(target, z[chosen], seed)
    z = z[chosen].reshape(chains, -1, target.size)
    doubts = [*disagreements(target, weighted, z)] if weighted.reliable else []
    k = weighted.smoothed.k
    posterior = Posterior(target, z, at, stats, k, weighted.log_evidence, doubts)
    result = lay_out(marked(posterior, seed), system, prior, queries, seed)
    result.attrs |= {**remember(problem), "updated_by": "weights"}
    return result
