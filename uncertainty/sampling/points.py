"""Randomized quasi-Monte Carlo points of the unit cube, by name and by index.

A coordinate keeps its direction numbers by its place in the file and its scramble by its name, so
an assumption added after the others changes nothing before it, and any stretch of points can be
computed by itself.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from uncertainty.precision import Floats

__all__ = ["normal_scores", "unit_points"]

_BITS = 32
_PLACES = np.arange(_BITS, dtype=np.uint32)


@lru_cache(maxsize=8)
def _directions(dimensions: int) -> np.ndarray:
    """Sobol' direction numbers of Joe and Kuo (2008), shape (dimensions, bits), from SciPy."""
    from scipy.stats import qmc

    # SciPy gives points only one after the other; points by index need its direction numbers.
    engine = qmc.Sobol(dimensions, scramble=False, bits=_BITS)
    return np.asarray(engine._sv, np.uint32)


def _generator(seed: int, randomization: int, name: str) -> np.random.Generator:
    text = f"{seed}/{randomization}/{name}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest()))


def _scrambled(directions: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, float]:
    """Random linear matrix scramble of Matousek (1998), and a random digital shift in [0, 1).

    Row i of the scramble keeps digit i and adds a random choice of the digits before it.
    """
    above = ~(np.uint32(0xFFFFFFFF) >> _PLACES)
    rows = (generator.integers(0, 2**_BITS, _BITS, np.uint32) & above) | (
        np.uint32(1 << (_BITS - 1)) >> _PLACES
    )
    digits = np.bitwise_count(rows[:, None] & directions[None, :]) & 1
    columns = (digits.astype(np.uint32) << (_BITS - 1 - _PLACES)[:, None]).sum(0, dtype=np.uint32)
    return columns, float(generator.random())


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

    Notes
    -----
    Scrambled Sobol' points: Owen (1995); Matousek (1998), On the L2-discrepancy for anchored boxes.

    Examples
    --------
    >>> points = unit_points({"a": 0, "b": 1}, 8, seed=0, randomization=0)["b"]
    >>> sorted(int(8 * u) for u in points)  # one in each eighth
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    indices = np.arange(start, start + count, dtype=np.uint32)
    table = _directions(max(coordinates.values(), default=0) + 1)
    return {
        name: _coordinate(table[place], indices, _generator(seed, randomization, name))
        for name, place in coordinates.items()
    }


def _coordinate(
    directions: np.ndarray, indices: np.ndarray, generator: np.random.Generator
) -> Floats:
    columns, shift = _scrambled(directions, generator)
    digits = np.zeros(indices.shape, np.uint32)
    for place in range(int(indices[-1]).bit_length() if len(indices) else 0):
        digits ^= np.where((indices >> np.uint32(place)) & 1 == 1, columns[place], np.uint32(0))
    scaled = shift * 2.0**_BITS
    whole = np.uint32(int(scaled))
    # The digits beyond the last are one random number for all points: none is ever 0 or 1.
    rest = min(max(scaled - int(scaled), 2.0**-20), 1 - 2.0**-20)
    return ((digits ^ whole).astype(np.float64) + rest) * 2.0**-_BITS


def normal_scores(
    coordinates: Mapping[str, int], count: int, *, seed: int, randomization: int
) -> dict[str, Floats]:
    """Standard normal scores of the first `count` points."""
    from scipy.special import ndtri

    points = unit_points(coordinates, count, seed=seed, randomization=randomization)
    return {name: np.asarray(ndtri(u)) for name, u in points.items()}
