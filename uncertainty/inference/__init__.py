"""What measurements teach: posteriors, checked before they are given away."""

from uncertainty.inference.answer import POSTERIOR_DRAWS, answer
from uncertainty.inference.export import export_priors, may_be_written
from uncertainty.inference.fit import check_fit, check_prior, compare_fits
from uncertainty.inference.importance import DISAGREE
from uncertainty.inference.infer import infer
from uncertainty.inference.paired import paired_draws
from uncertainty.inference.predict import expected_rows, predict
from uncertainty.inference.surprise import surprise_of, tails_of
from uncertainty.inference.target import learns
from uncertainty.inference.update import update

__all__ = [
    "DISAGREE",
    "POSTERIOR_DRAWS",
    "answer",
    "check_fit",
    "check_prior",
    "compare_fits",
    "expected_rows",
    "export_priors",
    "infer",
    "learns",
    "may_be_written",
    "paired_draws",
    "predict",
    "surprise_of",
    "tails_of",
    "update",
]
