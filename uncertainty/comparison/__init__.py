"""Why answers differ: two or more estimates side by side, at common points."""

from uncertainty.comparison.claims import Finding, check_ledger
from uncertainty.comparison.compare import compare, relate, summarize_scenarios, sweep
from uncertainty.comparison.explain import EVIDENCE, explain

__all__ = [
    "EVIDENCE", "Finding", "check_ledger", "compare", "explain", "relate", "summarize_scenarios",
    "sweep",
]  # fmt: skip
