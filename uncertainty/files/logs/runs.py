"""The common table of all measurements: one measured window a run; its checks, and its evidence."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from uncertainty.errors import Fault, InputError, counted, listed, nearest
from uncertainty.files.catalogue import KINDS, catalogue
from uncertainty.files.document import read_document, wrap_mapping
from uncertainty.files.evidence import read_conditions
from uncertainty.files.library import Place, shipped_folder, shown_path
from uncertainty.files.priors import GIVEN
from uncertainty.inputs import INPUTS


@dataclass(frozen=True, kw_only=True)
class Run:
    """One measured window: the energy that was taken, and what was done for it.

    Attributes
    ----------
    energy_j : float
        Of all boards together, within `boundary`.
    boundary : str
        ``gpu_board``, ``node`` or ``facility``.
    path : Path
    place : str
        Line or key in the file, for messages.
    line, column : int
        The same as numbers, from 1; 0 where the input has no lines.
    window_s : float or None
        Length of the window; None where the log does not say.
    gpu_count : float or None
        All boards whose energy is counted.
    prefill_gpu_count : float
        Those of them that only read inputs.
    power_w : float or None
        Average of one board, where the log says it.
    gpu_name, model_name, precision, stack : str
        As the log calls them; `stack` is the engine and its version. Empty: not said.
    requests : float or None
        Those that succeeded.
    failed : float
        Those that did not.
    input_tokens, cached_tokens, output_tokens : float or None
        Totals over the window; cached ones are part of the input.
    concurrency : float or None
        Mean number of requests at once.
    active_parameters, total_parameters : float or None
        Of the model, where the log says them.
    software_year : float or None
        When it was measured: 2026.5 is the middle of that year.
    cautions : tuple of str
        What to know before trusting it, each a sentence.
    sha256 : str
        Of the file; whoever reads the file fills it in.
    """

    energy_j: float
    boundary: str
    path: Path
    place: str
    line: int = 0
    column: int = 0
    window_s: float | None = None
    gpu_count: float | None = None
    prefill_gpu_count: float = 0.0
    power_w: float | None = None
    gpu_name: str = ""
    model_name: str = ""
    precision: str = ""
    stack: str = ""
    requests: float | None = None
    failed: float = 0.0
    input_tokens: float | None = None
    cached_tokens: float | None = None
    output_tokens: float | None = None
    concurrency: float | None = None
    active_parameters: float | None = None
    total_parameters: float | None = None
    software_year: float | None = None
    cautions: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True)
class Format:
    """One format of measurements.

    Attributes
    ----------
    title : str
        What it is, for people.
    looks_like : callable
        Says of a text whether it is of this format, by its content.
    read : callable
        Gives the runs of a file.
    """

    title: str
    looks_like: Callable[[str], bool]
    read: Callable[[Path, str], list[Run]]


_MODEL = "roofline"
# By boundary, the output that is measured: of a token at the boards, of a whole query beyond.
_OBSERVED = {
    "gpu_board": "gpu_energy_per_output_token_j",
    "node": "energy_wh_node",
    "facility": "energy_wh",
}
_J_PER_WH = 3600
_COLUMNS = (
    "model_id", "stack", "llm", "active_parameters", "total_parameters", "hardware", "precision",
    "gpu_count", "prefill_gpu_count", "batch_size", "input_tokens", "cached_share",
    "output_tokens", "software_year",
)  # fmt: skip
_GROUPS = ("model_id", "stack")
_OPEN = ("batch_size", "input_tokens", "cached_share", "output_tokens")
# What is needed, and what says the same where no catalogue has the name.
_NEEDED = {
    "llm": "active_parameters",
    "hardware": "gpu_power_w",
    "precision": "bytes_per_parameter",
    "gpu_count": "",
}
# Below, start and noise are much of what was measured: counters of boards step by 0.1 s.
_SHORT_S, _TOO_SHORT_S = 5.0, 1.0
# Measured J per output token go from 0.02 (a small model, a full batch) to 60 (a large one, alone).
_LEAST_J, _MOST_J = 1e-4, 1e3
_MOST_POWER = 1.2  # of the rated power: no average stays above it
JOULES = {"J": 1.0, "kWh": 3.6e6, "MJ": 1e6, "Wh": 3600.0, "kJ": 1e3, "mJ": 1e-3}
"""Joules of units of energy."""
# What the names of models in logs say beside the model: makers, tuning, storage, dates, experts.
_DRESS = re.compile(
    r"meta|nvidia|amd|instruct|it|chat|thinking|hf|kv|dynamic|awq|gptq|w\d+a\d+|fp8|(nv|mx)?fp4"
    r"|bf16|int[48]|\d+k|2[0-9]\d\d|0[1-9]\d\d|1[0-2]\d\d|v\d+\.\d+|17b|\d+e"
)
# Of boards that are sold in several: H20-3e, Max-Q, RTX 4090 D take other power or memory.
_FORMS = {"pcie", "nvl", "laptop", "mobile", "mig", "3e", "q", "d"}
_PRECISION = re.compile(
    r"(?<![a-z])(?:bf16|bfloat16|float16|fp16|half|float8|fp8|int8|int4|awq|gptq|(?:nv|mx)?fp4)(?![a-z])"
)
_PRECISIONS = {
    "bf16": ("bfloat16",), "half": ("float16",), "fp16": ("float16",), "float8": ("fp8",),
    "awq": ("int4",), "gptq": ("int4",), "fp4": ("mxfp4", "nvfp4"),
}  # fmt: skip


# Each row of a file asks for the same names.
@lru_cache(maxsize=256)
def fits(kind: str, name: str) -> list[str]:
    """Names of a catalogue that a log's own name may mean; one where there is no doubt.

    Examples
    --------
    >>> fits("hardware", "1 x NVIDIA A100-SXM4-40GB"), fits("hardware", "NVIDIA H100")
    (['a100-sxm-40gb'], ['h100-sxm', 'h100-pcie'])
    >>> fits("llm", "meta-llama/Llama-3.1-8B-Instruct"), fits("llm", "DeepSeek-R1-Distill-8B")
    (['llama-3.1-8b'], [])
    """
    known, text = catalogue(kind), name.lower().strip()
    if text in known:
        return [text]
    if kind == "precision":
        match = _PRECISION.search(text)
        return [*_PRECISIONS.get(match[0], (match[0],))] if match else []
    if kind == "llm":
        parts = re.split(r"[:_\s-]+", text.rsplit("/", 1)[-1])
        bare = "".join(part for part in parts if not _DRESS.fullmatch(part))
        return [key for key in known if bare and key.replace("-", "") == bare]
    words = {*re.findall(r"[a-z0-9]+", re.sub(r"(sxm|pcie)\d*", r" \1 ", text))}
    # The H100 with HBM3 is the module: the PCIe card has HBM2e, and the NVL says its name.
    words |= {"sxm"} if {"h100", "hbm3"} <= words and "nvl" not in words else set()
    sizes = [float(word[:-2]) * 1e9 for word in words if re.fullmatch(r"\d+gb", word)]
    result = []
    for key, entry in known.items():
        named = {word for word in key.split("-") if not word.endswith("gb")}
        memory = entry.assumptions.get("memory_bytes")
        memory_bytes = memory.fixed if memory and isinstance(memory.fixed, float) else 0.0
        alike = all(abs(size - memory_bytes) < 0.1 * size for size in sizes)
        form = words & _FORMS <= named and not ("sxm" in words and "pcie" in named)
        if named - _FORMS - {"sxm"} <= words and form and alike:
            result.append(key)
    return result


def _name(kind: str, run: Run, given: Mapping[str, object]) -> tuple[object, str, list[str]]:
    """What is set or fits one name only, with the log's own name and all that fit."""
    model = re.sub(r"^[/~.].*/(?=.)", "", run.model_name)  # of a path on a disk, the last part
    name = {"llm": model, "hardware": run.gpu_name, "precision": run.precision}[kind]
    if kind == "precision" and not name and _PRECISION.search(model.lower()):
        name = model
    chosen = given.get(kind)
    # A mapping gives each name of the log its own.
    if isinstance(chosen, Mapping):
        chosen = chosen.get(name)
    names = fits(kind, name)
    return chosen or (names[0] if len(names) == 1 else None), name, names


