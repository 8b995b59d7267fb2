"""Numbers and distributions as a file writes them: one row of a table for each family.

What the families compute lives in `uncertainty.distributions`; a test keeps the two lists equal.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise
from numbers import Real
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

# Words and letters for powers of ten, which are not units.
_MAGNITUDES = {
    **dict.fromkeys(["k", "thousand"], 3),
    **dict.fromkeys(["M", "mn", "mio", "million", "millions"], 6),
    **dict.fromkeys(["G", "B", "b", "bn", "mrd", "billion", "billions"], 9),
    **dict.fromkeys(["T", "tn", "trillion", "trillions"], 12),
}
# Byte and bit; where these do not convert, the hint of a billion goes with the fault.
_ALSO_UNITS = frozenset({"B", "b"})
# Minus, dash, signs of multiplication and spaces as they come out of a text processor.
_KEYBOARD = {"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*"} | dict.fromkeys(
    ["\u2009", "\u202f", "\u00a0"], " "
)
_N = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"


def _separators(match: re.Match[str]) -> str:
    number = re.sub(r"[ ,'_]", "", match[1]) + (match[2] or "")
    decimal = f", or {match[1].replace(',', '.')}" if match[1].count(",") == 1 else ""
    return f"write it without separators: {number}{decimal}{match[3] or ''}"


# What a text looks like, the first that fits, and what to write for it.
_MEANT: dict[str, str | Callable[[re.Match[str]], str]] = {
    rf"{_N}\s*(?:±|\+/-|\+-)\s*{_N}\s*(%?).*": lambda match: (
        f"a spread is {{normal: {{mean: {match[1]}, "
        f"sd: {(float(match[1]) / 100 if match[3] else 1) * float(match[2]):g}}}}}"
    ),
    rf"{_N}\s*(?:-|to|\.\.+|…)\s*{_N}\b.*": (
        r"a range is {uniform: {low: \1, high: \2}} or {lognormal: {p5: \1, p95: \2}}"
    ),
    rf"(?:[~≈∼≤≥]|[<>]=?|about|approx\.?|approximately|around|ca\.?|circa)\s*{_N}.*": (
        r"an estimate is a distribution, such as {lognormal: {median: \1, sigma: 0.3}}"
    ),
    r"([-+]?\d{1,3}(?:[ ,'_]\d{3})+)(\.\d+)?(\s\D.*)?": _separators,
    r"([-+]?\d+),(\d+)(\s.*)?": r"write a decimal with a point: \1.\2\3",
    rf"{_N}\s*[xX*]\s*10\s*(?:\^|\*\*)\s*\+?(-?\d+)(\s.*)?": r"write \1e\2\3",
    r"[\d\s.eE()+*/^-]*\d\s*[-+*/^(][\d\s.eE()+*/^-]*": lambda match: (
        f"arithmetic is {{expression: {match[0].replace('^', '**')}}}"
    ),
    r"\s*[{\[].*\w:[{\[].*": "put a space after each ':'",
}

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What looks like an exponent belongs to the number (2e6/30 is not 2 in units of e6/30), and "to"
# and "x" are not units (3 to 5, 5x10^3).
_QUANTITY = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\s*[eE]\s*[-+]?\d)"
    r"\s*((?!to\s|[xX]\s*\d)[A-Za-z%µμ°].*?)?\s*"
)
# float() reads these, and so would be names of assumptions.
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_LONGEST = 200  # characters of a text that may hold a number: patterns backtrack
LARGEST = 1e300
"""Of a number, and its inverse the smallest but 0: beyond, sums and tails leave float64."""


def hint_for_number(text: str) -> str:
    """Say how to write what a text means, where that can be guessed; else nothing.

    Examples
    --------
    >>> hint_for_number("1.2±0.05")
    'a spread is {normal: {mean: 1.2, sd: 0.05}}'
    >>> hint_for_number("0,28")
    'write a decimal with a point: 0.28'
    >>> hint_for_number("3-5")
    'a range is {uniform: {low: 3, high: 5}} or {lognormal: {p5: 3, p95: 5}}'
    >>> hint_for_number("2e6/30")
    'arithmetic is {expression: 2e6/30}'
    """
    plain = "".join(_KEYBOARD.get(letter, letter) for letter in text).strip()
    for pattern, hint in _MEANT.items():
        if match := re.fullmatch(pattern, plain, re.IGNORECASE):
            return match.expand(hint) if isinstance(hint, str) else hint(match)
    if plain != text and re.fullmatch(rf"{_N}(\s.*)?", plain):
        return f"write {plain} with the minus and the space of the keyboard"
    return ""


def hint_for_unit(number: float, unit: str) -> str:
    """Say how to write a number of thousands or billions, where a unit is one of these.

    Examples
    --------
    >>> hint_for_unit(200, "billion")
    'write 2e11'
    >>> hint_for_unit(0.7, "kW")
    ''
    """
    first, _, rest = unit.partition(" ")
    power = _MAGNITUDES.get(first if len(first) == 1 else first.lower())
    if power is None:
        return ""
    shown = f"write {number * 10**power:g}".replace("e+", "e").replace("e0", "e")
    return shown + f" {rest}".rstrip()


class Reference(str):
    """The name of another assumption, standing where a number could."""


class Quantity(NamedTuple):
    """A number with the unit it was written in."""

    number: float
    unit: str


Scalar: TypeAlias = float | Quantity | Reference


def is_name(text: str) -> bool:
    """Say whether `text` can name an assumption."""
    return NAME.fullmatch(text) is not None


def refusal(code: str, text: str) -> PydanticCustomError:
    """Make an error whose text may have braces in it."""
    return PydanticCustomError(code, "{text}", {"text": text})


def _finite(number: float, got: object) -> float:
    if not math.isfinite(number):
        raise refusal("finite", f"must be a finite number (got {got})")
    if abs(number) > LARGEST or 0 < abs(number) < 1 / LARGEST:
        side = ("large", "at most", "1e300") if abs(number) > 1 else ("small", "at least", "1e-300")
        text = "is too {} to compute with: {} {} in size (got {})".format(*side, got)
        raise refusal("range", text)
    return number


def _not_a_value(got: str, hint: str = "") -> PydanticCustomError:
    text = "must be a number, a number with a unit ('700 W') or the name of an assumption"
    return refusal("value", f"{text} (got {got})" + (f"; {hint}" if hint else ""))


def parse_value(raw: object) -> Scalar:
    """Read one scalar.

    Examples
    --------
    >>> parse_value("0.7 kW")
    Quantity(number=0.7, unit='kW')
    >>> parse_value(3)
    3.0
    >>> parse_value("output_tokens_median")
    'output_tokens_median'
    """
    if isinstance(raw, Real) and not isinstance(raw, bool):
        try:
            number = float(raw)
        except OverflowError:
            number = math.inf
        return _finite(number, str(raw)[:60])
    if raw is None:
        raise _not_a_value("nothing")
    if not isinstance(raw, str):
        pair = isinstance(raw, list | tuple) and len(raw) == 2
        listed = "a range is {uniform: {low: ..., high: ...}}; " * pair
        hint = listed + "a list of values is {choice: {options: [...]}}"
        raise _not_a_value(repr(raw)[:60], hint if isinstance(raw, list | tuple) else "")
    if is_name(raw):
        return Reference(raw) if raw.lower() not in _NOT_FINITE else _finite(math.nan, raw)
    match = _QUANTITY.fullmatch(raw) if len(raw) <= _LONGEST else None
    if match is None:
        hint = hint_for_number(raw) if len(raw) <= _LONGEST else ""
        raise _not_a_value(repr(raw[:60]), hint)
    number, unit = _finite(float(match[1]), raw), match[2]
    magnitude = hint_for_unit(number, unit) if unit else ""
    if magnitude and unit not in _ALSO_UNITS:
        raise _not_a_value(repr(raw), magnitude)
    return Quantity(number, unit) if unit else number


def _signed(value: Scalar, *, zero: bool) -> Scalar:
    """Refuse a number below 0, and 0 itself unless it is allowed; a name is looked at later."""
    number = value.number if isinstance(value, Quantity) else value
    if isinstance(number, float) and (number < 0 or (number == 0 and not zero)):
        text = "must not be negative" if zero else "must be greater than 0"
        raise refusal("sign", f"{text} (got {number:g})")
    return value


_WRITTEN = f"^({NAME.pattern}|{_QUANTITY.pattern})$"
TEXT_SCHEMA: dict[str, JsonValue] = {"type": ["number", "string"], "pattern": _WRITTEN}
"""JSON Schema of a scalar."""
# JSON Schema constrains a bare number; one with a unit is left to the validator.
_UNSIGNED = {**TEXT_SCHEMA, "pattern": _WRITTEN.replace("[-+]?(?:", "[+]?(?:", 1)}

Value = Annotated[
    float | Quantity | Reference, PlainValidator(parse_value), WithJsonSchema(TEXT_SCHEMA)
]
Positive = Annotated[
    Value,
    AfterValidator(partial(_signed, zero=False)),
    WithJsonSchema({**_UNSIGNED, "exclusiveMinimum": 0}),
]
NonNegative = Annotated[
    Value,
    AfterValidator(partial(_signed, zero=True)),
    WithJsonSchema({**_UNSIGNED, "minimum": 0}),
]


def limited(least: int, most: int) -> tuple[BeforeValidator, FieldInfo]:
    """Bound the length of a list, whatever else is wrong with it."""

    def check(items: object) -> object:
        if isinstance(items, list | tuple) and not least <= len(items) <= most:
            raise refusal("length", f"must have {least} to {most} items (got {len(items)})")
        return items

    bounds: dict[str, JsonValue] = {"minItems": least, "maxItems": most}
    return BeforeValidator(check), Field(json_schema_extra=bounds)


class Strict(BaseModel):
    """A frozen mapping that takes no key it does not know."""

    # Checkers are built for the classes that a call reads, when it does.
    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True
    )


def rule(complaint: Callable[..., str]) -> object:
    """Make a check of a whole mapping by a function that says what is wrong, or nothing."""

    def check(entry: Strict) -> Strict:
        if text := complaint(entry):
            raise refusal("rule", text)
        return entry

    return model_validator(mode="after")(check)


def exactly_one(*keys: str) -> object:
    """Make a check that a mapping states one of some keys, and no more."""
    text = f"give one of {', '.join(keys)}"
    return rule(lambda x: text * (sum(getattr(x, key) is not None for key in keys) != 1))


PERCENTILES = {
    "p1": "1st percentile",
    "p5": "5th percentile",
    "p10": "10th percentile",
    "p25": "25th percentile",
    "p50": "median",
    "p75": "75th percentile",
    "p90": "90th percentile",
    "p95": "95th percentile",
    "p99": "99th percentile",
}
# A probability as a key: nothing above 1, so that percent (5, 50, 95) is a fault.
_LEVEL = re.compile(r"0|1|[01]\.[0-9]*|\.[0-9]+|[0-9]+(?:\.[0-9]*)?[eE]-[0-9]+")
_MOST_LEVELS = 200  # of a quantile function: checked pair by pair, kept as parameters


@dataclass(frozen=True)
class Family:
    """One row of the table: how a file states a family.

    Attributes
    ----------
    meaning : str
        A sentence, for editors.
    keys : mapping of str to (type, str)
        The keys but for percentiles, each with what it may be and what it means.
    forms : tuple of tuple of str
        Each way to state the family: the keys that go together.
    optional : tuple of str
        Keys that may stand beside any of them.
    percentiles : int
        How many percentiles state it; 0 where they cannot.
    beside : tuple of str
        Keys that must stand beside percentiles.
    positive : bool
        True where its values are above 0.
    plain : tuple of str
        Keys that carry no unit.
    ascending : tuple of str
        Keys whose numbers must not fall; the first must lie below the last.
    solved : bool
        True where percentiles are solved for when a file is loaded, so must be numbers.
    """

    meaning: str
    keys: Mapping[str, tuple[object, str]]
    forms: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    percentiles: int = 0
    beside: tuple[str, ...] = ()
    positive: bool = False
    plain: tuple[str, ...] = ()
    ascending: tuple[str, ...] = ()
    solved: bool = False

    @property
    def hint(self) -> str:
        """What to write for the family."""
        forms = [" and ".join(form) for form in self.forms]
        if self.percentiles == 1:
            forms.append("one percentile such as p50")
        if self.percentiles == 2:
            forms.append("".join(f"{key} and " for key in self.beside) + _TWO_PERCENTILES)
        # A family without forms has any probabilities as keys.
        return "give " + (", or ".join(forms) or "values by probability, as in {0.05: 1, 0.95: 9}")

    def wrong_form(self, keys: set[str]) -> str:
        """Say what is wrong with the keys that state it, if anything: exactly one form."""
        keys = keys - set(self.optional)
        forms = {frozenset(form) for form in self.forms}
        if self.percentiles:
            chosen = combinations(PERCENTILES, self.percentiles)
            forms |= {frozenset([*self.beside, *levels]) for levels in chosen}
        if keys in forms:
            return ""
        missing = [set(form) - keys for form in self.forms if keys and keys < set(form)]
        lacking = f"{' and '.join(sorted(missing[0]))} is missing: " if len(missing) == 1 else ""
        got = f" (got {' and '.join(sorted(keys))})" if keys and not lacking else ""
        return lacking + self.hint + got

    def form_schema(self) -> list[JsonValue]:
        """JSON Schema of the forms, each with any optional keys."""
        forms = list[JsonValue]()
        for form in self.forms:
            names: list[JsonValue] = [*form, *self.optional]
            forms.append({"required": [*form], "propertyNames": {"enum": names}})
        for size in range(len(self.optional) + 1) if self.percentiles else ():
            for kept in combinations(self.optional, size):
                # Percentiles with exactly these optional keys, known by their number.
                others = [*self.beside, *kept]
                count = self.percentiles + len(others)
                bounds: dict[str, JsonValue] = {"minProperties": count, "maxProperties": count}
                allowed: JsonValue = {"enum": [*PERCENTILES, *others]}
                forms.append({"required": [*others], "propertyNames": allowed, **bounds})
        return forms


_TWO_PERCENTILES = "two percentiles such as p5 and p95"
_LOW_HIGH = {"low": (Value, "lower end"), "high": (Value, "upper end")}
_LOW_MODE_HIGH = {
    "low": (Value, "least value"),
    "mode": (Value, "most likely value"),
    "high": (Value, "greatest value"),
}

FAMILIES: dict[str, Family] = {
    "uniform": Family(
        "Equally likely anywhere between two ends.",
        _LOW_HIGH,
        forms=(("low", "high"),),
        percentiles=2,
        ascending=("low", "high"),
    ),
    "loguniform": Family(
        "Its logarithm is equally likely anywhere between two positive ends.",
        {"low": (Positive, "lower end, above 0"), "high": (Positive, "upper end")},
        forms=(("low", "high"),),
        percentiles=2,
        positive=True,
        ascending=("low", "high"),
    ),
    "normal": Family(
        "The bell curve.",
        {"mean": (Value, "mean and median"), "sd": (Positive, "standard deviation")},
        forms=(("mean", "sd"),),
        percentiles=2,
    ),
    "lognormal": Family(
        "A positive quantity whose logarithm is normal; `median` and `mean` differ.",
        {
            "median": (Positive, "median (not the mean)"),
            "sigma": (Positive, "standard deviation of the natural logarithm"),
            "mean": (Positive, "mean (not the median)"),
            "sd": (Positive, "standard deviation"),
        },
        forms=(("median", "sigma"), ("mean", "sd")),
        percentiles=2,
        positive=True,
        plain=("sigma",),
    ),
    "beta": Family(
        "A share between `low` and `high` (0 and 1 unless given).",
        {
            "alpha": (Positive, "first shape"),
            "beta": (Positive, "second shape"),
            "mean": (Value, "mean"),
            "sd": (Positive, "standard deviation"),
            "low": (Value, "lower end, 0 unless given"),
            "high": (Value, "upper end, 1 unless given"),
        },
        forms=(("alpha", "beta"), ("mean", "sd")),
        optional=("low", "high"),
        percentiles=2,
        plain=("alpha", "beta"),
        solved=True,
    ),
    "gamma": Family(
        "A positive quantity whose tail falls like an exponential's.",
        {
            "shape": (Positive, "shape; (mean/sd)^2"),
            "scale": (Positive, "scale; sd^2/mean"),
            "mean": (Positive, "mean"),
            "sd": (Positive, "standard deviation"),
        },
        forms=(("shape", "scale"), ("mean", "sd")),
        percentiles=2,
        positive=True,
        plain=("shape",),
        solved=True,
    ),
    "student_t": Family(
        "A bell with heavy tails; below 2 degrees of freedom it has no variance, at 1 no mean.",
        {
            "df": (Positive, "degrees of freedom"),
            "loc": (Value, "median"),
            "scale": (Positive, "scale, which is not the standard deviation"),
        },
        forms=(("df", "loc", "scale"),),
        percentiles=2,
        beside=("df",),
        plain=("df",),
        solved=True,
    ),
    "exponential": Family(
        "A positive quantity with no memory; one number states it.",
        {"mean": (Positive, "mean and standard deviation")},
        forms=(("mean",),),
        percentiles=1,
        positive=True,
    ),
    "weibull": Family(
        "A positive quantity; its tail falls faster than an exponential's above shape 1.",
        {"shape": (Positive, "shape"), "scale": (Positive, "scale: the 63rd percentile")},
        forms=(("shape", "scale"),),
        percentiles=2,
        positive=True,
        plain=("shape",),
    ),
    "triangular": Family(
        "A straight rise from `low` to `mode` and a straight fall to `high`.",
        _LOW_MODE_HIGH,
        forms=(("low", "mode", "high"),),
        ascending=("low", "mode", "high"),
    ),
    "pert": Family(
        "A smooth bump between `low` and `high`: a beta whose mean is (low + 4 mode + high)/6.",
        _LOW_MODE_HIGH,
        forms=(("low", "mode", "high"),),
        ascending=("low", "mode", "high"),
    ),
    "arcsine": Family(
        "Between two ends, and most likely near either: a beta with both shapes 1/2.",
        _LOW_HIGH,
        forms=(("low", "high"),),
        percentiles=2,
        ascending=("low", "high"),
    ),
    # Any probabilities as keys: beyond the outermost ones it goes on like a normal; with an end
    # stated as the quantile of 0 or 1 like a lognormal towards that end, with two logit-normal.
    "quantiles": Family("A smooth distribution through elicited quantiles.", {}, forms=()),
    "empirical": Family(
        "The values of one column of a CSV file, straight between the sorted values.",
        {
            "file": (str, "a CSV file with a header, looked for from this file's folder"),
            "column": (str, "name of the column; its values carry the assumption's unit"),
            "rows": (
                Literal["file"] | None,
                "one row for all columns of the file; drawn one by one unless given",
            ),
            "weights": (str | None, "with rows: file, the column of how often each row counts"),
        },
        forms=(("file", "column"),),
        optional=("rows", "weights"),
    ),
    "choice": Family(
        "One of several listed values.",
        {
            "options": (Annotated[tuple[Value, ...], *limited(1, 1000)], "the values"),
            "weights": (tuple[NonNegative, ...] | None, "relative, equal unless given"),
        },
        forms=(("options",),),
        optional=("weights",),
        plain=("weights",),
    ),
}
"""Families that a file states as a mapping of keys."""

FAMILY_KEYS = ("fixed", *FAMILIES, "mixture", "expression")
"""Every key that states what an assumption is."""


class Distribution(Strict):
    """A family as one entry states it; a class for each row of the table is made below."""

    family: ClassVar[str]
    model_config = ConfigDict(
        json_schema_extra=lambda schema, kind: schema.update(kind.form_schema())
    )

    def fields(self) -> dict[str, object]:
        """Give the keys that the file states, in the order of the table."""
        keys = type(self).model_fields
        return {key: getattr(self, key) for key in keys if key in self.model_fields_set}

    @classmethod
    def form_schema(cls) -> dict[str, JsonValue]:
        """JSON Schema of what goes together."""
        return {"anyOf": FAMILIES[cls.family].form_schema()}

    def complaint(self) -> str:
        """Say what is wrong with the keys together, if anything."""
        options, weights = getattr(self, "options", ()), getattr(self, "weights", None)
        if isinstance(weights, tuple) and len(weights) != len(options):
            return f"give one weight for each of the {len(options)} options"
        return FAMILIES[self.family].wrong_form(set(self.model_fields_set))

    _check = rule(lambda x: x.complaint())


class Quantiles(Distribution):
    """Values by probability."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]

    def fields(self) -> dict[str, object]:
        """Give the values by probability, ascending."""
        return dict(sorted(self.__pydantic_extra__.items(), key=lambda item: float(item[0])))

    @classmethod
    def form_schema(cls) -> dict[str, JsonValue]:
        """JSON Schema of two probabilities or more, as keys."""
        return {
            "patternProperties": {f"^({_LEVEL.pattern})$": {**TEXT_SCHEMA}},
            "additionalProperties": False,
            "minProperties": 2,
            "maxProperties": _MOST_LEVELS,
        }

    def complaint(self) -> str:
        """Say what is wrong with the probabilities, if anything."""
        extra = self.__pydantic_extra__
        odd = [key for key in extra if not (_LEVEL.fullmatch(key) and 0 <= float(key) <= 1)]
        if odd:
            return f"{odd[0]!r} is not a probability; write 0.05 for the 5th percentile"
        if len(extra) > _MOST_LEVELS:
            return f"give at most {_MOST_LEVELS} probabilities (got {len(extra)})"
        levels = {float(key) for key in extra}
        if len(levels) < len(extra):
            return "two keys are the same probability; keep one"
        if sum(0 < level < 1 for level in levels) < 2:
            return "give at least two probabilities between 0 and 1, such as 0.05 and 0.95"
        return ""


