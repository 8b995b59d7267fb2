"""A posterior that was sampled before is taken from the user's folder, the same to the last bit."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import uncertainty as un
from uncertainty.arrays import in_float64, machine
from uncertainty.energy import PlainFunction
from uncertainty.files import model_of_text
from uncertainty.inference.posterior import kept_posterior, names_of, shipped_posteriors
from uncertainty.inference.target import target_of
from uncertainty.results import ess_bulk
from uncertainty.sampling import QUERIES

PRIOR = {"x": {"lognormal": {"median": 1, "sigma": 1}}, "z": {"normal": {"mean": 0, "sd": 1}}}
inference = import_module("uncertainty.inference.infer")  # not the function of that name
SETTINGS = {"draws": 600, "warmup": 300}


def model(x, z):
    return {"y": x, "other": x + z}


def problem(rows=(2.0, 3.0), *, model=model, evidence=(), **assumptions):
    priors = {"schema": 1, "assumptions": {**PRIOR, **assumptions}}
    measured = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": 0.5}},
        "columns": ["z", "value"],
        "rows": [[0.0, value] for value in rows],
        **dict(evidence),
    }
    return un.build_problem(priors, model=model, evidence=measured)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("UNCERTAINTY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "posteriors"


def same(one, other):
    for name in set(one.children) | set(other.children):
        for variable in set(one[name].data_vars) | set(other[name].data_vars):
            a, b = (np.asarray(tree[name][variable].values) for tree in (one, other))
            if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                return False
    clock = {"created_at", "problem", "command"}  # the last but one names an object in memory
    return {**one.attrs, **dict.fromkeys(clock)} == {**other.attrs, **dict.fromkeys(clock)}


def refuse(*_, **__):
    raise AssertionError("it was sampled again")


@pytest.mark.parametrize("plain", [False, True])
def test_what_is_kept_is_what_sampling_anew_gives_and_is_not_sampled_again(
    folder, tmp_path, monkeypatch, plain
):
    file = tmp_path / "mine.py"
    file.write_text("def f(x, z):\n    return {'y': x, 'other': x + z}\n")
    asked = problem(model=PlainFunction(model_of_text(f"{file}:f")) if plain else model)
    first = un.infer(asked, **SETTINGS)
    assert len([*folder.iterdir()]) == 1
    anew = un.infer(asked, **SETTINGS, resample=True)
    with monkeypatch.context() as patch:
        patch.setattr(inference, "_sampled", refuse)
        kept = un.infer(asked, **SETTINGS)
        with pytest.raises(AssertionError, match="sampled again"):
            un.infer(asked, **SETTINGS, resample=True)
    assert same(first, kept)
    assert same(first, anew)
    assert first.attrs["sampler"] != "nuts" if plain else first.attrs["sampler"] == "nuts"


@in_float64
def named(asked, *, draws=1000, seed=0):
    target = target_of(asked.new_system, QUERIES, seed)
    return names_of(target, (4, draws, 1000, None, seed))


def test_what_evidence_bears_on_the_rows_the_model_and_the_settings_name_a_posterior():
    before = named(problem())
    wider = {"lognormal": {"median": 1, "sigma": 1.1}}
    others = [
        named(problem(rows=(2.0, 3.1))),
        named(problem(x=wider)),
        named(problem(evidence={"error": {"lognormal": {"sigma": 0.6}}})),
        named(problem(model=lambda x, z: {"y": 2 * x, "other": x + z})),
        named(problem(), seed=1),
        named(problem(), draws=2000),
    ]
    for place in (0, 1):
        assert len({before[place], *(other[place] for other in others)}) == 1 + len(others)
    assert named(problem()) == before


def test_a_function_in_plain_python_that_is_in_no_file_has_no_name():
    assert named(problem(model=PlainFunction(lambda x, z: {"y": x}))) == ("", "")


def test_what_evidence_does_not_bear_on_may_change_and_draws_stay_to_the_last_bit(folder):
    one, other = problem(), problem(z={"uniform": {"low": 0, "high": 9}})
    assert named(one) == named(other)
    draws = [
        np.asarray(un.infer(x, **SETTINGS, resample=True)["posterior"]["x"].values)
        for x in (one, other)
    ]
    np.testing.assert_array_equal(*draws)


def test_a_damaged_file_and_one_of_another_density_are_as_if_nothing_were_kept(folder):
    asked = problem()
    first = un.infer(asked, **SETTINGS)
    (file,) = folder.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-100] + bytes(100))
    assert same(first, un.infer(asked, **SETTINGS))
    assert file.read_bytes() == content
    # As if a formula had changed, and its name had not.
    third = un.infer(problem(rows=(5.0, 6.0)), **SETTINGS)
    (another,) = {*folder.iterdir()} - {file}
    another.write_bytes(content)
    assert same(third, un.infer(problem(rows=(5.0, 6.0)), **SETTINGS))


@pytest.mark.parametrize("place", ["", "a file/cache"])
def test_a_folder_that_cannot_be_written_is_no_harm(tmp_path, monkeypatch, place):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("UNCERTAINTY_CACHE", place and str(tmp_path / place))
    assert "posterior" in un.infer(problem(), **SETTINGS).children


@pytest.mark.slow
def test_two_commands_give_one_result_and_the_second_needs_no_sampler(folder, tmp_path):
    text = (
        "schema: 1\ntitle: t\nassumptions:\n"
        "  x: {lognormal: {median: 1, sigma: 1}}\n  z: {normal: {mean: 0, sd: 1}}\n"
        "evidence: [rows.yaml]\n"
    )
    rows = (
        "schema: 1\nobserves: y\nerror: {lognormal: {sigma: 0.5}}\n"
        "columns: [z, value]\nrows: [[0, 2], [0, 3]]\n"
    )
    (tmp_path / "p.yaml").write_text(text)
    (tmp_path / "rows.yaml").write_text(rows)
    (tmp_path / "f.py").write_text("def f(x, z):\n    return {'y': x, 'other': x + z}\n")
    command = (
        "import sys; from uncertainty.cli import main; import atexit\n"
        "atexit.register(lambda: print('numpyro.infer' in sys.modules))\nmain()"
    )
    results, sampled = [], []
    for more in ([], [], ["--resample"]):
        arguments = ["infer", "p.yaml", "--model", "f.py:f", "--quantity", "y", "--out", "r"]
        done = subprocess.run(
            [sys.executable, "-c", command, *arguments, "--draws", "600", *more],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        sampled.append(done.stdout.splitlines()[-1])
        results.append(un.load(Path(tmp_path, "r", "run.nc")))
    assert sampled == ["True", "False", "True"]
    assert same(results[0], results[1])
    assert same(results[0], results[2])


def test_scores_of_correlated_inputs_count_though_a_row_says_the_value_of_one():
    """Of two correlated inputs a row says one: of the other it still knows as little as before."""
    pair = {
        "schema": 1,
        "assumptions": PRIOR,
        "correlations": [{"between": ["x", "z"], "rank": 0.9}],
    }
    rows = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": 1.0}},
        "columns": ["z", "value"],
        "rows": [[0.0, 1.0]],
    }
    asked = un.build_problem(pair, model=model, evidence=rows)
    tree = un.infer(asked, 1000)
    # Log x is normal with sd 1, and so is the error: half the variance is left.
    log_x = np.log(tree["posterior"]["x"].values)
    error = 0.5 * np.sqrt(2 / ess_bulk((log_x - log_x.mean()) ** 2))  # of a normal variance
    assert abs(log_x.var() - 0.5) < 5 * error


SHIPPED = ("gpt-4o",)


def shipped_of(asked):
    """The posterior that comes with the package: its density, to 1e-9, is that of its draws."""
    names, target = named(asked, draws=4000), in_float64(target_of)(asked.new_system, QUERIES, 0)
    shipped = in_float64(kept_posterior)(names, target, 0)
    assert shipped is not None, "run ship_posterior (see priors/README.md)"
    return names[1], shipped


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_come_with_their_posterior_and_it_is_healthy(name, monkeypatch):
    monkeypatch.setenv("UNCERTAINTY_CACHE", "")
    assert not shipped_of(un.build_problem(name))[1].doubts


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_come_with_the_posterior_that_sampling_anew_gives(
    name, tmp_path, monkeypatch
):
    """Where another machine made it its last digits differ, and chains part: its density holds."""
    monkeypatch.setenv("UNCERTAINTY_CACHE", "")
    asked = un.build_problem(name)
    question, shipped = shipped_of(asked)
    with np.load(shipped_posteriors() / f"{question}.npz") as file:
        here = str(file["made_with"]) == machine()
    if not here:
        pytest.skip("made on another machine, so only its density, to 1e-9, can be checked")
    monkeypatch.setattr(inference, "shipped_posteriors", lambda: tmp_path)
    with np.load(in_float64(inference.ship_posterior)(asked)) as anew:
        np.testing.assert_array_equal(anew["z"], shipped.z.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("gpt-4o", {}),
        ("gpt-4o-mini", {}),
        ("open-llama-70b", {}),
        ("gemini-like", {}),
        ("agentic-coding", {}),
        ("fleet", {}),
        ("roofline-efficiency", {}),
        # Of a mixture of experts with windows, read with drafts: measured rows have none of these.
        ("gpt-4o", {"llm": "gpt-oss-120b", "gpu_count": 8}),
        ("gpt-4o", {"speculative_tokens": 4, "acceptance": 0.7, "attention_factor": 1, "pue": 1.5}),
    ],
)
def test_measured_rows_teach_every_question_the_same(name, given):
    """Rows say all that they were measured at, so nothing else that a question says is in them."""
    asked = named(un.build_problem(name, given=given), draws=4000)[1]
    assert {path.stem for path in shipped_posteriors().iterdir()} == {asked}


def test_what_measurements_do_not_bear_on_is_spread_evenly_over_each_stretch():
    evidence = {
        "schema": 1, "observes": "a", "error": {"lognormal": {"sigma": 0.5}},
        "columns": ["y", "value"], "rows": [[0.5, 1.0], [0.5, 2.0]],
    }  # fmt: skip
    prior = {
        "schema": 1,
        "assumptions": {
            "x": {"lognormal": {"median": 1, "sigma": 0.3}},
            "y": {"uniform": {"low": 0, "high": 1}},
        },
    }
    asked = un.build_problem(prior, model=lambda x, y: {"a": x, "b": x * y}, evidence=evidence)
    drawn = un.infer(asked, draws=100, warmup=100)["posterior"]["y"].values.reshape(16, 25)
    assert (np.sort(np.floor(25 * drawn), axis=1) == np.arange(25)).all()
    assert len({tuple(row) for row in np.floor(25 * drawn)}) == 16  # each in an order of its own
