"""How well prior and posterior fit the measurements, and which model fits them best."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.inference.predict import expected_rows
from uncertainty.inference.surprise import surprise_of, tails_of
from uncertainty.problem import Observation, Problem
from uncertainty.results import PROBS, leave_one_out, score

_UNRELIABLE = 0.7  # Pareto k


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
    Statistics and Computing 27, 1413, by ArviZ.

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
    _require_posterior(tree)
    names = [str(name) for name in tree["log_likelihood"].data_vars]
    tables = [_of_evidence(tree, name) for name in names]
    return xr.concat(tables, xr.DataArray(names, dims="evidence", name="evidence"))


def _require_posterior(tree: xr.DataTree) -> None:
    if "posterior" not in tree.children:
        raise InputError.of("<result>", "has no posterior to check: use infer")


def _of_evidence(tree: xr.DataTree, name: str) -> xr.Dataset:
    observed = np.asarray(tree["observed_data"][name].values)
    replicates = np.asarray(tree["posterior_predictive"][name].values)
    own = _scored(replicates.reshape(-1, len(observed)), observed)
    return own.assign(_left_out(np.asarray(tree["log_likelihood"][name].values)))


def _scored(replicates: Floats, observed: Floats) -> xr.Dataset:
    """Score draws of shape (sample, row) in the rows that have a value."""
    measured = np.isfinite(observed)
    if not measured.any():
        unknown = xr.DataArray([np.nan] * len(PROBS), {"prob": list(PROBS)}, "prob")
        return xr.Dataset({"log_rmse": np.nan, "bias": np.nan, "coverage": unknown, "rows": 0.0})
    draws = xr.DataArray(replicates[:, measured], dims=("sample", "row"))
    own = score(draws, observed[measured])[["log_rmse", "bias", "coverage"]]
    return own.assign(rows=float(measured.sum()))


def _left_out(log_likelihood: Floats) -> dict[str, float]:
    elpd, k, parameters = leave_one_out(log_likelihood)
    return {
        "elpd_loo": float(elpd.sum()),
        "elpd_loo_se": _error_of_sum(elpd),
        "p_loo": float(parameters.sum()),
        "worst_k": float(k.max()),
        "rows_above": float((k > _UNRELIABLE).sum()),
    }


def _error_of_sum(values: Floats) -> float:
    return float(np.sqrt(len(values)) * values.std())


def compare_fits(fits: Mapping[str, xr.DataTree]) -> xr.Dataset:
    """Compare posteriors of different models or priors on the same measurements.

    Parameters
    ----------
    fits : mapping of str to xarray.DataTree
        From `infer`, each learned from the same rows.

    Returns
    -------
    xarray.Dataset
        Over ``fit``, the best first: ``elpd_loo``, ``p_loo``, ``worst_k`` and ``rows_above`` as in
        `check_fit`, of all rows together; ``elpd_difference``, how much less than the best a fit
        expects of a new row's log density, summed over rows; each with ``<name>_se``.

    Raises
    ------
    InputError
        If a fit has no posterior, or the measurements differ.

    Notes
    -----
    A difference under about four, or under twice its standard error, tells nothing. It is an error
    over the rows: Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413. Rows of one
    group are left out one by one, so that the others still teach its effect.

    Examples
    --------
    >>> import uncertainty as un
    >>> evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 0.2}},
    ...             "columns": ["value"], "rows": [[2.0], [2.5]]}
    >>> def itself(x):
    ...     return x
    >>> def fitted(median):
    ...     x = {"lognormal": {"median": median, "sigma": 0.3}}
    ...     prior = {"schema": 1, "assumptions": {"x": x}}
    ...     return un.infer(un.build_problem(prior, model=itself, evidence=evidence))
    >>> compare_fits({"far": fitted(4), "near": fitted(2)})["fit"].values.tolist()
    ['near', 'far']
    """
    for tree in fits.values():
        _require_posterior(tree)
    _require_same_rows(fits)
    densities = {name: _all_rows(tree) for name, tree in fits.items()}
    each = {name: leave_one_out(found)[0] for name, found in densities.items()}
    ordered = sorted(each, key=lambda name: -each[name].sum())
    worse = [each[name] - each[ordered[0]] for name in ordered]
    columns = [_left_out(densities[name]) for name in ordered]
    found = {key: ("fit", [column[key] for column in columns]) for key in columns[0]}
    differences = {
        "elpd_difference": ("fit", [float(one.sum()) for one in worse]),
        "elpd_difference_se": ("fit", [_error_of_sum(one) for one in worse]),
    }
    return xr.Dataset({**found, **differences}, {"fit": ordered})


def _all_rows(tree: xr.DataTree) -> Floats:
    """Log likelihood of the rows of all evidence, shape (chain, draw, row)."""
    groups = tree["log_likelihood"].data_vars
    return np.concatenate([np.asarray(groups[name].values) for name in sorted(groups)], -1)


def _require_same_rows(fits: Mapping[str, xr.DataTree]) -> None:
    """Log densities compare only where they are of the same numbers."""
    first, *others = fits
    for name in others:
        one, other = (fits[key]["observed_data"].dataset for key in (first, name))
        try:
            xr.testing.assert_allclose(one, other, rtol=1e-9)
        except AssertionError as error:
            raise InputError.of(
                "<fits>", f"{name} was learned from other measurements than {first}: give the same"
            ) from error


def check_prior(problem: Problem, seed: int = 0) -> xr.Dataset:
    """Check whether a prior expects the measurements, before it learns from them.

    Parameters
    ----------
    problem : Problem
        With evidence.
    seed : int

    Returns
    -------
    xarray.Dataset
        Over ``evidence``: ``rows``, ``log_rmse``, ``bias`` and ``coverage`` (over ``prob``) as in
        `check_fit`, of draws of the prior with effects of groups and errors of measurements;
        ``tail``, the prior's probability of a value as far out, on either side, as that of the row
        farthest out (of a row with limits: of lying within them), with ``tail_se``; ``farthest``,
        the number of that row, from 1; ``surprise``, a sentence on rows that it did not expect and
        what would explain them, empty where there are none, with their number ``rows_outside`` and
        ``factor``, how many times what the prior expects they are.

    Raises
    ------
    InputError
        If there is no evidence.

    Notes
    -----
    A prior predictive check: Gelman et al. (2013), Bayesian Data Analysis, section 6. A wide prior
    covers more than its probability, and that is no fault; a measurement in its far tails means
    that prior, model, unit or conditions are wrong.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    >>> evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 0.2}},
    ...             "columns": ["value"], "rows": [[2.0], [900]]}
    >>> found = check_prior(un.build_problem(prior, model=lambda x: x, evidence=evidence))
    >>> int(found["farthest"][0]), float(found["tail"][0])
    (2, 0.0)
    """
    items = [item for item in problem.observations if item.count]
    if not items:
        text = "there is no evidence to check: name some in the file, or give some"
        raise InputError.of("<evidence>", text)
    expected = expected_rows(problem, seed)
    tables = [_expected(expected[item.name], item) for item in items]
    names = [item.name for item in items]
    return xr.concat(tables, xr.DataArray(names, dims="evidence", name="evidence"))


def _expected(draws: Floats, item: Observation) -> xr.Dataset:
    tails, errors = tails_of(draws, item)
    place = int(tails.argmin())
    surprise = surprise_of(draws, item)
    told = {"tail": tails[place], "tail_se": errors[place], "farthest": place + 1.0}
    told |= {"rows_outside": float(len(surprise.rows)), "factor": surprise.factor}
    told |= {"surprise": surprise.text}
    return _scored(draws, item.observed()[item.name]).assign(told)
