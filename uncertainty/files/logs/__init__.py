"""People's own logs: measured energy and tokens to the files that the rest of the house reads."""

from uncertainty.files.logs.runs import Format, Run

__all__ = ["Format", "Run"]
