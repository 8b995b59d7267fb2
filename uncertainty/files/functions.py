"""A user's own model in a Python file: the one input that is run, and only when asked for."""

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import cast
from weakref import WeakKeyDictionary

from uncertainty.errors import Fault, InputError, nearest, said
from uncertainty.files.document import parse_yaml, to_plain
from uncertainty.files.library import InputFile

_FILES: "WeakKeyDictionary[Callable[..., object], InputFile]" = WeakKeyDictionary()


LOADED_AS = "user_model"
"""Name of the module that a model's file becomes: none that can be imported elsewhere."""


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

    What the file prints goes to standard error: standard output is for results. It may import
    files that lie beside it.

    Raises
    ------
    InputError
        If there is no such file, it cannot be run, or it has no such function.
    """
    path, _, name = place.rpartition(":")
    spec = importlib.util.spec_from_file_location(LOADED_AS, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):  # noqa: PTH113  # Path.is_file raises on odd names
        raise InputError.of("--model", f"no Python file {path!r}")
    module = importlib.util.module_from_spec(spec)
    vars(module)["print"] = partial(print, file=sys.stderr)
    sys.modules[LOADED_AS] = module  # dataclasses look their own module up
    sys.path.append(str(Path(path).resolve().parent))
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        line, column = error.lineno or 0, error.offset or 0
        other = error.filename not in (None, spec.origin)  # a file that it imports
        place = str(error.filename) if other else path
        fault = Fault(place, line, column, "", f"is not Python: {error.msg}")
        raise InputError([fault]) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may raise anything
        raise InputError([_failure(path, error)]) from error
    function = vars(module).get(name)
    known = [n for n, value in vars(module).items() if _is_own(value, module)]
    if function is None or name == "print":
        raise InputError.of("--model", f"{path} has no function {name!r}{nearest(name, known)}")
    if not callable(function):
        text = f"{name} of {path} is not a function, but of type {type(function).__name__}"
        raise InputError.of("--model", f"{text}{nearest(name, known)}")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError.of("--model", f"{path} cannot be read: {error.strerror}") from error
    file = InputFile(Path(path).resolve(), path, hashlib.sha256(content).hexdigest())
    with suppress(TypeError):  # an object that cannot be a key is not remembered
        _FILES[function] = file
    return cast(Callable[..., object], function)


def file_of_function(function: Callable[..., object]) -> InputFile | None:
    """Give the file that a function was loaded from, where `load_function` did."""
    try:
        return _FILES.get(getattr(function, "function", function))  # behind one in plain Python
    except TypeError:
        return None


def _is_own(value: object, module: ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", "") == module.__name__


def _failure(path: str, error: BaseException) -> Fault:
    """Say at which line a file cannot be run."""
    frames = traceback.extract_tb(error.__traceback__)
    own = (path, os.path.abspath(path))  # noqa: PTH100  # as the import names it: links unresolved
    lines = [frame.lineno or 0 for frame in frames if frame.filename in own]
    line = lines[-1] if lines else 0
    if isinstance(error, SystemExit):
        text = "calls for the end of the program (sys.exit) when it is imported"
    else:
        text = f"cannot be run: {type(error).__name__}: {said(error)}"
    return Fault(path, line, 1 if line else 0, "", text)
