"""How well predictive draws fit what was measured."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import Fault, InputError

PROBS = (0.5, 0.8, 0.9)
"""Probabilities of the intervals whose coverage is scored."""


def score(predictions: xr.Dataset | xr.DataArray, observed: Sequence[float] | Floats) -> xr.Dataset:
    """Score predictive draws against measurements.

    Parameters
    ----------
    predictions : xarray.Dataset or xarray.DataArray
        From `predict`: dimensions ``sample`` and ``row``.
    observed : sequence of float
        One measurement a row, in the same unit.

    Returns
    -------
    xarray.Dataset
        ``log_rmse`` and ``bias`` of the logarithm of the median against the measurement (NaN where
        one is not above 0), mean ``crps`` in the unit of the output, ``coverage`` of intervals
        with equal tails over ``prob``; each with ``<name>_se`` over independent rows; and ``pit``,
        the share of the draws below each measurement, over ``row``.

    Raises
    ------
    InputError
        If there is not one measurement a row.

    Notes
    -----
    Continuous ranked probability score of an ensemble: Gneiting and Raftery (2007), Journal of the
    American Statistical Association 102, 359.

    Examples
    --------
    >>> draws = np.random.default_rng(0).lognormal(size=(4000, 50))
    >>> found = score(xr.DataArray(draws[:-1], dims=("sample", "row")), draws[-1])
    >>> bool(found.coverage.sel(prob=0.9) > 0.7)
    True
    """
    draws = _draws(predictions)
    values = _values(observed)
    if values.shape != draws.shape[1:]:
        text = f"give one measurement a row ({draws.shape[1]} rows, {values.size} measurements)"
        raise InputError.of("<observed>", text)
    errors = _log_errors(np.median(draws, 0), values)
    each = _crps(draws, values)
    inside = np.array([_inside(draws, values, prob) for prob in PROBS])
    count = len(values)
    squared = errors**2
    rmse = float(np.sqrt(squared.mean()))
    found = {
        "log_rmse": rmse,
        "log_rmse_se": float(squared.std() / np.sqrt(count) / (2 * rmse)) if rmse else 0.0,
        "bias": float(errors.mean()),
        "bias_se": float(errors.std() / np.sqrt(count)),
        "crps": float(each.mean()),
        "crps_se": float(each.std() / np.sqrt(count)),
        "coverage": ("prob", inside.mean(1)),
        "coverage_se": ("prob", inside.std(1) / np.sqrt(count)),
        "pit": ("row", (draws < values).mean(0)),
    }
    return xr.Dataset(found, {"prob": list(PROBS)})


def _values(observed: Sequence[float] | Floats) -> Floats:
    try:
        values = np.asarray(observed, np.float64)
    except (TypeError, ValueError) as error:
        text = f"must be numbers, one a row (got {observed!r:.60})"
        raise InputError.of("<observed>", text) from error
    lost = np.flatnonzero(~np.isfinite(values.ravel()))
    if len(lost):
        text = f"must be a finite number (got {values.ravel()[lost[0]]})"
        raise InputError([Fault("<observed>", 0, 0, str(lost[0]), text)])
    return values


def _draws(predictions: xr.Dataset | xr.DataArray) -> Floats:
    if isinstance(predictions, xr.Dataset):
        names = list(predictions.data_vars)
        if len(names) != 1:
            raise InputError.of("<predictions>", f"must hold one output (got {len(names)})")
        predictions = predictions[names[0]]
    if not isinstance(predictions, xr.DataArray) or {*predictions.dims} != {"sample", "row"}:
        text = "must be draws with the dimensions sample and row, as predict gives them"
        raise InputError.of("<predictions>", text)
    return np.asarray(predictions.transpose("sample", "row").values, np.float64)


def _log_errors(medians: Floats, values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.log(medians) - np.log(values)
    return np.where((medians > 0) & (values > 0), errors, np.nan)


def _crps(draws: Floats, values: Floats) -> Floats:
    """``E|X - y| - E|X - X'| / 2``, the second by order statistics; shape (rows,)."""
    count = len(draws)
    ordered = np.sort(draws, 0)
    weights = (2 * np.arange(1, count + 1) - count - 1)[:, None]
    spread = 2 * (weights * ordered).sum(0) / (count * (count - 1))
    return np.asarray(np.abs(draws - values).mean(0) - spread / 2)


def _inside(draws: Floats, values: Floats, prob: float) -> Floats:
    low, high = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    return np.asarray((low <= values) & (values <= high), np.float64)
