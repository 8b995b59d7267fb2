"""Catalogues: one name stands for the assumptions about an accelerator, a format or a model.

Each bundle becomes a layer of its own, just below the layer that names it: what stands there
explicitly goes before it, and so does every later layer.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from uncertainty.errors import Fault, nearest
from uncertainty.files.assumptions import Layer, Resolution
from uncertainty.files.document import Document, Plain, read_document
from uncertainty.files.entries import AssumptionEntry, Bundle, CatalogueFile, Picked, validate
from uncertainty.files.library import Place, shipped_folder, shown_path

_FORMATS = ("bf16", "fp16")  # computed in where no precision is named
_FILES = {"hardware": "hardware.yaml", "precision": "hardware.yaml", "llm": "models.yaml"}
KINDS = tuple(_FILES)
"""What catalogues hold; each is a key that may stand among assumptions."""


def read_catalogue(path: Path) -> tuple[Document | None, CatalogueFile | None, list[Fault]]:
    """Read one catalogue file."""
    document, faults = read_document(path, shown_path(path), Place(path.parent, path.parent))
    if document is None:
        return None, None, faults
    return document, *validate(CatalogueFile, document.data, document)


# Every problem asks for the shipped catalogues: they are read once a process.
@lru_cache(maxsize=4)
def _shipped(file: str) -> tuple[Document, CatalogueFile]:
    document, entry, faults = read_catalogue(shipped_folder() / "catalogue" / file)
    if document is None or entry is None:
        raise RuntimeError(f"the shipped catalogue is broken: {faults[0]}")
    return document, entry


NOT_IN_MODEL = MappingProxyType(
    dict.fromkeys(("acceptance", "draft_parameters", "kv_width", "linear_layers"), 0.0)
    | dict.fromkeys(("model_width", "state_bytes", "window_layers"), 0.0)
    | dict.fromkeys(("experts", "experts_per_token", "kv_heads", "window_tokens"), 1.0)
)
"""What says that a language model has no such thing, beside others that do: a dense one has one
expert, and one with latent attention no key-value heads."""
_ABSENT = {**NOT_IN_MODEL, "memory_bytes": 0.0}  # memory: not known


def catalogue(kind: str) -> Mapping[str, Bundle]:
    """Give the entries of one kind: ``hardware``, ``precision`` or ``llm``.

    Examples
    --------
    >>> "h100-sxm" in catalogue("hardware")
    True
    """
    entries: Mapping[str, Bundle] = getattr(_shipped(_FILES[kind])[1], kind)
    return entries


def choice_of(kind: str) -> str:
    """Name the assumption that says which of several catalogue names holds: its number, from 0."""
    return f"{kind}_choice"


def expand(layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], tuple[str, ...], Resolution]:
    """Put the layers of bundles below the layers that name them.

    Returns
    -------
    tuple of Layer
        Those in force.
    tuple of str
        Every name in file order, those of replaced bundles too: coordinates stay where they are.
    Resolution
        Faults, notices, what unknown bundles would have given (that it is not there is no second
        fault), and what only some of the bundles chosen among have and nothing else states.
    """
    result, names, missing = list[Layer](), list[str](), set[str]()
    faults, notices, lacking = list[Fault](), list[Fault](), dict[str, Fault]()
    known = [
        {kind: names for kind, names in layer.bundles.items() if set(names) <= {*catalogue(kind)}}
        for layer in layers
    ]
    last = {kind: i for i, bundles in enumerate(known) for kind in bundles}
    replaced = dict[str, str]()
    for i, layer in enumerate(layers):
        names += _names(layer, known[i])
        shown = {kind: " or ".join(chosen) for kind, chosen in layer.bundles.items()}
        for kind, chosen in layer.bundles.items():
            if kind in replaced:
                text = f"overrides {replaced[kind]} -> {shown[kind]}"
                notices.append(layer.fault(kind, (), text))
            if kind not in known[i]:
                for name in chosen:
                    if name not in catalogue(kind):
                        hint = nearest(name, catalogue(kind))
                        text = f"{name!r} is not in the {kind} catalogue{hint}"
                        faults.append(layer.fault(kind, (), text))
                missing.update(*(entry.assumptions for entry in catalogue(kind).values()))
                missing.update(["peak_flops"] if kind == "hardware" else [])
            elif last[kind] == i:  # of one kind only the last bundle is in force
                bundle, gaps = _bundle(layer, kind, chosen)
                result.append(bundle)
                later = {name for above in layers[i:] for name in above.names}
                lacking |= {key: fault for key, fault in gaps.items() if key not in later}
        replaced |= shown
        # The peak follows from accelerator and format: it stands where the later of them does.
        if "hardware" in last and i == max(last["hardware"], last.get("precision", -1)):
            peak = _peak(layer, {kind: known[at][kind] for kind, at in last.items()})
            if isinstance(peak, Fault):
                faults.append(peak)
            else:
                result.append(peak)
        result.append(layer)
    outcome = Resolution(
        faults=tuple(faults), notices=tuple(notices), broken=frozenset(missing), lacking=lacking
    )
    # Last, so that it takes no coordinate's place: it is fixed, and costs nothing.
    names.sort(key=lambda name: name == "memory_bytes")
    return tuple(result), tuple(dict.fromkeys(names)), outcome


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


def _bundle(layer: Layer, kind: str, names: tuple[str, ...]) -> tuple[Layer, dict[str, Fault]]:
    """Make the layer of the inputs that all of the names have, and a fault of each other input."""
    options = {name: catalogue(kind)[name].assumptions for name in names}
    entries, gaps = dict[str, AssumptionEntry](), dict[str, Fault]()
    for key in dict.fromkeys(key for assumptions in options.values() for key in assumptions):
        without = [name for name, assumptions in options.items() if key not in assumptions]
        if without and key not in _ABSENT:
            text = f"the catalogue has no {key} for {', '.join(without)}"
            gaps[key] = layer.fault(kind, (), f"{text}; state {key}, or choose another {kind}")
        else:
            some = next(numbers[key] for numbers in options.values() if key in numbers)
            none = some.model_copy(update={"fixed": _ABSENT.get(key)})
            each = [assumptions.get(key, none) for assumptions in options.values()]
            entries[key] = _picked(choice_of(kind), each)
    document = _shipped(_FILES[kind])[0]
    at = (kind, names[0], "assumptions")
    return Layer(document, at, entries, tuple(entries), bundle=True), gaps


def _picked(place: str, entries: Sequence[AssumptionEntry]) -> AssumptionEntry:
    """Let an expression pick one of several numbers."""
    first = entries[0]
    if len(entries) == 1:
        return first
    numbers = tuple(entry.fixed for entry in entries)
    facts = {"unit": first.unit, "source": first.source, "basis": first.basis}
    return Picked(expression=place, numbers=numbers, **facts)


def _peak(layer: Layer, chosen: Mapping[str, tuple[str, ...]]) -> Layer | Fault:
    """Peak of the hardware in the first format of the precision that it has."""
    document, shipped = _shipped(_FILES["hardware"])
    formats = [shipped.precision[name].formats for name in chosen.get("precision", ())]
    peaks = []
    for name in chosen["hardware"]:
        known = shipped.hardware[name].peak_flops
        for usable in formats or [_FORMATS]:
            best = next((key for key in usable if key in known), None)
            if best is None:
                kind = "precision" if "precision" in layer.bundles else "hardware"
                text = f"{name!r} has no peak in {' or '.join(usable)}; choose a precision for"
                return layer.fault(kind, (), f"{text} {' or '.join(known)}")
            peaks.append(known[best])
    places = [
        choice_of(kind) for kind in ("hardware", "precision") if len(chosen.get(kind, "")) > 1
    ]
    # The peaks stand in rows of one accelerator each.
    place = f"{places[0]} * {len(formats)} + {places[1]}" if len(places) > 1 else "".join(places)
    at = ("hardware", chosen["hardware"][0])
    entries = {"peak_flops": _picked(place, peaks)}
    return Layer(document, at, entries, (*entries,), bundle=True)


def take_bundles(
    entries: Mapping[str, Plain],
) -> tuple[dict[str, tuple[str, ...]], dict[str, Plain]]:
    """Split what a layer states into catalogue names and assumptions.

    A catalogue name is a string, ``fixed``, or a ``choice`` of names; a choice leaves the number
    of the name that holds as an assumption, with all else that was said of it.
    """
    bundles, rest = dict[str, tuple[str, ...]](), dict(entries)
    for kind in KINDS:
        entry = entries.get(kind)
        if isinstance(entry, dict) and list(entry) == ["fixed"]:
            entry = entry["fixed"]
        choice = entry.get("choice") if isinstance(entry, dict) else None
        options = choice.get("options") if isinstance(choice, dict) else [entry]
        names = options if isinstance(options, list) else []
        if not names or not all(isinstance(name, str) for name in names):
            continue
        bundles[kind] = tuple(str(name) for name in names)
        del rest[kind]
        if isinstance(entry, dict) and isinstance(choice, dict) and len(names) > 1:
            numbers: list[Plain] = [*range(len(names))]
            rest[choice_of(kind)] = {**entry, "choice": {**choice, "options": numbers}}
    return bundles, rest
