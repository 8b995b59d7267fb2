"""What an energy model is: a pure function of named inputs, with its declarations."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.declarations import Output

__all__ = ["EnergyModel", "ModelError", "arrays", "call", "model_from_callable"]

Result = TypeVar("Result")


class ModelError(ValueError):
    """A callable that cannot serve as a model; the message says why."""


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
    """

    name: str
    function: Callable[..., object]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    takes_all: bool = False
    alternatives: tuple[tuple[str, ...], ...] = ()
    outputs: tuple[Output, ...] = ()

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
            If the result is no mapping of names.
        """
        result = self.function(**{name: inputs[name] for name in self.used(inputs)})
        if not isinstance(result, Mapping):
            return {"y": result}  # type: ignore[dict-item]  # checked when the problem is built
        if not all(isinstance(name, str) for name in result):
            raise ModelError("returns a mapping whose keys are not all names")
        return dict(result)


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
    parameters = inspect.signature(function).parameters.values()
    kinds = {p.kind for p in parameters}
    name = getattr(function, "__name__", type(function).__name__)
    if kinds & {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}:
        raise ModelError(f"{name} takes arguments by position; a model takes them by name")
    named = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return EnergyModel(
        name=name,
        function=function,
        required=tuple(p.name for p in named if p.default is p.empty),
        optional=tuple(p.name for p in named if p.default is not p.empty),
        takes_all=inspect.Parameter.VAR_KEYWORD in kinds,
        alternatives=alternatives,
        outputs=outputs,
    )
