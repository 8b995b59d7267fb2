"""Each bad file has one thing wrong with it, and the expected message beside it."""

from pathlib import Path

import pytest

import uncertainty as un

FOLDER = Path(__file__).parents[1] / "bad_files"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_says_what_is_wrong_and_where(path, monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(un.InputError) as caught:
        un.build_problem(path.name)
    assert str(caught.value) + "\n" == path.with_suffix(".txt").read_text()


def test_one_file_with_many_faults_gets_them_all_sorted(monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(un.InputError) as caught:
        un.build_problem("many.yaml")
    places = [(fault.line, fault.column) for fault in caught.value.faults]
    assert len(places) == 11
    assert places == sorted(places)


def test_a_missing_file_is_one_line_with_a_hint():
    with pytest.raises(un.InputError) as caught:
        un.build_problem("gpt4o")
    assert str(caught.value) == "gpt4o: no such file, nor a shipped one; did you mean 'gpt-4o'?"


def test_loading_raises_nothing_and_keeps_the_faults(tmp_path):
    priors = un.load_priors(FOLDER / "many.yaml")
    assert priors.faults
    assert "faults" in repr(priors)
    assert un.load_priors(tmp_path / "nowhere.yaml").document is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"schema: 1\n#" + b"x" * 2_000_001, "is larger than"),
        (b"a: &x [1]\nb: *y\n", "not YAML"),
        (b"", "is empty"),
        (b"schema: 1\na: " + b"[" * 3000 + b"]" * 3000, "nested more than 20 levels"),
        (b"schema: 1\na: &x [*x]\n", "is inside what it repeats"),
        (b"a: \x07\n", r"1:4: has the control character U\+0007"),
        (
            b"schema: 1\nassumptions: {x: {beta: {mean: 2, sd: 1, low: 5, high: 3}}}\n",
            "must be greater than low",
        ),
        (b"schema: 1\nassumptions: {x: {lognormal: {p5: 2, p95: 2}}}\n", "must be greater than p5"),
        (
            b"schema: 1\nassumptions: {x: {normal: {mean: 1, sd: 1}, truncate: {}}}\n",
            "give low, high or both",
        ),
        (b"schema: 1\nassumptions: {x: {mixture: []}}\n", "must have 1 to 100 items"),
        (
            b"schema: 1\nassumptions: {x: {mixture: [{weigth: 1, fixed: 2}]}}\n",
            "did you mean 'weight'",
        ),
        (b"schema: 1\ncorrelations: [{between: [a, b], rnak: 0.5}]\n", "did you mean 'rank'"),
        (b"schema: 1\ncorrelations: [{between: [a], rank: 0.5}]\n", "correlations.0.between"),
        (b"schema: true\nassumptions: {}\n", "must be 1"),
        (b"schema: 1\nassumptions: [1]\n", "must be a mapping of keys"),
        (b"schema: 1\nscenarios: 3\n", "must be a mapping of keys"),
        (b"schema: 1\nassumptions: {}\nscenarios: {a: 3}\n", "must be a mapping of keys"),
        (b"schema: 1\ncorrelations: 3\n", "must be a list"),
        (b"schema: 1\nextends: nowhere\n", "no such file"),
        (b"schema: 1\nassumptions: {x: {fixed: 2024-01-01}}\n", "must be a number"),
        (b"schema: 1\nassumptions: {x: {fixed: '1" + b" " * 500 + b"W!'}}\n", "must be a number"),
        (
            b"schema: 1\nassumptions: {x: {mixture: [" + b"{weight: 1, fixed: 2}," * 101 + b"]}}\n",
            "must have 1 to 100 items",
        ),
        (
            b"schema: 1\nassumptions: {x: {choice: {options: [" + b"1," * 1001 + b"]}}}\n",
            "must have 1 to 1000 items",
        ),
        (
            b"schema: 1\nassumptions: {x: {quantiles: {"
            + b",".join(b"0.%04d: %d" % (i, i) for i in range(1, 202))
            + b"}}}\n",
            "at most 200 probabilities",
        ),
        (b"schema: 1\nassumptions: {x: {expression: " + b"(" * 200 + b"}}\n", "is not arithmetic"),
    ],
)
def test_files_that_cannot_be_read(text, message, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(text)
    with pytest.raises(un.InputError, match=message):
        un.build_problem(path, model=lambda x: x)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "x.yaml").write_text("schema: 1\n")
    monkeypatch.setattr("pathlib.Path.open", _denied)
    with pytest.raises(un.InputError, match="cannot be read: Permission denied"):
        un.build_problem(tmp_path / "x.yaml")


def _denied(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(un.InputError, match="is a folder; name a file in it"):
        un.build_problem(tmp_path)
    with pytest.raises(un.InputError, match=r"no such file: '\.' is a folder"):
        un.build_problem({"schema": 1, "extends": "."})


def test_an_unreadable_base_hides_no_fault_and_adds_none(tmp_path):
    (tmp_path / "base.yaml").write_text("schema: 7\n")
    (tmp_path / "top.yaml").write_text("schema: 1\nextends: base.yaml\ntitel: x\nassumptions: {}\n")
    with pytest.raises(un.InputError) as caught:
        un.build_problem(tmp_path / "top.yaml")
    assert len(caught.value.faults) == 2


def test_evidence_gets_the_faults_of_its_rows_beside_those_of_its_assumptions():
    evidence = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": "noise"}},
        "assumptions": {"noise": {"lognormal": {"median": 0.1}}},
        "columns": ["x", "value"],
        "rows": [[1.0, 2.0], [1.0, None]],
    }
    priors = {"schema": 1, "assumptions": {"x": 1}}
    with pytest.raises(un.InputError) as caught:
        un.build_problem(priors, model=lambda x: {"y": x}, evidence=evidence)
    fields = [fault.field for fault in caught.value.faults]
    assert fields == ["assumptions.noise.lognormal", "rows.1"]
