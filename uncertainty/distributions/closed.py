"""Families whose quantile function is a formula."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import log_ndtr, ndtr
from jax.scipy.stats import norm

from uncertainty.arrays import Floats
from uncertainty.distributions.kernel import (
    WHOLE_LINE,
    Exponentiated,
    Fields,
    Kernel,
    Params,
    line_through,
    normal_score,
    percentiles_in,
    score_of,
    tails,
    within,
)


class Fixed(Kernel):
    """One value."""

    def parameters(self, fields: Fields) -> Params:
        return (fields["value"],)

    def quantile(self, params: Params, z: Array) -> Array:
        return jnp.broadcast_to(params[0], jnp.shape(z))

    def score(self, params: Params, x: Array) -> Array:
        return jnp.where(x >= params[0], jnp.inf, -jnp.inf)

    def log_density(self, params: Params, x: Array) -> Array:
        return jnp.full_like(x, -jnp.inf)

    def valid(self, params: Params) -> Array:
        return jnp.isfinite(params[0])

    def breaks(self, params: Params) -> Floats:
        return np.asarray(params, np.float64)


class Normal(Kernel):
    """By mean and sd."""

    def parameters(self, fields: Fields) -> Params:
        if "mean" in fields:
            return fields["mean"], fields["sd"]
        return line_through(fields, normal_score, jnp.positive)

    def quantile(self, params: Params, z: Array) -> Array:
        mean, sd = params
        return mean + sd * z

    def score(self, params: Params, x: Array) -> Array:
        mean, sd = params
        return (x - mean) / sd

    def log_density(self, params: Params, x: Array) -> Array:
        return norm.logpdf(x, *params)

    def valid(self, params: Params) -> Array:
        return params[1] > 0

    def breaks(self, params: Params) -> Floats:
        return WHOLE_LINE


class Uniform(Kernel):
    """By both ends."""

    def parameters(self, fields: Fields) -> Params:
        if "low" in fields:
            return fields["low"], fields["high"]
        low, width = line_through(fields, float, jnp.positive)
        return low, low + width

    def quantile(self, params: Params, z: Array) -> Array:
        low, high = params
        below, above = tails(z)
        return low * above + high * below

    def score(self, params: Params, x: Array) -> Array:
        low, high = params
        below = jnp.clip((x - low) / (high - low), 0.0, 1.0)
        above = jnp.clip((high - x) / (high - low), 0.0, 1.0)
        return score_of(below, above)

    def log_density(self, params: Params, x: Array) -> Array:
        low, high = params
        return within(low, x, high, -jnp.log(high - low))

    def valid(self, params: Params) -> Array:
        return params[0] < params[1]

    def breaks(self, params: Params) -> Floats:
        return np.unique(np.asarray(params, np.float64))


class Gumbel(Kernel):
    """Logarithm of a Weibull quantity: ``place + spread log(-log(1 - u))``."""

    def parameters(self, fields: Fields) -> Params:
        return fields["place"], fields["spread"]

    def quantile(self, params: Params, z: Array) -> Array:
        place, spread = params
        # Each tail from the side that keeps its digits.
        lower = -jnp.log1p(-ndtr(jnp.where(z < 0, z, 0.0)))
        hazard = jnp.where(z < 0, lower, -log_ndtr(-jnp.where(z < 0, 0.0, z)))
        return place + spread * jnp.log(hazard)

    def score(self, params: Params, x: Array) -> Array:
        place, spread = params
        hazard = jnp.exp((x - place) / spread)
        return score_of(-jnp.expm1(-hazard), jnp.exp(-hazard))

    def log_density(self, params: Params, x: Array) -> Array:
        place, spread = params
        scaled = (x - place) / spread
        return scaled - jnp.exp(scaled) - jnp.log(spread)

    def valid(self, params: Params) -> Array:
        return jnp.isfinite(params[0]) & (params[1] > 0)

    def breaks(self, params: Params) -> Floats:
        return WHOLE_LINE


def root(square: Array) -> Array:
    """Square root whose derivative at 0 is 0, so that an unused branch adds no NaN."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1.0)), 0.0)


