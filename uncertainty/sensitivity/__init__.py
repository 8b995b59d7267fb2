"""Which input matters: one estimator a file, all giving the same shape of table."""

from uncertainty.sensitivity.rank import OF_DRAWS, RankOptions, rank_inputs
from uncertainty.sensitivity.target import Scale, Statistic

__all__ = ["OF_DRAWS", "RankOptions", "Scale", "Statistic", "rank_inputs"]
