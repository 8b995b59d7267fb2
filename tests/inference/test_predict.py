"""Predictions at new conditions: any output, rows in any shape, faults with their place."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.files import Row
from uncertainty.inference.target import rows_at, whole_target
from uncertainty.problem import rows_of

SIGMA, ERROR, BETWEEN = {"a": 0.8, "b": 0.6}, 0.3, 0.4
ROWS = [["x", 2.0], ["x", 3.0], ["y", 1.5]]


def priors():
    laws = {name: {"lognormal": {"median": 1, "sigma": s}} for name, s in SIGMA.items()}
    per_query = {"lognormal": {"median": 1, "sigma": 1}, "varies": "query"}
    return {"schema": 1, "assumptions": {**laws, "tokens": per_query}}


def model(a, b, tokens):
    return {"y": a * b, "energy_wh": a * b * tokens, "count": 3 * a}


@pytest.fixture(scope="module")
def tree():
    evidence = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": ERROR}},
        "random_effect": {"column": "site", "sd": BETWEEN},
        "columns": ["site", "value"],
        "rows": ROWS,
    }
    return un.infer(un.build_problem(priors(), model=model, evidence=evidence), prior_draws=64)


def logs(tree, rows, **options):
    (draws,) = un.predict(tree, rows, **options).data_vars.values()
    return np.log(draws.values)


def test_an_output_is_predicted_with_the_effect_of_its_system_and_without_an_error(tree):
    """The new system has an effect of its own; that of a measured one is what was learned."""
    posterior = tree["posterior"]
    product = np.log((posterior["a"] * posterior["b"]).values.ravel())
    effect = posterior["evidence_effect"].sel(evidence_group="x").values.ravel()
    found = logs(tree, [{"site": "x"}, {"site": "new"}, {"a": 2.0, "b": 3.0}], quantity="y")
    np.testing.assert_allclose(found[:, 0], product + effect)
    # Independent of the rest, the new effect adds its variance.
    extra = found[:, 1] - product
    assert abs(extra.mean()) < 5 * BETWEEN / np.sqrt(len(extra))
    assert abs(extra.std() - BETWEEN) < 5 * BETWEEN / np.sqrt(2 * len(extra))
    assert abs(found[:, 2].mean() - np.log(6)) < 5 * BETWEEN / np.sqrt(len(extra))


def test_outputs_that_no_error_multiplies_have_none(tree):
    found = logs(tree, [{"a": 2.0}], quantity="count")
    np.testing.assert_allclose(found, np.log(6))


def test_what_varies_per_query_is_reduced_as_asked(tree):
    problem, row = un.build_problem(priors(), model=model), {"a": 1.0, "b": 1.0}
    found = {
        name: logs(problem, row, quantity="energy_wh", statistic=name)
        for name in ("typical", "mean", "query")
    }
    assert np.ptp(found["typical"]) == np.ptp(found["mean"]) == 0
    assert abs(found["typical"][0, 0]) < 5 * 1.2533 / np.sqrt(256)
    assert abs(found["mean"][0, 0] - 0.5) < 5 * np.sqrt(np.e - 1) / np.sqrt(256)
    assert abs(found["query"].std() - 1) < 5 / np.sqrt(2 * len(found["query"]))
    stated = logs(problem, {**row, "tokens": 2.0}, quantity="energy_wh")
    np.testing.assert_allclose(stated, np.log(2))


def test_rows_of_two_kinds_in_turns_keep_their_places():
    """The output is in proportion to what each row states, draw by draw."""
    problem, stated = un.build_problem(priors(), model=model), np.arange(1.0, 21)
    rows = [{("a", "tokens")[i % 2]: x} for i, x in enumerate(stated)]
    found = logs(problem, rows, quantity="energy_wh") - np.log(stated)
    for kind in (0, 1):
        same = found[:, kind::2]
        np.testing.assert_allclose(same, same[:, :1] + np.zeros(10), atol=1e-13)
        assert abs(same.std() / (SIGMA["b"], np.hypot(*SIGMA.values()))[kind] - 1) < 0.01


def test_a_median_over_queries_of_which_one_is_lost_is_lost():
    def sometimes(a, b, tokens):
        return {"y": jnp.where(tokens * a > 20, jnp.nan, tokens) * b}

    problem = un.build_problem(priors(), model=sometimes)
    found = un.predict(problem, [{"a": 1e-9}, {"a": 1e9}, {"a": 1.0}], quantity="y")["y"]
    assert np.isnan(found.values).mean(0).tolist() == [0, 1, 1]


def test_measurements_are_those_of_the_queries_that_the_noise_picks():
    """The same numbers as where every row is averaged over all queries."""
    law = {"lognormal": {"sigma": ERROR}}
    measured = {"measurement": {"observes": "energy_wh", "error": law}}
    problem = un.build_problem({**priors(), **measured}, model=model)
    [item] = problem.observations
    kinds = ({}, {"tokens": 2.0})
    rows = [Row(i, {"b": 1.0 + i, **kinds[i % 2]}, {}, "") for i in range(5)]
    parts = rows_of(rows, [(0.0, 0.0)] * 5, (), problem.joint, item.model)
    whole = in_float64(whole_target)(problem.joint, (replace(item, rows=tuple(parts)),), 64, 0)
    z = np.random.default_rng(0).normal(size=(32, whole.size))
    few, all_queries = (
        in_float64(rows_at)(replace(whole, predicts=only), z, 0).rows[0][1]
        for only in (True, False)
    )
    np.testing.assert_allclose(few, all_queries, rtol=1e-14)
    assert np.unique(few).size == few.size


def test_rows_come_as_a_list_a_table_columns_or_one_mapping(tree):
    rows = [{"a": 2.0, "site": "x"}, {"a": 3.0, "site": "y"}]
    wanted = logs(tree, rows)
    for same in (
        pd.DataFrame(rows),
        pd.DataFrame(rows).rename_axis("row").to_xarray(),
        {"a": [2.0, 3.0], "site": ["x", "y"]},
        {"a": np.array([2, 3]), "site": ("x", "y")},
        tuple(rows),
        [pd.Series(row) for row in rows],
    ):
        np.testing.assert_array_equal(logs(tree, same), wanted)
    one = logs(tree, rows[0])
    assert one.shape[1] == 1
    np.testing.assert_array_equal(logs(tree, pd.Series(rows[0])), one)
    open_cells = pd.DataFrame({"a": [2.0, np.nan], "site": ["x", None]})
    np.testing.assert_array_equal(logs(tree, open_cells), logs(tree, [{"a": 2.0, "site": "x"}, {}]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (5, "<rows>: must be a list of mappings, a mapping of columns or a table .got int"),
        ("text", "must be a list of mappings"),
        ([{}, 3], "<rows>: 1: must be a mapping of names to values .got int"),
        ({"a": [1, 2], "b": [1]}, "columns must be of one length .a: 2, b: 1"),
        (
            [{}, {"tokns": 3}],
            "<rows>: 1.tokns: is neither an input of model nor an assumption; did you mean 'tokens'",
        ),
        ([{"a": np.nan}, {"b": float("nan")}], "0.a: is not a number .NaN.; leave the name out"),
        ([{"a": 1.0}, {"b": float("nan")}], "<rows>: 1.b: is not a number .NaN."),
        ({"a": [1.0, np.nan]}, "<rows>: 1.a: is not a number .NaN."),
        ([{"site": np.nan}], "<rows>: 0.site: is not a number .NaN."),
        ([{"a": True}], "<rows>: 0.a: must be a number or a text .got True"),
        ([{"a": [[1]]}], "<rows>: 0.a: must be a number or a text"),
        ([{"a": 1 + 2j}], "<rows>: 0.a: must be a number or a text"),
        ([{3: 1.0}], "<rows>: 0.3: must have a name of text"),
        (
            [{"a": 1.0, "a ": 2.0}],
            "<rows>: 0.a : must have a name of text, without space around it",
        ),
        ({"a": range(3), "b": [1]}, "columns must be of one length .a: 3, b: 1"),
    ],
)
def test_rows_at_fault_are_located(tree, rows, message):
    with pytest.raises(un.InputError, match=message):
        un.predict(tree, rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantity": "energy"}, "no output 'energy'; did you mean 'energy_wh'"),
        ({"quantity": "y", "statistic": "median"}, "statistic"),
        ({"quantity": "y", "observes": "y"}, "not both"),
    ],
)
def test_what_is_predicted_must_be_there(tree, options, message):
    with pytest.raises(un.InputError, match=message):
        un.predict(tree, [{}], **options)


def test_outputs_and_rows_do_not_share_what_arviz_compares(tree):
    """Its posterior predictive plots take every variable of the group for one of observed_data."""
    group = tree["posterior_predictive"]
    assert set(group.data_vars) == set(tree["observed_data"].data_vars) == {"evidence"}
    assert group["energy_wh"].dims == ("chain", "draw")
    stacked = group.to_dataset().stack(sample=("chain", "draw"))
    assert stacked["evidence"].dims == ("evidence_row", "sample")


def test_outputs_of_a_posterior_are_kept_by_saving(tree, tmp_path):
    again = un.load(un.save(tree, tmp_path / "run.nc"))
    assert again.identical(tree)
    assert {*un.summarize(again)["quantity"].values} == {"y", "energy_wh", "count"}


def test_arviz_draws_its_posterior_predictive_plots(tree):
    plots = pytest.importorskip("arviz_plots")
    plots.plot_ppc_dist(tree, backend="none")
    chains = {"sample_dims": "chain", "num_samples": 16}
    plots.plot_ppc_dist(tree, group="prior_predictive", **chains, backend="none")


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert un.__version__ == version("llm-energy-uncertainty")
