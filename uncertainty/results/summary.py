"""Labelled summaries of a result: what each figure is, and how well it is known."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import InputError, check_probability, check_threshold, require_known
from uncertainty.results import estimate
from uncertainty.results.estimate import LEVELS, NONE, Control, Estimate, Kind, standard_error
from uncertainty.results.sketch import Ogive, unit_near
from uncertainty.results.tree import (
    BATCHES,
    MOMENTS,
    STATISTICS,
    check_tree,
    is_nested,
    is_streamed,
    summarized,
)

Group: TypeAlias = Literal["prior", "posterior"]
"""Which draws of a result are meant."""
Effective: TypeAlias = Callable[[str, str], tuple[float, float]]
"""Effective draws of a statistic of an output, in the middle and in the tails."""
Described: TypeAlias = tuple[dict[str, Estimate], Callable[[float], tuple[Estimate, Estimate]]]
"""Mean, standard deviation and median, and the interval of a probability."""

LOG_SHARE = ("log_share_per_query", "log_share_per_query_se")
"""Attributes of a stream of one output, where the share was found beside it."""

_FIGURES = ("mean", "median", "lower", "upper")
_EVEN = 2**12  # quantiles that stand in for the draws of a stream
_TAIL = 2**17  # quantiles of a stream that show the shape of a tail


def main_quantity(tree: xr.DataTree, name: object = None) -> str:
    """Choose the output to speak of: the one named, else ``energy_wh`` or the first.

    Raises
    ------
    InputError
        If the result has no such output, or no statistics of it.
    """
    names = summarized(tree)
    if name is not None:
        every = [str(name) for name in tree["central"].data_vars]
        if require_known("quantity", str(name), every) not in names:
            kept = f"no statistics of {name} were kept, but of {', '.join(names)}"
            text = "ask for it by name, or for all (uncertainty run --full)"
            raise InputError.of("<quantity>", f"{kept}: {text}")
        return str(name)
    return "energy_wh" if "energy_wh" in names else names[0]


def group_of(tree: xr.DataTree, group: Group | None = None) -> Group:
    """Choose the draws that are meant: the posterior where there is one.

    Raises
    ------
    InputError
        If a posterior is asked for and there is none.
    """
    if group is not None:
        require_known("group", group, ("prior", "posterior"))
    learned = "posterior" in tree.children
    if group == "posterior" and not learned:
        raise InputError.of("<group>", "the result has no posterior: use infer")
    return group or ("posterior" if learned else "prior")


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
        return ogive_of(tree, quantity, statistic).quantile((np.arange(_EVEN) + 0.5) / _EVEN)[None]
    return batched(_chains(tree, quantity, statistic, group_of(tree, group)), tree, group)


def _chains(tree: xr.DataTree, quantity: str, statistic: str, group: Group) -> Floats:
    """Draws of a statistic as they were made, shape (chain, draw)."""
    if statistic == "query" or not is_nested(tree):
        return np.asarray(tree[f"{group}_predictive"][quantity].values)
    return np.asarray(tree[f"{group}_statistics"][quantity].sel(statistic=statistic).values)


def batched(draws: Floats, tree: xr.DataTree, group: Group | None = None) -> Floats:
    """Quarters of chains in place of chains, where they are those of a posterior."""
    if group_of(tree, group) == "prior":
        return draws
    return draws.reshape(len(draws) * BATCHES, -1)


def independent_draws(
    tree: xr.DataTree,
    quantity: str,
    statistic: str,
    group: Group,
    effective: Effective | None = None,
) -> float:
    """Independent draws that a figure rests on; infinite where nothing is uncertain.

    Those of a Markov chain count as many as are effective. Each of the queries of a chain serves
    all its draws, so of one query there are no more than these. Effective draws of a statistic, in
    the middle and in the tails, may be given where they are known.
    """
    inputs = tree[group].dataset.data_vars.values()
    if all(np.ptp(np.asarray(values, np.float64)) == 0 for values in inputs):
        return np.inf
    chains = _chains(tree, quantity, statistic, group)
    number = float(chains.size)
    if group == "posterior" and np.isfinite(chains).all():
        counts = effective or (lambda *_: (estimate.ess_bulk(chains), estimate.ess_tail(chains)))
        number = min(number, *counts(quantity, statistic))
    if statistic == "query" and is_nested(tree):
        number = min(number, float(tree.attrs["queries"]) * len(batched(chains, tree, group)))
    return number


def share_not_a_number(
    tree: xr.DataTree, quantity: str, statistic: str, group: Group | None = None
) -> float:
    """Share of the draws that is NaN: of these no one can say whether they exceed anything."""
    if is_streamed(tree):
        number = _moments(tree, quantity, statistic)["number"].sum()
        # Whatever is a number is in a bin.
        return float(1 - _sketched(tree, "prior_sketch", quantity, statistic).sum() / number)
    which = group_of(tree, group)
    missing = float(np.isnan(_chains(tree, quantity, statistic, which)).mean())
    if statistic == "query" and is_nested(tree):  # the one query of a draw may be a lucky one
        missing = missing or share_not_a_number(tree, quantity, "mean", which)
    return missing


def lost_text(
    tree: xr.DataTree, quantity: str, group: Group | None = None, *, infinite: bool = False
) -> str:
    """Say for how much an output is not a number, or not finite; empty where there is nothing.

    A statistic is lost with any one of its queries, so that the draws alone say too much.
    """
    if is_streamed(tree) and infinite:
        moments = (_moments(tree, quantity, s) for s in ("query", "mean"))
        shares = [float(m["not_finite"].sum() / m["number"].sum()) for m in moments]
    elif is_streamed(tree):
        shares = [share_not_a_number(tree, quantity, s) for s in ("query", "mean")]
    else:
        chains = (_chains(tree, quantity, s, group_of(tree, group)) for s in ("query", "mean"))
        shares = [float((~np.isfinite(x) if infinite else np.isnan(x)).mean()) for x in chains]
    alone, draws = (f"{100 * share:.3g} %" for share in shares)
    if not any(shares):
        return ""
    text = f"{quantity} is not {'finite' if infinite else 'a number'} for"
    if shares[0] == shares[1]:
        return f"{text} {draws} of the draws"
    of_all = f"{alone} of all queries" if shares[0] else "some queries"
    return f"{text} {of_all}, one or more of them in {draws} of the draws"


def _sketched(tree: xr.DataTree, group: str, name: str, statistic: str) -> np.ndarray:
    """One statistic of a variable; all three are one where nothing varies per query."""
    # Variables are read without their labels: xarray's selection costs more than the figures.
    variables = tree[group].dataset.variables
    names = list(variables["statistic"].values)
    place = names.index(statistic if statistic in names else "query")
    return np.asarray(variables[name].values[place])


def _moments(tree: xr.DataTree, quantity: str, statistic: str) -> dict[str, Floats]:
    """Each of `MOMENTS` of each chain."""
    values = _sketched(tree, "prior_sketch", f"{quantity}_moments", statistic)
    names = tree["prior_sketch"].dataset.variables["moment"].values.tolist()
    return {name: values[:, names.index(name)] for name in MOMENTS}


def ogive_of(tree: xr.DataTree, quantity: str, statistic: str) -> Ogive:
    """Cumulative shares of a streamed result."""
    variables, grain = tree["prior_sketch"].dataset.variables, f"{quantity}_grain"
    edges = variables[f"{quantity}_edges"]
    return Ogive.of_counts(
        _sketched(tree, "prior_sketch", f"{quantity}_edges", statistic)
        if edges.ndim > 1  # each statistic has its own
        else edges.values,
        _sketched(tree, "prior_sketch", quantity, statistic),
        float(_sketched(tree, "prior_sketch", grain, statistic)) if grain in variables else 0.0,
    )


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
        Outputs; all that the result has statistics of where not given.
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
    return summaries(tree, [prob], kind, quantities=quantities, group=group)[0]


def summaries(
    tree: xr.DataTree,
    probs: Sequence[float],
    kind: Kind = "eti",
    *,
    quantities: Sequence[str] | None = None,
    group: Group | None = None,
) -> list[xr.Dataset]:
    """Summarize as `summarize` does at each probability; what they share is computed once."""
    for prob in probs:
        check_probability("prob", prob)
    check_tree(tree)
    require_known("kind", kind, ("eti", "hdi"))
    names = [main_quantity(tree, name) for name in quantities or summarized(tree)]
    # Where nothing varies per query the three statistics are one.
    chosen = STATISTICS if is_nested(tree) else ("query",) * len(STATISTICS)
    which = group_of(tree, group)

    @cache  # they take as long as all else of a figure, and its error needs them too
    def effective(name: str, statistic: str) -> tuple[float, float]:
        chains = _chains(tree, name, statistic, which)
        return estimate.ess_bulk(chains), estimate.ess_tail(chains)

    @cache
    def describe(name: str, statistic: str) -> list[dict[str, float]]:
        return _describe(tree, name, statistic, probs, kind, which, effective)

    with np.errstate(invalid="ignore", over="ignore"):  # infinite draws have their own warning
        rows = [[describe(name, statistic) for statistic in chosen] for name in names]
    central = tree["central"].dataset.variables
    coords = {
        "quantity": names,
        "statistic": list(STATISTICS),
        "units": ("quantity", [central[name].attrs.get("units", "") for name in names]),
    }
    tables = []
    for i, prob in enumerate(probs):
        interval = {"coverage_probability": prob, "coverage_interval": kind}
        table = {
            key: (
                ("quantity", "statistic"),
                np.array([[row[i][key] for row in line] for line in rows]),
                interval if key in ("lower", "upper") else None,
            )
            for key in rows[0][0][i]
        }
        tables.append(xr.Dataset(table, coords, {"prob": prob, "kind": kind, "group": which}))
    return tables


def _describe(
    tree: xr.DataTree,
    quantity: str,
    statistic: str,
    probs: Sequence[float],
    kind: Kind,
    group: Group,
    effective: Effective,
) -> list[dict[str, float]]:
    """Every figure of one statistic of one quantity, with its error, at each probability."""
    if is_streamed(tree):
        figures, interval = _describe_sketch(tree, quantity, statistic, kind)
    elif statistic == "query" and is_nested(tree):
        figures, interval = _describe_queries(tree, quantity, kind, group, effective)
    else:
        figures, interval = _describe_draws(tree, quantity, statistic, kind, group, effective)
    last: dict[str, float] = {}
    if group == "posterior":
        last["ess_bulk"], last["ess_tail"] = effective(quantity, statistic)
        last["r_hat"] = estimate.r_hat(_chains(tree, quantity, statistic, group))
    rows = []
    for prob in probs:
        every = figures | dict(zip(("lower", "upper"), interval(prob), strict=True))
        for key in _unknown(tree, quantity, statistic, group, every):
            every[key] = every[key][0], np.inf
        for key, (value, error) in every.items():
            every[key] = value, max(error, _hidden_in_gap(tree, quantity, statistic, value))
        row = {key: value for key, (value, _) in every.items()}
        rows.append(row | {f"mcse_{key}": error for key, (_, error) in every.items()} | last)
    return rows


def _describe_draws(
    tree: xr.DataTree, quantity: str, statistic: str, kind: Kind, group: Group, effective: Effective
) -> Described:
    control = None
    if group == "prior" and is_nested(tree) and "prior_control" in tree.children:
        # Outputs with queries at their medians follow the typical and the mean query.
        functions = np.asarray(tree["prior_control_quantiles"][quantity].values)
        if np.isfinite(functions).all():
            control = Control(np.asarray(tree["prior_control"][quantity].values), functions)
    draws = draws_of(tree, quantity, statistic, group)
    number = independent_draws(tree, quantity, statistic, group, effective)
    quantile_at = partial(estimate.quantile_estimate, draws, control=control, number=number)

    def interval(prob: float) -> tuple[Estimate, Estimate]:
        if kind == "hdi":
            return estimate.shortest_interval(draws, prob, number)
        return quantile_at((1 - prob) / 2), quantile_at((1 + prob) / 2)

    mean, sd = estimate.mean_and_sd(draws)
    return {"mean": mean, "sd": sd, "median": quantile_at(0.5)}, interval


def _describe_queries(
    tree: xr.DataTree, quantity: str, kind: Kind, group: Group, effective: Effective
) -> Described:
    """Summarize all queries of all draws, from their quantile functions and exact moments."""
    unit, means, sds = _of_queries(tree, quantity, ("mean", "sd"), group)
    functions = np.asarray(tree[f"{group}_query_quantiles"][quantity].values)
    number = independent_draws(tree, quantity, "query", group, effective)
    points = independent_draws(tree, quantity, "typical", group, effective)
    pairs = points * float(tree.attrs["queries"])
    pool = estimate.pool_of_functions(functions, number, pairs)
    quantile_at = partial(estimate.pooled_quantile, pool)
    lost = (np.nan, np.nan) if np.isnan(functions).any() else None  # it may belong anywhere

    def interval(prob: float) -> tuple[Estimate, Estimate]:
        if lost:
            return lost, lost
        if kind == "hdi":
            return estimate.shortest_of_functions(functions, prob, number)
        return quantile_at((1 - prob) / 2), quantile_at((1 + prob) / 2)

    of_means, sd_of_means = estimate.mean_and_sd(means)
    # A standard deviation is no better known than that of the means, or than those that it is of.
    known = np.isfinite(sd_of_means[1]) and np.isfinite(estimate.mean_and_sd(sds**2)[0][1])
    pooled_sd = float(np.hypot(np.sqrt((sds**2).mean()), sd_of_means[0]))
    each = np.hypot(np.sqrt((sds**2).mean(1)), estimate.row_moments(means)[1])
    mean = unit * of_means[0], unit * of_means[1]
    sd = unit * pooled_sd, unit * float(standard_error(each)) if known else np.inf
    return {"mean": mean, "sd": sd, "median": lost or quantile_at(0.5)}, interval


def _of_queries(
    tree: xr.DataTree, quantity: str, names: Sequence[str], group: Group
) -> tuple[float, Floats, Floats]:
    """Two statistics of the queries of each draw, (chain, draw) each, in a unit, which is first."""
    kept = np.asarray(tree[f"{group}_statistics"][quantity].sel(statistic=list(names)).values)
    # In a unit of their own, squares of large and small values have a place among float64.
    unit = unit_near(float(np.abs(kept).max()))
    means, sds = (batched(values / unit, tree, group) for values in np.moveaxis(kept, -1, 0))
    return unit, means, sds


def _describe_sketch(tree: xr.DataTree, quantity: str, statistic: str, kind: Kind) -> Described:
    """Summarize from a sketch and moments; no quantiles where a value is not a number."""
    moments = _moments(tree, quantity, statistic)
    unit = unit_near(float(np.max([np.abs(moments["mean"]), moments["sd"]])))
    means, sds = moments["mean"] / unit, moments["sd"] / unit
    mean = unit * float(means.mean()), unit * float(standard_error(means))
    of_sd = estimate.sd_of_chains(means, sds)
    sd = unit * of_sd[0], unit * of_sd[1]
    if share_not_a_number(tree, quantity, statistic):
        lost = np.nan, np.nan
        return {"mean": mean, "sd": sd, "median": lost}, lambda _: (lost, lost)
    ogive, (number, count) = ogive_of(tree, quantity, statistic), _numbers(tree, statistic)
    quantile_at = partial(estimate.ogive_quantile, ogive, number=number)
    finite = not moments["not_finite"].any()
    if finite and number == count:  # no draws share a point
        few: Floats = (np.arange(estimate.OUTERMOST * len(means) + 1.0)[::-1] + 0.5) / count
        ends = ogive.quantile(1 - few), -ogive.quantile(few)
        mean, sd = estimate.with_gaps(mean, sd, ogive.gaps, ends, (len(means), count))
    if finite:
        seen = int(min(count, _TAIL))
        tail = estimate.tail_of(ogive.quantile((np.arange(seen) + 0.5) / seen))
        # More draws have seen more of it.
        shapes = tail.upper, min(2 * tail.upper, 0.9)
        less, root = ((count / seen) ** (shape - 1) for shape in shapes)
        tail = replace(tail, unseen=less * tail.unseen, unseen_root=root**0.5 * tail.unseen_root)
        mean, sd = estimate.with_tail(mean, sd, tail)

    def interval(prob: float) -> tuple[Estimate, Estimate]:
        if kind == "eti":
            return quantile_at((1 - prob) / 2), quantile_at((1 + prob) / 2)
        ends = estimate.interval_of_function(ogive.quantile(LEVELS), prob, kind)
        functions = ogive.functions(LEVELS)
        each = np.array([estimate.interval_of_function(f, prob, kind) for f in functions])
        hidden = [ogive.hidden(float(ogive.shares(end)[1].mean())) for end in ends]
        errors = np.maximum(standard_error(each), np.abs(each.mean(0) - ends)) + hidden
        errors = errors if number * (1 - prob) >= NONE else np.full(2, np.inf)
        lower, upper = zip(ends.tolist(), errors.tolist(), strict=True)
        return lower, upper

    return {"mean": mean, "sd": sd, "median": quantile_at(0.5)}, interval


def _numbers(tree: xr.DataTree, statistic: str) -> tuple[float, float]:
    """Independent draws that a figure of a stream rests on, and draws in all.

    Each of the queries of a chain serves all its draws.
    """
    draws, queries = float(tree.attrs["draws"]), float(tree.attrs["queries"])
    if statistic != "query" or not is_nested(tree):
        return draws, draws
    return min(draws, queries * float(tree.attrs["randomizations"])), draws * queries


def _hidden_in_gap(tree: xr.DataTree, quantity: str, statistic: str, value: float) -> float:
    """How far a median over queries may be off where it lies in a gap, as a share of its size.

    It is known at the central assumptions; a value of the other sign has no share in common.
    """
    known = json.loads(str(tree.attrs.get("open_medians", "{}"))).get(quantity)
    if statistic != "typical" or not known:
        return 0.0
    median, error = known
    return float(error * value / median if value * median > 0 else error)


def _unknown(
    tree: xr.DataTree, quantity: str, statistic: str, group: Group, figures: Mapping[str, Estimate]
) -> Collection[str]:
    """Which figures no draws can give: moments that do not exist, means that a tail rules."""
    if quantity in json.loads(str(tree.attrs.get("ruled_means", "[]"))) and statistic != "typical":
        # The mean query is not known in any state of the world, so nor is anything about it.
        return figures if statistic == "mean" else ("mean", "sd")
    lost = quantity in json.loads(str(tree.attrs.get("lost_means", "[]")))
    # Half of the mean of the prior may come from a chance that the draws do not meet.
    draws, queries = tree.attrs["draws"], tree.attrs["queries"] * tree.attrs["randomizations"]
    rarest, spread, of_queries = (
        group == "prior"
        and json.loads(str(tree.attrs.get(key, "{}"))).get(quantity, 1.0) * number < NONE
        for key, number in (("rarest", draws), ("rarest_spread", draws), ("rarest_query", queries))
    )
    if lost or rarest or (of_queries and statistic != "typical"):
        return "mean", "sd"
    # Draws that are all one value say nothing of what is rarer than they are.
    alone = ("sd",) if figures.get("sd", (np.nan, 0))[0] else ("mean", "sd")
    return alone if spread else ()


def unknown_figures(table: xr.Dataset, shown: Sequence[str] = _FIGURES) -> list[str]:
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
    texts, beyond = [], []
    for statistic, keys in [*unknown.items()][: 1 if same else None]:
        which = f"{'any one' if statistic == 'query' else statistic} query"
        of = table["quantity"].item() + ("" if same else f" ({which})")
        if "mean" in keys or "median" in keys:
            figure = "mean" if "median" not in keys else "mean query behind every figure"
            text = f"the {figure} of {of} is ruled by a few draws far out in its tail"
            texts.append(f"{text}: quote the median, or truncate the inputs that spread it")
        if {"lower", "upper"} & keys and "median" not in keys:
            beyond.append(of)
    if beyond:
        outside = 1 - prob if table.attrs["kind"] == "hdi" else (1 - prob) / 2
        text = f"the ends of the {100 * prob:g} % interval of {', '.join(beyond)} lie beyond what"
        need = f"make {estimate.FEW / outside:.1g} draws or more, or ask for a narrower interval"
        texts.append(f"{text} the draws show: {need}")
    return texts


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
    check_tree(tree)
    quantity = main_quantity(tree, quantity)
    require_known("statistic", statistic, STATISTICS)
    which = group_of(tree, group)
    if lost := lost_text(tree, quantity, which):
        raise InputError.of("<exceedance>", f"{lost}: mend the model, or its inputs")
    chance, error = _chance(tree, threshold, quantity, statistic, which)
    if hidden := _hidden_in_gap(tree, quantity, statistic, threshold):
        near = (_chance(tree, threshold + s * hidden, quantity, statistic, which) for s in (-1, 1))
        error = max(error, *(abs(each - chance) for each, _ in near))
    return chance, error


def _chance(
    tree: xr.DataTree, threshold: float, quantity: str, statistic: str, which: Group
) -> Estimate:
    """Chance of exceeding a threshold, whatever the median over queries hides."""
    if is_streamed(tree):
        counted = tree.children.get("prior_exceedance", xr.DataTree()).dataset
        limits = counted.coords.get(f"{quantity}_threshold", xr.DataArray([])).values.tolist()
        ogive = ogive_of(tree, quantity, statistic)
        pool = estimate.Pool(ogive.quantile, ogive.shares, *_numbers(tree, statistic))
        if threshold in limits:  # named beforehand, so counted
            above = _sketched(tree, "prior_exceedance", quantity, statistic)
            below, error = estimate.chance_of_pool(pool, 1 - above[:, limits.index(threshold)])
            return 1 - below, error
        below, error = estimate.chance_of_pool(pool, ogive.shares(threshold)[1])
        return 1 - below, float(np.hypot(error, ogive.hidden_share(threshold)))
    number = independent_draws(tree, quantity, statistic, which)
    if statistic == "query" and is_nested(tree):
        functions = np.asarray(tree[f"{which}_query_quantiles"][quantity].values)
        pairs = independent_draws(tree, quantity, "typical", which) * float(tree.attrs["queries"])
        with np.errstate(invalid="ignore", over="ignore"):  # of infinite draws
            return estimate.exceedance_of_functions(functions, threshold, number, pairs)
    draws = draws_of(tree, quantity, statistic, which)
    chance, error = estimate.chance_estimate((draws > threshold).mean(1), number)
    unknown = "median" in _unknown(tree, quantity, statistic, which, {"median": (0.0, 0.0)})
    return chance, np.inf if unknown else error


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
        known = (np.nan, np.nan) if missing else exceedance(tree, threshold, quantity, statistic)
        rows.append(Chance(quantity, statistic, threshold, *known, missing))
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
        0 where nothing varies per query; NaN on the log scale of values not above 0, and of a
        stream, which keeps no moments of logarithms. The error is infinite where the tail rules
        the variance.

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
    check_tree(tree)
    quantity = main_quantity(tree, quantity)
    require_known("scale", scale, ("log", "linear"))
    which = group_of(tree, group)
    if lost := lost_text(tree, quantity, group):
        text = f"{lost}, so its variance has no parts: mend the model, or its inputs"
        raise InputError.of("<share_per_query>", text)
    if not is_nested(tree):
        return 0.0, 0.0
    if is_streamed(tree) and scale == "log":
        kept = [float(tree.attrs.get(key, np.nan)) for key in LOG_SHARE]
        return kept[0], kept[1]
    if is_streamed(tree):
        sds = np.stack([_moments(tree, quantity, s)["sd"] for s in ("mean", "query")])
        between, total = (sds / unit_near(float(sds.max()))) ** 2
        if not total.any():
            return 0.0, 0.0
        pooled = float(1 - between.mean() / total.mean())
        return pooled, float(standard_error(1 - between / total))
    names = ("log_mean", "log_sd") if scale == "log" else ("mean", "sd")
    unit, means, sds = _of_queries(tree, quantity, names, which)
    # Noise of a last digit is not spread; a logarithm has as much as 1 has.
    size = max(float(np.abs(means).max()), (scale == "log") / unit)
    rounding = (estimate.ROUNDING * size) ** 2

    def share(means: Floats, sds: Floats) -> Floats:
        within, between = (sds**2).mean(-1), estimate.row_moments(means)[1] ** 2
        total = within + between
        return np.where(total <= rounding, 0.0, within / np.maximum(total, rounding))

    # A variance is a mean of squares: where the tail rules it, no one knows its parts.
    ruled = any(np.isinf(estimate.mean_and_sd(values)[0][1]) for values in (means**2, sds**2))
    pooled, each = float(share(means.ravel(), sds.ravel())), share(means, sds)
    # What the queries of a chain add between chains is no spread of the draws.
    error = np.hypot(standard_error(each), each.mean() - pooled)
    return pooled, np.inf if ruled and scale == "linear" else float(error)
