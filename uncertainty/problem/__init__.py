"""What is asked: the joint prior, the model and the evidence, built and checked once.

What only checks is loaded with the room; what computes, and JAX with it, when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from uncertainty.problem.evidence import EvidenceLike
from uncertainty.problem.setup import ModelLike, Setup, set_up

if TYPE_CHECKING:
    from uncertainty.problem.build import Problem, build_problem, compiled
    from uncertainty.problem.joint import (
        Columns,
        Joint,
        Node,
        Scores,
        each_point,
        evaluate,
        evaluate_point,
        every_pair,
        replaced_by,
    )
    from uncertainty.problem.likelihood import At, Observation, Target, rows_of

__all__ = [
    "At", "Columns", "EvidenceLike", "Joint", "ModelLike", "Node", "Observation", "Problem",
    "Scores", "Setup", "Target", "build_problem", "compiled", "each_point", "evaluate",
    "evaluate_point", "every_pair", "replaced_by", "rows_of", "set_up",
]  # fmt: skip


def __getattr__(name: str) -> object:
    for module in ("build", "joint", "likelihood") if name in __all__ else ():
        members = vars(import_module(f"{__name__}.{module}"))
        if name in members:
            return members[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
