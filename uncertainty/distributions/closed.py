"""Families whose quantile function is a formula."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import log_ndtr, ndtr
from jax.scipy.stats import norm

from uncertainty.arrays import Floats
from uncertainty.distributions.kernel import (
    Fields,
    Kernel,
    Params,
    half_line,
    line_through,
    normal_score,
    on_log,
    percentiles_in,
    score_of,
    tails,
    whole_line,
    within,
)

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


def _quantile_choice(params: Params, z: Array) -> Array:
    options, scores, _ = params
    return options[_count(scores, z, "left")]


def _score_choice(params: Params, x: Array) -> Array:
    options, scores, _ = params
    ends = jnp.full(1, jnp.inf, scores.dtype)
    return jnp.concatenate([-ends, scores, ends])[_count(options, x, "right")]


def _no_density_choice(_: Params, x: Array) -> Array:
    return jnp.full_like(x, -jnp.inf)


def _valid_choice(params: Params) -> Array:
    options, _, weights = params
    return jnp.isfinite(options).all() & (weights >= 0).all() & (weights.sum() > 0)


def _options(params: Params) -> Floats:
    return np.unique(np.asarray(params[0], np.float64))


CHOICE = Kernel(
    _parameters, _quantile_choice, _score_choice, _no_density_choice, _valid_choice, _options
)


def _hazard(probability: float) -> float:
    """Cumulative hazard ``-log(1 - p)`` of a fixed probability."""
    return -math.log1p(-probability)


def _log_hazard(probability: float) -> float:
    return math.log(_hazard(probability))


def _exponential(fields: Fields) -> Params:
    """Logarithm of the mean, and 1: an exponential is a Weibull of shape 1."""
    if "mean" in fields:
        return jnp.log(fields["mean"]), jnp.ones(())
    [(p, key)] = percentiles_in(fields)
    return jnp.log(fields[key]) - _log_hazard(p), jnp.ones(())


def _weibull(fields: Fields) -> Params:
    """Logarithm of the scale, and one over the shape."""
    if "shape" in fields:
        return jnp.log(fields["scale"]), 1 / fields["shape"]
    return line_through(fields, _log_hazard, jnp.log)


def _quantile(params: Params, z: Array) -> Array:
    """``scale (-log(1 - u))^(1/shape)``."""
    place, spread = params
    # Each tail from the side that keeps its digits.
    lower = -jnp.log1p(-ndtr(jnp.where(z < 0, z, 0.0)))
    hazard = jnp.where(z < 0, lower, -log_ndtr(-jnp.where(z < 0, 0.0, z)))
    return jnp.exp(place + spread * jnp.log(hazard))


def _score(params: Params, y: Array) -> Array:
    """Score of a logarithm."""
    place, spread = params
    hazard = jnp.exp((y - place) / spread)
    return score_of(-jnp.expm1(-hazard), jnp.exp(-hazard))


def _log_density(params: Params, y: Array) -> Array:
    """Log density of a logarithm."""
    place, spread = params
    scaled = (y - place) / spread
    return scaled - jnp.exp(scaled) - jnp.log(spread)


def _valid(params: Params) -> Array:
    place, spread = params
    return jnp.isfinite(place) & (spread > 0)


EXPONENTIAL = Kernel(_exponential, _quantile, *on_log(_score, _log_density), _valid, half_line)
WEIBULL = Kernel(_weibull, _quantile, *on_log(_score, _log_density), _valid, half_line)


def _identity(probability: float) -> float:
    return probability


def _fixed_score(params: Params, x: Array) -> Array:
    return jnp.where(x >= params[0], jnp.inf, -jnp.inf)


def _fixed_quantile(params: Params, z: Array) -> Array:
    return jnp.broadcast_to(params[0], jnp.shape(z))


def _no_density(_: Params, x: Array) -> Array:
    return jnp.full_like(x, -jnp.inf)


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


def _normal_density(params: Params, x: Array) -> Array:
    return norm.logpdf(x, *params)


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


def _uniform_density(params: Params, x: Array) -> Array:
    low, high = params
    return within(low, x, high, -jnp.log(high - low))


def _loguniform(fields: Fields) -> Params:
    if "low" in fields:
        return jnp.log(fields["low"]), jnp.log(fields["high"])
    low, width = line_through(fields, _identity, jnp.log)
    return low, low + width


def _loguniform_quantile(params: Params, z: Array) -> Array:
    return jnp.exp(_uniform_quantile(params, z))


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
    rise = (x - low) ** 2 / ((high - low) * _side(low, mode))
    fall = (high - x) ** 2 / ((high - low) * _side(mode, high))
    rising = x < mode
    return score_of(jnp.where(rising, rise, 1 - fall), jnp.where(rising, 1 - rise, fall))


def _side(start: Array, end: Array) -> Array:
    """Width of one side; a tiny number stands for a side of no width."""
    return jnp.maximum(end - start, np.finfo(np.float32).tiny)


def _triangular_density(params: Params, x: Array) -> Array:
    low, mode, high = params
    height = jnp.where(x < mode, (x - low) / _side(low, mode), (high - x) / _side(mode, high))
    height = jnp.where((x == mode) & (low <= mode), 1.0, height)
    positive = height > 0
    density = jnp.log(2 * jnp.where(positive, height, 1.0) / (high - low))
    return within(low, x, high, jnp.where(positive, density, -jnp.inf))


def _sine_place(probability: float) -> float:
    return float(np.sin(np.pi * probability / 2) ** 2)


def _arcsine(fields: Fields) -> Params:
    if "low" in fields:
        return fields["low"], fields["high"]
    low, width = line_through(fields, _sine_place, jnp.positive)
    return low, low + width


def _arcsine_quantile(params: Params, z: Array) -> Array:
    """``low + (high - low) sin^2(pi u / 2)``, each end from the tail that is exact there."""
    low, high = params
    below, above = (jnp.sin(jnp.pi / 2 * tail) ** 2 for tail in tails(z))
    return low * above + high * below


def _arcsine_score(params: Params, x: Array) -> Array:
    low, high = params
    shares = ((x - low) / (high - low), (high - x) / (high - low))
    below, above = (2 / jnp.pi * jnp.arcsin(_root(jnp.clip(s, 0.0, 1.0))) for s in shares)
    return score_of(below, above)


def _arcsine_density(params: Params, x: Array) -> Array:
    low, high = params
    inside = (low < x) & (x < high)
    product = jnp.where(inside, (x - low) * (high - x), 1.0)
    return jnp.where(inside, -jnp.log(jnp.pi) - jnp.log(product) / 2, -jnp.inf)


def _any_number(params: Params) -> Array:
    return jnp.isfinite(params[0])


def _spread(params: Params) -> Array:
    return params[1] > 0


def _ascending(params: Params) -> Array:
    return params[0] < params[1]


def _around_mode(params: Params) -> Array:
    low, mode, high = params
    return (low <= mode) & (mode <= high) & (low < high)


def _as_stated(params: Params) -> Floats:
    return np.unique(np.asarray(params, np.float64))


FIXED = Kernel(
    lambda fields: (fields["value"],),
    _fixed_quantile,
    _fixed_score,
    _no_density,
    _any_number,
    _as_stated,
)
NORMAL = Kernel(_normal, _normal_quantile, _normal_score, _normal_density, _spread, whole_line)
LOGNORMAL = Kernel(
    _lognormal, _lognormal_quantile, *on_log(_normal_score, _normal_density), _spread, half_line
)
UNIFORM = Kernel(
    _uniform, _uniform_quantile, _uniform_score, _uniform_density, _ascending, _as_stated
)
LOGUNIFORM = Kernel(
    _loguniform,
    _loguniform_quantile,
    *on_log(_uniform_score, _uniform_density),
    _ascending,
    lambda params: np.exp(_as_stated(params)),
)
TRIANGULAR = Kernel(
    _triangular,
    _triangular_quantile,
    _triangular_score,
    _triangular_density,
    _around_mode,
    _as_stated,
)
ARCSINE = Kernel(
    _arcsine, _arcsine_quantile, _arcsine_score, _arcsine_density, _ascending, _as_stated
)
