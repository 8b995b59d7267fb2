"""Value of information from draws, against closed forms."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

import uncertainty as un
from uncertainty.results import standard_error
from uncertainty.sensitivity.sample import Sample
from uncertainty.sensitivity.value import _Classes, value_of_draws

SLOPES = np.array([1.0, 0.5, 0.7, 0.0])
TIED = np.array([[1, 0.6, 0, 0], [0.6, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_shares_and_widths_of_dependent_draws_are_those_of_a_gaussian_within_their_errors(memory):
    """Also where successive draws are alike, as those of a chain are."""
    rng = np.random.default_rng(3)
    draws = rng.standard_normal((16, 1000, 4))
    for i in range(1, 1000):
        draws[:, i] = memory * draws[:, i - 1] + np.sqrt(1 - memory**2) * draws[:, i]
    inputs = draws @ np.linalg.cholesky(TIED).T
    sample = Sample(tuple("abcd"), tuple(np.exp(inputs)), tuple(inputs @ SLOPES))
    found = value_of_draws(sample, 0.9, "log", None)
    variance = SLOPES @ TIED @ SLOPES
    share = (TIED @ SLOPES) ** 2 / variance
    narrowing = 1 - np.sqrt(1 - share)
    for name, exact in (("variance_reduction", share), ("narrowing", narrowing)):
        off = (found.columns[name][0] - exact) / found.columns[name][1]
        assert (np.abs(off) < 4).all(), (name, off)
        assert (found.columns[name][1] < (0.05 if memory else 0.02)).all()
    width, error = found.columns["width_now"]
    assert abs(width - np.exp(2 * 1.6448536 * np.sqrt(variance))) < 4 * error


def test_what_jumps_waves_or_has_few_values_is_found():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((16, 1000, 3))
    x[..., 2] = np.floor(2 * x[..., 2])
    parts = np.stack([x[..., 0] > 0.37, 0.5 * np.sin(3 * x[..., 1]), 0.3 * x[..., 2] ** 2], -1)
    y = parts.sum(-1)
    found = value_of_draws(Sample(tuple("abc"), tuple(x), tuple(y)), 0.9, "linear", 1.0)
    shares = parts.reshape(-1, 3).var(0) / y.var()
    off = (found.columns["variance_reduction"][0] - shares) / found.columns["variance_reduction"][1]
    assert (np.abs(off) < 4).all()
    assert (found.columns["decision"][0] >= -4 * found.columns["decision"][1]).all()


def test_a_constant_has_nothing_to_know():
    x = np.random.default_rng(5).standard_normal((4, 100, 2))
    sample = Sample(("a", "b"), tuple(x), tuple(np.full((4, 100), 7.0)))
    found = value_of_draws(sample, 0.9, "linear", 8.0)
    for name, (values, _) in found.columns.items():
        assert (values == 0).all(), name


def test_a_posterior_is_ranked_with_the_effect_of_a_system_that_nobody_measured():
    evidence = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": "residual"}},
        "random_effect": {"column": "system", "sd": 0.5},
        "columns": ["system", "value"],
        "rows": [[name, value] for name in "pqr" for value in (1.5, 2.0, 2.5)],
    }
    laws = {"a": 1.0, "b": 0.7, "residual": 0.3}
    assumptions = {k: {"lognormal": {"median": 1, "sigma": s}} for k, s in laws.items()}
    prior = {"schema": 1, "assumptions": assumptions}
    problem = un.build_problem(prior, model=lambda a, b: a * b, evidence=evidence)
    tree = un.infer(problem, draws=1000, prior_draws=64)
    table = un.rank_inputs(tree, method="value")
    assert table.attrs["group"] == "posterior"
    assert set(table["input"].values) == {"a", "b", "system_effect"}  # nothing needs the residual
    assert table["input"].values[0] == "system_effect"  # evidence has settled the product
    for method, told in (
        ("tornado", "because the method chooses its own points"),
        ("pawn", "give the result of infer"),
    ):
        table = un.rank_inputs(problem, method=method)
        assert table.attrs["group"] == "prior"
        assert told in table.attrs["note"]
    given = {"a": 1.2, "residual": 0.3}
    fixed = un.build_problem(
        prior,
        lambda a, b: a * b,
        given,
        evidence={
            **evidence,
            "random_effect": {"column": "system", "sd": 0.5},
            "columns": ["system", "b", "value"],
            "rows": [["p", 1, 1.5], ["q", 2, 2.0]],
        },
    )
    note = un.rank_inputs(fixed, method="tornado").attrs["note"]
    assert "all assumptions that the evidence could inform are fixed" in note
    assert "left out" not in note


def end(level, weight):
    """Quantile of 0.3 z, of which a share lies 10 higher."""

    def excess(y):
        return (1 - weight) * norm.cdf(y / 0.3) + weight * norm.cdf((y - 10) / 0.3) - level

    return brentq(excess, -5, 15)


@pytest.mark.parametrize("weight", [0.0, 0.03, 0.045, 0.049, 0.051, 0.055, 0.07])
def test_widths_of_classes_are_calibrated_where_their_end_lies_at_a_gap(weight):
    """Over 200 seeds: all classes misread such an end to one side, which their spread hides."""
    rng = np.random.default_rng(7)
    rows = 0.3 * rng.standard_normal((200 * 32, 256))
    rows += 10 * (rng.random(rows.shape) < weight)
    classes = _Classes.of_rows(rows)
    widths, misread = (f(0.9).reshape(200, 32) for f in (classes.widths, classes.misread))
    errors = np.hypot(standard_error(widths.T), misread.mean(1))
    off = (widths.mean(1) - end(0.95, weight) + end(0.05, weight)) / errors
    assert (np.abs(off) < 4.5).all()
    if not weight:  # nothing is added where nothing repeats or leaves a gap
        assert 0.8 < off.std() < 1.25
        assert misread.mean() < 0.2 * errors.mean()


def test_values_that_repeat_are_misread_where_another_is_near_and_not_elsewhere():
    rng = np.random.default_rng(8)
    for weight, least, most in ((0.049, 1, 6), (0.2, 0, 1e-3)):
        rows = 10.0 * (rng.random((512, 256)) < weight)
        assert least <= _Classes.of_rows(rows).misread(0.9).mean() <= most


@pytest.mark.parametrize("weight", [0.049, 0.051])
def test_what_a_factor_buys_at_a_gap_is_within_its_error(weight):
    """Given `a` the output has two values, the upper one with a chance close to 5 %."""
    laws = {
        "a": {"normal": {"mean": 0, "sd": 0.3}},
        "b": {"choice": {"options": [0, 10], "weights": [1 - weight, weight]}},
    }
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, b: a + b)
    now = end(0.95, weight) - end(0.05, weight)
    left = {"a": 10.0 if weight > 0.05 else 0.0, "b": 0.6 * norm.ppf(0.95)}
    for source in (problem, un.simulate(problem)):
        table = un.rank_inputs(source, method="value", scale="linear")
        assert abs(float(table["width_now"]) - now) < 4.5 * float(table["width_now_se"])
        for name, width in left.items():
            row = table.sel(input=name)
            assert abs(float(row["width"]) - width) < 4.5 * float(row["width_se"]), name
            assert abs(float(row["narrowing"]) - 1 + width / now) < 4.5 * float(row["narrowing_se"])


def test_ends_beyond_the_draws_take_more_points_or_are_not_known(lognormals):
    problem = un.build_problem(lognormals.priors(), model=lognormals.model)
    table = un.rank_inputs(problem, method="value", prob=0.99)
    row, left = table.sel(input="a"), np.sqrt(lognormals.total**2 - 0.8**2)
    off = float(row["narrowing"]) - 1 + left / lognormals.total
    assert abs(off) < 4.5 * float(row["narrowing_se"])
    assert float(row["narrowing_se"]) < 0.05
    with pytest.raises(un.InputError, match=r"<prob>: must be at most 0.9999"):
        un.rank_inputs(problem, method="value", prob=0.99999)
    found = un.rank_inputs(un.simulate(problem, 512), method="value", prob=0.995)
    assert np.isinf(found["narrowing_se"]).all()
    assert np.isinf(found["width_now_se"])
    assert (found["tied_rank"] == 1).all()
