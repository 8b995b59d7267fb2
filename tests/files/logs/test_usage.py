"""Token logs: each convention gives the same requests, and nothing but counts is kept."""

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import uncertainty as un
from uncertainty.files.logs.usage import USAGE_FORMATS, read_requests
from uncertainty.files.logs.usage_prior import rows_of_usage, usage_data

SECRET, PROMPT = "sk-verysecret0123456789", "what is my diagnosis"
DATE, EPOCH, MONTH = "2026-11-28T12:00:00Z", 1795867200, "2026-11"
TEXTS = {"api_key": SECRET, "messages": PROMPT}


def otel(tokens, key, **more):
    names = ("input_tokens", "cache_read.input_tokens", "output_tokens", "reasoning.output_tokens")
    said = {f"gen_ai.usage.{n}": x for n, x in zip(names, tokens, strict=True)}
    said |= {"gen_ai.request.model": "m", "gen_ai.prompt": PROMPT, "key": SECRET, **more}
    return {"context": {"span_id": key}, "start_time": DATE, "attributes": said}


def codex(last, total):
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
    info = {"total_token_usage": dict(zip(names, total, strict=True))}
    info |= {"last_token_usage": dict(zip(names, last, strict=True))} if last else {}
    payload = {"type": "token_count", "info": info, **TEXTS}
    return {"timestamp": DATE, "type": "event_msg", "payload": payload}


def message(fresh, written, read, output, **more):
    usage = {"input_tokens": fresh, "cache_creation_input_tokens": written}
    usage |= {"cache_read_input_tokens": read, "output_tokens": output}
    return {"id": "a", "type": "message", "model": "m", "usage": usage, "content": PROMPT, **more}


CHAT = {
    "id": "a", "created": EPOCH, "model": "m", "choices": [{"message": {"content": PROMPT}}], **TEXTS,
    "usage": {
        "prompt_tokens": 1000, "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens_details": {"reasoning_tokens": 20},
    },
}  # fmt: skip
RESPONSE = {
    "id": "a", "created_at": EPOCH, "model": "m", "object": "response", "output": PROMPT, **TEXTS,
    "usage": {
        "input_tokens": 1000, "output_tokens": 50, "input_tokens_details": {"cached_tokens": 600},
        "output_tokens_details": {"reasoning_tokens": 20},
    },
}  # fmt: skip
USAGE = {
    "prompt_tokens_details": {"cached_tokens": 600},
    "completion_tokens_details": {"reasoning_tokens": 20},
}
LITELLM = {
    "request_id": "a", "call_type": "acompletion", "startTime": "2026-11-28 12:00:00", "model": "m",
    "prompt_tokens": 1000, "completion_tokens": 50, "metadata": {"usage_object": USAGE}, **TEXTS,
}  # fmt: skip
CLAUDE = {"sessionId": "s", "requestId": "r", "timestamp": DATE, "type": "assistant"}
WHOLE = (1000, 600, 50, 20)
BUCKET = {"object": "bucket", "start_time": EPOCH, "results": [{
    "input_tokens": 2000, "input_cached_tokens": 1200, "output_tokens": 100, "num_model_requests": 2,
    "model": "m", "api_key_id": SECRET,
}]}  # fmt: skip


def lines(*items):
    return "".join(json.dumps(item) + "\n" for item in items)


def table(*rows):
    file = io.StringIO()
    writer = csv.DictWriter(file, [*rows[0]])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


