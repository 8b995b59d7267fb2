"""Layers to one list of assumptions, with every fault that files alone can show."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from uncertainty.errors import Fault, nearest
from uncertainty.files.assumptions import Assumption, Correlation, Law, Resolution
from uncertainty.files.catalogue import expand
from uncertainty.files.conversion import Inherited, convert
from uncertainty.files.correlations import resolve_correlations
from uncertainty.files.layers import Layer
from uncertainty.files.priors import Priors, given_layer
from uncertainty.files.schema import NO_NAME, AssumptionEntry, Picked
from uncertainty.files.values import is_name
from uncertainty.inputs import ALTERNATIVES
from uncertainty.units import same_unit


def resolve(
    priors: Priors,
    given: Mapping[str, object],
    scenario: str | None,
    added: Sequence[Layer] = (),
) -> Resolution:
    """Merge the layers of `priors` with a scenario and `given` on top.

    What the model and the evidence have `added` comes after the file's assumptions, unless the
    file states it. Scenarios that are not chosen are checked too: their faults are the file's.
    """
    top, given_faults = given_layer(given, priors.place)
    plain = {name: re.sub(r"[\s-]+", "_", name.strip()) for name in top.stated if not is_name(name)}
    given_faults += [
        top.fault(name, (), NO_NAME + (f"; write {meant}" if is_name(meant) else ""))
        for name, meant in plain.items()
    ]
    for layer in added:
        priors = _with_layer(priors, layer)
    chosen, missing = _scenario(priors, scenario)
    early = (*priors.faults, *given_faults, *missing)
    if not priors.readable:
        return Resolution(faults=early)
    found = _resolve((*priors.layers, *chosen, top), priors)
    unchosen = [layer for name, layer in priors.scenarios.items() if name != scenario]
    others = tuple(_resolve((*priors.layers, layer), priors) for layer in unchosen)
    of_others = [
        fault for other in others for fault in other.faults if fault.field.startswith("scenarios.")
    ]
    return replace(found, faults=(*early, *found.faults, *of_others), others=others)


def _with_layer(priors: Priors, layer: Layer) -> Priors:
    """Put a layer on top of those of the file, without what these state."""
    stated = {name for below in priors.layers for name in below.stated}
    own = replace(
        layer,
        entries={name: entry for name, entry in layer.entries.items() if name not in stated},
        stated=tuple(name for name in layer.stated if name not in stated),
        written=tuple(name for name in layer.written if name not in stated),
    )
    return replace(priors, layers=(*priors.layers, own)) if own.stated else priors


def _resolve(stated: Sequence[Layer], priors: Priors) -> Resolution:
    expansion = expand(stated)
    layers = expansion.layers
    assumptions, merge_faults = _merge(layers, expansion.names)
    rows, row_faults = _rows_of_files(assumptions)
    assumptions += rows
    broken = _broken(layers) | expansion.missing
    ordered, cycles = _order(assumptions)
    correlations, correlation_faults, notices = resolve_correlations(priors.layers, ordered, broken)
    faults = (
        *expansion.faults,
        *merge_faults,
        *row_faults,
        *_unknown_sources(layers, priors),
        *_reference_faults(assumptions, broken),
        *_unit_faults(assumptions),
        *cycles,
        *correlation_faults,
    )
    reports = (*expansion.notices, *_overrides(layers), *_replacements(layers), *notices)
    reports = (*reports, *_drawn_apart(ordered, correlations))
    lacking = dict(expansion.lacking)
    return Resolution(ordered, correlations, faults, reports, broken, lacking=lacking)


def _scenario(priors: Priors, scenario: str | None) -> tuple[list[Layer], list[Fault]]:
    if scenario is None:
        return [], []
    if scenario in priors.scenarios:
        return [priors.scenarios[scenario]], []
    text = f"no scenario {scenario!r}{nearest(scenario, priors.scenarios)}"
    return [], [Fault(priors.label, 0, 0, "scenarios", text)]


def _visible(layers: Sequence[Layer]) -> list[tuple[Layer, str]]:
    """Pair each layer with the names it states that no later alternative replaces."""
    pairs = [(layer, name) for layer in layers for name in layer.stated]
    return [(layer, name) for layer, name in pairs if not _replaced(layer, name, layers)]


def _replaced(layer: Layer, name: str, layers: Sequence[Layer]) -> bool:
    later = layers[layers.index(layer) + 1 :]
    others = {other for group in ALTERNATIVES if name not in group for other in group}
    one_of_them = any(name in group for group in ALTERNATIVES)
    return one_of_them and any(others & set(above.stated) for above in later)


def _replacements(layers: Sequence[Layer]) -> list[Fault]:
    """Report the names that a later layer's alternative replaces."""
    return [
        layer.fault(name, (), "is replaced: a later layer states the overhead in the other way")
        for layer in layers
        for name in layer.stated
        if _replaced(layer, name, layers)
    ]


