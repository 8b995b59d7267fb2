"""Errors of the table of a posterior: spread and bias over 200 seeds against what is stated."""

import json

import numpy as np
import pytest
import xarray as xr

from uncertainty.report.posterior import posterior_table

CHAINS, DRAWS = 4, 256


@pytest.mark.parametrize(
    ("share", "exact"), [(0.49, 10.0), (0.51, 1.0), (0.3, 10.0)], ids=["above", "below", "far"]
)
def test_quantiles_at_a_gap_are_never_wrong_by_five_errors(share, exact):
    rng = np.random.default_rng(0)
    for _ in range(200):
        draws = np.where(rng.random((CHAINS, DRAWS)) < share, 1.0, 10.0)
        draws = draws * np.exp(1e-6 * rng.standard_normal(draws.shape))
        group = xr.Dataset({"x": (("chain", "draw"), draws)})
        tree = xr.DataTree.from_dict({"prior": group, "posterior": group})
        tree.attrs["updated"] = json.dumps(["x"])
        row = posterior_table(tree).iloc[0]
        assert abs(row["median"] - exact) <= 5 * row["mcse_median"] + 1e-4
        assert share > 0.4 or row["mcse_median"] < 1e-5
