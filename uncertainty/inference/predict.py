"""What would be measured at new conditions, and what the outputs would be."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.arrays import Floats, in_float64, program
from uncertainty.distributions import Arguments, Values
from uncertainty.energy import EFFECTS, EnergyModel
from uncertainty.errors import Fault, InputError, check_seed, nearest, require_known
from uncertainty.files import KINDS, Row, RowsLike, conditions_of, group_of_row, read_rows
from uncertainty.inference.posterior import whole
from uncertainty.inference.target import batches_at, whole_target
from uncertainty.inputs import INPUTS
from uncertainty.problem import Joint, Observation, Problem, replaced_by, rows_of
from uncertainty.sampling import QUERIES, normal_scores, problem_of

if TYPE_CHECKING:
    import xarray as xr


DRAWS = 2**12
PLAIN_DRAWS = 2**10  # of a model in plain Python, which each calls for each row
# Samples and rows that are computed together: their values over queries take 16 MB.
_BATCH, _TOGETHER = 2**10, 2**3


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
        name. Under the names of the evidence's columns of groups stand the groups; rows of one
        group share its effect, which is the posterior's own where the group was measured, and new
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

    check_seed(seed)
    require_known("statistic", statistic, ("typical", "mean", "query"))
    if isinstance(tree_or_problem, Problem):
        problem, posterior = tree_or_problem, None
    else:
        problem = problem_of(tree_or_problem)
        if "posterior" not in tree_or_problem.children:
            raise InputError.of("<result>", "has no posterior to predict from: give the problem")
        posterior = whole(tree_or_problem)["unconstrained_posterior"].dataset
    if quantity is not None and observes is not None:
        raise InputError.of("<quantity>", "give a quantity, or what was observed, not both")
    known = {item.observes: item for item in reversed(problem.observations)}
    unknown = observes is not None and observes not in known
    if (known and unknown) or (not known and quantity is None):
        text = "nothing says how measurements differ from the model: give evidence or 'measurement'"
        text = f"{observes} is not observed; observed: {', '.join(known)}" if known else text
        raise InputError.of("<observes>", text)
    observation = known[observes] if observes else next(iter(problem.observations), None)
    pairs = zip(problem.observations, problem.evidence, strict=True)
    # Under the names of these columns rows name their groups.
    columns = (x.measurement.grouping for one, x in pairs if one is observation and x.measurement)
    grouping = next(columns, ())
    cells = read_rows(rows)
    model = problem.model if quantity or observation is None else observation.model
    conditions = _conditions(problem, cells, grouping, model)
    if quantity is not None:
        name = problem.quantity(quantity)
        draws = _outputs(problem, conditions, observation, posterior, (name, statistic), seed)
    else:
        assert observation is not None
        name = observation.observes
        rng = np.random.default_rng([seed, 1])
        drawn, effects, count = _drawn(problem, observation, posterior, conditions, rng, seed)
        places = [{group: place for place, group in enumerate(groups)} for groups in effects]
        parts = rows_of(
            conditions, [(0.0, 0.0)] * len(conditions), places, problem.joint, observation.model
        )
        levels = (
            replace(x, groups=(*y,)) for x, y in zip(observation.levels, effects, strict=True)
        )
        new = replace(observation, levels=tuple(levels), rows=tuple(parts))
        target = replace(whole_target(problem.joint, (new,), QUERIES, seed), predicts=True)
        both = [*drawn.values(), *(scores for groups in effects for scores in groups.values())]
        z = np.stack(both, -1) if both else np.zeros((count, 0))
        draws = np.concatenate([at.rows[0][1] for at in batches_at(target, z, seed)])[:count]
    output = problem.outputs.get(name)
    facts = {"units": output.unit, "boundary": output.boundary} if output else {}
    used = {*model.required, *model.optional, *problem.assumptions, *KINDS, *grouping}
    notices = [
        f"{key}: is used by nothing in {model.name}{nearest(str(key), used)}"
        for key in dict.fromkeys(key for row in cells for key in row)
        if key not in used and not model.takes_all
    ]
    variables = {name: (("sample", "row"), draws, facts)}
    return xr.Dataset(variables, attrs={"notices": json.dumps(notices)})


def _conditions(
    problem: Problem,
    rows: Sequence[Mapping[str, object]],
    grouping: Iterable[str],
    model: EnergyModel,
) -> list[Row]:
    """Read the cells; a row without a group is one of its own."""
    inputs = {*model.required, *model.optional} - {*EFFECTS}
    local = {*inputs, *problem.assumptions, *KINDS}
    known = {*local, *INPUTS}
    meant = known if model.outputs else local  # inputs of shipped models are not those of a user's
    result, faults = list[Row](), list[Fault]()
    for number, row in enumerate(rows):
        groups = dict.fromkeys(grouping, f"row {number}")
        cells, wrong = dict[str, object](), dict[object, str]()
        for name, value in row.items():
            numpy = isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0
            cell = np.asarray(value).item() if numpy else value
            if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:
                continue  # empty: of pandas, which has its own for texts and times
            if isinstance(cell, float) and math.isnan(cell):
                wrong[name] = "is not a number (NaN); leave the name out where nothing is known"
            elif name in groups:
                groups[name] = group_of_row(cell)
            elif not isinstance(name, str) or name != name.strip():
                wrong[name] = "must have a name of text, without space around it"
            elif isinstance(cell, bool) or not isinstance(cell, int | float | str):
                wrong[name] = f"must be a number or a text (got {cell!r:.60})"
            else:
                cells[name] = cell
        conditions, unread = conditions_of(cells, problem.priors.place)
        for name, value in conditions.items():
            # Ranges are those of the shipped models' formulas; a user's own model has its own.
            text = INPUTS[name].impossible(value) if model.outputs and name in INPUTS else ""
            if name not in known and not model.takes_all:
                text = f"is neither an input of {model.name} nor an assumption"
                text += nearest(name, meant)
            if text:
                wrong[name] = text
        faults += [replace(fault, field=f"{number}.{fault.field}") for fault in unread]
        faults += [Fault("<rows>", 0, 0, f"{number}.{name}", text) for name, text in wrong.items()]
        result.append(Row(number, conditions, {"value": 1.0}, tuple(groups.values())))
    if faults:
        raise InputError(faults)
    return result


def _drawn(
    problem: Problem,
    observation: Observation | None,
    posterior: "xr.Dataset | None",
    rows: Sequence[Row],
    rng: np.random.Generator,
    seed: int,
) -> tuple[dict[str, Floats], list[dict[str, Floats]], int]:
    """Scores of what does not vary per query, and of each level's groups; how many samples.

    Those of groups that were measured come first.
    """
    places = problem.joint.coordinates(varies=False)
    if posterior is None:
        count = PLAIN_DRAWS if problem.model.plain else DRAWS
        columns = normal_scores(places, count, seed=seed, randomization=0)
    else:
        count = posterior.sizes["chain"] * posterior.sizes["draw"]
        columns = {n: np.asarray(np.ravel(posterior[n]), np.float64) for n in places}
    measured = {x.key: x for item in problem.observations if item.count for x in item.levels}
    effects = list[dict[str, Floats]]()
    for number, level in enumerate(observation.levels if observation else ()):
        effects.append({})
        # The system that the result is about; the last of the effects is not one of a group.
        effect = "".join(EFFECTS[:-1][number : number + 1])
        if posterior is not None and effect in posterior:
            effects[-1]["asked"] = np.ravel(posterior[effect])
        if posterior is not None and (same := measured.get(level.key)):
            known = np.asarray(posterior[f"{same.name}_effect"].values).reshape(count, -1)
            effects[-1] |= dict(zip(same.groups, known.T, strict=True))
        for row in rows:
            if row.groups[number] not in effects[-1]:
                effects[-1][row.groups[number]] = rng.standard_normal(count)
    return columns, effects, count


def _outputs(
    problem: Problem,
    rows: Sequence[Row],
    observation: Observation | None,
    posterior: "xr.Dataset | None",
    asked: tuple[str, str],
    seed: int,
) -> Floats:
    """Draw a statistic of an output at each row, with its system's effect: (samples, rows)."""
    system = problem.new_system
    joint, model = system.joint, system.model
    rng = np.random.default_rng([seed, 1])
    columns, effects, count = _drawn(system, observation, posterior, rows, rng, seed)
    levels = [x.levels[:1] for x in problem.observations if x.count and posterior is not None]
    measured = {group for first in levels for level in first for group in level.groups}
    varying = joint.coordinates(varies=True)
    inner = normal_scores(varying, QUERIES, seed=seed, randomization=0) or {"": np.zeros(1)}
    if asked[1] == "query":
        columns |= {name: rng.standard_normal(count) for name in varying}
        inner = {"": np.zeros(1)}
    shared = observation.discrepancy if observation and measured else None
    result = np.empty((count, len(rows)))
    for part in rows_of(rows, [(0.0, 0.0)] * len(rows), (), joint, model):
        # Where the rows state all that varies, one query stands for all.
        queries = {n: points[: None if part.averaged else 1] for n, points in inner.items()}
        at = partial(_each_query, joint, shared, queries=queries, model=model, asked=asked)
        # Batches of one size, filled up with what is last, are compiled once.
        size = min(len(part.places), _TOGETHER)
        steps = product(range(0, len(part.places), size), range(0, count, _BATCH))
        for some, points in ((np.arange(size) + i, np.arange(_BATCH) + j) for i, j in steps):
            places, samples = np.take(part.places, some, mode="clip"), np.minimum(points, count - 1)
            drawn = {"": np.zeros((size, _BATCH))}
            for level, (name, scores) in enumerate(zip(EFFECTS, effects, strict=False)):
                if name in columns:
                    drawn[name] = np.array([scores[rows[i].groups[level]][samples] for i in places])
            values = at(
                {name: np.take(column, some, mode="clip") for name, column in part.known.items()},
                np.array([bool(measured & {*rows[i].groups[:1]}) for i in places]),
                drawn,
                {name: column[samples] for name, column in columns.items()},
            )
            # Medians are taken here, as XLA takes 25 times as long to sort.
            ordered, half = np.sort(values, -1), values.shape[-1] // 2
            median = ordered[..., [~half, half]] @ [0.5, 0.5]
            result[samples, places[:, None]] = np.where(np.isnan(ordered[..., -1]), np.nan, median)
    return result


