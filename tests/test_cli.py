"""The command line: what a user sees, gets and is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import uncertainty as un
from uncertainty import cli

HERE = Path(__file__).parent


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Call the command in an empty folder: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "unused"))

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["uncertainty", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        found = capsys.readouterr()
        return ended.value.code, found.out, found.err

    return call


NAMES = {
    "run.nc", "summary.csv", "ranking.csv", "report.md", "distribution.svg", "distribution.png",
    "ranking.svg", "ranking.png", "components.svg", "components.png",
}  # fmt: skip


def test_run_prints_and_writes(run, tmp_path):
    status, out, err = run("run", "gpt-4o", "--above", "1", "--draws", "1024", "--out", "here")
    assert (status, err) == (0, "")
    assert {path.name for path in (tmp_path / "here").iterdir()} == NAMES
    for part in (
        "typical query", "mean query", "any one query", "50 % interval, equal tails", "90 % interval",
        "With every assumption at its median", "is unknown", "Sobol' shares of log energy_wh",
        "For a report: One GPT-4o text query", "The chance that one query takes over 1 Wh is",
    ):  # fmt: skip
        assert part in out, part
    report = (tmp_path / "here" / "report.md").read_text()
    assert "![distribution](distribution.svg)" in report
    assert "sha256" in report
    assert "uncertainty run gpt-4o --above 1" in report
    tree = un.load(tmp_path / "here" / "run.nc")
    assert tree.attrs["command"].startswith("uncertainty run gpt-4o")
    assert (tmp_path / "here" / "distribution.svg").read_text().startswith("<?xml")
    assert (tmp_path / "here" / "ranking.png").read_bytes().startswith(b"\x89PNG")


def test_results_go_to_a_folder_named_after_file_and_scenario(run, tmp_path):
    status, _, _ = run("run", "gpt-4o", "--scenario", "long_input", "--draws", "256")
    assert status == 0
    assert (tmp_path / "results" / "gpt-4o-long_input" / "run.nc").is_file()


def test_json_holds_the_same(run):
    status, out, _ = run("run", "gpt-4o", "--json", "--draws", "512", "--prob", "0.8", "--set", "gpu_power_w=1 kW",
                         "--set", "utilization={uniform: {low: 0.1, high: 0.2}}", "--seed", "4", "--above", "2")  # fmt: skip
    assert status == 0
    found = json.loads(out)
    assert found["quantity"] == "energy_wh"
    assert {row["prob"] for row in found["summary"]} == {0.5, 0.8}
    assert {"median", "mcse_median", "lower", "mcse_lower"} <= found["summary"][0].keys()
    assert found["ranking"][0]["rank"] == 1
    assert "over 2 Wh" in " ".join(found["sentences"])
    assert any("overrides fixed: 7e+14 " in n or "gpu_power_w" in n for n in found["notices"])


def test_a_file_by_its_path_and_a_model_of_ones_own(run, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nassumptions: {x: {lognormal: {median: 2, sigma: 0.5}}}\n"
    )
    (tmp_path / "mine.py").write_text("def f(x):\n    return {'a': x, 'b': -x}\n")
    status, _, err = run("run", "mine.yaml", "--model", "mine.py:f", "--draws", "256")
    assert (status, err.strip()) == (2, "<quantity>: name one of the outputs of f: a, b")
    assert not (tmp_path / "results").exists()
    status, out, _ = run(
        "run", "mine.yaml", "--model", "mine.py:f", "--draws", "256", "--quantity", "b"
    )
    assert status == 0
    assert "Sobol' shares of b, typical query" in out
    assert "Nothing varies from query to query" in out


def test_negative_values_are_split_on_the_linear_scale(run, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nassumptions: {x: {normal: {mean: 0, sd: 1}}, y: {varies: query, normal: {mean: 0, sd: 1}}}\n"
    )
    (tmp_path / "mine.py").write_text("def f(x, y):\n    return x + y\n")
    status, out, _ = run("run", "mine.yaml", "--model", "mine.py:f", "--draws", "512")
    assert status == 0
    assert "Of the variance of y of one query, " in out


def test_nothing_uncertain(run, tmp_path):
    (tmp_path / "mine.yaml").write_text("schema: 1\nassumptions: {x: {fixed: 2}}\n")
    (tmp_path / "mine.py").write_text("def f(x):\n    return x\n")
    status, out, _ = run("run", "mine.yaml", "--model", "mine.py:f", "--draws", "64")
    assert status == 0
    assert "Nothing is uncertain here: the model gives 2" in out
    (tmp_path / "mine.py").write_text("def f(x):\n    return {'energy_wh': x, 'b': 7 * x}\n")
    run("run", "mine.yaml", "--model", "mine.py:f", "--draws", "64", "--quantity", "b")
    assert "the model gives 14." in (tmp_path / "results" / "mine" / "report.md").read_text()
    assert not (tmp_path / "results" / "mine" / "ranking.csv").exists()


def test_check_prints_what_is_implied(run, tmp_path):
    status, out, err = run("check", "gpt-4o")
    assert (status, err) == (0, "")
    assert "output_tokens_median" in out
    assert "No faults" in out
    status, out, _ = run(
        "check", "gpt-4o", "--json", "--set", "pue_excess={lognormal: {p5: 0.01, p95: 3}}"
    )
    found = json.loads(out)
    assert {"p5", "median", "p95", "units"} <= found["inputs"][0].keys()
    assert any("overrides" in notice for notice in found["notices"])
    assert list(tmp_path.iterdir()) == []


def test_check_says_when_a_range_is_left(run):
    _, out, _ = run("check", "gpt-4o", "--set", "utilization={lognormal: {median: 0.5, sigma: 1}}")
    assert "utilization lies outside 0 to 1 for 24" in out


BAD = [
    (("run", "nowhere.yaml"), "nowhere.yaml: no such file"),
    (("run", "gpt-4o", "--set", "pue"), "--set: write NAME=VALUE (got 'pue')"),
    (("run", "gpt-4o", "--set", "pue=[1"), "--set: pue: not a value: '[1'"),
    (
        ("run", "gpt-4o", "--set", "pue={normal: {mean: 1, sd: -1}}"),
        "<given>: pue.normal.sd: must be greater than 0",
    ),
    (("run", "gpt-4o", "--prob", "90"), "--prob: must lie between 0 and 1 (got 90)"),
    (("run", "gpt-4o", "--model", "no.py:f"), "--model: no Python file 'no.py'"),
    (("run", "gpt-4o", "--model", "roof"), "<model>: unknown model 'roof'"),
    (("run", "gpt-4o", "--scenario", "x"), "no scenario 'x'"),
    (("run", "gpt-4o", "--quantity", "x"), "no output 'x'"),
    (
        ("check", str(HERE / "bad_files" / "negative_scale.yaml")),
        "must be greater than 0 (got -0.1)",
    ),
]


@pytest.mark.parametrize(
    ("words", "message"), BAD, ids=lambda x: " ".join(x)[-30:] if isinstance(x, tuple) else ""
)
def test_bad_input_is_one_line_and_writes_nothing(run, tmp_path, words, message):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_model_without_the_function(run, tmp_path):
    (tmp_path / "mine.py").write_text("f = 3\n")
    status, _, err = run("check", "gpt-4o", "--model", "mine.py:f")
    assert (status, err.strip()) == (2, "--model: mine.py has no function 'f'")


def test_what_is_not_to_be_trusted_is_saved_marked_and_has_its_own_status(run, tmp_path):
    (tmp_path / "mine.yaml").write_text("schema: 1\nassumptions: {x: {normal: {mean: 1, sd: 1}}}\n")
    (tmp_path / "mine.py").write_text(
        "import jax.numpy as jnp\ndef f(x):\n    return {'energy_wh': jnp.log(x) + 2}\n"
    )
    status, _, err = run("run", "mine.yaml", "--model", "mine.py:f", "--draws", "1024")
    assert status == 3
    assert "not to be trusted: energy_wh is not finite or negative for 0.19" in err
    assert "for example at x = " in err
    folder = tmp_path / "results" / "mine"
    assert "**Not to be trusted:**" in (folder / "report.md").read_text()
    assert "not finite" in un.load(folder / "run.nc").attrs["warnings"]


def test_a_mean_that_does_not_exist_has_its_own_status(run):
    status, out, err = run(
        "run", "gpt-4o", "--draws", "256", "--set", "utilization={beta: {alpha: 0.9, beta: 9}}"
    )
    assert status == 3
    assert "mean of energy_wh is meaningless" in err
    assert "mean and variance do not exist" in out


def test_what_is_given_is_named_and_does_not_replace_the_plain_result(run, tmp_path):
    status, out, _ = run("run", "gpt-4o", "--draws", "64", "--set", "output_tokens_median=500")
    assert status == 0
    assert "One GPT-4o text query, with output_tokens_median = 500: 0." in " ".join(out.split())
    assert (tmp_path / "results" / "gpt-4o-set" / "run.nc").is_file()


def test_a_misspelled_name_is_noticed_with_a_hint(run, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nextends: gpt-4o\nassumptions: {}\nscenarios: {short: {output_tokns: 5}}\n"
    )
    _, out, _ = run("check", "mine.yaml")
    assert "output_tokns: is used by nothing in flops; did you mean 'output_tokens'?" in " ".join(
        out.split()
    )
    _, out, _ = run("check", "gpt-4o", "--set", "output_tokns=5")
    assert "did you mean 'output_tokens'?" in " ".join(out.split())


def test_the_version(run):
    status, out, _ = run("--version")
    assert (status, out) == (0, "uncertainty 0.1.0\n")


def test_what_was_not_computed_is_not_quoted(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import jax.numpy as jnp\ndef f(pue): return jnp.log(pue - 1.1)\n"
    )
    status, out, _ = run("run", "gpt-4o", "--draws", "64", "--model", "mine.py:f")
    assert status == 3
    assert "For a report" not in out
    assert "do not exist" not in out
    assert "Some draws of y are not finite, so it has no mean" in out
    assert "nan varies" not in out
    assert "y is not finite" in (tmp_path / "results" / "gpt-4o" / "report.md").read_text()


@pytest.mark.parametrize("text", ["def f(:", "import nosuch"])
def test_a_broken_file_of_a_model_is_the_users_matter(run, tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    status, _, err = run("check", "gpt-4o", "--model", "mine.py:f")
    assert status == 2
    assert err.startswith("mine.py: cannot be run: ")


def test_a_folder_that_cannot_be_written_is_said_at_once(run, tmp_path):
    (tmp_path / "here").write_text("")
    status, _, err = run("run", "gpt-4o", "--out", "here")
    assert (status, err.strip()) == (2, "--out: cannot write to here: File exists")


def test_a_defect_is_said_without_a_traceback_unless_asked_for(run, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr(un, "build_problem", broken, raising=False)
    status, _, err = run("check", "gpt-4o")
    assert status == 1
    assert err.startswith("a defect of uncertainty: RuntimeError: boom\n")
    assert "Traceback" not in err
    monkeypatch.setattr(sys, "argv", ["uncertainty", "check", "gpt-4o", "--debug"])
    with pytest.raises(RuntimeError):
        cli.main()


def test_debug_shows_where_bad_input_was_found(run, monkeypatch):
    run("--help")
    monkeypatch.setattr(sys, "argv", ["uncertainty", "check", "nowhere", "--debug"])
    with pytest.raises(un.InputError):
        cli.main()


def test_help_needs_no_heavy_library():
    code = "import sys; from uncertainty import cli; print([m for m in ('jax', 'numpy', 'xarray') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_terminal_sees_what_is_going_on(monkeypatch):
    from rich.console import Console

    monkeypatch.setattr(Console, "is_terminal", property(lambda self: True))
    with cli.busy("checking"):
        pass
