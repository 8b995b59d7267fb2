"""Formats that hold energy beside tokens: benchmarks that measured both."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from uncertainty.errors import Fault, InputError, counted, listed
from uncertainty.files.library import shown_path
from uncertainty.files.logs.reading import Record, csv_records, json_record, parse_json
from uncertainty.files.logs.runs import JOULES, Format, Run

_APART = 0.05  # of two numbers that say the same: rounding and a few late requests stay below
_IDLE = 1 / 3  # of the busiest board's power: a board that serves takes more, an idle one less


def _is_json(*keys: str) -> Callable[[str], bool]:
    """Recognize JSON by keys, each of which stands in it; a broken file has them too."""
    return lambda text: text.lstrip()[:1] in "{[/" and all(f'"{key}"' in text for key in keys)


def _is_csv(*names: str) -> Callable[[str], bool]:
    return lambda text: {*names} <= {x.strip() for x in text.lstrip().split("\n", 1)[0].split(",")}


def _objects(path: Path, text: str, *keys: str) -> Iterator[Record]:
    """Objects of a list of JSON, or the only one."""
    top = json_record(path, text, *keys)
    data = parse_json(path, text)
    inner = data.get(keys[0]) if keys and isinstance(data, Mapping) else data
    if isinstance(inner, list):
        yield from (json_record(path, text, *keys, number) for number in range(len(inner)))
    else:
        yield top


def _runs(
    records: Iterator[Record] | list[Record], read: Callable[[Record], Run | None]
) -> list[Run]:
    """Read each record; refuse all that is wrong with any of them."""
    records = [*records]
    runs = [read(record) for record in records]
    faults = [fault for record in records for fault in record.faults]
    if faults:
        raise InputError(faults)
    return [run for run in runs if run is not None]


def _year(date: str) -> float | None:
    match = re.match(r"(20\d\d)-?(\d\d)", date)
    return round(int(match[1]) + (int(match[2]) - 0.5) / 12, 2) if match else None


def _agree(record: Record, name: str, ratio: float | None, implied: float) -> None:
    """Refuse a ratio that is not that of its totals: energy of one window, tokens of another."""
    if ratio and not abs(implied / ratio - 1) <= _APART:
        record.fault(
            name,
            f"is {ratio:.4g} J, but energy over tokens of this file is {implied:.4g}: "
            "one of them is of another part of the run; give both of the same window",
        )


def _begun(record: Record, name: str) -> Run:
    """Begin a run at the boards, whose energy stands under `name`."""
    line, column = record.place_of(name)
    place, boundary = record.prefix, "gpu_board"
    return Run(
        energy_j=0.0, boundary=boundary, path=record.path, place=place, line=line, column=column
    )


def _inferencex(record: Record) -> Run | None:
    """One configuration of InferenceX, from its own results or from PowerX's table.

    The table has no number of GPUs. Where inputs are read apart, both kinds of GPU count; else
    both columns describe the same ones, and read TP x EP, of which TP is their number.
    """
    query = record.number("joules_per_successful_query")
    if query is None or str(record.values.get("power_valid", "true")).lower() == "false":
        return None
    energy = record.number("total_gpu_energy_j") or query
    per_input = record.number("joules_per_input_token")
    per_output = record.number("joules_per_output_token", needed=True)
    board, every = record.number("avg_power_w"), record.number("avg_total_gpu_power_w")
    apart = str(record.values.get("disagg", "")).lower() == "true"
    prefill = (record.number("num_prefill_gpu") or 0.0) if apart else 0.0
    if apart:
        count: float | None = prefill + (record.number("num_decode_gpu", needed=True) or 0.0)
    elif board and every:
        count = float(round(every / board))
    else:
        count = record.number("decode_tp") or record.number("tp")
    drafts = record.text("spec_method") or record.text("spec_decoding")
    text = f"tokens were drafted ({drafts}): set speculative_tokens, acceptance, draft_parameters"
    date = record.text("date")
    stack = "-".join(filter(None, (record.text("framework"), date[:7])))
    return replace(
        _begun(record, "joules_per_output_token"),
        energy_j=energy,
        window_s=energy / every if every and energy != query else None,
        gpu_count=count,
        prefill_gpu_count=prefill,
        power_w=board,
        gpu_name=record.text("hardware") or record.text("hw"),
        model_name=record.text("model") or record.text("raw_model"),
        precision=record.text("precision"),
        stack=stack.lower(),
        requests=energy / query if query else 0.0,
        input_tokens=energy / per_input if per_input else None,
        output_tokens=energy / per_output if per_output else 0.0,
        concurrency=record.number("conc"),
        software_year=_year(date),
        cautions=(text,) if drafts.lower() not in ("", "none", "false") else (),
    )


def read_inferencex(path: Path, text: str) -> list[Run]:
    """Read results of InferenceX, JSON or PowerX's CSV; rows without power are left out."""
    rows = [*_objects(path, text)] if text.lstrip()[:1] in "{[" else csv_records(path, text)
    runs = _runs(rows, _inferencex)
    if 0 < (without := len(rows) - len(runs)) < len(rows):
        text = f"{counted(without, 'other row')} without valid power left out"
        runs[0] = replace(runs[0], cautions=(*runs[0].cautions, text))
    return runs


