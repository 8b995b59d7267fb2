"""What an energy model is: a pure function of named inputs, with its declarations."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.declarations import Output
from uncertainty.energy.plain import PlainFunction
from uncertainty.energy.result import ModelError, checked_result

__all__ = ["EnergyModel", "ModelError", "arrays", "call", "model_from_callable"]

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
