"""The flops model: published figures, limits, and the ledger rows that it answers for."""

import jax
import numpy as np
import pytest

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.energy.built import ENERGY_MODELS
from uncertainty.energy.flops import query_flop
from uncertainty.energy.serving import Query
from uncertainty.energy.transformer import Shape, transformer_shape

flops = ENERGY_MODELS["flops"].function

EPOCH = {
    "active_parameters": 100e9,
    "output_tokens": 500.0,
    "utilization": 0.1,
    "peak_flops": 989e12,
    "gpu_power_w": 1500.0,
    "power_fraction": 0.7,
    "overhead": 1.0,
}
COMPONENTS = [
    f"energy_wh_{part}"
    for part in ("decode_weights", "decode_attention", "prefill_weights", "prefill_attention")
]


def energy(**changes):
    inputs = {name: value for name, value in {**EPOCH, **changes}.items() if value is not None}
    return {name: float(value) for name, value in in_float64(flops)(**inputs).items()}


def test_components_add_up_and_boundaries_follow_one_another():
    found = energy(
        input_tokens=10_000.0, overhead=None, host=1.5, idle=1.2, pue=1.1, cached_share=0.3
    )
    assert sum(found[name] for name in COMPONENTS) == pytest.approx(found["energy_wh"], rel=1e-12)
    assert found["energy_wh_node"] == pytest.approx(1.5 * found["energy_wh_gpu_board"])
    assert found["energy_wh_provisioned"] == pytest.approx(1.2 * found["energy_wh_node"])
    assert found["energy_wh"] == pytest.approx(1.1 * found["energy_wh_provisioned"])


def test_an_overhead_alone_tells_no_boundary_between():
    assert {"energy_wh_node", "energy_wh_provisioned"}.isdisjoint(energy())


def test_shape_of_the_reference_model_and_of_100_billion():
    assert [float(x) for x in transformer_shape(39e9)] == pytest.approx([56, 48, 128])
    assert [round(float(x), 1) for x in transformer_shape(100e9)] == [76.6, 56.2, 149.7]


def test_attention_is_counted_pair_by_pair():
    """Against a direct sum over tokens, for a shape small enough to count."""
    shape = Shape(active_parameters=10.0, layers=2.0, heads=3.0, head_dim=5.0, attention_factor=1.0)
    flop = query_flop(shape, Query(output_tokens=4.0, input_tokens=6.0))
    per_pair = 4 * 2 * 3 * 5
    assert float(flop["decode_attention"]) == per_pair * sum(6 + i for i in range(4))
    assert float(flop["prefill_attention"]) == per_pair * 6 * 6
    assert float(flop["prefill_weights"]) == 2 * 10 * 6


def test_causal_attention_is_half_and_a_full_cache_costs_no_prefill():
    full = energy(input_tokens=1e5, attention_factor=1.0)["energy_wh_prefill_attention"]
    causal = energy(input_tokens=1e5)["energy_wh_prefill_attention"]
    assert causal == pytest.approx(full / 2)
    cached = energy(input_tokens=1e5, cached_share=1.0)
    assert cached["energy_wh_prefill_weights"] == cached["energy_wh_prefill_attention"] == 0


def test_prefill_is_like_decode_where_not_told_otherwise():
    same = energy(input_tokens=500.0, layers=0.0)
    assert same["energy_wh_prefill_weights"] == pytest.approx(same["energy_wh_decode_weights"])
    own = energy(
        input_tokens=500.0, layers=0.0, prefill_utilization=0.5, prefill_power_fraction=1.0
    )
    ratio = own["energy_wh_prefill_weights"] / own["energy_wh_decode_weights"]
    assert ratio == pytest.approx(0.1 / 0.5 / 0.7)


def test_no_tokens_no_energy():
    assert energy(output_tokens=0.0)["energy_wh"] == 0


RISING = [
    "active_parameters",
    "output_tokens",
    "input_tokens",
    "gpu_power_w",
    "power_fraction",
    "overhead",
]
FALLING = ["utilization", "peak_flops", "cached_share"]


@pytest.mark.parametrize("name", RISING + FALLING)
def test_energy_goes_the_way_physics_says(name):
    base = {**EPOCH, "input_tokens": 1000.0, "cached_share": 0.2}
    less, more = (energy(**{**base, name: base[name] * f})["energy_wh"] for f in (0.9, 1.1))
    assert (more > less) == (name in RISING)


def test_gradients_are_finite_over_the_valid_range():
    generator = np.random.default_rng(0)
    names = [*EPOCH, "input_tokens", "cached_share"]

    def logged(values):
        return jax.numpy.log(flops(**dict(zip(names, values, strict=True)))["energy_wh"])

    gradient = jax.jit(jax.vmap(jax.grad(logged)))
    scale = np.array([*EPOCH.values(), 1000.0, 0.5])
    values = scale * generator.uniform(0.2, 1.0, (200, len(names)))
    assert np.isfinite(in_float64(gradient)(values)).all()


@in_float64
@pytest.mark.parametrize("name", ["flops", "roofline", "throughput"])
def test_watts_of_host_and_network_are_added_to_those_of_the_boards(name):
    """A host hardly knows what its boards do: where they draw less, it is a larger part."""
    given = {
        "active_parameters": 7e10, "output_tokens": 500.0, "input_tokens": 900.0, "batch_size": 8.0,
        "bytes_per_parameter": 2.0, "utilization": 0.1, "peak_flops": 1e15, "gpu_power_w": 700.0,
        "memory_bandwidth_bytes_per_s": 3e12, "power_fraction": 0.5, "tokens_per_s": 900.0,
        "prefill_power_fraction": 0.9, "idle": 1.2, "pue": 1.1, "host_power_w": np.array(200.0),
        "network_power_w": 50.0,
    }  # fmt: skip
    model = ENERGY_MODELS[name]
    found = model({key: given[key] for key in model.used(given)})
    assert given["host_power_w"] == 200  # an array of NumPy is not changed in its place
    watts = 3600 * float(found["energy_wh_gpu_board"]) / float(found["gpu_seconds"])
    host = 1 + 250 / watts
    assert float(found["energy_wh_node"] / found["energy_wh_gpu_board"]) == pytest.approx(host)
    assert float(found["energy_wh"] / found["energy_wh_node"]) == pytest.approx(1.2 * 1.1)
    parts = [o.name for o in model.outputs if o.part_of == "energy_wh"]
    assert not parts or sum(float(found[part]) for part in parts) == pytest.approx(
        float(found["energy_wh"])
    )


def test_a_layer_that_adds_watts_takes_the_ratio_of_the_layers_below():
    watts = {"host_power_w": 230, "network_power_w": "50 W"}
    added = un.build_problem("gpt-4o", given=watts)
    assert "host" not in added.assumptions
    assert {"idle", "pue", *watts} <= added.assumptions.keys()
    assert "host_power_w" not in un.build_problem("gpt-4o", given={"overhead": 1.5}).assumptions
    with pytest.raises(un.InputError, match="give either host or host_power_w, not both"):
        un.build_problem("gpt-4o", given={"host": 1.4, "host_power_w": 230})
