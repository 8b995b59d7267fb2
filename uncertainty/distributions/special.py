"""Beta, PERT, gamma and Student's t: inverses of incomplete beta and gamma functions.

Where the shape is known when a file is loaded, a table over the score, filled by SciPy, makes the
quantile as cheap as a formula. A shape that varies from draw to draw is inverted by halving.
"""

from abc import abstractmethod
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import igamma_grad_a
from jax.nn import log_sigmoid, sigmoid
from jax.scipy import stats
from jax.scipy.special import betainc, erf, gammainc, gammaincc, gammaln, ndtr, xlog1py, xlogy
from scipy import optimize, special

from uncertainty.arrays import Floats
from uncertainty.distributions.kernel import (
    HALF_LINE,
    WHOLE_LINE,
    Fields,
    Kernel,
    Params,
    bisect,
    percentiles_in,
    score_of,
    within,
)
from uncertainty.distributions.tables import GRID, LOG_ROOT_2PI, exact_slope, fill, interpolate

_WIDEST = 690.0
"""Logarithm or logit beyond which exp leaves float64."""
_HALVINGS = 64
"""From twice the widest to the last digit of float64."""


class Tabulated(Kernel):
    """A family whose quantile is looked up, on a scale on which it is smooth."""

    @abstractmethod
    def table(self, params: Params) -> Floats:
        """Tabulate the quantile function on that scale, on the host."""

    @abstractmethod
    def unbend(self, params: Params, y: Array) -> Array:
        """Value at a place on the scale of the table."""

    def look_up(self, params: Params, table: Array, z: Array) -> Array:
        """Value at a score by the table."""
        return exact_slope(self._interpolated, self._log_density, False, (params, table), z)

    def _interpolated(self, law: tuple[Params, Array], z: Array) -> Array:
        params, table = law
        return self.unbend(params, interpolate(table, z))

    def _log_density(self, law: tuple[Params, Array], x: Array) -> Array:
        return self.log_density(law[0], x)


def log_beta(a: Array, b: Array) -> Array:
    """Log of the beta function; JAX's own is good to 1e-6 only."""
    return gammaln(a) + gammaln(b) - gammaln(a + b)


