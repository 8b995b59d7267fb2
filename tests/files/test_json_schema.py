"""The JSON Schema is that of the classes, takes every good file and refuses what it can."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from uncertainty.files.document import parse_yaml, to_plain
from uncertainty.files.json_schema import json_schemas
from uncertainty.files.library import shipped_folder

FOLDER = Path(__file__).parents[1] / "bad_files"
PRIORS, EVIDENCE, CATALOGUE = map(Draft202012Validator, json_schemas().values())

BEYOND_A_SCHEMA = {
    "beta_names_percentile", "beta_percentile_outside", "beta_sd_too_wide", "correlation_of_two_kinds",
    "correlation_stated_twice", "correlation_unknown_name", "correlation_with_child", "correlation_with_choice",
    "correlation_with_expression", "correlation_with_parent", "correlations_impossible",
    "empirical_bad_cells", "empirical_no_column", "empirical_no_file", "empirical_one_value",
    "empirical_outside", "expression_cycle", "expression_unknown_function",
    "expression_unknown_name", "extends_itself", "extends_outside", "extends_outside_library",
    "arcsine_reversed", "gamma_percentiles_too_near", "hardware_without_power", "missing_input",
    "misspelled_input", "mode_outside", "no_base", "no_model", "no_overhead", "out_of_range",
    "overhead_twice", "parameter_unknown_name", "percentiles_reversed", "quantiles_end_inside",
    "quantiles_falling", "quantiles_twice", "student_names_percentile", "truncate_nothing_left",
    "truncate_reversed", "uniform_reversed", "unit_key_of_wrong_kind", "unit_of_wrong_kind",
    "truncate_names", "unknown_model", "unknown_source", "unknown_unit", "unused", "weights_all_zero",
    "weights_of_choice", "number_too_large", "numbers_out_of_reach", "not_finite", "quantiles_one",
}  # fmt: skip
"""What takes units, names, other files or sums to see."""


def readable():
    for path in sorted(FOLDER.glob("*.yaml")):
        try:
            yield path.stem, to_plain(parse_yaml(path.read_text()))
        except Exception:
            continue  # no YAML that may be read: no schema is asked


BAD = dict(readable())


@pytest.mark.parametrize("check", [PRIORS, EVIDENCE, CATALOGUE])
def test_is_a_schema(check):
    Draft202012Validator.check_schema(check.schema)


SHIPPED = [p for p in sorted(shipped_folder().rglob("*.yaml")) if p.parent.name != "ledger"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_takes_every_shipped_file(path):
    kinds = {"catalogue": CATALOGUE, "evidence": EVIDENCE}
    check = kinds.get(path.parent.name, PRIORS)
    assert not list(check.iter_errors(to_plain(parse_yaml(path.read_text()))))


def test_refuses_every_bad_file_that_it_can():
    assert {name for name, data in BAD.items() if PRIORS.is_valid(data)} == BEYOND_A_SCHEMA


def test_takes_what_the_package_takes():
    good = {
        "schema": 1,
        "assumptions": {
            "hardware": "h100-sxm",
            "precision": {"fixed": "fp8"},
            "a": {"quantiles": {"0": 1, "0.05": 2, "1e-2": 1.5, ".5": "3 kW", "1": 9}},
            "b": {"beta": {"p5": 0.1, "p95": "90 %", "low": 0}, "truncate": {"low": "a"}},
            "c": {"student_t": {"df": 4, "p5": 1, "p95": 2}},
            "d": {
                "mixture": [{"weight": "b", "fixed": 1}, {"weight": 1, "exponential": {"p50": 2}}]
            },
        },
        "scenarios": {"x": {"a": 3, "b": "4 kW", "llm": "phi-4", "c": {"fixed": 2}}},
    }
    assert not list(PRIORS.iter_errors(good))


@pytest.mark.parametrize(
    "entry",
    [
        {"beta": {"low": 0, "high": 1}},
        {"beta": {"p5": 0.1, "p50": 0.2, "p95": 0.9}},
        {"lognormal": {"median": 2}},
        {"normal": {"mean": 1, "sd": 0}},
        {"quantiles": {"5": 1, "50": 2}},
        {"exponential": {"p5": 1, "p95": 2}},
        {"fixed": "12 kW!", "uniform": {"low": 1, "high": 2}},
        {"fixed": {"a": 1}},
        {"fixed": 1, "truncate": {"low": 0}},
    ],
    ids=str,
)
def test_refuses_what_the_package_refuses(entry):
    assert not PRIORS.is_valid({"schema": 1, "assumptions": {"x": entry}})