_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3}
_Boards = dict[str, tuple[str, float | None]]
"""Name and mean power of each board that the telemetry has."""


def _aiperf(record: Record, boards: _Boards, model: str) -> Run | None:
    """Read the metrics of AIPerf, each `{unit, avg}`, under the names of its JSON."""
    # Those of energy begin with the maker of the boards.
    keys = {re.sub("^(nvidia|amd)_", "", key): key for key in record.values}

    def metric(name: str, units: Mapping[str, float] | None = None) -> float | None:
        key = keys.get(name, name)
        entry = record.values.get(key)
        if not isinstance(entry, Mapping):
            return None
        unit = str(entry.get("unit", "")).strip()
        scale = units.get(unit.split("/")[0]) if units else 1.0
        if scale is None:
            record.fault(key, f"unit {unit[:20]!r} is not one of {', '.join(units or ())}")
            return None
        inner = replace(record, values={key: entry.get("avg")}, faults=record.faults)
        return inner.number(key, needed=True, scale=scale)

    rate, window = metric("request_throughput"), metric("benchmark_duration", _SECONDS)
    count = metric("request_count")
    if window is None and rate:
        # GenAI-Perf says rates alone: then all is of one second, whose length says nothing.
        span, count = (count / rate, count) if count else (1.0, rate)
    else:
        span = window or 0.0
    lengths = metric("output_sequence_length"), metric("input_sequence_length")
    output, inputs = metric("total_osl"), metric("total_isl")
    if count is not None:
        output, inputs = (
            total if total is not None or length is None else length * count
            for total, length in zip((output, inputs), lengths, strict=True)
        )
    energy, token_j = (
        metric(name, JOULES) for name in ("total_gpu_energy", "energy_per_output_token")
    )
    request_j, latency = metric("energy_per_request", JOULES), metric("request_latency", _SECONDS)
    powers = [power for _, power in boards.values() if power is not None]
    if energy is None and request_j is not None and count:
        energy = request_j * count
    elif energy is None and token_j is not None and output:
        energy = token_j * output
    elif energy is None and powers and span:
        energy = sum(powers) * span
    if energy is None:
        record.fault("", "holds no energy: run it with telemetry of the GPUs (--gpu-telemetry)")
        return None
    if output:
        _agree(record, keys.get("energy_per_output_token", ""), token_j, energy / output)
    idle = sum(power < _IDLE * max(powers) for power in powers)
    text = f"{idle} of {len(boards)} boards took under a third of the busiest one's power"
    return replace(
        _begun(record, keys.get("total_gpu_energy", "")),
        energy_j=energy,
        window_s=None if window is None and span == 1 else span or None,
        gpu_count=len(boards) or None,
        gpu_name=listed(sorted({name for name, _ in boards.values()})),
        model_name=model,
        requests=count,
        failed=metric("error_request_count") or 0.0,
        input_tokens=inputs,
        output_tokens=output,
        # Little's law: the mean number at once is the rate times the time each takes.
        concurrency=count * latency / span if count and latency and span else None,
        cautions=(f"{text}, and count: measure the boards alone that serve",) if idle else (),
    )


