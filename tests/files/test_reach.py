"""How far a file reaches for others, and how data columns are read."""

import shutil

import numpy as np
import pytest

import uncertainty as un
from uncertainty.files import library as data
from uncertainty.files.library import shipped_folder, shipped_names

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


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_file_is_the_same_by_its_name_and_by_its_path(name, monkeypatch, tmp_path):
    by_name = un.load_priors(name)
    assert by_name.faults == ()
    folder = shipped_folder()
    for place, path in ((folder, f"{name}.yaml"), (tmp_path, folder / f"{name}.yaml")):
        monkeypatch.chdir(place)
        found = un.load_priors(path)
        assert (found.label, found.faults) == (f"priors/{name}.yaml", ())
        assert [x.document.text for x in found.layers] == [x.document.text for x in by_name.layers]


def test_a_copy_of_the_library_is_read_like_the_library(monkeypatch, tmp_path):
    """As where the program is installed, and the files of a clone are named by their paths."""
    shutil.copytree(shipped_folder(), tmp_path / "clone" / "priors")
    monkeypatch.chdir(tmp_path / "clone")
    found = un.load_priors("priors/gpt-4o.yaml")
    assert found.faults == ()
    labels = [layer.document.label for layer in found.layers]
    assert "./priors/base/facility.yaml" in labels
    monkeypatch.chdir(tmp_path)
    assert un.load_priors("clone/priors/gpt-4o.yaml").faults == ()
    monkeypatch.chdir("/")
    assert un.load_priors(tmp_path / "clone" / "priors" / "gpt-4o.yaml").faults == ()


@pytest.mark.parametrize("name", ["../base.yaml", "deep/../../base.yaml", "{root}/base.yaml"])
def test_a_base_in_a_folder_above_is_found_and_takes_its_data_along(tree_of_files, name):
    (tree_of_files / "base.yaml").write_text(
        "schema: 1\nassumptions: {x: {empirical: {file: tokens.csv, column: n}}}\n"
    )
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending(name.format(root=tree_of_files)))
    assert un.build_problem(top, **MODEL).central() == {"y": 1.5}
    law = "{x: {empirical: {file: ../tokens.csv, column: n}}}"
    top.write_text(f"schema: 1\nextends: ../base.yaml\nassumptions: {law}\n")
    assert "lies outside" in fault_of(top)  # the base reaches that far, the file itself does not


def test_a_file_in_the_working_folder_reaches_all_of_it(tree_of_files, monkeypatch):
    (tree_of_files / "other").mkdir()
    (tree_of_files / "other" / "base.yaml").write_text(BASE)
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending("../other/base.yaml"))
    assert "lies outside" in fault_of(top)
    monkeypatch.chdir(tree_of_files)
    assert un.build_problem("own/top.yaml", **MODEL).central() == {"y": 2.0}


@pytest.mark.parametrize("name", ["../other/base.yaml", "{root}/other/base.yaml", "link.yaml"])
def test_a_base_elsewhere_is_refused_unless_allowed(tree_of_files, name):
    (tree_of_files / "other").mkdir()
    (tree_of_files / "other" / "base.yaml").write_text(BASE)
    (tree_of_files / "own" / "link.yaml").symlink_to(tree_of_files / "other" / "base.yaml")
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending(name.format(root=tree_of_files)))
    assert "lies outside the folder of the file" in fault_of(top)
    assert "--allow-outside" in fault_of(top)
    priors = un.load_priors(top, allow_outside=True)
    assert un.build_problem(priors, **MODEL).central() == {"y": 2.0}


def test_a_link_stands_for_the_file_that_it_leads_to(tree_of_files, monkeypatch):
    (tree_of_files / "base.yaml").write_text(BASE)
    (tree_of_files / "top.yaml").write_text(extending("base.yaml"))
    own = tree_of_files / "own"
    (own / "far.yaml").symlink_to(tree_of_files / "top.yaml")
    (own / "shipped.yaml").symlink_to(shipped_folder() / "gpt-4o.yaml")
    (own / "on.yaml").write_text(extending("shipped.yaml"))
    monkeypatch.chdir(own)
    assert un.build_problem("far.yaml", **MODEL).central() == {"y": 2.0}
    assert un.load_priors("shipped.yaml").faults == un.load_priors("on.yaml").faults == ()


