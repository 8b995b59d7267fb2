"""How well a posterior fits the measurements it was learned from."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from uncertainty.errors import InputError
from uncertainty.health import leave_one_out
from uncertainty.scoring import score

__all__ = ["check_fit"]


def check_fit(tree: xr.DataTree) -> xr.Dataset:
    """Check a posterior against its own evidence, and against each row left out.

    Parameters
    ----------
    tree : xarray.DataTree
        From `infer`.

    Returns
    -------
    xarray.Dataset
        Over ``evidence``: the number of ``rows`` with a value; ``log_rmse``, ``bias`` and
        ``coverage`` (over ``prob``) of the posterior predictive draws, as `score` gives them;
        ``elpd_loo``, the expected log density of a new row, with ``elpd_loo_se``; ``p_loo``, the
        effective number of parameters; ``worst_k``, the largest Pareto k, and ``rows_above``, the
        number of rows where it is above 0.7, so that ``elpd_loo`` is too optimistic.

    Raises
    ------
    InputError
        If there is no posterior.

    Notes
    -----
    Leave-one-out by Pareto-smoothed importance sampling: Vehtari, Gelman and Gabry (2017),
    Statistics and Computing 27, 1413, by ArviZ. Two fits of the same rows are compared by the
    difference of their ``elpd_loo``, or with ``arviz_stats.compare``.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    >>> evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 0.2}},
    ...             "columns": ["value"], "rows": [[2.0], [2.5]]}
    >>> problem = un.build_problem(prior, model=lambda x: x, evidence=evidence)
    >>> bool(check_fit(un.infer(problem))["log_rmse"].sel(evidence="evidence") < 0.2)
    True
    """
    if "posterior" not in tree.children:
        raise InputError.of("<result>", "has no posterior to check: use infer")
    names = [str(name) for name in tree["log_likelihood"].data_vars]
    tables = [_of_evidence(tree, name) for name in names]
    return xr.concat(tables, xr.DataArray(names, dims="evidence", name="evidence"))


def _of_evidence(tree: xr.DataTree, name: str) -> xr.Dataset:
    observed = np.asarray(tree["observed_data"][name].values)
    measured = np.isfinite(observed)
    replicates = np.asarray(tree["posterior_predictive"][name].values)
    draws = xr.DataArray(replicates.reshape(-1, len(observed))[:, measured], dims=("sample", "row"))
    own = score(draws, observed[measured])[["log_rmse", "bias", "coverage"]]
    elpd, k, parameters = leave_one_out(np.asarray(tree["log_likelihood"][name].values))
    told: Mapping[str, float] = {
        "rows": float(measured.sum()),
        "elpd_loo": float(elpd.sum()),
        "elpd_loo_se": float(np.sqrt(len(elpd)) * elpd.std()),
        "p_loo": float(parameters.sum()),
        "worst_k": float(k.max()),
        "rows_above": float((k > 0.7).sum()),
    }
    return own.assign({key: xr.DataArray(value) for key, value in told.items()})
