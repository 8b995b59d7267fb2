"""The shape of each file format, documented under each key; and what is wrong, located."""

import re
import typing
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails

from uncertainty.errors import Fault, InputError, nearest
from uncertainty.files.document import Document, Key, Plain, read_document
from uncertainty.files.families import (
    FAMILIES,
    NAME,
    PERCENTILES,
    Components,
    FamilyKeys,
    Positive,
    Scalar,
    Strict,
    Value,
    exactly_one,
    is_name,
    refusal,
    rule,
)
from uncertainty.files.library import Place, shipped_folder, shown_path, source_keys, sources

FORMAT = 1
# Keys that show what a file is, and what takes one that stands where another kind is wanted.
_FILES = {
    "a prior file": ({"assumptions", "extends"}, "check it by uncertainty check FILE"),
    "evidence": (
        {"observes", "columns", "rows"},
        "check it by uncertainty check PRIORS --evidence FILE",
    ),
    "a set of scenarios": ({"scenarios"}, "name the file that they change, as extends: FILE"),
    "a catalogue": ({"hardware", "precision", "llm"}, "uncertainty list shows the shipped ones"),
    "a ledger": ({"claims"}, "compute it by uncertainty ledger --file FILE"),
}
NO_NAME = "must consist of letters, digits and _, and not begin with a digit"
LONGEST = 500
"""Characters that an expression may have."""


# What other tools call our keys.
_SYNONYMS = {
    "gaussian": "normal", "log_normal": "lognormal", "log-normal": "lognormal",
    "constant": "fixed", "value": "fixed", "range": "uniform", "mu": "mean",
    "std": "sd", "stdev": "sd", "stddev": "sd", "sigma": "sd",
    "min": "low", "lower": "low", "max": "high", "upper": "high", "units": "unit",
}  # fmt: skip
Model = TypeVar("Model", bound=BaseModel)


class Truncate(Strict):
    """Cut a distribution off; what is left is scaled up to one."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    low: Value | None = Field(None, description="nothing below this")
    high: Value | None = Field(None, description="nothing above this")

    _check = rule(lambda x: "give low, high or both" * (x.low is None and x.high is None))


def _only_distributions_are_cut(
    schema: dict[str, JsonValue], kind: "type[AssumptionEntry]"
) -> None:
    schema["oneOf"] = [{"required": [key]} for key in kind.possible()]
    known: list[JsonValue] = [{"required": ["fixed"]}, {"required": ["expression"]}]
    schema["dependentSchemas"] = {"truncate": {"not": {"anyOf": known}}}


class AssumptionEntry(FamilyKeys):
    """One uncertain input: exactly one distribution, and where it comes from."""

    model_config = ConfigDict(json_schema_extra=_only_distributions_are_cut)
    mixture: Components | None = Field(None, description="parts with weights; may hold atoms")
    expression: str | None = Field(
        None,
        description="arithmetic over other assumptions",
        json_schema_extra={"pattern": r"^(?!.*//)[A-Za-z0-9_+*/(),. -]+$", "maxLength": LONGEST},
    )
    truncate: Truncate | None = Field(None, description="limits to cut at")
    unit: str | None = Field(None, description="unit of the numbers")
    varies: Literal["query"] | None = Field(None, description="differs from query to query")
    group: str | None = Field(None, description="hardware, model, usage, facility, ...")
    source: str | None = Field(None, description="a key of sources.bib")
    basis: Literal["measured", "published", "derived", "judgement"] | None = None
    note: str | None = Field(None, description="why these numbers")
    solved_for: str | None = Field(
        None, description="the output whose published value these numbers were chosen to give"
    )

    _check = rule(
        lambda x: (
            "only a distribution can be cut, not fixed or an expression; take truncate out"
            * bool(x.truncate and (x.fixed is not None or x.expression is not None))
        )
    )


class Picked(AssumptionEntry):
    """One of several numbers of a catalogue; `expression` gives its place among them, from 0."""

    numbers: tuple[float, ...]


class CorrelationEntry(Strict):
    """A Spearman rank correlation between two assumptions."""

    between: tuple[str, str] = Field(
        description="two names", json_schema_extra={"uniqueItems": True}
    )
    rank: float = Field(description="Spearman rank correlation", gt=-1, lt=1, strict=True)
    source: str | None = None
    note: str | None = None


def _named(name: str, *, reserved: str = "") -> str:
    if not is_name(name):
        raise refusal("name", f"{NO_NAME} (got {name!r})")
    if name == reserved:
        raise refusal("reserved", "stands for every scenario; choose another name")
    return name


Name = Annotated[
    str, AfterValidator(_named), WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"})
]
ScenarioName = Annotated[
    str,
    AfterValidator(partial(_named, reserved="all")),
    WithJsonSchema({"type": "string", "pattern": f"^(?!all$){NAME.pattern}$"}),
]
ModelEntry: TypeAlias = Annotated[
    str | dict[str, object],
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "propertyNames": {"enum": ["fleet", "ensemble"]},
                },
            ]
        }
    ),
]


class LognormalError(Strict):
    """An error of the logarithm: it multiplies."""

    sigma: Positive = Field(description="sd of the natural logarithm")


class NormalError(Strict):
    """An error that is added."""

    sd: Positive = Field(description="in the unit of the output")


class StudentError(Strict):
    """An added error with heavy tails."""

    df: Positive = Field(description="degrees of freedom")
    scale: Positive = Field(description="in the unit of the output")


class LogStudentError(StudentError):
    """An error of the logarithm with heavy tails."""

    scale: Positive = Field(description="of the natural logarithm")


_ERRORS = ("lognormal", "normal", "student_t", "log_student_t")
MULTIPLYING = frozenset({"lognormal", "log_student_t"})
"""Families of errors of the logarithm."""


class ErrorEntry(Strict):
    """How one measurement differs from what it measures: exactly one distribution."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [family]} for family in _ERRORS]}
    )
    lognormal: LognormalError | None = None
    normal: NormalError | None = None
    student_t: StudentError | None = None
    log_student_t: LogStudentError | None = None

    _check = exactly_one(*_ERRORS)


