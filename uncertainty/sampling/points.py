"""Randomized quasi-Monte Carlo points of the unit cube, and quantile functions as tables over them.

A coordinate keeps its direction numbers by its place in the file and its scramble by its name, so
an assumption added after the others changes nothing before it, and any stretch of points can be
computed by itself.

A table draws at the speed of memory. A point is known by its distance to the nearer end of (0, 1),
as an integer of 31 digits. The exponent and the first digits of that distance name a cell, so cells
shrink towards both ends as the distance does, and in each the quantile function is a parabola
through both ends and the middle. A quantile function that is one straight line needs no table, and
wherever a parabola is not good enough, as at a jump, the law itself is evaluated.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from uncertainty.arrays import Floats, program
from uncertainty.distributions import CompiledLaw
from uncertainty.errors import check_seed
from uncertainty.problem import Joint

BITS = 32
"""Binary digits of a point, and of its index."""
_PLACES = np.arange(BITS, dtype=np.uint32)

_DIGITS = 7  # of a distance, name a cell within its octave: parabolas are then right to 1e-7
_LOWEST = -20  # exponent of the smallest distance, in units of the last digit of a point
_HALF = (BITS - 1 - _LOWEST) << _DIGITS  # cells of the lower half
_MANTISSA = 52  # digits of float64 behind the first
_TOLERANCE = 1e-7  # of a parabola, next to the value or the spread
_STRAIGHT = 2.0**-40  # of a straight line: what no draw of a stream can show
_ROUNDED = 2.0**-51  # of a value: a law rounds, and so do the sums that make up a parabola


@lru_cache(maxsize=8)
def _directions(dimensions: int) -> np.ndarray:
    """Sobol' direction numbers of Joe and Kuo (2008), shape (dimensions, bits), from SciPy."""
    from scipy.stats import qmc

    # SciPy gives points only one after the other; points by index need the direction numbers. It
    # walks in Gray code, so the point after so many as a power of two adds the number of that power
    # alone: to the origin, where the walk begins anew for each.
    engine, points = qmc.Sobol(dimensions, scramble=False, bits=BITS), []
    for place in range(BITS):
        engine.reset()
        engine.num_generated = 1 << place
        points.append(engine.random(1)[0])
    return np.asarray(np.stack(points, 1) * 2.0**BITS, np.uint32)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DigitalNet:
    """Points of some randomizations, ready to be computed by index.

    Of each randomization and coordinate: the digits that each of the 32 binary digits of the index
    adds, those added to all points, and what lies beyond the last: no point is ever 0 or 1.
    """

    columns: np.ndarray
    shift: np.ndarray
    rest: Floats

    def points(self, randomization: int, count: int, start: int = 0) -> Floats:
        """Points `start` to ``start + count``, strictly inside (0, 1): (coordinates, count)."""
        columns, digits = self.columns[randomization], self.shift[randomization][:, None]
        low = max(count - 1, 0).bit_length()
        for place in range(low):  # each binary digit of the index doubles the points
            digits = np.concatenate([digits, digits ^ columns[:, place, None]], 1)
        # So many points lie in at most two aligned stretches of 2^low, which differ in the digits
        # of the index above.
        first, places = start >> low, np.arange(BITS)
        above = np.stack(
            [
                np.bitwise_xor.reduce(columns[:, (number << low >> places) & 1 == 1], 1)
                for number in (first, first + 1)
            ],
            1,
        )
        indices = np.arange(start, start + count)
        digits = digits[:, indices & (2**low - 1)] ^ above[:, (indices >> low) - first]
        rest = self.rest[randomization][:, None]
        return np.asarray((digits.astype(np.float64) + rest) * 2.0**-BITS)

    def unshifted(self, indices: Array) -> Array:
        """Digits of points before the shift, in compiled code: (coordinates, randomization, n)."""
        table, low = jnp.swapaxes(jnp.asarray(self.columns), 0, 1), indices.astype(jnp.uint32)
        digits = jnp.zeros((*table.shape[:2], len(low)), jnp.uint32)
        for place in range(BITS):
            bit = (low >> place) & 1 == 1
            digits ^= jnp.where(bit[None, None], table[:, :, place, None], jnp.uint32(0))
        return digits

    def digits(self, indices: Array) -> Array:
        """Digits of points, in compiled code: (coordinates, randomization, n)."""
        return self.unshifted(indices) ^ jnp.asarray(self.shift).T[:, :, None]


