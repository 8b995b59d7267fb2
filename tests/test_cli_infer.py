"""The command that learns from measurements, as a user runs it."""

import json
import subprocess
import sys

import pandas as pd
import pytest

import uncertainty as un

FILE = """schema: 1
title: Mine
model: flops
extends: epoch
evidence: [measured]
assumptions:
  utilization: {lognormal: {p5: 0.03, p95: 0.2}, truncate: {high: 1}, unit: fraction}
scenarios:
  longer: {output_tokens: 2000}
"""
MEASURED = """schema: 1
observes: energy_wh
error: {lognormal: {sigma: 0.2}}
columns: [value]
rows: [[0.4], [0.5]]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.yaml").write_text(FILE)
    (tmp_path / "measured.yaml").write_text(MEASURED)
    return tmp_path


def uncertainty(folder, *words):
    code = "import sys; from uncertainty.cli import main; sys.argv[0] = 'uncertainty'; main()"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_infer_prints_what_has_moved_and_exports_it(folder, monkeypatch):
    done = uncertainty(folder, "infer", "mine.yaml", "--export", "learned.yaml")
    assert done.returncode == 0, done.stderr
    assert "Assumptions, before and after" in done.stdout
    assert "2 rows of energy_wh" in done.stdout
    assert "Exported to learned.yaml" in done.stdout
    assert un.build_problem(un.load_priors(folder / "learned.yaml"))
    written = {path.name for path in (folder / "results" / "mine-posterior").iterdir()}
    assert written >= {"run.nc", "posterior.csv", "updated.svg", "movement.svg", "fit.svg"}
    run = "results/mine-posterior/run.nc"
    ranked = uncertainty(folder, "rank", run, "--method", "prior,correlation")
    assert ranked.returncode == 0, ranked.stderr
    assert "Power scaling of the posterior" in ranked.stdout
    assert (folder / "results" / "mine-posterior" / "ranking" / "movement.svg").exists()
    monkeypatch.chdir(folder)  # the file of the run is found from where it was run
    tree = un.load(folder / "results" / "mine-posterior" / "run.nc")
    assert un.predict(tree, [{"output_tokens": 100}])["energy_wh"].sizes["row"] == 1


def test_too_few_draws_are_saved_and_marked(folder):
    words = ("infer", "mine.yaml", "--draws", "8", "--warmup", "10")
    (folder / "measured.yaml").write_text(MEASURED.replace("[[0.4], [0.5]]", "[[4.5], [4.7]]"))
    done = uncertainty(folder, *words, "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["warnings"]
    surprise = "rows 1-2 of measured lie where the prior expects fewer"
    assert found["notices"][-1].startswith(surprise)
    # What measurements show is not of the file, and stands where it is read.
    assert f"note: {surprise}" in uncertainty(folder, *words, "--force").stdout
    assert "not to be trusted" in done.stderr
    [row] = [row for row in found["assumptions"] if row["assumption"] == "utilization"]
    table = pd.read_csv(folder / "results" / "mine-posterior" / "posterior.csv")
    written = table.set_index("assumption").loc["utilization"]
    for key in ("prior_median", "median", "mcse_median", "p5", "ess_bulk"):
        assert isinstance(row[key], float)
        assert written[key] == pytest.approx(row[key])
    # So few draws do not show where 5 % lie above.
    assert row["mcse_p95"] is None
    assert written["mcse_p95"] == float("inf")
    assert (folder / "results" / "mine-posterior" / "run.nc").exists()


@pytest.mark.slow
def test_run_prints_a_posterior_beside_its_prior(folder):
    done = uncertainty(folder, "run", "mine.yaml", "--draws", "512")
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("energy_wh (Wh), prior") < done.stdout.index(
        "energy_wh (Wh), posterior"
    )
    report = (folder / "results" / "mine" / "report.md").read_text()
    assert "## What evidence says of the assumptions" in report
    assert (folder / "results" / "mine" / "updated.svg").exists()
    alone = uncertainty(folder, "run", "mine.yaml", "--draws", "512", "--evidence", "none")
    assert "posterior" not in alone.stdout


@pytest.mark.slow
def test_scenarios_side_by_side_have_each_its_posterior_where_there_is_one(folder):
    words = ("run", "mine.yaml", "--scenario", "all", "--draws", "64", "--json")
    done = uncertainty(folder, *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    alone = json.loads(uncertainty(folder, *words, "--evidence", "none").stdout)
    ratios = [
        {row["scenario"]: row["upper"] / row["lower"] for row in rows["scenarios"]}
        for rows in (found, alone)
    ]
    narrower = {name for name in ratios[0] if ratios[0][name] < 0.9 * ratios[1][name]}
    assert narrower == {"as stated", "longer"}  # nothing is uncertain in the third
    assert any(text.startswith("pessimistic: this is the prior") for text in found["notices"])
    refused = uncertainty(folder, "infer", "mine.yaml", "--scenario", "pessimistic")
    assert refused.returncode == 2
    assert "the measurements can move nothing" in refused.stderr


def test_check_says_what_the_prior_expects_and_what_it_does_not(folder):
    done = uncertainty(folder, "check", "mine.yaml")
    assert done.returncode == 0, done.stderr
    assert "What the prior expects of the measurements" in done.stdout
    (folder / "measured.yaml").write_text(MEASURED.replace("[0.5]", "[500]"))
    found = json.loads(uncertainty(folder, "check", "mine.yaml", "--json").stdout)
    assert found["evidence"][0]["farthest"] == 2
    assert any(text.startswith("row 2 of measured lies where") for text in found["warnings"])


def test_what_is_set_in_a_call_is_not_exported(folder):
    words = ("--set", "output_tokens=9", "--export", "learned.yaml")
    done = uncertainty(folder, "infer", "mine.yaml", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("--export: only a file as it stands")


def test_bad_evidence_is_told_and_nothing_written(folder):
    (folder / "measured.yaml").write_text(MEASURED.replace("energy_wh", "energy"))
    done = uncertainty(folder, "infer", "mine.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("measured.yaml:2:1: observes: flops has no output 'energy'")
    assert not (folder / "results").exists()


def test_a_streamed_run_is_of_the_prior_and_says_so(folder):
    done = uncertainty(folder, "run", "mine.yaml", "--tolerance", "2%")
    assert done.returncode == 0, done.stderr
    assert "this is the prior alone" in done.stdout


def test_a_mistaken_unit_is_found_before_any_chain(folder):
    (folder / "measured.yaml").write_text(MEASURED.replace("[[0.4], [0.5]]", "[[1.44e6], [1.8e6]]"))
    for command in ("infer", "run"):
        done = uncertainty(folder, command, "mine.yaml")
        assert done.returncode == 2
        assert done.stderr.startswith("measured.yaml:5:")
        assert "as if J were entered as kWh (3.6e6 times)" in done.stderr
        assert "chains" not in done.stderr


def test_evidence_is_learned_beside_that_of_the_file(folder, monkeypatch):
    (folder / "more.yaml").write_text(MEASURED.replace("[[0.4], [0.5]]", "[[0.3]]"))
    done = uncertainty(
        folder, "infer", "mine.yaml", "--evidence", "+more.yaml", "--json", "--out", "o"
    )
    assert done.returncode == 0, done.stderr
    fit = json.loads(done.stdout)["fit"]
    assert {(row["evidence"], row["rows"]) for row in fit} == {("measured", 2), ("more", 1)}
    monkeypatch.chdir(folder)
    tree = un.load(folder / "o" / "run.nc")
    assert tree.attrs["updated_by"] == "weights"
    mixed = uncertainty(
        folder, "check", "mine.yaml", "--evidence", "+more.yaml", "--evidence", "epoch"
    )
    assert mixed.returncode == 2
    assert "write + before every name" in mixed.stderr
