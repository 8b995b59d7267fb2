"""Streams: right within their own error, the same however they are cut, and interruptible."""

import json
from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import loggamma, ndtri
from scipy.stats import norm, t

import uncertainty as un
from uncertainty.results.estimate import ogive_quantile
from uncertainty.results.summary import ogive_of
from uncertainty.sampling import blocks

LEVELS = (0.05, 0.5, 0.95)
ENDS = ("lower", "median", "upper")
SIX = {
    "parameters": {"lognormal": {"median": 1e11, "sigma": 0.5}},
    "tokens": {"lognormal": {"median": 500, "sigma": 0.6}},
    "utilization": {"beta": {"alpha": 4, "beta": 36}},
    "power_w": {"uniform": {"low": 1000, "high": 1500}},
    "power_fraction": {"beta": {"alpha": 14, "beta": 6}},
    "overhead": {"uniform": {"low": 1.05, "high": 1.4}},
}


def energy(parameters, tokens, utilization, power_w, power_fraction, overhead):
    joules = 2 * parameters * tokens / (9.89e14 * utilization) * power_w * power_fraction * overhead
    return joules / 3600


def exact_quantile(p):
    """Of the six-input job: Gil-Pelaez inversion of the characteristic function of its logarithm."""
    s = np.linspace(1e-9, 12, 100_001)
    i = 1j * s

    def beta(a, b, power):
        return loggamma(a + power) - loggamma(a) + loggamma(a + b) - loggamma(a + b + power)

    def uniform(low, high):
        return np.log((high ** (1 + i) - low ** (1 + i)) / ((1 + i) * (high - low)))

    log_constant = np.log(2 * 1e11 * 500 / (9.89e14 * 3600))
    log_phi = i * log_constant - (0.5**2 + 0.6**2) * s**2 / 2 + beta(4, 36, -i) + beta(14, 6, i)
    phi = np.exp(log_phi + uniform(1000.0, 1500.0) + uniform(1.05, 1.4))

    def excess(x):
        return 0.5 - np.trapezoid((np.exp(-i * x) * phi).imag / s, s) / np.pi - p

    return np.exp(brentq(excess, -10, 10, xtol=1e-13))


@pytest.fixture(scope="module")
def six():
    return un.build_problem({"schema": 1, "assumptions": SIX}, model=energy)


@pytest.fixture(scope="module")
def product(lognormals):
    return un.build_problem(lognormals.priors(), model=lognormals.model)


@pytest.fixture(scope="module")
def nested(lognormals):
    priors = lognormals.priors()
    priors["assumptions"]["c"]["varies"] = "query"
    return un.build_problem(priors, model=lognormals.model)


@pytest.fixture(scope="module")
def full(product, lognormals):
    """A stream that keeps all that can be asked for."""
    asked = {"thresholds": [lognormals.quantile(0.9), 1e30], "largest": 5, "sample": 2**12}
    return un.stream(product, 2**16, seed=3, correlations=True, **asked)


def row_of(tree, statistic="query", **options):
    return un.summarize(tree, **options).isel(quantity=0).sel(statistic=statistic)


def errors_in_ses(tree, exact):
    row = row_of(tree)
    found, errors = (np.array([float(row[f"{k}{e}"]) for e in ENDS]) for k in ("", "mcse_"))
    return (found - exact) / errors


# In short by test_errors_are_the_spread_over_seeds, of test_awkward_streams.
@pytest.mark.slow
def test_intervals_of_quantiles_cover_over_200_seeds(six):
    """90 % t intervals on 15 degrees of freedom hold the exact quantile in 85 to 95 % of the runs."""
    exact = np.array([exact_quantile(p) for p in LEVELS])
    z = np.array([errors_in_ses(un.stream(six, 2**14, seed), exact) for seed in range(200)])
    covered = (np.abs(z) <= t.ppf(0.95, 15)).mean(0)
    assert ((covered >= 0.85) & (covered <= 0.95)).all(), covered


