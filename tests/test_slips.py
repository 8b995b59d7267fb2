"""Slips of whoever asks: a name that nothing knows, a value that cannot be, one that is unlikely."""

from pathlib import Path

import numpy as np
import pytest

import uncertainty as un
from uncertainty.files.library import shipped_names

ARITHMETIC = Path(__file__).with_name("arithmetic.yaml")

PLAIN = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 2, "sigma": 0.3}}}}


def plain(x):
    return {"energy_wh": x}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("output_token", "output_tokens"),
        ("PUE", "pue"),
        ("gpus", "gpu_count"),
        ("carbon", "carbon_intensity_g_per_kwh"),
        ("Utilization", "utilization"),
    ],
)
def test_a_name_that_nothing_knows_is_a_fault_wherever_it_is_set(name, meant, tmp_path):
    law = {"lognormal": {"median": 2, "sigma": 0.1}}
    (tmp_path / "x.yaml").write_text(
        f"schema: 1\nextends: gpt-4o\nscenarios:\n  other:\n    {name}: 3\n"
    )
    for source, options in (
        ("gpt-4o", {"given": {name: 3}}),
        ("gpt-4o", {"given": {name: law}}),
        (tmp_path / "x.yaml", {}),
        (tmp_path / "x.yaml", {"scenario": "other"}),
    ):
        with pytest.raises(un.InputError, match=f"{name}: .*did you mean .*'{meant}'") as caught:
            un.build_problem(source, **options)
        (fault,) = caught.value.faults
        assert (fault.line, fault.column) == ((0, 0) if options.get("given") else (5, 5))


def test_a_model_of_ones_own_says_which_names_there_are():
    with pytest.raises(
        un.InputError, match="y: is not an assumption, not an input of plain.*; known: x$"
    ):
        un.build_problem(PLAIN, model=plain, given={"y": 3})
    assert un.build_problem(PLAIN, model=lambda x, y=2: x, given={"y": 3}).cautions == ()
    assert un.build_problem(PLAIN, model=lambda **all: all["x"], given={"y": 3}).cautions == ()
    parameter = {"x": {"lognormal": {"median": "m", "sigma": 1}}, "m": 3}
    assert un.build_problem(PLAIN, model=plain, given=parameter).cautions == ()
    with pytest.raises(
        un.InputError, match="a b: must consist of letters, digits and _.*; write a_b$"
    ):
        un.build_problem(PLAIN, model=plain, given={"a b": 3})


