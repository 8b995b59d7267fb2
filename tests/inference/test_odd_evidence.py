"""Evidence that is plausible and unusual: told, used or refused, and never a crash or a wrong number."""

import json

import numpy as np
import pytest
from scipy.stats import norm

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.inference.target import batches_at, target_of
from uncertainty.report.posterior import fit_sentences
from uncertainty.results.estimate import ess_bulk, leave_one_out, smoothed_weights

slow = pytest.mark.slow  # posteriors of many programs


def product(a, b):
    return {"energy_wh": a * b}


def law(sigma):
    return {"lognormal": {"median": 1, "sigma": sigma}}


def priors(**more):
    return {"schema": 1, "assumptions": {"a": law(1.0), "b": law(0.2), **more}}


def evidence(rows, columns=("value",), sigma=0.1, **more):
    error = {"lognormal": {"sigma": sigma}}
    stated = {"schema": 1, "observes": "energy_wh", "error": error}
    return {**stated, "columns": [*columns], "rows": rows, **more}


def test_more_rows_than_chains_can_go_through_are_refused_where_weights_cannot_stand_in(
    monkeypatch,
):
    rows = [[1.0 + i / 1000] for i in range(1001)]
    monkeypatch.setitem(un.infer.__wrapped__.__globals__, "_WIDE", 0)  # no weights
    with pytest.raises(un.InputError, match="chains of 1,001 rows .* give 1,000 rows or fewer"):
        un.infer(un.build_problem(priors(), model=product, evidence=evidence(rows)))
    # Averaged over queries, so many rows are refused before any of them is computed.
    monkeypatch.delitem(un.infer.__wrapped__.__globals__, "weigh_prior")
    problem = un.build_problem(
        priors(b={"varies": "query", **law(0.2)}), model=product, evidence=evidence(rows)
    )
    with pytest.raises(un.InputError, match="1,000 rows or fewer.* state in each what varies per"):
        un.infer(problem, queries=2**11)


def test_batches_of_rows_that_are_averaged_over_queries_stay_within_memory():
    rows = [[1.0 + i / 1000] for i in range(1000)]
    problem = un.build_problem(
        priors(b={"varies": "query", **law(0.2)}), model=product, evidence=evidence(rows)
    )
    target = in_float64(target_of)(problem, 256, 0)
    assert target.calls == 256_000
    at = in_float64(lambda: next(batches_at(target, np.zeros((1024, target.size)), 0)))()
    assert len(at.plain) * target.calls <= 2**25


def test_weights_that_are_all_the_same_need_no_smoothing():
    found = smoothed_weights(np.zeros(1000))
    assert found.effective == pytest.approx(1000)
    assert found.k < 0
    tied = np.concatenate([np.zeros(500), np.random.default_rng(0).uniform(-3, -1, 500)])
    found = smoothed_weights(tied)
    np.testing.assert_allclose(found.weights, np.exp(tied) / np.exp(tied).sum())
    elpd, k, _ = leave_one_out(np.zeros((4, 100, 2)))
    assert elpd == pytest.approx([0, 0])
    assert (k < 0.7).all()


def test_few_weights_cannot_be_relied_on():
    assert smoothed_weights(np.random.default_rng(0).normal(size=16)).k == np.inf
    # Hardly any draw explains forty measurements: ArviZ before 1 has no weights for them.
    apart = smoothed_weights(-(np.linspace(0, 1e4, 400) ** 1.2))
    assert np.isfinite(apart.weights).all()
    assert apart.effective >= 1


@slow
def test_limits_alone_are_learned_from_and_reported(tmp_path):
    total = np.sqrt(1.0**2 + 0.2**2)
    problem = un.build_problem(
        priors(), model=product, evidence=evidence([[0.5]], ["at_least"], 1e-3)
    )
    tree = un.infer(problem, draws=2000)
    found = np.log(tree["posterior_predictive"]["energy_wh"].values) / total
    edge = np.log(0.5) / total  # a normal cut off at its limit
    mean = norm.pdf(edge) / norm.sf(edge)
    assert abs(found.mean() - mean) < 5 * found.std() / np.sqrt(ess_bulk(found))
    written = {path.name for path in un.write_posterior(tree, tmp_path)}
    assert "updated.svg" in written
    assert "fit.svg" not in written
    assert float(un.check_fit(tree)["rows"][0]) == 0
    assert list(fit_sentences(tree, un.check_fit(tree)))
    un.write_report(tree, tmp_path)
    assert "fit.svg" not in (tmp_path / "report.md").read_text()


