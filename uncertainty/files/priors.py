"""Prior files to frozen layers: `load_priors` collects faults and raises nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from uncertainty.errors import Fault, nearest
from uncertainty.files.catalogue import take_bundles
from uncertainty.files.document import (
    Document,
    Key,
    Plain,
    read_document,
    text_faults,
    wrap_mapping,
)
from uncertainty.files.layers import Layer
from uncertainty.files.library import (
    Place,
    find_file,
    missing_file,
    shipped_names,
    shown_path,
    source_keys,
)
from uncertainty.files.schema import (
    FORMAT,
    AssumptionEntry,
    CorrelationEntry,
    FileEntry,
    MeasurementEntry,
)
from uncertainty.files.validation import validate
from uncertainty.files.values import is_name

GIVEN = "<given>"
"""How faults name what a call fixes or replaces."""
_LONGEST_CHAIN = 20


@dataclass(frozen=True)
class Stated:
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
    evidence : tuple of Stated
        Names of evidence files, or mappings of the same shape, not read yet.
    measurement : Stated or None
        A `MeasurementEntry`: how measurements differ from the model, where no rows are given.
    warnings : tuple of str
        Why the numbers of this file, or of one below it, are not to be trusted.
    sources : frozenset of str
        Citation keys that may be used.
    faults : tuple of Fault
        What is wrong; `build_problem` raises them with its own.
    place : Place
        Where the names of files in a call are looked up.
    readable : bool
        False where a whole file is missing or no prior file, so that checks of what the
        assumptions mean together would only repeat it.
    """

    label: str
    title: str = ""
    model: str | Mapping[str, object] = ""
    layers: tuple[Layer, ...] = ()
    scenarios: Mapping[str, Layer] = field(default_factory=dict)
    evidence: tuple[Stated, ...] = ()
    measurement: Stated | None = None
    warnings: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()
    place: Place = field(default_factory=lambda: Place(Path.cwd(), Path.cwd()))
    readable: bool = True

    @property
    def document(self) -> Document | None:
        """The file's own document; None where it could not be read."""
        return self.layers[-1].document if self.layers else None

    def __repr__(self) -> str:
        names = {name for layer in self.layers for name in layer.stated}
        trouble = f", {len(self.faults)} faults" if self.faults else ""
        return f"<Priors {self.label}: {len(names)} assumptions{trouble}>"


def load_priors(
    source: str | Path | Mapping[str, object], *, allow_outside: bool = False
) -> Priors:
    """Read a prior file with the files that it extends.

    Parameters
    ----------
    source : str, Path or mapping
        A path, the name of a shipped file, or a mapping of the same shape as a file.
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
    <Priors <mapping>: 1 assumptions>
    """
    here = Place(Path.cwd(), None if allow_outside else Path.cwd())
    return replace(_load(source, here, allow_outside), place=here)


def _load(source: str | Path | Mapping[str, object], here: Place, allow_outside: bool) -> Priors:
    if isinstance(source, Mapping):
        return _from_document(wrap_mapping(source, "<mapping>", here), ())
    path = find_file(str(source), Place(Path.cwd(), None))
    if path is None:
        return _unreadable(str(source), _missing(str(source)))
    return _from_path(path, Place.first(path, allow_outside=allow_outside), ())


def _unreadable(label: str, *faults: Fault) -> Priors:
    return Priors(label, faults=faults, readable=False)


def _missing(name: str) -> Fault:
    if missing_file(name, Place(Path.cwd(), None)).endswith("is a folder"):
        return Fault(name, 0, 0, "", "is a folder; name a file in it")
    hint = nearest(name, shipped_names())
    return Fault(name[:60], 0, 0, "", "no such file, nor a shipped one" + hint)


def _from_path(path: Path, place: Place, above: tuple[Path, ...]) -> Priors:
    label = shown_path(path)
    document, faults = read_document(path, label, place)
    if document is None:
        return _unreadable(label, *faults)
    return _from_document(document, (*above, path.resolve()))


def _from_document(document: Document, above: tuple[Path, ...]) -> Priors:
    data = expanded(document.data)
    wrong = wrong_format(document, data)
    if wrong:
        return _unreadable(document.label, wrong)
    faults = validate(FileEntry, data, document)[1]
    base = _base(document, data, above)
    own = layer_of(document, ("assumptions",), data, _correlations(document, data))
    scenarios = {
        name: layer_of(document, ("scenarios", name), data)
        for name in _names(data.get("scenarios"))
    }
    return Priors(
        label=document.label,
        title=_text(data.get("title")) or base.title,
        model=_model(data.get("model")) or base.model,
        layers=(*base.layers, own),
        scenarios={**base.scenarios, **scenarios},
        evidence=_evidence(document, data) if "evidence" in data else base.evidence,
        measurement=_measurement(document, data) or base.measurement,
        warnings=(*base.warnings, *_warnings(document, data)),
        sources=base.sources | source_keys(document.place),
        faults=(*base.faults, *faults, *text_faults(document)),
        readable=base.readable,
    )


