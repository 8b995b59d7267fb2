"""Two or more estimates side by side, at common points, and why they differ."""

from uncertainty.comparison.compare import compare
from uncertainty.comparison.explain import explain
from uncertainty.comparison.sweep import sweep

__all__ = ["compare", "explain", "sweep"]
