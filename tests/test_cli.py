"""The command line: what a user sees, gets and is told."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import uncertainty as un
from uncertainty import cli
from uncertainty.cli.terminal import busy

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
    "run.nc", "summary.csv", "ranking.csv", "report.md", "distribution.svg", "ranking.svg",
    "components.svg", "question.json",
}  # fmt: skip
PRIOR = ("--evidence", "none")  # what is not about evidence need not wait for it
LEARNED = {"posterior.csv", "updated.svg", "movement.svg", "fit.svg"}


def test_run_prints_and_writes(run, tmp_path):
    status, out, err = run("run", "gpt-4o", "--above", "1", "--draws", "1024", "--out", "here")
    assert (status, err) == (0, "")
    assert {path.name for path in (tmp_path / "here").iterdir()} == NAMES | LEARNED
    for part in (
        "typical query", "mean query", "any one query", "50 % interval, equal tails", "90 % interval",
        "With every assumption at its median", "comes from what is not known", "value of information about log energy_wh, typical query, posterior", "system_effect",
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


def test_json_holds_the_same(run):
    status, out, _ = run("run", "laptop-30b", "--json", "--draws", "256", "--prob", "0.8", "--set", "gpu_power_w=1 kW",
                         "--set", "bandwidth_cap={uniform: {low: 0.5, high: 0.8}}", "--seed", "4", "--above", "2")  # fmt: skip
    assert status == 0
    found = json.loads(out)
    assert found["quantity"] == "energy_wh"
    assert [row["statistic"] for row in found["above"]] == ["typical", "mean", "query"]
    assert all(row["standard_error"] > 0 and row["threshold"] == 2 for row in found["above"])
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
    assert "Of the variance of y (linear scale) of one query (prior), " in out


def test_where_nothing_is_uncertain_the_value_is_given(run, tmp_path):
    (tmp_path / "mine.yaml").write_text("schema: 1\nassumptions: {x: {fixed: 2}}\n")
    (tmp_path / "mine.py").write_text("def f(x):\n    return x\n")
    status, out, _ = run("run", "mine.yaml", "--model", "mine.py:f", "--draws", "64")
    assert status == 0
    assert "Nothing is uncertain here: the model gives 2" in out
    (tmp_path / "mine.py").write_text("def f(x):\n    return {'energy_wh': x, 'b': 7 * x}\n")
    run("run", "mine.yaml", "--model", "mine.py:f", "--draws", "64", "--quantity", "b")
    folder = tmp_path / "results" / "mine-mine.py_f"
    assert "the model gives 14." in (folder / "report.md").read_text()
    assert not (folder / "ranking.csv").exists()


def test_check_prints_what_is_implied(run, tmp_path):
    status, out, err = run("check", "gpt-4o")
    assert (status, err) == (0, "")
    assert "output_tokens_median" in out
    assert "What the prior expects of the measurements" in out
    assert "No faults" in out
    status, out, _ = run(
        "check", "gpt-4o", "--json", "--set", "pue_excess={lognormal: {p5: 0.01, p95: 3}}"
    )
    found = json.loads(out)
    assert {"p5", "median", "p95", "units"} <= found["inputs"][0].keys()
    assert any("overrides" in notice for notice in found["notices"])
    assert list(tmp_path.iterdir()) == []


def test_check_says_when_a_range_is_left(run):
    heavy = "bandwidth_cap={lognormal: {median: 0.5, sigma: 1}}"
    _, out, _ = run("check", "gpt-4o", "--set", heavy, *PRIOR)
    assert "bandwidth_cap lies outside 0 to 1 in 24" in out


BAD = [
    (("run", "nowhere.yaml"), "nowhere.yaml: no such file"),
    (("run", "nowhere.yaml", "--scenario", "long"), "nowhere.yaml: no such file"),
    (("run", "gpt-4o", "--set", "pue"), "--set: write NAME=VALUE (got 'pue')"),
    (("run", "gpt-4o", "--set", "pue=[1"), "--set: pue: not a value: '[1'"),
    (("run", "gpt-4o", "--set", "pue={null: 1}"), "a key must be a name (got 'null'"),
    (("run", "gpt-4o", "--set", "pue={normal:{mean:1}}"), "; put a space after each ':'"),
    (
        ("run", "gpt-4o", "--set", "pue={normal: {mean: 1, sd: -1}}"),
        "<given>: pue.normal.sd: must be greater than 0",
    ),
    (("run", "gpt-4o", "--prob", "90"), "--prob: must lie between 0 and 1 (got 90)"),
    (("run", "gpt-4o", "--model", "no.py:f"), "--model: no Python file 'no.py'"),
    (("run", "gpt-4o", "--model", "a" * 5000 + ".py:f"), "--model: no Python file 'aaa"),
    (("init", ".", "--force"), ".: cannot be written: it is not a file"),
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
    assert (status, err.strip()) == (2, "--model: f of mine.py is not a function, but of type int")


def test_what_is_not_to_be_trusted_is_saved_marked_and_has_its_own_status(run, tmp_path):
    (tmp_path / "mine.yaml").write_text("schema: 1\nassumptions: {x: {normal: {mean: 1, sd: 1}}}\n")
    (tmp_path / "mine.py").write_text(
        "import jax.numpy as jnp\ndef f(x):\n    return {'energy_wh': jnp.log(x) + 2}\n"
    )
    status, _, err = run("run", "mine.yaml", "--model", "mine.py:f", "--draws", "1024")
    assert status == 3
    assert "not to be trusted: energy_wh is not finite or negative for 19.2 %" in err
    assert "for example at x = " in err
    folder = tmp_path / "results" / "mine-mine.py_f"
    assert "**Not to be trusted:**" in (folder / "report.md").read_text()
    assert "not finite" in un.load(folder / "run.nc").attrs["warnings"]


def test_a_mean_that_does_not_exist_has_its_own_status(run):
    heavy = "utilization={beta: {alpha: 0.9, beta: 9}}"
    status, out, err = run("run", "epoch", "--draws", "64", "--set", heavy)
    assert status == 3
    assert "mean of energy_wh is meaningless" in err
    assert "mean and variance do not exist" in out


def test_what_is_given_is_named_and_does_not_replace_the_plain_result(run, tmp_path):
    fixed = "output_tokens_median=500"
    status, out, _ = run("run", "laptop-30b", "--draws", "1024", "--set", fixed)
    assert status == 0
    told = " ".join(out.split())
    assert "with output_tokens_median = 500 tokens: 0." in told
    folder = tmp_path / "results" / "laptop-30b-output_tokens_median=500"
    assert (folder / "run.nc").is_file()


@pytest.mark.parametrize(
    ("asked", "quantity", "subject"),
    [
        ({"given": {"llm": "llama-3.3-70b"}}, "energy_wh", "open-llama-70b, with llm = llama-3.3-70b: "),
        ({"scenario": "b200"}, "energy_wh", "open-llama-70b, scenario b200: "),
        ({}, "gpu_seconds", "One chat query of Llama 3.1 70B, served in bf16 on H100, time of one whole GPU spent on the query: "),
    ],
)  # fmt: skip
def test_the_sentence_to_quote_is_of_what_was_asked(asked, quantity, subject):
    """A title that names a model and its hardware is not said of others; the quantity is named."""
    from uncertainty.report.result import citation_sentence, headline

    tree = un.simulate(un.build_problem("open-llama-70b", evidence=[], **asked), draws=32)
    sentence = citation_sentence(tree, headline(tree, quantity, [un.summarize(tree)]))
    assert sentence.startswith(subject)
    assert "32 draws of the prior" in sentence


def test_a_misspelled_name_is_a_fault_with_a_hint(run, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nextends: gpt-4o\nassumptions: {}\nscenarios: {short: {output_tokns: 5}}\n"
    )
    for words in (("check", "mine.yaml"), ("check", "gpt-4o", "--set", "output_tokns=5")):
        status, out, err = run(*words)
        assert (status, out) == (2, "")
        assert "output_tokns: is not an assumption, not an input of roofline" in err
        assert "did you mean 'output_tokens'?" in err


def test_what_is_set_in_vain_or_unlikely_is_said_before_the_answer(run, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nextends: epoch\nassumptions: {spare: {fixed: 0.1}}\n"
    )
    vain = ("--set", "spare=0.6", "--set", "gpu_power_w=0.7")
    status, out, err = run("run", "mine.yaml", "--draws", "64", *vain)
    assert status in {0, 3}
    lines = out.splitlines()
    assert all(line.startswith("note: <given>: ") for line in lines[:2])
    assert {"spare", "gpu_power_w"} <= {line.split(": ")[2] for line in lines[:2]}
    status, out, err = run("check", "mine.yaml", "--json", *vain)
    assert json.loads(out)
    assert "spare: is used by nothing" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "pue=1.2", "--set", "pue=1.3"), "pue is set twice (1.2 and 1.3); keep one"),
        (("--set", "pue=>5"), "an estimate is a distribution"),
        (("--set", "pue=1,2"), "write a decimal with a point: 1.2"),
        (("--set", "pue=" + "1" * 20_000), "longer than 10,000 characters"),
        (("--set", "pue=" + "9" * 5000), "pue"),
        (("--set", "pue=? {a: 1}"), "pue"),
        (("--set", "pue=\x07"), "pue"),
        (("--set", "=5"), "write NAME=VALUE"),
        (("--seed", str(2**32)), "seed"),
        (("--seed", "-1"), "seed"),
        (("--quantity", "co2"), "has no output 'co2'"),
        (("--model", "{? {a: 1}: 2}"), "--model"),
        (("--evidence", "a\x07"), "no such file"),
    ],
)
def test_odd_options_are_faults(run, words, message):
    status, out, err = run("check", "gpt-4o", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err) < 1000


@pytest.mark.parametrize("words", [("--above", "nan"), ("--above", "inf"), ("--draws", str(10**30)),
                                   ("--prob", "nan"), ("--prob", "0")])  # fmt: skip
def test_numbers_at_the_edge_write_nothing(run, tmp_path, words):
    status, out, _ = run("run", "gpt-4o", *words)
    assert (status, out) == (2, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", ""), "--out: is empty: write a value, or leave it out"),
        (("--dask", ""), "--dask: is empty"),
        (("--checkpoint", " "), "--checkpoint: is empty"),
        (("--model", ""), "--model: is empty"),
        (("--scenario", ""), "--scenario: is empty"),
        (("--set", ""), "--set: is empty"),
        (("--out", "a\0b"), "--out: is not text in UTF-8 (got 'a\\x00b')"),
        (("--out", "a\udcffb"), "--out: is not text in UTF-8 (got 'a\\udcffb')"),
    ],
)
def test_an_option_that_says_nothing_or_is_not_text_is_a_fault(run, tmp_path, words, message):
    status, out, err = run("run", "gpt-4o", *words)
    assert (status, out) == (2, "")
    assert err.startswith(message)
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_init_names_its_target_where_it_cannot_be_written(run):
    status, _, err = run("init", "/proc/x.yaml")
    assert status == 2
    assert err.startswith("/proc/x.yaml: cannot be written")


def test_the_version_is_printed(run):
    status, out, _ = run("--version")
    assert (status, out) == (0, "uncertainty 0.1.0\n")


def test_what_was_not_computed_is_not_quoted(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import jax.numpy as jnp\ndef f(pue): return jnp.log(pue - 1.1)\n"
    )
    status, out, _ = run("run", "gpt-4o", *PRIOR, "--draws", "64", "--model", "mine.py:f")
    assert status == 3
    assert "For a report" not in out
    assert "do not exist" not in out
    assert re.search(r"y is not finite for [1-9][\d.]* % of the draws, so it has no mean", out)
    assert "nan varies" not in out
    folder = tmp_path / "results" / "gpt-4o-mine.py_f-evidence-none"
    assert "y is not finite" in (folder / "report.md").read_text()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def f(:", "mine.py:1:7: is not Python: "),
        ("import nosuch", "mine.py:1:1: cannot be run: "),
    ],
)
def test_a_broken_file_of_a_model_is_the_users_matter(run, tmp_path, text, fault):
    (tmp_path / "mine.py").write_text(text)
    status, _, err = run("check", "gpt-4o", "--model", "mine.py:f")
    assert status == 2
    assert err.startswith(fault)


def test_a_folder_that_cannot_be_written_is_said_at_once(run, tmp_path):
    (tmp_path / "here").write_text("")
    status, _, err = run("run", "gpt-4o", "--out", "here")
    assert (status, err.strip()) == (2, "--out: cannot write to here: File exists")


def test_a_defect_is_said_without_a_traceback_unless_asked_for(run, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr("uncertainty.problem.set_up", broken)
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


@pytest.mark.parametrize(
    "words", [["check", "wrong.yaml"], ["init", "new.yaml"], ["list", "priors"]]
)
def test_what_computes_nothing_needs_no_jax(words, tmp_path):
    (tmp_path / "wrong.yaml").write_text(
        "schema: 1\nmodel: flops\nassumptions: {utilisation: {fixed: 0.1}}\n"
    )
    code = (
        f"import atexit, sys; sys.argv = ['uncertainty', *{words}]\n"
        "atexit.register(lambda: print([m for m in ('jax', 'scipy', 'xarray') if m in sys.modules]))\n"
        "from uncertainty import cli; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == (2 if words[0] == "check" else 0), done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


KEPT = """schema: 1
model: throughput
assumptions:
  gpu_power_w: {fixed: 700}
  gpu_count: {fixed: 1}
  tokens_per_s: {lognormal: {median: 1000, sigma: 0.3}}
  output_tokens: {fixed: 400}
  power_fraction: {fixed: 0.7}
  overhead: {fixed: 1.3}
