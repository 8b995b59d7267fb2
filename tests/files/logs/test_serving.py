"""Tokens of a benchmark and energy of a log meet in the same window of time, or not at all."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from uncertainty.errors import InputError
from uncertainty.files.logs import import_measurements
from uncertainty.files.logs.power import POWER_FORMATS, read_codecarbon, read_zeus
from uncertainty.files.logs.serving import (
    joined,
    looks_like_benchmark,
    read_benchmark,
    runs_of_windows,
)

DATA = Path(__file__).parent / "data"
START = 1789120800.0  # 2026-09-11 10:00:00
VLLM = json.loads((DATA / "vllm.json").read_text())


def log_of(name, **changes):
    text = (DATA / name).read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    (kind,) = [form for form in POWER_FORMATS.values() if form.looks_like(text)]
    return kind.read(DATA / name, text)


def bench(name="vllm.json", **changes):
    """The benchmark of a sample file, with other values."""
    data = json.loads((DATA / name).read_text()) | changes
    return read_benchmark(Path(name), json.dumps({k: v for k, v in data.items() if v != "out"}))


def messages(call):
    with pytest.raises(InputError) as error:
        call()
    return [str(fault) for fault in error.value.faults]


def test_vllm_dates_the_end_of_its_run_in_local_time():
    (timed,) = bench()
    assert (timed.start_s, timed.end_s) == (START + 5, START + 25)
    assert (timed.utc, timed.late) == (False, True)
    run = timed.run
    assert (run.requests, run.failed) == (40, 2)
    assert (run.input_tokens, run.output_tokens) == (8000, 12000)
    assert (run.model_name, run.stack) == ("meta-llama/Llama-3.1-70B-Instruct", "vllm")
    # Little's law: 2 requests a second that stay 0.102 s and 299 times 20 ms.
    assert run.concurrency == pytest.approx(2 * (0.102 + 299 * 0.02))
    assert "SECRET" not in repr(timed)


def test_the_latency_of_whole_requests_is_preferred():
    assert bench(mean_e2el_ms=5000.0)[0].run.concurrency == pytest.approx(10)
    assert bench(mean_ttft_ms=None)[0].run.concurrency is None


def test_requests_that_are_missing_have_failed():
    assert bench(failed=None)[0].run.failed == 2


def test_times_in_utc_are_preferred():
    (timed,) = bench(benchmark_start_time_unix=START + 6, benchmark_end_time_unix=START + 26.5)
    assert (timed.start_s, timed.end_s) == (START + 6, START + 26.5)
    assert (timed.utc, timed.late) == (True, False)


def test_a_benchmark_that_ends_before_it_starts_is_refused():
    wrong = bench(benchmark_start_time_unix=START + 26, benchmark_end_time_unix=START + 6)
    for name in ("dcgm.txt", "zeus.csv"):
        (message,) = messages(lambda name=name: joined(log_of(name), wrong))
        assert "ends (2026-09-11 10:00:06) before it starts (2026-09-11 10:00:26)" in message


def test_aiperf_gives_tokens_and_times():
    (timed,) = bench("aiperf_tokens.json")
    assert (timed.start_s, timed.end_s) == (START + 5, START + 25)
    assert (timed.utc, timed.late) == (False, False)
    run = timed.run
    assert (run.requests, run.failed, run.concurrency) == (40, 2, 12)
    assert (run.input_tokens, run.output_tokens) == (8000, 12000)
    assert run.model_name == "meta-llama/Llama-3.1-70B-Instruct"
    assert "SECRET" not in repr(timed)
    assert (
        "stopped before its end"
        in bench("aiperf_tokens.json", was_cancelled=True)[0].run.cautions[0]
    )


def test_what_aiperf_writes():
    path = DATA / "aiperf_0_13.json"  # by version 0.13, of a server on a CPU; percentiles left out
    (timed,) = read_benchmark(path, path.read_text())
    assert timed.end_s - timed.start_s == pytest.approx(6.385232640000001)
    run = timed.run
    assert (run.requests, run.failed, run.cautions) == (60, 0, ())
    assert (run.input_tokens, run.output_tokens, run.model_name) == (3000, 1200, "llama-3.1-8b")
    # AIPerf's mean over the same time, of requests that it counts one by one.
    concurrency = json.loads(path.read_text())["effective_concurrency"]["avg"]
    assert run.concurrency == pytest.approx(concurrency, rel=0.01)
    assert "SECRET" not in repr(timed)


def test_a_benchmark_is_no_log_and_a_log_no_benchmark():
    benchmark = (DATA / "vllm.json").read_text()
    assert looks_like_benchmark(benchmark)
    assert not [key for key, form in POWER_FORMATS.items() if form.looks_like(benchmark)]
    for text in (path.read_text() for path in DATA.iterdir()):
        kinds = [key for key, form in POWER_FORMATS.items() if form.looks_like(text)]
        assert len(kinds) < 2
        assert not (kinds and looks_like_benchmark(text))


def test_sglang_is_read_where_its_end_was_written_in():
    line = {
        "backend": "sglang", "dataset_name": "random", "duration": 20.0, "completed": 40,
        "total_input_tokens": 8000, "total_output_tokens": 12000, "mean_e2e_latency_ms": 6000.0,
    }  # fmt: skip
    (message,) = messages(lambda: read_benchmark(Path("s.jsonl"), json.dumps(line)))
    assert message.endswith(
        "date: must be when the run ended, YYYYMMDD-hhmmss; SGLang leaves it out: write it in"
    )
    dated = json.dumps(line | {"date": "20260911-100025"})
    (timed,) = read_benchmark(Path("s.jsonl"), dated)
    assert (timed.start_s, timed.run.stack, timed.run.concurrency) == (START + 5, "sglang", 12)


def test_energy_and_tokens_of_the_same_time_are_joined():
    (run,) = joined(log_of("nvidia_smi.csv"), bench())
    # The second board is read 3 ms after the first; both rise from idle within a second.
    assert run.energy_j == pytest.approx(20 * 900, rel=1e-3)
    assert (run.window_s, run.gpu_count, run.boundary) == (20, 2, "gpu_board")
    assert (run.gpu_name, run.output_tokens) == ("NVIDIA H100 80GB HBM3", 12000)
    assert run.path.name == "nvidia_smi.csv"
    assert run.place == ("2026-09-11 10:00:05 to 2026-09-11 10:00:25, with vllm.json line 1")
    # Five seconds earlier, five seconds at 140 W are in the window for five at 900 W.
    assert run.cautions == (
        "vLLM dates a result up to some seconds after its end: had it ended 5 s earlier, the energy "
        "would be -19 %",
    )
    assert "SECRET" not in repr(run)


def test_a_steady_log_has_no_such_caution():
    (run,) = joined(log_of("amd_smi.csv"), bench(), clock_offset_h=0)
    assert run.energy_j == pytest.approx(20 * 1410)
    assert run.cautions == ("the last line is cut off and left out",)


@pytest.mark.parametrize("boards", ["1", 1, 1.0, ["1"], (1,)])
def test_only_some_boards_can_be_counted(boards):
    (run,) = joined(log_of("amd_smi.csv"), bench(), clock_offset_h="0", boards=boards)
    assert (run.energy_j, run.gpu_count) == (pytest.approx(20 * 710), 1)
    assert run.cautions[-1] == "of the log's boards, only 1 are counted"
    (both,) = joined(log_of("amd_smi.csv"), bench(), clock_offset_h=0, boards="0, 1")
    assert both.gpu_count == 2


def test_an_offset_that_is_not_a_number_is_refused():
    assert messages(lambda: joined(log_of("dcgm.txt"), bench(), clock_offset_h="CEST")) == [
        "<given>: clock_offset_h: must be a number of hours (got 'CEST')"
    ]


def test_clocks_that_cannot_be_compared_are_asked_for():
    log = log_of("dcgm.txt")
    paris = bench(date="20260911-120025")
    assert messages(lambda: joined(log, paris)) == [
        f"{DATA.relative_to(Path.cwd())}/dcgm.txt: its times are in UTC (2026-09-11 10:00:00 to "
        "2026-09-11 10:00:30) and those of vllm.json in local time (2026-09-11 12:00:05 to "
        "2026-09-11 12:00:25): give the hours by which the benchmark's clock is ahead, "
        "--set clock_offset_h=HOURS (2 would put the benchmark inside the log)"
    ]
    (run,) = joined(log, paris, clock_offset_h=2)
    assert run.energy_j == pytest.approx(20 * 900)
    assert run.cautions[0] == "the benchmark's clock is taken to be +2 h from that of the log"
    other = bench(date="20260911-123725")
    assert "(no number of hours would put" in messages(lambda: joined(log, other))[0]


def test_two_local_clocks_may_differ_too():
    log = log_of("nvidia_smi.csv")
    (message,) = messages(lambda: joined(log, bench(date="20260911-073025")))
    assert message.endswith(
        "20.0 s of 20.0 s are missing; if clocks differ: --set clock_offset_h=-2.5 puts it inside "
        "the log"
    )


def test_a_log_that_covers_less_is_refused_with_what_is_missing():
    log = log_of("nvidia_smi.csv")
    (message,) = messages(lambda: joined(log, bench(date="20260911-100041")))
    assert "6.0 s of 20.0 s are missing" in message
    assert "clock" not in message


def test_results_that_were_appended_are_joined_one_by_one():
    lines = [
        json.dumps(VLLM | {"date": f"20260911-1000{s}", "duration": 5.0}) for s in (14, 20, 59)
    ]
    timed = read_benchmark(Path("many.json"), "\n".join(lines))
    assert [t.run.line for t in timed] == [1, 2, 3]
    (message,) = messages(lambda: joined(log_of("nvidia_smi.csv"), timed))
    assert "10:00:54 to 2026-09-11 10:00:59" in message
    runs = joined(log_of("nvidia_smi.csv"), timed[:2])
    assert [run.place[-21:] for run in runs] == ["with many.json line 1", "with many.json line 2"]
    assert [run.energy_j for run in runs] == [pytest.approx(4500)] * 2


def test_every_fault_of_every_line_at_its_place():
    lines = [json.dumps(VLLM), json.dumps(VLLM | {"completed": -1, "date": "today"}), '{"a": }']
    text = "\n".join(lines)
    column = lines[1].index('"completed"') + 1
    assert messages(lambda: read_benchmark(Path("many.json"), text)) == [
        f"many.json:2:{lines[1].index('date')}: date: must be when the run ended, "
        "YYYYMMDD-hhmmss (got 'today')",
        f"many.json:2:{column}: completed: must be a finite number, 0 or more (got -1)",
        "many.json:3:7: is not JSON: expecting value",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"duration": "out"}, "duration: is missing"),
        ({"total_output_tokens": 0}, "nothing was served: no request, time or output token"),
        ({"date": "out"}, "YYYYMMDD-hhmmss; SGLang leaves it out"),
        ({"date": "20261399-100025"}, "(got '20261399-100025')"),
        ({"duration": float("nan")}, "must be a finite number"),
        ({"total_input_tokens": "many"}, "total_input_tokens: must be a number"),
    ],
)
def test_damaged_results_of_vllm(changes, sentence):
    assert any(sentence in line for line in messages(lambda: bench(**changes)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start_time": "out"}, "start_time: must be a date with a time"),
        ({"request_count": "out"}, "it does not say what was served"),
        ({"total_osl": {"avg": -3}}, "total_osl.avg: must be a finite number"),
        ({"output_sequence_length": "out", "total_osl": "out"}, "it does not say what was served"),
    ],
)
def test_damaged_results_of_aiperf(changes, sentence):
    assert any(
        sentence in line for line in messages(lambda: bench("aiperf_tokens.json", **changes))
    )


def test_the_twin_for_dashboards_is_refused():
    twin = json.dumps([{"benchmark": {"name": "vLLM benchmark"}, "metric": {"name": "latency"}}])
    (message,) = messages(lambda: read_benchmark(Path("r.pytorch.json"), twin))
    assert "(.pytorch.json); give the other file" in message


def test_a_path_of_a_model_is_not_kept():
    assert bench(model_id="/home/SECRET/models/Llama-3.1-8B/")[0].run.model_name == "Llama-3.1-8B"


CONDITIONS = {"llm": "llama-3.1-70b", "hardware": "h100-sxm", "precision": "bfloat16"}


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("nvidia_smi.csv", {}, 1.5),
        ("dcgm.txt", {"clock_offset_h": 0}, 1.5),
        ("dcgm.csv", {"clock_offset_h": 0, "boards": "1"}, 500 * 20 / 12000),
        ("amd_smi.csv", {"clock_offset_h": 0, "hardware": "mi300x"}, 1410 * 20 / 12000),
        ("codecarbon_gpu.csv", {}, 5e-3 * 3.6e6 / 12000),
        ("spl.txt", {"gpu_count": 8}, 20 * 1150 / 3600 / 40),
    ],
)
def test_evidence_of_a_log_and_a_benchmark(name, given, value):
    given = CONDITIONS | given
    evidence = import_measurements(DATA / name, serving=DATA / "vllm.json", given=given)
    assert evidence["rows"] == [[pytest.approx(value, rel=1e-3)]]
    (origin,) = evidence["origins"]
    assert origin["sha256"] == sha256((DATA / name).read_bytes()).hexdigest()
    assert origin["window_s"] == 20
    assert evidence["conditions"]["input_tokens"] == 200
    assert "SECRET" not in repr(evidence)


@pytest.mark.parametrize(
    ("paths", "serving", "sentence"),
    [
        (["vllm.json"], None, "has tokens and no energy: give a log of power, and this file after"),
        (["zeus.csv", "dcgm.txt"], "vllm.json", "vllm.json: goes with one log"),
        (["optimum.json"], "vllm.json", "optimum.json: says its tokens itself: omit --with"),
        (["zeus.csv"], None, "does not say how many tokens were generated; join it with a bench"),
    ],
)
def test_files_that_do_not_go_together(paths, serving, sentence):
    with pytest.raises(InputError) as error:
        import_measurements(
            [DATA / path for path in paths], serving=serving and DATA / serving, given=CONDITIONS
        )
    assert sentence in str(error.value)


def windows(*spans):
    rows = [f"{START + a},w{i},{b - a},{500 * (b - a)}" for i, (a, b) in enumerate(spans)]
    header = "start_time,window_name,elapsed_time,gpu0_energy"
    return read_zeus(Path("z.csv"), "\n".join([header, *rows]))


def test_the_window_that_covers_a_benchmark_best_is_taken():
    log = windows((0, 4), (4.9, 25.1), (0, 60), (26, 60))
    (run,) = joined(log, bench(), clock_offset_h=0)
    assert (run.window_s, run.cautions) == (pytest.approx(20.2), ())
    assert run.place == "window w1, with vllm.json line 1"
    assert run.line == 3


@pytest.mark.parametrize(
    ("spans", "sentence"),
    [
        ([(0, 60)], "z.csv:2:1: the energy is of 60 s (2026-09-11 10:00:00 to 2026-09-11 10:01:00), "
                    "of which the benchmark took 20 s: measure the benchmark alone"),
        ([(0, 15), (15, 30)], "10.0 s of 20.0 s are missing"),
        ([(40, 60)], "20.0 s of 20.0 s are missing"),
    ],
)  # fmt: skip
def test_energy_of_other_times_is_refused(spans, sentence):
    (message,) = messages(lambda: joined(windows(*spans), bench(), clock_offset_h=0))
    assert sentence in message


def test_a_window_that_is_longer_says_so():
    (run,) = joined(windows((3, 27)), bench(), clock_offset_h=0)
    assert run.cautions == ("the energy is of a window 20 % longer than the benchmark",)


def test_codecarbon_is_joined_in_local_time():
    path = DATA / "codecarbon_gpu.csv"
    (run,) = joined(read_codecarbon(path, path.read_text()), bench())
    assert run.energy_j == pytest.approx(5e-3 * 3.6e6)
    assert (run.gpu_count, run.cautions) == (2, ())


def test_windows_without_a_benchmark_have_no_tokens_and_power_has_no_windows():
    first, second = runs_of_windows(log_of("zeus.csv"))
    assert (first.output_tokens, second.place) == (None, "window decode")
    (message,) = messages(lambda: runs_of_windows(log_of("nvidia_smi.csv")))
    assert message.endswith(
        "holds power from 2026-09-11 09:59:58 to 2026-09-11 10:00:35 and no tokens: give the result "
        "of the benchmark that ran then, --with vllm.json"
    )
