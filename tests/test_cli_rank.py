"""`uncertainty rank` from the command line."""

import csv
import json

import pytest
from typer.testing import CliRunner

import uncertainty as un
from uncertainty import report
from uncertainty.cli import app

FILE = """
schema: 1
assumptions:
  a: {lognormal: {median: 2, sigma: 0.8}, unit: J, group: hardware}
  b: {lognormal: {median: 3, sigma: 0.5}, group: usage}
  t: {lognormal: {median: 1, sigma: 0.6}, varies: query, group: usage}
"""
MODEL = "def f(a, b, t):\n    return {'energy_wh': a * b * t}\n"


@pytest.fixture
def stated(tmp_path):
    (tmp_path / "mine.yaml").write_text(FILE)
    (tmp_path / "mine.py").write_text(MODEL)
    return [str(tmp_path / "mine.yaml"), "--model", f"{tmp_path / 'mine.py'}:f"]


def invoke(*arguments):
    return CliRunner().invoke(app, ["rank", *map(str, arguments)])


def test_many_inputs_ranked_together_leave_room_for_their_shares(tmp_path):
    """A warning of collapsed axes would be an error here."""
    names = [f"a_rather_long_name_number_{i}" for i in range(8)]
    laws = {name: {"lognormal": {"median": 1, "sigma": 0.3}} for name in [*names, "alone"]}
    tied = [{"between": [names[0], other], "rank": 0.1} for other in names[1:]]
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws, "correlations": tied}, model=lambda **x: sum(x.values())
    )
    ranking = un.rank_inputs(problem, by="block", draws=2**8)
    un.write_ranking([ranking], tmp_path)
    assert {path.stem for path in tmp_path.glob("*.svg")} >= {"sobol", "sobol-chances"}


