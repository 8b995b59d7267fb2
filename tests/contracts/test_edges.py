"""Families at the ends of their parameters: right, rising and with finite slopes."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, log_ndtr, ndtr

from uncertainty.arrays import in_float64
from uncertainty.distributions import compile_law
from uncertainty.files import Law

Z = np.linspace(-6, 6, 601)
BELOW, ABOVE = ndtr(Z), ndtr(-Z)


@partial(jax.jit, static_argnames="slopes")
def _apply(compiled, points, slopes=False):
    quantile = jax.grad(compiled.quantile) if slopes else compiled.quantile
    return jax.vmap(lambda z: quantile(z, {}))(points)


def by_scipy(law):
    return np.where(Z < 0, law.ppf(BELOW), law.isf(ABOVE))


def tail_of_t(df):
    """Far from the median Student's t is a power of the probability beyond."""
    log_c = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    log_c += (df + 1) / 2 * np.log(df) - np.log(df)
    return np.sign(Z) * np.exp((log_c - log_ndtr(-np.abs(Z))) / df)


EDGES = [
    ("beta", {"alpha": 1e6, "beta": 1e6}, by_scipy(stats.beta(1e6, 1e6)), Z > -9, 1e-11),
    # Almost a coin: the upper half of the draws is 1 to the last digit.
    ("beta", {"alpha": 1e-3, "beta": 1e-3}, np.round(by_scipy(stats.beta(1e-3, 1e-3))), np.abs(Z) > 1, 1e-15),
    ("gamma", {"shape": 1e-3, "scale": 2.0}, by_scipy(stats.gamma(1e-3, scale=2)), Z > 0, 1e-8),
    ("gamma", {"shape": 1e6, "scale": 2.0}, by_scipy(stats.gamma(1e6, scale=2)), Z > -9, 1e-10),
    ("student_t", {"df": 0.05, "loc": 0.0, "scale": 1.0}, tail_of_t(0.05), np.abs(Z) > 2, 1e-9),
    ("student_t", {"df": 1e6, "loc": 0.0, "scale": 1.0}, by_scipy(stats.t(1e6)), np.abs(Z) > 0.1, 1e-9),
    ("weibull", {"shape": 0.05, "scale": 3.0}, 3 * (-np.where(Z < 0, np.log1p(-BELOW), log_ndtr(-Z))) ** 20, Z > -9, 1e-12),
    ("exponential", {"mean": 1e-300}, -1e-300 * np.where(Z < 0, np.log1p(-BELOW), log_ndtr(-Z)), Z > -4, 1e-12),
    ("lognormal", {"median": 1.0, "sigma": 20.0}, np.exp(20 * Z), Z > -9, 1e-12),
    ("loguniform", {"low": 1e-300, "high": 1e300}, 10 ** (300 * (BELOW - ABOVE)), Z > -9, 1e-11),
    ("triangular", {"low": 0.0, "mode": 0.0, "high": 1.0}, 1 - np.sqrt(ABOVE), Z > -2, 1e-13),
    ("triangular", {"low": 0.0, "mode": 1.0, "high": 1.0}, np.sqrt(BELOW), Z > -9, 1e-13),
    ("pert", {"low": 0.0, "mode": 0.0, "high": 1.0}, -np.expm1(log_ndtr(-Z) / 5), Z > -5, 1e-10),
    ("pert", {"low": 0.0, "mode": 1.0, "high": 1.0}, BELOW**0.2, Z > -9, 1e-10),
    ("arcsine", {"low": 0.0, "high": 1e300}, 1e300 * np.sin(np.pi / 2 * BELOW) ** 2, Z > -9, 1e-12),
    ("quantiles", {f"{p:.3f}": float(stats.norm.ppf(p)) for p in np.arange(1, 200) / 200}, Z, np.abs(Z) < 2.5, 1e-12),
]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "fields", "exact", "where", "limit"), EDGES, ids=lambda x: str(x)[:30]
)
def test_a_family_at_its_edge_is_right_and_rises(family, fields, exact, where, limit):
    compiled = in_float64(compile_law)(Law(family, tuple(fields.items())))
    x = np.asarray(in_float64(_apply)(compiled, Z))
    assert (np.diff(x) >= 0).all()
    # A coin gives 0 but for 300 places, and 0 is the median of a symmetric law.
    near_0 = limit if family == "quantiles" or fields.get("alpha") == 1e-3 else 0.0
    np.testing.assert_allclose(x[where], exact[where], rtol=limit, atol=near_0)
    slopes = np.asarray(in_float64(_apply)(compiled, Z, slopes=True))
    assert np.isfinite(slopes).all()
    assert (slopes >= 0).all()
