"""A posterior exported as a prior file gives the same answers."""

import numpy as np
import pytest

import uncertainty as un
from uncertainty.health import ess_bulk

TEXT = """schema: 1
title: Mine
model: flops
extends: epoch
assumptions:
  utilization: {lognormal: {p5: 0.03, p95: 0.2}, truncate: {high: 1}}
  power_fraction: {beta: {p5: 0.45, p95: 0.92}}
  spread: {lognormal: {p5: 0.1, p95: 0.4}}
"""
EVIDENCE = {
    "schema": 1, "observes": "energy_wh", "error": {"lognormal": {"sigma": 0.1}},
    "random_effect": {"column": "who", "sd": "spread"}, "columns": ["who", "value"],
    "rows": [["a", 0.4], ["b", 0.5], ["c", 0.45]],
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    (folder / "mine.yaml").write_text(TEXT)
    tree = un.infer(un.build_problem(str(folder / "mine.yaml"), evidence=EVIDENCE), draws=2000)
    return folder, tree, un.export_priors(tree, folder / "learned.yaml")


def test_the_file_gives_the_posteriors_figures_within_what_it_says_it_loses(exported):
    folder, tree, lost = exported
    problem = un.build_problem(str(folder / "learned.yaml"))
    one = (
        un.summarize(un.simulate(problem), quantities=["energy_wh"])
        .sel(statistic="typical")
        .squeeze()
    )
    other = un.summarize(tree, quantities=["energy_wh"]).sel(statistic="typical").squeeze()
    row = lost.sel(quantity="energy_wh")
    for key in ("median", "lower", "upper"):
        assert abs(float(one[key] / other[key] - 1) - float(row[key])) < 5 * float(row[f"{key}_se"])
        # What the best family leaves is no sampling error: 5 % is the most that we let pass.
        assert abs(float(row[key])) < 0.05 + 5 * float(row[f"{key}_se"])


def test_dependence_is_kept(exported):
    from scipy.stats import spearmanr

    folder, tree, _ = exported
    draws = un.simulate(un.build_problem(str(folder / "learned.yaml")), draws=2**13)["prior"]
    names = ("utilization", "power_fraction")
    found, errors = [], []
    for group in (draws, tree["posterior"]):
        pair = [np.asarray(group[name].values) for name in names]
        rho = float(spearmanr(*(values.ravel() for values in pair)).statistic)
        found.append(rho)
        # Bonett and Wright (2000), Psychometrika 65, 23.
        count = min(ess_bulk(values) for values in pair)
        errors.append(np.sqrt((1 + rho**2 / 2) / count) * (1 - rho**2))
    assert found[1] > 0.2
    assert abs(found[0] - found[1]) < 5 * np.hypot(*errors)


def test_the_file_tells_where_it_comes_from_and_has_no_evidence_left(exported):
    folder, _, _ = exported
    text = (folder / "learned.yaml").read_text()
    assert "Evidence: evidence (sha256" in text
    assert "the prior was lognormal" in text
    assert not un.build_problem(str(folder / "learned.yaml")).has_evidence
    assert sorted(p.name for p in folder.glob("*.yaml")) == ["learned.yaml", "mine.yaml"]


def test_only_a_posterior_from_a_file_can_be_exported(tmp_path):
    with pytest.raises(un.InputError, match="no posterior"):
        un.export_priors(un.simulate(un.build_problem("epoch"), draws=64), tmp_path / "x.yaml")
    law = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    evidence = {
        "schema": 1,
        "observes": "y",
        "error": {"normal": {"sd": 1}},
        "columns": ["value"],
        "rows": [[1]],
    }
    tree = un.infer(un.build_problem(law, model=lambda x: x, evidence=evidence), draws=8, warmup=8)
    with pytest.raises(un.InputError, match="no file"):
        un.export_priors(tree, tmp_path / "x.yaml")
    assert not list(tmp_path.iterdir())
