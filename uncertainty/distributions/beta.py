"""Beta and PERT: the inverse incomplete beta function, tabulated where its shape is known.

Where the shape is known when a file is loaded, a table of the logit over the score, filled by
SciPy, makes the quantile as cheap as a formula.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import log_sigmoid, sigmoid
from jax.scipy.special import betainc, gammaln, ndtr, xlog1py, xlogy
from scipy import optimize, special

from uncertainty.arrays import Floats
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
    with_exact_slope,
    within,
)

_TINY = 1e-300
_WIDEST = 690.0
_HALVINGS = 64


def log_inverse(a: Floats, b: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Logarithms of the quantile and of its distance from 1, each to full accuracy."""
    below, above = special.ndtr(z), special.ndtr(-z)
    lower = below < above
    near_0 = special.betaincinv(a, b, np.where(lower, below, 0.5))
    near_1 = special.betaincinv(b, a, np.where(lower, 0.5, above))
    x, rest = np.where(lower, near_0, 1 - near_1), np.where(lower, 1 - near_0, near_1)
    return _log_of(x, rest, a, b, z), _log_of(rest, x, b, a, -z)


def _log_of(x: Floats, rest: Floats, a: Floats, b: Floats, z: Floats) -> Floats:
    """Logarithm from the side that keeps digits; ``x^a / (a B(a, b))`` where it underflows."""
    small = (special.log_ndtr(z) + np.log(a) + special.betaln(a, b)) / a
    plain = np.where(rest < 0.5, np.log1p(-np.minimum(rest, 0.5)), np.log(np.maximum(x, _TINY)))
    return np.asarray(np.where(x > _TINY, plain, np.minimum(small, np.log(_TINY))))


def _log_beta(a: Array, b: Array) -> Array:
    """Log of the beta function; JAX's own is good to 1e-6 only."""
    return gammaln(a) + gammaln(b) - gammaln(a + b)


