"""`uncertainty compare` from the command line."""

import json

import pytest
from typer.testing import CliRunner

from uncertainty.cli import app


def invoke(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_two_files_are_compared_and_explained(tmp_path):
    found = invoke("compare", "epoch", "de-vries", "--explain", "--out", tmp_path, "--draws", 64)
    assert found.exit_code == 0
    assert "The typical query of de-vries takes 10.1 times that of epoch" in found.output
    assert "the factors multiply to the whole" in found.output
    names = {path.name for path in tmp_path.iterdir()}
    assert {"comparison.csv", "comparison.svg", "explanation.csv", "waterfall.svg"} <= names


def test_one_file_goes_with_its_scenarios_and_json_has_everything(tmp_path):
    found = invoke("compare", "epoch", "--out", tmp_path, "--draws", 64, "--json")
    told = json.loads(found.output)
    assert {row["scenario"] for row in told["compared"]} == {"as stated", "pessimistic"}
    assert {"ratio_median", "difference_median", "chance_above"} <= told["compared"][0].keys()
    pair = invoke(
        "compare", "epoch", "epoch:pessimistic", "--explain", "--out", tmp_path, "--draws", 64, "--json"
    )  # fmt: skip
    explained = json.loads(pair.output)["explanation"]
    assert sum(row["contribution"] for row in explained["inputs"]) == pytest.approx(
        explained["log_ratio"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["epoch", "de-vries", "gpt-4o", "--explain"], "takes two files (got 3)"),
        (["epoch:dark", "de-vries"], "no scenario 'dark'"),
        (["epoch", "nowhere"], "no such file"),
        (["epoch", "de-vries", "--quantity", "energy"], "has no output 'energy'"),
        (["epoch", "de-vries", "--explain", "--statistic", "sum"], "must be one of typical"),
    ],
)
def test_what_cannot_be_compared_is_told(tmp_path, arguments, message):
    from uncertainty.cli import main

    found = invoke("compare", *arguments, "--draws", 64, "--out", tmp_path / "new")
    assert found.exception is not None
    assert message in str(found.exception)
    assert not (tmp_path / "new").exists()
    assert main
