"""A user's own model in a Python file: the one input that is run, and only when asked for."""

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary

from uncertainty.errors import InputError
from uncertainty.spec.document import parse_yaml, to_plain
from uncertainty.spec.library import InputFile

_FILES: "WeakKeyDictionary[Callable[..., object], InputFile]" = WeakKeyDictionary()

__all__ = ["file_of_function", "load_function", "model_of_text"]


def model_of_text(text: str) -> str | Mapping[str, object] | Callable[..., object]:
    """Read a model as a command names it: a name, ``file.py:function``, or a mapping as in a file.

    Raises
    ------
    InputError
        If there is no such function, or the mapping is no YAML.

    Examples
    --------
    >>> model_of_text("{fleet: roofline}")
    {'fleet': 'roofline'}
    """
    if not text.startswith("{"):
        return load_function(text) if ":" in text else text
    from ruamel.yaml.error import YAMLError

    try:
        found = to_plain(parse_yaml(text))
    except YAMLError as error:
        raise InputError.of("--model", f"is no YAML: {text}") from error
    return found if isinstance(found, dict) else text


def load_function(place: str) -> Callable[..., object]:
    """Load ``path/to/file.py:function``.

    Raises
    ------
    InputError
        If there is no such file, or no such function in it.
    """
    path, _, name = place.rpartition(":")
    spec = importlib.util.spec_from_file_location("user_model", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise InputError.of("--model", f"no Python file {path!r}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError.of(path, f"cannot be run: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError.of("--model", f"{path} has no function {name!r}")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError.of("--model", f"{path} cannot be read: {error.strerror}") from error
    _FILES[function] = InputFile(Path(path).resolve(), path, hashlib.sha256(content).hexdigest())
    return cast(Callable[..., object], function)


def file_of_function(function: Callable[..., object]) -> InputFile | None:
    """Give the file that a function was loaded from, where `load_function` did."""
    return _FILES.get(function)
