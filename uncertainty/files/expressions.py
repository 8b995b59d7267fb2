"""Arithmetic over assumptions: parsed into a small tree of its own, never evaluated as code."""

import ast
import math
from collections.abc import Iterator
from typing import TypeAlias

from uncertainty.files.values import LARGEST

Expression: TypeAlias = (
    tuple[str, "float | str | Expression"] | tuple[str, "Expression", "Expression"]
)
"""``("number", 2.0)``, ``("name", "pue")``, ``("-", x)``, ``("+", x, y)`` or ``("sqrt", x)``."""

FUNCTIONS = {"sqrt": 1, "exp": 1, "log": 1, "log10": 1, "abs": 1, "min": 2, "max": 2}
"""Functions that an expression may call, with their number of arguments."""

LONGEST = 500
"""Characters that an expression may have."""
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}


class ExpressionError(ValueError):
    """Text that is no expression of the format; the message says why."""


def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Raises
    ------
    ExpressionError
        For anything but numbers, names, ``+ - * / **``, parentheses and `FUNCTIONS`.

    Examples
    --------
    >>> parse_expression("total / (2 * ratio)")
    ('/', ('name', 'total'), ('*', ('number', 2.0), ('name', 'ratio')))
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"is longer than {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _convert(tree.body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"is not arithmetic: {text!r:.80}") from error


def _convert(node: ast.AST) -> Expression:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number) if abs(number) <= LARGEST:
            return ("number", _finite(float(number)))
        case ast.Name(id=name):
            return ("name", name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return ("-", _convert(operand))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _convert(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return (_OPERATORS[type(op)], _convert(left), _convert(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _call(name, arguments)
    raise ExpressionError(f"has {ast.unparse(node)!r:.60}, which is not arithmetic")


def _call(name: str, arguments: list[ast.expr]) -> Expression:
    wanted = FUNCTIONS.get(name)
    if wanted is None:
        raise ExpressionError(f"calls {name!r}; known functions: {', '.join(sorted(FUNCTIONS))}")
    if len(arguments) != wanted:
        raise ExpressionError(f"gives {name} {len(arguments)} arguments; it takes {wanted}")
    if wanted == 1:
        return (name, _convert(arguments[0]))
    return (name, _convert(arguments[0]), _convert(arguments[1]))


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ExpressionError("has a number that is not finite")
    return number


def told(expression: Expression) -> str:
    """Write an expression out, with every parenthesis.

    Examples
    --------
    >>> told(parse_expression("1 + min(a, -b)"))
    '1 + min(a, -b)'
    >>> told(parse_expression("a / (2 * b)"))
    'a / (2 * b)'
    """
    head, *rest = expression
    if head in {"number", "name"}:
        return f"{rest[0]:g}" if isinstance(rest[0], float) else str(rest[0])
    parts = [told(part) for part in rest if isinstance(part, tuple)]
    if head in FUNCTIONS:
        return f"{head}({', '.join(parts)})"
    inner = [_closed(part) for part in rest if isinstance(part, tuple)]
    return f"-{inner[0]}" if len(inner) == 1 else f"{inner[0]} {head} {inner[1]}"


def _closed(expression: Expression) -> str:
    atomic = expression[0] in {"number", "name", *FUNCTIONS}
    return told(expression) if atomic else f"({told(expression)})"


def names_in(expression: Expression) -> Iterator[str]:
    """Yield the names an expression uses, with repeats.

    Examples
    --------
    >>> list(names_in(parse_expression("a * b + a")))
    ['a', 'b', 'a']
    """
    head, *rest = expression
    if head == "name":
        yield str(rest[0])
    for part in rest:
        if isinstance(part, tuple):
            yield from names_in(part)
