"""Student's t: through the beta distribution of ``df/(df + t^2)``."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import betainc, erf, ndtr
from jax.scipy.stats import t as student
from scipy import special

from uncertainty.arrays import Floats
from uncertainty.distributions.beta import log_inverse, logit_quantile
from uncertainty.distributions.kernel import (
    GRID,
    LOG_ROOT_2PI,
    Fields,
    Kernel,
    Params,
    fill,
    interpolate,
    percentiles_in,
    score_of,
    whole_line,
    with_exact_slope,
)

_SQUARABLE = 1e100
"""Distances whose square is a number in 64 bits; beyond, the density is a power."""
_NEAR = 1e-6  # the quantile function is straight from here to the median


def _parameters(fields: Fields) -> Params:
    return fields["df"], fields["loc"], fields["scale"]


def _quantile(params: Params, z: Array) -> Array:
    df, loc, scale = params
    size = jnp.maximum(jnp.abs(z), _NEAR)
    outside, inside = 2 * ndtr(-size), erf(size / np.sqrt(2))
    logit = logit_quantile(df / 2, jnp.full_like(df, 0.5), score_of(outside, inside))
    return loc + scale * z / size * jnp.sqrt(df) * jnp.exp(-logit / 2)


def _score(params: Params, x: Array) -> Array:
    df, loc, scale = params
    t = (x - loc) / scale
    near = t * t < df
    ratio = jnp.where(near, t * t / (df + t * t), df / (df + t * t))
    half = jnp.full_like(df, 0.5)
    inside = betainc(half, df / 2, jnp.where(near, ratio, 0.5))
    beyond = betainc(df / 2, half, jnp.where(near, 0.5, ratio))
    tail = jnp.where(near, (1 - inside) / 2, beyond / 2)
    return jnp.sign(t) * -score_of(tail, 1 - tail)


def _log_density(params: Params, x: Array) -> Array:
    df, loc, scale = params
    t = jnp.abs((x - loc) / scale)
    huge = t > _SQUARABLE
    power = (df + 1) * jnp.log(jnp.where(huge, t / _SQUARABLE, 1.0))
    return student.logpdf(jnp.where(huge, loc + scale * _SQUARABLE, x), df, loc, scale) - power


def _log_standard(df: Floats, z: Floats) -> Floats:
    """Logarithm of the size of the quantile, by SciPy's inverse incomplete beta function."""
    size = np.abs(z)
    outside, inside = 2 * special.ndtr(-size), special.erf(size / np.sqrt(2))
    score = np.where(outside < inside, special.ndtri(outside), -special.ndtri(inside))
    log_x, log_rest = log_inverse(df / 2, np.asarray(0.5), score)
    return np.asarray(np.where(z == 0, -np.inf, (np.log(df) + log_rest - log_x) / 2))


def _table(params: Params) -> Floats:
    """Tabulate asinh(t), from its logarithm where t itself is too large a number."""
    df = np.asarray(params[0], np.float64)
    log_t = _log_standard(df, GRID)
    spread, growth = np.logaddexp(0.0, 2 * log_t), np.logaddexp(0.0, 2 * log_t - np.log(df))
    constant = special.betaln(df / 2, 0.5) + np.log(df) / 2
    log_density = -(df + 1) / 2 * growth - constant
    bent = np.where(log_t < 300, np.arcsinh(np.exp(np.minimum(log_t, 300))), log_t + np.log(2))
    log_slope = -0.5 * GRID * GRID - LOG_ROOT_2PI - log_density - spread / 2
    return fill(np.sign(GRID) * bent, log_slope)


def _look_up(params: Params, table: Array, z: Array) -> Array:
    _, loc, scale = params
    return loc + scale * jnp.sinh(interpolate(table, z))


def _solve(fields: Mapping[str, float]) -> dict[str, float]:
    """Find place and scale from two percentiles: straight lines in the standard quantile."""
    pairs = percentiles_in(fields)
    if not pairs:
        return dict(fields)
    (p, low), (q, high) = pairs
    scores = special.ndtri(np.array([p, q]))
    first, second = np.sign(scores) * np.exp(_log_standard(np.asarray(fields["df"]), scores))
    scale = (fields[high] - fields[low]) / (second - first)
    return {"df": fields["df"], "loc": float(fields[low] - scale * first), "scale": float(scale)}


def _valid(params: Params) -> Array:
    df, _, scale = params
    return (df > 0) & (scale > 0)


STUDENT_T = Kernel(
    _parameters,
    _quantile,
    _score,
    _log_density,
    _valid,
    whole_line,
    _solve,
    _table,
    with_exact_slope(_look_up, _log_density),
)
