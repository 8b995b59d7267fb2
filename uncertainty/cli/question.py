"""What commands are asked, by options declared once, and the folder of the answer."""

import functools
import hashlib
import inspect
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

from uncertainty.errors import InputError
from uncertainty.writing import json_text, reason, refuse_inputs, write_text

if TYPE_CHECKING:
    from uncertainty.files import Evidence, Priors
    from uncertainty.problem import Problem, Setup

DONE, DEFECT, INPUT_AT_FAULT, NOT_TRUSTED = 0, 1, 2, 3

_LONGEST = 80  # characters of the name of a folder, before a mark tells more apart
_LONGEST_VALUE = 10_000  # characters of one value; what is longer belongs into a file
_RECORD = "question.json"
_UNFINISHED = ".unfinished"


def finite(text: str) -> float:
    """Read a number that is not infinite."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise typer.BadParameter(f"must be a finite number (got {text!r})")
    return number


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print tracebacks.")]
Force = Annotated[
    bool, typer.Option("--force", help="Replace what is there: another result, or foreign files.")
]
Above = Annotated[
    float | None,
    typer.Option(metavar="FLOAT", parser=finite, help="Give the chance of exceeding this."),
]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a command is asked about a file: the options that commands share."""

    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A prior file, or the name of a shipped one (gpt-4o)."),
    ] = ""
    out: Annotated[
        str | None, typer.Option(metavar="PATH", help="Folder to write; in results/ if not given.")
    ] = None
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Fix or replace an assumption."),
    ] = None
    scenario: Annotated[str | None, typer.Option(help="A scenario of the file.")] = None
    model: Annotated[
        str | None,
        typer.Option(help="A shipped model, or your own function as my_model.py:function."),
    ] = None
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Evidence in place of the file's, or none; +NAME: beside it."
        ),
    ] = None
    draws: Annotated[
        int | None, typer.Option(min=32, max=2**36, help="Epistemic draws over all randomizations.")
    ] = None
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Same seed and file, same numbers.")
    ] = 0
    prob: Annotated[float, typer.Option(help="Probability of the wider interval.")] = 0.9
    quantity: Annotated[str | None, typer.Option(help="The output to report and rank.")] = None
    usage: Annotated[
        str | None, typer.Option(metavar="FILE", help="Your tokens, as import-usage writes them.")
    ] = None
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Let the file read files outside its folder.")
    ] = False
    png: Annotated[bool, typer.Option("--png", help="Write figures as PNG too.")] = False
    resample: Annotated[
        bool, typer.Option("--resample", help="Sample a posterior anew that was sampled before.")
    ] = False
    force: Force = False
    as_json: AsJson = False
    debug: Debug = False

    def problem(self) -> "Problem":
        """Build it, and say what is to be known before the answer."""
        from uncertainty.problem import compiled

        problem = compiled(self.set_up())
        say_first(map(str, problem.cautions))
        return problem

    def every_scenario(self) -> "dict[str, Problem]":
        """Build the file as it is, and with each of its scenarios."""
        from uncertainty.problem import compiled

        each = {"as stated": (first := replace(self, scenario=None).set_up())}
        for name in first.priors.scenarios:
            each[name] = replace(self, scenario=name).set_up(first.priors)
        built = {name: compiled(setup) for name, setup in each.items()}
        say_first(str(caution) for problem in built.values() for caution in problem.cautions)
        return built

    def set_up(self, priors: "Priors | None" = None) -> "Setup":
        """Check all that can be checked before anything is computed."""
        from uncertainty.files import evidence_in, load_priors, model_of_text
        from uncertainty.problem import set_up

        priors = priors or load_priors(
            self.file, usage=self.usage or "", allow_outside=self.allow_outside
        )
        model = model_of_text(self.model) if self.model else None
        given = dict(settings(self.sets or []))
        evidence: list[Evidence | str] | None = None
        if self.added:
            evidence = [*evidence_in(priors), *self.added]
        elif self.evidence is not None:
            evidence = [name for name in self.evidence if name != "none"]
        return set_up(priors, model, given, self.scenario, evidence)

    @property
    def added(self) -> list[str]:
        """Evidence beside the file's; it is all of it that is named, or none."""
        added = [name[1:] for name in self.evidence or () if name.startswith("+")]
        if added and len(added) < len(self.evidence or ()):
            text = "write + before every name (beside the file's evidence) or before none"
            raise InputError.of("--evidence", text)
        return added

    @property
    def folder_name(self) -> str:
        """Name of file and all that differs from it: ``calibrated-gpt-4o-pue=1.2``."""
        from uncertainty.files import shipped_folder, shipped_names

        path, here = _path(self.file), Path.cwd().resolve()
        if path.is_relative_to(shipped_folder()):
            name = "-".join(path.relative_to(shipped_folder()).with_suffix("").parts)
        elif path.is_relative_to(here):
            name = "-".join(path.relative_to(here).with_suffix("").parts)
            if name in {shipped.replace("/", "-") for shipped in shipped_names()}:
                name = f"my-{name}"
        else:  # files of one name in other folders are other files
            name = f"{path.stem}-{_mark(str(path.parent), 6)}"
        return folder_name([name, *self.changes()])

    def changes(self) -> list[str]:
        """What differs from the file, in short."""
        evidence = [] if self.evidence is None else ["evidence", *sorted(self.evidence)]
        one = filter(None, [self.scenario, self.model, self.usage])
        return [*one, *sorted(self.sets or []), *evidence]

    def folder(self, suffix: str = "") -> Path:
        """Where the answer goes."""
        return Path(self.out) if self.out else Path("results") / f"{self.folder_name}{suffix}"

    def place(
        self, folder: Path, asked: Mapping[str, object], command: str, read: Sequence[Path]
    ) -> "ResultFolder":
        """Hold the folder of the answer."""
        named = bool(self.out)
        return ResultFolder(folder, asked, command, force=self.force, read=read, named=named)

    def asked(self, what: str, folder: Path) -> dict[str, object]:
        """Say what makes it another question than that of another result in a folder.

        Draws, seed, probability and quantity do not: the same is asked, and answered anew. A file
        is the same file after it was changed.
        """
        from uncertainty.files import shipped_folder, shown_path

        path = _path(self.file)
        # Seen from the folder: a project that is moved as a whole stays the same.
        file = str(path)
        if path.is_relative_to(shipped_folder()):
            file = shown_path(path)
        else:
            with suppress(ValueError):  # on another drive
                file = Path(os.path.relpath(path, folder.resolve())).as_posix()
        differs = {
            "file": file,
            "scenario": self.scenario,
            "model": self.model,
            "usage": self.usage,
            "set": sorted(self.sets or []),
            "evidence": None if self.evidence is None else sorted(self.evidence),
        }
        return {"what": what} | {k: v for k, v in differs.items() if v not in (None, "", [])}


