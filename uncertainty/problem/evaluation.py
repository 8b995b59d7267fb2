"""The model at many points of the road: one compiled function for points, one for pairs."""

from collections.abc import Mapping
from typing import TypeAlias

import jax
import numpy as np
from jax import Array

from uncertainty.arrays import Floats
from uncertainty.distributions import Values
from uncertainty.energy import EnergyModel
from uncertainty.problem.joint import Joint, Scores

Columns: TypeAlias = dict[str, Floats]
"""Arrays by name."""

_BATCH = 2**13
_ROWS = 2**8


def evaluate_point(
    joint: Joint, model: EnergyModel, scores: Scores, known: Values | None = None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and outputs at one point: independent normal scores by name, each of shape ().

    Inputs whose values are `known` need no score.
    """
    inputs = joint.inputs(joint.correlate(scores), known)
    return inputs, model(inputs)


@jax.jit(static_argnames="model")
def _batch(
    joint: Joint, model: EnergyModel, scores: dict[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    return jax.vmap(lambda point: evaluate_point(joint, model, point))(scores)


def each_point(
    joint: Joint, model: EnergyModel, scores: Mapping[str, Floats]
) -> tuple[Columns, Columns]:
    """Inputs and outputs at points whose scores all have shape (n,).

    Batches of one size serve every call, so that a problem is compiled once.
    """
    count = max((len(column) for column in scores.values()), default=1)
    padded = -(-count // _BATCH) * _BATCH
    columns = _padded(scores, padded)
    batches = [
        _batch(joint, model, {name: c[start : start + _BATCH] for name, c in columns.items()})
        for start in range(0, padded, _BATCH)
    ]
    inputs, outputs = zip(*batches, strict=True)
    return _joined(inputs, count), _joined(outputs, count)


def _padded(columns: Mapping[str, Floats], count: int) -> Columns:
    """Lengthen columns; one unused column stands in where nothing is uncertain."""
    longer: Columns = {n: np.pad(c, (0, count - len(c)), "edge") for n, c in columns.items()}
    return longer or {"": np.zeros(count)}


def _joined(batches: tuple[dict[str, Array], ...], count: int) -> Columns:
    return {
        name: np.concatenate([np.asarray(batch[name], np.float64) for batch in batches])[:count]
        for name in batches[0]
    }


def every_pair(
    joint: Joint,
    model: EnergyModel,
    outer: Mapping[str, Floats],
    inner: Mapping[str, Floats],
    names: tuple[str, ...],
) -> Columns:
    """Outputs `names` for each outer point (n,) with each inner point (m,): shape (n, m).

    Rows go in batches of one size, as in `each_point`.
    """
    count = max((len(column) for column in outer.values()), default=1)
    rows = -(-count // _ROWS) * _ROWS
    columns = _padded(outer, rows)
    batches = tuple(
        _pairs(joint, model, {k: c[i : i + _ROWS] for k, c in columns.items()}, dict(inner), names)
        for i in range(0, rows, _ROWS)
    )
    return _joined(batches, count)


@jax.jit(static_argnames=("model", "names"))
def _pairs(
    joint: Joint,
    model: EnergyModel,
    outer: dict[str, Array],
    inner: dict[str, Array],
    names: tuple[str, ...],
) -> dict[str, Array]:
    def pair(epistemic: Scores, query: Scores) -> dict[str, Array]:
        outputs = evaluate_point(joint, model, {**epistemic, **query})[1]
        return {name: outputs[name] for name in names}

    over_queries = jax.vmap(pair, (None, 0))
    return jax.vmap(over_queries, (0, None))(outer, inner)
