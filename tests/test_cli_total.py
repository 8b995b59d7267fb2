"""The energy of a whole log: what is unknown is shared by all of its requests."""

import json
import math
import sys

import numpy as np
import pytest

import uncertainty as un
from uncertainty import cli
from uncertainty.cli.logs import grid_of
from uncertainty.inference import total_energy

SIGMA = 0.5
PRIOR = {
    "schema": 1, "model": "flops",
    "assumptions": {
        "active_parameters": {"lognormal": {"median": 1e10, "sigma": SIGMA}},
        "layers": 0, "utilization": 0.1, "peak_flops": 1e15, "gpu_power_w": 700,
        "power_fraction": 0.7, "overhead": 1.5, "output_tokens": 1,
    },
}  # fmt: skip


def usage_of(count, folder):
    rows = [
        (100 + i % 7, 50 + i % 5, 10 + i % 3, "ab"[i % 2], f"2026-{10 + i % 2}-05")
        for i in range(count)
    ]
    head = "input_tokens,cached_tokens,output_tokens,model,date\n"
    (folder / "log.csv").write_text(head + "".join(",".join(map(str, r)) + "\n" for r in rows))
    un.import_usage(folder / "log.csv", folder / "my-usage.yaml")
    return sum(r[0] - r[1] + r[2] for r in rows)


def test_a_log_without_cached_tokens_has_a_total_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text("input_tokens,output_tokens\n100,10\n200,30\n")
    un.import_usage(tmp_path / "log.csv", tmp_path / "my-usage.yaml")
    problem = un.build_problem(un.load_priors(PRIOR, usage="my-usage.yaml"))
    result = total_energy(problem, un.simulate(problem, draws=512))
    assert float(result["requests"].sel(part="all")) == 2


@pytest.mark.parametrize("count", [20, 3000])
def test_the_sum_is_that_of_the_closed_form_and_its_width_does_not_shrink(
    count, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    tokens = usage_of(count, tmp_path)
    problem = un.build_problem(un.load_priors(PRIOR, usage="my-usage.yaml"))
    tree = un.simulate(problem)
    result = total_energy(problem, tree, grid=lambda p: np.full_like(p, 300.0))
    whole = result.sel(part="all")
    median = 2 * 1e10 * tokens / (1e15 * 0.1) * 700 * 0.7 * 1.5 / 3600
    assert whole["requests"] == count
    assert float(whole["median"]) == pytest.approx(median, rel=3e-3)
    assert float(whole["upper"] / whole["lower"]) == pytest.approx(
        math.exp(2 * 1.64485 * SIGMA), rel=0.01
    )
    assert float(whole["median_kg"]) == pytest.approx(float(whole["median"]) * 300 / 1e6, rel=1e-9)
    for names in (["a", "b"], ["2026-10", "2026-11"]):
        parts = result.sel(part=names)
        for key in ("requests", "median", "lower", "upper"):
            assert float(parts[key].sum()) == pytest.approx(float(whole[key]), rel=1e-9)


def test_a_grid_is_a_number_a_normal_or_a_range():
    assert grid_of("280")(0.3) == 280
    for text in ("280±50", "280 ± 50", "280+-50"):
        ends = grid_of(text)(np.array([0.05, 0.5, 0.95]))
        np.testing.assert_allclose(ends, 280 + 50 * np.array([-1.645, 0, 1.645]), rtol=1e-4)
    assert grid_of("10±50")(0.001) > 0
    np.testing.assert_allclose(grid_of("200-400")(np.array([0.05, 0.95])), [200, 400])
    for text in ("400-200", "low", "-5", "1-400"):
        with pytest.raises(un.InputError, match="--grid"):
            grid_of(text)


def command(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["uncertainty", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, *capsys.readouterr()


def test_the_first_line_is_the_answer(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    usage_of(20, tmp_path)
    (tmp_path / "q.yaml").write_text(json.dumps(PRIOR))
    words = ("total", "q.yaml", "--usage", "my-usage.yaml", "--grid", "200-400")
    code, out, _ = command(capsys, monkeypatch, *words)
    assert code == 0
    assert out.startswith("20 requests: ")
    assert "kWh, 90 % interval" in out
    assert "kg CO2e" in out
    assert "active_parameters" in out
    code, out, _ = command(capsys, monkeypatch, *words, "--json")
    assert json.loads(out)["total"][0]["requests"] == 20
    row = json.loads(out)["total"][0]
    assert 0 < row["mcse_median"] < 0.01 * row["median"]
    named = ("total", "--usage", "my-usage.yaml", "--model", "q.yaml")
    assert command(capsys, monkeypatch, *named)[1].startswith("20 requests: ")
    assert command(capsys, monkeypatch, "total", "q.yaml")[0] == 2
    assert command(capsys, monkeypatch, "total", "--usage", "my-usage.yaml")[0] == 2