def asking(
    *, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a `Question`, but for some; it gets them as one argument.

    An option of its own takes the place of the shared one of that name.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *options = inspect.signature(command).parameters.values()
        mine = {parameter.name: parameter for parameter in options}
        hints = get_type_hints(Question, include_extras=True)
        shared = {
            field.name: inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                # Of all that commands share, the file alone has to be given.
                default=inspect.Parameter.empty if field.name == "file" else field.default,
                annotation=hints[field.name],
            )
            for field in fields(Question)
            if field.name not in {*without, *mine}
        }
        names = {field.name for field in fields(Question)}

        @functools.wraps(command)
        def call(**given: object) -> None:
            for key, value in given.items():
                name = {"file": "FILE", "files": "FILE", "sets": "--set"}.get(key, f"--{key}")
                for text in value if isinstance(value, list) else [value]:
                    if isinstance(text, str):
                        _check_text(name.replace("_", "-"), text)
            question = Question(**{k: v for k, v in given.items() if k in names})  # type: ignore[arg-type]  # typer has checked them
            if not 0 < question.prob < 1:
                raise InputError.of("--prob", f"must lie between 0 and 1 (got {question.prob:g})")
            command(question, **{k: v for k, v in given.items() if k in mine})

        # What typer reads.
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in options]
        every = [*parameters, *shared.values()]
        call.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]  # of functions
        call.__annotations__ = {p.name: p.annotation for p in every}
        return call

    return decorate


