"""Options that the commands share, and what a question about a file consists of."""

import hashlib
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.errors import InputError

if TYPE_CHECKING:
    from uncertainty.files import Priors
    from uncertainty.problem import Problem


_LONGEST = 80  # characters of the name of a folder, before a mark tells more apart
_LONGEST_VALUE = 10_000
"""Characters of one value; what is longer belongs into a file."""
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


def _finite(text: str) -> float:
    """Read a number that is one."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise typer.BadParameter(f"must be a finite number (got {text!r})")
    return number


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
Draws = Annotated[
    int | None, typer.Option(min=32, max=2**36, help="Epistemic draws over all randomizations.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Same seed and file, same numbers.")]
Prob = Annotated[float, typer.Option(help="Probability of the wider interval.")]
Above = Annotated[
    float | None,
    typer.Option(metavar="FLOAT", parser=_finite, help="Give the chance of exceeding this."),
]
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
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace another question's result, or files not written by uncertainty."
    ),
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

    def problem(self) -> "Problem":
        """Check it, and say what is to be known before the answer."""
        problem = self._built(self.priors())
        _say_first(problem)
        return problem

    def _built(self, priors: "Priors") -> "Problem":
        from uncertainty import build_problem
        from uncertainty.files import model_of_text

        model = model_of_text(self.model) if self.model else None
        given = dict(_settings(self.sets))
        names = None if self.evidence is None else [n for n in self.evidence if n != "none"]
        return build_problem(priors, model, given, self.scenario, names)

    def every_scenario(self) -> "dict[str, Problem]":
        """Check the file as stated, and with each of its scenarios."""
        priors = self.priors()
        names = {"as stated": None, **{name: name for name in priors.scenarios}}
        built = {k: replace(self, scenario=name)._built(priors) for k, name in names.items()}
        _say_first(*built.values())
        return built

    @property
    def folder_name(self) -> str:
        """Name of file and all that differs from it: ``calibrated-gpt-4o-pue=1.2``."""
        return folder_name([_file_name(self.file), *self.changes()])

    def changes(self) -> list[str]:
        """What differs from the file, in short."""
        evidence = [] if self.evidence is None else ["evidence", *sorted(self.evidence)]
        return [*filter(None, [self.scenario, self.model]), *sorted(self.sets), *evidence]

    def asked(self, what: str, folder: Path) -> dict[str, object]:
        """Say what makes it another question than that of another result in a folder.

        Draws, seed, probability and quantity do not: the same is asked, and answered anew. A file
        is the same file after it was changed.
        """
        differs = {
            "file": _identity(self.file, folder),
            "scenario": self.scenario,
            "model": self.model,
            "set": sorted(self.sets),
            "evidence": None if self.evidence is None else sorted(self.evidence),
        }
        return {"what": what} | {k: v for k, v in differs.items() if v not in (None, "", [])}


def folder_name(parts: Iterable[str]) -> str:
    """Join what tells results apart to the name of a folder.

    Examples
    --------
    >>> folder_name(["gpt-4o", "pue={fixed: 1.2}"])
    'gpt-4o-pue=_fixed_1.2'
    """
    parts = list(parts)
    name = "-".join(re.sub(r"[^\w.+=-]+", "_", part).strip("_.-") for part in parts)
    if len(name) <= _LONGEST:
        return name
    mark = hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:8]
    return f"{name[:_LONGEST]}-{mark}"


def _found(file: str) -> Path | None:
    from uncertainty.files import Place, find_file

    return find_file(file, Place(Path.cwd(), None))


def _file_name(file: str) -> str:
    """Name a file: a shipped one as it is called, one of the user's by its path from here."""
    from uncertainty.files import shipped_folder, shipped_names

    path = (_found(file) or Path(file)).resolve()
    if path.is_relative_to(shipped_folder()):
        return "-".join(path.relative_to(shipped_folder()).with_suffix("").parts)
    if not path.is_relative_to(Path.cwd().resolve()):
        mark = hashlib.sha256(str(path.parent).encode(errors="replace")).hexdigest()[:6]
        return f"{path.stem}-{mark}"
    name = "-".join(path.relative_to(Path.cwd().resolve()).with_suffix("").parts)
    shipped = {shipped.replace("/", "-") for shipped in shipped_names()}
    return f"my-{name}" if name in shipped else name


def _identity(file: str, folder: Path) -> str:
    """Name a file so that a project which is moved as a whole stays the same."""
    from uncertainty.files import shipped_folder, shown_path

    path = (_found(file) or Path(file)).resolve()
    if path.is_relative_to(shipped_folder()):
        return shown_path(path)
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(path)


def _settings(items: Sequence[str]) -> Iterator[tuple[str, object]]:
    """Read NAME=VALUE, each name once."""
    seen = dict[str, str]()
    for item in items:
        name, equals, text = (part.strip() for part in item.partition("="))
        if not equals or not name:
            raise InputError.of("--set", f"write NAME=VALUE (got {item!r:.80})")
        if name in seen:
            raise InputError.of("--set", f"{name} is set twice ({seen[name]} and {text}); keep one")
        seen[name] = text
        yield name, _parsed(name, text)


def _parsed(name: str, text: str) -> object:
    from uncertainty.files import hint_for_number, parse_yaml

    if len(text) > _LONGEST_VALUE:
        told = f"longer than {_LONGEST_VALUE:,} characters; use a file"
        raise InputError.of("--set", f"{name}: {told}")
    if text[:1] in {">", "|"}:  # to YAML, the beginning of a text of several lines
        return text
    try:
        return parse_yaml(text)
    except Exception as error:
        hint = hint_for_number(text)
        told = f"{name}: not a value: {text!r:.80}" + (f"; {hint}" if hint else "")
        raise InputError.of("--set", told) from error


def _say_first(*problems: "Problem") -> None:
    """Say before any answer what was set in vain, and what looks like a slip."""
    cautions = (str(caution) for problem in problems for caution in problem.cautions)
    for caution in dict.fromkeys(cautions):
        print(f"note: {caution}", file=sys.stderr if "--json" in sys.argv else sys.stdout)


def check_prob(prob: float) -> None:
    """Refuse what is no probability."""
    if not 0 < prob < 1:
        raise InputError.of("--prob", f"must lie between 0 and 1 (got {prob:g})")
