"""Can posteriors be believed? Simulation-based calibration, and one update against two."""

import os

import numpy as np
import pytest
from scipy.stats import chisquare

import uncertainty as un
from uncertainty.health import ess_bulk

FITS = int(os.environ.get("CALIBRATION_FITS", "60"))
RANKS = 20


def model(a, b):
    return {"energy_wh": a * b, "other": a / b}


def stated():
    laws = {
        "a": {"lognormal": {"median": 1, "sigma": 0.8}},
        "b": {"beta": {"alpha": 3, "beta": 2}},
        "spread": {"lognormal": {"median": 0.3, "sigma": 0.5}},
    }
    return {"schema": 1, "assumptions": laws}


def evidence(rows):
    return {
        "schema": 1, "observes": "energy_wh", "error": {"lognormal": {"sigma": "spread"}},
        "columns": ["value"], "rows": [[float(value)] for value in rows],
    }  # fmt: skip


@pytest.mark.slow
def test_ranks_of_the_truth_among_posterior_draws_are_uniform():
    """Talts et al. (2018), arXiv:1804.06788; more fits with CALIBRATION_FITS=400."""
    rng = np.random.default_rng(0)
    truth = un.simulate(un.build_problem(stated(), model=model), draws=2**14)["prior"]
    chosen = rng.choice(2**14, FITS, replace=False)
    ranks = {name: [] for name in ("a", "b", "spread")}
    for seed, place in enumerate(chosen):
        point = {name: float(truth[name].values.ravel()[place]) for name in ranks}
        noise = rng.normal(size=4) * point["spread"]
        rows = point["a"] * point["b"] * np.exp(noise)
        problem = un.build_problem(stated(), model=model, evidence=evidence(rows))
        tree = un.infer(problem, draws=500, warmup=500, seed=seed, prior_draws=32)
        for name, found in ranks.items():
            draws = tree["posterior"][name].values.ravel()[:: 2000 // (RANKS - 1)][: RANKS - 1]
            found.append(int((draws < point[name]).sum()))
    bins = 5 if FITS < 200 else RANKS
    for name, found in ranks.items():
        counts = np.histogram(found, bins, (-0.5, RANKS - 0.5))[0]
        assert chisquare(counts).pvalue > 1e-3 / len(ranks), (name, counts)


@pytest.mark.parametrize(("rows", "how"), [([1.1, 0.9], "weights"), ([9.0] * 12, "refit")])
def test_an_update_in_two_steps_is_one_on_both(rows, how, tmp_path):
    first, more = evidence([0.8, 1.0, 1.2]), evidence(rows)
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nmodel: flops\nextends: epoch\nassumptions:\n"
        "  utilization: {lognormal: {p5: 0.03, p95: 0.2}}\n  spread: {lognormal: {p5: 0.1, p95: 0.4}}\n"
    )
    file = str(tmp_path / "mine.yaml")
    saved = un.save(
        un.infer(un.build_problem(file, evidence=first), draws=2000), tmp_path / "run.nc"
    )
    two = un.update(un.load(saved), more, seed=1)
    one = un.infer(un.build_problem(file, evidence=[first, more]), draws=2000, seed=2)
    assert two.attrs["updated_by"] == how
    for name in ("utilization", "spread"):
        draws = [np.log(tree["posterior"][name].values) for tree in (one, two)]
        errors = [x.std() / np.sqrt(ess_bulk(x)) for x in draws]
        assert abs(draws[0].mean() - draws[1].mean()) < 5 * np.hypot(*errors)
    assert len(two["log_likelihood"].data_vars) == 2


def test_only_a_posterior_is_updated():
    with pytest.raises(un.InputError, match="no posterior to update"):
        un.update(un.simulate(un.build_problem("epoch"), draws=64), "mlenergy-formula")
