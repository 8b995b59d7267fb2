"""Catalogues: one name stands for the assumptions about an accelerator, a format or a model.

Each bundle becomes a layer of its own, just below the layer that names it: what stands there
explicitly goes before it, and so does every later layer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, overload

from uncertainty.errors import Fault, nearest
from uncertainty.files.document import Document, Plain, read_document
from uncertainty.files.layers import Layer
from uncertainty.files.library import Place, shipped_folder, shown_path
from uncertainty.files.schema import (
    AssumptionEntry,
    CatalogueEntry,
    CatalogueFile,
    Hardware,
    Picked,
    Precision,
)
from uncertainty.files.validation import validate

_FORMATS = ("bf16", "fp16")  # computed in where no precision is named
_FILES = {"hardware": "hardware.yaml", "precision": "hardware.yaml", "llm": "models.yaml"}
KINDS = tuple(_FILES)
"""What catalogues hold; each is a key that may stand among assumptions."""


@dataclass(frozen=True)
class Expansion:
    """Layers with the bundles that they name put in.

    Attributes
    ----------
    layers : tuple of Layer
        Those in force.
    names : tuple of str
        Every name in file order, those of replaced bundles too: coordinates stay where they are.
    faults, notices : tuple of Fault
    missing : frozenset of str
        Names that unknown bundles would have given: that they are not there is no second fault.
    lacking : tuple of (str, Fault)
        Names that only some of the bundles chosen among have, and nothing else states.
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    notices: tuple[Fault, ...] = ()
    missing: frozenset[str] = frozenset()
    lacking: tuple[tuple[str, Fault], ...] = ()


def read_catalogue(path: Path) -> tuple[Document | None, CatalogueFile | None, list[Fault]]:
    """Read one catalogue file."""
    document, faults = read_document(path, shown_path(path), Place(path.parent, path.parent))
    if document is None:
        return None, None, faults
    return document, *validate(CatalogueFile, document.data, document)


@lru_cache(maxsize=4)
def _shipped(file: str) -> tuple[Document, CatalogueFile]:
    document, found, faults = read_catalogue(shipped_folder() / "catalogue" / file)
    if document is None or found is None:
        raise RuntimeError(f"the shipped catalogue is broken: {faults[0]}")
    return document, found


@overload
def catalogue(kind: Literal["hardware"]) -> Mapping[str, Hardware]: ...
@overload
def catalogue(kind: Literal["precision"]) -> Mapping[str, Precision]: ...
@overload
def catalogue(kind: str) -> Mapping[str, CatalogueEntry]: ...
def catalogue(kind: str) -> Mapping[str, CatalogueEntry]:
    """Give the entries of one kind: ``hardware``, ``precision`` or ``llm``.

    Examples
    --------
    >>> "h100-sxm" in catalogue("hardware")
    True
    """
    entries: Mapping[str, CatalogueEntry] = getattr(_shipped(_FILES[kind])[1], kind)
    return entries


def expand(layers: Sequence[Layer]) -> Expansion:
    """Put the layers of bundles below the layers that name them."""
    faults = [fault for layer in layers for fault in _unknown(layer)]
    known = [
        {kind: names for kind, names in layer.bundles.items() if set(names) <= {*catalogue(kind)}}
        for layer in layers
    ]
    last = {kind: i for i, bundles in enumerate(known) for kind in bundles}
    result, names, lacking = list[Layer](), list[str](), list[tuple[str, Fault]]()
    for i, layer in enumerate(layers):
        names += _names(layer, known[i])
        for kind, chosen in known[i].items():
            if last[kind] == i:
                result.append(_bundle(kind, chosen))
                stated = {name for later in layers[i:] for name in later.stated}
                lacking += [pair for pair in _lacking(layer, kind, chosen) if pair[0] not in stated]
        if "hardware" in last and i == max(last["hardware"], last.get("precision", -1)):
            peak, missing = _peak(layer, {kind: known[at][kind] for kind, at in last.items()})
            result += [peak] if peak else []
            faults += missing
        result.append(layer)
    return Expansion(
        tuple(result),
        tuple(dict.fromkeys(names)),
        tuple(faults),
        (*_told(layers),),
        frozenset(name for layer in layers for name in _missing(layer)),
        tuple(lacking),
    )


def _missing(layer: Layer) -> Iterator[str]:
    for kind, names in layer.bundles.items():
        if not set(names) <= {*catalogue(kind)}:
            for entry in catalogue(kind).values():
                yield from entry.assumptions
            yield from ["peak_flops"] if kind == "hardware" else []