"""


def test_a_check_is_kept_until_something_of_it_changes(run, monkeypatch, tmp_path):
    monkeypatch.setenv("UNCERTAINTY_CACHE", str(tmp_path / "cache"))
    own = tmp_path / "mine.yaml"
    own.write_text(KEPT)
    words = ("--set", "layers=80")  # in vain: said first, kept too
    asked = [("check", "mine.yaml", *words), ("check", "mine.yaml", *words, "--json")]
    first = run(*asked[0])
    assert first[0] == 0
    assert first[1].startswith("note: <given>: layers: is used by nothing")

    def broken(setup):
        raise RuntimeError("compiled")

    monkeypatch.setattr("uncertainty.problem.compiled", broken)
    assert run(*asked[0]) == first
    status, out, _ = run(*asked[1])
    assert status == 0
    assert json.loads(out)["inputs"][0]["input"] == "gpu_power_w"
    for other in (("--seed", "1"), ("--set", "power_fraction=0.5"), ("--quantity", "energy_wh")):
        assert run(*asked[0][:2], *other)[0] == 1, other
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "highest")
    assert run(*asked[0])[0] == 1
    monkeypatch.delenv("JAX_DEFAULT_MATMUL_PRECISION")
    assert run(*asked[0]) == first
    own.write_text(KEPT.replace("700", "500"))
    assert run(*asked[0])[0] == 1


def test_the_benchmark_of_commands_prints_seconds_and_multiples():
    script = Path(__file__).with_name("benchmarks") / "commands.py"
    command = [sys.executable, str(script), "--count", "1", "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    name, seconds, base, *_ = done.stdout.splitlines()[-1].strip("| ").split(" | ")
    assert name == "version"
    assert 0 < float(seconds) < 60
    assert 0 < float(base) < 1, "of importing four heavy libraries"


def test_a_terminal_sees_what_is_going_on(monkeypatch):
    from rich.console import Console

    monkeypatch.setattr(Console, "is_terminal", property(lambda self: True))
    with busy("checking"):
        pass


def test_every_scenario_side_by_side(run, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nextends: epoch\nassumptions: {utilization: {beta: {alpha: 4, beta: 36}}}\n"
        "scenarios: {longer: {output_tokens: 2000}}\n"
    )
    every = ("run", "mine.yaml", "--scenario", "all", "--draws")
    status, out, err = run(*every, "256", "--above", "1")
    assert (status, err) == (0, "")
    folder = tmp_path / "results" / "mine-all"
    assert {path.name for path in folder.iterdir()} == {
        "as_stated.nc", "pessimistic.nc", "longer.nc", "scenarios.csv", "scenarios.svg",
        "report.md", "question.json",
    }  # fmt: skip
    scenarios = {"as stated", "pessimistic", "longer"}
    for part in (*scenarios, "times as stated", "over 1 Wh", "same points"):
        assert part in out, part
    status, out, _ = run(*every, "256", "--json")
    found = json.loads(out)
    assert {row["scenario"] for row in found["scenarios"]} == scenarios
    assert found["prob"] == 0.9
    status, _, err = run(*every, "64", "--set", "power_fraction=1.2")
    assert status == 2
    assert "must lie between 0 and 1" in err
    wide = "utilization={uniform: {low: 0.5, high: 1.2}}"
    status, _, err = run(*every, "256", "--set", wide)
    assert status == 3
    assert "not to be trusted: longer: utilization lies outside 0 to 1" in err


def test_a_scenario_may_not_be_called_all(run, tmp_path):
    (tmp_path / "x.yaml").write_text(
        "schema: 1\nextends: gpt-4o\nscenarios: {all: {output_tokens: 3}}\n"
    )
    status, _, err = run("check", "x.yaml")
    assert (status, err) == (
        2,
        "x.yaml:3:13: scenarios.all: stands for every scenario; choose another name\n",
    )


def test_check_draws_every_assumption(run, tmp_path):
    status, out, _ = run("check", "frontier-roofline", "--plot")
    assert status == 0
    text = (tmp_path / "results" / "frontier-roofline" / "assumptions.svg").read_text()
    assert text.startswith("<?xml")
    assert "Written: results/frontier-roofline/assumptions.svg" in out


def test_check_warns_of_what_makes_a_result_meaningless(run):
    changes = ["utilization={beta: {alpha: 1, beta: 9}}",
               "output_tokens_median={loguniform: {low: 1, high: 1.0e+7}}",
               "prefill_power_fraction={uniform: {low: 0.9, high: 1.1}}"]  # fmt: skip
    words = [word for change in changes for word in ("--set", change)]
    file = str(HERE / "arithmetic.yaml")
    status, out, _ = run("check", file, *PRIOR, *words, "--json")
    assert status == 0
    told = " ".join(json.loads(out)["warnings"])
    for part in ("the mean of energy_wh is meaningless", "output_tokens_median: P95 is 2e+06 times P5",
                 "prefill_power_fraction lies outside 0 to 1 in 50 % of the draws"):  # fmt: skip
        assert part in told, part
    status, out, _ = run("check", file, *PRIOR, *words)
    assert out.count("warning: ") == 4  # one query's output tokens are as wide as their median


def test_lists_name_what_is_shipped_for_people_and_for_programs(run):
    for what, part in (
        ("priors", "gemini-like"), ("hardware", "mi300x"), ("precision", "mxfp4"), ("sources", "epoch2025"),
        ("models", "llama-3.1-70b"), ("models", "flops"),
    ):  # fmt: skip
        status, out, _ = run("list", what)
        assert status == 0
        assert part in out
        status, out, _ = run("list", what, "--json")
        tables = json.loads(out)
        assert any(part in row.values() for rows in tables.values() for row in rows)
    status, out, _ = run("list", "model", "flops")
    for part in (
        "utilization",
        "FLOP/s",
        "0 to 1",
        "0 or more",
        "needed, or overhead",
        "energy_wh_node",
        "provisioned",
    ):
        assert part in out, part
    assert run("list", "model", "flop")[::2] == (
        2,
        "list model: no model 'flop'; did you mean 'flops'?\n",
    )
    assert run("list", "model")[0] == 2
    assert run("list", "priors", "flops")[0] == 2
    assert json.loads(run("list", "schema")[1])["required"] == ["schema"]
    assert "observes" in json.loads(run("list", "schema", "evidence")[1])["required"]


def test_init_writes_a_file_that_passes_check(run, tmp_path):
    status, out, _ = run("init", "my.yaml", "--from", "open-llama-70b")
    assert status == 0
    assert "uncertainty check my.yaml" in out
    assert run("check", "my.yaml", *PRIOR)[0] == 0
    status, _, err = run("init", "my.yaml")
    assert (status, err) == (
        2,
        "my.yaml: exists already; choose another name, or replace it with --force\n",
    )
    status, _, err = run("init", "other.yaml", "--from", "gpt4o")
    assert status == 2
    assert "did you mean 'gpt-4o'" in err
    assert not (tmp_path / "other.yaml").exists()
    (tmp_path / "file").write_text("")
    assert run("init", "file/new.yaml")[0] == 2


def test_a_catalogue_name_by_set_and_files_outside_by_option(run, tmp_path):
    status, out, _ = run(
        "check", "gpt-4o", *PRIOR, "--set", "hardware=b200", "--set", "precision=fp8", "--json"
    )
    rows = {row["input"]: row for row in json.loads(out)["inputs"]}
    assert rows["peak_flops"]["median"] == 4.5e15
    (tmp_path / "own").mkdir()
    base = tmp_path.parent / "elsewhere.yaml"
    base.write_text("schema: 1\nextends: gpt-4o\nassumptions: {}\n")
    (tmp_path.parent / "other").mkdir(exist_ok=True)
    base = base.rename(tmp_path.parent / "other" / "base.yaml")
    (tmp_path / "own" / "x.yaml").write_text(f"schema: 1\nextends: {base}\nassumptions: {{}}\n")
    status, _, err = run("check", "own/x.yaml")
    assert status == 2
    assert "allow it with --allow-outside" in err
    assert run("check", "own/x.yaml", *PRIOR, "--allow-outside")[0] == 0


def test_what_the_draws_cannot_tell_is_marked(run, tmp_path):
    """An end beyond the draws, a mean that its tail rules, a chance that no draw shows."""
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nassumptions:\n  x: {lognormal: {median: 1, sigma: 20}}\n"
    )
    (tmp_path / "mine.py").write_text("def f(x):\n    return x\n")
    words = ("run", "mine.yaml", "--model", "mine.py:f", "--draws", "512", "--prob", "0.99999")
    status, out, _ = run(*words, "--above", "1e200", "--json", "--out", "here")
    assert status == 3
    found = json.loads(out)
    mean, ends = found["warnings"]
    assert "the mean of y is ruled by a few draws" in mean
    assert "the ends of the 99.999 % interval of y lie beyond what the draws show" in ends
    assert "make 2e+06 draws" in ends
    row = next(row for row in found["summary"] if row["prob"] == 0.99999)
    assert row["mcse_lower"] is None
    assert row["mcse_median"] > 0
    (above,) = found["above"]
    assert (above["chance"], above["standard_error"]) == (0, 3 / 512)
    with (tmp_path / "here" / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["mcse_chance_over"] for row in rows} == {str(3 / 512)}


FLEET = """\
schema: 1
title: Queries of a fleet
model: {fleet: flops}
extends: epoch
assumptions: {utilization: {lognormal: {p5: 0.05, p95: 0.2}}, queries_per_day: 65708, boards_owned: 16, idle_power_w: 70 W}
"""


def test_boards_that_wait_are_said_in_the_terminal_the_report_and_json(run, tmp_path):
    (tmp_path / "fleet.yaml").write_text(FLEET)
    words = (
        "run",
        "fleet.yaml",
        "--quantity",
        "fleet_power_mw",
        "--draws",
        "1024",
        "--out",
        "here",
    )
    said = r"the boards owned \(16\) are busy [0-9.]+ % of the time: waiting takes most of"
    status, out, _ = run(*words)
    assert status == 0
    assert re.search(said, " ".join(out.split()))
    assert re.search(said, (tmp_path / "here" / "report.md").read_text())
    status, out, _ = run(*words, "--json")
    assert status == 0
    assert sum(bool(re.match(said, text)) for text in json.loads(out)["notices"]) == 1
