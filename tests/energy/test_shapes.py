"""Layers that attend differently, against hand calculations of published models."""

import jax.numpy as jnp
import numpy as np
import pytest

from uncertainty.arrays import in_float64
from uncertainty.energy import ENERGY_MODELS, kv_bytes_per_token, query_flop, step_bytes
from uncertainty.energy.serving import Query, Serving, tokens_per_step
from uncertainty.energy.transformer import Shape, Transformer
from uncertainty.files import catalogue
from uncertainty.problem import set_up

LENGTHS = {"input_tokens": 8192.0, "output_tokens": 1.0}


def shape_of(name):
    """What the catalogue has of a model that a transformer takes."""
    entries = catalogue("llm")[name].assumptions
    known = Transformer.__dataclass_fields__
    return Transformer(**{key: float(x.fixed) for key, x in entries.items() if key in known})


# Of 8,192 tokens of context: by hand, from the models' own papers and configurations.
CACHES = {
    # 61 layers of 576 numbers.
    "deepseek-v3": 61 * 576 * 2 * 8192,
    # 18 of 36 layers see all, the others 128 tokens; 8 heads of 64 for keys, and for values.
    "gpt-oss-120b": (18 * 8192 + 18 * 128) * 2 * 8 * 64 * 2,
    # Ten of 62 layers see all, the others 1,024 tokens; 16 heads of 128.
    "gemma-3-27b": (10 * 8192 + 52 * 1024) * 2 * 16 * 128 * 2,
    # Twelve of 48 layers keep anything of a token: 2 heads of 256.
    "qwen3-next-80b-a3b": 12 * 8192 * 2 * 2 * 256 * 2,
    # Three of 60 layers see all, the others 2,048 tokens of their choice; 4 heads of 128.
    "minimax-m3": (3 * 8192 + 57 * 2048) * 2 * 4 * 128 * 2,
    # 78 layers of 576 numbers, of 2,048 tokens.
    "glm-5": 78 * 576 * 2 * 2048,
}
FLOPS = {
    # Scores over 576 numbers, values over 512, for each of 128 heads.
    "deepseek-v3": 2 * 37e9 + 61 * 2 * 128 * (576 + 512) * 8192,
    "gpt-oss-120b": 2 * 5.13e9 + (18 * 8192 + 18 * 128) * 4 * 64 * 64,
    "gemma-3-27b": 2 * 27e9 + (10 * 8192 + 52 * 1024) * 4 * 32 * 128,
    "qwen3-next-80b-a3b": 2 * 3e9 + 12 * 8192 * 4 * 16 * 256,
    "minimax-m3": 2 * 23e9 + (3 * 8192 + 57 * 2048) * 4 * 64 * 128,
    "glm-5": 2 * 40e9 + 78 * 2 * 64 * (576 + 512) * 2048,
}


@in_float64
@pytest.mark.parametrize("name", CACHES)
def test_cache_and_operations_of_a_token_are_those_of_the_published_model(name):
    shape = shape_of(name)
    one = Serving(**LENGTHS, batch_size=1.0, bytes_per_parameter=1.0)
    moved, flop = step_bytes(shape, one), query_flop(shape, one)
    assert float(moved["cache"]) == pytest.approx(CACHES[name], rel=1e-12)
    generated = float(flop["decode_weights"] + flop["decode_attention"])
    assert generated == pytest.approx(FLOPS[name], rel=1e-12)


@in_float64
@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("qwen3.5-397b-a17b", (1.93, 3.39, 4.41, 5.21)),
        ("kimi-k2.5", (1.83, 2.88, 3.46, 3.77)),
        ("minimax-m3", (1.78, 2.83, 3.35, 3.74)),
        ("glm-5", (1.84, 2.99, 3.61, 4.06)),
    ],
)
def test_drafting_keeps_as_many_tokens_of_a_step_as_were_measured(name, lengths):
    """As with three drafted tokens; one chance for all of them misses others by up to 14 %."""
    chance = catalogue("llm")[name].assumptions["acceptance"].fixed
    kept = [float(tokens_per_step(drafted, chance)) for drafted in (1, 3, 5, 8)]
    assert kept[1] == pytest.approx(lengths[1], abs=0.005)
    assert kept == pytest.approx(lengths, rel=0.14)


@in_float64
def test_latent_attention_of_uneven_widths_reads_as_its_average():
    """GLM-5 has keys of 192 numbers and 64 that tell places, and values of 256."""
    reading = float(shape_of("glm-5").flop_per_pair(1, reading=True))
    assert reading == pytest.approx(2 * 64 * (192 + 64 + 256), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "layers", "numbers"),
    [
        ("qwen3.5-27b", 48, 48 * 128 * 128),
        ("qwen3.5-397b-a17b", 45, 64 * 128 * 128),
        ("kimi-k3", 69, 96 * 128 * 128),
        ("nemotron-3-nano-30b-a3b", 23, 64 * 64 * 128),
    ],
)
def test_states_are_those_of_all_linear_layers(name, layers, numbers):
    shape = shape_of(name)
    assert shape.linear_layers == layers
    assert shape.state_bytes == pytest.approx(4 * layers * numbers, rel=1e-2)


