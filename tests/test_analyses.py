"""The scripts run, and every claim that they check holds."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "analyses"


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def epoch():
    return script("epoch_gpt4o")


def test_every_claim_of_the_ledger_holds(epoch):
    rows = epoch.rows()
    assert {row[0] for row in rows} == {
        "E1",
        "E2",
        "E3",
        "E4",
        "E5",
        "E6",
        "E7",
        "E12",
        "E13",
        "E15",
    }
    for name, claim, low, high, computed, _ in rows:
        assert low <= computed <= high, (name, claim, computed)


def test_a_claim_fails_where_physics_is_changed(epoch, monkeypatch):
    monkeypatch.setitem(epoch.EPOCH, "peak_flops", "494 TFLOP/s")
    held = {row[0]: row[2] <= row[4] <= row[3] for row in epoch.rows()}
    assert not any(held[name] for name in ("E1", "E2", "E4", "E6"))
    assert held["E13"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_scripts_run_use_public_names_and_say_where_figures_come_from(path, tmp_path, capsys):
    module = script(path.stem)
    module.main(tmp_path)
    assert "Wh" in capsys.readouterr().out.splitlines()[-1]
    facts = json.loads((tmp_path / "provenance.json").read_text())
    assert facts["script"] == path.name
    assert len(path.read_text().splitlines()) <= 75
    assert "from uncertainty" not in path.read_text()
