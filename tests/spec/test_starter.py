"""The starting file says the same as what it starts from, and reads back."""

import numpy as np
import pytest

import uncertainty as un
from uncertainty.spec import parse_yaml, shipped_names, starting_file

NAMES = [name for name in shipped_names() if "/" not in name]


def every_scenario(source):
    """The file as stated, and each of its scenarios."""
    priors = un.load_priors(source)
    return [un.build_problem(priors, scenario=s) for s in (None, *priors.scenarios)]


def written(source, problems=None):
    """What `uncertainty init` writes."""
    used = {n for problem in problems or every_scenario(source) for n in problem.used}
    return starting_file(un.load_priors(source), used)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_says_the_same(name, tmp_path):
    path = tmp_path / "my.yaml"
    problems = every_scenario(name)
    path.write_text(written(name, problems))
    first, second = problems[0], un.build_problem(path)
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
    path.write_text(written(name))
    for scenario in un.load_priors(name).scenarios:
        central = [un.build_problem(p, scenario=scenario).central() for p in (name, path)]
        assert central[0] == pytest.approx(central[1], rel=1e-12)


def test_gives_the_same_draws(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(written("gpt-4o"))
    trees = [un.simulate(un.build_problem(p), draws=128) for p in ("gpt-4o", path)]
    first, second = (tree["prior_predictive"]["energy_wh"].values for tree in trees)
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_is_commented():
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
