"""The state of a stream on disk: written whole or not at all, and refused where it is not whole."""

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import jax
import numpy as np

from uncertainty.arrays import in_float64
from uncertainty.errors import InputError
from uncertainty.results import Sketch
from uncertainty.sampling.blocks import Block, Plan, nets_of, reduce_draws
from uncertainty.sampling.reducers import Column, Largest, Part, State, add
from uncertainty.writing import reason, write_bytes

_FORMAT = "uncertainty checkpoint 2"
_LONGEST = 1000  # of the first line, far from what any file may hold


@dataclass(frozen=True)
class Position:
    """How far a stream has come, and what it found so far.

    Attributes
    ----------
    stage : int
        Which of the stages that raise the number of draws.
    done : int
        Blocks of this stage that are in the states.
    state : State
        What is kept of the draws.
    errors : tuple of float
        The worst error of each stage before, as a share of its figure.
    """

    stage: int = 0
    done: int = 0
    state: State = field(default_factory=dict)
    errors: tuple[float, ...] = ()

    def after(self, more: State) -> "Position":
        """Add one more block: a new object, so that no interruption leaves half of it."""
        return replace(self, done=self.done + 1, state=add(self.state, more))


@in_float64
def fingerprint(plan: Plan, *facts: object) -> str:
    """Name what a stream computes: the compiled code, its numbers, and the schedule."""
    code = reduce_draws.lower(plan.work, *nets_of(plan, Block(0, 1)), 0, 1).as_text()
    digest = hashlib.sha256(code.encode())
    for leaf in jax.tree.leaves(plan.work):
        digest.update(np.asarray(leaf).tobytes())
    digest.update(repr((plan.coordinates, plan.chains, plan.seed, *facts)).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the position of one stream."""

    path: Path
    fingerprint: str

    def save(self, position: Position) -> None:
        """Replace what this run wrote before.

        Raises
        ------
        InputError
            If something else is there by now, or the system refuses.
        """
        with self._opened() as file:
            if file:
                self._check(file)
        content = _packed(position)
        header = {"format": _FORMAT, "run": self.fingerprint, "sha256": self._digest(content)}
        write_bytes(self.path, json.dumps(header).encode() + b"\n" + content)

    def load(self) -> Position:
        """Read it; where there is no file, claim the name before any draw is made.

        Raises
        ------
        InputError
            If it is not a checkpoint, not whole, or of another run, or if it cannot be written.
        """
        with self._opened() as file:
            if file:
                digest, content = self._check(file), file.read()
                if digest != self._digest(content):
                    raise self._damaged()
                return _unpacked(content)
        self.save(Position())
        return Position()

    def _check(self, file: BinaryIO) -> str:
        """Read the first line; give the checksum of what follows."""
        try:
            header = json.loads(file.readline(_LONGEST))
            known = header["format"] == _FORMAT
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            # It may be anything: a file named by mistake is not to be deleted.
            text = "is not a checkpoint of this version: name another file, or"
            raise self._refused(text)
        digest, run = header.get("sha256"), header.get("run")
        # The checksum covers the name of the run: a damaged name is not another run.
        if not isinstance(digest, str) or not isinstance(run, str):
            raise self._damaged()
        if run != self.fingerprint:
            if digest != _digest(run, file.read()):
                raise self._damaged()
            raise self._refused("belongs to another run: other priors, model, seed or options;")
        return digest

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO | None]:
        """Give what is there, for reading; None where there is nothing."""
        file, why = None, ""
        try:
            if self.path.is_file():  # a pipe or a device might never end
                file = self.path.open("rb")
            elif self.path.exists():
                why = "it is not a file"
        except (OSError, ValueError) as error:
            why = reason(error)
        if why:
            raise InputError.of(str(self.path), f"cannot be read: {why}; name another file")
        if file is None:
            yield None
            return
        with file:
            yield file

    def _digest(self, content: bytes) -> str:
        return _digest(self.fingerprint, content)

    def _damaged(self) -> InputError:
        return self._refused("is damaged: its content is not what was written;")

    def _refused(self, why: str) -> InputError:
        return InputError.of(str(self.path), f"{why} delete it to start anew")


def _digest(run: str, content: bytes) -> str:
    return hashlib.sha256(run.encode() + content).hexdigest()


def _packed(position: Position) -> bytes:
    arrays: dict[str, np.ndarray] = {}
    entries: list[list[str | int]] = []
    for (reducer, column), part in position.state.items():
        kind, start, own = _arrays(part)
        names = [f"{len(entries)}_{i}" for i in range(len(own))]
        arrays |= dict(zip(names, own, strict=True))
        entries.append([reducer, column.quantity, column.statistic, kind, start])
    facts = {
        "stage": position.stage,
        "done": position.done,
        "entries": entries,
        "errors": position.errors,
    }
    told = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, facts=told, **arrays)
    return content.getvalue()


def _arrays(part: Part) -> tuple[str, int, list[np.ndarray]]:
    if isinstance(part, Sketch):
        return "sketch", part.start, [part.counts]
    if isinstance(part, Largest):
        return "largest", 0, [part.values, part.places]
    return "sums", 0, [part]


def _unpacked(content: bytes) -> Position:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        facts = json.loads(arrays["facts"].tobytes())
        state: State = {}
        for i, (reducer, quantity, statistic, kind, start) in enumerate(facts["entries"]):
            first = arrays[f"{i}_0"]
            part: Part = first
            if kind == "sketch":
                part = Sketch(start, first)
            elif kind == "largest":
                part = Largest(first, arrays[f"{i}_1"])
            state[reducer, Column(quantity, statistic)] = part
    return Position(facts["stage"], facts["done"], state, tuple(facts["errors"]))
