"""Which draws of a result are meant, and the draws themselves."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import InputError, require_known
from uncertainty.results.health import ess_bulk, ess_tail
from uncertainty.results.sketched import even_quantiles, is_nested, share_not_finite
from uncertainty.results.tree import BATCHES, is_streamed

Group: TypeAlias = Literal["prior", "posterior"]
"""Which draws of a result are meant."""


STATISTICS = ("typical", "mean", "query")
"""Of the queries of one state of the world: their median, their mean, or any one of them."""


def group_of(tree: xr.DataTree, group: Group | None = None) -> Group:
    """Choose the draws that are meant: the posterior where there is one.

    Raises
    ------
    InputError
        If a posterior is wanted and there is none.
    """
    if group is not None:
        require_known("group", group, ("prior", "posterior"))
    there = "posterior" in tree.children
    if group == "posterior" and not there:
        raise InputError.of("<group>", "the result has no posterior: use infer")
    return group or ("posterior" if there else "prior")


def quoted_statistic(tree: xr.DataTree, quantity: str) -> str:
    """The statistic that is quoted: a total follows the mean query, all else the typical one."""
    return str(tree["central"][quantity].attrs.get("quoted", STATISTICS[0]))


def draws_of(
    tree: xr.DataTree, quantity: str, statistic: str, group: Group | None = None
) -> Floats:
    """Draws of a statistic, shape (chain, draw): independent randomizations.

    Quarters of the chains of a posterior stand in for these. A streamed result has no draws:
    quantiles at even steps of probability stand in, as one chain.
    """
    require_known("statistic", statistic, STATISTICS)
    if is_streamed(tree):
        return even_quantiles(tree, quantity, statistic)[None]
    return batched(chains_of(tree, quantity, statistic, group_of(tree, group)), tree, group)


def chains_of(tree: xr.DataTree, quantity: str, statistic: str, group: Group) -> Floats:
    """Draws of a statistic as they were made, shape (chain, draw)."""
    if statistic == "query" or not is_nested(tree):
        return np.asarray(tree[f"{group}_predictive"][quantity].values)
    return np.asarray(tree[f"{group}_statistics"][quantity].sel(statistic=statistic).values)


def batched(draws: Floats, tree: xr.DataTree, group: Group | None = None) -> Floats:
    """Quarters of chains in place of chains, where they are those of a posterior."""
    if group_of(tree, group) == "prior":
        return draws
    return draws.reshape(len(draws) * BATCHES, -1)


def of_queries(
    tree: xr.DataTree, quantity: str, names: Sequence[str], group: Group
) -> list[Floats]:
    """Statistics of the queries of each draw, shape (chain, draw) each."""
    kept = tree[f"{group}_statistics"][quantity]
    found = (np.asarray(kept.sel(statistic=name).values) for name in names)
    return [batched(values, tree, group) for values in found]


def independent_draws(tree: xr.DataTree, quantity: str, statistic: str, group: Group) -> float:
    """Independent draws that a figure rests on; infinite where nothing is uncertain.

    Those of a Markov chain count as many as are effective. Each of the queries of a chain serves
    all its draws, so of one query there are no more than these.
    """
    inputs = tree[group].dataset.data_vars.values()
    if all(np.ptp(np.asarray(values, np.float64)) == 0 for values in inputs):
        return np.inf
    chains = chains_of(tree, quantity, statistic, group)
    number = float(chains.size)
    if group == "posterior" and np.isfinite(chains).all():
        number = min(number, ess_bulk(chains), ess_tail(chains))
    if statistic == "query" and is_nested(tree):
        number = min(number, float(tree.attrs["queries"]) * len(batched(chains, tree, group)))
    return number


def share_not_a_number(
    tree: xr.DataTree, quantity: str, statistic: str, group: Group | None = None
) -> float:
    """Share of the draws that is NaN: of these no one can say whether they exceed anything.

    A stream does not tell them from infinite ones.
    """
    if is_streamed(tree):
        return share_not_finite(tree, quantity, statistic)
    which = group_of(tree, group)
    missing = float(np.isnan(chains_of(tree, quantity, statistic, which)).mean())
    if statistic == "query" and is_nested(tree):  # the one query of a draw may be a lucky one
        missing = missing or share_not_a_number(tree, quantity, "mean", which)
    return missing