def _check_text(option: str, text: str) -> None:
    """Refuse a text that says nothing, and one that no file can hold."""
    if not text.strip():
        raise InputError.of(option, "is empty: write a value, or leave it out")
    # Python has lone surrogates for bytes of the command line that are not UTF-8.
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise InputError.of(option, f"is not text in UTF-8 (got {text!a:.80})")


def folder_name(parts: Iterable[str]) -> str:
    """Join what tells results apart to the name of a folder.

    Examples
    --------
    >>> folder_name(["gpt-4o", "pue={fixed: 1.2}"])
    'gpt-4o-pue=_fixed_1.2'
    """
    parts = list(parts)
    name = "-".join(re.sub(r"[^\w.+=-]+", "_", part).strip("_.-") for part in parts)
    mark = _mark("\n".join(parts), 8)
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{mark}"


def _mark(text: str, length: int) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:length]


def _path(file: str) -> Path:
    from uncertainty.files import Place, find_file

    return (find_file(file, Place(Path.cwd(), None)) or Path(file)).resolve()


def settings(items: Sequence[str]) -> Iterator[tuple[str, object]]:
    """Read NAME=VALUE, each name once."""
    from uncertainty.files import hint_for_number, parse_yaml

    seen = dict[str, str]()
    for item in items:
        name, equals, text = (part.strip() for part in item.partition("="))
        if not equals or not name:
            raise InputError.of("--set", f"write NAME=VALUE (got {item!r:.80})")
        if name in seen:
            raise InputError.of("--set", f"{name} is set twice ({seen[name]} and {text}); keep one")
        if len(text) > _LONGEST_VALUE:
            limit = f"longer than {_LONGEST_VALUE:,} characters; use a file"
            raise InputError.of("--set", f"{name}: {limit}")
        seen[name] = text
        if text[:1] in {">", "|"}:  # to YAML, the beginning of a text of several lines
            yield name, text
            continue
        try:
            yield name, parse_yaml(text)
        except Exception as error:
            hint = hint_for_number(text)
            message = f"{name}: not a value: {text!r:.80}; {hint or error}"
            raise InputError.of("--set", message) from error


def say_first(cautions: Iterable[str]) -> None:
    """Say before any answer what was set in vain, and what looks like a slip."""
    for caution in dict.fromkeys(cautions):
        print(f"note: {caution}", file=sys.stderr if "--json" in sys.argv else sys.stdout)


def renamed(error: InputError, before: str, after: str) -> InputError:
    """Give an error of a file that is called otherwise once it is finished."""
    return InputError(replace(f, path=f.path.replace(before, after)) for f in error.faults)


