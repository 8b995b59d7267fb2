"""Assumptions in canonical units, as the rest of the package sees them, made from entries."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from uncertainty.errors import Fault
from uncertainty.files.document import Document, Key
from uncertainty.files.entries import LONGEST, AssumptionEntry, CorrelationEntry, Picked
from uncertainty.files.families import (
    FAMILIES,
    LARGEST,
    PERCENTILES,
    Distribution,
    OneFamily,
    Quantity,
    Reference,
    Scalar,
    complaints,
    hint_for_unit,
)
from uncertainty.files.library import Column, InputFile, read_column
from uncertainty.inputs import INPUTS
from uncertainty.units import UnitError, base_unit, factor

Number: TypeAlias = float | Reference
Expression: TypeAlias = (
    tuple[str, "float | str | Expression"] | tuple[str, "Expression", "Expression"]
)
"""``("number", 2.0)``, ``("name", "pue")``, ``("-", x)``, ``("+", x, y)`` or ``("sqrt", x)``."""

FUNCTIONS = {"sqrt": 1, "exp": 1, "log": 1, "log10": 1, "abs": 1, "min": 2, "max": 2}
"""Functions that an expression may call, with their number of arguments."""

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}


class ExpressionError(ValueError):
    """Text that is not an expression of the format; the message says why."""


def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Raises
    ------
    ExpressionError
        For anything but numbers, names, ``+ - * / **``, parentheses and `FUNCTIONS`.

    Examples
    --------
    >>> parse_expression("total / (2 * ratio)")
    ('/', ('name', 'total'), ('*', ('number', 2.0), ('name', 'ratio')))
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"is longer than {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _convert(tree.body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"is not arithmetic: {text!r:.80}") from error


def _convert(node: ast.AST) -> Expression:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number) if abs(number) <= LARGEST:
            return ("number", float(number))
        case ast.Name(id=name):
            return ("name", name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return ("-", _convert(operand))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _convert(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return (_OPERATORS[type(op)], _convert(left), _convert(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            count = FUNCTIONS.get(name)
            if count is None:
                known = ", ".join(sorted(FUNCTIONS))
                raise ExpressionError(f"calls {name!r}; known functions: {known}")
            if len(arguments) != count:
                text = f"calls {name} with {len(arguments)} arguments; it takes {count}"
                raise ExpressionError(text)
            first, *second = (_convert(argument) for argument in arguments)
            return (name, first, second[0]) if second else (name, first)
    raise ExpressionError(f"has {ast.unparse(node)!r:.60}, which is not arithmetic")


def written_out(expression: Expression) -> str:
    """Write an expression out, with every parenthesis that it needs.

    Examples
    --------
    >>> written_out(parse_expression("1 + min(a, -b)"))
    '1 + min(a, -b)'
    >>> written_out(parse_expression("a / (2 * b)"))
    'a / (2 * b)'
    """
    head, *rest = expression
    if head in {"number", "name"}:
        return f"{rest[0]:g}" if isinstance(rest[0], float) else str(rest[0])
    operands = [part for part in rest if isinstance(part, tuple)]
    texts = [written_out(part) for part in operands]
    if head in FUNCTIONS:
        return f"{head}({', '.join(texts)})"
    atomic = {"number", "name", *FUNCTIONS}
    inner = [
        text if part[0] in atomic else f"({text})"
        for part, text in zip(operands, texts, strict=True)
    ]
    return f"-{inner[0]}" if len(inner) == 1 else f"{inner[0]} {head} {inner[1]}"


def names_in(expression: Expression) -> Iterator[str]:
    """Yield the names an expression uses, with repeats.

    Examples
    --------
    >>> list(names_in(parse_expression("a * b + a")))
    ['a', 'b', 'a']
    """
    head, *rest = expression
    if head == "name":
        yield str(rest[0])
    for part in rest:
        if isinstance(part, tuple):
            yield from names_in(part)


@dataclass(frozen=True)
class Layer:
    """Assumptions stated in one place; a later layer overrides an earlier one.

    Attributes
    ----------
    document : Document
        Where they stand.
    at : tuple
        Keys of the mapping that holds them inside the document.
    entries : mapping
        The valid ones by name.
    names : tuple of str
        All names in the order written, the invalid ones too.
    written : tuple of str
        The same with the kinds of `bundles` in their places.
    correlations : tuple
        Valid rank correlations with their places in the list.
    bundles : mapping of str to tuple of str
        Catalogue names stated, by kind; several where one of them is chosen by chance.
    bundle : bool
        True where the layer itself comes out of a catalogue.
    faults : tuple of Fault
        What is wrong with its entries.
    """

    document: Document
    at: tuple[Key, ...]
    entries: Mapping[str, AssumptionEntry]
    names: tuple[str, ...]
    correlations: tuple[tuple[int, CorrelationEntry], ...] = ()
    bundles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bundle: bool = False
    written: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    def fault(self, name: str, keys: Sequence[Key], message: str) -> Fault:
        """Make a fault inside the assumption `name`."""
        return self.document.fault((*self.at, name, *keys), message)


@dataclass(frozen=True)
class Law:
    """A distribution with its parameters, each a number or the name of an assumption.

    Attributes
    ----------
    family : str
        A name in `distributions.FAMILIES`, ``mixture``, or ``pick``: the one of `data` at
        the place that the assumption's expression gives.
    fields : tuple of (str, number or name)
        The parametrization as stated, in canonical units.
    weights, parts
        Of a mixture or a choice.
    data : tuple of float
        Of an empirical distribution: the values of its column. Options of a choice of rows.
    origin : str
        Where they come from, in words.
    read : InputFile or None
        The file that they come from.
    """

    family: str
    fields: tuple[tuple[str, Number], ...] = ()
    weights: tuple[Number, ...] = ()
    parts: tuple["Law", ...] = ()
    data: tuple[float, ...] = ()
    origin: str = ""
    read: InputFile | None = field(default=None, compare=False)

    def files(self) -> Iterator[InputFile]:
        """Yield the files that values come from."""
        if self.read is not None:
            yield self.read
        for part in self.parts:
            yield from part.files()

    def references(self) -> Iterator[str]:
        """Yield the names of the assumptions that the parameters name."""
        values = (*(value for _, value in self.fields), *self.weights)
        yield from (str(value) for value in values if isinstance(value, Reference))
        for part in self.parts:
            yield from part.references()

    def quantities(self) -> Iterator[tuple[str, str]]:
        """Yield the parameters that name assumptions and carry the unit: (key, name)."""
        plain = FAMILIES[self.family].plain if self.family in FAMILIES else ()
        for key, value in self.fields:
            if isinstance(value, Reference) and key not in plain:
                yield key, str(value)
        for part in self.parts:
            yield from part.quantities()

    def __str__(self) -> str:
        if self.parts:
            return f"{self.family} of {len(self.parts)}"
        if self.data:
            return f"{self.family} {{{self.origin}}}" if self.origin else f"one of {len(self.data)}"
        if self.family == "fixed":
            return _digits(self.fields[0][1])
        inside = ", ".join(f"{key}: {_digits(value)}" for key, value in self.fields)
        tails = ""
        if self.family == "quantiles":
            ends = {float(key) for key, _ in self.fields} & {0.0, 1.0}
            tails = f" with {('normal', 'lognormal', 'logit-normal')[len(ends)]} tails"
        return f"{self.family} {{{inside}}}{tails}"


def _digits(value: Number) -> str:
    return value if isinstance(value, Reference) else f"{value:.6g}"


@dataclass(frozen=True)
class Assumption:
    """One uncertain input, after all layers: a law or an expression, with its provenance.

    Attributes
    ----------
    index : int
        Its coordinate of the unit cube: its place among all names, in file order.
    low, high
        Truncation; None where there is none.
    unit : str
        Unit of its value; `written_unit` is that of the numbers in the file.
    varies : bool
        True where it differs from query to query.
    solved_for : str
        The output whose published value it was chosen to give: then it explains nothing.
    """

    name: str
    index: int
    law: Law | None
    expression: Expression | None
    layer: Layer
    low: Number | None = None
    high: Number | None = None
    varies: bool = False
    unit: str = ""
    written_unit: str | None = None
    group: str = ""
    source: str = ""
    basis: str = ""
    note: str = ""
    solved_for: str = ""

    def __str__(self) -> str:
        place = written_out(self.expression) if self.expression else ""
        law = f"{self.law}, by {place}" if self.law and place else str(self.law or place)
        ends = {"low": self.low, "high": self.high}
        cut = ", ".join(f"{key}: {_digits(end)}" for key, end in ends.items() if end is not None)
        return f"{law}, truncate {{{cut}}}" if cut else law

    @property
    def parents(self) -> frozenset[str]:
        """Names whose values shape this assumption's law."""
        ends = (str(end) for end in (self.low, self.high) if isinstance(end, Reference))
        return frozenset([*(self.law.references() if self.law else ()), *ends])

    @property
    def needs(self) -> frozenset[str]:
        """Names that must be known before this one is."""
        return self.parents | frozenset(names_in(self.expression) if self.expression else ())

    @property
    def fixed(self) -> bool:
        """True where its own value is stated, so that its coordinate does nothing."""
        return self.expression is not None or (self.law is not None and self.law.family == "fixed")

    def quantities(self) -> Iterator[tuple[str, str]]:
        """Yield where names of assumptions stand for a value in this one's unit: (key, name)."""
        if self.law is not None:
            yield from ((self.law.family, name) for _, name in self.law.quantities())
        ends = (end for end in (self.low, self.high) if isinstance(end, Reference))
        yield from (("truncate", str(end)) for end in ends)

    def fault(self, message: str, *keys: Key) -> Fault:
        """Make a fault at this assumption."""
        return self.layer.fault(self.name, keys, message)


