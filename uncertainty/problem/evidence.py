"""Evidence, as files have it, with everything of it that does not fit a problem."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from itertools import chain, count
from typing import TypeAlias

from uncertainty.energy import EFFECTS, Choice, EnergyModel, compose, with_error
from uncertainty.errors import Fault, nearest
from uncertainty.files import (
    EFFECT,
    Assumption,
    AssumptionEntry,
    Evidence,
    Key,
    Layer,
    Measurement,
    Priors,
    Reference,
    Resolution,
    Scalar,
    evidence_in,
    given_layer,
    measurement_in,
    read_evidence,
)
from uncertainty.inputs import INPUTS, Output
from uncertainty.units import UnitError, factor, same_unit

EvidenceLike: TypeAlias = str | Mapping[str, object] | Evidence
"""A path or name, a mapping of the shape of a file, or evidence read already."""


def evidence_of(priors: Priors, given: object) -> tuple[Evidence, ...]:
    """Read the evidence of a call, or else that of the file; evidence of one name is numbered.

    So is evidence that is called like the effect of a system that nobody measured. Where there is
    none, the measurement that the file states stands alone, without rows.
    """
    items = [given] if isinstance(given, str | Mapping | Evidence) else given
    if given is None:
        evidence = evidence_in(priors)
    elif isinstance(items, Sequence) and all(
        isinstance(x, str | Mapping | Evidence) for x in items
    ):
        evidence = tuple(
            x if isinstance(x, Evidence) else read_evidence(x, priors.place, anywhere=True)
            for x in items
        )
    else:
        evidence = (Evidence.wrong("must be a file, a name, a mapping or a list of these"),)
    measurements = [item.measurement for item in evidence if item.measurement is not None]
    shifts = any(x.random_effect or x.discrepancy is not None for x in measurements)
    apart, taken = dict[str, Evidence](), {*EFFECTS} if shifts else set[str]()
    for item in evidence:
        numbered = (f"{item.name}_{n}" for n in count(2))
        names = chain([item.name], numbered)
        name = next(x for x in names if x not in apart and not {x, f"{x}_effect"} & taken)
        apart[name] = replace(item, name=name)
    measurement = measurement_in(priors)
    if measurement is None or any(item.rows or item.faults for item in apart.values()):
        return tuple(apart.values())
    return (*apart.values(), measurement)


def observed_models(
    evidence: Sequence[Evidence], choice: Choice | None
) -> tuple[list[tuple[Evidence, EnergyModel | None]], list[Fault]]:
    """Pair evidence with the model of its output: its own, or else the problem's of one query."""
    items, faults = list[tuple[Evidence, EnergyModel | None]](), list[Fault]()
    for item in evidence:
        composed, complaints = compose(item.model) if item.model else (choice, [])
        of_query = composed and (composed.model if item.model else composed.single)
        items.append((item, of_query or None))
        faults += [item.fault(text, "model", *keys) for keys, text in complaints]
    return items, [*(fault for item in evidence for fault in item.faults), *faults]


def with_effect(
    evidence: Sequence[tuple[Evidence, EnergyModel | None]],
    layers: Sequence[Layer],
    priors: Priors,
    choice: Choice | None,
) -> tuple[Choice | None, list[Layer], list[Fault]]:
    """Give a system that nobody measured its own effect, where its model is the one observed.

    The last of the `layers` that has the law of a discrepancy gives it.
    """
    note = "drawn anew: the system in question is none of those measured"
    facts = {"group": "measurement", "note": note}
    *effects, discrepancy = EFFECTS
    for item, model in evidence:
        measurement = item.measurement
        if measurement is None or choice is None or model != choice.single:
            continue
        laws, copies = dict[str, object](), dict[str, AssumptionEntry]()
        declared = declared_output(measurement.observes, model)
        unit = "1" if measurement.multiplies else declared.unit or "1"
        try:
            for effect, level in zip(effects, measurement.random_effect, strict=False):
                sd = in_unit(level.sd, unit)
                laws[effect] = {"normal": {"mean": 0.0, "sd": sd}, **facts}
            if isinstance(measurement.discrepancy, Reference):
                name = str(measurement.discrepancy)
                entry = next((x.entries[name] for x in reversed(layers) if name in x.entries), None)
                if entry is not None:
                    copies[discrepancy] = entry.model_copy(update={"source": None, **facts})
            elif measurement.discrepancy is not None:
                laws[discrepancy] = {"fixed": in_unit(measurement.discrepancy, unit), **facts}
        except UnitError:
            continue  # a fault of the evidence, once it is compiled
        if laws or copies:
            of_output = {"observed": measurement.observes, "multiplies": measurement.multiplies}
            change = partial(with_error, errors=(*laws, *copies), **of_output)
            layer = given_layer(laws, priors.place, EFFECT)
            names, written = (*layer.names, *copies), (*layer.written, *copies)
            entries = {**layer.entries, **copies}
            layer = replace(layer, entries=entries, names=names, written=written)
            return choice.altered(change), [layer], list(layer.faults)
    return choice, [], []