def digital_net(
    coordinates: Mapping[str, int], *, seed: int, randomizations: Sequence[int]
) -> DigitalNet:
    """Scrambled Sobol' points of the named coordinates, as a map from the digits of an index.

    Random linear matrix scramble of Matousek (1998), On the L2-discrepancy for anchored boxes,
    and a random digital shift; Owen (1995).
    """
    check_seed(seed)
    # SHAKE-128 (FIPS 202) gives as many bits as one asks for, and the same ones everywhere: the
    # digits of a scramble, and 64 bits for a shift.
    words = b"".join(
        hashlib.shake_128(f"{seed}/{number}/{name}".encode()).digest(4 * BITS + 8)
        for number in randomizations
        for name in coordinates
    )
    random = np.frombuffer(words, "<u4").reshape(len(randomizations), len(coordinates), BITS + 2)
    table = _directions(max(coordinates.values(), default=0) + 1)[[*coordinates.values()]]
    # Row i of a scramble keeps digit i and adds a random choice of the digits before it.
    before = ~(np.uint32(0xFFFFFFFF) >> _PLACES)
    rows = (random[..., :BITS] & before) | (np.uint32(1 << (BITS - 1)) >> _PLACES)
    columns = np.zeros(rows.shape, np.uint32)
    for place in range(BITS):
        odd = np.bitwise_count(rows[..., place, None] & table) & np.uint8(1)
        columns |= odd.astype(np.uint32) << np.uint32(BITS - 1 - place)
    # A float64 has 53 digits: 32 are the shift, the others lie beyond the last digit of a point.
    numbers = (random[..., BITS:].copy().view("<u8")[..., 0] >> np.uint64(11)) * 2.0**-53
    shift = np.floor(numbers * 2.0**BITS)
    rest = np.clip(numbers * 2.0**BITS - shift, 2.0**_LOWEST, 1 - 2.0**_LOWEST)
    return DigitalNet(columns, shift.astype(np.uint32), rest)


