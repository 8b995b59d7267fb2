"""How far a file reaches for others, and how data columns are read."""

import numpy as np
import pytest

import uncertainty as un
from uncertainty.spec import data

MODEL = {"model": lambda **inputs: inputs["x"]}
BASE = "schema: 1\nassumptions: {x: {fixed: 2}}\n"


def extending(name):
    return f"schema: 1\nextends: {name}\nassumptions: {{}}\n"


@pytest.fixture
def tree_of_files(tmp_path):
    (tmp_path / "own" / "deep").mkdir(parents=True)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "own" / "deep" / "base.yaml").write_text(BASE)
    (tmp_path / "tokens.csv").write_text("n\n1\n2\n")
    return tmp_path


def fault_of(path, **more):
    with pytest.raises(un.InputError) as caught:
        un.build_problem(un.load_priors(path, **more), **MODEL)
    return str(caught.value)


@pytest.mark.parametrize("name", ["../base.yaml", "deep/../../base.yaml", "{root}/base.yaml"])
def test_a_base_outside_is_refused_unless_allowed(tree_of_files, name):
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending(name.format(root=tree_of_files)))
    assert "lies outside the folder of the file" in fault_of(top)
    priors = un.load_priors(top, allow_outside=True)
    assert un.build_problem(priors, **MODEL).central() == {"y": 2.0}


def test_a_link_out_of_the_folder_is_outside(tree_of_files):
    (tree_of_files / "own" / "link.yaml").symlink_to(tree_of_files / "base.yaml")
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending("link.yaml"))
    assert "lies outside" in fault_of(top)


def test_inside_and_shipped_are_allowed(tree_of_files):
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending("deep/base.yaml"))
    assert un.build_problem(top, **MODEL).central() == {"y": 2.0}
    (tree_of_files / "own" / "deep" / "base.yaml").write_text(extending("../other.yaml"))
    (tree_of_files / "own" / "other.yaml").write_text(BASE)  # inside the folder of the first file
    assert un.build_problem(top, **MODEL).central() == {"y": 2.0}
    top.write_text("schema: 1\nextends: gpt-4o\nassumptions: {}\n")
    assert un.build_problem(top).model.name == "flops"


def test_a_base_may_not_reach_out_either(tree_of_files):
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending("deep/base.yaml"))
    (tree_of_files / "own" / "deep" / "base.yaml").write_text(extending("../../base.yaml"))
    assert "own/deep/base.yaml:2:1: extends: '../../base.yaml' lies outside" in fault_of(top)


def test_data_outside_is_refused_unless_allowed(tree_of_files, monkeypatch):
    law = "{x: {empirical: {file: ../tokens.csv, column: n}}}"
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(f"schema: 1\nassumptions: {law}\n")
    assert "lies outside" in fault_of(top)
    assert un.build_problem(un.load_priors(top, allow_outside=True), **MODEL)
    monkeypatch.chdir(tree_of_files / "own")
    given = {"x": {"empirical": {"file": "../tokens.csv", "column": "n"}}}
    top.write_text(BASE)
    with pytest.raises(un.InputError, match="lies outside"):
        un.build_problem(top, given=given, **MODEL)
    allowed = un.load_priors(top, allow_outside=True)
    assert un.build_problem(allowed, given=given, **MODEL).central() == {"y": 1.5}


def test_a_column_is_read_in_its_unit(tmp_path):
    (tmp_path / "power.csv").write_text("\ufeffid, draw ,x\n1,0.5,a\n2,0.7,b\n\n3,0.6,c\n")
    laws = {"gpu_power_w": {"empirical": {"file": "power.csv", "column": "draw"}, "unit": "kW"}}
    path = tmp_path / "x.yaml"
    path.write_text(f"schema: 1\nassumptions: {laws}\n")
    problem = un.build_problem(path, model=lambda gpu_power_w: gpu_power_w)
    tree = un.simulate(problem, draws=256)
    draws = tree["prior"]["gpu_power_w"]
    assert float(draws.min()) >= 500
    assert float(draws.max()) <= 700
    assert problem.central()["y"] == 600
    told = draws.attrs["law"]
    assert told.startswith("empirical {file: power.csv, column: draw, 3 values, sha256: ")