@pytest.mark.parametrize("rare", [1e-5, pytest.param(1e-6, marks=pytest.mark.slow)])
def test_the_tails_are_right_where_thirty_draws_reach(six, rare):
    ogive = ogive_of(un.stream(six, round(30 / rare)), "y", "query")
    for p in (rare, 100 * rare, 1 - 100 * rare, 1 - rare):
        found, error = ogive_quantile(ogive, p)
        assert abs(found - exact_quantile(p)) < 4 * error
        assert error < 0.06 * found


@pytest.mark.parametrize("limit", [np.inf, 1.5])
@pytest.mark.parametrize("of_draws", [0, 1e-3])
def test_queries_alone_are_known_to_their_spacing(of_draws, limit):
    """Even ones agree in each chain at quartiles, next to which lies none of them."""
    given = {"normal": {"mean": 0, "sd": 1}}
    prior = {"schema": 1, "assumptions": {"x": given | {"varies": "query"}, "e": given}}
    problem = un.build_problem(
        prior, model=lambda x, e: {"y": jnp.where(x > limit, jnp.inf, x + of_draws * e)}
    )
    for seed in range(4):
        tree = un.stream(problem, 2**10, seed)
        row = un.summarize(tree, 0.5).sel(quantity="y", statistic="query")
        for key, exact in (("median", 0.0), ("lower", norm.ppf(0.25))):
            error = float(row[f"mcse_{key}"])
            assert abs(float(row[key]) - exact) <= 5 * error
            assert error < 0.01
        chance, error = un.exceedance(tree, 0.0005)
        assert abs(chance - norm.sf(0.0005)) <= 5 * error


def test_what_lies_beyond_the_data_has_no_standard_error(product):
    ogive = ogive_of(un.stream(product, 2**10), "y", "query")
    assert ogive_quantile(ogive, 1e-6)[1] == np.inf
    assert np.isfinite(ogive_quantile(ogive, 1e-2)[1])


def test_moments_agree_with_closed_forms(product, lognormals):
    row = row_of(un.stream(product, 2**18))
    half = lognormals.total**2 / 2
    mean = lognormals.median * np.exp(half)
    sd = mean * np.sqrt(np.expm1(2 * half))
    assert abs(float(row["mean"]) - mean) < 5 * float(row["mcse_mean"])
    assert abs(float(row["sd"]) - sd) < 5 * float(row["mcse_sd"])


def test_the_draws_are_those_of_simulate(product):
    stored = un.simulate(product, 2**14, seed=5)["prior_predictive"]["y"].values
    tree = un.stream(product, 2**14, seed=5)
    edges = tree["prior_sketch"]["y_edges"].values
    counts = tree["prior_sketch"]["y"].values[0]
    assert counts.sum() == stored.size
    cumulative = np.cumsum(counts, 1)
    for chain in range(16):
        below = np.searchsorted(np.sort(stored[chain]), edges[1:], side="right")
        # A draw next to an edge may fall to its other side: a table is right to 1e-7.
        assert np.abs(below - cumulative[chain]).max() <= 1


def test_typical_mean_and_any_query_agree_with_closed_forms(nested, lognormals):
    tree = un.stream(nested, 2**13, queries=512)
    sigma = {n: lognormals.sigmas[n] for n in "abc"}
    outer = np.hypot(sigma["a"], sigma["b"])
    expected = {
        "typical": (lognormals.median, outer),
        "mean": (lognormals.median * np.exp(sigma["c"] ** 2 / 2), outer),
        "query": (lognormals.median, lognormals.total),
    }
    for statistic, (median, spread) in expected.items():
        row = row_of(tree, statistic)
        for end, p in zip(ENDS, LEVELS, strict=True):
            exact = median * np.exp(spread * ndtri(p))
            assert abs(float(row[end]) - exact) < 5 * float(row[f"mcse_{end}"]), (statistic, end)
    share, error = un.share_per_query(tree, "y", "linear")
    assert 0 < share < 1
    assert error < 0.01


def test_a_median_of_queries_is_an_order_statistic_of_the_stored_run(nested):
    """The same points through the two roads, with an odd number of queries too."""
    for queries in (64, 33):
        stored = un.simulate(nested, 512, seed=2, queries=queries)
        typical = stored["prior_statistics"]["y"].sel(statistic="typical").values.ravel()
        counts = un.stream(nested, 512, seed=2, queries=queries)["prior_sketch"]
        edges, total = counts["y_edges"].values, counts["y"].sel(statistic="typical").values.sum(0)
        below = np.searchsorted(np.sort(typical), edges[1:], side="right")
        assert np.abs(below - np.cumsum(total)).max() <= 2


