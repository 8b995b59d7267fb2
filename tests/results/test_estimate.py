"""Errors that hold: spread and bias over 200 seeds against what is stated."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri
from scipy.stats import qmc

from uncertainty.results.estimate import (
    LEVELS,
    Control,
    chance_estimate,
    exceedance_of_functions,
    mean_and_sd,
    pool_of_functions,
    pooled_quantile,
    quantile_estimate,
    quantile_function,
    shortest_interval,
)

SEEDS, CHAINS, DRAWS = 200, 16, 64
SCORES = np.array([0.8, 0.5, 0.3])
SIGMA = float(np.sqrt(np.sum(SCORES**2)))


@pytest.fixture(scope="module")
def points():
    """Scrambled Sobol' points of each seed, shape (seed, chain, draw, 3)."""
    rng = np.random.default_rng(0)
    every = [qmc.Sobol(3, rng=rng).random(DRAWS) for _ in range(SEEDS * CHAINS)]
    return np.array(every).reshape(SEEDS, CHAINS, DRAWS, 3)


def two_modes(u):
    """Nothing lies between 10 and 90: 30 % below, 70 % above."""
    return np.where(u[..., 0] < 0.3, 10 * u[..., 1], 90 + 10 * u[..., 1])


def mass_at_zero(u):
    return np.where(u[..., 0] < 0.3, 0.0, np.exp(ndtri(u[..., 1])))


def two_dice(u):
    return np.floor(6 * u[..., 0]) + np.floor(6 * u[..., 1]) + 2


def lognormal(u):
    return np.exp(ndtri(u) @ SCORES)


def estimates(points, model, probability):
    return np.array([quantile_estimate(model(u), probability) for u in points]).T


def stated_errors(found, exact, errors):
    """How many stated errors each is wrong by; 0 where it is right."""
    wrong = np.abs(found - exact)
    return np.divide(wrong, errors, out=np.where(wrong > 0, np.inf, 0.0), where=errors > 0)


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.95])
def test_the_error_of_a_smooth_quantile_is_its_spread(points, probability):
    found, errors = estimates(points, lognormal, probability)
    exact = np.exp(SIGMA * ndtri(probability))
    assert 0.8 < np.sqrt(np.mean((found - exact) ** 2)) / np.median(errors) < 1.25


@pytest.mark.parametrize(
    ("model", "probability", "exact"),
    [
        (two_modes, 0.29, 10 * 0.29 / 0.3),
        (two_modes, 0.299, 10 * 0.299 / 0.3),
        (two_modes, 0.301, 90 + 10 * 0.001 / 0.7),
        (two_modes, 0.31, 90 + 10 * 0.01 / 0.7),
        (mass_at_zero, 0.05, 0.0),
        (mass_at_zero, 0.295, 0.0),
        (mass_at_zero, 0.3001, np.exp(ndtri(0.0001 / 0.7))),
        (mass_at_zero, 0.31, np.exp(ndtri(0.01 / 0.7))),
        (two_dice, 0.5, 7),
        (two_dice, 0.05, 3),
        (two_dice, 0.95, 11),
        (two_dice, 0.415, 6),
        (two_dice, 0.418, 7),
    ],
)
def test_quantiles_at_gaps_and_atoms_are_never_wrong_by_five_errors(
    points, model, probability, exact
):
    found, errors = estimates(points, model, probability)
    assert stated_errors(found, exact, errors).max() <= 5


def test_in_a_gap_the_error_covers_both_sides(points):
    found, errors = estimates(points, two_modes, 0.3)
    assert np.mean((found - errors <= 10) & (found + errors >= 90)) > 0.95


def test_a_discrete_quantile_is_exact_where_no_other_value_is_near(points):
    found, errors = estimates(points, two_dice, 0.5)
    assert set(found) == {7.0}
    assert set(errors) == {0.0}


@pytest.mark.parametrize("probability", [5e-6, 1e-3, 0.9999])
def test_nothing_is_known_of_an_end_beyond_the_draws(points, probability):
    _, errors = estimates(points[:5], lognormal, probability)
    assert np.isinf(errors).all()


@pytest.mark.parametrize("count", [4, 6, 8, 16])
def test_an_end_with_few_draws_beyond_it_is_never_wrong_by_five_errors(points, count):
    probability = 1 - count / (CHAINS * DRAWS)
    found, errors = estimates(points, lognormal, probability)
    wrong = stated_errors(found, np.exp(SIGMA * ndtri(probability)), errors)
    assert wrong.max() <= 5
    assert np.sqrt(np.mean(wrong**2)) < 1.25


