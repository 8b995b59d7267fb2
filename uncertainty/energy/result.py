"""What a model may give, and how to say what it gave or raised instead."""

import inspect
import sysconfig
import traceback
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from uncertainty.errors import said

__all__ = ["ModelError", "checked_result", "failure_text", "is_traced_misuse"]

_WANTED = "a number or a mapping of names to numbers is wanted"
_PACKAGE = str(Path(__file__).parents[1])
_LIBRARIES = (_PACKAGE, sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"])


class ModelError(ValueError):
    """A callable that cannot serve as a model; the message says why."""


def checked_result(result: object) -> dict[str, object]:
    """Give named numbers from what a model returned; a lone number is named ``y``.

    Raises
    ------
    ModelError
        If it is anything else.

    Examples
    --------
    >>> checked_result(3.0)
    {'y': 3.0}
    >>> checked_result({"a": None})
    Traceback (most recent call last):
    ...
    uncertainty.energy.result.ModelError: gives None for a; a number is wanted
    """
    if inspect.iscoroutine(result):
        result.close()  # else Python warns that nobody has awaited it
    if not isinstance(result, Mapping):
        wrong = wrong_number(result)
        if wrong:
            raise ModelError(f"gives {wrong}; {_WANTED}")
        return {"y": result}
    if not result:
        raise ModelError(f"gives an empty mapping; {_WANTED}")
    names = [name for name in result if not isinstance(name, str)]
    if names:
        raise ModelError(f"gives a mapping whose keys are not all names (got {names[0]!r:.60})")
    for name, value in result.items():
        wrong = wrong_number(value)
        if wrong:
            raise ModelError(f"gives {wrong} for {name}; a number is wanted")
    return dict(result)


def wrong_number(value: object) -> str:
    """Say what a value is that is not one real number; nothing where it is one."""
    if isinstance(value, int | float | complex | np.generic | np.ndarray | jax.Array):
        return _wrong_array(np.shape(value), np.dtype(getattr(value, "dtype", type(value))))
    if value is None:
        return "None"
    if isinstance(value, str | bytes):
        return f"the text {value!r:.40}"
    kind = "mapping" if isinstance(value, Mapping) else type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def _wrong_array(shape: tuple[int, ...], dtype: np.dtype) -> str:
    if shape != ():
        return f"an array of shape {shape}"
    if jnp.issubdtype(dtype, jnp.bool_):
        return "True or False (write jnp.where(condition, 1.0, 0.0))"
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return "a complex number"
    real = jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)
    return "" if real else f"a value of type {dtype}"


def failure_text(error: BaseException) -> str:
    """Say what a model raised, and at which line of it.

    Examples
    --------
    >>> failure_text(ModelError("gives None"))
    'gives None'
    """
    if isinstance(error, ModelError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    outside = [
        frame
        for frame in frames
        if not frame.filename.startswith((*_LIBRARIES, "<frozen")) and frame.line
    ]
    place = f" at {outside[-1].filename}:{outside[-1].lineno}" if outside else ""
    if isinstance(error, SystemExit):
        return f"calls for the end of the program (sys.exit){place}; a model gives numbers"
    if is_traced_misuse(error):
        return f"failed{place}: it takes an input for a plain number or a NumPy array"
    first = (said(error) or "no message").splitlines()[0]
    return f"failed{place}: {type(error).__name__}: {first}"


def is_traced_misuse(error: BaseException) -> bool:
    """Whether an error came of treating a traced value as a plain number."""
    kinds = (
        jax.errors.ConcretizationTypeError,  # float(x), if x > 0
        jax.errors.TracerArrayConversionError,  # np.sqrt(x)
        jax.errors.TracerIntegerConversionError,  # table[x]
        jax.errors.NonConcreteBooleanIndexError,
    )
    return isinstance(error, kinds) or "Tracer" in said(error)
