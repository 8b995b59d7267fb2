"""The state of a stream on disk: written whole or not at all, and refused where it is not whole."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np

from uncertainty.errors import InputError
from uncertainty.precision import in_float64
from uncertainty.sampling.blocks import Block, Plan, nets_of, reduce_draws
from uncertainty.sampling.reducers import Column, Largest, Part, State, add
from uncertainty.sketch import Sketch
from uncertainty.writing import reason, write_bytes

__all__ = ["Checkpoint", "Position", "fingerprint"]

_FORMAT = "uncertainty checkpoint 1"


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
    """

    stage: int = 0
    done: int = 0
    state: State = field(default_factory=dict)

    def after(self, more: State) -> "Position":
        """Add one more block: a new object, so that no interruption leaves half of it."""
        return Position(self.stage, self.done + 1, add(self.state, more))


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
        """Replace what is there."""
        content = _packed(position)
        header = {
            "format": _FORMAT,
            "sha256": hashlib.sha256(content).hexdigest(),
            "run": self.fingerprint,
        }
        write_bytes(self.path, json.dumps(header).encode() + b"\n" + content)

    def load(self) -> Position | None:
        """Read it; None where there is no file.

        Raises
        ------
        InputError
            If it is no checkpoint, not whole, or of another run.
        """
        if not self.path.exists():
            return None
        first, _, content = self._bytes().partition(b"\n")
        try:
            header = json.loads(first)
            known = header["format"] == _FORMAT
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            # It may be anything: a file named by mistake is not to be deleted.
            raise self._refused("is no checkpoint of this version: name another file, or")
        if header.get("sha256") != hashlib.sha256(content).hexdigest():
            raise self._refused("is damaged: its content is not what was written;")
        if header.get("run") != self.fingerprint:
            raise self._refused("belongs to another run: other priors, model, seed or options;")
        return _unpacked(content)

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise self._refused(f"cannot be read: {reason(error)};") from error

    def _refused(self, why: str) -> InputError:
        return InputError.of(str(self.path), f"{why} delete it to start anew")


def _packed(position: Position) -> bytes:
    arrays: dict[str, np.ndarray] = {}
    entries: list[list[str | int]] = []
    for (reducer, column), part in position.state.items():
        kind, start, own = _arrays(part)
        names = [f"{len(entries)}_{i}" for i in range(len(own))]
        arrays |= dict(zip(names, own, strict=True))
        entries.append([reducer, column.quantity, column.statistic, kind, start])
    facts = {"stage": position.stage, "done": position.done, "entries": entries}
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
    return Position(facts["stage"], facts["done"], state)
