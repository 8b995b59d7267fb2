"""Token logs to one table of requests: counts, times and model names, and nothing else."""

import csv
import gzip
import json
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple, TypeAlias

import numpy as np

from uncertainty.errors import Fault, InputError, counted, require_known
from uncertainty.files.library import shown_path

Values: TypeAlias = Mapping[str, object]
"""One line of a log: keys of a JSON object, or the header of a table, with what they say."""
Floats: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]
Codes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]

_BLOCK = 512  # tokens of one of the hashed blocks of Mooncake's traces
_PEEK = 2000  # lines in which a format shows: logs of sessions begin with lines of other kinds
_MOST_FAULTS = 50  # that are written out: a log at odds with its format has as many as lines
_CELL = 2**27  # characters: some exports hold whole prompts
_RELATIVE = 1e8  # a smaller number of seconds counts from the beginning of a trace
_NAME = re.compile(r"[\w .:/@+()\[\]-]{1,100}")  # of a model; what is no name is not kept
_SUFFIXES = (".jsonl", ".json", ".csv", ".ndjson", ".gz")


class Request(NamedTuple):
    """One request; cached tokens are part of the input, reasoning ones of the output."""

    input_tokens: float
    cached_tokens: float
    output_tokens: float
    reasoning_tokens: float = 0.0
    time_s: float = math.nan  # since 1970
    model: object = ""
    session: object = None
    id: object = None
    requests: float = 1.0  # for which the tokens are means


@dataclass(frozen=True)
class Requests:
    """A log: arrays of one value a request, and what was left out of it.

    Attributes
    ----------
    input_tokens, cached_tokens, output_tokens, reasoning_tokens : array
        Cached ones are part of the input, reasoning ones of the output.
    time_s : array
        Since 1970, UTC; NaN where the log does not say.
    model : array
        Place in `models`.
    session : array
        Equal within a session; 0 where the log does not say.
    requests : array
        How many a row stands for: more than one where a log has means only.
    models : tuple of str
    format : str
        Names of the formats, with a comma between.
    left_out : mapping of str to int
        What was not counted, in words, and how often.
    notes : tuple of str
        What to know, each a sentence.
    """

    input_tokens: Floats
    cached_tokens: Floats
    output_tokens: Floats
    reasoning_tokens: Floats
    time_s: Floats
    model: Codes
    session: Codes
    requests: Floats
    models: tuple[str, ...]
    format: str
    left_out: Mapping[str, int]
    notes: tuple[str, ...]


