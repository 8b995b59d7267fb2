"""Evidence made ready for a problem: does it fit the model and the assumptions?"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from uncertainty.declarations import Output
from uncertainty.energy import EFFECTS, Choice, EnergyModel, compose, with_error
from uncertainty.errors import Fault
from uncertainty.joint import Joint
from uncertainty.laws import CompiledLaw, arguments
from uncertainty.likelihood import Observation, Rows
from uncertainty.spec import (
    Assumption,
    Evidence,
    Layer,
    Measurement,
    Priors,
    Reference,
    Row,
    Scalar,
    given_layer,
    nearest,
    read_evidence,
    stated_evidence,
    stated_measurement,
)
from uncertainty.units import UnitError, factor

__all__ = ["EvidenceLike", "Observed", "observations_of", "observe", "rows_of"]

EvidenceLike: TypeAlias = str | Mapping[str, object]
_NOTE = "drawn anew: the system in question is none of those measured"


@dataclass(frozen=True)
class Observed:
    """What evidence brings to a problem before its assumptions are merged.

    Attributes
    ----------
    evidence : tuple of Evidence
        With rows; the measurement that a prior file states has none.
    models : tuple of EnergyModel or None
        That gives the observed output, for each.
    layers : tuple of Layer
        Assumptions brought along.
    choice : Choice or None
        The problem's model, with its error where one is stated.
    used : frozenset of str
        Names that evidence uses.
    faults : tuple of Fault
    """

    evidence: tuple[Evidence, ...] = ()
    models: tuple[EnergyModel | None, ...] = ()
    layers: tuple[Layer, ...] = ()
    choice: Choice | None = None
    used: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = field(default=())


def observe(priors: Priors, given: object, choice: Choice | None) -> Observed:
    """Read the evidence of a call, or else that of the file."""
    evidence = _read(priors, given)
    measurement = stated_measurement(priors)
    if not any(item.rows or item.faults for item in evidence) and measurement is not None:
        evidence = (*evidence, measurement)
    faults = [fault for item in evidence for fault in item.faults]
    models = []
    for item in evidence:
        model, complaints = _model(item, choice)
        models.append(model)
        faults += complaints
    layers = [item.layer for item in evidence if item.layer is not None]
    changed, effects = _with_effect(priors, evidence, models, layers, choice)
    return Observed(
        evidence,
        tuple(models),
        (*layers, *effects),
        changed,
        frozenset(_used(evidence, models)),
        tuple(faults),
    )


def _read(priors: Priors, given: object) -> tuple[Evidence, ...]:
    if given is None:
        return stated_evidence(priors)
    items = [given] if isinstance(given, str | Mapping) else given
    if not isinstance(items, Sequence) or not all(isinstance(i, str | Mapping) for i in items):
        text = "must be a file, a name, a mapping or a list of these"
        return (Evidence.wrong(text),)
    found = [read_evidence(item, priors.place) for item in items]
    names = [item.name for item in found]
    return tuple(
        replace(item, name=f"{item.name}_{names[:i].count(item.name) + 1}")
        if item.name in names[:i]
        else item
        for i, item in enumerate(found)
    )


def _model(item: Evidence, choice: Choice | None) -> tuple[EnergyModel | None, list[Fault]]:
    if not item.model:
        return (choice.single if choice else None), []
    found, complaints = compose(item.model)
    return (found.model if found else None), [
        item.fault(text, "model", *keys) for keys, text in complaints
    ]


def _with_effect(
    priors: Priors,
    evidence: Sequence[Evidence],
    models: Sequence[EnergyModel | None],
    layers: Sequence[Layer],
    choice: Choice | None,
) -> tuple[Choice | None, list[Layer]]:
    """Give a system without evidence its own effect, where its model is the one observed."""
    for item, model in zip(evidence, models, strict=True):
        stated = item.measurement
        if choice is None or model != choice.single or stated is None:
            continue
        laws = dict(_effects(stated, [*priors.layers, *layers]))
        if laws:
            changed = choice.altered(
                lambda single, laws=laws, stated=stated: with_error(
                    single, tuple(laws), stated.observes, stated.multiplies
                )
            )
            return changed, [given_layer(laws, priors.place, "<evidence>")[0]]
    return choice, []


def _effects(stated: Measurement, layers: Sequence[Layer]) -> Iterator[tuple[str, object]]:
    told = {"group": "measurement", "note": _NOTE}
    effect, discrepancy = EFFECTS
    if stated.effect_sd is not None:
        yield effect, {"normal": {"mean": 0.0, "sd": stated.effect_sd}, **told}
    if isinstance(stated.discrepancy, Reference):
        name = str(stated.discrepancy)
        entry = next((x.entries[name] for x in reversed(layers) if name in x.entries), None)
        if entry is not None:
            law = entry.model_dump(exclude_unset=True, exclude={"source", "note", "group"})
            yield discrepancy, {**law, **told}
    elif stated.discrepancy is not None:
        yield discrepancy, {"fixed": stated.discrepancy, **told}


def _used(evidence: Iterable[Evidence], models: Iterable[EnergyModel | None]) -> Iterator[str]:
    for item, model in zip(evidence, models, strict=True):
        if item.measurement is not None:
            yield from (str(x) for x in _numbers(item.measurement) if isinstance(x, Reference))
        if model is not None:
            yield from (*model.required, *model.optional)


def _numbers(stated: Measurement) -> list[Scalar]:
    found = [*stated.parameters.values(), stated.effect_sd, stated.discrepancy]
    return [number for number in found if number is not None]


def observations_of(
    observed: Observed, joint: Joint, assumptions: Mapping[str, Assumption]
) -> tuple[tuple[Observation, ...], list[Fault]]:
    """Compile evidence against the joint prior; gives what fits, and everything that does not."""
    found, faults = list[Observation](), list[Fault]()
    for item, model in zip(observed.evidence, observed.models, strict=True):
        if item.measurement is None or model is None:
            continue
        problems = [*_name_faults(item, assumptions), *_column_faults(item, model, assumptions)]
        problems = problems or [*_missing(item, model, assumptions)]
        output = None if problems else _output(item, model, joint)
        if isinstance(output, Fault):
            problems.append(output)
        if isinstance(output, Output):
            made, complaints = _observation(item, item.measurement, model, joint, output)
            found.append(made)
            problems += complaints
        faults += problems
    return tuple(found), faults


def _name_faults(item: Evidence, assumptions: Mapping[str, Assumption]) -> Iterator[Fault]:
    assert item.measurement is not None
    stated = item.measurement
    places: list[tuple[tuple[str, ...], Scalar | None]] = [
        (("random_effect", "sd"), stated.effect_sd),
        (("discrepancy",), stated.discrepancy),
        *((("error", stated.family, key), value) for key, value in stated.parameters.items()),
    ]
    for keys, value in places:
        if not isinstance(value, Reference):
            continue
        known = assumptions.get(value)
        if known is None:
            text = f"names {str(value)!r}, which is no assumption{nearest(value, assumptions)}"
            yield item.fault(text, *keys)
        elif known.varies:
            yield item.fault(f"names {str(value)!r}, which varies per query", *keys)


def _column_faults(
    item: Evidence, model: EnergyModel, assumptions: Mapping[str, Assumption]
) -> Iterator[Fault]:
    known = {*model.required, *model.optional, *assumptions}
    for keys, name in item.columns:
        if name not in known and not model.takes_all:
            text = f"is no input of {model.name} and no assumption{nearest(name, known)}"
            yield item.fault(text, *keys)


def _missing(
    item: Evidence, model: EnergyModel, assumptions: Mapping[str, Assumption]
) -> Iterator[Fault]:
    """Find inputs of the model that neither a row nor an assumption states."""
    first: dict[str, int] = {}
    for row in item.rows:
        stated = {*assumptions, *row.conditions}
        for name in model.required:
            if name not in stated:
                first.setdefault(name, row.number)
        if model.alternatives and not any(set(group) <= stated for group in model.alternatives):
            first.setdefault(" or ".join(", ".join(g) for g in model.alternatives), row.number)
    for name, number in first.items():
        text = f"{model.name} needs {name}, which neither the row nor an assumption states"
        yield item.fault(text, "rows", number)


def _output(item: Evidence, model: EnergyModel, joint: Joint) -> Output | Fault:
    """Find the observed output, and see that the boundary is its own."""
    assert item.measurement is not None
    stated = item.measurement
    names = _traced(item, model, joint)
    if isinstance(names, Fault):
        return names
    if stated.observes not in names:
        text = f"{model.name} has no output {stated.observes!r}{nearest(stated.observes, names)}"
        return item.fault(text, "observes")
    declared = {output.name: output for output in model.outputs}
    output = declared.get(stated.observes, Output(stated.observes, "", ""))
    wrong = [(row.boundary, ("rows", row.number)) for row in item.rows if row.boundary]
    for boundary, keys in ((stated.boundary, ("boundary",)), *wrong):
        if output.boundary and boundary and boundary != output.boundary:
            text = f"was measured at {boundary}, and {output.name} is at {output.boundary}"
            hint = "; compare like with like: observe an output of that boundary"
            return item.fault(text + hint, *keys)
    return output


def _traced(item: Evidence, model: EnergyModel, joint: Joint) -> list[str] | Fault:
    conditions = item.rows[0].conditions if item.rows else {}
    scores = {node.name: jnp.zeros(()) for node in joint.nodes if node.uncertain}
    known = {name: jnp.asarray(value) for name, value in conditions.items()}
    try:
        shapes = jax.eval_shape(
            lambda: model({**joint.inputs(joint.correlate(scores), known), **known})
        )
    except Exception as error:  # a user's own function may raise anything
        return item.fault(f"{model.name} failed: {type(error).__name__}: {error}", "model")
    return list(shapes)


def _observation(
    item: Evidence, stated: Measurement, model: EnergyModel, joint: Joint, output: Output
) -> tuple[Observation, list[Fault]]:
    groups = tuple(dict.fromkeys(row.group for row in item.rows)) if stated.effect_sd else ()
    limits, faults = _limits(item, stated, output)
    parameters, complaints = _parameters(item, stated, output)
    parts = rows_of(item.rows, limits, groups, joint, model) if not faults else ()
    return Observation(
        name=item.name,
        observes=stated.observes,
        statistic=stated.statistic,
        family=stated.family,
        model=model,
        parameters=arguments(parameters),
        sd=_argument(stated.effect_sd),
        discrepancy=_argument(stated.discrepancy),
        groups=groups,
        rows=tuple(parts),
    ), [*faults, *complaints]


def _argument(value: Scalar | None) -> CompiledLaw | None:
    return None if value is None else arguments({"value": _plain(value, "1")})


def _plain(value: Scalar, unit: str) -> float | Reference:
    if isinstance(value, float | Reference):
        return value
    return value.number * factor(value.unit, unit)


def _parameters(
    item: Evidence, stated: Measurement, output: Output
) -> tuple[dict[str, float | Reference], list[Fault]]:
    found, faults = dict[str, float | Reference](), list[Fault]()
    for key, value in stated.parameters.items():
        unit = "1" if stated.multiplies or key == "df" else output.unit
        try:
            found[key] = _plain(value, unit)
        except UnitError as error:
            faults.append(item.fault(str(error), "error", stated.family, key))
    return found, faults


def _limits(
    item: Evidence, stated: Measurement, output: Output
) -> tuple[list[tuple[float, float]], list[Fault]]:
    """Give what was measured of each row as its limits on the error's scale."""
    found, faults = list[tuple[float, float]](), list[Fault]()
    for row in item.rows:
        try:
            plain = {key: _plain(value, output.unit) for key, value in row.observed.items()}
        except UnitError as error:
            faults.append(item.fault(str(error), "rows", row.number))
            continue
        numbers = {key: float(value) for key, value in plain.items()}
        if stated.multiplies and min(numbers.values()) <= 0:
            text = f"must be above 0, as its error multiplies (got {min(numbers.values()):g})"
            faults.append(item.fault(text, "rows", row.number))
            continue
        scale = math.log if stated.multiplies else float
        ends = {key: scale(value) for key, value in numbers.items()}
        value = ends.get("value")
        low = ends.get("at_least", -math.inf) if value is None else value
        high = ends.get("at_most", math.inf) if value is None else value
        if low > high or (value is None and low == high):
            faults.append(item.fault("at_least must lie below at_most", "rows", row.number))
        found.append((low, high))
    return found, faults


def rows_of(
    rows: Sequence[Row],
    limits: Sequence[tuple[float, float]],
    groups: Sequence[str],
    joint: Joint,
    model: EnergyModel,
) -> Iterator[Rows]:
    """Put rows together that state the same inputs and were observed in the same way."""
    kinds: dict[tuple[frozenset[str], bool], list[int]] = {}
    for place, row in enumerate(rows):
        censored = limits[place][0] != limits[place][1]
        kinds.setdefault((frozenset(row.conditions), censored), []).append(place)
    for (names, censored), places in kinds.items():
        own = [rows[place] for place in places]
        numbers = [limits[place] for place in places]
        open_names = joint.behind(model.used(node.name for node in joint.nodes), names)
        yield Rows(
            known={n: np.array([row.conditions[n] for row in own]) for n in sorted(names)},
            low=np.array([low for low, _ in numbers]),
            high=np.array([high for _, high in numbers]),
            group=np.array([groups.index(row.group) if groups else 0 for row in own]),
            places=tuple(places),
            averaged=bool(open_names & joint.coordinates(varies=True).keys()),
            censored=censored,
        )
