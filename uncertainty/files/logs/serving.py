"""Benchmarks of a server: tokens in a window of time, and the energy that a log has for it."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from uncertainty.errors import Fault, InputError, listed
from uncertainty.files.library import shown_path
from uncertainty.files.logs.measured import aiperf_model
from uncertainty.files.logs.power import ROUNDED_S, PowerLog, Timed, clock, time_of
from uncertainty.files.logs.reading import Record, json_record
from uncertainty.files.logs.runs import Run

LATE_S = 5.0
"""vLLM writes its date after it has counted tokens and read metrics: up to some seconds late."""

_SHIFT = 0.02  # of the energy: what such a delay may change before it is worth a sentence
# What a joined run has from the log; the rest is the benchmark's.
_MEASURED = ["energy_j", "boundary", "path", "line", "column", "window_s", "gpu_count", "gpu_name"]
_HOURS = range(-12 * 4, 14 * 4 + 1)  # of local time before UTC, in quarters


def read_benchmark(path: Path, text: str) -> list[Timed]:
    """Read the result of `vllm bench serve`, of SGLang's bench_serving, or of AIPerf.

    A file may hold one object, or one a line (`--append-result`).

    Raises
    ------
    InputError
        With every fault of the file.
    """
    lines = [(i, line) for i, line in enumerate(text.split("\n")) if line.strip()]
    many = all(line.startswith("{") and line.endswith("}") for _, line in lines)
    benchmarks, faults = [], list[Fault]()
    for above, line in lines if many else [(0, text)]:
        part = "\n" * above + line  # so that places are those of the file
        try:
            record = json_record(path, part)
            if not record.values:
                message = (
                    "is not the result of one benchmark: beside it vLLM writes a list for "
                    "PyTorch's dashboards (.pytorch.json); give the other file"
                )
                raise InputError.of(shown_path(path), message)
            aiperf = "aiperf_version" in record.values
            benchmarks.append(_aiperf(path, part, record) if aiperf else _vllm(record))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return benchmarks


def _vllm(record: Record) -> Timed:
    """Read what vLLM writes, and SGLang, whose client began as vLLM's."""
    needed = ("duration", "completed", "total_input_tokens", "total_output_tokens")
    duration, done, read, written = (record.number(name, needed=True) or 0.0 for name in needed)
    if not record.faults and not (duration and done and written):
        record.fault("completed", "nothing was served: no request, time or output token")
    # InferenceX's client, which began as vLLM's too, writes its times in UTC.
    start, end = (record.number(f"benchmark_{x}_time_unix") or 0.0 for x in ("start", "end"))
    prompts, failed = record.number("num_prompts"), record.number("failed")
    latency, first, each = (
        record.number(f"mean_{name}_ms", scale=1e-3) for name in ("e2el", "ttft", "tpot")
    )
    latency = latency or record.number("mean_e2e_latency_ms", scale=1e-3)
    utc, date = end > 0, record.text("date")
    if not utc:
        try:
            day = datetime.strptime(date, "%Y%m%d-%H%M%S")
            end, _ = time_of(f"{day:%Y-%m-%d %H:%M:%S}")
        except ValueError:
            message = "must be when the run ended, YYYYMMDD-hhmmss"
            hint = f" (got {date[:24]!r})" if date else "; SGLang leaves it out: write it in"
            record.fault("date", f"{message}{hint}")
        start = end - duration
    if record.faults:
        raise InputError(record.faults)
    if latency is None and first is not None and each is not None:
        latency = first + each * (written / done - 1)
    backend = record.text("backend")
    run = _served(record, (done, read, written), done / duration * (latency or 0.0))
    run = replace(
        run,
        failed=max((prompts or done) - done, 0.0) if failed is None else failed,
        model_name=_model_name(record.text("model_id")),
        precision=record.text("precision") or record.text("dtype"),
        stack=next((name for name in ("vllm", "sglang") if backend.startswith(name)), ""),
    )
    return Timed(start, end, run, {}, utc, late=not utc)


def _served(record: Record, counts: tuple[float, float, float], concurrency: float) -> Run:
    """Make a run of requests, their input and their output tokens; its energy is not known yet.

    Requests at once are by Little's law: those that come in a second times the time they stay.
    """
    line, _ = record.place_of("duration" if "duration" in record.values else "request_count")
    done, read, written = counts
    return Run(
        energy_j=math.nan,
        boundary="",
        path=record.path,
        place=f"line {line}",
        line=line,
        requests=done,
        input_tokens=read,
        output_tokens=written,
        concurrency=concurrency or None,
    )


def _aiperf(path: Path, text: str, record: Record) -> Timed:
    """Read profile_export_aiperf.json for its tokens and times."""

    def metric(name: str) -> float | None:
        part = json_record(path, text, name)
        value = part.number("avg")
        record.faults.extend(part.faults)
        return value

    done = metric("request_count") or 0.0
    read, written = (
        metric(f"total_{short}") or (metric(f"{name}_sequence_length") or 0.0) * done
        for short, name in (("isl", "input"), ("osl", "output"))
    )
    if not record.faults and not (read and written):
        message = "without it, or without sequence lengths, it does not say what was served"
        record.fault("request_count", message)
    start, end, utc = 0.0, 0.0, False
    for name in ("start_time", "end_time"):
        try:
            start, (end, utc) = end, time_of(record.text(name))
        except ValueError:
            record.fault(name, "must be a date with a time")
    latency, length = metric("request_latency"), metric("benchmark_duration")
    failed = metric("error_request_count") or 0.0
    if record.faults:
        raise InputError(record.faults)
    # Results are put together before the end is noted; the duration is until the last answer.
    end = min(end, start + length) if length else end
    whole = not record.values.get("was_cancelled") and record.values.get("is_complete", True)
    stopped = "the run was stopped before its end: tokens of some requests are missing"
    rate = done / (end - start) if end > start else 0.0
    run = replace(
        _served(record, (done, read, written), rate * (latency or 0.0) / 1e3),
        failed=failed,
        model_name=_model_name(aiperf_model(path, text)),
        cautions=() if whole else (stopped,),
    )
    return Timed(start, end, run, {}, utc)


