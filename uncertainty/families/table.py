"""Quantile tables: a bent value over the normal score, cubic between points with exact slopes."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.stats import norm

from uncertainty.families.kernel import Params
from uncertainty.precision import Floats

__all__ = ["GRID", "LOG_ROOT_2PI", "fill", "interpolate", "resolved", "with_exact_slope"]

_CELLS = 3072
_REACH = 12.0  # as far as the tails are probed for moments that do not exist
GRID: Floats = np.linspace(-_REACH, _REACH, _CELLS + 1)
"""Normal scores at which a table is exact."""
_WITHIN = 6.0  # farther out SciPy's own inverses have fewer digits for large shapes
_BEND = 0.1  # a cubic misses by about the cube of this, over 384, of what a cell rises
LOG_ROOT_2PI = float(0.5 * np.log(2 * np.pi))


def fill(values: Floats, log_slopes: Floats) -> Floats:
    """Cubic coefficients in each cell, shape (cells, 4).

    Parameters
    ----------
    values : array
        At `GRID`, on a scale on which the quantile function is smooth.
    log_slopes : array
        Logarithm of their derivative in the score.
    """
    slope = np.exp(log_slopes) * (2 * _REACH / _CELLS)
    rise, left, right = np.diff(values), slope[:-1], slope[1:]
    return np.stack([values[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise], 1)


def resolved(table: Floats) -> bool:
    """Whether slopes change little within each cell, so that a cubic is good to nine digits."""
    _, left, square, cube = table[np.abs(GRID[:-1]) < _WITHIN].T
    rise, right = left + square + cube, left + 2 * square + 3 * cube
    near = (np.abs(left - rise) <= _BEND * rise) & (np.abs(right - rise) <= _BEND * rise)
    return bool(near.all())


def interpolate(table: Array, z: Array) -> Array:
    """Value at the score `z`; the last cells go on beyond the ends."""
    place = (z + _REACH) * (_CELLS / (2 * _REACH))
    cell = jnp.clip(jnp.floor(place), 0, _CELLS - 1).astype(jnp.int32)
    t = place - cell
    c = table[cell]
    return c[..., 0] + t * (c[..., 1] + t * (c[..., 2] + t * c[..., 3]))


def with_exact_slope(
    look_up: Callable[[Params, Array, Array], Array], log_density: Callable[[Params, Array], Array]
) -> Callable[[Params, Array, Array], Array]:
    """Differentiate a look-up as ``phi(z)/p(x)``; its parameters are numbers that stay as they are.

    So densities on the natural scale are as exact as the formula, not as the table.
    """

    @jax.custom_jvp
    def quantile(params: Params, table: Array, z: Array) -> Array:
        return look_up(params, table, z)

    @quantile.defjvp
    def _(
        primals: tuple[Params, Array, Array], tangents: tuple[Params, Array, Array]
    ) -> tuple[Array, Array]:
        params, table, z = primals
        of_table = jax.jvp(partial(look_up, params, table), (z,), (jnp.ones_like(z),))
        x, slope = of_table
        exact = jnp.exp(norm.logpdf(z) - log_density(params, x))
        # In 32 bits a large shape leaves no digits of the formula, and the table keeps its own.
        usable = jnp.isfinite(exact) & (exact > 0) & (z.dtype == jnp.float64)
        return x, jnp.where(usable, exact, slope) * tangents[2]

    return quantile
