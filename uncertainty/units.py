"""Unit strings to factors: the one door to pint, used at the file boundary only.

Inside the package every quantity is a plain float in its canonical unit.
"""

import difflib
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint


_DEFINITIONS = (
    "token = [token] = tok",
    "parameter = [parameter] = param",
    "query = [query] = _ = queries = request = prompt",
    "flop = [flop] = FLOP = FLOPs",
    "flop_per_second = flop / second = FLOPS",
    "fraction = [] = _ = share = ratio",
    "pct = 0.01",
    # What a gas is counted as is not a unit, but people write it as one.
    "CO2 = [] = _ = CO2e = CO2eq = CO2_e = CO2_eq = co2e = co2eq",
    *(
        f"{mass}{gas} = {mass}"
        for mass in ("g", "kg", "mg", "lb")
        for gas in ("CO2", "CO2e", "CO2eq", "CO2_e", "CO2_eq")
    ),
    *(f"t{gas} = metric_ton" for gas in ("CO2", "CO2e", "CO2eq", "CO2_e", "CO2_eq")),
    "m3 = meter ** 3",
    "m2 = meter ** 2",
)
_COMMON = (
    *("tokens", "parameters", "queries", "FLOP", "FLOPS", "TFLOP/s", "fraction", "percent"),
    *("W", "kW", "MW", "J", "kJ", "Wh", "kWh", "MWh", "mWh", "s", "ms", "hour", "day", "year"),
    *("byte", "GB", "GB/s", "TB/s", "g/kWh", "kg/kWh", "gCO2e", "gCO2e/kWh", "l/kWh", "m3/MWh"),
    *("liter", "gram", "kg", "Wh/query", "J/token", "token/s"),
)
"""What an unknown unit was perhaps meant to be."""
_PLAIN = frozenset({"", "1", "fraction", "ratio", "share"})
_LONGEST = 60  # characters: more is not a unit, and takes long to read
# Names, products, quotients and small powers: a file may ask for no arithmetic beyond these.
_SYNTAX = re.compile(
    r"(?:1\s*/)?+(?:[^\W\d]++\d?+(?:\s*(?:\*\*|\^)\s*-?\d{1,2}(?!\d))?+|[\s%°/*().·])*+"
)


class UnitError(ValueError):
    """A unit that is unknown, or of the wrong kind; the message says which."""


@lru_cache(maxsize=1)
def _registry() -> "pint.UnitRegistry[float]":
    import pint

    registry: pint.UnitRegistry[float] = pint.UnitRegistry()
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


@lru_cache(maxsize=256)
def _unit(text: str) -> "pint.Unit":
    """Read a unit of which a factor makes any other of its kind."""
    import pint

    plain = "" if text.strip() == "1" else text
    if len(text) > _LONGEST or not _SYNTAX.fullmatch(plain):
        cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        raise UnitError(f"unit {cut!r} must be names with * / and powers (kg*m**2/s**2)")
    try:
        unit = _registry().parse_units(plain.replace("%", "percent"))
    except (pint.PintError, ValueError, TypeError, AttributeError, AssertionError) as error:
        lowered = {unit.lower(): unit for unit in reversed(_COMMON)}  # of two alike, the first
        near = difflib.get_close_matches(text.lower(), lowered, 1, 0.75)
        hint = f"; did you mean {lowered[near[0]]!r}?" if near else ""
        raise UnitError(f"unknown unit {text!r}{hint}") from error
    try:
        one, more = (_registry().Quantity(x, unit).to_base_units().magnitude for x in (1.0, 3.0))
    except pint.PintError:
        one, more = 1.0, math.nan
    except OverflowError as error:
        raise UnitError(f"unit {text!r} is beyond what a number can hold") from error
    # Thrice as much is thrice the number, but not with an offset (degC) or a logarithm (dBm);
    # twice is not asked for, because two octaves are twice one: 2**2 = 2 * 2**1.
    if not math.isclose(more, 3 * one, rel_tol=1e-9):
        raise UnitError(
            f"unit {text!r} has a zero of its own or is a logarithm, so no factor converts it; "
            "convert the number first (to kelvin, to watt)"
        )
    return unit


def factor(unit: str, to: str) -> float:
    """Multiply a number in `unit` by this to have it in `to`.

    Parameters
    ----------
    unit, to : str
        Unit expressions such as ``"kW"``, ``"TFLOP/s"``, ``"%"`` or ``"tokens"``.

    Returns
    -------
    float
        The conversion factor.

    Raises
    ------
    UnitError
        If either is unknown, or the two measure different kinds of things.

    Examples
    --------
    >>> factor("kW", "W")
    1000.0
    >>> factor("kW", "tokens")
    Traceback (most recent call last):
    ...
    uncertainty.units.UnitError: unit 'kW' does not convert to 'tokens'
    """
    if unit == to or {unit, to} <= _PLAIN:
        return 1.0  # the common case needs no registry, which takes a third of a second to load
    source, target = _unit(unit), _unit(to)
    if source.dimensionality != target.dimensionality:
        raise UnitError(f"unit {unit!r} does not convert to {to!r}")
    return float(_registry().Quantity(1.0, source).to(target).magnitude)


def same_unit(unit: str, other: str) -> bool:
    """Say whether a number means the same in both units.

    Examples
    --------
    >>> same_unit("J/s", "W"), same_unit("kW", "W"), same_unit("s", "W")
    (True, False, False)
    """
    try:
        return abs(factor(unit, other) - 1) < 1e-12
    except UnitError:
        return False


def base_unit(unit: str) -> str:
    """Give the coherent base unit of the same kind, for names that nobody declared.

    Examples
    --------
    >>> base_unit("ms")
    'second'
    """
    units = _registry().Quantity(1.0, _unit(unit)).to_base_units().units
    return "1" if units.dimensionless else str(units)
