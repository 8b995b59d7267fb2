"""What an energy model is: a pure function of named inputs, with its declarations."""

import functools
import inspect
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from uncertainty.arrays import Array, ArrayLike, Floats, jnp
from uncertainty.errors import message_of
from uncertainty.inputs import Output

# Files of these places do not belong to a user's model.
_PACKAGE = str(Path(__file__).parents[1])
_LIBRARIES = (_PACKAGE, sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"])


class ModelError(ValueError):
    """A callable that cannot serve as a model; the message says why."""


def checked_result(result: object) -> dict[str, object]:
    """Name the numbers that a model returned; a lone number is named ``y``.

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
    uncertainty.energy.model.ModelError: gives None for a; it must give a number
    """
    if inspect.iscoroutine(result):
        result.close()  # else Python warns that nobody has awaited it
    expected = "it must give a number, or a mapping of names to numbers"
    if not isinstance(result, Mapping):
        fault = number_fault(result)
        if fault:
            raise ModelError(f"gives {fault}; {expected}")
        return {"y": result}
    if not result:
        raise ModelError(f"gives an empty mapping; {expected}")
    for name, value in result.items():
        if not isinstance(name, str):
            raise ModelError(f"gives a mapping whose keys are not all names (got {name!r:.60})")
        fault = number_fault(value)
        if fault:
            raise ModelError(f"gives {fault} for {name}; it must give a number")
    return dict(result)


def number_fault(value: object) -> str:
    """Say what a value is that is not one real number; nothing where it is one."""
    import jax

    if value is None or isinstance(value, str | bytes):
        return "None" if value is None else f"the text {value!r:.40}"
    if not isinstance(value, int | float | complex | np.generic | np.ndarray | jax.Array):
        kind = "mapping" if isinstance(value, Mapping) else type(value).__name__
        return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
    dtype = np.dtype(getattr(value, "dtype", type(value)))
    if np.shape(value) != ():
        return f"an array of shape {np.shape(value)}"
    # By JAX's kinds, as NumPy's do not know bfloat16.
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
        return f"ends the program (sys.exit){place}; it must give numbers"
    if is_traced_misuse(error):
        return f"failed{place}: it treats an input as a plain number or a NumPy array"
    first = (message_of(error) or "no message").splitlines()[0]
    return f"failed{place}: {type(error).__name__}: {first}"


def is_traced_misuse(error: BaseException) -> bool:
    """Whether an error came of treating a traced value as a plain number."""
    import jax

    kinds = (
        jax.errors.ConcretizationTypeError,  # float(x), if x > 0
        jax.errors.TracerArrayConversionError,  # np.sqrt(x)
        jax.errors.TracerIntegerConversionError,  # table[x]
        jax.errors.NonConcreteBooleanIndexError,
    )
    return isinstance(error, kinds) or "Tracer" in message_of(error)


_Point: TypeAlias = tuple[tuple[str, ...], tuple[float, ...]]

# Points whose results are kept: at some hundred bytes each, at most about 100 MB.
_MOST = 2**18


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
        Message of the first failure.
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
        result = checked_result(self.function(**inputs))
        numbers = {name: float(np.asarray(value)) for name, value in result.items()}
        self.outputs = tuple(numbers)
        point = np.array([inputs[name] for name in sorted(inputs)])
        self._kept[tuple(sorted(inputs)), tuple(_rounded(point).tolist())] = (*numbers.values(),)
        return numbers

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """Call it from compiled code; `learn` goes before."""
        kind = jnp.result_type(float)
        names = tuple(sorted(inputs))

        import jax

        def columns(*columns: Array) -> tuple[np.ndarray, ...]:
            arrays = np.broadcast_arrays(*(np.asarray(column, np.float64) for column in columns))
            shape = arrays[0].shape if arrays else ()
            points = np.stack([a.ravel() for a in arrays], -1) if arrays else np.zeros((1, 0))
            rows = [
                self._at((names, tuple(rounded)), point)
                for rounded, point in zip(_rounded(points).tolist(), points.tolist(), strict=True)
            ]
            table = np.array(rows, kind).reshape(*shape, len(self.outputs))
            return tuple(np.moveaxis(table, -1, 0))

        shapes = tuple(jnp.zeros((), kind) for _ in self.outputs)
        values = [inputs[name] for name in names]
        results = jax.pure_callback(columns, shapes, *values, vmap_method="broadcast_all")
        return dict(zip(self.outputs, results, strict=True))

    def _at(self, key: _Point, values: list[float]) -> tuple[float, ...]:
        if key in self._kept:
            return self._kept[key]
        self.calls += 1
        try:
            result = checked_result(self.function(**dict(zip(key[0], values, strict=True))))
            if result.keys() != {*self.outputs}:
                here, elsewhere = ", ".join(result), ", ".join(self.outputs)
                raise ModelError(f"gives {here} here, and {elsewhere} elsewhere")
            row = tuple(float(np.asarray(result[name])) for name in self.outputs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # JAX would lose its message
            self.failures += 1
            self.failure = self.failure or failure_text(error)
            row = (np.nan,) * len(self.outputs)
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = row
        return row


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
        Distinguishes a user's function from the same one after a name that it reads has changed:
        compiled code is found by it.
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
        inputs = {*self.required, *self.optional}
        return [name for name in names if self.takes_all or name in inputs]

    def __call__(self, inputs: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """Evaluate at one point; a lone scalar is named ``y``.

        Raises
        ------
        ModelError
            If the result is not a number, or a mapping of names to numbers.
        """
        result = self.function(**{name: inputs[name] for name in self.used(inputs)})
        kind = jnp.result_type(float)
        # Shipped models declare their outputs, and need no check in each trace.
        if not (isinstance(result, Mapping) and self.outputs):
            result = checked_result(result)
        return {name: jnp.asarray(value, kind) for name, value in result.items()}


def by_name(function: Callable[..., Result]) -> Callable[..., Result]:
    """Let a formula be called with the fields of its groups as plain keywords.

    Parameters
    ----------
    function : callable
        Some of its parameters are annotated with dataclasses.

    Returns
    -------
    callable
        Its signature names each field in place of its group.

    Examples
    --------
    >>> from uncertainty.energy.flops import query_flop
    >>> list(inspect.signature(by_name(query_flop)).parameters)[-5:-2]
    ['output_tokens', 'input_tokens', 'cached_share']
    >>> float(by_name(query_flop)(active_parameters=1e9, output_tokens=2.0)["decode_weights"])
    4000000000.0
    """
    parameters = inspect.signature(function).parameters
    groups = {
        name: (parameter.annotation, inspect.signature(parameter.annotation).parameters)
        for name, parameter in parameters.items()
        if hasattr(parameter.annotation, "__dataclass_fields__")
    }
    flat: list[inspect.Parameter] = []
    for name, parameter in parameters.items():
        flat += groups[name][1].values() if name in groups else [parameter]

    @functools.wraps(function)
    def keywords(**inputs: object) -> Result:
        filled = {
            name: group(**{field: inputs.pop(field) for field in fields if field in inputs})
            for name, (group, fields) in groups.items()
        }
        return function(**filled, **inputs)

    keywords.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what `inspect` reads
        [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in flat]
    )
    return keywords


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
        raise ModelError(f"{name} is an async function; write def in place of async def")
    # Before Python 3.12 an object that cannot be hashed has a signature in its method only.
    call = getattr(function, "__call__", function)  # noqa: B004  # the method, not whether it is
    by_method = inspect.ismethod(call) and not hasattr(function, "__signature__")
    try:
        parameters = inspect.signature(call if by_method else function).parameters.values()
    except (TypeError, ValueError):
        text = f"the inputs of {name} are not known; wrap it, as in lambda x: {name}(x)"
        raise ModelError(text) from None
    kinds = {p.kind for p in parameters}
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    if positional or inspect.Parameter.VAR_POSITIONAL in kinds:
        names = f" ({', '.join(positional)})" if positional else ""
        raise ModelError(f"{name} takes arguments by position{names}; it must take them by name")
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
