"""Predictions at new conditions: any output, rows in any shape, faults with their place."""

import numpy as np
import pandas as pd
import pytest

import uncertainty as un

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