class LevelEntry(Strict):
    """What all rows of one group share, drawn anew for each group."""

    column: str | None = Field(None, description="the column that names the groups")
    sd: Positive = Field(description="spread between groups, on the error's scale")


def _listed(raw: object) -> object:
    return (raw,) if isinstance(raw, dict | LevelEntry) else raw


class Measurement(Strict):
    """How what is measured differs from what a model gives."""

    observes: str = Field(description="an output of the model")
    boundary: Literal["gpu_board", "node", "provisioned", "facility"] | None = Field(
        None, description="where it was measured"
    )
    statistic: Literal["query", "median", "mean"] = Field("query", description="of the queries")
    error: ErrorEntry
    # Two levels: what is measured, and the software and its year that serve many of these.
    random_effect: Annotated[
        tuple[LevelEntry, ...],
        BeforeValidator(_listed, json_schema_input_type=LevelEntry | tuple[LevelEntry, ...]),
        Field(max_length=2),
    ] = ()
    discrepancy: Value | None = Field(
        None, description="error of the model that all rows share, on the error's scale"
    )

    @property
    def family(self) -> str:
        """Family of the error."""
        return next(name for name in _ERRORS if getattr(self.error, name) is not None)

    @property
    def parameters(self) -> dict[str, Scalar]:
        """Parameters of the error, as written."""
        return dict(getattr(self.error, self.family))

    @property
    def multiplies(self) -> bool:
        """True where the error is one of the logarithm."""
        return self.family in MULTIPLYING

    @property
    def grouping(self) -> tuple[str, ...]:
        """Columns that name the groups of each level; empty where one is not named."""
        return tuple(level.column or "" for level in self.random_effect)

    def level_at(self, number: int) -> tuple[Key, ...]:
        """Keys of a level: one that stands alone is a mapping."""
        return ("random_effect",) if len(self.random_effect) == 1 else ("random_effect", number)


