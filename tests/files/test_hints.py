"""What people write for numbers and names: read where it is clear, and else told how to write it."""

import pytest

import uncertainty as un
from uncertainty.errors import nearest
from uncertainty.files.catalogue import catalogue
from uncertainty.files.entries import read_ledger
from uncertainty.files.library import shipped_folder, shipped_names
from uncertainty.inputs import INPUTS


def complaint(value, folder):
    path = folder / "x.yaml"
    path.write_text(f"schema: 1\nassumptions:\n  x: {value}\n", encoding="utf-8")
    with pytest.raises(un.InputError) as caught:
        un.build_problem(path, model=lambda x: x)
    assert all(fault.line == 3 and fault.column for fault in caught.value.faults)
    assert len(caught.value.faults) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1.2±0.05", "a spread is {normal: {mean: 1.2, sd: 0.05}}"),
        ("1.2 +/- 10%", "a spread is {normal: {mean: 1.2, sd: 0.12}}"),
        ("1,2", "write a decimal with a point: 1.2"),
        ("0,28 kg", "write a decimal with a point: 0.28 kg"),
        ("1,000", "write it without separators: 1000, or 1.000"),
        ("1,000,000 W", "write it without separators: 1000000 W"),
        ("1 200", "write it without separators: 1200"),
        ("1'200.5", "write it without separators: 1200.5"),
        ("2e6/30", "arithmetic is {expression: 2e6/30}"),
        ("2 * (3 + 4)", "arithmetic is {expression: 2 * (3 + 4)}"),
        ("10^6", "arithmetic is {expression: 10**6}"),
        ("5x10^3", "write 5e3"),
        ("5 × 10^-3 W", "write 5e-3 W"),
        ("200 billion", "write 2e11"),
        ("1.5 trillion", "write 1.5e12"),
        ("200bn", "write 2e11"),
        ("5k", "write 5000"),
        ("70 M tokens", "write 7e7 tokens"),
        ("~5", "an estimate is a distribution, such as {lognormal: {median: 5"),
        ("about 5 W", "an estimate is a distribution"),
        ("<5", "an estimate is a distribution"),
        ("3-5", "a range is {uniform: {low: 3, high: 5}} or {lognormal: {p5: 3, p95: 5}}"),
        ("3 to 5", "a range is {uniform: {low: 3, high: 5}}"),
        ("3–5 W", "a range is {uniform: {low: 3, high: 5}}"),
        ("−5", "write -5 with the minus"),
        ("nan", "must be a finite number"),
        ("-1.1e300", "is too large to compute with: at most 1e300 in size"),
        ("9e-301 W", "is too small to compute with: at least 1e-300 in size"),
        ("[3, 5]", "a range is {uniform: {low: ..., high: ...}}; a list of values is {choice"),
        ("[3, 5, 7]", "a list of values is {choice: {options: [...]}}"),
        ("{normal: {mean: 1.2}}", "sd is missing: give mean and sd"),
        ("{normal: {mean: 1,2, sd: 3}}", "write decimals with a point"),
        ("{normal: {mu: 1, sd: 2}}", "did you mean 'mean'"),
        ("{gaussian: {mean: 1, sd: 2}}", "did you mean 'normal'"),
        ("{uniform: [1, 2]}", "must be a mapping of keys (got [1, 2]); give low and high"),
        ("{quantiles: 3}", "(got 3); give values by probability, as in {0.05: 1, 0.95: 9}"),
        ("{fixed: 1, sd: 2}", "belongs inside a distribution, as in normal: {sd: ...}"),
    ],
)  # fmt: skip
def test_each_way_to_miss_a_number_gets_its_hint(text, hint, tmp_path):
    value = text if text[0] in "{[" else f'"{text}"'
    assert hint in complaint(value, tmp_path)


@pytest.mark.parametrize("text", ["16", "16.0", '"16"', "1.6e1", "0x10", "1_6", "{fixed: 16}"])
def test_a_bare_number_is_fixed_everywhere(text, tmp_path):
    priors = f"schema: 1\nassumptions: {{x: {text}, y: 3}}\nscenarios: {{s: {{x: {text}}}}}\n"
    (tmp_path / "x.yaml").write_text(priors)
    rows = {"columns": ["value"], "rows": [[1.0]], "assumptions": {"noise": 0.5}}
    evidence = {"schema": 1, "observes": "z", "error": {"lognormal": {"sigma": "noise"}}, **rows}
    for more in ({}, {"scenario": "s"}, {"given": {"x": 16}}, {"evidence": evidence}):
        built = un.build_problem(tmp_path / "x.yaml", model=lambda x, y: {"z": x}, **more)
        assert built.central() == {"z": 16.0}


OTHER_FILES = {
    "evidence": ("evidence/mlenergy-chat.yaml", "uncertainty check PRIORS --evidence FILE"),
    "a catalogue": ("catalogue/hardware.yaml", "uncertainty list"),
    "a ledger": ("ledger/claims.yaml", "uncertainty ledger --file FILE"),
    "a prior file": ("gpt-4o.yaml", "uncertainty check FILE"),
    "a list of sources": ("sources.bib", "cite by their keys"),
    "a set of scenarios": ("schema: 1\nscenarios: {s: {x: 1}}\n", "extends: FILE"),
    "a result": ("run.nc", "uncertainty rank and un.load"),
    "a table": ("a.csv", "empirical {file, column}"),
    "Python": ("a.py", "--model FILE.py:FUNCTION"),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_a_file_of_another_kind_is_named_with_what_takes_it(kind, tmp_path):
    what, advice = OTHER_FILES[kind]
    path = shipped_folder() / what if "\n" not in what else tmp_path / "other.yaml"
    if not path.exists():
        path = tmp_path / path.name
        path.write_text(what, encoding="utf-8")
    (tmp_path / "extending.yaml").write_text(f"schema: 1\nextends: {path}\nmodel: flops\n")
    asked = {
        "a prior file": [lambda: un.build_problem(path)],
        "evidence": [lambda: un.build_problem("epoch", evidence=str(path))],
        "a ledger": [lambda: read_ledger(path)],
    }
    extending = un.load_priors(tmp_path / "extending.yaml", allow_outside=True)
    asked["a prior file"].append(lambda: un.build_problem(extending))
    for wanted, reads in asked.items():
        for read in reads if wanted != kind else []:
            with pytest.raises(un.InputError) as caught:
                read()
            [fault] = caught.value.faults
            assert f"{kind}, " in fault.message
            assert advice in fault.message


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("H100", catalogue("hardware"), ["h100-sxm", "h100-pcie"]),
        ("PUE", INPUTS, ["pue"]),
        ("gpus", INPUTS, ["gpu_count"]),
        ("carbon", INPUTS, ["carbon_intensity_g_per_kwh"]),
        ("output_token", INPUTS, ["output_tokens"]),
        ("utilisation", INPUTS, ["utilization"]),
        ("llama-70b", catalogue("llm"), ["llama-3.1-70b", "llama-3.3-70b"]),
        ("GPT4o", shipped_names(), ["gpt-4o"]),
    ],
)
def test_the_nearest_names_are_those_that_a_person_meant(name, known, meant):
    hint = nearest(name, known)
    assert "did you mean" in hint
    assert all(repr(other) in hint for other in meant), hint