class _WrongError(ValueError):
    """What is wrong with one value of a line; never the value itself, which may be a secret."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass
class State:
    """What the lines of one file before this one have said."""

    model: object = ""
    session: object = None
    last: tuple[float, ...] = ()
    blocks: set[object] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class UsageFormat:
    """One kind of log.

    Attributes
    ----------
    title : str
        Who writes it.
    looks_like : callable
        Whether a line is of this format.
    rows : callable
        The requests of a line.
    """

    title: str
    looks_like: Callable[[Values], bool]
    rows: Callable[[Values, State], Iterable[Request]]


def _tokens(values: Values, *names: str, needed: bool = False) -> float:
    """Give the first of some names as a number of tokens; 0 where none is there."""
    for name in names:
        value = values.get(name)
        if value is None or value == "":
            continue
        try:
            number = float(value)  # type: ignore[arg-type]  # refused below
        except (TypeError, ValueError):
            raise _WrongError(name, "must be a number of tokens (it is not a number)") from None
        if isinstance(value, bool) or not 0 <= number < math.inf:
            raise _WrongError(name, f"must be a number of tokens, 0 or more (got {number:g})")
        return number
    if needed:
        raise _WrongError(names[0], "is missing: each request needs its number of tokens")
    return 0.0


def _inside(values: object, *names: str) -> Values:
    """Follow names down to a mapping; an empty one where there is none."""
    for name in names:  # what JSON and tables are read to is a dict, which is fast to see
        values = values.get(name) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def _time(values: Values, *names: str) -> float:
    """Give the first of some names as seconds since 1970, UTC; NaN where there is no date."""
    for name in names:
        value = values.get(name)
        if value is None or value == "":
            continue
        try:
            number = float(value)  # type: ignore[arg-type]  # a text is tried as a date
        except (TypeError, ValueError):
            try:
                when = datetime.fromisoformat(str(value).strip().removesuffix(" UTC"))
            except ValueError:
                text = "must be a time, as 2026-11-28T12:00:00Z or seconds since 1970"
                raise _WrongError(name, text) from None
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        # Milliseconds, microseconds and nanoseconds since 1970 are as much larger.
        for least, size in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (_RELATIVE, 1.0)):
            if number >= least:
                return number / size
        return math.nan
    return math.nan


_TIMES = ("timestamp", "created_at", "created", "time")


def from_openai(values: Values, state: State) -> Iterator[Request]:
    """Objects of chat completions and of responses, also as results of a batch."""
    body = _inside(values, "response", "body") or values
    usage = _inside(body, "usage")
    if not usage and (body.get("error") or values.get("error")):
        state.left_out["failed requests"] += 1
        return
    if not usage:
        raise _WrongError("usage", "is missing: ask the API for it (stream_options include_usage)")
    chat = "prompt_tokens" in usage
    read = _inside(usage, "prompt_tokens_details" if chat else "input_tokens_details")
    wrote = _inside(usage, "completion_tokens_details" if chat else "output_tokens_details")
    yield Request(
        _tokens(usage, "prompt_tokens" if chat else "input_tokens", needed=True),
        _tokens(read, "cached_tokens"),
        _tokens(usage, "completion_tokens" if chat else "output_tokens", needed=True),
        _tokens(wrote, "reasoning_tokens"),
        _time(body, *_TIMES),
        body.get("model"),
        None,
        body.get("id"),
    )


def from_buckets(values: Values, state: State) -> Iterator[Request]:
    """Pages, buckets or results of the usage of an organization: sums of requests."""
    state.notes["OpenAI's usage by day has sums only: the spread between requests is not in it"] = (
        None
    )
    data = values.get("data", [values])
    for bucket in data if isinstance(data, list) else []:
        results = bucket.get("results", [bucket]) if isinstance(bucket, Mapping) else []
        for result in results:
            count = _tokens(result, "num_model_requests", needed=True)
            if count:
                yield Request(
                    _tokens(result, "input_tokens", needed=True) / count,
                    _tokens(result, "input_cached_tokens") / count,
                    _tokens(result, "output_tokens", needed=True) / count,
                    time_s=_time({**bucket, **result}, "start_time"),
                    model=result.get("model"),
                    requests=count,
                )


def _of_anthropic(usage: Values) -> tuple[float, float, float]:
    """Input, cached and output tokens: input is what was neither read from nor put into a cache."""
    cached = _tokens(usage, "cache_read_input_tokens")
    written = _tokens(usage, "cache_creation_input_tokens")
    uncached = _tokens(usage, "input_tokens", needed=True) + written
    return uncached + cached, cached, _tokens(usage, "output_tokens", needed=True)


def from_anthropic(values: Values, state: State) -> Iterator[Request]:
    """Objects of messages, also as results of a batch."""
    body = _inside(values, "result", "message") or values
    usage = _inside(body, "usage")
    if not usage and (values.get("type") == "error" or values.get("error") or "result" in values):
        state.left_out["failed requests"] += 1
        return
    if not usage:
        raise _WrongError("usage", "is missing: a message has it once it is complete")
    when, name = _time({**values, **body}, *_TIMES), body.get("model")
    yield Request(*_of_anthropic(usage), 0.0, when, name, None, body.get("id"))


def from_claude_code(values: Values, _: State) -> Iterator[Request]:
    """Lines of a session: a message is written again and again as it grows."""
    message = _inside(values, "message")
    usage = _inside(message, "usage")
    if usage and message.get("model") != "<synthetic>":  # what the program says by itself
        key = (message.get("id"), values.get("requestId"))
        when, session = _time(values, "timestamp"), values.get("sessionId")
        name = message.get("model")
        yield Request(*_of_anthropic(usage), 0.0, when, name, session, key if any(key) else None)


def from_codex(values: Values, state: State) -> Iterator[Request]:
    """Lines of a session; `last_token_usage` is that of one request, written more than once."""
    payload, kind = _inside(values, "payload"), values.get("type")
    if kind == "session_meta":
        state.session = payload.get("id")
    if kind == "turn_context":
        state.model = payload.get("model") or state.model
    if payload.get("type") != "token_count":
        return
    info = _inside(payload, "info")
    names = (
        "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens",
    )  # fmt: skip
    total = tuple(_tokens(_inside(info, "total_token_usage"), name) for name in names)
    last = _inside(info, "last_token_usage")
    if not info or total == state.last:  # the same state, with new limits of the account
        return
    # A log of totals alone says each request by their difference; they begin again at times.
    before = state.last if state.last and total >= state.last else (0.0,) * 4
    each = [x - y for x, y in zip(total, before, strict=True)]
    each = [_tokens(last, name) for name in names] if last else each
    state.last = total
    read, cached, wrote, reasoning = each
    when = _time(values, "timestamp")
    yield Request(read, cached, wrote, reasoning, when, state.model, state.session)


_OTEL = "gen_ai.usage."


def _spans(values: Values) -> Iterator[tuple[Values, Values]]:
    """Spans of a line, each with its attributes: one span, or a batch as collectors write it."""
    groups = values.get("resourceSpans")
    batch = groups if isinstance(groups, list) else []
    scopes = [scope for group in batch for scope in group["scopeSpans"]]
    spans = [span for scope in scopes for span in scope["spans"]] if scopes else [values]
    for span in spans:
        said: object = span.get("attributes") or {}
        if isinstance(said, list):
            said = {x["key"]: next(iter(x["value"].values()), 0) for x in said}
        yield span, _inside({"attributes": said}, "attributes")


def from_otel(values: Values, state: State) -> Iterator[Request]:
    """Spans of generative AI; those of agents repeat the tokens of the calls inside."""
    for span, said in _spans(values):
        if not any(key.startswith(_OTEL) for key in said):
            continue
        if said.get("gen_ai.operation.name") in {"invoke_agent", "execute_tool", "embeddings"}:
            state.left_out["spans of agents, tools and embeddings"] += 1
            continue
        yield Request(
            _tokens(said, f"{_OTEL}input_tokens", f"{_OTEL}prompt_tokens", needed=True),
            _tokens(said, f"{_OTEL}cache_read.input_tokens", f"{_OTEL}cache_read_input_tokens"),
            _tokens(said, f"{_OTEL}output_tokens", f"{_OTEL}completion_tokens"),
            _tokens(said, f"{_OTEL}reasoning.output_tokens"),
            _time(span, "startTimeUnixNano", "start_time", "startTime", "timestamp"),
            said.get("gen_ai.response.model") or said.get("gen_ai.request.model"),
            said.get("gen_ai.conversation.id"),
            span.get("spanId") or _inside(span, "context").get("span_id"),
        )


def from_litellm(values: Values, state: State) -> Iterator[Request]:
    """Logging payloads and exported spend logs; cached tokens stand in their metadata."""
    if values.get("status") == "failure":
        state.left_out["failed requests"] += 1
        return
    if str(values.get("cache_hit")).lower() == "true":
        state.left_out["requests answered from LiteLLM's cache"] += 1
        return
    metadata = values.get("metadata")
    if isinstance(metadata, str) and metadata:
        try:
            metadata = json.loads(metadata)
        except ValueError:
            raise _WrongError("metadata", "must be JSON, as LiteLLM writes it") from None
    usage = _inside(metadata, "usage_object")
    yield Request(
        _tokens(values, "prompt_tokens", needed=True),
        _tokens(_inside(usage, "prompt_tokens_details"), "cached_tokens"),
        _tokens(values, "completion_tokens", needed=True),
        _tokens(_inside(usage, "completion_tokens_details"), "reasoning_tokens"),
        _time(values, "startTime"),
        values.get("model"),
        values.get("session_id") or values.get("trace_id"),
        values.get("request_id") or values.get("id"),
    )


def from_azure(values: Values, state: State) -> Iterator[Request]:
    """Rows of the traces, in which nothing is said of a cache."""
    images = _tokens(values, "NumImages")
    if images:
        state.notes["tokens of images are part of the input, as the trace counts them"] = None
    tokens = [_tokens(values, name, needed=True) for name in ("ContextTokens", "GeneratedTokens")]
    yield Request(tokens[0], 0.0, tokens[1], time_s=_time(values, "TIMESTAMP"))


def from_burstgpt(values: Values, _: State) -> Iterator[Request]:
    """Rows of the trace; those without output failed."""
    tokens = [_tokens(values, name, needed=True) for name in ("Request tokens", "Response tokens")]
    yield Request(
        tokens[0],
        0.0,
        tokens[1],
        time_s=_time(values, "Timestamp"),
        model=values.get("Model"),
        session=values.get("Session ID"),
    )


def from_mooncake(values: Values, state: State) -> Iterator[Request]:
    """Requests with hashes of blocks of their input: those seen before are cached, in order."""
    length = _tokens(values, "input_length", needed=True)
    listed = values.get("hash_ids")
    hashes = listed if isinstance(listed, list) else []
    known = next((i for i, x in enumerate(hashes) if x not in state.blocks), len(hashes))
    state.blocks.update(hashes)
    cached = min(float(known * _BLOCK), length)
    state.notes["input is cached where its blocks of 512 tokens were seen before: a cache that "
                "forgets nothing"] = None  # fmt: skip
    yield Request(
        length, cached, _tokens(values, "output_length", needed=True), time_s=_time(values, "date")
    )


_COLUMNS = {
    "input": ("input_tokens", "prompt_tokens"),
    "uncached": ("uncached_input_tokens", "input_uncached_tokens"),
    "cached": ("cached_tokens", "cached_input_tokens", "input_cached_tokens"),
    "read": ("cache_read_input_tokens", "cache_read_tokens"),
    "written": ("cache_creation_input_tokens", "cache_creation_tokens", "cache_write_tokens"),
    "output": ("output_tokens", "completion_tokens"),
    "reasoning": ("reasoning_tokens", "reasoning_output_tokens"),
    "time": (*_TIMES, "date", "start_time"),
    "model": ("model", "model_name"),
    "session": ("session", "session_id", "conversation_id"),
    "id": ("id", "request_id"),
    "requests": ("requests", "num_model_requests"),
}
"""Names of columns that are read, by what they say."""


def _named(values: Values) -> dict[str, str]:
    """Find the columns of a table by their names, in any case."""
    there = {str(name).strip().lower(): str(name) for name in values}
    return {
        kind: there[name] for kind, names in _COLUMNS.items() for name in names if name in there
    }


def from_table(values: Values, state: State) -> Iterator[Request]:
    """Named columns; those read from and put into a cache beside the input are no part of it."""
    names = state.names = state.names or _named(values)
    get: dict[str, object] = {kind: values.get(name) for kind, name in names.items()}

    def tokens(kind: str, *, needed: bool = False) -> float:
        name = names.get(kind, _COLUMNS[kind][0])
        return _tokens({name: get.get(kind)}, name, needed=needed)

    cached, apart = tokens("cached") + tokens("read"), tokens("read") + tokens("written")
    total = tokens("input", needed="uncached" not in names) + apart
    if "uncached" in names:
        total = tokens("uncached", needed=True) + cached + tokens("written")
    if names.keys() & {"read", "written"}:
        text = "input_tokens is taken as Anthropic counts it: cache reads and writes are added"
        state.notes[text] = None
    count = tokens("requests") or 1.0
    yield Request(
        total / count,
        cached / count,
        tokens("output", needed=True) / count,
        tokens("reasoning") / count,
        _time({names.get("time", "time"): get.get("time")}, names.get("time", "time")),
        get.get("model"),
        get.get("session"),
        get.get("id"),
        count,
    )


def _has(*names: str) -> Callable[[Values], bool]:
    return lambda values: all(name in values for name in names)


def is_openai(values: Values) -> bool:
    """Tell OpenAI's usage from Anthropic's, which has the same names of other numbers."""
    body = _inside(values, "response", "body") or values
    usage = _inside(body, "usage")
    responses = body.get("object") == "response" or "input_tokens_details" in usage
    return "prompt_tokens" in usage or ("input_tokens" in usage and responses)


def is_anthropic(values: Values) -> bool:
    """Tell Anthropic's usage by what goes with it."""
    body = _inside(values, "result", "message") or values
    usage = _inside(body, "usage")
    cache = any(name.startswith("cache_") for name in usage)
    return "input_tokens" in usage and (body.get("type") == "message" or cache)