class Origin(Strict):
    """Where a row comes from."""

    file: str = Field(description="the file that it was read from")
    sha256: str = Field("", description="hash of that file", pattern="^[0-9a-f]*$")
    window_s: Positive | None = Field(None, description="seconds over which it was measured")
    boards: Positive | None = Field(None, description="GPU boards whose energy it is")


EvidenceNames: TypeAlias = Annotated[
    tuple[str | dict[str, object], ...],
    WithJsonSchema({"type": "array", "items": {"type": ["string", "object"]}}),
]


class UsageEntry(Strict):
    """Sums over the requests of one model in one month."""

    model: str
    month: str = Field(description="as 2026-11, in UTC; unknown where the log does not say")
    requests: float = Field(gt=0)
    input_tokens: float = Field(ge=0, description="cached ones included")
    cached_tokens: float = Field(0, ge=0)
    output_tokens: float = Field(gt=0, description="reasoning included")
    reasoning_tokens: float = Field(0, ge=0)


class FileEntry(Strict):
    """A prior file."""

    schema_version: Literal[1] = Field(alias="schema", description="format version")
    title: str | None = Field(None, description="what the file is about, for people")
    model: ModelEntry | None = Field(
        None,
        description="name of an energy model, {fleet: NAME}, or {ensemble: {NAME: weight, ...}}",
    )
    extends: str | None = Field(None, description="a file whose assumptions this one builds on")
    assumptions: dict[Name, AssumptionEntry] = Field(default_factory=dict)
    correlations: tuple[CorrelationEntry, ...] = ()
    evidence: EvidenceNames = Field((), description="names of evidence files")
    measurement: Measurement | None = Field(
        None, description="how measurements differ from the model, where no evidence says it"
    )
    scenarios: dict[ScenarioName, dict[Name, AssumptionEntry]] = Field(default_factory=dict)
    usage: tuple[UsageEntry, ...] = Field((), description="sums of a log, as import-usage has them")
    warnings: tuple[str, ...] = Field(
        (), description="why the numbers are not to be trusted; results repeat them"
    )


class Bundle(Strict):
    """Assumptions that one catalogue name stands for."""

    title: str = Field(description="what the name stands for, for people")
    assumptions: dict[Name, AssumptionEntry] = Field(default_factory=dict)


class LanguageModel(Bundle):
    """A language model: its size and shape."""


class Precision(Bundle):
    """A number format of parameters."""

    formats: tuple[str, ...] = Field(
        description="arithmetic formats; the first that the hardware has", min_length=1
    )


class Hardware(Bundle):
    """An accelerator."""

    peak_flops: dict[str, AssumptionEntry] = Field(
        description="dense peak by arithmetic format", min_length=1
    )


class CatalogueFile(Strict):
    """A catalogue file."""

    schema_version: Literal[1] = Field(alias="schema", description="format version")
    title: str = Field(description="what the file is about, for people")
    hardware: dict[str, Hardware] = Field(default_factory=dict)
    precision: dict[str, Precision] = Field(default_factory=dict)
    llm: dict[str, LanguageModel] = Field(default_factory=dict)


# What pydantic puts into the place of an error for each of several types allowed there.
_BRANCH = re.compile(r"(str|int|float|bool|(dict|list|tuple)\[.*\])$")
_KINDS = {
    "string_type": "a text",
    "dict_type": "a mapping of keys",
    "float_type": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
}


def wrong_kind(document: Document, wanted: str) -> Fault | None:
    """Say what is wrong with the kind of a file, or with its format version, if anything."""
    data = document.data if isinstance(document.data, dict) else {}
    # Without what belongs under it, a key shows nothing: hardware: h100-sxm is a slip.
    keys = {
        key for key, value in data.items() if isinstance(value, dict | list) or key == "extends"
    }
    marks = {kind: len(keys & shown) for kind, (shown, _) in _FILES.items()}
    kind = max(marks, key=lambda each: marks[each])
    if marks[kind] > marks[wanted]:
        return document.fault((), f"is {kind}, not {wanted}: {_FILES[kind][1]}")
    version = data.get("schema")
    if version == FORMAT and not isinstance(version, bool):
        return None
    got = "is missing" if version is None else f"must be {FORMAT} (got {version!r})"
    text = f"{got}; begin the file with 'schema: {FORMAT}'"
    if isinstance(version, int) and version > FORMAT:
        text = f"format {version} is later than this version reads ({FORMAT}); update uncertainty"
    return document.fault(("schema",), text)


