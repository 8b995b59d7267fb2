"""How fast posteriors are: `python tests/benchmarks/posterior.py` prints the table.

Six inputs and three measurements, 4 x (1000 + 1000) draws, against PyMC with nutpie: every call in a
process of its own, in turns, after imports; then whole processes, as from a shell. Writes
`figures/speed/posterior.json` with date, machine and versions.
"""

import contextlib
import importlib
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from jobs import PEAK, SIX, energy

FIGURES = Path(__file__).parents[2] / "figures" / "speed"
MEASURED, ERROR = (0.24, 0.34, 0.42), 0.3
REPETITIONS = 5
PRIOR = {"schema": 1, "assumptions": SIX}


def evidence(values):
    """Three measurements, their errors lognormal."""
    error = {"lognormal": {"sigma": ERROR}}
    return {
        "schema": 1,
        "observes": "y",
        "error": error,
        "columns": ["value"],
        "rows": [[v] for v in values],
    }


def of_uncertainty():
    """The whole of `infer`: prior, posterior, checks."""
    import uncertainty as un

    for module in ("arviz_stats.base", "dask.array", "numpyro.infer", "scipy.stats"):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)  # imported on first use
    assert un.build_problem
    assert un.infer  # their modules load here

    def run(seed):
        values = [value * (1 + seed / 100) for value in MEASURED]
        problem = un.build_problem(PRIOR, model=energy, evidence=evidence(values))
        posterior = un.infer(problem, seed=seed)["posterior"]
        return {name: posterior[name].values for name in SIX}

    return run


def of_nutpie():
    """The same model as a PyMC user writes it."""
    import logging

    import numpy as np

    importlib.import_module("nutpie")  # imported on first use
    import pymc as pm
    import pytensor.tensor as pt

    logging.getLogger("pymc").setLevel(logging.ERROR)

    def run(seed):
        with pm.Model():
            p = pm.LogNormal("parameters", math.log(1e11), 0.5)
            n = pm.LogNormal("tokens", math.log(500), 0.6)
            u = pm.Beta("utilization", 4, 36)
            w = pm.Uniform("power_w", 1000, 1500)
            f = pm.Beta("power_fraction", 14, 6)
            o = pm.Uniform("overhead", 1.05, 1.4)
            wh = 2 * p * n / (PEAK * u) * w * f * o / 3600
            values = np.log(MEASURED) + math.log1p(seed / 100)
            pm.Normal("y", pt.log(wh), ERROR, observed=values)
            draws = pm.sample(
                draws=1000,
                tune=1000,
                chains=4,
                cores=2,
                random_seed=seed,
                nuts_sampler="nutpie",
                progressbar=False,
            )
        return {name: draws.posterior[name].values for name in SIX}

    return run


JOBS = {"uncertainty": of_uncertainty, "PyMC with nutpie": of_nutpie}


def in_process(name):
    """Seconds of a first and a second call, with the least effective draws of the first."""
    from uncertainty.results.estimate import ess_bulk

    run, taken, effective = JOBS[name](), [], []
    for seed in range(2):
        start = time.perf_counter()
        draws = run(seed)
        taken.append(time.perf_counter() - start)
        effective.append(min(ess_bulk(own) for own in draws.values()))
    return {"first_s": taken[0], "next_s": taken[1], "ess": effective[0]}


def shell(command, folder, environment):
    """Seconds of a whole process."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return time.perf_counter() - start


def with_files(folder):
    """Write the six inputs and their measurements as a user would; gives the command."""
    (folder / "six.yaml").write_text(json.dumps({**PRIOR, "evidence": ["measured"]}))
    (folder / "measured.yaml").write_text(json.dumps(evidence(MEASURED)))
    program = str(Path(sys.executable).with_name("uncertainty"))
    return [
        program,
        "infer",
        "six.yaml",
        "--model",
        f"{Path(__file__).with_name('jobs.py')}:energy",
    ]


def measured(name, environment):
    """One process of `in_process`."""
    command = [sys.executable, __file__, name]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def once(folder):
    """Every measurement once; compilations are kept in a folder that is new, then not."""
    plain = {**os.environ, "XDG_CACHE_HOME": str(folder / "home")}
    kept = {
        **plain,
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05",
    }
    command = with_files(folder)
    peer = [sys.executable, __file__, "PyMC with nutpie", "once"]
    calls = {
        "uncertainty, nothing kept": measured("uncertainty", kept),
        "uncertainty, compilations kept": measured("uncertainty", kept),
        "PyMC with nutpie": measured("PyMC with nutpie", plain),
    }
    shells = {
        "uncertainty infer, nothing kept": shell(command, folder, plain),
        "uncertainty infer, compilations kept": shell(command, folder, plain),
        "script with PyMC and nutpie": shell(peer, folder, plain),
    }
    return calls, shells


def main():
    """Measure, print, keep."""
    turns = []
    for _ in range(REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            turns.append(once(Path(folder)))
    calls = {
        name: {key: statistics.median(turn[0][name][key] for turn in turns) for key in found}
        for name, found in turns[0][0].items()
    }
    shells = {name: statistics.median(turn[1][name] for turn in turns) for name in turns[0][1]}
    for name, found in calls.items():
        print(
            f"| {name} | first {found['first_s']:.3g} s | next {found['next_s']:.3g} s | {found['ess']:.0f} effective |"
        )
    for name, seconds in shells.items():
        print(f"| {name} | {seconds:.3g} s |")
    versions = {
        name: importlib.metadata.version(name)
        for name in ("llm-energy-uncertainty", "jax", "numpyro", "pymc", "nutpie")
    }
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions,
    }
    FIGURES.joinpath("posterior.json").write_text(
        json.dumps({**facts, "calls": calls, "shell_s": shells}, indent=1)
    )


if __name__ == "__main__":
    if sys.argv[2:]:
        JOBS[sys.argv[1]]()(0)
    elif sys.argv[1:]:
        print(json.dumps(in_process(sys.argv[1])))
    else:
        main()
