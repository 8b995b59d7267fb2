"""Results side by side, how sure it is which takes more, and one input through a range."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias, TypedDict, Unpack

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import InputError, check_keywords, require_known
from uncertainty.files import Priors, load_priors
from uncertainty.inference import answer, paired_draws
from uncertainty.inputs import INPUTS
from uncertainty.problem import ModelLike, Problem, build_problem
from uncertainty.results import (
    ROUNDING,
    STATISTICS,
    chance_estimate,
    draws_of,
    group_of,
    independent_draws,
    is_streamed,
    main_quantity,
    quantile_estimate,
    summarize,
    unknown_figures,
    warnings_of,
)
from uncertainty.sampling import NESTED_DRAWS, simulate, stream

Draws: TypeAlias = Mapping[str, Floats]
"""By statistic: draws of a quantity, shape (chain, draw)."""


def summarize_scenarios(
    trees: Mapping[str, xr.DataTree], prob: float = 0.9, *, quantity: str | None = None
) -> xr.Dataset:
    """Summarize one quantity in several scenarios of a file.

    Parameters
    ----------
    trees : mapping of str to xarray.DataTree
        From `simulate` or `infer`, with the same seed and number of draws: their points are then
        the same (common random numbers), so that ratios are free of what the scenarios share.
    prob : float
        Probability that the intervals (equal tails) hold.
    quantity : str, optional
        An output; the only one, or ``energy_wh``, where not given.

    Returns
    -------
    xarray.Dataset
        The variables of `summarize` over ``scenario`` and ``statistic``; ``ratio_median``,
        ``ratio_lower``, ``ratio_upper`` of the ratio to the first scenario, point by point (NaN
        where a value is not above 0); ``difference_median`` and so on of the difference; and
        ``chance_above``, the probability that it is above the first. Each has its Monte Carlo
        standard error ``mcse_...``. NaN where the points are not the same.

    Raises
    ------
    InputError
        If there are no trees, or `prob` is not a probability.

    Examples
    --------
    >>> import uncertainty as un
    >>> scenarios = {"as stated": None, "long_input": "long_input"}
    >>> problems = {k: un.build_problem("gpt-4o", scenario=s) for k, s in scenarios.items()}
    >>> trees = {name: un.simulate(problem, draws=512) for name, problem in problems.items()}
    >>> table = summarize_scenarios(trees)
    >>> bool(table["ratio_median"].sel(scenario="long_input", statistic="typical") > 1)
    True
    """
    if not trees:
        raise InputError.of("<scenarios>", "give at least one result")
    first = next(iter(trees.values()))
    name = main_quantity(first, quantity)

    def same_points(tree: xr.DataTree) -> bool:
        """Whether a result shares the points of what it has in common with the first."""
        if is_streamed(tree) or is_streamed(first):
            return False
        if group_of(tree) != group_of(first) or tree.attrs["seed"] != first.attrs["seed"]:
            return False
        if group_of(tree) == "posterior":
            return _same_posterior(tree, first)
        shapes = [draws_of(t, main_quantity(t), "query").shape for t in (tree, first)]
        return shapes[0] == shapes[1]

    draws = [
        {s: draws_of(tree, name, s) for s in STATISTICS} if same_points(tree) else None
        for tree in trees.values()
    ]
    return _side_by_side(trees, name, prob, draws)


def _same_posterior(tree: xr.DataTree, other: xr.DataTree) -> bool:
    """Whether chains of two posteriors are the same to the last bit."""
    moved = [json.loads(str(t.attrs["updated"])) for t in (tree, other)]
    scores = [t["unconstrained_posterior"].dataset for t in (tree, other)]
    return sorted(moved[0]) == sorted(moved[1]) and all(
        np.array_equal(scores[0][name].values, scores[1][name].values) for name in moved[0]
    )


def _side_by_side(
    trees: Mapping[str, xr.DataTree], name: str, prob: float, draws: Sequence[Draws | None]
) -> xr.Dataset:
    """Summarize each result, and relate it to the first where their draws go together."""
    first = next(iter(trees.values()))
    tables = [summarize(tree, prob, quantities=[name]).isel(quantity=0) for tree in trees.values()]
    index = xr.Variable("scenario", list(trees))
    result = xr.concat(tables, index, coords="minimal", compat="override", join="override")
    result.attrs.pop("group", None)
    result["group"] = "scenario", [group_of(tree) for tree in trees.values()]
    missing: Floats = np.full((2, 1), np.nan)
    rows = []
    for tree, columns in zip(trees.values(), draws, strict=True):
        cells = []
        for s in STATISTICS:
            pair, number = (missing, missing), np.inf
            if columns is not None and draws[0] is not None:
                pair = columns[s], draws[0][s]
                # The draws of the less certain one say how many are worth an independent one.
                number = min(independent_draws(t, name, s, group_of(t)) for t in (tree, first))
            cells.append(dict(_relation(*pair, number, prob)))
        rows.append(cells)
    for key in rows[0][0]:
        values = np.array([[cell[key] for cell in row] for row in rows])
        result[key] = (("scenario", "statistic"), values)
    result["median"].attrs |= first["central"][name].attrs
    result.attrs |= {"quantity": name, "prob": prob, "kind": "eti"}
    titles = {str(tree.attrs["title"]) for tree in trees.values()}
    if len(titles) == 1:  # scenarios of one file
        result.attrs["subject"] = titles.pop()
    return result


@np.errstate(invalid="ignore")  # of infinite draws, which have their own warning
def _relation(
    draws: Floats, first: Floats, number: float, prob: float
) -> Iterator[tuple[str, float]]:
    """Ratio, difference and chance of more; `number` of the draws are worth an independent one."""
    missing = np.full((2, 1), np.nan)
    usable = bool((draws > 0).all() and (first > 0).all())
    relations = {"ratio": draws / first if usable else missing, "difference": draws - first}
    number = number if np.isinf(number) else min(number, draws.size)  # where nothing is uncertain
    levels = {"median": 0.5, "lower": (1 - prob) / 2, "upper": (1 + prob) / 2}
    for kind, values in relations.items():
        for key, level in levels.items():
            figure, error = np.nan, np.nan
            if not np.isnan(values).any():
                figure, error = quantile_estimate(values, level, None, number)
            yield f"{kind}_{key}", figure
            yield f"mcse_{kind}_{key}", error
    chance, error = np.nan, np.nan
    # Of what is not a number, no one can say whether it is above.
    if not np.isnan(draws + first).any():
        more = draws > first + ROUNDING * np.abs(first)
        chance, error = chance_estimate(more.mean(-1), number)
        # What agrees draw by draw is known to.
        error = 0.0 if np.array_equal(draws, first) else error
    yield "chance_above", chance
    yield "mcse_chance_above", error


def compare(
    problems: Mapping[str, Problem],
    prob: float = 0.9,
    *,
    quantity: str | None = None,
    draws: int | None = None,
    seed: int = 0,
    resample: bool = False,
) -> xr.Dataset:
    """Compare what is quoted of problems with the first, at common points.

    Where evidence bears on a problem that is its posterior, the very one that `run` quotes.

    Parameters
    ----------
    problems : mapping of str to Problem
        Two or more, by the names to show. Assumptions of one name are taken to be one unknown:
        where they have the same distribution they cancel.
    prob : float
        Probability that the intervals (equal tails) hold.
    quantity : str, optional
        An output that all give; the only one of the first, or ``energy_wh``, where not given.
    draws : int, optional
        Of priors, as in `simulate`; a posterior has 4 chains of 4000.
    seed : int
    resample : bool
        As in `infer`.

    Returns
    -------
    xarray.Dataset
        As from `summarize_scenarios`, over ``scenario`` (the names) and ``statistic``: summaries,
        ``ratio_...`` and ``difference_...`` to the first, and ``chance_above``, the probability of
        being above the first; all with their Monte Carlo standard errors; ``group`` says of each
        whether it is the prior or the posterior, where there is evidence. The attribute
        ``pairing`` says how draws go together, and ``warnings`` holds, as JSON, the sentences on
        why a result is not to be trusted.

    Notes
    -----
    Two problems with the same evidence, and the same priors of what it bears on, have one
    posterior and share its draws. Draws of other posteriors are paired at random.

    Raises
    ------
    InputError
        If there are fewer than two, or they do not give the quantity alike.

    Examples
    --------
    >>> import uncertainty as un
    >>> names = ("gpt-4o-mini", "gpt-4o")
    >>> priors = {name: un.build_problem(name, evidence=[]) for name in names}
    >>> table = compare(priors, draws=512)
    >>> bool(table["chance_above"].sel(scenario="gpt-4o", statistic="typical") > 0.5)
    True
    """
    if len(problems) < 2:
        raise InputError.of("<problems>", "give two or more to compare")
    name = common_quantity(problems, quantity)
    trees = {
        label: answer(problem, draws, seed, resample=resample, quantities=[name])
        for label, problem in problems.items()
    }
    return relate(problems, trees, name, prob, draws, seed)


def relate(
    problems: Mapping[str, Problem],
    trees: Mapping[str, xr.DataTree],
    quantity: str,
    prob: float,
    draws: int | None,
    seed: int,
) -> xr.Dataset:
    """Set results side by side as they are quoted, and relate each to the first.

    Parameters
    ----------
    problems, trees : mapping
        Problems, and what `answer` gives of them with these `draws` and this `seed`, by name.
    quantity : str
        An output that all give.
    prob, draws, seed
        As in `compare`.
    """
    if any(group_of(tree) == "posterior" for tree in trees.values()):
        columns, pairing = _of_posteriors(problems, trees, quantity, seed)
    else:
        pairing = "All are computed at the same points, so that what they share cancels."
        nested = {problem.varies for problem in problems.values()}
        count = draws or (NESTED_DRAWS if nested == {True, False} else None)
        columns, moved = list[Draws](), aligned(list(problems.values()))
        for problem, at_common, tree in zip(problems.values(), moved, trees.values(), strict=True):
            places = [{n.name: n.index for n in p.joint.nodes} for p in (problem, at_common)]
            # Draws at hand will do where their points are the common ones already.
            kept = count == draws and places[0] == places[1]
            common = tree if kept else simulate(at_common, count, seed, quantities=[quantity])
            columns.append({s: draws_of(common, quantity, s) for s in STATISTICS})
    table = _side_by_side(trees, quantity, prob, columns)
    doubts = [
        f"{label}: {text}"
        for label, tree in trees.items()
        for text in [
            *warnings_of(tree),
            *unknown_figures(table.sel(scenario=label), ("median", "lower", "upper")),
        ]
    ]
    facts = {"warnings": json.dumps(doubts), "pairing": pairing}
    table.attrs |= {**origin(list(trees.values())), **facts}
    return table


def _of_posteriors(
    problems: Mapping[str, Problem], trees: Mapping[str, xr.DataTree], quantity: str, seed: int
) -> tuple[list[Draws], str]:
    """Draws at the scores of a posterior: what evidence has not moved is shared by name."""
    reference = next(label for label in trees if group_of(trees[label]) == "posterior")
    chains, each = (int(trees[reference].attrs[f"posterior_{k}"]) for k in ("chains", "draws"))
    columns, apart, alone = list[Draws](), list[str](), list[str]()
    for label, tree in trees.items():
        if group_of(tree) != "posterior":
            alone.append(label)
            columns.append(paired_draws(problems[label], quantity, {}, chains, each, seed))
            continue
        if _same_posterior(tree, trees[reference]):
            columns.append({s: draws_of(tree, quantity, s) for s in STATISTICS})
            continue
        apart.append(label)
        # Two posteriors sampled with one seed share their random numbers: side by side their draws
        # would go together as if they knew of one another. Each chain takes the place of another.
        known, scores = dict[str, Floats](), tree["unconstrained_posterior"].dataset
        for name in json.loads(str(tree.attrs["updated"])):
            moved = np.roll(np.asarray(scores[name].values), len(apart) % chains or 1, axis=0)
            known[str(name)] = np.roll(moved, len(apart) // chains, axis=1).ravel()
        system = problems[label].new_system
        columns.append(paired_draws(system, quantity, known, chains, each, seed))
    texts = ["What the evidence does not inform is drawn alike in all, so that it cancels."]
    if apart:
        texts.append(
            f"The posterior of {' and '.join(apart)} differs from that of {reference}: what "
            "evidence informs is drawn independently in each."
        )
    if alone:
        texts.append(
            f"{' and '.join(alone)} has no evidence: what evidence informs in {reference} is drawn "
            "independently there."
        )
    return columns, " ".join(texts)


def aligned(problems: Sequence[Problem]) -> list[Problem]:
    """Give every assumption the same coordinate in all problems, the first one's where it has it.

    Results of `simulate` with one seed then share the points of all assumptions that have one name.
    """
    places: dict[str, int] = {}
    for problem in problems:
        for node in sorted(problem.joint.nodes, key=lambda node: node.index):
            places.setdefault(node.name, len(places))
    moved = []
    for problem in problems:
        nodes = tuple(replace(node, index=places[node.name]) for node in problem.joint.nodes)
        moved.append(replace(problem, joint=replace(problem.joint, nodes=nodes)))
    return moved


def origin(trees: Sequence[xr.DataTree]) -> dict[str, str | int]:
    """Attributes that say where a table of several results comes from."""
    first = trees[0].attrs
    joined = {
        key: "; ".join(dict.fromkeys(str(tree.attrs[key]) for tree in trees))
        for key in ("priors", "priors_sha256")
    }
    return {**joined, "seed": int(first["seed"]), "versions": str(first["versions"])}


def common_quantity(problems: Mapping[str, Problem], quantity: str | None) -> str:
    """Choose an output that all problems give, at one boundary and in one unit."""
    first, *others = problems.items()
    name = first[1].quantity(quantity)
    chosen = first[1].outputs[name]
    for label, problem in others:
        output = problem.outputs.get(name)
        if output is None:
            raise InputError.of("<quantity>", f"{label} has no {name!r}, which {first[0]} has")
        if (output.unit, output.boundary) != (chosen.unit, chosen.boundary):
            text = (
                f"{name} is in {chosen.unit} at {chosen.boundary or 'no boundary'} in {first[0]}, "
                f"in {output.unit} at {output.boundary or 'no boundary'} in {label}; choose another"
            )
            raise InputError.of("<quantity>", text)
    return name


class Question(TypedDict, total=False):
    """What `build_problem` takes beside the priors."""

    model: ModelLike | None
    given: Mapping[str, object] | None
    scenario: str | None


def sweep(
    priors: Priors | str | Mapping[str, object],
    name: str,
    values: Sequence[float],
    *,
    quantities: Sequence[str] = ("energy_wh",),
    statistic: str = "typical",
    prob: float = 0.9,
    draws: int | None = None,
    seed: int = 0,
    **question: Unpack[Question],
) -> xr.Dataset:
    """Summarize outputs for each of several values of one assumption.

    Parameters
    ----------
    priors
        As in `build_problem`.
    name : str
        The assumption that is fixed at each value, in its canonical unit.
    values : sequence of float
    quantities : sequence of str
        Outputs.
    statistic : {"typical", "mean", "query"}
    prob : float
        Probability that the intervals (equal tails) hold.
    draws, seed
        As in `stream`: the points of all other assumptions are the same for every value.
    **question
        ``model``, ``given`` and ``scenario``, as in `build_problem`.

    Returns
    -------
    xarray.Dataset
        ``median``, ``lower``, ``upper`` and their Monte Carlo standard errors ``mcse_...`` over
        ``quantity`` and the assumption's name. The attribute ``warnings`` holds, as JSON, the
        sentences on why a result is not to be trusted. Evidence is left out: where there is some,
        the attribute ``group`` says ``prior``.

    Raises
    ------
    InputError
        If there are no values, or what `build_problem` refuses.

    Examples
    --------
    >>> table = sweep("gpt-4o", "output_tokens", [100, 1000], draws=512)
    >>> bool(table["median"][0, 1] > table["median"][0, 0])
    True
    """
    check_keywords("sweep", question, Question.__annotations__)
    if not len(values):
        raise InputError.of("<values>", "give one or more")
    require_known("statistic", statistic, STATISTICS)
    priors = priors if isinstance(priors, Priors) else load_priors(priors)
    tables, facts, doubts = [], {}, list[str]()
    for value in values:
        fixed = {**(question.get("given") or {}), name: float(value)}
        problem = build_problem(priors, question.get("model"), fixed, question.get("scenario"))
        tree = stream(problem, draws, seed, quantities=quantities)
        table = summarize(tree, prob, quantities=list(quantities)).sel(statistic=[statistic])
        tables.append(table.isel(statistic=0))
        facts = origin([tree])
        shown = ("median", "lower", "upper")
        unknown = (unknown_figures(table.sel(quantity=q), shown) for q in quantities)
        texts = chain(warnings_of(tree), *unknown)
        doubts += [f"{name} = {value:g}: {text}" for text in texts]
    unit = INPUTS[name].unit if name in INPUTS else ""
    units = {"units": "" if unit == "1" else unit}
    index = xr.Variable(name, np.asarray(values, float), units)
    result = xr.concat(tables, index, coords="minimal", compat="override", join="override")
    outputs = [problem.outputs[quantity] for quantity in quantities]
    named = {
        "boundary": ("quantity", [output.boundary for output in outputs]),
        "meaning": ("quantity", [output.meaning for output in outputs]),
    }
    order = result.transpose("quantity", name).assign_coords(named)
    facts |= {"warnings": json.dumps(doubts)}
    return order.assign_attrs({**facts, "prob": prob, "kind": "eti", "statistic": statistic})