# The order counts: the first that looks like a line has it.
USAGE_FORMATS: Mapping[str, UsageFormat] = MappingProxyType(
    {
        "claude-code": UsageFormat(
            "session logs of Claude Code (~/.claude/projects)",
            lambda x: bool(_inside(x, "message", "usage")) and bool(x.keys() & {"sessionId"}),
            from_claude_code,
        ),
        "codex": UsageFormat(
            "session logs of Codex (~/.codex/sessions)",
            lambda x: "payload" in x and x.get("type") in ("event_msg", "turn_context"),
            from_codex,
        ),
        "otel": UsageFormat(
            "OpenTelemetry spans of generative AI",
            lambda x: (
                "resourceSpans" in x
                or any(key.startswith(_OTEL) for _, said in _spans(x) for key in said)
            ),
            from_otel,
        ),
        "openai-usage": UsageFormat(
            "usage of an OpenAI organization, by day",
            lambda x: x.get("object") in ("page", "bucket") or "input_cached_tokens" in x,
            from_buckets,
        ),
        "litellm": UsageFormat(
            "logging payloads and spend logs of LiteLLM",
            _has("prompt_tokens", "completion_tokens", "startTime", "call_type"),
            from_litellm,
        ),
        "azure": UsageFormat(
            "Azure traces of 2023 to 2025", _has("ContextTokens", "GeneratedTokens"), from_azure
        ),
        "burstgpt": UsageFormat(
            "BurstGPT", _has("Request tokens", "Response tokens"), from_burstgpt
        ),
        "mooncake": UsageFormat(
            "Mooncake traces", _has("input_length", "output_length"), from_mooncake
        ),
        "openai": UsageFormat("objects of OpenAI's chat and responses", is_openai, from_openai),
        "anthropic": UsageFormat("objects of Anthropic's messages", is_anthropic, from_anthropic),
        "csv": UsageFormat(
            "a table with named columns",
            lambda x: {"output"} < {*_named(x)} and bool({"input", "uncached"} & {*_named(x)}),
            from_table,
        ),
    }
)
"""Formats of token logs, by the name that ``--as`` takes."""


