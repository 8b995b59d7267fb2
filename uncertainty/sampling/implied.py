"""What the stated assumptions imply: percentiles, and which are too wide to mean much."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from uncertainty.errors import InputError
from uncertainty.results import quantile_estimate

WIDEST = 1e4
"""P95 over P5 of an assumption beyond which results repeat its width."""


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

    Raises
    ------
    InputError
        If it is a streamed result that has kept no inputs.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> "output_tokens" in summarize_inputs(tree)["input"]
    True
    """
    if "prior" not in tree.children:
        text = "a streamed result keeps no inputs: make the stream with sample=4096"
        raise InputError.of("<result>", text)
    names = [str(name) for name in tree["prior"].data_vars]
    rows = [dict(_percentiles(tree, name)) for name in names]
    attributes = [tree["prior"][name].attrs for name in names]
    coords = {
        "input": names,
        "units": ("input", [str(a.get("units", "")) for a in attributes]),
        "law": ("input", [str(a.get("law", "")) for a in attributes]),
    }
    return xr.Dataset({key: ("input", [row[key] for row in rows]) for key in rows[0]}, coords)


def _percentiles(tree: xr.DataTree, name: str) -> Iterator[tuple[str, float]]:
    values = tree["prior"][name]
    draws = np.asarray(values.values, np.float64)
    number = float(draws.size)
    if values.attrs.get("varies"):  # the points of queries repeat where there are more draws
        number = min(number, float(tree.attrs["queries"]) * len(draws))
    if np.ptp(draws) == 0:
        number = np.inf
    for key, probability in (("p5", 0.05), ("median", 0.5), ("p95", 0.95)):
        value, error = quantile_estimate(draws, probability, number=number)
        yield key, value
        yield f"mcse_{key}", error


def width_notices(percentiles: xr.Dataset) -> list[str]:
    """Say which assumptions are so wide that what follows from them means little.

    Examples
    --------
    >>> import uncertainty as un
    >>> wide = {"pue_excess": {"loguniform": {"low": 1e-7, "high": 1}}}
    >>> tree = un.simulate(un.build_problem("gpt-4o", given=wide), draws=512)
    >>> [text[:33] for text in width_notices(summarize_inputs(tree))]
    ['pue_excess: P95 is 2e+06 times P5']
    """
    notices = []
    for name in percentiles["input"].values:
        row = percentiles.sel(input=name)
        low, high = float(row["p5"]), float(row["p95"])
        if low > 0 and high > WIDEST * low:
            text = f"{name}: P95 is {high / low:.1g} times P5 (over {WIDEST:g})"
            notices.append(f"{text}; results will say little else: narrow it, or give a reason")
    return notices
