"""Evidence of a problem as read, before its assumptions are merged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count
from typing import TypeAlias

from uncertainty.energy import EFFECTS, Choice, EnergyModel, compose, with_error
from uncertainty.errors import Fault
from uncertainty.spec import (
    Evidence,
    Layer,
    Measurement,
    Priors,
    Reference,
    Scalar,
    given_layer,
    read_evidence,
    stated_evidence,
    stated_measurement,
)
from uncertainty.units import UnitError, factor

__all__ = ["EvidenceLike", "Observed", "observe"]


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
            layer, faults = given_layer(laws, priors.place, "<evidence>")
            return changed, [layer], faults
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
