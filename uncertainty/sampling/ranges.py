"""How much of each assumption lies where the model's formulas have no meaning."""

from collections.abc import Iterator

from uncertainty.declarations import INPUTS
from uncertainty.evaluation import Columns
from uncertainty.problem import Problem

__all__ = ["MEANINGLESS", "outside_range"]

MEANINGLESS = 0.01
"""Share of the draws outside the range above which a result is not to be trusted."""


def outside_range(problem: Problem, inputs: Columns) -> Iterator[tuple[float, str]]:
    """Yield the share outside the range, and a sentence, for each input that leaves it.

    Ranges are those of the shipped models' formulas; a user's own model has its own.
    """
    if not problem.model.outputs:
        return
    for name in problem.model.used(problem.assumptions):
        declared = INPUTS.get(name)
        if declared is not None:
            outside = float(((inputs[name] < declared.low) | (inputs[name] > declared.high)).mean())
            if outside > 0:
                limits = f"{declared.low:g} to {declared.high:g}"
                text = f"{name} lies outside {limits} for {100 * outside:.3g} % of the draws"
                yield outside, f"{text}, where {problem.model.name} has no meaning"
