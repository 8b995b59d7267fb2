"""How measurements are fitted, left out, and expected by a prior: rows, sentences and a figure."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.inference import DISAGREE, check_fit
from uncertainty.report.figures import plot_fits
from uncertainty.report.files import write_csv, write_figure
from uncertainty.report.text import figure_with_error
from uncertainty.results import r_hat, warnings_of


def updated_names(tree: xr.DataTree) -> list[str]:
    """Names of the assumptions that evidence bears on."""
    return list(json.loads(str(tree.attrs["updated"])))


def fit_rows(tree: xr.DataTree) -> tuple[list[str], list[list[str]]]:
    """Give how well each evidence is fitted."""
    columns = ["evidence", "rows", "log-RMSE", "bias", "in 50 %", "in 90 %", "elpd, left out", "k"]
    fit = check_fit(tree)
    rows = []
    for name in fit["evidence"].values:
        row = fit.sel(evidence=name)
        inside = [f"{100 * float(row['coverage'].sel(prob=p)):.0f} %" for p in (0.5, 0.9)]
        elpd = figure_with_error(float(row["elpd_loo"]), float(row["elpd_loo_se"]))
        cells = [f"{float(row[key]):.2f}" for key in ("log_rmse", "bias")]
        rows.append(
            [
                str(name),
                f"{int(row['rows'])}",
                *cells,
                *inside,
                elpd,
                f"{float(row['worst_k']):.2f}",
            ]
        )
    return columns, rows


def fit_sentences(tree: xr.DataTree) -> Iterator[str]:
    """Say where leaving rows out cannot be trusted, and how the chains were checked."""
    fit = check_fit(tree)
    above = int(fit["rows_above"].sum())
    count = sum(rows.shape[-1] for rows in tree["log_likelihood"].data_vars.values())
    if above:
        yield (
            f"{above} of {count} rows have a Pareto k above 0.7: the posterior "
            "leans on them, and what is said of leaving rows out is too good."
        )
    k = float(tree.attrs["pareto_k"])
    sampler = str(tree.attrs.get("sampler", "nuts"))
    if sampler != "nuts":
        yield (
            f"{tree.attrs['posterior_chains'] * tree.attrs['posterior_draws']} draws of equal "
            f"weight, by importance sampling from the prior (Pareto k {k:.2f}): {sampler}."
        )
        return
    worst = max(r_hat(draws) for draws in _sampled(tree))
    if k >= 0.7:
        checked = (
            f"importance sampling from the prior cannot check them (Pareto k {k:.2f}, over 0.7)"
        )
    elif any(DISAGREE in text for text in warnings_of(tree)):
        checked = f"importance sampling from the prior does not agree (Pareto k {k:.2f})"
    else:
        checked = f"importance sampling from the prior agrees (Pareto k {k:.2f})"
    yield (
        f"{tree.attrs['posterior_chains']} chains of {tree.attrs['posterior_draws']} draws, "
        f"largest R-hat {worst:.3f}; {checked}."
    )


def _sampled(tree: xr.DataTree) -> Iterator[Floats]:
    """Scores of what was sampled, effects of groups too: shape (chain, draw) each."""
    scores = tree["unconstrained_posterior"]
    for name in updated_names(tree):
        yield np.asarray(scores[name].values)
    for evidence in tree["log_likelihood"].data_vars:
        if f"{evidence}_effect" in scores:
            yield from np.moveaxis(np.asarray(scores[f"{evidence}_effect"].values), -1, 0)


def open_rows(tree: xr.DataTree) -> tuple[list[str], list[list[str]]]:
    """Give what the rows of each evidence do not state."""
    columns = ["evidence", "rows", "left open, the same for all", "left open, averaged per row"]
    rows = [
        [item["name"], _ranges(part["rows"]), *(", ".join(part[k]) or "none" for k in _KINDS)]
        for item in json.loads(str(tree.attrs["evidence"]))
        for part in item["open"]
    ]
    return columns, rows


_KINDS = ("shared", "averaged")


def _ranges(numbers: Sequence[int]) -> str:
    """Write numbers in order, stretches by their ends.

    Examples
    --------
    >>> _ranges([1, 2, 3, 7])
    '1-3, 7'
    """
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    both = zip(starts, ends, strict=True)
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in both)


def prior_fit_rows(found: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Give how well a prior expects each evidence: the rows of `check_prior`."""
    columns = ["evidence", "rows", "log-RMSE", "bias", "in 50 %", "in 90 %", "farthest row", "tail"]
    rows = []
    for name in found["evidence"].values:
        row = found.sel(evidence=name)
        errors = [f"{float(row[key]):.2f}" for key in ("log_rmse", "bias")]
        inside = [f"{100 * float(row['coverage'].sel(prob=p)):.0f} %" for p in (0.5, 0.9)]
        tail = figure_with_error(float(row["tail"]), float(row["tail_se"]))
        far = f"{int(row['farthest'])}"
        rows.append([str(name), f"{int(row['rows'])}", *errors, *inside, far, tail])
    return columns, rows


def surprises(found: xr.Dataset) -> Iterator[str]:
    """Say which measurements the prior did not expect."""
    yield from (str(text) for text in found["surprise"].values if text)


def write_fits(found: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write a comparison of fits as a table and a figure.

    Parameters
    ----------
    found : xarray.Dataset
        From `compare_fits`.
    folder : str or Path
        Made where there is none.

    Returns
    -------
    list of Path
        ``fits.csv``, and the figure as SVG and PNG.

    Examples
    --------
    >>> import tempfile
    >>> columns = {"elpd_difference": [0.0, -9.0], "elpd_difference_se": [0.0, 3.0]}
    >>> found = xr.Dataset({k: ("fit", v) for k, v in columns.items()}, {"fit": ["one", "other"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_fits(found, folder)]
    ['fits.csv', 'fits.svg', 'fits.png']
    """
    folder = Path(folder)
    written = [write_csv(folder / "fits.csv", found.to_dataframe().reset_index())]
    return written + write_figure(folder / "fits", plot_fits(found))
