"""Counting outputs that cannot be."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from uncertainty.evaluation import Columns, each_point
from uncertainty.precision import Floats
from uncertainty.problem import Problem

__all__ = ["Tally", "is_energy"]


@dataclass
class Tally:
    """Outputs that no energy can have, with one example of the inputs of each."""

    total: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    example: dict[str, str] = field(default_factory=dict)

    def add(
        self, problem: Problem, name: str, values: Floats, scores: Callable[[int, int], Columns]
    ) -> None:
        """Count in values of shape (n, m); `scores` gives the point behind one of them."""
        wrong = ~np.isfinite(values)
        if is_energy(problem, name):
            wrong |= values < 0
        self.total += values.size
        self.bad[name] = self.bad.get(name, 0) + int(wrong.sum())
        if wrong.any() and name not in self.example:
            row, column = np.argwhere(wrong)[0]
            self.example[name] = _told_inputs(problem, scores(int(row), int(column)))

    def warnings(self, problem: Problem) -> Iterator[str]:
        """Say what share of the draws is impossible."""
        total = self.total / max(len(problem.outputs), 1)
        for name, count in self.bad.items():
            if count:
                kind = "not finite or negative" if is_energy(problem, name) else "not finite"
                share = f"{count / total:.3g} of the draws"
                yield f"{name} is {kind} for {share}, for example at {self.example[name]}"
        plain = problem.model.plain
        if plain is not None and plain.failures:
            many = f"; {plain.failures} of {plain.calls} calls failed, taken as NaN"
            yield f"{problem.model.name} {plain.failure}{many}"


def is_energy(problem: Problem, name: str) -> bool:
    """Whether an output can be negative only by mistake."""
    return problem.outputs[name].unit in {"Wh", "kWh", "J"} or name.startswith("energy")


def _told_inputs(problem: Problem, scores: Columns) -> str:
    inputs = each_point(problem.joint, problem.model, scores)[0]
    told: dict[str, float] = {}
    wanted = [*problem.model.used(inputs)]
    while wanted:
        name = wanted.pop(0)
        value, needs = float(inputs[name][0]), sorted(problem.assumptions[name].needs)
        # What is not finite itself is explained by what it is computed from.
        if math.isfinite(value) or not needs:
            told[name] = value
        else:
            wanted = [*needs, *wanted]
    return ", ".join(f"{name} = {value:.4g}" for name, value in told.items())
