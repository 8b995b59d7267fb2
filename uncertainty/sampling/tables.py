"""Quantile functions as tables over the digits of a point, for drawing at the speed of memory.

A point is known by its distance to the nearer end of (0, 1), as an integer of 31 digits. The
exponent and the first digits of that distance name a cell, so cells shrink towards both ends as
the distance does, and in each the quantile function is a parabola through both ends and the
middle. A quantile function that is one straight line needs no table, and wherever a parabola is not
good enough, as at a jump, the law itself is evaluated.
"""

from dataclasses import dataclass, field
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from uncertainty.arrays import Floats
from uncertainty.distributions import CompiledLaw
from uncertainty.problem import Joint

_BITS = 32
_DIGITS = 7
_LOWEST = -20  # exponent of the smallest distance, in units of the last digit of a point
_OCTAVES = _BITS - 1 - _LOWEST
_HALF = _OCTAVES << _DIGITS
_MANTISSA = 52
_TOLERANCE = 1e-7
_STRAIGHT = 2.0**-40
_ROUNDED = 2.0**-51  # of a value: a law rounds, and so do the sums that make up a parabola


def _cells() -> tuple[Floats, Floats]:
    """Lower and upper ends of the cells, as distances in units of the last digit of a point."""
    digits = 1 + np.arange(1 << _DIGITS) / (1 << _DIGITS)
    octaves = 2.0 ** np.arange(_LOWEST, _BITS - 1)
    ends = np.append(np.outer(octaves, digits).ravel(), 2.0 ** (_BITS - 1))
    return ends[:-1], ends[1:]


def _lower() -> Floats:
    """Points of the lower half at the start, the quarters and the end of each cell."""
    low, high = _cells()
    return np.asarray((low + np.linspace(0, 1, 5)[:, None] * (high - low)) * 2.0**-_BITS)


@lru_cache(maxsize=1)
def _scores() -> Floats:
    """Scores of these points and of those of the upper half: shape (5, 2 halves * cells)."""
    from scipy.special import ndtri

    lower = ndtri(_lower())
    return np.concatenate([lower, -lower], 1)


def _parabolas(values: Array) -> tuple[Array, Array]:
    """Start and packed slopes of each cell, shape (2, cells), and the error at its quarters.

    The slopes are a small part of the value: 32 bits are enough for each, and one place holds both.
    """
    start, quarter, middle, other, end = values
    bend = 2 * start - 4 * middle + 2 * end
    packed = _pack(end - start - bend, bend)
    linear, square = _unpack(packed)
    misses = [
        jnp.abs(start + t * (linear + t * square) - exact)
        for t, exact in ((0.25, quarter), (0.75, other))
    ]
    return jnp.stack([start, packed]), jnp.maximum(*misses)


def _pack(first: Array, second: Array) -> Array:
    """Two numbers of 32 bits in the place of one."""
    low, high = (
        lax.bitcast_convert_type(x.astype(jnp.float32), jnp.uint32).astype(jnp.uint64)
        for x in (first, second)
    )
    return lax.bitcast_convert_type(low | (high << 32), jnp.float64)


def _unpack(packed: Array) -> tuple[Array, Array]:
    pair = lax.bitcast_convert_type(packed, jnp.uint64)
    first, second = (
        lax.bitcast_convert_type(half.astype(jnp.uint32), jnp.float32).astype(jnp.float64)
        for half in (pair, pair >> 32)
    )
    return first, second


@jax.jit
def _fit(law: CompiledLaw) -> tuple[Array, Array, Array, Array]:
    """Parabolas of a law, shape (2, cells), and whether they are good enough.

    Then the start and the rise of a straight line, (2,), and whether that is the law. Laws of one
    kind share their compiled code.
    """
    scores, lower = jnp.asarray(_scores()), _lower()
    points = np.concatenate([lower, 1 - lower], 1)
    values = jax.vmap(jax.vmap(lambda z: law.quantile(z, {})))(scores)
    coefficients, miss = _parabolas(values)
    # Cells nearer to the end than any point have never been asked for a value.
    middle = values[-1, _HALF - 1]
    spread = jnp.abs(middle - values[-1, _HALF - 1 - (1 << _DIGITS)])
    # Next to the distance from the median, however large all values are: sums may cancel them. And
    # what a number of 64 bits cannot hold is not asked of a table either.
    apart = jnp.maximum(jnp.abs(values - middle), spread)
    size = jnp.minimum(jnp.maximum(jnp.abs(values), spread), apart)
    rounded = _ROUNDED * jnp.abs(values)
    line = jnp.stack([values[0, 0], 2 * (middle - values[0, 0])])
    straight = jnp.abs(values - line[0] - line[1] * points) <= _STRAIGHT * size + rounded
    return coefficients, (miss <= _TOLERANCE * size[2] + rounded[2]).all(), line, straight.all()


