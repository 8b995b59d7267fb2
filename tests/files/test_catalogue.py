"""Catalogues: what a name stands for, in every place where it may stand."""

import pytest

import uncertainty as un
from uncertainty.energy.built import ENERGY_MODELS
from uncertainty.files.catalogue import KINDS, catalogue, read_catalogue
from uncertainty.files.library import Place, shipped_folder, source_keys
from uncertainty.files.priors import given_layer, resolve
from uncertainty.problem import set_up

BASE = {"schema": 1, "model": "flops", "extends": "base/datacenter"}
QUERY = {"active_parameters": {"fixed": 1e10}, "output_tokens": {"fixed": 300}}


def known(assumptions):
    """Values of the assumptions that are known."""
    laws = {item.name: item.law for item in assumptions if item.law}
    return {name: law.fields[0][1] for name, law in laws.items() if law.family == "fixed"}


def fixed(problem):
    return known(problem.assumptions.values())


def build(assumptions=QUERY, given=None, scenario=None, **more):
    data = {**BASE, "assumptions": assumptions, **more}
    return un.build_problem(data, given=given, scenario=scenario)


def test_there_is_enough_to_choose_from():
    assert len(catalogue("hardware")) >= 12
    assert len(catalogue("llm")) >= 20
    needed = {"total_parameters", "active_parameters", "layers", "heads"}
    assert all(needed <= entry.assumptions.keys() for entry in catalogue("llm").values())
    assert all("memory_bytes" in entry.assumptions for entry in catalogue("hardware").values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_has_a_source_a_unit_and_a_basis(kind):
    keys = source_keys(Place(shipped_folder(), None))
    for name, entry in catalogue(kind).items():
        values = {**entry.assumptions, **getattr(entry, "peak_flops", {})}
        for key, value in values.items():
            assert value.source in keys, (name, key)
            assert value.unit is not None, (name, key)
            assert value.basis is not None, (name, key)
            assert isinstance(value.fixed, float), (name, key)


@pytest.mark.parametrize("name", catalogue("hardware"))
def test_every_hardware_computes_in_every_precision(name):
    """As files are resolved; a problem is built of the first."""
    peaks = {key: entry.fixed for key, entry in catalogue("hardware")[name].peak_flops.items()}
    priors = un.load_priors({**BASE, "assumptions": QUERY})
    for i, (precision, entry) in enumerate(catalogue("precision").items()):
        given = {"hardware": name, "precision": precision, "gpu_power_w": 300}
        resolution = resolve(priors, given_layer(given, Place(shipped_folder(), None)), None)
        assert not resolution.faults, precision
        values = known(resolution.assumptions)
        assert values["peak_flops"] == next(peaks[key] for key in entry.formats if key in peaks)
        assert values["gpu_power_w"] == 300
        if i == 0:
            assert fixed(build(given=given)) == values


@pytest.mark.parametrize("name", catalogue("llm"))
def test_every_language_model_is_a_problem(name):
    """Checked as a problem is, with what its model needs; a problem is built of one."""
    data = {**BASE, "assumptions": {"output_tokens": {"fixed": 300}, "llm": name}}
    values = known(set_up(un.load_priors(data)).assumptions.values())
    if name == "deepseek-v3":
        assert fixed(un.build_problem(data)) == values
    assert 0 < values["active_parameters"] <= values["total_parameters"]
    assert values.get("experts_per_token", 1) <= values.get("experts", 1)


def test_entries_of_the_catalogue_are_the_published_numbers():
    h100 = fixed(build())
    assert (h100["peak_flops"], h100["gpu_power_w"]) == (989e12, 700)
    llm = catalogue("llm")
    ratios = {n: e.assumptions["total_parameters"].fixed / e.assumptions["active_parameters"].fixed for n, e in llm.items()}  # fmt: skip
    assert ratios["mixtral-8x22b"] == pytest.approx(3.6, abs=0.05)
    assert ratios["deepseek-v3"] == pytest.approx(18.1, abs=0.05)
    assert ratios["llama-3.1-70b"] == 1


def test_a_name_may_stand_anywhere():
    scenarios = {"scenarios": {"new": {"hardware": "b200"}}}
    found = [
        build({**QUERY, "hardware": "b200"}),
        build({**QUERY, "hardware": {"fixed": "b200"}}),
        build(given={"hardware": "b200"}),
        build(scenario="new", **scenarios),
    ]
    assert {fixed(problem)["peak_flops"] for problem in found} == {2.25e15}
    assert fixed(build(**scenarios))["peak_flops"] == 989e12


def test_precision_and_hardware_meet_across_layers():
    assert fixed(build(given={"precision": "fp8"}))["peak_flops"] == 1.979e15
    assert fixed(build(given={"precision": "fp8"}))["bytes_per_parameter"] == 1
    assert fixed(build({**QUERY, "precision": "mxfp4"}))["peak_flops"] == 989e12  # H100 has no fp4
    later = build({**QUERY, "precision": "mxfp4"}, given={"hardware": "b200"})
    assert fixed(later)["peak_flops"] == 9e15


def test_an_explicit_value_goes_before_a_bundle_in_its_layer_and_a_later_layer_before_both():
    own = {**QUERY, "gpu_power_w": {"fixed": 650}, "hardware": "h200"}
    assert fixed(build(own))["gpu_power_w"] == 650
    assert fixed(build(own, given={"hardware": "b200"}))["gpu_power_w"] == 1000
    assert fixed(build(own, given={"gpu_power_w": 600}))["gpu_power_w"] == 600
    assert fixed(build({**own, "peak_flops": {"fixed": 9e14}}))["peak_flops"] == 9e14


def test_a_new_name_replaces_the_whole_bundle():
    own = {"output_tokens": {"fixed": 300}, "llm": "mixtral-8x22b"}
    assert "experts" in build(own).assumptions
    assert "experts" not in build(own, given={"llm": "llama-3.1-8b"}).assumptions
    with pytest.raises(un.InputError, match="needs 'gpu_power_w'"):
        build(given={"hardware": "tpu-v5e"})


def test_replacing_is_reported_and_what_a_bundle_adds_unused_is_not():
    notices = [str(notice) for notice in build(given={"hardware": "b200"}).notices]
    assert "<given>: hardware: overrides h100-sxm -> b200" in notices
    assert not any("bandwidth" in notice for notice in notices)


def test_points_stay_where_they_were():
    """A bundle in a scenario moves no coordinate of what the file states."""
    first, second = (un.simulate(build(given=g), draws=64) for g in (None, {"hardware": "b200"}))
    for name in ("host", "utilization", "pue_excess"):
        assert (first["prior"][name].values == second["prior"][name].values).all()


def test_an_assumption_may_have_the_name_of_a_kind():
    laws = {"precision": {"normal": {"mean": 0, "sd": 1}}, "hardware": {"fixed": 3}}
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda precision, hardware: precision + hardware)  # fmt: skip
    assert set(problem.assumptions) == {"precision", "hardware"}


