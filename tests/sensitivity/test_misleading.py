"""When each ranking misleads: the examples of priors/README.md."""

import jax.numpy as jnp
import numpy as np
import pytest

import uncertainty as un


def normals(names, model, correlations=()):
    laws = {name: {"normal": {"mean": 0, "sd": 1}} for name in names}
    stated = {"schema": 1, "assumptions": laws, "correlations": list(correlations)}
    return un.build_problem(stated, model=model)


def ranked(problem, method, **options):
    return un.rank_inputs(problem, method=method, **{"scale": "linear", **options})


def near(table, key, name, exact):
    row = table.sel(input=name)
    assert float(row[key]) == pytest.approx(exact, abs=4.5 * float(row[f"{key}_se"]) + 1e-12)


@pytest.fixture(scope="module")
def only_together():
    return normals("ab", lambda a, b: a * b)


@pytest.fixture(scope="module")
def turns_back():
    return normals("ab", lambda a, b: a**2 + 0.1 * b)


def test_first_order_shares_miss_what_acts_only_together(only_together):
    table = ranked(only_together, "sobol", draws=2**16)
    for name in "ab":
        near(table, "first_order", name, 0)
        near(table, "total", name, 1)


def test_shapley_gives_a_share_to_what_the_model_does_not_use():
    pearson = 0.8
    rank = 6 / np.pi * np.arcsin(pearson / 2)
    problem = normals("ab", lambda a, b: a + 0 * b, [{"between": ["a", "b"], "rank": rank}])
    near(ranked(problem, "shapley"), "shapley", "b", pearson**2 / 2)


def test_an_interval_may_narrow_where_the_variance_does_not_fall(only_together):
    table = ranked(only_together, "value", draws=2**17)
    for name in "ab":
        near(table, "variance_reduction", name, 0)
        assert float(table["narrowing"].sel(input=name)) > 0.1


def test_slopes_do_not_see_a_choice():
    laws = {
        "form": {"choice": {"options": [1, 10], "weights": [1, 1]}},
        "x": {"lognormal": {"median": 1, "sigma": 0.1}},
    }
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda form, x: form * x)
    assert float(ranked(problem, "derivative", scale="log")["mean_square"].sel(input="form")) == 0
    assert float(ranked(problem, "sobol", scale="log")["total"].sel(input="form")) > 0.95


@pytest.mark.parametrize(
    ("method", "key"), [("tornado", "swing"), ("correlation", "rank_correlation")]
)
def test_swings_and_correlations_miss_what_turns_back(turns_back, method, key):
    assert ranked(turns_back, method)["input"].values[0] == "b"
    near(ranked(turns_back, method), key, "a", 0)
    assert float(ranked(turns_back, "sobol")["total"].sel(input="a")) > 0.98


@pytest.mark.parametrize("method", ["delta", "pawn"])
def test_distances_of_distributions_scatter_about_0_for_what_does_nothing(method):
    problem = normals("abc", lambda a, b, c: a + 0.5 * b + 0 * c)
    table = ranked(problem, method)
    near(table, method, "c", 0)
    assert 0 < float(table[f"{method}_se"].sel(input="c")) < 0.02


def test_the_order_may_differ_between_the_scales():
    """A rare factor of 30 rules the variance in Wh; a common factor of 3 that of its logarithm."""
    laws = {
        "rare": {"choice": {"options": [1, 30], "weights": [0.98, 0.02]}},
        "common": {"lognormal": {"median": 1, "sigma": 0.8}},
    }
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda rare, common: rare * common
    )
    firsts = [ranked(problem, "sobol", scale=s)["input"].values[0] for s in ("linear", "log")]
    assert firsts == ["rare", "common"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sobol", "value", "derivative", "correlation"])
def test_standard_errors_are_calibrated(method):
    """Over 200 seeds the spread is what the standard errors say, within their own scatter."""
    laws = {n: {"lognormal": {"median": 1, "sigma": s}} for n, s in (("a", 0.8), ("b", 0.5))}
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda a, b: a * b + jnp.sqrt(b)
    )
    draws = {"value": 2**12}.get(method, 2**10)
    tables = [un.rank_inputs(problem, method=method, draws=draws, seed=s) for s in range(200)]
    keys = [
        k for k, v in tables[0].data_vars.items() if v.dims == ("input",) and f"{k}_se" in tables[0]
    ]
    for key in keys:
        for name in "ab":
            found = np.array([float(table[key].sel(input=name)) for table in tables])
            stated = np.array([float(table[f"{key}_se"].sel(input=name)) for table in tables])
            assert 0.8 < found.std(ddof=1) / stated.mean() < 1.25, (key, name)
