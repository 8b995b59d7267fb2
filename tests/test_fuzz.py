"""Whatever a file or a command line holds, the program ends in a sentence.

Inputs that are right are changed at random. Then no traceback may be seen and no "defect", nothing
may hang, the exit status is 0, 2 or 3, and each fault of a YAML file has its line and column. More
examples than the few here: ``UNCERTAINTY_FUZZ=1000 python -m pytest tests/test_fuzz.py``.
"""

import faulthandler
import os
import re
import sys
from contextlib import contextmanager, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import uncertainty as un
from uncertainty import cli
from uncertainty.errors import InputError
from uncertainty.sampling import forward

EXAMPLES = int(os.environ.get("UNCERTAINTY_FUZZ", "5"))
LONGEST_S = 240  # of a busy machine: what takes this long hangs

often = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="UNCERTAINTY_FUZZ" not in os.environ,
)

PRIORS = """schema: 1
title: A query
extends: base.yaml
assumptions:
  size:
    lognormal: {p5: 1.0e9, p95: 4.0e9}
    unit: parameters
    group: model
    note: Why these numbers.
  tokens:
    varies: query
    lognormal: {median: typical, sigma: 1.0}
    unit: tokens
  typical: {lognormal: {p5: 150, p95: 800}}
  share: {beta: {mean: 40 %, sd: 10 %}, truncate: {low: 0.1}}
  boards: {choice: {options: [4, 8, 16], weights: [1, 2, 1]}}
  ratio: {mixture: [{weight: 0.2, fixed: 1}, {weight: 0.8, gamma: {shape: 2, scale: 3}}]}
  rate: {quantiles: {0: 1, 0.05: 16, 0.5: 96, 0.95: 600}}
  prompt: {empirical: {file: tokens.csv, column: input}}
  total: {expression: "size * sqrt(share) / max(boards, 1)"}
correlations:
  - {between: [size, share], rank: 0.4}
scenarios:
  long: {typical: 2000}
"""
BASE = "schema: 1\nassumptions: {share: {uniform: {low: 0, high: 1}}, spare: {fixed: 2}}\n"
EVIDENCE = """schema: 1
title: Measured
observes: energy_wh
statistic: median
error: {lognormal: {sigma: 0.2}}
columns: [name, size, boards, value, at_least]
rows:
  - [a, 2.0e9, 8, 0.3, null]
  - [b, 3.0e9, 4, 0.5, null]
  - [c, 1.0e9, 4, null, 0.01]
random_effect: {column: name, sd: 0.1}
"""
CSV = "input,output\n" + "".join(f"{100 + 7 * i},{20 + i}\n" for i in range(12))
MODEL = """def f(size, tokens, share, boards, ratio, rate, prompt):
    return {"energy_wh": size * (tokens + prompt) * share * ratio / (boards * rate) * 1e-12}
"""

NASTY = [
    "", " ", "null", "~", "true", "-1", "0", "1e400", "-.inf", ".nan", "9" * 400, "1e-320", "0x10", "1_000", "1,5",
    "5 %", "200 billion", "2026-11-27", "12:30", "'", '"', "[", "]", "{", "}", "[]", "{}", "? {a: 1}", "&a *a", "*a",
    "!!python/object:os.system", "<<: {fixed: 1}", "- ", ": ", "#", "\t", "\x00", "\x1b[2J", "\u202e", "\ud83d\ude00",
    "=1+1", "<b>", "[/x]", "../../etc/passwd", "/proc/self/mem", "/", "a" * 5000, "size", "sizes", "long", "gpt-4o",
    "schema", "fixed", "lognormal", "expression", "__import__('os')", "1 / 0", "size ** size", "p5", "query", "kWh",
    "20 degC", "3 dBm", "parameters", "nan", "1e-3", "--", "%s%n", "\\", "\r\n", "\ufeff", "---\na: 1", "...",
]  # fmt: skip
WORD = re.compile(r"[\w.%+-]+|[^\w\s]")


@st.composite
def changed(draw, text):
    """The text with one to three changes: a word, a line, a character, or its end."""
    for _ in range(draw(st.integers(1, 3))):
        how = draw(
            st.sampled_from(["word", "word", "word", "line", "twice", "away", "cut", "character"])
        )
        lines = text.splitlines() or [""]
        at = draw(st.integers(0, len(lines) - 1))
        words = list(WORD.finditer(text))
        if how == "word" and words:
            match = words[draw(st.integers(0, len(words) - 1))]
            text = text[: match.start()] + draw(st.sampled_from(NASTY)) + text[match.end() :]
        elif how == "line":
            lines.insert(at, draw(st.sampled_from(NASTY)))
            text = "\n".join(lines) + "\n"
        elif how == "twice":
            text = "\n".join([*lines[: at + 1], *lines[at:]]) + "\n"
        elif how == "away":
            text = "\n".join([*lines[:at], *lines[at + 1 :]]) + "\n"
        elif how == "cut":
            text = text[: draw(st.integers(0, len(text)))]
        else:
            place = draw(st.integers(0, len(text)))
            text = text[:place] + draw(st.characters(codec="utf-8")) + text[place:]
    return text


