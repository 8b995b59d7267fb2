"""What would be measured at new conditions, and what the outputs would be."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.arrays import Floats, in_float64
from uncertainty.distributions import CompiledLaw
from uncertainty.energy import EFFECTS, EnergyModel
from uncertainty.errors import Fault, InputError, nearest, require_known
from uncertainty.files import KINDS, Row, conditions_of, group_of_row
from uncertainty.inference.target import batches_at, coordinates_of, rows_at, whole_target
from uncertainty.inputs import INPUTS
from uncertainty.problem import Joint, Observation, Problem, replaced_by, rows_of
from uncertainty.sampling import QUERIES, normal_scores, problem_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


RowsLike: TypeAlias = (
    "Sequence[Mapping[str, object] | pd.Series] | Mapping[str, object] | pd.DataFrame | pd.Series"
)
"""Conditions: a list of rows, one row, a mapping of columns, or a table; a row is a mapping."""
_NUMBERS, _FEWEST = 2**23, 2**10
"""Expected measurements that are drawn at most, but for as many of each row."""
_BATCH = 2**10
"""Samples that are computed together."""
_DRAWS = 2**12
_PLAIN_DRAWS = 2**10
"""Of a model in plain Python, each is a call of it for each row."""


@in_float64
def predict(
    tree_or_problem: "xr.DataTree | Problem",
    rows: RowsLike,
    *,
    seed: int = 0,
    observes: str | None = None,
    quantity: str | None = None,
    statistic: str = "typical",
) -> "xr.Dataset":
    """Draw measurements of an observed output, or any output itself, at new conditions.

    Parameters
    ----------
    tree_or_problem : xarray.DataTree or Problem
        From `infer`: its posterior. A problem: its prior.
    rows : sequence of mapping, mapping, pandas.DataFrame or pandas.Series
        Conditions of each row, as `given` takes them: numbers in the units of the inputs, texts
        with a unit, names of the catalogues; an empty cell (None, or what pandas writes for it)
        leaves an input open. One mapping is one row or, where it holds lists, a column for each
        name. Under the name of the evidence's column of groups stands the group; rows of one group
        share its effect, which is the posterior's own where the group was measured, and new
        otherwise.
    seed : int
    observes : str, optional
        The observed output; that of the first evidence, or of the file's measurement, where not
        given.
    quantity : str, optional
        Any output in place of a measurement: as the system has it, without an error of measuring.
    statistic : {"typical", "mean", "query"}
        Of the `quantity`, where a row leaves open what varies per query: of the median query, the
        mean query, or any one.

    Returns
    -------
    xarray.Dataset
        Draws under the output's name, in its unit, dimensions ``sample`` and ``row``: with the
        effect of the group and, of a measurement, its error. Attribute ``notices`` (JSON) names
        conditions that nothing uses.

    Raises
    ------
    InputError
        If nothing says how measurements differ from the model, or with every fault of the rows.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}},
    ...          "measurement": {"observes": "y", "error": {"lognormal": {"sigma": 0.1}}}}
    >>> problem = un.build_problem(prior, model=lambda x: {"y": x, "twice": 2 * x})
    >>> predict(problem, [{"x": 2.0}, {}])["y"].median("sample").values.round(1)
    array([2., 1.])
    >>> predict(problem, {"x": [2.0, 3.0]}, quantity="twice")["twice"].median("sample").values
    array([4., 6.])
    """
    import xarray as xr

    require_known("statistic", statistic, ("typical", "mean", "query"))
    if isinstance(tree_or_problem, Problem):
        problem, posterior = tree_or_problem, None
    else:
        problem = problem_of(tree_or_problem)
        if "posterior" not in tree_or_problem.children:
            raise InputError.of("<result>", "has no posterior to predict from: give the problem")
        posterior = tree_or_problem["unconstrained_posterior"].dataset
    if quantity is not None and observes is not None:
        raise InputError.of("<quantity>", "give a quantity, or what was observed, not both")
    chosen = None if quantity and not problem.observations else _chosen(problem, observes)
    grouping = _grouping(problem, chosen) if chosen else ""
    stated = read_rows(rows)
    model = problem.model if quantity or chosen is None else chosen.model
    conditions, groups = _conditions(problem, stated, grouping, model)
    made = [
        Row(i, own, {"value": 1.0}, group)
        for i, (own, group) in enumerate(zip(conditions, groups, strict=True))
    ]
    if quantity is not None:
        name = problem.quantity(quantity)
        found = _outputs(problem, made, chosen, posterior, (name, statistic), seed)
    else:
        assert chosen is not None
        name = chosen.observes
        found = _measurements(problem, made, chosen, posterior, seed)
    output = problem.outputs.get(name)
    facts = {"units": output.unit, "boundary": output.boundary} if output else {}
    notices = json.dumps([*_unused(stated, model, problem, grouping)])
    return xr.Dataset({name: (("sample", "row"), found, facts)}, attrs={"notices": notices})


def _measurements(
    problem: Problem,
    made: Sequence[Row],
    chosen: Observation,
    posterior: "xr.Dataset | None",
    seed: int,
) -> Floats:
    """Draw new measurements: shape (samples, rows)."""
    names = list(dict.fromkeys([*chosen.groups, *(row.group for row in made)]))
    parts = tuple(rows_of(made, [(0.0, 0.0)] * len(made), names, problem.joint, chosen.model))
    observation = replace(chosen, groups=tuple(names) if chosen.sd else (), rows=parts)
    target = whole_target(problem, (observation,), QUERIES, seed)
    columns, known = _drawn(problem, chosen, posterior, seed)
    rng, count = np.random.default_rng([seed, 1]), _count(columns, chosen.model)
    effects = [
        known[group] if group in known else rng.standard_normal(count)
        for group in observation.groups
    ]
    both = [*columns.values(), *effects]
    z = np.stack(both, -1) if both else np.zeros((count, 0))
    return rows_at(target, z, seed).replicate[0]


def _outputs(
    problem: Problem,
    made: Sequence[Row],
    chosen: Observation | None,
    posterior: "xr.Dataset | None",
    wanted: tuple[str, str],
    seed: int,
) -> Floats:
    """Draw an output at each row, with the effect of its system: shape (samples, rows)."""
    system = problem.new_system
    columns, known = _drawn(system, chosen, posterior, seed)
    count = _count(columns, system.model)
    rng = np.random.default_rng([seed, 1])
    new = {row.group: rng.standard_normal(count) for row in made}
    places = system.joint.coordinates(varies=True)
    inner = normal_scores(places, QUERIES, seed=seed, randomization=0)
    if wanted[1] == "query":
        columns |= {name: rng.standard_normal(count) for name in places}
        inner = {}
    effect = EFFECTS[0] if EFFECTS[0] in columns else ""
    found = np.empty((count, len(made)))
    for number, row in enumerate(made):
        own = dict(columns)
        if effect:
            own[effect] = known.get(row.group, new[row.group])
        # What a measured system shares with all others is learned; of a new one it is not.
        shared = chosen.discrepancy if chosen and row.group in known else None
        found[:, number] = _at_row(system, row.conditions, own, inner, shared, wanted)
    return found


def _at_row(
    system: Problem,
    conditions: Mapping[str, float],
    columns: Mapping[str, Floats],
    inner: Mapping[str, Floats],
    shared: CompiledLaw | None,
    wanted: tuple[str, str],
) -> Floats:
    joint, model, count = system.joint, system.model, _count(columns, system.model)
    behind = joint.behind(model.used(node.name for node in joint.nodes), conditions)
    averaged = bool(behind & inner.keys())
    queries = inner if averaged else {name: points[:1] for name, points in inner.items()}
    padded = -(-count // _BATCH) * _BATCH
    own = {name: np.pad(column, (0, padded - count), "edge") for name, column in columns.items()}
    own = own or {"": np.zeros(padded)}
    known = {name: np.asarray(value) for name, value in conditions.items()}
    parts = [
        _reduced(
            joint,
            shared,
            known,
            {name: column[i : i + _BATCH] for name, column in own.items()},
            queries,
            model=model,
            wanted=wanted,
        )
        for i in range(0, padded, _BATCH)
    ]
    return np.concatenate([np.asarray(part) for part in parts])[:count]


@partial(jax.jit, static_argnames=("model", "wanted"))
def _reduced(
    joint: Joint,
    shared: CompiledLaw | None,
    known: dict[str, Array],
    scores: dict[str, Array],
    queries: dict[str, Array],
    *,
    model: EnergyModel,
    wanted: tuple[str, str],
) -> Array:
    """One statistic of one output at points (n,) under the same conditions."""
    quantity, statistic = wanted

    def value(point: dict[str, Array], query: dict[str, Array]) -> Array:
        inputs = {**joint.inputs(joint.correlate({**point, **query}), known), **known}
        if shared is not None:
            inputs[EFFECTS[1]] = shared.fields(inputs)["value"]
        kept = {name: x for name, x in inputs.items() if name not in replaced_by(known)}
        return model(kept)[quantity]

    def one(point: dict[str, Array]) -> Array:
        if not queries:
            return value(point, {})
        values = jax.vmap(value, (None, 0))(point, queries)
        return jnp.median(values) if statistic == "typical" else values.mean()

    return jax.vmap(one)(scores)


def _count(columns: Mapping[str, Floats], model: EnergyModel) -> int:
    """Number of samples."""
    draws = _PLAIN_DRAWS if model.plain else _DRAWS
    return next((len(column) for column in columns.values()), draws)


def _drawn(
    problem: Problem, chosen: Observation | None, posterior: "xr.Dataset | None", seed: int
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Scores of what does not vary per query, and of groups that were measured."""
    places = problem.joint.coordinates(varies=False)
    if posterior is None:
        draws = _PLAIN_DRAWS if problem.model.plain else _DRAWS
        return dict(normal_scores(places, draws, seed=seed, randomization=0)), {}
    columns: dict[str, Floats] = {
        name: np.asarray(posterior[name].values).ravel() for name in places
    }
    if chosen is None:
        return columns, {}
    items = [x for x in problem.observations if x.observes == chosen.observes and x.count]
    known: dict[str, Floats] = {
        group: np.asarray(posterior[f"{item.name}_effect"].values)[..., i].ravel()
        for item in sorted(items, key=lambda item: item.name == chosen.name)
        for i, group in enumerate(item.groups)
    }
    return columns, known


