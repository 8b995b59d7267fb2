"""The tutorials are true: their files are written, their commands run in order, and say what is shown."""

import re
import shlex
import sys
from functools import partial
from pathlib import Path

import pytest

import uncertainty as un

TUTORIALS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))
FEWER = {"infer": ["--draws", "100", "--warmup", "200"]}
SLOW = re.compile(r"uncertainty (infer|predict|check|run|total)")


def blocks(path):
    return re.findall(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", path.read_text(), re.M | re.S)


def test_there_is_a_tutorial():
    assert {path.stem for path in TUTORIALS} >= {"my-measurements", "my-usage"}


def run(path, monkeypatch, capsys, *, whole):
    """Go through a tutorial; as far as nothing is sampled, unless as a whole."""
    from uncertainty import cli

    output = ""
    for kind, name, text in blocks(path):
        if not whole and (kind == "python" or (kind == "sh" and SLOW.search(text))):
            return
        if kind == "sh":
            output = ""
            for line in text.splitlines():
                words = shlex.split(line, comments=True)
                monkeypatch.setattr(sys, "argv", [*words, *FEWER.get(words[1], [])])
                with pytest.raises(SystemExit) as ended:
                    cli.main()
                shown = capsys.readouterr()
                output += shown.out + shown.err
                assert ended.value.code in ((0, 3) if shown.out else (2,)), (line, output)
        elif kind == "text":
            assert " ".join(text.split()) in " ".join(output.split())
        elif kind == "python":
            monkeypatch.setattr(un, "infer", partial(un.infer, draws=100, warmup=200))
            exec(text, {})
        else:
            Path(name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_what_a_tutorial_shows_before_it_samples(path, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    run(path, monkeypatch, capsys, whole=False)


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_whole_tutorial_runs(path, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    run(path, monkeypatch, capsys, whole=True)