@contextmanager
def no_hang():
    """End the process, with a traceback of every thread, where something hangs."""
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def ends_well(monkeypatch, tmp_path, capfd):
    """Run a command line in a folder with good files; hold what must hold; give its status."""
    monkeypatch.chdir(tmp_path)
    # What is held here does not depend on how many draws there are.
    monkeypatch.setattr(forward, "DRAWS", 256)
    monkeypatch.setattr(forward, "NESTED_DRAWS", 64)

    def call(*words, **files):
        good = {
            "mine.yaml": PRIORS,
            "base.yaml": BASE,
            "rows.yaml": EVIDENCE,
            "tokens.csv": CSV,
            "model.py": MODEL,
        }
        for name, text in {**good, **files}.items():
            (tmp_path / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        monkeypatch.setattr(sys, "argv", ["uncertainty", *words])
        with no_hang(), pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        status = ended.value.code
        assert status in (0, 2, 3), (words, files, err)
        assert "Traceback" not in out + err
        assert "a defect" not in err
        assert (status == 2) <= bool(err.strip()), (words, files)
        for line in err.splitlines() if status == 2 else ():
            for name in ("mine.yaml", "base.yaml", "rows.yaml"):
                if line.startswith(name) and not re.match(rf"{name}:\d+:\d+: ", line):
                    # Of a file as a whole, such as one that cannot be read, there is no place.
                    assert re.match(rf"{name}: (no such file|is not UTF-8|cannot be read)", line), (
                        line
                    )
        return status

    return call


CHECK = ("check", "mine.yaml", "--model", "model.py:f")


def test_the_files_are_good_as_they_are(ends_well):
    assert ends_well(*CHECK) == 0
    assert ends_well(*CHECK, "--evidence", "rows.yaml") == 0


def file_test(name, text, *more):
    @often
    @given(text=changed(text))
    def test(ends_well, text):
        ends_well(*CHECK, *more, **{name: text})

    return test


test_prior_files = file_test("mine.yaml", PRIORS)
test_base_files = file_test("base.yaml", BASE)
test_evidence_files = file_test("rows.yaml", EVIDENCE, "--evidence", "rows.yaml")


@often
@given(text=changed(CSV))
def test_columns_of_numbers(ends_well, text):
    column = "schema: 1\nassumptions: {prompt: {empirical: {file: tokens.csv, column: input}}}\n"
    model = "def f(prompt):\n    return prompt\n"
    ends_well(*CHECK, **{"tokens.csv": text, "mine.yaml": column, "model.py": model})


COMMANDS = [
    "run",
    "check",
    "infer",
    "rank",
    "compare",
    "list",
    "init",
    "ledger",
    "import",
    "report",
    "",
]
OPTIONS = [
    "--set", "--scenario", "--model", "--evidence", "--draws", "--seed", "--prob", "--quantity", "--json", "--above",
    "--out", "--method", "--statistic", "--scale", "--by", "--where", "--threshold", "--tolerance", "--executor",
    "--dask", "--checkpoint", "--export", "--explain", "--plot", "--from", "--file", "--allow-outside", "--force",
    "--help", "--version", "--nosuch", "-x",
]  # fmt: skip
VALUES = [
    "mine.yaml", "rows.yaml", "tokens.csv", "model.py:f", "model.py:g", "model.py", "base.yaml", "nosuch.yaml", "here",
    "size=3", "size=", "=3", "size=3 kWh", "sizes=3", "typical={lognormal: {p5: 1}}", "priors", "models", "hardware",
    "-1", "0", "1", "64", "2.5", "1e30", "4294967296", str(2**70), "nan", "inf", "0.9", "90", "1%", "all", "none",
    "energy_wh", "energy", "sobol", "sobol,shapley", "tornado", "log", "linear", "group", "mean", "energy_wh > 1",
    "serial", "tcp://127.0.0.1:1", "tls://x", "E1", "E999",
]  # fmt: skip


@pytest.mark.slow
@often
@given(
    command=st.sampled_from(COMMANDS),
    words=st.lists(
        st.sampled_from(OPTIONS) | st.sampled_from(VALUES) | st.sampled_from(NASTY), max_size=6
    ),
)
def test_command_lines(ends_well, command, words):
    words = [word for word in words if "\x00" not in word]  # no operating system passes one on
    known = command in {"run", "check", "infer", "rank", "compare"}
    small = ["--draws", "64"] if command in {"run", "rank", "compare"} else []
    ends_well(
        *([command] if command else []),
        *(["mine.yaml", "--model", "model.py:f"] if known else []),
        *small,
        *words,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    factors = {name: {"lognormal": {"median": 2, "sigma": 0.5}} for name in ("a", "b")}
    problem = un.build_problem({"schema": 1, "assumptions": factors}, model=lambda a, b: a * b)
    path = un.save(un.simulate(problem, draws=64), folder / "run.nc")
    return path.read_bytes(), un.load(path)


@settings(often, max_examples=4 * EXAMPLES)
@given(data=st.data())
def test_a_changed_result_is_the_same_or_refused(saved, tmp_path, data):
    whole, tree = saved
    if data.draw(st.booleans()):
        changed = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(whole) - 1))
            changed[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        changed = whole[: data.draw(st.integers(0, len(whole) - 1))]
    path = tmp_path / "changed.nc"
    path.write_bytes(bytes(changed))
    with no_hang(), suppress(InputError):
        assert un.load(path).identical(tree)
