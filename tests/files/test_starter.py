"""The starting file says the same as what it starts from, and reads back."""

import numpy as np
import pytest

import uncertainty as un
from uncertainty.files.document import parse_yaml
from uncertainty.files.library import shipped_names
from uncertainty.files.starter import starting_file
from uncertainty.problem import set_up

NAMES = [name for name in shipped_names() if "/" not in name]


def every_scenario(source):
    """The file as stated, and each of its scenarios."""
    priors = un.load_priors(source)
    return [set_up(priors, scenario=s) for s in (None, *priors.scenarios)]


def laws(setup):
    """All that a question's numbers follow from."""
    return {
        name: (item.law, item.unit)
        for name, item in setup.assumptions.items()
        if name in setup.used
    }


def written(source, problems=None):
    """What `uncertainty init` writes."""
    used = {n for problem in problems or every_scenario(source) for n in problem.used}
    return starting_file(un.load_priors(source), used)[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_starting_file_says_the_same(name, tmp_path):
    path = tmp_path / "my.yaml"
    problems = every_scenario(name)
    path.write_text(written(name, problems))
    first, second = un.build_problem(name), un.build_problem(path)
    assert second.priors.title == first.priors.title
    left_out = first.assumptions.keys() - second.assumptions.keys()
    assert not left_out & {used for problem in problems for used in problem.used}
    kept = {n: a for n, a in first.assumptions.items() if n not in left_out}
    assert {n: str(a) for n, a in kept.items()} == {n: str(a) for n, a in second.assumptions.items()}  # fmt: skip
    for key in ("unit", "group", "source", "basis", "varies", "note"):
        expected = {n: getattr(a, key) for n, a in kept.items()}
        assert {n: getattr(a, key) for n, a in second.assumptions.items()} == expected
    assert second.central() == pytest.approx(first.central(), rel=1e-12)
    assert list(second.priors.scenarios) == list(first.priors.scenarios)


@pytest.mark.parametrize("name", ["gpt-4o-mini", "open-llama-70b"])
def test_scenarios_say_the_same(name, tmp_path):
    path = tmp_path / "my.yaml"
    problems = every_scenario(name)
    path.write_text(written(name, problems))
    for first, second in zip(problems, every_scenario(path), strict=True):
        assert laws(second) == laws(first)


def test_a_scenario_keeps_only_the_changes_that_still_matter(tmp_path):
    """The file replaces what an inherited scenario would change: of a base a note, here a fault."""
    source, path = tmp_path / "mine.yaml", tmp_path / "my.yaml"
    source.write_text(
        "schema: 1\nextends: gpt-4o\nassumptions: {output_tokens: {fixed: 300}}\n"
        "scenarios: {both: {output_tokens_median: 900, pue: 1.4}}\n"
    )
    first = every_scenario(source)
    path.write_text(written(source, first))
    second = every_scenario(path)
    assert [*second[0].priors.scenarios] == ["long_input", "reasoning", "both"]
    for old, new in zip(first, second, strict=True):
        assert laws(new) == laws(old)


def test_a_starting_file_gives_the_same_draws(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(written("gpt-4o"))
    trees = [un.simulate(un.build_problem(p), draws=128) for p in ("gpt-4o", path)]
    first, second = (tree["prior_predictive"]["energy_wh"].values for tree in trees)
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_a_starting_file_explains_its_entries():
    text = written("gpt-4o")
    assert (
        "# output_tokens: tokens generated for the query, reasoning included, for each query anew"
        in text
    )
    assert "# hardware: a name of the catalogue: uncertainty list hardware" in text
    assert "uncertainty check FILE" in text
    assert max(len(line) for line in text.splitlines()) <= 120


def test_later_layers_and_odd_texts_survive(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "schema: 1\nmodel: flops\nextends: base/datacenter\nassumptions:\n"
        "  gpu_power_w: {fixed: 650, unit: W, note: 'a: b # c \"d\" \\ e'}\n"
        "  active_parameters: {fixed: 1.5e10, unit: parameters, group: model}\n"
        "  output_tokens: {fixed: 300, note: yes}\n"
        "  tiny: {fixed: 1.234567890123e-7}\n"
    )
    (tmp_path / "top.yaml").write_text(
        "schema: 1\nextends: base.yaml\ntitle: 'null'\nassumptions:\n"
        "  hardware: b200\n  overhead: {expression: 1.5 + 0 * tiny}\n"
        "  active_parameters: {lognormal: {p5: 1.0e10, p95: 2.0e10}}\n"
    )
    top = tmp_path / "top.yaml"
    text = written(top)
    (tmp_path / "new.yaml").write_text(text)
    first, second = un.build_problem(top), un.build_problem(tmp_path / "new.yaml")
    assert first.central() == second.central()
    data = parse_yaml(text)
    assert data["title"] == "null"
    assert "host" not in data["assumptions"]
    assert not {"gpu_power_w", "idle_excess"} & set(data["assumptions"])
    assert data["assumptions"]["tiny"]["fixed"] == 1.234567890123e-7
    assert data["assumptions"]["active_parameters"]["group"] == "model"


@pytest.fixture
def source(tmp_path):
    """A file whose base lies above it, with data, evidence and citations of its own."""
    project = tmp_path / "project"
    (project / "priors" / "evidence").mkdir(parents=True)
    (project / "n.csv").write_text("n\n1\n2\n4\n")
    (project / "priors" / "m.csv").write_text("n\n3\n5\n")
    (project / "priors" / "sources.bib").write_text("@misc{me, title={Mine}}\n")
    (project / "base.yaml").write_text(
        "schema: 1\nassumptions:\n  x: {empirical: {file: n.csv, column: n}, unit: kW}\n"
        "  z: {fixed: 3, unit: kW}\n"
    )
    (project / "priors" / "evidence" / "mine.yaml").write_text(
        "schema: 1\nobserves: energy_wh\nerror: {lognormal: {sigma: 0.1}}\n"
        "columns: [value]\nrows: [[3.0]]\n"
    )
    (project / "priors" / "evidence" / "data").mkdir()
    (project / "priors" / "evidence" / "data" / "n.csv").write_text("n\n0.1\n0.2\n")
    (project / "priors" / "evidence" / "sources.bib").write_text("@misc{me, title={Mine}}\n")
    (project / "priors" / "evidence" / "wide.yaml").write_text(
        "schema: 1\nsource: me\nobserves: energy_wh\nerror: {lognormal: {sigma: sd}}\n"
        "columns: [value]\nrows: [[3.0]]\n"
        "assumptions: {sd: {empirical: {file: data/n.csv, column: n}}}\n"
    )
    top = project / "priors" / "top.yaml"
    inline = "{schema: 1, observes: energy_wh, error: {lognormal: {sigma: 0.1}}, columns: [value], rows: [[2.0]]}"
    top.write_text(
        f'schema: 1\nextends: ../base.yaml\nmodel: flops\ntitle: "One\\nof: two"\nevidence: [mine, wide, {inline}]\n'
        "assumptions:\n  y:\n    mixture: [{weight: 1, fixed: 2}, {weight: 1, empirical: {file: m.csv, column: n}}]\n"
        '    source: me\n    note: "two\\nlines, é"\n  z: 5\n'
        "scenarios: {other: {y: {empirical: {file: m.csv, column: n}}}}\n"
    )
    return top


@pytest.mark.parametrize(
    "folder", ["project/priors", "project/priors/deep/er", "project", "elsewhere"]
)
@pytest.mark.parametrize("inside", [True, False])
def test_data_evidence_and_citations_are_found_from_another_folder(
    source, folder, inside, tmp_path, monkeypatch
):
    from uncertainty.cli.files import init

    target = tmp_path / folder / "new.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path if inside else "/")
    monkeypatch.setattr("uncertainty.problem.set_up", lambda *_, **__: Everything())
    init(target, str(source))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path if inside else "/")
    for more in ({}, {"scenario": "other"}):
        first, second = (
            un.build_problem(str(path), model=model, **more) for path in (source, target)
        )
        laws = [
            {n: (str(a).split("sha256")[-1], a.unit) for n, a in p.assumptions.items()}
            for p in (first, second)
        ]
        assert laws[0] == laws[1]
        assert first.central() == second.central()
        rows = [[x.count for x in p.observations] for p in (first, second)]
        assert rows[0] == rows[1] == [1, 1, 1]
    again = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr("uncertainty.problem.set_up", lambda *_, **__: Everything())
    with pytest.raises(un.InputError, match="exists already"):
        init(target, str(source))
    assert again == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def model(x, y, z):
    return {"energy_wh": x * y * z}


class Everything:
    """A problem that uses all that its file states."""

    files = ()
    used = frozenset("xyz")