def used_by(evidence: Sequence[tuple[Evidence, EnergyModel | None]]) -> frozenset[str]:
    """Names that evidence uses: of its models, and in place of numbers."""
    used = set[str]()
    for item, model in evidence:
        places = numbers_of(item.measurement) if item.measurement else ()
        used |= {str(value) for _, _, value in places if isinstance(value, Reference)}
        if model is not None:
            used |= {*model.required, *model.optional}
    return frozenset(used)


def numbers_of(measurement: Measurement) -> list[tuple[str, tuple[Key, ...], Scalar]]:
    """Every number of a measurement: its name, the keys that lead to it, and what stands there."""
    places = list[tuple[str, tuple[Key, ...], Scalar]]()
    for key, value in measurement.parameters.items():
        places.append((key, ("error", measurement.family, key), value))
    for number, level in enumerate(measurement.random_effect):
        places.append((f"sd {number}", (*measurement.level_at(number), "sd"), level.sd))
    if measurement.discrepancy is not None:
        places.append(("discrepancy", ("discrepancy",), measurement.discrepancy))
    return places


def in_unit(value: Scalar, unit: str) -> float | Reference:
    """Give a number in the unit."""
    if isinstance(value, float | Reference):
        return value
    return value.number * factor(value.unit, unit)


def declared_output(name: str, model: EnergyModel | None) -> Output:
    """Give an output as its model declares it; without a unit where it does not."""
    outputs = {output.name: output for output in model.outputs} if model else {}
    return outputs.get(name, Output(name, "", ""))


def misfits(
    evidence: Sequence[tuple[Evidence, EnergyModel | None]], resolution: Resolution
) -> Iterator[Fault]:
    """Find names of evidence that nothing has, or that hide another, and impossible conditions."""
    # Nobody wrote what is added for a system that nobody measured; what is at fault is known.
    assumptions = {x.name: x for x in resolution.assumptions if x.layer.document.label != EFFECT}
    names = assumptions.keys() | resolution.broken | resolution.lacking.keys()
    for item, model in evidence:
        if item.measurement is not None and model is not None:
            yield from _name_faults(item, item.measurement, model, assumptions, names)
            yield from _condition_faults(item, model, names)


def _name_faults(
    item: Evidence,
    measurement: Measurement,
    model: EnergyModel,
    assumptions: Mapping[str, Assumption],
    names: Set[str],
) -> Iterator[Fault]:
    """Names in place of numbers that cannot stand there, and a name that would hide another."""
    unit = "1" if measurement.multiplies else declared_output(measurement.observes, model).unit
    for key, keys, value in numbers_of(measurement):
        if not isinstance(value, Reference):
            continue
        expected = "1" if key == "df" else unit
        known = assumptions.get(value)
        if value not in names:
            text = f"names {str(value)!r}, which is not an assumption{nearest(value, names)}"
            yield item.fault(text, *keys)
        elif known is None:
            continue
        elif known.varies:
            yield item.fault(f"names {str(value)!r}, which varies per query", *keys)
        elif key == "df" and any("value" not in row.observed for row in item.rows):
            yield item.fault("must be a number where rows are limits", *keys)
        elif known.unit and expected and not same_unit(known.unit, expected):
            text = f"names {str(value)!r}, which is in {known.unit!r}; {expected!r} is wanted"
            yield item.fault(text, *keys)
    taken = names | {output.name for output in model.outputs}
    for name in {item.name, f"{item.name}_effect"} & taken:
        text = f"{name!r} is an assumption or an output already: call this evidence otherwise"
        yield item.fault(text)


def _condition_faults(item: Evidence, model: EnergyModel, names: Set[str]) -> Iterator[Fault]:
    """Conditions that nothing knows, or where a shipped model's formulas have no meaning."""
    known = {*model.required, *model.optional, *names}
    unknown = False
    for keys, name in item.columns:
        if name not in known and not model.takes_all:
            unknown = True
            text = f"is neither an input of {model.name} nor an assumption{nearest(name, known)}"
            yield item.fault(text, *keys)
    shared, seen = {name for keys, name in item.columns if keys[0] == "conditions"}, set[str]()
    for row in item.rows if model.outputs else ():
        for name, value in row.conditions.items():
            text = INPUTS[name].impossible(value) if name in INPUTS else ""
            if text and name not in seen:
                unknown = True
                at = ("conditions",) if name in shared else ("rows", row.number)
                yield item.fault(text, *at, name)
            seen |= {name} if text and name in shared else set()
    if unknown:  # an input that is misspelt would be reported as missing too
        return
    first: dict[str, int] = {}
    for row in item.rows:
        known = {*names, *row.conditions}
        for name in model.required:
            if name not in known:
                first.setdefault(name, row.number)
        if model.alternatives and not any(set(group) <= known for group in model.alternatives):
            first.setdefault(" or ".join(", ".join(g) for g in model.alternatives), row.number)
    for name, number in first.items():
        text = f"{model.name} needs {name}, which neither the row nor an assumption states"
        yield item.fault(text, "rows", number)
