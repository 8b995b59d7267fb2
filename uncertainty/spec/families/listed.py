"""What is stated by a list: options, elicited quantiles, the values of a data column."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from uncertainty.spec.families.base import Complaint, Family, JsonSchema, Numbers, below, limited
from uncertainty.spec.values import TEXT_SCHEMA, NonNegative, Scalar, Value

__all__ = ["Choice", "Empirical", "Quantiles"]

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