def same(one, other, exactly=False):
    sketch, another = one["prior_sketch"], other["prior_sketch"]
    for name in sketch.data_vars:
        a, b = sketch[name].values, another[name].values
        assert a.shape == b.shape
        assert np.array_equal(a, b) if exactly else np.allclose(a, b, rtol=1e-12, atol=0)


def test_the_result_does_not_depend_on_how_draws_are_cut(six, monkeypatch):
    whole = un.stream(six, 2**18 + 160)
    monkeypatch.setattr(blocks, "EVALUATIONS", 2**16)
    same(whole, un.stream(six, 2**18 + 160))
    monkeypatch.setattr(import_module("uncertainty.sampling.stream"), "_BATCH", 2**9)
    same(whole, un.stream(six, 2**18 + 160))


def test_many_inputs_give_what_few_give():
    """More than are looked up in one loop: the sum of 90 normals."""
    laws = {f"x{i}": {"normal": {"mean": 1, "sd": 2}} for i in range(90)}
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda **x: sum(x.values())
    )
    tree = un.stream(problem, 2**16)
    assert tree["prior_sketch"]["y_moments"].sel(moment="number").values.sum() == 2**16
    exact = 90 + 2 * np.sqrt(90) * ndtri(LEVELS)
    assert (np.abs(errors_in_ses(tree, exact)) < 4).all()


