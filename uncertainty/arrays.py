"""Float64, JAX in 64 bits inside our own calls only, and programs that are traced once."""

import hashlib
import inspect
import os
import pickle
import platform
import re
import sys
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial, update_wrapper, wraps
from importlib.metadata import version
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeAlias, TypeVar, cast

import numpy as np

from uncertainty.writing import PROGRAMS, digest_of

if TYPE_CHECKING:
    import jax.numpy
    from jax import Array as Array
    from jax.typing import ArrayLike as ArrayLike

    jnp = jax.numpy
else:
    Array = ArrayLike = object

    class _Numpy:
        """`jax.numpy`, loaded with the first number computed: it takes half a second or more."""

        def __getattr__(self, name: str) -> object:
            import jax.numpy

            return getattr(jax.numpy, name)

    jnp = _Numpy()

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Integers: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

P = ParamSpec("P")
R = TypeVar("R")

_LIBRARIES = ("jax", "jaxlib", "numpy", "numpyro", "scipy")  # whose code may be part of a program
_THREADS = 2  # one call of compiled code does not keep two cores busy; more would fill the memory
_IN_MEMORY: dict[object, Callable[..., object]] = {}
_LOCKS: dict[object, threading.RLock] = {}


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


def side_by_side(function: Callable[..., R], *items: Iterable[object]) -> list[R]:
    """Call a function for each of some items, two at a time; the results in their order."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(in_float64(function), *items))


class Program(Generic[R]):
    """A compiled function, from `program`."""

    def __init__(self, function: Callable[..., R], static: tuple[str, ...]) -> None:
        import jax

        self.function, self.static = function, static
        self.signature = inspect.signature(function)
        # Arguments that are not used stay, so that the places of arguments do not depend on them.
        self.jitted = jax.jit(function, static_argnames=static, keep_unused=True)
        update_wrapper(self, function)

    def __call__(self, *args: object, **kwargs: object) -> R:  # noqa: D102  # as the function
        compiled, given = self.ready(*args, **kwargs)
        return compiled(**given)

    def ready(self, *args: object, **kwargs: object) -> tuple[Callable[..., R], dict[str, object]]:
        """Give the compiled code for such arguments, and those that it takes."""
        import jax

        given = self.signature.bind(*args, **kwargs).arguments
        leaves, tree = jax.tree.flatten({k: x for k, x in given.items() if k not in self.static})
        if (
            not jax.config.jax_enable_x64
            or jax.config.jax_disable_jit
            or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
            or (jax.default_backend(), jax.local_device_count()) != ("cpu", 1)
        ):
            return cast(Callable[..., R], self.jitted), given
        fixed = {name: given.pop(name) for name in self.static if name in given}
        kinds = [(np.shape(x), getattr(x, "dtype", type(x))) for x in leaves]
        key = (self.function, *fixed.items(), tree, *kinds, jax.config.jax_debug_nans)
        compiled = _IN_MEMORY.get(key)
        if compiled is None:
            # Threads that need the same program wait for the first; others are not held up.
            with _LOCKS.setdefault(key, threading.RLock()):
                compiled = _IN_MEMORY.get(key) or _compiled(self, fixed, given)
                _IN_MEMORY[key] = compiled
        return cast(Callable[..., R], compiled), given

    def ahead(self, *args: object, **kwargs: object) -> "Future[object]":
        """Make `ready` in a thread: Python, which XLA does not hold up, goes on meanwhile."""
        thread = ThreadPoolExecutor(1)
        try:
            return thread.submit(in_float64(self.ready), *args, **kwargs)
        finally:
            thread.shutdown(wait=False)


def program(*static: str) -> Callable[[Callable[..., R]], Program[R]]:
    """Compile a function as `jax.jit` does, once for each structure, whatever the process.

    A structure is the function, its arguments named in `static`, the static fields of dataclasses,
    and the shapes and types of arrays. Numbers of a file are leaves of the arguments, so another
    number, or another file of the same structure, takes the same program: without tracing, and in
    another process too. Where what is static cannot be told by what it does, as a user's own
    function, each process traces it, and what that gives is the name of the compiled code. Both
    are kept in `PROGRAMS`, for this source, these libraries and this processor. Within another
    traced function, in 32 bits and on a GPU it is `jax.jit` and no more.

    Examples
    --------
    >>> @program()
    ... def double(x):
    ...     return 2 * x
    >>> float(in_float64(double)(np.float64(3)))
    6.0
    """
    return lambda function: Program(function, static)


def forget_programs() -> None:
    """Let go of every program that this process holds."""
    _IN_MEMORY.clear()
    _LOCKS.clear()


def _compiled(
    program: "Program[R]", fixed: dict[str, object], given: dict[str, object]
) -> Callable[..., object]:
    """Load a program, or compile and keep it."""
    import jax
    from jax.experimental.serialize_executable import deserialize_and_load, serialize

    # What JAX computes of plain numbers is weakly typed at times, which no program depends on.
    shape: Callable[..., object] = jax.ShapeDtypeStruct
    shapes = jax.tree.map(
        lambda x: shape(np.shape(x), x.dtype) if hasattr(x, "dtype") else x, given
    )
    # What comes from JAX's own cache, where that is on, cannot be written again.
    if PROGRAMS.folder is None or jax.config.jax_compilation_cache_dir:
        return program.jitted.lower(**shapes, **fixed).compile()
    around = surroundings()

    def load(name: str, outputs: object) -> Callable[..., object] | None:
        content, trees = PROGRAMS.load(name), map(jax.tree.structure, (((), given), outputs))
        return deserialize_and_load(zlib.decompress(content), *trees) if content else None

    traced = ""  # the name under which stands that of the compiled code
    try:
        parts = _structure((program.function, fixed)), _structure(given, static=False)
        text = f"{source_digest()} {' '.join(parts)}"
        traced = hashlib.sha256(f"{around} {text}".encode()).hexdigest()
        if (content := PROGRAMS.load(traced)) and (ready := load(*pickle.loads(content))):
            return ready
    except Exception:  # not known by what it does, or a strange file: it is traced
        pass
    lowered = program.jitted.lower(**shapes, **fixed)
    text = lowered.as_text()
    if "callback" in text:  # of Python, known by its address
        return lowered.compile()
    name = hashlib.sha256(f"{around} {text}".encode()).hexdigest()
    # Places stand in for the results: the types of trees are no part of a pickle.
    outputs = jax.tree.map(lambda _: 0, lowered.out_info)
    compiled = None
    try:
        compiled = load(name, outputs)
        if compiled is None:
            compiled = new = lowered.compile()
            PROGRAMS.save(name, zlib.compress(serialize(new)[0], 1))
        # JAX makes routines of LAPACK known as it lowers what calls them: without that they crash.
        if traced and "custom_call" not in text:
            PROGRAMS.save(traced, pickle.dumps((name, outputs)))
    except Exception:  # JAX cannot write every program
        compiled = compiled or lowered.compile()
    return compiled


def _structure(value: object, *, static: bool = True) -> str:  # noqa: PLR0911  # one a kind
    """Describe a value by what a program can depend on: the same text in every process.

    Numbers that are not `static` are told by their shape and type. Raises LookupError where
    what a value does cannot be told from it.
    """
    kind, inner = type(value), partial(_structure, static=static)
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', kind.__qualname__)}"
    ours = name.startswith(f"{__name__.partition('.')[0]}.")  # hashed by `source_digest`
    if isinstance(value, FunctionType) and ours:
        code, cells = value.__code__, [cell.cell_contents for cell in value.__closure__ or ()]
        # Functions of one name differ by their place, and by what they enclose.
        around = _structure((cells, value.__defaults__, value.__kwdefaults__))
        return f"{name} {[*code.co_positions()]} {around}"
    if isinstance(value, type) and (ours or value.__module__ in ("builtins", "inspect")):
        return name
    if is_dataclass(value) and ours:
        # The only metadata that fields have here is that they are static.
        parts = [(getattr(value, f.name), static or bool(f.metadata)) for f in fields(value)]
        return f"{name}({', '.join(_structure(x, static=fixed) for x, fixed in parts)})"
    if isinstance(value, dict | OrderedDict | MappingProxyType):
        pairs = [f"{_structure(key)}: {inner(item)}" for key, item in value.items()]
        # Trees are without an order. A list would be shown with quotes of quotes, twice the text
        # with each level.
        return f"{name}{{{', '.join(pairs if static or kind is not dict else sorted(pairs))}}}"
    if isinstance(value, tuple | list | set | frozenset):
        items = [*map(inner, value)]
        return (
            f"{name}[{', '.join(sorted(items) if isinstance(value, set | frozenset) else items)}]"
        )
    if isinstance(value, inspect.Parameter):
        return _structure((value.name, value.kind, value.default))
    if value is None or (static and kind in (bool, int, float, str)) or isinstance(value, Enum):
        return f"{name} {value!r}"
    if not static and (kind in (bool, int, float) or hasattr(value, "dtype")):
        return f"{name} {getattr(value, 'dtype', '')} {getattr(value, 'shape', '')}"
    raise LookupError(f"{name} is known by its address only")


@cache
def source_digest() -> str:
    """Hash of the source of this package."""
    return digest_of(Path(__file__).parent.rglob("*.py"))


def surroundings() -> str:
    """What the last digits of any program may depend on, beside its source."""
    import jax

    # JAX's settings but for those of its cache, and XLA's.
    settings = [f"{k}={v}" for k, v in jax.config.values.items() if not re.search("cache|log", k)]
    return f"{machine()} {sorted(settings)} {os.environ.get('XLA_FLAGS')}"


@cache
def machine() -> str:
    """What all compiled code depends on: the libraries, and what this very processor can do."""
    versions = [sys.version, platform.platform(), *map(version, _LIBRARIES)]
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        able = sorted({x for x in lines if x.startswith(("flags", "Features", "model name"))})
    except OSError:
        able = [platform.node()]
    return f"{versions} {able} {os.cpu_count()}"
