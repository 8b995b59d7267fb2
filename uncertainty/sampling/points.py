"""Randomized quasi-Monte Carlo points of the unit cube, by name and by index.

A coordinate keeps its direction numbers by its place in the file and its scramble by its name, so
an assumption added after the others changes nothing before it, and any stretch of points can be
computed by itself.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.errors import check_seed

_BITS = 32
_PLACES = np.arange(_BITS, dtype=np.uint32)


@lru_cache(maxsize=8)
def _directions(dimensions: int) -> np.ndarray:
    """Sobol' direction numbers of Joe and Kuo (2008), shape (dimensions, bits), from SciPy."""
    from scipy.stats import qmc

    # SciPy gives points only one after the other; points by index need its direction numbers.
    engine = qmc.Sobol(dimensions, scramble=False, bits=_BITS)
    return np.asarray(engine._sv, np.uint32)


def _random_words(seed: int, randomization: int, name: str) -> bytes:
    """Random digits of a coordinate, and a random number, from a hash of the name.

    SHAKE-128 (FIPS 202) gives as many bits as one asks for, and the same ones everywhere.
    """
    text = f"{seed}/{randomization}/{name}".encode()
    return hashlib.shake_128(text).digest(4 * _BITS + 8)


def _scrambled(directions: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """Columns of linear matrix scrambles, shape (randomizations, coordinates, bits).

    Row i of a scramble keeps digit i and adds a random choice of the digits before it, given by
    `digits` of shape (randomizations, coordinates, bits).
    """
    above = ~(np.uint32(0xFFFFFFFF) >> _PLACES)
    rows = (digits & above) | (np.uint32(1 << (_BITS - 1)) >> _PLACES)
    columns = np.zeros(digits.shape, np.uint32)
    for place in range(_BITS):
        odd = np.bitwise_count(rows[..., place, None] & directions) & np.uint8(1)
        columns |= odd.astype(np.uint32) << np.uint32(_BITS - 1 - place)
    return columns


@dataclass(frozen=True)
class DigitalNet:
    """Points of some randomizations, ready to be computed by index.

    Attributes
    ----------
    columns : array of uint32
        Digits that each binary digit of the index adds, shape (randomizations, coordinates, 32).
    shift : array of uint32
        Digits added to all points, shape (randomizations, coordinates).
    rest : array
        What lies beyond the last digit, in (0, 1) of it, the same for all points of a coordinate:
        none is ever 0 or 1.
    """

    columns: np.ndarray
    shift: np.ndarray
    rest: Floats


def digital_net(
    coordinates: Mapping[str, int], *, seed: int, randomizations: Sequence[int]
) -> DigitalNet:
    """Scrambled Sobol' points of the named coordinates, as a map from the digits of an index.

    Notes
    -----
    Random linear matrix scramble of Matousek (1998), On the L2-discrepancy for anchored boxes,
    and a random digital shift; Owen (1995).
    """
    check_seed(seed)
    shape = len(randomizations), len(coordinates)
    if not coordinates:
        return DigitalNet(
            np.zeros((*shape, _BITS), np.uint32), np.zeros(shape, np.uint32), np.zeros(shape)
        )
    words = b"".join(_random_words(seed, i, name) for i in randomizations for name in coordinates)
    random = np.frombuffer(words, "<u4").reshape(*shape, _BITS + 2)
    numbers = (random[..., _BITS:].copy().view("<u8")[..., 0] >> np.uint64(11)) * 2.0**-53
    whole = np.floor(numbers * 2.0**_BITS)
    table = _directions(max(coordinates.values()) + 1)[[*coordinates.values()]]
    return DigitalNet(
        _scrambled(table, random[..., :_BITS]),
        whole.astype(np.uint32),
        np.clip(numbers * 2.0**_BITS - whole, 2.0**-20, 1 - 2.0**-20),
    )


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
    return {name: _coordinate(net, i, start, count) for i, name in enumerate(coordinates)}


def _coordinate(net: DigitalNet, number: int, start: int, count: int) -> Floats:
    columns = net.columns[0, number]
    low = max(count - 1, 0).bit_length()
    digits = np.full(1, net.shift[0, number], np.uint32)
    for column in columns[:low]:  # each binary digit of the index doubles the points
        digits = np.concatenate([digits, digits ^ column])
    indices = np.arange(start, start + count)
    first = start >> low
    others = [_digits_of(columns, (first + i) << low) for i in range(2)]
    digits = digits[indices & (2**low - 1)] ^ np.array(others, np.uint32)[(indices >> low) - first]
    return np.asarray((digits.astype(np.float64) + net.rest[0, number]) * 2.0**-_BITS)


def _digits_of(columns: np.ndarray, index: int) -> int:
    """Digits of one point before the shift."""
    places = [place for place in range(_BITS) if index >> place & 1]
    return int(np.bitwise_xor.reduce(columns[places], initial=0))


def normal_scores(
    coordinates: Mapping[str, int], count: int, *, seed: int, randomization: int
) -> dict[str, Floats]:
    """Standard normal scores of the first `count` points."""
    from scipy.special import ndtri

    points = unit_points(coordinates, count, seed=seed, randomization=randomization)
    return {name: np.asarray(ndtri(u)) for name, u in points.items()}
