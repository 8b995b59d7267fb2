"""Standard streams that take every text, and that may be closed or full."""

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from uncertainty.errors import InputError
from uncertainty.writing import reason

if TYPE_CHECKING:
    from typing_extensions import Buffer


_PLAIN = {
    "±": "+/-",
    "×": "x",
    "÷": "/",
    "−": "-",
    "–": "-",
    "—": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "•": "*",
    "·": ".",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "µ": "u",
    "μ": "u",
    "²": "^2",
    "³": "^3",
    "─": "-",
    "━": "-",
    "│": "|",
    "┃": "|",
}


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks in plain characters."""
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    return "".join(map(_plain_character, lost)), error.end


def _plain_character(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    if "\u2500" <= character <= "\u257f":  # corners and crossings of boxes
        return "+"
    if "\u2580" <= character <= "\u259f":  # blocks, of bars
        return "#"
    apart = unicodedata.normalize("NFKD", character)
    return apart.encode("ascii", "ignore").decode() or "?"


class _Lasting(io.RawIOBase):
    """A stream that stays quiet once its reader is gone, or once it has failed."""

    def __init__(self, raw: io.FileIO, *, optional: bool) -> None:
        self._raw = raw
        self._optional = optional
        self._failed = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: "Buffer") -> int:
        if not self._failed:
            try:
                return self._raw.write(data)
            except OSError as error:
                self._failed = True  # what is still in a buffer would fail again at the exit
                if not self._optional and not isinstance(error, BrokenPipeError):
                    text = f"cannot be written: {reason(error)}"
                    raise InputError.of("standard output", text) from error
        return memoryview(data).nbytes


class _Open(io.TextIOWrapper):
    """A text stream that stays open: the answer comes after a user's model that closes it."""

    def close(self) -> None:
        if not self.closed:  # as it is once it was detached
            self.flush()


@contextmanager
def standard_streams() -> Iterator[None]:
    """Let both streams take every text; a reader that leaves early ends nothing."""
    codecs.register_error("uncertainty.plain", _plain)
    before = sys.stdout, sys.stderr
    sys.stdout = _patient(sys.stdout, optional=False)
    sys.stderr = _patient(sys.stderr, optional=True)
    during = sys.stdout, sys.stderr
    try:
        yield
        during[0].flush()
    finally:
        for stream, old in zip(during, before, strict=True):
            with suppress(OSError, InputError):
                stream.flush()
            if old is not None and old is not stream and isinstance(stream, io.TextIOWrapper):
                stream.detach()  # else the file is closed with it
        sys.stdout, sys.stderr = before


def _patient(stream: TextIO | None, *, optional: bool) -> TextIO:
    if stream is None:  # closed before the program began
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # a stream for good
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    file = getattr(stream.buffer, "raw", stream.buffer)
    if not isinstance(file, io.FileIO):
        stream.reconfigure(errors="uncertainty.plain")
        return stream
    stream.flush()
    return _Open(
        io.BufferedWriter(_Lasting(file, optional=optional)),
        encoding=stream.encoding,
        errors="uncertainty.plain",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