def test_every_draw_counts_once(product):
    for draws in (32, 33, 2**14, 2**16 + 1):
        moments = un.stream(product, draws)["prior_sketch"]["y_moments"]
        assert moments.sel(moment="number").values.sum() == 16 * -(-draws // 16)


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(product):
    one, again, other = (un.stream(product, 2**10, seed) for seed in (1, 1, 2))
    same(one, again, exactly=True)
    moments = [tree["prior_sketch"]["y_moments"].values for tree in (one, other)]
    assert not np.array_equal(*moments)


def test_large_minus_large_keeps_its_digits():
    """In 32 bits this would be 0 or a multiple of 64."""
    priors = {"schema": 1, "assumptions": {"x": {"normal": {"mean": 0, "sd": 1}}}}
    problem = un.build_problem(priors, model=lambda x: (1e9 + x) - 1e9)
    assert (np.abs(errors_in_ses(un.stream(problem, 2**16), ndtri(LEVELS))) < 4).all()


def test_exceedances_are_counted(full, lognormals):
    limit = lognormals.quantile(0.9)
    chance, error = un.exceedance(full, limit, "y")
    assert abs(chance - 0.1) < 4 * error
    assert un.exceedance(full, 1e30, "y") == (0.0, 3 / 2**16)
    near, wider = un.exceedance(full, limit * (1 + 1e-12), "y")
    assert abs(near - chance) < 1e-3
    assert wider > 0


def test_correlations_are_the_shares_of_a_product(full, lognormals):
    found = full["prior_correlation"]["y"].sel(statistic="query")
    errors = found.std("chain", ddof=1) / 4
    spread = {n: s / lognormals.total for n, s in lognormals.sigmas.items()}
    for name, share in spread.items():
        rank = 6 / np.pi * np.arcsin(share / 2)
        factor = np.sqrt(np.expm1(lognormals.total**2)) / lognormals.total
        for scale, exact in (("log", share), ("rank", rank), ("linear", share / factor)):
            one = found.sel(input=name, scale=scale)
            error = float(errors.sel(input=name, scale=scale)) + 1e-9
            assert abs(float(one.mean()) - exact) < 5 * error + 2e-4, (name, scale)


def test_correlations_follow_a_correlation_of_inputs():
    laws = {n: {"normal": {"mean": 0, "sd": 1}} for n in "ab"}
    pairs = [{"between": ["a", "b"], "rank": 0.6}]
    priors = {"schema": 1, "assumptions": laws, "correlations": pairs}
    problem = un.build_problem(priors, model=lambda a, b: {"y": a + 0 * b})
    found = un.stream(problem, 2**14, correlations=True)["prior_correlation"]["y"]
    means = found.sel(statistic="query", scale="rank").mean("chain")
    assert float(means.sel(input="a")) == pytest.approx(1, abs=2e-3)
    assert float(means.sel(input="b")) == pytest.approx(0.6, abs=5e-3)


def test_the_largest_values_come_with_the_inputs_behind_them(product, full, lognormals):
    stored = un.simulate(product, 2**16, seed=3)
    values = full["prior_largest"]["y"].sel(statistic="query").values
    flat = stored["prior_predictive"]["y"].values.ravel()
    assert np.allclose(values, np.sort(flat)[:-6:-1], rtol=1e-6)
    behind = full["prior_largest_inputs"]["y"].sel(statistic="query")
    rebuilt = lognormals.model(*(behind.sel(behind=n).values for n in "abc"))
    assert np.allclose(rebuilt, values, rtol=1e-6)


def test_the_largest_queries_come_with_theirs(nested, lognormals):
    tree = un.stream(nested, 64, largest=3, queries=16)
    for statistic in ("query", "typical"):
        values = tree["prior_largest"]["y"].sel(statistic=statistic).values
        behind = tree["prior_largest_inputs"]["y"].sel(statistic=statistic)
        inputs = {n: behind.sel(behind=n).values for n in "abc"}
        if statistic == "query":
            assert np.allclose(lognormals.model(**inputs), values, rtol=1e-6)
        else:
            assert np.allclose(inputs["c"], lognormals.medians["c"])


def test_the_largest_of_fewer_draws_have_no_inputs_behind_them(product):
    tree = un.stream(product, 32, largest=40)
    values = tree["prior_largest"]["y"].values[0]
    assert (np.isneginf(values) == (np.arange(40) >= 32)).all()
    behind = tree["prior_largest_inputs"]["y"].values[0]
    assert (np.isnan(behind) == np.isneginf(values)).all()


def test_the_largest_where_nothing_is_uncertain():
    priors = {"schema": 1, "assumptions": {"x": {"fixed": 2.5}}}
    problem = un.build_problem(priors, model=lambda x: {"y": 2 * x})
    tree = un.stream(problem, 64, largest=3, sample=20, correlations=True)
    assert tree["prior_largest"]["y"].values.tolist() == [[5.0] * 3]
    assert tree["prior_largest_inputs"]["y"].values.tolist() == [[[2.5] * 3]]
    assert (tree["prior"]["x"].values == 2.5).all()
    assert "prior_correlation" not in tree.children


def test_outputs_come_in_the_order_in_which_they_are_named():
    """The first is the one that is spoken of, and held to a tolerance."""
    priors = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    problem = un.build_problem(priors, model=lambda x: {"a": 2 * x, "b": x})
    tree = un.stream(problem, 64, quantities=["b", "a"], thresholds=[1.0])
    assert un.summarize(tree)["quantity"].values.tolist() == ["b", "a"]
    assert (
        un.exceedance(tree, 1.0) == un.exceedance(tree, 1.0, "b") != un.exceedance(tree, 1.0, "a")
    )


def test_inputs_of_a_sample_are_kept_where_asked_for(product, full):
    assert dict(full["prior"].sizes) == {"chain": 16, "draw": 256}
    assert float(un.summarize_inputs(full).sel(input="a")["median"]) == pytest.approx(2, rel=0.01)
    assert "prior" not in un.stream(product, 32).children


def test_values_that_cannot_be_are_counted_and_take_the_trust(lognormals):
    problem = un.build_problem(
        lognormals.priors(), model=lambda a, b, c: {"energy_wh": b - 2.0, "root": (a - b) ** 0.5}
    )
    tree = un.stream(problem, 2**14)
    told = json.loads(tree.attrs["warnings"])
    assert any(text.startswith("energy_wh is not finite or negative for 2") for text in told)
    assert any(text.startswith("root is not finite for 6") for text in told)
    table = un.summarize(tree)
    assert np.isnan(table["median"].sel(quantity="root")).all()
    assert np.isfinite(table["median"].sel(quantity="energy_wh")).all()


def test_what_is_too_large_for_the_sketch_is_told_and_zero_is_zero():
    laws = {
        "x": {"lognormal": {"median": 1, "sigma": 1}},
        "s": {"uniform": {"low": -1, "high": 1}},
    }
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws},
        model=lambda x, s: {"y": x * (1 + 1e30 * (s > 0.9998)), "z": 0 * s, "m": s - 2},
    )
    tree = un.stream(problem, 2**16)
    told = json.loads(tree.attrs["warnings"])
    assert len(told) == 1
    assert told[0].startswith("y is over 4.3e+09 in size for 0.01")
    table = un.summarize(tree).sel(statistic="query")
    assert float(table["median"].sel(quantity="z")) == 0
    assert float(table["lower"].sel(quantity="m")) == pytest.approx(-2.9, rel=0.002)


