"""A commented file to start from: what a prior file says with all that it builds on."""

import json
import os
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from uncertainty.files.catalogue import KINDS, catalogue
from uncertainty.files.document import Plain, to_plain
from uncertainty.files.evidence import find_evidence
from uncertainty.files.layers import Layer
from uncertainty.files.library import Place, find_file, shipped_folder, source_keys
from uncertainty.files.priors import Priors
from uncertainty.inputs import ALTERNATIVES, INPUTS

_KEPT = ("unit", "varies", "group")
_WIDTH = 96
_PLAIN = re.compile(r"[A-Za-z]([A-Za-z0-9 _./()%+*-]*[A-Za-z0-9_.)%])?")
_PLAIN_ALONE = re.compile(r"[A-Za-z][^:#\n]*[^\s:#]")
_RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "nan", "inf"}
_HEAD = """\
# {title}: a file to start from.
# It says the same as {label}, with all that it builds on.
#
# Change what you know better, then:
#   uncertainty check FILE    every fault at once, or what each assumption implies (figure: --plot)
#   uncertainty run FILE      the interval, what matters most, figures and a report
#   uncertainty list WHAT     priors, hardware, precision, models, sources, model {model}, schema
# An assumption has one distribution (or a number, fixed), the unit of its numbers, a source (a key
# of sources.bib, shipped or beside this file) and a basis: measured, published, derived or
# judgement. A lognormal's number is its median unless the key says mean.
"""


def starting_file(
    priors: Priors, used: Collection[str], target: Path | None = None
) -> tuple[str, dict[Path, Path]]:
    """Write out what a readable prior file says, with a comment on each assumption.

    What lies below it is left out where its name is not in `used`: it has been replaced.

    Returns
    -------
    str
        The text of a file at `target`, the working folder where not given.
    dict of Path to Path
        Files of data, evidence and citations that `target` cannot reach where they are, each with
        the place of a copy beside it.
    """
    files = _Files((target or Path.cwd() / "x.yaml").absolute())
    own = priors.layers[-1].written
    merged = _merged(priors.layers, files)
    files.add_citations(priors)
    entries = {k: v for k, v in merged.items() if k in KINDS or k in used or k in own}
    lines = [
        _HEAD.format(
            title=" ".join(priors.title.split()), label=priors.label, model=priors.model or "flops"
        ),
        "schema: 1",
        f"title: {_scalar(priors.title)}",
        *([f"model: {_flow(to_plain(priors.model), alone=True)}"] if priors.model else []),
        *_measured(priors, files),
        "assumptions:",
    ]
    for name, entry in entries.items():
        lines += [*_comment(name, entry), *_entry(name, entry, "  ")]
    lines += _correlations(priors.layers, entries)
    lines += _scenarios(priors.scenarios, {*entries, *used, *KINDS}, files)
    return "\n".join(lines) + "\n", files.copies


