"""Catalogues: one name stands for the assumptions about an accelerator, a format or a model.

Each bundle becomes a layer of its own, just below the layer that names it: what stands there
explicitly goes before it, and so does every later layer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, overload

from uncertainty.errors import Fault
from uncertainty.spec.document import Document, Plain, read_document
from uncertainty.spec.layers import Layer
from uncertainty.spec.library import Place, shipped_folder, shown_path
from uncertainty.spec.schema import (
    AssumptionEntry,
    CatalogueEntry,
    CatalogueFile,
    Hardware,
    Precision,
)
from uncertainty.spec.validation import nearest, validate

__all__ = ["KINDS", "Expansion", "catalogue", "expand", "read_catalogue", "take_bundles"]

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
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    notices: tuple[Fault, ...] = ()
    missing: frozenset[str] = frozenset()


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
    result, names = list[Layer](), list[str]()
    for i, layer in enumerate(layers):
        names += _names(layer, known[i])
        for kind, chosen in known[i].items():
            if last[kind] == i:
                bundle, complaints = _bundle(layer, kind, chosen)
                result.append(bundle)
                faults += complaints
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


def _bundle(layer: Layer, kind: str, names: tuple[str, ...]) -> tuple[Layer, list[Fault]]:
    document = _shipped(_FILES[kind])[0]
    own = [catalogue(kind)[name].assumptions for name in names]
    common = [key for key in own[0] if all(key in other for other in own)]
    some = sorted({key for other in own for key in other} - {*common})
    faults = [layer.fault(kind, (), f"not all of {', '.join(names)} have {', '.join(some)}")]
    entries = {key: _picked(kind, [other[key] for other in own]) for key in common}
    at = (kind, names[0], "assumptions")
    return Layer(document, at, entries, tuple(entries), bundle=True), faults if some else []


def choice_of(kind: str) -> str:
    """Name the assumption that says which of several catalogue names holds: its number, from 0."""
    return f"{kind}_choice"


def _picked(kind: str, entries: Sequence[AssumptionEntry]) -> AssumptionEntry:
    """Let the choice pick one of several numbers: arithmetic that is 1 at the chosen and else 0."""
    if len(entries) == 1:
        return entries[0]
    terms = [
        f"{_number(entry)} * max(0, 1 - abs({choice_of(kind)} - {place}))"
        for place, entry in enumerate(entries)
    ]
    told = {"unit": entries[0].unit, "source": entries[0].source, "basis": entries[0].basis}
    return AssumptionEntry.model_validate({"expression": " + ".join(terms), **told})


def _number(entry: AssumptionEntry) -> str:
    assert isinstance(entry.fixed, float)  # the numbers of catalogues that may be chosen from are
    return repr(entry.fixed)


def _peak(layer: Layer, chosen: Mapping[str, tuple[str, ...]]) -> tuple[Layer | None, list[Fault]]:
    """Peak of the hardware in the first format of the precision that it has."""
    formats = _formats(chosen.get("precision", ()))
    peaks = []
    for name in chosen["hardware"]:
        known = catalogue("hardware")[name].peak_flops
        best = next((own for own in formats if own in known), None)
        if best is None:
            kind = "precision" if "precision" in layer.bundles else "hardware"
            text = f"{name!r} computes in {', '.join(known)}, and {', '.join(formats)} is wanted"
            return None, [layer.fault(kind, (), text)]
        peaks.append(known[best])
    document = _shipped(_FILES["hardware"])[0]
    entries = {"peak_flops": _picked("hardware", peaks)}
    at = ("hardware", chosen["hardware"][0])
    return Layer(document, at, entries, (*entries,), bundle=True), []


def _formats(precision: Sequence[str]) -> tuple[str, ...]:
    return catalogue("precision")[precision[0]].formats if precision else _FORMATS


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

    Hardware that is a choice of names leaves the choice itself as an assumption.
    """
    names = {kind: _chosen(kind, entries[kind]) for kind in _FILES if kind in entries}
    bundles = {kind: found for kind, found in names.items() if found}
    rest = {name: entry for name, entry in entries.items() if name not in bundles}
    for kind, found in bundles.items():
        if len(found) > 1:
            rest[choice_of(kind)] = _choice(entries[kind], len(found))
    return bundles, rest


def _chosen(kind: str, entry: Plain) -> tuple[str, ...]:
    """Catalogue names that an entry is: a string, ``fixed``, or a ``choice`` of hardware."""
    stated = entry
    if isinstance(entry, dict) and list(entry) == ["fixed"]:
        stated = entry["fixed"]
    if isinstance(stated, str):
        return (stated,)
    choice = stated.get("choice") if isinstance(stated, dict) and kind == "hardware" else None
    options = choice.get("options") if isinstance(choice, dict) else None
    names = [name for name in options if isinstance(name, str)] if isinstance(options, list) else []
    return tuple(names) if isinstance(options, list) and len(names) == len(options) else ()


def _choice(entry: Plain, count: int) -> Plain:
    """State which name holds by its number; all else that was said of the choice stays."""
    assert isinstance(entry, dict)
    law = entry["choice"]
    assert isinstance(law, dict)
    return {**entry, "choice": {**law, "options": [*range(count)]}}