@slow
def test_evidence_of_one_name_is_numbered_until_all_differ():
    items = [evidence([[float(i)]]) for i in (1, 2, 3)]
    items[1]["title"] = "another"
    one = un.build_problem(priors(), model=product, evidence=items[:2])
    first, second = one.evidence
    again = un.build_problem(priors(), model=product, evidence=[first, second, items[2]])
    assert [item.name for item in again.observations] == ["evidence", "evidence_2", "evidence_3"]


@slow
@pytest.mark.parametrize("name", ["utilization", "energy_wh"])
def test_evidence_may_not_be_called_like_an_input_or_an_output(tmp_path, name):
    (tmp_path / "mine.yaml").write_text(
        f"schema: 1\nmodel: flops\nextends: epoch\nevidence: [{name}]\n"
    )
    (tmp_path / f"{name}.yaml").write_text(
        "schema: 1\nobserves: energy_wh\nerror: {lognormal: {sigma: 0.1}}\ncolumns: [value]\nrows: [[0.3]]\n"
    )
    with pytest.raises(un.InputError, match="call this evidence otherwise"):
        un.build_problem(str(tmp_path / "mine.yaml"))


def added(**more):
    stated = evidence([["x", 0.3], ["y", 0.4]], ["site", "value"])
    error = {"error": {"normal": {"sd": "20 mWh"}}}
    return {**stated, **error, "random_effect": {"column": "site", "sd": "30 mWh"}, **more}


@slow
def test_spreads_with_a_unit_reach_the_system_that_nobody_measured():
    problem = un.build_problem(
        "epoch", given={"utilization": 0.1, "power_fraction": law(0.1)}, evidence=added()
    )
    effect = problem.new_system.assumptions["system_effect"]
    assert dict(effect.law.fields)["sd"] == pytest.approx(0.03)


@slow
def test_named_spreads_are_in_the_unit_of_the_error():
    noise = {"lognormal": {"p5": 100, "p95": 400}, "unit": "J"}
    stated = added(error={"normal": {"sd": "noise"}})
    with pytest.raises(un.InputError, match="names 'noise', which is in 'J'; 'Wh' is wanted"):
        un.build_problem("epoch", given={"noise": noise}, evidence=stated)
    noise["unit"] = "Wh"
    assert un.build_problem("epoch", given={"noise": noise}, evidence=stated)


@slow
def test_limits_need_a_number_of_degrees_of_freedom():
    heavy = {"error": {"log_student_t": {"df": "nu", "scale": 0.1}}}
    whole = priors(nu={"lognormal": {"median": 4, "sigma": 0.3}})
    stated = evidence([[0.3]], ["at_least"]) | heavy
    with pytest.raises(un.InputError, match="must be a number where rows are limits"):
        un.build_problem(whole, model=product, evidence=stated)


@slow
def test_a_discrepancy_that_is_given_is_that_of_a_new_system_too():
    stated = evidence([[0.3]], discrepancy="off")
    whole = priors(off={"normal": {"mean": 0, "sd": 0.5}})
    problem = un.build_problem(whole, model=product, given={"off": 0.0}, evidence=stated)
    assert problem.new_system.assumptions["system_discrepancy"].law.family == "fixed"


@slow
def test_a_model_of_any_inputs_learns_nothing_of_a_system_that_was_not_measured():
    stated = {
        **evidence([["x", 0.3]], ["site", "value"]),
        "random_effect": {"column": "site", "sd": 0.3},
    }
    problem = un.build_problem(
        priors(), model=lambda **x: {"energy_wh": x["a"] * x["b"]}, evidence=stated
    )
    tree = un.infer(problem, 100, warmup=100)
    assert "system_effect" not in tree.attrs["updated"]


@slow
def test_predictions_know_groups_however_written_and_tell_of_unused_conditions():
    stated = {
        **evidence([[1, 0.3], [0, 3.0]], ["site", "value"], 0.01),
        "random_effect": {"column": "site", "sd": 1.0},
    }
    tree = un.infer(un.build_problem(priors(), model=product, evidence=stated))
    for group in (1, 1.0, "1"):
        draws = np.log(un.predict(tree, [{"site": group}, {"site": 0}])["energy_wh"].values)
        for own, measured in zip(draws.T, (0.3, 3.0), strict=True):
            error = own.std() / np.sqrt(ess_bulk(own.reshape(4, -1)))
            assert abs(own.mean() - np.log(measured)) < 5 * error
    with pytest.raises(
        un.InputError, match=r"0\.bb: is neither an input of product nor an assumption"
    ):
        un.predict(tree, [{"bb": 1.0, "a": 2.0}])
    (notice,) = json.loads(un.predict(tree, [{"pue": 1.0, "a": 2.0}]).attrs["notices"])
    assert notice.startswith("pue: is used by nothing in product")