def read_aiperf_json(path: Path, text: str) -> list[Run]:
    """Read ``profile_export_aiperf.json`` or GenAI-Perf's: metrics, boards and the model."""
    record = json_record(path, text)
    places = list[tuple[str, tuple[str, ...], tuple[str, ...]]]()
    for url in json_record(path, text, at := "telemetry_data", "endpoints").values:
        for gpu in json_record(path, text, at, "endpoints", url, "gpus").values:
            of_gpu = (at, "endpoints", url, "gpus", gpu)
            metrics = json_record(path, text, *of_gpu, "metrics").values
            key = next((key for key in metrics if key.endswith("power_usage")), "")
            places.append((f"{at}.{gpu}.{key}", of_gpu, (*of_gpu, "metrics", key)))
    old = ("telemetry_stats", "gpu_power_usage")  # of GenAI-Perf
    gpus = (key for key in json_record(path, text, *old).values if key != "unit")
    places += [(".".join((*old, gpu)), (), (*old, gpu)) for gpu in gpus]
    boards: _Boards = {}
    for prefix, of_board, of_power in places:
        # The address of an endpoint may hold a password: messages leave it out.
        power = replace(json_record(path, text, *of_power), prefix=prefix, faults=record.faults)
        name = json_record(path, text, *of_board).text("gpu_name")
        boards[".".join(of_power)] = name, power.number("avg")
    model = aiperf_model(path, text)
    return _runs([record], lambda each: _aiperf(each, boards, model))


def aiperf_model(path: Path, text: str) -> str:
    """Name the model of a result of AIPerf; empty where it says none."""
    name = json_record(path, text, "input_config", "models", "items", 0).text("name")
    config = json_record(path, text, "input_config").values
    within = json_record(path, text, "input_config", "endpoint").values
    names = within.get("model_names", config.get("model_names"))  # of GenAI-Perf the latter
    older = str(names[0])[:200] if isinstance(names, list) and names else ""
    return name or older


def read_aiperf_csv(path: Path, text: str) -> list[Run]:
    """Read ``profile_export_aiperf.csv``: sections between empty lines, each with a header."""
    metrics, lines = dict[str, object](), dict[str, int]()
    boards, faults = _Boards(), list[Fault]()
    for section in re.finditer(r"(?:[^\n]*\S[^\n]*\n?)+", text):
        first = text.count("\n", 0, section.start()) + 1
        for row in csv_records(path, section[0], first):
            if "Endpoint" not in row.values:
                name, _, unit = row.text("Metric").partition(" (")
                unit = unit or row.text("Unit")
                key = re.sub(r"\W+", "_", name.lower())
                value = row.values.get("avg", row.values.get("Value"))
                metrics[key] = {"unit": unit.rstrip(")"), "avg": value}
                lines[key] = row.place_of("Metric")[0]
            elif "power usage" in row.text("Metric").lower().replace("_", " "):
                board = f"{row.text('Endpoint')} {row.text('GPU_Index')}"
                boards[board] = row.text("GPU_Name"), row.number("avg")
                faults += row.faults
    record = Record(path, metrics, lambda key: (lines.get(key, 1), 1), faults=faults)
    return _runs([record], lambda each: _aiperf(each, boards, ""))


def _sxm(gpu: str) -> str:
    """ML.ENERGY's and AI Energy Score's H100 and A100 of 80 GB are modules in servers of eight."""
    return {"H100": "H100 SXM", "A100": "A100-SXM4-80GB"}.get(gpu, gpu)


def _mlenergy(record: Record) -> Run:
    """Read the steady state of one run: its energy, and the tokens of that part alone."""
    energy = record.number("steady_state_energy", needed=True) or 0.0
    per_token = record.number("steady_state_energy_per_token", needed=True)
    output = energy / per_token if per_token else 0.0
    total, inputs = record.number("total_output_tokens"), record.number("total_input_tokens")
    completed, prompts = record.number("completed"), record.number("num_prompts")
    if total and output > total * (1 + _APART):
        record.fault(
            "steady_state_energy_per_token",
            f"implies {output:.4g} tokens, more than the {total:.4g} of the whole run",
        )
    share = output / total if total else 0.0  # of the run: lengths are those of all its requests
    return replace(
        _begun(record, "steady_state_energy"),
        energy_j=energy,
        window_s=record.number("steady_state_duration"),
        gpu_count=record.number("num_gpus"),
        gpu_name=_sxm(record.text("gpu_model")),
        model_name=record.text("model_id"),
        requests=completed * share if completed is not None and share else None,
        failed=max((prompts or 0.0) - (completed or 0.0), 0.0) if completed is not None else 0.0,
        input_tokens=inputs * share if inputs is not None and share else None,
        output_tokens=output,
        # In the steady state the batch is full.
        concurrency=record.number("max_num_seqs"),
    )