def test_what_is_set_in_vain_is_said_before_all_else():
    built = un.build_problem(PLAIN, model=plain, given={"pue": 1.2})
    assert str(built.notices[0]) == "<given>: pue: is used by nothing in plain"
    assert built.cautions == built.notices[:1]
    overridden = {"pue_excess": 0.6, "pue": 1.2}
    first = un.build_problem("gpt-4o", given=overridden).cautions
    assert [str(fault) for fault in first] == [
        "<given>: pue_excess: is used by nothing in roofline"
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cached_share", 30, "must lie between 0 and 1 .got 30.; for 30 % write 0.3"),
        ("gpu_power_w", -5, "must be 0 or more"),
        ("hardware", 5, "hardware: must be a name of the hardware catalogue, or a choice of names"),
        ("input_tokens", {"choice": {"options": [10, -3]}}, r"choice\.options\.1: must be 0 or more"),
        ("input_tokens", {"mixture": [{"weight": 1, "fixed": -1}, {"weight": 1, "fixed": 5}]},
         r"mixture\.0\.fixed: must be 0 or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(name, value, message):
    with pytest.raises(un.InputError, match=message):
        un.build_problem("gpt-4o", given={name: value})


def test_a_column_of_data_is_held_to_the_range_too(tmp_path):
    (tmp_path / "n.csv").write_text("n\n100\n-3\n200\n")
    law = "{empirical: {file: n.csv, column: n}, varies: query}"
    (tmp_path / "x.yaml").write_text(
        f"schema: 1\nextends: gpt-4o\nassumptions:\n  output_tokens: {law}\n"
    )
    with pytest.raises(un.InputError, match=r"1 of 3 values: each must be 0 or more \(got -3\)"):
        un.build_problem(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("carbon_intensity_g_per_kwh", 0.28, "did you mean 0.28 kg/kWh?"),
        ("memory_bandwidth_bytes_per_s", 3350, "did you mean 3350 GB/s?"),
        ("peak_flops", 989, "did you mean 989 TFLOP/s?"),
        ("active_parameters", 70, "did you mean 70 billion: write it as e9?"),
        ("bytes_per_parameter", 16, "did you mean 16 bits?"),
        ("kv_bytes_per_value", 16, "did you mean 16 bits?"),
        ("idle_power_w", 7e4, "70000 W is unusual: known values are 0.5 to 5000 W"),
        ("output_tokens_median", 1e9, "its median of 1e+09 tokens is unusual: known values are 0.5 to 1e+06 tokens"),
        ("gpu_power_w", {"lognormal": {"median": 0.7, "sigma": 0.1}}, "did you mean 0.7 kW?"),
    ],
)  # fmt: skip
def test_what_is_unlikely_is_said_first(name, value, message):
    given = {name: value, "memory_bytes": 0}  # not known, else 16 bytes would not fit
    found = [str(fault) for fault in un.build_problem("gpt-4o", given=given).cautions]
    assert any(message in text for text in found), found


@pytest.mark.slow
def test_shipped_files_have_nothing_to_be_cautious_of():
    for name in shipped_names():
        if not name.startswith("base/"):
            found = [str(fault) for fault in un.build_problem(name).cautions]
            # Such long contexts were not measured, which is said.
            long = name in {"agentic-coding", "long-document"}
            assert len(found) == long, name
            assert all("outside of what was measured: input_tokens" in text for text in found)


def evidence(columns, rows, **more):
    error = {"error": {"lognormal": {"sigma": 0.1}}}
    stated = {"schema": 1, "observes": "energy_wh", "columns": columns, "rows": rows}
    return {**stated, **error, **more}


def test_a_row_of_evidence_outside_the_range_is_located(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.yaml").write_text(
        "schema: 1\nmodel: flops\nobserves: energy_wh\nerror: {lognormal: {sigma: 0.1}}\n"
        "columns: [cached_share, input_tokens, value]\nconditions: {utilization: 40}\nrows:\n"
        "  - [0.3, 500, 0.2]\n  - [30, 500, 0.2]\n  - [0.3, -1, 0.2]\n  - [0.3, 500, -0.2]\n"
    )
    with pytest.raises(un.InputError) as caught:
        un.build_problem(ARITHMETIC, evidence="e.yaml")
    told = [(f.line, f.column, f.field) for f in caught.value.faults]
    assert told == [
        (6, 14, "conditions.utilization"),
        (9, 6, "rows.1.cached_share"),
        (10, 11, "rows.2.input_tokens"),
    ]
    assert "must lie between 0 and 1 (got 30); for 30 % write 0.3" in str(caught.value)


def test_a_cell_that_is_no_number_is_located(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.yaml").write_text(
        "schema: 1\nmodel: flops\nobserves: energy_wh\nerror: {lognormal: {sigma: 0.1}}\n"
        "columns: [input_tokens, value]\nrows:\n"
        f"  - [2024-01-01, 0.2]\n  - [5, {'9' * 400}]\n  - [{'9' * 400}, 1]\n  - [5, '1,2']\n  - [5, -1]\n"
    )
    with pytest.raises(un.InputError) as caught:
        un.build_problem(ARITHMETIC, evidence="e.yaml")
    told = [(f.line, f.column, f.field) for f in caught.value.faults]
    assert told[:4] == [
        (7, 6, "rows.0.input_tokens"),
        (8, 9, "rows.1.value"),
        (9, 6, "rows.2.input_tokens"),
        (10, 9, "rows.3.value"),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"cached_share": 30}, "1.cached_share: must lie between 0 and 1"),
        (
            {"output_token": 30},
            "1.output_token: is neither an input of flops.*did you mean 'output_tokens'",
        ),
        ({"input_tokens": "1,5"}, "1.input_tokens: must be a number"),
    ],
)
def test_a_row_to_be_predicted_is_held_to_the_same(row, message):
    stated = evidence(["value"], [[0.3]], model="flops")
    problem = un.build_problem(ARITHMETIC, evidence=stated)
    with pytest.raises(un.InputError, match=message):
        un.predict(problem, [{}, row])


@pytest.mark.parametrize("seed", [2**32, 2**70, -1, 1.5, None, True, "1"])
def test_a_seed_is_a_whole_number_of_32_bits_everywhere(seed):
    problem = un.build_problem(PLAIN, model=plain, evidence=evidence(["value"], [[2.0]]))
    for call in (un.simulate, un.stream, un.infer):
        with pytest.raises(un.InputError, match="<seed>: must be a whole number from 0 to"):
            call(problem, 64, seed=seed)
    with pytest.raises(un.InputError, match="<seed>"):
        un.rank_inputs(problem, method="tornado", seed=seed)
    with pytest.raises(un.InputError, match="<seed>"):
        un.predict(problem, [{}], seed=seed)


@pytest.mark.parametrize("draws", [10**30, 0, -5, 1.5, np.nan, "64"])
def test_draws_are_a_number_that_can_be_computed(draws):
    problem = un.build_problem(PLAIN, model=plain)
    for call in (un.simulate, un.stream):
        with pytest.raises(un.InputError, match="<draws>: must be"):
            call(problem, draws)


@pytest.mark.parametrize("threshold", [np.nan, np.inf, "1", None])
def test_a_threshold_is_a_finite_number(threshold):
    problem = un.build_problem(PLAIN, model=plain)
    with pytest.raises(un.InputError, match="threshold"):
        un.exceedance(un.simulate(problem, 64), threshold)
    with pytest.raises(un.InputError, match="threshold"):
        un.stream(problem, 64, thresholds=[threshold])
