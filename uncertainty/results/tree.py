"""The layout of a result, an `xarray.DataTree` as ArviZ lays it out.

Dimensions are ``chain`` (an independent randomization) and ``draw``. Groups:

- ``prior``: assumptions; ``prior_predictive``: outputs (one query for each epistemic draw);
- ``central``: outputs at the central assumptions;

and where something varies per query:

- ``prior_statistics``: of the queries of each draw;
- ``prior_query_quantiles``: of all queries of a chain;
- ``prior_control``: outputs with what varies per query at its median, and
  ``prior_control_quantiles``: the same from many more points.

With evidence also, over the chains and draws of a Markov chain:

- ``posterior``: assumptions, and the effect of each group of rows; ``posterior_predictive``:
  a new measurement of each row under the name of its evidence and, as coordinates, outputs (one
  query for each draw);
- ``log_prior``: of each assumption on its natural scale; ``log_likelihood``: of each row;
  ``sample_stats``; ``observed_data``: what was measured, NaN where it was censored;
- ``unconstrained_posterior``: the standard normal scores that were sampled;
- ``posterior_statistics`` and ``posterior_query_quantiles`` where something varies per query.

A streamed result has no draws, but for each output, by ``statistic`` and ``chain``:

- ``prior_sketch``: counts of values in bins of equal relative width, with ``NAME_edges``, the
  ends of these bins (a bin without a width holds a value that repeats; each ``statistic`` has its
  own where they differ), and ``NAME_moments``: number, number not finite, mean, variance and
  standard deviation (and ``NAME_grain``, the distance between values that lie on a lattice);

and where they were asked for:

- ``prior_exceedance``: share of the values above each threshold;
- ``prior_correlation``: of each unknown input's normal score with the output, by ``scale``;
- ``prior_largest`` and ``prior_largest_inputs``: the largest values, and the inputs behind them.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.errors import DISTRIBUTION

if TYPE_CHECKING:
    import xarray as xr


_VERSIONS = ("jax", "numpyro", "numpy", "scipy", "xarray", "arviz-stats")
FORMAT = 1
"""Of the layout below; results of another format are refused by `load`."""
Labels = Mapping[str, Mapping[str, str]]

BATCHES = 4
"""Parts of a Markov chain that stand in for independent randomizations in standard errors."""

NESTED: Mapping[str, tuple[str, ...]] = {
    "prior_statistics": ("chain", "draw", "statistic"),
    "prior_query_quantiles": ("chain", "level"),
    "prior_control": ("chain", "draw"),
    "prior_control_quantiles": ("chain", "level"),
}
"""Groups of a result in which something varies per query, with their dimensions."""


def provenance(**facts: str | int | float) -> dict[str, str | int | float]:
    """Attributes that say where a result comes from, with the versions that made it."""
    versions = _versions()
    return {
        **facts,
        "result_format": FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "inference_library": "uncertainty",
        "inference_library_version": versions["uncertainty"],
        "versions": json.dumps(versions),
    }


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    return {"uncertainty": version(DISTRIBUTION), **{name: version(name) for name in _VERSIONS}}


def build_tree(
    inputs: Mapping[str, Floats],
    outputs: Mapping[str, Floats],
    central: Mapping[str, float],
    labels: Labels,
    attributes: Mapping[str, str | int | float],
    nested: Mapping[str, Mapping[str, Floats]] | None = None,
    coords: Mapping[str, Sequence[str] | Floats] | None = None,
) -> "xr.DataTree":
    """Lay out the draws of a prior.

    Parameters
    ----------
    inputs, outputs : mapping of str to array
        Shape (chain, draw).
    central : mapping of str to float
        Outputs at the central assumptions.
    labels : mapping
        Attributes (unit, source, ...) of inputs and outputs by name.
    attributes : mapping
        From `provenance`.
    nested : mapping of str to mapping of str to array, optional
        The groups of `NESTED` by name.
    coords : mapping, optional
        Coordinates of the dimensions ``statistic`` and ``level``.
    """
    import xarray as xr  # late: it takes most of a second

    groups = {
        "prior": _dataset(inputs, ("chain", "draw"), labels),
        "prior_predictive": _dataset(outputs, ("chain", "draw"), labels),
        "central": _dataset({k: np.asarray(v) for k, v in central.items()}, (), labels),
    }
    for group, columns in (nested or {}).items():
        groups[group] = _dataset(columns, NESTED[group], labels, coords)
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=dict(attributes)), **groups})


def with_posterior(
    tree: "xr.DataTree",
    groups: Mapping[str, Mapping[str, tuple[Sequence[str], np.ndarray]]],
    labels: Labels,
    attributes: Mapping[str, str | int | float],
    coords: Mapping[str, Sequence[str] | Sequence[int] | Floats],
) -> "xr.DataTree":
    """Put the groups of a posterior beside those of its prior.

    Parameters
    ----------
    tree : xarray.DataTree
        From `build_tree`.
    groups : mapping of str to mapping of str to (dims, array)
        Arrays by group and name.
    labels, attributes
        As for `build_tree`; the attributes are added.
    coords : mapping
        Coordinates of dimensions by name, in those groups that have them.
    """
    import xarray as xr

    found = {str(name): node.to_dataset() for name, node in tree.children.items()}
    for group, arrays in groups.items():
        variables = {
            name: (dims, values, dict(labels.get(name, {})))
            for name, (dims, values) in arrays.items()
        }
        made = xr.Dataset(variables)
        if group == "posterior_predictive":
            # ArviZ compares every variable of this group with what was observed. Outputs, which
            # were not, stand beside them as coordinates: read by name as before, but not compared.
            made = made.set_coords([n for n, (dims, _) in arrays.items() if len(dims) == 2])
        own = {name: list(values) for name, values in coords.items() if name in made.dims}
        numbered = {
            name: np.arange(made.sizes[name]) for name in ("chain", "draw") if name in made.dims
        }
        found[group] = made.assign_coords({**numbered, **own})
    root = xr.Dataset(attrs={**tree.attrs, **attributes})
    return xr.DataTree.from_dict({"/": root, **found})


MOMENTS = ("number", "not_finite", "mean", "variance", "sd")
"""What ``NAME_moments`` holds of each chain."""


def streamed_tree(
    groups: Mapping[str, Mapping[str, tuple[Sequence[str], np.ndarray]]],
    central: Mapping[str, float],
    labels: Labels,
    attributes: Mapping[str, str | int | float],
    coords: Mapping[str, Sequence[str] | Sequence[float]],
) -> "xr.DataTree":
    """Lay out a streamed result.

    Parameters
    ----------
    groups : mapping of str to mapping of str to (dims, array)
        Arrays by group and quantity.
    central, labels, attributes
        As in `build_tree`.
    coords : mapping
        Coordinates of dimensions.
    """
    import xarray as xr

    told = {k: ((), np.asarray(v), dict(labels.get(k, {}))) for k, v in central.items()}
    found = {"central": xr.Dataset(told)}
    for group, arrays in groups.items():
        data = {k: (dims, array, dict(labels.get(k, {}))) for k, (dims, array) in arrays.items()}
        used = {dim for dims, _ in arrays.values() for dim in dims}
        own = {name: list(c) for name, c in coords.items() if name in used}
        found[group] = xr.Dataset(data, own)
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=dict(attributes)), **found})


def is_streamed(tree: "xr.DataTree") -> bool:
    """Whether a result has a sketch in place of draws."""
    return "prior_sketch" in tree.children


def _dataset(
    arrays: Mapping[str, Floats],
    dims: Sequence[str],
    labels: Labels,
    coords: Mapping[str, Sequence[str] | Floats] | None = None,
) -> "xr.Dataset":
    import xarray as xr

    variables = {
        name: (dims, values, dict(labels.get(name, {}))) for name, values in arrays.items()
    }
    result = xr.Dataset(variables)
    counts = {dim: np.arange(result.sizes[dim]) for dim in ("chain", "draw") if dim in result.sizes}
    named = {name: list(c) for name, c in (coords or {}).items() if name in result.dims}
    return result.assign_coords({**counts, **named})


def inputs_of(tree: "xr.DataTree") -> list[Path]:
    """Files that a result was computed from, as they are called from the current folder."""
    try:
        listed = json.loads(str(tree.attrs.get("prior_files", "[]")))
        return [Path(file["path"]) for file in listed]
    except (ValueError, TypeError, KeyError):  # as `load` will say
        return []


def warnings_of(tree: "xr.DataTree") -> list[str]:
    """Sentences on why the result is not to be trusted; empty where it is."""
    return list(json.loads(str(tree.attrs.get("warnings", "[]"))))