@program("model", "asked")
def _each_query(
    joint: Joint,
    shared: Arguments | None,
    conditions: dict[str, Array],
    measured: Array,
    effects: dict[str, Array],
    scores: dict[str, Array],
    queries: dict[str, Array],
    *,
    model: EnergyModel,
    asked: tuple[str, str],
) -> Array:
    """One output of each query, or their mean: (rows, points, m or 1).

    Conditions have the shape (rows,), as what is measured, effects (rows, points), scores (points,)
    and queries (m,).
    """

    def value(known: Values, old: Array, effect: Values, point: Values, query: Values) -> Array:
        inputs = {**joint.inputs(joint.correlate({**point, **effect, **query}), known), **known}
        if shared is not None:
            # What a measured system shares with all others is learned; of a new one it is not.
            learned, other = shared.fields(inputs)["value"], inputs.get(EFFECTS[-1], 0.0)
            inputs[EFFECTS[-1]] = jnp.where(old, learned, other)
        kept = {n: x for n, x in inputs.items() if n not in replaced_by(known.keys(), model)}
        return model(kept)[asked[0]]

    # What is the same for all rows, as what laws draw, is computed once for them.
    of_query = jax.vmap(value, (None, None, None, None, 0))
    of_point = jax.vmap(of_query, (None, None, 0, 0, None))
    of_row = jax.vmap(of_point, (0, 0, 0, None, None))
    values: Array = of_row(conditions, measured, effects, scores, queries)
    return values.mean(-1, keepdims=True) if asked[1] == "mean" else values