def _merge(layers: Sequence[Layer], names: Sequence[str]) -> tuple[list[Assumption], list[Fault]]:
    visible = _visible(layers)
    faults = _both_alternatives(visible)
    order = {name: i for i, name in enumerate(names)}
    merged: dict[str, tuple[Assumption, list[Fault]]] = {}
    for layer, name in visible:
        entry = layer.entries.get(name)
        if entry is None:
            continue
        below = merged[name][0] if name in merged else None
        assumption, complaints = convert(name, order[name], entry, layer, _inherited(below))
        found = [layer.fault(name, keys, message) for keys, message in complaints]
        merged[name] = (assumption, found)
        faults += found
    return [assumption for assumption, _ in merged.values()], faults


def _rows_of_files(assumptions: Sequence[Assumption]) -> tuple[list[Assumption], list[Fault]]:
    """Make one assumption for the row of each file whose columns are drawn row by row.

    It takes the coordinate of the first of them, which needs none.
    """
    stated = {item.name for item in assumptions}
    columns: dict[str, list[Assumption]] = {}
    for item in assumptions:
        law = item.law
        # What a catalogue has several of comes from no file; a column at fault has no data.
        if law is not None and law.family == "pick" and (law.read is not None or not law.data):
            columns.setdefault(next(iter(item.needs)), []).append(item)
    rows, faults = list[Assumption](), list[Fault]()
    for name, items in columns.items():
        first, law = items[0], items[0].law
        for other in items[1:]:
            if other.law and law and other.law.read != law.read:
                text = f"two files give the rows {name!r}; rename one of them"
                faults.append(other.fault(text, "empirical", "file"))
            if other.varies != first.varies:
                text = f"is drawn with {first.name!r}: both vary per query, or neither does"
                faults.append(other.fault(text, "empirical", "rows"))
        if name not in stated and law is not None:
            row = Law("choice", data=tuple(map(float, range(len(law.data)))), origin="a row")
            groups = {item.group for item in items}
            rows.append(
                replace(
                    first,
                    name=name,
                    law=row,
                    expression=None,
                    unit="",
                    stated_unit=None,
                    group=groups.pop() if len(groups) == 1 else "",
                )
            )
    return rows, faults


def _drawn_apart(
    assumptions: Sequence[Assumption], correlations: Sequence[Correlation]
) -> Iterator[Fault]:
    """Say which columns of one file are drawn as if they had nothing to do with one another."""
    joined = {name for pair in correlations for name in (pair.first, pair.second)}
    columns: dict[object, list[Assumption]] = {}
    for item in assumptions:
        if item.law is not None and item.law.family == "empirical" and item.name not in joined:
            columns.setdefault(item.law.read, []).append(item)
    for items in columns.values():
        if len(items) > 1:
            names = " and ".join(item.name for item in items)
            text = f"{names} are columns of one file, drawn independently of one another"
            yield items[-1].fault(f"{text}; rows: file draws them row by row", "empirical")


def _inherited(below: Assumption | None) -> Inherited:
    if below is None:
        return Inherited()
    return Inherited(below.unit, below.stated_unit, below.varies, below.group)


