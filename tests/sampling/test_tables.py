"""Tables of quantile functions against the laws themselves, and where they are not used."""

import jax
import numpy as np
import pytest
from scipy.special import ndtri

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.sampling.points import tabulate

SMOOTH = {
    "lognormal": {"median": 1e11, "sigma": 2},
    "normal": {"mean": 0, "sd": 1},
    "uniform": {"low": -3, "high": 5},
    "loguniform": {"low": 1e-3, "high": 10},
    "beta": {"alpha": 4, "beta": 36},
    "arcsine": {"low": 0, "high": 1},
    "gamma": {"shape": 2, "scale": 3},
    "student_t": {"df": 2, "loc": 1, "scale": 1},
    "exponential": {"mean": 2},
    "weibull": {"shape": 0.7, "scale": 1},
    "pert": {"low": 1, "mode": 4, "high": 20},
    "quantiles": {0.05: 1, 0.5: 2, 0.95: 8},
}
SHARP = {
    "choice": {"options": [1, 7], "weights": [1, 2]},
    "mixture": [
        {"weight": 0.3, "fixed": 1},
        {"weight": 0.7, "lognormal": {"median": 5, "sigma": 0.3}},
    ],
}


def points():
    """Digits everywhere, and more of them towards both ends; their distance from either end."""
    rng = np.random.default_rng(3)
    digits = rng.integers(0, 2**32, 60_000, dtype=np.uint32)
    digits[:20_000] >>= rng.integers(0, 32, 20_000).astype(np.uint32)
    digits[20_000:40_000] = ~(
        digits[20_000:40_000] >> rng.integers(0, 32, 20_000).astype(np.uint32)
    )
    return np.concatenate([digits, np.array([0, 1, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)])


def scores(digits, rest):
    low = (digits.astype(np.float64) + rest) * 2.0**-32
    high = ((~digits).astype(np.float64) + 1 - rest) * 2.0**-32
    return np.where(low < 0.5, ndtri(low), -ndtri(high))


def problem_of(laws):
    stated = {name: {name: law} for name, law in laws.items()}
    return un.build_problem({"schema": 1, "assumptions": stated}, model=lambda **x: sum(x.values()))


@pytest.fixture(scope="module")
def smooth():
    return problem_of(SMOOTH)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("rest", [2.0**-20, 1 - 2.0**-20])
@in_float64
def test_a_table_agrees_with_its_law_to_the_last_point_of_both_tails(smooth, name, rest):
    digits = points()
    tables = tabulate(smooth.joint, (name,))
    assert tables.tabulated == (name,)
    found = np.asarray(tables.look_up(digits[None], np.array([rest]))[0][name])
    law = next(node.law for node in smooth.joint.nodes if node.name == name)
    exact = np.asarray(jax.vmap(lambda z: law.quantile(z, {}))(scores(digits, rest)))
    spread = np.subtract(*np.quantile(exact[20_000:], [0.75, 0.25]))
    assert (np.abs(found - exact) <= 2e-7 * np.maximum(np.abs(exact), spread)).all()


@pytest.mark.parametrize("median", [1e-60, 1e60])
@in_float64
def test_in_units_beyond_32_bits_the_law_itself_is_evaluated(median):
    laws = {"x": {"lognormal": {"median": median, "sigma": 0.5}}}
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda x: x)
    assert tabulate(problem.joint, ("x",)).tabulated == ()
    found = un.summarize(un.stream(problem, 2**14)).sel(statistic="query")
    assert abs(found["median"].item() - median) < 4 * found["mcse_median"].item()


@in_float64
def test_scores_are_those_of_the_points():
    tables = tabulate(problem_of(SHARP).joint, tuple(SHARP))
    digits = points()
    found = tables.score(digits, np.asarray(0.37))
    assert np.abs(np.asarray(found) - scores(digits, 0.37)).max() < 5e-8


@in_float64
def test_a_table_is_right_next_to_the_spread_however_large_the_values():
    """A jump of 1 in 1e9 is a jump, and a normal of a part in 1e13 is not a straight line."""
    laws = {
        "steps": {"choice": {"options": [1e9, 1e9 + 1, 1e9 + 2]}},
        "narrow": {"normal": {"mean": 1, "sd": 1e-13}},
        "line": {"uniform": {"low": 1e9, "high": 1e9 + 1}},
    }
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda **x: sum(x.values())
    )
    tables = tabulate(problem.joint, tuple(laws))
    assert tables.tabulated == ("narrow", "line")
    assert tables.straight == ("line",)


@in_float64
def test_where_values_repeat_the_law_is_evaluated_and_none_between_occurs():
    problem = problem_of(SHARP)
    tables = tabulate(problem.joint, tuple(SHARP))
    assert tables.tabulated == ()
    assert tables.others == tuple(SHARP)
    tree = un.stream(
        un.build_problem(problem.priors, model=lambda choice, mixture: {"y": choice}), 2**16
    )
    counts = tree["prior_sketch"]["y"].values.sum((0, 1))
    edges = tree["prior_sketch"]["y_edges"].values
    used = [(edges[i], edges[i + 1]) for i in np.flatnonzero(counts)]
    assert used == [(1, 1), (7, 7)]


def test_what_depends_on_another_assumption_or_is_correlated_is_not_tabulated():
    priors = {
        "schema": 1,
        "assumptions": {
            "m": {"lognormal": {"median": 1, "sigma": 1}},
            "child": {"lognormal": {"median": "m", "sigma": 1}},
            "a": {"normal": {"mean": 0, "sd": 1}},
            "b": {"normal": {"mean": 0, "sd": 1}},
        },
        "correlations": [{"between": ["a", "b"], "rank": 0.5}],
    }
    joint = un.build_problem(priors, model=lambda **x: sum(x.values())).joint
    tables = in_float64(tabulate)(joint, ("m", "child", "a", "b"))
    assert tables.tabulated == ("m",)
    assert tables.others == ("child", "a", "b")
