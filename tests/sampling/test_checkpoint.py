"""A stream that is killed goes on to the same answer; what is not whole is refused."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import uncertainty as un
from uncertainty.sampling import blocks
from uncertainty.sampling.checkpoint import Checkpoint

RUN = """
import sys
from pathlib import Path
import uncertainty as un
from uncertainty.sampling import blocks
import importlib
blocks.EVALUATIONS = 2**16
importlib.import_module("uncertainty.sampling.stream")._SAVE_EVERY_S = 0.0
priors = {"schema": 1, "assumptions": {n: {"lognormal": {"median": 1, "sigma": 1}} for n in "ab"}}
problem = un.build_problem(priors, model=lambda a, b: a * b)
tree = un.stream(problem, 2**21, checkpoint=sys.argv[1], thresholds=[3.0], largest=3, correlations=True)
un.save(tree, sys.argv[2])
"""
GROUPS = ("prior_sketch", "prior_exceedance", "prior_correlation", "prior_largest")


def start(state, result):
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(state.parent / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-c", RUN, str(state), str(result)]
    return subprocess.Popen(command, env={**os.environ, **kept})


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    whole = start(tmp_path / "whole.state", tmp_path / "whole.nc")
    assert whole.wait(300) == 0
    state = tmp_path / "killed.state"
    run = start(state, tmp_path / "killed.nc")
    deadline = time.monotonic() + 120
    saved = set()  # in the middle: the name is claimed first, and each block is saved
    while len(saved) < 6 and run.poll() is None and time.monotonic() < deadline:
        saved |= {state.stat().st_mtime_ns} if state.exists() else set()
        time.sleep(0.001)
    assert len(saved) == 6
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "killed.nc").exists()
    run_name = json.loads(state.read_bytes().partition(b"\n")[0])["run"]
    assert Checkpoint(state, run_name).load()[1] >= 4
    last = start(state, tmp_path / "killed.nc")
    assert last.wait(300) == 0
    one, other = (un.load(tmp_path / name) for name in ("whole.nc", "killed.nc"))
    for group in GROUPS:
        assert one[group].to_dataset().identical(other[group].to_dataset()), group


@pytest.fixture(scope="module")
def problem(lognormals):
    return un.build_problem(lognormals.priors(), model=lognormals.model)


@pytest.fixture
def state(problem, tmp_path):
    path = tmp_path / "run.state"
    un.stream(problem, 2**12, checkpoint=path)
    return path


def test_a_finished_run_gives_its_answer_at_once(problem, state, monkeypatch):
    seen = []
    again = un.stream(problem, 2**12, checkpoint=state, watch=seen.append)
    assert seen == []
    fresh = un.stream(problem, 2**12)
    assert np.array_equal(again["prior_sketch"]["y"].values, fresh["prior_sketch"]["y"].values)


def test_an_interruption_keeps_what_was_done(problem, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "EVALUATIONS", 2**16)
    path, seen = tmp_path / "run.state", []

    def stop_at_third(progress):
        seen.append(progress.done)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        un.stream(problem, 2**19, checkpoint=path, watch=stop_at_third)
    later = []
    found = un.stream(problem, 2**19, checkpoint=path, watch=lambda s: later.append(s.done))
    assert later[0] == 4 * 2**16
    fresh = un.stream(problem, 2**19)
    assert np.array_equal(
        found["prior_sketch"]["y_moments"].values, fresh["prior_sketch"]["y_moments"].values
    )


@pytest.mark.parametrize("place", [10, -200, -1])
def test_a_damaged_checkpoint_is_refused(problem, state, place):
    content = bytearray(state.read_bytes())
    content[place] ^= 0x20
    state.write_bytes(content)
    with pytest.raises(un.InputError, match=r"delete it to start anew") as caught:
        un.stream(problem, 2**12, checkpoint=state)
    assert str(caught.value).startswith(str(state))


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"[1]\nx", b"\x00\xff"])
def test_what_is_no_checkpoint_is_refused(problem, state, content):
    state.write_bytes(content)
    with pytest.raises(un.InputError, match="is not a checkpoint of this version"):
        un.stream(problem, 2**12, checkpoint=state)


def test_half_a_checkpoint_is_refused(problem, state):
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(un.InputError, match="is damaged"):
        un.stream(problem, 2**12, checkpoint=state)


def test_a_checkpoint_of_another_run_is_refused(problem, state, lognormals):
    other = un.build_problem(lognormals.priors(), model=lambda a, b, c: a * b / c)
    moved = un.build_problem(lognormals.priors(), model=lognormals.model, given={"a": 2.5})
    for call in (
        lambda: un.stream(problem, 2**12, seed=1, checkpoint=state),
        lambda: un.stream(problem, 2**13, checkpoint=state),
        lambda: un.stream(other, 2**12, checkpoint=state),
        lambda: un.stream(moved, 2**12, checkpoint=state),
        lambda: un.stream(problem, 2**12, checkpoint=state, largest=2),
    ):
        with pytest.raises(un.InputError, match="belongs to another run"):
            call()


def test_a_folder_is_no_checkpoint(problem, tmp_path):
    with pytest.raises(un.InputError, match="cannot be read"):
        un.stream(problem, 2**12, checkpoint=tmp_path)


def test_nothing_but_the_file_is_left(state):
    assert [path.name for path in state.parent.iterdir()] == [state.name]


def test_every_byte_of_a_checkpoint_is_guarded(problem, state):
    """One byte in each of 60 places, and every byte of its first line."""
    content = state.read_bytes()
    first = content.index(b"\n") + 1
    places = [*range(first), *np.linspace(first, len(content) - 1, 60).astype(int)]
    checkpoint = Checkpoint(state, json.loads(content[:first])["run"])
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 0x08
        state.write_bytes(damaged)
        with pytest.raises(un.InputError, match="is damaged|is not a checkpoint"):
            checkpoint.load()
    for length in np.linspace(0, len(content) - 1, 20).astype(int):
        state.write_bytes(content[:length])
        with pytest.raises(un.InputError, match="is damaged|is not a checkpoint"):
            checkpoint.load()


def test_a_name_is_claimed_before_any_draw_and_no_other_file_is_replaced(problem, tmp_path):
    path = tmp_path / "run.state"
    one, other = (Checkpoint(path, name) for name in ("one", "other"))
    one.load()
    with pytest.raises(un.InputError, match="belongs to another run"):
        other.load()  # of a second run that began while the first computes
    one.save(0, 3, [], {})
    assert one.load() == (0, 3, [], {})
    path.write_text("a letter")
    with pytest.raises(un.InputError, match="is not a checkpoint of this version"):
        one.save(0, 4, [], {})
    assert path.read_text() == "a letter"


@pytest.mark.parametrize("name", ["file/state", "x" * 300, "nul\0", "pipe"])
def test_what_cannot_be_written_is_said_before_any_draw(problem, tmp_path, name):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    seen = []
    with pytest.raises(un.InputError, match=r"cannot be (read|written): "):
        un.stream(problem, 2**12, checkpoint=tmp_path / name, watch=seen.append)
    assert seen == []