def _model_name(name: str) -> str:
    """Keep of a path on someone's disk the last part."""
    return name.rstrip("/").rpartition("/")[2] if name.startswith(("/", ".", "~")) else name[:200]


def joined(
    log: PowerLog,
    benchmarks: Sequence[Timed],
    *,
    clock_offset_h: object = None,
    boards: object = None,
) -> list[Run]:
    """Join the energy of a log with the tokens of benchmarks, by their times.

    Parameters
    ----------
    log : PowerLog
    benchmarks : sequence of Timed
    clock_offset_h : number, optional
        Hours by which the clock of the benchmark is ahead of that of the log. Needed where one of
        them is in UTC and the other is not.
    boards : str, number or list of them, optional
        Those that served (``"0,1"``); all where none is given.

    Returns
    -------
    list of Run
        One for each benchmark.

    Raises
    ------
    InputError
        Where clocks cannot be compared, and where the log does not hold a time as a whole.
    """
    if boards is not None:
        several = boards if isinstance(boards, list | tuple) else str(boards).split(",")
        log = log.of_boards([str(name).strip().removesuffix(".0") for name in several])
    try:
        shift_s = 3600 * float(str(clock_offset_h or 0))
    except ValueError as error:
        message = f"must be a number of hours (got {clock_offset_h!r:.24})"
        raise InputError([Fault("<given>", 0, 0, "clock_offset_h", message)]) from error
    first, last = log.span_s
    runs, faults = list[Run](), list[Fault]()
    for benchmark in benchmarks:
        run, kinds = benchmark.run, ("local time", "UTC")
        fits = [
            quarter / 4
            for quarter in sorted(_HOURS, key=abs)
            if benchmark.start_s - 900 * quarter >= first - ROUNDED_S
            and benchmark.end_s - 900 * quarter <= last + ROUNDED_S
        ]
        inside = listed([f"{hours:g}" for hours in fits], 4) or "no number of hours"
        if clock_offset_h is None and benchmark.utc != log.utc:
            message = (
                f"its times are in {kinds[log.utc]} ({clock(first)} to {clock(last)}) and those of "
                f"{shown_path(run.path)} in {kinds[benchmark.utc]} ({benchmark.shown()}): give "
                "the hours by which the benchmark's clock is ahead, --set clock_offset_h=HOURS "
                f"({inside} would put the benchmark inside the log)"
            )
            faults.append(log.fault(message))
            continue
        start, end = benchmark.start_s - shift_s, benchmark.end_s - shift_s
        try:
            window = log.between(start, end)
        except InputError as error:
            differ = f"; if clocks differ: --set clock_offset_h={inside} puts it inside the log"
            faults += [
                replace(fault, message=fault.message + (differ if fits and 0 not in fits else ""))
                for fault in error.faults
            ]
            continue
        cautions = [*window.run.cautions, *run.cautions]
        if boards is not None:
            cautions.append(f"of the log's boards, only {listed([*window.energy_j])} are counted")
        if shift_s:
            hours = f"{shift_s / 3600:+g} h"
            cautions.append(f"the benchmark's clock is taken to be {hours} from that of the log")
        if benchmark.late and not log.windows:
            with suppress(InputError):
                earlier = log.between(start - LATE_S, end - LATE_S)
                more = earlier.run.energy_j / window.run.energy_j - 1
                if abs(more) > _SHIFT:
                    cautions.append(
                        f"vLLM dates a result up to some seconds after its end: had it ended "
                        f"{LATE_S:g} s earlier, the energy would be {100 * more:+.0f} %"
                    )
        measured = {name: getattr(window.run, name) for name in _MEASURED}
        place = f"{window.run.place}, with {shown_path(run.path)} {run.place}"
        runs.append(replace(run, **measured, place=place, cautions=tuple(cautions)))
    if faults:
        raise InputError(faults)
    return runs


def runs_of_windows(log: PowerLog) -> list[Run]:
    """Give the windows of a log as runs whose tokens are not known.

    Raises
    ------
    InputError
        Where a log of power has no window: only a benchmark says which part of it counts.
    """
    if not log.windows:
        first, last = log.span_s
        message = (
            f"holds power from {clock(first)} to {clock(last)} and no tokens: give the result of "
            "the benchmark that ran then, --with vllm.json"
        )
        raise InputError([log.fault(message)])
    return [
        replace(window.run, cautions=(*log.cautions, *window.run.cautions))
        for window in log.windows
    ]


def looks_like_benchmark(text: str) -> bool:
    """Say whether a text is the result of a benchmark that holds tokens and no energy."""
    head = text[:5000]
    return all(f'"{key}"' in head for key in ("total_output_tokens", "duration")) and (
        "energy" not in head
    )
