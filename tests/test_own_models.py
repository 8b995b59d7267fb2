"""Models that users bring: what is refused, in a sentence, when the problem is built."""

import functools
import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import uncertainty as un

PRIOR = {"schema": 1, "assumptions": {"rate": {"lognormal": {"median": 1, "sigma": 0.5}}}}
TABLE = np.arange(10.0)
STATE = {"factor": 2.0, "table": np.arange(2000.0), "calls": 0}


def leaves(rate):
    sys.exit()


class Ends(BaseException):
    def __str__(self):
        raise ValueError


def ends_badly(rate):
    raise Ends


def keeps(rate):
    return STATE.setdefault("kept", rate) * rate


async def later(rate):
    return rate


def other_names(rate):
    STATE["calls"] += 1
    return {f"y{STATE['calls']}": rate}


def noisy(rate):
    return rate * np.random.default_rng().normal()


class Unhashable:
    def __eq__(self, other):
        return True

    def __call__(self, rate):
        return 2 * rate


PLAIN = (
    r"failed at .*test_own_models.py:\d+: it treats an input as a plain number .*vectorized=False"
)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda rate: (rate, rate), "gives a tuple; it must give a number, or a mapping of names to numbers"),
        (lambda rate: [rate], "gives a list"),
        (lambda rate: None, "gives None"),
        (lambda rate: "a", "gives the text 'a'"),
        (lambda rate: {"a": {"b": rate}}, "gives a mapping for a; it must give a number"),
        (lambda rate: {"a": rate, "b": None}, "gives None for b"),
        (lambda rate: rate > 1, "gives True or False"),
        (lambda rate: {"a": rate > 1}, "gives True or False .* for a"),
        (lambda rate: rate * 1j, "gives a complex number"),
        (lambda rate: jnp.ones(3) * rate, r"gives an array of shape \(3,\)"),
        (lambda rate: jnp.ones(1) * rate, r"gives an array of shape \(1,\)"),
        (lambda rate: {}, "gives an empty mapping"),
        (lambda rate: {1: rate}, "keys are not all names .got 1"),
        (lambda rate: (yield rate), "gives a generator"),
        (other_names, "must give the same names each time it is called .got y1, and then y2"),
        (noisy, "gives another result each time it is called: it draws random numbers"),
        (lambda rate: rate * np.nan, "no finite number for y at any of 64 points"),
        (lambda rate: {"a": rate, "b": rate / 0.0}, "no finite number for b .*got inf"),
        (lambda rate: int("a"), r"failed at .*test_own_models.py:\d+: ValueError: invalid literal"),
        (lambda rate: 1 / 0, "ZeroDivisionError: division by zero"),
        (leaves, r"ends the program \(sys.exit\) at .*test_own_models.py"),
        (ends_badly, "failed at .*: Ends: no message"),
        (keeps, "gives another result each time it is called"),
        (later, "later is an async function"),
        (lambda rats: rats, "needs 'rats', which is not an assumption; did you mean 'rate'"),
        (lambda rate, /: rate, r"takes arguments by position \(rate\)"),
        (lambda *rate: rate, "takes arguments by position"),
        (max, "the inputs of max are not known"),
        (Unhashable, "gives an? Unhashable"),
        (lambda rate: np.sqrt(rate), PLAIN),
        (lambda rate: float(rate), PLAIN),
        (lambda rate: rate if rate > 1 else 0.0, PLAIN),
        (lambda rate: TABLE[int(rate)], PLAIN),
        (lambda rate: {1.0: 2.0}[rate], PLAIN),
        (lambda rate: jax.pure_callback(np.sqrt, rate, rate), "pure_callback.*vectorized=False"),
    ],
)  # fmt: skip
def test_what_cannot_serve_as_a_model_is_said_when_the_problem_is_built(model, message):
    with pytest.raises(un.InputError, match=message):
        un.build_problem(PRIOR, model=model)


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (lambda rate: 3, 3),
        (lambda rate: np.float32(0.5), 0.5),
        (lambda rate: jnp.floor(rate).astype(int), 1),
        (lambda rate, factor=3: factor * rate, 3),
        (functools.partial(lambda rate, factor: factor * rate, factor=4), 4),
        (Unhashable(), 2),
        (jax.jit(lambda rate: 5 * rate), 5),
        (lambda **inputs: inputs["rate"], 1),
    ],
)
def test_what_can_be_called_with_names_is_a_model(model, value):
    assert un.build_problem(PRIOR, model=model).central()["y"] == value