def cells_of(run: Run, given: Mapping[str, object]) -> dict[str, object]:
    """Conditions of a run, under the names of inputs and catalogues; None where they are open."""

    def mean(total: float | None) -> float | None:
        return total / run.requests if total is not None and run.requests else None

    boards = (run.gpu_count or 0.0) - run.prefill_gpu_count
    cells = {
        "model_id": run.model_name.rstrip("/").rsplit("/", 1)[-1].lower() or None,
        "stack": run.stack or None,
        **{kind: _name(kind, run, given)[0] for kind in KINDS},
        "active_parameters": run.active_parameters,
        "total_parameters": run.total_parameters,
        "gpu_count": boards if boards >= 1 else None,
        "prefill_gpu_count": run.prefill_gpu_count,
        "batch_size": None if run.concurrency is None else max(run.concurrency, 1.0),
        "input_tokens": mean(run.input_tokens),
        "cached_share": None,
        "output_tokens": mean(run.output_tokens),
        "software_year": run.software_year,
    }
    if run.cached_tokens is not None and run.input_tokens:
        cells["cached_share"] = run.cached_tokens / run.input_tokens
    cells |= {key: value for key, value in given.items() if key not in KINDS}
    if cells["llm"] is not None:  # it says its size
        cells |= {"active_parameters": None, "total_parameters": None}
    cells["model_id"] = cells["model_id"] or cells["llm"] or "my-model"
    cells["stack"] = cells["stack"] or "my-stack"
    return {key: _rounded(cells[key]) for key in _COLUMNS}


