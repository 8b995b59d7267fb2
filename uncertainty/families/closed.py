"""Families whose quantile function is a formula."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.families.kernel import (
    Fields,
    Kernel,
    Params,
    line_through,
    normal_score,
    score_of,
    tails,
)

__all__ = ["FIXED", "LOGNORMAL", "LOGUNIFORM", "NORMAL", "TRIANGULAR", "UNIFORM"]


def _identity(probability: float) -> float:
    return probability


def _fixed_score(params: Params, x: Array) -> Array:
    return jnp.where(x >= params[0], jnp.inf, -jnp.inf)


def _fixed_quantile(params: Params, z: Array) -> Array:
    return jnp.broadcast_to(params[0], jnp.shape(z))


def _normal(fields: Fields) -> Params:
    if "mean" in fields:
        return fields["mean"], fields["sd"]
    return line_through(fields, normal_score, jnp.positive)


def _normal_quantile(params: Params, z: Array) -> Array:
    mean, sd = params
    return mean + sd * z


def _normal_score(params: Params, x: Array) -> Array:
    mean, sd = params
    return (x - mean) / sd


def _lognormal(fields: Fields) -> Params:
    """Mean and sd of the logarithm; sigma^2 = log(1 + (sd/mean)^2)."""
    if "median" in fields:
        return jnp.log(fields["median"]), fields["sigma"]
    if "mean" in fields:
        variance = jnp.log1p((fields["sd"] / fields["mean"]) ** 2)
        return jnp.log(fields["mean"]) - variance / 2, jnp.sqrt(variance)
    return line_through(fields, normal_score, jnp.log)


def _lognormal_quantile(params: Params, z: Array) -> Array:
    return jnp.exp(_normal_quantile(params, z))


def _lognormal_score(params: Params, x: Array) -> Array:
    inside = jnp.where(x > 0, x, 1.0)
    return jnp.where(x > 0, _normal_score(params, jnp.log(inside)), -jnp.inf)


def _uniform(fields: Fields) -> Params:
    if "low" in fields:
        return fields["low"], fields["high"]
    low, width = line_through(fields, _identity, jnp.positive)
    return low, low + width


def _uniform_quantile(params: Params, z: Array) -> Array:
    low, high = params
    below, above = tails(z)
    return low * above + high * below


def _uniform_score(params: Params, x: Array) -> Array:
    low, high = params
    below = jnp.clip((x - low) / (high - low), 0.0, 1.0)
    above = jnp.clip((high - x) / (high - low), 0.0, 1.0)
    return score_of(below, above)


def _loguniform(fields: Fields) -> Params:
    if "low" in fields:
        return jnp.log(fields["low"]), jnp.log(fields["high"])
    low, width = line_through(fields, _identity, jnp.log)
    return low, low + width


def _loguniform_quantile(params: Params, z: Array) -> Array:
    return jnp.exp(_uniform_quantile(params, z))


def _loguniform_score(params: Params, x: Array) -> Array:
    inside = jnp.where(x > 0, x, 1.0)
    return jnp.where(x > 0, _uniform_score(params, jnp.log(inside)), -jnp.inf)


def _triangular(fields: Fields) -> Params:
    return fields["low"], fields["mode"], fields["high"]


def _root(square: Array) -> Array:
    """Square root whose derivative at 0 is 0, so that an unused branch adds no NaN."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1.0)), 0.0)


def _triangular_quantile(params: Params, z: Array) -> Array:
    low, mode, high = params
    below, above = tails(z)
    rise = low + _root(below * (high - low) * (mode - low))
    fall = high - _root(above * (high - low) * (high - mode))
    return jnp.where(below * (high - low) < mode - low, rise, fall)


def _triangular_score(params: Params, x: Array) -> Array:
    low, mode, high = params
    x = jnp.clip(x, low, high)
    tiny = np.finfo(np.float32).tiny  # stands for a side of no width
    rise = (x - low) ** 2 / ((high - low) * jnp.maximum(mode - low, tiny))
    fall = (high - x) ** 2 / ((high - low) * jnp.maximum(high - mode, tiny))
    rising = x < mode
    return score_of(jnp.where(rising, rise, 1 - fall), jnp.where(rising, 1 - rise, fall))


def _any_number(params: Params) -> Array:
    return jnp.isfinite(params[0])


def _spread(params: Params) -> Array:
    return params[1] > 0


def _ascending(params: Params) -> Array:
    return params[0] < params[1]


def _around_mode(params: Params) -> Array:
    low, mode, high = params
    return (low <= mode) & (mode <= high) & (low < high)


FIXED = Kernel(lambda fields: (fields["value"],), _fixed_quantile, _fixed_score, _any_number)
NORMAL = Kernel(_normal, _normal_quantile, _normal_score, _spread)
LOGNORMAL = Kernel(_lognormal, _lognormal_quantile, _lognormal_score, _spread)
UNIFORM = Kernel(_uniform, _uniform_quantile, _uniform_score, _ascending)
LOGUNIFORM = Kernel(_loguniform, _loguniform_quantile, _loguniform_score, _ascending)
TRIANGULAR = Kernel(_triangular, _triangular_quantile, _triangular_score, _around_mode)
