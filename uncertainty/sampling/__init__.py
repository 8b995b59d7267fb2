"""Ways to choose points on the road."""

from uncertainty.sampling.forward import NESTED_DRAWS, QUERIES, RANDOMIZATIONS, simulate
from uncertainty.sampling.medians import median_of_rows
from uncertainty.sampling.points import normal_scores, unit_points
from uncertainty.sampling.stream import Standing, stream

__all__ = [
    "NESTED_DRAWS",
    "QUERIES",
    "RANDOMIZATIONS",
    "Standing",
    "median_of_rows",
    "normal_scores",
    "simulate",
    "stream",
    "unit_points",
]
