"""What would be measured at new conditions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from uncertainty.declarations import INPUTS
from uncertainty.errors import Fault, InputError
from uncertainty.likelihood import Observation
from uncertainty.observations import rows_of
from uncertainty.precision import Floats, in_float64
from uncertainty.problem import Problem
from uncertainty.sampling.forward import QUERIES
from uncertainty.sampling.points import normal_scores
from uncertainty.sampling.recall import problem_of
from uncertainty.sampling.target import coordinates_of, rows_at, whole_target
from uncertainty.spec import KINDS, Row, conditions_of, group_of_row, nearest

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["expected_rows", "predict"]

_DRAWS = 2**12
_PLAIN_DRAWS = 2**10
"""Of a model in plain Python, each is a call of it for each row."""


@in_float64
def predict(
    tree_or_problem: "xr.DataTree | Problem",
    rows: Sequence[Mapping[str, object]],
    *,
    seed: int = 0,
    observes: str | None = None,
) -> "xr.Dataset":
    """Draw measurements of an observed output at new conditions.

    Parameters
    ----------
    tree_or_problem : xarray.DataTree or Problem
        From `infer`: its posterior. A problem: its prior.
    rows : sequence of mapping
        Conditions of each measurement, as `given` takes them: numbers in the units of the inputs,
        texts with a unit, names of the catalogues. Under the name of the evidence's column of
        groups stands the group; rows of one group share its effect, which is the posterior's own
        where the group was measured, and new otherwise.
    seed : int
    observes : str, optional
        The output; that of the first evidence, or of the file's measurement, where not given.

    Returns
    -------
    xarray.Dataset
        Draws under the output's name, in its unit, dimensions ``sample`` and ``row``: with the
        effect of the group and the error of a single measurement. Attribute ``notices`` (JSON)
        names conditions that nothing uses.

    Raises
    ------
    InputError
        If nothing says how measurements differ from the model, or with every fault of the rows.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}},
    ...          "measurement": {"observes": "y", "error": {"lognormal": {"sigma": 0.1}}}}
    >>> problem = un.build_problem(prior, model=lambda x: x)
    >>> predict(problem, [{"x": 2.0}, {}])["y"].median("sample").values.round(1)
    array([2., 1.])
    """
    import xarray as xr

    if isinstance(tree_or_problem, Problem):
        problem, posterior = tree_or_problem, None
    else:
        problem = problem_of(tree_or_problem)
        posterior = tree_or_problem["unconstrained_posterior"].dataset
    chosen = _chosen(problem, observes)
    grouping = _grouping(problem, chosen)
    conditions, groups = _conditions(problem, rows, chosen, grouping)
    names = list(dict.fromkeys([*chosen.groups, *groups]))
    made = [
        Row(i, own, {"value": 1.0}, group)
        for i, (own, group) in enumerate(zip(conditions, groups, strict=True))
    ]
    parts = tuple(rows_of(made, [(0.0, 0.0)] * len(made), names, problem.joint, chosen.model))
    observation = replace(chosen, groups=tuple(names) if chosen.sd else (), rows=parts)
    coordinates = problem.joint.coordinates(varies=False)
    target = whole_target(problem, (observation,), QUERIES, seed)
    others = [x for x in problem.observations if x.observes == chosen.observes and x.count]
    z = _scores(coordinates, observation, chosen, others, posterior, seed)
    found = rows_at(target, z, seed).replicate[0]
    output = problem.outputs.get(chosen.observes)
    facts = {"units": output.unit, "boundary": output.boundary} if output else {}
    notices = json.dumps([*_unused(rows, chosen, problem, grouping)])
    draws = {chosen.observes: (("sample", "row"), found, facts)}
    return xr.Dataset(draws, attrs={"notices": notices})


@in_float64
def expected_rows(problem: Problem, seed: int = 0) -> dict[str, Floats]:
    """Draw what the prior expects in the rows of each evidence: shape (draws, rows) each."""
    observations = tuple(item for item in problem.observations if item.count)
    plain = any(item.model.plain for item in observations)
    draws = _PLAIN_DRAWS if plain else 2 * _DRAWS
    target = whole_target(problem, observations, QUERIES, seed)
    places = coordinates_of(target)
    points = normal_scores(places, draws, seed=seed, randomization=0)
    columns = [points[name] for name in places]
    z = np.stack(columns, -1) if columns else np.zeros((draws, 0))
    found = rows_at(target, z, seed).replicate
    return {item.name: own for item, own in zip(observations, found, strict=True)}


def _chosen(problem: Problem, observes: str | None) -> Observation:
    known = {item.observes: item for item in reversed(problem.observations)}
    if observes is not None and observes in known:
        return known[observes]
    if observes is not None or not known:
        text = (
            "nothing says how measurements differ from the model: give evidence, or 'measurement'"
        )
        told = f"{observes} is not observed; observed: {', '.join(known)}" if known else text
        raise InputError.of("<observes>", told)
    return problem.observations[0]


def _grouping(problem: Problem, chosen: Observation) -> str:
    items = zip(problem.observations, problem.observed.evidence, strict=True)
    stated = next(item.measurement for own, item in items if own is chosen)
    return stated.column if stated else ""


def _conditions(
    problem: Problem,
    rows: Sequence[Mapping[str, object]],
    chosen: Observation,
    grouping: str,
) -> tuple[list[dict[str, float]], list[str]]:
    """Read the rows; a row without a group is one of its own."""
    found, groups, faults = list[dict[str, float]](), list[str](), list[Fault]()
    for number, row in enumerate(rows):
        given = {name: value for name, value in row.items() if name != grouping}
        own, complaints = conditions_of(given, problem.priors.place)
        faults += [replace(fault, field=f"{number}.{fault.field}") for fault in complaints]
        found.append(own)
        groups.append(group_of_row(row.get(grouping, f"row {number}")))
    faults += _misfits(found, chosen, problem)
    if faults:
        raise InputError(faults)
    return found, groups


def _misfits(
    conditions: Sequence[Mapping[str, float]], chosen: Observation, problem: Problem
) -> Iterator[Fault]:
    """Find names that nothing knows, and values where a shipped model has no meaning."""
    model = chosen.model
    known = {*INPUTS, *model.required, *model.optional, *problem.assumptions, *KINDS}
    for number, row in enumerate(conditions):
        for name, value in row.items():
            place = f"{number}.{name}"
            text = INPUTS[name].impossible(value) if model.outputs and name in INPUTS else ""
            if name not in known and not model.takes_all:
                text = f"is no input of {model.name} and no assumption{nearest(name, known)}"
            if text:
                yield Fault("<rows>", 0, 0, place, text)


def _unused(
    rows: Sequence[Mapping[str, object]], chosen: Observation, problem: Problem, grouping: str
) -> Iterator[str]:
    """Say which conditions nothing uses, as `build_problem` does of what is given."""
    model = chosen.model
    known = {*model.required, *model.optional, *problem.assumptions, *KINDS, grouping}
    for name in dict.fromkeys(name for row in rows for name in row):
        if name not in known and not model.takes_all:
            yield f"{name}: is used by nothing in {model.name}{nearest(name, known)}"


def _scores(
    coordinates: Mapping[str, int],
    observation: Observation,
    chosen: Observation,
    others: Sequence[Observation],
    posterior: "xr.Dataset | None",
    seed: int,
) -> Floats:
    """Scores of every coordinate and of each group, shape (samples, size)."""
    rng = np.random.default_rng([seed, 1])
    if posterior is None:
        draws = _PLAIN_DRAWS if chosen.model.plain else _DRAWS
        points = normal_scores(coordinates, draws, seed=seed, randomization=0)
        columns = [points[name] for name in coordinates]
        known = dict[str, Floats]()
    else:
        columns = [np.asarray(posterior[name].values).ravel() for name in coordinates]
        known = {
            group: np.asarray(posterior[f"{item.name}_effect"].values)[..., i].ravel()
            for item in (*others, chosen)
            for i, group in enumerate(item.groups)
        }
    count = len(columns[0]) if columns else _DRAWS
    effects = [
        known[group] if group in known else rng.standard_normal(count)
        for group in observation.groups
    ]
    return np.stack([*columns, *effects], -1) if columns or effects else np.zeros((count, 0))