@in_float64
def expected_rows(problem: Problem, seed: int = 0) -> dict[str, Floats]:
    """Draw what the prior expects in the rows of each evidence: shape (draws, rows) each."""
    observations = tuple(item for item in problem.observations if item.count)
    plain = any(item.model.plain for item in observations)
    count = sum(item.count for item in observations)
    draws = _PLAIN_DRAWS if plain else max(min(2 * _DRAWS, _NUMBERS // count), _FEWEST)
    target = whole_target(problem, observations, QUERIES, seed)
    places = coordinates_of(target)
    points = normal_scores(places, draws, seed=seed, randomization=0)
    columns = [points[name] for name in places]
    z = np.stack(columns, -1) if columns else np.zeros((draws, 0))
    parts = [found.expected for found in batches_at(target, z, seed)]
    drawn = [np.concatenate(own)[:draws] for own in zip(*parts, strict=True)]
    return {item.name: own for item, own in zip(observations, drawn, strict=True)}


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


def read_rows(rows: RowsLike) -> list[dict[str, object]]:
    """Read rows from a list, a table, a mapping of columns or one mapping.

    Raises
    ------
    InputError
        If they are none of these.

    Examples
    --------
    >>> read_rows({"a": [1, 2], "b": 3})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    if hasattr(rows, "columns") and hasattr(rows, "to_dict"):  # a table, of pandas or alike
        table = cast("pd.DataFrame", rows)
        rows = {str(name): _filled(column.tolist()) for name, column in table.items()}
    rows = _as_mapping(rows)
    if isinstance(rows, Mapping):
        columns = {
            str(name): np.asarray(v, object).tolist()
            for name, v in rows.items()
            if isinstance(v, list | tuple) or getattr(v, "ndim", 0) == 1
        }
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            told = ", ".join(f"{name}: {len(column)}" for name, column in columns.items())
            raise InputError.of("<rows>", f"columns must be of one length ({told})")
        count = lengths.pop() if lengths else 1
        return [
            {name: columns[name][i] if name in columns else v for name, v in rows.items()}
            for i in range(count)
        ]
    wanted = "must be a list of mappings, a mapping of columns or a table"
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise InputError.of("<rows>", f"{wanted} (got {type(rows).__name__})")
    found = [_as_mapping(row) for row in rows]
    faults = [
        Fault("<rows>", 0, 0, str(i), f"must be a mapping of names to values (got {kind})")
        for i, kind in enumerate(type(row).__name__ for row in found)
        if not isinstance(found[i], Mapping)
    ]
    if faults:
        raise InputError(faults)
    return [dict(row) for row in found if isinstance(row, Mapping)]


def _as_mapping(row: object) -> object:
    """Turn one row of a table into a mapping."""
    if hasattr(row, "index") and hasattr(row, "to_dict"):
        series = cast("pd.Series", row)
        return dict(zip(series.index, _filled(series.tolist()), strict=True))
    return row


def _filled(cells: Sequence[object]) -> list[object]:
    """Give what pandas writes for an empty cell of numbers, NaN, as None."""
    return [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells]


def _conditions(
    problem: Problem, rows: Sequence[Mapping[str, object]], grouping: str, model: EnergyModel
) -> tuple[list[dict[str, float]], list[str]]:
    """Read the cells; a row without a group is one of its own."""
    found, groups, faults = list[dict[str, float]](), list[str](), list[Fault]()
    for number, row in enumerate(rows):
        cells = {k: v for k, v in ((k, _plain(v)) for k, v in row.items()) if v is not None}
        lost = [k for k, v in cells.items() if isinstance(v, float) and math.isnan(v)]
        text = "is not a number (NaN); leave the name out where nothing is known"
        faults += [Fault("<rows>", 0, 0, f"{number}.{name}", text) for name in lost]
        given = {k: v for k, v in cells.items() if k != grouping and k not in lost}
        own, complaints = _numbers(given, problem)
        faults += [replace(fault, field=f"{number}.{fault.field}") for fault in complaints]
        found.append(own)
        group = cells.get(grouping)
        groups.append(f"row {number}" if group is None else group_of_row(group))
    faults += _misfits(found, model, problem)
    if faults:
        raise InputError(faults)
    return found, groups


def _misfits(
    conditions: Sequence[Mapping[str, float]], model: EnergyModel, problem: Problem
) -> Iterator[Fault]:
    """Find names that nothing knows, and values where a shipped model has no meaning."""
    own = {*model.required, *model.optional} - {*EFFECTS}
    known = {*INPUTS, *own, *problem.assumptions, *KINDS}
    for number, row in enumerate(conditions):
        for name, value in row.items():
            place = f"{number}.{name}"
            text = INPUTS[name].impossible(value) if model.outputs and name in INPUTS else ""
            if name not in known and not model.takes_all:
                text = f"is no input of {model.name} and no assumption{nearest(name, known)}"
            if text:
                yield Fault("<rows>", 0, 0, place, text)


def _numbers(given: Mapping[str, object], problem: Problem) -> tuple[dict[str, float], list[Fault]]:
    wrong = [
        Fault("<rows>", 0, 0, str(name), f"must be a number or a text (got {value!r:.60})")
        for name, value in given.items()
        if isinstance(value, bool) or not isinstance(value, int | float | str)
    ]
    wrong += [
        Fault("<rows>", 0, 0, str(name), "must have a name of text")
        for name in given
        if not isinstance(name, str)
    ]
    return ({}, wrong) if wrong else conditions_of(given, problem.priors.place)


def _plain(cell: object) -> object:
    """Give a cell as Python has it; None where it is empty."""
    if isinstance(cell, np.generic | np.ndarray) and np.ndim(cell) == 0:
        cell = cell.item()
    # What pandas writes for an empty cell of text or of a time.
    return None if type(cell).__name__ in {"NAType", "NaTType"} else cell


def _unused(
    rows: Sequence[Mapping[str, object]], model: EnergyModel, problem: Problem, grouping: str
) -> Iterator[str]:
    """Say which conditions nothing uses, as `build_problem` does of what is given."""
    used = {*model.required, *model.optional, *problem.assumptions, *KINDS, grouping}
    for name in dict.fromkeys(name for row in rows for name in row):
        if name not in used and not model.takes_all:
            yield f"{name}: is used by nothing in {model.name}{nearest(str(name), used)}"
