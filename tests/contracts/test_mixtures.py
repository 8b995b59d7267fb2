"""Mixtures and choices: exact atoms, jumps in the right place, ranks kept."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr, ndtri

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.distributions import compile_law
from uncertainty.files import Law, Reference

P = np.concatenate([[1e-9, 1e-3], np.linspace(0.005, 0.995, 199), [0.999, 1 - 1e-9]])


def part(family, **fields):
    return Law(family, tuple(fields.items()))


def mixture(*weighted):
    weights, parts = zip(*weighted, strict=True)
    return Law("mixture", weights=weights, parts=parts)


@partial(jax.jit, static_argnames="what")
def _apply(compiled, points, what):
    return jax.vmap(lambda x: getattr(compiled, what)(x, {}))(points)


def apply(law, points, what="quantile", **ends):
    compiled = in_float64(compile_law)(law, **ends)
    return np.asarray(in_float64(_apply)(compiled, np.asarray(points, float), what))


ATOM = mixture((0.15, part("fixed", value=1.0)), (0.85, part("lognormal", median=10.0, sigma=0.5)))
GAP = mixture((1.0, part("uniform", low=0.0, high=1.0)), (3.0, part("uniform", low=5.0, high=6.0)))
SMOOTH = mixture((0.4, part("normal", mean=-2.0, sd=1.0)), (0.6, part("normal", mean=3.0, sd=0.5)))
CHOICE = Law(
    "choice", weights=(1.0, 2.0, 1.0), parts=tuple(part("fixed", value=v) for v in (3.0, 1.0, 2.0))
)


def test_an_atom_comes_out_exactly_with_its_weight():
    found = apply(ATOM, ndtri(P))
    below = 0.85 * stats.lognorm(0.5, scale=10).cdf(1)
    inside = (below < P) & (below + 0.15 > P)
    assert (found[inside] == 1.0).all()
    assert (found[~inside] != 1.0).all()


@pytest.mark.parametrize("law", [ATOM, GAP, SMOOTH], ids=["atom", "gap", "smooth"])
def test_is_the_inverse_of_its_distribution_function(law):
    found = apply(law, ndtri(P))
    reached = ndtr(apply(law, found, "score"))
    before = ndtr(apply(law, np.nextafter(found, -np.inf), "score"))
    assert (reached >= P - 1e-9).all()
    assert (before <= P + 1e-9).all()
    assert (np.diff(found) >= 0).all()


def test_a_smooth_mixture_agrees_with_scipy():
    cdf = 0.4 * stats.norm(-2, 1).cdf(apply(SMOOTH, ndtri(P))) + 0.6 * stats.norm(3, 0.5).cdf(
        apply(SMOOTH, ndtri(P))
    )
    np.testing.assert_allclose(cdf, P, atol=1e-12)
    points = np.linspace(-4, 4, 21)
    density = 0.4 * stats.norm(-2, 1).pdf(points) + 0.6 * stats.norm(3, 0.5).pdf(points)
    np.testing.assert_allclose(apply(SMOOTH, points, "log_density"), np.log(density), rtol=1e-8)


def test_truncation_keeps_an_atom_at_its_lower_end():
    found = apply(ATOM, ndtri(P), low=1.0, high=12.0)
    assert found.min() == 1.0
    assert found.max() <= 12.0
    inside = 0.15 + 0.85 * np.diff(stats.lognorm(0.5, scale=10).cdf([1, 12]))[0]
    assert (found == 1.0).mean() == pytest.approx(0.15 / inside, abs=0.01)


def test_a_choice_is_one_of_its_options_in_proportion():
    found = apply(CHOICE, ndtri((np.arange(4000) + 0.5) / 4000))
    values, counts = np.unique(found, return_counts=True)
    assert values.tolist() == [1, 2, 3]
    assert counts.tolist() == [2000, 1000, 1000]
    assert (np.diff(found) >= 0).all()


def test_a_thousand_options_are_looked_up_and_rare_ones_keep_their_share_at_both_ends():
    count, rare = 1000, 1e-25
    weights = np.ones(count)
    weights[[0, -1]] = rare
    options = np.random.default_rng(2).permutation(count)
    law = Law(
        "choice",
        weights=tuple(weights[options]),
        parts=tuple(part("fixed", value=float(v)) for v in options),
    )
    points = (np.arange(998 * 4) + 0.5) / (998 * 4)
    found = apply(law, ndtri(points))
    np.testing.assert_array_equal(found, 1 + np.arange(998 * 4) // 4)
    edge = ndtri(rare / 998)
    assert apply(law, [edge - 0.01, edge + 0.01, -edge - 0.01, -edge + 0.01]).tolist() == [
        0.0,
        1.0,
        998.0,
        999.0,
    ]
    np.testing.assert_allclose(
        ndtr(apply(law, np.arange(1.0, 998.0), "score")), np.arange(1, 998) / 998, rtol=1e-12
    )


def test_derivatives_are_those_of_the_implicit_function():
    def at(mean, z):
        law = mixture(
            (0.4, part("normal", mean=Reference("m"), sd=1.0)),
            (0.6, part("normal", mean=3.0, sd=0.5)),
        )
        return compile_law(law).quantile(z, {"m": mean})

    def gradient():
        return jax.jit(jax.grad(at, argnums=(0, 1)))(-2.0, -0.6)

    by_mean, by_score = (float(x) for x in in_float64(gradient)())
    x = apply(SMOOTH, [-0.6])[0]
    first, second = stats.norm(-2, 1).pdf(x), stats.norm(3, 0.5).pdf(x)
    density = 0.4 * first + 0.6 * second
    assert by_score == pytest.approx(stats.norm.pdf(-0.6) / density, rel=1e-6)
    assert by_mean == pytest.approx(0.4 * first / density, rel=1e-6)


def test_weights_and_options_may_be_names():
    laws = {
        "share": {"fixed": 0.25},
        "rest": {"expression": "1 - share"},
        "dense": {"fixed": 1},
        "ratio": {
            "mixture": [
                {"weight": "share", "fixed": "dense"},
                {"weight": "rest", "uniform": {"low": 4, "high": 8}},
            ]
        },
        "hardware": {"choice": {"options": ["dense", 7], "weights": ["rest", "share"]}},
    }
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda ratio, hardware: ratio * hardware
    )
    tree = un.simulate(problem, draws=4096)
    assert float((tree["prior"]["ratio"] == 1).mean()) == pytest.approx(0.25, abs=1e-3)
    assert float((tree["prior"]["hardware"] == 7).mean()) == pytest.approx(0.25, abs=1e-3)


def test_mixtures_and_truncation_keep_rank_correlation():
    laws = {
        "a": {
            "mixture": [
                {"weight": 1, "normal": {"mean": 0, "sd": 1}},
                {"weight": 1, "uniform": {"low": 3, "high": 9}},
            ]
        },
        "b": {"lognormal": {"median": 1, "sigma": 1}, "truncate": {"low": 0.5, "high": 4}},
    }
    priors = {
        "schema": 1,
        "assumptions": laws,
        "correlations": [{"between": ["a", "b"], "rank": 0.6}],
    }
    tree = un.simulate(un.build_problem(priors, model=lambda a, b: a + b), draws=2**14)
    ranks = [stats.spearmanr(tree["prior"]["a"][c], tree["prior"]["b"][c])[0] for c in range(16)]
    assert np.mean(ranks) == pytest.approx(0.6, abs=4 * np.std(ranks) / 4)


@pytest.mark.parametrize("value", [0.0, 2.0, -2.0])
def test_an_atom_at_the_lower_end_of_a_truncation_stays(value):
    law = mixture((0.3, part("fixed", value=value)), (0.7, part("normal", mean=9.0, sd=1.0)))
    found = apply(law, ndtri(P), low=value)
    assert (found[P < 0.3 - 1e-9] == value).all()
    assert (found[P > 0.3 + 1e-9] > value).all()
