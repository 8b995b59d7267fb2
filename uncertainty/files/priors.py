"""Prior files to layers, and layers to one list of assumptions, with every fault on the way."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from uncertainty.errors import Fault, InputError, counted, listed, nearest
from uncertainty.files.assumptions import Assumption, Correlation, Law, Layer, Resolution, convert
from uncertainty.files.catalogue import expand, take_bundles
from uncertainty.files.document import (
    Document,
    DocumentError,
    Key,
    Plain,
    parse_yaml,
    read_document,
    text_faults,
    wrap_mapping,
)
from uncertainty.files.entries import (
    NO_NAME,
    AssumptionEntry,
    CorrelationEntry,
    FileEntry,
    Measurement,
    Picked,
    validate,
    wrong_kind,
)
from uncertainty.files.families import is_name
from uncertainty.files.library import (
    Place,
    find_file,
    load_function,
    missing_file,
    shipped_names,
    shown_path,
    source_keys,
)
from uncertainty.inputs import REPLACES
from uncertainty.units import same_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

GIVEN = "<given>"
"""How faults name what a call fixes or replaces."""
EFFECT = "<new system>"
"""How faults name what evidence adds for a system that nobody measured."""
_LONGEST_CHAIN = 20  # of files that extend one another
_LEAST_EIGENVALUE = 1e-10  # of a correlation matrix that can be computed with


@dataclass(frozen=True)
class Statement:
    """What a key of a file says, and where; `keys` lead to it."""

    document: Document
    keys: tuple[Key, ...]
    what: object


@dataclass(frozen=True)
class Priors:
    """One prior file with everything that it extends.

    Attributes
    ----------
    label : str
        Path as shown, or ``<mapping>``.
    title : str
    model : str or mapping
        As the file says; empty where it does not.
    layers : tuple of Layer
        From the base up; the file's own is last.
    scenarios : mapping of str to Layer
        Named overrides.
    evidence : tuple of Statement
        Names of evidence files, or mappings of the same shape, not read yet.
    measurement : Statement or None
        A `Measurement`: how measurements differ from the model, where no rows are given.
    warnings : tuple of str
        Why the numbers of this file, or of one below it, are not to be trusted.
    sources : frozenset of str
        Citation keys that may be used.
    faults : tuple of Fault
        What is wrong; `build_problem` raises them with its own.
    place : Place
        Where the names of files in a call are looked up.
    usage : str
        The usage file whose assumptions are in `layers` too; empty for none.
    readable : bool
        False where a whole file is missing or no prior file, so that checks of what the
        assumptions mean together would only repeat it.
    """

    label: str
    title: str = ""
    model: str | Mapping[str, object] = ""
    layers: tuple[Layer, ...] = ()
    scenarios: Mapping[str, Layer] = field(default_factory=dict)
    evidence: tuple[Statement, ...] = ()
    measurement: Statement | None = None
    warnings: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()
    place: Place = field(default_factory=lambda: Place(Path.cwd(), Path.cwd()))
    readable: bool = True
    usage: str = ""

    @property
    def document(self) -> Document | None:
        """The file's own document; None where it could not be read."""
        return self.layers[-1].document if self.layers else None

    def __repr__(self) -> str:
        names = {name for layer in self.layers for name in layer.names}
        trouble = f", {counted(len(self.faults), 'fault')}" if self.faults else ""
        return f"<Priors {self.label}: {counted(len(names), 'assumption')}{trouble}>"


