"""Evidence, as files have it, compiled against a joint prior; with everything that does not fit."""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
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
    Row,
    Scalar,
    evidence_in,
    given_layer,
    measurement_in,
    read_evidence,
)
from uncertainty.inputs import INPUTS, Output
from uncertainty.problem.joint import Joint
from uncertainty.problem.likelihood import Observation, Rows
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
            x if isinstance(x, Evidence) else read_evidence(x, priors.place) for x in items
        )
    else:
        evidence = (Evidence.wrong("must be a file, a name, a mapping or a list of these"),)
    measurements = [item.measurement for item in evidence if item.measurement is not None]
    shifts = any(x.effect_sd is not None or x.discrepancy is not None for x in measurements)
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
    facts = {
        "group": "measurement",
        "note": "drawn anew: the system in question is none of those measured",
    }
    effect, discrepancy = EFFECTS
    for item, model in evidence:
        measurement = item.measurement
        if measurement is None or choice is None or model != choice.single:
            continue
        laws, copies = dict[str, object](), dict[str, AssumptionEntry]()
        declared = declared_output(measurement.observes, model)
        unit = "1" if measurement.multiplies else declared.unit or "1"
        try:
            if measurement.effect_sd is not None:
                sd = _plain(measurement.effect_sd, unit)
                laws[effect] = {"normal": {"mean": 0.0, "sd": sd}, **facts}
            if isinstance(measurement.discrepancy, Reference):
                name = str(measurement.discrepancy)
                entry = next((x.entries[name] for x in reversed(layers) if name in x.entries), None)
                if entry is not None:
                    copies[discrepancy] = entry.model_copy(update={"source": None, **facts})
            elif measurement.discrepancy is not None:
                laws[discrepancy] = {"fixed": _plain(measurement.discrepancy, unit), **facts}
        except UnitError:
            continue  # a fault of the evidence, once it is compiled
        if laws or copies:
            change = partial(
                with_error,
                errors=(*laws, *copies),
                observed=measurement.observes,
                multiplies=measurement.multiplies,
            )
            layer = given_layer(laws, priors.place, EFFECT)
            layer = replace(
                layer,
                entries={**layer.entries, **copies},
                names=(*layer.names, *copies),
                written=(*layer.written, *copies),
            )
            return choice.altered(change), [layer], list(layer.faults)
    return choice, [], []


def used_by(evidence: Sequence[tuple[Evidence, EnergyModel | None]]) -> frozenset[str]:
    """Names that evidence uses: of its models, and in place of numbers."""
    used = set[str]()
    for item, model in evidence:
        if item.measurement is not None:
            places = _places(item.measurement)
            used |= {str(value) for _, _, value in places if isinstance(value, Reference)}
        if model is not None:
            used |= {*model.required, *model.optional}
    return frozenset(used)


def _places(measurement: Measurement) -> list[tuple[str, tuple[Key, ...], Scalar]]:
    """Every number of a measurement: its name, the keys that lead to it, and what stands there."""
    places: list[tuple[str, tuple[Key, ...], Scalar | None]] = [
        *(
            (key, ("error", measurement.family, key), v)
            for key, v in measurement.parameters.items()
        ),
        ("effect_sd", ("random_effect", "sd"), measurement.effect_sd),
        ("discrepancy", ("discrepancy",), measurement.discrepancy),
    ]
    return [(name, keys, value) for name, keys, value in places if value is not None]


def _plain(value: Scalar, unit: str) -> float | Reference:
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


def observations_of(
    evidence: Sequence[tuple[Evidence, EnergyModel | None]],
    joint: Joint,
    central: Mapping[str, float],
) -> tuple[tuple[Observation, ...], list[Fault]]:
    """Compile evidence against the joint prior; gives what fits, and everything that does not.

    `central` holds every assumption at its median.
    """
    observations, faults = list[Observation](), list[Fault]()
    for item, model in evidence:
        if item.measurement is None or model is None:
            continue
        spread, lost = item.measurement.effect_sd, math.isnan(central.get(EFFECTS[0], 0.0))
        if isinstance(spread, Reference) and lost and central[spread] <= 0:
            text = (
                f"names {str(spread)!r}, whose median is {central[spread]:g}; a spread is above 0"
            )
            faults.append(item.fault(text, "random_effect", "sd"))
        output = _output(item, item.measurement, model, joint)
        if isinstance(output, Output):
            observation, more = _observation(item, item.measurement, model, joint, output)
            observations.append(observation)
            faults += more
        else:
            faults.append(output)
    return tuple(observations), faults


def _name_faults(
    item: Evidence,
    measurement: Measurement,
    model: EnergyModel,
    assumptions: Mapping[str, Assumption],
    names: Set[str],
) -> Iterator[Fault]:
    """Names in place of numbers that cannot stand there, and a name that would hide another."""
    unit = "1" if measurement.multiplies else declared_output(measurement.observes, model).unit
    for key, keys, value in _places(measurement):
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