def read_requests(paths: str | Path | Sequence[str | Path], format: str | None = None) -> Requests:
    """Read token logs, line by line.

    Parameters
    ----------
    paths : str, Path or sequence of these
        Files, and folders of them.
    format : str, optional
        A name in `USAGE_FORMATS`; seen by the content where not given.

    Returns
    -------
    Requests
        A request that is there twice, by its id, counts once: as it was written last.

    Raises
    ------
    InputError
        With every line that is at fault.
    """
    if format is not None:
        require_known("format", format, USAGE_FORMATS)
    listed = [paths] if isinstance(paths, str | Path) else [*paths]
    log, faults = _Log(), list[Fault]()
    for path in _files(listed, faults):
        log.read(path, shown_path(path), format, faults, named=path in map(Path, listed))
    if faults:
        raise InputError(faults)
    table = np.array(log.numbers).reshape(-1, 6).T
    model, session, ids = np.array(log.codes, np.int64).reshape(-1, 3).T
    keep, left_out = last_of_each(ids), log.left_out
    left_out["duplicates"] += int((~keep).sum())
    failed = keep & (table[2] == 0)
    left_out["requests without output"] += int(table[5][failed].sum())
    keep &= ~failed
    if not keep.any():
        raise InputError.of(", ".join(map(str, listed)), "holds no request with output tokens")
    # Names that are written in two ways, or are no names, may be one.
    names = [model_name(model) for model in log.models]
    known = sorted({names[code] for code in np.unique(model[keep])})
    places = np.array([known.index(name) if name in known else -1 for name in names])
    left = {reason: n for reason, n in left_out.items() if n}
    read, cached, wrote, reasoning, time_s, requests = table[:, keep]
    return Requests(
        read, cached, wrote, reasoning, time_s, places[model[keep]], session[keep], requests,
        tuple(known), ", ".join(log.formats), left, tuple(log.notes),
    )  # fmt: skip


