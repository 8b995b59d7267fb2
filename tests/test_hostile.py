"""Files whose every free text is hostile, through every command and every writer of files."""

import csv
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

import uncertainty as un
from uncertainty.cli import app, main

TEXT = (
    "=cmd|' /C calc'!A0 <script>alert(1)</script> [/x] [bold] a|b $x$ $\\frac{ {0} %s 5 % & # "
    "\\ \\x1b[2J `c` *d* _e_ &amp; ](y) --> ]]>"
)
LINES = "one\n\n# Verified | two\n- three"
FOLDER, FILE, EVIDENCE = "in [/x] $x$ {a} & #1 5% `b`", "=[red] $y$ {0} &.yaml", "ev $x$ [{0}].yaml"
MARKDOWN = MarkdownIt("commonmark").enable("table")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project of hostile texts, and all that commands and writers make of it."""
    root = tmp_path_factory.mktemp("hostile")
    place = root / FOLDER
    place.mkdir(parents=True)  # a slash is in the name
    laws = {
        "utilization": {"lognormal": {"p5": 0.03, "p95": 0.2}, "truncate": {"high": 1}},
        "power_fraction": {"uniform": {"low": 0.6, "high": 0.9}, "group": "{", "note": LINES},
        "output_tokens": {"varies": "query", "lognormal": {"median": 300, "sigma": 1}},
    }
    laws["utilization"] |= {"group": TEXT, "note": TEXT, "source": "hostile2026"}
    laws["output_tokens"] |= {"group": "[/x]", "note": TEXT}
    facts = {"schema": 1, "title": TEXT, "source": "hostile2026", "note": LINES}
    measured = {"observes": "energy_wh", "error": {"lognormal": {"sigma": 0.3}}}
    rows = {"columns": ["value"], "rows": [[0.4], [0.5]]}
    priors = {"schema": 1, "title": TEXT, "model": "flops", "extends": "epoch"}
    priors |= {"evidence": [EVIDENCE], "assumptions": laws, "warnings": [TEXT]}
    priors |= {"scenarios": {"longer": {"output_tokens": 2000}}}
    # JSON is YAML: what is written is what is meant.
    (place / FILE).write_text(json.dumps(priors), encoding="utf-8")
    (place / EVIDENCE).write_text(json.dumps(facts | measured | rows), encoding="utf-8")
    bib = "@article{hostile2026,\n  title = {" + TEXT.replace("{", "").replace("}", "") + "},\n}\n"
    (place / "sources.bib").write_text(bib, encoding="utf-8")
    return root


COMMANDS = [
    ["check", "--plot", "--png"],
    ["run", "--draws", "512", "--png", "--above", "1"],
    ["run", "--scenario", "all", "--draws", "512", "--png", "--above", "1"],
    ["infer", "--draws", "50", "--warmup", "50", "--png"],
    ["rank", "--draws", "4096", "--by", "group", "--method", "sobol,shapley", "--png"],
    ["rank", "--png"],
    ["compare", "epoch", "--explain", "--draws", "256", "--png"],
    ["run", "--draws", "64", "--json"],
]


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_keeps_hostile_text_as_text(folder, words, monkeypatch):
    monkeypatch.chdir(folder)
    command, *options = words
    out = f"out [/x] $z$ {COMMANDS.index(words)}"
    asked = [command, f"{FOLDER}/{FILE}", *options, "--out", out, "--force"]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code in {0, 3}, found.output
    for output in (found.stdout, found.stderr):
        assert "a defect" not in output
        assert all(line.isprintable() for line in output.splitlines())
    if "--json" in words:
        assert json.loads(found.stdout)["title"] == TEXT
    check_files(folder)


@pytest.mark.slow
def test_every_writer_keeps_hostile_text_as_text(folder, monkeypatch):
    monkeypatch.chdir(folder)
    priors = un.load_priors(Path(FOLDER, FILE))
    problem = un.build_problem(priors)
    tree = un.infer(problem, draws=100, chains=2)
    plain = un.build_problem(priors, evidence=[])
    sides = {TEXT: plain, "[/x]": un.build_problem(priors, scenario="longer", evidence=[])}
    trees = {name: un.simulate(side, draws=256) for name, side in sides.items()}
    table = un.compare(sides, draws=256)
    sweep = un.sweep(priors, "output_tokens", [100, 1000], draws=64)
    un.write_report(tree, "w/report", png=True, formats=("md", "html", "tex"))
    un.write_posterior(tree, "w/posterior", png=True)
    un.write_assumptions(trees[TEXT], "w/assumptions", png=True)
    un.write_scenarios(trees, "w/scenarios", above=1, png=True)
    un.write_comparison(table, "w/comparison", png=True)
    un.write_explanation(un.explain(*sides.values(), table=table), "w/explanation", png=True)
    un.write_ranking([un.rank_inputs(plain, by="group", draws=64)], "w/ranking", png=True)
    un.write_sweep({TEXT: sweep, "{": sweep}, "w/sweep", marks={TEXT: 500.0}, png=True)
    un.write_fits(un.compare_fits({TEXT: tree, "[/x] $x$": tree}), "w/fits", png=True)
    predicted = {name: un.predict(tree, [{}], observes="energy_wh") for name in (TEXT, "=1", "{")}
    predicted["\x1b[2J\u202e\n# two"] = predicted["{"]
    un.write_scores(predicted, [0.4], "w/scores", label=f"{TEXT}\x1b[2J", png=True)
    for result, script in ((tree, TEXT), (table, LINES), (sweep, "\x1b[2J")):
        path = un.write_provenance(result, f"w/{len(script)} [/x] {{", script)
        assert json.loads(path.read_text("utf-8"))["script"] == script
    files = check_files(folder / "w")
    kinds = {".csv", ".svg", ".png", ".md", ".json", ".html", ".tex"}
    assert {path.suffix for path in files} == kinds
    assert len([path for path in files if path.name == "provenance.json"]) == 3


def check_files(folder):
    """Read each file as its readers do: nothing in it acts."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".yaml"]
    for path in files:
        if path.suffix == ".csv":
            for row in csv.reader(path.read_text("utf-8").splitlines()):
                texts = [cell for cell in row if not is_number(cell)]
                assert all(text.strip()[:1] not in {"=", "+", "-", "@"} for text in texts), path
        elif path.suffix == ".md":
            html = MARKDOWN.render(path.read_text("utf-8"))
            assert "<script" not in html
            assert not {"<em>", "<strong>Verified", "<h1>Verified"} & set(html.split())
            assert html.count("<h1>") <= 1
            assert "<a " not in html
        elif path.suffix == ".svg":
            tags = {
                str(element.tag).rpartition("}")[2] for element in ElementTree.parse(path).iter()
            }
            assert "script" not in tags
            assert tags <= {"svg", "g", "defs", "style", "path", "use", "clipPath", "rect", "image",
                            "metadata", "RDF", "Work", "type", "format", "creator", "Agent", "title",
                            "linearGradient", "stop", "date"}, path  # fmt: skip
        elif path.suffix == ".html":
            text = path.read_text("utf-8")
            assert re.findall("<script.*?>", text) == ["<script>"]  # the page's own
            assert "alert(1)" in text
            assert not re.search(r"<[^>]+\s(on\w+|src)=", text)
        elif path.suffix == ".tex":
            assert not re.search(r"\\(input|frac|x1b)", path.read_text("utf-8"))
        elif path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        elif path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
    return files


