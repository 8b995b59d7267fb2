"""What measurements teach: posteriors, checked before they are given away."""

from uncertainty.inference.export import export_priors, may_be_written
from uncertainty.inference.fit import check_fit, check_prior, compare_fits, score, stretches
from uncertainty.inference.infer import answer, infer, ship_posterior, update
from uncertainty.inference.logs import total_energy
from uncertainty.inference.posterior import paired_draws, whole
from uncertainty.inference.predict import predict
from uncertainty.inference.samplers import DISAGREE, RELIABLE
from uncertainty.inference.target import learns

__all__ = [
    "DISAGREE", "RELIABLE", "answer", "check_fit", "check_prior", "compare_fits", "export_priors",
    "infer", "learns", "may_be_written", "paired_draws", "predict", "score", "ship_posterior",
    "stretches", "total_energy", "update", "whole",
]  # fmt: skip
