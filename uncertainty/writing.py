"""Files written whole or not at all, and JSON that every reader takes."""

import hashlib
import json
import math
import os
import platform
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from uncertainty.errors import Fault, InputError

_KEY = re.compile("[0-9a-f]{64}")  # SHA-256: other files of a folder are not ours to remove
_DIGEST = hashlib.sha256().digest_size


def reason(error: Exception) -> str:
    """Say why the system refused, without its numbers and file names."""
    refusal = error.strerror if isinstance(error, OSError) else None
    return refusal or (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name in the folder of `path`; rename it when all went well.

    Whoever is killed in between leaves what was there before. A link is followed.

    Raises
    ------
    InputError
        Where the system refuses: no space, no permission, a folder of that name.
    """
    temporary = None
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            raise InputError.of(str(path), "cannot be written: it is not a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(target)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # else a crash may leave the new name without content
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        temporary.replace(target)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) and temporary is not None:
            raise  # of whoever writes, not of the name
        raise InputError.of(str(path), f"cannot be written: {reason(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _temporary(target: Path) -> Path:
    """Make an empty file in the same folder, and remove what killed processes left there."""
    # A short name: that of the target may be as long as names can be. It tells machine, target
    # and process, so that only what nobody is writing any more is removed.
    mark = hashlib.sha256(f"{platform.node()} {target.name}".encode()).hexdigest()[:10]
    # Elsewhere than on POSIX, asking whether a process runs may end it.
    for left in target.parent.glob(f".uncertainty-{mark}-*") if os.name == "posix" else ():
        try:
            os.kill(int(left.name.split("-")[2]), 0)
        except ProcessLookupError:
            left.unlink(missing_ok=True)
        except (OSError, ValueError, OverflowError):
            continue  # as far as can be known, it runs
    handle, name = tempfile.mkstemp(
        dir=target.parent,
        prefix=f".uncertainty-{mark}-{os.getpid()}-",
        suffix=target.suffix[:20],  # libraries choose a format by it
    )
    os.close(handle)
    return Path(name)


def refuse_inputs(paths: Iterable[Path], inputs: Collection[Path]) -> None:
    """Refuse to write over what was read.

    Raises
    ------
    InputError
        Naming each of the files.
    """
    over = []
    for path in paths:
        for read in inputs:
            try:
                if os.path.samefile(path, read):  # noqa: PTH121  # as short, and for both
                    over.append(path)
                    break
            except (OSError, ValueError):  # one of them is not there: nothing is lost
                continue
    if over:
        text = "is an input, which is never written over: name another file"
        raise InputError(Fault(str(path), 0, 0, "", text) for path in over)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8."""
    return write_bytes(path, text.encode())


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 of the content of files."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Cache:
    """Results that can be made again, each a file under the SHA-256 of all that it depends on.

    They stand in a folder called `name` within ``UNCERTAINTY_CACHE``, or else within the user's
    own cache folder, and take at most `most_bytes`: those that were not used for the longest time
    go first. Where that variable is empty, there is no home, a folder cannot be read or written,
    a file is damaged, or what a result depends on has no hash (it is empty), nothing is kept.
    """

    name: str
    most_bytes: int

    @property
    def folder(self) -> Path | None:
        """Where the files are; None where nothing is kept."""
        try:
            home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        except RuntimeError:  # no home
            home = None
        chosen = os.environ.get("UNCERTAINTY_CACHE", home and home / "uncertainty")
        return Path(chosen) / self.name if chosen else None

    def files(self) -> list[tuple[Path, int]]:
        """Paths and sizes in bytes, those used last at the end."""
        kept = list[tuple[float, Path, int]]()
        with suppress(OSError):
            for path in self.folder.iterdir() if self.folder else ():
                if _KEY.fullmatch(path.name):
                    with suppress(OSError):  # removed by another process
                        kept.append(((status := path.stat()).st_mtime, path, status.st_size))
        return [(path, size) for _, path, size in sorted(kept)]

    def load(self, key: str) -> bytes | None:
        """What was saved under a key; None where nothing was, or it is not whole."""
        with suppress(OSError):
            if key and self.folder is not None:
                whole = (self.folder / key).read_bytes()
                if hashlib.sha256(whole[_DIGEST:]).digest() == whole[:_DIGEST]:
                    with suppress(OSError):
                        os.utime(self.folder / key)  # it was used now
                    return whole[_DIGEST:]
        return None

    def save(self, key: str, content: bytes) -> None:
        """Keep it, and remove the oldest where all together are too large."""
        if key and self.folder is not None and len(content) <= self.most_bytes:
            with suppress(InputError):
                write_bytes(self.folder / key, hashlib.sha256(content).digest() + content)
            self.shrink(self.most_bytes)

    def shrink(self, most_bytes: int) -> None:
        """Remove the oldest files until all take at most so many bytes."""
        files = self.files()
        excess = sum(size for _, size in files) - most_bytes
        for path, size in files:
            if excess > 0:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                excess -= size


PROGRAMS = Cache("programs", 2**28)
"""Compiled programs, hundreds of kilobytes the largest, and their names."""
POSTERIORS = Cache("posteriors", 2**28)
"""Draws of posteriors, a megabyte or so each."""
FINDINGS = Cache("findings", 2**24)
"""Claims of the shipped ledger, computed again, and what files without faults imply."""
CACHES = (PROGRAMS, POSTERIORS, FINDINGS)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Write JSON as the standard has it: what is not a finite number becomes ``null``.

    Examples
    --------
    >>> json_text({"a": [1.0, float("nan")], "b": float("inf")})
    '{"a": [1.0, null], "b": null}'
    """
    return json.dumps(_plain(value), indent=indent, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # of NumPy, which would take its time to import here
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