def test_a_column_may_be_part_of_a_mixture(tmp_path):
    np.savetxt(tmp_path / "n.csv", np.arange(1, 101), header="n", comments="")
    part = {"weight": 3, "empirical": {"file": "n.csv", "column": "n"}}
    mixed = {"mixture": [{"weight": 1, "fixed": 0}, part], "truncate": {"high": 50}}
    (tmp_path / "x.yaml").write_text(f"schema: 1\nassumptions: {{x: {mixed}}}\n")
    tree = un.simulate(un.build_problem(tmp_path / "x.yaml", **MODEL), draws=1024)
    share = float((tree["prior"]["x"] == 0).mean())
    assert share == pytest.approx(0.25 / (0.25 + 0.75 * 49 / 99), abs=4e-3)
    assert float(tree["prior"]["x"].max()) <= 50


@pytest.mark.parametrize(
    ("name", "limit", "message"),
    [("_LARGEST", 3, "is larger than 3 bytes"), ("_MOST", 2, "has more than 2 values")],
)
def test_too_much_data_is_refused(tmp_path, monkeypatch, name, limit, message):
    (tmp_path / "n.csv").write_text("n\n1\n2\n3\n")
    law = "{empirical: {file: n.csv, column: n}}"
    (tmp_path / "x.yaml").write_text(f"schema: 1\nassumptions: {{x: {law}}}\n")
    monkeypatch.setattr(data, name, limit)
    assert message in fault_of(tmp_path / "x.yaml")


def test_what_is_no_csv_is_refused(tmp_path):
    (tmp_path / "n.csv").write_bytes(b"n\n\xff\n")
    law = "{empirical: {file: n.csv, column: n}}"
    (tmp_path / "x.yaml").write_text(f"schema: 1\nassumptions: {{x: {law}}}\n")
    assert "cannot be read as CSV" in fault_of(tmp_path / "x.yaml")


def test_an_alias_within_bounds_and_a_merge_are_fine(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "schema: 1\nassumptions:\n  a: &law {normal: {mean: 1, sd: 1}, unit: W}\n  b: *law\n"
        "  x: {<<: *law, note: merged}\n"
    )
    problem = un.build_problem(tmp_path / "x.yaml", model=lambda a, b, x: a + b + x)
    assert problem.central() == {"y": 3.0}


def test_a_long_chain_of_files_is_refused(tmp_path):
    (tmp_path / "f0.yaml").write_text(BASE)
    for i in range(1, 30):
        (tmp_path / f"f{i}.yaml").write_text(extending(f"f{i - 1}.yaml"))
    assert un.build_problem(tmp_path / "f15.yaml", **MODEL).central() == {"y": 2.0}
    assert "more than 20 files extend one another" in fault_of(tmp_path / "f29.yaml")


def test_sources_in_any_encoding_are_read_but_not_from_outside(tmp_path):
    text = "schema: 1\nassumptions: {x: {fixed: 1, source: me}}\n"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "x.yaml").write_text(text)
    (tmp_path / "me.bib").write_bytes("@misc{me, author={Jos\u00e9}}".encode("latin-1"))
    (tmp_path / "own" / "sources.bib").symlink_to(tmp_path / "me.bib")
    assert "'me' is no key" in fault_of(tmp_path / "own" / "x.yaml")
    (tmp_path / "own" / "sources.bib").unlink()
    (tmp_path / "me.bib").rename(tmp_path / "own" / "sources.bib")
    assert un.build_problem(tmp_path / "own" / "x.yaml", **MODEL).central() == {"y": 1.0}