def unit_points(
    coordinates: Mapping[str, int], count: int, *, seed: int, randomization: int, start: int = 0
) -> dict[str, Floats]:
    """Points `start` to ``start + count`` of one randomization, strictly inside (0, 1).

    Parameters
    ----------
    coordinates : mapping of str to int
        Place of each named coordinate in the unit cube.
    count, start : int
        Which points; at most 2^32 in all.
    seed, randomization : int
        Which scramble.

    Returns
    -------
    dict of str to array
        Shape (count,) each.

    Examples
    --------
    >>> points = unit_points({"a": 0, "b": 1}, 8, seed=0, randomization=0)["b"]
    >>> sorted(int(8 * u) for u in points)  # one in each eighth
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    net = digital_net(coordinates, seed=seed, randomizations=[randomization])
    return dict(zip(coordinates, net.points(0, count, start), strict=True))


def normal_scores(
    coordinates: Mapping[str, int], count: int, *, seed: int, randomization: int
) -> dict[str, Floats]:
    """Standard normal scores of the first `count` points."""
    from scipy.special import ndtri

    points = unit_points(coordinates, count, seed=seed, randomization=randomization)
    return {name: np.asarray(ndtri(u)) for name, u in points.items()}


@lru_cache(maxsize=1)
def _grid() -> tuple[Floats, Floats]:
    """Points at the start, the quarters and the end of each cell, and their normal scores.

    Shape (5, cells) both: the cells of the lower half, then those of the upper half.
    """
    from scipy.special import ndtri

    digits = 1 + np.arange(1 << _DIGITS) / (1 << _DIGITS)
    octaves = 2.0 ** np.arange(_LOWEST, BITS - 1)
    ends = np.append(np.outer(octaves, digits).ravel(), 2.0 ** (BITS - 1))
    low, high = ends[:-1], ends[1:]
    lower = (low + np.linspace(0, 1, 5)[:, None] * (high - low)) * 2.0**-BITS
    scores = ndtri(lower)
    return np.concatenate([lower, 1 - lower], 1), np.concatenate([scores, -scores], 1)


def _parabolas(values: Array) -> tuple[Array, Array]:
    """Start and packed slopes of each cell, shape (2, cells), and the error at its quarters."""
    start, quarter, middle, other, end = values
    bend = 2 * start - 4 * middle + 2 * end
    # The slopes are a small part of the value: 32 bits are enough for each, one place holds both.
    low, high = (
        lax.bitcast_convert_type(x.astype(jnp.float32), jnp.uint32).astype(jnp.uint64)
        for x in (end - start - bend, bend)
    )
    packed = lax.bitcast_convert_type(low | (high << 32), jnp.float64)
    linear, square = _unpack(packed)
    misses = [
        jnp.abs(start + t * (linear + t * square) - exact)
        for t, exact in ((0.25, quarter), (0.75, other))
    ]
    return jnp.stack([start, packed]), jnp.maximum(*misses)


def _unpack(packed: Array) -> tuple[Array, Array]:
    pair = lax.bitcast_convert_type(packed, jnp.uint64)
    first, second = (
        lax.bitcast_convert_type(half.astype(jnp.uint32), jnp.float32).astype(jnp.float64)
        for half in (pair, pair >> 32)
    )
    return first, second


@program()
def _fit(law: CompiledLaw) -> tuple[Array, Array, Array, Array]:
    """Parabolas of a law, shape (2, cells), and whether they are good enough.

    Then the start and the rise of a straight line, (2,), and whether that is the law. Laws of one
    kind share their compiled code.
    """
    points, scores = (jnp.asarray(array) for array in _grid())
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


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tables:
    """What turns the digits of points into values and scores.

    Values are looked up of what is `tabulated` (the `straight` ones need no table, but start and
    rise); of the `others`, whose law needs more than its own point or bends too sharply, scores.
    The first table, of (1 + tabulated, 2, cells), gives the normal score.
    """

    tabulated: tuple[str, ...] = field(metadata={"static": True})
    others: tuple[str, ...] = field(metadata={"static": True})
    straight: tuple[str, ...] = field(metadata={"static": True})
    coefficients: ArrayLike
    lines: ArrayLike

    @property
    def names(self) -> tuple[str, ...]:
        """Every coordinate, in the order in which points are taken."""
        return (*self.tabulated, *self.others)

    def look_up(self, digits: Array, rest: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """Give the values of what is tabulated, and the scores of the others.

        Digits are of shape (coordinates, ...), and what lies beyond them of one that fits.
        """
        lines, values = jnp.asarray(self.lines), {}
        for i, name in enumerate(self.tabulated):
            if name in self.straight:
                start, rise = lines[self.straight.index(name)]
                points = (digits[i].astype(jnp.float64) + rest[i]) * 2.0**-BITS
                values[name] = start + rise * points
            else:
                values[name] = self._read(1 + i, digits[i], rest[i])
        others = enumerate(self.others, len(self.tabulated))
        return values, {name: self.score(digits[i], rest[i]) for i, name in others}

    def score(self, digits: Array, rest: Array) -> Array:
        """Normal scores of the points of one coordinate."""
        return self._read(0, digits, rest)

    def _read(self, table: int, digits: Array, rest: Array) -> Array:
        signed = lax.bitcast_convert_type(digits, jnp.int32)  # negative in the upper half
        # Exact, and inside the cells: what lies beyond the digits is neither 0 nor 1 to 20 digits.
        distance = jnp.abs(signed.astype(jnp.float64) + rest)
        bits = lax.bitcast_convert_type(distance, jnp.uint64)
        exponent = (bits >> (_MANTISSA - _DIGITS)).astype(jnp.int32)
        cell = exponent - ((1023 + _LOWEST) << _DIGITS) + ((signed >> (BITS - 1)) & _HALF)
        coefficients = jnp.asarray(self.coefficients)
        constant, packed = (
            coefficients[table, k].at[cell].get(mode="promise_in_bounds") for k in range(2)
        )
        linear, square = _unpack(packed)
        # Digits of the distance that do not name the cell, behind the exponent of one.
        within = (bits << _DIGITS) & (2**_MANTISSA - 1) | (1023 << _MANTISSA)
        place = lax.bitcast_convert_type(within, jnp.float64) - 1
        return constant + place * (linear + place * square)


def tabulate(joint: Joint, coordinates: tuple[str, ...]) -> Tables:
    """Make tables of the uncertain assumptions that stand alone, where parabolas serve."""
    correlated = {name for block in joint.blocks for name in block.names}
    laws = {n.name: n.law for n in joint.nodes if n.law is not None and n.law.closed}
    fitted = {n: _fit(laws[n]) for n in coordinates if n in laws and n not in correlated}
    kept = {name: fit for name, fit in fitted.items() if bool(fit[1])}
    scores = _parabolas(jnp.asarray(_grid()[1]))[0]
    lines = {name: line for name, (_, _, line, straight) in fitted.items() if bool(straight)}
    return Tables(
        tabulated=tuple(kept),
        others=tuple(name for name in coordinates if name not in kept),
        straight=tuple(lines),
        coefficients=np.stack([scores, *(fit[0] for fit in kept.values())]),
        lines=np.array([*lines.values()]).reshape(-1, 2),
    )