def load_priors(
    source: str | Path | Mapping[str, object], *, usage: str = "", allow_outside: bool = False
) -> Priors:
    """Read a prior file with the files that it extends.

    Parameters
    ----------
    source : str, Path or mapping
        A path, the name of a shipped file, or a mapping of the same shape as a file.
    usage : str
        A usage file, as `import_usage` writes it, whose assumptions go on top of the others.
    allow_outside : bool
        Let the file name other files (bases, data) outside its own folder and the working
        folder; not for files that you have not read.

    Returns
    -------
    Priors
        Its `faults` hold all that is wrong with the file; `build_problem` raises them
        together with what is wrong for the chosen model.

    Examples
    --------
    >>> load_priors("gpt-4o").title
    'One GPT-4o text query'
    >>> load_priors({"schema": 1, "assumptions": {"x": {"fixed": "one"}}})
    <Priors <mapping>: 1 assumption>
    """
    folder = Path.cwd()
    here, anywhere = Place(folder, None if allow_outside else folder), Place(folder, None)
    if isinstance(source, Mapping):
        priors = _from_document(wrap_mapping(source, "<mapping>", here), ())
    elif path := find_file(str(source), anywhere):
        priors = _from_path(path, Place.first(path, allow_outside=allow_outside), ())
    elif missing_file(str(source), anywhere).endswith("is a folder"):
        fault = Fault(str(source), 0, 0, "", "is a folder; name a file in it")
        priors = Priors(str(source), faults=(fault,), readable=False)
    else:
        hint = nearest(str(source), shipped_names())
        fault = Fault(str(source)[:60], 0, 0, "", "no such file, nor a shipped one" + hint)
        priors = Priors(str(source), faults=(fault,), readable=False)
    if usage and priors.layers:
        priors = with_usage(priors, load_priors(usage, allow_outside=allow_outside))
    return replace(priors, place=here)


def with_usage(priors: Priors, above: Priors) -> Priors:
    """Put the assumptions of a usage file on top of those of another."""
    # The file's own layer stays the last one, and is empty: what a usage replaces in it, and what
    # the model does not use of a usage, is no slip of whoever wrote them.
    last = replace(priors.layers[-1], entries={}, names=(), correlations=(), bundles={}, written=())
    layers, faults = (*priors.layers, *above.layers, last), priors.faults + above.faults
    return replace(priors, layers=layers, faults=faults, usage=above.label)


def _from_path(path: Path, place: Place, above: tuple[Path, ...]) -> Priors:
    label = shown_path(path)
    document, faults = read_document(path, label, place)
    if document is None:
        return Priors(label, faults=tuple(faults), readable=False)
    return _from_document(document, (*above, path.resolve()))