def _rounded(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, int | float) else value


def boards_of(run: Run, cells: Mapping[str, object]) -> float | None:
    """Boards whose energy was measured: those of the log, or what was set where it has none.

    Several copies of a model may run on them, each on `gpu_count`.
    """
    count = cells["gpu_count"] if run.gpu_count is None else run.gpu_count
    return count if isinstance(count, float | int) else None


def value_of(run: Run) -> float:
    """J per output token at the boards, Wh per query beyond."""
    if run.boundary == "gpu_board":
        return run.energy_j / (run.output_tokens or 1)
    return run.energy_j / _J_PER_WH / (run.requests or 1)


def check(
    run: Run, cells: Mapping[str, object], given: Mapping[str, object]
) -> Iterator[tuple[bool, str]]:
    """Say in sentences what is wrong with a run (true) or to be known of it (false)."""
    if run.energy_j <= 0:
        yield True, f"the energy must be more than 0 J (got {run.energy_j:g})"
        return
    yield from ((False, text) for text in run.cautions)
    if run.window_s is not None and run.window_s < _SHORT_S:
        refused = run.window_s < _TOO_SHORT_S
        text = f"the window is {run.window_s:.3g} s: start and noise are much of its energy"
        yield refused, f"{text}; measure {_SHORT_S:g} s or more" if refused else text
    if run.failed:
        text = f"{counted(round(run.failed), 'request')} failed: their energy is counted, none of"
        yield False, f"{text} their tokens is"
    if run.requests == 0:
        yield True, "no request succeeded"
    yield from _power(run, cells, given)
    if run.cached_tokens and run.input_tokens is not None and run.cached_tokens > run.input_tokens:
        yield True, "more tokens were cached than read: cached ones are part of the input"
    if run.output_tokens is None or run.output_tokens == 0:
        lacks = "does not say how many tokens were generated; join it with a benchmark of the same"
        none = "0 tokens were generated: was it stopped too early?"
        yield True, f"{lacks} window: --with FILE" if run.output_tokens is None else none
        return
    if run.boundary != "gpu_board" and run.requests is None:
        yield True, f"does not say how many requests its energy ({run.boundary}) served"
    if run.requests and run.output_tokens < run.requests:
        text = f"{run.output_tokens:g} output tokens are fewer than the {run.requests:g} requests"
        yield True, f"{text}: give totals of the window, not means"
    token_j = run.energy_j / run.output_tokens
    if not _LEAST_J <= token_j <= _MOST_J:
        fit = [unit for unit, size in JOULES.items() if 1e-2 <= token_j * size <= 1e2]
        slip = f"; were {' or '.join(fit)} read as J?" if fit else ""
        text = f"{token_j:.3g} J per output token is outside {_LEAST_J:g} to {_MOST_J:g}, which"
        yield True, f"{text} nobody has measured{slip}"


