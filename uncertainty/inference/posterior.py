"""Draws of a posterior: kept, laid out beside its prior, and those of another problem with them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import ndtri, softmax

from uncertainty.arrays import Floats, in_float64, machine, program, source_digest, surroundings
from uncertainty.energy import EnergyModel
from uncertainty.files import file_of_function, shipped_folder
from uncertainty.inference.target import describe_evidence, rows_at, target_of
from uncertainty.problem import At, Columns, Joint, Problem, Target, each_point
from uncertainty.results import (
    BATCHES,
    LEVELS,
    QUERY_STATISTICS,
    build_tree,
    check_tree,
    summarized,
)
from uncertainty.sampling import QUERIES, Points, labels, nested, normal_scores, problem_of
from uncertainty.writing import POSTERIORS

if TYPE_CHECKING:
    import xarray as xr


_CHAINS = ("chain", "draw")
_PROBED = 16  # of so many draws the density at one is kept: some kilobytes tell any other density
_WEIGHTED, _OTHERS = 256, 8  # draws that are weighted by other queries, and sets of these
_MOVED = 0.1  # of a standard deviation: four errors of a mean of 1600 independent draws
_SAME = 1e-9  # of a log density, between processors; another formula moves it by far more


@dataclass(frozen=True)
class Posterior:
    """Draws of a posterior, and whether they can be trusted.

    Attributes
    ----------
    target : Target
    z : array
        Standard normal scores as they were sampled, shape (chain, draw, size).
    at : At
        The target at each draw, chain after chain.
    stats : dict of str to array
        Of the sampler at each draw, shape (chain, draw), by ArviZ's names.
    pareto_k : float
        Of importance sampling, the same posterior by another way.
    log_evidence : tuple of float
        Log probability of the measurements and its standard error; empty where not known.
    doubts : sequence of str
    sampler : str
        ``nuts``, or why the draws are of importance sampling.
    surprises : sequence of str
        On measurements far from what the prior expects.
    """

    target: Target
    z: Floats
    at: At
    stats: Mapping[str, np.ndarray]
    pareto_k: float
    log_evidence: Sequence[float] = ()
    doubts: Sequence[str] = ()
    sampler: str = "nuts"
    surprises: Sequence[str] = ()

    @property
    def scores(self) -> Floats:
        """The same draws with plain scores of groups."""
        return np.asarray(self.at.plain).reshape(self.z.shape)

    @property
    def log_density(self) -> Floats:
        """Log density at each draw, shape (chains * draws,)."""
        likelihood = np.sum([rows.sum(1) for rows, _ in self.at.rows], axis=0)
        prior = -0.5 * (self.z**2 + np.log(2 * np.pi)).sum(-1).ravel()
        return np.asarray(likelihood + prior + self.at.volume)


def in_32_bits(values: np.ndarray) -> np.ndarray:
    """Round to what 32 bits hold, which is kept in half the space.

    A score loses 1e-7 of a standard deviation, a thousandth of the error of a million draws.
    """
    return values.astype(np.float32).astype(values.dtype) if values.dtype.kind == "f" else values


def names_of(target: Target, settings: Sequence[float | None]) -> tuple[str, str]:
    """Name what a posterior depends on, for the user's folder and for that of shipped ones.

    The `settings` are the numbers of chains, draws and steps of warm-up, the acceptance and the
    seed. The first name is exact, of this version of all code and this machine: what is kept under
    it is, bit for bit, what sampling anew gives. The second is the question alone, its numbers to
    12 digits, as processors differ in the last ones. Empty where a model cannot be told by what it
    does.
    """
    try:
        parts = [repr(_plain_form((target, settings), digits)) for digits in (17, 12)]
    except LookupError:
        return "", ""
    parts[0] = f"{parts[0]} {source_digest()} {surroundings()}"
    exact, question = (hashlib.sha256(part.encode()).hexdigest() for part in parts)
    return exact, question


def _plain_form(value: object, digits: int) -> object:
    """Give a value as tuples and texts that are the same in every process.

    Raises
    ------
    LookupError
        Where it is a function that is known by its address alone.
    """
    inner = partial(_plain_form, digits=digits)
    if isinstance(value, EnergyModel):
        file = file_of_function(value.plain) if value.plain else None
        if value.plain and file is None:
            raise LookupError(value.name)
        return value.name, value.version, file and file.sha256, inner(value.alternatives)
    if is_dataclass(value):
        return type(value).__name__, *(inner(getattr(value, f.name)) for f in fields(value))
    if isinstance(value, Mapping):
        return tuple((key, inner(value[key])) for key in sorted(value))
    if isinstance(value, tuple | list):
        return tuple(map(inner, value))
    if isinstance(value, float) or hasattr(value, "dtype"):
        numbers = np.asarray(value)
        return numbers.shape, [f"{number:.{digits}g}" for number in numbers.ravel().tolist()]
    return str(value)


def keep_posterior(names: tuple[str, str], posterior: Posterior) -> None:
    """Keep all that sampling gives in the user's folder; what follows from it is computed again."""
    POSTERIORS.save(names[0], posterior_bytes(posterior))


