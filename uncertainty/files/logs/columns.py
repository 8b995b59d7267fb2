"""Plain tables: columns named in words, with units in brackets; a CSV file, a DataFrame, a list."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from uncertainty.errors import InputError
from uncertainty.files.logs.conditions import read_rows
from uncertainty.files.logs.reading import Record, csv_records
from uncertainty.files.logs.runs import Run
from uncertainty.units import UnitError, factor

TABLE = Path("<table>")
"""What messages call a table that is not a file."""

_BOUNDARIES = {
    "energy": "gpu_board", "gpu_energy": "gpu_board", "board_energy": "gpu_board",
    "node_energy": "node", "server_energy": "node", "machine_energy": "node",
    "facility_energy": "facility",
}  # fmt: skip
_TIMES = ("duration", "window", "elapsed_time")
# By field of a run, what people call its column; an amount is that of the whole window.
_NAMES = {
    "requests": ("requests", "queries", "successful_requests", "completed"),
    "failed": ("failed", "failed_requests"),
    "input_tokens": ("input_tokens", "prompt_tokens", "total_input_tokens"),
    "cached_tokens": ("cached_tokens", "cached_input_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens", "total_output_tokens"),
    "concurrency": ("concurrency", "batch_size", "requests_at_once"),
    "gpu_count": ("gpu_count", "gpus", "boards", "num_gpus"),
    "gpu_name": ("gpu", "gpu_name", "hardware", "gpu_model"),
    "model_name": ("model", "model_name", "model_id", "llm"),
    "precision": ("precision", "dtype"),
    "stack": ("stack", "engine"),
}
_TEXTS = {"gpu_name", "model_name", "precision", "stack"}
_EXAMPLE = "write the unit in brackets, as in 'energy [kWh]', 'duration [min]'"


def _column(title: str) -> tuple[str, str]:
    """Split the title of a column into its name and its unit.

    Examples
    --------
    >>> _column("GPU energy (Wh)"), _column("energy_kWh"), _column("requests")
    (('gpu_energy', 'Wh'), ('energy', 'kWh'), ('requests', ''))
    """
    match = re.fullmatch(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*|(.*)_([kMm]?J|[kM]?Wh|s|ms|min|h)", title)
    name, unit = (match[1] or match[3], match[2] or match[4]) if match else (title, "")
    return re.sub(r"\W+", "_", name.strip().lower()), unit.strip()


def looks_like_table(text: str) -> bool:
    """Say whether the first line names an energy and tokens."""
    names = {_column(title.strip())[0] for title in text.lstrip().split("\n", 1)[0].split(",")}
    return bool(names & {*_BOUNDARIES}) and bool(names & {*_NAMES["output_tokens"]})


def _run_of(record: Record) -> list[Run]:
    """Make a run of each energy of a row; columns of other names are not looked at."""
    titles = {title: _column(title) for title in record.values}
    runs, fields = list[Run](), dict[str, object]()
    energies = [title for title, (name, _) in titles.items() if name in _BOUNDARIES]

    def amount(title: str, to: str) -> float | None:
        unit = titles[title][1]
        try:
            return record.number(title, scale=factor(unit, to) if unit else float("nan"))
        except UnitError as error:
            record.fault(title, str(error))
        return None

    for title, (name, unit) in titles.items():
        field = next((field for field, names in _NAMES.items() if name in names), None)
        if (name in _BOUNDARIES or name in _TIMES) and not unit:
            record.fault(title, f"has no unit; {_EXAMPLE}")
        elif name in _TIMES:
            fields["window_s"] = amount(title, "s")
        elif field:
            value = record.text(title) if field in _TEXTS else record.number(title)
            if field in fields:
                record.fault(title, f"says {field} as another column does: keep one of them")
            fields[field] = value
    fields["failed"] = fields.get("failed") or 0.0
    for title in energies:
        energy = amount(title, "J") if titles[title][1] else None
        name = titles[title][0]
        line, column = record.place_of(title)
        if energy is not None:
            plain = "energy is taken as that of the boards; call it 'node energy' if it is not"
            run = Run(
                energy_j=energy,
                boundary=_BOUNDARIES[name],
                path=record.path,
                place=record.prefix,
                line=line,
                column=column,
                cautions=(plain,) if name == "energy" else (),
            )
            runs.append(replace(run, **fields))  # type: ignore[arg-type]  # by `_NAMES`
        elif not record.faults:
            record.fault(title, "is missing")
    if not energies:
        record.fault("", f"has no column of energy; {_EXAMPLE}")
    return runs


def _runs_of(records: Sequence[Record]) -> list[Run]:
    runs = [run for record in records for run in _run_of(record)]
    faults = [fault for record in records for fault in record.faults]
    if faults:
        raise InputError(faults)
    return runs


def read_csv(path: Path, text: str) -> list[Run]:
    """Read a CSV file whose header names columns and units."""
    return _runs_of(csv_records(path, text))


def read_table(source: object) -> list[Run]:
    """Read a pandas DataFrame, an xarray Dataset, a mapping of columns or a list of rows.

    Raises
    ------
    InputError
    """
    table = read_rows(source)
    if not table:
        raise InputError.of(str(TABLE), "has no rows")
    # A number that is missing is not equal to itself, where pandas wrote it.
    rows = [{str(key): None if x != x else x for key, x in row.items()} for row in table]
    mark = hashlib.sha256(repr(rows).encode()).hexdigest()
    records = [
        Record(TABLE, row, lambda _: (0, 0), f"row {number}") for number, row in enumerate(rows, 1)
    ]
    return [replace(run, sha256=mark) for run in _runs_of(records)]