@lru_cache(maxsize=1)
def _of_scores() -> Floats:
    return np.asarray(_parabolas(jnp.asarray(_scores()))[0])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tables:
    """What turns the digits of points into values and scores.

    Attributes
    ----------
    tabulated : tuple of str
        Assumptions whose value is looked up.
    others : tuple of str
        Assumptions whose score is looked up: their law needs more than its own point, or bends too
        sharply.
    coefficients : array
        Shape (1 + tabulated, 2, cells); the first table gives the normal score.
    straight : tuple of str
        Those of the tabulated that need no table.
    lines : array
        Their start and rise, shape (straight, 2).
    """

    tabulated: tuple[str, ...] = field(metadata={"static": True})
    others: tuple[str, ...] = field(metadata={"static": True})
    straight: tuple[str, ...] = field(metadata={"static": True})
    coefficients: ArrayLike
    lines: ArrayLike

    @property
    def names(self) -> tuple[str, ...]:
        """Every coordinate, in the order in which points are wanted."""
        return (*self.tabulated, *self.others)

    def look_up(self, digits: Array, rest: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """Give the values of what is tabulated, and the scores of the others.

        Parameters
        ----------
        digits : array of uint32
            Shape (coordinates, ...).
        rest : array
            What lies beyond the digits, of a shape that fits.
        """
        read, lines = partial(_read, jnp.asarray(self.coefficients)), jnp.asarray(self.lines)
        found = {
            name: _on_line(lines[self.straight.index(name)], digits[i], rest[i])
            if name in self.straight
            else read(0 if name in self.others else 1 + i, digits[i], rest[i])
            for i, name in enumerate(self.names)
        }
        values = {name: found[name] for name in self.tabulated}
        return values, {name: found[name] for name in self.others}

    def score(self, digits: Array, rest: Array) -> Array:
        """Normal scores of the points of one coordinate."""
        return _read(jnp.asarray(self.coefficients), 0, digits, rest)


def _on_line(line: Array, digits: Array, rest: Array) -> Array:
    return line[0] + line[1] * ((digits.astype(jnp.float64) + rest) * 2.0**-_BITS)


def _read(coefficients: Array, table: int, digits: Array, rest: Array) -> Array:
    signed = lax.bitcast_convert_type(digits, jnp.int32)  # negative in the upper half
    # Exact, and inside the cells: what lies beyond the digits is neither 0 nor 1 to 20 digits.
    distance = jnp.abs(signed.astype(jnp.float64) + rest)
    bits = lax.bitcast_convert_type(distance, jnp.uint64)
    exponent = (bits >> (_MANTISSA - _DIGITS)).astype(jnp.int32)
    cell = exponent - ((1023 + _LOWEST) << _DIGITS) + ((signed >> (_BITS - 1)) & _HALF)
    constant, packed = (
        coefficients[table, k].at[cell].get(mode="promise_in_bounds") for k in range(2)
    )
    linear, square = _unpack(packed)
    # Digits of the distance that do not name the cell, behind the exponent of one.
    within = (bits << _DIGITS) & (2**_MANTISSA - 1) | (1023 << _MANTISSA)
    place = lax.bitcast_convert_type(within, jnp.float64) - 1
    return constant + place * (linear + place * square)


def tabulate(joint: Joint, coordinates: tuple[str, ...]) -> Tables:
    """Make tables of the laws that stand alone, where parabolas serve.

    Parameters
    ----------
    joint : Joint
    coordinates : tuple of str
        Uncertain assumptions.
    """
    correlated = {name for block in joint.blocks for name in block.names}
    nodes = {node.name: node for node in joint.nodes}
    alone = tuple(n for n in coordinates if n not in correlated and _closed(nodes[n].law))
    scores = _of_scores()[None]
    if not alone:
        return Tables((), coordinates, (), scores, np.zeros((0, 2)))
    fitted = [_fit(law) for name in alone if (law := nodes[name].law) is not None]
    coefficients, good, lines, straight = map(np.array, zip(*fitted, strict=True))
    tabulated = tuple(name for name, fits in zip(alone, good, strict=True) if fits)
    others = tuple(name for name in coordinates if name not in tabulated)
    return Tables(
        tabulated,
        others,
        tuple(name for name, line in zip(alone, straight, strict=True) if line),
        np.concatenate([scores, coefficients[good]]),
        lines[straight],
    )


def _closed(law: object) -> bool:
    return bool(getattr(law, "closed", False))
