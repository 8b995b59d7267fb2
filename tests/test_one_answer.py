"""One question has one answer, whoever asks: commands, files and Python give the same figures."""

import csv
import json

import pytest
from typer.testing import CliRunner

import uncertainty as un
from uncertainty.cli import app

FILE = """schema: 1
title: Mine
assumptions:
  a: {lognormal: {median: 2, sigma: 0.8}}
  b: {lognormal: {median: 3, sigma: 0.5}}
  t: {lognormal: {median: 1, sigma: 0.6}, varies: query}
"""
MEASURED = """schema: 1
observes: energy_wh
error: {lognormal: {sigma: 0.3}}
columns: [t, value]
rows: [[1, 20], [1, 25]]
"""
MODEL = "def f(a, b, t):\n    return {'energy_wh': a * b * t}\n"
KEYS = ("median", "lower", "upper")


def asked(*words):
    """What a command prints; it ends without a fault."""
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert found.exit_code == 0, (words, found.output, found.exception)
    return found.stdout


@pytest.fixture(scope="module", params=["prior", "posterior"])
def answers(request, tmp_path_factory):
    """Everything that the commands and the files say of one question, without evidence and with."""
    folder = tmp_path_factory.mktemp(request.param)
    learned = "evidence: [measured]\n" if request.param == "posterior" else ""
    (folder / "mine.yaml").write_text(FILE + learned)
    (folder / "measured.yaml").write_text(MEASURED)
    (folder / "mine.py").write_text(MODEL)
    plain = (folder / "mine.yaml", "--model", f"{folder / 'mine.py'}:f")
    question = (*plain, "--draws", 512)
    out = folder / "run"
    text = asked("run", *question, "--out", out)
    return {
        "group": request.param,
        "text": text,
        "report": (out / "report.md").read_text(),
        "json": json.loads(asked("run", *question, "--json", "--out", folder / "json")),
        "csv": list(csv.DictReader((out / "summary.csv").read_text().splitlines())),
        "python": un.summarize(un.load(out / "run.nc")),
        "rank": json.loads(asked("rank", *plain, "--json", "--out", folder / "rank")),
        "compare": json.loads(
            asked("compare", question[0], *question, "--json", "--out", folder / "compare")
        ),
    }


def figures(row):
    return [float(row[key]) for key in KEYS]


def of(rows, **wanted):
    [found] = [row for row in rows if all(str(row[k]) == str(v) for k, v in wanted.items())]
    return found


@pytest.mark.parametrize("statistic", ["typical", "mean", "query"])
def test_the_same_figures_stand_everywhere(answers, statistic):
    where = {"quantity": "energy_wh", "statistic": statistic}
    exact = figures(answers["python"].sel(where))
    assert figures(of(answers["json"]["summary"], prob=0.9, **where)) == pytest.approx(exact)
    assert figures(of(answers["csv"], prob=0.9, **where)) == pytest.approx(exact)
    for name in {row["scenario"] for row in answers["compare"]["compared"]}:
        row = of(answers["compare"]["compared"], scenario=name, statistic=statistic)
        assert figures(row) == pytest.approx(exact)
        assert figures({key: row[f"ratio_{key}"] for key in KEYS}) == [1, 1, 1]
    for text in (answers["text"], answers["report"]):
        for figure in exact:
            assert f"{figure:.3g}" in text


def test_prior_or_posterior_is_said_of_each(answers):
    group, told = answers["group"], answers["json"]
    assert told["group"] == group
    assert told["ranking_facts"]["group"] == group
    assert {facts["group"] for facts in answers["rank"]["rankings"]} == {group}
    for text in (answers["text"], answers["report"]):
        assert f"log energy_wh, typical query, {group}" in text
    if group == "posterior":
        assert {row["group"] for row in answers["compare"]["compared"]} == {group}
        assert "median of the typical query, posterior" in told["report"]
        for text in (answers["text"], answers["report"]):
            assert "energy_wh (Wh), posterior" in text or "energy_wh, posterior" in text


def test_the_ranking_is_of_what_is_quoted(answers):
    """By the value of information, where a posterior leaves no designed points."""
    told = answers["json"]
    assert told["statistic"] == told["ranking_facts"]["statistic"] == "typical"
    ranked = {facts["method"]: facts for facts in answers["rank"]["rankings"]}
    if answers["group"] == "prior":
        assert ranked.keys() == {"shapley", "value", "tornado"}
        return
    assert ranked.keys() == {"value", "correlation"}
    mine = {row["input"]: row for row in told["ranking"]}
    for row in ranked["value"]["inputs"]:
        for key in ("narrowing", "narrowing_se", "width", "variance_reduction", "rank"):
            assert row[key] == pytest.approx(mine[row["input"]][key])


def test_a_stream_says_prior_and_splits_on_the_same_scale(tmp_path):
    (tmp_path / "mine.yaml").write_text(FILE + "evidence: [measured]\n")
    (tmp_path / "measured.yaml").write_text(MEASURED)
    (tmp_path / "mine.py").write_text(MODEL)
    question = (tmp_path / "mine.yaml", "--model", f"{tmp_path / 'mine.py'}:f")
    streamed = json.loads(
        asked("run", *question, "--tolerance", "5%", "--json", "--out", tmp_path / "s")
    )
    alone = json.loads(
        asked("run", *question, "--evidence", "none", "--json", "--out", tmp_path / "n")
    )
    assert streamed["group"] == "prior"
    assert streamed["ranking_facts"]["group"] == "prior"
    assert "median of the typical query, prior" in streamed["report"]
    assert "energy_wh" in (tmp_path / "s" / "report.md").read_text()
    assert ", prior" in (tmp_path / "s" / "report.md").read_text()
    split = [
        next(text for text in told["sentences"] if "varies from query" in text)
        for told in (streamed, alone)
    ]
    assert split[0] == split[1]
    assert split[1].startswith("Of the variance of log energy_wh of one query (prior)")


def test_a_document_of_a_saved_run_has_the_tables_of_its_report(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nextends: epoch\nassumptions:\n"
        "  utilization: {beta: {alpha: 4, beta: 36}, unit: fraction}\n"
        "  power_fraction: {uniform: {low: 0.5, high: 0.9}, unit: fraction}\n"
    )
    asked("run", tmp_path / "mine.yaml", "--draws", 512, "--out", tmp_path / "run")
    asked("report", tmp_path / "run" / "run.nc", "--to", "md", "--out", tmp_path / "document.md")
    text = (tmp_path / "run" / "report.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert any("utilization" in row and "±" in row for row in rows)
    assert {*rows} <= {*(tmp_path / "document.md").read_text().splitlines()}