def posterior_bytes(posterior: Posterior) -> bytes:
    """Write a posterior as NumPy's archive of arrays."""
    facts = {
        name: getattr(posterior, name)
        for name in ("pareto_k", "log_evidence", "doubts", "sampler", "surprises")
    }
    arrays = {"z": posterior.z, **{f"stats.{n}": x for n, x in posterior.stats.items()}}
    for name, x in arrays.items():  # in 32 bits what has no more of them
        if x.dtype.kind == "f" and np.array_equal(x, in_32_bits(x), equal_nan=True):
            arrays[name] = x.astype(np.float32)
    arrays["log_density"] = posterior.log_density[::_PROBED]
    arrays["made_with"] = np.array(machine())
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    content = BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def shipped_posteriors() -> Path:
    """Folder of the posteriors of shipped files."""
    return shipped_folder() / "posteriors"


def kept_posterior(names: tuple[str, str], target: Target, seed: int) -> Posterior | None:
    """Take a posterior that was kept, or is shipped; nothing where none is, or it is damaged.

    Its density must be that of the `target` at its draws, whatever its name.
    """
    exact, question = names
    if not exact:
        return None
    shipped = shipped_posteriors() / f"{question}.npz"
    for shared in (False, True):
        try:
            content = shipped.read_bytes() if shared else POSTERIORS.load(exact) or b""
            arrays = dict(np.load(BytesIO(content), allow_pickle=False))
            del arrays["made_with"]  # for people, and the test of what is shipped
            facts = json.loads(arrays.pop("facts").tobytes())
            z, density = arrays.pop("z").astype(np.float64), arrays.pop("log_density")
            stats = {
                name.removeprefix("stats."): x.astype(np.float64) if x.dtype.kind == "f" else x
                for name, x in arrays.items()
            }
            at = rows_at(target, z.reshape(-1, target.size), seed)
            posterior = Posterior(target, z, at, stats, **facts)
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile):
            continue
        if np.allclose(posterior.log_density[::_PROBED], density, rtol=_SAME, atol=_SAME):
            return posterior
    return None