def test_a_constant_is_a_constant():
    priors = {"schema": 1, "assumptions": {"x": {"fixed": 3.3}}}
    row = row_of(un.stream(un.build_problem(priors, model=lambda x: 2 * x), 64))
    assert float(row["median"]) == float(row["lower"]) == pytest.approx(6.6, abs=1e-14)
    assert float(row["sd"]) == 0


def test_a_shortest_interval_is_shorter(product, lognormals):
    tree = un.stream(product, 2**17)
    equal, shortest = (row_of(tree, kind=kind) for kind in ("eti", "hdi"))
    lengths = [float(row["upper"] - row["lower"]) for row in (equal, shortest)]
    assert lengths[1] < lengths[0]
    assert float(shortest["upper"]) < float(equal["upper"])


def test_a_tolerance_is_reached_and_held(product, lognormals):
    tree = un.stream(product, tolerance=0.002)
    row = row_of(tree)
    assert json.loads(tree.attrs["warnings"]) == []
    assert all(float(row[f"mcse_{end}"]) <= 0.002 * float(row[end]) for end in ENDS)
    assert tree.attrs["draws"] < 10**7


def test_a_tolerance_that_is_not_reached_says_what_was(nested):
    tree = un.stream(nested, 2**13, tolerance=1e-6)
    told = json.loads(tree.attrs["warnings"])
    assert len(told) == 1
    assert told[0].startswith("the tolerance of 0.0001 % is not reached for 15 of 15 quantiles: ")
    assert tree.attrs["draws"] == 2**13


@pytest.mark.parametrize(("quantity", "most"), [("zero", 2**22), ("half", 2**17)])
def test_a_tolerance_that_no_number_of_draws_reaches_is_given_up(lognormals, quantity, most):
    """A median of 0 is never known to a share of itself, and NaN never becomes a number."""
    problem = un.build_problem(
        lognormals.priors(),
        model=lambda a, b, c: {"zero": jnp.log(a * b * c / 3), "half": jnp.log(a - 2) + 0 * b * c},
    )
    tree = un.stream(problem, tolerance=0.01, quantities=[quantity])
    told = json.loads(tree.attrs["warnings"])[-1]
    assert told.endswith("; more draws would not help")
    assert tree.attrs["draws"] <= most


def test_each_statistic_has_bins_of_its_own_where_it_must(tmp_path):
    """Typical and mean query are known to a part in 1e6, at places of their own; one query is not."""
    laws = {
        "a": {"normal": {"mean": 1, "sd": 1e-6}},
        "c": {"lognormal": {"median": 2, "sigma": 0.6}, "varies": "query"},
    }
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, c: a * c)
    tree = un.stream(problem, 2**12, queries=64)
    for statistic in ("typical", "mean"):
        # Of the queries of a chain, the same for all its draws, comes the spread between chains.
        moments = tree["prior_sketch"]["y_moments"].sel(statistic=statistic)
        within = float(moments.sel(moment="sd").mean() / moments.sel(moment="mean").mean())
        assert within == pytest.approx(1e-6, rel=0.05)
    assert json.loads(tree.attrs["warnings"]) == []
    assert un.load(un.save(tree, tmp_path / "run.nc")).identical(tree)
    assert tree["prior_sketch"]["y_edges"].dims == ("statistic", "y_edge")
    for statistic, most in (("typical", 1e-3), ("mean", 1e-3), ("query", 2**-9)):
        edges, counts = (tree["prior_sketch"][n].sel(statistic=statistic) for n in ("y_edges", "y"))
        used = np.flatnonzero(counts.sum("chain"))
        assert (np.diff(edges) / edges[:-1])[used].max() <= most, statistic