def log_inverse_beta(a: Floats, b: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Logarithms of the quantile and of its distance from 1, each to full accuracy, by SciPy."""
    below, above = special.ndtr(z), special.ndtr(-z)
    lower = below < above
    near_0 = special.betaincinv(a, b, np.where(lower, below, 0.5))
    near_1 = special.betaincinv(b, a, np.where(lower, 0.5, above))
    x, rest = np.where(lower, near_0, 1 - near_1), np.where(lower, 1 - near_0, near_1)

    def log_of(x: Floats, rest: Floats, a: Floats, b: Floats, z: Floats) -> Floats:
        # From the side that keeps digits; x^a / (a B(a, b)) where x underflows.
        tiny = 1e-300
        small = (special.log_ndtr(z) + np.log(a) + special.betaln(a, b)) / a
        plain = np.where(rest < 0.5, np.log1p(-np.minimum(rest, 0.5)), np.log(np.maximum(x, tiny)))
        return np.asarray(np.where(x > tiny, plain, np.minimum(small, np.log(tiny))))

    return log_of(x, rest, a, b, z), log_of(rest, x, b, a, -z)


@jax.custom_jvp
def logit_quantile(a: Array, b: Array, z: Array) -> Array:
    """Logit of the exact quantile of a beta, by halving.

    The tail that is smaller is solved for, so that both ends keep their digits.
    """
    upper = z > 0
    first, second = jnp.where(upper, b, a), jnp.where(upper, a, b)
    tail = ndtr(-jnp.abs(z))
    start = jnp.zeros_like(tail + first)
    logit = bisect(
        lambda y: betainc(first, second, sigmoid(y)) >= tail,
        start - _WIDEST,
        start + _WIDEST,
        _HALVINGS,
    )
    return jnp.where(upper, -logit, logit)


@logit_quantile.defjvp
def _logit_quantile_jvp(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Differentiate ``F(x; a, b) = ndtr(z)``: the implicit function theorem."""
    (a, b, z), (da, db, dz) = primals, tangents
    logit = logit_quantile(a, b, z)
    x = sigmoid(logit)
    log_density = a * log_sigmoid(logit) + b * log_sigmoid(-logit) - log_beta(a, b)
    # JAX has no slopes of betainc in its shapes: central differences, at the step where rounding
    # and curvature cost the same.
    share = float(np.finfo(x.dtype).eps) ** (1 / 3)
    step_a, step_b = share * a, share * b
    by_a = (betainc(a + step_a, b, x) - betainc(a - step_a, b, x)) / (2 * step_a)
    by_b = (betainc(a, b + step_b, x) - betainc(a, b - step_b, x)) / (2 * step_b)
    by_z = jnp.exp(-0.5 * z * z - LOG_ROOT_2PI - log_density)
    return logit, by_z * dz - (by_a * da + by_b * db) / jnp.exp(log_density)


class Beta(Tabulated):
    """By both shapes and both ends."""

    def parameters(self, fields: Fields) -> Params:
        low, high = fields.get("low", jnp.zeros(())), fields.get("high", jnp.ones(()))
        if "alpha" in fields:
            return fields["alpha"], fields["beta"], low, high
        mean, sd = (fields["mean"] - low) / (high - low), fields["sd"] / (high - low)
        size = mean * (1 - mean) / sd**2 - 1
        return mean * size, (1 - mean) * size, low, high

    def quantile(self, params: Params, z: Array) -> Array:
        a, b, _, _ = params
        return self.unbend(params, logit_quantile(a, b, z))

    def score(self, params: Params, x: Array) -> Array:
        a, b, low, high = params
        unit = jnp.clip((x - low) / (high - low), 0.0, 1.0)
        shape = jnp.broadcast_shapes(jnp.shape(a), jnp.shape(b), jnp.shape(unit))
        first, second, place = (
            jnp.stack([jnp.broadcast_to(x, shape) for x in pair])
            for pair in ((a, b), (b, a), (unit, 1 - unit))
        )
        return score_of(*betainc(first, second, place))  # one call: its loops are long to compile

    def log_density(self, params: Params, x: Array) -> Array:
        a, b, low, high = params
        unit = (x - low) / (high - low)
        density = xlogy(a - 1, unit) + xlog1py(b - 1, -unit) - log_beta(a, b) - jnp.log(high - low)
        return within(low, x, high, density)

    def valid(self, params: Params) -> Array:
        a, b, low, high = params
        return (a > 0) & (b > 0) & (low < high)

    def breaks(self, params: Params) -> Floats:
        return np.asarray(params[2:], np.float64)

    def table(self, params: Params) -> Floats:
        a, b = (np.asarray(value, np.float64) for value in params[:2])
        log_x, log_rest = log_inverse_beta(a, b, GRID)
        log_density = a * log_x + b * log_rest - special.betaln(a, b)
        return fill(log_x - log_rest, log_density)

    def unbend(self, params: Params, y: Array) -> Array:
        _, _, low, high = params
        return low + (high - low) * sigmoid(y)

    def solve(self, fields: Mapping[str, float]) -> dict[str, float]:
        """Find the shapes from two percentiles."""
        low, high = fields.get("low", 0.0), fields.get("high", 1.0)
        percentiles = percentiles_in(fields)
        targets = np.array([(fields[key] - low) / (high - low) for _, key in percentiles])
        probabilities = np.array([p for p, _ in percentiles])

        def gap(log_shapes: Floats) -> Floats:
            a, b = np.exp(np.clip(log_shapes, -25, 25))
            reached = np.clip(special.betainc(a, b, targets), 1e-15, 1 - 1e-15)
            return np.asarray(special.logit(reached) - special.logit(probabilities))

        # Start from a normal through the logits, by its mean and spread.
        slope = np.ptp(special.logit(targets)) / np.ptp(special.ndtri(probabilities))
        center = special.logit(targets).mean() - slope * special.ndtri(probabilities).mean()
        mean = special.expit(center)
        size = max(1 / (slope**2 * mean * (1 - mean)), 0.5)
        start = np.log([mean * size, (1 - mean) * size])
        # From elsewhere where that fails: shapes below 1 are far from any normal.
        for shift in (0.0, -1.0, 1.0, -2.0, 2.0, -4.0, 4.0):
            log_shapes = optimize.root(gap, start + shift, method="hybr", tol=1e-12).x
            if np.abs(gap(log_shapes)).max() < 1e-8:
                alpha, beta = np.exp(log_shapes)
                return {"alpha": float(alpha), "beta": float(beta), "low": low, "high": high}
        raise ValueError("no beta distribution was found with these percentiles")


class Pert(Beta):
    """A beta by both ends and the mode.

    Shapes ``1 + 4 (mode - low)/(high - low)`` and ``1 + 4 (high - mode)/(high - low)``: Malcolm et
    al. (1959), Operations Research 7, 646.
    """

    def parameters(self, fields: Fields) -> Params:
        low, mode, high = (fields[key] for key in ("low", "mode", "high"))
        width = high - low
        return 1 + 4 * (mode - low) / width, 1 + 4 * (high - mode) / width, low, high

    def valid(self, params: Params) -> Array:
        a, b, low, high = params
        return (a >= 1) & (b >= 1) & (low < high)


@jax.custom_jvp
def log_quantile(a: Array, z: Array) -> Array:
    """Logarithm of the exact quantile of a gamma at scale 1, by halving."""
    upper = z > 0
    tail = ndtr(-jnp.abs(z))

    def reached(y: Array) -> Array:
        x = jnp.exp(y)
        return jnp.where(upper, gammaincc(a, x) <= tail, gammainc(a, x) >= tail)

    start = jnp.zeros_like(tail + a)
    return bisect(reached, start - _WIDEST, start + _WIDEST, _HALVINGS)


@log_quantile.defjvp
def _log_quantile_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Differentiate ``P(a, x) = ndtr(z)``: the implicit function theorem."""
    (a, z), (da, dz) = primals, tangents
    log_x = log_quantile(a, z)
    x = jnp.exp(log_x)
    log_density = a * log_x - x - gammaln(a)
    by_z = jnp.exp(-0.5 * z * z - LOG_ROOT_2PI - log_density)
    return log_x, by_z * dz - igamma_grad_a(a, x) / jnp.exp(log_density) * da


class Gamma(Tabulated):
    """By shape and scale."""

    LARGE = 1e7
    """Shape above which gamma(shape) and a power of it cancel to fewer than nine digits."""
    SHAPES = (1e-3, 1e9)
    """Between which the shape of two percentiles is searched."""

    def parameters(self, fields: Fields) -> Params:
        if "shape" in fields:
            return fields["shape"], fields["scale"]
        mean, sd = fields["mean"], fields["sd"]
        return (mean / sd) ** 2, sd**2 / mean

    def quantile(self, params: Params, z: Array) -> Array:
        return self.unbend(params, log_quantile(params[0], z))

    def score(self, params: Params, x: Array) -> Array:
        shape, scale = params
        scaled = jnp.maximum(x, 0.0) / scale
        return score_of(gammainc(shape, scaled), gammaincc(shape, scaled))

    def log_density(self, params: Params, x: Array) -> Array:
        shape, scale = params
        large = shape > self.LARGE
        plain = stats.gamma.logpdf(x, shape, scale=scale)
        # About its mean a large shape leaves no digits of x^shape and gamma(shape): by Stirling.
        known = jnp.where(large, shape, self.LARGE)
        ratio = jnp.where(large & (x > 0), x / scale / known, 1.0)
        size = known * (jnp.log(ratio) - (ratio - 1)) + jnp.log(known / (2 * np.pi)) / 2
        stirling = size - 1 / (12 * known) - jnp.log(ratio) - jnp.log(known * scale)
        return jnp.where(large & (x > 0), stirling, plain)

    def valid(self, params: Params) -> Array:
        return (params[0] > 0) & (params[1] > 0)

    def breaks(self, params: Params) -> Floats:
        return HALF_LINE

    def log_inverse(self, shape: Floats, z: Floats) -> Floats:
        """Logarithm of the quantile at scale 1, by SciPy."""
        below, above = special.ndtr(z), special.ndtr(-z)
        lower = below < above
        near = special.gammaincinv(shape, np.where(lower, below, 0.5))
        x = np.where(lower, near, special.gammainccinv(shape, np.where(lower, 0.5, above)))
        # P(a, x) = x^a / gamma(a + 1) where x underflows.
        tiny = 1e-280
        small = (special.log_ndtr(z) + special.gammaln(shape + 1)) / shape
        return np.asarray(np.where(x > tiny, np.log(np.maximum(x, tiny)), small))

    def table(self, params: Params) -> Floats:
        shape = np.asarray(params[0], np.float64)
        log_x = self.log_inverse(shape, GRID)
        log_density = shape * log_x - np.exp(log_x) - special.gammaln(shape)
        if shape > self.LARGE:  # by Stirling, as in the density
            ratio = log_x - np.log(shape)
            size = shape * (ratio - np.expm1(ratio)) + np.log(shape / (2 * np.pi)) / 2
            log_density = size - 1 / (12 * shape)
        return fill(log_x, log_density)

    def unbend(self, params: Params, y: Array) -> Array:
        return params[1] * jnp.exp(y)

    def solve(self, fields: Mapping[str, float]) -> dict[str, float]:
        """Find the shape from the ratio of two percentiles, which falls as the shape grows."""
        (p, low), (q, high) = percentiles_in(fields)
        scores = special.ndtri(np.array([p, q]))
        target = np.log(fields[high] / fields[low])

        def gap(log_shape: float) -> float:
            first, second = self.log_inverse(np.exp(np.array(log_shape)), scores)
            return float(second - first - target)

        ends = np.log(self.SHAPES)
        if gap(ends[0]) < 0 or gap(ends[1]) > 0:
            raise ValueError("no gamma distribution was found with these percentiles")
        shape = float(np.exp(optimize.brentq(gap, *ends, xtol=1e-13, rtol=1e-14)))
        unit = float(np.exp(self.log_inverse(np.array(shape), scores)[1]))
        return {"shape": shape, "scale": fields[high] / unit}


class StudentT(Tabulated):
    """By degrees of freedom, place and scale: through the beta of ``df/(df + t^2)``."""

    SQUARABLE = 1e100
    """Distances whose square is a number in 64 bits; beyond, the density is a power."""
    NEAR = 1e-6
    """The quantile function is straight from this score to the median."""

    def parameters(self, fields: Fields) -> Params:
        return fields["df"], fields["loc"], fields["scale"]

    def quantile(self, params: Params, z: Array) -> Array:
        df, loc, scale = params
        size = jnp.maximum(jnp.abs(z), self.NEAR)
        outside, inside = 2 * ndtr(-size), erf(size / np.sqrt(2))
        logit = logit_quantile(df / 2, jnp.full_like(df, 0.5), score_of(outside, inside))
        return loc + scale * z / size * jnp.sqrt(df) * jnp.exp(-logit / 2)

    def score(self, params: Params, x: Array) -> Array:
        df, loc, scale = params
        t = (x - loc) / scale
        # Near the median the beta of the other end keeps the digits.
        near = t * t < df
        ratio = jnp.where(near, t * t / (df + t * t), df / (df + t * t))
        half = jnp.full_like(df, 0.5)
        inside = betainc(half, df / 2, jnp.where(near, ratio, 0.5))
        beyond = betainc(df / 2, half, jnp.where(near, 0.5, ratio))
        tail = jnp.where(near, (1 - inside) / 2, beyond / 2)
        return jnp.sign(t) * -score_of(tail, 1 - tail)

    def log_density(self, params: Params, x: Array) -> Array:
        df, loc, scale = params
        t = jnp.abs((x - loc) / scale)
        huge = t > self.SQUARABLE
        power = (df + 1) * jnp.log(jnp.where(huge, t / self.SQUARABLE, 1.0))
        near = jnp.where(huge, loc + scale * self.SQUARABLE, x)
        return stats.t.logpdf(near, df, loc, scale) - power

    def valid(self, params: Params) -> Array:
        return (params[0] > 0) & (params[2] > 0)

    def breaks(self, params: Params) -> Floats:
        return WHOLE_LINE

    def log_standard(self, df: Floats, z: Floats) -> Floats:
        """Logarithm of the size of the standard quantile, by SciPy."""
        size = np.abs(z)
        outside, inside = 2 * special.ndtr(-size), special.erf(size / np.sqrt(2))
        score = np.where(outside < inside, special.ndtri(outside), -special.ndtri(inside))
        log_x, log_rest = log_inverse_beta(df / 2, np.asarray(0.5), score)
        return np.asarray(np.where(z == 0, -np.inf, (np.log(df) + log_rest - log_x) / 2))

    def table(self, params: Params) -> Floats:
        df = np.asarray(params[0], np.float64)
        log_t = self.log_standard(df, GRID)
        spread, growth = np.logaddexp(0.0, 2 * log_t), np.logaddexp(0.0, 2 * log_t - np.log(df))
        constant = special.betaln(df / 2, 0.5) + np.log(df) / 2
        log_density = -(df + 1) / 2 * growth - constant
        # asinh(t), from the logarithm where t itself is too large a number.
        near = np.arcsinh(np.exp(np.minimum(log_t, 300)))
        bent = np.where(log_t < 300, near, log_t + np.log(2))
        return fill(np.sign(GRID) * bent, log_density + spread / 2)

    def unbend(self, params: Params, y: Array) -> Array:
        _, loc, scale = params
        return loc + scale * jnp.sinh(y)

    def solve(self, fields: Mapping[str, float]) -> dict[str, float]:
        """Find place and scale from two percentiles: straight lines in the standard quantile."""
        (p, low), (q, high) = percentiles_in(fields)
        scores = special.ndtri(np.array([p, q]))
        sizes = np.exp(self.log_standard(np.asarray(fields["df"]), scores))
        first, second = np.sign(scores) * sizes
        scale = (fields[high] - fields[low]) / (second - first)
        place = float(fields[low] - scale * first)
        return {"df": fields["df"], "loc": place, "scale": float(scale)}


SPECIAL = {"beta": Beta(), "pert": Pert(), "gamma": Gamma(), "student_t": StudentT()}