class ResultFolder:
    """Holds the results of one question.

    Files are written into `unfinished`, a folder inside; `keep` moves them to their places all
    together, so that whoever is killed, or meets a full disk, leaves what was there before.

    Parameters
    ----------
    path : Path
        Made where there is none.
    asked : mapping
        The question, as JSON.
    command : str
        What writes.
    force : bool
        Replace what belongs to another question, or what uncertainty did not write.
    read : sequence of Path
        Inputs, which are never written over.
    named : bool
        Whether the folder was asked for; else another question goes into one of another name.

    Raises
    ------
    InputError
        On entering, if the folder cannot be written, holds the result of another question, or is
        being written by another command.
    """

    def __init__(
        self,
        path: Path,
        asked: Mapping[str, object],
        command: str,
        *,
        force: bool,
        read: Sequence[Path],
        named: bool = True,
    ) -> None:
        self.path = path
        self._asked = json.loads(json_text(asked))
        # Names that are made may agree: of a/b.yaml and a-b.yaml, say.
        if not named and not force and self._record().get("question", self._asked) != self._asked:
            self.path = path.with_name(f"{path.name}-{_mark(json_text(asked), 8)}")
        self.unfinished = self.path / _UNFINISHED
        self._command = command
        self._force = force
        self._read = read
        self._made: list[Path] = []
        self._lock: int | None = None

    def __enter__(self) -> "ResultFolder":
        try:
            with self._refusals():
                above = [self.path, *self.path.parents]
                self._made = [folder for folder in above if not folder.exists()]
                self.path.mkdir(parents=True, exist_ok=True)
                self._lock = _locked(self.path)
            there = self._record().get("question", self._asked)
            if not self._force and there != self._asked and isinstance(there, dict):
                texts = [
                    f"{key}: {value if isinstance(value, str) else json.dumps(value)}"
                    for key in {**there, **self._asked}
                    if (value := there.get(key, "none")) != self._asked.get(key, "none")
                ]
                raise InputError.of(
                    "--out",
                    f"{self.path} holds the result of another question ({', '.join(texts)}); name "
                    "another folder, or replace it with --force",
                )
            with self._refusals():
                shutil.rmtree(self.unfinished, ignore_errors=True)  # of whoever was killed
                self.unfinished.mkdir()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.unfinished, ignore_errors=True)
        self._leave()
        if isinstance(error, InputError):
            before, after = f"{self.unfinished}{os.sep}", f"{self.path}{os.sep}"
            raise renamed(error, before, after) from error

    def _leave(self) -> None:
        with suppress(OSError, ValueError):  # only what was made here and stayed empty
            for folder in self._made:
                folder.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            text = f"cannot write to {self.path}: {reason(error)}"
            raise InputError.of("--out", text) from error

    def _record(self) -> dict[str, object]:
        """What the folder says of itself; empty where it says nothing that can be read."""
        try:
            record = json.loads((self.path / _RECORD).read_text(encoding="utf-8"))
            known = isinstance(record["question"], dict) and all(
                isinstance(name, str) for names in record["files"].values() for name in names
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
        return record if known else {}

    def keep(self, written: Sequence[Path]) -> list[Path]:
        """Move what was written to its place, and give `written` as it is called there."""
        new = (path for path in self.unfinished.rglob("*") if path.is_file())
        names = sorted(path.relative_to(self.unfinished).as_posix() for path in new)
        record = self._record()
        files: dict[str, list[str]] = record.get("files", {})  # type: ignore[assignment]  # checked
        listed = [name for of_command in files.values() for name in of_command]
        ours = {_RECORD, *listed} if record else set()
        before = files if record.get("question") == self._asked else {self._command: listed}
        old = before.get(self._command, [])
        # Old files are removed: one of them may be the result that was read.
        refuse_inputs([self.path / name for name in {*names, *old, _RECORD}], self._read)
        foreign = [n for n in [*names, _RECORD] if n not in ours and os.path.lexists(self.path / n)]
        if foreign and not self._force:
            text = f"{self.path} holds {', '.join(foreign[:3])}, which this question did not write"
            raise InputError.of("--out", f"{text}; name another folder, or replace with --force")
        with self._refusals():
            # Old names and new: whatever happens in between, all of them are known to be ours.
            self._write_record({**before, self._command: sorted({*old, *names})})
            for name in names:
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                (self.unfinished / name).replace(self.path / name)
            others = {n for key, of in before.items() if key != self._command for n in of}
            for name in {*old} - {*names} - others:
                (self.path / name).unlink(missing_ok=True)
            self._write_record({**before, self._command: names})
        return [self.path / path.relative_to(self.unfinished) for path in written]

    def _write_record(self, files: Mapping[str, Sequence[str]]) -> None:
        record = {"question": self._asked, "files": files}
        write_text(self.path / _RECORD, json_text(record, indent=1) + "\n")


def _locked(folder: Path) -> int | None:
    """Take the folder for this process; the system gives it back however the process ends."""
    try:
        import fcntl
    except ImportError:  # a system without such locks
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        text = f"{folder} is being written by another command; wait for it, or name another folder"
        raise InputError.of("--out", text) from error
    except OSError:  # a file system without locks
        pass
    return handle
