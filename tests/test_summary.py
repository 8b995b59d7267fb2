"""Summaries against closed forms, and what they say of themselves."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

import uncertainty as un
from uncertainty.estimate import (
    LEVELS,
    exceedance_of_functions,
    interval_of_function,
    quantile,
    quantile_function,
    standard_error,
)


@pytest.fixture(scope="module")
def tree(lognormals):
    return un.simulate(un.build_problem(lognormals.priors(), model=lognormals.model), draws=2**14)


@pytest.fixture(scope="module")
def nested():
    laws = {
        "a": {"lognormal": {"median": 2, "sigma": 0.6}},
        "t": {"varies": "query", "lognormal": {"median": 3, "sigma": 0.8}},
    }
    return un.simulate(
        un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, t: a * t)
    )


@pytest.mark.parametrize("prob", [0.5, 0.9, 0.99])
def test_equal_tails(tree, lognormals, prob):
    row = un.summarize(tree, prob).isel(quantity=0, statistic=0)
    for key, p in (("lower", (1 - prob) / 2), ("upper", (1 + prob) / 2)):
        assert abs(float(row[key]) - lognormals.quantile(p)) < 4.5 * float(row[f"mcse_{key}"])


def test_moments(lognormals):
    problem = un.build_problem(lognormals.priors(), model=lognormals.model)
    row = un.summarize(un.simulate(problem)).isel(quantity=0, statistic=0)
    mean = lognormals.median * np.exp(lognormals.total**2 / 2)
    assert float(row["mean"]) == pytest.approx(mean, abs=4.5 * float(row["mcse_mean"]))
    sd = mean * np.sqrt(np.expm1(lognormals.total**2))
    assert float(row["sd"]) == pytest.approx(sd, abs=4.5 * float(row["mcse_sd"]))


def shortest(prob, sigma, median):
    """Length of the shortest interval of a lognormal, by search."""
    low = np.linspace(1e-6, 1 - prob - 1e-9, 20001)
    law = stats.lognorm(sigma, scale=median)
    return (law.ppf(low + prob) - law.ppf(low)).min()


def test_the_shortest_interval_is_as_long_as_it_should_be(tree, lognormals):
    row = un.summarize(tree, 0.8, "hdi").isel(quantity=0, statistic=0)
    length = float(row["upper"] - row["lower"])
    assert length == pytest.approx(shortest(0.8, lognormals.total, lognormals.median), rel=0.02)
    assert float(row["mcse_lower"]) > 0


def test_the_shortest_interval_of_nested_queries(nested):
    row = un.summarize(nested, 0.8, "hdi").isel(quantity=0).sel(statistic="query")
    assert float(row["upper"] - row["lower"]) == pytest.approx(shortest(0.8, 1.0, 6), rel=0.02)
    typical = un.summarize(nested, 0.8, "hdi").isel(quantity=0).sel(statistic="typical")
    assert float(typical["upper"] - typical["lower"]) == pytest.approx(
        shortest(0.8, 0.6, 6), rel=0.03
    )


def test_statistics_are_equal_where_nothing_varies_per_query(tree):
    table = un.summarize(tree)
    for statistic in ("mean", "query"):
        same = table.sel(statistic=statistic).drop_vars("statistic")
        assert same.identical(table.sel(statistic="typical").drop_vars("statistic"))


def test_a_table_says_what_it_is(tree):
    table = un.summarize(tree, 0.8, "hdi")
    assert table.attrs == {"prob": 0.8, "kind": "hdi"}
    assert table["lower"].attrs == {"coverage_probability": 0.8, "coverage_interval": "hdi"}
    assert set(table.dims) == {"quantity", "statistic"}
    errors = {"mcse_mean", "mcse_median", "mcse_lower", "mcse_upper"}
    assert {"mean", "sd", "median", "lower", "upper"} | errors <= set(table.data_vars)


@pytest.mark.parametrize("options", [{"prob": 0}, {"prob": 1}, {"prob": 90}, {"kind": "95"}])
def test_intervals_that_mean_nothing_are_refused(tree, options):
    with pytest.raises(un.InputError, match="must"):
        un.summarize(tree, **options)


def test_exceedance(tree, nested, lognormals):
    chance, error = un.exceedance(tree, 5.0, "y", "typical")
    exact = 1 - ndtr(np.log(5 / lognormals.median) / lognormals.total)
    assert chance == pytest.approx(exact, abs=4.5 * error)
    for statistic, sigma in (("query", 1.0), ("typical", 0.6)):
        chance, error = un.exceedance(nested, 10.0, "y", statistic)
        assert chance == pytest.approx(1 - ndtr(np.log(10 / 6) / sigma), abs=4.5 * error)


def test_split_of_the_variance(nested, tree):
    share, error = un.share_per_query(nested, "y")
    assert share == pytest.approx(0.64, abs=4.5 * error)
    linear, error = un.share_per_query(nested, "y", "linear")
    exact = np.expm1(0.64) * np.exp(0.36) / np.expm1(1.0)
    assert linear == pytest.approx(exact, abs=max(4.5 * error, 0.02))
    assert un.share_per_query(tree, "y") == (0.0, 0.0)


def test_inputs_are_summarized_in_their_units():
    table = un.summarize_inputs(un.simulate(un.build_problem("gpt-4o"), draws=2**13))
    row = table.sel(input="output_tokens_median")
    assert float(row["p5"]) == pytest.approx(150, abs=5 * float(row["mcse_p5"]))
    assert float(row["p95"]) == pytest.approx(800, abs=5 * float(row["mcse_p95"]))
    assert row["units"].item() == "tokens"
    assert "lognormal" in row["law"].item()


class TestKernels:
    values = np.random.default_rng(0).normal(size=(4, 333))

    def test_quantiles_are_hazens(self):
        for p in (0.001, 0.05, 0.5, 0.77, 0.999):
            expected = np.quantile(self.values, p, axis=1, method="hazen")
            np.testing.assert_allclose(quantile(self.values, p), expected)

    def test_quantiles_broadcast_over_rows(self):
        p = np.array([0.1, 0.2, 0.3, 0.4])
        expected = [
            np.quantile(row, q, method="hazen") for row, q in zip(self.values, p, strict=True)
        ]
        np.testing.assert_allclose(quantile(self.values, p), expected)

    def test_nan_gives_nan(self):
        assert np.isnan(quantile(np.array([1.0, np.nan]), 0.5))

    def test_a_quantile_function_holds_the_distribution(self):
        function = quantile_function(self.values)
        np.testing.assert_allclose(function, quantile(self.values.ravel(), LEVELS))
        assert exceedance_of_functions(function[None].repeat(2, 0), -99, 1e3, 1e3) == (1, 3e-3)
        assert exceedance_of_functions(function[None].repeat(2, 0), 99, 1e3, 1e3) == (0, 3e-3)
        low, high = interval_of_function(function, 0.8, "hdi")
        assert high - low <= np.diff(interval_of_function(function, 0.8, "eti"))[0]

    def test_one_chain_has_no_standard_error(self):
        assert np.isnan(standard_error(np.array([1.0])))


def test_a_quantile_of_a_discrete_distribution_is_one_of_its_values():
    laws = {"x": {"choice": {"options": [1, 2], "weights": [0.949, 0.051]}}}
    tree = un.simulate(
        un.build_problem({"schema": 1, "assumptions": laws}, model=lambda x: x), draws=512
    )
    row = un.summarize(tree).isel(quantity=0, statistic=0)
    assert {float(row[key]) for key in ("lower", "median", "upper")} <= {1.0, 2.0}
    row = un.summarize(tree, prob=0.98).isel(quantity=0, statistic=0)
    assert float(row["upper"]) == 2


def test_standard_errors_of_shortest_intervals_are_calibrated(lognormals):
    problem = un.build_problem(lognormals.priors(), model=lognormals.model)
    law = stats.lognorm(lognormals.total, scale=lognormals.median)
    low = np.linspace(1e-6, 0.2 - 1e-6, 100_001)
    place = low[(law.ppf(low + 0.8) - law.ppf(low)).argmin()]
    hits = []
    for seed in range(100):
        row = un.summarize(un.simulate(problem, 2**13, seed), 0.8, "hdi").isel(
            quantity=0, statistic=0
        )
        for key, exact in (("lower", law.ppf(place)), ("upper", law.ppf(place + 0.8))):
            hits.append(
                abs(float(row[key]) - exact) <= stats.t.ppf(0.975, 15) * float(row[f"mcse_{key}"])
            )
    assert 0.90 <= np.mean(hits) <= 0.995
