"""What an energy model is: a pure function of named inputs, with its declarations."""

import functools
import inspect
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from uncertainty.arrays import Floats
from uncertainty.errors import message_of
from uncertainty.inputs import Output

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
    uncertainty.energy.model.ModelError: gives None for a; a number is wanted
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
    first = (message_of(error) or "no message").splitlines()[0]
    return f"failed{place}: {type(error).__name__}: {first}"


def is_traced_misuse(error: BaseException) -> bool:
    """Whether an error came of treating a traced value as a plain number."""
    kinds = (
        jax.errors.ConcretizationTypeError,  # float(x), if x > 0
        jax.errors.TracerArrayConversionError,  # np.sqrt(x)
        jax.errors.TracerIntegerConversionError,  # table[x]
        jax.errors.NonConcreteBooleanIndexError,
    )
    return isinstance(error, kinds) or "Tracer" in message_of(error)


_Point: TypeAlias = tuple[tuple[str, ...], tuple[float, ...]]
_MOST = 2**18
"""Points whose results are kept: some hundred bytes each."""


class PlainFunction:
    """A function that JAX cannot trace, as one that it can call.

    Compiled code asks for whole batches, filled up to one size, and for some points again:
    results are kept, so that the function runs once for each point.

    Attributes
    ----------
    function : callable
    outputs : tuple of str
        Names of what it gives; known once `learn` has called it.
    calls : int
        How often it ran.
    failures : int
        How often it failed; its outputs are NaN there.
    failure : str
        What it said the first time.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function
        self.__name__ = str(getattr(function, "__name__", type(function).__name__))
        self.__qualname__ = str(getattr(function, "__qualname__", self.__name__))
        self.__doc__ = inspect.getdoc(function)
        self.__signature__ = inspect.signature(function)
        self.outputs: tuple[str, ...] = ()
        self.calls = 0
        self.failures = 0
        self.failure = ""
        self._kept: dict[_Point, tuple[float, ...]] = {}

    def learn(self, inputs: Mapping[str, float]) -> dict[str, float]:
        """Call it at one point, for its outputs' names; raises what it raises."""
        self.calls += 1
        found = checked_result(self.function(**inputs))
        numbers = {name: float(np.asarray(value)) for name, value in found.items()}
        self.outputs = tuple(numbers)
        point = np.array([inputs[name] for name in sorted(inputs)])
        self._kept[tuple(sorted(inputs)), tuple(_rounded(point).tolist())] = (*numbers.values(),)
        return numbers

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """Call it from compiled code; `learn` goes before."""
        kind = jnp.result_type(float)
        shapes = tuple(jnp.zeros((), kind) for _ in self.outputs)
        columns = partial(self._columns, tuple(sorted(inputs)), kind)
        values = [inputs[name] for name in sorted(inputs)]
        found = jax.pure_callback(columns, shapes, *values, vmap_method="broadcast_all")
        return dict(zip(self.outputs, found, strict=True))

    def _columns(
        self, names: tuple[str, ...], kind: np.dtype, *columns: Array
    ) -> tuple[np.ndarray, ...]:
        arrays = np.broadcast_arrays(*(np.asarray(column, np.float64) for column in columns))
        shape = arrays[0].shape if arrays else ()
        points = np.stack([a.ravel() for a in arrays], -1) if arrays else np.zeros((1, 0))
        keys = _rounded(points).tolist()
        rows = [self._at((names, tuple(k)), p) for k, p in zip(keys, points.tolist(), strict=True)]
        table = np.array(rows, kind).reshape(*shape, len(self.outputs))
        return tuple(np.moveaxis(table, -1, 0))

    def _at(self, key: _Point, values: list[float]) -> tuple[float, ...]:
        known = self._kept.get(key)
        if known is not None:
            return known
        self.calls += 1
        try:
            found = checked_result(self.function(**dict(zip(key[0], values, strict=True))))
            if found.keys() != {*self.outputs}:
                told = f"gives {', '.join(found)} here, and {', '.join(self.outputs)} elsewhere"
                raise ModelError(told)
            result = tuple(float(np.asarray(found[name])) for name in self.outputs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # JAX would lose what it says
            self.failures += 1
            self.failure = self.failure or failure_text(error)
            result = (np.nan,) * len(self.outputs)
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = result
        return result


def _rounded(points: Floats) -> Floats:
    """To 40 bits: programs that compute the same point differ in the last ones."""
    mantissas, exponents = np.frexp(points)
    return np.asarray(np.ldexp(np.round(np.ldexp(mantissas, 40)), exponents - 40))


Result = TypeVar("Result")


@dataclass(frozen=True)
class EnergyModel:
    """A function from named inputs to named scalar outputs.

    Attributes
    ----------
    name : str
    function : callable
        Takes inputs by keyword; gives a scalar or a mapping of named scalars.
    required, optional : tuple of str
        Its inputs.
    takes_all : bool
        True where it takes every assumption (``**inputs``).
    alternatives : tuple of tuple of str
        Groups of optional inputs of which one must be given whole; empty where none.
    outputs : tuple of Output
        Declared outputs; empty for a user's own function.
    version : str
        Tells a user's function from the same one after a name that it reads has changed: compiled
        code is found by it.
    plain : PlainFunction, optional
        The function in plain Python that is behind it.
    """

    name: str
    function: Callable[..., object]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    takes_all: bool = False
    alternatives: tuple[tuple[str, ...], ...] = ()
    outputs: tuple[Output, ...] = ()
    version: str = ""
    plain: PlainFunction | None = None

    @property
    def meaning(self) -> str:
        """First line of the function's own description."""
        return (inspect.getdoc(self.function) or "").split("\n", maxsplit=1)[0]

    def used(self, names: Iterable[str]) -> list[str]:
        """Name those of `names` that the model takes."""
        own = {*self.required, *self.optional}
        return [name for name in names if self.takes_all or name in own]

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Evaluate at one point; a lone scalar is named ``y``.

        Raises
        ------
        ModelError
            If the result is not a number, or a mapping of names to numbers.
        """
        result = self.function(**{name: inputs[name] for name in self.used(inputs)})
        if self.outputs and isinstance(result, Mapping):  # one of ours
            return dict(result)
        kind = jnp.result_type(float)
        return {k: jnp.asarray(v, kind) for k, v in checked_result(result).items()}


def call(function: Callable[..., Result], inputs: Mapping[str, object], **more: object) -> Result:
    """Call a function with those of the inputs that it takes, and with more.

    Examples
    --------
    >>> call(lambda a, b: a + b, {"a": 1, "c": 5}, b=2)
    3
    """
    taken = inspect.signature(function).parameters
    return function(**{name: inputs[name] for name in inputs if name in taken}, **more)


def arrays(numbers: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Every number as an array."""
    return {name: jnp.asarray(number) for name, number in numbers.items()}


def model_from_callable(
    function: Callable[..., object],
    *,
    alternatives: tuple[tuple[str, ...], ...] = (),
    outputs: tuple[Output, ...] = (),
) -> EnergyModel:
    """Read the inputs of a model from the signature of `function`.

    Examples
    --------
    >>> model_from_callable(lambda tokens, wh_per_token=1e-3: tokens * wh_per_token).required
    ('tokens',)
    """
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, functools.partial):
        name = getattr(function.func, "__name__", name)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ModelError(f"{name} is an async function; a model is a plain one: def in place of it")
    # Before Python 3.12 the signature of an object that cannot be hashed is not found.
    call = getattr(function, "__call__", function)  # noqa: B004  # the method, not whether it is
    try:
        asked = call if inspect.ismethod(call) else function
        parameters = inspect.signature(asked).parameters.values()
    except (TypeError, ValueError):
        text = "does not say which inputs it takes; wrap it: lambda x: ..."
        raise ModelError(f"{name} {text}") from None
    kinds = {p.kind for p in parameters}
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    if positional or inspect.Parameter.VAR_POSITIONAL in kinds:
        told = f" ({', '.join(positional)})" if positional else ""
        raise ModelError(f"{name} takes arguments by position{told}; a model takes them by name")
    try:
        hash(function)
    except TypeError:  # compiled code is found by the function
        function = functools.partial(function)
    named = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return EnergyModel(
        name=name,
        function=function,
        required=tuple(p.name for p in named if p.default is p.empty),
        optional=tuple(p.name for p in named if p.default is not p.empty),
        takes_all=inspect.Parameter.VAR_KEYWORD in kinds,
        alternatives=alternatives,
        outputs=outputs,
        plain=function if isinstance(function, PlainFunction) else None,
    )
