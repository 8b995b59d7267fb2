"""Measurements that a prior did not expect: which rows, by which factor, and what explains them."""

import json

import numpy as np
import pytest

import uncertainty as un

ROWS = 8
NOISE = 0.1 * np.random.default_rng(5).normal(size=ROWS)


def problem(factors, sigma=0.3, **conditions):
    """Measurements at the prior's own values, each times a factor."""
    laws = {name: {"lognormal": {"median": 1, "sigma": sigma}} for name in "ab"}
    laws |= {name: {"fixed": 1} for name in conditions}
    values = np.exp(NOISE) * np.broadcast_to(factors, ROWS)
    cells = [[*(column[i] for column in conditions.values()), v] for i, v in enumerate(values)]
    measured = {
        "schema": 1,
        "observes": "energy_per_output_token_j",
        "error": {"lognormal": {"sigma": 0.1}},
        "columns": [*conditions, "value"],
        "rows": [[float(cell) for cell in row] for row in cells],
    }

    def model(a, b, **more):
        return {"energy_per_output_token_j": a * b}

    return un.build_problem({"schema": 1, "assumptions": laws}, model=model, evidence=measured)


def found(*args, **conditions):
    row = un.check_prior(problem(*args, **conditions)).isel(evidence=0)
    return str(row["surprise"].item()), float(row["factor"]), int(row["rows_outside"])


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (3.6e6, "as if J were entered as kWh (3.6e6 times)"),
        (1 / 3.6e6, "as if kWh were entered as J (3.6e6 times)"),
        (3600, "as if J were entered as Wh (3600 times)"),
        (1 / 3600, "as if Wh were entered as J (3600 times)"),
        (1000, "as if mJ were entered as J, or Wh as kWh (1000 times)"),
        (1e-3, "as if J were entered as mJ, or kWh as Wh (1000 times)"),
        (1e6, "as if J were entered as MJ (1e6 times)"),
    ],
)
def test_a_mistaken_unit_is_named_with_its_factor(factor, text):
    said, off, rows = found(factor)
    assert said.startswith(f"rows 1-{ROWS} of evidence lie where the prior expects")
    assert said.endswith(text)  # and no other
    assert rows == ROWS
    assert abs(np.log(off / factor)) < 5 * 0.3 * np.sqrt(2)
    with pytest.raises(un.InputError, match="mend the unit, or widen the prior") as caught:
        un.infer(problem(factor))
    assert caught.value.faults[0].field == "rows.0"


@pytest.mark.parametrize(
    ("factors", "conditions", "text"),
    [
        (1 / 2, {}, "as if one of 2 GPUs were counted (2 times)"),
        (1 / 4, {}, "as if one of 4 GPUs were counted (4 times)"),
        (8, {}, "as if 8 GPUs were counted in place of one (8 times)"),
        (
            1 / np.array([2, 4, 8, 8, 2, 4, 1, 1]),
            {"gpu_count": [2, 4, 8, 8, 2, 4, 1, 1]},
            "as if one GPU were counted in place of all (1 to 8 times)",
        ),
        (
            400 / 1150,
            {"input_tokens": [750] * ROWS, "output_tokens": [400] * ROWS},
            "as if energy per token of input and output were entered as that per output token "
            "(2.9 times)",
        ),
        (
            300,
            {"output_tokens": [300] * ROWS},
            "as if the energy of a query were entered as that of an output token (300 times)",
        ),
    ],
)
def test_boards_and_tokens_are_told_apart_by_a_prior_that_is_narrow(factors, conditions, text):
    said, _, _ = found(factors, 0.05, **conditions)
    assert said.endswith(text)


def test_one_row_is_named_by_its_number_and_judged_by_the_others():
    factors = np.ones(ROWS)
    factors[4] = 3.6e6
    said, off, rows = found(factors, 1.5)
    assert said.startswith("row 5 of evidence lies where the prior expects")
    assert said.endswith("as if J were entered as kWh (3.6e6 times)")
    assert rows == 1
    assert abs(np.log(off / 3.6e6)) < 5 * np.hypot(0.1, 0.1 / np.sqrt(ROWS - 1)) + 0.3


def test_what_no_usual_mistake_explains_is_given_with_its_factor_alone():
    said, off, _ = found(60.0, 0.1)
    assert "as if" not in said
    assert said.endswith(
        "compare unit, boundary and conditions with the model's, or widen the prior"
    )
    assert off == pytest.approx(60, rel=0.2)


def test_rows_without_a_usual_mistake_are_measured_against_the_prior_though_others_are_off_too():
    # 3.3 standard deviations below: scatter puts some rows on one side of the limit, some on the
    # other. Boards that differ between rows are no explanation of one factor for all.
    said, off, rows = found(1 / 4.2, 0.3, gpu_count=[8, 1, 1, 1, 1, 1, 1, 1])
    assert 0 < rows < ROWS
    assert "as if" not in said
    assert off == pytest.approx(1 / 4.2, rel=0.25)


def test_what_the_prior_expects_is_no_surprise():
    assert found(1.0) == ("", 1.0, 0)
    assert found(2.0, 1.0)[0] == ""


def test_measurements_that_are_far_but_in_their_unit_are_learned_from_with_a_notice():
    tree = un.infer(problem(60.0, 0.3), draws=200, warmup=200, prior_draws=64)
    notices = json.loads(tree.attrs["notices"])
    assert any("rows 1-8 of evidence lie where the prior expects" in text for text in notices)
