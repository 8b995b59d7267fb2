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
    >>> scores = score(xr.DataArray(draws[:-1], dims=("sample", "row")), draws[-1])
    >>> bool(scores.coverage.sel(prob=0.9) > 0.7)
    True
    """
    if isinstance(predictions, xr.Dataset):
        names = list(predictions.data_vars)
        if len(names) != 1:
            raise InputError.of("<predictions>", f"must hold one output (got {len(names)})")
        predictions = predictions[names[0]]
    if not isinstance(predictions, xr.DataArray) or {*predictions.dims} != {"sample", "row"}:
        text = "must be draws with the dimensions sample and row, as predict gives them"
        raise InputError.of("<predictions>", text)
    draws = np.asarray(predictions.transpose("sample", "row").values, np.float64)
    try:
        values = np.asarray(observed, np.float64)
    except (TypeError, ValueError) as error:
        text = f"must be numbers, one a row (got {observed!r:.60})"
        raise InputError.of("<observed>", text) from error
    lost = [
        Fault("<observed>", 0, 0, str(row), f"must be a finite number (got {value})")
        for row, value in enumerate(values.ravel().tolist())
        if not np.isfinite(value)
    ]
    if lost:
        raise InputError(lost)
    if values.shape != draws.shape[1:]:
        text = f"give one measurement a row ({draws.shape[1]} rows, {values.size} measurements)"
        raise InputError.of("<observed>", text)
    medians, count = np.median(draws, 0), len(draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.log(medians) - np.log(values)
    errors = np.where((medians > 0) & (values > 0), errors, np.nan)
    # E|X - y| - E|X - X'| / 2, the second by order statistics: of all pairs it would take n^2.
    weights = (2 * np.arange(1, count + 1) - count - 1)[:, None]
    spread = 2 * (weights * np.sort(draws, 0)).sum(0) / (count * (count - 1))
    crps = np.abs(draws - values).mean(0) - spread / 2
    ends = [np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0) for prob in PROBS]
    inside = np.array([(low <= values) & (values <= high) for low, high in ends], np.float64)
    root, squared = np.sqrt(len(values)), errors**2
    rmse = float(np.sqrt(squared.mean()))
    scores = {
        "log_rmse": rmse,
        "log_rmse_se": float(squared.std() / root / (2 * rmse)) if rmse else 0.0,
        "bias": float(errors.mean()),
        "bias_se": float(errors.std() / root),
        "crps": float(crps.mean()),
        "crps_se": float(crps.std() / root),
        "coverage": ("prob", inside.mean(1)),
        "coverage_se": ("prob", inside.std(1) / root),
        "pit": ("row", (draws < values).mean(0)),
    }
    return xr.Dataset(scores, {"prob": list(PROBS)})
