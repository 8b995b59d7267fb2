"""Predictions of several approaches against the same measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from uncertainty.report.figures import plot_fit
from uncertainty.report.files import write_csv, write_figure
from uncertainty.results import score


def write_scores(
    predictions: Mapping[str, xr.Dataset | xr.DataArray],
    observed: Sequence[float],
    folder: str | Path,
    *,
    prob: float = 0.9,
    label: str = "energy of one output token, GPU boards (J)",
) -> xr.Dataset:
    """Score the predictions of several approaches, and draw them against what was measured.

    Parameters
    ----------
    predictions : mapping of str to Dataset or DataArray
        Of each approach, as `predict` gives them; a single draw states no interval.
    observed : sequence of float
        One measurement a row.
    folder : str or Path
        Made where there is none.
    prob : float
        Probability of the intervals drawn.
    label : str
        What was measured, with its unit.

    Returns
    -------
    xarray.Dataset
        `score` of each over ``approach``, coverage NaN where no interval is stated; also written to
        ``scores.csv``, and drawn as ``fit.svg`` and ``fit.png``.

    Examples
    --------
    >>> import tempfile
    >>> numbers = np.random.default_rng(0).lognormal(size=(99, 3))
    >>> draws = xr.DataArray(numbers, dims=("sample", "row"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = write_scores({"one": draws, "other": draws[:1]}, [1.0, 2.0, 3.0], folder)
    >>> scores["approach"].values.tolist()
    ['one', 'other']
    """
    values = np.asarray(observed, np.float64)
    plain = {name: _draws(found) for name, found in predictions.items()}
    tables = [_scored(draws, values) for draws in plain.values()]
    found = xr.concat(tables, xr.DataArray(list(plain), dims="approach", name="approach"))
    flat = found.drop_dims("row").to_dataframe().reset_index()
    write_csv(Path(folder) / "scores.csv", flat)
    figure = plot_fit(
        dict.fromkeys(plain, values), {k: d.values for k, d in plain.items()}, prob, label
    )
    write_figure(Path(folder) / "fit", figure)
    return found


def _draws(found: xr.Dataset | xr.DataArray) -> xr.DataArray:
    one = found if isinstance(found, xr.DataArray) else found[next(iter(found.data_vars))]
    return one.transpose("sample", "row")


def _scored(draws: xr.DataArray, values: np.ndarray) -> xr.Dataset:
    if draws.sizes["sample"] > 1:
        return score(draws, values)
    found = score(xr.concat([draws, draws], "sample"), values)
    unknown = {name: found[name] * np.nan for name in ("coverage", "coverage_se", "pit")}
    return found.assign(unknown)