def test_a_model_reads_what_it_reads_when_the_problem_is_built():
    def model(rate):
        grid = jnp.arange(2000.0)
        return STATE["factor"] * jnp.interp(rate, grid, STATE["table"])

    def median():
        tree = un.simulate(un.build_problem(PRIOR, model=model), draws=64)
        return float(tree["prior_predictive"]["y"].median())

    before = median()
    STATE["factor"] *= 2
    assert median() == pytest.approx(2 * before)
    STATE["table"] = 2 * STATE["table"]
    assert median() == pytest.approx(4 * before)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("def f(x:\n  return x\n", "f", "mine.py:1:"),
        ("import os\nimport nothing_of_this_name\n", "f", "mine.py:2:1: cannot be run: ModuleNot"),
        ("x = 1\n\nraise SystemExit(0)\n", "f", "mine.py:3:1: ends the program"),
        (
            "def rates(rate):\n  return rate\n",
            "rate",
            "has no function 'rate'; did you mean 'rates'",
        ),
        (
            "def f(rate):\n  return rate\ng = f\n",
            "",
            "name a function of .*mine.py, as .*mine.py:f; known: f, g",
        ),
        ("x = 1\n", "", "mine.py has no function ''"),
        ("class Ends(BaseException): pass\nraise Ends('x')\n", "f", "mine.py:2:1: .* Ends: x"),
        ("f = 3\n", "f", "is not a function, but of type int"),
        ("def f(rate):\n  import sys\n  sys.exit()\n", "f", "ends the program"),
    ],
)
def test_a_file_that_gives_no_model_is_refused_at_its_line(tmp_path, text, name, message):
    from uncertainty.files import model_of_text

    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(un.InputError, match=message):
        un.build_problem(PRIOR, model=model_of_text(f"{tmp_path / 'mine.py'}:{name}".rstrip(":")))


def test_a_file_may_print_use_its_neighbors_and_be_plain_python(tmp_path):
    (tmp_path / "beside.py").write_text("FACTOR = 2.0\n")
    (tmp_path / "mine.py").write_text(
        "import math\nfrom dataclasses import dataclass\nfrom beside import FACTOR\n"
        "print('loaded')\n@dataclass\nclass A:\n    x: 'float'\n"
        "def f(rate):\n    print('called')\n    return FACTOR * math.sqrt(rate)\nf.vectorized = False\n"
    )
    (tmp_path / "mine.yaml").write_text(json.dumps(PRIOR))
    code = "import sys; from uncertainty.cli import main; sys.argv[0] = 'uncertainty'; main()"
    words = ("run", "mine.yaml", "--model", "mine.py:f", "--draws", "64", "--json")
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert "loaded" in done.stderr
    assert "called" in done.stderr


def test_what_is_not_a_model_is_refused_in_a_sentence():
    with pytest.raises(un.InputError, match=r"<model>: must be a name.*\(got int\)"):
        un.build_problem({"schema": 1, "assumptions": {"x": 1}}, model=3)
    with pytest.raises(
        un.InputError, match="<model>: a b: the name of an output must consist of letters"
    ):
        un.build_problem({"schema": 1, "assumptions": {"x": 1}}, model=lambda x: {"a b": x})


@pytest.mark.parametrize(
    ("model", "place"),
    [
        (lambda rate: 1e-310 * rate, "64 of 64"),
        (lambda rate: {"y": rate, "z": jnp.exp(-700 * rate)}, r"\d+ of 64"),
    ],
)
def test_outputs_below_the_reach_of_float64_are_said(model, place):
    """Compiled code takes what has fewer digits for 0: without a word, 0 ± 0 would be an answer."""
    problem = un.build_problem(PRIOR, model=model)
    said = [str(notice) for notice in problem.notices if notice.path == "<model>"]
    assert len(said) == 1
    assert re.search(
        rf"at {place} points of the prior: numbers below 2.23e-308 count as 0", said[0]
    )
    assert "count as 0" in un.simulate(problem, 64).attrs["notices"]
    with pytest.raises(un.InputError, match=r"y is 1e-310: numbers below 2.23e-308 count as 0"):
        un.build_problem(PRIOR, model=lambda rate: 1e-310 * rate, vectorized=False)
