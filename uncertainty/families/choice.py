"""A choice among listed values: looked up by the score, however many there are."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.families.kernel import Fields, Kernel, Params, score_of
from uncertainty.precision import Floats

__all__ = ["CHOICE"]

_FEW = 16
"""Up to so many options comparing with each is faster than halving."""


def _parameters(fields: Fields) -> Params:
    """Options ascending, and the score up to which each is drawn but the last.

    Weights are summed from both ends, so that rare options keep their share at either.
    """
    order = jnp.argsort(fields["options"])
    weights = fields["weights"][order]
    total = weights.sum()
    below, above = jnp.cumsum(weights) / total, jnp.cumsum(weights[::-1])[::-1] / total
    return fields["options"][order], score_of(below[:-1], above[1:]), weights


def _count(places: Array, x: Array, side: str) -> Array:
    method = "compare_all" if len(places) <= _FEW else "scan"
    return jnp.searchsorted(places, x, side=side, method=method)


def _quantile(params: Params, z: Array) -> Array:
    options, scores, _ = params
    return options[_count(scores, z, "left")]


def _score(params: Params, x: Array) -> Array:
    options, scores, _ = params
    ends = jnp.full(1, jnp.inf, scores.dtype)
    return jnp.concatenate([-ends, scores, ends])[_count(options, x, "right")]


def _no_density(_: Params, x: Array) -> Array:
    return jnp.full_like(x, -jnp.inf)


def _valid(params: Params) -> Array:
    options, _, weights = params
    return jnp.isfinite(options).all() & (weights >= 0).all() & (weights.sum() > 0)


def _options(params: Params) -> Floats:
    return np.unique(np.asarray(params[0], np.float64))


CHOICE = Kernel(_parameters, _quantile, _score, _no_density, _valid, _options)
