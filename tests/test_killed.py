"""Whoever kills a command, at whatever moment, finds each file as it was or as it would be."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

import uncertainty as un

# Forks a process for each command, before JAX has started its threads: importing takes the longest.
SERVER = """
import importlib, os, sys
from uncertainty import cli
import uncertainty as un
for name in un.__all__:
    getattr(un, name)
import matplotlib.figure, matplotlib.backends.backend_svg, matplotlib.backends.backend_agg, seaborn
from uncertainty.sampling import blocks
blocks.EVALUATIONS = 2**16
importlib.import_module("uncertainty.sampling.stream")._SAVE_EVERY_S = 0.0
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        sys.argv = ["uncertainty", *line.split()]
        try:
            cli.main()
        except SystemExit as ended:
            os._exit(ended.code or 0)
        os._exit(1)
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
FILES = {
    "p.yaml": "schema: 1\nassumptions: {a: {lognormal: {median: 2, sigma: 0.5}}, b: {lognormal: {median: 3, sigma: 0.3}}}\n",
    "m.py": "def f(a, b): return {'y': a * b}\n",
    "l.yaml": "schema: 1\nmodel: flops\nextends: epoch\nevidence: [e.yaml]\n"
    "assumptions: {utilization: {lognormal: {p5: 0.03, p95: 0.2}}}\n",
    "e.yaml": "schema: 1\nobserves: energy_wh\nerror: {lognormal: {sigma: 0.1}}\ncolumns: [value]\nrows: [[0.4], [0.5]]\n",
}
LOG = "energy [J],output_tokens,requests,duration [s],gpus,gpu,model,precision\n{},900000,3000,600,1,h100-sxm,llama-3.1-8b,bf16\n"
FILES |= {f"{number}.csv": LOG.format(180000 + 9000 * number) for number in (0, 1)}
COMMANDS = {
    "run": "run p.yaml --model m.py:f --draws 64",
    "rank": "rank p.yaml --model m.py:f --method tornado --draws 64",
    "infer": "infer l.yaml --draws 16 --chains 2 --warmup 10 --export learned.yaml",
    "stream": "run p.yaml --model m.py:f --draws 1000000 --checkpoint STATE",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    # What is killed leaves half of a compilation: none that another test would read.
    apart = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=folder, text=True, env=apart,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip

    def start(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield folder, start, lambda: int(process.stdout.readline())
    process.stdin.close()
    process.stdout.close()
    process.wait()


def contents(folder, name):
    """Every file of one command, without the time at which it was written."""
    clock = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
    paths = [*(folder / name).glob("[!.]*"), *folder.glob("learned.yaml")]
    return {
        path.name: clock.sub(b"", path.read_bytes().split(b"\nuncertainty result, sha256")[0])
        for path in paths
    }


def ends(status):
    return status in (0, 3)  # so few draws are not to be trusted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "moments"), [("run", 16), ("rank", 12), ("infer", 12), ("stream", 10)]
)
def test_every_file_is_the_old_one_or_the_new_one(server, name, moments):
    folder, start, status = server
    # One question, of which each seed gives other numbers, into one folder.
    lines = [
        f"{COMMANDS[name]} --out {name} --seed {seed}".replace("STATE", f"{seed}.state")
        for seed in (0, 1)
    ]
    known, took = [], 0.0
    for line in lines:
        began = time.monotonic()
        start(line)
        assert ends(status())
        known.append(contents(folder, name))
        took = time.monotonic() - began
    first = folder / name / ".unfinished" / ("ranking.csv" if name == "rank" else "run.nc")
    randomly = random.Random(name)
    killed, moment = 0, 0
    while killed < moments:
        moment += 1
        state = folder / f"{moment % 2}.state"
        if randomly.random() < 0.5:
            state.unlink(missing_ok=True)  # else the next run goes on from it
        pid, began = start(lines[moment % 2]), time.monotonic()
        if moment % 4:  # while it writes; else at any moment
            while not first.exists() and time.monotonic() < began + took:
                time.sleep(0.001)
            time.sleep(randomly.uniform(0, 0.3 * took))
        else:
            time.sleep(randomly.uniform(0, took))
        with suppress(ProcessLookupError):  # it came to its end before
            os.kill(pid, signal.SIGKILL)
        killed += status() == -signal.SIGKILL
        for path, content in contents(folder, name).items():
            assert content in [found.get(path) for found in known], (moment, path)
        if name != "rank":
            assert un.load(folder / name / "run.nc")
    start(lines[0])
    assert ends(status())
    assert contents(folder, name) == known[0]
    assert not list(folder.rglob(".un*"))


@pytest.mark.slow
def test_an_import_leaves_the_old_file_or_the_new_one(server):
    folder, start, status = server
    target, known, took = folder / "imported.yaml", [], 0.0
    for number in (0, 1):
        began = time.monotonic()
        start(f"import {number}.csv --out imported.yaml --force")
        assert status() == 0
        known.append(target.read_bytes())
        took = time.monotonic() - began
    assert known[0] != known[1]
    randomly, killed = random.Random(0), 0
    for moment in range(100):
        pid = start(f"import {moment % 2}.csv --out imported.yaml --force")
        time.sleep(randomly.uniform(0, took))
        with suppress(ProcessLookupError):  # it came to its end before
            os.kill(pid, signal.SIGKILL)
        killed += status() == -signal.SIGKILL
        assert target.read_bytes() in known, moment
        if killed == 8:
            break
    assert killed == 8
    start("import 0.csv --out imported.yaml --force")
    assert status() == 0
    assert target.read_bytes() == known[0]
