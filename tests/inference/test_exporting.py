"""A posterior exported as a prior file gives the same answers."""

import json
from collections import OrderedDict

import numpy as np
import pytest

import uncertainty as un
from uncertainty.inference import export as exporting
from uncertainty.inference.export import may_be_written
from uncertainty.results.estimate import ess_bulk
from uncertainty.sampling import description as recall

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
        # What the best family leaves is not a sampling error: 5 % is the most that we let pass.
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


OWN = {
    "base.yaml": "schema: 1\nextends: epoch\nassumptions: {power_fraction: {fixed: 0.7}}\n",
    "priors/gpt-4o.yaml": "schema: 1\ntitle: Not the shipped one\nevidence: [../measured.yaml]\nmodel: flops\n"
    "extends: ../base.yaml\nassumptions: {utilization: {lognormal: {p5: 0.03, p95: 0.2}}}\n",
    "measured.yaml": "schema: 1\nobserves: energy_wh\nerror: {lognormal: {sigma: 0.1}}\n"
    "columns: [value]\nrows: [[0.4], [0.5]]\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Files named like shipped ones, and a posterior of so few draws that it is unhealthy."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "priors").mkdir()
    for name, text in OWN.items():
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        problem = un.build_problem("priors/gpt-4o.yaml")
        tree = un.infer(problem, draws=8, chains=2, warmup=10, prior_draws=64)
        un.save(tree, folder / "run.nc")
        yield folder, tree


def test_an_export_extends_the_file_it_came_from_though_a_shipped_one_has_its_name(few):
    folder, tree = few
    un.export_priors(tree, folder / "learned.yaml")
    layers = un.build_problem("learned.yaml").priors.layers
    paths = [layer.document.path for layer in layers]
    assert paths[-3:] == [folder / "base.yaml", folder / "priors" / "gpt-4o.yaml", folder / "learned.yaml"]  # fmt: skip
    assert tree.attrs["priors"] == "./priors/gpt-4o.yaml"


def test_a_source_that_no_bibliography_has_is_a_comment_whatever_it_says(few):
    folder, tree = few
    cited = tree.copy()
    evidence = json.loads(tree.attrs["evidence"])
    sources = ("evil: \n  - y # <b>", "epoch2025")
    cited.attrs["evidence"] = json.dumps([{**evidence[0], "source": text} for text in sources])
    un.export_priors(cited, folder / "cited.yaml")
    text = (folder / "cited.yaml").read_text()
    assert "\n# Source of evidence: evil:" in text
    assert "\n  - y" not in text


def test_a_shipped_file_is_extended_beside_another_of_its_name(few, tmp_path):
    (tmp_path / "epoch.yaml").write_text("schema: 1\n")
    text = exporting._text(few[1], un.build_problem("epoch"), tmp_path / "learned.yaml")
    (tmp_path / "learned.yaml").write_text(text)
    priors = un.load_priors(tmp_path / "learned.yaml")
    assert priors.layers[0].document.label == "priors/epoch.yaml"


def test_a_place_from_which_the_prior_cannot_be_extended_is_refused_by_its_name(few, tmp_path):
    _, tree = few
    text = rf"^{tmp_path}/learned.yaml: could not extend \./priors/gpt-4o.yaml"
    with pytest.raises(un.InputError, match=text):
        un.export_priors(tree, tmp_path / "learned.yaml")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [*OWN, "link.yaml"])
def test_an_export_never_replaces_an_input(few, name):
    folder, tree = few
    link = folder / "link.yaml"
    link.unlink(missing_ok=True)
    link.symlink_to(folder / "base.yaml")
    with pytest.raises(un.InputError, match="is an input, which is never written over"):
        un.export_priors(tree, folder / name)
    assert {key: (folder / key).read_text() for key in OWN} == OWN


def test_files_of_another_program_are_replaced_only_by_force(few):
    folder, tree = few
    problem, other = un.build_problem("priors/gpt-4o.yaml"), folder / "thesis.docx"
    other.write_bytes(b"PK\x03\x04")
    with pytest.raises(un.InputError, match="uncertainty did not write it"):
        may_be_written(other, problem, force=False)
    may_be_written(other, problem, force=True)
    with pytest.raises(un.InputError, match="is an input"):
        may_be_written(folder / "base.yaml", problem, force=True)
    un.export_priors(tree, folder / "again.yaml")
    may_be_written(folder / "again.yaml", problem, force=False)


def test_doubts_go_into_the_file_and_are_repeated_by_what_is_computed_from_it(few):
    folder, tree = few
    doubts = json.loads(tree.attrs["warnings"])
    assert any("effective draws" in text for text in doubts)
    un.export_priors(tree, folder / "doubtful.yaml")
    (folder / "later.yaml").write_text("schema: 1\nextends: doubtful.yaml\n")
    found = un.simulate(un.build_problem("later.yaml"), draws=64)
    repeated = json.loads(found.attrs["warnings"])
    assert {f"doubtful.yaml: {text}" for text in doubts} <= {*repeated}


@pytest.mark.parametrize("name", OWN)
def test_a_result_of_files_that_changed_since_is_refused_by_name(few, name, monkeypatch):
    folder, tree = few
    file = folder / name
    file.write_text(OWN[name].replace("0.7", "0.6").replace("0.4", "0.3").replace("0.2", "0.3"))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(recall, "_RECENT", OrderedDict())  # as in another process
            with pytest.raises(un.InputError, match=rf"{name} has changed since"):
                recall.problem_of(un.load(folder / "run.nc"))
        if name != "measured.yaml":  # which the export does not extend
            with pytest.raises(un.InputError, match=rf"{name} has changed since"):
                un.export_priors(tree, folder / "late.yaml")
            assert not (folder / "late.yaml").exists()
    finally:
        file.write_text(OWN[name])
    monkeypatch.setattr(recall, "_RECENT", OrderedDict())
    assert (
        recall.problem_of(un.load(folder / "run.nc")).central()
        == un.build_problem("priors/gpt-4o.yaml").central()
    )
