"""What the rest of the package sees of prior files: assumptions in canonical units."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from uncertainty.errors import Fault
from uncertainty.files.document import Key
from uncertainty.files.expressions import Expression, names_in, told
from uncertainty.files.families import FAMILY_CLASSES
from uncertainty.files.layers import Layer
from uncertainty.files.library import InputFile
from uncertainty.files.values import Reference

Number: TypeAlias = float | Reference


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
        plain = FAMILY_CLASSES[self.family].plain if self.family in FAMILY_CLASSES else ()
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
            return _shown(self.fields[0][1])
        inside = ", ".join(f"{key}: {_shown(value)}" for key, value in self.fields)
        tails = f" with {_tails(dict(self.fields))} tails" if self.family == "quantiles" else ""
        return f"{self.family} {{{inside}}}{tails}"


def _tails(fields: Mapping[str, Number]) -> str:
    ends = {float(key) for key in fields} & {0.0, 1.0}
    return ("normal", "lognormal", "logit-normal")[len(ends)]


def _shown(value: Number) -> str:
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
        Unit of its value; `stated_unit` is that of the numbers in the file.
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
    stated_unit: str | None = None
    group: str = ""
    source: str = ""
    basis: str = ""
    note: str = ""
    solved_for: str = ""

    def __str__(self) -> str:
        place = told(self.expression) if self.expression else ""
        law = f"{self.law}, by {place}" if self.law and place else str(self.law or place)
        ends = {"low": self.low, "high": self.high}
        cut = ", ".join(f"{key}: {_shown(end)}" for key, end in ends.items() if end is not None)
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
