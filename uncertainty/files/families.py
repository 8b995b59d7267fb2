"""The distribution families as a file states them.

What they compute lives in `uncertainty.distributions`; a test keeps the two lists equal.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from uncertainty.files.values import TEXT_SCHEMA, NonNegative, Positive, Scalar, Value

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


class Uniform(WithPercentiles):
    """Equally likely anywhere between two ends."""

    forms = (("low", "high"),)
    ascending = ("low", "high")
    low: Value = Field(0.0, description="lower end")
    high: Value = Field(1.0, description="upper end")


class LogUniform(PositiveSupport):
    """Its logarithm is equally likely anywhere between two positive ends."""

    forms = (("low", "high"),)
    ascending = ("low", "high")
    low: Positive = Field(1.0, description="lower end, above 0")
    high: Positive = Field(1.0, description="upper end")


class Normal(WithPercentiles):
    """The bell curve."""

    forms = (("mean", "sd"),)
    mean: Value = Field(0.0, description="mean and median")
    sd: Positive = Field(1.0, description="standard deviation")


class LogNormal(PositiveSupport):
    """A positive quantity whose logarithm is normal; `median` and `mean` differ."""

    forms = (("median", "sigma"), ("mean", "sd"))
    plain = frozenset({"sigma"})
    median: Positive = Field(1.0, description="median (not the mean)")
    sigma: Positive = Field(1.0, description="standard deviation of the natural logarithm")
    mean: Positive = Field(1.0, description="mean (not the median)")
    sd: Positive = Field(1.0, description="standard deviation")


class Beta(WithPercentiles):
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


class Gamma(PositiveSupport):
    """A positive quantity whose tail falls like an exponential's."""

    forms = (("shape", "scale"), ("mean", "sd"))
    plain = frozenset({"shape"})
    solved = True
    shape: Positive = Field(1.0, description="shape; (mean/sd)^2")
    scale: Positive = Field(1.0, description="scale; sd^2/mean")
    mean: Positive = Field(1.0, description="mean")
    sd: Positive = Field(1.0, description="standard deviation")


class StudentT(WithPercentiles):
    """A bell with heavy tails; below 2 degrees of freedom it has no variance, at 1 no mean."""

    forms = (("df", "loc", "scale"),)
    beside = ("df",)
    plain = frozenset({"df"})
    solved = True
    df: Positive = Field(1.0, description="degrees of freedom")
    loc: Value = Field(0.0, description="median")
    scale: Positive = Field(1.0, description="scale, which is not the standard deviation")


class Exponential(PositiveSupport):
    """A positive quantity with no memory; one number states it."""

    forms = (("mean",),)
    percentiles = 1
    mean: Positive = Field(1.0, description="mean and standard deviation")


class Weibull(PositiveSupport):
    """A positive quantity; its tail falls faster than an exponential's above shape 1."""

    forms = (("shape", "scale"),)
    plain = frozenset({"shape"})
    shape: Positive = Field(1.0, description="shape")
    scale: Positive = Field(1.0, description="scale: the 63rd percentile")


class Arcsine(Uniform):
    """Between two ends, and most likely near either: a beta with both shapes 1/2."""


_MOST = 200
_LEVEL = re.compile(r"0|1|[01]\.[0-9]*|\.[0-9]+|[0-9]+(?:\.[0-9]*)?[eE]-[0-9]+")


class Choice(Family):
    """One of several listed values."""

    forms = (("options",),)
    optional = ("weights",)
    plain = frozenset({"weights"})
    options: Annotated[tuple[Value, ...], *limited(1, 1000)] = Field(description="the values")
    weights: tuple[NonNegative, ...] | None = Field(
        None, description="relative, equal unless given"
    )

    @model_validator(mode="after")
    def _one_weight_each(self) -> "Choice":
        if self.weights is not None and len(self.weights) != len(self.options):
            text = f"give one weight for each of the {len(self.options)} options"
            raise PydanticCustomError("weights", "{text}", {"text": text})
        return self


class Quantiles(Family):
    """A smooth distribution through elicited quantiles.

    Beyond the outermost ones it goes on like a normal; with an end stated as the quantile of 0
    or 1 it goes on like a lognormal towards that end, and like a logit-normal between two.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]

    def stated(self) -> dict[str, Scalar]:
        """Give the values by probability, ascending."""
        extra: dict[str, Scalar] = self.__pydantic_extra__
        return dict(sorted(extra.items(), key=lambda item: float(item[0])))

    @model_validator(mode="after")
    def _one_form(self) -> "Quantiles":
        levels = [_level(key) for key in self.__pydantic_extra__]
        if len(levels) > _MOST:
            text = f"give at most {_MOST} probabilities (got {len(levels)})"
            raise PydanticCustomError("quantiles", "{text}", {"text": text})
        if len(set(levels)) < len(levels):
            raise PydanticCustomError("quantiles", "one probability stands twice")
        if sum(0 < level < 1 for level in levels) < 2:
            text = "give at least two probabilities between 0 and 1, such as 0.05 and 0.95"
            raise PydanticCustomError("quantiles", "{text}", {"text": text})
        return self

    @classmethod
    def form_schema(cls) -> dict[str, JsonSchema]:
        """Two probabilities or more, as keys."""
        value: JsonSchema = {**TEXT_SCHEMA}
        return {
            "patternProperties": {f"^({_LEVEL.pattern})$": value},
            "additionalProperties": False,
            "minProperties": 2,
            "maxProperties": _MOST,
        }

    def complaints(self, numbers: Numbers) -> Iterator[Complaint]:
        """Require values that rise with the probability."""
        for lower, upper in pairwise(sorted(numbers, key=float)):
            if numbers[lower] >= numbers[upper]:
                yield upper, below(lower, upper, numbers)


def _level(key: str) -> float:
    level = float(key) if _LEVEL.fullmatch(key) else -1.0
    if not 0 <= level <= 1:
        text = f"{key!r} is no probability between 0 and 1 (0.05 for the 5th percentile)"
        raise PydanticCustomError("quantiles", "{text}", {"text": text})
    return level


class Empirical(Family):
    """The values of one column of a CSV file, straight between the sorted values.

    With ``rows: file`` the columns of one file are drawn row by row, as they stand in it.
    """

    forms = (("file", "column"),)
    optional = ("rows",)
    file: str = Field(description="a CSV file with a header, looked for from this file's folder")
    column: str = Field(description="name of the column; its values carry the assumption's unit")
    rows: Literal["file"] | None = Field(
        None, description="one row for all columns of the file; drawn one by one unless given"
    )


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