@pytest.mark.parametrize("expected", [0.05, 0.5, 1, 3, 8, 30, 500])
def test_the_chance_of_an_event_is_never_wrong_by_five_errors(points, expected):
    """From one that hardly any run sees to one that is common."""
    chance = expected / (CHAINS * DRAWS)
    threshold = stats.norm.isf(chance) * SIGMA
    hits = ndtri(points) @ SCORES > threshold
    found, errors = np.array([chance_estimate(own.mean(-1), CHAINS * DRAWS) for own in hits]).T
    assert (errors > 0).all()
    assert stated_errors(found, chance, errors).max() <= 5
    # A bound with 95 %: that of none of the draws, plus what randomness makes of 200 runs.
    assert np.mean(found + errors * stats.t.ppf(0.95, CHAINS - 1) < chance) < 0.05 + 3 * 0.016


def test_hits_that_share_a_point_count_as_one():
    shares = np.zeros(CHAINS)
    shares[3] = 0.25  # one query of four, with all draws of its chain
    chance, error = chance_estimate(shares, CHAINS * 4)
    assert error > 2 * chance


def test_what_is_certain_has_no_error():
    assert chance_estimate(np.ones(CHAINS), np.inf) == (1, 0)
    assert quantile_estimate(np.ones((CHAINS, 2)), 1e-9, None, np.inf) == (1, 0)


def test_queries_pool_their_distributions_not_their_quantiles(points):
    """A mean of the quantiles of chains that differ would be a value that never occurs."""
    functions = np.stack([quantile_function(own) for own in two_dice(points[0])])
    pool = pool_of_functions(functions, CHAINS * DRAWS, CHAINS * DRAWS)
    assert set(pool.quantile(np.array([0.05, 0.5, 0.95]))) == {3, 7, 11}
    smooth = np.exp(ndtri(LEVELS))[None].repeat(CHAINS, 0)
    found = pooled_quantile(pool_of_functions(smooth, 4096, 1e6), 0.9)[0]
    assert found == pytest.approx(np.exp(ndtri(0.9)), rel=1e-3)


@pytest.mark.parametrize("probability", [0.4, 0.499, 0.501, 0.6])
def test_a_control_with_an_atom_takes_no_quantile_far_off(points, probability):
    """Its share below one of its quantiles is then known to a step between two levels only."""
    found = []
    for number, u in enumerate(points):
        even = (np.arange(1024) + np.random.default_rng(number).random((CHAINS, 1))) / 1024
        functions = [quantile_function(np.maximum(ndtri(own), 0)) for own in even]
        x = ndtri(u[..., 0])
        control = Control(np.maximum(x, 0), np.stack(functions))
        found.append(quantile_estimate(np.exp(x), probability, control))
    values, errors = np.array(found).T
    assert stated_errors(values, np.exp(ndtri(probability)), errors).max() <= 5


def added(rng, size):
    """What the queries of each chain add to all its draws: noise, or much in some chains."""
    if size < 1:
        return size * rng.normal(size=(CHAINS, 1))
    return size * (rng.random((CHAINS, 1)) < 0.3)


@pytest.mark.parametrize("size", [0.001, 0.01, 0.1, 4])
@pytest.mark.parametrize("probability", [0.005, 0.05, 0.5, 0.95])
def test_queries_that_a_chain_shares_move_no_quantile_by_five_errors(points, probability, size):
    rng = np.random.default_rng(0)
    for own in -np.log(points[..., 0].reshape(-1, CHAINS, 8 * DRAWS)):
        value, error = quantile_estimate(own + added(rng, size), probability)
        exact = -np.log1p(-probability) + (0.3 * size if size > 1 else 0)
        assert abs(value - exact) <= 5 * error


@pytest.mark.parametrize("size", [0.001, 0.01, 0.1])
def test_queries_that_a_chain_shares_leave_ends_and_spread_in_doubt(points, size):
    rng = np.random.default_rng(0)
    for own in -np.log(points[..., 0].reshape(-1, CHAINS, 8 * DRAWS)):
        moved = own + added(rng, size)
        found = *shortest_interval(moved, 0.9), mean_and_sd(moved)[1]
        for (figure, error), exact in zip(found, (0, -np.log(0.1), 1), strict=True):
            assert abs(figure - exact) <= 5 * error
        # Here all that there is between draws is what the queries of their chains add.
        assert mean_and_sd(7 + added(rng, size) + 0 * own)[1] == (0, 0)


