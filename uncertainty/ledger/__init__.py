"""The ledger: published claims, computed again."""

from uncertainty.ledger.check import Finding, check_ledger

__all__ = ["Finding", "check_ledger"]