def test_what_a_result_says_of_its_bundle():
    tree = un.simulate(build(given={"hardware": "b200"}), draws=64)
    assert tree["prior"]["peak_flops"].attrs["source"] == "nvidiablackwell"
    assert tree.attrs["given"] == "hardware = b200"
    assert "hardware.yaml" in tree.attrs["prior_files"]


def test_a_broken_catalogue_says_where(tmp_path):
    path = tmp_path / "hardware.yaml"
    path.write_text("schema: 1\ntitle: x\nhardware: {a: {title: x, peak_flops: {}}}\n")
    faults = read_catalogue(path)[2]
    assert ":3:" in str(faults[0])
    assert "at least 1 item" in str(faults[0])
    assert read_catalogue(tmp_path / "none.yaml")[0] is None


def test_a_precision_that_the_hardware_lacks_is_a_fault(monkeypatch):
    entry = catalogue("precision")["fp8"].model_copy(update={"formats": ("fp8",)})
    monkeypatch.setitem(catalogue("precision"), "fp8", entry)
    with pytest.raises(
        un.InputError, match="'a100-sxm' has no peak in fp8; choose a precision for bf16 or int8"
    ):
        build(given={"hardware": "a100-sxm", "precision": "fp8"})


def test_ranges_hold_for_every_bundle():
    names = {
        name for model in ENERGY_MODELS.values() for name in (*model.required, *model.optional)
    }
    assert {"peak_flops", "gpu_power_w", "layers"} <= names
