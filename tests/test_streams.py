"""Standard streams: whatever they take, wherever they lead."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import uncertainty as un
from uncertainty import cli
from uncertainty.cli.terminal import say, standard_streams, table

CALL = f"{sys.executable} -c 'from uncertainty.cli import main; main()'"


@pytest.fixture
def shell(tmp_path):
    """Run a line of shell in which `un` is the command: (exit status of it, stdout, stderr)."""

    def run(line):
        line = f'un() {{ {CALL} "$@"; echo $? > {tmp_path}/status; }}; {line}'
        found = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
        return int((tmp_path / "status").read_text()), found.stdout, found.stderr

    return run


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_every_text_is_written_in_the_characters_that_there_are(monkeypatch, tmp_path, encoding):
    text = "± ² – “é” µ × Ω ☃ \U0001f600"
    for name in ("stdout", "stderr"):
        file = (tmp_path / name).open("wb")
        monkeypatch.setattr(sys, name, io.TextIOWrapper(file, encoding))
    with standard_streams():
        say(text)
        table(text, ["²", "n"], [[text, "1 ± 2"]])
        print(text, file=sys.stderr)
    sys.stdout.close()
    sys.stderr.close()
    out, err = ((tmp_path / name).read_bytes().decode(encoding) for name in ("stdout", "stderr"))
    kept = [c for c in text if c.encode(encoding, "ignore")]
    assert set(kept) <= set(err)
    plain = '+/- ^2 - "e" u x ? ? ?' if encoding == "ascii" else None
    assert err.strip() == plain or plain is None
    assert err.strip() in out


def test_a_reader_that_leaves_early_ends_nothing(shell):
    status, out, err = shell("un list sources | head -1")
    assert (status, err) == (0, "")
    assert out.startswith("Sources")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_or_closed_stream_is_told_where_it_can_be(shell):
    full = "standard output: cannot be written: No space left on device\n"
    assert shell("un list sources > /dev/full") == (2, "", full)
    assert shell("un list sources >&-") == (0, "", "")
    assert shell("un run nowhere 2>/dev/full") == (2, "", "")
    assert shell("un run nowhere 2>&-") == (2, "", "")


@pytest.mark.parametrize(
    ("act", "status", "told"),
    [
        ("sys.stdout.close()", 0, ""),
        pytest.param("sys.stderr.close()", 0, "", marks=pytest.mark.slow),
        ("sys.stdout = None", 2, "standard output: was replaced by the model"),
    ],
)
@pytest.mark.parametrize("when", ["imported", "called"])
def test_a_model_that_shuts_the_streams_hides_no_answer(shell, tmp_path, act, status, told, when):
    inside = {"imported": f"{act}\ndef f(a):\n", "called": f"def f(a):\n    {act}\n"}[when]
    (tmp_path / "m.py").write_text(f"import sys\n{inside}    return 2 * a\n")
    (tmp_path / "p.yaml").write_text("schema: 1\nassumptions: {a: {uniform: {low: 1, high: 2}}}\n")
    words = "--model m.py:f --draws 64 --json --out o"
    found, out, err = shell(f"cd {tmp_path}; un run p.yaml {words}")
    if when == "imported" and "sys.stdout" in act:
        status, told = 0, ""  # put back once it is imported
    assert (found, told in err, "Traceback" in err) == (status, True, False), err
    assert status or json.loads(out)["quantity"] == "y"


def test_json_of_what_is_not_finite_is_null(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(
        "schema: 1\nassumptions: {x: {normal: {mean: 0, sd: 1}}, y: {normal: {mean: 0, sd: 1}}}\n"
    )
    (tmp_path / "m.py").write_text("import jax.numpy as jnp\ndef f(x, y): return jnp.log(x) + y\n")
    monkeypatch.setattr(
        sys,
        "argv",
        ["uncertainty", "run", "x.yaml", "--model", "m.py:f", "--draws", "64", "--json"],
    )
    with pytest.raises(SystemExit):
        cli.main()

    def refuse(constant):
        raise ValueError(constant)

    json.loads(capsys.readouterr().out, parse_constant=refuse)


def test_an_interrupt_ends_quietly_and_leaves_what_was_there(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text("schema: 1\nassumptions: {x: {normal: {mean: 0, sd: 1}}}\n")
    (tmp_path / "m.py").write_text("def f(x): return x\n")
    call = ["uncertainty", "run", "x.yaml", "--model", "m.py:f", "--draws", "64", "--out", "out"]
    monkeypatch.setattr(sys, "argv", call)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    capsys.readouterr()

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("uncertainty.report.write", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == ""
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert un.load(tmp_path / "out" / "run.nc")
