"""Ways to choose points on the road."""

from uncertainty.sampling.answer import POSTERIOR_DRAWS, answer
from uncertainty.sampling.description import subject
from uncertainty.sampling.forward import NESTED_DRAWS, QUERIES, RANDOMIZATIONS, simulate
from uncertainty.sampling.importance import DISAGREE
from uncertainty.sampling.infer import infer
from uncertainty.sampling.medians import median_of_rows
from uncertainty.sampling.paired import paired_draws
from uncertainty.sampling.points import normal_scores, unit_points
from uncertainty.sampling.predict import expected_rows, predict
from uncertainty.sampling.recall import problem_of
from uncertainty.sampling.stream import Standing, stream
from uncertainty.sampling.surprise import surprise_of, tails_of
from uncertainty.sampling.target import learns
from uncertainty.sampling.update import update

__all__ = [
    "DISAGREE",
    "NESTED_DRAWS",
    "POSTERIOR_DRAWS",
    "QUERIES",
    "RANDOMIZATIONS",
    "Standing",
    "answer",
    "expected_rows",
    "infer",
    "learns",
    "median_of_rows",
    "normal_scores",
    "paired_draws",
    "predict",
    "problem_of",
    "simulate",
    "stream",
    "subject",
    "surprise_of",
    "tails_of",
    "unit_points",
    "update",
]
