"""Every shipped model: declared inputs, declared outputs, finite values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uncertainty.arrays import in_float64
from uncertainty.energy.built import ENERGY_MODELS, compose
from uncertainty.energy.model import ModelError, model_from_callable
from uncertainty.inputs import INPUTS
from uncertainty.units import factor

TYPICAL = {
    "active_parameters": 5e10, "output_tokens": 300.0, "input_tokens": 800.0, "utilization": 0.1,
    "prefill_utilization": 0.4, "peak_flops": 1e15, "gpu_power_w": 700.0, "power_fraction": 0.7,
    "prefill_power_fraction": 0.9, "host": 1.5, "idle": 1.1, "pue": 1.2, "attention_factor": 0.5,
    "cached_share": 0.2, "layers": 60.0, "heads": 50.0, "head_dim": 128.0, "batch_size": 64.0,
    "memory_bandwidth_bytes_per_s": 3e12, "bytes_per_parameter": 1.0, "total_parameters": 3e11,
    "experts": 64.0, "experts_per_token": 6.0, "gpu_count": 8.0, "kv_heads": 8.0, "kv_cost": 1.2,
    "bandwidth_cap": 0.7, "compute_cap": 0.6, "launch_s": 2e-5, "link_latency_s": 1e-5,
    "link_bandwidth_bytes_per_s": 4e11, "occupancy": 0.8, "speculative_tokens": 2.0,
    "acceptance": 0.7, "draft_parameters": 1e9, "tokens_per_s": 2000.0, "wall_power_w": 90.0,
    "queries_per_day": 1e9, "training_flop": 2e25, "lifetime_days": 300.0, "model_form": 1.0,
    "embodied_wh_per_gpu": 5e5, "embodied_g_per_gpu": 2e5, "gpu_lifetime_days": 1500.0,
    "carbon_intensity_g_per_kwh": 400.0, "water_intensity_l_per_kwh": 2.0,
    "steps_per_session": 20.0, "published_wh": 0.3,
}  # fmt: skip
AT_FACILITY = {"fleet_power_mw", "training_wh", "training_wh_per_query"}
BUILT = {
    "fleet": compose({"fleet": "roofline"})[0].model,
    "ensemble": compose({"ensemble": {"flops": 1, "roofline": 2, "throughput": 1}})[0].model,
}


@pytest.mark.parametrize(
    "model", [*ENERGY_MODELS.values(), *BUILT.values()], ids=[*ENERGY_MODELS, *BUILT]
)
class TestModel:
    def inputs(self, model):
        return {
            name: jnp.asarray(value)
            for name, value in TYPICAL.items()
            if name in model.used(TYPICAL)
        }

    def test_inputs_are_declared_with_unit_range_and_meaning(self, model):
        for name in (*model.required, *model.optional):
            declared = INPUTS[name]
            assert factor(declared.unit, declared.unit) == 1
            assert declared.meaning
            assert declared.low < declared.high

    def test_optional_inputs_say_what_is_taken_or_have_an_alternative(self, model):
        grouped = {name for group in model.alternatives for name in group}
        for name in model.optional:
            assert INPUTS[name].default or name in grouped, name

    def test_gives_what_it_declares(self, model):
        outputs = model(self.inputs(model))
        declared = {output.name: output for output in model.outputs}
        assert outputs.keys() == declared.keys()
        for name, value in outputs.items():
            assert jnp.shape(value) == ()
            assert declared[name].meaning
            assert bool(declared[name].boundary) == ("energy" in name or name in AT_FACILITY)

    def test_parts_add_up_to_the_whole(self, model):
        outputs = in_float64(lambda: model(self.inputs(model)))()
        for whole in {output.part_of for output in model.outputs} - {""}:
            parts = sum(float(outputs[o.name]) for o in model.outputs if o.part_of == whole)
            assert parts == pytest.approx(float(outputs[whole]), rel=1e-6)

    def test_gradients_are_finite(self, model):
        gradient = jax.jit(jax.grad(lambda inputs: model(inputs)["energy_wh"]))(self.inputs(model))
        assert all(np.isfinite(slope) for slope in gradient.values())

    def test_documents_units_and_source(self, model):
        text = model.function.__doc__
        if model in BUILT.values():
            assert model.meaning
            return
        assert "Source" in text
        assert "Wh" in text
        assert ">>>" in text


def test_a_callable_declares_its_inputs_by_its_signature():
    model = model_from_callable(lambda a, b=2.0, **rest: a)
    assert (model.required, model.optional, model.takes_all) == (("a",), ("b",), True)
    assert model.used({"a": 1, "z": 2}) == ["a", "z"]


@pytest.mark.parametrize("function", [lambda *a: 1, eval("lambda a, /: 1")])
def test_arguments_by_position_are_refused(function):
    with pytest.raises(ModelError, match="by position"):
        model_from_callable(function)


def test_an_object_with_call_is_a_model():
    class Model:
        def __call__(self, a):
            return a

    assert model_from_callable(Model()).name == "Model"