# Format, text, (input, cached, output, reasoning) of its requests, what was left out.
SAMPLES = {
    "chat": ("openai", lines(CHAT, CHAT), WHOLE, {"duplicates": 1}),
    "list": ("openai", json.dumps([CHAT, {"error": PROMPT}], indent=2), WHOLE, {"failed requests": 1}),
    "batch": ("openai", lines({"custom_id": SECRET, "response": {"body": CHAT}}), WHOLE, {}),
    "responses": ("openai", lines(RESPONSE), WHOLE, {}),
    "buckets": ("openai-usage", json.dumps({"object": "page", "data": [BUCKET]}), (1000, 600, 50, 0), {}),
    "anthropic": ("anthropic", lines(message(300, 100, 600, 50, created_at=DATE)), (1000, 600, 50, 0), {}),
    "claude": (
        "claude-code",
        lines(
            {"type": "user", "sessionId": "s", "message": {"content": PROMPT + SECRET}},
            {**CLAUDE, "message": message(300, 100, 600, 3)},
            {**CLAUDE, "message": message(300, 100, 600, 50)},
            {**CLAUDE, "message": {"model": "<synthetic>", "usage": {"input_tokens": 0}}},
        ),
        (1000, 600, 50, 0),
        {"duplicates": 1},
    ),
    "codex": (
        "codex",
        lines(
            {"type": "session_meta", "payload": {"id": "s", "instructions": PROMPT + SECRET}},
            {"type": "turn_context", "payload": {"model": "m"}},
            codex(WHOLE, WHOLE),
            codex(WHOLE, WHOLE),
        ),
        WHOLE,
        {},
    ),
    "spans": (
        "otel",
        lines(otel(WHOLE, "a"), otel(WHOLE, "b", **{"gen_ai.operation.name": "invoke_agent"})),
        WHOLE,
        {"spans of agents, tools and embeddings": 1},
    ),
    "litellm": ("litellm", lines(LITELLM, {**LITELLM, "cache_hit": True}), WHOLE, {"requests answered from LiteLLM's cache": 1}),
    "spend": ("litellm", table({**LITELLM, "metadata": json.dumps(LITELLM["metadata"])}), WHOLE, {}),
    "azure": ("azure", table({"TIMESTAMP": "2026-11-28 12:00:00.1234567", "NumImages": 0, "ContextTokens": 1000, "GeneratedTokens": 50}), (1000, 0, 50, 0), {}),
    "burst": (
        "burstgpt",
        table(*({"Timestamp": 5, "Session ID": 1, "Model": "m", "Request tokens": 1000, "Response tokens": x} for x in (50, 0))),
        (1000, 0, 50, 0),
        {"requests without output": 1},
    ),
    "table": ("csv", table({"Time": DATE, "model": "m", "input_tokens": 1000, "cached_tokens": 600, "output_tokens": 50, "reasoning_tokens": 20, "prompt": PROMPT, "key": SECRET}), WHOLE, {}),
    "apart": ("csv", table({"uncached_input_tokens": 400, "cached_tokens": 600, "output_tokens": 50}), (1000, 600, 50, 0), {}),
    "written": ("csv", table({"input_tokens": 300, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 600, "output_tokens": 50}), (1000, 600, 50, 0), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_each_convention_gives_the_same_request_and_keeps_no_text(name, tmp_path):
    format, text, tokens, left_out = SAMPLES[name]
    log = tmp_path / "log.txt"
    log.write_text(text)
    requests = read_requests(log)
    assert requests.format == format
    names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    assert [*(getattr(requests, n).tolist() for n in names)] == [[x] for x in tokens]
    assert requests.left_out == left_out
    un.import_usage(log, tmp_path / "u.yaml", format=format)
    kept = repr(requests) + "".join(p.read_text() for p in tmp_path.glob("u.*"))
    assert "diagnosis" not in kept
    assert SECRET not in kept
    if name not in ("apart", "written", "burst"):
        assert MONTH in kept
    assert not un.load_priors(tmp_path / "u.yaml").faults


def test_every_format_has_a_sample():
    assert {sample[0] for sample in SAMPLES.values()} | {"mooncake"} == {*USAGE_FORMATS}


def test_codex_logs_of_totals_alone_are_differences(tmp_path):
    log = tmp_path / "a.jsonl"
    turn = {"type": "turn_context", "payload": {"model": "m"}}
    log.write_text(lines(turn, codex(None, WHOLE), codex(None, (3000, 1600, 150, 20))))
    assert read_requests(log).input_tokens.tolist() == [1000, 2000]


def test_mooncake_caches_blocks_seen_before_in_order(tmp_path):
    log = tmp_path / "a.jsonl"
    rows = [
        {"timestamp": 0, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3]},
        {"timestamp": 9, "input_length": 1600, "output_length": 5, "hash_ids": [1, 2, 9, 3]},
        {"timestamp": 9, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3]},
    ]
    log.write_text(lines(*rows))
    assert read_requests(log).cached_tokens.tolist() == [0, 1024, 1100]


