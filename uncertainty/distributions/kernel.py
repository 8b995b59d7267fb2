"""What a distribution family is, and the families whose quantile function is a formula."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from statistics import NormalDist
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import sigmoid
from jax.scipy.special import log_ndtr, ndtr, ndtri
from jax.scipy.stats import norm

from uncertainty.arrays import Floats

Fields: TypeAlias = Mapping[str, Array]
Params: TypeAlias = tuple[Array, ...]

WHOLE_LINE: Floats = np.array([-np.inf, np.inf])
HALF_LINE: Floats = np.array([0.0, np.inf])


class Kernel(ABC):
    """One distribution family over a standard normal score z; all functions are elementwise."""

    @abstractmethod
    def parameters(self, fields: Fields) -> Params:
        """Turn any parametrization of the format into the one that is computed with."""

    @abstractmethod
    def quantile(self, params: Params, z: Array) -> Array:
        """Value at a score, rising in it."""

    @abstractmethod
    def score(self, params: Params, x: Array) -> Array:
        """Score of a value, the inverse where there is one; -inf and inf outside."""

    @abstractmethod
    def log_density(self, params: Params, x: Array) -> Array:
        """Log density at a value; -inf outside and at an atom."""

    @abstractmethod
    def valid(self, params: Params) -> Array:
        """Whether the law exists: parameters that name assumptions are known only in a draw."""

    def breaks(self, params: Params) -> Floats:
        """Both ends of the support and every jump or bend between them, ascending."""
        return np.unique(np.asarray(params, np.float64))

    def solve(self, fields: Mapping[str, float]) -> Mapping[str, float]:
        """Replace percentiles that need an iteration on the host by parameters."""
        return fields


class Exponentiated(Kernel):
    """A positive quantity whose logarithm has another law, with its parameters from fields."""

    def __init__(self, logarithm: Kernel, parameters: Callable[[Fields], Params]) -> None:
        self.logarithm = logarithm
        self.parametrize = parameters

    def parameters(self, fields: Fields) -> Params:
        return self.parametrize(fields)

    def quantile(self, params: Params, z: Array) -> Array:
        return jnp.exp(self.logarithm.quantile(params, z))

    def score(self, params: Params, x: Array) -> Array:
        inside = jnp.where(x > 0, x, 1.0)
        return jnp.where(x > 0, self.logarithm.score(params, jnp.log(inside)), -jnp.inf)

    def log_density(self, params: Params, x: Array) -> Array:
        y = jnp.log(jnp.where(x > 0, x, 1.0))
        return jnp.where(x > 0, self.logarithm.log_density(params, y) - y, -jnp.inf)

    def valid(self, params: Params) -> Array:
        return self.logarithm.valid(params)

    def breaks(self, params: Params) -> Floats:
        return np.exp(self.logarithm.breaks(params))


def tails(z: Array) -> tuple[Array, Array]:
    """Probability below and above a score, both to full relative accuracy."""
    return ndtr(z), ndtr(-z)


def score_of(below: Array, above: Array) -> Array:
    """Score of a probability given by both of its tails: the smaller one is inverted."""
    lower = below < above
    smaller = ndtri(jnp.where(lower, below, above))
    return jnp.where(lower, smaller, -smaller)


def bend(x: Array, low: Array, high: Array) -> Array:
    """Scale on which the tails are straight: x, log(x - low), -log(high - x) or the logit."""
    has_low, has_high = jnp.isfinite(low), jnp.isfinite(high)
    above = jnp.log(jnp.where(has_low, x - low, 1.0))
    below = jnp.log(jnp.where(has_high, high - x, 1.0))
    return jnp.where(has_low | has_high, above - below, x)


def unbend(y: Array, low: Array, high: Array) -> Array:
    """Invert `bend`."""
    has_low, has_high = jnp.isfinite(low), jnp.isfinite(high)
    start, end = jnp.where(has_low, low, 0.0), jnp.where(has_high, high, 0.0)
    above = start + jnp.exp(jnp.where(has_low & ~has_high, y, 0.0))
    below = end - jnp.exp(jnp.where(has_high & ~has_low, -y, 0.0))
    between = start + (end - start) * sigmoid(y)
    one_end = jnp.where(has_low, above, jnp.where(has_high, below, y))
    return jnp.where(has_low & has_high, between, one_end)


def just_below(x: Array) -> Array:
    """Nearest smaller number that no processor takes for the same: constant, for derivatives."""
    limits = np.finfo(x.dtype)
    step = jnp.maximum(jnp.abs(x) * float(limits.eps), float(limits.tiny))
    return x - lax.stop_gradient(step)


def bisect(reached: Callable[[Array], Array], low: Array, high: Array, halvings: int) -> Array:
    """Upper end of the interval in which `reached` turns true, halved so many times."""

    def step(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        there = reached(middle)
        return jnp.where(there, low, middle), jnp.where(there, middle, high)

    end: Array = lax.fori_loop(0, halvings, step, (low, high))[1]
    return end


def percentiles_in(fields: Iterable[str]) -> list[tuple[float, str]]:
    """Give the probabilities of percentile keys, with the keys, ascending."""
    return sorted((int(key[1:]) / 100, key) for key in fields if key[1:].isdigit())


def line_through(
    fields: Fields, place: Callable[[float], float], bend: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """Intercept and slope with ``bend(x) = intercept + slope * place(p)`` at two percentiles."""
    (p, low), (q, high) = percentiles_in(fields)
    slope = (bend(fields[high]) - bend(fields[low])) / (place(q) - place(p))
    return bend(fields[low]) - slope * place(p), slope


normal_score = NormalDist().inv_cdf
"""Score of a fixed probability, as a plain float."""


def within(low: Array, x: Array, high: Array, log_density: Array) -> Array:
    """Give a log density inside the ends, and -inf outside."""
    return jnp.where((low <= x) & (x <= high), log_density, -jnp.inf)


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
        low, width = line_through(fields, self.place, jnp.positive)
        return low, low + width

    def place(self, probability: float) -> float:
        """Share of the width that lies below the quantile of a probability."""
        return probability

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


class Arcsine(Uniform):
    """By both ends: ``low + (high - low) sin^2(pi u / 2)``."""

    def place(self, probability: float) -> float:
        return math.sin(math.pi * probability / 2) ** 2

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