class OneFamily(Strict):
    """What states exactly one distribution."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema, kind: schema.update(
            oneOf=[{"required": [key]} for key in kind.possible()]
        )
    )

    fixed: Value | None = Field(None, description="a known value")

    def families(self) -> list[str]:
        """Name the families that the file states."""
        return [key for key in FAMILY_KEYS if getattr(self, key, None) is not None]

    @classmethod
    def possible(cls) -> list[str]:
        """Name the keys of which one is stated."""
        return [key for key in FAMILY_KEYS if key in cls.model_fields]

    _check_families = rule(
        lambda x: (
            ""
            if len(x.families()) == 1
            else f"give exactly one distribution (got {' and '.join(x.families()) or 'none'}): "
            + ", ".join(x.possible())
        )
    )


# The class that checks a family, made from its row.
_classes: dict[str, type[Distribution]] = {}
for _name, _row in FAMILIES.items():
    _keys = dict(_row.keys)
    if _row.percentiles:
        _number = Positive if _row.positive else Value
        _keys = {key: (_number, meaning) for key, meaning in PERCENTILES.items()} | _keys
    # A key that is not stated is None, whatever its type: which keys go together is checked.
    _fields: dict[str, Any] = {
        key: (kind, Field(... if key in {"file", "column", "options"} else None, description=text))
        for key, (kind, text) in _keys.items()
    }
    _classes[_name] = create_model(
        _name.title().replace("_", ""),
        __base__=Quantiles if _name == "quantiles" else Distribution,
        __doc__=_row.meaning,
        **_fields,
    )
    _classes[_name].family = _name
FamilyKeys = create_model(
    "FamilyKeys",
    __base__=OneFamily,
    __doc__="The keys of which an assumption (or a mixture component) states exactly one.",
    **cast(dict[str, Any], {name: (kind | None, None) for name, kind in _classes.items()}),
)


class Component(FamilyKeys):
    """One part of a mixture."""

    weight: NonNegative = Field(description="relative weight")


Components = Annotated[tuple[Component, ...], *limited(1, 100)]


def complaints(family: str, numbers: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Say what is wrong with the numbers of a family, all in one unit: (key, sentence) pairs."""
    if family == "quantiles":
        pairs = pairwise(sorted(numbers, key=float))
        wrong = [pair for pair in pairs if numbers[pair[0]] >= numbers[pair[1]]]
    else:
        order = [key for key in (*FAMILIES[family].ascending, *PERCENTILES) if key in numbers]
        wrong = [pair for pair in pairwise(order) if numbers[pair[0]] > numbers[pair[1]]]
        if len(order) > 1 and numbers[order[0]] == numbers[order[-1]]:
            wrong.append((order[0], order[-1]))
    for lower, upper in wrong:
        least = f"that of {lower}," if family == "quantiles" else f"{lower} ="
        yield upper, f"must be greater than {least} {numbers[lower]:g} (got {numbers[upper]:g})"
    if family != "beta":
        return
    # The one family whose mean, sd and percentiles are bound by its ends.
    low, high = numbers.get("low", 0.0), numbers.get("high", 1.0)
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
