"""A table of requests to a prior file of usage, with its rows beside it, and back."""

import csv
import heapq
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeAlias

import numpy as np

from uncertainty.errors import InputError, counted, listed, require_known
from uncertainty.files.document import yaml_text
from uncertainty.files.logs.usage import Codes, Floats, Requests, read_requests
from uncertainty.writing import refuse_inputs, write_text

Plain: TypeAlias = dict[str, object]
Table: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.float64]]

ROWS = 2048
"""Rows of a usage file at most: sums are exact, and quantiles of each column near."""
UNKNOWN = "unknown"
"""What stands for a model or a month that a log does not say."""
_SUMS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


@dataclass(frozen=True)
class Cells:
    """Groups of like requests (or sessions), each with its sums.

    Attributes
    ----------
    model, month : sequence of str
    units : array
        Requests or sessions.
    sums : array
        Shape (cells, 5), of `_SUMS`.
    """

    model: Sequence[str]
    month: Sequence[str]
    units: Floats
    sums: Table


def import_usage(
    paths: str | Path | Sequence[str | Path],
    out: str | Path = "my-usage.yaml",
    *,
    format: str | None = None,
    fit: str = "empirical",
    by: str = "request",
) -> dict[str, object]:
    r"""Turn token logs into a usage file: how many tokens requests take, with all sums.

    Of the logs nothing is read but counts of tokens, times and names of models (and ids, to see
    what is there twice).

    Parameters
    ----------
    paths : str, Path or sequence of these
        Logs, and folders of them.
    out : str or Path
        The file to write. Beside it stands a CSV file of the same name, but for a lognormal fit.
    format : str, optional
        A name such as ``openai``; seen by the content where not given.
    fit : {"empirical", "lognormal"}
        Rows as they are, at most 2048 that stand for like requests each, or fitted distributions.
    by : {"request", "session"}
        What one query is. Of a session the tokens of a request and ``steps_per_session`` are kept.

    Returns
    -------
    dict
        What was written, as `load_priors` takes it.

    Raises
    ------
    InputError
        With every line of the logs that is at fault.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     log = Path(folder, "log.csv")
    ...     _ = log.write_text("input_tokens,output_tokens\n900,300\n100,100\n")
    ...     usage = import_usage(log, Path(folder, "my-usage.yaml"))
    >>> usage["usage"][0]["output_tokens"]
    400
    """
    require_known("fit", fit, ("empirical", "lognormal"))
    require_known("by", by, ("request", "session"))
    requests, out = read_requests(paths, format), Path(out)
    table = out.with_suffix(".csv")
    given = [paths] if isinstance(paths, str | Path) else paths
    refuse_inputs([out, table], [Path(path) for path in given])
    data, rows = usage_data(requests, table.name, fit=fit, by=by)
    if rows:
        write_text(table, rows)
    write_text(out, yaml_text(data))
    return data


def usage_data(
    requests: Requests, table: str, *, fit: str = "empirical", by: str = "request"
) -> tuple[Plain, str]:
    """Give the content of a usage file and of the `table` beside it, which is empty for a fit."""
    months = months_of(requests.time_s)
    places, month = np.unique(months, return_inverse=True)
    sums = np.stack([requests.requests, *(
        getattr(requests, name) * requests.requests for name in _SUMS[1:]
    )], 1)  # fmt: skip
    unit, keys = requests.requests, (requests.model, month)
    if by == "session":
        if not requests.session.any():
            raise InputError.of("<by>", f"the log does not say sessions ({requests.format})")
        # What has no session is one by itself.
        alone = -1 - np.arange(len(month))
        session = np.where(requests.session == 0, alone, requests.session)
        _, first, place = np.unique(
            np.stack([session, *keys]), axis=1, return_index=True, return_inverse=True
        )
        sums = np.stack([np.bincount(place.ravel(), column) for column in sums.T], 1)
        unit, keys = np.ones(len(first)), (requests.model[first], month[first])
    label = np.array([str(name) for name in places])
    names = np.array([name or UNKNOWN for name in requests.models])

    def cells(place: Codes) -> Cells:
        _, first, group = np.unique(place, return_index=True, return_inverse=True)
        added = [np.bincount(group, column) for column in sums.T]
        model, when = (key[first] for key in keys)
        return Cells(
            list(names[model]), list(label[when]), np.bincount(group, unit), np.stack(added, 1)
        )

    groups = np.unique(np.stack(keys), axis=1, return_inverse=True)[1].ravel()
    totals = cells(groups)
    notes = [*provenance_of(requests, by)]
    assumptions: Plain
    text, steps = "", by == "session"
    if fit == "lognormal":
        assumptions, correlations = fitted_usage(sums, unit, notes, steps=steps)
    else:
        each = cells(alike(sums, unit, groups))
        columns, text = rows_of_cells(each, steps=steps)
        if len(each.units) < len(unit):
            notes.append(f"{len(each.units)} rows, each the mean of like ones")
        assumptions, correlations = drawn_by_row(columns, table, notes), []
    data: Plain = {
        "schema": 1,
        "title": _title(totals),
        "assumptions": assumptions,
        **({"correlations": correlations} if correlations else {}),
        "usage": [
            {"model": str(model), "month": str(when), **{
                name: round(float(x)) for name, x in zip(_SUMS, row, strict=True)
            }}
            for model, when, row in zip(totals.model, totals.month, totals.sums, strict=True)
        ],
    }  # fmt: skip
    return data, text


