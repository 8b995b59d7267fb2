"""Summaries against closed forms, and what they say of themselves."""

import inspect
import re

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

import uncertainty as un
from uncertainty.report.result import (
    above_sentence,
    central_sentence,
    headline,
    split_sentence,
)
from uncertainty.results.estimate import (
    LEVELS,
    exceedance_of_functions,
    interval_of_function,
    quantile,
    quantile_function,
    standard_error,
)
from uncertainty.results.summary import chances, unknown_figures
from uncertainty.results.tree import warnings_of
from uncertainty.sensitivity.sample import draws_where


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
    assert table.attrs == {"prob": 0.8, "kind": "hdi", "group": "prior"}
    assert table["lower"].attrs == {"coverage_probability": 0.8, "coverage_interval": "hdi"}
    assert set(table.dims) == {"quantity", "statistic"}
    errors = {"mcse_mean", "mcse_median", "mcse_lower", "mcse_upper"}
    assert {"mean", "sd", "median", "lower", "upper"} | errors <= set(table.data_vars)


@pytest.mark.parametrize(
    "options", [{"prob": p} for p in (0, 1, 90, None, "0.9", np.nan)] + [{"kind": "95"}]
)
def test_intervals_that_mean_nothing_are_refused(tree, options):
    with pytest.raises(un.InputError, match="must"):
        un.summarize(tree, **options)
    with pytest.raises(un.InputError, match="a finite number"):
        un.exceedance(tree, True)
    with pytest.raises(un.InputError, match="must be one of prior, posterior"):
        un.share_per_query(tree, group="later")


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


@pytest.mark.parametrize("constant", [192.53, 7.1, -1e-7])
def test_a_constant_is_exact_and_without_spread_where_queries_vary_too(constant):
    laws = {
        "a": {"lognormal": {"median": 2, "sigma": 0.3}},
        "t": {"varies": "query", "lognormal": {"median": 3, "sigma": 0.4}},
    }
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws},
        model=lambda a, t: {"y": constant + 0 * a * t, "rounded": (a + t) / (a + t) * constant},
    )
    for tree in (un.simulate(problem, 2**9), un.stream(problem, 2**9)):
        table = un.summarize(tree)
        for name, exact in (("y", {"abs": 0, "rel": 0}), ("rounded", {"rel": 1e-14})):
            row = table.sel(quantity=name)
            for key in ("mean", "median", "lower", "upper"):
                assert row[key].values == pytest.approx(constant, **exact), key
                assert not row[f"mcse_{key}"].values.any()
            assert row["sd"].values == pytest.approx(0, abs=1e-14 * abs(constant))
            assert un.share_per_query(tree, name, "linear") == (0.0, 0.0)
        assert tree.attrs["warnings"] == "[]"
        assert un.exceedance(tree, constant, "y", "mean")[0] == 0


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_queries_of_any_size_have_the_moments_of_others(size):
    laws = {
        "a": {"lognormal": {"median": 2, "sigma": 0.3}},
        "t": {"varies": "query", "lognormal": {"median": 3, "sigma": 0.4}},
    }

    def model(a, t):
        return {"one": a * t, "other": size * a * t}

    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=model)
    for tree in (un.simulate(problem, 2**9), un.stream(problem, 2**9)):
        table = un.summarize(tree).sel(statistic="query")
        one, other = (table.sel(quantity=name) for name in ("one", "other"))
        for key in ("mean", "sd", "mcse_mean", "mcse_sd"):
            assert float(other[key]) / size == pytest.approx(float(one[key]), rel=1e-9), key
        shares = [un.share_per_query(tree, name, "linear") for name in ("one", "other")]
        assert shares[0] == pytest.approx(shares[1])


def test_inputs_are_summarized_in_their_units():
    table = un.summarize_inputs(un.simulate(un.build_problem("gpt-4o"), draws=2**13))
    row = table.sel(input="output_tokens_median")
    assert float(row["p5"]) == pytest.approx(150, abs=5 * float(row["mcse_p5"]))
    assert float(row["p95"]) == pytest.approx(600, abs=5 * float(row["mcse_p95"]))
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


def laws(**families):
    return {"schema": 1, "assumptions": families}


@pytest.fixture(scope="module")
def broken():
    """The logarithm of a normal with mass below 0, once through an expression, with queries."""
    prior = laws(
        x={"normal": {"mean": 1, "sd": 1}},
        y={"expression": "log(x)"},
        t={"varies": "query", "lognormal": {"median": 3, "sigma": 0.8}},
    )
    return un.simulate(un.build_problem(prior, model=lambda y, t: y * t), draws=512)


