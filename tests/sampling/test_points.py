"""The points: a scrambled Sobol' sequence, by name and by index."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from uncertainty.sampling.points import _directions, unit_points

PLACES = {"a": 0, "b": 1, "c": 5}


@pytest.mark.parametrize("index", [1, 63, 2**12 + 777, 2**20 + 12_345])
def test_direction_numbers_are_those_of_the_public_sequence(index):
    """SciPy walks in Gray code: a point is the sum of the numbers of the digits of its code."""
    used = [place for place in range(32) if (index ^ index >> 1) >> place & 1]
    digits = np.bitwise_xor.reduce(_directions(6)[:, used], 1)
    engine = qmc.Sobol(6, scramble=False, bits=32).fast_forward(index)
    np.testing.assert_array_equal(digits / 2.0**32, engine.random(1)[0])


def test_direction_numbers_follow_their_recurrences_to_the_last_digit():
    """Those of the polynomials 1 (van der Corput), x + 1 and x^2 + x + 1."""
    table = _directions(3).astype(object)
    numbers = [[int(v) >> (31 - place) for place, v in enumerate(row)] for row in table]
    assert numbers[0] == [1] * 32
    for place in range(2, 32):
        one, two = numbers[1:]
        assert one[place] == 2 * one[place - 1] ^ one[place - 1]
        assert two[place] == 2 * two[place - 1] ^ 4 * two[place - 2] ^ two[place - 2]
    for row, values in zip(table, numbers, strict=True):
        assert [int(v) for v in row] == [m << (31 - k) for k, m in enumerate(values)]


@pytest.mark.parametrize("count", [64, 1024])
def test_every_coordinate_is_stratified_and_strictly_inside(count):
    for seed in range(5):
        points = unit_points(PLACES, count, seed=seed, randomization=seed)
        for u in points.values():
            np.testing.assert_array_equal(np.sort(np.floor(u * count)), np.arange(count))
            assert u.min() > 0
            assert u.max() < 1


def test_pairs_of_the_first_dimensions_fill_squares_evenly():
    points = unit_points({"a": 0, "b": 1}, 256, seed=3, randomization=2)
    squares = np.floor(points["a"] * 16) * 16 + np.floor(points["b"] * 16)
    assert len(np.unique(squares)) == 256


def test_a_stretch_is_part_of_the_whole():
    whole = unit_points(PLACES, 100, seed=1, randomization=0)
    part = unit_points(PLACES, 30, seed=1, randomization=0, start=50)
    for name in PLACES:
        np.testing.assert_array_equal(whole[name][50:80], part[name])


def test_scrambles_go_by_name_seed_and_randomization():
    one = unit_points(PLACES, 16, seed=0, randomization=0)
    again = unit_points({"b": 1}, 16, seed=0, randomization=0)
    np.testing.assert_array_equal(one["b"], again["b"])
    for other in ({"seed": 1, "randomization": 0}, {"seed": 0, "randomization": 1}):
        assert (unit_points(PLACES, 16, **other)["b"] != one["b"]).all()


def test_each_point_is_uniform_over_randomizations():
    found = [unit_points({"a": 3}, 2, seed=0, randomization=r)["a"][1] for r in range(2000)]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_no_points():
    assert len(unit_points({"a": 0}, 0, seed=0, randomization=0)["a"]) == 0
