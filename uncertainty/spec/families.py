"""The distribution families as a file states them: keys, parametrizations and limits.

What they compute lives in `uncertainty.families`; a test keeps the two lists equal.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from uncertainty.spec.values import NonNegative, Positive, Scalar, Value

__all__ = ["FAMILY_CLASSES", "PERCENTILES", "Family", "Strict"]

PERCENTILES = ("p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99")
Numbers: TypeAlias = Mapping[str, float]
Complaint: TypeAlias = tuple[str, str]


class Strict(BaseModel):
    """A frozen mapping that takes no key it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Family(Strict):
    """One distribution family as written in a file.

    Attributes
    ----------
    forms
        Each way to state it: the keys that go together.
    plain
        Keys that carry no unit.
    ascending
        Keys whose numbers must not fall; the first must lie below the last.
    solved
        True where percentiles are solved for when a file is loaded, so must be numbers.
    """

    forms: ClassVar[tuple[tuple[str, ...], ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
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
        if keys and keys <= set(PERCENTILES) and len(keys) == 2:
            return self
        if not any(keys == set(form) for form in self.forms):
            raise PydanticCustomError("form", "{text}", {"text": self._wanted()})
        return self

    @classmethod
    def _wanted(cls) -> str:
        forms = [" and ".join(form) for form in cls.forms]
        if "p5" in cls.model_fields:
            forms.append("two percentiles such as p5 and p95")
        return "give " + ", or ".join(forms)

    def complaints(self, numbers: Numbers) -> Iterator[Complaint]:
        """Say what is wrong with the numbers, all in one unit: (key, sentence) pairs."""
        order = [key for key in (*self.ascending, *PERCENTILES) if key in numbers]
        for lower, upper in pairwise(order):
            if numbers[lower] > numbers[upper]:
                yield upper, _below(lower, upper, numbers)
        if len(order) > 1 and numbers[order[0]] == numbers[order[-1]]:
            yield order[-1], _below(order[0], order[-1], numbers)


def _below(lower: str, upper: str, numbers: Numbers) -> str:
    return f"must be greater than {lower} = {numbers[lower]:g} (got {numbers[upper]:g})"


class _WithPercentiles(Family):
    p1: Value = Field(0.0, description="1st percentile")
    p5: Value = Field(0.0, description="5th percentile")
    p10: Value = Field(0.0, description="10th percentile")
    p25: Value = Field(0.0, description="25th percentile")
    p50: Value = Field(0.0, description="median")
    p75: Value = Field(0.0, description="75th percentile")
    p90: Value = Field(0.0, description="90th percentile")
    p95: Value = Field(0.0, description="95th percentile")
    p99: Value = Field(0.0, description="99th percentile")


class _PositiveSupport(_WithPercentiles):
    def complaints(self, numbers: Numbers) -> Iterator[Complaint]:
        yield from super().complaints(numbers)
        for key in (*PERCENTILES, "low"):
            if key in numbers and numbers[key] <= 0:
                yield key, f"must be greater than 0 (got {numbers[key]:g})"


class Uniform(_WithPercentiles):
    """Equally likely anywhere between two ends."""

    forms = (("low", "high"),)
    ascending = ("low", "high")
    low: Value = Field(0.0, description="lower end")
    high: Value = Field(1.0, description="upper end")


class LogUniform(_PositiveSupport):
    """Its logarithm is equally likely anywhere between two positive ends."""

    forms = (("low", "high"),)
    ascending = ("low", "high")
    low: Value = Field(1.0, description="lower end, above 0")
    high: Value = Field(1.0, description="upper end")


class Normal(_WithPercentiles):
    """The bell curve."""

    forms = (("mean", "sd"),)
    mean: Value = Field(0.0, description="mean and median")
    sd: Positive = Field(1.0, description="standard deviation")


class LogNormal(_PositiveSupport):
    """A positive quantity whose logarithm is normal; `median` and `mean` differ."""

    forms = (("median", "sigma"), ("mean", "sd"))
    plain = frozenset({"sigma"})
    median: Positive = Field(1.0, description="median (not the mean)")
    sigma: Positive = Field(1.0, description="standard deviation of the natural logarithm")
    mean: Positive = Field(1.0, description="mean (not the median)")
    sd: Positive = Field(1.0, description="standard deviation")


class Beta(_WithPercentiles):
    """A share between `low` and `high` (0 and 1 unless given)."""

    forms = (("alpha", "beta"), ("mean", "sd"))
    optional = ("low", "high")
    plain = frozenset({"alpha", "beta"})
    solved = True
    alpha: Positive = Field(1.0, description="first shape")
    beta: Positive = Field(1.0, description="second shape")
    mean: Value = Field(0.5, description="mean")
    sd: Positive = Field(0.1, description="standard deviation")
    low: Value = Field(0.0, description="lower end, 0 unless given")
    high: Value = Field(1.0, description="upper end, 1 unless given")

    def complaints(self, numbers: Numbers) -> Iterator[Complaint]:
        """Add the limits of mean, sd and percentiles between the ends."""
        ends = {key: numbers[key] for key in ("low", "high") if key in numbers}
        low, high = ends.get("low", 0.0), ends.get("high", 1.0)
        yield from super().complaints(numbers)
        if low >= high:
            yield "high", f"must be greater than low = {low:g} (got {high:g})"
            return
        for key in ("mean", *PERCENTILES):
            if key in numbers and not low < numbers[key] < high:
                yield key, f"must lie between {low:g} and {high:g} (got {numbers[key]:g})"
        if {"mean", "sd"} <= numbers.keys() and low < numbers["mean"] < high:
            most = ((numbers["mean"] - low) * (high - numbers["mean"])) ** 0.5
            if numbers["sd"] >= most:
                yield "sd", f"must be less than {most:.4g} for this mean (got {numbers['sd']:g})"


class Triangular(Family):
    """A straight rise from `low` to `mode` and a straight fall to `high`."""

    forms = (("low", "mode", "high"),)
    ascending = ("low", "mode", "high")
    low: Value = Field(0.0, description="least value")
    mode: Value = Field(0.5, description="most likely value")
    high: Value = Field(1.0, description="greatest value")


class Pert(Triangular):
    """A smooth bump between `low` and `high`: a beta whose mean is (low + 4 mode + high)/6."""


class Choice(Family):
    """One of several listed values."""

    forms = (("options",),)
    optional = ("weights",)
    plain = frozenset({"weights"})
    options: tuple[Value, ...] = Field(description="the values", min_length=1)
    weights: tuple[NonNegative, ...] | None = Field(
        None, description="relative, equal unless given"
    )

    @model_validator(mode="after")
    def _one_weight_each(self) -> "Choice":
        if self.weights is not None and len(self.weights) != len(self.options):
            text = f"give one weight for each of the {len(self.options)} options"
            raise PydanticCustomError("weights", "{text}", {"text": text})
        return self


class FamilyKeys(Strict):
    """The keys of which an assumption (or a mixture component) states exactly one."""

    fixed: Value | None = Field(None, description="a known value")
    uniform: Uniform | None = None
    loguniform: LogUniform | None = None
    normal: Normal | None = None
    lognormal: LogNormal | None = None
    beta: Beta | None = None
    triangular: Triangular | None = None
    pert: Pert | None = None
    choice: Choice | None = None

    def stated_families(self) -> list[str]:
        """Name the families that the file states."""
        return [key for key in FAMILY_KEYS if getattr(self, key, None) is not None]

    @model_validator(mode="after")
    def _exactly_one(self) -> "FamilyKeys":
        stated = self.stated_families()
        if len(stated) != 1:
            got = " and ".join(stated) or "none"
            text = f"give exactly one distribution (got {got}): {', '.join(self._possible())}"
            raise PydanticCustomError("family", "{text}", {"text": text})
        return self

    @classmethod
    def _possible(cls) -> list[str]:
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
    "triangular": Triangular,
    "pert": Pert,
    "choice": Choice,
}
"""Families stated as a mapping of keys, by name."""

FAMILY_KEYS = ("fixed", *FAMILY_CLASSES, "mixture", "expression")
"""Every key that states what an assumption is."""

Components = Annotated[tuple[Component, ...], Field(min_length=1)]
