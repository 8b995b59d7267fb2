"""The No-U-Turn sampler of numpyro on the road: one compiled step for all chains at once."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from uncertainty.arrays import Floats
from uncertainty.problem import Target

if TYPE_CHECKING:
    from jax.stages import Compiled
    from numpyro.infer import NUTS
    from numpyro.infer.hmc import HMCState


Progress: TypeAlias = Callable[[int, int], None]
"""Called with the steps done and those wanted."""

_STEPS = 250


@dataclass(frozen=True)
class Chains:
    """Draws after warm-up.

    Attributes
    ----------
    z : array
        Standard normal scores, shape (chain, draw, size of the target).
    stats : dict of str to array
        Of each draw, shape (chain, draw), by ArviZ's names.
    """

    z: Floats
    stats: dict[str, np.ndarray]


@jax.jit
def _potential(target: Target, z: Array) -> Array:
    """Compiled by itself, so that the many places that call it trace it once."""
    return -target.log_density(z)


def _kernel(potential: Callable[[Array], Array], accept: ArrayLike) -> "NUTS":
    """Make the sampler; within a trace, as it keeps what it is started with."""
    from numpyro.infer import NUTS

    return NUTS(
        potential_fn=potential,
        dense_mass=True,
        target_accept_prob=accept,
    )


@jax.jit(static_argnames=("warmup",))
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
            return after, (after.z, _stats(after))

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


def _stats(state: "HMCState") -> dict[str, Array]:
    return {
        "lp": -state.potential_energy,
        "energy": state.energy,
        "n_steps": state.num_steps,
        "acceptance_rate": state.accept_prob,
        "step_size": state.adapt_state.step_size,
        "diverging": state.diverging,
    }


def compiling(target: Target, chains: int, warmup: int) -> "Future[Compiled]":
    """Compile the sampler in a thread: Python, which XLA does not hold up, goes on meanwhile."""
    starts = jnp.zeros((chains, target.size))
    keys = jax.random.split(jax.random.PRNGKey(0), chains)
    state = _blank(keys, starts, warmup)
    lowered = _advance.lower(
        target, keys, starts, state, jnp.asarray(True), jnp.asarray(0.9), warmup
    )
    thread = ThreadPoolExecutor(1)
    try:
        return thread.submit(lowered.compile)
    finally:
        thread.shutdown(wait=False)


def run_chains(
    sampler: "Compiled",
    target: Target,
    *,
    accept: float,
    last: bool,
    starts: Floats,
    draws: int,
    warmup: int,
    seed: int,
    progress: Progress | None,
) -> Chains:
    """Draw from the posterior, all chains in step, with a dense mass matrix.

    Parameters
    ----------
    sampler : jax.stages.Compiled
        From `compiling`, for as many chains and steps of warm-up.
    target : Target
        Its numbers are arguments of the compiled code: another one of the same shape needs no
        compilation.
    accept : float
        Share of the steps to be accepted, towards which the warm-up adapts their size: the
        higher, the smaller the steps.
    last : bool
        Where not, chains end with the first divergent draw, as they will be run again.
    starts : array
        Where chains begin, shape (chain, size of the target).
    draws, warmup : int
        For each chain.
    seed : int
    progress : callable, optional

    Notes
    -----
    Hoffman and Gelman (2014), Journal of Machine Learning Research 15, 1593.
    """
    keys = jax.random.split(jax.random.PRNGKey(seed), len(starts))
    points = jnp.asarray(starts)
    state = _blank(keys, points, warmup)
    total = warmup + draws
    parts = list[tuple[np.ndarray, dict[str, np.ndarray]]]()
    for done in range(0, total, _STEPS):
        fresh, wanted = jnp.asarray(done == 0), jnp.asarray(accept)
        state, z, stats = sampler(target, keys, points, state, fresh, wanted)
        parts.append((np.asarray(z), {name: np.asarray(column) for name, column in stats.items()}))
        if progress is not None:
            progress(min(done + _STEPS, total), total)
        if not last and parts[-1][1]["diverging"][:, max(warmup - done, 0) :].any():
            break
    kept = slice(warmup, total)
    joined = partial(np.concatenate, axis=1)
    return Chains(
        joined([z for z, _ in parts])[:, kept],
        {name: joined([own[name] for _, own in parts])[:, kept] for name in parts[0][1]},
    )