def is_number(cell):
    try:
        return float(cell) is not None
    except ValueError:
        return False


@pytest.mark.slow
def test_a_file_that_starts_from_a_hostile_one_says_the_same(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = CliRunner().invoke(app, ["init", "new [x].yaml", "--from", f"{FOLDER}/{FILE}"])
    assert found.exit_code == 0, found.output
    new, old = un.load_priors("new [x].yaml"), un.load_priors(Path(FOLDER, FILE))
    assert new.title == old.title == TEXT
    groups, notes = (
        [{name: getattr(x, key) for name, x in un.build_problem(p).assumptions.items()}
         for p in (new, old)]
        for key in ("group", "note")
    )  # fmt: skip
    assert groups[0] == groups[1]
    assert notes[0] == notes[1]


@pytest.mark.parametrize("code", [0x1B, 0x202E, 0x2028, 0x0, 0x9B])
@pytest.mark.parametrize("where", ["title", "note", "group", "unit", "source", "key"])
def test_a_character_that_acts_is_a_fault_wherever_it_stands(where, code, tmp_path):
    text = f"a{chr(code)}b"
    law = {"fixed": 2} | ({where: text} if where not in {"title", "key"} else {})
    data = {"schema": 1, "title": text if where == "title" else "", "assumptions": {"x": law}}
    if where == "key":
        data["assumptions"] = {"x": {"fixed": 2}, text: {"fixed": 1}}
    (tmp_path / "x.yaml").write_text(json.dumps(data), encoding="utf-8")
    for priors in (data, tmp_path / "x.yaml"):
        with pytest.raises(un.InputError) as caught:
            un.build_problem(priors, model=lambda x: x)
        message = str(caught.value)
        assert f"U+{code:04X}" in message
        assert all(line.isprintable() for line in message.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        ("ledger", "--file", "claims.yaml"),
        ("ledger", TEXT, "--file", "claims.yaml"),
        ("ledger", "--file", "claims.yaml", "--json"),
        ("list", "model", TEXT),
        ("list", "schema", "[/x] [bold]"),
        ("list", "model", "{fleet: '[/x] $x$'}"),
        ("list", "model", "m.py:[/x]"),
        ("list", "model", "m.py"),
        ("check", "unit.yaml"),
        ("run", "gpt-4o", "--set", f"pue_excess=0.1 {TEXT}"),
        ("run", "gpt-4o", "--set", f"{TEXT}=1"),
        ("run", "gpt-4o", "--quantity", TEXT, "--draws", "64"),
        ("run", TEXT),
        ("cache",),
    ],
    ids=lambda words: " ".join(words)[:20],
)
def test_what_is_listed_computed_again_or_refused_is_text(words, tmp_path, monkeypatch, capfd):
    """Claims of a ledger, units, names of models and whatever is quoted in a fault."""
    monkeypatch.chdir(tmp_path)
    terms = {"one": {"number": 1}}
    claim = {"id": "A1", "source": "epoch2025", "claim": f"{TEXT}\n\n{LINES}", "expected": TEXT}
    claim |= {"unit": TEXT, "note": TEXT, "slip": TEXT, "terms": terms}
    claim |= {"holds": [{"computed": "one + one", "low": 2, "high": 2}]}
    ledger = {"schema": 1, "title": TEXT, "claims": [claim]}
    Path("claims.yaml").write_text(json.dumps(ledger), encoding="utf-8")
    laws = {"x": {"fixed": 2, "unit": TEXT}, "pue": {"fixed": 2, "unit": "[/x] {0} $m$"}}
    unit = {"schema": 1, "model": "flops", "extends": "epoch", "assumptions": laws}
    Path("unit.yaml").write_text(json.dumps(unit), encoding="utf-8")
    Path("m.py").write_text("def f(x):\n    return x\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["uncertainty", *words])
    good = ("claims.yaml" in words and TEXT not in words) or words == ("cache",)
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capfd.readouterr()
    assert ended.value.code == (0 if good else 2), err
    assert all(line.isprintable() for line in (out + err).splitlines())
    assert "a defect" not in err
    if "--json" in words:
        assert json.loads(out)[0]["expected"] == TEXT
    elif "claims.yaml" in words and good:
        shown = "".join(out.split())
        assert shown.count("".join(TEXT.split())) == 3  # claim, slip and note
        assert {*TEXT.split()} <= {*out.split()}  # in columns of the table
    assert not err or err.count("\n") == err.strip().count("\n") + 1


@pytest.mark.parametrize("where", ["id", "claim", "expected", "unit", "note", "slip"])
def test_a_character_that_acts_is_a_fault_in_a_ledger(where, tmp_path):
    claim = {"id": "A1", "source": "epoch2025", "claim": "one", "expected": "1", "unit": "1"}
    claim |= {"terms": {"one": {"number": 1}}, "holds": [{"computed": "one", "low": 1, "high": 1}]}
    ledger = {"schema": 1, "title": "", "claims": [claim | {where: "a\x1b[2Jb"}]}
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps(ledger), encoding="utf-8")
    with pytest.raises(un.InputError, match=r"claims.yaml:1:\d+: .*U\+001B"):
        un.check_ledger(path)
