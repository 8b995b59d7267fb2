"""The roofline: limits, agreement with the flops model, and what physics says of each input."""

from types import SimpleNamespace

import jax
import numpy as np
import pint
import pytest

from uncertainty.arrays import in_float64
from uncertainty.energy import (
    board,
    built,
    flops,
    model,
    roofline,
    serving,
    throughput,
    transformer,
)
from uncertainty.energy.built import ENERGY_MODELS, compose
from uncertainty.inputs import INPUTS

MODULES = (board, built, flops, model, roofline, serving, throughput, transformer)
BASE = {
    "active_parameters": 37e9,
    "total_parameters": 671e9,
    "experts": 256.0,
    "experts_per_token": 8.0,
    "output_tokens": 500.0,
    "input_tokens": 1000.0,
    "batch_size": 64.0,
    "gpu_count": 8.0,
    "peak_flops": 1.979e15,
    "memory_bandwidth_bytes_per_s": 3.35e12,
    "gpu_power_w": 700.0,
    "bytes_per_parameter": 1.0,
    "bandwidth_cap": 0.7,
    "compute_cap": 0.6,
    "prefill_utilization": 0.35,
    "launch_s": 2e-5,
    "link_latency_s": 1e-5,
    "link_bandwidth_bytes_per_s": 4.5e11,
    "overhead": 1.5,
}
DENSE = {**BASE, "total_parameters": None, "experts": None, "experts_per_token": None}


def found(base=BASE, **changes):
    inputs = {name: value for name, value in {**base, **changes}.items() if value is not None}
    return {
        k: float(v) for k, v in in_float64(ENERGY_MODELS["roofline"].function)(**inputs).items()
    }


def test_one_sequence_is_bound_by_memory_and_many_by_arithmetic():
    one = found(DENSE, batch_size=1.0, input_tokens=0.0, launch_s=0.0, link_latency_s=0.0)
    assert one["memory_bound"] > 0.999
    assert one["bandwidth_utilization"] == pytest.approx(0.7, rel=0.02)
    many = found(
        DENSE, batch_size=1e5, input_tokens=0.0, output_tokens=2.0, link_bandwidth_bytes_per_s=None
    )
    assert many["memory_bound"] < 0.001
    assert many["utilization"] == pytest.approx(0.6, rel=0.1)


def test_at_most_26_8_tokens_a_second_of_a_dense_trillion_on_eight_h100():
    ideal = {"bandwidth_cap": 1.0, "compute_cap": 1.0, "launch_s": 0.0, "link_latency_s": 0.0}
    rate = found(
        DENSE, active_parameters=1e12, batch_size=1.0, input_tokens=0.0, output_tokens=1.0, **ideal
    )["tokens_per_s"]
    assert rate == pytest.approx(26.8, rel=0.002)


@pytest.mark.parametrize("batch", [1.0, 16.0, 256.0, 4096.0])
@pytest.mark.parametrize("base", [BASE, DENSE])
def test_flops_with_the_utilization_that_the_roofline_gives_agrees(base, batch):
    result = found(base, batch_size=batch)
    shared = {k: base[k] for k in ENERGY_MODELS["flops"].used(base) if base[k] is not None}
    fraction = result["gpu_power_w"] / base["gpu_power_w"]
    same = in_float64(ENERGY_MODELS["flops"].function)(
        **shared,
        utilization=result["utilization"],
        power_fraction=fraction,
    )
    for name in ("energy_wh", "energy_wh_gpu_board", "gpu_seconds"):
        assert float(same[name]) == pytest.approx(result[name], rel=1e-9)


@pytest.mark.parametrize("base", [BASE, DENSE])
def test_throughput_agrees(base):
    result = found(base)
    same = in_float64(ENERGY_MODELS["throughput"].function)(
        output_tokens=500.0,
        tokens_per_s=result["tokens_per_s"],
        gpu_power_w=result["gpu_power_w"],
        power_fraction=1.0,
        gpu_count=8.0,
        overhead=1.5,
    )
    for name in ("energy_wh", "gpu_energy_per_output_token_j", "gpu_seconds"):
        assert float(same[name]) == pytest.approx(result[name], rel=1e-12)