@dataclass(frozen=True)
class Correlation:
    """A Spearman rank correlation between two root assumptions."""

    first: str
    second: str
    rank: float


@dataclass(frozen=True)
class Resolution:
    """All layers merged, checked as far as files go.

    Attributes
    ----------
    assumptions : tuple of Assumption
        In an order in which each follows what it needs.
    correlations : tuple of Correlation
        Between uncertain roots.
    faults, notices : tuple of Fault
        What is wrong, and what is worth knowing.
    broken : frozenset of str
        Names stated, but not validly.
    others : tuple of Resolution
        The same with each scenario that is not chosen.
    lacking : mapping of str to Fault
        Inputs that only some of the catalogue names chosen among have: wrong where they are used.
    """

    assumptions: tuple[Assumption, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    faults: tuple[Fault, ...] = ()
    notices: tuple[Fault, ...] = ()
    broken: frozenset[str] = frozenset()
    others: tuple["Resolution", ...] = ()
    lacking: Mapping[str, Fault] = field(default_factory=dict)


def row_of(file: str) -> str:
    """Name the assumption that says which row of a file holds, from 0.

    Examples
    --------
    >>> row_of("data/chat-2024.csv")
    'chat_2024_row'
    """
    stem = re.sub(r"\W", "_", Path(file).stem, flags=re.ASCII)
    return f"_{stem}_row" if stem[:1].isdigit() else f"{stem}_row"


def convert(
    name: str, index: int, entry: AssumptionEntry, layer: Layer, below: Assumption | None = None
) -> tuple[Assumption, list[Fault]]:
    """Turn the topmost entry of `name` into an assumption, its numbers in the canonical unit.

    Unit, variation and group of the one `below` hold where the entry states none.
    """
    unit = below.unit if below and below.unit else entry.unit or ""
    if name in INPUTS:
        unit = INPUTS[name].unit
    elif not unit and (written := next(_quantities(entry), None)):
        try:
            unit = base_unit(written.unit)
        except UnitError:
            unit = ""
    work = _Conversion(name, layer, unit)
    written_unit = entry.unit or (below.written_unit if below else None)
    if written_unit is not None:
        work.scale = work.factor(written_unit, unit, "unit")
    column = getattr(entry, "empirical", None)
    rows = column is not None and bool(column.rows)
    expression: Expression | None = ("name", row_of(column.file)) if column and rows else None
    if entry.expression is not None:
        try:
            expression = parse_expression(entry.expression)
        except ExpressionError as error:
            work.fault(str(error), "expression")
            expression = ("number", 0.0)
        # A place among several numbers has no unit.
        if work.scale != 1 and not isinstance(entry, Picked):
            expression = ("*", expression, ("number", work.scale))
    low: Number | None = None
    high: Number | None = None
    if entry.truncate is not None:
        if rows:
            text = "cannot cut one column of rows: file; take rows out of the CSV file instead"
            work.fault(text, "truncate")
        if entry.truncate.low is not None:
            low = work.number(entry.truncate.low, "truncate", "low")
        if entry.truncate.high is not None:
            high = work.number(entry.truncate.high, "truncate", "high")
        if isinstance(low, float) and isinstance(high, float) and low >= high:
            text = f"must be greater than low = {low:g} (got {high:g})"
            work.fault(text, "truncate", "high")
    return Assumption(
        name=name,
        index=index,
        law=work.entry_law(entry),
        expression=expression,
        layer=layer,
        low=low,
        high=high,
        varies=entry.varies == "query" or (below is not None and below.varies),
        unit=unit,
        written_unit=written_unit,
        group=entry.group or (below.group if below else ""),
        source=entry.source or "",
        basis=entry.basis or "",
        note=entry.note or "",
        solved_for=entry.solved_for or "",
    ), work.faults


def _quantities(value: object) -> Iterator[Quantity]:
    """Yield the numbers with a unit that an entry holds."""
    if isinstance(value, Quantity):
        yield value
    elif isinstance(value, OneFamily):
        for key in value.families():
            yield from _quantities(getattr(value, key))
    elif isinstance(value, Distribution):
        yield from _quantities(tuple(value.fields().values()))
    elif isinstance(value, tuple):
        for item in value:
            yield from _quantities(item)


@dataclass
class _Conversion:
    """Collects faults while the numbers of one entry go over to one unit."""

    name: str
    layer: Layer
    unit: str
    scale: float = 1.0
    faults: list[Fault] = field(default_factory=list)

    def fault(self, message: str, *keys: Key) -> None:
        self.faults.append(self.layer.fault(self.name, keys, message))

    def factor(self, unit: str, to: str, *keys: Key, number: float | None = None) -> float:
        try:
            return factor(unit, to)
        except UnitError as error:
            hint = hint_for_unit(number, unit) if number is not None else ""
            self.fault(f"{error}; {hint}" if hint else str(error), *keys)
            return 1.0

    def number(self, value: Scalar, *keys: Key, plain: bool = False) -> Number:
        """Convert one scalar; a name stays a name."""
        if isinstance(value, Reference):
            return value
        if isinstance(value, Quantity):
            to = "1" if plain else self.unit
            return value.number * self.factor(value.unit, to, *keys, number=value.number)
        return value if plain else value * self.scale

    def entry_law(self, entry: AssumptionEntry) -> Law | None:
        """Make the law of a whole entry."""
        if entry.mixture is not None:
            parts = [self.law(part, "mixture", i) for i, part in enumerate(entry.mixture)]
            weights = [
                self.number(part.weight, "mixture", i, "weight", plain=True)
                for i, part in enumerate(entry.mixture)
            ]
            self.check_weights(weights, "mixture")
            return Law("mixture", weights=tuple(weights), parts=tuple(parts))
        if isinstance(entry, Picked):
            return Law("pick", data=tuple(number * self.scale for number in entry.numbers))
        return None if entry.expression is not None else self.law(entry)

    def law(self, entry: OneFamily, *at: Key) -> Law:
        """Make the law of what states one family."""
        [family] = entry.families()
        distribution = getattr(entry, family)
        if family == "fixed":
            return Law(family, (("value", self.number(distribution, *at, family)),))
        at = (*at, family)
        if family == "choice":
            options = [
                self.number(x, *at, "options", i) for i, x in enumerate(distribution.options)
            ]
            shares = (
                distribution.weights if distribution.weights is not None else (1.0,) * len(options)
            )
            weights = [self.number(x, *at, "weights", i, plain=True) for i, x in enumerate(shares)]
            self.check_weights(weights, *at, "weights")
            parts = tuple(Law("fixed", (("value", option),)) for option in options)
            return Law("choice", weights=tuple(weights), parts=parts)
        if family == "empirical":
            read = partial(read_column, distribution.file, place=self.layer.document.place)
            column, often = read(distribution.column), distribution.weights
            counts = read(often) if often else Column()
            for key, message in (*column.faults, *(("weights", text) for _, text in counts.faults)):
                self.fault(message, *at, key)
            if often and (not distribution.rows or min(counts.values, default=0) < 0):
                text = "says how often whole rows count, 0 or more: rows: file goes with it"
                self.fault(text, *at, "weights")
            if distribution.rows and len(at) > 1:
                text = "a part of a mixture cannot be drawn row by row; take rows out"
                self.fault(text, *at, "rows")
            values = tuple(value * self.scale for value in column.values)
            kind = "pick" if distribution.rows else "empirical"
            law = Law(kind, data=values, origin=column.origin, read=column.read)
            return replace(law, weights=counts.values)
        row = FAMILIES[family]
        fields = {
            key: self.number(value, *at, key, plain=key in row.plain)
            for key, value in distribution.fields().items()
        }
        floats = {k: v for k, v in fields.items() if not isinstance(v, Reference)}
        for key, message in complaints(family, floats):
            self.fault(message, *at, key)
        if row.solved and PERCENTILES.keys() & fields.keys():
            text = f"must be a number where {family} is given by percentiles, not a name"
            for key in fields.keys() - floats.keys():
                self.fault(text, *at, key)
        return Law(family, tuple(fields.items()))

    def check_weights(self, weights: Sequence[Number], *at: Key) -> None:
        if all(not isinstance(weight, Reference) and weight == 0 for weight in weights):
            self.fault("at least one weight must be greater than 0", *at)