class _Files:
    """Files that are named, as they can be named from another folder."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.place = Place.first(target, allow_outside=False)
        self.copies: dict[Path, Path] = {}

    def named(self, name: str, path: Path | None) -> str:
        """Name a file from the new folder; one that cannot be reached from there is copied."""
        if path is None or path.resolve().is_relative_to(shipped_folder()):
            return name
        if self.place.reaches(path):
            return Path(os.path.relpath(path.resolve(), self.target.parent.resolve())).as_posix()
        return self._copied(path).name

    def _copied(self, path: Path) -> Path:
        copy = self.target.parent / path.name
        taken = {*self.copies.values()} - {self.copies.get(path.resolve())}
        if copy in taken:
            copy = self.target.parent / f"{path.parent.name}-{path.name}"
        self.copies[path.resolve()] = copy
        return copy

    def moved(self, entry: Plain, place: Place) -> Plain:
        """Rename the data files of an entry of a file at `place`."""
        if isinstance(entry, list):
            return [self.moved(item, place) for item in entry]
        if not isinstance(entry, dict):
            return entry
        result = {key: self.moved(value, place) for key, value in entry.items()}
        data = result.get("empirical")
        if isinstance(data, dict) and isinstance(data.get("file"), str):
            name = str(data["file"])
            result["empirical"] = {**data, "file": self.named(name, find_file(name, place))}
        return result

    def add_citations(self, priors: Priors) -> None:
        """Take along the citations of the files, where the new one would lack them."""
        layers = (*priors.layers, *priors.scenarios.values())
        used = {entry.source for layer in layers for entry in layer.entries.values()}
        lacking = used - source_keys(self.place)
        for place in (layer.document.place for layer in layers):
            if lacking & source_keys(place):
                self._copied(place.folder / "sources.bib")


def _measured(priors: Priors, files: _Files) -> Iterator[str]:
    """Give the evidence, and say how measurements differ from the model."""
    items = [
        files.named(item.what, find_evidence(item.what, item.document.place))
        if isinstance(item.what, str)
        else files.moved(to_plain(item.what), item.document.place)
        for item in priors.evidence
    ]
    if items:
        yield f"evidence: {_flow(to_plain(items))}"
    if priors.warnings:
        yield f"warnings: {_flow(to_plain(priors.warnings))}"
    data = priors.measurement.document.data if priors.measurement else None
    if isinstance(data, dict):
        yield f"measurement: {_flow(data['measurement'])}"


def _stated(layer: Layer) -> dict[str, Plain]:
    found = layer.document.data
    for key in layer.at:
        found = found.get(str(key)) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _merged(layers: Sequence[Layer], files: _Files) -> dict[str, Plain]:
    """Give the topmost statement of each name, in the order in which names first stand."""
    merged: dict[str, Plain] = {}
    for layer in layers:
        stated = _stated(layer)
        for name in [*_replaced(stated, layer, merged)]:
            merged.pop(name, None)
        for name, entry in stated.items():
            moved = files.moved(entry, layer.document.place)
            if name not in KINDS and not isinstance(moved, dict):
                moved = {"fixed": moved}  # so that the unit of the layer below can stand beside it
            merged[name] = _inherit(moved, merged.get(name))
    return merged


def _replaced(
    stated: Mapping[str, Plain], layer: Layer, below: Mapping[str, Plain]
) -> Iterator[str]:
    """Names that a layer takes away from those below: by a bundle, or said in another way."""
    if layer.bundles.keys() & {"hardware", "precision"} and "hardware" in {**below, **stated}:
        yield "peak_flops"
    for kind, names in layer.bundles.items():
        for bundle in (catalogue(kind).get(name) for name in names):
            yield from bundle.assumptions if bundle else ()
    for group in ALTERNATIVES:
        if set(group) & stated.keys():
            yield from (name for other in ALTERNATIVES if other != group for name in other)


def _inherit(entry: Plain, below: Plain) -> Plain:
    if not isinstance(entry, dict) or not isinstance(below, dict):
        return entry
    return {**entry, **{k: below[k] for k in _KEPT if k in below and k not in entry}}


def _comment(name: str, entry: Plain) -> list[str]:
    if name in KINDS:
        text = f"a name of the catalogue: uncertainty list {'models' if name == 'llm' else name}"
    elif name in INPUTS:
        text = INPUTS[name].meaning
    else:
        return [""]
    per_query = ", for each query anew" if isinstance(entry, dict) and "varies" in entry else ""
    return ["", f"  # {name}: {text}{per_query}"]


def _entry(name: str, entry: Plain, indent: str) -> list[str]:
    if not isinstance(entry, dict):
        return [f"{indent}{name}: {_scalar(entry)}"]
    lines = [f"{indent}{name}:"]
    for key, value in entry.items():
        inner = f"{indent}  {key}:"
        if isinstance(value, str) and len(inner) + len(value) > _WIDTH and "\n" not in value:
            wrapped = textwrap.wrap(
                value, _WIDTH - len(indent) - 4, break_long_words=False, break_on_hyphens=False
            )
            lines += [f"{inner} >-", *(f"{indent}    {line}" for line in wrapped)]
        elif key == "mixture" and isinstance(value, list):
            lines += [inner, *(f"{indent}    - {_flow(part)}" for part in value)]
        else:
            lines.append(f"{inner} {_flow(value, alone=True)}")
    return lines


def _correlations(layers: Sequence[Layer], entries: Mapping[str, Plain]) -> Iterator[str]:
    data = [layer.document.data for layer in layers]
    lists = [d.get("correlations") for d in data if isinstance(d, dict)]
    items = [item for found in lists if isinstance(found, list) for item in found]
    latest: dict[str, Plain] = {}
    for item in items:
        pair = item.get("between") if isinstance(item, dict) else None
        if isinstance(pair, list) and {str(name) for name in pair} <= entries.keys():
            latest[" ".join(sorted(str(name) for name in pair))] = item
    if latest:
        yield "\n# Spearman's rank correlation of two assumptions that depend on no other."
        yield "correlations:"
    for item in latest.values():
        yield f"  - {_flow(item)}"


def _scenarios(
    scenarios: Mapping[str, Layer], known: Collection[str], files: _Files
) -> Iterator[str]:
    if scenarios:
        yield "\n# Named changes: uncertainty run FILE --scenario NAME (all: side by side)."
        yield "scenarios:"
    for name, layer in scenarios.items():
        # A change of what has been replaced says nothing, and would look like a misspelt name.
        changes = {k: v for k, v in _stated(layer).items() if k in known}
        yield f"  {name}:" if changes else f"  {name}: {{}}"
        for key, entry in changes.items():
            yield from _entry(key, files.moved(entry, layer.document.place), "    ")


def _flow(value: Plain, *, alone: bool = False) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value, flow=not alone)


def _scalar(value: Plain, *, flow: bool = False) -> str:
    """Write a scalar, with quotes where it would read back as something else."""
    if isinstance(value, float):
        return _number(value)
    if not isinstance(value, str):
        return "null" if value is None else str(value).lower()
    plain = _PLAIN if flow else _PLAIN_ALONE
    if plain.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    return json.dumps(value, ensure_ascii=False)  # which YAML reads as it is


def _number(value: float) -> str:
    """Write a number so that it reads back the same, large and small ones with an exponent."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return repr(value).removesuffix(".0")
    digits = next(n for n in range(1, 18) if float(f"{value:.{n}e}") == value)
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"
