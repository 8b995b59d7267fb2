"""Two ways to sample a posterior, each a check of the other: chains, and weighted prior points."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from uncertainty.arrays import Floats, Integers, program
from uncertainty.errors import counted
from uncertainty.inference.target import batches_at, coordinates_of
from uncertainty.problem import Target
from uncertainty.results import Smoothed, bfmi, ess_bulk, ess_tail, r_hat, smoothed_weights
from uncertainty.sampling import normal_scores

if TYPE_CHECKING:
    from numpyro.infer import NUTS
    from numpyro.infer.hmc import HMCState


Progress: TypeAlias = Callable[[int, int], None]
"""Called with the steps done and those to do."""

DISAGREE = "NUTS and importance sampling disagree"  # how warnings speak of it
RELIABLE = 0.7  # Pareto k below which weights can be relied on
FEWEST = 400  # effective draws that weights must leave

_STEPS = 250  # between two reports of progress: one call of the compiled code
_WORST_R_HAT = 1.01
_FEWEST_EFFECTIVE = 100  # for each chain
_LEAST_BFMI = 0.3
_SOME = 64  # effective points; with fewer the tail of the weights is unseen, whatever its fit
_EXPECTED, _FEWEST_EXPECTED = 2**22, 2**10  # expected measurements kept, and points they are of
_MOST = 2**16  # points that are weighted
_DF = 8  # of Student's t, which leaves more effective points than 5 or 20 do with 8 to 30 unknowns
_SMALL = 1e-4  # step of a score between two slopes; the narrowest posterior of 1e4 rows has 1e-2
_RANDOMIZATIONS = 16
_POINTS, _FEWEST_POINTS = 2**9, 2**6  # of each randomization
_FALSE_ALARM = 1e-4  # chance, over all coordinates, of a disagreement where there is none


# Compiled by itself, so that the many places that call it trace it once.
_potential = jax.jit(lambda target, z: -target.log_density(z))


def _kernel(potential: Callable[[Array], Array], accept: ArrayLike) -> "NUTS":
    """Make the sampler; within a trace, as it keeps what it is started with."""
    from numpyro.infer import NUTS

    return NUTS(potential_fn=potential, dense_mass=True, target_accept_prob=accept)


@program("warmup")
def _advance(
    target: Target,
    keys: Array,
    starts: Array,
    state: "HMCState",
    fresh: Array,
    accept: Array,
    warmup: int,
) -> tuple["HMCState", Array, dict[str, Array]]:
    """Take some steps from a state, or from the starting points where `fresh`.

    Starting here too, and not in a function of its own, saves compiling the density twice.
    """

    def one(
        key: Array, start: Array, state: "HMCState"
    ) -> tuple["HMCState", tuple[Array, dict[str, Array]]]:
        kernel = _kernel(lambda z: _potential(target, z), accept)
        first = kernel.init(key, warmup, start, (), {})

        def step(state: "HMCState", _: None) -> tuple["HMCState", tuple[Array, dict[str, Array]]]:
            after = kernel.sample(state, (), {})
            stats = {
                "lp": -after.potential_energy,
                "energy": after.energy,
                "n_steps": after.num_steps,
                "acceptance_rate": after.accept_prob,
                "step_size": after.adapt_state.step_size,
                "diverging": after.diverging,
            }
            return after, (after.z, stats)

        begun = jax.tree.map(lambda new, old: jnp.where(fresh, new, old), first, state)
        return jax.lax.scan(step, begun, None, _STEPS)

    after, (z, stats) = jax.vmap(one)(keys, starts, state)
    return after, z, stats


def _blank(keys: Array, starts: Array, warmup: int) -> "HMCState":
    """Zeros of the shape of a state, which does not depend on the density: nothing is compiled."""

    def first(key: Array, start: Array) -> "HMCState":
        return _kernel(lambda z: (z**2).sum(), 0.9).init(key, warmup, start, (), {})

    shapes = jax.eval_shape(jax.vmap(first), keys, starts)
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


def compiling(target: Target, chains: int, warmup: int) -> "Future[object]":
    """Compile the sampler in a thread: Python, which XLA does not hold up, goes on meanwhile."""
    starts = jnp.zeros((chains, target.size))
    keys = jax.random.split(jax.random.PRNGKey(0), chains)
    state = _blank(keys, starts, warmup)
    arguments = (target, keys, starts, state, jnp.asarray(True), jnp.asarray(0.9), warmup)
    return _advance.ahead(*arguments)


def run_chains(
    target: Target,
    starts: Floats,
    draws: int,
    warmup: int,
    seed: int,
    *,
    accept: float,
    last: bool,
    progress: Progress | None,
) -> tuple[Floats, dict[str, np.ndarray]]:
    """Draw from the posterior, all chains in step, with a dense mass matrix.

    Chains begin at `starts`; steps of warm-up adapt the size of the steps towards the share
    `accept`. Where it is not the `last` try, chains end with the first divergent draw: they will
    be run again.

    Gives scores after warm-up, shape (chain, draw, size), and statistics of each draw by ArviZ's
    names. Hoffman and Gelman (2014), Journal of Machine Learning Research 15, 1593.
    """
    keys = jax.random.split(jax.random.PRNGKey(seed), len(starts))
    points = jnp.asarray(starts)
    state = _blank(keys, points, warmup)
    total = warmup + draws
    parts = list[tuple[np.ndarray, dict[str, np.ndarray]]]()
    for done in range(0, total, _STEPS):
        fresh, share = jnp.asarray(done == 0), jnp.asarray(accept)
        state, z, stats = _advance(target, keys, points, state, fresh, share, warmup)
        parts.append((np.asarray(z), {name: np.asarray(column) for name, column in stats.items()}))
        if progress is not None:
            progress(min(done + _STEPS, total), total)
        if not last and parts[-1][1]["diverging"][:, max(warmup - done, 0) :].any():
            break
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves, 1)[:, warmup:total], *parts)
    return joined[0], joined[1]


def unhealthy(target: Target, z: Floats, stats: dict[str, np.ndarray]) -> Iterator[str]:
    """Say what is wrong with chains, and what to do.

    Limits of Vehtari et al. (2021), Bayesian Analysis 16, 667; Betancourt (2016), arXiv:1604.00695.
    """
    count = len(z)
    draws = dict(zip(coordinates_of(target), np.moveaxis(z, -1, 0), strict=True))
    apart = {name: r_hat(column) for name, column in draws.items()}
    worst = max(apart, key=lambda name: apart[name])
    # Written with "not", these comparisons count what is not a number as unhealthy.
    if not apart[worst] <= _WORST_R_HAT:
        hint = "run longer, or look for two solutions that the evidence cannot tell apart"
        yield f"chains disagree on {worst} (R-hat {apart[worst]:.3f}, over {_WORST_R_HAT}): {hint}"
    for kind, measure in (("bulk", ess_bulk), ("tail", ess_tail)):
        effective = {name: measure(column) for name, column in draws.items()}
        least = min(effective, key=lambda name: effective[name])
        if not effective[least] >= _FEWEST_EFFECTIVE * count:
            wanted = f"({kind}; {_FEWEST_EFFECTIVE * count} are wanted): run with more draws"
            yield f"{least} has {effective[least]:.0f} effective draws {wanted}"
    divergent = int(stats["diverging"].sum())
    if divergent:
        advice = "give the spreads narrower priors, or run with a higher target acceptance"
        missed = "part of the posterior may not have been reached"
        yield f"{counted(divergent, 'divergent step')}: {missed}; {advice}"
    missing = float(bfmi(stats["energy"]).min())
    if not missing >= _LEAST_BFMI:
        advice = "tails may not have been reached; give the spreads narrower priors"
        yield f"the energy hardly moves (BFMI {missing:.2f}, under {_LEAST_BFMI}): {advice}"


@dataclass(frozen=True)
class Weighted:
    """Points of the prior weighted by the likelihood: the same posterior by another way.

    Attributes
    ----------
    points : array
        As they were drawn, shape (randomizations, points, size).
    z : array
        The same with plain scores of groups.
    log_weight : array
        Log density over that of a standard normal vector, minus infinity for none: the log
        likelihood where scores of groups are plain. Shape (randomizations, points).
    smoothed : Smoothed
        Weights of all points, in order.
    expected : tuple of array
        What the first points expect to be measured: of each observation, shape (points, rows).
    """

    points: Floats
    z: Floats
    log_weight: Floats
    smoothed: Smoothed
    expected: tuple[Floats, ...] = ()

    @property
    def reliable(self) -> bool:
        """Whether they say anything."""
        return self.smoothed.k < RELIABLE

    @property
    def log_evidence(self) -> tuple[float, ...]:
        """Log probability of the measurements, all unknowns averaged out; with standard error.

        Empty where weights say nothing.
        """
        if not self.reliable:
            return ()
        largest = self.log_weight.max()
        each = np.exp(self.log_weight - largest).mean(1)
        error = each.std(ddof=1) / math.sqrt(len(each)) / each.mean()
        return float(largest + np.log(each.mean())), float(error)

    def resampled(self, count: int, seed: int) -> Floats:
        """Points of equal weight, as they were drawn: shape (count, size)."""
        points = self.points.reshape(-1, self.points.shape[-1])
        return points[systematic(self.smoothed.weights, count, seed)]


def points_of(target: Target, count: int | None = None) -> int:
    """Number of points that `weigh_prior` weights."""
    if count is not None:
        return -(-count // _RANDOMIZATIONS) * _RANDOMIZATIONS
    per_row = _EXPECTED // max(target.count, 1)
    return max(min(_POINTS, per_row // _RANDOMIZATIONS), _FEWEST_POINTS) * _RANDOMIZATIONS


@program()
def _slope(target: Target, z: Array) -> tuple[Array, Array]:
    slope: tuple[Array, Array] = jax.value_and_grad(_potential, 1)(target, z)
    return slope


def mode_of(target: Target, start: Floats) -> tuple[Floats, Floats]:
    """Go uphill to a mode: there, and a root of the covariance that its curvature tells."""
    from scipy.optimize import minimize

    def slope(z: Floats) -> tuple[float, Floats]:
        value, slopes = _slope(target, z)  # a search turns back where there is no density
        return float(np.nan_to_num(value, nan=math.inf)), np.nan_to_num(slopes)

    mode = minimize(slope, start, jac=True).x
    steps = np.eye(len(mode)) * _SMALL
    slopes = np.array([slope(mode + step)[1] - slope(mode - step)[1] for step in steps])
    precision, axes = np.linalg.eigh((slopes + slopes.T) / (4 * _SMALL))
    # Next to no posterior is wider than its prior, whose precision is 1.
    return mode, axes / np.sqrt(np.maximum(precision, 1))


def weigh_prior(
    target: Target, seed: int, count: int | None = None, near: tuple[Floats, Floats] | None = None
) -> Weighted:
    """Weight points of the prior by the likelihood, the largest weights smoothed.

    There are `count` points in all, rounded up; 2^13 where not given, and fewer for many rows,
    which leave weights little to say. Points `near` a mode, with a root, are of Student's t.
    """
    per_row = _EXPECTED // max(target.count, 1)
    each = points_of(target, count) // _RANDOMIZATIONS
    places = coordinates_of(target)
    numbers = range(_RANDOMIZATIONS)
    scores = [normal_scores(places, each, seed=seed, randomization=number) for number in numbers]
    points = np.array([np.stack([columns[name] for name in places], -1) for columns in scores])
    flat, over = points.reshape(-1, target.size), np.zeros(points.shape[:2])
    if near is not None:
        from scipy.stats import multivariate_t, norm

        radius = np.random.default_rng([seed, 4]).chisquare(_DF, (len(flat), 1))
        apart = flat * np.sqrt(_DF / radius)
        drawn = multivariate_t(np.zeros(target.size), df=_DF).logpdf(apart)
        flat = near[0] + apart @ near[1].T
        over = norm.logpdf(flat).sum(1) - drawn + np.linalg.slogdet(near[1])[1]
        points = flat.reshape(points.shape)
    plain, weights, expected = list[Floats](), list[Floats](), list[tuple[Floats, ...]]()
    for batch in batches_at(target, flat, seed):
        plain.append(np.asarray(batch.plain))
        if len(expected) * len(batch.plain) < max(_FEWEST_EXPECTED, per_row):
            expected.append(tuple(map(np.asarray, batch.expected)))
        weights.append(np.sum([rows.sum(1) for rows, _ in batch.rows], axis=0) + batch.volume)
    # The last batch is filled up: what stands in for no point is cut off.
    whole = np.concatenate(weights)[: len(flat)] + over.ravel()
    log_weight = np.where(np.isnan(whole), -np.inf, whole)
    smoothed = smoothed_weights(log_weight)
    if smoothed.effective < _SOME:
        smoothed = replace(smoothed, k=math.inf)
    return Weighted(
        points,
        np.concatenate(plain)[: len(flat)].reshape(points.shape),
        log_weight.reshape(points.shape[:2]),
        smoothed,
        tuple(np.concatenate(parts)[: len(flat)] for parts in zip(*expected, strict=True)),
    )


def more_weights(target: Target, weighted: Weighted, draws: int, seed: int) -> Weighted | None:
    """Weight as many points as leave `draws` effective ones; nothing where weights cannot."""
    if not weighted.reliable or draws < FEWEST:
        return None
    known = weighted.log_weight.size
    needed = math.ceil(draws * known / weighted.smoothed.effective)
    more = weigh_prior(target, seed, min(max(needed, known), _MOST))
    return None if any(unreliable(more)) else more


def systematic(weights: Floats, count: int, seed: int) -> Integers:
    """Which points `count` draws of equal weight are: systematic resampling, in order."""
    steps = (np.random.default_rng([seed, 3]).random() + np.arange(count)) / count
    # Rounding may leave the sum of all weights below the last step.
    return np.minimum(np.searchsorted(np.cumsum(weights), steps), len(weights) - 1)


def unreliable(weighted: Weighted) -> Iterator[str]:
    """Say why a posterior by weights alone is not to be trusted."""
    weights = weighted.smoothed
    hint = "give more draws, narrower priors, or a model in jax.numpy, which chains can follow"
    if not weighted.reliable:
        text = "importance sampling from the prior hardly reaches the posterior"
        yield f"{text} (Pareto k {weights.k:.2f}, over {RELIABLE}): {hint}"
    if weights.effective < FEWEST:
        yield f"{weights.effective:.0f} effective draws ({FEWEST} are wanted): {hint}"


def disagreements(target: Target, weighted: Weighted, z: Floats) -> Iterator[str]:
    """Say where chains (chain, draw, size) and weighted points differ by more than their errors."""
    from scipy.stats import t

    weights = weighted.smoothed.weights.reshape(weighted.log_weight.shape)
    means = np.einsum("rn,rnd->d", weights, weighted.z)
    # A ratio of two means: its error is that of weighted deviations, by randomization.
    deviations = np.einsum("rn,rnd->rd", weights, weighted.z - means)
    errors = deviations.std(0, ddof=1) * math.sqrt(len(weights))
    limit = float(t.isf(_FALSE_ALARM / 2 / target.size, _RANDOMIZATIONS - 1))
    columns = np.moveaxis(z, -1, 0)
    for name, mean, error, draws in zip(
        coordinates_of(target), means, errors, columns, strict=True
    ):
        mcse = draws.std() / math.sqrt(ess_bulk(draws))
        apart = abs(draws.mean() - mean) / math.hypot(mcse, error)
        if apart > limit:
            both = f"(mean score {draws.mean():.3f} and {mean:.3f}); run longer chains"
            yield f"{name}: {DISAGREE} by {apart:.1f} standard errors {both}"
