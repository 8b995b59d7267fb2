"""The distribution families as a file states them.

What they compute lives in `uncertainty.families`; a test keeps the two lists equal.
"""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from uncertainty.spec.families.base import PERCENTILES, Family, JsonSchema, Strict, limited
from uncertainty.spec.families.continuous import (
    Arcsine,
    Beta,
    Exponential,
    Gamma,
    LogNormal,
    LogUniform,
    Normal,
    Pert,
    StudentT,
    Triangular,
    Uniform,
    Weibull,
)
from uncertainty.spec.families.listed import Choice, Empirical, Quantiles
from uncertainty.spec.values import NonNegative, Value

__all__ = [
    "FAMILY_CLASSES",
    "PERCENTILES",
    "Choice",
    "Components",
    "Empirical",
    "Family",
    "FamilyKeys",
    "JsonSchema",
    "Strict",
]


def _require_one(schema: dict[str, JsonSchema], kind: type["FamilyKeys"]) -> None:
    schema["oneOf"] = [{"required": [key]} for key in kind.possible()]


class FamilyKeys(Strict):
    """The keys of which an assumption (or a mixture component) states exactly one."""

    model_config = ConfigDict(json_schema_extra=_require_one)
    fixed: Value | None = Field(None, description="a known value")
    uniform: Uniform | None = None
    loguniform: LogUniform | None = None
    normal: Normal | None = None
    lognormal: LogNormal | None = None
    beta: Beta | None = None
    gamma: Gamma | None = None
    student_t: StudentT | None = None
    exponential: Exponential | None = None
    weibull: Weibull | None = None
    triangular: Triangular | None = None
    pert: Pert | None = None
    arcsine: Arcsine | None = None
    quantiles: Quantiles | None = None
    empirical: Empirical | None = None
    choice: Choice | None = None

    def stated_families(self) -> list[str]:
        """Name the families that the file states."""
        return [key for key in FAMILY_KEYS if getattr(self, key, None) is not None]

    @model_validator(mode="after")
    def _exactly_one(self) -> "FamilyKeys":
        stated = self.stated_families()
        if len(stated) != 1:
            got = " and ".join(stated) or "none"
            text = f"give exactly one distribution (got {got}): {', '.join(self.possible())}"
            raise PydanticCustomError("family", "{text}", {"text": text})
        return self

    @classmethod
    def possible(cls) -> list[str]:
        """Name the keys of which one is stated."""
        return [key for key in FAMILY_KEYS if key in cls.model_fields]


class Component(FamilyKeys):
    """One part of a mixture."""

    weight: NonNegative = Field(description="relative weight")


FAMILY_CLASSES: dict[str, type[Family]] = {
    "uniform": Uniform,
    "loguniform": LogUniform,
    "normal": Normal,
    "lognormal": LogNormal,
    "beta": Beta,
    "gamma": Gamma,
    "student_t": StudentT,
    "exponential": Exponential,
    "weibull": Weibull,
    "triangular": Triangular,
    "pert": Pert,
    "arcsine": Arcsine,
    "quantiles": Quantiles,
    "empirical": Empirical,
    "choice": Choice,
}
"""Families stated as a mapping of keys, by name."""

FAMILY_KEYS = ("fixed", *FAMILY_CLASSES, "mixture", "expression")
"""Every key that states what an assumption is."""

Components = Annotated[tuple[Component, ...], *limited(1, 100)]
