"""What a distribution family is, and what all families share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from statistics import NormalDist
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import sigmoid
from jax.scipy.special import ndtr, ndtri

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

    @abstractmethod
    def breaks(self, params: Params) -> Floats:
        """Both ends of the support and every jump or bend between them, ascending."""

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
