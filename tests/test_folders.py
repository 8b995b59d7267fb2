"""No command writes over an input, or over the result of another question."""

import json
import resource
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

import uncertainty as un
from uncertainty import cli
from uncertainty.cli.question import Question, ResultFolder

PRIORS = "schema: 1\nassumptions: {a: {lognormal: {median: 2, sigma: 0.5}}, b: {lognormal: {median: 3, sigma: 0.3}}}\n"
MODEL = "def f(a, b): return {'y': a * b}\n"


@pytest.fixture
def call(monkeypatch, tmp_path, capsys):
    """Call the command in a folder with a small file and model: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(PRIORS)
    (tmp_path / "m.py").write_text(MODEL)

    def run(line):
        monkeypatch.setattr(sys, "argv", ["uncertainty", *line.split()])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        found = capsys.readouterr()
        return ended.value.code, found.out, found.err

    return run


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()
    }


def named(file, sets=(), scenario=None, model=None, evidence=None):
    changes = {"sets": list(sets), "scenario": scenario, "model": model, "evidence": evidence}
    return Question(file=file, **changes).folder_name


def test_names_of_folders_tell_questions_apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert named("gpt-4o") == "gpt-4o"
    assert named("base/serving") == "base-serving"
    for path in (
        "gpt-4o.yaml",
        "a/x.yaml",
        "b/x.yaml",
        "base/serving.yaml",
        "long" * 40 + ".yaml",
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(PRIORS)
    other = tmp_path.parent / "elsewhere.yaml"
    questions = [
        named("gpt-4o"), named("base/serving"), named("gpt-4o.yaml"), named("base/serving.yaml"),
        named("a/x.yaml"), named("b/x.yaml"), named(str(other)), named(str(other.with_name("c") / other.name)),
        named("gpt-4o", ["pue=1.2"]), named("gpt-4o", ["pue=1.3"]), named("gpt-4o", ["pue=1.2", "batch_size=3"]),
        named("gpt-4o", scenario="long_input"), named("gpt-4o", model="flops"), named("gpt-4o", evidence=[]),
        named("gpt-4o", evidence=["none"]), named("gpt-4o", ["utilization={beta: {mean: 0.1, sd: 0.05}}"]),
        *(named("gpt-4o", ["x=" + "1" * 90 + last]) for last in "12"),
    ]  # fmt: skip
    assert len({*questions}) == len(questions)
    assert all(len(name) < 120 and "/" not in name for name in questions)
    assert named("gpt-4o", ["b=1", "a=2"]) == named("gpt-4o", ["a=2", "b=1"])


def test_another_question_is_not_written_over_unless_forced(call, tmp_path):
    first = "run p.yaml --model m.py:f --draws 64 --out out"
    assert call(first)[0] == 0
    before = contents("out")
    for line in (
        first + " --set a=2", "rank p.yaml --model m.py:f --method tornado --out out",
        "check p.yaml --model m.py:f --set a=2 --plot --out out",
    ):  # fmt: skip
        status, out, err = call(line)
        assert (status, out) == (2, "")
        assert "--out: out holds the result of another question" in err
        assert "--force" in err
        assert contents("out") == before
    assert call(first + " --seed 3 --prob 0.8")[0] == 0  # the same question, answered anew
    assert contents("out").keys() == before.keys()
    (tmp_path / "p.yaml").write_text(PRIORS.replace("0.5", "0.6"))
    assert call("check p.yaml --model m.py:f --plot --out out")[0] == 0  # so is a file that grew
    assert {"assumptions.svg", "run.nc"} <= contents("out").keys()
    assert call("rank p.yaml --model m.py:f --method tornado --out out --force")[0] == 0
    after = contents("out").keys()  # nothing of the other question is left beside it
    assert "ranking.csv" in after
    assert not after & {"run.nc", "report.md", "assumptions.svg"}


def test_questions_whose_names_agree_have_folders_of_their_own(call, tmp_path):
    (tmp_path / "a").mkdir()
    for path in ("a/p.yaml", "a-p.yaml", "a-p-long.yaml"):
        (tmp_path / path).write_text(PRIORS + "scenarios: {long: {a: 3}}\n")
    for file in ("a/p.yaml", "a-p.yaml", "a-p.yaml", "a/p.yaml --scenario long", "a-p-long.yaml"):
        assert call(f"run {file} --model m.py:f --draws 64")[0] == 0
    questions = [
        json.loads(p.read_text())["question"] for p in Path("results").glob("*/question.json")
    ]
    asked = sorted(q["file"].removeprefix("../../") + q.get("scenario", "") for q in questions)
    assert asked == ["a-p-long.yaml", "a-p.yaml", "a/p.yaml", "a/p.yamllong"]


def test_files_of_others_and_inputs_in_the_folder_stay(call, tmp_path):
    (tmp_path / "report.md").write_text("mine")
    line = "run p.yaml --model m.py:f --draws 64 --out ."
    before = contents(".")
    status, _, err = call(line)
    assert status == 2
    assert "holds report.md, which this question did not write" in err
    assert contents(".") == before
    assert call(line + " --force")[0] == 0
    assert (tmp_path / "p.yaml").read_text() == PRIORS


@pytest.fixture
def place(tmp_path):
    def make(asked="q", command="run", *, force=False, read=(), path=tmp_path / "out"):
        return ResultFolder(path, {"what": asked}, command, force=force, read=list(read))

    return make


def fill(place, **files):
    with place as folder:
        for name, text in files.items():
            (folder.unfinished / name).write_text(text)
        return folder.keep([folder.unfinished / name for name in files])


def test_an_input_is_not_written_over_even_by_force(place, tmp_path):
    fill(place(), data="old")
    (tmp_path / "link").symlink_to(tmp_path / "out" / "data")
    with pytest.raises(un.InputError, match="is an input"):
        fill(place(force=True, read=[tmp_path / "link"]), data="new", other="new")
    with pytest.raises(un.InputError, match="is an input"):  # nor removed for another question
        fill(place("other", force=True, read=[tmp_path / "out" / "data"]), other="new")
    assert contents(tmp_path / "out").keys() == {"data", "question.json"}
    assert (tmp_path / "out" / "data").read_text() == "old"


def test_reports_are_not_written_over_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    law = "{empirical: {file: summary.csv, column: a}}"
    own = {"summary.csv": "a\n1\n2\n", "p.yaml": f"schema: 1\nassumptions:\n  a: {law}\n"}
    for name, text in own.items():
        (tmp_path / name).write_text(text)
    tree = un.simulate(un.build_problem("p.yaml", model=lambda a: {"y": a}), draws=64)
    with pytest.raises(un.InputError, match=r"summary\.csv: is an input, which is never written"):
        un.write_report(tree, ".")
    assert {name: (tmp_path / name).read_text() for name in own} == own


def test_files_are_kept_together_or_not_at_all(place, tmp_path):
    assert fill(place(), a="1", b="1") == [tmp_path / "out" / "a", tmp_path / "out" / "b"]
    before = contents(tmp_path / "out")
    with pytest.raises(UnicodeEncodeError):
        fill(place(), a="2", b="\ud800")
    assert contents(tmp_path / "out") == before
    fill(place(), a="2")  # what the same command wrote before, and now does not, goes
    assert contents(tmp_path / "out").keys() == {"a", "question.json"}
    with pytest.raises(UnicodeEncodeError):
        fill(place(path=tmp_path / "x" / "y"), a="\ud800")
    assert not (tmp_path / "x").exists()


def test_two_at_once_are_told_and_the_dead_hold_nothing(place, tmp_path):
    fill(place(), a="1")
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom uncertainty.cli.question import ResultFolder\n"
        f"place = ResultFolder(Path({str(tmp_path / 'out')!r}), {{'what': 'q'}}, 'run', force=False, read=[])\n"
        "place.__enter__()\n(place.unfinished / 'a').write_text('2')\nprint('in', flush=True)\ntime.sleep(600)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(un.InputError, match="is being written by another command"):
            fill(place(), a="3")
        assert (tmp_path / "out" / "a").read_text() == "1"
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    fill(place(), a="3")
    assert contents(tmp_path / "out").keys() == {"a", "question.json"}


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"question": 1, "files": {}}', '{"question": {}, "files": [1]}']
)
def test_a_record_that_is_none_owns_nothing(place, tmp_path, record):
    fill(place(), a="1")
    (tmp_path / "out" / "question.json").write_text(record)
    with pytest.raises(un.InputError, match="which this question did not write"):
        fill(place(), a="2")
    fill(place(force=True), a="2")
    assert json.loads((tmp_path / "out" / "question.json").read_text())["files"] == {"run": ["a"]}


@pytest.mark.parametrize("out", ["p.yaml", "p.yaml/x", "\0", "x" * 300, "/proc/x", "/dev/null"])
def test_places_that_cannot_be_written_are_told(place, out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(PRIORS)
    with pytest.raises(un.InputError, match="--out: cannot write to"), place(path=Path(out)):
        pass
    assert (tmp_path / "p.yaml").read_text() == PRIORS


def test_two_runs_are_the_same_bytes_but_for_the_clock(call, monkeypatch):
    line = "run p.yaml --model m.py:f --draws 64 --out out"
    found, told = [], []
    for hour in (b"01", b"23"):
        stamp = f"2026-01-01T{hour.decode()}:00:00+00:00"
        clock = SimpleNamespace(now=lambda _, stamp=stamp: datetime.fromisoformat(stamp))
        monkeypatch.setattr("uncertainty.results.tree.datetime", clock)
        told.append(call(line))
        # It stands in created_at, of run.nc and of report.md; the seal of run.nc follows it.
        found.append(
            {
                name: content.split(b"\nuncertainty result, sha256")[0].replace(stamp.encode(), b"")
                for name, content in contents("out").items()
            }
        )
    assert found[0] == found[1]
    assert told[0] == told[1]


def test_a_result_is_not_saved_over_its_own_file(call, tmp_path):
    tree = un.simulate(un.build_problem("p.yaml", model=lambda a, b: a * b), draws=64)
    with pytest.raises(un.InputError, match="is an input"):
        un.save(tree, tmp_path / "p.yaml")
    assert (tmp_path / "p.yaml").read_text() == PRIORS


@pytest.mark.filterwarnings("ignore:Error (reading|writing) persistent compilation cache")
def test_a_full_disk_leaves_what_was_there(call, tmp_path):
    line = "run p.yaml --model m.py:f --draws 64 --out out"
    assert call(line)[0] == 0
    before = contents("out")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (0, 3000, 20_000):  # less than the record, than run.nc, than a figure
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            status, out, err = call(line)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert status == 2, err
        assert "Written" not in out  # the answer itself is printed before any file
        assert "cannot be written" in err or "cannot write" in err
        assert "defect" not in err
        assert contents("out") == before
    assert un.load("out/run.nc")


def test_init_writes_over_no_file_unless_forced_and_never_over_its_origin(call, tmp_path):
    (tmp_path / "mine.yaml").write_text("mine")
    assert call("init mine.yaml --from epoch")[0] == 2
    assert (tmp_path / "mine.yaml").read_text() == "mine"
    assert call("init mine.yaml --from epoch --force")[0] == 0
    text = (tmp_path / "mine.yaml").read_text()
    status, _, err = call("init mine.yaml --from mine.yaml --force")
    assert status == 2
    assert "is an input" in err
    assert (tmp_path / "mine.yaml").read_text() == text


def test_init_names_what_it_copies_as_seen_from_here(call, tmp_path_factory):
    far = tmp_path_factory.mktemp("far")
    (far / "n.csv").write_text("n\n100\n200\n400\n")
    (far / "a.yaml").write_text(
        "schema: 1\nmodel: flops\nextends: base/datacenter\nassumptions:\n  llm: llama-3.1-8b\n"
        "  hardware: b200\n  output_tokens: {empirical: {file: n.csv, column: n}}\n"
    )
    status, out, _ = call(f"init mine.yaml --from {far / 'a.yaml'}")
    assert status == 0
    assert out.startswith("Written: mine.yaml, n.csv. Change it")