@in_float64
@pytest.mark.parametrize("cached", [0.0, 0.6])
@pytest.mark.parametrize("window", [1, 100, 128, 5000])
@pytest.mark.parametrize(("read", "generated"), [(1000, 1), (1000, 300), (50, 400), (0, 20)])
def test_a_window_counts_the_tokens_that_each_one_sees(cached, window, read, generated):
    query = Query(input_tokens=float(read), output_tokens=float(generated), cached_share=cached)
    plain = {"active_parameters": 1e9, "layers": 10.0, "heads": 1.0, "head_dim": 1.0}
    flop = query_flop(Shape(**plain, window_layers=4.0, window_tokens=float(window)), query)
    places = read + np.arange(generated)
    seen = np.minimum(places, window)
    exact = 4 * (6 * places.sum() + 4 * seen.sum())
    # The average runs evenly from the first place to the last, both of which a sum counts whole:
    # by the trapezoidal rule the two differ by the average less that of the two ends.
    mean = np.trapezoid(seen) / (generated - 1) if generated > 1 else seen[0]
    apart = 4 * 4 * (mean - (seen[0] + seen[-1]) / 2)
    assert float(flop["decode_attention"]) == pytest.approx(exact + apart, rel=1e-12)
    # The area under what each new token sees: straight up to the window, and level from there on.
    start, kink = cached * read, np.clip(window, cached * read, read)
    new = (kink**2 - start**2) / 2 + (read - kink) * window
    whole = (read**2 - start**2) / 2
    assert float(flop["prefill_attention"]) == pytest.approx(4 * (6 * whole + 4 * new), rel=1e-12)


@in_float64
def test_a_wide_window_is_none_and_slopes_are_finite():
    import jax

    query = Query(input_tokens=900.0, output_tokens=200.0)
    plain = {"active_parameters": 1e9, "layers": 10.0, "heads": 8.0, "head_dim": 64.0}
    full = query_flop(Shape(**plain), query)
    wide = query_flop(Shape(**plain, window_layers=7.0, window_tokens=1e5), query)
    for part, flop in full.items():
        assert float(wide[part]) == pytest.approx(float(flop), rel=1e-12)

    def attention(numbers):
        layers, window, read, generated = numbers
        shape = Shape(**plain, window_layers=layers, window_tokens=window)
        flop = query_flop(shape, Query(input_tokens=read, output_tokens=generated))
        return flop["decode_attention"] + flop["prefill_attention"]

    for numbers in ((4.0, 128.0, 0.0, 1.0), (4.0, 128.0, 128.0, 1.0), (4.0, 64.0, 500.0, 80.0)):
        slopes = jax.grad(attention)(jnp.array(numbers))
        assert np.isfinite(slopes).all()


@in_float64
def test_links_carry_the_width_of_the_model():
    """128 heads of 128 numbers are more than twice the width of DeepSeek-V3."""
    board = {"peak_flops": 1e15, "memory_bandwidth_bytes_per_s": 3e12, "gpu_power_w": 700.0}
    board |= {"link_bandwidth_bytes_per_s": 4.5e11}
    deepseek = vars(shape_of("deepseek-v3"))
    given = {**deepseek, **board, "output_tokens": 400.0, "overhead": 1.0, "batch_size": 64.0}
    given |= {"bytes_per_parameter": 1.0, "gpu_count": 8.0}
    roofline = ENERGY_MODELS["roofline"]
    known = {key: value for key, value in given.items() if value is not None}
    seconds = [
        float(roofline({**known, "model_width": width})["gpu_seconds"])
        for width in (7168.0, 2 * 7168.0, 128 * 128.0)
    ]
    less = {key: value for key, value in known.items() if key != "model_width"}
    assert float(roofline(less)["gpu_seconds"]) == pytest.approx(seconds[2], rel=1e-12)
    grown = (seconds[2] - seconds[0]) / (seconds[1] - seconds[0])
    assert grown == pytest.approx((128 * 128 - 7168) / 7168, rel=1e-9)


def test_a_model_of_another_kind_leaves_nothing_of_the_first():
    kinds = {
        name: set_up("open-llama-70b", given={"llm": name}) for name in ("gemma-3-27b", "phi-4")
    }
    assert "window_layers" in kinds["gemma-3-27b"].assumptions
    assert "window_layers" not in kinds["phi-4"].assumptions


def test_a_token_within_the_window_is_kept_by_all_layers():
    shape = shape_of("gpt-oss-120b")
    assert float(kv_bytes_per_token(shape)) == 36 * 2 * 8 * 64 * 2


@in_float64
def test_models_of_different_kinds_may_be_chosen_among():
    """Where one has what another lacks, the other has none of it: no window, no latents, one expert."""
    names = list(catalogue("llm"))
    chosen = set_up("open-llama-70b", given={"llm": {"choice": {"options": names}}}).assumptions
    roofline, given = ENERGY_MODELS["roofline"], {"peak_flops": 1e15, "gpu_power_w": 700.0}
    given |= {"memory_bandwidth_bytes_per_s": 3e12, "bytes_per_parameter": 1.0, "overhead": 1.3}
    given |= {"batch_size": 8.0, "input_tokens": 2000.0, "output_tokens": 300.0, "gpu_count": 4.0}
    given |= {"link_bandwidth_bytes_per_s": 4.5e11, "speculative_tokens": 3.0}
    for number, name in enumerate(names):
        own = {key: entry.fixed for key, entry in catalogue("llm")[name].assumptions.items()}
        laws = {key: item.law for key, item in chosen.items()}
        picked = {
            key: law.data[number] for key, law in laws.items() if law and law.family == "pick"
        }
        one, other = (roofline({**given, **numbers}) for numbers in (own, picked))
        for output, value in one.items():
            assert float(other[output]) == pytest.approx(float(value), rel=1e-9), output


def test_every_model_of_the_catalogue_says_what_it_keeps_and_of_which_experts():
    for name, bundle in catalogue("llm").items():
        numbers = {key: entry.fixed for key, entry in bundle.assumptions.items()}
        assert numbers.keys() & {"kv_heads", "kv_width"}, name
        dense = numbers["total_parameters"] == numbers["active_parameters"]
        assert dense or {"experts", "experts_per_token"} <= numbers.keys(), name