def months_of(time_s: Floats) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Name the month of each time, in UTC."""
    known = np.isfinite(time_s)
    days = np.where(known, time_s, 0.0).astype("int64").astype("datetime64[s]")
    return np.where(known, days.astype("datetime64[M]").astype(str), UNKNOWN)


def _title(totals: Cells) -> str:
    number = round(totals.sums[:, 0].sum())
    models = sorted({*totals.model} - {UNKNOWN})
    months = sorted({*totals.month} - {UNKNOWN})
    of = f" of {listed(models, 3)}" if models else ""
    when = f", {months[0]}" + (f" to {months[-1]}" if months[1:] else "") if months else ""
    return f"Usage: {number:,} requests{of}{when}"


def provenance_of(requests: Requests, by: str) -> Iterator[str]:
    """Say where the numbers come from, and what was left out."""
    yield f"Measured from {requests.format} logs"
    if requests.left_out:
        yield "left out: " + ", ".join(f"{reason} ({n})" for reason, n in requests.left_out.items())
    yield from requests.notes
    if by == "session":
        yield "a session that changes its model or its month counts as one for each"


def alike(sums: Table, unit: Floats, groups: Codes, most: int = ROWS) -> Codes:
    """Put like requests together into cells, `most` or one a group: the place of each.

    The cell whose requests differ most is split until there are enough. How much they differ
    is the sum of squares of the logarithms of output and input tokens and of requests in a session,
    and of the share that is cached. No cell goes over several groups: their sums are exact.
    """
    requests = sums[:, 0]
    read, wrote = sums[:, 1], sums[:, 3]
    size = np.log1p(np.stack([wrote / requests, read / requests, requests / unit]))
    size = np.vstack([size, sums[:, 2] / np.maximum(read, 1.0)])

    def entry(members: Codes) -> tuple[float, int, int, float, Codes]:
        values, weight = size[:, members], unit[members]
        mean = values @ weight / weight.sum()
        squares = (values - mean[:, None]) ** 2 @ weight
        widest = int(squares.argmax())
        return -float(squares[widest]), next(number), widest, float(mean[widest]), members

    number = count()  # heaps compare the next item where two are equal
    order = np.argsort(groups, kind="stable")
    heap = [entry(x) for x in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)]
    heapq.heapify(heap)
    # Rounding leaves a little of what is all the same.
    while len(heap) < most and heap[0][0] < -1e-9:
        _, _, widest, mean, members = heapq.heappop(heap)
        below = size[widest, members] < mean
        for part in (members[below], members[~below]):
            if len(part):
                heapq.heappush(heap, entry(part))
    place = np.empty(len(unit), np.int64)
    # Neighbors in the table are alike, so that few points go evenly through all of it.
    for i, item in enumerate(sorted(heap, key=lambda item: float(wrote[item[4]].mean()))):
        place[item[4]] = i
    return place


def rows_of_cells(cells: Cells, *, steps: bool) -> tuple[dict[str, list[float]], str]:
    """Give the columns of a table of cells, and its text."""
    requests, read, cached, wrote, _ = cells.sums.T
    share = cached / np.maximum(read, 1e-300)
    values = {
        "count": cells.units,
        "input_tokens": read / requests,
        "cached_share": share,
        "output_tokens": wrote / requests,
        **({"steps_per_session": requests / cells.units} if steps else {}),
    }
    # As they are read again.
    columns = {name: [float(f"{x:.10g}") for x in column] for name, column in values.items()}
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["model", "month", *columns])
    for model, month, *numbers in zip(cells.model, cells.month, *columns.values(), strict=True):
        writer.writerow([model, month, *(f"{x:.10g}" for x in numbers)])
    return columns, file.getvalue()


_UNITS = {"cached_share": "fraction", "steps_per_session": "1"}


def _entry(name: str, law: Plain, note: str) -> Plain:
    varies = {} if "fixed" in law else {"varies": "query"}
    unit = _UNITS.get(name, "tokens")
    return {**varies, **law, "unit": unit, "group": "usage", "basis": "measured", "note": note}


def drawn_by_row(columns: Mapping[str, list[float]], table: str, notes: Sequence[str]) -> Plain:
    """State each column of a table, all drawn by row; one that says one value is that value."""
    note, entries = f"{'; '.join(notes)}.", Plain()
    weights = {"weights": "count"} if len({*columns["count"]}) > 1 else {}
    for name, column in columns.items():
        if name != "count":
            drawn = {"file": table, "column": name, "rows": "file", **weights}
            law: Plain = {"empirical": drawn} if len({*column}) > 1 else {"fixed": column[0]}
            entries[name] = _entry(name, law, note)
    return entries


def fitted_usage(
    sums: Table, unit: Floats, notes: Sequence[str], *, steps: bool
) -> tuple[Plain, list[Plain]]:
    """State lognormal fits with how well they fit, and the rank correlation of their logarithms."""
    from scipy.stats import spearmanr

    requests, read, cached, wrote, _ = sums.T
    columns = {"input_tokens": read / requests, "output_tokens": wrote / requests}
    columns |= {"steps_per_session": requests / unit} if steps else {}
    entries, logs = Plain(), dict[str, Floats]()
    for name, values in columns.items():
        if (values > 0).all() and np.ptp(values) > 0:
            logs[name] = np.log(values)
            law, how = _lognormal(logs[name], unit)
        else:
            law, how = {"fixed": float(f"{np.average(values, weights=unit):.6g}")}, "the mean"
        entries[name] = _entry(name, law, f"{'; '.join(notes)}; {how}.")
    share = float(f"{cached.sum() / max(read.sum(), 1.0):.6g}")
    how = "share of all input tokens"
    entries["cached_share"] = _entry("cached_share", {"fixed": share}, f"{notes[0]}; {how}.")
    pair = ["input_tokens", "output_tokens"]
    if not {*pair} <= logs.keys():
        return entries, []
    rank = float(f"{spearmanr(*(logs[name] for name in pair)).statistic:.4f}")
    return entries, [{"between": pair, "rank": rank, "note": "Of the log."}] if abs(
        rank
    ) < 1 else []


def _lognormal(logs: Floats, unit: Floats) -> tuple[Plain, str]:
    """Fit a lognormal, and say how far it is off."""
    from scipy.special import ndtr

    mean = float(np.average(logs, weights=unit))
    sd = float(np.sqrt(np.average((logs - mean) ** 2, weights=unit)))
    order = np.argsort(logs)
    above = np.cumsum(unit[order]) / unit.sum()
    fitted = ndtr((logs[order] - mean) / sd)
    apart = max(
        np.abs(fitted - above).max(), np.abs(fitted - above + unit[order] / unit.sum()).max()
    )
    ratio = np.exp(mean + sd**2 / 2) / np.average(np.exp(logs), weights=unit)
    law: Plain = {
        "lognormal": {"median": float(f"{np.exp(mean):.6g}"), "sigma": float(f"{sd:.6g}")}
    }
    how = f"a fit: log-sd {sd:.3g}, largest distance of the distribution functions {apart:.2g}, "
    return law, f"{how}mean {ratio:.3g} times that of the log"


def rows_of_usage(data: Mapping[str, object], folder: Path) -> Cells:
    """Give the rows of a usage file: those of the table beside it, or else its totals.

    Raises
    ------
    InputError
        Where the file has no totals, or its table has others.
    """
    totals = data.get("usage")
    if not isinstance(totals, list | tuple) or not totals:
        text = (
            "has no totals (usage:), so it is not a usage file: uncertainty import-usage makes one"
        )
        raise InputError.of("<usage>", text)
    sums = np.array([[float(row[name]) for name in _SUMS] for row in totals])
    whole = Cells([r["model"] for r in totals], [r["month"] for r in totals], sums[:, 0], sums)
    assumptions = data.get("assumptions")
    entries = assumptions.values() if isinstance(assumptions, Mapping) else ()
    files = {x["empirical"]["file"] for x in entries if "empirical" in x}
    if not files:
        return whole
    [file] = files
    with (folder / file).open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    units, read, share, wrote = (
        np.array([float(row[name]) for row in rows])
        for name in ("count", "input_tokens", "cached_share", "output_tokens")
    )
    requests = units * [float(row.get("steps_per_session", 1)) for row in rows]
    sums = np.stack([requests, requests * read, requests * read * share, requests * wrote], 1)
    # Rows are written to some digits, and a log without cached tokens has none.
    if not np.allclose(sums.sum(0), whole.sums[:, :4].sum(0), rtol=1e-6, atol=1e-6):
        what = counted(round(whole.sums[:, 0].sum()), "request")
        raise InputError.of(file, f"has other sums than the usage file ({what}): import both anew")
    models, months = ([row[name] for row in rows] for name in ("model", "month"))
    return Cells(models, months, units, np.pad(sums, ((0, 0), (0, 1))))