def _power(
    run: Run, cells: Mapping[str, object], given: Mapping[str, object]
) -> Iterator[tuple[bool, str]]:
    """Compare the mean power of a board with what it is rated at."""
    entry = catalogue("hardware").get(str(cells["hardware"]))
    rated = entry.assumptions["gpu_power_w"].fixed if entry else given.get("gpu_power_w")
    power = run.power_w
    if power is None and run.window_s and (boards := boards_of(run, cells)):
        power = run.energy_j / run.window_s / boards
    if run.boundary == "gpu_board" and power is not None and isinstance(rated, int | float):
        text = (
            f"a board takes {power:,.0f} W on average, {power / rated:,.2f} times the {rated:g} W"
        )
        text += f" that {cells['hardware'] or 'it'} is rated at"
        if power > _MOST_POWER * rated:
            text += "; check the unit of the energy, the window, and that every board is counted"
            yield True, text
        elif power > rated:
            yield False, text


def evidence_of(runs: Sequence[Run], given: Mapping[str, object]) -> list[dict[str, object]]:
    """Make an evidence mapping of each boundary at which energy was measured.

    Parameters
    ----------
    runs : sequence of Run
    given : mapping
        Inputs and names of catalogues that hold in every row, in place of what the logs say. For
        ``llm``, ``hardware`` and ``precision`` also a mapping from names of the log.

    Raises
    ------
    InputError
        With every fault of every run, and one that names all that is missing.
    """
    rows = [cells_of(run, given) for run in runs]
    faults, cautions = list[Fault](), dict[str, dict[str, None]]()
    at = {(run.path, run.line, run.place, run.boundary) for run in runs}
    windows = Counter(where[:-1] for where in at)
    twice = "its energy stands at several boundaries: learn from one, or it counts more than once"
    for run, cells in zip(runs, rows, strict=True):
        label = shown_path(run.path)
        several = [(False, twice)] * (windows[run.path, run.line, run.place] > 1)
        for refused, text in (*several, *check(run, cells, given)):
            if refused:
                faults.append(Fault(label, run.line, run.column, run.place, text))
            else:
                place = f"{label}:{run.line}" if run.line else f"{label} {run.place}".strip()
                cautions.setdefault(text, {})[place] = None
    faults += _missing(runs, rows, given)
    if faults:
        raise InputError(faults)
    shipped = _shipped()
    result = []
    for boundary in dict.fromkeys(run.boundary for run in runs):
        pairs = [(r, cells) for r, cells in zip(runs, rows, strict=True) if r.boundary == boundary]
        every = [cells for _, cells in pairs]
        same = {key: every[0][key] for key in _COLUMNS if len({c[key] for c in every}) == 1}
        columns = [key for key in _COLUMNS if key not in same]
        # What surrounds the boards is learned with the rest where it was measured.
        of_boards = {"overhead"} if boundary != "gpu_board" else set()
        # Of an open number of requests at once the share in use is open too.
        of_batch = {"occupancy"} if same.get("batch_size", 1) is None else set()
        apart = {*_COLUMNS, "bytes_per_parameter", *of_boards, *of_batch}
        common = {k: v for k, v in shipped["conditions"].items() if k not in apart}
        common |= {k: v for k, v in given.items() if k not in (*_COLUMNS, *KINDS)}
        files = listed([*dict.fromkeys(run.path.name for run, _ in pairs)], 3)
        open_ = [key for key in _OPEN if any(cells[key] is None for cells in every)]
        alike = ", ".join(
            f"{key} {float(str(common[key])):g}" for key in common if key not in given
        )
        # A line each for what is to be known first, and one for where conditions come from.
        notes = [f"{listed([*places], 3)}: {text}." for text, places in cautions.items()]
        sources = [*_sources(pairs, given, open_), f"As in the shipped evidence: {alike}."]
        result.append(
            {
                "schema": 1,
                "title": f"Measured energy, imported from {files}",
                "model": _MODEL,
                "observes": _OBSERVED[boundary],
                "boundary": boundary,
                "statistic": "mean",
                "error": shipped["error"],
                "random_effect": shipped["random_effect"],
                "note": "\n".join([*notes, " ".join(sources)]),
                "assumptions": shipped["assumptions"],
                "conditions": {k: v for k, v in {**same, **common}.items() if v is not None},
                "columns": [*columns, "value"],
                "rows": [
                    [*(cells[key] for key in columns), _rounded(value_of(run))]
                    for run, cells in pairs
                ],
                "origins": [_origin(run, cells) for run, cells in pairs],
            }
        )
    return result


