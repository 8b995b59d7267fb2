"""Evidence compiled against a joint prior, with everything that does not fit."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from uncertainty.distributions import Arguments
from uncertainty.energy import EFFECTS, Choice, EnergyModel, compose, failure_text, with_error
from uncertainty.errors import Fault, nearest
from uncertainty.files import (
    Assumption,
    Evidence,
    Layer,
    Measurement,
    Priors,
    Reference,
    Row,
    Scalar,
    given_layer,
    read_evidence,
    stated_evidence,
    stated_measurement,
)
from uncertainty.inputs import INPUTS, Output
from uncertainty.problem.joint import Joint
from uncertainty.problem.likelihood import Observation, Rows
from uncertainty.units import UnitError, factor, same_unit

EvidenceLike: TypeAlias = str | Mapping[str, object] | Evidence
"""A path or name, a mapping of the shape of a file, or evidence read already."""


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


def observe(
    priors: Priors,
    given: object,
    choice: Choice | None,
    later: Sequence[Layer],
    *,
    new_system: bool,
) -> Observed:
    """Read the evidence of a call, or else that of the file.

    The effect of a system that was not measured comes in for a `new_system`, and where a file
    states a measurement without evidence: then it is all that was learned. Layers that come
    `later` than the file's (its scenario, what is given) may change the law of a discrepancy.
    """
    evidence = _apart(_read(priors, given))
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
    governing = [
        (item.measurement, model)
        for item, model in zip(evidence, models, strict=True)
        if item.measurement is not None and (new_system or not item.rows)
    ]
    changed, effects, complaints = _with_effect(
        governing, [*layers, *priors.layers, *later], priors, choice
    )
    faults += complaints
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
    items = [given] if isinstance(given, str | Mapping | Evidence) else given
    if not isinstance(items, Sequence) or not all(
        isinstance(item, str | Mapping | Evidence) for item in items
    ):
        text = "must be a file, a name, a mapping or a list of these"
        return (Evidence.wrong(text),)
    return tuple(
        item if isinstance(item, Evidence) else read_evidence(item, priors.place) for item in items
    )


def _apart(found: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Number evidence of one name, so that results keep it apart."""
    apart = dict[str, Evidence]()
    for item in found:
        numbered = (f"{item.name}_{n}" for n in count(2))
        name = next(x for x in chain([item.name], numbered) if x not in apart)
        apart[name] = replace(item, name=name)
    return tuple(apart.values())


def _model(item: Evidence, choice: Choice | None) -> tuple[EnergyModel | None, list[Fault]]:
    if not item.model:
        return (choice.single if choice else None), []
    found, complaints = compose(item.model)
    return (found.model if found else None), [
        item.fault(text, "model", *keys) for keys, text in complaints
    ]


def _with_effect(
    governing: Sequence[tuple[Measurement, EnergyModel | None]],
    layers: Sequence[Layer],
    priors: Priors,
    choice: Choice | None,
) -> tuple[Choice | None, list[Layer], list[Fault]]:
    """Give a system without evidence its own effect, where its model is the one observed."""
    for stated, model in governing:
        laws = dict(_effects(stated, layers, _unit_of(stated, model)))
        if choice is not None and model == choice.single and laws:
            changed = choice.altered(
                partial(
                    with_error,
                    errors=tuple(laws),
                    observed=stated.observes,
                    multiplies=stated.multiplies,
                )
            )
            layer = given_layer(laws, priors.place, "<evidence>")
            return changed, [layer], list(layer.faults)
    return choice, [], []


def _unit_of(stated: Measurement, model: EnergyModel | None) -> str:
    """Unit of the error: none where it multiplies, else that of the output."""
    outputs = model.outputs if model is not None and not stated.multiplies else ()
    return next((output.unit for output in outputs if output.name == stated.observes), "")


def _number(value: Scalar, unit: str) -> object:
    """Give a plain number; a unit that does not fit is told where rows are read."""
    if isinstance(value, float | Reference):
        return value
    try:
        return value.number * factor(value.unit, unit or "1")
    except UnitError:
        return value.number