def _from_document(document: Document, above: tuple[Path, ...]) -> Priors:
    """Take a file apart; what is wrong with one part leaves the others as they are."""
    data = document.data
    assert isinstance(data, dict)
    if wrong := wrong_kind(document, "a prior file"):
        return Priors(document.label, faults=(wrong,), readable=False)
    base = _base(document, data.get("extends"), above)
    frame, faults = dict(data), text_faults(document)
    entries = data.get("assumptions")
    if isinstance(entries, dict):
        frame["assumptions"] = {}
        faults += _name_faults(document, ("assumptions",), entries)
    local = read_layer(document, ("assumptions",), entries)
    scenarios = dict[str, Layer]()
    changes = data.get("scenarios")
    if isinstance(changes, dict):
        frame["scenarios"] = {name: {} if isinstance(x, dict) else x for name, x in changes.items()}
        for name, entries in changes.items():
            scenarios[name] = read_layer(document, ("scenarios", name), entries)
            if isinstance(entries, dict):
                faults += _name_faults(document, ("scenarios", name), entries)
    correlations, measurement = list[tuple[int, CorrelationEntry]](), base.measurement
    listed = data.get("correlations")
    if isinstance(listed, list):
        del frame["correlations"]
        for i, item in enumerate(listed):
            pair, complaints = validate(CorrelationEntry, item, document, ("correlations", i))
            correlations += [(i, pair)] if pair is not None else []
            faults += complaints
    if isinstance(data.get("measurement"), dict):
        keys = ("measurement",)
        entry, complaints = validate(Measurement, frame.pop("measurement"), document, keys)
        measurement = Statement(document, keys, entry) if entry is not None else measurement
        faults += complaints
    faults += validate(FileEntry, frame, document)[1]
    title, model, items = data.get("title"), data.get("model"), data.get("evidence")
    evidence = [
        Statement(document, ("evidence", i), item)
        for i, item in enumerate(items if isinstance(items, list) else [])
        if isinstance(item, str | dict)
    ]
    listed = data.get("warnings")
    warnings = (
        [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    )
    return Priors(
        label=document.label,
        title=(title if isinstance(title, str) else "") or base.title,
        model=(model if isinstance(model, str | dict) else "") or base.model,
        layers=(*base.layers, replace(local, correlations=tuple(correlations))),
        scenarios={**base.scenarios, **scenarios},
        evidence=tuple(evidence) if "evidence" in data else base.evidence,
        measurement=measurement,
        warnings=(*base.warnings, *(f"{document.label}: {text}" for text in warnings)),
        sources=base.sources | source_keys(document.place),
        faults=(
            *base.faults,
            *faults,
            *(fault for layer in (local, *scenarios.values()) for fault in layer.faults),
        ),
        readable=base.readable,
    )


def _name_faults(
    document: Document, at: tuple[Key, ...], entries: Mapping[str, Plain]
) -> Iterator[Fault]:
    for name in take_bundles(entries)[1]:
        if not is_name(name):
            yield document.fault((*at, name), f"{NO_NAME} (got {name!r})")


def _base(document: Document, name: Plain, above: tuple[Path, ...]) -> Priors:
    """Read the file that one extends."""
    if not isinstance(name, str):
        return Priors("")
    path = find_file(name, document.place, upward=True)
    if path is None:
        text = missing_file(name, document.place)
        if text.startswith("no such"):
            text += nearest(name.removesuffix(".yaml"), shipped_names())
    elif path.resolve() in above:
        text = f"{name!r} extends itself"
    elif len(above) > _LONGEST_CHAIN:
        text = f"more than {_LONGEST_CHAIN} files extend one another"
    else:
        return _from_path(path, document.place.of(path), above)
    return Priors("", faults=(document.fault(("extends",), text),), readable=False)


def read_layer(document: Document, at: tuple[Key, ...], entries: Plain) -> Layer:
    """Make the layer of what stands at some keys, each entry validated once."""
    written = entries if isinstance(entries, dict) else {}
    bundles, assumptions = take_bundles(written)
    valid, faults = dict[str, AssumptionEntry](), list[Fault]()
    for name, item in assumptions.items():
        data: Plain = item if isinstance(item, dict) else {"fixed": item}  # a bare number is short
        entry, complaints = validate(AssumptionEntry, data, document, (*at, name))
        faults += complaints
        if entry is not None and is_name(name):
            valid[name] = entry
    return Layer(
        document,
        at,
        valid,
        tuple(assumptions),
        bundles=bundles,
        written=tuple(written),
        faults=tuple(faults),
    )


def given_layer(given: Mapping[str, object], place: Place, label: str = GIVEN) -> Layer:
    """Turn fixed or replaced assumptions, given in a call, into the topmost layer."""
    if not isinstance(given, Mapping):  # a result says what was given, and may say anything
        raise InputError.of(label, f"must be a mapping (got {type(given).__name__})")
    document = wrap_mapping(given, label, place)
    layer = read_layer(document, (), document.data)
    return replace(layer, faults=(*layer.faults, *text_faults(document)))


def model_of_text(text: str) -> "str | Mapping[str, object] | Callable[..., object]":
    """Read a model as a command names it: a name, ``file.py:function``, or a mapping as in a file.

    Raises
    ------
    InputError
        If there is no such function, none is named, or the mapping is not YAML.

    Examples
    --------
    >>> model_of_text("{fleet: roofline}")
    {'fleet': 'roofline'}
    """
    if not text.startswith("{"):
        return load_function(text) if ":" in text or text.endswith(".py") else text
    try:
        mapping = parse_yaml(text)
    except DocumentError as error:
        raise InputError.of("--model", f"is not YAML: {text}") from error
    return mapping if isinstance(mapping, dict) else text


def resolve(
    priors: Priors, top: Layer, scenario: str | None, added: Sequence[Layer] = ()
) -> Resolution:
    """Merge the layers of `priors` with a scenario and, on top, what a call gives.

    What the model and the evidence have `added` comes after the file's assumptions, unless the
    file states it. Scenarios that are not chosen are checked too: their faults are the file's.
    """
    faults = [*priors.faults, *top.faults]
    for name in top.names:
        if not is_name(name):
            meant = re.sub(r"[\s-]+", "_", name.strip())
            hint = f"; write {meant}" if is_name(meant) else ""
            faults.append(top.fault(name, (), NO_NAME + hint))
    layers = list(priors.layers)
    for layer in added:
        known = {name for below in layers for name in below.names}
        entries = {name: entry for name, entry in layer.entries.items() if name not in known}
        names = tuple(name for name in layer.names if name not in known)
        written = tuple(name for name in layer.written if name not in known)
        if names:
            layers.append(replace(layer, entries=entries, names=names, written=written))
    if priors.readable and scenario is not None and scenario not in [*priors.scenarios]:
        text = f"no scenario {scenario!r}{nearest(str(scenario), priors.scenarios)}"
        faults.append(Fault(priors.label, 0, 0, "scenarios", text))
    if not priors.readable:  # what is missing would be reported again as unknown names
        return Resolution(faults=tuple(faults))
    priors = replace(priors, layers=tuple(layers))
    chosen = [layer for name, layer in priors.scenarios.items() if name == scenario]
    result = _merged([*layers, *chosen, top], priors)
    others = tuple(
        _merged([*layers, layer], priors)
        for name, layer in priors.scenarios.items()
        if name != scenario
    )
    faults += result.faults
    faults += (
        fault for other in others for fault in other.faults if fault.field.startswith("scenarios.")
    )
    return replace(result, faults=tuple(faults), others=others)


def _merged(stack: Sequence[Layer], priors: Priors) -> Resolution:
    """Merge layers with the bundles that they name; the topmost statement of a name holds."""
    layers, names, expansion = expand(stack)
    faults, notices = list(expansion.faults), list(expansion.notices)
    order = {name: i for i, name in enumerate(names)}
    merged, seen = dict[str, Assumption](), dict[str, AssumptionEntry]()
    for place, layer in enumerate(layers):
        above = {name for later in layers[place + 1 :] for name in later.names}
        for name in layer.names:
            entry = layer.entries.get(name)
            # What is stated again with the same numbers changes a source or a note.
            if entry and name in seen and (old := _shown(seen[name])) != (new := _shown(entry)):
                notices.append(layer.fault(name, (), f"overrides {old} -> {new}"))
            # Names that say the same in another way: a later layer's replace, one layer has one.
            others = REPLACES.get(name, frozenset())
            if others & above:
                text = f"is not used: {listed(sorted(others & above))}, stated later, replaces it"
                notices.append(layer.fault(name, (), text))
                continue
            both = sorted(others & set(layer.names))
            if both and name == next(key for key in REPLACES if key in layer.names):  # said once
                text = f"give either {name} or {', '.join(both)}, not both"
                faults.append(layer.fault(name, (), text))
            if entry is not None:
                below = None if layer.bundle else merged.get(name)  # a bundle says all of it
                merged[name], complaints = convert(name, order[name], entry, layer, below)
                faults += complaints
        seen.update(layer.entries)
        cited: list[tuple[tuple[Key, ...], str | None]] = [
            *(((*layer.at, name, "source"), x.source) for name, x in layer.entries.items()),
            *((("correlations", i, "source"), x.source) for i, x in layer.correlations),
        ]
        for keys, source in cited:
            if source is not None and source not in priors.sources:
                hint = nearest(source, priors.sources)
                text = f"{source!r:.60} is not a key of a sources.bib{hint}"
                faults.append(layer.document.fault(keys, text))
    assumptions = list(merged.values())
    rows, row_faults = _rows_of_files(assumptions)
    assumptions += rows
    # Names of entries that are at fault: using them is not a second fault.
    broken = expansion.broken.union(
        name for layer in layers for name in layer.names if name not in layer.entries
    )
    faults += [*row_faults, *_reference_faults(assumptions, broken)]
    # Each after what it needs, in file order otherwise.
    by_name = {a.name: a for a in sorted(assumptions, key=lambda a: a.index)}
    sorter = TopologicalSorter({a.name: sorted(a.needs & by_name.keys()) for a in by_name.values()})
    try:
        ordered = tuple(by_name[name] for name in sorter.static_order())
    except CycleError as error:
        around = list(reversed(error.args[1]))
        first = min((by_name[name] for name in around), key=lambda a: a.index)
        faults.append(
            first.fault(f"depends on itself: {' needs '.join(around)}", *_reference_keys(first))
        )
        ordered = tuple(by_name.values())
    correlations, clashes, idle = _correlations(priors.layers, ordered, broken)
    faults += clashes
    notices += [*idle, *_drawn_apart(ordered, correlations)]
    return Resolution(
        ordered, correlations, tuple(faults), tuple(notices), broken, lacking=expansion.lacking
    )


def _shown(value: object) -> str:
    """Write out what an entry, or a part of it, states."""
    if isinstance(value, Picked):
        return f"one of {counted(len(value.numbers), 'value')}, by {value.expression}"
    if isinstance(value, AssumptionEntry):
        families = value.model_dump(include=set(value.families()), exclude_unset=True)
        return _shown(families)[1:-1]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        unit = len(value) == 2 and isinstance(value[1], str)
        items = ", ".join(_shown(item) for item in value)
        return f"{value[0]:g} {value[1]}" if unit else f"[{items}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rows_of_files(assumptions: Sequence[Assumption]) -> tuple[list[Assumption], list[Fault]]:
    """Make one assumption for the row of each file whose columns are drawn row by row.

    It takes the coordinate of the first of them, which needs none.
    """
    names = {item.name for item in assumptions}
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
                text = f"two files give the rows of {name!r}; rename one of the files"
                faults.append(other.fault(text, "empirical", "file"))
            if other.varies != first.varies:
                text = f"shares rows with {first.name!r}: write varies: query in both or in neither"
                faults.append(other.fault(text, "empirical", "rows"))
        if name not in names and law is not None:
            places, groups = range(len(law.data)), {item.group for item in items}
            row = Law("choice", (), law.weights, data=tuple(map(float, places)), origin="a row")
            group = groups.pop() if len(groups) == 1 else ""
            item = replace(first, name=name, law=row, expression=None, unit="", group=group)
            rows.append(replace(item, written_unit=None))
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
            text = f"{names} are columns of one file, but drawn independently"
            yield items[-1].fault(f"{text}; to draw whole rows, add rows: file", "empirical")


def _reference_faults(assumptions: Sequence[Assumption], broken: frozenset[str]) -> Iterator[Fault]:
    """Find names that nothing has, and parameters that name a value in another unit."""
    units = {a.name: a.unit for a in assumptions}
    known = units.keys() | broken
    # What the evidence adds for a system that nobody measured is not a name that anybody wrote.
    written = {a.name for a in assumptions if a.layer.document.label != EFFECT} | broken
    for item in assumptions:
        for name in sorted(item.needs - known):
            text = f"names {name!r}, which is not an assumption{nearest(name, written)}"
            yield item.fault(text, *_reference_keys(item, name))
        # A parameter that names an assumption takes its value as it is.
        for key, name in item.quantities() if item.unit else ():
            if units.get(name) and not same_unit(units[name], item.unit):
                text = f"names {name!r}, which is in {units[name]!r}, but must be in {item.unit!r}"
                yield item.fault(text, key)


def _reference_keys(assumption: Assumption, name: str = "") -> tuple[str, ...]:
    if assumption.expression is not None:
        return ("expression",)
    if name and name in (assumption.low, assumption.high):
        return ("truncate",)
    return (assumption.law.family,) if assumption.law else ()


def _correlations(
    layers: Sequence[Layer], assumptions: Sequence[Assumption], broken: frozenset[str]
) -> tuple[tuple[Correlation, ...], list[Fault], list[Fault]]:
    """Check the correlations of all layers; gives those in force, faults and notices."""
    by_name = {a.name: a for a in assumptions}
    parents = frozenset(name for a in assumptions for name in a.parents)
    latest = dict[frozenset[str], tuple[Layer, int, CorrelationEntry]]()
    faults, notices = list[Fault](), list[Fault]()
    for layer in layers:
        first = dict[frozenset[str], int]()
        for i, entry in layer.correlations:
            pair = frozenset(entry.between)
            latest[pair] = (layer, i, entry)  # a later file may state a pair again
            if first.setdefault(pair, i) != i:
                text = f"states this pair again, after correlations.{first[pair]}; keep one"
                faults.append(layer.document.fault(("correlations", i), text))
    kept, places = list[Correlation](), list[tuple[Layer, int]]()
    for layer, i, entry in latest.values():
        complaint = _not_correlated(entry.between, by_name, parents, broken)
        laws = {name: by_name[name].law for name in entry.between if name in by_name}
        constant = [name for name, law in laws.items() if law and law.family == "fixed"]
        if complaint:
            faults.append(layer.document.fault(("correlations", i), complaint))
        elif constant:
            text = f"has no effect: {' and '.join(constant)} is fixed"
            notices.append(layer.document.fault(("correlations", i), text))
        elif not set(entry.between) & broken:
            kept.append(Correlation(*entry.between, entry.rank))
            places.append((layer, i))
    clash = _clash(kept)
    inside = [i for i, pair in enumerate(kept) if clash.issuperset((pair.first, pair.second))]
    if inside:
        texts = [f"{kept[i].first} ~ {kept[i].second} = {kept[i].rank:g}" for i in inside]
        text = f"cannot hold together (pairs not stated are 0): {listed(texts, 10)}; weaken one"
        layer, i = places[inside[-1]]
        faults.append(layer.document.fault(("correlations", i), text))
    return tuple(kept), faults, notices


def _not_correlated(
    pair: tuple[str, str],
    by_name: Mapping[str, Assumption],
    parents: frozenset[str],
    broken: frozenset[str],
) -> str:
    """Say why a pair cannot have a rank correlation, if it cannot."""
    for name in pair:
        if name not in by_name and name not in broken:
            return f"{name!r} is not an assumption{nearest(name, by_name)}"
    if pair[0] == pair[1]:
        return f"names {pair[0]!r} twice; name two assumptions"
    known = [by_name[name] for name in pair if name in by_name]
    for item in known:
        reasons = {
            "is an expression": item.expression is not None,
            "is a choice": item.law is not None and item.law.family == "choice",
            "is a mixture with a fixed part": item.law is not None
            and any(part.family == "fixed" for part in item.law.parts),
            f"depends on {', '.join(sorted(item.parents))}": bool(item.parents),
            "is a parameter of another assumption": item.name in parents,
        }
        reason = next((text for text, holds in reasons.items() if holds), "")
        if reason:
            return f"{item.name!r} cannot be correlated: it {reason}; take this pair out"
    if len({item.varies for item in known}) > 1:
        text = "cannot be correlated: write varies: query in both or in neither"
        return f"{pair[0]!r} and {pair[1]!r} {text}"
    return ""


def correlation_matrix(
    names: Sequence[str], correlations: Sequence[Correlation]
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Correlation of the normal scores: ``2 sin(pi rank / 6)`` for a Spearman rank.

    Source: Kruskal (1958), Ordinal measures of association, J. Am. Stat. Assoc. 53, 814.

    Examples
    --------
    >>> float(correlation_matrix(["a", "b"], [Correlation("a", "b", 0.5)])[0, 1].round(6))
    0.517638
    """
    import numpy as np

    place = {name: i for i, name in enumerate(names)}
    matrix = np.eye(len(names))
    for item in correlations:
        i, j = place[item.first], place[item.second]
        matrix[i, j] = matrix[j, i] = 2 * np.sin(np.pi * item.rank / 6)
    return matrix


def _clash(correlations: Sequence[Correlation]) -> set[str]:
    """Give names that clash, and of which none can be left out; none where all fit together.

    A Cholesky factorization stops at the first name that clashes with those before it. That name
    stays; put first, it makes the next factorization stop at another one that has to stay.
    """
    import numpy as np

    weight: dict[str, float] = {}
    for item in correlations:
        for name in (item.first, item.second):
            weight[name] = weight.get(name, 0.0) + abs(item.rank)
    # The strongest first: they are the ones that a message should name.
    names = sorted(weight, key=lambda name: (-weight[name], name))
    matrix = correlation_matrix(names, correlations) - _LEAST_EIGENVALUE * np.eye(len(names))
    # Nearly always they fit together, and SciPy, which says where a factorization stops, would take
    # longer to load than all the file.
    with suppress(np.linalg.LinAlgError):
        np.linalg.cholesky(matrix)
        return set()
    from scipy.linalg.lapack import dpotrf

    stay, rest = list[int](), list(range(len(names)))
    while True:
        order = [*stay, *rest]
        stopped = dpotrf(matrix[np.ix_(order, order)])[1]
        if stopped <= len(stay):
            return {names[i] for i in stay} if stopped else set()
        stay, rest = [*stay, order[stopped - 1]], order[len(stay) : stopped - 1]
