import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncertainty.arrays import in_float64
from uncertainty.results.sketch import (
    BINS,
    ENDS,
    NOT_A_NUMBER,
    RELATIVE_ERROR,
    Ogive,
    Sketch,
    bin_of,
    edges,
)

compiled = in_float64(jax.jit(bin_of))


def bins(values):
    """Of up to 64 values with one compilation."""
    padded = np.zeros(max(len(values), 64))
    padded[: len(values)] = values
    return np.asarray(compiled(padded))[: len(values)]


inside = st.floats(2.0**-31, 2.0**31)
numbers = st.one_of(inside, inside.map(lambda x: -x), st.just(0.0))


def counted(values):
    return Sketch.of_bins(np.bincount(bins(values), minlength=BINS))


@given(st.lists(numbers, min_size=2, max_size=50))
@settings(deadline=None)
def test_a_value_lies_in_its_bin_and_bins_rise_with_values(values):
    ordered = np.sort(values)
    places = bins(ordered)
    assert (np.diff(places) >= 0).all()
    ends = [edges(place, place + 1) for place in places.tolist()]
    assert all(low <= x <= high for x, (low, high) in zip(ordered, ends, strict=True))


@given(inside)
@settings(deadline=None)
def test_a_bin_is_as_narrow_as_promised(value):
    place = int(bins([value])[0])
    low, high = edges(place, place + 1)
    assert high - low <= RELATIVE_ERROR * value


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (np.inf, ENDS[1] + 1),
        (-np.inf, ENDS[0] - 1),
        (np.nan, NOT_A_NUMBER),
        (1e300, ENDS[1]),
        (-1e300, ENDS[0]),
    ],
)
def test_what_is_no_number_and_what_is_too_large_is_counted(value, place):
    assert bins([value])[0] == place


def test_nothing_is_trimmed():
    values = [0.0, -0.0, 1e-300, -1e-300, 5e-324, 1e300, -7.0, np.nan, np.inf]
    assert counted(values).counts.sum() == len(values)


def test_what_is_infinite_is_a_value_that_repeats():
    sketch = counted([-np.inf, 1.0, 1.0, 2.0, 1e300, np.inf])
    ogive = Ogive.of_counts(edges(sketch.start, sketch.stop), sketch.counts[None])
    assert ogive.quantile(np.array([0.1, 0.99])).tolist() == [-np.inf, np.inf]
    assert [ogive.hidden(p) for p in (0.1, 0.8, 0.99)] == [0, np.inf, 0]
    shares = [[float(share[0]) for share in ogive.shares(x)] for x in (-np.inf, 5.0, np.inf)]
    np.testing.assert_allclose(shares, [[0, 1 / 6], [4 / 6, 4 / 6], [5 / 6, 1]])


@given(
    st.lists(numbers, max_size=40), st.lists(numbers, max_size=40), st.lists(numbers, max_size=40)
)
@settings(deadline=None, max_examples=30)
def test_adding_is_associative_and_commutative(a, b, c):
    one, two, three = counted(a), counted(b), counted(c)
    for total in ((one + two) + three, one + (two + three), three + (two + one)):
        whole = counted([*a, *b, *c])
        assert total.start == whole.start or not whole.counts.size
        assert np.array_equal(total.counts, whole.counts)


def test_quantiles_of_a_sample_are_within_the_promised_error():
    values = np.random.default_rng(1).lognormal(0, 3, 100_000)
    sketch = Sketch.stack([counted(values[:40_000]), counted(values[40_000:])])
    whole = Sketch(sketch.start, sketch.counts.sum(0, keepdims=True))
    ogive = Ogive.of_counts(edges(sketch.start, sketch.stop), whole.counts)
    for p in (1e-4, 0.05, 0.5, 0.95, 1 - 1e-4):
        exact = np.quantile(values, p, method="inverted_cdf")
        assert abs(ogive.quantile(p) / exact - 1) <= RELATIVE_ERROR


def test_chains_with_different_ranges_share_bins():
    stacked = Sketch.stack([counted([1.0]), counted([]), counted([100.0, 3.0])])
    assert stacked.counts.sum(1).tolist() == [1, 0, 2]


def test_what_a_bin_hides_is_little_where_smooth_and_all_of_it_at_an_atom():
    smooth = counted(np.exp(np.linspace(-3, 3, 2_000_001)))
    ogive = Ogive.of_counts(edges(smooth.start, smooth.stop), smooth.counts[None])
    assert ogive.hidden(0.5) < 1e-5 * ogive.quantile(0.5)
    atoms = counted([2.0001] * 50 + [3.0] * 51)
    ogive = Ogive.of_counts(edges(atoms.start, atoms.stop), atoms.counts[None])
    for p, exact in ((0.2, 2.0001), (0.9, 3.0)):
        assert abs(ogive.quantile(p) - exact) <= ogive.hidden(p) <= 1.1 * RELATIVE_ERROR * exact
