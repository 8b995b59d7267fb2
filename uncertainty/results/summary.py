"""Labelled summaries of a result: what each figure is, and how well it is known."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import InputError, check_threshold, require_known
from uncertainty.results.draws import (
    STATISTICS,
    Group,
    chains_of,
    draws_of,
    group_of,
    independent_draws,
    of_queries,
    share_not_a_number,
)
from uncertainty.results.estimate import (
    FEW,
    NONE,
    Control,
    Estimate,
    Kind,
    chance_estimate,
    exceedance_of_functions,
    mean_and_sd,
    pool_of_functions,
    pooled_quantile,
    quantile_estimate,
    shortest_interval,
    shortest_of_functions,
    standard_error,
)
from uncertainty.results.health import ess_bulk, ess_tail, r_hat
from uncertainty.results.sketched import (
    chances_above,
    describe_sketch,
    is_nested,
    numbers_of,
    share_of_variances,
)
from uncertainty.results.tree import is_streamed

LOG_SHARE = ("log_share_per_query", "log_share_per_query_se")
"""Attributes of a stream of one output, where the share was found beside it."""

_FIGURES = ("mean", "median", "lower", "upper")


def summarize(
    tree: xr.DataTree,
    prob: float = 0.9,
    kind: Kind = "eti",
    *,
    quantities: Sequence[str] | None = None,
    group: Group | None = None,
) -> xr.Dataset:
    """Summarize the outputs of a result.

    Parameters
    ----------
    tree : xarray.DataTree
        From `simulate`, `infer` or `load`.
    prob : float
        Probability that the intervals hold, between 0 and 1.
    kind : {"eti", "hdi"}
        Equal tails, or the shortest interval.
    quantities : sequence of str, optional
        Outputs; all of them where not given.
    group : {"prior", "posterior"}, optional
        The posterior where there is one, if not given.

    Returns
    -------
    xarray.Dataset
        Variables ``mean``, ``sd``, ``median``, ``lower``, ``upper`` and their Monte Carlo standard
        errors ``mcse_mean`` and so on, in the units of each quantity; dimensions ``quantity``
        and ``statistic``: the ``typical`` query (median over queries), the ``mean`` query, and
        any one ``query``. The three are equal where nothing varies per query. Of a posterior also
        ``ess_bulk``, ``ess_tail`` and ``r_hat``. ``prob``, ``kind`` and ``group`` (``prior`` or
        ``posterior``) are in its attributes.

    Raises
    ------
    InputError
        If a quantity or `group` is unknown, or `prob` or `kind` is none of these.

    Notes
    -----
    Nothing is trimmed. An estimate takes all draws together; its standard error is the spread
    between the R independent randomizations over sqrt(R), to be used with R - 1 degrees of freedom.
    Quantiles of the typical and the mean query are read with a control variate (see
    `results.estimate.quantile_estimate`), so they differ from those of the stored draws by
    part of the error of these. An infinite error marks a figure that these draws cannot give: an
    end of an interval that lies beyond them, or a mean or standard deviation that the tail rules
    (see `results.estimate.pooled_quantile` and `mean_and_sd`).
    Quarters of the chains of a posterior stand in for randomizations (batch means).

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> table = summarize(tree, prob=0.5)
    >>> row = table.sel(quantity="energy_wh", statistic="typical")
    >>> bool(row.lower < row["median"] < row.upper)
    True
    """
    _check_interval(prob, kind)
    names = [main_quantity(tree, name) for name in quantities or tree["central"].data_vars]
    # Where nothing varies per query the three statistics are one.
    chosen = STATISTICS if is_nested(tree) else ("query",) * len(STATISTICS)
    which = group_of(tree, group)
    describe = cache(lambda name, statistic: _describe(tree, name, statistic, prob, kind, which))
    with np.errstate(invalid="ignore", over="ignore"):  # infinite draws have their own warning
        rows = [[describe(name, statistic) for statistic in chosen] for name in names]
    central = tree["central"].dataset.variables
    coords = {
        "quantity": names,
        "statistic": list(STATISTICS),
        "units": ("quantity", [central[name].attrs.get("units", "") for name in names]),
    }
    dims, interval = (
        ("quantity", "statistic"),
        {
            "coverage_probability": prob,
            "coverage_interval": kind,
        },
    )
    told = dict.fromkeys(("lower", "upper"), interval)
    table = {
        key: (dims, np.array([[row[key] for row in line] for line in rows]), told.get(key))
        for key in rows[0][0]
    }
    return xr.Dataset(table, coords, {"prob": prob, "kind": kind, "group": which})


def _check_interval(prob: float, kind: str) -> None:
    if not 0 < prob < 1:
        raise InputError.of("<prob>", f"must lie between 0 and 1 (got {prob:g})")
    require_known("kind", kind, ("eti", "hdi"))


def _describe(
    tree: xr.DataTree, quantity: str, statistic: str, prob: float, kind: Kind, group: Group
) -> dict[str, float]:
    if is_streamed(tree):
        found = describe_sketch(tree, quantity, statistic, prob, kind)
    elif statistic == "query" and is_nested(tree):
        found = _describe_queries(tree, quantity, prob, kind, group)
    else:
        control = _control(tree, quantity) if group == "prior" else None
        draws = draws_of(tree, quantity, statistic, group)
        number = independent_draws(tree, quantity, statistic, group)
        found = _describe_draws(draws, prob, kind, control, number)
    for key in _unknown(tree, quantity, statistic, group, found):
        found[key] = found[key][0], np.inf
    values = {key: value for key, (value, _) in found.items()}
    errors = {f"mcse_{key}": error for key, (_, error) in found.items()}
    return {**values, **errors, **_health(tree, quantity, statistic, group)}


def _unknown(
    tree: xr.DataTree, quantity: str, statistic: str, group: Group, found: Collection[str]
) -> Collection[str]:
    """Which figures no draws can give: moments that do not exist, means that a tail rules."""
    if quantity in json.loads(str(tree.attrs.get("ruled_means", "[]"))) and statistic != "typical":
        # The mean query is not known in any state of the world, so nor is anything about it.
        return found if statistic == "mean" else ("mean", "sd")
    lost = quantity in json.loads(str(tree.attrs.get("lost_means", "[]")))
    # Half of the mean of the prior may come from a chance that the draws do not meet.
    rarest = json.loads(str(tree.attrs.get("rarest", "{}"))).get(quantity, 1.0)
    unseen = group == "prior" and rarest * float(tree.attrs["draws"]) < NONE
    return ("mean", "sd") if lost or unseen else ()


def unknown_figures(
    table: xr.Dataset, shown: Sequence[str] = ("mean", "median", "lower", "upper")
) -> list[str]:
    """Say which figures of one quantity the draws cannot give, and what to do.

    Parameters
    ----------
    table : xarray.Dataset
        From `summarize`, without the dimension ``quantity``.
    shown : sequence of str
        The figures that are quoted.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> table = un.summarize(tree, 0.99999).sel(quantity="energy_wh")
    >>> [text[:54] for text in unknown_figures(table)]
    ['the ends of the 99.999 % interval of energy_wh (typica']
    """
    prob, unknown = float(table.attrs["prob"]), dict[str, set[str]]()
    for statistic in table["statistic"].values:
        row = table.sel(statistic=statistic)
        unknown[str(statistic)] = {key for key in shown if np.isinf(row[f"mcse_{key}"])}
    same = len(unknown) == 1 or all((v == v[0]).all() for v in (table[k].values for k in _FIGURES))
    found, beyond = [], []
    for statistic, keys in [*unknown.items()][: 1 if same else None]:
        which = f"{'any one' if statistic == 'query' else statistic} query"
        of = table["quantity"].item() + ("" if same else f" ({which})")
        if "mean" in keys or "median" in keys:
            figure = "mean" if "median" not in keys else "mean query behind every figure"
            text = f"the {figure} of {of} is ruled by a few draws far out in its tail"
            found.append(f"{text}: quote the median, or truncate the inputs that spread it")
        if {"lower", "upper"} & keys and "median" not in keys:
            beyond.append(of)
    if beyond:
        outside = 1 - prob if table.attrs["kind"] == "hdi" else (1 - prob) / 2
        text = f"the ends of the {100 * prob:g} % interval of {', '.join(beyond)} lie beyond what"
        need = f"make {FEW / outside:.1g} draws or more, or ask for a narrower interval"
        found.append(f"{text} the draws show: {need}")
    return found


def _health(tree: xr.DataTree, quantity: str, statistic: str, group: Group) -> dict[str, float]:
    """How well the chains of a posterior have mixed."""
    if group == "prior":
        return {}
    chains = chains_of(tree, quantity, statistic, group)
    return {"ess_bulk": ess_bulk(chains), "ess_tail": ess_tail(chains), "r_hat": r_hat(chains)}


def _control(tree: xr.DataTree, quantity: str) -> Control | None:
    """Outputs with queries at their medians: they follow the typical and the mean query."""
    if not is_nested(tree) or "prior_control" not in tree.children:
        return None
    groups = ("prior_control", "prior_control_quantiles")
    draws, functions = (np.asarray(tree[group][quantity].values) for group in groups)
    return Control(draws, functions) if np.isfinite(functions).all() else None


def _describe_draws(
    draws: Floats, prob: float, kind: Kind, control: Control | None, number: float
) -> dict[str, Estimate]:
    mean, sd = mean_and_sd(draws)
    found = {"mean": mean, "sd": sd, "median": quantile_estimate(draws, 0.5, control, number)}
    if kind == "hdi":
        ends = shortest_interval(draws, prob, number)
        return found | dict(zip(("lower", "upper"), ends, strict=True))
    tails = (("lower", (1 - prob) / 2), ("upper", (1 + prob) / 2))
    return found | {key: quantile_estimate(draws, p, control, number) for key, p in tails}


def _describe_queries(
    tree: xr.DataTree, quantity: str, prob: float, kind: Kind, group: Group
) -> dict[str, Estimate]:
    """Summarize all queries of all draws, from their quantile functions and exact moments."""
    means, sds = of_queries(tree, quantity, ("mean", "sd"), group)
    functions = np.asarray(tree[f"{group}_query_quantiles"][quantity].values)
    number = independent_draws(tree, quantity, "query", group)
    pairs = independent_draws(tree, quantity, "typical", group) * float(tree.attrs["queries"])
    pool = pool_of_functions(functions, number, pairs)
    variance = (sds**2).mean(1) + means.var(1)
    pooled_sd = float(np.sqrt((sds**2).mean() + means.var()))
    mean, sd_of_means = mean_and_sd(means)
    # A standard deviation is no better known than that of the means, or than those that it is of.
    known = np.isfinite(sd_of_means[1]) and np.isfinite(mean_and_sd(sds**2)[0][1])
    found = {
        "mean": mean,
        "sd": (pooled_sd, float(standard_error(np.sqrt(variance))) if known else np.inf),
        "median": pooled_quantile(pool, 0.5),
    }
    if kind == "hdi":
        ends = shortest_of_functions(functions, prob, number)
        return found | dict(zip(("lower", "upper"), ends, strict=True))
    tails = (("lower", (1 - prob) / 2), ("upper", (1 + prob) / 2))
    return found | {key: pooled_quantile(pool, p) for key, p in tails}


def exceedance(
    tree: xr.DataTree,
    threshold: float,
    quantity: str | None = None,
    statistic: str = "query",
    *,
    group: Group | None = None,
) -> Estimate:
    """Chance that a quantity exceeds a threshold.

    Parameters
    ----------
    tree : xarray.DataTree
    threshold : float
        In the units of the quantity.
    quantity : str, optional
        An output; ``energy_wh``, or the only one, where not given.
    statistic : {"typical", "mean", "query"}
    group : {"prior", "posterior"}, optional
        The posterior where there is one, if not given.

    Returns
    -------
    chance, standard_error : float
        Where no draw exceeds the threshold, or every one does, the error is 3 over the number of
        independent draws: with 95 % the chance differs by less.

    Raises
    ------
    InputError
        If some draws are NaN.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> exceedance(tree, 0.0)[0]
    1.0
    """
    check_threshold("threshold", threshold)
    quantity = main_quantity(tree, quantity)
    require_known("statistic", statistic, STATISTICS)
    which = group_of(tree, group)
    missing = share_not_a_number(tree, quantity, statistic, which)
    if missing:
        text = f"{quantity} is not a number for {100 * missing:.3g} % of the draws"
        raise InputError.of("<exceedance>", f"{text}: mend the model, or its inputs")
    if is_streamed(tree):
        each, hidden = chances_above(tree, threshold, quantity, statistic)
        chance, error = chance_estimate(each, *numbers_of(tree, statistic))
        return chance, float(np.hypot(error, hidden))
    number = independent_draws(tree, quantity, statistic, which)
    if statistic == "query" and is_nested(tree):
        functions = np.asarray(tree[f"{which}_query_quantiles"][quantity].values)
        pairs = independent_draws(tree, quantity, "typical", which) * float(tree.attrs["queries"])
        with np.errstate(invalid="ignore", over="ignore"):  # of infinite draws
            return exceedance_of_functions(functions, threshold, number, pairs)
    draws = draws_of(tree, quantity, statistic, which)
    chance, error = chance_estimate((draws > threshold).mean(1), number)
    unknown = "median" in _unknown(tree, quantity, statistic, which, ("median",))
    return chance, np.inf if unknown else error


@dataclass(frozen=True)
class _Moments:
    """Of the logarithm (or the value) over queries, for each draw: shape (chain, draw)."""

    means: Floats
    sds: Floats

    def share(self) -> Floats:
        """Share of the variance that is within a draw, for each chain."""
        within, between = (self.sds**2).mean(-1), self.means.var(-1)
        total = within + between
        return np.asarray(np.divide(within, total, out=np.zeros_like(total), where=total != 0))


class Chance(NamedTuple):
    """Chance of exceeding a threshold; NaN where some draws are, of which the share is given."""

    quantity: str
    statistic: str
    threshold: float
    chance: float
    standard_error: float
    not_a_number: float


def chances(tree: xr.DataTree, quantity: str, threshold: float) -> list[Chance]:
    """Chance of exceeding a threshold for each statistic."""
    rows = []
    for statistic in STATISTICS if is_nested(tree) else ("query",):
        missing = share_not_a_number(tree, quantity, statistic)
        found = (np.nan, np.nan) if missing else exceedance(tree, threshold, quantity, statistic)
        rows.append(Chance(quantity, statistic, threshold, *found, missing))
    return rows


def share_per_query(
    tree: xr.DataTree,
    quantity: str | None = None,
    scale: str = "log",
    *,
    group: Group | None = None,
) -> Estimate:
    """Share of the variance of one query that comes from what varies from query to query.

    The rest is what nobody knows: the law of total variance, on the log or the linear scale.

    Parameters
    ----------
    tree : xarray.DataTree
    quantity : str, optional
        An output; ``energy_wh``, or the only one, where not given.
    scale : {"log", "linear"}
    group : {"prior", "posterior"}, optional
        The posterior where there is one, if not given.

    Returns
    -------
    share, standard_error : float
        0 where nothing varies per query; NaN on the log scale of values not above 0. The error is
        infinite where the tail rules the variance.

    Raises
    ------
    InputError
        If some draws are NaN.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> 0 < share_per_query(tree)[0] < 1
    True
    """
    quantity = main_quantity(tree, quantity)
    require_known("scale", scale, ("log", "linear"))
    missing = share_not_a_number(tree, quantity, "mean", group)
    if missing:
        text = (
            f"is not a number for {100 * missing:.3g} % of the draws, so its variance has no parts"
        )
        raise InputError.of(
            "<share_per_query>", f"{quantity} {text}: mend the model, or its inputs"
        )
    if not is_nested(tree):
        return 0.0, 0.0
    if is_streamed(tree) and scale == "log":
        kept = [float(tree.attrs.get(key, np.nan)) for key in LOG_SHARE]
        return kept[0], kept[1]
    if is_streamed(tree):
        return share_of_variances(tree, quantity)
    names = ("log_mean", "log_sd") if scale == "log" else ("mean", "sd")
    means, sds = of_queries(tree, quantity, names, group_of(tree, group))
    pooled = float(_Moments(means.ravel(), sds.ravel()).share())
    error = float(standard_error(_Moments(means, sds).share()))
    # A variance is a mean of squares: where the tail rules it, no one knows its parts.
    ruled = any(np.isinf(mean_and_sd(values)[0][1]) for values in (means**2, sds**2))
    return pooled, np.inf if ruled and scale == "linear" else error


def main_quantity(tree: xr.DataTree, name: object = None) -> str:
    """Choose the output to speak of: the one named, else ``energy_wh`` or the first.

    Raises
    ------
    InputError
        If the result has no such output.
    """
    names = [str(name) for name in tree["central"].data_vars]
    if name is not None:
        return require_known("quantity", str(name), names)
    return "energy_wh" if "energy_wh" in names else names[0]