RISING = (
    "active_parameters", "total_parameters", "output_tokens", "input_tokens", "bytes_per_parameter",
    "launch_s", "link_latency_s", "overhead", "gpu_power_w", "kv_cost", "prefill_share",
    "static_power_fraction", "kv_bytes_per_value",
)  # fmt: skip
FALLING = (
    "batch_size", "peak_flops", "memory_bandwidth_bytes_per_s", "bandwidth_cap", "compute_cap",
    "prefill_utilization", "link_bandwidth_bytes_per_s", "cached_share", "occupancy",
)  # fmt: skip
MORE = {
    "kv_cost": 1.2, "prefill_share": 0.6, "static_power_fraction": 0.3, "kv_bytes_per_value": 2.0,
    "cached_share": 0.4, "occupancy": 0.7,
}  # fmt: skip


@pytest.mark.parametrize("name", RISING + FALLING)
def test_energy_goes_the_way_physics_says(name):
    base = {**BASE, **MORE}
    less, more = (found(base, **{name: base[name] * f})["energy_wh"] for f in (0.9, 1.1))
    assert (more > less) == (name in RISING)


def test_energy_per_token_falls_with_the_batch_and_never_below_arithmetic():
    joules = [
        found(DENSE, batch_size=b)["gpu_energy_per_output_token_j"] for b in 2.0 ** np.arange(13)
    ]
    assert (np.diff(joules) < 0).all()
    least = found(DENSE, memory_bandwidth_bytes_per_s=1e30, launch_s=0.0, gpu_count=1.0)
    assert joules[-1] > least["gpu_energy_per_output_token_j"]


def test_the_smooth_maximum_stays_within_one_percent_away_from_the_corner():
    ratios = np.geomspace(1.5, 1e6, 200)
    for one, other in ((np.ones(200), ratios), (ratios, np.ones(200))):
        value = np.asarray(in_float64(serving.smooth_maximum)(one, other))
        assert (value >= ratios * (1 - 1e-14)).all()
        assert (value <= 1.01 * ratios).all()
    slope = in_float64(jax.grad(lambda b: serving.smooth_maximum(1.0, b)))(1.0)
    assert float(slope) == pytest.approx(2 ** (1 / 8) / 2)


def test_experts_touched_are_the_expected_distinct_choices():
    """Against simulated choices of 2 of 16 by 8 tokens, and the ends."""
    rng = np.random.default_rng(0)
    choices = rng.random((4000, 8, 16)).argsort(-1)[..., :2].reshape(4000, -1)
    distinct = np.array([len(set(row)) for row in choices])
    expected = 16 * float(transformer.touched_share(2 / 16, 8.0))
    assert distinct.mean() == pytest.approx(expected, abs=4 * distinct.std() / np.sqrt(4000))
    assert float(transformer.touched_share(1.0, 3.0)) == 1
    assert float(transformer.touched_share(0.1, 1.0)) == pytest.approx(0.1)


def test_a_mixture_of_all_experts_is_dense():
    near = found(DENSE, total_parameters=37.0001e9)
    assert near["energy_wh"] == pytest.approx(found(DENSE)["energy_wh"], rel=1e-4)


def test_published_shares_of_experts():
    for active, total, count, used, shared in (
        (39e9, 141e9, 8, 2, 5e9),
        (37e9, 671e9, 256, 8, 16.5e9),
    ):
        mixture = transformer.Transformer(
            active_parameters=active,
            total_parameters=total,
            experts=count,
            experts_per_token=used,
        )
        assert float(transformer.shared_part(mixture)) == pytest.approx(shared, rel=0.01)


def test_speculation_helps_where_memory_binds_and_not_where_arithmetic_does():
    drafted = {"speculative_tokens": 4.0, "acceptance": 0.8, "draft_parameters": 4e8}
    short = {**DENSE, "input_tokens": 0.0, "output_tokens": 50.0}
    gain = [
        found(short, batch_size=b)["energy_wh"] / found(short, batch_size=b, **drafted)["energy_wh"]
        for b in (1.0, 16384.0)
    ]
    assert gain[0] > 1.5
    assert gain[1] < 1


def test_a_full_cache_of_a_large_multi_head_model():
    """118 layers of 48 heads of 128 in 16 bits: 3.0 TB for 512 sequences of 2048 tokens."""
    of_token = transformer.kv_bytes_per_token(
        transformer.Transformer(active_parameters=5e11, layers=118.0, head_dim=128.0, kv_heads=48.0)
    )
    assert 512 * 2048 * float(of_token) == pytest.approx(3.04e12, rel=0.01)


