"""The folder that a command writes: for one question, by one command at a time."""

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from uncertainty.errors import InputError
from uncertainty.writing import json_text, reason, refuse_inputs, write_text

_RECORD = "question.json"
_UNFINISHED = ".unfinished"


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
    ) -> None:
        self.path = path
        self.unfinished = path / _UNFINISHED
        self._asked = json.loads(json_text(asked))
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
            self._require_same_question()
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
        if isinstance(error, InputError):  # of a file that would have been called otherwise
            before, after = f"{self.unfinished}{os.sep}", f"{self.path}{os.sep}"
            faults = [replace(f, path=f.path.replace(before, after)) for f in error.faults]
            raise InputError(faults) from error

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
            found = json.loads((self.path / _RECORD).read_text(encoding="utf-8"))
            files = found["files"]
            known = isinstance(found["question"], dict) and all(
                isinstance(name, str) for names in files.values() for name in names
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
        return found if known else {}

    def _require_same_question(self) -> None:
        there = self._record().get("question", self._asked)
        if self._force or there == self._asked or not isinstance(there, dict):
            return
        keys = [key for key in {**there, **self._asked} if there.get(key) != self._asked.get(key)]
        told = ", ".join(f"{key}: {_told(there.get(key))}" for key in keys)
        text = f"{self.path} holds the result of another question ({told})"
        raise InputError.of("--out", f"{text}; name another folder, or replace it with --force")

    def keep(self, written: Sequence[Path]) -> list[Path]:
        """Move what was written to its place, and give `written` as it is called there."""
        found = (path for path in self.unfinished.rglob("*") if path.is_file())
        names = sorted(path.relative_to(self.unfinished).as_posix() for path in found)
        record = self._record()
        same = record.get("question") == self._asked
        files: dict[str, list[str]] = record.get("files", {})  # type: ignore[assignment]  # checked
        listed = [name for of_command in files.values() for name in of_command]
        ours = {_RECORD, *listed} if record else ()
        self._refuse_foreign([*names, _RECORD], ours)
        before = files if same else {self._command: listed}
        old = before.get(self._command, [])
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

    def _refuse_foreign(self, names: Sequence[str], ours: Collection[str]) -> None:
        refuse_inputs([self.path / name for name in names], self._read)
        other = [n for n in names if n not in ours and os.path.lexists(self.path / n)]
        if other and not self._force:
            text = f"{self.path} holds {', '.join(other[:3])}, which this question did not write"
            raise InputError.of("--out", f"{text}; name another folder, or replace with --force")


def _told(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


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


def is_free(path: Path) -> bool:
    """Whether nothing of that name is there, whatever the name."""
    try:
        return not os.path.lexists(path)
    except ValueError:  # no system takes it, as writing it will tell
        return True
