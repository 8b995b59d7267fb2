"""What the posterior owes to each prior, and to the evidence: power scaling."""

import json
from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.results import batched, draws_of, smoothed_weights
from uncertainty.sensitivity.sample import from_half_samples
from uncertainty.sensitivity.table import Estimates
from uncertainty.sensitivity.target import Scale, Statistic

_ALPHAS = (0.8, 1.25)


def power_scaling(
    tree: xr.DataTree, quantity: str, statistic: Statistic, scale: Scale
) -> tuple[list[str], Estimates]:
    """How far an output moves when one prior, or the evidence, is made weaker and stronger.

    Returns
    -------
    names : list of str
        Assumptions that evidence bears on, and evidence.
    Estimates
        ``prior``: the change of the distribution of the output, for a doubling of the power of
        that density; above 0.05 it is worth a look.

    Raises
    ------
    InputError
        If the result has no posterior.

    Notes
    -----
    Kallioinen et al. (2024), Statistics and Computing 34, 57, with Pareto-smoothed weights, by
    ArviZ; powers 0.8 and 1.25. The densities of priors are those of the natural scale.
    """
    if "posterior" not in tree.children:
        raise InputError.of("<method>", "prior is for a posterior: give a result of infer")
    assumptions = [str(name) for name in json.loads(str(tree.attrs["updated"]))]
    evidence = [str(name) for name in tree["log_likelihood"].data_vars]
    densities = {
        **{name: np.asarray(tree["log_prior"][name].values) for name in assumptions},
        **{name: np.asarray(tree["log_likelihood"][name].sum(f"{name}_row")) for name in evidence},
    }
    draws = draws_of(tree, quantity, statistic)
    values = np.log(draws) if scale == "log" else draws
    columns = np.stack([batched(density, tree) for density in densities.values()], -1)
    found, errors, replicates = from_half_samples(len(values), partial(_moves, values, columns))
    return list(densities), Estimates({"prior": found}, {"prior": errors}, replicates)


def _moves(values: Floats, densities: Floats, chains: Sequence[int]) -> Floats:
    """Sensitivity to each density, from the draws of some chains; shape (densities,)."""
    return np.array([_move(values[chains], own[chains]) for own in np.moveaxis(densities, -1, 0)])


def _move(values: Floats, density: Floats) -> float:
    from arviz_stats.base import array_stats

    if np.ptp(density) == 0:
        return 0.0
    powers = (smoothed_weights((alpha - 1) * density.ravel()) for alpha in _ALPHAS)
    weights = [power.weights.reshape(density.shape) for power in powers]
    return float(array_stats.power_scale_sense(values, *weights, *_ALPHAS))