def test_gradients_are_finite_over_the_valid_range():
    generator = np.random.default_rng(0)
    base = {**BASE, **MORE, "speculative_tokens": 1.0, "acceptance": 0.5, "draft_parameters": 1e9}
    base = {k: v for k, v in base.items() if k not in ("experts", "experts_per_token")}
    names = list(base)

    def logged(values):
        result = ENERGY_MODELS["roofline"].function(**dict(zip(names, values, strict=True)))
        return jax.numpy.log(result["energy_wh"])

    gradient = jax.jit(jax.vmap(jax.grad(logged)))
    values = np.array([*base.values()]) * generator.uniform(0.3, 1.0, (300, len(names)))
    corners = np.array([*base.values()]) * np.ones((4, 1))
    for row, name in enumerate(("gpu_count", "cached_share", "acceptance", "launch_s")):
        corners[row, names.index(name)] = 1.0 if name == "gpu_count" else 0.0
    assert np.isfinite(in_float64(gradient)(np.concatenate([values, corners]))).all()


UNITS = {
    **{name: BASE[name] for name in BASE},
    **MORE,
    "layers": 60.0,
    "heads": 48.0,
    "head_dim": 128.0,
    "kv_heads": 8.0,
    "speculative_tokens": 2.0,
    "acceptance": 0.7,
    "draft_parameters": 1e9,
    "schedule_s": 1e-5,
    "power_exponent": 0.7,
    "queries_per_day": 1e9,
    "training_power_w": 2e7,
    "training_days": 90.0,
    "lifetime_days": 400.0,
    "embodied_wh_per_gpu": 5e5,
    "embodied_g_per_gpu": 2e5,
    "gpu_lifetime_days": 1500.0,
    "carbon_intensity_g_per_kwh": 400.0,
    "water_intensity_l_per_kwh": 2.0,
    "household_kwh_per_year": 10_500.0,
    "boards_owned": 2e5,
    "idle_power_w": 90.0,
}


SERVED = {
    "output_tokens": 500.0,
    "tokens_per_s": 900.0,
    "gpu_power_w": 700.0,
    "power_fraction": 0.7,
    "gpu_count": 4.0,
    "overhead": 1.5,
}
CONSTANTS = {
    "BYTES_PER_NUMBER": "byte",
    "JOULES_PER_WH": "J/Wh",
    "SECONDS_PER_HOUR": "s/hour",
    "HOURS_PER_DAY": "hour/day",
    "DAYS_PER_YEAR": "day/year",
    "WH_PER_KWH": "Wh/kWh",
    "W_PER_MW": "W/MW",
    "KG_PER_T": "kg/t",
    "LED_W": "W",
    "MICROWAVE_W": "W",
}
PLAIN = {
    (module, name): getattr(module, name)
    for module in MODULES
    for name in CONSTANTS
    if hasattr(module, name)
}


@pytest.fixture
def with_units(monkeypatch):
    """Let the formulas take quantities: NumPy for JAX, and constants with their units."""
    registry = pint.UnitRegistry()
    for count in ("token", "parameter", "query"):
        registry.define(f"{count} = [] = _ = {count}s")
    registry.define("FLOP = []")
    registry.define("m3 = meter ** 3")
    bare = SimpleNamespace(**{name: getattr(np, name) for name in dir(np)})
    bare.asarray = lambda value, dtype=None: value
    for module in MODULES:
        if hasattr(module, "jnp"):
            monkeypatch.setattr(module, "jnp", bare)
    for (module, name), value in PLAIN.items():
        monkeypatch.setattr(module, name, value * registry(CONSTANTS[name]))
    return registry


def test_units_go_through_every_model(with_units):
    """Each output has the unit that is declared, and the value found without units."""
    built = compose({"fleet": "roofline"})[0].model
    for one, values in ((built, UNITS), (ENERGY_MODELS["throughput"], SERVED)):
        carried = {k: v * with_units(INPUTS[k].unit) for k, v in values.items()}
        result = one.function(**carried)
        with pytest.MonkeyPatch.context() as plain:
            for module in MODULES:
                if hasattr(module, "jnp"):
                    plain.setattr(module, "jnp", jax.numpy)
            for (module, name), value in PLAIN.items():
                plain.setattr(module, name, value)
            expected = in_float64(one.function)(**values)
        for output in one.outputs:
            if output.name in result:
                value = (1 * result[output.name]).to(with_units(output.unit)).magnitude
                assert value == pytest.approx(float(expected[output.name]), rel=1e-9), output.name