def _names(layer: Layer, known: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield the names that a layer states, those of its bundles where the bundle stands."""
    for name in layer.written:
        if name in known:
            for chosen in known[name]:
                yield from catalogue(name)[chosen].assumptions
            yield from ["peak_flops"] if name == "hardware" else []
        elif name not in layer.bundles:
            yield name
        if len(layer.bundles.get(name, ())) > 1:
            yield choice_of(name)


def _unknown(layer: Layer) -> Iterator[Fault]:
    for kind, names in layer.bundles.items():
        for name in names:
            if name not in catalogue(kind):
                text = f"{name!r} is no {kind} of the catalogue{nearest(name, catalogue(kind))}"
                yield layer.fault(kind, (), text)


def _bundle(kind: str, names: tuple[str, ...]) -> Layer:
    document = _shipped(_FILES[kind])[0]
    own = [catalogue(kind)[name].assumptions for name in names]
    common = [key for key in own[0] if all(key in other for other in own)]
    entries = {key: _picked(choice_of(kind), [other[key] for other in own]) for key in common}
    return Layer(document, (kind, names[0], "assumptions"), entries, tuple(entries), bundle=True)


def _lacking(layer: Layer, kind: str, names: tuple[str, ...]) -> Iterator[tuple[str, Fault]]:
    """Yield the inputs that some of the names chosen among have, and others do not."""
    own = {name: catalogue(kind)[name].assumptions for name in names}
    for key in sorted({key for entries in own.values() for key in entries}):
        without = ", ".join(name for name, entries in own.items() if key not in entries)
        if without:
            text = f"the catalogue has no {key} of {without}; state {key}, or leave them out"
            yield key, layer.fault(kind, (), text)


def choice_of(kind: str) -> str:
    """Name the assumption that says which of several catalogue names holds: its number, from 0."""
    return f"{kind}_choice"


def _picked(place: str, entries: Sequence[AssumptionEntry]) -> AssumptionEntry:
    """Let an expression pick one of several numbers."""
    if len(entries) == 1:
        return entries[0]
    first = entries[0]
    return Picked(
        expression=place,
        numbers=tuple(_number(entry) for entry in entries),
        unit=first.unit,
        source=first.source,
        basis=first.basis,
    )


def _number(entry: AssumptionEntry) -> float:
    assert isinstance(entry.fixed, float)  # the numbers of catalogues that may be chosen from are
    return entry.fixed


def _peak(layer: Layer, chosen: Mapping[str, tuple[str, ...]]) -> tuple[Layer | None, list[Fault]]:
    """Peak of the hardware in the first format of the precision that it has."""
    wanted = [catalogue("precision")[name].formats for name in chosen.get("precision", ())]
    peaks = []
    for name in chosen["hardware"]:
        known = catalogue("hardware")[name].peak_flops
        for formats in wanted or [_FORMATS]:
            best = next((own for own in formats if own in known), None)
            if best is None:
                kind = "precision" if "precision" in layer.bundles else "hardware"
                text = (
                    f"{name!r} computes in {', '.join(known)}, and {', '.join(formats)} is wanted"
                )
                return None, [layer.fault(kind, (), text)]
            peaks.append(known[best])
    places = [
        choice_of(kind) for kind in ("hardware", "precision") if len(chosen.get(kind, "")) > 1
    ]
    place = f"{places[0]} * {len(wanted)} + {places[1]}" if len(places) > 1 else "".join(places)
    document = _shipped(_FILES["hardware"])[0]
    entries = {"peak_flops": _picked(place, peaks)}
    at = ("hardware", chosen["hardware"][0])
    return Layer(document, at, entries, (*entries,), bundle=True), []


def _told(layers: Sequence[Layer]) -> Iterator[Fault]:
    """Report the bundles that a later layer replaces."""
    seen = dict[str, str]()
    for layer in layers:
        told = {kind: " or ".join(names) for kind, names in layer.bundles.items()}
        for kind, name in told.items():
            if kind in seen:
                yield layer.fault(kind, (), f"overrides {seen[kind]} -> {name}")
        seen.update(told)


def take_bundles(
    entries: Mapping[str, Plain],
) -> tuple[dict[str, tuple[str, ...]], dict[str, Plain]]:
    """Split what a layer states into catalogue names and assumptions.

    A choice of names leaves the choice itself as an assumption.
    """
    names = {kind: _chosen(entries[kind]) for kind in _FILES if kind in entries}
    bundles = {kind: found for kind, found in names.items() if found}
    rest = {name: entry for name, entry in entries.items() if name not in bundles}
    for kind, found in bundles.items():
        if len(found) > 1:
            rest[choice_of(kind)] = _choice(entries[kind], len(found))
    return bundles, rest


def _chosen(entry: Plain) -> tuple[str, ...]:
    """Catalogue names that an entry is: a string, ``fixed``, or a ``choice`` of names."""
    stated = entry
    if isinstance(entry, dict) and list(entry) == ["fixed"]:
        stated = entry["fixed"]
    if isinstance(stated, str):
        return (stated,)
    choice = stated.get("choice") if isinstance(stated, dict) else None
    options = choice.get("options") if isinstance(choice, dict) else None
    names = [name for name in options if isinstance(name, str)] if isinstance(options, list) else []
    return tuple(names) if isinstance(options, list) and len(names) == len(options) else ()


def _choice(entry: Plain, count: int) -> Plain:
    """State which name holds by its number; all else that was said of the choice stays."""
    assert isinstance(entry, dict)
    law = entry["choice"]
    assert isinstance(law, dict)
    return {**entry, "choice": {**law, "options": [*range(count)]}}
