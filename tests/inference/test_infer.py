"""Posteriors against exact ones: a product of lognormals with lognormal measurements."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm, t

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.inference import samplers
from uncertainty.inference.samplers import weigh_prior
from uncertainty.inference.target import target_of
from uncertainty.results.estimate import ess_bulk
from uncertainty.results.tree import warnings_of

SIGMAS = {"a": 0.8, "b": 0.6, "c": 0.5}
ERROR, BETWEEN = 0.3, 0.4
VALUES, GROUPS = [2.0, 3.0, 4.0, 1.5], ["x", "x", "y", "z"]


def product(a, b, c):
    return {"energy_wh": a * b * c}


def priors(**more):
    laws = {name: {"lognormal": {"median": 1, "sigma": s}} for name, s in SIGMAS.items()}
    return {"schema": 1, "assumptions": {**laws, **more.pop("assumptions", {})}, **more}


def evidence(rows, columns, **more):
    error = {"lognormal": {"sigma": ERROR}}
    return {
        "schema": 1,
        "observes": "energy_wh",
        "error": error,
        "columns": columns,
        "rows": rows,
        **more,
    }


def exact(prior, design, values, noise):
    """Mean and covariance of the logarithms given values with normal noise."""
    gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + noise)
    return gain @ values, prior - gain @ design @ prior


def agrees(draws, mean, sd):
    """Mean and sd of draws (chain, draw) within five standard errors."""
    error = sd / np.sqrt(ess_bulk(draws))
    squares = (draws - mean) ** 2
    spread = squares.std() / np.sqrt(ess_bulk(squares))
    assert abs(draws.mean() - mean) < 5 * error
    assert abs(squares.mean() - sd**2) < 5 * spread


def logs(tree, name, group="posterior"):
    return np.log(tree[group][name].values)


@pytest.fixture(scope="module")
def grouped():
    """Correlated inputs, groups that share an effect."""
    rows = [[group, value] for group, value in zip(GROUPS, VALUES, strict=True)]
    found = evidence(rows, ["m", "value"], random_effect={"column": "m", "sd": BETWEEN})
    stated = priors(correlations=[{"between": ["a", "b"], "rank": 0.5}])
    problem = un.build_problem(stated, model=product, evidence=found)
    return problem, un.infer(problem, draws=2000)


def grouped_exactly():
    r = 2 * np.sin(np.pi * 0.5 / 6)
    prior = np.diag([s**2 for s in SIGMAS.values()])
    prior[0, 1] = prior[1, 0] = r * SIGMAS["a"] * SIGMAS["b"]
    same = np.array(GROUPS)[:, None] == np.array(GROUPS)
    noise = ERROR**2 * np.eye(4) + BETWEEN**2 * same
    return prior, np.ones((4, 3)), np.log(VALUES), noise


def test_the_posterior_of_correlated_inputs_with_group_effects_is_the_exact_one(grouped):
    mean, covariance = exact(*grouped_exactly())
    for i, name in enumerate(SIGMAS):
        agrees(logs(grouped[1], name), mean[i], np.sqrt(covariance[i, i]))
    assert json.loads(grouped[1].attrs["warnings"]) == []


def test_a_system_without_evidence_has_a_new_effect_and_no_measurement_error(grouped):
    mean, covariance = exact(*grouped_exactly())
    spread = np.sqrt(covariance.sum() + BETWEEN**2)
    agrees(logs(grouped[1], "energy_wh", "posterior_predictive"), mean.sum(), spread)


def test_the_prior_is_what_simulate_gives_and_knows_no_effect(grouped):
    problem, tree = grouped
    alone = un.simulate(problem, draws=2**13)
    assert tree["prior"].dataset.identical(alone["prior"].dataset)
    assert "system_effect" not in tree["prior"].data_vars


def test_the_log_evidence_is_exact_within_its_error(grouped):
    prior, design, values, noise = grouped_exactly()
    density = multivariate_normal(np.zeros(4), design @ prior @ design.T + noise).logpdf(values)
    tree = grouped[1]
    assert tree.attrs["pareto_k"] < 0.7
    error = tree.attrs["log_evidence_se"]
    assert abs(tree.attrs["log_evidence"] - (density - values.sum())) < 5 * error


def test_log_likelihood_and_log_prior_are_densities_on_the_natural_scale(grouped):
    tree = grouped[1]
    located = logs(tree, "a") + logs(tree, "b") + logs(tree, "c")
    effects = tree["posterior"]["evidence_effect"].sel(evidence_group=GROUPS).values
    wanted = norm.logpdf(np.log(VALUES), located[..., None] + effects, ERROR) - np.log(VALUES)
    np.testing.assert_allclose(tree["log_likelihood"]["evidence"].values, wanted, rtol=1e-9)
    c = tree["posterior"]["c"].values
    density = norm.logpdf(np.log(c), 0, SIGMAS["c"]) - np.log(c)
    np.testing.assert_allclose(tree["log_prior"]["c"].values, density, rtol=1e-9, atol=1e-9)


def test_predictions_have_the_groups_own_effect_or_a_new_one_and_the_error(grouped):
    prior, design, values, noise = grouped_exactly()
    draws = un.predict(grouped[1], [{"m": "y"}, {"m": "new"}, {"m": "new"}])["energy_wh"].values
    found = np.log(draws)
    mean, covariance = exact(prior, design, values, noise)
    spread = np.sqrt(covariance.sum() + BETWEEN**2 + ERROR**2)
    agrees(found[:, 1].reshape(4, -1), mean.sum(), spread)
    # The state is the inputs and the effect of group y; what is predicted is their sum.
    wide = np.block([[prior, np.zeros((3, 1))], [np.zeros((1, 3)), BETWEEN**2]])
    rows = np.hstack([design, (np.array(GROUPS) == "y")[:, None]])
    same = np.array(GROUPS)[:, None] == np.array(GROUPS)
    others = np.array(GROUPS) != "y"
    rest = ERROR**2 * np.eye(4) + BETWEEN**2 * same * others
    known, left = exact(wide, rows, values, rest)
    agrees(found[:, 0].reshape(4, -1), known.sum(), np.sqrt(left.sum() + ERROR**2))
    shared = np.corrcoef(found[:, 1], found[:, 2])[0, 1]
    assert abs(shared - (1 - ERROR**2 / spread**2)) < 5 * (1 - shared**2) / np.sqrt(
        ess_bulk(found[:, 1].reshape(4, -1))
    )


def test_the_same_seed_gives_the_same_draws_and_another_does_not(grouped):
    problem, _ = grouped
    one, same, other = (un.infer(problem, draws=2000, seed=s) for s in (1, 1, 2))  # as compiled
    assert np.array_equal(one["posterior"]["a"], same["posterior"]["a"])
    assert not np.array_equal(one["posterior"]["a"], other["posterior"]["a"])


def test_a_result_saved_and_loaded_is_the_same(grouped, tmp_path):
    tree = grouped[1]
    assert un.load(un.save(tree, tmp_path / "run.nc")).identical(tree)


def test_rows_at_their_own_conditions_teach_only_what_they_leave_open():
    found = evidence([[2.0, 3.0, 6.0]], ["b", "c", "value"])
    tree = un.infer(un.build_problem(priors(), model=product, evidence=found))
    variance = SIGMAS["a"] ** 2
    gain = variance / (variance + ERROR**2)
    agrees(logs(tree, "a"), gain * np.log(1.0), np.sqrt(variance * (1 - gain)))
    agrees(logs(tree, "b"), 0.0, SIGMAS["b"])
    assert json.loads(tree.attrs["updated"]) == ["a"]


def test_censored_rows_say_on_which_side_the_value_lies():
    found = evidence([[2.0, None], [None, 2.5]], ["at_least", "at_most"])
    tree = un.infer(un.build_problem(priors(), model=product, evidence=found), draws=2000)
    total = np.sqrt(sum(s**2 for s in SIGMAS.values()))
    grid = np.linspace(-8, 8, 20001) * total
    weight = (
        norm.pdf(grid, 0, total)
        * norm.sf((np.log(2) - grid) / ERROR)
        * norm.cdf((np.log(2.5) - grid) / ERROR)
    )
    mean = (weight * grid).sum() / weight.sum()
    sd = np.sqrt((weight * (grid - mean) ** 2).sum() / weight.sum())
    agrees(logs(tree, "a") + logs(tree, "b") + logs(tree, "c"), mean, sd)
    assert np.isnan(tree["observed_data"]["evidence"].values).all()
    # ArviZ compares each variable of the one group with that of the other; limits are none.
    assert {*tree["observed_data"].data_vars} == {*tree["posterior_predictive"].data_vars}
    assert {*tree["observed_data"].coords} >= {"evidence_at_least", "evidence_at_most"}


def test_every_error_has_its_density_and_replicates_have_its_spread():
    """Three pieces of evidence, each with an error of its own, in one fit."""
    normal, student = norm(scale=0.5), t(3, scale=0.5)
    stated = {
        "normal": {"normal": {"sd": 0.5}},
        "student_t": {"student_t": {"df": 3, "scale": 0.5}},
        "log_student_t": {"log_student_t": {"df": 3, "scale": 0.5}},
    }
    rows = evidence([[2.0], [5.0]], ["value"])
    problem = un.build_problem(
        priors(), model=product, evidence=[{**rows, "error": error} for error in stated.values()]
    )
    tree = un.infer(problem, 200, warmup=200, prior_draws=64)
    x = np.exp(logs(tree, "a") + logs(tree, "b") + logs(tree, "c"))[..., None]
    y = np.array([2.0, 5.0])
    densities = {
        "normal": normal.logpdf(y - x),
        "student_t": student.logpdf(y - x),
        "log_student_t": student.logpdf(np.log(y / x)) - np.log(y),
    }
    names = [*tree["log_likelihood"].data_vars]
    assert len(names) == len(stated)
    for name, (error, density) in zip(names, densities.items(), strict=True):
        np.testing.assert_allclose(tree["log_likelihood"][name].values, density, rtol=1e-7)
        replicates = tree["posterior_predictive"][name].values
        residuals = np.log(replicates / x) if error == "log_student_t" else replicates - x
        law = normal if error == "normal" else student
        quartile = law.ppf(0.75)
        spread = np.sqrt(0.75 * 0.25 / residuals.size) / law.pdf(quartile)
        assert abs(np.quantile(residuals, 0.75) - quartile) < 5 * spread, error


@pytest.mark.parametrize(
    ("statistic", "variance", "shift"),
    [
        ("query", ERROR**2 + SIGMAS["c"] ** 2, 0.0),
        ("mean", ERROR**2, SIGMAS["c"] ** 2 / 2),
        pytest.param("median", ERROR**2, 0.0, marks=pytest.mark.slow),
    ],
)
def test_what_varies_per_query_is_averaged_where_a_row_leaves_it_open(statistic, variance, shift):
    law = {"varies": "query", "lognormal": {"median": 1, "sigma": SIGMAS["c"]}}
    found = evidence([[3.0]], ["value"], statistic=statistic)
    problem = un.build_problem(priors(assumptions={"c": law}), model=product, evidence=found)
    trees = [un.infer(problem, 200, seed=seed, warmup=300, prior_draws=64) for seed in range(4)]
    prior = np.diag([SIGMAS["a"] ** 2, SIGMAS["b"] ** 2])
    mean, _ = exact(prior, np.ones((1, 2)), np.log([3.0]) - shift, np.array([[variance]]))
    # Some points stand for all queries, others for each seed: the spread between seeds has
    # their error and that of the chains.
    means = np.array([(logs(tree, "a") + logs(tree, "b")).mean() for tree in trees])
    assert abs(means.mean() - mean.sum()) < 5 * means.std(ddof=1) / np.sqrt(len(means))
    for tree in trees:  # few rows have points enough for the error that is said
        row = un.summarize(tree).sel(quantity="energy_wh", statistic="typical")
        assert abs(np.log(row["median"]) - mean.sum()) < 5 * row["mcse_median"] / row["median"]
        assert not any("other queries" in text for text in warnings_of(tree))


@pytest.mark.slow
def test_a_posterior_that_hangs_on_which_queries_stand_for_all_is_marked():
    """Of a mean of exp(2 z) a few largest queries make up a part that no others agree on."""
    law = {"varies": "query", "lognormal": {"median": 1, "sigma": 2.0}}
    found = evidence([[3.0], [3.1]], ["value"], statistic="mean")
    found["error"] = {"lognormal": {"sigma": 0.02}}
    problem = un.build_problem(priors(assumptions={"c": law}), model=product, evidence=found)
    tree = un.infer(problem, 200, warmup=300, prior_draws=64)
    assert any("other queries to average rows over" in text for text in warnings_of(tree))


def test_a_discrepancy_is_shared_by_all_rows_and_new_for_a_new_system():
    more = {"assumptions": {"off": {"normal": {"mean": 0, "sd": 0.5}}}}
    found = evidence([[2.0], [3.0]], ["value"], discrepancy="off")
    tree = un.infer(un.build_problem(priors(**more), model=product, evidence=found), draws=2000)
    prior = np.diag([*(s**2 for s in SIGMAS.values()), 0.25])
    mean, covariance = exact(prior, np.ones((2, 4)), np.log([2.0, 3.0]), ERROR**2 * np.eye(2))
    agrees(tree["posterior"]["off"].values, mean[3], np.sqrt(covariance[3, 3]))
    spread = np.sqrt(covariance[:3, :3].sum() + 0.25)
    agrees(logs(tree, "energy_wh", "posterior_predictive"), mean[:3].sum(), spread)


def test_summaries_of_a_posterior_carry_errors_and_the_health_of_chains(grouped):
    mean, _ = exact(*grouped_exactly())
    row = un.summarize(grouped[1]).sel(quantity="energy_wh", statistic="typical")
    assert abs(np.log(row["median"]) - mean.sum()) < 5 * row["mcse_median"] / row["median"]
    assert row["ess_bulk"] > 1000
    assert row["r_hat"] < 1.01
    prior = un.summarize(grouped[1], group="prior")
    assert "r_hat" not in prior
    assert prior.attrs["group"] == "prior"


def test_arviz_reads_the_result(grouped):
    arviz_stats = pytest.importorskip("arviz_stats")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few rows: some weigh too much to be left out
        loo = arviz_stats.loo(grouped[1], var_name="evidence", reff=1.0)
    fit = un.check_fit(grouped[1])
    assert abs(float(fit["elpd_loo"].sel(evidence="evidence")) - loo.elpd) < 1e-6


def test_there_must_be_evidence_no_jumps_and_enough_draws():
    with pytest.raises(un.InputError, match="nothing to learn from"):
        un.infer(un.build_problem(priors(), model=product))
    law = {"choice": {"options": [1, 2]}}
    problem = un.build_problem(
        priors(assumptions={"c": law}), model=product, evidence=evidence([[2.0]], ["value"])
    )
    with pytest.raises(un.InputError, match="separate values"):
        un.infer(problem)
    problem = un.build_problem(
        priors(assumptions={"c": law}),
        model=product,
        evidence=evidence([[1.0, 2.0]], ["c", "value"]),
    )
    tree = un.infer(problem, draws=8, warmup=8)
    assert tree["posterior"].sizes["draw"] == 8
    # So few do not tell a posterior, which is said.
    assert any("effective draws" in text for text in json.loads(tree.attrs["warnings"]))
    with pytest.raises(un.InputError, match="2 or more chains"):
        un.infer(problem, chains=1)


def test_evidence_that_no_draw_can_have_is_refused():
    found = evidence([[2.0]], ["value"])
    problem = un.build_problem(
        priors(), model=lambda a, b, c: {"energy_wh": -a * b * c}, evidence=found
    )
    with pytest.raises(un.InputError, match="no draw of the prior"):
        un.infer(problem)


def test_a_posterior_is_ranked_by_its_own_draws_and_by_power_scaling(grouped):
    tree = grouped[1]
    table = un.rank_inputs(tree, method="correlation")
    assert "system_effect" in table["input"].values
    scaled = un.rank_inputs(tree, method="prior")
    rows = {str(name): scaled.sel(input=name) for name in scaled["input"].values}
    assert set(rows) == {"a", "b", "c", "evidence"}
    arviz_stats = pytest.importorskip("arviz_stats")
    assert float(arviz_stats.psense(tree, group="likelihood", var_names=["a"])["a"]) > 0
    assert rows["evidence"]["prior"] > 3 * rows["evidence"]["prior_se"]
    with pytest.raises(un.InputError, match="is for a posterior"):
        un.rank_inputs(grouped[0], method="prior")


def test_power_scaling_of_a_conjugate_normal_is_that_of_the_exact_densities():
    """Prior N(0, 1) and one value: powers of the likelihood move mean and sd of a normal."""
    stated = {"schema": 1, "assumptions": {"x": {"normal": {"mean": 0, "sd": 1}}}}
    found = {
        "schema": 1,
        "observes": "y",
        "error": {"normal": {"sd": 1}},
        "columns": ["value"],
        "rows": [[2.0]],
    }
    tree = un.infer(un.build_problem(stated, model=lambda x: x, evidence=found), draws=2000)
    from arviz_stats.base import array_stats

    rng = np.random.default_rng(0)
    draws = rng.normal(1, np.sqrt(0.5), size=(4, 20000))
    weights = []
    for alpha in (0.8, 1.25):
        precision = 1 + alpha
        new = norm.pdf(draws, alpha * 2 / precision, np.sqrt(1 / precision))
        raw = new / norm.pdf(draws, 1, np.sqrt(0.5))
        weights.append(raw / raw.sum())
    exact = float(array_stats.power_scale_sense(draws, *weights, 0.8, 1.25))
    row = un.rank_inputs(tree, method="prior", scale="linear").sel(input="evidence")
    assert abs(float(row["prior"]) - exact) < 5 * float(row["prior_se"])


def one_deployment(error, between, rows=9):
    """Rows of one deployment: its own effect, and the spread that such effects have."""
    values = np.exp(0.4 + 0.02 * np.linspace(-1, 1, rows))
    laws = {"between": {"lognormal": {"median": 0.3, "sigma": between}}}
    found = evidence(
        [["one", float(value)] for value in values],
        ["m", "value"],
        random_effect={"column": "m", "sd": "between"},
    )
    found["error"] = error
    return un.build_problem(priors(assumptions=laws), model=product, evidence=found), values


@pytest.mark.parametrize(
    "error",
    [
        {"lognormal": {"sigma": 0.02}},
        pytest.param({"log_student_t": {"df": 4, "scale": 0.02}}, marks=pytest.mark.slow),
    ],
)
def test_rows_of_one_deployment_are_sampled_without_divergences(error):
    """The effect and the spread of effects are known by their product alone: a bent ridge."""
    tree = un.infer(one_deployment(error, 1.0)[0], draws=1000, prior_draws=64)
    assert json.loads(tree.attrs["warnings"]) == []
    assert tree.attrs["pareto_k"] < 0.7


def test_the_spread_of_effects_that_one_deployment_teaches_is_the_exact_one():
    error, between = 0.02, 1.0
    problem, values = one_deployment({"lognormal": {"sigma": error}}, between)
    tree = un.infer(problem, draws=2000, prior_draws=64)
    total = sum(s**2 for s in SIGMAS.values())
    score = np.linspace(-7, 7, 4001)
    spread = 0.3 * np.exp(between * score)
    middle, own = np.log(values).mean(), error**2 / len(values)
    weight = norm.pdf(score) * norm.pdf(middle, 0, np.sqrt(total + spread**2 + own))
    weight /= weight.sum()
    mean = (weight * score).sum()
    agrees(
        tree["unconstrained_posterior"]["between"].values,
        mean,
        np.sqrt((weight * (score - mean) ** 2).sum()),
    )
    effect = tree["posterior"]["evidence_effect"].values[..., 0]
    pull = spread**2 / (total + spread**2 + own) * middle
    left = spread**2 * (total + own) / (total + spread**2 + own)
    mean = (weight * pull).sum()
    agrees(effect, mean, np.sqrt((weight * (left + (pull - mean) ** 2)).sum()))


@pytest.mark.slow
def test_effects_of_two_levels_are_shared_by_all_evidence_and_the_exact_ones():
    """Systems served by stacks, in two files: each system and each stack has one effect."""
    pairs = [[("x", "old"), ("y", "old"), ("x", "new")], [("y", "new"), ("z", "new")]]
    values, stack_sd = np.array([1.5, 2.2, 0.8, 1.1, 1.9]), 0.4
    levels = [{"column": "m", "sd": BETWEEN}, {"column": "stack", "sd": stack_sd}]
    start, files = 0, []
    for names in pairs:
        rows = [[*pair, float(v)] for pair, v in zip(names, values[start:], strict=False)]
        files.append(evidence(rows, ["m", "stack", "value"], random_effect=levels))
        start += len(names)
    tree = un.infer(un.build_problem(priors(), model=product, evidence=files), draws=2000)
    assert json.loads(tree.attrs["warnings"]) == []
    where = {name: 3 + i for i, name in enumerate(("x", "y", "z", "old", "new"))}
    design = np.zeros((5, 8))
    design[:, :3] = 1
    for row, pair in enumerate(pair for names in pairs for pair in names):
        design[row, [where[name] for name in pair]] = 1
    prior = np.diag([s**2 for s in SIGMAS.values()] + 3 * [BETWEEN**2] + 2 * [stack_sd**2])
    mean, covariance = exact(prior, design, np.log(values), ERROR**2 * np.eye(5))
    posterior = tree["posterior"]
    for name, level in (("x", ""), ("z", ""), ("old", "_stack"), ("new", "_stack")):
        effect = posterior[f"evidence_2{level}_effect"].sel({f"evidence_2{level}_group": name})
        agrees(effect.values, mean[where[name]], np.sqrt(covariance[where[name], where[name]]))
        same = posterior[f"evidence{level}_effect"].sel({f"evidence{level}_group": name})
        np.testing.assert_array_equal(same.values, effect.values)
    # A new system on a known stack, and one on a stack that nobody measured.
    known = np.array([1, 1, 1, 0, 0, 0, 0, 1])
    for row, stated, more in (
        ({"stack": "new"}, known, BETWEEN**2),
        ({}, np.array([1, 1, 1, 0, 0, 0, 0, 0]), BETWEEN**2 + stack_sd**2),
    ):
        spread = stated @ covariance @ stated + more
        drawn = np.log(un.predict(tree, [row], quantity="energy_wh")["energy_wh"].values)
        agrees(drawn.reshape(4, -1), stated @ mean, np.sqrt(spread))
        measured = np.log(un.predict(tree, [row])["energy_wh"].values).reshape(4, -1)
        agrees(measured, stated @ mean, np.sqrt(spread + ERROR**2))


def test_the_acceptance_that_is_asked_for_is_adapted_to():
    problem = one_deployment({"lognormal": {"sigma": 0.3}}, 0.5)[0]
    few = {"draws": 400, "warmup": 400, "prior_draws": 64}
    steps = [
        float(un.infer(problem, **few, target_accept=accept)["sample_stats"]["step_size"].mean())
        for accept in (0.6, 0.99)
    ]
    assert steps[1] < 0.7 * steps[0]
    with pytest.raises(un.InputError, match="must lie between 0 and 1 .got 1"):
        un.infer(problem, target_accept=1.0)


def test_weights_that_lean_on_a_few_points_are_not_relied_on():
    """The tail of such weights has not been seen: a fit of it may look harmless."""
    rows = [[float(v)] for v in np.exp(0.1 + 0.3 * np.random.default_rng(0).normal(size=4000))]
    problem = un.build_problem(priors(), model=product, evidence=evidence(rows, ["value"]))
    weigh = in_float64(lambda: weigh_prior(target_of(problem, 2, 0), 0))
    found = weigh()
    assert found.smoothed.effective < 64
    assert not found.reliable


@pytest.mark.parametrize("groups", [5, pytest.param(300, marks=pytest.mark.slow)])
def test_many_rows_are_learned_from_in_few_steps(monkeypatch, groups):
    """From the prior, chains would take a hundred thousand steps to a posterior so narrow."""
    count, rng = 600, np.random.default_rng(0)
    shift = rng.normal(0, BETWEEN, groups)
    group = np.arange(count) % groups
    values = 0.5 + shift[group] + rng.normal(0, ERROR, count)
    rows = [[f"g{g}", float(np.exp(v))] for g, v in zip(group, values, strict=True)]
    stated = evidence(rows, ["g", "value"], random_effect={"column": "g", "sd": BETWEEN})

    monkeypatch.setattr(samplers, "_advance", SimpleNamespace(ahead=samplers._advance.ahead))
    tree = un.infer(un.build_problem(priors(), model=product, evidence=stated))
    assert not json.loads(tree.attrs["warnings"])
    assert "points near the mode" in tree.attrs["sampler"]
    # Means of the groups say all: each with the noise of its rows and the spread between groups.
    means = np.array([values[group == g].mean() for g in range(groups)])
    noise = np.eye(groups) * (BETWEEN**2 + ERROR**2 * groups / count)
    prior = np.diag([s**2 for s in SIGMAS.values()])
    mean, covariance = exact(prior, np.ones((groups, 3)), means, noise)
    for place, name in enumerate(SIGMAS):
        agrees(logs(tree, name), mean[place], np.sqrt(covariance[place, place]))
    total = sum(logs(tree, name) for name in SIGMAS)
    agrees(total, mean.sum(), np.sqrt(covariance.sum()))


def test_effects_that_are_known_stay_where_more_evidence_shares_them():
    """Of the same groups whatever the evidence is called; a group that is new is drawn."""
    from uncertainty.inference.posterior import scores_of
    from uncertainty.inference.target import target_of

    effect = {"random_effect": {"column": "group", "sd": 0.5}}
    first = evidence([["x", 2.0], ["y", 3.0]], ["group", "value"], **effect)
    tree = un.infer(un.build_problem(priors(), model=product, evidence=first), 200, warmup=200)
    second = evidence([["y", 2.5], ["z", 2.5]], ["group", "value"], **effect)
    both = un.build_problem(priors(), model=product, evidence=[first, second])
    target = target_of(both.new_system, 64, 0)
    [level] = target.levels.values()
    assert level.groups == ("x", "y", "z")
    scores = scores_of(tree, target)[..., target.places[level.key]]
    known = tree["unconstrained_posterior"]["evidence_effect"]
    for place, group in enumerate("xy"):
        kept = known.sel(evidence_group=group).values
        np.testing.assert_array_equal(scores[..., place], kept)
    assert abs(np.corrcoef(scores[..., 2].ravel(), scores[..., 1].ravel())[0, 1]) < 0.2