@slow
def test_fits_with_errors_of_other_families_are_compared():
    fits = {}
    for name, error in (
        ("multiplied", {"lognormal": {"sigma": 0.1}}),
        ("added", {"normal": {"sd": 0.3}}),
    ):
        stated = {**evidence([[3.0], [5.0]]), "error": error}
        fits[name] = un.infer(un.build_problem(priors(), model=product, evidence=stated), 500)
    assert set(un.compare_fits(fits)["fit"].values) == {"multiplied", "added"}


@slow
def test_an_untrusted_posterior_is_fitted_again():
    """Too few draws of chains, and a measurement too sharp for weights to stand in for them."""
    problem = un.build_problem(priors(), model=product, evidence=evidence([[2.0]], sigma=0.001))
    tree = un.infer(problem, draws=8, warmup=10, prior_draws=64)
    assert tree.attrs["warnings"] != "[]"
    assert un.update(tree, evidence([[2.001]], sigma=0.001)).attrs["updated_by"] == "refit"


FILE = """schema: 1
model: flops
extends: epoch
assumptions:
  utilization: {lognormal: {p5: 0.01, p95: 0.6}}
  power_fraction: {lognormal: {p5: 0.69, p95: 0.71}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    return path


@slow
def test_what_evidence_ties_together_is_exported_together(file):
    """Ten exact values: utilization is known as well as what it is divided by, and no better."""
    stated = {"schema": 1, "observes": "energy_wh", "error": {"lognormal": {"sigma": 0.002}},
              "columns": ["value"], "rows": [[0.3]] * 10}  # fmt: skip
    tree = un.infer(un.build_problem(str(file), evidence=stated), draws=2000)
    lost = un.export_priors(tree, file.parent / "learned.yaml").sel(quantity="energy_wh")
    text = (file.parent / "learned.yaml").read_text()
    assert (
        "between: [utilization, power_fraction]" in text
        or "between: [power_fraction, utilization]" in text
    )
    for key in ("median", "lower", "upper"):
        assert abs(float(lost[key])) < 0.01 + 5 * float(lost[f"{key}_se"])


@slow
def test_what_evidence_brought_along_is_exported_with_it(file):
    stated = {"schema": 1, "observes": "energy_wh", "error": {"lognormal": {"sigma": "noise"}},
              "random_effect": {"column": "site", "sd": "between"},
              "assumptions": {"noise": {"fixed": 0.1}, "between": law(0.1)},
              "columns": ["site", "value"], "rows": [["x", 0.3]]}  # fmt: skip
    tree = un.infer(un.build_problem(str(file), evidence=stated), 500)
    un.export_priors(tree, file.parent / "learned.yaml")
    exported = un.build_problem(str(file.parent / "learned.yaml"))
    assert {"noise", "between"} <= exported.assumptions.keys()


@slow
def test_what_a_call_changed_is_not_exported_in_silence(file):
    stated = evidence([[0.3]])
    problem = un.build_problem(str(file), given={"output_tokens": 700}, evidence=stated)
    tree = un.infer(problem, 100, warmup=100)
    with pytest.raises(un.InputError, match="made with given values"):
        un.export_priors(tree, file.parent / "learned.yaml")
    assert not (file.parent / "learned.yaml").exists()


@slow
def test_an_evidence_file_that_changed_is_noticed(file, monkeypatch):
    from uncertainty.sampling import description as recall

    measured = file.parent / "measured.yaml"
    measured.write_text(
        "schema: 1\nobserves: energy_wh\nerror: {lognormal: {sigma: 0.1}}\ncolumns: [value]\nrows: [[0.3]]\n"
    )
    file.write_text(FILE + "evidence: [measured]\n")
    saved = un.save(un.infer(un.build_problem(str(file)), 100, warmup=100), file.parent / "run.nc")
    monkeypatch.setattr(recall, "_RECENT", {})
    assert un.predict(un.load(saved), [{"output_tokens": 100}])
    measured.write_text(measured.read_text().replace("0.3", "0.4"))
    with pytest.raises(un.InputError, match=r"measured\.yaml has changed since"):
        un.predict(un.load(saved), [{"output_tokens": 100}])