def marked(posterior: Posterior, seed: int) -> Posterior:
    """Say among the doubts how far other queries to average rows over would move the posterior.

    All chains share these, and agree on what they do. Other ones are weights on the draws.
    """
    target, every = posterior.target, posterior.z.reshape(-1, posterior.target.size)
    count = max(map(np.size, target.queries.values()), default=0)
    if not count or any(item.model.plain for item in target.observations):  # many calls
        return posterior
    step = -(-len(every) // _WEIGHTED)
    z, density, away = every[::step], posterior.log_density[::step], list[Floats]()
    points = partial(normal_scores, target.joint.coordinates(varies=True), count, seed=seed)
    for number in range(1, 1 + _OTHERS):
        other = replace(target, queries=points(randomization=number))
        at = replace(posterior, target=other, z=z[None], at=rows_at(other, z, seed))
        away.append(softmax(at.log_density - density) @ (z - z.mean(0)))
    # In the direction that it is narrowest in; of two sets of queries each is as far off.
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(every.T)))
    moved = float(np.sqrt(np.einsum("ki,ij,kj->k", away, inverse, away).mean() / 2))
    text = f"{count} other queries to average rows over would move the posterior by {moved:.2g}"
    text += " of its standard deviation: state in the rows what varies, or give more"
    doubts = posterior.doubts if moved < _MOVED else [*posterior.doubts, text]
    return replace(posterior, doubts=doubts)


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
    *,
    short: bool = False,
) -> "xr.DataTree":
    """Put a posterior beside its prior, for a system that was not measured.

    In `short` without the log densities of the prior: their program takes longest to compile.
    """
    z, target, joint = posterior.scores, posterior.target, problem.joint
    shape = z.shape[:2]
    columns = np.moveaxis(z, -1, 0).reshape(target.size, -1)
    known = dict(zip(target.names, columns, strict=False))
    scores = _every_score(problem, known, (shape[0] * BATCHES, shape[1] // BATCHES), seed)
    inputs, outputs = each_point(joint, problem.model, scores)

    def by_chain(
        columns: Mapping[str, Floats | Array],
    ) -> dict[str, tuple[Sequence[str], np.ndarray]]:
        return {n: (_CHAINS, np.asarray(column).reshape(shape)) for n, column in columns.items()}

    groups: dict[str, dict[str, tuple[Sequence[str], np.ndarray]]] = {
        "posterior": by_chain({name: inputs[name] for name in problem.assumptions}),
        "posterior_predictive": by_chain({name: outputs[name] for name in problem.outputs}),
        "log_prior": {} if short else by_chain(_log_priors(joint, scores)),
        "log_likelihood": {},
        "observed_data": {},
        "sample_stats": {name: (_CHAINS, column) for name, column in posterior.stats.items()},
        "unconstrained_posterior": by_chain(scores),
    }
    coords: dict[str, Sequence[str] | Sequence[int] | Floats] = {
        "statistic": QUERY_STATISTICS,
        "level": LEVELS,
    }
    for item, (densities, replicates) in zip(target.observations, posterior.at.rows, strict=True):
        row = f"{item.name}_row"
        coords[row] = list(range(item.count))
        for kind, rows in (("log_likelihood", densities), ("posterior_predictive", replicates)):
            groups[kind][item.name] = (*_CHAINS, row), np.asarray(rows).reshape(*shape, -1)
        groups["observed_data"] |= {name: ((row,), v) for name, v in item.observed().items()}
        for level in item.levels:
            group = f"{level.name}_group"
            coords[group] = list(level.groups)
            effects = z[:, :, target.places[level.key]]
            spread = level.sd.fields({name: jnp.asarray(v) for name, v in inputs.items()})["value"]
            sd = np.full(shape[0] * shape[1], spread, np.float64).reshape(*shape, 1)
            density = -0.5 * effects**2 - 0.5 * np.log(2 * np.pi) - np.log(sd)
            named = {"posterior": effects * sd} | ({} if short else {"log_prior": density})
            if target.levels[level.key].name == level.name:  # once for all evidence that shares it
                named["unconstrained_posterior"] = effects
            for kind, values in named.items():
                groups[kind][f"{level.name}_effect"] = (*_CHAINS, group), values
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
    facts: dict[str, str | int | float] = {
        "posterior_chains": shape[0],
        "posterior_draws": shape[1],
        "evidence": json.dumps([*describe_evidence(problem)]),
        "updated": json.dumps(list(target.names)),
        "pareto_k": posterior.pareto_k,
        "warnings": json.dumps(warnings),
    }
    if short:
        facts["short"] = 1
        del groups["log_prior"]
    if posterior.log_evidence:
        facts["log_evidence"], facts["log_evidence_se"] = posterior.log_evidence
    return build_tree(groups, labels(problem), facts, coords, prior)


@in_float64
def whole(tree: "xr.DataTree", needed: str = "log_likelihood") -> "xr.DataTree":
    """Give a posterior with all that follows from its scores, where it lacks a group `needed`."""
    check_tree(tree)
    if needed in tree.children or not tree.attrs.get("short"):
        return tree
    system, seed = problem_of(tree).new_system, int(tree.attrs["seed"])
    queries = int(tree.attrs.get("queries", 0)) or QUERIES
    # The scores that are kept are plain ones, those of groups too.
    target = replace(target_of(system, queries, seed, jumps=True), guided=False)
    z = scores_of(tree, target)
    stats = {str(n): np.asarray(x.values) for n, x in tree["sample_stats"].data_vars.items()}
    at = rows_at(target, z.reshape(-1, target.size), seed)
    posterior = Posterior(target, z, at, stats, float(tree.attrs["pareto_k"]))
    result = lay_out(posterior, system, tree, queries, seed, summarized(tree))
    result.attrs = {key: value for key, value in tree.attrs.items() if key != "short"}
    return result


def scores_of(tree: "xr.DataTree", target: Target, seed: int = 0) -> Floats:
    """Plain scores of a target that a posterior knows, shape (chain, draw, size).

    Those that it does not know are drawn.
    """
    known, rng = tree["unconstrained_posterior"].dataset, np.random.default_rng([seed, 2])
    shape = known.sizes["chain"], known.sizes["draw"]
    parts = [
        np.asarray(known[name].values) if name in known else rng.standard_normal(shape)
        for name in target.names
    ]
    # The same level may be of other evidence too, with groups that the posterior has not seen.
    kept = {x.key: x.name for item in problem_of(tree).observations for x in item.levels}
    for level in target.levels.values():
        seen, name = dict[str, Floats](), kept.get(level.key)
        if f"{name}_effect" in known:
            columns = np.moveaxis(np.asarray(known[f"{name}_effect"].values), -1, 0)
            seen = dict(zip(map(str, known[f"{name}_group"].values), columns, strict=True))
        parts += [seen[x] if x in seen else rng.standard_normal(shape) for x in level.groups]
    return np.stack(parts, -1)


def _every_score(problem: Problem, known: Columns, shape: tuple[int, int], seed: int) -> Columns:
    """Scores of every coordinate, of stretches with draws in each: shape (stretches * draws,).

    Those not known are drawn by name, alike in any problem: one in each of as many strata as a
    stretch has draws, in any order (a Latin hypercube: McKay et al. (1979), Technometrics 21, 239),
    so that what each coordinate does on its own is the same in all stretches.
    """
    joint, (_, draws) = problem.joint, shape

    def drawn(name: str) -> Floats:
        rng = np.random.default_rng([seed, *name.encode()])
        strata = rng.permuted(np.broadcast_to(np.arange(draws), shape), axis=1)
        return np.ravel(ndtri((strata + rng.random(shape)) / draws))

    names = (*joint.coordinates(varies=False), *joint.coordinates(varies=True))
    return {name: known[name] if name in known else drawn(name) for name in names}


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
    shape = (chains * BATCHES, draws // BATCHES)
    scores = _every_score(problem, known, shape, seed) or {"": np.zeros(chains * draws)}
    one = each_point(problem.joint, problem.model, scores)[1][quantity]
    query = np.broadcast_to(one, chains * draws).reshape(shape)
    if not problem.varies:
        return dict.fromkeys(("typical", "mean", "query"), query)
    points = _stretches(problem, scores, chains, QUERIES, seed)
    kept = nested(problem, points, seed, quantities=[quantity])[1]["prior_statistics"][quantity]
    typical, mean = (kept[..., place].reshape(shape) for place in (0, 1))
    return {"typical": typical, "mean": mean, "query": query}