def _output(
    item: Evidence, measurement: Measurement, model: EnergyModel, joint: Joint
) -> Output | Fault:
    """Find the observed output, and see that the boundary is its own."""
    # Traced at the conditions of every kind of row: a model may give more where it knows more.
    kinds = {frozenset(row.conditions): row.number for row in item.rows} or {frozenset(): 0}
    assumed = {node.name for node in joint.nodes if node.name not in EFFECTS}
    names: list[str] | None = None
    for conditions, number in kinds.items():
        shapes = {name: jnp.zeros(()) for name in assumed | conditions}
        try:
            outputs = jax.eval_shape(model, shapes)
        except Exception as error:  # a user's own function may raise anything
            return item.fault(f"{model.name} {failure_text(error)}", "rows", number)
        names = [name for name in (outputs if names is None else names) if name in outputs]
    if names is None or measurement.observes not in names:
        hint = nearest(measurement.observes, names or [])
        return item.fault(f"{model.name} has no output {measurement.observes!r}{hint}", "observes")
    output = declared_output(measurement.observes, model)
    of_rows = [(row.boundary, ("rows", row.number)) for row in item.rows if row.boundary]
    for boundary, keys in ((measurement.boundary, ("boundary",)), *of_rows):
        if output.boundary and boundary and boundary != output.boundary:
            text = f"was measured at {boundary}, and {output.name} is at {output.boundary}"
            hint = "; compare like with like: observe an output of that boundary"
            return item.fault(text + hint, *keys)
    return output


def _observation(
    item: Evidence, measurement: Measurement, model: EnergyModel, joint: Joint, output: Output
) -> tuple[Observation, list[Fault]]:
    """Compile one evidence, its numbers in the unit of the output, or of its logarithm: none."""
    groups = tuple(dict.fromkeys(row.group for row in item.rows)) if measurement.effect_sd else ()
    limits, faults = _limits(item, measurement, output)
    rows = rows_of(item.rows, limits, groups, joint, model) if not faults else ()
    numbers = dict[str, float | Reference]()
    for key, keys, value in _places(measurement):
        try:
            unit = "1" if measurement.multiplies or key == "df" else output.unit
            numbers[key] = _plain(value, unit)
        except UnitError as error:
            faults.append(item.fault(str(error), *keys))
    shared = {key: numbers.pop(key) for key in ("effect_sd", "discrepancy") if key in numbers}
    sd, discrepancy = (
        Arguments.of(value=shared[key]) if key in shared else None
        for key in ("effect_sd", "discrepancy")
    )
    return Observation(
        name=item.name,
        observes=measurement.observes,
        statistic=measurement.statistic,
        family=measurement.family,
        model=model,
        sd=sd,
        discrepancy=discrepancy,
        parameters=Arguments.of(**numbers),
        groups=groups,
        rows=tuple(rows),
    ), faults


def _limits(
    item: Evidence, measurement: Measurement, output: Output
) -> tuple[list[tuple[float, float]], list[Fault]]:
    """Give what was measured of each row as its limits on the error's scale."""
    limits, faults = list[tuple[float, float]](), list[Fault]()
    for row in item.rows:
        try:
            numbers = {k: float(_plain(v, output.unit)) for k, v in row.observed.items()}
        except UnitError as error:
            faults.append(item.fault(str(error), "rows", row.number, next(iter(row.observed))))
            continue
        if measurement.multiplies and min(numbers.values()) <= 0:
            text = f"must be above 0, as its error multiplies (got {min(numbers.values()):g})"
            least = min(numbers, key=lambda key: numbers[key])
            faults.append(item.fault(text, "rows", row.number, least))
            continue
        scale = math.log if measurement.multiplies else float
        ends = {key: scale(number) for key, number in numbers.items()}
        low = ends.get("value", ends.get("at_least", -math.inf))
        high = ends.get("value", ends.get("at_most", math.inf))
        if low > high or ("value" not in ends and low == high):
            text = "at_least must lie below at_most"
            faults.append(item.fault(text, "rows", row.number, "at_least"))
        limits.append((low, high))
    return limits, faults


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
        kind = [rows[place] for place in places]
        numbers = [limits[place] for place in places]
        open_names = joint.behind(model.used(node.name for node in joint.nodes), names)
        yield Rows(
            known={n: np.array([row.conditions[n] for row in kind]) for n in sorted(names)},
            low=np.array([low for low, _ in numbers]),
            high=np.array([high for _, high in numbers]),
            group=np.array([places_of.get(row.group, 0) for row in kind]),
            places=tuple(places),
            averaged=bool(open_names & joint.coordinates(varies=True).keys()),
            censored=censored,
        )
