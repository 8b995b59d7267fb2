"""Which correlations can hold together, however many names they join."""

import numpy as np
import pytest

import uncertainty as un


def star(rank, count=100):
    """One input correlated with many others by the same rank."""
    laws = {f"x{i}": {"normal": {"mean": 0, "sd": 1}} for i in range(count + 1)}
    pairs = [{"between": ["x0", f"x{i}"], "rank": rank} for i in range(1, count + 1)]
    return {"schema": 1, "assumptions": laws, "correlations": pairs}


def total(**x):
    return sum(x.values())


def test_one_input_may_be_correlated_with_a_hundred_others():
    rank = 0.09
    problem = un.build_problem(star(rank), model=total)
    tree = un.simulate(problem, draws=2**11)
    # A sum of correlated standard normals: 101 variances, and a covariance for each pair.
    variance = 101 + 2 * 100 * 2 * np.sin(np.pi * rank / 6)
    spread = tree["prior_predictive"]["y"].std("draw").values
    error = 4 * spread.std(ddof=1) / len(spread) ** 0.5
    assert spread.mean() == pytest.approx(variance**0.5, abs=error)


def test_the_names_that_clash_are_the_fewest_that_do():
    rank = 0.5
    # A star holds where the squares of the correlations of the scores sum to less than 1.
    least = int(np.ceil(1 / (2 * np.sin(np.pi * rank / 6)) ** 2))
    with pytest.raises(un.InputError) as caught:
        un.build_problem(star(rank), model=total)
    [fault] = caught.value.faults
    assert fault.message.count(" ~ ") == least
