"""A misspelt name is a fault everywhere: a sentence with the names known and the nearest."""

from functools import partial

import pytest

import uncertainty as un

LAWS = {
    "a": {"lognormal": {"median": 1, "sigma": 0.5}},
    "t": {"varies": "query", "lognormal": {"median": 1, "sigma": 0.5}},
}


def model(a, t):
    return {"energy_wh": a * t, "water_ml": 2 * a * t}


@pytest.fixture(scope="module")
def made():
    problem = un.build_problem({"schema": 1, "assumptions": LAWS}, model=model)
    tree = un.simulate(problem, draws=64)
    streamed = un.stream(problem, draws=64, quantities=["energy_wh"])
    return problem, tree, streamed


WRONG = {"quantity": "energy_w", "statistic": "typcal", "scale": "lin", "group": "priors"}
KNOWN = {"quantity": "energy_wh", "statistic": "typical", "scale": "linear", "group": "prior"}
ASKED = {
    ("summarize", "group"): lambda p, t: partial(un.summarize, t),
    ("exceedance", "quantity"): lambda p, t: partial(un.exceedance, t, 1.0),
    ("exceedance", "statistic"): lambda p, t: partial(un.exceedance, t, 1.0),
    ("exceedance", "group"): lambda p, t: partial(un.exceedance, t, 1.0),
    ("share_per_query", "quantity"): lambda p, t: partial(un.share_per_query, t),
    ("share_per_query", "scale"): lambda p, t: partial(un.share_per_query, t),
    ("share_per_query", "group"): lambda p, t: partial(un.share_per_query, t),
    ("rank_inputs", "quantity"): lambda p, t: partial(un.rank_inputs, p),
    ("rank_inputs", "statistic"): lambda p, t: partial(un.rank_inputs, p),
    ("rank_inputs", "scale"): lambda p, t: partial(un.rank_inputs, p),
    ("rank_draws", "quantity"): lambda p, t: partial(un.rank_inputs, t, method="correlation"),
    ("rank_draws", "statistic"): lambda p, t: partial(un.rank_inputs, t, method="correlation"),
    ("compare", "quantity"): lambda p, t: partial(un.compare, {"x": p, "y": p}, draws=64),
    ("explain", "quantity"): lambda p, t: partial(un.explain, p, p, draws=64),
    ("explain", "statistic"): lambda p, t: partial(un.explain, p, p, draws=64),
    ("scenarios", "quantity"): lambda p, t: partial(un.summarize_scenarios, {"x": t}),
    ("write_report", "quantity"): lambda p, t: partial(un.write_report, t, "nowhere"),
    ("write_assumptions", "quantity"): lambda p, t: partial(un.write_assumptions, t, "nowhere"),
    ("write_scenarios", "quantity"): lambda p, t: partial(un.write_scenarios, {"x": t}, "nowhere"),
}


@pytest.mark.parametrize(("function", "option"), ASKED)
def test_a_misspelt_name_is_answered_with_the_nearest(
    made, function, option, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    problem, tree, _ = made
    ask = ASKED[function, option](problem, tree)
    with pytest.raises(un.InputError) as caught:
        ask(**{option: WRONG[option]})
    told = str(caught.value)
    assert WRONG[option] in told
    assert f"did you mean {KNOWN[option]!r}" in told, told
    assert "\n" not in told
    assert not list(tmp_path.iterdir())


def test_what_a_stream_has_not_kept_is_named(made):
    _, _, streamed = made
    for ask in (
        partial(un.summarize, streamed, quantities=["water_ml"]),
        partial(un.exceedance, streamed, 1.0, "water_ml"),
        partial(un.share_per_query, streamed, "water_ml"),
    ):
        with pytest.raises(un.InputError, match="must be one of energy_wh"):
            ask()


def test_the_condition_of_a_ranking_names_an_output_or_an_input(made):
    _, tree, _ = made
    with pytest.raises(un.InputError, match="energy_wh, water_ml.*did you mean 'energy_wh'"):
        un.rank_inputs(tree, method="correlation", where="energy_hw > 1")
