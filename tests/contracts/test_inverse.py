"""Mixtures of many parts, and what a truncation leaves far out in a tail: against closed forms."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.distributions import compile_law
from uncertainty.files import Law

P = np.concatenate([[1e-9, 1e-4], np.linspace(0.005, 0.995, 199), [1 - 1e-4, 1 - 1e-9]])


def part(family, **fields):
    return Law(family, tuple(fields.items()))


def mixture(*weighted):
    weights, parts = zip(*weighted, strict=True)
    return Law("mixture", weights=weights, parts=parts)


@partial(jax.jit, static_argnames="what")
def _apply(compiled, points, what):
    return jax.vmap(lambda x: getattr(compiled, what)(x, {}))(points)


@jax.jit
def _slopes(compiled, points):
    return jax.vmap(jax.grad(lambda z: compiled.quantile(z, {})))(points)


def quantiles(law, p=P, **ends):
    compiled = in_float64(compile_law)(law, **ends)
    return np.asarray(in_float64(_apply)(compiled, ndtri(p), "quantile"))


SHAPES = [(2.0 + i, 9.0 - i, 1.0 + i) for i in range(6)]
BETAS = mixture(*((weight, part("beta", alpha=a, beta=b)) for a, b, weight in SHAPES))


def of_betas(function, x):
    weights = np.array([weight for _, _, weight in SHAPES])
    each = [getattr(stats.beta(a, b), function)(x) for a, b, _ in SHAPES]
    return np.tensordot(weights / weights.sum(), each, 1)


@pytest.mark.parametrize("ends", [{}, {"low": 0.1, "high": 0.8}, {"low": 0.5}], ids=str)
def test_a_mixture_of_six_betas_is_inverted_and_has_the_slope_of_its_density(ends):
    low, high = of_betas("cdf", np.array([ends.get("low", 0.0), ends.get("high", 1.0)]))
    compiled = in_float64(compile_law)(BETAS, **ends)
    x = np.asarray(in_float64(_apply)(compiled, ndtri(P), "quantile"))
    np.testing.assert_allclose((of_betas("cdf", x) - low) / (high - low), P, rtol=1e-8, atol=1e-13)
    density = of_betas("pdf", x) / (high - low)
    slopes = np.asarray(in_float64(_slopes)(compiled, ndtri(P)))
    np.testing.assert_allclose(slopes, stats.norm.pdf(ndtri(P)) / density, rtol=1e-7)


def test_a_sharp_peak_a_gap_and_atoms_in_one_mixture():
    law = mixture(
        (1.0, part("beta", alpha=0.3, beta=0.4)),
        (1.0, part("fixed", value=0.0)),
        (1.0, part("fixed", value=0.7)),
        (2.0, part("uniform", low=5.0, high=6.0)),
    )
    x = quantiles(law)
    assert (np.diff(x) >= 0).all()
    beta = stats.beta(0.3, 0.4)
    cut = 0.4 + 0.2 * beta.cdf(0.7)
    # Up to 0.2 the atom at 0, then the beta with the other atom in it, and 0.6 to 1 the uniform.
    expected = np.select(
        [P < 0.2, cut - 0.2 > P, cut > P, P < 0.6],
        [0.0, beta.ppf((P - 0.2) / 0.2), 0.7, beta.ppf((P - 0.4) / 0.2)],
        5 + (P - 0.6) / 0.4,
    )
    single = ~np.isclose(P, 0.6)  # there the quantile is any value of the gap
    np.testing.assert_allclose(x[single], expected[single], rtol=1e-8)
    assert (x == 0.0).sum() == (P < 0.2 + 1e-12).sum()
    assert (x == 0.7).sum() == ((cut - 0.2 < P) & (cut > P)).sum()


def test_a_mixture_of_a_hundred_parts_is_the_mean_of_its_parts():
    places = np.linspace(-20, 20, 100)
    x = quantiles(mixture(*((1.0, part("normal", mean=m, sd=0.3)) for m in places.tolist())))
    below = stats.norm.cdf((x[:, None] - places) / 0.3).mean(1)
    np.testing.assert_allclose(below, P, rtol=1e-8)


FAR = {
    "normal, lower": (part("normal", mean=50.0, sd=1.0), {"low": 3.0, "high": 4.0},
                      stats.truncnorm(-47, -46, 50, 1).ppf),
    "normal, upper": (part("normal", mean=-50.0, sd=1.0), {"low": -4.0, "high": -3.0},
                      lambda p: -stats.truncnorm(-47, -46, 50, 1).ppf(1 - p)),
    "lognormal": (part("lognormal", median=1.0, sigma=0.1), {"high": np.exp(-5.0)},
                  lambda p: np.exp(0.1 * stats.truncnorm(-np.inf, -50).ppf(p))),
    "exponential": (part("exponential", mean=2.0), {"low": 2000.0}, lambda p: 2000 - 2 * np.log1p(-p)),
    "weibull": (part("weibull", shape=2.0, scale=1.0), {"low": 40.0},
                lambda p: np.sqrt(1600 - np.log1p(-p))),
    "gamma, upper": (part("gamma", shape=1.0, scale=3.0), {"low": 300.0},
                     lambda p: 300 - 3 * np.log1p(-p)),
    "gamma, lower": (part("gamma", shape=400.0, scale=1.0), {"high": 1e-3},
                     lambda p: 1e-3 * p ** (1 / 400)),
    "student_t": (part("student_t", df=3.0, loc=0.0, scale=1.0), {"high": -1e200},
                  lambda p: -1e200 * p ** (-1 / 3)),
    "beta, lower": (part("beta", alpha=1000.0, beta=1.0), {"high": 0.1},
                    lambda p: 0.1 * p ** (1 / 1000)),
    "beta, upper": (part("beta", alpha=1.0, beta=500.0), {"low": 0.9},
                    lambda p: 1 - 0.1 * (1 - p) ** (1 / 500)),
    "pert": (part("pert", low=0.0, mode=1.0, high=1.0), {"high": 1e-8}, lambda p: 1e-8 * p**0.2),
    "mixture": (mixture((1.0, part("exponential", mean=2.0)), (3.0, part("normal", mean=0.0, sd=1.0))),
                {"low": 2000.0}, lambda p: 2000 - 2 * np.log1p(-p)),
}  # fmt: skip


@pytest.mark.parametrize("name", FAR)
def test_what_a_truncation_leaves_far_out_is_computed_in_the_tail(name):
    law, ends, exact = FAR[name]
    x = quantiles(law, **ends)
    # Over 1e-3 the density of that gamma is a power but for a factor of 1e-3 at most.
    limit = 1e-3 / 400 if name == "gamma, lower" else 1e-9
    np.testing.assert_allclose(x, exact(P), rtol=limit)


def test_a_truncated_tail_is_drawn_and_too_little_is_refused():
    def problem(**ends):
        law = {"normal": {"mean": 50, "sd": 1}, "truncate": ends}
        return un.build_problem({"schema": 1, "assumptions": {"x": law}}, model=lambda x: x)

    found = un.summarize(un.simulate(problem(low=3, high=4), draws=2**10)).sel(statistic="mean")
    mean = stats.truncnorm(-47, -46, 50, 1).mean()
    assert found["mean"].item() == pytest.approx(mean, abs=4 * found["mcse_mean"].item())
    with pytest.raises(un.InputError, match=r"cuts all of the distribution off \(but for 1 in"):
        problem(low=1e4)


def test_densities_far_out_are_those_of_what_is_left():
    compiled = in_float64(compile_law)(part("normal", mean=50.0, sd=1.0), 3.0, 4.0)
    x = np.linspace(3.01, 3.99, 21)
    found = np.asarray(in_float64(_apply)(compiled, x, "log_density"))
    np.testing.assert_allclose(found, stats.truncnorm(-47, -46, 50, 1).logpdf(x), rtol=1e-9)


def test_the_slope_is_that_of_the_density_where_a_table_no_longer_rises():
    z = np.array([-9.0, 0.5, 8.0, 9.0])  # 1 - x is below what 64 bits tell from 1 in the last
    compiled = in_float64(compile_law)(part("beta", alpha=2.0, beta=1.0))
    x = np.asarray(in_float64(_apply)(compiled, z, "quantile"))
    assert x[-1] == 1.0
    slopes = np.asarray(in_float64(_slopes)(compiled, z))
    np.testing.assert_allclose(slopes, stats.norm.pdf(z) / (2 * x), rtol=1e-8)