def test_says_what_to_measure_next_and_writes_tables_and_figures(stated, tmp_path):
    out = tmp_path / "ranking"
    found = invoke(*stated, "--out", out, "--method", "shapley,sobol,value", "--threshold", 8)
    assert found.exit_code == 0, found.output
    said = " ".join(found.output.split())
    assert "Knowing a exactly would be expected to narrow the 90 % interval" in said
    assert "████████████" in found.output
    stems = {path.stem for path in out.glob("*.svg")}
    chances = {f"{method}-chances" for method in ("shapley", "sobol", "value")}
    assert stems == {"shapley", "sobol", "value", "shares", *chances}
    assert {path.stem for path in out.glob("*.svg")} == stems
    with (out / "ranking.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"shapley", "sobol", "value"}
    assert {row["estimate"] for row in rows} >= {"shapley", "total", "narrowing", "decision"}
    assert all(float(row["standard_error"]) >= 0 for row in rows)


def test_interactions_are_drawn_where_there_are_any(stated, tmp_path):
    found = invoke(*stated, "--out", tmp_path / "r", "--method", "sobol", "--scale", "linear")
    assert found.exit_code == 0, found.output
    assert (tmp_path / "r" / "interactions.svg").is_file()


def test_json_holds_the_same_and_groups_are_ranked(stated, tmp_path):
    found = invoke(
        *stated, "--out", tmp_path / "r", "--method", "shapley", "--by", "group", "--json"
    )
    told = json.loads(found.output)
    [ranking] = told["rankings"]
    assert [row["input"] for row in ranking["inputs"]] == ["hardware", "usage"]
    assert sum(row["shapley"] for row in ranking["inputs"]) == pytest.approx(1)
    assert ranking["scale"] == "log"


def test_json_and_csv_hold_one_row_an_input_and_one_a_pair(stated, tmp_path):
    """Three inputs whose shares are of second order too: three rows, and three pairs."""
    options = ["--method", "sobol", "--statistic", "query", "--scale", "linear", "--json"]
    [ranking] = json.loads(invoke(*stated, "--out", tmp_path / "r", *options).output)["rankings"]
    assert sorted(row["input"] for row in ranking["inputs"]) == ["a", "b", "t"]
    assert {frozenset((row["input"], row["other"])) for row in ranking["pairs"]} == {
        frozenset(pair) for pair in ("ab", "at", "bt")
    }
    numbers = [
        value
        for row in (*ranking["inputs"], *ranking["pairs"])
        for key, value in row.items()
        if key not in ("input", "other")
    ]
    assert len(ranking["pairs"]) == 3
    assert all(isinstance(value, int | float) for value in numbers)
    problem = un.build_problem(stated[0], model=lambda a, b, t: {"energy_wh": a * b * t})
    found = un.rank_inputs(problem, draws=2**8)
    record = report.ranking_record(found)
    assert [row["input"] for row in record["inputs"]] == found["input"].values.tolist()
    assert "query_share" in record
    assert "query_share" not in record["inputs"][0]


def test_run_says_one_row_an_input(stated, tmp_path):
    options = ["--draws", "64", "--json", "--out", str(tmp_path / "run")]
    found = CliRunner().invoke(app, ["run", *stated, *options])
    told = json.loads(found.stdout)
    assert [row["rank"] for row in told["ranking"]] == [1, 2]
    assert [(row["input"], row["other"]) for row in told["ranking_pairs"]] == [("a", "b")]
    with (tmp_path / "run" / "ranking.csv").open() as file:
        assert [row["input"] for row in csv.DictReader(file)] == ["a", "b"]


def test_a_saved_run_is_ranked_under_a_condition(stated, tmp_path):
    problem = un.build_problem(stated[0], model=lambda a, b, t: {"energy_wh": a * b * t})
    path = un.save(un.simulate(problem, 2**12), tmp_path / "run.nc")
    found = invoke(path, "--where", "energy_wh > 12")
    assert found.exit_code == 0, found.output
    assert "Inputs where energy_wh > 12" in found.output
    assert "Where energy_wh > 12, a differs most from all draws" in " ".join(found.output.split())
    assert (tmp_path / "ranking" / "ranking.csv").is_file()
    told = json.loads(invoke(path, "--where", "energy_wh > 12", "--json").output)
    assert {"lower", "middle", "upper", "distance"} <= told["rankings"][0]["inputs"][0].keys()


def test_a_run_that_is_not_to_be_trusted_has_its_own_status(stated, tmp_path):
    problem = un.build_problem(stated[0], model=lambda a, b, t: {"energy_wh": a * b * t})
    tree = un.simulate(problem, 2**10)
    tree.attrs["warnings"] = json.dumps(["made up"])
    found = invoke(un.save(tree, tmp_path / "run.nc"), "--method", "correlation")
    assert found.exit_code == 3
    assert "not to be trusted: made up" in found.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "shap"], "<method>: must be one of sobol"),
        (["--where", "energy_wh > 1"], "give a result of simulate"),
        (["--by", "owner"], "<by>: must be one of input, block, group"),
        (["--prob", "2"], "--prob: must lie between 0 and 1"),
    ],
)
def test_faults_are_said_and_nothing_is_written(stated, options, message, tmp_path):
    found = invoke(*stated, "--out", tmp_path / "none", *options)
    assert found.exit_code != 0
    assert message in str(found.exception)
    assert not (tmp_path / "none").exists()


def test_a_saved_run_cannot_be_changed(tmp_path):
    found = invoke(tmp_path / "run.nc", "--set", "a=1")
    assert "--set: cannot change a saved run" in str(found.exception)


def test_correlated_inputs_are_ranked_together_where_a_method_needs_it(stated, tmp_path):
    text = FILE + "correlations: [{between: [a, b], rank: 0.5}]\n"
    (tmp_path / "mine.yaml").write_text(text)
    out = tmp_path / "ranking"
    found = invoke(*stated, "--out", out, "--method", "sobol,shapley")
    assert found.exit_code == 0, found.output
    said = " ".join(found.output.split())
    assert "a + b" in said
    assert "Correlated inputs, whose shares would overlap, are ranked together." in said
    refused = CliRunner().invoke(app, ["rank", *stated, "--method", "sobol", "--by", "input"])
    assert isinstance(refused.exception, un.InputError)
