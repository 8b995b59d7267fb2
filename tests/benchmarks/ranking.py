"""How fast rankings are: `python tests/benchmarks/ranking.py` prints the tables.

Sobol' indices against SALib in turns in one process, both with intervals; Shapley effects to a
standard error, the first of each problem with its compilation, each in a process of its own.
Writes `figures/speed/ranking.json` with date, machine and versions.
"""

import importlib.metadata
import json
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

FIGURES = Path(__file__).parents[2] / "figures" / "speed"
ARITHMETIC = Path(__file__).parents[1] / "arithmetic.yaml"  # twelve inputs, some correlated
POINTS, REPETITIONS = 2**16, 5
SHAPLEY = {"8 dependent": 0.002, "12 dependent": 0.002, "gpt-4o, typical query": 0.01}


def sobol_seconds():
    """Median seconds of both on the product of six inputs, on the log scale."""
    import numpy as np
    from jobs import problem_of_six
    from SALib.analyze import sobol as analysis
    from SALib.sample import sobol as sampling

    import uncertainty as un

    names = list("abcdef")
    bounds = {
        "num_vars": 6,
        "names": names,
        "dists": ["lognorm"] * 2 + ["unif"] * 4,
        "bounds": [[0, 0.5]] * 2 + [[0.05, 0.3]] * 2 + [[1, 2]] * 2,
    }

    def peer(seed):
        points = sampling.sample(bounds, POINTS, calc_second_order=False, seed=seed)
        values = np.log(points.prod(1))
        return analysis.analyze(bounds, values, calc_second_order=False, seed=seed)

    problem = problem_of_six()
    runs = {
        "uncertainty": lambda seed: un.rank_inputs(problem, draws=POINTS, seed=seed),
        "SALib": peer,
    }
    taken = {name: [] for name in runs}
    for run in runs.values():
        run(99)
    for seed in range(REPETITIONS):
        for name, run in runs.items():
            start = time.perf_counter()
            run(seed)
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def dependent(size):
    """A weighted sum of normals, correlated in pairs."""
    import uncertainty as un

    laws = {f"x{i}": {"normal": {"mean": 1, "sd": 1 + i / 4}} for i in range(size)}
    pairs = [{"between": [f"x{i}", f"x{i + 1}"], "rank": 0.5} for i in range(0, size - 1, 2)]
    stated = {"schema": 1, "assumptions": laws, "correlations": pairs}
    return un.build_problem(stated, model=lambda **x: sum(x.values()))


def shapley(name):
    """Seconds of the first call once imported, of the second, and the largest standard error."""
    import uncertainty as un

    scale = "log" if name.startswith("gpt") else "linear"
    un.rank_inputs(dependent(2), scale="linear", by="block")  # what is imported on first use
    problem = un.build_problem(ARITHMETIC) if scale == "log" else dependent(int(name.split()[0]))
    taken = []
    for seed in range(2):
        start = time.perf_counter()
        table = un.rank_inputs(problem, method="shapley", scale=scale, seed=seed)
        taken.append(time.perf_counter() - start)
    return {"first_s": taken[0], "next_s": taken[1], "error": float(table["shapley_se"].max())}


def in_fresh_process(name):
    """Measure one of `SHAPLEY`."""
    run = subprocess.run(
        [sys.executable, __file__, name], capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def main():
    """Measure, print, keep."""
    seconds = sobol_seconds()
    versions = {
        "uncertainty": importlib.metadata.version("llm-energy-uncertainty"),
        "SALib": importlib.metadata.version("SALib"),
    }
    print(f"First-order and total indices of six inputs with intervals, N = {POINTS}:")
    for name, taken in seconds.items():
        ratio = taken / seconds["uncertainty"]
        print(f"| {name} | {versions[name]} | {taken:.3g} s | {ratio:.3g} |")
    effects = {name: in_fresh_process(name) for name in SHAPLEY}
    print("Shapley effects:")
    for name, found in effects.items():
        print(
            f"| {name} | first {found['first_s']:.3g} s | next {found['next_s']:.3g} s "
            f"| largest standard error {found['error']:.2g} |"
        )
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions,
    }
    kept = {**facts, "sobol_s": seconds, "shapley": effects}
    (FIGURES / "ranking.json").write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(shapley(sys.argv[1])))
    else:
        main()
