"""How fast, against peers in the same run: `python tests/benchmarks/speed.py` prints the tables.

Every timing is a process of its own. Writes `figures/speed/`: scaling.svg, scaling.png, and
measurements.json with date, machine and versions.
"""

import json
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from jobs import JOBS, of_numpy, of_uncertainty, problem_of_six

FIGURES = Path(__file__).parents[2] / "figures" / "speed"
DRAWS, REPETITIONS, TOLERANCE = 10**7, 5, 1e-3
MANY = 10**9
INPUTS = (4, 8, 16, 32, 64)
SLOW = ("squigglepy", "OpenTURNS", "chaospy")


def timed(name, draws, repetitions):
    """Measure one package in a fresh process; None where it is not installed."""
    script = str(Path(__file__).with_name("jobs.py"))
    command = [sys.executable, script, name, str(draws), str(repetitions)]
    run = subprocess.run(command, capture_output=True, text=True)
    if "ModuleNotFoundError" in run.stderr:
        return None
    found = json.loads(run.stdout)
    return {**found, "draws": draws, "median_s": statistics.median(found["seconds"])}


def in_turns(jobs):
    """Measure packages in turns, so that a change of the machine meets all of them.

    Each job is a number of draws and of repetitions. The median over the turns stands.
    """
    turns = [{name: timed(name, *job) for name, job in jobs.items()} for _ in range(REPETITIONS)]
    found = {name: [turn[name] for turn in turns] for name in jobs if turns[0][name]}
    for runs in found.values():
        runs.sort(key=lambda run: run["median_s"])
    return {
        name: {**runs[REPETITIONS // 2], "turns_s": [run["median_s"] for run in runs]}
        for name, runs in found.items()
    }


def peers():
    """The same number of draws."""
    return in_turns({name: (DRAWS, 1 if name in SLOW else REPETITIONS) for name in JOBS})


def spread(run, draws, seeds):
    """Largest relative standard deviation of the three quantiles between seeds."""
    found = np.array([run(draws, seed) for seed in range(seeds)])
    return float((found.std(0, ddof=1) / found.mean(0)).max())


def to_tolerance():
    """The draws, and the time, that bring the error of all three quantiles under the tolerance."""
    few = 10**5
    plain = int(few * (spread(of_numpy()[0], few, 200) / TOLERANCE) ** 2)
    ours = 2**16
    while spread(of_uncertainty()[0], ours, 60) > TOLERANCE:
        ours = int(1.1 * ours)
    return in_turns({"NumPy": (plain, REPETITIONS), "uncertainty": (ours, 25)})


def sum_of(inputs):
    """A sum of so many inputs of four kinds."""
    import uncertainty as un

    kinds = [
        {"lognormal": {"median": 1, "sigma": 0.5}},
        {"beta": {"alpha": 4, "beta": 36}},
        {"uniform": {"low": 1, "high": 2}},
        {"normal": {"mean": 5, "sd": 1}},
    ]
    laws = {f"x{i}": kinds[i % 4] for i in range(inputs)}
    return un.build_problem({"schema": 1, "assumptions": laws}, model=lambda **x: sum(x.values()))


def seconds_of(jobs):
    """Median seconds of each problem and number of draws, once compiled, in turns."""
    import uncertainty as un

    for problem, _ in jobs.values():
        un.stream(problem, 64)
    taken = {name: [] for name in jobs}
    for seed in range(REPETITIONS):
        for name, (problem, draws) in jobs.items():
            start = time.perf_counter()
            un.stream(problem, draws, seed)
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def scaling():
    """Seconds by inputs and by draws, and the fixed cost: 64 draws."""
    six = problem_of_six()
    sums = {inputs: sum_of(inputs) for inputs in INPUTS}
    return {
        "by_draws": seconds_of({n: (six, n) for n in (64, 10**6, 10**7, 10**8)}),
        "by_inputs": seconds_of({n: (problem, DRAWS) for n, problem in sums.items()}),
        "fixed": seconds_of({n: (problem, 64) for n, problem in sums.items()}),
    }


def blocks():
    """What distribution costs: seconds to compute a block, to add its state, and its size."""
    import pickle

    import uncertainty as un
    from uncertainty.sampling.blocks import run_block

    plans = []
    un.stream(problem_of_six(), 64, watch=lambda progress: plans.append(progress.totals.plan))
    plan = plans[0]
    block = next(iter(plan.blocks(0, 2**20)))
    state = run_block(plan, block)
    computing, adding = [], []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        run_block(plan, block)
        computing.append(time.perf_counter() - start)
        start = time.perf_counter()
        plan.merge(state, state)
        adding.append(time.perf_counter() - start)
    return {
        "draws": len(block) * plan.chains,
        "computing_s": statistics.median(computing),
        "adding_s": statistics.median(adding),
        "bytes": len(pickle.dumps(state)),
    }


def table(columns, rows):
    """Print Markdown."""
    for row in (columns, ["---"] * len(columns), *rows):
        print(f"| {' | '.join(row)} |")
    print()


def draw(found, many):
    """Cost per draw against inputs and draws."""
    import matplotlib as mpl

    mpl.use("Agg")
    import seaborn as sns
    from matplotlib import pyplot as plt

    sns.set_theme("paper", "ticks", "colorblind", font_scale=1.2)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    inputs = np.array(INPUTS)
    each = np.array([found["by_inputs"][n] - found["fixed"][n] for n in INPUTS]) / DRAWS * 1e9
    left.plot(inputs, each, "o-")
    left.set(xlabel="Uncertain inputs", ylabel="Time per draw (ns)", ylim=(0, None), xlim=(0, None))
    left.set_title(f"{DRAWS:.0e} draws", fontsize="medium", loc="left")
    draws = {**found["by_draws"], MANY: many["median_s"]}
    sizes = [n for n in draws if n > 64]
    right.plot(sizes, [(draws[n] - draws[64]) / n * 1e9 for n in sizes], "o-", clip_on=False)
    right.set(xlabel="Draws", ylabel="Time per draw (ns)", xscale="log", ylim=(0, None))
    right.set_title(
        f"Six inputs; fixed cost {1e3 * draws[64]:.0f} ms", fontsize="medium", loc="left"
    )
    sns.despine(figure)
    FIGURES.mkdir(parents=True, exist_ok=True)
    for suffix in ("svg", "png"):
        figure.savefig(FIGURES / f"scaling.{suffix}", dpi=160)


def main():
    """Measure, print, draw, and keep the numbers."""
    found = {"peers": peers(), "tolerance": to_tolerance(), "many": timed("uncertainty", MANY, 3)}
    found |= {"scaling": scaling(), "blocks": blocks()}
    own = found["peers"]["uncertainty"]["median_s"]
    print(f"{DRAWS:.0e} draws of six inputs to three quantiles, median of {REPETITIONS}:\n")
    rows = [
        [name, f["version"], f"{f['median_s']:.3g}", f"{f['median_s'] / own:.3g}"]
        for name, f in found["peers"].items()
    ]
    table(["package", "version", "seconds", "ratio"], rows)
    print(f"To an error of {100 * TOLERANCE:g} % in all three quantiles:\n")
    own = found["tolerance"]["uncertainty"]["median_s"]
    rows = [
        [name, f"{f['draws']:.2g}", f"{f['median_s']:.3g}", f"{f['median_s'] / own:.3g}"]
        for name, f in found["tolerance"].items()
    ]
    table(["package", "draws", "seconds", "ratio"], rows)
    many = found["many"]
    rate = found["peers"]["uncertainty"]["median_s"] / DRAWS / (many["median_s"] / MANY)
    print(
        f"{MANY:.0e} draws: {many['median_s']:.3g} s, peak memory {many['peak_mib']:.0f} MiB, {100 * rate:.0f} % of the rate of {DRAWS:.0e}\n"
    )
    cost = found["blocks"]
    print(
        f"A block of {cost['draws']} draws: {cost['computing_s']:.3g} s to compute, {1e3 * cost['adding_s']:.3g} ms to add, {cost['bytes'] / 1e6:.3g} MB\n"
    )
    print("Seconds:", json.dumps(found["scaling"]))
    draw(found["scaling"], many)
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    (FIGURES / "measurements.json").write_text(json.dumps({**facts, **found}, indent=1))


if __name__ == "__main__":
    main()
