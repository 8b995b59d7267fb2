"""Programs are traced once a structure and kept between processes; no stale one is ever taken."""

import json
import os
import subprocess
import sys
from functools import reduce

import numpy as np
import pytest

from uncertainty import cli
from uncertainty.arrays import _structure, program
from uncertainty.energy import ENERGY_MODELS
from uncertainty.energy.built import ensemble_of, with_error
from uncertainty.writing import Cache

# What a process traces and compiles, and the numbers that it gets.
PROCESS = """
import json, sys
import jax, jax.monitoring
work = []
jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: work.append(name))
import numpy as np
import uncertainty as un
{before}
given = json.loads(sys.argv[1])
problem = un.build_problem({file}, given=given, model={model}, evidence=[])
tree = un.simulate(problem, draws=64)
values = tree["prior_predictive"][{output}].values
json.dump({{
    "traces": sum("jaxpr_trace" in name for name in work),
    "compilations": sum("backend_compile" in name for name in work),
    "values": values.ravel().tolist(),
}}, sys.stdout)
"""

SMALL = {
    "active_parameters": {"lognormal": {"p5": 1e10, "p95": 1e11}},
    "utilization": {"beta": {"mean": 0.3, "sd": 0.1}},
    "output_tokens": 400,
    "peak_flops": 1e15,
    "power_fraction": 0.7,
    "overhead": 1.3,
    "gpu_power_w": 700,
}
SMALL = {n: x if isinstance(x, dict) else {"fixed": x} for n, x in SMALL.items()}
SMALL = {"schema": 1, "model": "flops", "assumptions": SMALL}


@pytest.fixture
def process(tmp_path):
    def call(before="", given=None, folder="cache", model=None, file=SMALL, output="energy_wh"):
        code = PROCESS.format(before=before, file=repr(file), model=model, output=repr(output))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
        environment["UNCERTAINTY_CACHE"] = str(tmp_path / folder) if folder else ""
        command = [sys.executable, "-c", code, json.dumps(given or {})]
        ended = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return call


def test_another_number_in_another_process_takes_the_same_program(process, tmp_path):
    first = process(given={"gpu_power_w": 600.0})
    changed = process(given={"gpu_power_w": 500.0})
    assert first["compilations"] > 2
    # What is left is JAX's own: conversions of a number.
    assert changed["traces"] <= 2
    assert changed["compilations"] <= 2
    power = np.array(changed["values"]) / np.array(first["values"])
    np.testing.assert_allclose(power, 500 / 600, rtol=1e-12)
    # What is damaged is made again.
    for path in (tmp_path / "cache" / "programs").iterdir():
        path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    again = process(given={"gpu_power_w": 600.0})
    assert again["values"] == first["values"]
    assert again["compilations"] == first["compilations"]


OWN = """
import jax.numpy as jnp
table = jnp.asarray(np.linspace(0.0, {last}, 40))
def factor(x):
    return {factor}
def model(**inputs):
    x = inputs["x"]
    return {{"y": jnp.interp(x, jnp.arange(40.0), table) * factor(x)}}
"""

OWN_FILE = {"schema": 1, "assumptions": {"x": {"uniform": {"low": 1, "high": 30}}}}


def test_no_stale_program_of_a_model_of_ones_own(process):
    def y(**facts):
        words = {"last": 1.0, "factor": "x", **facts}
        return process(OWN.format(**words), model="model", file=OWN_FILE, output="y")

    first, other_table, other_helper = y(), y(last=2.0), y(factor="2 * x")
    # What the model is no part of is taken from the first.
    assert other_table["compilations"] < first["compilations"]
    for changed in (other_table, other_helper):
        np.testing.assert_allclose(changed["values"], 2 * np.array(first["values"]), rtol=1e-12)


def test_a_folder_that_cannot_be_written_does_no_harm(process, tmp_path):
    (tmp_path / "a file").write_text("")
    assert len(process(folder="a file")["values"]) == 64


def test_structure_tells_apart_what_computes_something_else():
    flops, roofline = ENERGY_MODELS["flops"], ENERGY_MODELS["roofline"]
    models = [
        flops,
        roofline,
        ensemble_of(flops, roofline),
        ensemble_of(roofline, flops),
        with_error(flops, ("system_effect",), "energy_wh", True),
        with_error(flops, ("system_effect",), "energy_wh", False),
    ]
    texts = [_structure(model) for model in models]
    assert len({*texts}) == len(models)
    assert not any(" at 0x" in text for text in texts)  # addresses differ from process to process
    with pytest.raises(LookupError):
        _structure(lambda x: x)


def test_the_structure_of_a_long_expression_is_short():
    """A sum nests as deep as it is long: no level may double what stands inside."""
    texts = [
        _structure(reduce(lambda x, _: ("add", x, ("name", "a")), range(n), ())) for n in (50, 100)
    ]
    assert len(texts[1]) < 2.1 * len(texts[0])


def test_a_program_is_that_of_its_shapes_types_and_static_arguments():
    @program("times")
    def scaled(x, times):
        return {"y": x * times}

    import jax

    with jax.enable_x64(True):
        for x in (np.arange(3.0), np.arange(4.0), np.arange(3), 2.0, 2):
            for times in (2, 3):
                result = scaled(x, times=times)["y"]
                assert result.dtype == np.asarray(x).dtype
                np.testing.assert_array_equal(result, np.asarray(x) * times)
        slope = jax.grad(lambda x: scaled(x, 3)["y"])(1.0)  # inside another program
    assert float(slope) == 3


def test_cache_keeps_what_was_used_last_and_only_what_is_whole(monkeypatch, tmp_path):
    monkeypatch.setenv("UNCERTAINTY_CACHE", str(tmp_path))
    cache, keys = Cache("things", 300), [f"{number:064x}" for number in range(4)]
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "of somebody else").write_text("x")
    for time, key in enumerate(keys[:2]):
        cache.save(key, bytes(60))
        os.utime(cache.folder / key, (time, time))
    assert cache.load(keys[0]) == bytes(60)  # used now, so it stays
    cache.save(keys[2], bytes(100))
    cache.save(keys[3], bytes(1000))  # too large for all there is
    assert {path.name for path, _ in cache.files()} == {keys[0], keys[2]}
    (cache.folder / keys[2]).write_bytes(b"no digest")
    assert cache.load(keys[2]) is None
    others = Cache("others", 300)
    others.save("", b"of what has no hash")
    assert others.load("") is None
    assert not others.folder.exists()
    cache.shrink(0)
    assert [path.name for path in cache.folder.iterdir()] == ["of somebody else"]


def test_command_shows_and_clears_what_is_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("UNCERTAINTY_CACHE", str(tmp_path))
    Cache("programs", 2**20).save("0" * 64, bytes(2**19))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["uncertainty", "cache", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert run().startswith("0.5 MB are kept for the next run.")
    rows = {row["kept"]: row["files"] for row in json.loads(run("--json"))["cache"]}
    assert rows == {"programs": 1, "posteriors": 0, "findings": 0}
    assert run("--clear").startswith("0.0 MB")
    assert Cache("programs", 2**20).load("0" * 64) is None
    monkeypatch.setenv("UNCERTAINTY_CACHE", "")
    assert "none" in run()
