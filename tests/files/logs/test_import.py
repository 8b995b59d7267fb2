"""`import_measurements` and `uncertainty import`: tables of every kind, joins, files written or not."""

import json
import sys
from pathlib import Path

import pytest

import uncertainty as un
from uncertainty.files import parse_yaml

DATA = Path(__file__).parent / "data"
ROWS = [
    {"gpu energy [kWh]": 0.05, "output_tokens": 9e5, "requests": 3000, "duration [min]": 10,
     "model": "Llama-3.1-8B", "prompt": "SECRET"},
    {"gpu energy [kWh]": 0.03, "output_tokens": 9e5, "requests": 3000, "duration [min]": 12,
     "model": "Llama-3.1-8B", "prompt": "SECRET"},
]  # fmt: skip
GIVEN = {"hardware": "h100-sxm", "precision": "bfloat16", "gpu_count": 1}


def command(monkeypatch, capsys, *words):
    from uncertainty import cli

    monkeypatch.setattr(sys, "argv", ["uncertainty", "import", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


def test_tables_of_every_kind_say_the_same():
    pd = pytest.importorskip("pandas")
    xr = pytest.importorskip("xarray")
    columns = {key: [row[key] for row in ROWS] for key in ROWS[0]}
    frame = pd.DataFrame(ROWS)
    dataset = xr.Dataset({key: ("run", values) for key, values in columns.items()})
    sources = [ROWS, columns, frame, dataset]
    first, *others = (un.import_measurements(source, given=GIVEN) for source in sources)
    assert first["rows"] == [[0.2], [0.12]]
    assert "SECRET" not in json.dumps(first)
    assert first["origins"][0]["file"] == "<table>"
    for other in others:
        assert {**other, "origins": 0} == {**first, "origins": 0}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ([], "<table>: has no rows"),
        (7, "<rows>: must be a list of mappings, a mapping of columns or a table (got int)"),
        (
            [{"energy": 1, "output_tokens": 5}],
            "row 1.energy: has no unit; write the unit in brackets",
        ),
        (
            [{"energy [W]": 1, "output_tokens": 5}],
            "row 1.energy [W]: unit 'W' does not convert to 'J'",
        ),
        ([{"output_tokens": 5}], "row 1: has no column of energy"),
        ([{"energy [J]": float("nan")}], "row 1.energy [J]: is missing"),
        (
            [{"energy [J]": 1, "requests": 2, "queries": 2}],
            "queries: says requests as another column",
        ),
        ([{"energy [J]": "much"}], "row 1.energy [J]: must be a number (got 'much')"),
        ({"energy [J]": [1, 2], "requests": [1]}, "<rows>: columns must be of one length"),
    ],
)
def test_tables_that_say_too_little_are_refused(source, sentence):
    with pytest.raises(un.InputError) as error:
        un.import_measurements(source, given=GIVEN)
    assert sentence in str(error.value)


def test_a_log_of_power_is_joined_with_a_benchmark():
    given = {"precision": "bfloat16"}
    evidence = un.import_measurements(
        DATA / "nvidia_smi.csv", serving=DATA / "vllm.json", given=given
    )
    assert evidence["boundary"] == "gpu_board"
    assert evidence["origins"][0]["window_s"] == 20
    assert "SECRET" not in json.dumps(evidence)
    with pytest.raises(
        un.InputError, match="has tokens and no energy: give a log of power, and this file"
    ):
        un.import_measurements(DATA / "vllm.json")
    with pytest.raises(un.InputError, match="boards: chooses what is joined"):
        un.import_measurements(DATA / "columns.csv", given={"boards": "0"})


def test_faults_of_all_files_come_at_once(tmp_path):
    empty, odd = tmp_path / "empty.json", tmp_path / "odd.json"
    empty.write_text("")
    odd.write_text('{"weather": "fine"}')
    with pytest.raises(un.InputError) as error:
        un.import_measurements([empty, odd, tmp_path / "none.csv"])
    assert [str(fault).rpartition("/")[2][:44] for fault in error.value.faults] == [
        "empty.json: is empty",
        "none.csv: cannot be read: No such file or di",
        "odd.json: is in no format that is known; cho",
    ]


