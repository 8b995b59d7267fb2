"""What the documents say is true: commands exist, examples run, shipped files keep their promises."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import uncertainty as un
from uncertainty.files.catalogue import KINDS
from uncertainty.files.document import parse_yaml
from uncertainty.files.families import FAMILY_KEYS
from uncertainty.files.library import shipped_folder, shipped_names
from uncertainty.inference import answer
from uncertainty.sampling import width_notices

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FORMAT = (ROOT / "priors" / "README.md").read_text()


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_two_commands_of_one_line_do_everything():
    first, second, *_ = blocks(README, "sh")
    assert len(first.splitlines()) == len(second.splitlines()) == 1
    assert "-m venv" in first
    assert "uncertainty run gpt-4o" in first
    assert "pytest" in second
    assert "[test]" in second


def test_every_command_of_the_readme_is_one_that_parses():
    from typer.main import get_command

    from uncertainty.cli import app

    commands = get_command(app).commands
    for line in "\n".join(blocks(README, "sh")).splitlines():
        for name, words in re.findall(r"uncertainty ([a-z]+) (.*?)(?: &&|$)", line):
            known = {option for p in commands[name].params for option in p.opts}
            assert set(re.findall(r"(?<= )--[a-z-]+", f" {words}")) <= known, line


FEWER = {
    "run": ["--draws", "512"],
    "rank": ["--draws", "128"],
    "infer": ["--draws", "100", "--warmup", "200"],
    "compare": ["--draws", "512"],
}


@pytest.mark.slow
def test_commands_of_the_readme_run_in_order(monkeypatch, tmp_path, capsys):
    """Each after the other in one folder, with fewer draws: what one writes the next one reads."""
    from uncertainty import cli

    monkeypatch.chdir(tmp_path)
    lines = "\n".join(blocks(README, "sh")).splitlines()
    found = (re.search(r"(?:^|bin/)(uncertainty .*)", line) for line in lines)
    lines = [match[1] for match in found if match and "--dask" not in match[1]]
    assert len(lines) > 10
    for line in lines:
        words = shlex.split(line, comments=True)
        stated = {"--draws", "--tolerance"} & {*words} or any(w.endswith(".nc") for w in words)
        fewer = [] if stated else FEWER.get(words[1], [])
        monkeypatch.setattr(sys, "argv", [*words, *fewer])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code in (0, 3), (line, capsys.readouterr().err)
        capsys.readouterr()


@pytest.mark.slow
def test_python_examples_of_the_readme_run():
    scope = {}
    for code in blocks(README, "python"):
        exec(code, scope)
    assert 0 < scope["chance"] < 1
    assert scope["ranking"].sizes["input"] == 1


@pytest.mark.parametrize("text", blocks(README, "yaml") + blocks(FORMAT, "yaml"))
def test_prior_files_of_the_documents_are_good(text):
    data = parse_yaml(text)
    model = None if "extends" in data else (lambda **inputs: next(iter(inputs.values())))
    problem = un.build_problem(data, model=model)
    for scenario in problem.priors.scenarios:
        un.build_problem(data, model=model, scenario=scenario)
    assert un.simulate(problem, draws=64)


def test_the_readme_counts_what_is_shipped():
    from uncertainty.files import catalogue
    from uncertainty.files.evidence import evidence_names, read_evidence
    from uncertainty.files.library import Place

    rows = sum(len(read_evidence(name, Place(ROOT, None)).rows) for name in evidence_names())
    kinds = ("hardware", "precision", "llm")
    accelerators, formats, models = (len(catalogue(kind)) for kind in kinds)
    text = " ".join(README.split())
    assert f"{rows} measured rows" in text
    asked = len({*ASKED, *MORE} - {"fleet", "roofline-calibrated", "roofline-efficiency"}) - 3
    assert f"{asked} kinds of query, three published estimates and a fleet" in text
    assert (
        f"{accelerators} accelerators, {formats} number formats and {models} language models"
        in text
    )


def test_the_page_on_the_format_names_every_distribution():
    assert {name for name in FAMILY_KEYS if f"| `{name}` |" not in FORMAT} == set()


def test_the_page_tells_what_moments_do_not_exist():
    for alpha, lost in ((1.0, "mean and variance"), (2.0, "variance does not")):
        given = {"utilization": {"beta": {"alpha": alpha, "beta": 9}}}
        notices = " ".join(str(n) for n in un.build_problem("epoch", given=given).notices)
        assert lost in notices


def shipped_entries():
    for name in shipped_names():
        data = parse_yaml((shipped_folder() / f"{name}.yaml").read_text())
        yield name, data


@pytest.mark.parametrize(("name", "data"), list(shipped_entries()), ids=shipped_names())
def test_shipped_files_give_every_number_a_source_a_unit_and_a_basis(name, data):
    assert {"schema", "title", "model", "assumptions"} <= set(data)
    layers = [data["assumptions"], *data.get("scenarios", {}).values()]
    for entries in layers:
        for assumption, entry in entries.items():
            named = assumption in KINDS and isinstance(entry, str)
            assert named or {"source", "unit", "basis"} <= set(entry), f"{name}: {assumption}"
    assert all("source" in entry for entry in data.get("correlations", []))


ASKED = [
    "agentic-coding", "frontier-moe", "gemini-like", "gpt-4o", "gpt-4o-mini", "long-document",
    "multi-turn-chat", "open-llama-70b", "reasoning-model", "small-dense",
]  # fmt: skip
MORE = [
    "bloom-low-traffic", "de-vries", "epoch", "fleet", "frontier-forms", "frontier-roofline", "gpt-4",
    "laptop-30b", "roofline-calibrated", "roofline-efficiency", "web-search",
]  # fmt: skip


def test_shipped_files_are_these():
    assert [name for name in shipped_names() if "/" not in name] == sorted(ASKED + MORE)


@pytest.mark.parametrize(
    "name",
    [
        name if name == "gpt-4o" else pytest.param(name, marks=pytest.mark.slow)
        for name in ASKED + MORE
    ],
)
def test_shipped_files_are_good_in_every_scenario(name):
    problem = un.build_problem(name)
    for scenario in (None, *problem.priors.scenarios):
        found = un.build_problem(name, scenario=scenario)
        assert not found.lost_means
        tree = un.simulate(found, draws=1024)
        assert not json.loads(tree.attrs["warnings"])
        assert not width_notices(un.summarize_inputs(tree))


def test_what_one_file_is_compared_with_is_not_in_it():
    """Gemini's published figure tests the priors like it, so they may not be made from it."""
    text = (shipped_folder() / "gemini-like.yaml").read_text()
    assert not re.search(r"0\.24|0\.10\b|\bWh\b", text)