def _effects(
    stated: Measurement, layers: Sequence[Layer], unit: str
) -> Iterator[tuple[str, object]]:
    told = {"group": "measurement", "note": _NOTE}
    effect, discrepancy = EFFECTS
    if stated.effect_sd is not None:
        yield effect, {"normal": {"mean": 0.0, "sd": _number(stated.effect_sd, unit)}, **told}
    if isinstance(stated.discrepancy, Reference):
        name = str(stated.discrepancy)
        entry = next((x.entries[name] for x in reversed(layers) if name in x.entries), None)
        if entry is not None:
            law = entry.model_dump(exclude_unset=True, exclude={"source", "note", "group"})
            yield discrepancy, {**law, **told}
    elif stated.discrepancy is not None:
        yield discrepancy, {"fixed": _number(stated.discrepancy, unit), **told}


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
        problems = [
            *_name_faults(item, model, assumptions),
            *_column_faults(item, model, assumptions),
            *_range_faults(item, model),
            *_clashes(item, model, assumptions),
        ]
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


def _clashes(
    item: Evidence, model: EnergyModel, assumptions: Mapping[str, Assumption]
) -> Iterator[Fault]:
    """Find a name of evidence that would hide another in a result."""
    taken = {*assumptions, *(output.name for output in model.outputs)}
    for name in {item.name, f"{item.name}_effect"} & taken:
        text = f"{name!r} is an assumption or an output already: call this evidence otherwise"
        yield item.fault(text)


def _name_faults(
    item: Evidence, model: EnergyModel, assumptions: Mapping[str, Assumption]
) -> Iterator[Fault]:
    assert item.measurement is not None
    stated = item.measurement
    places: list[tuple[tuple[str, ...], Scalar | None]] = [
        (("random_effect", "sd"), stated.effect_sd),
        (("discrepancy",), stated.discrepancy),
        *((("error", stated.family, key), value) for key, value in stated.parameters.items()),
    ]
    unit = "1" if stated.multiplies else _declared(stated.observes, model).unit
    for keys, value in places:
        if not isinstance(value, Reference):
            continue
        known = assumptions.get(value)
        if known is None:
            text = f"names {str(value)!r}, which is no assumption{nearest(value, assumptions)}"
            yield item.fault(text, *keys)
        elif known.varies:
            yield item.fault(f"names {str(value)!r}, which varies per query", *keys)
        elif keys[-1] == "df" and any("value" not in row.observed for row in item.rows):
            yield item.fault("must be a number where rows are limits", *keys)
        elif not _same_unit(known.unit, "1" if keys[-1] == "df" else unit):
            told = f"names {str(value)!r}, which is in {known.unit!r}; {unit or '1'!r} is wanted"
            yield item.fault(told, *keys)


def _same_unit(stated: str, wanted: str) -> bool:
    return not stated or not wanted or same_unit(stated, wanted)


def _declared(name: str, model: EnergyModel) -> Output:
    """Give an output as its model declares it; without a unit where it does not."""
    declared = {output.name: output for output in model.outputs}
    return declared.get(name, Output(name, "", ""))


def _column_faults(
    item: Evidence, model: EnergyModel, assumptions: Mapping[str, Assumption]
) -> Iterator[Fault]:
    known = {*model.required, *model.optional, *assumptions}
    for keys, name in item.columns:
        if name not in known and not model.takes_all:
            text = f"is no input of {model.name} and no assumption{nearest(name, known)}"
            yield item.fault(text, *keys)


