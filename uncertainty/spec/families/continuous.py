"""The continuous families: keys, parametrizations and limits."""

from collections.abc import Iterator

from pydantic import Field

from uncertainty.spec.families.base import (
    PERCENTILES,
    Complaint,
    Family,
    Numbers,
    PositiveSupport,
    WithPercentiles,
)
from uncertainty.spec.values import Positive, Value

__all__ = [
    "Arcsine",
    "Beta",
    "Exponential",
    "Gamma",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Pert",
    "StudentT",
    "Triangular",
    "Uniform",
    "Weibull",
]


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
