"""How long commands take: `python tests/benchmarks/commands.py [ENTRY ...] [--count N]`.

Every figure is the median of whole processes on a terminal, in seconds and as a multiple of B: the
seconds that `import numpyro, xarray, seaborn, arviz_stats` takes, measured in turns with the rest.
"First" starts from an empty cache folder each time; all others once what can be kept is kept. Without
names every entry is measured, and `figures/speed/commands.json` written with date, machine and versions.
`--list` names the entries.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

FIGURES = Path(__file__).parents[2] / "figures" / "speed"
IMPORTS = "import numpyro, xarray, seaborn, arviz_stats"
PROGRAM = "import sys; from uncertainty.cli import main; sys.argv[0] = 'uncertainty'; main()"
SENTENCE = b"credible interval"  # of the answer

# What is typed, and at most how many B it may take; seconds where it ends in s.
COMMANDS = {
    "help": ("--help", "0.1 s"),
    "version": ("--version", "0.1 s"),
    "list": ("list priors", "0.2"),
    "check": ("check gpt-4o", "0.5"),
    "check, own file": ("check plain.yaml", "0.5"),
    "check, changed": ("check changed.yaml", "0.5"),
    "check, wrong": ("check wrong.yaml", "0.5"),
    "init": ("init new.yaml --force", "0.3"),
    "ledger": ("ledger", "1.5"),
    "compare": ("compare gpt-4o gpt-4", "1.5"),
    "rank": ("rank gpt-4o", "1.5"),
    "run": ("run gpt-4o", "1.5"),
    "run, first": ("run gpt-4o", "4"),
    "run, all scenarios": ("run gpt-4o --scenario all", "2.5"),
    "infer 64 rows": ("infer roofline-efficiency --draws 2000 --resample", "3"),
    "infer 64 rows, first": ("infer roofline-efficiency --draws 2000 --resample", "-"),
}
# In one process, imported: seconds.
INSIDE = {
    "build gpt-4o": "0.3 s",
    "build another of its structure": "0.1 s",
    "simulate": "0.5 s",
    "summarize": "0.05 s",
    "rank by Sobol'": "0.5 s",
    "save run.nc": "0.3 s",
    "size of run.nc, MB": "8",
}


def shipped():
    """A run of every shipped file."""
    from uncertainty.files import shipped_names

    return {f"run {name}": (f"run {name}", "1.5") for name in shipped_names()}


def on_terminal(command, folder, cache):
    """Seconds of a process, seconds until its answer's sentence, and its peak memory in MB."""
    environment = {**os.environ, "UNCERTAINTY_CACHE": str(cache), "COLUMNS": "100"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    ours, theirs = pty.openpty()
    start, text, sentence = time.perf_counter(), b"", None
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    while True:
        try:
            part = os.read(ours, 2**16)
        except OSError:  # Linux: whoever wrote has gone
            break
        if not part:
            break
        text += part
        if sentence is None and SENTENCE in text:
            sentence = time.perf_counter() - start
    os.close(ours)
    _, status, usage = os.wait4(process.pid, 0)
    seconds, process.returncode = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
    # A file that is wrong, and a result that is not to be trusted, are answers too.
    if process.returncode not in (0, 2, 3):
        raise RuntimeError(f"{command}: {text.decode(errors='replace')}")
    return {"seconds": seconds, "sentence": sentence, "peak_mb": usage.ru_maxrss * 1024 / 1e6}


def with_files(folder):
    """Write a file without evidence, and one that is wrong."""
    text = (Path(__file__).parents[2] / "priors" / "gpt-4o.yaml").read_text()
    text = text.replace("assumptions:\n", "evidence: []\nassumptions:\n", 1)
    (folder / "plain.yaml").write_text(text)
    (folder / "wrong.yaml").write_text(text.replace("p5: 1.0e11", "p5: -1.0e11"))
    return text


def measured(name, typed, count):
    """One entry and B, in turns."""
    command, turns = [sys.executable, "-c", PROGRAM, *typed.split()], []
    with tempfile.TemporaryDirectory() as place:
        folder, text = Path(place), with_files(Path(place))
        for i in range(count + 1):
            (folder / "changed.yaml").write_text(text.replace("p5: 1.0e11", f"p5: {1 + i / 9}e11"))
            cache = folder / (f"cache{i}" if name.endswith("first") else "cache")
            base = on_terminal([sys.executable, "-c", IMPORTS], folder, cache)["seconds"]
            turns.append({**on_terminal(command, folder, cache), "base": base})
    turns = turns[1:]  # after one that is not counted: it reads from the disk, and keeps
    return {
        key: None if turns[0][key] is None else statistics.median(turn[key] for turn in turns)
        for key in turns[0]
    }


def inside():
    """Seconds of calls in this process, once imported and, but for building, once called."""
    import uncertainty as un

    assert un.build_problem, un.simulate  # their modules load here
    assert un.summarize, un.rank_inputs
    un.build_problem({"schema": 1, "assumptions": {"x": {"fixed": 1}}}, model=lambda x: x)
    found = {}

    def timed(name, call):
        start = time.perf_counter()
        result = call()
        found[name] = time.perf_counter() - start
        return result

    problem = timed("build gpt-4o", lambda: un.build_problem("gpt-4o"))
    with tempfile.TemporaryDirectory() as place:
        own = Path(place) / "own.yaml"
        text = (Path(__file__).parents[2] / "priors" / "gpt-4o.yaml").read_text()
        own.write_text(text.replace("p5: 1.0e11", "p5: 1.1e11"))
        timed("build another of its structure", lambda: un.build_problem(str(own)))
        for seed in range(2):
            tree = timed("simulate", lambda seed=seed: un.simulate(problem, seed=seed))
            timed("summarize", lambda tree=tree: un.summarize(tree))
            ranked = {"method": "sobol", "by": "block", "seed": seed}
            timed("rank by Sobol'", lambda ranked=ranked: un.rank_inputs(problem, **ranked))
            timed("save run.nc", lambda tree=tree: un.save(tree, Path(place) / "run.nc"))
        found["size of run.nc, MB"] = (Path(place) / "run.nc").stat().st_size / 1e6
    return found


def all_inside(count):
    """Medians of `inside` over processes that share what is kept."""
    with tempfile.TemporaryDirectory() as cache:
        environment, turns = {**os.environ, "UNCERTAINTY_CACHE": cache}, []
        for _ in range(count + 1):
            command = [sys.executable, __file__, "--inside"]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            turns.append(json.loads(done.stdout))
    return {name: statistics.median(turn[name] for turn in turns[1:]) for name in INSIDE}


def machine():
    """Name the machine, and what ran on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    names = ("jax", "numpyro", "xarray", "seaborn", "arviz-stats")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{model}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in names},
    }


def main():
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entry", nargs="*")
    for name in ("list", "inside"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--count", type=int, default=5, help="whole processes of each")
    asked = parser.parse_args()
    if asked.inside:
        print(json.dumps(inside()))
        return
    commands = {**COMMANDS, **shipped()}
    if asked.list:
        print("\n".join([*commands, "inside"]))
        return
    names, facts, kept = asked.entry or [*commands, "inside"], machine(), {}
    print("; ".join(map(str, facts.values())))
    print("| entry | seconds | B | at most | sentence (B) | peak MB |\n|---|---|---|---|---|---|")
    for name in names:
        if name == "inside":
            kept[name] = all_inside(asked.count)
            for what, value in kept[name].items():
                print(f"| {what} | {value:.3g} | | {INSIDE[what]} | | |")
            continue
        typed, limit = commands[name]
        found = kept[name] = measured(name, typed, asked.count)
        base = found["base"]
        sentence = f"{found['sentence'] / base:.2f}" if found["sentence"] else ""
        print(
            f"| {name} | {found['seconds']:.3g} | {found['seconds'] / base:.2f} | {limit} "
            f"| {sentence} | {found['peak_mb']:.0f} |",
            flush=True,
        )
    if not asked.entry:
        FIGURES.joinpath("commands.json").write_text(json.dumps({**facts, **kept}, indent=1))


if __name__ == "__main__":
    main()