def test_infinite_quantiles_have_no_error_but_where_a_finite_one_is_near():
    functions = np.where(LEVELS < 0.2, -np.inf, ndtri(LEVELS))[None].repeat(CHAINS, 0)
    pool = pool_of_functions(functions, 4096, 1e6)
    assert pooled_quantile(pool, 0.05) == (-np.inf, 0)
    value, error = pooled_quantile(pool, 0.5)
    assert abs(value) < 1e-6
    assert 0 <= error < 0.1
    draws = np.where(np.arange(DRAWS) < 10, -np.inf, 1.0)[None].repeat(CHAINS, 0)
    assert quantile_estimate(draws, 0.05) == (-np.inf, 0)
    assert quantile_estimate(draws, 0.155) == (-np.inf, np.inf)
    assert quantile_estimate(draws, 0.158) == (1, np.inf)


@pytest.mark.parametrize("beyond", [np.inf, 30])
def test_quantiles_next_to_a_jump_are_known_to_a_step_between_levels(beyond):
    """All chains of even points keep the jump between the same two levels."""
    rng = np.random.default_rng(0)
    x = ndtri((np.arange(4096) + rng.random((CHAINS, 4096))) / 4096)
    for share in (0.5, 0.71, 0.82, 0.945):
        y = np.where(x > ndtri(share), x + beyond, x)
        functions = np.stack([quantile_function(own) for own in y])
        for off in (-0.01, -0.002, -5e-4, -1e-4, 1e-4, 5e-4, 0.002, 0.01):
            pool = pool_of_functions(functions, y.size, y.size)
            value, error = pooled_quantile(pool, share + off)
            exact = ndtri(share + off) + (beyond if off > 0 else 0)
            assert value == exact or abs(value - exact) <= 5 * error
    assert pooled_quantile(pool, 0.97) == (np.inf, 0) or beyond < np.inf


@pytest.mark.parametrize("threshold", [6, 6.5, 7])
def test_chances_between_levels_are_known_to_a_step(points, threshold):
    functions = np.stack([quantile_function(own) for own in two_dice(points[0])])
    chance, error = exceedance_of_functions(functions, threshold, 1e5, 1e5)
    exact = 21 / 36 if threshold < 7 else 15 / 36
    assert abs(chance - exact) < 4 * error
    assert error < 0.01


@pytest.mark.parametrize("sigma", [0.6, 0.8, 1.0, 1.5])
def test_chains_that_agree_on_a_tail_do_not_hide_what_they_have_not_seen(points, sigma):
    """With one input each chain has one draw in the last 64th, and eight agree by chance."""
    draws = np.exp(sigma * ndtri(points[:, ::2, :, 0]))
    mean, sd = np.array([mean_and_sd(each) for each in draws]).transpose(1, 2, 0)
    exact = np.exp(sigma**2 / 2)
    assert np.mean(stated_errors(mean[0], exact, mean[1]) > 5) <= 0.005
    exact_sd = exact * np.sqrt(np.expm1(sigma**2))
    assert np.mean(stated_errors(sd[0], exact_sd, sd[1]) > 5) <= 0.01


@pytest.mark.parametrize(
    "law", [stats.norm(), stats.beta(2, 5), *map(stats.lognorm, (0.3, 0.4, 0.5))]
)
def test_chains_whose_outermost_draws_lie_near_by_chance_do_not_agree_too_well(points, law):
    """Of one input: without it one sd in a hundred is wrong by five to nine errors."""
    draws = law.ppf(points[..., 0])
    found = np.array([mean_and_sd(each) for each in draws]).transpose(1, 2, 0)
    for (figure, errors), exact in zip(found, (law.mean(), law.std()), strict=True):
        wrong = stated_errors(figure, exact, errors)
        assert wrong.max() <= 5
        assert 0.6 < np.sqrt(np.mean(wrong**2)) < 1.25


@pytest.mark.parametrize("part", [0.02, 0.1, 0.3])
def test_chains_that_count_alike_below_a_gap_do_not_agree_too_well(points, part):
    """Of 64 even points 30 or 31 lie below: in most runs 30 in all chains, or in all but one."""
    share = (30 + part) / DRAWS
    draws = np.where(points[..., 0] < share, 1.0, 5.0) + 0.001 * points[..., 1]
    found = np.array([mean_and_sd(each) for each in draws]).transpose(1, 2, 0)
    exact = 5.0005 - 4 * share, np.hypot(4 * np.sqrt(share * (1 - share)), 0.001 / np.sqrt(12))
    for (figure, errors), right in zip(found, exact, strict=True):
        assert stated_errors(figure, right, errors).max() <= 5


