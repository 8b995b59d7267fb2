"""A commented file to start from: what a prior file says with all that it builds on."""

import os
from collections.abc import Collection
from pathlib import Path

from uncertainty.files.assumptions import Layer
from uncertainty.files.catalogue import KINDS, catalogue
from uncertainty.files.document import Key, Plain, to_plain, yaml_text
from uncertainty.files.evidence import Evidence, evidence_in
from uncertainty.files.library import Place, find_file, shipped_folder, source_keys
from uncertainty.files.priors import Priors
from uncertainty.inputs import INPUTS, REPLACES

_INHERITED = ("unit", "varies", "group")  # keys that an entry takes over from the layer below
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
    merged = _merged(priors, files)
    for layer in (*priors.layers, *priors.scenarios.values()):
        files.add_citations(layer.document.place, layer)
    written = priors.layers[-1].written
    assumptions = {k: v for k, v in merged.items() if k in KINDS or k in used or k in written}
    known = {*assumptions, *used, *KINDS}
    scenarios: dict[str, Plain] = {
        # A change of what has been replaced says nothing, and would look like a misspelt name.
        scenario: {
            name: files.moved(entry, layer.document.place)
            for name, entry in _entries(layer).items()
            if name in known
        }
        for scenario, layer in priors.scenarios.items()
    }
    pairs = zip(priors.evidence, evidence_in(priors), strict=True)
    evidence = [files.evidence(item.what, read) for item, read in pairs]
    measurement = priors.measurement.document.data if priors.measurement else None
    assert measurement is None or isinstance(measurement, dict)
    data: dict[str, Plain] = {
        "model": to_plain(priors.model),
        "evidence": evidence,
        "warnings": to_plain(priors.warnings),
        "measurement": measurement["measurement"] if measurement else None,
        "assumptions": assumptions,
        "correlations": _correlations(priors, assumptions),
        "scenarios": scenarios,
    }
    data = {key: value for key, value in data.items() if value or key == "assumptions"}
    comments = dict[tuple[Key, ...], str]()
    for name, entry in assumptions.items():
        per_query = ", for each query anew" if isinstance(entry, dict) and "varies" in entry else ""
        meaning = INPUTS[name].meaning if name in INPUTS else ""
        if name in KINDS:
            kind = "models" if name == "llm" else name
            meaning = f"a name of the catalogue: uncertainty list {kind}"
        # Above a name that nobody declared stands an empty line.
        comments["assumptions", name] = f"\n{name}: {meaning}{per_query}" if meaning else ""
    comments["correlations",] = "\nSpearman's rank correlations; such names depend on no other."
    comments["scenarios",] = "\nNamed changes: uncertainty run FILE --scenario NAME (or all)."
    title = " ".join(priors.title.split())
    head = _HEAD.format(title=title, label=priors.label, model=priors.model or "flops")
    return yaml_text({"schema": 1, "title": priors.title, **data}, head, comments), files.copies


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
        return self.copied(path).name

    def evidence(self, what: object, read: Evidence) -> Plain:
        """Name an evidence file; write one out whose data would not be found beside a copy."""
        path, place = read.document.path, read.document.place
        if isinstance(what, str) and path and self.place.reaches(path):
            return self.named(what, path)
        self.add_citations(place, read.layer, read.source)
        moved = self.moved(read.document.data, place)
        return self.named(str(what), path) if path and moved == read.document.data else moved

    def copied(self, path: Path) -> Path:
        """Choose the place of a copy beside the new file."""
        copy = self.target.parent / path.name
        if copy in {*self.copies.values()} - {self.copies.get(path.resolve())}:
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

    def add_citations(self, place: Place, layer: Layer | None, *more: str) -> None:
        """Take along the citations of a file at `place`, where the new one would lack them."""
        used: set[str | None] = {*more}
        if layer:
            used |= {entry.source for entry in layer.entries.values()}
            used |= {entry.source for _, entry in layer.correlations}
        if (used - source_keys(self.place)) & source_keys(place):
            self.copied(place.folder / "sources.bib")


def _entries(layer: Layer) -> dict[str, Plain]:
    """Give what a layer states, as written."""
    entries = layer.document.data
    for key in layer.at:
        entries = entries.get(str(key)) if isinstance(entries, dict) else None
    return entries if isinstance(entries, dict) else {}


def _merged(priors: Priors, files: _Files) -> dict[str, Plain]:
    """Give the topmost statement of each name, in the order in which names first stand."""
    merged: dict[str, Plain] = {}
    for layer in priors.layers:
        entries = _entries(layer)
        # A layer takes names away from those below: by a bundle, or where it says the same in
        # another way.
        replaced = {
            name
            for kind, names in layer.bundles.items()
            for bundle in (catalogue(kind).get(name) for name in names)
            for name in (bundle.assumptions if bundle else ())
        }
        if layer.bundles.keys() & {"hardware", "precision"} and "hardware" in {**merged, **entries}:
            replaced.add("peak_flops")
        replaced = replaced.union(*(REPLACES.get(name, ()) for name in entries))
        for name in replaced:
            merged.pop(name, None)
        for name, entry in entries.items():
            moved = files.moved(entry, layer.document.place)
            if name not in KINDS and not isinstance(moved, dict):
                moved = {"fixed": moved}  # so that the unit of the layer below can stand beside it
            below = merged.get(name)
            if isinstance(moved, dict) and isinstance(below, dict):
                kept = {k: below[k] for k in _INHERITED if k in below and k not in moved}
                moved = {**moved, **kept}
            merged[name] = moved
    return merged


def _correlations(priors: Priors, known: Collection[str]) -> list[Plain]:
    """Give the last statement on each pair of the names kept."""
    latest: dict[frozenset[str], Plain] = {}
    for layer in priors.layers:
        data = layer.document.data
        items = data.get("correlations") if isinstance(data, dict) else None
        for item in items if isinstance(items, list) else ():
            pair = item.get("between") if isinstance(item, dict) else None
            if isinstance(pair, list) and {str(name) for name in pair} <= {*known}:
                latest[frozenset(map(str, pair))] = item
    return list(latest.values())