class Triangular(Kernel):
    """By both ends and the mode."""

    def parameters(self, fields: Fields) -> Params:
        return fields["low"], fields["mode"], fields["high"]

    def quantile(self, params: Params, z: Array) -> Array:
        low, mode, high = params
        below, above = tails(z)
        rise = low + root(below * (high - low) * (mode - low))
        fall = high - root(above * (high - low) * (high - mode))
        return jnp.where(below * (high - low) < mode - low, rise, fall)

    def sides(self, params: Params) -> tuple[Array, Array]:
        """Widths below and above the mode; a tiny number stands for a side of no width."""
        low, mode, high = params
        tiny = np.finfo(np.float32).tiny
        return jnp.maximum(mode - low, tiny), jnp.maximum(high - mode, tiny)

    def score(self, params: Params, x: Array) -> Array:
        low, mode, high = params
        below, above = self.sides(params)
        x = jnp.clip(x, low, high)
        rise = (x - low) ** 2 / ((high - low) * below)
        fall = (high - x) ** 2 / ((high - low) * above)
        rising = x < mode
        return score_of(jnp.where(rising, rise, 1 - fall), jnp.where(rising, 1 - rise, fall))

    def log_density(self, params: Params, x: Array) -> Array:
        low, mode, high = params
        below, above = self.sides(params)
        height = jnp.where(x < mode, (x - low) / below, (high - x) / above)
        height = jnp.where((x == mode) & (low <= mode), 1.0, height)
        positive = height > 0
        density = jnp.log(2 * jnp.where(positive, height, 1.0) / (high - low))
        return within(low, x, high, jnp.where(positive, density, -jnp.inf))

    def valid(self, params: Params) -> Array:
        low, mode, high = params
        return (low <= mode) & (mode <= high) & (low < high)

    def breaks(self, params: Params) -> Floats:
        return np.unique(np.asarray(params, np.float64))


class Arcsine(Kernel):
    """By both ends: ``low + (high - low) sin^2(pi u / 2)``."""

    def parameters(self, fields: Fields) -> Params:
        if "low" in fields:
            return fields["low"], fields["high"]
        low, width = line_through(fields, lambda p: math.sin(math.pi * p / 2) ** 2, jnp.positive)
        return low, low + width

    def quantile(self, params: Params, z: Array) -> Array:
        low, high = params
        # Each end from the tail that is exact there.
        below, above = (jnp.sin(jnp.pi / 2 * tail) ** 2 for tail in tails(z))
        return low * above + high * below

    def score(self, params: Params, x: Array) -> Array:
        low, high = params
        shares = ((x - low) / (high - low), (high - x) / (high - low))
        below, above = (2 / jnp.pi * jnp.arcsin(root(jnp.clip(s, 0.0, 1.0))) for s in shares)
        return score_of(below, above)

    def log_density(self, params: Params, x: Array) -> Array:
        low, high = params
        inside = (low < x) & (x < high)
        product = jnp.where(inside, (x - low) * (high - x), 1.0)
        return jnp.where(inside, -jnp.log(jnp.pi) - jnp.log(product) / 2, -jnp.inf)

    def valid(self, params: Params) -> Array:
        return params[0] < params[1]

    def breaks(self, params: Params) -> Floats:
        return np.unique(np.asarray(params, np.float64))


def lognormal(fields: Fields) -> Params:
    """Mean and sd of the logarithm; sigma^2 = log(1 + (sd/mean)^2)."""
    if "median" in fields:
        return jnp.log(fields["median"]), fields["sigma"]
    if "mean" in fields:
        variance = jnp.log1p((fields["sd"] / fields["mean"]) ** 2)
        return jnp.log(fields["mean"]) - variance / 2, jnp.sqrt(variance)
    return line_through(fields, normal_score, jnp.log)


def loguniform(fields: Fields) -> Params:
    """Logarithms of both ends."""
    if "low" in fields:
        return jnp.log(fields["low"]), jnp.log(fields["high"])
    low, width = line_through(fields, float, jnp.log)
    return low, low + width


def log_hazard(probability: float) -> float:
    """Logarithm of the cumulative hazard ``-log(1 - p)``."""
    return math.log(-math.log1p(-probability))


def exponential(fields: Fields) -> Params:
    """Logarithm of the mean, and 1: an exponential is a Weibull of shape 1."""
    if "mean" in fields:
        return jnp.log(fields["mean"]), jnp.ones(())
    [(p, key)] = percentiles_in(fields)
    return jnp.log(fields[key]) - log_hazard(p), jnp.ones(())


def weibull(fields: Fields) -> Params:
    """Logarithm of the scale, and one over the shape."""
    if "shape" in fields:
        return jnp.log(fields["scale"]), 1 / fields["shape"]
    return line_through(fields, log_hazard, jnp.log)


CLOSED = {
    "fixed": Fixed(),
    "uniform": Uniform(),
    "loguniform": Exponentiated(Uniform(), loguniform),
    "normal": Normal(),
    "lognormal": Exponentiated(Normal(), lognormal),
    "exponential": Exponentiated(Gumbel(), exponential),
    "weibull": Exponentiated(Gumbel(), weibull),
    "triangular": Triangular(),
    "arcsine": Arcsine(),
}
