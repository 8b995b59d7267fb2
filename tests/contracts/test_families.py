"""Every family against SciPy: quantiles, scores, densities, truncation, names as parameters."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr, ndtri

from uncertainty.arrays import in_float64
from uncertainty.distributions import FAMILIES, compile_law
from uncertainty.files import Law, Reference
from uncertainty.files.families import FAMILIES as ROWS

LEVELS = np.concatenate([[1e-3, 0.01], np.linspace(0.02, 0.98, 97), [0.99, 0.999]])
# All are evaluated at as many points, so that compiled operations are shared; where a family's
# table ends, densities and slopes are not looked at.
INNER = (LEVELS[0] < LEVELS) & (LEVELS[-1] > LEVELS)
P5, P95 = 0.05, 0.95


def percentiles(reference):
    return {"p5": float(reference.ppf(P5)), "p95": float(reference.ppf(P95))}


def points(reference, *levels):
    return {str(level): float(reference.ppf(level)) for level in levels}


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
    ("gamma", {"shape": 2.5, "scale": 3.0}, stats.gamma(2.5, scale=3)),
    ("gamma", {"shape": 0.05, "scale": 1.0}, stats.gamma(0.05)),
    ("gamma", {"shape": 400.0, "scale": 0.1}, stats.gamma(400, scale=0.1)),
    ("gamma", {"mean": 6.0, "sd": 2.0}, stats.gamma(9, scale=6 / 9)),
    ("gamma", percentiles(stats.gamma(0.7, scale=40)), stats.gamma(0.7, scale=40)),
    ("gamma", percentiles(stats.gamma(5000, scale=2)), stats.gamma(5000, scale=2)),
    ("student_t", {"df": 3.0, "loc": 1.0, "scale": 2.0}, stats.t(3, 1, 2)),
    ("student_t", {"df": 1.0, "loc": 0.0, "scale": 1.0}, stats.cauchy()),
    ("student_t", {"df": 0.4, "loc": 0.0, "scale": 1.0}, stats.t(0.4)),
    ("student_t", {"df": 1e4, "loc": -5.0, "scale": 0.3}, stats.t(1e4, -5, 0.3)),
    ("student_t", {"df": 4.0, **percentiles(stats.t(4, 10, 3))}, stats.t(4, 10, 3)),
    ("exponential", {"mean": 4.0}, stats.expon(scale=4)),
    ("exponential", {"p95": 4.0 * np.log(20)}, stats.expon(scale=4)),
    ("weibull", {"shape": 1.7, "scale": 5.0}, stats.weibull_min(1.7, scale=5)),
    ("weibull", {"shape": 0.4, "scale": 5.0}, stats.weibull_min(0.4, scale=5)),
    ("weibull", percentiles(stats.weibull_min(3, scale=2)), stats.weibull_min(3, scale=2)),
    ("arcsine", {"low": -2.0, "high": 3.0}, stats.arcsine(-2, 5)),
    ("arcsine", percentiles(stats.arcsine(1, 4)), stats.arcsine(1, 4)),
    ("quantiles", points(stats.norm(3, 2), 0.1, 0.5, 0.95), stats.norm(3, 2)),
    ("quantiles", {**points(lognormal(30, 0.8), 0.05, 0.5, 0.9), "0": 0.0}, lognormal(30, 0.8)),
]  # fmt: skip
TABLED = {"beta", "pert", "gamma", "student_t"}
IDS = [f"{family}-{'-'.join(fields)}-{i}" for i, (family, fields, _) in enumerate(CASES)]
SOLVED = 1e-8
TABLE = 1e-9
CLOSED = 1e-9
DENSITY = 1e-9


def law(family, fields, **ends):
    return compile_law(Law(family, tuple(fields.items())), **ends)


def _apply(compiled, points, what):
    # Not compiled: operations of one shape are shared by all families, whole programs are not.
    return jax.vmap(lambda x: getattr(compiled, what)(x, {}))(points)


def apply(compiled, points, what):
    return np.asarray(in_float64(_apply)(compiled, np.asarray(points, float), what))


def scale(reference):
    """What an error is measured against: the value or the interquartile range."""
    return np.maximum(np.abs(reference.ppf(LEVELS)), reference.ppf(0.75) - reference.ppf(0.25))


def tolerance(family, fields):
    if any(key.startswith("p") for key in fields) and family in TABLED:
        return SOLVED + TABLE
    return TABLE if family in TABLED else CLOSED


def test_every_family_is_tested_and_stated():
    assert set(ROWS) == set(FAMILIES) - {"fixed"}
    assert {family for family, _, _ in CASES} == set(FAMILIES) - {"fixed", "empirical", "choice"}


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
        points = reference.ppf(LEVELS)
        found = apply(in_float64(law)(family, fields), points, "log_density")
        smooth = (reference.pdf(points) > 0) & INNER
        np.testing.assert_allclose(
            found[smooth], reference.logpdf(points)[smooth], rtol=DENSITY, atol=DENSITY
        )


# What is cut off is the law, however it was stated.
CUT = [
    pytest.param(*case, id=name)
    for name, case in zip(IDS, CASES, strict=True)
    if not any(key.startswith("p") for key in case[1])
]


@pytest.mark.parametrize(("family", "fields", "reference"), CUT)
def test_truncation_keeps_inside_and_scales_up(family, fields, reference):
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
        scores = np.full(len(LEVELS), tail)
        found = apply(in_float64(law)(family, fields), scores, "quantile")[0]
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


DYNAMIC = [case for case in CASES if not ("p5" in case[1] and case[0] in TABLED)]


@pytest.mark.parametrize(("family", "fields", "reference"), DYNAMIC, ids=lambda x: str(x)[:30])
def test_parameters_may_be_names(family, fields, reference):
    named = Law(family, tuple((key, Reference(f"its_{key}")) for key in fields))
    values = {f"its_{key}": jnp.asarray(value) for key, value in fields.items()}

    def quantile(z):
        stated = {name: jnp.asarray(value, float) for name, value in values.items()}
        return compile_law(named).quantile(z, stated)

    found = in_float64(lambda: np.asarray(jax.vmap(quantile)(jnp.asarray(ndtri(LEVELS)))))()
    limit = 1e-6 if np.asarray(values["its_" + next(iter(fields))]).dtype == np.float32 else 1e-9
    assert (np.abs(found - reference.ppf(LEVELS)) / scale(reference)).max() < limit


SLOPES = [
    ("beta", {"alpha": 2.0, "beta": 5.0}, lambda p, x: stats.beta.ppf(p, *x)),
    ("gamma", {"shape": 2.0, "scale": 5.0}, lambda p, x: stats.gamma.ppf(p, x[0], scale=x[1])),
    ("student_t", {"df": 3.0, "loc": 1.0, "scale": 2.0}, lambda p, x: stats.t.ppf(p, *x)),
]


@pytest.mark.parametrize(("family", "fields", "ppf"), SLOPES, ids=lambda x: str(x)[:12])
def test_quantiles_have_derivatives_with_respect_to_parameters(family, fields, ppf):
    named = Law(family, tuple((key, Reference(key)) for key in fields))
    scores = np.array([-1.3, 0.0, 0.3])

    def at(values, z):
        return compile_law(named).quantile(z, dict(zip(fields, values, strict=True)))

    def gradients():
        each = jax.vmap(jax.grad(at, argnums=(0, 1)), in_axes=(None, 0))
        by_values, by_score = jax.jit(each)(list(fields.values()), scores)
        return np.stack([*by_values, by_score], axis=1)

    step = 1e-5
    for z, found in zip(scores, in_float64(gradients)(), strict=True):
        place = np.array([*fields.values(), z])
        moved = place + step * np.concatenate([np.eye(len(place)), -np.eye(len(place))])
        upper, lower = np.split(np.array([ppf(stats.norm.cdf(m[-1]), m[:-1]) for m in moved]), 2)
        expected = (upper - lower) / (2 * step)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7, err_msg=str(z))


@pytest.mark.parametrize(("family", "fields", "reference"), CASES, ids=IDS)
def test_the_slope_of_a_quantile_is_one_over_the_density(family, fields, reference):
    compiled, z = in_float64(law)(family, fields), ndtri(LEVELS)
    slopes = apply_gradient(compiled, z)[INNER]
    x = apply(compiled, z, "quantile")[INNER]
    found = stats.norm.logpdf(z[INNER]) - np.log(slopes)
    np.testing.assert_allclose(found, reference.logpdf(x), rtol=DENSITY, atol=DENSITY)


def _slopes(compiled, points):
    return jax.vmap(jax.grad(lambda score: compiled.quantile(score, {})))(points)


def apply_gradient(compiled, z):
    return np.asarray(in_float64(_slopes)(compiled, np.asarray(z, float)))


COLUMN = np.random.default_rng(5).lognormal(5, 1, 1000).round(0)


def column(values=COLUMN, **ends):
    return in_float64(compile_law)(Law("empirical", data=tuple(values)), **ends)


def test_a_data_column_agrees_with_numpy():
    found = apply(column(), ndtri(LEVELS), "quantile")
    np.testing.assert_allclose(found, np.quantile(COLUMN, LEVELS), rtol=1e-12)
    ends = apply(column(), [-40.0, 40.0], "quantile")
    assert ends.tolist() == [COLUMN.min(), COLUMN.max()]


def test_a_data_column_is_inverted_but_for_its_ties():
    found = apply(column(), ndtri(LEVELS), "quantile")
    reached = ndtr(apply(column(), found, "score"))
    before = ndtr(apply(column(), np.nextafter(found, -np.inf), "score"))
    assert (before <= LEVELS + 1e-9).all()
    assert (reached >= LEVELS - 1e-9).all()
    distinct = np.sort(np.random.default_rng(1).normal(size=300))
    found = apply(column(distinct), ndtri(LEVELS), "quantile")
    np.testing.assert_allclose(ndtr(apply(column(distinct), found, "score")), LEVELS, atol=1e-9)


def test_a_data_column_has_the_density_of_its_steps():
    distinct = np.array([0.0, 1.0, 3.0, 10.0])
    found = apply(column(distinct), [-1.0, 0.5, 2.0, 4.0, 11.0], "log_density")
    expected = [-np.inf, -np.log(3), -np.log(6), -np.log(21), -np.inf]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


ENDS = [{}, {"0": 2.0}, {"1": 500.0}, {"0": -5.0, "1": 301.0}]


class TestQuantiles:
    stated: ClassVar = {"0.05": 10.0, "0.5": 40.0, "0.75": 45.0, "0.95": 300.0}

    @pytest.mark.parametrize("ends", ENDS, ids=str)
    def test_passes_through_the_points_and_goes_on(self, ends):
        compiled = in_float64(law)("quantiles", {**self.stated, **ends})
        levels = np.array([float(key) for key in self.stated])
        np.testing.assert_allclose(
            apply(compiled, ndtri(levels), "quantile"), list(self.stated.values()), rtol=1e-12
        )
        far = apply(compiled, [-5.0, -4.0, -3.0, 2.0, 2.5, 3.0], "quantile")
        assert (np.diff(far) > 0).all()
        assert far.min() > ends.get("0", -np.inf)
        assert far.max() < ends.get("1", np.inf)

    @pytest.mark.parametrize("ends", ENDS, ids=str)
    def test_rises_smoothly(self, ends):
        compiled = in_float64(law)("quantiles", {**self.stated, **ends})
        z = np.linspace(-3, 2.5, 20001)
        x = apply(compiled, z, "quantile")
        assert (np.diff(x) > 0).all()
        np.testing.assert_allclose(apply(compiled, x, "score"), z, atol=1e-8)
        slopes = apply_gradient(compiled, z)
        assert (slopes > 0).all()
        coarse, fine = (np.abs(np.diff(slopes[::step])).max() for step in (10, 1))
        assert fine < 0.15 * coarse  # at a kink the jump of the slope would stay as it is

    def test_two_points_are_a_normal(self):
        compiled = in_float64(law)("quantiles", points(stats.norm(5, 2), 0.2, 0.9))
        found = apply(compiled, ndtri(LEVELS), "quantile")
        np.testing.assert_allclose(found, stats.norm(5, 2).ppf(LEVELS), rtol=1e-12, atol=1e-12)

    def test_values_may_be_names(self):
        named = Law("quantiles", (("0.1", Reference("a")), ("0.5", 4.0), ("0.9", 9.0)))

        def at(a, z):
            return compile_law(named).quantile(z, {"a": a})

        found = in_float64(
            lambda: [float(jax.jit(at)(jnp.asarray(a), ndtri(0.1))) for a in (1.0, 5.0)]
        )()
        assert found[0] == pytest.approx(1.0, rel=1e-12)
        assert np.isnan(found[1])


def test_percentiles_that_no_beta_has_are_a_fault():
    with pytest.raises(ValueError, match="no beta distribution"):
        law("beta", {"p5": 0.49999999, "p95": 0.50000001})


def test_percentiles_that_no_gamma_has_are_a_fault():
    with pytest.raises(ValueError, match="no gamma distribution"):
        law("gamma", {"p5": 1.0, "p95": 1.0000001})
