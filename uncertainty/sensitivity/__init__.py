"""Which input matters: one estimator a file, all giving the same shape of table."""

from uncertainty.sensitivity.pick_freeze import Scale, Statistic
from uncertainty.sensitivity.plan import plan_measurements
from uncertainty.sensitivity.rank import OF_DRAWS, RankOptions, rank_inputs

__all__ = ["OF_DRAWS", "RankOptions", "Scale", "Statistic", "plan_measurements", "rank_inputs"]