def _model(value: Plain) -> str | Mapping[str, object]:
    return value if isinstance(value, str | dict) else ""


def _evidence(document: Document, data: dict[str, Plain]) -> tuple[Stated, ...]:
    stated = data["evidence"]
    items = stated if isinstance(stated, list) else []
    return tuple(
        Stated(document, ("evidence", i), item)
        for i, item in enumerate(items)
        if isinstance(item, str | dict)
    )


def _measurement(document: Document, data: dict[str, Plain]) -> Stated | None:
    entry = (
        validate(MeasurementEntry, data["measurement"], document)[0]
        if "measurement" in data
        else None
    )
    return Stated(document, ("measurement",), entry) if entry else None


def _warnings(document: Document, data: dict[str, Plain]) -> tuple[str, ...]:
    stated = data.get("warnings")
    items = stated if isinstance(stated, list) else []
    return tuple(f"{document.label}: {item}" for item in items if isinstance(item, str))


def _text(value: Plain) -> str:
    return value if isinstance(value, str) else ""


def _names(value: Plain) -> list[str]:
    return list(value) if isinstance(value, dict) else []


def expanded(data: Plain) -> dict[str, Plain]:
    """Take catalogue names out, and write bare scalars as ``fixed``."""
    assert isinstance(data, dict)
    result = dict(data)
    if isinstance(data.get("assumptions"), dict):
        result["assumptions"] = _fixed(_without_bundles(data["assumptions"]))
    scenarios = data.get("scenarios")
    if isinstance(scenarios, dict):
        result["scenarios"] = {
            name: _fixed(_without_bundles(entries)) for name, entries in scenarios.items()
        }
    return result


def _without_bundles(entries: Plain) -> Plain:
    return dict(take_bundles(entries)[1]) if isinstance(entries, dict) else entries


def _fixed(entries: Plain) -> Plain:
    if not isinstance(entries, dict):
        return entries
    return {
        name: value if isinstance(value, dict) else {"fixed": value}
        for name, value in entries.items()
    }


def wrong_format(document: Document, data: dict[str, Plain]) -> Fault | None:
    """Say what is wrong with the format version, if anything."""
    version = data.get("schema")
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        text = f"format {version} is later than this version reads ({FORMAT}); update uncertainty"
        return document.fault(("schema",), text)
    if version != FORMAT or isinstance(version, bool):
        got = "is missing" if version is None else f"must be {FORMAT} (got {version!r})"
        return document.fault(("schema",), f"{got}; the file begins with 'schema: {FORMAT}'")
    return None


def _base(document: Document, data: dict[str, Plain], above: tuple[Path, ...]) -> Priors:
    name, place = data.get("extends"), document.place
    if not isinstance(name, str):
        return Priors("")
    path = find_file(name, place, upward=True)
    if path is None:
        hint = nearest(name.removesuffix(".yaml"), shipped_names())
        why = missing_file(name, place)
        return _unreadable("", document.fault(("extends",), why + hint * why.startswith("no such")))
    if path.resolve() in above:
        return _unreadable("", document.fault(("extends",), f"{name!r} extends itself"))
    if len(above) > _LONGEST_CHAIN:
        text = f"more than {_LONGEST_CHAIN} files extend one another"
        return _unreadable("", document.fault(("extends",), text))
    return _from_path(path, place.of(path), above)


def _inside(data: Plain, at: tuple[Key, ...]) -> dict[str, Plain]:
    for key in at:
        data = data.get(str(key)) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def layer_of(
    document: Document,
    at: tuple[Key, ...],
    data: Plain,
    correlations: tuple[tuple[int, CorrelationEntry], ...] = (),
) -> Layer:
    """Make the layer at some keys; `data` is the document's, expanded."""
    stated = _inside(data, at)
    checked = {
        name: validate(AssumptionEntry, entry, document)[0] for name, entry in stated.items()
    }
    valid = {n: entry for n, entry in checked.items() if entry is not None and is_name(n)}
    written = _inside(document.data, at)
    bundles = take_bundles(written)[0]
    return Layer(document, at, valid, tuple(stated), correlations, bundles, written=tuple(written))


def _correlations(
    document: Document, data: dict[str, Plain]
) -> tuple[tuple[int, CorrelationEntry], ...]:
    stated = data.get("correlations")
    items = enumerate(stated if isinstance(stated, list) else [])
    checked = ((i, validate(CorrelationEntry, item, document)[0]) for i, item in items)
    return tuple((i, entry) for i, entry in checked if entry is not None)


def given_layer(
    given: Mapping[str, object], place: Place, label: str = GIVEN
) -> tuple[Layer, list[Fault]]:
    """Turn fixed or replaced assumptions, given in a call, into the topmost layer."""
    document = wrap_mapping(given, label, place)
    data = _fixed(_without_bundles(document.data))
    assert isinstance(data, dict)
    faults = [
        fault
        for name, entry in data.items()
        for fault in validate(AssumptionEntry, entry, document, (name,))[1]
    ]
    return layer_of(document, (), data), [*faults, *text_faults(document)]
