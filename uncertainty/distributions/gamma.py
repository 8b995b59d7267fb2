"""Gamma: the inverse incomplete gamma function, tabulated where its shape is known."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import igamma_grad_a
from jax.scipy.special import gammainc, gammaincc, gammaln, ndtr
from jax.scipy.stats import gamma
from scipy import optimize, special

from uncertainty.arrays import Floats
from uncertainty.distributions.kernel import (
    GRID,
    LOG_ROOT_2PI,
    Fields,
    Kernel,
    Params,
    fill,
    half_line,
    interpolate,
    percentiles_in,
    score_of,
    with_exact_slope,
)

_TINY = 1e-280
_WIDEST = 690.0
_HALVINGS = 64
_SHAPES = (1e-3, 1e9)
_LARGE = 1e7
"""Shape above which gamma(shape) and a power of it cancel to fewer than nine digits."""


@jax.custom_jvp
def _log_quantile(a: Array, z: Array) -> Array:
    """Logarithm of the exact quantile at scale 1, for shapes that vary: by halving."""
    upper = z > 0
    tail = ndtr(-jnp.abs(z))

    def step(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        x = jnp.exp(middle)
        reached = jnp.where(upper, gammaincc(a, x) <= tail, gammainc(a, x) >= tail)
        return jnp.where(reached, low, middle), jnp.where(reached, middle, high)

    start = jnp.zeros_like(tail + a)
    found: Array = jax.lax.fori_loop(0, _HALVINGS, step, (start - _WIDEST, start + _WIDEST))[1]
    return found


@_log_quantile.defjvp
def _log_quantile_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Differentiate ``P(a, x) = ndtr(z)``: the implicit function theorem."""
    (a, z), (da, dz) = primals, tangents
    log_x = _log_quantile(a, z)
    x = jnp.exp(log_x)
    log_density = a * log_x - x - gammaln(a)
    by_z = jnp.exp(-0.5 * z * z - LOG_ROOT_2PI - log_density)
    return log_x, by_z * dz - igamma_grad_a(a, x) / jnp.exp(log_density) * da


def _parameters(fields: Fields) -> Params:
    """Shape and scale; from mean and sd, ``(mean/sd)^2`` and ``sd^2/mean``."""
    if "shape" in fields:
        return fields["shape"], fields["scale"]
    mean, sd = fields["mean"], fields["sd"]
    return (mean / sd) ** 2, sd**2 / mean


def _quantile(params: Params, z: Array) -> Array:
    shape, scale = params
    return scale * jnp.exp(_log_quantile(shape, z))


def _score(params: Params, x: Array) -> Array:
    shape, scale = params
    scaled = jnp.maximum(x, 0.0) / scale
    return score_of(gammainc(shape, scaled), gammaincc(shape, scaled))


def _log_density(params: Params, x: Array) -> Array:
    shape, scale = params
    large = shape > _LARGE
    plain = gamma.logpdf(x, shape, scale=scale)
    # About its mean a large shape leaves no digits of x^shape and gamma(shape): by Stirling.
    known = jnp.where(large, shape, _LARGE)
    ratio = jnp.where(large & (x > 0), x / scale / known, 1.0)
    size = known * (jnp.log(ratio) - (ratio - 1)) + jnp.log(known / (2 * np.pi)) / 2
    stirling = size - 1 / (12 * known) - jnp.log(ratio) - jnp.log(known * scale)
    return jnp.where(large & (x > 0), stirling, plain)


def _log_inverse(shape: Floats, z: Floats) -> Floats:
    """Logarithm of the quantile by SciPy; ``P(a, x) = x^a / gamma(a + 1)`` where x underflows."""
    below, above = special.ndtr(z), special.ndtr(-z)
    lower = below < above
    near = special.gammaincinv(shape, np.where(lower, below, 0.5))
    x = np.where(lower, near, special.gammainccinv(shape, np.where(lower, 0.5, above)))
    small = (special.log_ndtr(z) + special.gammaln(shape + 1)) / shape
    return np.asarray(np.where(x > _TINY, np.log(np.maximum(x, _TINY)), small))


def _table(params: Params) -> Floats:
    """Tabulate the logarithm at scale 1."""
    shape = np.asarray(params[0], np.float64)
    log_x = _log_inverse(shape, GRID)
    log_density = shape * log_x - np.exp(log_x) - special.gammaln(shape)
    if shape > _LARGE:
        ratio = log_x - np.log(shape)
        size = shape * (ratio - np.expm1(ratio)) + np.log(shape / (2 * np.pi)) / 2
        log_density = size - 1 / (12 * shape)
    return fill(log_x, -0.5 * GRID * GRID - LOG_ROOT_2PI - log_density)


def _look_up(params: Params, table: Array, z: Array) -> Array:
    return params[1] * jnp.exp(interpolate(table, z))


def _solve(fields: Mapping[str, float]) -> dict[str, float]:
    """Find the shape from the ratio of two percentiles, which falls as the shape grows.

    Raises
    ------
    ValueError
        If no shape within the limits has this ratio.
    """
    pairs = percentiles_in(fields)
    if not pairs:
        return dict(fields)
    (p, low), (q, high) = pairs
    scores = special.ndtri(np.array([p, q]))
    wanted = np.log(fields[high] / fields[low])

    def gap(log_shape: float) -> float:
        first, second = _log_inverse(np.exp(np.array(log_shape)), scores)
        return float(second - first - wanted)

    ends = np.log(_SHAPES)
    if gap(ends[0]) < 0 or gap(ends[1]) > 0:
        raise ValueError("no gamma distribution was found with these percentiles")
    shape = float(np.exp(optimize.brentq(gap, *ends, xtol=1e-13, rtol=1e-14)))
    unit = float(np.exp(_log_inverse(np.array(shape), scores)[1]))
    return {"shape": shape, "scale": fields[high] / unit}


def _valid(params: Params) -> Array:
    shape, scale = params
    return (shape > 0) & (scale > 0)


GAMMA = Kernel(
    _parameters,
    _quantile,
    _score,
    _log_density,
    _valid,
    half_line,
    _solve,
    _table,
    with_exact_slope(_look_up, _log_density),
)