def validate(
    kind: type[Model], data: Plain, document: Document, at: Sequence[Key] = ()
) -> tuple[Model | None, list[Fault]]:
    """Check `data`, which stands at the keys `at` of `document`, against `kind`."""
    try:
        return kind.model_validate(data), []
    except ValidationError as problem:
        errors = problem.errors()
    faults, branches = list[Fault](), dict[tuple[Key, ...], list[ErrorDetails]]()
    for error in errors:
        *place, last = error["loc"] or ("",)
        if isinstance(last, str) and _BRANCH.match(last) and error["type"] in _KINDS:
            branches.setdefault(tuple(place), []).append(error)
        else:
            loc = tuple(key for key in error["loc"] if key != "[key]")
            # A mapping of one level stands for a list of one: nobody wrote its number.
            alone = loc[:1] == ("random_effect",) and (*at, *loc[:2]) not in document.places
            there = loc[:1] + loc[2:] if alone else loc
            faults.append(document.fault((*at, *there), _sentence(kind, error, loc)))
    # Errors of the types allowed at one place become one.
    for loc, alternatives in branches.items():
        kinds = " or ".join(dict.fromkeys(_KINDS[error["type"]] for error in alternatives))
        text = f"must be {kinds} (got {alternatives[0]['input']!r:.60})"
        faults.append(document.fault((*at, *loc), text))
    return None, faults


def _sentence(kind: type[BaseModel], error: ErrorDetails, loc: Sequence[Key]) -> str:
    """Say what pydantic found in the words of the format."""
    code, message = error["type"], error["msg"]
    got = f" (got {error['input']!r:.60})"
    if code == "extra_forbidden":
        return _unknown_key(kind, loc, error["input"])
    if code == "missing":
        return "this key is missing"
    if code in {"model_type", "dict_type", "model_attributes_type"}:
        family = FAMILIES.get(str(loc[-1])) if loc else None
        return f"must be a mapping of keys{got}" + (f"; {family.hint}" if family else "")
    if code in _KINDS:
        return f"must be {_KINDS[code]}{got}"
    message = message[0].lower() + message[1:]
    if message.startswith("input should be "):
        message = "must be " + message.removeprefix("input should be ")
    whole = isinstance(error["input"], dict | list | tuple | BaseModel)
    return message if whole or " (got " in message or code == "reserved" else message + got


def _unknown_key(kind: type[BaseModel], loc: Sequence[Key], value: object) -> str:
    # Down the classes of the format, to the one that does not know the key.
    annotation: object = kind
    for step in loc[:-1]:
        fields = _keys_of(annotation)
        annotation = _inner(fields.get(str(step))) if fields else _inner(annotation, step=True)
    key, known = str(loc[-1]), [*_keys_of(annotation)]
    if key.isdigit() and value is None:  # {mean: 1,2} reads as two keys
        return "unknown key; a comma ends a value: write decimals with a point (1.2)"
    if key.partition(":")[0] in known and value is None:  # {mean:1.2} reads as one key
        return "unknown key; put a space after each ':'"
    synonym = _SYNONYMS.get(key.lower())
    if synonym in known:
        return f"unknown key; did you mean {synonym!r}?"
    inside = [
        name
        for name, row in FAMILIES.items()
        if key in row.keys or (row.percentiles and key in PERCENTILES)
    ]
    if "lognormal" in known and inside:
        text = f"it belongs inside a distribution, as in {inside[0]}: {{{key}: ...}}"
        return f"unknown key here; {text}"
    return "unknown key" + nearest(key, known)


