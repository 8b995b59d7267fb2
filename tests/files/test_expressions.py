"""Expressions mean what Python means by them, and are never run as code."""

import math

import jax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncertainty.arrays import in_float64
from uncertainty.files.assumptions import FUNCTIONS, ExpressionError, names_in, parse_expression
from uncertainty.problem import evaluate

NAMES = {"a": 2.5, "b": 0.5}
leaves = st.sampled_from(["a", "b", "1", "2.5", "1e3"])


def combined(inner):
    binary = st.tuples(inner, st.sampled_from("+-*/"), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    )
    calls = st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
        lambda t: f"{t[0]}({t[1]}, {t[2]})"
    )
    return binary | calls | inner.map(lambda t: f"-{t}") | inner.map(lambda t: f"+{t}")


@settings(max_examples=60, deadline=None)
@given(st.recursive(leaves, combined, max_leaves=8))
def test_agrees_with_python(text):
    try:
        expected = eval(text, {"__builtins__": {}, "min": min, "max": max}, NAMES)
    except ZeroDivisionError:
        return
    values = {name: jax.numpy.asarray(value) for name, value in NAMES.items()}
    found = in_float64(lambda: float(evaluate(parse_expression(text), values)))()
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sqrt(4)", 2),
        ("exp(log(3))", 3),
        ("log10(100)", 2),
        ("abs(-2)", 2),
        ("2 ** 3", 8),
        ("-a", -2.5),
    ],
)
def test_functions(text, value):
    found = evaluate(parse_expression(text), {"a": jax.numpy.asarray(2.5)})
    assert float(found) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "a.b", "a[0]", "lambda: 1", "f(a)", "min(a)", "sqrt(a, a)", "min(a, b=a)", "'text'", "a if b else a",
        "a < b", "[a]", "a := 1", "", "a +", "True", "1e999", "1j", "a % b", "(" * 400 + "a" + ")" * 400,
        "a" * 501, "~a", "not a", "f'{a}'", "exec('1')",
    ],
)  # fmt: skip
def test_refuses_everything_else(text):
    with pytest.raises(ExpressionError):
        parse_expression(text)


def test_names_and_functions():
    assert set(names_in(parse_expression("min(a, 2 * b) - c"))) == {"a", "b", "c"}
    assert all(hasattr(math, name) or name in {"abs", "min", "max"} for name in FUNCTIONS)
