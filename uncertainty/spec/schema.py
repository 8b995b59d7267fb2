"""The shape of a prior file, format 1, documented under each key."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from uncertainty.spec.families import Components, FamilyKeys, Strict
from uncertainty.spec.values import Value, is_name

__all__ = ["FORMAT", "AssumptionEntry", "CorrelationEntry", "FileEntry"]

FORMAT = 1


class Truncate(Strict):
    """Cut a distribution off; what is left is scaled up to one."""

    low: Value | None = Field(None, description="nothing below this")
    high: Value | None = Field(None, description="nothing above this")

    @model_validator(mode="after")
    def _some_end(self) -> "Truncate":
        if self.low is None and self.high is None:
            raise PydanticCustomError("truncate", "give low, high or both")
        return self


class AssumptionEntry(FamilyKeys):
    """One uncertain input: exactly one distribution, and where it comes from."""

    mixture: Components | None = Field(None, description="parts with weights; may hold atoms")
    expression: str | None = Field(None, description="arithmetic over other assumptions")
    truncate: Truncate | None = Field(None, description="limits to cut at")
    unit: str | None = Field(None, description="unit of the numbers")
    varies: Literal["query"] | None = Field(None, description="differs from query to query")
    group: str | None = Field(None, description="hardware, model, usage, facility, ...")
    source: str | None = Field(None, description="a key of sources.bib")
    basis: Literal["measured", "published", "derived", "judgement"] | None = None
    note: str | None = Field(None, description="why these numbers")

    @model_validator(mode="after")
    def _truncates_a_distribution(self) -> "AssumptionEntry":
        if self.truncate is not None and (self.fixed is not None or self.expression is not None):
            text = "truncate goes with a distribution, not with fixed or expression"
            raise PydanticCustomError("truncate", "{text}", {"text": text})
        return self


class CorrelationEntry(Strict):
    """A Spearman rank correlation between two assumptions."""

    between: tuple[str, str] = Field(description="two names")
    rank: float = Field(description="Spearman rank correlation", gt=-1, lt=1)
    source: str | None = None
    note: str | None = None


def _checked_name(name: str) -> str:
    if not is_name(name):
        text = f"must be letters, digits and _, and begin with no digit (got {name!r})"
        raise PydanticCustomError("name", "{text}", {"text": text})
    return name


Name = Annotated[str, AfterValidator(_checked_name)]


class FileEntry(Strict):
    """A prior file."""

    schema_version: Literal[1] = Field(alias="schema", description="format version")
    title: str | None = Field(None, description="what the file is about, for people")
    model: str | None = Field(None, description="name of an energy model")
    extends: str | None = Field(None, description="a file whose assumptions this one builds on")
    assumptions: dict[Name, AssumptionEntry] = Field(default_factory=dict)
    correlations: tuple[CorrelationEntry, ...] = ()
    scenarios: dict[Name, dict[Name, AssumptionEntry]] = Field(default_factory=dict)
