"""Which input matters: one estimator a file, all giving the same shape of table."""

from uncertainty.sensitivity.rank import OF_DRAWS, rank_inputs
from uncertainty.sensitivity.target import Scale, Statistic

__all__ = ["OF_DRAWS", "Scale", "Statistic", "rank_inputs"]
