"""A model in plain Python (NumPy, SciPy, a table): called with floats, once for each point."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.energy.result import ModelError, checked_result, failure_text
from uncertainty.precision import Floats

__all__ = ["PlainFunction"]

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
