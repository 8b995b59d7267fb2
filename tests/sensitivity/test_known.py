"""Value of information from draws, against closed forms."""

import numpy as np
import pytest

import uncertainty as un
from uncertainty.sensitivity.known import value_of_draws
from uncertainty.sensitivity.sample import Sample

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
        off = (found.values[name] - exact) / found.errors[name]
        assert (np.abs(off) < 4).all(), (name, off)
        assert (found.errors[name] < (0.05 if memory else 0.02)).all()
    width, error = found.extras["width_now"]
    assert abs(width - np.exp(2 * 1.6448536 * np.sqrt(variance))) < 4 * error


def test_what_jumps_waves_or_has_few_values_is_found():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((16, 1000, 3))
    x[..., 2] = np.floor(2 * x[..., 2])
    parts = np.stack([x[..., 0] > 0.37, 0.5 * np.sin(3 * x[..., 1]), 0.3 * x[..., 2] ** 2], -1)
    y = parts.sum(-1)
    found = value_of_draws(Sample(tuple("abc"), tuple(x), tuple(y)), 0.9, "linear", 1.0)
    shares = parts.reshape(-1, 3).var(0) / y.var()
    off = (found.values["variance_reduction"] - shares) / found.errors["variance_reduction"]
    assert (np.abs(off) < 4).all()
    assert (found.values["decision"] >= -4 * found.errors["decision"]).all()


def test_a_constant_has_nothing_to_know():
    x = np.random.default_rng(5).standard_normal((4, 100, 2))
    sample = Sample(("a", "b"), tuple(x), tuple(np.full((4, 100), 7.0)))
    found = value_of_draws(sample, 0.9, "linear", 8.0)
    for name, values in found.values.items():
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
    for method, told in (("tornado", "only a prior allows"), ("pawn", "give the result of infer")):
        table = un.rank_inputs(problem, method=method)
        assert table.attrs["group"] == "prior"
        assert told in table.attrs["note"]
