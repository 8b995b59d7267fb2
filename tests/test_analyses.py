"""The scripts run, and end in a figure and a sentence with an interval."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "analyses"


THINNED = {
    "BATCHES": lambda values: np.unique(values[[0, 6, -1]]),
    "LENGTHS": lambda values: values[::3],
    "QUERIES": lambda values: values[::8],
    "DESCRIBED": lambda names: names[:1],
    "UNKNOWN": lambda inputs: {name: inputs[name] for name in ("flops", "throughput")},
    "MODELS": lambda _: slice(0, 1),
}


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_scripts_run_use_public_names_and_say_where_figures_come_from(
    path, tmp_path, capsys, monkeypatch
):
    module = script(path.stem)
    for name in THINNED:
        if hasattr(module, name):  # what is looked at is the script, not the curve
            monkeypatch.setattr(module, name, THINNED[name](getattr(module, name)))
    module.main(tmp_path, draws=2**9)
    sentence = capsys.readouterr().out.splitlines()[-1]
    assert "Wh" in sentence
    assert "interval" in sentence
    assert list(tmp_path.glob("*.png"))
    facts = json.loads((tmp_path / "provenance.json").read_text())
    assert facts["script"] == path.name
    assert len(path.read_text().splitlines()) <= 75
    assert "from uncertainty" not in path.read_text()