def test_stages_go_on_where_the_one_before_ended(nested):
    """However few the queries: the points of all stages are those of one run."""
    staged = un.stream(nested, 2**13, tolerance=1e-6, queries=2)
    same(staged, un.stream(nested, 2**13, queries=2))


def test_queries_grow_with_a_tolerance(nested):
    tree = un.stream(nested, 2**14, tolerance=1e-6, queries=16)
    assert tree.attrs["queries"] == 64


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"draws": 8}, "<draws>: must be 32 or more (got 8)"),
        ({"queries": 1}, "<queries>: must be 2 or more (got 1)"),
        ({"tolerance": 0.0}, "<tolerance>: must be greater than 0 (got 0.0)"),
        ({"probs": (1.5,)}, "<probs>: must lie between 0 and 1 (got 1.5)"),
        ({"largest": -1}, "<largest>: must be 0 or more (got -1)"),
        ({"sample": -1}, "<sample>: must be 0 or more (got -1)"),
        ({"thresholds": {"z": [1]}}, "<thresholds>: must be one of y (got 'z')"),
        ({"quantities": ["z"]}, "no output 'z'"),
        ({"executor": "moon"}, "must be serial, devices, dask or an address"),
    ],
)
def test_bad_arguments_are_refused(product, options, text):
    with pytest.raises(un.InputError) as caught:
        un.stream(product, **options)
    assert text in str(caught.value)


def test_all_bad_arguments_are_told_at_once(product):
    with pytest.raises(un.InputError) as caught:
        un.stream(product, 3, seed=-1, queries=1, tolerance=-1, probs=[2], largest=-1)
    assert len(caught.value.faults) == 6


def test_an_unknown_option_is_refused_with_the_nearest(product):
    with pytest.raises(
        TypeError, match="unexpected keyword argument 'largst'; did you mean 'largest'"
    ):
        un.stream(product, 64, largst=2)


def test_a_saved_stream_is_the_same_when_read(full, tmp_path):
    assert un.load(un.save(full, tmp_path / "run.nc")).identical(full)


@pytest.mark.parametrize("lost", ["y", "y_edges", "y_moments"])
def test_a_saved_stream_that_lacks_a_part_is_refused(product, tmp_path, lost):
    tree = un.stream(product, 2**10)
    tree["prior_sketch"] = tree["prior_sketch"].to_dataset().drop_vars(lost)
    with pytest.raises(un.InputError, match=f"prior_sketch/{lost} is missing"):
        un.load(un.save(tree, tmp_path / "run.nc"))


def test_a_stream_can_be_reported(product, full, tmp_path):
    names = {path.name for path in un.write_report(full, tmp_path)}
    assert {"report.md", "summary.csv", "distribution.svg"} <= names
    assert "| a " in (tmp_path / "report.md").read_text()
    un.write_report(un.stream(product, 2**12), tmp_path)
    assert "## Assumptions" not in (tmp_path / "report.md").read_text()


def test_watchers_are_told_of_every_block(product, monkeypatch):
    monkeypatch.setattr(blocks, "EVALUATIONS", 2**16)
    seen = []
    un.stream(product, 2**18, watch=lambda p: seen.append((p.done, p.evaluations)))
    assert seen == [(k * 2**16, 2**18) for k in (1, 2, 3, 4)]


def test_inputs_that_a_stream_has_not_kept_are_named(lognormals):
    problem = un.build_problem(lognormals.priors(), model=lognormals.model)
    with pytest.raises(un.InputError, match="keeps no inputs: make the stream with sample="):
        un.summarize_inputs(un.stream(problem, draws=64))
    kept = un.summarize_inputs(un.stream(problem, draws=64, sample=64))
    assert kept["input"].values.tolist() == ["a", "b", "c"]