def test_what_few_draws_add_to_a_value_that_repeats_is_not_known_well(points):
    """Of 1024 draws of a normal two exceed 2.9: where they are near it, the others agree."""
    draws = np.maximum(ndtri(points[..., 0]), 2.9)
    mean, sd = np.array([mean_and_sd(each) for each in draws if np.ptp(each)]).transpose(1, 2, 0)
    exact = 2.9 + stats.norm.pdf(2.9) - 2.9 * stats.norm.sf(2.9)
    assert np.mean(stated_errors(mean[0], exact, mean[1]) > 5) <= 0.01
    assert np.isinf(sd[1]).mean() > 0.9
    assert np.isfinite(mean[1]).mean() > 0.8


@pytest.mark.parametrize("size", [3, 30])
def test_a_few_draws_far_off_all_others_leave_the_moments_in_doubt(size):
    """Some eight of 8192 lie beyond an even bulk: by chains alone one run in 40 is wrong."""
    chance, wrong = 1e-3, []
    mean = 0.5 + chance * size
    sd = np.sqrt(1 / 12 + 2 * chance * size**2 - (chance * size) ** 2)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        bulk = rng.permuted(np.tile((np.arange(512) + 0.5) / 512, (CHAINS, 1)), axis=1)
        rare = (rng.random(bulk.shape) < chance) * rng.exponential(size, bulk.shape)
        for (figure, error), exact in zip(mean_and_sd(bulk + rare), (mean, sd), strict=True):
            wrong.append(abs(figure - exact) / error > 5)
    assert np.mean(wrong) < 0.005


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 20.0])
def test_a_mean_is_known_within_its_error_or_marked_as_ruled_by_the_tail(points, sigma):
    draws = np.exp(sigma / SIGMA * (ndtri(points) @ SCORES))
    found = [mean_and_sd(each) for each in draws]
    mean, sd = np.array(found).transpose(1, 2, 0)
    exact = np.exp(sigma**2 / 2)
    if sigma >= 4:
        assert np.isinf(mean[1]).mean() > 0.99
    # One run in a hundred of 1024 draws sees nothing of the tail: neither its weight nor its shape.
    assert np.mean(stated_errors(mean[0], exact, mean[1]) > 5) <= 0.01
    assert stated_errors(mean[0], exact, mean[1]).max() < 8
    exact_sd = exact * np.sqrt(np.expm1(sigma**2))
    assert np.mean(stated_errors(sd[0], exact_sd, sd[1]) > 5) <= 0.01
    if sigma <= 1:
        assert np.isfinite(mean[1]).mean() > 0.98
        usual = np.median(np.abs(mean[0] - exact)) / stats.norm.ppf(0.75)
        assert 0.4 < usual / np.median(mean[1]) < 1.25


@pytest.mark.parametrize(
    "law",
    [
        pytest.param(stats.cauchy(), id="no mean"),
        pytest.param(stats.t(1.5), id="no variance, both tails"),
        pytest.param(stats.pareto(0.9), id="infinite mean"),
    ],
)
def test_moments_that_do_not_exist_have_no_error(points, law):
    draws = law.ppf(np.clip(points[..., 0], 1e-9, 1 - 1e-9)).reshape(-1, CHAINS, 8 * DRAWS)
    for own in draws:
        mean, sd = mean_and_sd(own)
        assert np.isinf(sd[1])
        assert np.isinf(mean[1]) or law.dist.name == "t"


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_a_second_mode_far_out_does_not_look_like_a_tail(points, share):
    draws = np.where(points[..., 0] < share, 100.0, 1.0) * (1 + 0.1 * points[..., 1])
    wide = draws[:128].reshape(-1, CHAINS, 8 * DRAWS)
    assert all(np.isfinite(mean_and_sd(own)[0][1]) for own in wide)


@pytest.mark.parametrize("scale", [2.0**-700, 2.0**700, 2.0**1010], ids=["small", "large", "vast"])
def test_moments_keep_their_digits_wherever_their_squares_have_no_place(points, scale):
    draws = lognormal(points[0])
    mean, sd = mean_and_sd(draws)
    far_mean, far_sd = mean_and_sd(draws * scale)
    np.testing.assert_allclose(np.array([far_mean, far_sd]) / scale, [mean, sd], rtol=1e-9)
