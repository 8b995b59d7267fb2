"""Scores of predictive draws against closed forms."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import uncertainty as un


def predictions(rows, seed=0, draws=4000):
    rng = np.random.default_rng(seed)
    return xr.DataArray(np.exp(rng.normal(size=(draws, rows))), dims=("sample", "row"))


def test_a_true_forecast_is_calibrated():
    found = un.score(predictions(2000), np.exp(np.random.default_rng(1).normal(size=2000)))
    for prob in (0.5, 0.8, 0.9):
        inside = found.coverage.sel(prob=prob)
        assert abs(inside - prob) < 5 * found.coverage_se.sel(prob=prob)
    assert abs(found.log_rmse - 1) < 5 * found.log_rmse_se
    assert abs(found.bias) < 5 * found.bias_se
    histogram = np.histogram(found.pit, 10, (0, 1))[0]
    assert abs(histogram - 200).max() < 5 * np.sqrt(200)


def test_the_continuous_ranked_probability_score_of_a_normal_is_its_closed_form():
    draws = np.random.default_rng(0).normal(size=(20000, 3))
    values = np.array([0.0, 1.0, -2.0])
    exact = values * (2 * norm.cdf(values) - 1) + 2 * norm.pdf(values) - 1 / np.sqrt(np.pi)
    found = un.score(xr.DataArray(draws, dims=("sample", "row")), values)
    assert abs(found.crps - exact.mean()) < 5 / np.sqrt(20000)  # |x - y| spreads by 1 or less
    assert np.isnan(found.log_rmse)


def test_shapes_must_fit():
    with pytest.raises(un.InputError, match="one measurement a row"):
        un.score(predictions(3), [1.0])
    with pytest.raises(un.InputError, match="must hold one output"):
        un.score(xr.Dataset({"a": predictions(2), "b": predictions(2)}), [1.0, 1.0])


@pytest.mark.parametrize(
    ("draws", "observed", "message"),
    [
        (predictions(2), [1.0, "a"], "<observed>: must be numbers, one a row"),
        (predictions(2), [1.0, None], "<observed>: 1: must be a finite number"),
        (predictions(2), [1.0, np.nan], "<observed>: 1: must be a finite number .got nan"),
        (predictions(2), 5.0, "one measurement a row"),
        (predictions(2).rename(row="x"), [1.0, 1.0], "dimensions sample and row"),
        ([[1.0]], [1.0], "dimensions sample and row"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(draws, observed, message):
    with pytest.raises(un.InputError, match=message):
        un.score(draws, observed)


def test_a_coverage_of_all_rows_is_not_known_exactly():
    draws = np.random.default_rng(0).normal(size=(1000, 10))
    scores = un.score(xr.DataArray(draws, dims=("sample", "row")), np.zeros(10))
    assert float(scores["coverage"].sel(prob=0.9)) == 1
    assert float(scores["coverage_se"].sel(prob=0.9)) == pytest.approx(0.3)  # three in ten, 95 %
