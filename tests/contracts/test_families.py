"""Every family against SciPy: quantiles, scores, densities, truncation, names as parameters."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from uncertainty.families import FAMILIES
from uncertainty.laws import compile_law
from uncertainty.precision import in_float64
from uncertainty.spec import FAMILY_CLASSES, Law, Reference

LEVELS = np.concatenate([[1e-3, 0.01], np.linspace(0.02, 0.98, 97), [0.99, 0.999]])
P5, P95 = 0.05, 0.95


def percentiles(reference):
    return {"p5": float(reference.ppf(P5)), "p95": float(reference.ppf(P95))}


def pert(low, mode, high):
    width = high - low
    a, b = 1 + 4 * (mode - low) / width, 1 + 4 * (high - mode) / width
    return stats.beta(a, b, low, width)


def lognormal(median, sigma):
    return stats.lognorm(sigma, scale=median)


CASES = [
    ("uniform", {"low": -1.0, "high": 3.0}, stats.uniform(-1, 4)),
    ("uniform", percentiles(stats.uniform(2, 3)), stats.uniform(2, 3)),
    ("loguniform", {"low": 0.1, "high": 50.0}, stats.loguniform(0.1, 50)),
    ("loguniform", percentiles(stats.loguniform(1, 9)), stats.loguniform(1, 9)),
    ("normal", {"mean": 3.0, "sd": 0.5}, stats.norm(3, 0.5)),
    ("normal", percentiles(stats.norm(-3, 2)), stats.norm(-3, 2)),
    ("normal", {"p25": -1.0, "p50": 2.0}, stats.norm(2, 3 / -ndtri(0.25))),
    ("lognormal", {"median": 75e9, "sigma": 0.8}, lognormal(75e9, 0.8)),
    ("lognormal", {"mean": 2.0, "sd": 3.0}, lognormal(2 / np.sqrt(1 + 9 / 4), np.sqrt(np.log(1 + 9 / 4)))),
    ("lognormal", percentiles(lognormal(3, 1.2)), lognormal(3, 1.2)),
    ("beta", {"alpha": 4.0, "beta": 36.0}, stats.beta(4, 36)),
    ("beta", {"alpha": 0.5, "beta": 0.7}, stats.beta(0.5, 0.7)),
    ("beta", {"alpha": 200.0, "beta": 2.0}, stats.beta(200, 2)),
    ("beta", {"mean": 0.7, "sd": 0.1, "low": 0.0, "high": 1.0}, stats.beta(14, 6, 0, 1)),
    ("beta", {"alpha": 2.0, "beta": 5.0, "low": -3.0, "high": 7.0}, stats.beta(2, 5, -3, 10)),
    ("beta", percentiles(stats.beta(6.5, 2.5)), stats.beta(6.5, 2.5)),
    ("beta", {**percentiles(stats.beta(2, 9, 1, 4)), "low": 1.0, "high": 5.0}, stats.beta(2, 9, 1, 4)),
    ("triangular", {"low": 1.0, "mode": 2.0, "high": 6.0}, stats.triang(0.2, 1, 5)),
    ("triangular", {"low": 1.0, "mode": 1.0, "high": 6.0}, stats.triang(0, 1, 5)),
    ("triangular", {"low": 1.0, "mode": 6.0, "high": 6.0}, stats.triang(1, 1, 5)),
    ("pert", {"low": 1.0, "mode": 4.0, "high": 20.0}, pert(1, 4, 20)),
    ("pert", {"low": 0.7, "mode": 1.0, "high": 1.0}, pert(0.7, 1.0, 1.0)),
]  # fmt: skip
IDS = [f"{family}-{'-'.join(fields)}-{i}" for i, (family, fields, _) in enumerate(CASES)]
SOLVED = 1e-8
TABLE = 1e-7
CLOSED = 1e-9


def law(family, fields, **ends):
    return compile_law(Law(family, tuple(fields.items())), **ends)


@partial(jax.jit, static_argnames="what")
def _apply(compiled, points, what):
    return jax.vmap(lambda x: getattr(compiled, what)(x, {}))(points)


def apply(compiled, points, what):
    return np.asarray(in_float64(_apply)(compiled, np.asarray(points, float), what))


def scale(reference):
    """What an error is measured against: the value or the interquartile range."""
    return np.maximum(np.abs(reference.ppf(LEVELS)), reference.ppf(0.75) - reference.ppf(0.25))


def tolerance(family, fields):
    if any(key.startswith("p") for key in fields) and family == "beta":
        return SOLVED + TABLE
    return TABLE if family in {"beta", "pert"} else CLOSED


def test_every_family_is_tested_and_stated():
    assert set(FAMILY_CLASSES) - {"choice"} == set(FAMILIES) - {"fixed"}
    assert {family for family, _, _ in CASES} == set(FAMILIES) - {"fixed"}


@pytest.mark.parametrize(("family", "fields", "reference"), CASES, ids=IDS)
class TestAgainstSciPy:
    def test_quantiles(self, family, fields, reference):
        found = apply(in_float64(law)(family, fields), ndtri(LEVELS), "quantile")
        error = np.abs(found - reference.ppf(LEVELS)) / scale(reference)
        assert error.max() < tolerance(family, fields)

    def test_scores_invert_quantiles(self, family, fields, reference):
        found = apply(in_float64(law)(family, fields), reference.ppf(LEVELS), "score")
        np.testing.assert_allclose(found, ndtri(LEVELS), atol=1e-6)

    def test_log_densities(self, family, fields, reference):
        points = reference.ppf(LEVELS[1:-1])
        found = apply(in_float64(law)(family, fields), points, "log_density")
        smooth = reference.pdf(points) > 0
        np.testing.assert_allclose(
            found[smooth], reference.logpdf(points)[smooth], rtol=1e-7, atol=1e-7
        )

    def test_truncation_keeps_inside_and_scales_up(self, family, fields, reference):
        low, high = (float(reference.ppf(p)) for p in (0.3, 0.8))
        compiled = in_float64(law)(family, fields, low=low, high=high)
        found = apply(compiled, ndtri(LEVELS), "quantile")
        assert found.min() >= low
        assert found.max() <= high
        error = np.abs(found - reference.ppf(0.3 + 0.5 * LEVELS)) / scale(reference)
        assert error.max() < 3 * tolerance(family, fields)
        np.testing.assert_allclose(apply(compiled, found, "score"), ndtri(LEVELS), atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 400), st.floats(0.1, 400))
def test_a_table_is_as_good_as_the_inverse_that_filled_it(a, b):
    reference = stats.beta(a, b)
    found = apply(in_float64(law)("beta", {"alpha": a, "beta": b}), ndtri(LEVELS), "quantile")
    assert (np.abs(found - reference.ppf(LEVELS)) / scale(reference)).max() < 1e-5
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("tail", [-6.0, 6.0])
def test_far_tails_are_right(tail):
    for family, fields, reference in CASES:
        found = apply(in_float64(law)(family, fields), [tail], "quantile")[0]
        expected = (
            reference.ppf(stats.norm.cdf(tail)) if tail < 0 else reference.isf(stats.norm.sf(tail))
        )
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-9), (family, fields)


def test_truncation_far_in_the_upper_tail_loses_nothing():
    compiled = in_float64(law)("normal", {"mean": 0.0, "sd": 1.0}, low=7.0)
    found = apply(compiled, ndtri(LEVELS), "quantile")
    np.testing.assert_allclose(found, stats.norm.isf(stats.norm.sf(7) * (1 - LEVELS)), rtol=1e-9)
    found = apply(compiled, found, "score")
    np.testing.assert_allclose(found, ndtri(LEVELS), atol=1e-6)


DYNAMIC = [case for case in CASES if not ({"p5", "p25"} & set(case[1]) and case[0] == "beta")]


@pytest.mark.parametrize(("family", "fields", "reference"), DYNAMIC, ids=lambda x: str(x)[:30])
def test_parameters_may_be_names(family, fields, reference):
    named = Law(family, tuple((key, Reference(f"its_{key}")) for key in fields))
    values = {f"its_{key}": jnp.asarray(value) for key, value in fields.items()}
    levels = LEVELS[::10]

    def quantile(z):
        stated = {name: jnp.asarray(value, float) for name, value in values.items()}
        return compile_law(named).quantile(z, stated)

    found = in_float64(
        lambda: np.asarray(jax.jit(jax.vmap(quantile))(jnp.asarray(ndtri(levels))))
    )()
    limit = 1e-6 if np.asarray(values["its_" + next(iter(fields))]).dtype == np.float32 else 1e-9
    assert (np.abs(found - reference.ppf(levels)) / scale(reference)[::10]).max() < limit


def test_quantiles_have_derivatives_with_respect_to_parameters():
    def at(a, b, z):
        fields = (("alpha", Reference("a")), ("beta", Reference("b")))
        return compile_law(Law("beta", fields)).quantile(z, {"a": a, "b": b})

    def gradient():
        return jax.jit(jax.grad(at, argnums=(0, 1, 2)))(2.0, 5.0, 0.3)

    found = [float(x) for x in in_float64(gradient)()]
    step, p = 1e-6, stats.norm.cdf(0.3)
    slopes = [
        (stats.beta.ppf(p, 2 + step, 5) - stats.beta.ppf(p, 2 - step, 5)) / (2 * step),
        (stats.beta.ppf(p, 2, 5 + step) - stats.beta.ppf(p, 2, 5 - step)) / (2 * step),
        stats.norm.pdf(0.3) / stats.beta.pdf(stats.beta.ppf(p, 2, 5), 2, 5),
    ]
    np.testing.assert_allclose(found, slopes, rtol=1e-5)


def test_percentiles_that_no_beta_has_are_a_fault():
    with pytest.raises(ValueError, match="no beta distribution"):
        law("beta", {"p5": 0.49999999, "p95": 0.50000001})