@jax.custom_jvp
def logit_quantile(a: Array, b: Array, z: Array) -> Array:
    """Logit of the exact quantile, for shapes that vary from draw to draw: by halving.

    The tail that is smaller is solved for, so that both ends keep their digits.
    """
    upper = z > 0
    first, second = jnp.where(upper, b, a), jnp.where(upper, a, b)
    tail = ndtr(-jnp.abs(z))

    def step(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        reached = betainc(first, second, sigmoid(middle)) >= tail
        return jnp.where(reached, low, middle), jnp.where(reached, middle, high)

    start = jnp.zeros_like(tail + first)
    logit = jax.lax.fori_loop(0, _HALVINGS, step, (start - _WIDEST, start + _WIDEST))[1]
    return jnp.where(upper, -logit, logit)


@logit_quantile.defjvp
def _logit_quantile_jvp(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Differentiate ``F(x; a, b) = ndtr(z)``: the implicit function theorem."""
    (a, b, z), (da, db, dz) = primals, tangents
    logit = logit_quantile(a, b, z)
    log_density = a * log_sigmoid(logit) + b * log_sigmoid(-logit) - _log_beta(a, b)
    by_a, by_b = _slopes(a, b, sigmoid(logit))
    by_z = jnp.exp(-0.5 * z * z - LOG_ROOT_2PI - log_density)
    return logit, by_z * dz - (by_a * da + by_b * db) / jnp.exp(log_density)


def _slopes(a: Array, b: Array, x: Array) -> tuple[Array, Array]:
    """Slopes of the incomplete beta function in its shapes, which JAX does not have."""
    share = float(np.finfo(x.dtype).eps) ** (1 / 3)
    step_a, step_b = share * a, share * b
    by_a = (betainc(a + step_a, b, x) - betainc(a - step_a, b, x)) / (2 * step_a)
    by_b = (betainc(a, b + step_b, x) - betainc(a, b - step_b, x)) / (2 * step_b)
    return by_a, by_b


def _beta(fields: Fields) -> Params:
    low, high = fields.get("low", jnp.zeros(())), fields.get("high", jnp.ones(()))
    if "alpha" in fields:
        return fields["alpha"], fields["beta"], low, high
    mean, sd = (fields["mean"] - low) / (high - low), fields["sd"] / (high - low)
    size = mean * (1 - mean) / sd**2 - 1
    return mean * size, (1 - mean) * size, low, high


def _pert(fields: Fields) -> Params:
    """Shapes ``1 + 4 (mode - low)/(high - low)`` and ``1 + 4 (high - mode)/(high - low)``.

    Source: Malcolm et al. (1959), Operations Research 7, 646.
    """
    low, mode, high = (fields[key] for key in ("low", "mode", "high"))
    width = high - low
    return 1 + 4 * (mode - low) / width, 1 + 4 * (high - mode) / width, low, high


def _quantile(params: Params, z: Array) -> Array:
    a, b, low, high = params
    return low + (high - low) * sigmoid(logit_quantile(a, b, z))


def _score(params: Params, x: Array) -> Array:
    a, b, low, high = params
    unit = jnp.clip((x - low) / (high - low), 0.0, 1.0)
    shape = jnp.broadcast_shapes(jnp.shape(a), jnp.shape(b), jnp.shape(unit))
    first, second, place = (
        jnp.stack([jnp.broadcast_to(x, shape) for x in pair])
        for pair in ((a, b), (b, a), (unit, 1 - unit))
    )
    return score_of(*betainc(first, second, place))  # one call: its loops are long to compile


def _log_density(params: Params, x: Array) -> Array:
    a, b, low, high = params
    unit = (x - low) / (high - low)
    density = xlogy(a - 1, unit) + xlog1py(b - 1, -unit) - _log_beta(a, b) - jnp.log(high - low)
    return within(low, x, high, density)


def _table(params: Params) -> Floats:
    """Tabulate the logit."""
    a, b = (np.asarray(value, np.float64) for value in params[:2])
    log_x, log_rest = log_inverse(a, b, GRID)
    log_density = a * log_x + b * log_rest - special.betaln(a, b)
    return fill(log_x - log_rest, -0.5 * GRID * GRID - LOG_ROOT_2PI - log_density)


def _look_up(params: Params, table: Array, z: Array) -> Array:
    _, _, low, high = params
    return low + (high - low) * sigmoid(interpolate(table, z))


def _solve(fields: Mapping[str, float]) -> dict[str, float]:
    """Find the shapes of a beta from two percentiles.

    Raises
    ------
    ValueError
        If the search does not end at the percentiles given.
    """
    pairs = percentiles_in(fields)
    if not pairs:
        return dict(fields)
    low, high = fields.get("low", 0.0), fields.get("high", 1.0)
    targets = np.array([(fields[key] - low) / (high - low) for _, key in pairs])
    probabilities = np.array([p for p, _ in pairs])

    def gap(log_shapes: Floats) -> Floats:
        a, b = np.exp(np.clip(log_shapes, -25, 25))
        got = np.clip(special.betainc(a, b, targets), 1e-15, 1 - 1e-15)
        return np.asarray(special.logit(got) - special.logit(probabilities))

    start = _starting_shapes(targets, probabilities)
    starts = (start + shift for shift in (0.0, -1.0, 1.0, -2.0, 2.0, -4.0, 4.0))
    tried = (optimize.root(gap, place, method="hybr", tol=1e-12).x for place in starts)
    found = next((x for x in tried if np.abs(gap(x)).max() < 1e-8), None)
    if found is None:
        raise ValueError("no beta distribution was found with these percentiles")
    alpha, beta = np.exp(found)
    return {"alpha": float(alpha), "beta": float(beta), "low": low, "high": high}


def _starting_shapes(targets: Floats, probabilities: Floats) -> Floats:
    """Match a normal through the logits, then its mean and spread."""
    slope = np.ptp(special.logit(targets)) / np.ptp(special.ndtri(probabilities))
    center = special.logit(targets).mean() - slope * special.ndtri(probabilities).mean()
    mean = special.expit(center)
    size = max(1 / (slope**2 * mean * (1 - mean)), 0.5)
    return np.asarray(np.log([mean * size, (1 - mean) * size]))


def _valid(params: Params) -> Array:
    a, b, low, high = params
    return (a > 0) & (b > 0) & (low < high)


def _valid_pert(params: Params) -> Array:
    a, b, low, high = params
    return (a >= 1) & (b >= 1) & (low < high)


def _ends(params: Params) -> Floats:
    return np.asarray(params[2:], np.float64)


_look_up_exactly = with_exact_slope(_look_up, _log_density)
BETA = Kernel(
    _beta, _quantile, _score, _log_density, _valid, _ends, _solve, _table, _look_up_exactly
)
PERT = Kernel(
    _pert, _quantile, _score, _log_density, _valid_pert, _ends, None, _table, _look_up_exactly
)