def test_the_command_writes_a_file_that_a_problem_takes(monkeypatch, capsys, tmp_path):
    out = tmp_path / "my-evidence.yaml"
    words = (DATA / "columns.csv", DATA / "powerx.csv", "--out", out)
    status, shown, _ = command(monkeypatch, capsys, *words)
    assert status == 0
    assert shown.startswith(
        "3 measured rows of 2 files: 0.2 to 3.61 J per output token, of the GPU"
    )
    assert f"Written: {out}" in shown.replace("\n", " ")
    assert "Left open, as the prior file has them: batch_size" in shown.replace("\n", " ")
    assert "SECRET" not in shown + out.read_text()
    node = tmp_path / "my-evidence-node.yaml"
    assert parse_yaml(node.read_text())["boundary"] == "node"
    assert un.build_problem("roofline-efficiency", evidence=[str(out), str(node)]).has_evidence


def test_the_command_writes_over_nothing(monkeypatch, capsys, tmp_path):
    out = tmp_path / "my-evidence.yaml"
    out.write_text("mine")
    words = (DATA / "powerx.csv", "--out", out)
    status, _, error = command(monkeypatch, capsys, *words)
    assert (status, out.read_text()) == (2, "mine")
    assert "exists already; choose another name with --out, or replace it with --force" in error
    assert command(monkeypatch, capsys, *words, "--force")[0] == 0
    assert out.read_text() != "mine"
    log = tmp_path / "log.csv"
    log.write_text((DATA / "powerx.csv").read_text())
    status, _, error = command(monkeypatch, capsys, log, "--out", log, "--force")
    assert status == 2
    assert "is an input, which is never written over" in error


def test_the_command_asks_once_for_all_that_is_missing(monkeypatch, capsys, tmp_path):
    out = tmp_path / "my-evidence.yaml"
    words = (DATA / "energy_score.csv", "--out", out)
    status, shown, error = command(monkeypatch, capsys, *words)
    assert (status, shown, out.exists()) == (2, "", False)
    assert "does not say hardware, precision, gpu_count: add --set hardware=NAME" in error
    sets = [part for key, value in GIVEN.items() for part in ("--set", f"{key}={value}")]
    status, shown, _ = command(monkeypatch, capsys, *words, *sets, "--json")
    assert status == 0
    record = json.loads(shown)
    assert record["written"] == [str(out)]
    assert record["evidence"][0]["rows"] == [[0.6]]


def test_a_format_that_is_asked_for_is_taken(monkeypatch, capsys, tmp_path):
    words = (DATA / "columns.csv", "--out", tmp_path / "x.yaml", "--as")
    assert command(monkeypatch, capsys, *words, "columns")[0] == 0
    status, _, error = command(monkeypatch, capsys, *words, "collumns")
    assert status == 2
    assert "did you mean 'columns'?" in error


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"llm": "llama-3.1-9b"},
            "<given>: llm: 'llama-3.1-9b' is not in the llm catalogue; did you",
        ),
        (
            {"hardware": {"H100": "h100"}},
            "<given>: hardware: 'h100' is not in the hardware catalogue",
        ),
        ({"gpu_count": "four"}, "<given>: gpu_count: "),
        ({"cached_share": 40}, "<given>: cached_share: must lie between 0 and 1 (got 40)"),
        (
            {"gpu_cuont": 2},
            "gpu_cuont: is neither an input nor a column; did you mean 'gpu_count'?",
        ),
    ],
)
def test_what_is_given_is_checked_before_anything_is_read(given, sentence):
    with pytest.raises(un.InputError) as error:
        un.import_measurements(DATA / "columns.csv", given=given)
    assert sentence in str(error.value)


def test_a_file_that_is_given_twice_counts_once(tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_bytes((DATA / "powerx.csv").read_bytes())
    with pytest.raises(un.InputError, match="powerx.csv: a measurement counts once"):
        un.import_measurements([DATA / "powerx.csv", copy])


def test_a_table_of_other_separators_is_named(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text((DATA / "columns.csv").read_text().replace(",", ";"))
    with pytest.raises(
        un.InputError, match="separates its cells by semicolons: save it with commas"
    ):
        un.import_measurements(path)


def test_the_schema_takes_what_is_imported():
    from jsonschema import Draft202012Validator

    from uncertainty.files import json_schemas

    validator = Draft202012Validator(json_schemas()["evidence"])
    evidence = un.import_measurements(DATA / "powerx.csv")
    assert not [*validator.iter_errors(evidence)]
    evidence["origins"][0]["boards"] = 0
    (error,) = validator.iter_errors(evidence)
    assert list(error.path) == ["origins", 0, "boards"]
