"""How much more one takes than the other, and how sure that is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.comparison.scenarios import Pairs, same_posterior, side_by_side
from uncertainty.errors import InputError
from uncertainty.inference import answer, paired_draws
from uncertainty.problem import Columns, Problem
from uncertainty.results import STATISTICS, draws_of, group_of, unknown_figures, warnings_of
from uncertainty.sampling import NESTED_DRAWS, simulate


def aligned(problems: Sequence[Problem]) -> list[Problem]:
    """Give every assumption the same coordinate in all problems, the first one's where it has it.

    Results of `simulate` with one seed then share the points of all assumptions that have one name.
    """
    places: dict[str, int] = {}
    for problem in problems:
        for node in sorted(problem.joint.nodes, key=lambda node: node.index):
            places.setdefault(node.name, len(places))
    return [_moved(problem, places) for problem in problems]


def origin(trees: Sequence[xr.DataTree]) -> dict[str, str | int]:
    """Attributes that say where a table of several results comes from."""
    first = trees[0].attrs
    joined = {
        key: "; ".join(dict.fromkeys(str(tree.attrs[key]) for tree in trees))
        for key in ("priors", "priors_sha256")
    }
    return {**joined, "seed": int(first["seed"]), "versions": str(first["versions"])}


def _moved(problem: Problem, places: Mapping[str, int]) -> Problem:
    nodes = tuple(replace(node, index=places[node.name]) for node in problem.joint.nodes)
    return replace(problem, joint=replace(problem.joint, nodes=nodes))


def common_quantity(problems: Mapping[str, Problem], quantity: str | None) -> str:
    """Choose an output that all problems give, at one boundary and in one unit.

    Raises
    ------
    InputError
        If there is none: numbers at different boundaries are never compared.
    """
    first, *others = problems.items()
    name = first[1].quantity(quantity)
    chosen = first[1].outputs[name]
    for label, problem in others:
        found = problem.outputs.get(name)
        if found is None:
            raise InputError.of("<quantity>", f"{label} gives no {name!r}, which {first[0]} gives")
        if (found.unit, found.boundary) != (chosen.unit, chosen.boundary):
            text = (
                f"{name} is in {chosen.unit} at {chosen.boundary or 'no boundary'} in {first[0]}, "
                f"in {found.unit} at {found.boundary or 'no boundary'} in {label}"
            )
            raise InputError.of("<quantity>", text)
    return name


def compare(
    problems: Mapping[str, Problem],
    prob: float = 0.9,
    *,
    quantity: str | None = None,
    draws: int | None = None,
    seed: int = 0,
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
    >>> files = {name: un.build_problem(name) for name in ("gpt-4o-mini", "gpt-4o")}
    >>> table = compare(files, draws=512)
    >>> bool(table["chance_above"].sel(scenario="gpt-4o", statistic="typical") > 0.5)
    True
    """
    if len(problems) < 2:
        raise InputError.of("<problems>", "give two or more to compare")
    name = common_quantity(problems, quantity)
    trees = {label: answer(problem, draws, seed) for label, problem in problems.items()}
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
    learned = any(group_of(tree) == "posterior" for tree in trees.values())
    pairs, how = (
        _of_posteriors(problems, trees, quantity, seed)
        if learned
        else _of_priors(problems, trees, quantity, draws, seed)
    )
    table = side_by_side(trees, quantity, prob, pairs)
    shown = ("median", "lower", "upper")
    doubts = [
        f"{label}: {text}"
        for label, tree in trees.items()
        for text in [*warnings_of(tree), *unknown_figures(table.sel(scenario=label), shown)]
    ]
    facts = {"warnings": json.dumps(doubts), "pairing": how}
    table.attrs |= {**origin(list(trees.values())), **facts}
    return table


def _of_priors(
    problems: Mapping[str, Problem],
    trees: Mapping[str, xr.DataTree],
    quantity: str,
    draws: int | None,
    seed: int,
) -> tuple[list[Pairs], str]:
    """Draws at common points: those at hand, where the points are common already."""
    nested = {problem.varies for problem in problems.values()}
    count = draws or (NESTED_DRAWS if nested == {True, False} else None)
    own = []
    moved = aligned(list(problems.values()))
    for problem, at_common, tree in zip(problems.values(), moved, trees.values(), strict=True):
        places = [{n.name: n.index for n in p.joint.nodes} for p in (problem, at_common)]
        kept = count == draws and places[0] == places[1]
        common = tree if kept else simulate(at_common, count, seed)
        own.append({s: draws_of(common, quantity, s) for s in STATISTICS})
    return _with_first(own), "All are computed at the same points, so that what they share cancels."


def _of_posteriors(
    problems: Mapping[str, Problem],
    trees: Mapping[str, xr.DataTree],
    quantity: str,
    seed: int,
) -> tuple[list[Pairs], str]:
    """Draws at the scores of a posterior: what evidence has not moved is shared by name."""
    labels = list(trees)
    reference = next(label for label in labels if group_of(trees[label]) == "posterior")
    chains, each = (int(trees[reference].attrs[f"posterior_{k}"]) for k in ("chains", "draws"))
    own, apart, alone = list[dict[str, Floats]](), list[str](), list[str]()
    for label, tree in trees.items():
        learned = group_of(tree) == "posterior"
        if learned and same_posterior(tree, trees[reference]):
            own.append({s: draws_of(tree, quantity, s) for s in STATISTICS})
            continue
        (apart if learned else alone).append(label)
        known = _shifted(tree, len(apart), chains) if learned else {}
        problem = problems[label].new_system if learned else problems[label]
        own.append(paired_draws(problem, quantity, known, chains, each, seed))
    said = ["What evidence has not moved is drawn alike in all, so that it cancels."]
    if apart:
        said.append(
            f"The posterior of {' and '.join(apart)} is another one than that of {reference}: "
            "what evidence has moved is paired at random, as two unknowns."
        )
    if alone:
        said.append(
            f"{' and '.join(alone)}: a prior, without evidence; what evidence has moved in "
            f"{reference} is another unknown there."
        )
    return _with_first(own), " ".join(said)


def _with_first(own: Sequence[Mapping[str, Floats]]) -> list[Pairs]:
    return [{s: (found[s], own[0][s]) for s in STATISTICS} for found in own]


def _shifted(tree: xr.DataTree, chains: int, count: int) -> Columns:
    """Scores that evidence has moved, each chain in the place of another.

    Two posteriors sampled with one seed share their random numbers: side by side their draws would
    go together as if they knew of one another.
    """
    scores = tree["unconstrained_posterior"].dataset
    found: Columns = {}
    for name in json.loads(str(tree.attrs["updated"])):
        moved = np.roll(np.asarray(scores[name].values), chains % count or 1, axis=0)
        found[str(name)] = np.roll(moved, chains // count, axis=1).ravel()
    return found
