"""How a number spreads: one kernel a family, over a standard normal score."""

from uncertainty.distributions.families import FAMILIES
from uncertainty.distributions.kernel import Kernel, Params
from uncertainty.distributions.laws import CompiledLaw, Values, arguments, compile_law

__all__ = ["FAMILIES", "CompiledLaw", "Kernel", "Params", "Values", "arguments", "compile_law"]
