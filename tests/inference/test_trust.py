"""Can posteriors be believed? Simulation-based calibration, and one update against two."""

import json
import os

import numpy as np
import pytest
from scipy.stats import chisquare

import uncertainty as un
from uncertainty.results.estimate import ess_bulk

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
@pytest.mark.filterwarnings("ignore:row")  # one in some hundred truths is a surprise
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


@pytest.mark.filterwarnings("ignore:rows 1-12")  # of rows that the prior did not expect
@pytest.mark.parametrize(
    ("rows", "how"),
    [pytest.param([1.1, 0.9], "weights", marks=pytest.mark.slow), ([9.0] * 12, "refit")],
)
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


def test_many_short_chains_are_updated_though_fewer_draws_are_effective():
    def plain(x):
        return {"y": float(x)}

    rows = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": 3}},
        "columns": ["value"],
    }
    laws = {"x": {"lognormal": {"median": 1, "sigma": 1}}}
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws},
        model=plain,
        evidence={**rows, "rows": [[2.0]]},
        vectorized=False,
    )
    tree = un.infer(problem, draws=4, chains=600)
    again = un.update(tree, {**rows, "rows": [[3.0]]})
    assert again.attrs["updated_by"] == "weights"
    assert dict(again["posterior"].sizes) == {"chain": 600, "draw": 4}


def test_only_a_posterior_is_updated():
    with pytest.raises(un.InputError, match="no posterior to update"):
        un.update(un.simulate(un.build_problem("epoch"), draws=64), "mlenergy-formula")


@pytest.mark.slow
@pytest.mark.parametrize("grouped", [True, False])
def test_nine_rows_of_one_deployment_teach_a_roofline(grouped):
    """One model on one kind of GPU at batches from 1 to 256: healthy without asking for anything."""
    rng = np.random.default_rng(3)
    plain = np.array([22, 11.6, 6.2, 3.4, 2.0, 1.25, 0.8, 0.52, 0.38])  # J per output token
    values = plain * np.exp(0.03 * rng.normal(size=9))
    columns = ["active_parameters", "total_parameters", "batch_size", "model_id", "value"]
    rows = [[7e10, 7e10, 2.0**i, "one", float(value)] for i, value in enumerate(values)]
    conditions = {"hardware": "h100-sxm", "precision": "bfloat16", "gpu_count": 4}
    spreads = {"residual_sd": {"p5": 0.05, "p95": 0.4}, "model_sd": {"p5": 0.08, "p95": 0.6}}
    measured = {
        "schema": 1, "observes": "gpu_energy_per_output_token_j", "statistic": "mean",
        "error": {"lognormal": {"sigma": "residual_sd"}},
        "assumptions": {name: {"lognormal": law} for name, law in spreads.items()},
        "conditions": {**conditions, "output_tokens": 400, "input_tokens": 750, "cached_share": 0},
        "columns": columns, "rows": rows,
    }  # fmt: skip
    if grouped:
        measured["random_effect"] = {"column": "model_id", "sd": "model_sd"}
    else:
        del measured["assumptions"]["model_sd"]
        measured["columns"] = [name for name in columns if name != "model_id"]
        measured["rows"] = [[*row[:3], row[4]] for row in rows]
    problem = un.build_problem("roofline-efficiency", evidence=measured)
    tree = un.infer(problem, draws=500, prior_draws=64)
    assert json.loads(tree.attrs["warnings"]) == []
