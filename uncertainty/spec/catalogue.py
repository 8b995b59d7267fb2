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
from uncertainty.spec.schema import CatalogueEntry, CatalogueFile, Hardware, Precision
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
        {kind: name for kind, name in layer.bundles.items() if name in catalogue(kind)}
        for layer in layers
    ]
    last = {kind: i for i, bundles in enumerate(known) for kind in bundles}
    result, names = list[Layer](), list[str]()
    for i, layer in enumerate(layers):
        names += _names(layer, known[i])
        result += [_bundle(*item) for item in known[i].items() if last[item[0]] == i]
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
    for kind, name in layer.bundles.items():
        if name not in catalogue(kind):
            for entry in catalogue(kind).values():
                yield from entry.assumptions
            yield from ["peak_flops"] if kind == "hardware" else []


def _names(layer: Layer, known: Mapping[str, str]) -> Iterator[str]:
    """Yield the names that a layer states, those of its bundles where the bundle stands."""
    for name in layer.written:
        if name in known:
            yield from catalogue(name)[known[name]].assumptions
            yield from ["peak_flops"] if name == "hardware" else []
        elif name not in layer.bundles:
            yield name


def _unknown(layer: Layer) -> Iterator[Fault]:
    for kind, name in layer.bundles.items():
        if name not in catalogue(kind):
            text = f"{name!r} is no {kind} of the catalogue{nearest(name, catalogue(kind))}"
            yield layer.fault(kind, (), text)


def _bundle(kind: str, name: str) -> Layer:
    document = _shipped(_FILES[kind])[0]
    entries = catalogue(kind)[name].assumptions
    return Layer(document, (kind, name, "assumptions"), entries, tuple(entries), bundle=True)


def _peak(layer: Layer, chosen: Mapping[str, str]) -> tuple[Layer | None, list[Fault]]:
    """Peak of the hardware in the first format of the precision that it has."""
    hardware = catalogue("hardware")[chosen["hardware"]]
    formats = _formats(chosen.get("precision"))
    best = next((name for name in formats if name in hardware.peak_flops), None)
    if best is None:
        kind = "precision" if "precision" in layer.bundles else "hardware"
        text = f"{chosen['hardware']!r} computes in {', '.join(hardware.peak_flops)}"
        return None, [layer.fault(kind, (), f"{text}, and {', '.join(formats)} is wanted")]
    document = _shipped(_FILES["hardware"])[0]
    entries = {"peak_flops": hardware.peak_flops[best]}
    return Layer(document, ("hardware", chosen["hardware"]), entries, (*entries,), bundle=True), []


def _formats(precision: str | None) -> tuple[str, ...]:
    return catalogue("precision")[precision].formats if precision else _FORMATS


def _told(layers: Sequence[Layer]) -> Iterator[Fault]:
    """Report the bundles that a later layer replaces."""
    seen = dict[str, str]()
    for layer in layers:
        for kind, name in layer.bundles.items():
            if kind in seen:
                yield layer.fault(kind, (), f"overrides {seen[kind]} -> {name}")
        seen.update(layer.bundles)


def take_bundles(entries: Mapping[str, Plain]) -> tuple[dict[str, str], dict[str, Plain]]:
    """Split what a layer states into catalogue names and assumptions."""
    names = {kind: _name(entries[kind]) for kind in _FILES if kind in entries}
    bundles = {kind: name for kind, name in names.items() if name is not None}
    return bundles, {name: entry for name, entry in entries.items() if name not in bundles}


def _name(entry: Plain) -> str | None:
    """Give the catalogue name that an entry is: a string, or ``fixed`` with a string."""
    if isinstance(entry, dict) and list(entry) == ["fixed"]:
        entry = entry["fixed"]
    return entry if isinstance(entry, str) else None