def _leaderboard(record: Record) -> Run:
    """Read one configuration of the leaderboard: means of a query."""
    token = record.number("energy_per_token_joules", needed=True) or 0.0
    length, boards = record.number("avg_output_len"), record.number("num_gpus")
    power = record.number("avg_power_watts")  # of all boards
    return replace(
        _begun(record, "energy_per_token_joules"),
        energy_j=token * (length or 1.0),
        gpu_count=boards,
        power_w=power / boards if power and boards else None,
        gpu_name=_sxm(record.text("gpu_model")),
        model_name=record.text("model_id") or record.text("nickname"),
        precision=record.text("weight_precision"),
        requests=1.0 if length else None,
        output_tokens=length or 1.0,
        concurrency=record.number("avg_batch_size"),
        active_parameters=record.number("activated_params_billions", scale=1e9),
        total_parameters=record.number("total_params_billions", scale=1e9),
    )


def _mlenergy_v2(record: Record) -> Run:
    """Read one row of version 2: energy of a request, of all boards."""
    boards = (record.number("TP") or 1.0) * (record.number("PP") or 1.0)
    return replace(
        _begun(record, "Energy/req (J)"),
        energy_j=record.number("Energy/req (J)", needed=True) or 0.0,
        gpu_count=boards,
        gpu_name=_sxm(record.text("GPU")),
        model_name=record.text("Model"),
        requests=1.0,
        output_tokens=record.number("Avg Output Tokens", needed=True),
        concurrency=record.number("Avg BS (reqs)"),
    )


def read_tokenpowerbench(path: Path, text: str) -> list[Run]:
    """Read results of TokenPowerBench: one run, runs by model, or by batch (results.json)."""
    top = json_record(path, text).values
    places = list[tuple[str | int, ...]]()
    for key, value in {} if "gpu_energy" in top else top.items():
        if isinstance(value, list):
            places += [(key, number) for number in range(len(value))]
        elif isinstance(value, Mapping):
            places.append((key,))
    return _runs([json_record(path, text, *at) for at in places or [()]], _tokenpowerbench)


def _tokenpowerbench(record: Record) -> Run:
    """Read one run of it; of its responses nothing but their number."""
    values = dict(record.values)
    if isinstance(inner := values.get("energy"), Mapping):  # of results.json
        length = [record.number(name) for name in ("end_s", "start_s")]
        values |= {
            "gpu_energy": inner.get("gpu_energy_j"),
            "responses": values.get("num_responses"),
        }
        values["duration"] = length[0] - (length[1] or 0.0) if length[0] is not None else None
        record.values = values
    energy = record.number("gpu_energy", needed=True) or 0.0
    output = record.number("total_output_tokens", needed=True)
    answers = values.get("responses")
    requests = float(len(answers)) if isinstance(answers, list) else record.number("responses")
    whole = record.number("total_energy")
    if output and whole:  # of the node, boards included
        _agree(record, "energy_per_token", record.number("energy_per_token"), whole / output)
    sensors = values.get("capabilities")
    gpu = sensors.get("gpu") if isinstance(sensors, Mapping) else None
    devices = gpu.get("devices") if isinstance(gpu, Mapping) else None
    boards = [key for key in values if re.fullmatch(r"gpu\d+_power_watts", key)]
    return replace(
        _begun(record, "gpu_energy" if "gpu_energy" in values else "energy"),
        energy_j=energy,
        window_s=record.number("duration"),
        gpu_count=len(devices if isinstance(devices, list) else boards) or None,
        gpu_name=record.text("gpu_name"),
        model_name=record.text("model") or record.text("model_name"),
        requests=requests,
        output_tokens=output,
        concurrency=record.number("batch_size"),
        stack=record.text("engine"),
    )


def _energy_score(record: Record) -> Run:
    """Read one model of AI Energy Score: energy of boards in Wh."""
    return replace(
        _begun(record, "gpu_energy_wh"),
        energy_j=record.number("gpu_energy_wh", needed=True, scale=JOULES["Wh"]) or 0.0,
        window_s=record.number("total_duration_seconds"),
        model_name=record.text("model_name"),
        requests=record.number("successful_prompts"),
        failed=record.number("failed_prompts") or 0.0,
        input_tokens=record.number("total_prompt_tokens"),
        output_tokens=record.number("total_completion_tokens", needed=True),
    )


