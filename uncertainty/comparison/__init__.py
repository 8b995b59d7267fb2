"""Two or more estimates side by side, at common points, and why they differ."""

from uncertainty.comparison.compare import compare
from uncertainty.comparison.explain import explain

__all__ = ["compare", "explain"]
