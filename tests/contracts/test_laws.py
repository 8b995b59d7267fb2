"""Properties of every law, whatever its family: rising, inverted, cut cleanly, ranks kept."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr, ndtri

from uncertainty.arrays import in_float64
from uncertainty.distributions import FAMILIES, compile_law
from uncertainty.files import Law

U = np.concatenate([[1e-6, 1e-3], np.linspace(0.01, 0.99, 60), [0.999, 1 - 1e-6]])
examples = partial(settings, deadline=None, derandomize=True, phases=[Phase.generate])
numbers = partial(st.floats, allow_nan=False, width=32)
LEVELS = st.tuples(st.floats(0.05, 0.45), st.floats(0.55, 0.95))
place, size, shape = numbers(-50, 50), numbers(0.0625, 20), numbers(0.25, 50)


def ends(draw, count):
    start, steps = draw(place), draw(st.lists(size, min_size=count - 1, max_size=count - 1))
    return [start, *(start + np.cumsum(steps)).tolist()]


@st.composite
def families(draw, family):
    """Draw a law of one family with any parameters."""
    if family in {"uniform", "arcsine"}:
        fields = dict(zip(("low", "high"), ends(draw, 2), strict=True))
    elif family in {"triangular", "pert"}:
        fields = dict(zip(("low", "mode", "high"), ends(draw, 3), strict=True))
    elif family == "loguniform":
        fields = dict(
            zip(("low", "high"), np.exp(np.array(ends(draw, 2)) / 10).tolist(), strict=True)
        )
    elif family == "quantiles":
        fields = dict(zip(("0.1", "0.4", "0.5", "0.95"), ends(draw, 4), strict=True))
    elif family == "empirical":
        values = draw(st.lists(place, min_size=20, max_size=20, unique=True))
        return Law("empirical", data=tuple(values))
    else:
        fields = {
            "normal": lambda: {"mean": draw(place), "sd": draw(size)},
            "lognormal": lambda: {"median": draw(size), "sigma": draw(numbers(0.125, 2))},
            "beta": lambda: {"alpha": draw(shape), "beta": draw(shape)},
            "gamma": lambda: {"shape": draw(shape), "scale": draw(size)},
            "student_t": lambda: {"df": draw(shape), "loc": draw(place), "scale": draw(size)},
            "exponential": lambda: {"mean": draw(size)},
            "weibull": lambda: {"shape": draw(numbers(0.25, 10)), "scale": draw(size)},
        }[family]()
    return Law(family, tuple(fields.items()))


CONTINUOUS = sorted(set(FAMILIES) - {"fixed", "choice"})
any_family = st.sampled_from(CONTINUOUS).flatmap(families)


@st.composite
def mixtures(draw):
    parts = [draw(any_family), draw(any_family), Law("fixed", (("value", draw(place)),))]
    weights = [draw(numbers(0.0625, 4)) for _ in parts]
    return Law("mixture", weights=tuple(weights), parts=tuple(parts))


@st.composite
def choices(draw):
    options = draw(st.lists(place, min_size=2, max_size=5, unique=True))
    parts = tuple(Law("fixed", (("value", x),)) for x in options)
    return Law("choice", weights=tuple(draw(numbers(0.125, 4)) for _ in parts), parts=parts)


@partial(jax.jit, static_argnames="what")
def _apply(compiled, points, what):
    return jax.vmap(lambda x: getattr(compiled, what)(x, {}))(points)


def apply(compiled, points, what="quantile"):
    points = np.asarray(points, float)
    # Few points are filled up to as many as there are levels: one program serves them all.
    filled = np.resize(points, max(len(points), len(U)))
    return np.asarray(in_float64(_apply)(compiled, filled, what))[: len(points)]


def check_rising_inverse(compiled, levels=U):
    """The quantile function rises, and is the inverse of the distribution function.

    At an atom the distribution function jumps over the level; in a gap the quantile function does.
    """
    found = apply(compiled, ndtri(levels))
    assert (np.diff(found) >= 0).all()
    width = np.abs(found) + np.ptp(found[2:-2]) + 1e-12
    reached = ndtr(apply(compiled, found + 1e-9 * width, "score"))
    before = ndtr(apply(compiled, found - 1e-9 * width, "score"))
    assert (before <= levels + 1e-6).all()
    assert (reached >= levels - 1e-6).all()
    return found


@examples(max_examples=12)
@given(data=st.data())
@pytest.mark.parametrize("family", CONTINUOUS)
def test_every_family_rises_and_is_the_inverse_of_its_distribution_function(family, data):
    compiled = in_float64(compile_law)(data.draw(families(family)))
    found = check_rising_inverse(compiled)
    inner = slice(2, -2)
    scores = apply(compiled, found, "score")[inner]
    np.testing.assert_allclose(ndtr(scores), U[inner], atol=1e-6)


# What is cut off does not know its family: these are rows, a table and a solved inverse.
@examples(max_examples=12)
@given(data=st.data(), cut=LEVELS)
@pytest.mark.parametrize(
    "family",
    [
        name
        if name in {"empirical", "gamma", "normal", "quantiles"}
        else pytest.param(name, marks=pytest.mark.slow)
        for name in CONTINUOUS
    ],
)
def test_a_truncation_keeps_inside_and_scales_up(family, data, cut):
    law = data.draw(families(family))
    whole = in_float64(compile_law)(law)
    low, high = apply(whole, ndtri(cut)).tolist()
    if not low < high:
        return
    compiled = in_float64(compile_law)(law, low, high)
    found = check_rising_inverse(compiled)
    assert low <= found.min()
    assert found.max() <= high
    share = (ndtr(apply(whole, found[2:-2], "score")) - cut[0]) / (cut[1] - cut[0])
    np.testing.assert_allclose(share, U[2:-2], atol=2e-6)


@examples(max_examples=5)
@given(st.one_of(mixtures(), choices()))
def test_mixtures_with_atoms_and_choices_rise_and_are_inverted(law):
    check_rising_inverse(in_float64(compile_law)(law))


@examples(max_examples=2)
@given(st.one_of(mixtures(), choices()), LEVELS)
def test_truncated_mixtures_and_choices_stay_inside(law, cut):
    low, high = apply(in_float64(compile_law)(law), ndtri(cut)).tolist()
    if low < high:
        found = check_rising_inverse(in_float64(compile_law)(law, low, high))
        assert low <= found.min()
        assert found.max() <= high


@pytest.mark.slow
@examples(max_examples=2)
@given(mixtures(), mixtures())
def test_mixtures_and_truncation_keep_ranks(first, second):
    """A quantile transform keeps the order of its points; an atom only adds ties."""
    z = np.random.default_rng(3).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 800).T
    columns = []
    for law, scores in zip((first, second), z, strict=True):
        low, high = apply(in_float64(compile_law)(law), [-1.5, 1.5]).tolist()
        x = apply(in_float64(compile_law)(law, low, high), scores)
        assert (np.diff(x[np.argsort(scores)]) >= 0).all()
        columns.append(x)
    if min(len(np.unique(x)) for x in columns) > 790:
        found = stats.spearmanr(*columns).statistic
        assert found == pytest.approx(stats.spearmanr(*z).statistic, abs=1e-3)


@examples(max_examples=20)
@given(any_family, LEVELS)
def test_densities_integrate_to_the_probability_between(law, cut):
    """The log density against the distribution function, by its own quantiles as a grid."""
    compiled = in_float64(compile_law)(law)
    z = np.linspace(*ndtri(cut), 4001)
    x = apply(compiled, z)
    middle = (x[1:] + x[:-1]) / 2
    mass = np.exp(apply(compiled, middle, "log_density")) * np.diff(x)
    assert mass.sum() == pytest.approx(cut[1] - cut[0], rel=2e-3)
