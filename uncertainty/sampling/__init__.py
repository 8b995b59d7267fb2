"""Draws from the prior: ways to choose points on the road."""

from uncertainty.sampling.description import (
    labels,
    problem_of,
    remember,
    subject,
    summarize_inputs,
    width_notices,
)
from uncertainty.sampling.forward import (
    NESTED_DRAWS,
    QUERIES,
    RANDOMIZATIONS,
    Points,
    median_of_rows,
    nested,
    simulate,
)
from uncertainty.sampling.points import normal_scores, unit_points
from uncertainty.sampling.stream import Progress, StreamOptions, stream

__all__ = [
    "NESTED_DRAWS", "QUERIES", "RANDOMIZATIONS", "Points", "Progress", "StreamOptions", "labels",
    "median_of_rows", "nested", "normal_scores", "problem_of", "remember", "simulate", "stream",
    "subject", "summarize_inputs", "unit_points", "width_notices",
]  # fmt: skip