def _origin(run: Run, cells: Mapping[str, object]) -> dict[str, object]:
    """Say where a row comes from, as far as it is known."""
    facts = {"window_s": _rounded(run.window_s), "boards": boards_of(run, cells)}
    known = {key: value for key, value in facts.items() if value is not None}
    return {"file": run.path.name, "sha256": run.sha256, **known}


def _shipped() -> dict[str, dict[str, object]]:
    """A shipped file of the same kind, whose error and conditions imported rows share."""
    path = shipped_folder() / "evidence" / "powerx.yaml"
    document, _ = read_document(path, path.name, Place(path.parent, None))
    assert document is not None
    assert isinstance(document.data, dict)
    return document.data  # type: ignore[return-value]  # a test reads it


def _missing(
    runs: Sequence[Run], rows: Sequence[Mapping[str, object]], given: Mapping[str, object]
) -> Iterator[Fault]:
    """One fault that names all that the logs do not say, and how to say it."""
    asks, files = dict[str, str](), dict[str, None]()
    for key, instead in _NEEDED.items():
        lacking = [
            run
            for run, cells in zip(runs, rows, strict=True)
            if cells[key] is None and given.get(instead) is None and cells.get(instead) is None
        ]
        files |= dict.fromkeys(shown_path(run.path) for run in lacking)
        if lacking and key == "gpu_count":
            asks[key] = "--set gpu_count=N (boards that serve the model)"
        elif lacking:
            known, texts = catalogue(key), dict[str, None]()
            for _, name, names in (_name(key, run, given) for run in lacking):
                text = f"known: {listed([*known], 8)}"
                if names:
                    text = f"{name!r} may be {' or '.join(names)}"
                elif name:
                    text = f"{name!r} is not in the catalogue{nearest(name, known)}".rstrip("?")
                texts[text] = None
            asks[key] = f"--set {key}=NAME ({listed([*texts], 3)})"
    if asks:
        text = f"does not say {', '.join(asks)}: add {' '.join(asks.values())}"
        yield Fault(listed([*files], 3), 0, 0, "", text)


def _sources(
    pairs: Sequence[tuple[Run, Mapping[str, object]]],
    given: Mapping[str, object],
    open_: Sequence[str],
) -> Iterator[str]:
    """Say where the conditions come from."""
    named = list[str]()
    for kind in KINDS:
        for run, cells in pairs:
            _, name, names = _name(kind, run, given)
            if len(names) == 1 and cells[kind] == names[0]:
                named.append(f"{kind} {names[0]}" + f" ({name!r})" * (name != names[0]))
    taken = [key for key in _COLUMNS if key not in (*KINDS, *_GROUPS, *given)]
    # No log says that the same boards read inputs: it is so where none are apart.
    absent = (None, 0.0)
    read = [key for key in taken if any(cells[key] not in absent for _, cells in pairs)]
    yield f"Read from the log: {', '.join(read)}."
    if named:
        yield f"Taken from the catalogue: {listed([*dict.fromkeys(named)], 6)}."
    if given:
        yield f"Set: {', '.join(f'{key}={value}' for key, value in given.items())}."
    if open_:
        yield f"Left open, as the prior file has them: {', '.join(open_)}."


def check_given(given: Mapping[str, object]) -> None:
    """Refuse names that no row can have, and values that are no number or name of a catalogue.

    Raises
    ------
    InputError
    """
    known, faults = {*INPUTS, *KINDS, *_GROUPS}, list[Fault]()
    for name in {*given} - known:
        text = f"is neither an input nor a column{nearest(name, known)}"
        faults.append(Fault(GIVEN, 0, 0, name, text))
    rest = {key: value for key, value in given.items() if key in known - {*_GROUPS}}
    # A mapping from names of the log holds a value for each of them.
    several = {key: rest.pop(key) for key in KINDS if isinstance(rest.get(key), Mapping)}
    each = [{key: value} for key, names in several.items() for value in _values(names)]
    for values in [rest, *each]:
        document = wrap_mapping(values, GIVEN, Place(Path.cwd(), None))
        assert isinstance(document.data, dict)
        numbers, wrong = read_conditions(document, (), document.data)  # type: ignore[arg-type]  # it refuses others
        impossible = ((name, INPUTS[name].impossible(x)) for name, x in numbers.items())
        faults += [*wrong, *(document.fault((name,), text) for name, text in impossible if text)]
    if faults:
        raise InputError(faults)


def _values(names: object) -> list[object]:
    return [*names.values()] if isinstance(names, Mapping) else []
