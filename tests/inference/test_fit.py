"""Fits against closed forms: rows left out, rows expected by a prior, models compared."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy.stats import multivariate_normal, norm

import uncertainty as un
from uncertainty.report.posterior import _update_sentence, fit_parts

SIGMAS, ERROR = {"a": 0.8, "b": 0.6}, 0.5
SPREAD = np.sqrt(sum(s**2 for s in SIGMAS.values()) + ERROR**2)
VALUES = [2.0, 3.0, 1.5]
PRIOR = {
    "schema": 1,
    "assumptions": {k: {"lognormal": {"median": 1, "sigma": s}} for k, s in SIGMAS.items()},
}


def evidence(rows, columns=("value",)):
    error = {"lognormal": {"sigma": ERROR}}
    return {"schema": 1, "observes": "y", "error": error, "columns": [*columns], "rows": rows}


def product(a, b, factor):
    return {"y": factor * a * b}


def problem(rows, factor=1.0, columns=("value",)):
    laws = {**PRIOR["assumptions"], "factor": {"fixed": factor}}
    stated = {"schema": 1, "assumptions": laws}
    return un.build_problem(stated, model=product, evidence=evidence(rows, columns))


def left_out_exactly(factor):
    """Log density of each row given the others, summed: measured logarithms are jointly normal."""
    logs, own = np.log(VALUES) - np.log(factor), ERROR**2 * np.eye(3)
    shared = sum(s**2 for s in SIGMAS.values())
    found = []
    for i in range(3):
        others = [j for j in range(3) if j != i]
        whole = multivariate_normal(np.zeros(3), own + shared).logpdf(logs)
        rest = multivariate_normal(np.zeros(2), (own + shared)[:2, :2]).logpdf(logs[others])
        found.append(whole - rest - np.log(VALUES[i]))
    return sum(found)


def test_rows_left_out_are_predicted_as_exactly_as_their_closed_form():
    fits = [un.infer(problem([[v] for v in VALUES]), 500, seed=seed) for seed in range(8)]
    found = np.array([float(un.check_fit(fit)["elpd_loo"][0]) for fit in fits])
    assert abs(found.mean() - left_out_exactly(1)) < 5 * found.std(ddof=1) / np.sqrt(8)


def test_fits_of_the_same_rows_are_compared_the_best_first():
    rows = [[v] for v in VALUES]
    fits = {name: un.infer(problem(rows, f), 500) for name, f in (("far", 50.0), ("near", 2.0))}
    found = un.compare_fits(fits)
    assert found["fit"].values.tolist() == ["near", "far"]
    one, other = (float(un.check_fit(fits[name])["elpd_loo"][0]) for name in ("near", "far"))
    assert float(found["elpd_difference"][1]) == pytest.approx(other - one)
    assert float(found["elpd_difference"][0]) == float(found["elpd_difference_se"][0]) == 0
    assert float(found["elpd_difference_se"][1]) > 0


def test_fits_of_other_rows_are_not_compared():
    rows = [[v] for v in VALUES]  # as many as elsewhere: compiled once
    fits = {
        name: un.infer(problem(measured), 500)
        for name, measured in (("one", rows), ("other", [*rows[:2], [4.0]]))
    }
    with pytest.raises(un.InputError, match="other was learned from other measurements than one"):
        un.compare_fits(fits)
    with pytest.raises(un.InputError, match="has no posterior"):
        un.compare_fits({"one": un.simulate(problem([[2.0]]), 64)})


def test_what_a_prior_expects_is_its_closed_form():
    far = 2.5
    found = un.check_prior(problem([[1.2], [float(np.exp(far * SPREAD))]])).isel(evidence=0)
    assert int(found["farthest"]) == 2
    assert abs(float(found["tail"]) - 2 * norm.sf(far)) < 5 * float(found["tail_se"])
    assert float(found["coverage"].sel(prob=0.9)) == 0.5


def test_a_tail_that_no_draw_reaches_has_a_bound_for_its_error():
    found = un.check_prior(problem([[float(np.exp(12 * SPREAD))]])).isel(evidence=0)
    assert 0 == float(found["tail"]) < 2 * norm.sf(12) < float(found["tail_se"]) < 0.01


def test_limits_are_expected_with_the_probability_of_lying_within_them():
    low = float(np.exp(SPREAD))
    rows, columns = [[None, low], [3.0, None]], ("value", "at_least")
    found = un.check_prior(problem(rows, columns=columns)).isel(evidence=0)
    assert int(found["farthest"]) == 1
    assert float(found["rows"]) == 1
    assert abs(float(found["tail"]) - norm.sf(1)) < 5 * float(found["tail_se"])


def test_evidence_of_limits_alone_has_no_errors_to_score():
    found = un.check_prior(problem([[1.0]], columns=("at_least",))).isel(evidence=0)
    assert np.isnan(found["log_rmse"])
    assert float(found["rows"]) == 0


def test_a_figure_that_the_rows_do_not_have_is_none_and_the_report_says_why():
    signed = {**evidence([[2.0], [-0.1]]), "error": {"normal": {"sd": 1.0}}}
    evidences = [evidence([[4.0]], ["at_least"]), signed, evidence([[2.0]])]
    prior = un.build_problem(PRIOR, model=lambda a, b: a * b, evidence=evidences)
    expected = un.check_prior(prior)
    table, *sentences = fit_parts("Fit", expected)
    cells = [row[2:6] for row in table.rows]
    assert cells[0] == ["none"] * 4
    assert cells[1][:2] == ["none"] * 2
    assert "none" not in cells[1][2:] + cells[2]
    assert "nan" not in str(table.rows)
    for sentence, name in zip(sentences, expected["evidence"].values, strict=False):
        assert sentence.text.endswith(f": {name}.")
    assert len(sentences) == 2


def test_an_interval_is_written_with_the_digits_that_tell_its_ends_apart():
    tree = xr.DataTree.from_dict({"central": xr.Dataset({"y": ((), 1.0, {"units": "Wh"})})})
    ends = {"prior": (1.0, 0.5, 2.0), "posterior": (1.0, 0.9998, 1.0002)}
    keys = ("median", "lower", "upper")
    intervals = {group: xr.Dataset(dict(zip(keys, v, strict=True))) for group, v in ends.items()}
    assert _update_sentence(tree, "y", 0.9, intervals) == (
        "Evidence moves y from 1 Wh (90 % interval 0.5 to 2) to 1 Wh (90 % interval 0.9998 to "
        "1.0002): the upper end was 4 times the lower one, and is 1.0004 times it."
    )
    tree["central"]["y"].attrs["units"] = ""
    assert "from 1 (90 % interval" in _update_sentence(tree, "y", 0.9, intervals)


def test_a_problem_without_evidence_has_nothing_to_check():
    bare = un.build_problem(PRIOR, model=lambda a, b: {"y": a * b})
    with pytest.raises(un.InputError, match="no evidence to check"):
        un.check_prior(bare)


def test_a_result_says_what_its_rows_leave_open():
    per_query = {"lognormal": {"median": 1, "sigma": 1}, "varies": "query"}
    prior = {"schema": 1, "assumptions": {**PRIOR["assumptions"], "c": per_query}}
    rows = [[2.0, None, 1.0], [2.0, 3.0, None], [2.0, None, 1.0]]
    stated = evidence(rows, ("value", "a", "c"))
    tree = un.infer(
        un.build_problem(prior, model=lambda a, b, c: {"y": a * b * c}, evidence=stated)
    )
    (told,) = json.loads(tree.attrs["evidence"])
    assert told["open"] == [
        {"rows": [1, 3], "shared": ["a", "b"], "averaged": []},
        {"rows": [2], "shared": ["b"], "averaged": ["c"]},
    ]