PUBLISHED = {
    "gemini-like": ("typical", 0.24, "google2025"),
    "frontier-moe": ("typical", 0.31, "oviedo2026"),
    "gpt-4o": ("mean", 0.34, "altman2025"),
}


@pytest.mark.parametrize(
    "name",
    [n if "gpt-4o" in n else pytest.param(n, marks=pytest.mark.slow) for n in PUBLISHED],
)
def test_published_figures_lie_inside_calibrated_intervals_that_do_not_know_them(name):
    statistic, figure, source = PUBLISHED[name]
    problem = un.build_problem(name)
    tree = answer(problem, draws=2**12)
    tables = {p: un.summarize(tree, p, quantities=["energy_wh"]) for p in (0.8, 0.9)}
    rows = {p: table.sel(statistic=statistic).squeeze() for p, table in tables.items()}
    assert rows[0.8].lower < figure < rows[0.8].upper
    assert rows[0.9].upper < 30 * rows[0.9].lower
    used = [item for key, item in problem.assumptions.items() if key in problem.used]
    assert not any(source in item.source for item in used)


def test_shipped_evidence_is_cited_measured_and_small():
    from uncertainty.files.evidence import Evidence, evidence_names, read_evidence
    from uncertainty.files.library import Place, sources

    found = [read_evidence(name, Place(ROOT, None)) for name in evidence_names()]
    assert sum(len(item.rows) for item in found) <= 200
    for item in found:
        assert isinstance(item, Evidence)
        assert not item.faults
        assert item.source in sources()
        assert item.title
        assert item.model
        assert item.measurement.boundary


def test_gpt_4o_names_evidence_and_its_prior_is_what_it_is_without():
    with_evidence, without = un.build_problem("gpt-4o"), un.build_problem("gpt-4o", evidence=[])
    assert with_evidence.has_evidence
    one, other = (un.simulate(p, draws=64) for p in (with_evidence, without))
    assert (one["prior_predictive"]["energy_wh"] == other["prior_predictive"]["energy_wh"]).all()


@pytest.mark.parametrize("name", ["gpt-4o", pytest.param("open-llama-70b", marks=pytest.mark.slow)])
def test_the_ends_of_every_printed_interval_are_within_one_percent(name):
    problem = un.build_problem(name)
    tree = un.simulate(problem)
    for prob in (0.5, 0.9):
        table = un.summarize(tree, prob, quantities=["energy_wh"])
        for end in ("lower", "median", "upper"):
            assert float((table[f"mcse_{end}"] / table[end]).max()) < 0.01
    ranking = un.rank_inputs(problem, by="block")
    assert float(ranking["first_order_se"].max()) < 0.02
    assert float(ranking["total_se"].max()) < 0.02


def test_the_changelog_knows_this_version():
    assert f"## {un.__version__}" in (ROOT / "CHANGELOG.md").read_text()
