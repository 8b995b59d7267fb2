"""What the stated assumptions imply: percentiles, and how often a formula's range is left."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from uncertainty.declarations import INPUTS
from uncertainty.estimate import quantile_estimate
from uncertainty.precision import Floats

__all__ = ["range_notices", "summarize_inputs"]


def summarize_inputs(tree: xr.DataTree) -> xr.Dataset:
    """Summarize what each assumption implies: P5, median and P95 over draws and queries.

    Parameters
    ----------
    tree : xarray.DataTree

    Returns
    -------
    xarray.Dataset
        Variables ``p5``, ``median``, ``p95`` and ``mcse_p5`` and so on, over ``input``; coordinates
        ``units`` and ``law``.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> "output_tokens" in summarize_inputs(tree)["input"]
    True
    """
    names = [str(name) for name in tree["prior"].data_vars]
    rows = [dict(_percentiles(np.asarray(tree["prior"][name].values))) for name in names]
    attributes = [tree["prior"][name].attrs for name in names]
    coords = {
        "input": names,
        "units": ("input", [str(a.get("units", "")) for a in attributes]),
        "law": ("input", [str(a.get("law", "")) for a in attributes]),
    }
    return xr.Dataset({key: ("input", [row[key] for row in rows]) for key in rows[0]}, coords)


def _percentiles(draws: Floats) -> Iterator[tuple[str, float]]:
    for key, probability in (("p5", 0.05), ("median", 0.5), ("p95", 0.95)):
        value, error = quantile_estimate(draws, probability)
        yield key, value
        yield f"mcse_{key}", error


def range_notices(tree: xr.DataTree) -> list[str]:
    """Say which assumptions leave the range in which the formulas hold, and how often.

    Examples
    --------
    >>> import uncertainty as un
    >>> wide = {"utilization": {"lognormal": {"median": 0.5, "sigma": 1}}}
    >>> range_notices(un.simulate(un.build_problem("gpt-4o", given=wide), draws=512))[0][:39]
    'utilization lies outside 0 to 1 for 24.'
    """
    notices = []
    for name, draws in tree["prior"].data_vars.items():
        declared = INPUTS.get(str(name))
        if declared is not None:
            outside = ((draws < declared.low) | (draws > declared.high)).mean().item()
            if outside > 0:
                limits = f"{declared.low:g} to {declared.high:g}"
                notices.append(
                    f"{name} lies outside {limits} for {100 * outside:.3g} % of the draws"
                )
    return notices
