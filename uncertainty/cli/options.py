"""Options that the commands share, and what a question about a file consists of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.errors import InputError

if TYPE_CHECKING:
    from uncertainty.problem import Problem
    from uncertainty.spec import Priors

__all__ = [
    "DEFECT",
    "DONE",
    "INPUT_AT_FAULT",
    "NOT_TRUSTED",
    "Above",
    "AsJson",
    "Checkpoint",
    "Dask",
    "Debug",
    "Draws",
    "EvidenceNames",
    "Executor",
    "File",
    "Model",
    "Out",
    "Outside",
    "Prob",
    "Quantity",
    "Question",
    "Scenario",
    "Scenarios",
    "Seed",
    "Sets",
    "Tolerance",
    "check_folder",
    "check_prob",
]

DONE, DEFECT, INPUT_AT_FAULT, NOT_TRUSTED = 0, 1, 2, 3


def _share(text: str) -> float:
    """Read 0.1% or 0.001."""
    try:
        share = float(text.removesuffix("%")) * (0.01 if text.endswith("%") else 1.0)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise typer.BadParameter(f"write 0.1% or 0.001 (got {text!r})")
    return share


File = Annotated[str, typer.Argument(help="A prior file, or the name of a shipped one (gpt-4o).")]
Out = Annotated[Path | None, typer.Option(help="Folder to write; results/NAME if not given.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Fix or replace an assumption."),
]
Scenario = Annotated[str | None, typer.Option(help="A scenario of the file.")]
Scenarios = Annotated[
    str | None, typer.Option("--scenario", help="A scenario of the file, or all, side by side.")
]
Model = Annotated[
    str | None, typer.Option(help="A shipped model, or your own function as my_model.py:function.")
]
Draws = Annotated[int | None, typer.Option(min=32, help="Epistemic draws over all randomizations.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed and file, same numbers.")]
Prob = Annotated[float, typer.Option(help="Probability of the wider interval.")]
Above = Annotated[float | None, typer.Option(help="Give the chance of exceeding this.")]
EvidenceNames = Annotated[
    list[str] | None,
    typer.Option("--evidence", metavar="NAME", help="Evidence in place of the file's; or none."),
]
Quantity = Annotated[str | None, typer.Option(help="The output to report and rank.")]
Tolerance = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        parser=_share,
        help="Draw until every quantile is known this well: 0.1% or 0.001.",
    ),
]
Executor = Annotated[
    str | None, typer.Option(help="serial, devices, dask, or the address of a Dask scheduler.")
]
Dask = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler: tcp://host:8786.")
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Keep the state of the draws here, and go on from it.")
]
Outside = Annotated[
    bool, typer.Option("--allow-outside", help="Let the file read files outside its folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


@dataclass(frozen=True)
class Question:
    """What every verb is asked."""

    file: str
    sets: Sequence[str]
    scenario: str | None
    model: str | None
    allow_outside: bool = False
    evidence: Sequence[str] | None = None

    def priors(self) -> "Priors":
        """Read the file."""
        from uncertainty import load_priors

        return load_priors(self.file, allow_outside=self.allow_outside)

    def problem(self, priors: "Priors | None" = None) -> "Problem":
        """Check it."""
        from uncertainty import build_problem
        from uncertainty.spec import model_of_text

        model = model_of_text(self.model) if self.model else None
        given = dict(_parsed(item) for item in self.sets)
        names = None if self.evidence is None else [n for n in self.evidence if n != "none"]
        return build_problem(priors or self.priors(), model, given, self.scenario, names)

    def every_scenario(self) -> "dict[str, Problem]":
        """Check the file as stated, and with each of its scenarios."""
        priors = self.priors()
        names = {"as stated": None, **{name: name for name in priors.scenarios}}
        return {k: replace(self, scenario=name).problem(priors) for k, name in names.items()}

    @property
    def folder_name(self) -> str:
        """Name of all that differs, so that no result replaces another unasked."""
        scenario = [self.scenario] if self.scenario else []
        differs = ["set"] if self.sets or self.evidence is not None else []
        return "-".join([Path(self.file).stem, *scenario, *differs])


def _parsed(item: str) -> tuple[str, object]:
    from uncertainty.spec import parse_yaml

    name, equals, text = item.partition("=")
    if not equals or not name.strip():
        raise InputError.of("--set", f"write NAME=VALUE (got {item!r})")
    try:
        return name.strip(), parse_yaml(text)
    except Exception as error:
        raise InputError.of("--set", f"{name}: not a value: {text!r}") from error


def check_folder(folder: Path) -> None:
    """Find out before the work is done whether its results can be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.of("--out", f"cannot write to {folder}: {error.strerror}") from error


def check_prob(prob: float) -> None:
    """Refuse what is no probability."""
    if not 0 < prob < 1:
        raise InputError.of("--prob", f"must lie between 0 and 1 (got {prob:g})")
