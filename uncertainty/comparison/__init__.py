"""Two or more estimates side by side, at common points, and why they differ."""

from uncertainty.comparison.compare import compare, relate
from uncertainty.comparison.explain import explain
from uncertainty.comparison.sweep import sweep

__all__ = ["compare", "explain", "relate", "sweep"]
