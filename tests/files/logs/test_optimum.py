"""One call of optimum-benchmark is a run, with the tokens that its efficiency stands for."""

from pathlib import Path

import pytest

from uncertainty.errors import InputError
from uncertainty.files.logs.measured import read_optimum
from uncertainty.files.logs.runs import JOULES

DATA = Path(__file__).parent / "data"


def messages(call):
    with pytest.raises(InputError) as error:
        call()
    return [str(fault) for fault in error.value.faults]


def test_optimum_benchmark_gives_one_call_with_its_tokens():
    (run,) = read_optimum(DATA / "optimum.json", (DATA / "optimum.json").read_text())
    assert run.energy_j == pytest.approx(1e-4 * JOULES["kWh"])
    assert (run.requests, run.input_tokens, run.output_tokens) == (4, 512, 400)
    assert (run.boundary, run.gpu_count, run.gpu_name) == ("gpu_board", 1, "NVIDIA A10G")
    assert (run.precision, run.stack, run.concurrency) == ("bfloat16", "pytorch 2.5.1", 4)
    assert run.window_s is None
    assert "SECRET" not in repr(run)


def test_optimum_benchmark_without_energy_is_refused():
    text = '{"prefill": {"energy": {"unit": "kWh", "total": "x"}}, "decode": {}}'
    assert messages(lambda: read_optimum(Path("o.json"), text)) == [
        "o.json:1:40: prefill.energy.total: must be a number (got 'x')"
    ]
    (message,) = messages(lambda: read_optimum(Path("o.json"), '{"decode": {}}'))
    assert "run optimum-benchmark with scenario.energy=true" in message
