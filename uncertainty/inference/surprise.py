"""Measurements that a prior did not expect, and the mistakes that would explain them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.problem import Observation
from uncertainty.results import NONE

SURPRISING = 0.001
"""Probability in the prior's own tails below which it did not expect a measurement."""
_CERTAIN = math.log(1e6)
"""Log odds of a mistaken unit against none, above which there is nothing else to learn."""
_WORTH_SAYING = math.log(1e3)
"""Log odds of a mistake above which it is named though no row by itself is surprising."""
_RIVAL = math.log(20)
"""How much less likely, in log odds, than the best cause another may be and still be named."""
_ERRORS = 2.0
"""Standard deviations that mended rows may lie off and a cause still be named."""
_LITTLE = 1e-3
_MOST = 200
"""Rows that are looked at together, evenly spread: the matrix of all would be too large."""

_UNITS = {
    1e3: ("mJ were entered as J, or Wh as kWh", "J were entered as mJ, or kWh as Wh"),
    3600.0: ("J were entered as Wh", "Wh were entered as J"),
    1e6: ("J were entered as MJ", "MJ were entered as J"),
    3.6e6: ("J were entered as kWh", "kWh were entered as J"),
}
"""What is too high, and too low, by a factor."""


@dataclass(frozen=True)
class Cause:
    """A mistake of whoever entered rows.

    Attributes
    ----------
    shift : array
        What it adds to the logarithm of each row.
    text : str
        It was ``as if ...``.
    of_units : bool
    """

    shift: Floats
    text: str
    of_units: bool = False

    @property
    def told(self) -> str:
        """The text with its factor."""
        factors = np.exp(np.abs(self.shift))
        low, high = (number(float(end)) for end in (factors.min(), factors.max()))
        return f"{self.text} ({low if low == high else f'{low} to {high}'} times)"


@dataclass(frozen=True)
class Surprise:
    """What is surprising about the rows of an evidence.

    Attributes
    ----------
    text : str
        A sentence; empty where nothing is.
    mistaken : bool
        True where a mistaken unit is all but certain.
    factor : float
        Of what was measured over what the prior expects of those rows, given the others.
    rows : tuple of int
        The places of the rows, from 0.
    """

    text: str
    mistaken: bool
    factor: float
    rows: tuple[int, ...]


def number(value: float) -> str:
    """Write a factor as people do.

    Examples
    --------
    >>> number(3.6e6), number(3600.0), number(2.875)
    ('3.6e6', '3600', '2.9')
    """
    if value >= 1e4:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e").replace(".0e", "e")
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def tails_of(draws: Floats, item: Observation) -> tuple[Floats, Floats]:
    """Probability in `draws` (sample, row) of what was measured or is farther out; its error."""
    observed = item.observed()
    values = observed[item.name]
    low, high = (observed.get(f"{item.name}_{end}", values) for end in ("at_least", "at_most"))
    below, inside = (draws < values).mean(0), ((low <= draws) & (draws <= high)).mean(0)
    limited = np.isnan(values)
    share = np.where(limited, inside, np.minimum(below, 1 - below))
    sides = np.where(limited, 1, 2)
    errors = np.sqrt(share * (1 - share) / len(draws))
    # Of what no draw shows, or every one, the error is the bound that holds.
    return sides * share, sides * np.where(errors > 0, errors, NONE / len(draws))


