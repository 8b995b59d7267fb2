"""Float64: the type of our arrays, and JAX in 64 bits inside our own calls only."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeAlias, TypeVar

import numpy as np

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Integers: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

P = ParamSpec("P")
R = TypeVar("R")


def in_float64(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` with JAX in 64 bits, and leave JAX as it was.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> in_float64(lambda: str(jnp.zeros(1).dtype))()
    'float64'
    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        import jax

        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapper
