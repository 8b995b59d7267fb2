"""Hardware that is a choice among names of the catalogue."""

import numpy as np
import pytest

import uncertainty as un
from uncertainty.files.catalogue import catalogue

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


def test_all_names_of_the_catalogue_can_be_chosen_among():
    names = [*catalogue("hardware")]
    found = problem({"choice": {"options": names}}, gpu_power_w={"fixed": 500})
    inputs = un.simulate(found, draws=512)["prior"]
    which = inputs["hardware_choice"].values.astype(int).ravel()
    bandwidths = [
        catalogue("hardware")[name].assumptions["memory_bandwidth_bytes_per_s"].fixed
        for name in names
    ]
    assert {*which} == {*range(len(names))}
    assert (
        inputs["memory_bandwidth_bytes_per_s"].values.ravel() == np.array(bandwidths)[which]
    ).all()


def test_what_only_some_of_the_names_have_is_stated_where_it_is_used():
    names = ["h100-sxm", "tpu-v6e"]
    with pytest.raises(un.InputError) as caught:
        problem({"choice": {"options": names}})
    message = "the catalogue has no gpu_power_w for tpu-v6e; state gpu_power_w, or choose another hardware"
    assert [(fault.field, fault.message) for fault in caught.value.faults] == [
        ("assumptions.hardware", message)
    ]
    assumptions = {"hardware": {"choice": {"options": names}}}
    un.build_problem({"schema": 1, "assumptions": assumptions}, model=lambda peak_flops: peak_flops)


def test_precision_and_model_may_be_choices_too():
    choices = {
        "hardware": ["a100-sxm", "b200"],
        "precision": ["bfloat16", "fp8", "nvfp4"],
        "llm": ["llama-3.1-8b", "llama-3.1-70b"],
    }
    stated = {kind: {"choice": {"options": names}} for kind, names in choices.items()}
    inputs = un.simulate(
        un.build_problem(
            {"schema": 1, "assumptions": stated},
            model=lambda peak_flops, bytes_per_parameter, total_parameters: peak_flops,
        ),
        draws=512,
    )["prior"]
    board, form, llm = (inputs[f"{kind}_choice"].values.astype(int).ravel() for kind in choices)
    peaks = np.array([[3.12e14] * 3, [2.25e15, 4.5e15, 9e15]])
    assert (inputs["peak_flops"].values.ravel() == peaks[board, form]).all()
    assert (inputs["bytes_per_parameter"].values.ravel() == np.array([2, 1, 0.5625])[form]).all()
    assert (inputs["total_parameters"].values.ravel() == np.array([8.03e9, 7.06e10])[llm]).all()


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        (["a100-sxm", "h100"], "'h100' is not in the hardware catalogue; did you mean"),
        (["a100-sxm", 3], "hardware.choice.options"),
    ],
)
def test_names_that_are_none_are_told(hardware, message):
    with pytest.raises(un.InputError) as caught:
        problem({"choice": {"options": hardware, "weights": [1, 1]}})
    assert message in str(caught.value)
