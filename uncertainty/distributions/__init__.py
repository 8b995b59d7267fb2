"""How a number spreads: one kernel a family, over a standard normal score."""

from uncertainty.distributions.kernel import Kernel, Params
from uncertainty.distributions.laws import (
    FAMILIES,
    Arguments,
    CompiledLaw,
    Values,
    compile_law,
    stacked,
)

__all__ = [
    "FAMILIES", "Arguments", "CompiledLaw", "Kernel", "Params", "Values", "compile_law", "stacked",
]  # fmt: skip
