"""`run` with draws that are streamed: what it prints, keeps, and how it ends."""

import json
import os
import pty
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from uncertainty.cli import app

PRIORS = """
schema: 1
title: A product
assumptions:
  a: {lognormal: {median: 2, sigma: 0.5}}
  b: {lognormal: {median: 3, sigma: 0.5}}
"""
MODEL = "def energy(a, b):\n    return {'energy_wh': a * b}\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p.yaml").write_text(PRIORS)
    (tmp_path / "m.py").write_text(MODEL)
    return tmp_path


def run(folder, *options):
    stated = [
        "run",
        str(folder / "p.yaml"),
        "--model",
        f"{folder / 'm.py'}:energy",
        "--out",
        str(folder / "out"),
    ]
    return CliRunner().invoke(app, [*stated, *options])


def test_a_tolerance_is_reached_and_all_is_written(folder):
    result = run(folder, "--tolerance", "0.5%", "--above", "10", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    row = found["summary"][0]
    assert row["mcse_median"] <= 0.005 * row["median"]
    assert {"run.nc", "summary.csv", "report.md", "distribution.svg", "ranking.csv"} <= {
        path.name for path in (folder / "out").iterdir()
    }
    assert "| a " in (folder / "out" / "report.md").read_text()
    assert any("chance that energy_wh is over 10" in text for text in found["sentences"])


def test_a_tolerance_that_is_not_reached_ends_with_its_own_status(folder):
    result = run(folder, "--tolerance", "0.000001", "--draws", "100000")
    assert result.exit_code == 3
    assert "the tolerance of 0.0001 % is not reached" in result.stderr
    assert (folder / "out" / "run.nc").exists()


def test_a_checkpoint_is_kept_and_a_damaged_one_refused(folder):
    state = folder / "state"
    assert run(folder, "--draws", "4096", "--checkpoint", str(state)).exit_code == 0
    state.write_bytes(state.read_bytes()[:-1])
    result = run(folder, "--draws", "4096", "--checkpoint", str(state))
    assert isinstance(result.exception, Exception)
    assert "is damaged: its content is not what was written; delete it to start anew" in str(
        result.exception
    )


def test_many_draws_are_streamed(folder):
    result = run(folder, "--draws", str(2**20 + 16), "--json")
    assert result.exit_code == 0, result.output
    assert "draws: 1048592" in (folder / "out" / "report.md").read_text()
    assert "executor: serial" in (folder / "out" / "report.md").read_text()
    assert result.stderr == ""


@pytest.mark.parametrize("text", ["x", "0", "150%", "-1%"])
def test_a_tolerance_is_a_share(folder, text):
    result = run(folder, "--tolerance", text)
    assert result.exit_code == 2
    assert "write 0.1% or 0.001" in result.stderr


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--executor", "moon"], "must be serial, devices, dask or an address"),
        (["--dask", "moon"], "must be serial, devices, dask or an address"),
        (["--scenario", "all", "--tolerance", "1%"], "all cannot be streamed: name one"),
    ],
)
def test_what_cannot_be_done_is_told(folder, options, text):
    assert text in str(run(folder, *options).exception)


def test_a_bar_shows_on_a_terminal(folder):
    command = [
        sys.executable, "-c", "from uncertainty.cli import main; main()", "run", "p.yaml", "--model", "m.py:energy",
        "--draws", "8000000", "--out", "out",
    ]  # fmt: skip
    ours, theirs = pty.openpty()
    shown = subprocess.Popen(command, cwd=folder, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    text = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:
            break
        if not more:
            break
        text += more
    os.close(ours)
    assert shown.wait() == 0
    assert b"evaluations/s" in text
    assert b"time left" in text
    assert b"energy_wh 1." in text
