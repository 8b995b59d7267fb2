"""The state of a stream on disk: written whole or not at all, and refused where it is not whole."""

import hashlib
import inspect
import io
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import jax
import numpy as np

from uncertainty.arrays import in_float64
from uncertainty.errors import InputError
from uncertainty.sampling.blocks import Column, Plan, State, reduce_draws
from uncertainty.writing import reason, write_bytes

_FORMAT = "uncertainty checkpoint 3"
_LONGEST = 1000  # of the first line, far from what any file may hold
Position: TypeAlias = tuple[int, int, list[float], State]


@in_float64
def fingerprint(plan: Plan, *facts: object) -> str:
    """Name what a stream computes: the compiled code, its numbers, and the schedule."""
    lowered = jax.jit(inspect.unwrap(reduce_draws)).lower(plan, 0, 1)
    digest = hashlib.sha256(lowered.as_text().encode())
    for leaf in jax.tree.leaves(plan):
        digest.update(np.asarray(leaf).tobytes())
    digest.update(repr((plan.outer.names, plan.inner.names, *facts)).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds how far one stream has come.

    Its first line is JSON: the format, the fingerprint of the run, and a checksum of that and of
    what follows, which is an archive of NumPy: arrays by number, and ``facts`` that name them.
    """

    path: Path
    fingerprint: str

    def save(self, stage: int, done: int, errors: Sequence[float], state: State) -> None:
        """Replace what this run wrote before, unless something else is there by now.

        `done` blocks of the stage are in the state; `errors` are the worst of each stage before,
        as shares of its figure.
        """
        with self._opened() as file:
            if file:
                self._check(file)
        columns = [
            (reducer, column, arrays)
            for reducer, by_column in state.items()
            for column, arrays in by_column.items()
        ]
        entries = [(name, c.quantity, c.statistic, len(arrays)) for name, c, arrays in columns]
        facts = {"stage": stage, "done": done, "errors": list(errors), "entries": entries}
        numbered = {
            f"{i}_{j}": array
            for i, (_, _, arrays) in enumerate(columns)
            for j, array in enumerate(arrays)
        }
        archive = io.BytesIO()
        text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        np.savez(archive, allow_pickle=False, facts=text, **numbered)
        content = archive.getvalue()
        digest = _digest(self.fingerprint, content)
        header = {"format": _FORMAT, "run": self.fingerprint, "sha256": digest}
        write_bytes(self.path, json.dumps(header).encode() + b"\n" + content)

    def load(self) -> Position:
        """Read what `save` took; where there is no file, claim the name before any draw is made."""
        with self._opened() as file:
            digest, content = (self._check(file), file.read()) if file else ("", b"")
        if not digest:
            self.save(0, 0, [], {})
            return 0, 0, [], {}
        if digest != _digest(self.fingerprint, content):
            raise self._damaged()
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            facts = json.loads(arrays["facts"].tobytes())
            state: State = {}
            for i, (reducer, quantity, statistic, count) in enumerate(facts["entries"]):
                parts = tuple(arrays[f"{i}_{j}"] for j in range(count))
                state.setdefault(reducer, {})[Column(quantity, statistic)] = parts
        return facts["stage"], facts["done"], facts["errors"], state

    def _check(self, file: BinaryIO) -> str:
        """Read the first line; give the checksum of what follows."""
        try:
            header = json.loads(file.readline(_LONGEST))
            known = header["format"] == _FORMAT
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            # It may be anything: a file named by mistake is not to be deleted.
            raise self._refused("is not a checkpoint of this version: name another file, or")
        digest, run = header.get("sha256"), header.get("run")
        # The checksum covers the name of the run: a damaged name is not another run.
        if not isinstance(digest, str) or not isinstance(run, str):
            raise self._damaged()
        if run != self.fingerprint:
            if digest != _digest(run, file.read()):
                raise self._damaged()
            raise self._refused("belongs to another run: other priors, model, seed or options;")
        return digest

    def _opened(self) -> AbstractContextManager[BinaryIO | None]:
        """Give what is there, for reading; None where there is nothing."""
        try:
            if self.path.is_file():  # a pipe or a device might never end
                return self.path.open("rb")
            if not self.path.exists():
                return nullcontext()
            why = "it is not a file"
        except (OSError, ValueError) as error:
            why = reason(error)
        raise InputError.of(str(self.path), f"cannot be read: {why}; name another file")

    def _damaged(self) -> InputError:
        return self._refused("is damaged: its content is not what was written;")

    def _refused(self, why: str) -> InputError:
        return InputError.of(str(self.path), f"{why} delete it to start anew")


def _digest(run: str, content: bytes) -> str:
    return hashlib.sha256(run.encode() + content).hexdigest()
