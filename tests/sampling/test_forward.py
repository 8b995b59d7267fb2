"""Forward simulation against closed forms, and the honesty of its standard errors."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.infer import Predictive
from scipy import stats
from scipy.special import ndtri

import uncertainty as un
from uncertainty.sampling import median_of_rows, problem_of

NESTED = {
    "schema": 1,
    "assumptions": {
        "a": {"lognormal": {"median": 2, "sigma": 0.6}},
        "middle": {"lognormal": {"median": 300, "sigma": 0.5}},
        "tokens": {"varies": "query", "lognormal": {"median": "middle", "sigma": 1.0}},
    },
}
EPISTEMIC = float(np.hypot(0.6, 0.5))


def nested():
    return un.build_problem(NESTED, model=lambda a, tokens: a * tokens)


def exact(statistic, p):
    """Quantiles of the product: all of them lognormal."""
    sigma = np.hypot(EPISTEMIC, 1.0) if statistic == "query" else EPISTEMIC
    shift = np.exp(0.5) if statistic == "mean" else 1.0
    return 600 * shift * np.exp(sigma * ndtri(p))


def exact_mean(statistic):
    return exact("typical" if statistic == "typical" else "mean", 0.5) * np.exp(EPISTEMIC**2 / 2)


def figures(table, statistic):
    row = table.sel(quantity="y", statistic=statistic)
    wanted = {
        "lower": exact(statistic, 0.05),
        "median": exact(statistic, 0.5),
        "upper": exact(statistic, 0.95),
    }
    wanted["mean"] = exact_mean(statistic)
    return {k: (float(row[k]), float(row[f"mcse_{k}"]), v) for k, v in wanted.items()}


def test_closed_forms_within_standard_errors():
    table = un.summarize(un.simulate(nested()))
    for statistic in ("typical", "mean", "query"):
        for key, (value, error, expected) in figures(table, statistic).items():
            assert abs(value - expected) < 4.5 * error, (statistic, key)
            assert error < 0.01 * expected or key == "mean"


def coverage(problem, read, draws, queries):
    """Share of 200 seeds whose 95 % t interval holds the exact value, for each figure."""
    reach = stats.t.ppf(0.975, 15)
    hits = {}
    for seed in range(200):
        table = un.summarize(un.simulate(problem, draws, seed, queries=queries))
        for key, (value, error, expected) in read(table).items():
            hits.setdefault(key, []).append(abs(value - expected) <= reach * error)
    return {key: np.mean(inside) for key, inside in hits.items()}


def check_calibrated(shares):
    """90 to 98 % of the intervals hold the exact value.

    One share of 200 seeds has a standard error of 1.5 %, so each gets two more of these.
    """
    assert 0.90 <= np.mean(list(shares.values())) <= 0.98
    for key, share in shares.items():
        assert 0.87 <= share <= 0.995, key


def product_figures(lognormals):
    """A problem without queries, and what reads its figures, their errors and the exact values."""
    wanted = {
        key: lognormals.quantile(p)
        for key, p in (("lower", 0.05), ("median", 0.5), ("upper", 0.95))
    }
    wanted["mean"] = lognormals.median * np.exp(lognormals.total**2 / 2)

    def read(table):
        row = table.sel(quantity="y", statistic="typical")
        return {k: (float(row[k]), float(row[f"mcse_{k}"]), v) for k, v in wanted.items()}

    return un.build_problem(lognormals.priors(), model=lognormals.model), read


def test_standard_errors_are_the_spread_over_seeds(lognormals):
    """An error that is a third too small, or half too large, would be seen in 40 seeds."""
    problem, read = product_figures(lognormals)
    seeds = 40
    tables = [un.summarize(un.simulate(problem, 2**12, seed, queries=2)) for seed in range(seeds)]
    z = np.array(
        [[(value - right) / error for value, error, right in read(t).values()] for t in tables]
    )
    whole = np.sqrt((z**2).mean(0))
    # Student's t of 16 chains has a spread of 1.07, seen from so many seeds.
    assert (np.abs(whole / 1.07 - 1) < 4 / np.sqrt(2 * seeds)).all(), whole


@pytest.mark.slow
def test_intervals_of_standard_errors_cover(lognormals):
    check_calibrated(coverage(*product_figures(lognormals), 2**12, 2))


@pytest.mark.slow
def test_intervals_of_standard_errors_cover_where_queries_vary():
    def read(table):
        return {
            (s, k): v for s in ("typical", "mean", "query") for k, v in figures(table, s).items()
        }

    check_calibrated(coverage(nested(), read, 2**13, 256))


# The fewer the queries, the larger a bias would be.
@pytest.mark.parametrize(
    "queries", [64, *(pytest.param(n, marks=pytest.mark.slow) for n in (256, 1024))]
)
def test_the_ends_of_typical_and_mean_are_unbiased(queries):
    problem, seeds = nested(), range(48)
    tables = [un.summarize(un.simulate(problem, 2**12, seed, queries=queries)) for seed in seeds]
    for statistic in ("typical", "mean"):
        for key in ("lower", "upper"):
            found = [figures(table, statistic)[key] for table in tables]
            ratios = np.array([value / expected for value, _, expected in found])
            assert stats.sem(ratios) < 0.0025
            assert abs(ratios.mean() - 1) < 0.005


def test_queries_are_shared_within_a_randomization_and_differ_between():
    tree = un.simulate(
        un.build_problem(NESTED, model=lambda a, tokens: tokens / tokens * a), draws=512
    )
    within = tree["prior_statistics"]["y"].sel(statistic="sd")
    assert float(within.max()) < 1e-12
    tokens = un.simulate(
        un.build_problem(NESTED, model=lambda tokens, middle: tokens / middle), draws=512
    )
    medians = tokens["prior_statistics"]["y"].sel(statistic="typical")
    assert float(medians.std("draw").max()) < 1e-12
    assert float(medians.std("chain").min()) > 0


def test_same_seed_same_numbers_other_seed_other_numbers():
    first, again, other = (un.simulate(nested(), 512, seed) for seed in (0, 0, 1))
    a, b, c = (tree["prior_predictive"]["y"].values for tree in (first, again, other))
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()


def test_predictive_agrees_with_simulate():
    problem = nested()
    drawn = Predictive(problem.numpyro_model(), num_samples=20000)(jax.random.key(1))
    assert {"a", "middle", "tokens", "y", "a_score"} <= drawn.keys()
    logs = np.log(np.asarray(drawn["y"], float))
    table = un.summarize(un.simulate(problem)).sel(quantity="y", statistic="query")
    for p, key in ((0.05, "lower"), (0.5, "median"), (0.95, "upper")):
        chunks = [np.quantile(part, p) for part in logs.reshape(20, -1)]
        error = np.hypot(stats.sem(chunks), float(table[f"mcse_{key}"] / table[key]))
        assert np.mean(chunks) == pytest.approx(float(np.log(table[key])), abs=4 * error)


def test_predictive_agrees_with_simulate_on_a_shipped_file():
    problem = un.build_problem("gpt-4o")
    drawn = Predictive(problem.numpyro_model(), num_samples=20000)(jax.random.key(2))
    chunks = np.median(np.log(np.asarray(drawn["energy_wh"], float)).reshape(20, -1), axis=1)
    table = un.summarize(un.simulate(problem), quantities=["energy_wh"]).isel(quantity=0)
    expected = float(np.log(table.sel(statistic="query")["median"]))
    assert chunks.mean() == pytest.approx(expected, abs=4.5 * stats.sem(chunks))


def test_large_minus_large_comes_out_right():
    laws = {
        "big": {"normal": {"mean": 1e12, "sd": 1e3}},
        "small": {"normal": {"mean": 1.0, "sd": 0.1}},
    }
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda big, small: (big + small) - big
    )
    tree = un.simulate(problem, draws=2**12)
    row = un.summarize(tree).isel(quantity=0).sel(statistic="typical")
    assert float(row["sd"]) == pytest.approx(0.1, rel=0.01)
    assert float(row["mean"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("count", [255, 256])
def test_a_median_of_rows_is_an_order_statistic_whatever_the_size_and_the_tail(count):
    generator = np.random.default_rng(0)
    values = generator.lognormal(size=(16, count))
    far = generator.random(values.shape) < 0.1
    shapes = [c * values for c in (1, -1, 1e200, 1e-200)]
    shapes += [np.log(values), np.floor(values), values**50, 1e9 + values]
    shapes += [np.where(far, end, values) for end in (0, 1e30, -1e30, np.inf, -np.inf)]
    shapes += [np.where(values > 1, np.inf, values), np.where(values > 0.9, -np.inf, values)]
    with jax.enable_x64(True):
        for rows in shapes:
            np.testing.assert_array_equal(median_of_rows(jnp.asarray(rows)), np.median(rows, -1))
        rows = np.where(far, np.nan, values)
        assert np.isnan(median_of_rows(jnp.asarray(rows))).all()


def test_several_outputs_at_once():
    def model(a, **rest):
        return {"double": 2 * a, "energy_wh": a, "rest": jnp.asarray(len(rest), float)}

    tree = un.simulate(un.build_problem(NESTED, model=model), draws=512)
    assert list(tree["prior_predictive"].data_vars) == ["double", "energy_wh", "rest"]
    assert tree["prior_predictive"]["energy_wh"].attrs["units"] == "Wh"
    table = un.summarize(tree)
    assert float(table.sel(quantity="rest", statistic="mean")["median"]) == 2


def test_a_scalar_model_may_use_any_scalar_operation():
    def model(a, tokens):
        return jnp.max(jnp.stack([a, tokens])) + jnp.where(a > 2, 1.0, 0.0)

    assert float(
        un.simulate(un.build_problem(NESTED, model=model), draws=64)["central"]["y"]
    ) == pytest.approx(300)


def test_everything_fixed_is_one_number():
    problem = un.build_problem(
        {"schema": 1, "assumptions": {"x": {"fixed": 3}}}, model=lambda x: x * x
    )
    tree = un.simulate(problem, draws=64)
    row = un.summarize(tree).isel(quantity=0).sel(statistic="query")
    assert {float(row[k]) for k in ("mean", "median", "lower", "upper")} == {9.0}
    assert float(row["sd"]) == 0


def test_only_queries_vary():
    laws = {"t": {"varies": "query", "lognormal": {"median": 5, "sigma": 1}}}
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda t: t)
    table = un.summarize(un.simulate(problem, draws=64)).isel(quantity=0)
    row = table.sel(statistic="query")
    assert float(row["median"]) == pytest.approx(5, abs=5 * float(row["mcse_median"]))
    assert float(table.sel(statistic="typical")["sd"]) < 0.5


@pytest.fixture(scope="module")
def uneven():
    """Outputs of one axis alone, and queries that are one of two values about as often."""
    laws = {
        "a": {"lognormal": {"median": 2, "sigma": 0.5}},
        "t": {"varies": "query", "lognormal": {"median": 1, "sigma": 1}},
        **{
            name: {"varies": "query", "choice": {"options": [1, 10], "weights": [1 - p, p]}}
            for name, p in (("near", 0.501), ("apart", 0.51))
        },
    }

    def model(a, t, near, apart):
        return {"alone": 3 * t, "shared": 2 * a, "near": near * a, "apart": apart * a}

    return un.build_problem({"schema": 1, "assumptions": laws}, model=model)


def test_what_queries_or_draws_do_alone_has_unbiased_quantiles_of_any_one_query(uneven):
    errors = []
    for seed in range(4):
        tree = un.simulate(uneven, seed=seed)
        for prob in (0.2, 0.9):
            table = un.summarize(tree, prob).sel(statistic="query")
            tails = {"lower": (1 - prob) / 2, "median": 0.5, "upper": (1 + prob) / 2}
            for name, middle, sigma in (("alone", 3, 1), ("shared", 4, 0.5)):
                row = table.sel(quantity=name)
                for key, p in tails.items():
                    exact = middle * np.exp(sigma * ndtri(p))
                    errors.append(float((row[key] - exact) / row[f"mcse_{key}"]))
    assert np.abs(errors).max() < 5
    assert np.sqrt(np.mean(np.square(errors))) < 1.5


@pytest.mark.parametrize("streamed", [False, True])
def test_a_median_over_queries_in_a_gap_is_known_to_the_gap(uneven, streamed, tmp_path):
    """Exactly 20 = 10 * 2: with 256 queries in a chain half are of either kind."""
    tree = un.stream(uneven, 2**13) if streamed else un.simulate(uneven)
    table = un.summarize(tree).sel(statistic="typical")
    near, apart = table.sel(quantity="near"), table.sel(quantity="apart")
    for key, share in (("lower", 0.05), ("median", 0.5), ("upper", 0.95)):
        exact = 20 * np.exp(0.5 * ndtri(share))
        assert float(near[key]) == pytest.approx(exact, abs=4 * float(near[f"mcse_{key}"]))
        assert float(apart[key]) == pytest.approx(exact, abs=4 * float(apart[f"mcse_{key}"]))
        assert 0.1 < float(near[f"mcse_{key}"] / near[key]) < 1
        assert float(apart[f"mcse_{key}"] / apart[key]) < 0.01
    chance, error = un.exceedance(tree, 15.0, "near", "typical")
    assert chance == pytest.approx(float(stats.norm.cdf(np.log(20 / 15) / 0.5)), abs=4 * error)
    un.save(tree, tmp_path / "run.nc")
    assert un.exceedance(un.load(tmp_path / "run.nc"), 15.0, "near", "typical") == (chance, error)


def test_draws_are_rounded_up_to_whole_randomizations():
    assert un.simulate(nested(), draws=33)["prior"]["a"].shape == (16, 3)


@pytest.mark.parametrize("options", [{"draws": 31}, {"draws": 0}, {"queries": 1}])
def test_too_few_points_are_refused(options):
    with pytest.raises(un.InputError, match="must be"):
        un.simulate(nested(), **options)


def test_all_that_is_out_of_range_is_refused_at_once():
    with pytest.raises(un.InputError) as caught:
        un.simulate(nested(), draws=3, seed=-1, queries=1)
    assert [fault.path for fault in caught.value.faults] == ["<draws>", "<queries>", "<seed>"]


def test_defaults_are_as_documented():
    tree = un.simulate(nested())
    assert (tree.attrs["draws"], tree.attrs["queries"], tree.attrs["randomizations"]) == (
        8192,
        256,
        16,
    )
    flat = un.simulate(un.build_problem(NESTED, model=lambda a: a))
    assert flat["prior"]["a"].size == 8192


def test_impossible_outputs_are_counted_with_an_example():
    def model(a, tokens):
        return {"energy_wh": jnp.where(a > 2, -1.0, a * tokens), "ratio": jnp.log(a - 1)}

    tree = un.simulate(un.build_problem(NESTED, model=model), draws=1024)
    first, second = json.loads(tree.attrs["warnings"])
    assert first.startswith(
        "energy_wh is not finite or negative for 50 % of the draws, for example at a ="
    )
    assert second.startswith("ratio is not finite for 12")
    values = {
        name: float(value)
        for name, value in (p.split(" = ") for p in first.split(" at ")[1].split(", "))
    }
    assert values["a"] > 2
    assert np.isnan(float(un.summarize(tree).sel(quantity="ratio", statistic="typical")["median"]))


def test_impossible_outputs_without_queries():
    problem = un.build_problem(NESTED, model=lambda a: {"energy_wh": a - 2}, given={"tokens": 5})
    (warning,) = json.loads(un.simulate(problem, draws=1024).attrs["warnings"])
    assert "for 50 % of the draws" in warning


def test_a_problem_is_built_again_from_the_recipe_of_its_result():
    problem = un.build_problem("gpt-4o", given={"pue_excess": 0.2})
    tree = un.simulate(problem, 32)
    tree.attrs["recipe"] = json.dumps(problem.recipe)
    assert problem_of(tree).central() == problem.central()
    tree.attrs["recipe"] = json.dumps({**problem.recipe, "color": "red"})
    with pytest.raises(un.InputError, match="of another version .*'color'.*run it anew"):
        problem_of(tree)
    tree.attrs["recipe"] = "null"
    with pytest.raises(un.InputError, match="Python objects that a file does not keep"):
        problem_of(tree)
