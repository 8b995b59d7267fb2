"""Runs become evidence: names are matched without a guess, checks say what is wrong, nothing is dropped."""

from dataclasses import replace
from pathlib import Path

import pytest

import uncertainty as un
from uncertainty.files import catalogue, parse_yaml, yaml_text
from uncertainty.files.logs.runs import Run, evidence_of, fits

RUN = Run(
    energy_j=180_000, boundary="gpu_board", path=Path("log.csv"), place="runs.0", line=2, column=1,
    window_s=600, gpu_count=1, gpu_name="NVIDIA H100 80GB HBM3",
    model_name="meta-llama/Llama-3.1-8B-Instruct", precision="bf16", requests=3000,
    input_tokens=600_000, cached_tokens=150_000, output_tokens=900_000, concurrency=24.5,
    stack="vllm-0.11", sha256="ab12",
)  # fmt: skip


def faults(run, **given):
    with pytest.raises(un.InputError) as error:
        evidence_of([run], given)
    return [str(fault) for fault in error.value.faults]


@pytest.mark.parametrize(
    ("kind", "name", "names"),
    [
        ("hardware", "NVIDIA H100 80GB HBM3", ["h100-sxm"]),
        ("hardware", "NVIDIA H100 PCIe", ["h100-pcie"]),
        ("hardware", "NVIDIA H100 NVL", []),
        ("hardware", "H100", ["h100-sxm", "h100-pcie"]),
        ("hardware", "1 x NVIDIA A100-SXM4-40GB", ["a100-sxm-40gb"]),
        ("hardware", "NVIDIA A100-SXM4-80GB", ["a100-sxm"]),
        ("hardware", "NVIDIA A100 80GB PCIe", []),
        ("hardware", "A100", ["a100-sxm", "a100-sxm-40gb"]),
        ("hardware", "b200", ["b200"]),
        ("hardware", "gb200-nv", ["gb200"]),
        ("hardware", "NVIDIA L40S", ["l40s"]),
        ("hardware", "NVIDIA L4", ["l4"]),
        ("hardware", "AMD Instinct MI300X", ["mi300x"]),
        ("hardware", "NVIDIA GeForce RTX 4090", ["rtx-4090"]),
        ("hardware", "NVIDIA GeForce RTX 4090 Laptop GPU", []),
        ("hardware", "NVIDIA T4", []),
        ("hardware", "", []),
        ("llm", "meta-llama/Llama-3.1-70B-Instruct", ["llama-3.1-70b"]),
        ("llm", "meta-llama/Meta-Llama-3.1-8B", ["llama-3.1-8b"]),
        ("llm", "llama3.1:8b", ["llama-3.1-8b"]),
        ("llm", "nvidia/Llama-3.3-70B-Instruct-FP8", ["llama-3.3-70b"]),
        ("llm", "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", ["qwen3-235b-a22b"]),
        ("llm", "meta-llama/Llama-4-Scout-17B-16E-Instruct", ["llama-4-scout"]),
        ("llm", "deepseek-ai/DeepSeek-R1-0528", ["deepseek-r1"]),
        ("llm", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B", []),
        ("llm", "deepseek-r1:70b", []),
        ("llm", "openai/gpt-oss-120b", ["gpt-oss-120b"]),
        ("llm", "mistralai/Mixtral-8x7B-Instruct-v0.1", ["mixtral-8x7b"]),
        ("llm", "google/gemma-3-27b-it", ["gemma-3-27b"]),
        ("llm", "nvidia/NVIDIA-Nemotron-Nano-9B-v2", ["nemotron-nano-9b-v2"]),
        ("llm", "", []),
        ("precision", "torch.bfloat16", ["bfloat16"]),
        ("precision", "half", ["float16"]),
        ("precision", "fp8_e4m3", ["fp8"]),
        ("precision", "fp4", ["mxfp4", "nvfp4"]),
        ("precision", "auto", []),
        ("precision", "Behalf-7B", []),
        ("hardware", "NVIDIA H20-3e", []),
        ("hardware", "NVIDIA RTX PRO 6000 Blackwell Server Edition", ["rtx-pro-6000"]),
        ("hardware", "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", []),
    ],
)
def test_names_of_logs_are_matched_and_never_guessed(kind, name, names):
    assert fits(kind, name) == names


@pytest.mark.parametrize("kind", ["hardware", "llm", "precision"])
def test_a_name_of_the_catalogue_is_itself(kind):
    assert all(fits(kind, name) == [name] for name in catalogue(kind))


def test_a_run_becomes_a_row_with_its_conditions_and_its_origin():
    (evidence,) = evidence_of([RUN, replace(RUN, energy_j=90_000, concurrency=49)], {})
    assert evidence["columns"] == ["batch_size", "value"]
    assert evidence["rows"] == [[24.5, 0.2], [49.0, 0.1]]
    stated = {
        "model_id": "llama-3.1-8b-instruct", "stack": "vllm-0.11", "llm": "llama-3.1-8b",
        "hardware": "h100-sxm", "precision": "bfloat16", "gpu_count": 1, "prefill_gpu_count": 0,
        "input_tokens": 200, "cached_share": 0.25, "output_tokens": 300, "overhead": 1,
    }  # fmt: skip
    assert stated.items() <= evidence["conditions"].items()
    origin = {"file": "log.csv", "sha256": "ab12", "window_s": 600, "boards": 1}
    assert evidence["origins"] == [origin, origin]
    # Written as a file, it says the same.
    assert parse_yaml(yaml_text(evidence)) == evidence


def test_imported_rows_share_error_and_groups_of_the_shipped_ones():
    from uncertainty.files import shipped_folder

    (evidence,) = evidence_of([RUN], {})
    for name in ("powerx", "mlenergy-chat"):
        shipped = parse_yaml((shipped_folder() / "evidence" / f"{name}.yaml").read_text())
        for key in ("model", "observes", "boundary", "statistic", "error", "random_effect"):
            assert evidence[key] == shipped[key]
        same = set(evidence["conditions"]) - {"input_tokens", "cached_share", *RUN.__dict__}
        same &= shipped["conditions"].keys() - {"model_id", "llm", "hardware"}
        assert len(same) > 8
        assert all(evidence["conditions"][key] == shipped["conditions"][key] for key in same)


def test_beyond_the_boards_a_row_is_the_energy_of_a_query():
    runs = [RUN, replace(RUN, boundary="node", energy_j=324_000)]
    boards, node = evidence_of(runs, {})
    assert (boards["boundary"], node["boundary"]) == ("gpu_board", "node")
    assert (node["observes"], node["rows"]) == ("energy_wh_node", [[0.03]])
    assert "overhead" not in node["conditions"]
    assert "log.csv:2: its energy stands at several boundaries: learn from one" in node["note"]
    apart = evidence_of([RUN, replace(runs[1], line=3)], {})
    assert not any("several boundaries" in evidence["note"] for evidence in apart)


def test_all_that_is_missing_is_one_message_with_what_gives_it():
    run = replace(
        RUN, gpu_name="NVIDIA H100", model_name="my/Llama-3.1-7B", precision="", gpu_count=None
    )
    (fault,) = faults(run)
    assert fault.startswith(
        "log.csv: does not say llm, hardware, precision, gpu_count: add --set llm=NAME"
    )
    assert "'my/Llama-3.1-7B' is not in the catalogue; did you mean" in fault
    assert "--set hardware=NAME ('NVIDIA H100' may be h100-sxm or h100-pcie)" in fault
    assert "--set precision=NAME (known: bfloat16, float16, fp8" in fault
    assert "--set gpu_count=N" in fault


def test_what_is_set_goes_before_what_the_log_says_and_the_note_tells_all_four():
    run = replace(RUN, concurrency=None)
    names = {"NVIDIA H100 80GB HBM3": "h200"}
    (evidence,) = evidence_of([run], {"hardware": names, "gpu_count": 2, "software_year": 2026.5})
    conditions = evidence["conditions"]
    assert (conditions["hardware"], conditions["gpu_count"]) == ("h200", 2)
    assert conditions["software_year"] == 2026.5
    assert evidence["origins"][0]["boards"] == 1  # whose energy it is, as the log says
    # Of an open number of requests at once nothing is said of the share in use.
    assert "occupancy" not in conditions
    for part in (
        "Read from the log: input_tokens, cached_share, output_tokens.",
        "Taken from the catalogue: precision bfloat16 ('bf16'), llm llama-3.1-8b",
        "gpu_count=2, software_year=2026.5.",
        "Left open, as the prior file has them: batch_size.",
        "As in the shipped evidence: overhead 1, link_bandwidth_bytes_per_s 4.5e+11",
    ):
        assert part in evidence["note"]


def test_a_size_stands_for_a_model_that_the_catalogue_does_not_have():
    run = replace(RUN, model_name="my/New-9B")
    (evidence,) = evidence_of([run], {"active_parameters": 9e9, "total_parameters": 9e9})
    assert evidence["conditions"]["active_parameters"] == 9e9
    assert "llm" not in evidence["conditions"]
    assert un.build_problem("roofline-efficiency", evidence=evidence).has_evidence


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"energy_j": 0}, "the energy must be more than 0 J (got 0)"),
        ({"window_s": 0.5, "energy_j": 200}, "start and noise are much of its energy; measure 5 s"),
        ({"output_tokens": 0}, "0 tokens were generated: was it stopped too early?"),
        ({"output_tokens": None}, "join it with a benchmark of the same window: --with FILE"),
        ({"requests": 0}, "no request succeeded"),
        ({"cached_tokens": 7e5}, "more tokens were cached than read: cached ones are part of the"),
        ({"output_tokens": 2000}, "2000 output tokens are fewer than the 3000 requests: give totals"),
        ({"energy_j": 180_000 / 3.6e6}, "outside 0.0001 to 1000, which nobody has measured; were kWh"),
        ({"energy_j": 1.8e9, "window_s": None}, "; were mJ read as J?"),
        ({"window_s": 200}, "a board takes 900 W on average, 1.29 times the 700 W that h100-sxm"),
        ({"power_w": 900}, "check the unit of the energy, the window, and that every board is counted"),
        ({"boundary": "node", "requests": None}, "does not say how many requests its energy (node)"),
    ],
)  # fmt: skip
def test_what_no_run_can_be_is_refused_in_a_sentence(changes, sentence):
    got = faults(replace(RUN, **changes))
    assert any(text.startswith("log.csv:2:1: runs.0: ") and sentence in text for text in got), got


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"window_s": 4, "energy_j": 2600}, "log.csv:2: the window is 4 s"),
        ({"window_s": 250}, "a board takes 720 W on average"),
        (
            {"failed": 30},
            "30 requests failed: their energy is counted, none of their tokens is.\nRead",
        ),
        ({"cautions": ("two boards idled",)}, "log.csv:2: two boards idled."),
    ],
)
def test_what_is_only_unusual_stands_in_the_note(changes, sentence):
    (evidence,) = evidence_of([replace(RUN, **changes)], {})
    assert sentence in evidence["note"]


def test_faults_of_all_runs_come_at_once():
    runs = [
        replace(RUN, energy_j=0),
        replace(RUN, line=3, output_tokens=0),
        replace(RUN, precision=""),
    ]
    with pytest.raises(un.InputError) as error:
        evidence_of(runs, {})
    assert len(error.value.faults) == 3


def test_origins_are_checked_and_located():
    from uncertainty.files.evidence import read_evidence
    from uncertainty.files.library import Place

    (evidence,) = evidence_of([RUN], {})
    place = Place(Path.cwd(), None)
    assert not read_evidence(evidence, place).faults
    origin = evidence["origins"][0]
    for origins, sentence in (
        ([origin, origin], "origins: must be one for each of the 1 rows (got 2)"),
        ([{**origin, "boards": -1}], "origins.0.boards: must be greater than 0"),
        ([{**origin, "sha256": "xyz"}], "origins.0.sha256: "),
        ([{"path": "x"}], "origins.0.path: unknown key"),
    ):
        wrong = read_evidence({**evidence, "origins": origins}, place).faults
        assert any(sentence in str(fault) for fault in wrong), wrong