def test_damage_is_located_all_at_once_and_not_repeated(tmp_path):
    log = tmp_path / "a.jsonl"
    bad = [
        CHAT,
        {**CHAT, "id": "b", "usage": {"prompt_tokens": SECRET, "completion_tokens": 1}},
        {**CHAT, "id": "c", "usage": {"prompt_tokens": 5, "completion_tokens": -1}},
        {**CHAT, "id": "d", "usage": {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 6}}},
    ]  # fmt: skip
    log.write_text(lines(*bad) + '{"id": "' + SECRET + "\n" + lines({"id": SECRET}))
    with pytest.raises(un.InputError) as caught:
        read_requests(log)
    faults = caught.value.faults
    assert [fault.line for fault in faults] == [2, 3, 4, 5, 6]
    assert SECRET not in str(caught.value)
    assert "--as" in faults[2].message
    log.write_text(lines({"usage": {"input_tokens": 5, "output_tokens": 1}}))
    with pytest.raises(un.InputError, match="--as openai"):
        read_requests(log)
    log.write_text("input_tokens,output_tokens\n1,2\n1,2,3\n")
    with pytest.raises(un.InputError, match="cells"):
        read_requests(log)


def log_of(count, seed=0):
    rng = np.random.default_rng(seed)
    read = np.ceil(rng.lognormal(7, 1.2, count))
    wrote = np.ceil(rng.lognormal(2, 0.8, count) * read**0.5)
    cached = np.floor(read * rng.beta(1, 1, count))
    head = "model,date,session,input_tokens,cached_tokens,output_tokens\n"
    return head + "".join(
        f"{'ab'[i % 2]},2026-{1 + i % 3:02d}-01,s{i // 50},{x:.0f},{y:.0f},{z:.0f}\n"
        for i, (x, y, z) in enumerate(zip(read, cached, wrote, strict=True))
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "many.csv"
    log.write_text(log_of(100_000))
    return read_requests(log)


def test_a_thousand_rows_stand_for_a_hundred_thousand_requests(many):
    data, text = usage_data(many, "t.csv")
    rows = [
        {k: x for k, x in row.items() if k not in ("model", "month")}
        for row in csv.DictReader(io.StringIO(text))
    ]
    columns = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    weight = columns["count"]
    assert len(weight) <= 2048
    assert weight.sum() == 100_000
    for name in ("input_tokens", "output_tokens"):
        values, each = columns[name], getattr(many, name)
        assert weight @ values == pytest.approx(each.sum(), rel=1e-8)
        order = np.argsort(values)
        levels = (weight[order].cumsum() - weight[order] / 2) / weight.sum()
        for p in (0.05, 0.25, 0.5, 0.75, 0.95):
            assert np.interp(p, levels, values[order]) == pytest.approx(
                np.quantile(each, p), rel=0.15
            )
    product = weight @ (columns["input_tokens"] * columns["output_tokens"])
    assert product == pytest.approx(many.input_tokens @ many.output_tokens, rel=5e-3)
    assert len(data["usage"]) == 6
    for row in data["usage"]:
        mine = (np.array(many.models)[many.model] == row["model"]) & (
            many.time_s.astype("datetime64[s]").astype("datetime64[M]").astype(str) == row["month"]
        )
        assert row["requests"] == mine.sum()
        assert row["input_tokens"] == many.input_tokens[mine].sum()


def test_sessions_keep_their_sums_and_their_steps(many, tmp_path):
    data, text = usage_data(many, "t.csv", by="session")
    (tmp_path / "t.csv").write_text(text)
    assert "steps_per_session" in data["assumptions"]
    cells = rows_of_usage(data, tmp_path)
    assert cells.sums[:, 3].sum() == pytest.approx(many.output_tokens.sum(), rel=1e-8)
    assert cells.units.sum() == 2000 * 6
    (tmp_path / "t.csv").write_text(text.replace("\n", "\n", 1).rsplit("\n", 2)[0] + "\n")
    with pytest.raises(un.InputError, match="other sums"):
        rows_of_usage(data, tmp_path)


def test_a_fit_says_how_well_it_fits_and_keeps_the_dependence(many):
    data, text = usage_data(many, "t.csv", fit="lognormal")
    assert not text
    entry = data["assumptions"]["input_tokens"]
    assert entry["lognormal"]["median"] == pytest.approx(np.exp(7), rel=0.02)
    assert entry["lognormal"]["sigma"] == pytest.approx(1.2, rel=0.02)
    assert "largest distance" in entry["note"]
    [pair] = data["correlations"]
    assert 0.5 < pair["rank"] < 0.7


def test_a_usage_goes_on_top_and_what_it_replaces_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text(log_of(500))
    un.import_usage("log.csv")
    prior = {"schema": 1, "model": "flops", "extends": "epoch", "assumptions": {"output_tokens": 7}}
    priors = un.load_priors(prior, usage="my-usage.yaml")
    problem = un.build_problem(priors)
    assert problem.assumptions["output_tokens"].varies
    assert "my_usage_row" in problem.assumptions
    inputs = un.simulate(problem, draws=64)["prior"]
    share = inputs["cached_share"].values
    assert share.min() >= 0
    assert share.max() <= 1
    both = {
        (float(a), float(b))
        for a, b in zip(
            inputs["input_tokens"].values.ravel(),
            inputs["output_tokens"].values.ravel(),
            strict=True,
        )
    }
    rows = {
        (float(r["input_tokens"]), float(r["output_tokens"]))
        for r in csv.DictReader((tmp_path / "my-usage.csv").read_text().splitlines())
    }
    assert both <= rows


def test_rows_are_drawn_as_often_as_they_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("x,y,n\n1,10,1\n2,20,3\n")
    law = {"file": "t.csv", "rows": "file", "weights": "n"}
    prior = {"schema": 1, "assumptions": {n: {"empirical": {**law, "column": n}} for n in "xy"}}
    tree = un.simulate(un.build_problem(prior, model=lambda x, y: x + y), draws=4096)
    assert (tree["prior"]["x"] == 2).mean() == pytest.approx(0.75, abs=0.01)
    law = {"file": "t.csv", "column": "x", "weights": "n"}
    prior = {"schema": 1, "assumptions": {"x": {"empirical": law}}}
    with pytest.raises(un.InputError, match="rows: file goes with it"):
        un.build_problem(prior, model=lambda x: x)


def test_sums_of_a_usage_file_are_checked():
    row = {"model": "m", "month": "2026-11", "requests": 0, "output_tokens": 5}
    faults = un.load_priors({"schema": 1, "usage": [row]}).faults
    assert {fault.field for fault in faults} == {"usage.0.requests", "usage.0.input_tokens"}


def test_files_are_the_same_in_every_process(tmp_path):
    """Names are numbered alike, which Python's own `hash` does not."""
    lines = [f"s{i % 37},{100 + i % 91},{i % 13},{5 + i % 17}" for i in range(5000)]
    head = "session,input_tokens,cached_tokens,output_tokens"
    (tmp_path / "log.csv").write_text("\n".join([head, *lines]) + "\n")
    code = "import uncertainty as un; un.import_usage('log.csv', 'u.yaml', by='session')"
    written = []
    for seed in ("1", "2"):
        words = [sys.executable, "-c", code]
        subprocess.run(words, cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": seed}, check=True)
        written.append((tmp_path / "u.csv").read_bytes())
    assert written[0] == written[1]