@dataclass
class _Log:
    """What all files together hold: 72 bytes a request, whatever its line holds."""

    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    codes: "array[int]" = field(default_factory=lambda: array("q"))
    models: dict[object, int] = field(default_factory=dict)
    formats: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def read(
        self, path: Path, label: str, format: str | None, faults: list[Fault], *, named: bool
    ) -> None:
        """Read one file; one of a folder, which was not `named`, may hold no request at all."""
        state, before = State(), list[tuple[int, Values]]()
        try:
            with _opened(path) as file:
                lines = _lines(file, label, faults)
                for line in islice(lines, 0 if format else _PEEK):
                    before.append(line)
                    kinds = USAGE_FORMATS.items()
                    if format := next((n for n, x in kinds if x.looks_like(line[1])), None):
                        break
                if format:
                    self.add(chain(before, lines), USAGE_FORMATS[format], state, label, faults)
                    self.formats[format] = None
                elif not named:
                    self.left_out["files without requests"] += 1
                elif before or not faults:
                    faults.append(Fault(label, 0, 0, "", why_unknown(before)))
        except UnicodeDecodeError:
            faults.append(Fault(label, 0, 0, "", "is not UTF-8 text; save it as UTF-8"))
        except OSError as error:
            faults.append(Fault(label, 0, 0, "", f"cannot be read: {error.strerror or error}"))
        self.left_out += state.left_out
        self.notes |= state.notes

    def add(
        self,
        lines: Iterable[tuple[int, Values]],
        kind: UsageFormat,
        state: State,
        label: str,
        faults: list[Fault],
    ) -> None:
        """Add the requests of lines."""
        models, numbers, codes = self.models, self.numbers, self.codes
        for number, values in lines:
            try:
                for row in kind.rows(values, state):
                    model, session, key, count = row[5:]
                    if row[1] > row[0] or row[3] > row[2]:
                        raise _larger_than_the_whole(row)
                    code = models.setdefault(model, len(models))
                    numbers.extend((*row[:5], count))
                    codes.extend((code, _number_of(session), _number_of(key)))
            except _WrongError as error:
                faults.append(Fault(label, number, 1, error.name, str(error)))
            except (AttributeError, TypeError, KeyError):
                text = f"does not have the shape of {kind.title}"
                faults.append(Fault(label, number, 1, "", text))
            if len(faults) > _MOST_FAULTS:
                raise InputError(faults[:_MOST_FAULTS])


