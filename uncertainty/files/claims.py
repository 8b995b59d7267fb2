"""Ledger files: published claims, what they should come to, and how to compute it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from uncertainty.errors import InputError, nearest
from uncertainty.files.document import read_document
from uncertainty.files.families import Strict
from uncertainty.files.library import Place, shipped_folder, shown_path, source_keys, sources
from uncertainty.files.validation import validate

_KINDS = ("number", "model", "formula", "file")
Text = Annotated[str, StringConstraints(min_length=1)]


class Term(Strict):
    """One number that a computation uses: stated, or computed by the package."""

    number: float | None = Field(None, description="a number as it is")
    model: str | None = Field(None, description="an energy model, at `inputs`; gives `output`")
    formula: str | None = Field(None, description="a formula of the package, at `inputs`")
    like: str | None = Field(None, description="an earlier term whose model and inputs hold too")
    inputs: dict[str, float] = Field(default_factory=dict)
    output: str | None = Field(None, description="of a model, or of a prior file's problem")
    file: str | None = Field(None, description="a prior file: a quantile of its `statistic`, prior")
    scenario: str | None = None
    against: str | None = Field(None, description="a second file: their ratio, or why they differ")
    against_scenario: str | None = None
    give: Literal["quantile", "chance_above", "log_ratio", "contributions"] = "quantile"
    statistic: Literal["typical", "mean", "query"] = "typical"
    probability: float = Field(0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_kind(self) -> "Term":
        kinds = [key for key in (*_KINDS, "like") if getattr(self, key) is not None]
        if len(kinds) != 1:
            raise PydanticCustomError("term", "give one of number, model, formula, file, like")
        return self


class Expected(Strict):
    """What a computed number is held to: the ends of a range."""

    computed: Text = Field(description="arithmetic over the terms")
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _some_end(self) -> "Expected":
        if self.low is None and self.high is None:
            raise PydanticCustomError("expected", "give low, high or both")
        return self


class Today(Strict):
    """What the claimed number is set against: a shipped file that asks the same."""

    claimed: float = Field(description="the number claimed, in the unit of the output")
    file: Text = Field(description="a prior file")
    scenario: str | None = None
    output: str = "energy_wh"
    statistic: Literal["typical", "mean", "query"] = "typical"


class Claim(Strict):
    """A published claim."""

    id: Text
    source: Text = Field(description="a key of sources.bib")
    claim: Text = Field(description="what it says, in our own words")
    expected: Text = Field(description="what it should come to, for people")
    unit: str = Field("", description="of the computed numbers")
    terms: dict[str, Term] = Field(default_factory=dict)
    holds: tuple[Expected, ...] = Field(min_length=1)
    note: str | None = Field(None, description="what to know of the computation")
    slip: str | None = Field(None, description="where the source slips, and why physics decides")
    today: Today | None = Field(None, description="what the claim is judged by; else it is not")


class _LedgerFile(Strict):
    schema_version: Literal[1] = Field(alias="schema")
    title: str
    claims: tuple[Claim, ...]


def read_ledger(path: Path | None = None) -> tuple[Claim, ...]:
    """Read a ledger; the shipped one where no path is given.

    Raises
    ------
    InputError
        With every fault of the file.

    Examples
    --------
    >>> read_ledger()[0].id
    'E1'
    """
    path = path or shipped_folder() / "ledger" / "claims.yaml"
    place = Place(path.parent, None)
    document, faults = read_document(path, shown_path(path), place)
    if document is None:
        raise InputError(faults)
    found, faults = validate(_LedgerFile, document.data, document)
    claims = found.claims if found else ()
    known = source_keys(place) | frozenset(sources())
    seen = set[str]()
    for i, claim in enumerate(claims):
        if claim.source not in known:
            text = f"{claim.source!r} is no key of a sources.bib{nearest(claim.source, known)}"
            faults.append(document.fault(("claims", i, "source"), text))
        if claim.id in seen:
            faults.append(document.fault(("claims", i, "id"), f"{claim.id!r} stands twice"))
        seen.add(claim.id)
    if faults:
        raise InputError(faults)
    return claims
