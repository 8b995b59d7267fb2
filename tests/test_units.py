"""Units: converted once, refused where the kind is wrong."""

import pytest

from uncertainty.units import UnitError, base_unit, factor


@pytest.mark.parametrize(
    ("unit", "to", "expected"),
    [
        ("kW", "W", 1000), ("TFLOP/s", "FLOP/s", 1e12), ("%", "1", 0.01), ("tokens", "token", 1),
        ("GB/s", "byte/s", 1e9), ("kWh", "Wh", 1000), ("Wh/query", "J/query", 3600), ("fraction", "1", 1),
        ("parameters", "parameters", 1), ("percent", "share", 0.01), ("hour", "s", 3600), ("queries", "query", 1),
    ],
)  # fmt: skip
def test_factors(unit, to, expected):
    assert factor(unit, to) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("unit", "to"), [("W", "J"), ("tokens", "1"), ("FLOP", "FLOP/s"), ("byte/s", "FLOP/s")]
)
def test_the_wrong_kind_names_both(unit, to):
    with pytest.raises(UnitError, match=f"'{unit}' does not convert to '{to}'"):
        factor(unit, to)


@pytest.mark.parametrize(
    "unit", ["tokkens", "W W W", "__import__('os')", "x" * 99, "W**1e9**9", "//", "[", "5 +"]
)
def test_no_unit(unit):
    with pytest.raises(UnitError):
        factor(unit, "W")


def test_base_units():
    assert base_unit("kW") == "kilogram * meter ** 2 / second ** 3"
    assert base_unit("%") == "1"


@pytest.mark.parametrize(
    "unit",
    ["W**(9**9**9)", "W**9999999", "10**9**9*W", "9**9**9", "W" * 59 + "!", "W" * 5000, "lambda: 1",
     "__import__('os')", "W**9**9**9", "W.__class__()"],
)  # fmt: skip
def test_a_unit_is_never_arithmetic_nor_code(unit):
    with pytest.raises(UnitError):
        factor(unit, "W")


@pytest.mark.parametrize(
    "unit",
    [
        "kg*m**2/s**2",
        "kg m^2 s^-2",
        "1/s",
        "µs",
        "%",
        "(W*h)/token",
        "GB/s",
        "g/kWh",
        "byte/parameter",
    ],
)
def test_units_that_people_write_are_taken(unit):
    assert factor(unit, f"{unit} ") == pytest.approx(1)


@pytest.mark.parametrize(
    ("unit", "to", "expected"),
    [
        ("gCO2e/kWh", "g/kWh", 1), ("kgCO2eq/MWh", "g/kWh", 1), ("tCO2/GWh", "g/kWh", 1), ("kg CO2e/kWh", "g/kWh", 1e3),
        ("m3/MWh", "l/kWh", 1), ("m³/MWh", "l/kWh", 1), ("TFLOPS", "FLOP/s", 1e12), ("pct", "1", 0.01),
        ("delta_degC", "kelvin", 1), ("W/degC", "W/kelvin", 1), ("requests/s", "query/s", 1),
    ],
)  # fmt: skip
def test_units_of_the_field_are_known(unit, to, expected):
    assert factor(unit, to) == pytest.approx(expected)


@pytest.mark.parametrize(
    "unit", ["degC", "degF", "dBm", "dB", "dBm/Hz", "neper", "octave", "decade"]
)
def test_what_no_factor_converts_is_refused(unit):
    for convert in (
        lambda: factor(unit, "kelvin"),
        lambda: factor("W", unit),
        lambda: base_unit(unit),
    ):
        with pytest.raises(UnitError, match="no factor converts it"):
            convert()


def test_an_unknown_unit_gets_the_nearest():
    with pytest.raises(UnitError, match="unknown unit 'kw'; did you mean 'kW'"):
        factor("kw", "W")