def read_optimum(path: Path, text: str) -> list[Run]:
    """Read benchmark_report.json or benchmark.json of optimum-benchmark: kWh of one call.

    Raises
    ------
    InputError
        Where neither `generate` nor `prefill` with `decode` has energy and tokens.
    """
    keys = ("report",) if "report" in json_record(path, text).values else ()
    faults, gpu, total = list[Fault](), dict[str, float](), dict[str, float]()
    served: dict[tuple[str, str], float] = {}
    for phase in ("prefill", "decode", "generate"):
        energy, efficiency = (
            json_record(path, text, *keys, phase, part) for part in ("energy", "efficiency")
        )
        gpu[phase], total[phase] = (energy.number(name) or 0.0 for name in ("gpu", "total"))
        # Efficiency is what was served over its energy.
        per_kwh = efficiency.number("value") or 0.0
        served[phase, efficiency.text("unit")[:6]] = round(per_kwh * total[phase])
        faults += energy.faults + efficiency.faults
    phases = ("generate",) if total["generate"] else ("prefill", "decode")
    tokens = served.get(("decode", "tokens"), 0)
    if not faults and not (tokens and all(total[phase] for phase in phases)):
        message = (
            "has no energy of a generation with its tokens: run optimum-benchmark with "
            "scenario.energy=true on a text-generation task"
        )
        faults.append(Fault(shown_path(path), 1, 1, "decode.efficiency", message))
    if faults:
        raise InputError(faults)
    shapes = json_record(path, text, "config", "scenario", "input_shapes")
    samples = served.get((phases[0], "sample")) or shapes.number("batch_size")
    length = shapes.number("sequence_length")
    gpus = json_record(path, text, "config", "environment").values.get("gpu")
    backend = json_record(path, text, "config", "backend")
    boards = [str(name)[:200] for name in gpus] if isinstance(gpus, list) else []
    read = served.get(("prefill", "tokens")) or (samples or 0.0) * (length or 0.0)
    of_boards, of_all = (sum(kind[phase] for phase in phases) for kind in (gpu, total))
    run = Run(
        energy_j=(of_boards or of_all) * JOULES["kWh"],
        boundary="gpu_board" if of_boards else "node",
        path=path,
        place=" and ".join(phases),
        gpu_count=float(len(boards)) or None,
        gpu_name=listed(sorted({*boards})),
        model_name=backend.text("model"),
        precision=backend.text("torch_dtype") or backend.text("dtype"),
        stack=f"{backend.text('name')} {backend.text('version')}".strip(),
        requests=samples,
        input_tokens=read or None,
        # The first token of each sample comes out of the prefill.
        output_tokens=tokens + (samples or 0.0),
        concurrency=samples,
    )
    return [run]


MEASURED: Mapping[str, Format] = {
    "inferencex": Format(
        "InferenceX results", _is_json("joules_per_successful_query"), read_inferencex
    ),
    "powerx": Format(
        "the PowerX table of InferenceX", _is_csv("joules_per_successful_query"), read_inferencex
    ),
    "aiperf": Format(
        "AIPerf or GenAI-Perf JSON",
        lambda text: _is_json("output_sequence_length", "unit", "avg")(text),
        read_aiperf_json,
    ),
    "aiperf-csv": Format(
        "AIPerf or GenAI-Perf CSV",
        lambda text: bool(re.match(r"Metric,(Unit,)?(avg|Value)\b", text)),
        read_aiperf_csv,
    ),
    "mlenergy": Format(
        "ML.ENERGY results",
        _is_json("steady_state_energy"),
        lambda path, text: _runs(_objects(path, text), _mlenergy),
    ),
    "mlenergy-leaderboard": Format(
        "the ML.ENERGY leaderboard",
        _is_json("energy_per_token_joules"),
        lambda path, text: _runs(_objects(path, text, "configurations"), _leaderboard),
    ),
    "mlenergy-v2": Format(
        "ML.ENERGY results of version 2",
        _is_json("Energy/req (J)"),
        lambda path, text: _runs(_objects(path, text), _mlenergy_v2),
    ),
    "tokenpowerbench": Format(
        "TokenPowerBench results",
        lambda text: (
            _is_json("gpu_energy", "energy_per_token")(text)
            or _is_json("gpu_energy_j", "num_responses")(text)
        ),
        read_tokenpowerbench,
    ),
    "ai-energy-score": Format(
        "AI Energy Score results",
        _is_csv("gpu_energy_wh", "total_completion_tokens"),
        lambda path, text: _runs(csv_records(path, text), _energy_score),
    ),
    "optimum-benchmark": Format(
        "optimum-benchmark reports", lambda text: '"tokens/kWh"' in text, read_optimum
    ),
}
"""Formats of energy beside tokens by name."""
