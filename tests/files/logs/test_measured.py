"""Every format of energy beside tokens keeps one contract: energy, tokens, boards and boundary."""

import json
import random
import re
from pathlib import Path

import pytest

import uncertainty as un
from uncertainty.files.logs import FORMATS
from uncertainty.files.logs.runs import evidence_of

DATA = Path(__file__).parent / "data"

# Of the first run: what the file says, in J, tokens, boards and seconds.
CONTRACT = {
    "inferencex": ("inferencex.json", 1_680_000, 450_000, 8, 300),
    "powerx": ("powerx.csv", 3324, 3324 / 3.606, 8, None),
    "aiperf": ("aiperf.json", 16_000, 80_000, 2, 60),
    "aiperf-csv": ("aiperf.csv", 16_000, 80_000, 1, 60),
    "mlenergy": ("mlenergy.json", 200_000, 400_000, 4, 100),
    "mlenergy-leaderboard": ("mlenergy_leaderboard.json", 0.07423 * 394, 394, 1, None),
    "mlenergy-v2": ("mlenergy_v2.json", 100, 250, 1, None),
    "tokenpowerbench": ("tokenpowerbench.json", 9000, 50_000, 1, 20),
    "ai-energy-score": ("energy_score.csv", 180_000, 300_000, None, 800),
    "columns": ("columns.csv", 180_000, 900_000, 1, 600),
}
# What the logs do not say.
GIVEN = {
    "aiperf": {"precision": "bfloat16"},
    "aiperf-csv": {"llm": "llama-3.1-8b", "precision": "bfloat16"},
    "mlenergy": {"precision": "bfloat16"},
    "mlenergy-v2": {"precision": "float16"},
    "tokenpowerbench": {"hardware": "h100-sxm", "precision": "bfloat16"},
    "ai-energy-score": {"hardware": "h100-sxm", "precision": "bfloat16", "gpu_count": 1},
}


def read(name, text=None):
    path = DATA / CONTRACT[name][0]
    return FORMATS[name].read(path, path.read_text() if text is None else text)


def messages(call):
    with pytest.raises(un.InputError) as error:
        call()
    return [str(fault) for fault in error.value.faults]


@pytest.mark.parametrize("name", CONTRACT)
def test_energy_tokens_boards_and_boundary_are_those_of_the_file(name):
    _, energy, tokens, boards, window = CONTRACT[name]
    run, *_ = read(name)
    assert run.energy_j == pytest.approx(energy)
    assert run.output_tokens == pytest.approx(tokens)
    assert run.gpu_count == boards
    assert run.window_s == (window and pytest.approx(window))
    assert run.boundary == "gpu_board"
    assert run.line > 0


@pytest.mark.parametrize("name", CONTRACT)
def test_each_file_is_recognized_by_its_content_alone(name):
    text = (DATA / CONTRACT[name][0]).read_text()
    assert [key for key, each in FORMATS.items() if each.looks_like(text)] == [name]


@pytest.mark.parametrize("name", CONTRACT)
def test_what_is_imported_is_good_evidence_and_holds_no_secret(name):
    path = DATA / CONTRACT[name][0]
    assert "SECRET" in path.read_text()
    evidence = un.import_measurements(path, given=GIVEN.get(name))
    first = evidence[0] if isinstance(evidence, list) else evidence
    assert "SECRET" not in json.dumps(evidence)
    assert first["rows"][0][-1] == pytest.approx(CONTRACT[name][1] / CONTRACT[name][2], rel=1e-5)
    assert first["boundary"] == "gpu_board"
    assert len(first["origins"]) == len(first["rows"])
    assert first["origins"][0]["sha256"]
    # The priors of the shipped calibration take it as it is.
    assert un.build_problem("roofline-efficiency", evidence=evidence).has_evidence


