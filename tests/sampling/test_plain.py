"""Models in plain Python: as many calls as draws, and posteriors by weights."""

import json
import math

import jax
import numpy as np
import pytest
from scipy.optimize import brentq

import uncertainty as un
from uncertainty.report.posterior import fit_sentences

SIGMAS, ERROR, VALUES = {"a": 0.8, "b": 0.6}, 0.3, [2.0, 3.0, 2.5]
EVIDENCE = {
    "schema": 1,
    "observes": "y",
    "error": {"lognormal": {"sigma": ERROR}},
    "columns": ["value"],
    "rows": [[value] for value in VALUES],
}


def priors(**more):
    laws = {name: {"lognormal": {"median": 1, "sigma": s}} for name, s in SIGMAS.items()}
    return {"schema": 1, "assumptions": {**laws, **more}}


class Solver:
    """A root, found by SciPy; counts how often."""

    vectorized = False

    def __init__(self):
        self.calls = 0

    def __call__(self, a, b):
        self.calls += 1
        assert isinstance(a, float)
        return brentq(lambda y: math.log(y) - math.log(a * b), 1e-9, 1e9)


def posterior():
    """Mean and sd of the logarithm of y, exactly."""
    variance = sum(s**2 for s in SIGMAS.values())
    gain = variance / (variance + ERROR**2 / len(VALUES))
    return gain * np.log(VALUES).mean(), math.sqrt(variance * (1 - gain))


def test_there_are_as_many_calls_as_draws():
    solver = Solver()
    problem = un.build_problem(priors(), model=solver)
    assert solver.calls == 1
    tree = un.simulate(problem, draws=64)
    assert solver.calls == 1 + 64
    found = tree["prior_predictive"]["y"].values
    np.testing.assert_allclose(found, tree["prior"]["a"].values * tree["prior"]["b"].values)
    un.summarize(tree)
    un.rank_inputs(tree, method="correlation")
    assert solver.calls == 1 + 64
    per_query = priors(c={"lognormal": {"median": 1, "sigma": 1}, "varies": "query"})
    solver = Solver()
    problem = un.build_problem(per_query, model=lambda a, b, c: solver(a, b * c), vectorized=False)
    tree = un.simulate(problem, draws=32, queries=16)
    assert solver.calls == 1 + 32 * 16
    assert np.isfinite(un.summarize(tree)["mcse_median"]).all()


def test_designed_rankings_call_at_their_points_and_say_how_often():
    solver = Solver()
    problem = un.build_problem(priors(), model=solver)
    found = un.rank_inputs(problem, draws=256)
    assert f"was called {solver.calls - 1} times" in found.attrs["note"]
    assert solver.calls - 1 <= 256 * (2 + len(SIGMAS))
    exact = np.array([s**2 for s in SIGMAS.values()]) / sum(s**2 for s in SIGMAS.values())
    total = found.sel(input=list(SIGMAS))
    assert (abs(total["total"] - exact) < 5 * total["total_se"] + 1e-9).all()
    with pytest.raises(un.InputError, match="has no slopes"):
        un.rank_inputs(problem, method="derivative")
    with pytest.raises(un.InputError, match="too slow for a stream: use simulate"):
        un.stream(problem, draws=512)


def test_the_posterior_is_that_of_weights_and_exact():
    solver = Solver()
    tree = un.infer(un.build_problem(priors(), model=solver, evidence=EVIDENCE))
    assert solver.calls == 1 + 4000
    assert json.loads(tree.attrs["warnings"]) == []
    assert tree.attrs["pareto_k"] < 0.7
    mean, sd = posterior()
    found = np.log(tree["posterior_predictive"]["y"].values)
    assert abs(found.mean() - mean) < 5 * sd / math.sqrt(found.size)
    assert abs(found.std() - sd) < 5 * sd / math.sqrt(2 * found.size)
    assert "by importance sampling" in " ".join(fit_sentences(tree, un.check_fit(tree)))
    predicted = np.log(un.predict(tree, [{}, {"a": 2.0, "b": 3.0}])["y"].values)
    assert abs(predicted[:, 1].mean() - math.log(6)) < 5 * ERROR / math.sqrt(len(predicted))
    expected = un.check_prior(un.build_problem(priors(), solver, evidence=EVIDENCE))
    assert expected["rows"].values.tolist() == [3]


@pytest.mark.filterwarnings("ignore:rows 1-40")  # of rows that the prior did not expect
def test_a_posterior_that_weights_hardly_reach_is_marked():
    far = {**EVIDENCE, "rows": [[50.0]] * 40}
    tree = un.infer(un.build_problem(priors(), model=Solver(), evidence=far), draws=100)
    assert "effective draws" in tree.attrs["warnings"]


def test_a_model_without_slopes_is_learned_from_by_weights():
    def model(a, b):
        return jax.lax.while_loop(lambda s: s[0] < 1, lambda s: (s[0] + 1, s[1] * b), (0, a))[1]

    tree = un.infer(un.build_problem(priors(), model=model, evidence=EVIDENCE), draws=500)
    assert tree.attrs["sampler"] == "the model has no slopes"
    mean, sd = posterior()
    found = np.log(tree["posterior_predictive"]["y"].values)
    assert abs(found.mean() - mean) < 5 * sd / math.sqrt(found.size)


def test_calls_that_fail_are_counted_and_said():
    def model(a, b):
        if a > 2:
            raise ValueError("too large")
        return a * b

    unused = {"c": {"lognormal": {"median": 1, "sigma": 1}}}  # not an argument of the model
    tree = un.simulate(un.build_problem(priors(**unused), model, vectorized=False), draws=256)
    high = int((tree["prior"]["a"].values > 2).sum())
    assert int(np.isnan(tree["prior_predictive"]["y"].values).sum()) == high > 0
    said = f"ValueError: too large; {high} of 257 calls failed, taken as NaN"
    assert said in tree.attrs["warnings"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda a, b: (a, b), "gives a tuple"),
        (lambda a, b: math.sqrt(-a), r"failed at .*test_plain.py:\d+: ValueError"),
        (lambda a, b: [][0], "IndexError"),
        ("flops", "vectorized>: is for a function of your own"),
    ],
)
def test_plain_python_that_cannot_serve_is_refused_at_once(model, message):
    with pytest.raises(un.InputError, match=message):
        un.build_problem(priors(), model=model, vectorized=False)