def surprise_of(draws: Floats, item: Observation) -> Surprise:
    """Look for rows in the far tails of `draws` (sample, row), and for what would explain them.

    Notes
    -----
    A cause is judged by the odds, under the joint predictive distribution of the logarithms, of
    rows that are mended against rows as they are; it is taken for normal.
    """
    tails = tails_of(draws, item)[0]
    odd = np.flatnonzero(tails < SURPRISING)
    logs, measured = _logs(draws), np.log(_positive(item.observed()[item.name]))
    usable = np.flatnonzero(np.isfinite(measured) & np.isfinite(logs).all(0))
    usable = usable[:: -(-len(usable) // _MOST) or 1]
    if not len(usable):
        return Surprise(_plain(item, odd, tails, math.nan), False, math.nan, tuple(odd.tolist()))
    residual = measured[usable] - logs[:, usable].mean(0)
    covariance = np.atleast_2d(np.cov(logs[:, usable].T))
    covariance += 1e-9 * np.trace(covariance) / len(usable) * np.eye(len(usable))
    causes = [Cause(cause.shift[usable], cause.text, cause.of_units) for cause in causes_of(item)]
    among, every = np.isin(usable, odd), np.ones(len(usable), bool)
    found = [
        (_log_odds(residual, np.where(mask, cause.shift, 0.0), covariance), cause, mask)
        for mask in ([among, every] if among.any() and not among.all() else [every])
        for cause in causes
        if _explains(residual, mask, cause.shift, covariance)
    ]
    best = max((odds for odds, _, _ in found), default=-math.inf)
    if best < _WORTH_SAYING:
        if not len(odd):
            return Surprise("", False, 1.0, ())
        factor = _factor(residual, among if among.any() else every, covariance)
        return Surprise(_plain(item, odd, tails, factor), False, factor, tuple(odd.tolist()))
    found = sorted(found, key=lambda each: -each[0])
    cause, mask = found[0][1:]
    rivals = [own for odds, own, where in found if where is mask and odds > best - _RIVAL]
    rows = odd if mask is among or among.all() else usable[mask]
    factor = _factor(residual, mask, covariance)
    told = "; or ".join(f"as if {own.told}" for own in rivals)
    text = f"{_lying(item, rows, tails)}, {_times(factor)}: {told}"
    return Surprise(text, cause.of_units and best > _CERTAIN, factor, tuple(rows.tolist()))


def _positive(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)


def _logs(draws: Floats) -> Floats:
    """Logarithms; an error that adds leaves some draws at or below 0, which stand for little."""
    floor = _LITTLE * _positive(np.median(draws, 0))
    return np.log(np.maximum(draws, floor))


def causes_of(item: Observation) -> Iterator[Cause]:
    """List the usual mistakes, each with what it does to the logarithm of each row."""
    one = np.ones(item.count)
    for factor, texts in _UNITS.items():
        for sign, text in zip((1, -1), texts, strict=True):
            yield Cause(sign * math.log(factor) * one, text, of_units=True)
    boards, given, written = (
        _stated(item, name) for name in ("gpu_count", "input_tokens", "output_tokens")
    )
    if (boards > 1).any():
        yield Cause(-np.log(boards), "one GPU were counted in place of all")
        yield Cause(np.log(boards), "all GPUs were counted once more for each")
    else:
        for count in (2, 4, 8):
            yield Cause(-math.log(count) * one, f"one of {count} GPUs were counted")
            yield Cause(math.log(count) * one, f"{count} GPUs were counted in place of one")
    if "per_output_token" in item.observes:
        if ((given > 0) & (written > 0)).any():
            share = np.where(written > 0, (given + written) / written, 1.0)
            text = "energy per token of input and output were entered as that per output token"
            yield Cause(-np.log(np.where(given > 0, share, 1.0)), text)
        if (written > 1).any():
            shift = np.log(np.where(written > 1, written, 1.0))
            yield Cause(shift, "the energy of a query were entered as that of an output token")
    elif "energy" in item.observes and (written > 1).any():
        shift = -np.log(np.where(written > 1, written, 1.0))
        yield Cause(shift, "the energy of an output token were entered as that of a query")


def _stated(item: Observation, name: str) -> Floats:
    """What rows state of an input, 0 where nothing: shape (rows,)."""
    found = np.zeros(item.count)
    for part in item.rows:
        if name in part.known:
            found[[*part.places]] = part.known[name]
    return np.maximum(found, 1.0) if name == "gpu_count" else found


def _log_odds(residual: Floats, shift: Floats, covariance: Floats) -> float:
    """Log odds of residuals without a shift against residuals as they are."""
    solved = np.linalg.solve(covariance, np.stack([residual, residual - shift], -1))
    return float(residual @ solved[:, 0] - (residual - shift) @ solved[:, 1]) / 2


def _given_others(residual: Floats, mask: np.ndarray, covariance: Floats) -> tuple[Floats, Floats]:
    """Residuals of some rows given the others, and their covariance."""
    own, spread = residual[mask], covariance[np.ix_(mask, mask)]
    if not mask.all():
        between = covariance[np.ix_(mask, ~mask)]
        gain = np.linalg.solve(covariance[np.ix_(~mask, ~mask)], between.T).T
        own, spread = own - gain @ residual[~mask], spread - gain @ between.T
    return own, spread


def _factor(residual: Floats, mask: np.ndarray, covariance: Floats) -> float:
    """How far some rows lie off, given the others."""
    return float(np.exp(np.median(_given_others(residual, mask, covariance)[0])))


def _explains(residual: Floats, mask: np.ndarray, shift: Floats, covariance: Floats) -> bool:
    """Whether the mean of the rows is where it should be, once they are mended."""
    own, spread = _given_others(residual, mask, covariance)
    return bool(abs((own - shift[mask]).sum()) < _ERRORS * math.sqrt(max(spread.sum(), 0.0)))


def _lying(item: Observation, rows: np.ndarray, tails: Floats) -> str:
    """Say which rows lie where."""
    if len(rows) == 1 and tails[rows[0]] < SURPRISING:
        return (
            f"row {rows[0] + 1} of {item.name} lies where the prior expects fewer than "
            f"{SURPRISING:g} of measurements"
        )
    if (tails[rows] < SURPRISING).all():
        few = f"fewer than {SURPRISING:g} of measurements each"
        return f"{_numbered(rows)} of {item.name} lie where the prior expects {few}"
    return f"{_numbered(rows)} of {item.name} lie together where the prior hardly expects them"


def _plain(item: Observation, rows: np.ndarray, tails: Floats, factor: float) -> str:
    if not len(rows):
        return ""
    apart = f", {_times(factor)}" if math.isfinite(factor) else ""
    return (
        f"{_lying(item, rows, tails)}{apart}: compare unit, boundary and conditions with the "
        "model's, or widen the prior"
    )


def _times(factor: float) -> str:
    if factor >= 1:
        return f"{number(factor)} times what it expects"
    return f"{number(1 / factor)} times below what it expects"


def _numbered(places: Sequence[int] | np.ndarray) -> str:
    """Name rows from 1, stretches by their ends.

    Examples
    --------
    >>> _numbered([0, 1, 2, 6])
    'rows 1-3, 7'
    """
    numbers = [int(place) + 1 for place in places]
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    both = zip(starts, ends, strict=True)
    told = [f"{low}" if low == high else f"{low}-{high}" for low, high in both]
    more = f" and {len(told) - 10} more" if len(told) > 10 else ""
    return f"{'rows' if len(numbers) > 1 else 'row'} {', '.join(told[:10])}{more}"
