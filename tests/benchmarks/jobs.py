"""One job, written for each package as its own users would: `python jobs.py NAME DRAWS REPETITIONS`.

Six uncertain inputs (two lognormal, two beta, two uniform) to the 5, 50 and 95 % quantiles of the
energy of a query in Wh. Prints one line of JSON: seconds of each repetition, the quantiles found, the
package's version and the process's peak memory.
"""

import json
import math
import resource
import sys
import time
from importlib.metadata import version

LEVELS = (0.05, 0.5, 0.95)
PEAK = 9.89e14


def energy(parameters, tokens, utilization, power_w, power_fraction, overhead):
    """Wh of one query."""
    joules = 2.0 * parameters * tokens / (PEAK * utilization) * power_w * power_fraction * overhead
    return joules / 3600.0


SIX = {
    "parameters": {"lognormal": {"median": 1e11, "sigma": 0.5}},
    "tokens": {"lognormal": {"median": 500, "sigma": 0.6}},
    "utilization": {"beta": {"alpha": 4, "beta": 36}},
    "power_w": {"uniform": {"low": 1000, "high": 1500}},
    "power_fraction": {"beta": {"alpha": 14, "beta": 6}},
    "overhead": {"uniform": {"low": 1.05, "high": 1.4}},
}


def problem_of_six():
    """The job for this package."""
    import uncertainty as un

    return un.build_problem({"schema": 1, "assumptions": SIX}, model=energy)


def of_uncertainty():
    """Summaries of a stream, each figure with its standard error."""
    import uncertainty as un

    problem = problem_of_six()

    def run(draws, seed):
        row = un.summarize(un.stream(problem, draws, seed)).isel(quantity=0, statistic=0)
        return [float(row[key]) for key in ("lower", "median", "upper")]

    return run, "llm-energy-uncertainty"


def drawn_by_numpy(rng, draws):
    """Draws of the output."""
    return energy(
        rng.lognormal(math.log(1e11), 0.5, draws), rng.lognormal(math.log(500), 0.6, draws),
        rng.beta(4, 36, draws), rng.uniform(1000, 1500, draws), rng.beta(14, 6, draws),
        rng.uniform(1.05, 1.4, draws),
    )  # fmt: skip


def of_numpy():
    """One array after the other."""
    import numpy as np

    def run(draws, seed):
        return np.quantile(drawn_by_numpy(np.random.default_rng(seed), draws), LEVELS).tolist()

    return run, "numpy"


def of_numpy_threads():
    """Chunks that fit the cache, on two threads, with the fastest generator."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    pool, chunk = ThreadPoolExecutor(2), 2**18

    def half(seed, draws):
        rng, values = np.random.Generator(np.random.SFC64(seed)), np.empty(draws)
        for start in range(0, draws, chunk):
            part = values[start : start + chunk]
            part[:] = drawn_by_numpy(rng, len(part))
        return values

    def run(draws, seed):
        seeds = np.random.SeedSequence(seed).spawn(2)
        parts = pool.map(half, seeds, (draws // 2, draws - draws // 2))
        return np.quantile(np.concatenate(list(parts)), LEVELS).tolist()

    return run, "numpy"


def of_squigglepy():
    """An expression of distributions."""
    import squigglepy as sq

    parameters = sq.lognorm(norm_mean=math.log(1e11), norm_sd=0.5)
    tokens = sq.lognorm(norm_mean=math.log(500), norm_sd=0.6)
    utilization, power_fraction = sq.beta(4, 36), sq.beta(14, 6)
    power_w, overhead = sq.uniform(1000, 1500), sq.uniform(1.05, 1.4)
    speed = utilization * PEAK
    model = parameters * tokens * 2.0 / speed * power_w * power_fraction * overhead / 3600.0

    def run(draws, seed):
        sq.set_seed(seed)
        found = sq.get_percentiles(sq.sample(model, n=draws), [5, 50, 95])
        return [float(found[level]) for level in (5, 50, 95)]

    return run, "squigglepy"


def of_openturns():
    """A joint distribution and a symbolic function."""
    import openturns as ot

    joint = ot.JointDistribution([
        ot.LogNormal(math.log(1e11), 0.5), ot.LogNormal(math.log(500), 0.6), ot.Beta(4, 36, 0, 1),
        ot.Uniform(1000, 1500), ot.Beta(14, 6, 0, 1), ot.Uniform(1.05, 1.4),
    ])  # fmt: skip
    formula = f"2*p*t/({PEAK!r}*u)*w*f*o/3600"
    model = ot.SymbolicFunction(["p", "t", "u", "w", "f", "o"], [formula])

    def run(draws, seed):
        ot.RandomGenerator.SetSeed(seed)
        values = model(joint.getSample(draws))
        return [values.computeQuantilePerComponent(level)[0] for level in LEVELS]

    return run, "openturns"


def of_chaospy():
    """A joint distribution and the same function."""
    import chaospy as cp
    import numpy as np

    joint = cp.J(
        cp.LogNormal(math.log(1e11), 0.5), cp.LogNormal(math.log(500), 0.6), cp.Beta(4, 36),
        cp.Uniform(1000, 1500), cp.Beta(14, 6), cp.Uniform(1.05, 1.4),
    )  # fmt: skip

    def run(draws, seed):
        values = energy(*joint.sample(draws, rule="random", seed=seed))
        return np.quantile(values, LEVELS).tolist()

    return run, "chaospy"


JOBS = {
    "uncertainty": of_uncertainty,
    "NumPy": of_numpy,
    "NumPy, two threads": of_numpy_threads,
    "squigglepy": of_squigglepy,
    "OpenTURNS": of_openturns,
    "chaospy": of_chaospy,
}


def main(name, draws, repetitions):
    """Time a job, after one run of it that is not counted: imports and compilation."""
    run, package = JOBS[name]()
    run(min(draws, 10**6), 0)
    taken = []
    for seed in range(1, repetitions + 1):
        start = time.perf_counter()
        quantiles = run(draws, seed)
        taken.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"seconds": taken, "quantiles": quantiles, "version": version(package)}
    print(json.dumps({**found, "peak_mib": peak}))


if __name__ == "__main__":
    main(sys.argv[1], int(float(sys.argv[2])), int(sys.argv[3]))