def _both_alternatives(visible: Iterable[tuple[Layer, str]]) -> list[Fault]:
    """Find names that say one thing twice in the same layer."""
    faults = []
    first, second = ALTERNATIVES
    for layer, name in visible:
        both = sorted(set(second) & set(layer.stated))
        if name in first and both:
            text = (
                f"give either {name} or {', '.join(second)}, not both (got {', '.join(both)} too)"
            )
            faults.append(layer.fault(name, (), text))
    return faults


def _broken(layers: Sequence[Layer]) -> frozenset[str]:
    """Names that are stated, if invalidly: using them is no second fault."""
    return frozenset(name for layer in layers for name in layer.stated if name not in layer.entries)


def _unknown_sources(layers: Sequence[Layer], priors: Priors) -> list[Fault]:
    entries = [(layer, name, entry) for layer in layers for name, entry in layer.entries.items()]
    placed = [(layer, i, entry) for layer in layers for i, entry in layer.correlations]
    return [
        layer.fault(name, ("source",), _no_source(entry.source, priors))
        for layer, name, entry in entries
        if entry.source is not None and entry.source not in priors.sources
    ] + [
        layer.document.fault(("correlations", i, "source"), _no_source(entry.source, priors))
        for layer, i, entry in placed
        if entry.source is not None and entry.source not in priors.sources
    ]


def _no_source(source: str, priors: Priors) -> str:
    return f"{source!r:.60} is no key of a sources.bib{nearest(source, priors.sources)}"


def _reference_faults(assumptions: Sequence[Assumption], broken: frozenset[str]) -> list[Fault]:
    known = {a.name for a in assumptions} | broken
    return [
        a.fault(
            f"names {name!r}, which is no assumption{nearest(name, known)}",
            *_reference_keys(a, name),
        )
        for a in assumptions
        for name in sorted(a.needs - known)
    ]


def _unit_faults(assumptions: Sequence[Assumption]) -> list[Fault]:
    """A parameter that names an assumption takes its value as it is: the units must be the same."""
    units = {a.name: a.unit for a in assumptions}
    return [
        a.fault(
            f"names {name!r}, which is in {units[name]!r}; {a.unit!r} is wanted",
            key,
        )
        for a in assumptions
        if a.unit
        for key, name in a.quantities()
        if units.get(name) and not same_unit(units[name], a.unit)
    ]


def _reference_keys(assumption: Assumption, name: str = "") -> tuple[str, ...]:
    if assumption.expression is not None:
        return ("expression",)
    if name and name in (assumption.low, assumption.high):
        return ("truncate",)
    return (assumption.law.family,) if assumption.law else ()


def _order(assumptions: Sequence[Assumption]) -> tuple[tuple[Assumption, ...], list[Fault]]:
    """Sort so that each follows what it needs, in file order otherwise."""
    by_name = {a.name: a for a in sorted(assumptions, key=lambda a: a.index)}
    sorter = TopologicalSorter({a.name: sorted(a.needs & by_name.keys()) for a in by_name.values()})
    try:
        return tuple(by_name[name] for name in sorter.static_order()), []
    except CycleError as error:
        around = list(reversed(error.args[1]))
        first = min((by_name[name] for name in around), key=lambda a: a.index)
        text = f"needs itself: {' needs '.join(around)}"
        return tuple(by_name.values()), [first.fault(text, *_reference_keys(first))]


def _overrides(layers: Sequence[Layer]) -> list[Fault]:
    """Report old and new of everything that a later layer overrides."""
    notices, seen = [], dict[str, AssumptionEntry]()
    for layer in layers:
        for name, entry in layer.entries.items():
            if name in seen:
                text = f"overrides {_told(seen[name])} -> {_told(entry)}"
                notices.append(layer.fault(name, (), text))
        seen.update(layer.entries)
    return notices


def _told(entry: AssumptionEntry) -> str:
    if isinstance(entry, Picked):
        return f"one of {len(entry.numbers)} values, by {entry.expression}"
    stated = entry.model_dump(include=set(entry.stated_families()), exclude_unset=True)
    return ", ".join(f"{key}: {_plain(value)}" for key, value in stated.items())


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str):
        return f"{value[0]:g} {value[1]}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return str(value)