def test_inside_and_shipped_are_allowed(tree_of_files):
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending("deep/base.yaml"))
    assert un.build_problem(top, **MODEL).central() == {"y": 2.0}
    (tree_of_files / "own" / "deep" / "base.yaml").write_text(extending("../other.yaml"))
    (tree_of_files / "own" / "other.yaml").write_text(BASE)  # inside the folder of the first file
    assert un.build_problem(top, **MODEL).central() == {"y": 2.0}
    top.write_text("schema: 1\nextends: gpt-4o\nassumptions: {}\n")
    assert un.build_problem(top).model.name == "roofline"


def test_a_base_may_not_reach_elsewhere_either(tree_of_files):
    top = tree_of_files / "own" / "top.yaml"
    top.write_text(extending("deep/base.yaml"))
    (tree_of_files / "other").mkdir()
    (tree_of_files / "other" / "base.yaml").write_text(BASE)
    (tree_of_files / "own" / "deep" / "base.yaml").write_text(extending("../../other/base.yaml"))
    assert "own/deep/base.yaml:2:1: extends: '../../other/base.yaml' lies outside" in fault_of(top)


ODD = ["a\0b", "x" * 5000, "\ud800", "\x1b[2J", "/proc/self/mem", "/dev/zero", "", ".", "/"]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_a_path_that_no_system_takes_is_a_fault_wherever_it_stands(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {"empirical": {"file": name, "column": "n"}}
    for file in (
        name,
        {"schema": 1, "extends": name, "assumptions": {"x": {"fixed": 1}}},
        {"schema": 1, "assumptions": {"x": data}},
        {"schema": 1, "evidence": [name], "assumptions": {"x": {"fixed": 1}}},
    ):
        with pytest.raises(un.InputError):
            un.build_problem(un.load_priors(file, allow_outside=True), **MODEL)


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
    [("_LARGEST", 3, "is larger than 3 bytes"), ("_MOST", 2, "has more than 2 rows")],
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
    assert "is not UTF-8 text" in fault_of(tmp_path / "x.yaml")


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
    assert "'me' is not a key" in fault_of(tmp_path / "own" / "x.yaml")
    (tmp_path / "own" / "sources.bib").unlink()
    (tmp_path / "me.bib").rename(tmp_path / "own" / "sources.bib")
    assert un.build_problem(tmp_path / "own" / "x.yaml", **MODEL).central() == {"y": 1.0}


def test_evidence_that_a_call_names_may_lie_anywhere_and_what_a_file_names_may_not(
    tree_of_files, monkeypatch
):
    far, own = tree_of_files / "far.yaml", tree_of_files / "own"
    head = "schema: 1\nobserves: y\nerror: {lognormal: {sigma: 0.1}}\ncolumns: [value]\n"
    far.write_text(head + "rows: [[2.0], [2.1]]\n")
    top = own / "top.yaml"
    top.write_text("schema: 1\nassumptions: {x: {lognormal: {median: 2, sigma: 1}}}\n")
    monkeypatch.chdir(own)
    for name in (str(far), "../far.yaml"):
        [item] = un.build_problem("top.yaml", evidence=name, **MODEL).evidence
        assert (item.name, len(item.rows)) == ("far", 2)
    law = "assumptions: {z: {empirical: {file: ../a.csv, column: n}}}"
    far.write_text(f"{head}rows: [[2.0]]\n{law}\n")
    with pytest.raises(un.InputError, match="lies outside"):  # what it names stays in its folder
        un.build_problem("top.yaml", evidence=str(far), **MODEL)
    top.write_text(f"{top.read_text()}evidence: [{far}]\n")
    assert "lies outside" in fault_of(top)