@pytest.mark.parametrize("spoiled", ["NaN", "-5", '"fast"'])
@pytest.mark.parametrize("name", CONTRACT)
def test_spoiled_numbers_are_located(name, spoiled):
    key, number = {
        "inferencex": ('"joules_per_output_token": ', "3.7333333"), "powerx": ("", "3.606"),
        "aiperf": ('"avg": ', "16000.0"), "aiperf-csv": ("", "16000.00"),
        "mlenergy": ('"steady_state_energy": ', "200000.0"),
        "mlenergy-leaderboard": ('"energy_per_token_joules": ', "0.07423"),
        "mlenergy-v2": ('"Energy/req (J)": ', "100.0"),
        "tokenpowerbench": ('"total_output_tokens": ', "50000"),
        "ai-energy-score": ("", "300000"), "columns": ("", "900000"),
    }[name]  # fmt: skip
    text = (DATA / CONTRACT[name][0]).read_text()
    assert key + number in text
    broken = text.replace(key + number, key + (spoiled if key else spoiled.strip('"')), 1)
    line = text[: text.index(key + number)].count("\n") + 1
    got = messages(lambda: read(name, broken))
    assert any(re.search(rf":{line}:\d+: .*must be a (finite )?number", x) for x in got) or (
        # The names of metrics stand a line above their numbers.
        name == "aiperf" and any(re.search(r":\d+:\d+: .*must be a", x) for x in got)
    ), got
    assert "SECRET" not in "".join(got)


@pytest.mark.parametrize("name", [name for name in CONTRACT if CONTRACT[name][0].endswith("csv")])
def test_a_row_that_does_not_match_its_header_is_located(name):
    text = (DATA / CONTRACT[name][0]).read_text().rstrip("\n")
    got = messages(lambda: read(name, text + ",1\n"))
    assert f":{text.count(chr(10)) + 1}:1: has " in got[0]


@pytest.mark.parametrize("name", [name for name in CONTRACT if CONTRACT[name][0].endswith("json")])
def test_a_key_that_stands_twice_and_a_comment_are_located(name):
    text = (DATA / CONTRACT[name][0]).read_text()
    key = next(re.finditer(r'\n( *"[^"]+": [^,{\[]+,)\n', text))[1]
    assert (
        "is there twice" in messages(lambda: read(name, text.replace(key, f"{key}\n{key}", 1)))[0]
    )
    assert (
        "JSON has no comments"
        in messages(lambda: read(name, text.replace(key, f"{key} // x", 1)))[0]
    )


def test_powerx_counts_gpus_as_its_rows_mean_and_leaves_out_rows_without_power():
    same, apart = read("powerx")
    assert (same.gpu_count, same.prefill_gpu_count) == (8, 0)
    assert (apart.gpu_count, apart.prefill_gpu_count) == (64, 48)
    evidence = un.import_measurements(DATA / "powerx.csv")
    rows = [dict(zip(evidence["columns"], row, strict=True)) for row in evidence["rows"]]
    assert [row["gpu_count"] for row in rows] == [8, 16]
    assert [row["stack"] for row in rows] == ["vllm-2026-09", "dynamo-sglang-2026-09"]
    assert evidence["conditions"]["software_year"] == pytest.approx(2026.71)


def test_drafted_tokens_are_said():
    text = (DATA / "inferencex.json").read_text().replace('"tp"', '"spec_decoding": "mtp", "tp"')
    (run,) = read("inferencex", text)
    assert run.cautions == (
        "tokens were drafted (mtp): set speculative_tokens, acceptance, draft_parameters",
    )


def test_ml_energy_takes_the_tokens_of_the_steady_state_alone():
    (run,) = read("mlenergy")
    assert run.output_tokens == 400_000  # of 500,000 of the whole run
    assert (run.requests, run.input_tokens) == (800, 560_000)
    assert run.failed == 24


def test_boards_that_idle_are_said_and_requests_at_once_follow_from_their_time():
    (run,) = read("aiperf")
    assert run.cautions == (
        "1 of 2 boards took under a third of the busiest one's power, and count: measure the "
        "boards alone that serve",
    )
    assert run.concurrency == pytest.approx(400 * 4.8 / 60)


def test_every_layout_of_tokenpowerbench_says_the_same():
    (by_model,) = read("tokenpowerbench")
    assert (by_model.requests, by_model.concurrency, by_model.stack) == (100, 32, "transformers")
    data = json.loads((DATA / "tokenpowerbench.json").read_text())
    run = data[by_model.model_name][0]
    answers = {**run, "responses": ["SECRET"] * 100, "gpu0_power_watts": [450], "capabilities": 0}
    energy = {"gpu_energy_j": 9000, "system_energy_j": None}
    counts = {"batch_size": 32, "total_output_tokens": 50_000, "num_responses": 100}
    batch = {"batch_32": {**counts, "start_s": 5.5, "end_s": 25.5, "energy": energy}}
    for layout in (answers, batch):
        assert FORMATS["tokenpowerbench"].looks_like(json.dumps(layout))
        (other,) = read("tokenpowerbench", json.dumps(layout))
        for name in ("energy_j", "window_s", "requests", "output_tokens", "concurrency"):
            assert getattr(other, name) == getattr(by_model, name)
        assert "SECRET" not in repr(other)


