"""Ways to choose points on the road."""

from uncertainty.sampling.forward import NESTED_DRAWS, QUERIES, RANDOMIZATIONS, simulate
from uncertainty.sampling.points import normal_scores, unit_points

__all__ = [
    "NESTED_DRAWS",
    "QUERIES",
    "RANDOMIZATIONS",
    "normal_scores",
    "simulate",
    "unit_points",
]
