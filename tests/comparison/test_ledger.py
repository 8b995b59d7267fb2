"""The ledger: every published claim holds, and fails where physics is changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import uncertainty as un
from uncertainty.cli import app
from uncertainty.energy import board, built, flops, serving, transformer
from uncertainty.files import shipped_folder

IDS = [
    *(f"E{i}" for i in range(1, 17)),
    *(f"T{i}" for i in range(1, 5)),
    *(f"S{i}" for i in range(1, 10)),
    *(f"O{i}" for i in range(1, 5)),
]
CLAIM = """
schema: 1
title: Mine
claims:
  - id: A1
    source: epoch2025
    claim: One and one.
    expected: "2"
    unit: "1"
    terms:
      one: {number: 1}
      more: {model: flops, inputs: {active_parameters: 1.0e11, output_tokens: 500, utilization: 0.1, peak_flops: 9.89e14, gpu_power_w: 1500, power_fraction: 0.7, overhead: 1}}
      again: {like: more, inputs: {overhead: 2}}
    holds:
      - {computed: one + one, low: 2, high: 2}
      - {computed: again / more, low: 1.999, high: 2.001}
"""  # fmt: skip


def test_every_claim_holds_with_its_words_and_its_source():
    findings = {finding.id: finding for finding in un.check_ledger()}
    assert list(findings) == IDS
    for finding in findings.values():
        assert finding.holds, (finding.id, finding.computed)
        assert len(finding.claim) > 20
        assert finding.expected
        assert finding.source
        for value, error in zip(finding.computed, finding.mcse, strict=True):
            assert np.isfinite(value)
            assert 0 <= error < 0.05 * abs(value) or abs(value) < 1e-9
    assert "power that of a node" in findings["T4"].slip
    assert "slip of unit" in findings["S1"].slip
    assert "cents" in findings["S7"].slip
    assert {key for key, finding in findings.items() if finding.slip} == {"T4", "S1", "S7"}
    judged = {key: f.plausible for key, f in findings.items() if f.plausible is not None}
    assert judged == {"E1": True, "E10": False, "O1": True}
    assert "the 90 % interval of gpt-4o (typical query, posterior)" in findings["E10"].today


@pytest.mark.parametrize(
    ("name", "fail"),
    [
        ("FLOP_PER_PARAMETER", {"E1", "E2", "E3", "E4", "E8", "S1", "S5", "S7"}),
        ("FLOP_PER_WIDTH", {"E6"}),
        ("JOULES_PER_WH", {"E1", "E2", "E3", "E4", "E5", "E6"}),
        ("HOURS_PER_DAY", {"E9", "E14"}),
        ("DAYS_PER_YEAR", {"E15"}),
    ],
)
def test_doubling_a_constant_makes_named_claims_fail(monkeypatch, name, fail):
    sure = {"E12", "E13", "E16", "T3", "S2", "S6"} - fail
    modules = [m for m in (board, built, flops, serving, transformer) if hasattr(m, name)]
    assert modules
    for module in modules:
        monkeypatch.setattr(module, name, 2 * getattr(module, name))
    held = {f.id: f.holds for f in un.check_ledger(only=fail | sure)}
    assert {key for key, holds in held.items() if not holds} >= fail
    assert all(held[key] for key in sure - {"T3"})


def test_claims_that_were_computed_before_are_taken_until_they_are_computed_anew(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("UNCERTAINTY_CACHE", str(tmp_path))
    first = un.check_ledger(only=["E2", "E6"], kept=True)
    monkeypatch.setattr(flops, "FLOP_PER_PARAMETER", 4.0)
    assert un.check_ledger(only=["E6", "E2"], kept=True) == first
    assert un.check_ledger(only=["E2"]) != first[:1]
    path = tmp_path / "mine.yaml"
    path.write_text(CLAIM.replace("A1", "E2"))
    assert un.check_ledger(path, kept=True) == un.check_ledger(path)  # of a ledger of one's own


def test_a_ledger_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(CLAIM)
    [finding] = un.check_ledger(path)
    assert finding.holds
    assert finding.computed == pytest.approx((2, 2))
    path.write_text(CLAIM.replace("high: 2.001", "high: 1.9999"))
    assert not un.check_ledger(path)[0].holds


def test_what_a_file_said_before_is_forgotten(tmp_path):
    prior, path = tmp_path / "prior.yaml", tmp_path / "mine.yaml"
    sampled = CLAIM.replace("{number: 1}", f"{{file: {prior}, output: energy_wh_node}}")
    path.write_text(sampled.replace("{computed: one + one", "{computed: one"))
    text = Path(str(shipped_folder() / "bloom-low-traffic.yaml")).read_text()
    found = []
    for power in (400, 800):
        prior.write_text(text.replace("fixed: 400", f"fixed: {power}"))
        [finding] = un.check_ledger(path)
        found.append(finding.computed[0])
    assert found[1] / found[0] == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{number: 1}", "{}", "terms.one: give one of number, model, formula, file, like"),
        ("source: epoch2025", "source: epoch2024", "is not a key of a sources.bib; did you mean"),
        ("like: more", "like: mor", "no term 'mor'; did you mean 'more'?"),
        ("model: flops", "model: flop", "no model 'flop'; did you mean 'flops'?"),
        ("one + one", "one + two", "A1: no term two"),
        (", low: 2, high: 2", "", "give low, high or both"),
        ("{number: 1}", "{formula: flop}", "no formula 'flop'"),
    ],
)
def test_a_faulty_ledger_says_where(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    path.write_text(CLAIM.replace(old, new))
    with pytest.raises(un.InputError) as caught:
        un.check_ledger(path)
    assert message in str(caught.value)


def test_unknown_claims_are_refused():
    with pytest.raises(un.InputError, match="no claim E99"):
        un.check_ledger(only=["E1", "E99"])


def test_the_command_prints_claims_and_exits_by_what_holds(tmp_path):
    shown = CliRunner().invoke(app, ["ledger", "E1", "T4"])
    assert shown.exit_code == 0
    said = " ".join(shown.output.split())
    assert "The arithmetic of 2 of 2 claims reproduces, which does not make a claim true." in said
    assert "Of 1 that can be set against a shipped file, 1 is plausible today." in said
    assert "T4: a slip of the source: the throughput is that of one GPU" in said
    # A claim is a paragraph: of a terminal's width no column is wide enough for it.
    assert (
        "E1: 500 output tokens of a model with 100 billion active parameters take" in shown.output
    )
    told = CliRunner().invoke(app, ["ledger", "E1", "E3", "--json"])
    rows = json.loads(told.output)
    assert {"id", "claim", "expected", "computed", "unit", "reproduces"} <= rows[0].keys()
    assert (rows[0]["reproduces"], rows[0]["plausible"]) == (True, True)
    assert (rows[1]["reproduces"], rows[1]["plausible"]) == (True, None)
    assert "holds" not in rows[0]
    assert rows[0]["computed"] == pytest.approx(0.295, abs=5e-4)
    assert len(rows[1]["computed"]) == 3
    path = tmp_path / "mine.yaml"
    path.write_text(CLAIM.replace("high: 2.001", "high: 1.9999"))
    failed = CliRunner().invoke(app, ["ledger", "--file", str(path)])
    assert failed.exit_code == 3
    assert "These do not hold: A1" in failed.output
