"""What is asked: the joint prior, the model and the evidence, built and checked once."""

from uncertainty.problem.build import Problem, build_problem
from uncertainty.problem.evidence import EvidenceLike, rows_of
from uncertainty.problem.joint import (
    Columns,
    Joint,
    Node,
    Scores,
    each_point,
    evaluate,
    evaluate_point,
    every_pair,
)
from uncertainty.problem.likelihood import At, Observation, Target, replaced_by
from uncertainty.problem.models import ModelLike

__all__ = [
    "At", "Columns", "EvidenceLike", "Joint", "ModelLike", "Node", "Observation", "Problem",
    "Scores", "Target", "build_problem", "each_point", "evaluate", "evaluate_point", "every_pair",
    "replaced_by", "rows_of",
]  # fmt: skip
