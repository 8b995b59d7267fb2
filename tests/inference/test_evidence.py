"""Evidence files: what is wrong with them is told at once, with its place."""

from pathlib import Path

import numpy as np
import pytest

import uncertainty as un
from uncertainty.files.evidence import read_evidence
from uncertainty.files.library import Place

HERE = Place(Path.cwd(), None)
PRIORS = {
    "schema": 1,
    "model": "flops",
    "extends": "epoch",
    "assumptions": {"utilization": {"lognormal": {"p5": 0.03, "p95": 0.2}}},
}
GOOD = """schema: 1
observes: energy_wh
boundary: facility
error: {lognormal: {sigma: 0.3}}
columns: [output_tokens, value]
rows:
  - [500, 0.4]
  - [200, 0.1 Wh]
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "mine.yaml").write_text(text)
        return "mine.yaml"

    return write


def faults(file, text, **more):
    with pytest.raises(un.InputError) as caught:
        un.build_problem(PRIORS, evidence=file(text), **more)
    return [str(fault) for fault in caught.value.faults]


def test_a_good_file_is_taken_by_path_name_and_mapping(file, tmp_path):
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "named.yaml").write_text(GOOD)
    for evidence in (file(GOOD), "named", ["named", "mlenergy-formula"]):
        assert un.build_problem(PRIORS, evidence=evidence).has_evidence
    assert not un.build_problem(PRIORS, evidence=[]).has_evidence


def test_units_and_catalogue_names_become_numbers():
    mapping = {
        "schema": 1, "observes": "y", "error": {"normal": {"sd": 1}}, "columns": ["hardware", "precision", "host", "value"],
        "rows": [["h100-sxm", "fp8", "150 %", 1]],
    }  # fmt: skip
    (row,) = read_evidence(mapping, HERE).rows
    assert row.conditions["peak_flops"] == 1.979e15
    assert row.conditions["host"] == 1.5


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("boundary: facility", "boundary: gpu_board", "mine.yaml:3:1: boundary", "was measured at gpu_board, and energy_wh is at facility"),
        ("observes: energy_wh", "observes: energy", "mine.yaml:2:1: observes", "did you mean 'energy_wh'?"),
        ("sigma: 0.3", "sigma: spred", "mine.yaml:4:21: error.lognormal.sigma", "names 'spred', which is not an assumption"),
        ("sigma: 0.3", "sigma: -0.3", "mine.yaml:4:21: error.lognormal.sigma", "must be greater than 0"),
        ("{lognormal: {sigma: 0.3}}", "{}", "mine.yaml:4:1: error", "give one of lognormal, normal"),
        ("[500, 0.4]", "[500, -0.4]", "mine.yaml:7:11: rows.0.value", "must be above 0, as its error multiplies"),
        ("[500, 0.4]", "[500]", "mine.yaml:7:5: rows.0", "must have 2 cells, as columns has (got 1)"),
        ("[500, 0.4]", "[500, ]", "mine.yaml:7:5: rows.0", "must have 2 cells"),
        ("[500, 0.4]", "[500, null]", "mine.yaml:7:5: rows.0", "needs one of value, at_least, at_most"),
        ("[500, 0.4]", "[five, 0.4]", "mine.yaml:7:6: rows.0.output_tokens", "must be a number"),
        ("[500, 0.4]", "[500, many]", "mine.yaml:7:11: rows.0.value", "must be a number"),
        ("0.1 Wh", "0.1 kg", "mine.yaml:8:11: rows.1.value", "'kg' does not convert to 'Wh'"),
        ("[500, 0.4]", "[500, true]", "mine.yaml:7:11: rows.0.1", "must be a number, a text or empty"),
        ("output_tokens", "output_token", "mine.yaml:5:11: columns.0", "did you mean 'output_tokens'?"),
        ("columns:", "conditions: {speed: 3}\ncolumns:", "mine.yaml:5:14: conditions.speed", "is neither an input of flops"),
        ("columns: [output_tokens", "columns: [value", "mine.yaml:5:18: columns.1", "'value' stands twice"),
        ("columns:", "random_effect: {sd: 0.2}\ncolumns:", "mine.yaml:5:1: random_effect", "name the column of the groups"),
        ("columns:", "random_effect: {column: value, sd: -1}\ncolumns:", "mine.yaml:5:32: random_effect.sd", "must be greater than 0"),
        ("columns:", "random_effect: [{column: output_tokens, sd: 0.2}, {sd: 0.1}]\ncolumns:", "mine.yaml:5:51: random_effect.1", "name the column of the groups"),
        ("columns:", "random_effect: [{sd: 1}, {sd: 1}, {sd: 1}]\ncolumns:", "mine.yaml:5:1: random_effect", "at most 2 items"),
        ("columns:", "discrepancy: 1 kg\ncolumns:", "mine.yaml:5:1: discrepancy", "'kg' does not convert to '1'"),
        ("columns:", "model: flop\ncolumns:", "mine.yaml:5:1: model", "unknown model 'flop'"),
        ("rows:", "note: 1\nrows:", "mine.yaml:6:1: note", "must be a text"),
        ("schema: 1", "schema: 2", "mine.yaml:1:1: schema", "later than this version reads"),
        ("rows:\n", "rowz:\n", "mine.yaml:6:1: rowz", "did you mean 'rows'?"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(file, old, new, place, message):
    found = faults(file, GOOD.replace(old, new))
    assert any(text.startswith(place) and message in text for text in found), found


def test_faults_of_priors_and_evidence_come_together(file):
    found = faults(file, GOOD.replace("energy_wh", "nothing"), given={"utilization": "x y"})
    assert any("utilization" in text for text in found)


def test_faults_of_rows_need_no_model(file):
    found = faults(file, GOOD.replace("[500, 0.4]", "[500]").replace("0.1 Wh", "x y"))
    assert len(found) == 2


def test_limits_must_be_limits(file):
    text = GOOD.replace("value]", "at_least, at_most]").replace("[500, 0.4]", "[500, 2, 1]")
    assert (
        "at_least must lie below at_most"
        in faults(file, text.replace("[200, 0.1 Wh]", "[200, 1, 2]"))[0]
    )
    both = GOOD.replace("value]", "value, at_least]").replace("[500, 0.4]", "[500, 2, 1]")
    assert (
        "so it can have no limit"
        in faults(file, both.replace("[200, 0.1 Wh]", "[200, 1, null]"))[0]
    )


def test_a_row_must_state_what_its_model_needs(file):
    text = GOOD.replace("columns:", "model: roofline\ncolumns:")
    found = faults(file, text)
    assert any(
        "roofline needs batch_size, which neither the row nor an assumption states" in t
        for t in found
    )


def test_no_such_evidence_is_told_with_a_hint_where_it_is_named(file):
    with pytest.raises(un.InputError, match="did you mean 'mlenergy-chat'"):
        un.build_problem(PRIORS, evidence="mlenergy-chats")
    text = "schema: 1\nextends: gpt-4o\nevidence: [mlenergy-chats]\n"
    with pytest.raises(un.InputError, match=r"mine.yaml:3:12: evidence.0: no such file"):
        un.build_problem(file(text))
    with pytest.raises(un.InputError, match="must be a file, a name, a mapping or a list"):
        un.build_problem(PRIORS, evidence=3)


def test_evidence_brings_its_own_assumptions_and_the_file_goes_before_them():
    problem = un.build_problem("gpt-4o")
    assert str(problem.assumptions["model_sd"]).startswith("lognormal")
    stated = un.build_problem("gpt-4o", given={"model_sd": 0.5})
    assert str(stated.assumptions["model_sd"]) == "0.5"


def test_what_only_evidence_uses_is_not_ranked():
    names = un.rank_inputs(un.build_problem("gpt-4o"), method="tornado")["input"].values
    assert "model_sd" not in names
    assert "batch_size" in names


def test_a_measurement_without_rows_gives_new_systems_an_effect():
    stated = {
        **PRIORS,
        "assumptions": {"utilization": {"fixed": 0.1}},
        "measurement": {"observes": "energy_wh", "error": {"lognormal": {"sigma": 0.2}}, "random_effect": {"sd": 0.5}},
    }  # fmt: skip
    problem = un.build_problem(stated)
    draws = np.log(un.simulate(problem, draws=2**12)["prior_predictive"]["energy_wh"])
    variances = ((draws - draws.mean()) ** 2).mean("draw").values  # of each randomization
    assert abs(variances.mean() - 0.5**2) < 5 * variances.std(ddof=1) / np.sqrt(len(variances))
    predicted = np.log(un.predict(problem, [{}])["energy_wh"].values)
    error = np.sqrt(0.5**2 + 0.2**2)
    assert abs(predicted.std() - error) < 5 * error / np.sqrt(2 * len(predicted))
    assert not problem.has_evidence


def test_a_fleet_stands_on_the_changed_energy():
    stated = {
        **PRIORS, "model": {"fleet": "flops"},
        "assumptions": {"utilization": {"fixed": 0.1}, "queries_per_day": {"fixed": 1e9}},
        "measurement": {"observes": "energy_wh", "error": {"lognormal": {"sigma": 0.2}}, "random_effect": {"sd": 0.5}},
    }  # fmt: skip
    found = un.build_problem(stated)
    tree = un.simulate(found, draws=256)["prior_predictive"]
    ratio = tree["fleet_power_mw"] / tree["energy_wh"]
    np.testing.assert_allclose(ratio, ratio.values.flat[0], rtol=1e-12)
    assert tree["fleet_power_mw"].values.std() > 0


def test_predictions_say_what_is_missing():
    problem = un.build_problem("roofline-calibrated")
    with pytest.raises(un.InputError, match=r"<rows>: 1.hardware: 'h101' is not in the hardware"):
        un.predict(problem, [{}, {"hardware": "h101"}])
    with pytest.raises(un.InputError, match="nothing says how measurements differ"):
        un.predict(un.build_problem("epoch"), [{}])
    with pytest.raises(un.InputError, match="is not observed"):
        un.predict(problem, [{}], observes="energy_wh")


def test_the_calibrated_roofline_predicts_measured_runs_at_their_own_conditions():
    from uncertainty.files.evidence import evidence_names

    rows, values = [], []
    for name in evidence_names():
        found = read_evidence(name, HERE)
        if found.model == "roofline":
            rows += [row.conditions for row in found.rows]
            values += [float(row.observed["value"]) for row in found.rows]
    scores = un.score(un.predict(un.build_problem("roofline-calibrated"), rows), values)
    assert scores.log_rmse < 0.4
    assert scores.coverage.sel(prob=0.9) > 0.85
