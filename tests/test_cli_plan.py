"""What runs would measure and which to measure next, as a user asks it."""

import json

import pytest

from uncertainty.cli import main

FILE = """schema: 1
title: Mine
assumptions:
  utilization: {lognormal: {p5: 0.03, p95: 0.2}, truncate: {high: 1}, unit: fraction}
extends: epoch
evidence: [measured]
"""
MEASURED = """schema: 1
observes: energy_wh
error: {lognormal: {sigma: 0.2}}
columns: [output_tokens, value]
rows: [[500, 0.4], [500, 0.5]]
"""
RUNS = "output_tokens,active_parameters,value\n100,,0.1\n1000,1e11,0.9\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(FILE)
    (tmp_path / "measured.yaml").write_text(MEASURED)
    (tmp_path / "runs.csv").write_text(RUNS)
    return tmp_path


def status(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["uncertainty", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_runs_are_predicted_scored_and_planned(folder, monkeypatch, capsys):
    assert status(monkeypatch, "predict", "mine.yaml", "--rows", "runs.csv", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [run["conditions"]["output_tokens"] for run in answer["runs"]] == [100, 1000]
    first, second = answer["runs"]
    assert first["lower"] < first["median"] < first["upper"]
    assert 0 < first["mcse_median"] < 0.05 * first["median"]
    assert second["median"] > 3 * first["median"]  # ten times the tokens, at fewer parameters
    assert len(answer["scores"]["coverage"]) == 3
    assert min(answer["scores"]["coverage_se"]) > 0
    assert status(monkeypatch, "predict", "mine.yaml", "--set", "output_tokens=100") == 0
    sentence = capsys.readouterr().out.splitlines()[0]
    assert sentence.startswith(f"energy_wh, one measurement: {first['median']:.2g}"[:-1])
    assert status(monkeypatch, "plan", "mine.yaml", "runs.csv") == 0
    said = capsys.readouterr().out
    assert "Measure run " in said.splitlines()[0]
    assert "output_tokens 100" in said


def test_faults_of_runs_have_their_place_and_nothing_is_sampled(folder, monkeypatch, capsys):
    (folder / "runs.csv").write_text("output_tokens,value\n100,0.1\n1000\n")
    assert status(monkeypatch, "predict", "mine.yaml", "--rows", "runs.csv") == 2
    assert "runs.csv:3:1: has 1 cells, and the header 2" in capsys.readouterr().err
    (folder / "runs.csv").write_text("output_tokens,value\n100,much\n")
    assert status(monkeypatch, "predict", "mine.yaml", "--rows", "runs.csv") == 2
    assert "runs.csv:2:5: value: must be a number" in capsys.readouterr().err
    (folder / "runs.csv").write_text("output_tokens\n")
    assert status(monkeypatch, "plan", "mine.yaml", "runs.csv") == 2
    assert "holds no runs" in capsys.readouterr().err
    assert status(monkeypatch, "plan", "mine.yaml", "none.csv") == 2
    assert "none.csv" in capsys.readouterr().err
