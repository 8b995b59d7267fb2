"""Waiting times: the exponential and the Weibull, whose logarithm is a formula."""

import math

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import log_ndtr, ndtr

from uncertainty.families.kernel import (
    Fields,
    Kernel,
    Params,
    half_line,
    line_through,
    on_log,
    percentiles_in,
    score_of,
)

__all__ = ["EXPONENTIAL", "WEIBULL"]


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
