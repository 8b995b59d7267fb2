"""Two or more estimates side by side, at common points, and why they differ."""

from uncertainty.comparison.compare import compare, relate
from uncertainty.comparison.explain import EVIDENCE, explain
from uncertainty.comparison.sweep import sweep

__all__ = ["EVIDENCE", "compare", "explain", "relate", "sweep"]
