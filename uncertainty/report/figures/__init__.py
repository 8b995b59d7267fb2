"""Datasets to figures: no mathematics, and nothing is saved here."""

__all__: list[str] = []  # within the room its modules are imported directly
