"""People's own logs: measured energy and tokens to the files that the rest of the house reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from uncertainty.errors import Fault, InputError, check_all, listed, require_known
from uncertainty.files.library import shown_path
from uncertainty.files.logs.columns import looks_like_table, read_csv, read_table
from uncertainty.files.logs.measured import MEASURED
from uncertainty.files.logs.power import POWER_FORMATS, PowerFormat
from uncertainty.files.logs.reading import read_text
from uncertainty.files.logs.runs import Format, Run, check_given, evidence_of
from uncertainty.files.logs.serving import (
    joined,
    looks_like_benchmark,
    read_benchmark,
    runs_of_windows,
)
from uncertainty.files.logs.usage_prior import import_usage, rows_of_usage

__all__ = ["FORMATS", "Format", "Run", "import_measurements", "import_usage", "rows_of_usage"]

FORMATS: Mapping[str, Format | PowerFormat] = {
    **MEASURED,
    **POWER_FORMATS,
    "columns": Format("a table of named columns", looks_like_table, read_csv),
}
"""Formats of measurements by name."""


def import_measurements(
    source: object,
    format: str | None = None,
    *,
    serving: str | Path | None = None,
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
        names of catalogues (``llm``, ``hardware``, ``precision``), ``model_id`` and ``stack``. Of a
        log that is joined with `serving` also ``boards``, the names of those that served, and
        ``clock_offset_h``, the hours by which the clock of `serving` is ahead.

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
    joins = {name: given.pop(name) for name in ("boards", "clock_offset_h") if name in given}
    check_given(given)
    if joins and serving is None:
        text = "chooses what is joined with a benchmark: give that too (--with FILE)"
        raise InputError(Fault("<given>", 0, 0, name, text) for name in joins)
    paths = [source] if isinstance(source, str | Path) else source
    runs, seen = list[Run](), dict[str, Path]()
    if isinstance(paths, Sequence) and paths and all(isinstance(x, str | Path) for x in paths):
        if serving and len(paths) > 1:
            # Two logs of one benchmark would each get all of its tokens.
            text = "goes with one log: join logs one by one, and those of several nodes as one file"
            raise InputError.of(shown_path(Path(serving)), text)
        benchmarks = read_benchmark(Path(serving), read_text(Path(serving))[0]) if serving else ()

        def read(path: Path) -> None:
            text, sha256 = read_text(path)
            if (first := seen.setdefault(sha256, path)) is not path:
                same = f"is the same as {shown_path(first)}: a measurement counts once"
                raise InputError.of(shown_path(path), same)
            name = format or _recognized(path, text)
            log = FORMATS[name].read(path, text)
            if isinstance(log, list):
                added = log
                if benchmarks:
                    raise InputError.of(shown_path(path), "says its tokens itself: omit --with")
            elif benchmarks:
                added = joined(log, benchmarks, **joins)
            else:
                added = runs_of_windows(log)
            if not added:
                raise InputError.of(shown_path(path), f"holds no measured run ({name})")
            stack = "" if name == "columns" else name  # a plain table says nothing of it
            runs.extend(replace(run, sha256=sha256, stack=run.stack or stack) for run in added)

        check_all(*(partial(read, Path(path)) for path in paths))
    else:
        runs = read_table(source)
    evidence = evidence_of(runs, given)
    return evidence[0] if len(evidence) == 1 else evidence


def _recognized(path: Path, text: str) -> str:
    """Name the format that a text shows."""
    names = [name for name, each in FORMATS.items() if each.looks_like(text)]
    if len(names) == 1:
        return names[0]
    if not names and looks_like_benchmark(text):
        text = "has tokens and no energy: give a log of power, and this file after --with"
        raise InputError.of(shown_path(path), text)
    head = text.lstrip().split("\n", 1)[0]
    for mark, word in {";": "semicolons", "\t": "tabs"}.items():
        if not names and looks_like_table(head.replace(mark, ",")):
            text = f"separates its cells by {word}: save it with commas, and points in numbers"
            raise InputError.of(shown_path(path), text)
    why = f"may be {' or '.join(names)}" if names else "is in no format that is known"
    raise InputError.of(shown_path(path), f"{why}; choose a format with --as: {listed([*FORMATS])}")
