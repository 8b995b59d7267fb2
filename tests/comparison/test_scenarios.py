"""Scenarios side by side: ratios at common points, against what is known exactly."""

import numpy as np
import pytest
from scipy.stats import norm

import uncertainty as un
from uncertainty.report.result import chance_text

PRIORS = {
    "schema": 1,
    "title": "Two factors",
    "assumptions": {
        "a": {"lognormal": {"median": 2, "sigma": 1.0}},
        "b": {"lognormal": {"median": 3, "sigma": 0.5}},
        "tokens": {"varies": "query", "lognormal": {"median": 100, "sigma": 0.8}},
    },
    "scenarios": {
        "twice": {"a": {"lognormal": {"median": 4, "sigma": 1.0}}},
        "known": {"b": 3},
        "no_queries": {"tokens": 100},
    },
}


def model(a, b, tokens):
    return {"energy_wh": a * b * tokens}


@pytest.fixture(scope="module")
def trees():
    names = {"as stated": None, **{name: name for name in PRIORS["scenarios"]}}
    problems = {k: un.build_problem(PRIORS, model=model, scenario=s) for k, s in names.items()}
    return {k: un.simulate(p, draws=4096) for k, p in problems.items()}


def test_common_points_make_a_factor_exact(trees):
    table = un.summarize_scenarios(trees, 0.8)
    row = table.sel(scenario="twice")
    for key in ("ratio_median", "ratio_lower", "ratio_upper"):
        np.testing.assert_allclose(row[key], 2.0, rtol=1e-12)
        assert float(row[f"mcse_{key}"].max()) < 1e-9


def test_a_ratio_holds_what_the_scenario_changes_and_nothing_else(trees):
    row = un.summarize_scenarios(trees, 0.8).sel(scenario="known", statistic="typical")
    for key, level in (("ratio_lower", 0.1), ("ratio_median", 0.5), ("ratio_upper", 0.9)):
        exact = np.exp(0.5 * norm.ppf(level))
        assert float(row[key]) == pytest.approx(exact, abs=4 * float(row[f"mcse_{key}"]))


def test_the_rest_is_that_of_summarize(trees):
    table = un.summarize_scenarios(trees, 0.8)
    for name, tree in trees.items():
        own = un.summarize(tree, 0.8).sel(quantity="energy_wh")
        for key in own.data_vars:
            np.testing.assert_array_equal(table[key].sel(scenario=name), own[key])
    title = trees["as stated"].attrs["title"]
    assert table.attrs == {"quantity": "energy_wh", "prob": 0.8, "kind": "eti", "subject": title}


def test_no_ratio_where_there_is_none(trees):
    negative = un.build_problem(
        PRIORS, model=lambda a, b, tokens: {"energy_wh": a - b + 0 * tokens}
    )
    other = {"as stated": trees["as stated"], "negative": un.simulate(negative, draws=4096)}
    assert np.isnan(un.summarize_scenarios(other)["ratio_median"].sel(scenario="negative")).all()
    other = {"as stated": trees["as stated"], "fewer": un.simulate(un.build_problem(PRIORS, model=model), draws=512)}  # fmt: skip
    assert np.isnan(un.summarize_scenarios(other)["ratio_median"].sel(scenario="fewer")).all()
    with pytest.raises(un.InputError, match="at least one"):
        un.summarize_scenarios({})


def test_the_report_shows_each(trees, tmp_path):
    written = un.write_scenarios(trees, tmp_path, prob=0.8, above=1000)
    assert [p.name for p in written] == ["scenarios.csv", "scenarios.svg", "report.md"]
    written = un.write_scenarios(trees, tmp_path, prob=0.8, above=1000, png=True)
    assert "scenarios.png" in {path.name for path in written}
    assert (tmp_path / "scenarios.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "report.md").read_text()
    for part in (
        "| twice | typical query |",
        "80 % intervals",
        "over 1000",
        "times as stated",
        "±",
    ):
        assert part in text, part
    assert len((tmp_path / "scenarios.csv").read_text().splitlines()) == 1 + 3 * len(trees)


def test_a_total_is_told_of_no_single_query(tmp_path):
    tokens = {"varies": "query", "lognormal": {"median": 300, "sigma": 1}}
    laws = {"queries_per_day": {"lognormal": {"p5": 5e8, "p95": 4e9}}, "output_tokens": tokens}
    priors = {"schema": 1, "model": {"fleet": "flops"}, "extends": "epoch", "assumptions": laws}
    priors |= {
        "scenarios": {"reasoning": {"output_tokens": {"lognormal": {"p5": 1e3, "p95": 1e4}}}}
    }
    names = {"as stated": None, "reasoning": "reasoning"}
    problems = {k: un.build_problem(priors, scenario=s) for k, s in names.items()}
    quantity = "fleet_power_mw"
    trees = {k: un.simulate(p, draws=512, quantities=[quantity]) for k, p in problems.items()}
    un.write_scenarios(trees, tmp_path, quantity=quantity, above=100)
    text = (tmp_path / "report.md").read_text()
    assert "| reasoning | mean query |" in text
    chance = un.exceedance(trees["reasoning"], 100, quantity, "mean")
    assert 0 < chance[0] < 1
    assert "Chance that fleet_power_mw is over 100 MW: as stated" in text.replace("\\", "")
    assert f"reasoning {chance_text(*chance)}" in text.replace("\\", "")
    for name in ("typical query", "any one query"):
        assert name not in text
