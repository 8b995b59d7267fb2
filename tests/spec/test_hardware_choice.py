"""Hardware that is a choice among names of the catalogue."""

import numpy as np
import pytest

import uncertainty as un

QUERY = {
    "active_parameters": {"fixed": 1e11},
    "output_tokens": {"fixed": 500},
    "utilization": {"fixed": 0.1},
    "power_fraction": {"fixed": 0.7},
    "overhead": {"fixed": 1.5},
}
CHOICE = {"choice": {"options": ["a100-sxm", "h100-sxm"], "weights": [1, 3]}}


def problem(hardware=None, **more):
    assumptions = {**QUERY, **({"hardware": hardware} if hardware else {}), **more}
    return un.build_problem({"schema": 1, "model": "flops", "assumptions": assumptions})


def test_each_is_drawn_as_often_as_its_weight_says():
    found = problem(CHOICE)
    assert str(found.assumptions["hardware_choice"]) == "choice of 2"
    tree = un.simulate(found, draws=2**12)
    values = tree["prior_predictive"]["energy_wh"].values
    ends = [problem(name).central()["energy_wh"] for name in ("a100-sxm", "h100-sxm")]
    first = np.isclose(values, ends[0])
    assert np.isclose(values[~first], ends[1]).all()
    assert first.mean() == pytest.approx(0.25, abs=0.01)
    assert un.rank_inputs(found)["input"].values.tolist() == ["hardware_choice"]


def test_every_number_of_the_hardware_goes_with_the_choice():
    inputs = un.simulate(problem(CHOICE), draws=256)["prior"]
    pairs = {(float(p), float(w)) for p, w in zip(
        inputs["peak_flops"].values.ravel(), inputs["gpu_power_w"].values.ravel(), strict=True
    )}  # fmt: skip
    assert pairs == {(3.12e14, 400.0), (9.89e14, 700.0)}


def test_each_computes_in_the_format_that_it_has():
    given = {"choice": {"options": ["h100-sxm", "b200"], "weights": [1, 1]}}
    inputs = un.simulate(problem(given, precision="nvfp4"), draws=256)["prior"]
    assert {float(p) for p in inputs["peak_flops"].values.ravel()} == {9.89e14, 9e15}


def test_a_choice_stands_in_a_call_and_is_replaced_by_a_name():
    one = un.build_problem("gpt-4o", given={"hardware": CHOICE})
    assert "hardware_choice" in one.assumptions
    priors = {"schema": 1, "model": "flops", "assumptions": {**QUERY, "hardware": CHOICE}}
    again = un.build_problem(priors, given={"hardware": "b200"})
    assert again.central() == problem("b200").central()
    assert any("a100-sxm or h100-sxm -> b200" in str(notice) for notice in again.notices)


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        (["a100-sxm", "h100"], "'h100' is no hardware of the catalogue; did you mean"),
        (["a100-sxm", 3], "hardware.choice.options"),
    ],
)
def test_names_that_are_none_are_told(hardware, message):
    with pytest.raises(un.InputError) as caught:
        problem({"choice": {"options": hardware, "weights": [1, 1]}})
    assert message in str(caught.value)