def test_reading_and_generating_add_up_and_each_has_its_energy_of_a_token():
    result = found({**BASE, **MORE, "input_tokens": 6000.0, "cached_share": 0.5}, batch_size=32.0)
    read, generated = 3000.0, BASE["output_tokens"]
    parts = (
        result["prefill_energy_per_input_token_j"] * read
        + result["decode_energy_per_output_token_j"] * generated
    )
    assert parts == pytest.approx(3600 * result["gpu_energy_wh"], rel=1e-6)
    assert result["gpu_energy_per_output_token_j"] * generated == pytest.approx(parts, rel=1e-6)


def test_a_step_waits_for_each_sequence_the_less_the_newer_the_software():
    given = {**BASE, "batch_size": 64.0, "schedule_s": 2e-4, "software_trend": 0.9}
    none, then, later = (
        found(given, **changes)["time_per_output_token_s"]
        for changes in ({"schedule_s": 0.0}, {}, {"software_year": 2027.0})
    )
    assert then - none == pytest.approx(64 * 2e-4, rel=1e-9)
    assert later - none == pytest.approx(64 * 2e-4 * np.exp(-0.9 * 2), rel=1e-9)
    assert found(given, software_trend=0.0, software_year=2030.0) == found(given)


def test_states_of_linear_layers_are_read_and_written_in_each_step():
    given = {**DENSE, "launch_s": 0.0, "gpu_count": 1.0, "input_tokens": 0.0, "compute_cap": 1.0}
    given |= {"layers": 31.0, "linear_layers": 31.0, "batch_size": 16.0}
    state = 27 * 128 * 80 * 128 * 4.0  # Nemotron Nano 9B v2
    steps = [found(given, state_bytes=x)["time_per_output_token_s"] for x in (0.0, state)]
    bandwidth = BASE["memory_bandwidth_bytes_per_s"] * BASE["bandwidth_cap"]
    assert steps[1] - steps[0] == pytest.approx(2 * 16 * state / bandwidth, rel=1e-6)


def test_prefill_on_gpus_of_its_own_takes_their_arithmetic_and_no_step_of_the_others():
    given = {**BASE, **MORE, "input_tokens": 8192.0, "batch_size": 64.0, "prefill_share": 1.0}
    same, none = found(given), found(given, prefill_gpu_count=0.0)
    assert none["energy_wh"] == pytest.approx(same["energy_wh"], rel=1e-6)
    apart, alone = found(given, prefill_gpu_count=4.0), found(given, prefill_share=0.0)
    # Those that decode work as if nothing were read; the others at full power, all the time.
    assert apart["time_per_output_token_s"] == pytest.approx(alone["time_per_output_token_s"])
    inputs = {n: given[n] for n in ("active_parameters", "input_tokens", "output_tokens")}
    inputs |= {"cached_share": given["cached_share"]}
    parts = in_float64(model.by_name(flops.query_flop))(**inputs)
    flop = float(parts["prefill_weights"]) + float(parts["prefill_attention"])
    joules = 3600 * (apart["gpu_energy_wh"] - alone["gpu_energy_wh"])
    seconds = flop / given["peak_flops"] / given["prefill_utilization"]
    assert joules == pytest.approx(seconds * given["gpu_power_w"], rel=1e-9)
    twice = found(given, prefill_gpu_count=8.0)
    assert twice["energy_wh"] == pytest.approx(apart["energy_wh"], rel=1e-6)
    assert twice["latency_s"] < apart["latency_s"]


@pytest.mark.parametrize("name", ["flops", "roofline"])
def test_a_cached_token_costs_what_the_file_says(name):
    given = {**BASE, **MORE, "input_tokens": 4000.0, "utilization": 0.1, "power_fraction": 0.7}
    taken = {*ENERGY_MODELS[name].required, *ENERGY_MODELS[name].optional}

    def prefill(**more):
        inputs = {key: value for key, value in {**given, **more}.items() if key in taken}
        values = in_float64(ENERGY_MODELS[name].function)(**inputs)
        return sum(float(v) for k, v in values.items() if k.startswith("energy_wh_prefill"))

    free, half = prefill(cached_share=0.8), prefill(cached_share=0.8, cache_hit_cost=0.5)
    whole, none = prefill(cached_share=0.8, cache_hit_cost=1.0), prefill(cached_share=0.0)
    if name == "flops":  # in a roofline reading shares its power with what goes on beside it
        assert half == pytest.approx((free + whole) / 2, rel=1e-6)
    assert free < half < whole
    assert whole == pytest.approx(none, rel=1e-6)
