"""Where assumptions lie that the model's formulas have no meaning, or boards little to do."""

from collections.abc import Iterator

import numpy as np

from uncertainty.declarations import INPUTS
from uncertainty.evaluation import Columns
from uncertainty.problem import Problem

__all__ = ["MEANINGLESS", "load_notices", "outside_range"]

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


_LOW_LOAD = 0.2  # of the time at work: below it what waits is a part worth a word


def load_notices(problem: Problem, inputs: Columns) -> Iterator[str]:
    """Say where boards wait most of the time, or are too few for the work."""
    owned = next((name for name in ("boards_owned", "gpu_count") if name in inputs), None)
    busy = problem.central().get("fleet_busy_boards")
    if busy is None or owned is None:
        return
    boards = float(np.median(inputs[owned]))
    share = f"{100 * busy / boards:.2g} % of the time"
    if owned == "boards_owned" and busy > boards:
        yield (
            f"the queries need about {busy:.3g} boards, and {boards:.3g} are owned: more work than "
            "they can do"
        )
    elif busy < _LOW_LOAD * boards and owned == "boards_owned":
        yield (
            f"the {boards:.3g} boards owned are busy {share}: most of the power is that of waiting"
        )
    elif busy < _LOW_LOAD * boards:
        yield (
            f"the queries keep the {boards:.3g} GPUs of one copy busy {share}; boards that are on "
            "all day draw power while they wait: state boards_owned and idle_power_w"
        )