def _range_faults(item: Evidence, model: EnergyModel) -> Iterator[Fault]:
    """Find conditions of rows where the formulas of a shipped model have no meaning."""
    shared = {name for keys, name in item.columns if keys[0] == "conditions"}
    seen = set[str]()
    for row in item.rows if model.outputs else ():
        for name, value in row.conditions.items():
            text = INPUTS[name].impossible(value) if name in INPUTS else ""
            if text and name not in seen:
                yield item.fault(
                    text, *(("conditions",) if name in shared else ("rows", row.number)), name
                )
            seen |= {name} if text and name in shared else set()


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
    output = _declared(stated.observes, model)
    wrong = [(row.boundary, ("rows", row.number)) for row in item.rows if row.boundary]
    for boundary, keys in ((stated.boundary, ("boundary",)), *wrong):
        if output.boundary and boundary and boundary != output.boundary:
            text = f"was measured at {boundary}, and {output.name} is at {output.boundary}"
            hint = "; compare like with like: observe an output of that boundary"
            return item.fault(text + hint, *keys)
    return output


def _traced(item: Evidence, model: EnergyModel, joint: Joint) -> list[str] | Fault:
    """Names of the outputs that the model gives at the conditions of every row."""
    kinds = {frozenset(row.conditions): row.number for row in item.rows} or {frozenset(): 0}
    own = {node.name for node in joint.nodes if node.name not in EFFECTS}
    found = list[dict[str, object]]()
    for names, number in kinds.items():
        shapes = {n: jnp.zeros(()) for n in own | names}
        try:
            found.append(jax.eval_shape(model, shapes))
        except Exception as error:  # a user's own function may raise anything
            return item.fault(f"{model.name} {failure_text(error)}", "rows", number)
    return [name for name in found[0] if all(name in other for other in found)]


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
        sd=_argument(parameters.pop("effect_sd", None)),
        discrepancy=_argument(parameters.pop("discrepancy", None)),
        parameters=Arguments.of(**parameters),
        groups=groups,
        rows=tuple(parts),
    ), [*faults, *complaints]


def _argument(value: float | Reference | None) -> Arguments | None:
    return None if value is None else Arguments.of(value=value)


def _plain(value: Scalar, unit: str) -> float | Reference:
    if isinstance(value, float | Reference):
        return value
    return value.number * factor(value.unit, unit)


def _parameters(
    item: Evidence, stated: Measurement, output: Output
) -> tuple[dict[str, float | Reference], list[Fault]]:
    """Numbers of the error, of the effect and of the discrepancy in the unit of the error."""
    found, faults = dict[str, float | Reference](), list[Fault]()
    places: dict[str, tuple[tuple[str, ...], Scalar | None]] = {
        **{key: (("error", stated.family, key), v) for key, v in stated.parameters.items()},
        "effect_sd": (("random_effect", "sd"), stated.effect_sd),
        "discrepancy": (("discrepancy",), stated.discrepancy),
    }
    for key, (keys, value) in places.items():
        unit = "1" if stated.multiplies or key == "df" else output.unit
        try:
            if value is not None:
                found[key] = _plain(value, unit)
        except UnitError as error:
            faults.append(item.fault(str(error), *keys))
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
            faults.append(item.fault(str(error), "rows", row.number, next(iter(row.observed))))
            continue
        numbers = {key: float(value) for key, value in plain.items()}
        if stated.multiplies and min(numbers.values()) <= 0:
            text = f"must be above 0, as its error multiplies (got {min(numbers.values()):g})"
            least = min(numbers, key=lambda key: numbers[key])
            faults.append(item.fault(text, "rows", row.number, least))
            continue
        scale = math.log if stated.multiplies else float
        ends = {key: scale(value) for key, value in numbers.items()}
        value = ends.get("value")
        low = ends.get("at_least", -math.inf) if value is None else value
        high = ends.get("at_most", math.inf) if value is None else value
        if low > high or (value is None and low == high):
            text = "at_least must lie below at_most"
            faults.append(item.fault(text, "rows", row.number, "at_least"))
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
    places_of = {group: place for place, group in enumerate(groups)}
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
            group=np.array([places_of.get(row.group, 0) for row in own]),
            places=tuple(places),
            averaged=bool(open_names & joint.coordinates(varies=True).keys()),
            censored=censored,
        )
