"""People's own logs: measured energy and tokens to the files that the rest of the house reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from uncertainty.errors import InputError, check_all, listed, require_known
from uncertainty.files.library import shown_path
from uncertainty.files.logs.columns import looks_like_table, read_csv, read_table
from uncertainty.files.logs.measured import MEASURED
from uncertainty.files.logs.reading import read_text
from uncertainty.files.logs.runs import Format, Run, check_given, evidence_of

__all__ = ["FORMATS", "Format", "Run", "import_measurements"]

FORMATS: Mapping[str, Format] = {
    **MEASURED,
    "columns": Format("a table of named columns", looks_like_table, read_csv),
}
"""Formats of measurements by name."""


def import_measurements(
    source: object,
    format: str | None = None,
    *,
    serving: str | Path | None = None,  # noqa: ARG001  # joins with power logs
    given: Mapping[str, object] | None = None,
) -> dict[str, object] | list[dict[str, object]]:
    """Turn people's own measurements into evidence.

    Parameters
    ----------
    source : path, list of paths, pandas.DataFrame, xarray.Dataset, mapping or list of mappings
        Files in one of `FORMATS`, or a table: named columns, units in brackets after the name.
    format : str, optional
        A name of `FORMATS`; recognized by the content where it is not given.
    serving : path, optional
        Results of a serving benchmark over the same window, for energy that comes without tokens.
    given : mapping, optional
        What holds in every row, in place of what the logs say: inputs of the model ``roofline``,
        names of catalogues (``llm``, ``hardware``, ``precision``), ``model_id`` and ``stack``.

    Returns
    -------
    dict or list of dict
        Evidence, as `build_problem` and YAML files take it; one mapping for each boundary of
        the measurements where there are several.

    Raises
    ------
    InputError
        With every fault of all files at once.

    Examples
    --------
    >>> row = {"energy [kWh]": 0.05, "output_tokens": 9e5, "requests": 3000, "duration [min]": 10}
    >>> conditions = {"llm": "llama-3.1-8b", "hardware": "h100-sxm", "precision": "bfloat16"}
    >>> evidence = import_measurements([row], given={**conditions, "gpu_count": 1})
    >>> evidence["columns"], evidence["rows"]
    (['value'], [[0.2]])
    """
    given = dict(given or {})
    if format is not None:
        require_known("format", format, FORMATS)
    if wrong := [*check_given(given)]:
        raise InputError(wrong)
    paths = [source] if isinstance(source, str | Path) else source
    runs = list[Run]()
    if isinstance(paths, Sequence) and paths and all(isinstance(x, str | Path) for x in paths):
        check_all(*(lambda path=path: runs.extend(_read(Path(path), format)) for path in paths))
    else:
        runs = read_table(source)
    evidence = evidence_of(runs, given)
    return evidence[0] if len(evidence) == 1 else evidence


def _read(path: Path, format: str | None) -> list[Run]:
    """Read one file in the format that it shows, or the one that was asked for."""
    text, sha256 = read_text(path)
    names = [format] if format else [key for key, x in FORMATS.items() if x.looks_like(text)]
    if len(names) != 1:
        known = f"choose one with --as: {', '.join(FORMATS)}"
        several = f"may be {listed(names)}; {known}" if names else ""
        raise InputError.of(shown_path(path), several or f"is in no known format; {known}")
    runs = FORMATS[names[0]].read(path, text)
    if not runs:
        text = f"holds no measured run ({FORMATS[names[0]].title})"
        raise InputError.of(shown_path(path), text)
    return [replace(run, sha256=sha256, stack=run.stack or names[0]) for run in runs]
