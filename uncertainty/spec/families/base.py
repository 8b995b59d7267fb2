"""What every stated family has in common: keys, parametrizations, limits and its JSON Schema."""

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import ClassVar, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from uncertainty.spec.values import Positive, Scalar, Value

__all__ = [
    "PERCENTILES",
    "Complaint",
    "Family",
    "JsonSchema",
    "Numbers",
    "PositiveSupport",
    "Strict",
    "WithPercentiles",
    "below",
    "limited",
]

PERCENTILES = ("p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99")
Numbers: TypeAlias = Mapping[str, float]
Complaint: TypeAlias = tuple[str, str]
JsonSchema: TypeAlias = JsonValue


def limited(least: int, most: int) -> tuple[BeforeValidator, FieldInfo]:
    """Bound the length of a list, whatever else is wrong with it."""

    def check(items: object) -> object:
        if isinstance(items, list | tuple) and not least <= len(items) <= most:
            text = f"must have {least} to {most} items (got {len(items)})"
            raise PydanticCustomError("length", "{text}", {"text": text})
        return items

    bounds: dict[str, JsonValue] = {"minItems": least, "maxItems": most}
    return BeforeValidator(check), Field(json_schema_extra=bounds)


class Strict(BaseModel):
    """A frozen mapping that takes no key it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _add_forms(schema: dict[str, JsonSchema], kind: type["Family"]) -> None:
    schema.update(kind.form_schema())


class Family(Strict):
    """One distribution family as written in a file.

    Attributes
    ----------
    forms
        Each way to state it: the keys that go together.
    optional
        Keys that may stand beside any of them.
    percentiles
        How many percentiles state it; 0 where they cannot.
    beside
        Keys that must stand beside percentiles.
    plain
        Keys that carry no unit.
    ascending
        Keys whose numbers must not fall; the first must lie below the last.
    solved
        True where percentiles are solved for when a file is loaded, so must be numbers.
    """

    model_config = ConfigDict(json_schema_extra=_add_forms)
    forms: ClassVar[tuple[tuple[str, ...], ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    percentiles: ClassVar[int] = 0
    beside: ClassVar[tuple[str, ...]] = ()
    plain: ClassVar[frozenset[str]] = frozenset()
    ascending: ClassVar[tuple[str, ...]] = ()
    solved: ClassVar[bool] = False

    def stated(self) -> dict[str, Scalar]:
        """Give the keys that the file states."""
        return {
            key: getattr(self, key)
            for key in type(self).model_fields
            if key in self.model_fields_set
        }

    @model_validator(mode="after")
    def _one_form(self) -> "Family":
        keys = set(self.stated()) - set(self.optional)
        if not any(keys == set(form) for form in self.every_form()):
            raise PydanticCustomError("form", "{text}", {"text": self._complaint(keys)})
        return self

    def _complaint(self, keys: set[str]) -> str:
        """Say what is wanted; of a form that is begun, what is missing."""
        missing = [set(form) - keys for form in self.forms if keys and keys < set(form)]
        lacking = f"{' and '.join(sorted(missing[0]))} is missing: " if len(missing) == 1 else ""
        got = f" (got {' and '.join(sorted(keys))})" if keys and not lacking else ""
        return lacking + self.wanted() + got

    @classmethod
    def every_form(cls) -> Iterator[tuple[str, ...]]:
        """Yield each set of keys that states the family."""
        yield from cls.forms
        if cls.percentiles:
            chosen = combinations(PERCENTILES, cls.percentiles)
            yield from ((*cls.beside, *keys) for keys in chosen)

    @classmethod
    def wanted(cls) -> str:
        """Say how the family is stated."""
        forms = [" and ".join(form) for form in cls.forms]
        beside = "".join(f"{key} and " for key in cls.beside)
        if cls.percentiles == 1:
            forms.append("one percentile such as p50")
        if cls.percentiles == 2:
            forms.append(f"{beside}two percentiles such as p5 and p95")
        return "give " + ", or ".join(forms)

    @classmethod
    def form_schema(cls) -> dict[str, JsonSchema]:
        """JSON Schema of the forms: exactly one, with any optional keys."""
        forms = list[JsonSchema]()
        for form in cls.forms:
            names: list[JsonSchema] = [*form, *cls.optional]
            forms.append({"required": [*form], "propertyNames": {"enum": names}})
        if cls.percentiles:
            forms += (cls._percentile_schema(kept) for kept in _subsets(cls.optional))
        return {"anyOf": forms} if forms else {}

    @classmethod
    def _percentile_schema(cls, kept: tuple[str, ...]) -> JsonSchema:
        """Percentiles with exactly these optional keys, told by their number."""
        others = [*cls.beside, *kept]
        count = cls.percentiles + len(others)
        return {
            "required": [*others],
            "propertyNames": {"enum": [*PERCENTILES, *others]},
            "minProperties": count,
            "maxProperties": count,
        }

    def complaints(self, numbers: Numbers) -> Iterator[Complaint]:
        """Say what is wrong with the numbers, all in one unit: (key, sentence) pairs."""
        order = [key for key in (*self.ascending, *PERCENTILES) if key in numbers]
        for lower, upper in pairwise(order):
            if numbers[lower] > numbers[upper]:
                yield upper, below(lower, upper, numbers)
        if len(order) > 1 and numbers[order[0]] == numbers[order[-1]]:
            yield order[-1], below(order[0], order[-1], numbers)


def _subsets(keys: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(len(keys) + 1):
        yield from combinations(keys, size)


def below(lower: str, upper: str, numbers: Numbers) -> str:
    """Say that one number must lie above another."""
    return f"must be greater than {lower} = {numbers[lower]:g} (got {numbers[upper]:g})"


class WithPercentiles(Family):
    """A family that two percentiles can state."""

    percentiles = 2
    p1: Value = Field(0.0, description="1st percentile")
    p5: Value = Field(0.0, description="5th percentile")
    p10: Value = Field(0.0, description="10th percentile")
    p25: Value = Field(0.0, description="25th percentile")
    p50: Value = Field(0.0, description="median")
    p75: Value = Field(0.0, description="75th percentile")
    p90: Value = Field(0.0, description="90th percentile")
    p95: Value = Field(0.0, description="95th percentile")
    p99: Value = Field(0.0, description="99th percentile")


class PositiveSupport(Family):
    """A family of positive values only, that two percentiles can state."""

    percentiles = 2
    p1: Positive = Field(1.0, description="1st percentile")
    p5: Positive = Field(1.0, description="5th percentile")
    p10: Positive = Field(1.0, description="10th percentile")
    p25: Positive = Field(1.0, description="25th percentile")
    p50: Positive = Field(1.0, description="median")
    p75: Positive = Field(1.0, description="75th percentile")
    p90: Positive = Field(1.0, description="90th percentile")
    p95: Positive = Field(1.0, description="95th percentile")
    p99: Positive = Field(1.0, description="99th percentile")
