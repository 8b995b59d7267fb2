"""Which run to measure next: against the exact answer of a normal model."""

import numpy as np
import pytest

import uncertainty as un

ERROR = 3.0
PRIOR = {
    "schema": 1,
    "assumptions": {
        "x": {"normal": {"mean": 1, "sd": 1}},
        "z": {"normal": {"mean": 0, "sd": 1}},
    },
}
SEEN = {
    "schema": 1,
    "observes": "y",
    "error": {"normal": {"sd": ERROR}},
    "columns": ["value"],
    "rows": [[1.0]],
}
SLOPES = np.array([0.0, 1.0, -1.0, 2.0])


def line(x, z, a=1.0):
    return {"y": a * x + z}


@pytest.fixture(scope="module")
def tree():
    return un.infer(un.build_problem(PRIOR, model=line, evidence=SEEN), draws=4000)


def exact_reductions():
    """Share of the variance of x + z that observing a x + z would take away."""
    known = np.ones(2)
    covariance = np.eye(2) - np.outer(known, known) / (2 + ERROR**2)
    variance = known @ covariance @ known
    outcomes = np.stack([SLOPES, np.ones(4)], -1)
    shared = outcomes @ covariance @ known
    return shared**2 / ((np.sum(outcomes @ covariance * outcomes, -1) + ERROR**2) * variance)


def test_runs_of_a_normal_model_narrow_as_much_as_the_formula_says(tree):
    plan = un.plan_measurements(tree, {"a": SLOPES.tolist()}, scale="linear")
    exact = exact_reductions()[plan["row"].values]
    off = np.abs(plan["variance_reduction"].values - exact)
    assert (off < 4 * plan["variance_reduction_se"].values).all()
    narrowing = 1 - np.sqrt(1 - exact)  # of any interval of a normal distribution
    off = np.abs(plan["narrowing"].values - narrowing)
    assert (off < 4 * plan["narrowing_se"].values).all()
    assert plan["row"].values.tolist()[:2] == [3, 1]
    assert plan["run"].values.tolist()[0] == "4: a=2.0"
    off = abs(float(plan["width_now"]) - 2 * 1.6449 * np.sqrt(2 - 4 / 11))
    assert off < 4 * float(plan["width_now_se"])


def test_a_run_of_the_system_asked_about_knows_its_effect():
    seen = SEEN | {
        "random_effect": {"column": "group", "sd": 2.0},
        "columns": ["group", "value"],
        "rows": [["one", 1.0], ["two", 3.0]],
    }
    tree = un.infer(un.build_problem(PRIOR, model=line, evidence=seen), draws=4000)
    plan = un.plan_measurements(tree, [{"group": "asked"}, {"group": "new"}, {}], scale="linear")
    by_row = plan.sortby("row")["variance_reduction"].values
    # The effect has a variance of 4; of the rest, below 2, a new group tells little.
    assert by_row[0] > 0.3
    assert (by_row[1:] < 0.1).all()


def test_what_cannot_be_planned_is_refused(tree):
    problem = un.build_problem(PRIOR, model=line)
    with pytest.raises(un.InputError, match="has no posterior"):
        un.plan_measurements(un.simulate(problem, draws=64), [{"a": 1}])
    with pytest.raises(un.InputError, match="is empty"):
        un.plan_measurements(tree, [])
    with pytest.raises(un.InputError, match="slope"):
        un.plan_measurements(tree, [{"slope": 1}])