def _keys_of(annotation: object) -> dict[str, object]:
    """Types by key of a class of the format; none of anything else."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return {}
    return {f.alias or name: f.annotation for name, f in annotation.model_fields.items()}


def _inner(annotation: object, *, step: bool = False) -> object:
    """Strip optional and annotated wrappers; with `step`, enter a dict or tuple."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, UnionType):
        return _inner(next(a for a in arguments if a is not NoneType), step=step)
    if origin is typing.Annotated:
        return _inner(arguments[0], step=step)
    if step and origin is dict:
        return _inner(arguments[1])
    if step and origin is tuple:
        return _inner(arguments[0])
    return annotation


Text = Annotated[str, StringConstraints(min_length=1)]


class Term(Strict):
    """One number that a computation uses: stated, or computed by the package."""

    number: float | None = Field(None, description="a number as it is")
    model: str | None = Field(None, description="an energy model, at `inputs`; gives `output`")
    formula: str | None = Field(None, description="a formula of the package, at `inputs`")
    like: str | None = Field(None, description="an earlier term whose model and inputs hold too")
    inputs: dict[str, float] = Field(default_factory=dict)
    output: str | None = Field(None, description="of a model, or of a prior file's problem")
    file: str | None = Field(None, description="a prior file: a quantile of its `statistic`, prior")
    scenario: str | None = None
    against: str | None = Field(None, description="a second file: their ratio, or why they differ")
    against_scenario: str | None = None
    give: Literal["quantile", "chance_above", "log_ratio", "contributions"] = "quantile"
    statistic: Literal["typical", "mean", "query"] = "typical"
    probability: float = Field(0.5, gt=0, lt=1)

    _check = exactly_one("number", "model", "formula", "file", "like")


class Expected(Strict):
    """What a computed number is held to: the ends of a range."""

    computed: Text = Field(description="arithmetic over the terms")
    low: float | None = None
    high: float | None = None

    _check = rule(lambda x: "give low, high or both" * (x.low is None and x.high is None))


class Today(Strict):
    """What the claimed number is set against: a shipped file that asks the same."""

    claimed: float = Field(description="the number claimed, in the unit of the output")
    file: Text = Field(description="a prior file")
    scenario: str | None = None
    output: str = "energy_wh"
    statistic: Literal["typical", "mean", "query"] = "typical"


class Claim(Strict):
    """A published claim."""

    id: Text
    source: Text = Field(description="a key of sources.bib")
    claim: Text = Field(description="what it says, in our own words")
    expected: Text = Field(description="what it should come to, for people")
    unit: str = Field("", description="of the computed numbers")
    terms: dict[str, Term] = Field(default_factory=dict)
    holds: tuple[Expected, ...] = Field(min_length=1)
    note: str | None = Field(None, description="what to know of the computation")
    slip: str | None = Field(None, description="where the source slips, and why physics decides")
    today: Today | None = Field(None, description="what the claim is judged by; else it is not")


class _LedgerFile(Strict):
    schema_version: Literal[1] = Field(alias="schema")
    title: str
    claims: tuple[Claim, ...]


def read_ledger(path: Path | None = None) -> tuple[Claim, ...]:
    """Read a ledger; the shipped one where no path is given.

    Raises
    ------
    InputError
        With every fault of the file.

    Examples
    --------
    >>> read_ledger()[0].id
    'E1'
    """
    path = path or shipped_folder() / "ledger" / "claims.yaml"
    place = Place(path.parent, None)
    document, faults = read_document(path, shown_path(path), place)
    if document is None:
        raise InputError(faults)
    if wrong := wrong_kind(document, "a ledger"):
        raise InputError([wrong])
    file, faults = validate(_LedgerFile, document.data, document)
    claims = file.claims if file else ()
    known = source_keys(place) | frozenset(sources())
    seen = set[str]()
    for i, claim in enumerate(claims):
        if claim.source not in known:
            text = f"{claim.source!r} is not a key of a sources.bib{nearest(claim.source, known)}"
            faults.append(document.fault(("claims", i, "source"), text))
        if claim.id in seen:
            faults.append(document.fault(("claims", i, "id"), f"{claim.id!r} is there twice"))
        seen.add(claim.id)
    if faults:
        raise InputError(faults)
    return claims