def _number_of(name: object) -> int:
    """Number a name, the same in every process (`hash` is not); 0 for none."""
    if not name:
        return 0
    digest = blake2b(repr(name).encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def model_name(model: object) -> str:
    """Give a name of a model; what is none is not kept."""
    name = model.strip() if isinstance(model, str) else ""
    return name if _NAME.fullmatch(name) else ""


def _larger_than_the_whole(row: Request) -> _WrongError:
    """Refuse parts that are larger than the whole: conventions differ in what they count where."""
    if row.cached_tokens > row.input_tokens:
        text = (
            f"{row.cached_tokens:g} of them, and {row.input_tokens:g} of input: this log leaves "
            "them out of its input; give another format by --as, or in a table call the column of "
            "the others uncached_input_tokens"
        )
        return _WrongError("cached tokens", text)
    text = f"{row.reasoning_tokens:g} of them, and {row.output_tokens:g} of output: add them to it"
    return _WrongError("reasoning tokens", text)


def last_of_each(ids: Codes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the last of those with the same id, and all without one."""
    keep = np.equal(ids, 0)
    first = np.unique(ids[::-1], return_index=True)[1]
    keep[len(ids) - 1 - first] = True
    return keep


def _files(paths: Sequence[str | Path], faults: list[Fault]) -> Iterator[Path]:
    """Files, and those of folders, in order."""
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES and p.is_file())
            if not inside:
                text = f"is a folder without logs ({', '.join(_SUFFIXES)})"
                faults.append(Fault(str(path), 0, 0, "", text))
            yield from inside
        elif path.exists():
            yield path
        else:
            faults.append(Fault(str(path), 0, 0, "", "no such file or folder"))


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    limit = csv.field_size_limit(_CELL)
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    finally:
        csv.field_size_limit(limit)


def why_unknown(before: Sequence[tuple[int, Values]]) -> str:
    """Say why no format was seen in the first lines of a file."""
    if any("input_tokens" in _inside(values, "usage") for _, values in before):
        text = "does not say whose convention it follows: give --as openai (cached tokens are part "
        return text + "of input_tokens) or --as anthropic (they are not)"
    names = ", ".join(USAGE_FORMATS)
    return f"is not a token log that is known; --as takes {names}" if before else "is empty"


def _lines(file: IO[str], label: str, faults: list[Fault]) -> Iterator[tuple[int, Values]]:
    """Lines of JSON, items of a JSON list, one JSON object, or rows of a table, each with its line.

    What is not JSON, or does not match its header, is a fault; its text is not repeated.
    """
    number, first = 1, file.readline()
    while first and not first.strip():
        number, first = number + 1, file.readline()
    if first.lstrip()[:1] not in ("{", "["):
        yield from _rows(first, file, number, label, faults)
        return
    try:
        single = isinstance(json.loads(first), Mapping)
    except ValueError:
        single = False
    if not single:
        rest = file.read()
        if first.lstrip().startswith("[") or not rest.lstrip().startswith("{"):
            yield from _items(first + rest, number, label, faults)
            return
        lines: Iterable[str] = (first, *rest.splitlines(keepends=True))
    else:
        lines = chain([first], file)
    for line, text in enumerate(lines, number):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except ValueError as error:
            column = error.colno if isinstance(error, json.JSONDecodeError) else 1
            message = "is not JSON: mend or remove the line (was it cut off?)"
            faults.append(Fault(label, line, column, "", message))
            continue
        if isinstance(values, Mapping):
            yield line, values
        else:
            faults.append(Fault(label, line, 1, "", "is not a JSON object"))


def _items(text: str, number: int, label: str, faults: list[Fault]) -> Iterator[tuple[int, Values]]:
    """Items of a JSON list, or the one object of a text."""
    decode, blank = json.JSONDecoder().raw_decode, re.compile(r"[\s,]*")
    at = len(text) - len(text.lstrip())
    listed = text[at] == "["
    at += listed
    while (at := blank.match(text, at).end()) < len(text) and text[at] != "]":  # type: ignore[union-attr]  # matches nothing too
        line = number + text.count("\n", 0, at)
        try:
            values, at = decode(text, at)
        except ValueError as error:
            here = error.lineno if isinstance(error, json.JSONDecodeError) else line
            faults.append(Fault(label, here + number - 1, 1, "", "is not JSON from here on"))
            return
        if isinstance(values, Mapping):
            yield line, values
        else:
            faults.append(Fault(label, line, 1, "", "must hold objects, one a request"))
    if listed and at >= len(text):
        faults.append(Fault(label, number + text.count("\n"), 1, "", "the list ends too early"))


def _rows(
    first: str, file: IO[str], number: int, label: str, faults: list[Fault]
) -> Iterator[tuple[int, Values]]:
    """Rows of a table with a header."""
    reader = csv.reader(chain([first], file), skipinitialspace=True)
    header = [name.strip() for name in next(reader, [])]
    again = [name for name, count in Counter(header).items() if count > 1]
    if again:
        text = f"{again[0]!r:.40} is there twice in the header"
        faults.append(Fault(label, number, 1, "", text))
        return
    size, before = len(header), reader.line_num
    try:
        for row in reader:
            line, before = number + before, reader.line_num
            if len(row) == size:
                yield line, dict(zip(header, row, strict=True))
            elif row:
                text = f"has {counted(len(row), 'cell')}, and the header {size}: mend the row"
                faults.append(Fault(label, line, 1, "", text))
    except csv.Error as error:
        faults.append(Fault(label, number + before, 1, "", f"is not CSV: {error}"))
