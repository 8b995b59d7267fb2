"""How long, against NumPy in the same run: `pytest -m benchmark -n 0 -rP`. Figures are printed, not judged."""

import statistics
import time

import numpy as np
import pytest

import uncertainty as un
from uncertainty.precision import in_float64
from uncertainty.sampling import simulate

LAWS = {
    "parameters": {"lognormal": {"median": 1e11, "sigma": 0.5}},
    "tokens": {"lognormal": {"median": 400, "sigma": 0.8}},
    "utilization": {"beta": {"alpha": 4, "beta": 36}},
    "power_fraction": {"beta": {"alpha": 14, "beta": 6}},
    "power_w": {"uniform": {"low": 1200, "high": 1600}},
    "overhead": {"uniform": {"low": 1.05, "high": 1.4}},
}
DRAWS = 2**17


def energy(parameters, tokens, utilization, power_fraction, power_w, overhead):
    joules = 2 * parameters * tokens / (989e12 * utilization) * power_w * power_fraction * overhead
    return joules / 3600


def by_numpy(seed):
    rng = np.random.default_rng(seed)
    values = energy(
        rng.lognormal(np.log(1e11), 0.5, DRAWS), rng.lognormal(np.log(400), 0.8, DRAWS),
        rng.beta(4, 36, DRAWS), rng.beta(14, 6, DRAWS), rng.uniform(1200, 1600, DRAWS),
        rng.uniform(1.05, 1.4, DRAWS),
    )  # fmt: skip
    return np.quantile(values, [0.05, 0.5, 0.95])


def seconds(call):
    taken = []
    for seed in range(1, 8):
        start = time.perf_counter()
        call(seed)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


@pytest.mark.benchmark
def test_draws_to_quantiles_against_numpy():
    problem = un.build_problem({"schema": 1, "assumptions": LAWS}, model=energy)
    run = in_float64(lambda seed: un.summarize(simulate(problem, DRAWS, seed), 0.9))
    run(0)
    ours, peer = seconds(run), seconds(by_numpy)
    row = run(1).isel(quantity=0, statistic=0)
    spread = np.std([by_numpy(seed) for seed in range(40)], axis=0)
    gain = (spread / [float(row[f"mcse_{k}"]) for k in ("lower", "median", "upper")]) ** 2
    print(
        f"\n{DRAWS} draws to three quantiles: {ours:.3f} s, numpy {peer:.3f} s, ratio {peer / ours:.2f}"
    )
    print(
        f"draws of numpy to the same standard error (P5, median, P95): {gain.round(1)} times as many"
    )