class TestWhatDrawsCannotTell:
    def test_a_chance_that_no_draw_shows_has_a_bound(self, tree, nested):
        assert un.exceedance(tree, 1e9, "y") == (0, 3 / 2**14)
        assert un.exceedance(tree, -1, "y") == (1, 3 / 2**14)
        # One query may rest on no more than the queries of all chains.
        assert un.exceedance(nested, 1e9, "y", "query") == (0, 3 / (16 * 256))
        assert un.exceedance(nested, 1e9, "y", "typical") == (0, 3 / 2**13)
        sentence = above_sentence(tree, "y", 1e9)
        assert "below 0.018 % (fewer than 3 in 16384 draws, 95 %)" in sentence
        assert "A chance of 1e-06 takes 3e+06 draws" in sentence

    def test_what_is_certain_has_no_error(self):
        prior = laws(x={"fixed": 2})
        fixed = un.simulate(un.build_problem(prior, model=lambda x: x), draws=64)
        assert un.exceedance(fixed, 3, "y") == (0, 0)
        row = un.summarize(fixed, 0.99999).isel(quantity=0, statistic=0)
        assert all(float(row[f"mcse_{key}"]) == 0 for key in ("median", "lower", "upper", "mean"))

    @pytest.mark.parametrize(
        "model",
        [
            lambda x: jnp.where(x > 4.2, 3.0, 1.0),
            lambda x: 10 + jnp.maximum(x - 4.0, 0.0),
            lambda x: jnp.clip(x, -9.0, -4.5),
            lambda x, w: jnp.where((x > 2.9) & (w < -2.9), 3.0, 1.0),
        ],
        ids=["step", "beyond", "clipped", "of two"],
    )
    def test_draws_that_are_all_one_value_do_not_say_that_nothing_is_rarer(self, model):
        names = inspect.signature(model).parameters
        prior = laws(**{name: {"normal": {"mean": 0, "sd": 1}} for name in names})
        tree = un.simulate(un.build_problem(prior, model=model), draws=512)
        table = un.summarize(tree).sel(quantity="y")
        row = table.isel(statistic=0)
        assert np.isinf([float(row[f"mcse_{key}"]) for key in ("mean", "sd")]).all()
        assert "too rare for so few draws" in central_sentence(
            tree, headline(tree, "y", [un.summarize(tree)])
        )
        assert unknown_figures(table)
        flat = un.build_problem(prior, model=lambda **given: 2 + 0 * given["x"])
        certain = un.simulate(flat, draws=512)
        assert float(un.summarize(certain).isel(quantity=0, statistic=0)["mcse_mean"]) == 0

    def test_an_end_beyond_the_draws_is_marked(self, tree, nested):
        for result in (tree, nested):
            for kind in ("eti", "hdi"):
                table = un.summarize(result, 1 - 1e-7, kind).sel(quantity="y")
                assert np.isinf(table["mcse_lower"]).all()
                assert np.isinf(table["mcse_upper"]).all()
                (sentence,) = unknown_figures(table)
                assert f"make {'1e+08' if kind == 'hdi' else '2e+08'} draws" in sentence
            assert not unknown_figures(un.summarize(result, 0.9).sel(quantity="y"))

    def test_nan_is_not_counted_as_below(self, broken):
        share = stats.norm.cdf(-1)
        for statistic in ("typical", "mean", "query"):
            with pytest.raises(un.InputError, match=r"y is not a number for 1[56]\.\d+ %"):
                un.exceedance(broken, 0.3, "y", statistic)
        for scale in ("log", "linear"):
            with pytest.raises(un.InputError, match="y is not a number for"):
                un.share_per_query(broken, "y", scale)
        with pytest.raises(un.InputError, match="y is not a number for"):
            draws_where(broken, "y > 0.3", "typical")
        assert "is not known" in above_sentence(broken, "y", 0.3)
        missing = [row.not_a_number for row in chances(broken, "y", 0.3)]
        assert missing == pytest.approx([share] * 3, abs=0.01)
        table = un.summarize_scenarios({"one": broken, "same": broken}, quantity="y")
        assert np.isnan(table["chance_above"]).all()
        assert np.isnan(un.summarize(broken)["mcse_median"]).all()

    def test_the_share_of_queries_is_told_from_that_of_the_draws_they_reach(self):
        """A statistic is lost with any one of its queries; the others are not."""
        share = 2
        prior = laws(
            a={"lognormal": {"median": 2, "sigma": 0.5}},
            q={"varies": "query", "uniform": {"low": 0, "high": 1}},
        )

        def model(a, q):
            return {"y": jnp.where(q < share / 100, jnp.nan, a * (1 + q)), "other": a}

        problem = un.build_problem(prior, model=model)
        few = {"quantities": ["y"], "seed": 0}
        results = [un.simulate(problem, draws=512, **few), un.stream(problem, 512, **few)]
        for tree in results:
            [warning, *_] = warnings_of(tree)
            assert float(warning.split(" for ")[1].split(" %")[0]) == pytest.approx(share, abs=0.5)
            refused = [
                lambda tree=tree: un.share_per_query(tree, "y"),
                *(
                    lambda tree=tree, s=s: un.exceedance(tree, 1, "y", s)
                    for s in ("typical", "mean", "query")
                ),
            ]
            refused += [
                lambda s=s, tree=tree: draws_where(tree, "y > 1", s) for s in ("typical", "query")
            ] * (tree is results[0])
            for ask in refused:
                with pytest.raises(un.InputError) as caught:
                    ask()
                words = str(caught.value).split()
                assert "y is not a number for" in str(caught.value)
                found = [float(words[i - 1]) for i, word in enumerate(words) if word == "%"]
                assert found[0] == pytest.approx(share, abs=1.5)
                assert found[1:] == [100]
            assert "100 % of the draws" in above_sentence(tree, "y", 1)
            assert "cannot be split: y is not" in split_sentence(tree, "y")
            figures = un.summarize(tree).sel(quantity="y")
            for key in ("mean", "median", "lower", "upper"):
                assert np.isnan(figures[key]).all()

    def test_a_warning_names_the_input_that_causes_it(self, broken):
        assert re.search(r"for example at .*x = -\d", broken.attrs["warnings"])

    def test_a_mean_that_the_tail_rules_is_marked(self):
        prior = laws(a={"lognormal": {"median": 1, "sigma": 20}})
        row = un.simulate(un.build_problem(prior, model=lambda a: a), draws=2**13)
        table = un.summarize(row).sel(quantity="y")
        assert np.isinf(table["mcse_mean"]).all()
        assert np.isinf(table["mcse_sd"]).all()
        assert np.isfinite(table["mcse_median"]).all()
        assert "the mean of y is ruled by a few draws" in unknown_figures(table)[0]

    def test_a_mean_over_queries_that_the_tail_rules_is_marked(self):
        prior = laws(
            a={"lognormal": {"median": 2, "sigma": 0.5}},
            t={"varies": "query", "lognormal": {"median": 3, "sigma": 6}},
        )
        found = un.simulate(un.build_problem(prior, model=lambda a, t: a * t), draws=512)
        table = un.summarize(found).sel(quantity="y")
        for key in ("mean", "median", "lower", "upper"):
            assert np.isinf(table[f"mcse_{key}"].sel(statistic="mean"))
            assert np.isfinite(table[f"mcse_{key}"].sel(statistic="typical"))
        assert un.exceedance(found, 10, "y", "mean")[1] == np.inf
        assert un.share_per_query(found, "y", "linear")[1] == np.inf
        assert un.share_per_query(found, "y")[1] < 0.01

    @pytest.mark.parametrize(
        ("weight", "known"), [(1e-6, False), (0.2, True)], ids=["a chance of 1e-6", "common"]
    )
    def test_a_mean_that_comes_from_a_chance_no_draw_meets_is_marked(self, weight, known):
        prior = laws(x={"choice": {"options": [1, 1e9], "weights": [1 - weight, weight]}})
        problem = un.build_problem(prior, model=lambda x: x)
        for found in (un.simulate(problem, draws=512), un.stream(problem, draws=2**12)):
            assert np.isfinite(un.summarize(found)["mcse_mean"]).all() == known

    def test_declared_moments_that_do_not_exist_are_not_believed(self):
        prior = laws(x={"beta": {"alpha": 0.9, "beta": 5}})
        found = un.simulate(un.build_problem(prior, model=lambda x: 1 / x), draws=64)
        assert np.isinf(un.summarize(found)["mcse_mean"]).all()


@pytest.mark.parametrize("name", ["gpt-4o", pytest.param("frontier-moe", marks=pytest.mark.slow)])
def test_shipped_files_are_not_ruled_by_their_tails(name):
    tree = un.simulate(un.build_problem(name, evidence=[]))
    assert not unknown_figures(un.summarize(tree, 0.99).sel(quantity="energy_wh"))


def test_what_no_query_shows_is_not_known_to_be_none():
    laws = {
        "a": {"lognormal": {"median": 1, "sigma": 0.5}},
        "z": {"varies": "query", "normal": {"mean": 0, "sd": 1}},
    }

    def model(a, z):
        rare = jnp.where(z > 4.04, 1.0, 0.0)
        return {
            "rare": rare,
            "much": a + 1e7 * rare,
            "seen": jnp.where(z > 2, a, 0.0),
            "none": 0 * z,
        }

    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=model)
    table = un.summarize(un.simulate(problem, 256))
    for key in ("mcse_mean", "mcse_sd"):
        known = np.isfinite(table[key]).to_series().unstack("statistic")
        assert known["typical"].all()  # the median over queries is that of all of them
        for statistic in ("mean", "query"):
            assert list(known.index[known[statistic]]) == ["none", "seen"]