def test_genai_perf_says_rates_alone_and_names_models_by_their_folder():
    path = DATA / "genai_perf.json"
    assert [key for key, each in FORMATS.items() if each.looks_like(path.read_text())] == ["aiperf"]
    (run,) = FORMATS["aiperf"].read(path, path.read_text())
    assert (run.energy_j, run.output_tokens, run.window_s) == (320, 800, None)
    assert (run.gpu_count, run.concurrency) == (2, 16)
    evidence = un.import_measurements(path, given={"hardware": "h100-sxm", "precision": "fp8"})
    assert (evidence["conditions"]["llm"], evidence["rows"]) == ("llama-3.1-8b", [[0.4]])
    assert "SECRET" not in json.dumps(evidence)


def test_energy_of_aiperf_that_has_no_total_is_that_of_its_requests_or_of_its_boards():
    text = (DATA / "aiperf.json").read_text()
    without = text.replace("nvidia_total_gpu_energy", "x")
    assert read("aiperf", without)[0].energy_j == 40 * 400
    without = without.replace("energy_per_request", "y")
    assert read("aiperf", without)[0].energy_j == pytest.approx(0.2 * 80_000)
    without = without.replace("energy_per_output_token", "z")
    assert read("aiperf", without)[0].energy_j == pytest.approx((220 + 46) * 60)
    (fault,) = messages(lambda: read("aiperf", without.replace("telemetry_data", "w")))
    assert "holds no energy: run it with telemetry of the GPUs (--gpu-telemetry)" in fault
    (fault,) = messages(lambda: read("aiperf", text.replace('"mJ/token"', '"BTU/token"')))
    line = text[: text.index("nvidia_energy_per_output_token")].count("\n") + 1
    assert (
        f":{line}:2: nvidia_energy_per_output_token: unit 'BTU/token' is not one of J, kWh" in fault
    )


def test_boards_of_two_kinds_are_asked_for():
    text = (DATA / "aiperf.json").read_text()
    (run,) = read("aiperf", text.replace("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", 1))
    assert run.gpu_name == "NVIDIA A100-SXM4-80GB, NVIDIA H100 80GB HBM3"
    with pytest.raises(un.InputError, match="does not say hardware, precision: add --set hardware"):
        evidence_of([run], {})


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("aiperf", "200.0", "100.0"),
        ("tokenpowerbench", '"energy_per_token": 0.24', '"energy_per_token": 0.5'),
    ],
)
def test_energy_of_the_whole_run_over_tokens_of_a_part_is_refused(name, old, new):
    before, sep, after = (DATA / CONTRACT[name][0]).read_text().partition("energy_per_")
    if name == "aiperf":
        after = after.replace(old, new, 1)
        text = before + sep + after
    else:
        text = (before + sep + after).replace(old, new)
    got = messages(lambda: read(name, text))
    assert "one of them is of another part of the run" in got[0]


@pytest.mark.parametrize("name", CONTRACT)
def test_whatever_the_damage_a_file_is_read_or_refused_in_sentences(name):
    path, rng = DATA / CONTRACT[name][0], random.Random(name)
    text = path.read_text()
    pieces = ["null", "[]", "{}", "1e308", "0", "-1", ",", '"', "\n", "true", '"a": 1', "\x00", "é"]
    refused = longest = 0
    for _ in range(150):
        at = rng.randrange(len(text))
        cut = text[:at] + rng.choice(pieces) + text[at + rng.randrange(12) :]
        if rng.random() < 0.1:
            cut = text[:at]
        try:
            evidence_of(FORMATS[name].read(path, cut), GIVEN.get(name, {}))
        except un.InputError as error:
            refused += 1
            longest = max(longest, *(len(str(fault)) for fault in error.faults))
    assert refused > 10
    assert longest < 800
