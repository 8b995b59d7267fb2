"""Conditions of runs from a table: what to predict, or to measure next."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from uncertainty.errors import Fault, InputError
from uncertainty.files.evidence import read_evidence
from uncertainty.files.library import Place
from uncertainty.files.logs.reading import csv_records, read_text

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

RowsLike: TypeAlias = (
    "Sequence[Mapping[str, object] | pd.Series] | Mapping[str, object] | pd.DataFrame | pd.Series"
    " | xr.Dataset"
)
"""Conditions: a list of rows, one row, a mapping of columns, or a table; a row is a mapping."""
_VALUE = "value"  # the column of what was measured


def read_runs(path: Path) -> tuple[list[dict[str, object]], list[float]]:
    """Read the conditions of runs, and what was measured where all of them say it.

    Parameters
    ----------
    path : Path
        An evidence file, or a CSV file with a header of names of inputs; with a column ``value``
        of measurements.

    Returns
    -------
    tuple of list
        One mapping a run, and one measurement a run or none.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    runs, values, faults = list[dict[str, object]](), list[float | None](), []
    if path.suffix.lower() in (".yaml", ".yml"):
        evidence = read_evidence(str(path), Place.first(path, allow_outside=True), anywhere=True)
        if evidence.faults:
            raise InputError(evidence.faults)
        grouping = evidence.measurement.grouping if evidence.measurement else ()
        for row in evidence.rows:
            runs.append({**row.conditions, **dict(zip(grouping, row.groups, strict=False))})
            value = row.observed.get(_VALUE)
            values.append(float(value) if isinstance(value, int | float) else None)
    else:
        for record in csv_records(path, read_text(path)[0]):
            cells = {name: _cell(str(text)) for name, text in record.values.items() if name}
            if _VALUE in cells:
                values.append(record.number(_VALUE, needed=True))
                faults += record.faults
                del cells[_VALUE]
            runs.append(cells)
    if faults:
        raise InputError(faults)
    if not runs:
        raise InputError.of(str(path), "holds no runs: give a header, and a line for each")
    measured = [value for value in values if value is not None]
    return runs, measured if len(measured) == len(runs) else []


def read_rows(rows: RowsLike) -> list[dict[str, object]]:
    """Read rows from a list, a table, a mapping of columns or one mapping.

    Examples
    --------
    >>> read_rows({"a": [1, 2], "b": 3})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    if hasattr(rows, "to_dataframe"):  # of xarray
        dataset = cast("xr.Dataset", rows)
        rows = (dataset if dataset.sizes else dataset.expand_dims("row")).to_dataframe()
    if hasattr(rows, "to_dict"):  # of pandas, which writes NaN for an empty cell
        table = cast("pd.DataFrame", rows).astype(object)
        table = table.where(table.notna(), None)
        return list(table.to_dict("records")) if hasattr(rows, "columns") else [table.to_dict()]
    if isinstance(rows, Mapping):
        columns = {
            name: np.asarray(v, object).tolist()
            for name, v in rows.items()
            if isinstance(v, list | tuple | range) or getattr(v, "ndim", 0) == 1
        }
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            text = ", ".join(f"{name}: {len(column)}" for name, column in columns.items())
            raise InputError.of("<rows>", f"columns must be of one length ({text})")
        count = lengths.pop() if lengths else 1
        return [
            {str(n): columns[n][i] if n in columns else v for n, v in rows.items()}
            for i in range(count)
        ]
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        text = "must be a list of mappings, a mapping of columns or a table"
        raise InputError.of("<rows>", f"{text} (got {type(rows).__name__})")
    faults, mappings = list[Fault](), list[dict[str, object]]()
    for number, row in enumerate(rows):
        if isinstance(row, Mapping):
            mappings.append(dict(row))
        elif hasattr(row, "to_dict") and not hasattr(row, "columns"):
            mappings += read_rows(row)
        else:
            text = f"must be a mapping of names to values (got {type(row).__name__})"
            faults.append(Fault("<rows>", 0, 0, str(number), text))
    if faults:
        raise InputError(faults)
    return mappings


def _cell(text: str) -> object:
    """Read a number, or keep a text; an empty cell leaves an input open."""
    try:
        number = float(text)
    except ValueError:
        return text.strip() or None
    return number if math.isfinite(number) else text.strip()
