"""The shape of a prior file, format 1, documented under each key."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from uncertainty.files.expressions import LONGEST
from uncertainty.files.families import Components, FamilyKeys, JsonSchema, Strict
from uncertainty.files.values import NAME, Positive, Scalar, Value, is_name

FORMAT = 1
NO_NAME = "must be letters, digits and _, and begin with no digit"


class Truncate(Strict):
    """Cut a distribution off; what is left is scaled up to one."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    low: Value | None = Field(None, description="nothing below this")
    high: Value | None = Field(None, description="nothing above this")

    @model_validator(mode="after")
    def _some_end(self) -> "Truncate":
        if self.low is None and self.high is None:
            raise PydanticCustomError("truncate", "give low, high or both")
        return self


def _require_one(schema: dict[str, JsonSchema], kind: type[FamilyKeys]) -> None:
    schema["oneOf"] = [{"required": [key]} for key in kind.possible()]
    known: list[JsonSchema] = [{"required": ["fixed"]}, {"required": ["expression"]}]
    schema["dependentSchemas"] = {"truncate": {"not": {"anyOf": known}}}


class AssumptionEntry(FamilyKeys):
    """One uncertain input: exactly one distribution, and where it comes from."""

    model_config = ConfigDict(json_schema_extra=_require_one)
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

    @model_validator(mode="after")
    def _truncates_a_distribution(self) -> "AssumptionEntry":
        if self.truncate is not None and (self.fixed is not None or self.expression is not None):
            text = "truncate goes with a distribution, not with fixed or expression"
            raise PydanticCustomError("truncate", "{text}", {"text": text})
        return self


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


def _checked_name(name: str) -> str:
    if not is_name(name):
        text = f"{NO_NAME} (got {name!r})"
        raise PydanticCustomError("name", "{text}", {"text": text})
    return name


Name = Annotated[
    str,
    AfterValidator(_checked_name),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"}),
]


def _checked_scenario(name: str) -> str:
    if name == "all":
        text = "stands for every scenario; choose another name"
        raise PydanticCustomError("reserved", "{text}", {"text": text})
    return name


ScenarioName = Annotated[
    Name,
    AfterValidator(_checked_scenario),
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


class LogStudentError(Strict):
    """An error of the logarithm with heavy tails."""

    df: Positive = Field(description="degrees of freedom")
    scale: Positive = Field(description="of the natural logarithm")


_ERRORS = ("lognormal", "normal", "student_t", "log_student_t")


class ErrorEntry(Strict):
    """How one measurement differs from what it measures: exactly one distribution."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [family]} for family in _ERRORS]}
    )
    lognormal: LognormalError | None = None
    normal: NormalError | None = None
    student_t: StudentError | None = None
    log_student_t: LogStudentError | None = None

    @model_validator(mode="after")
    def _one_family(self) -> "ErrorEntry":
        if sum(getattr(self, family) is not None for family in _ERRORS) != 1:
            text = f"give one of {', '.join(_ERRORS)}"
            raise PydanticCustomError("error", "{text}", {"text": text})
        return self

    def stated(self) -> tuple[str, dict[str, Scalar]]:
        """Give the family with its parameters."""
        family = next(name for name in _ERRORS if getattr(self, name) is not None)
        entry = getattr(self, family)
        return family, {key: getattr(entry, key) for key in type(entry).model_fields}


class RandomEffectEntry(Strict):
    """What all rows of one group share, drawn anew for each group."""

    column: str | None = Field(None, description="the column that names the groups")
    sd: Positive = Field(description="spread between groups, on the error's scale")


class MeasurementEntry(Strict):
    """How what is measured differs from what a model gives."""

    observes: str = Field(description="an output of the model")
    boundary: Literal["gpu_board", "node", "provisioned", "facility"] | None = Field(
        None, description="where it was measured"
    )
    statistic: Literal["query", "median", "mean"] = Field("query", description="of the queries")
    error: ErrorEntry
    random_effect: RandomEffectEntry | None = None
    discrepancy: Value | None = Field(
        None, description="error of the model that all rows share, on the error's scale"
    )


EvidenceNames: TypeAlias = Annotated[
    tuple[str | dict[str, object], ...],
    WithJsonSchema({"type": "array", "items": {"type": ["string", "object"]}}),
]


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
    measurement: MeasurementEntry | None = Field(
        None, description="how measurements differ from the model, where no evidence says it"
    )
    scenarios: dict[ScenarioName, dict[Name, AssumptionEntry]] = Field(default_factory=dict)
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


CatalogueEntry: TypeAlias = Hardware | Precision | LanguageModel
"""What a catalogue may hold."""


class CatalogueFile(Strict):
    """A catalogue file."""

    schema_version: Literal[1] = Field(alias="schema", description="format version")
    title: str = Field(description="what the file is about, for people")
    hardware: dict[str, Hardware] = Field(default_factory=dict)
    precision: dict[str, Precision] = Field(default_factory=dict)
    llm: dict[str, LanguageModel] = Field(default_factory=dict)
