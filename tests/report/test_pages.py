"""Documents are whole, readable without sight or script, ask no other host, and say what CSV says."""

import csv
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import uncertainty as un
from uncertainty import cli
from uncertainty.report.figures import rounded
from uncertainty.report.pages.document import again, appendix_parts, arranged
from uncertainty.report.pages.latex import _SPECIAL, escape_latex
from uncertainty.report.parts import Heading, Notes, Sentence, Table

HOSTILE = (
    "=1+1 <script>alert(1)</script> <img src=http://evil.example/x onerror=a> {{ 7*7 }} {% x %} [/x] "
    "$\\frac{ {0} 5 % & # ~ ^ _d_ &amp; \\input{x} \\\\ --> ]]> a|b ' \" 日本"
)
FILE = {
    "schema": 1,
    "title": HOSTILE,
    "model": "throughput",
    "assumptions": {
        "gpu_power_w": {"fixed": 700},
        "gpu_count": {"fixed": 1, "note": HOSTILE},
        "tokens_per_s": {
            "lognormal": {"median": 1000, "sigma": 0.3}, "source": "mlenergy2025",
            "basis": "measured", "note": HOSTILE,
        },
        "output_tokens": {"varies": "query", "lognormal": {"median": 300, "sigma": 1}},
        "power_fraction": {"uniform": {"low": 0.6, "high": 0.9}, "source": "polca2024", "group": "<b>"},
        "overhead": {"fixed": 1.3},
    },
}  # fmt: skip
VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}


class Page(HTMLParser):
    """Checks that tags close in order; keeps what is asked of a page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.seen, self.texts = [], [], [], []
        self.feed(text.replace("<wbr>", ""))  # where a long name may break
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.seen.append((tag, attributes, [*self.open]))
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(([*self.open], data))

    def of(self, *tags):
        return [attributes for tag, attributes, _ in self.seen if tag in tags]

    def text(self, tag):
        return [data.strip() for path, data in self.texts if tag in path and data.strip()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    path = tmp_path_factory.mktemp("priors") / "p.yaml"
    path.write_text(json.dumps(FILE), encoding="utf-8")
    return un.simulate(un.build_problem(un.load_priors(path)), draws=256)


@pytest.fixture(scope="module")
def folder(tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    ranking = un.rank_inputs(tree, method="value")
    un.write_report(tree, folder, ranking=ranking, formats=("md", "html", "tex"))
    un.save(tree, folder / "run.nc")
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text("utf-8"))


def test_a_page_is_whole_and_its_headings_are_in_order(page):
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("main")) == 1
    levels = [int(tag[1]) for tag, *_ in page.seen if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    order = page.text("h2") + page.text("h3")
    expected = ["What matters", "Appendix", "Assumptions", "Method", "Sources", "Provenance"]
    assert [title for title in order if title in expected] == expected


def test_every_figure_has_a_title_and_a_description(page):
    drawings = [a for tag, a, path in page.seen if tag == "svg"]
    assert len(drawings) == 2 + 6  # distribution, ranking; one for each assumption
    assert len(page.ids) == len({*page.ids})
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert {drawing["aria-labelledby"], drawing["aria-describedby"]} <= {*page.ids}
    for tag, _, path in page.seen:
        assert (tag in {"desc"}) <= ("svg" in path)
    for _, attributes, path in page.seen:
        for key in ("href", "clip-path", "fill"):
            for name in re.findall(r"^#(.+)|url\(#(.+?)\)", str(attributes.get(key, ""))):
                if "svg" in path:
                    assert max(name) in page.ids


def test_a_page_asks_no_other_host(page):
    for tag, attributes, path in page.seen:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "image"}
        assert "src" not in attributes
        assert not any(key.startswith("on") for key in attributes)
        if "http" in str(attributes.get("href", "")):
            assert tag == "a"
            assert "svg" not in path
    links = {attributes["href"] for attributes in page.of("a")}
    assert links == {"https://arxiv.org/abs/2505.06371"}
    [style] = page.text("style")
    assert not re.search(r"url\(|@import", style)


def test_hostile_text_is_text_in_every_format(page, folder):
    assert len(page.of("script")) == 1
    assert page.text("h1") == [HOSTILE]
    assert page.text("title")[0] == HOSTILE
    assert sum(text == HOSTILE for text in page.text("td")) == 2
    tokens = (
        MarkdownIt("commonmark").enable("table").parse((folder / "report.md").read_text("utf-8"))
    )
    assert not {"html_block", "html_inline"} & {
        t.type for token in tokens for t in [token, *(token.children or [])]
    }
    assert "\\input" not in (folder / "report.tex").read_text("utf-8")


def test_numbers_are_those_of_the_table(page, folder, tree):
    with (folder / "summary.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"] == "energy_wh"]
    cells = page.text("td")
    for row in rows:
        for key in ("median", "mean"):
            number = rounded(float(row[key]))
            assert any(cell == number or cell.startswith(f"{number} ±") for cell in cells)
        low, high = rounded(float(row["lower"])), rounded(float(row["upper"]))
        assert any(
            re.match(rf"{re.escape(low)}( ± \S+)? to {re.escape(high)}", cell) for cell in cells
        )
    speed = un.summarize_inputs(tree).sel(input="tokens_per_s")
    assert rounded(float(speed["median"])) in cells
    assert f"{rounded(float(speed['p5']))} to {rounded(float(speed['p95']))}" in cells


def test_tables_name_their_rows_and_columns(page):
    for tag, attributes, path in page.seen:
        if tag == "th":
            assert attributes["scope"] == ("col" if "thead" in path else "row")
    assert "num" in {attributes.get("class") for attributes in page.of("td")}


def test_latex_is_balanced_and_has_no_character_that_acts(folder):
    text = (folder / "report.tex").read_text("utf-8")
    begun = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            begun.append(name)
        else:
            assert begun.pop() == name
    assert not begun
    plain = re.sub(r"\\[\\{}$&#%_]", "", text)
    assert plain.count("{") == plain.count("}")
    assert not {"$", "#", "^", "~", "%"} & {*plain}
    body = plain[plain.index("begin{document}") :]
    assert "_" not in body
    for line in body.splitlines():
        assert ("&" in line) <= line.endswith(r" ") or "&" not in line


LETTERS = st.text(max_size=30) | st.text("\\{}$&#%_^~<>|\"`'-?!, abc±×→", max_size=30)


@given(LETTERS)
@example(HOSTILE)
@example("0a" * 32)
def test_latex_prints_any_text_as_it_is(text):
    from unicodedata import normalize

    from uncertainty.errors import one_line

    written = escape_latex(text).replace(r"\allowbreak{}", "")
    back = {v.replace(r"\allowbreak{}", ""): key for key, v in _SPECIAL.items() if key != "μ"}
    tokens = "|".join(map(re.escape, sorted(back, key=len, reverse=True)))
    pieces = re.split(rf"({tokens}|\[U\+[0-9A-F]{{4,6}}\])", written)
    assert not {*"\\{}$&#%_^~<>|\"`'"} & {*"".join(pieces[::2])}
    read = [back.get(p) or (chr(int(p[3:-1], 16)) if i % 2 else p) for i, p in enumerate(pieces)]
    if "[U+" not in text:
        assert "".join(read) == normalize("NFC", one_line(text).strip()).replace("μ", "µ")


def test_the_appendix_comes_last_and_is_one_level_deeper():
    parts = [
        Heading("a", 1),
        Heading("b", detail=True),
        Sentence("of b"),
        Heading("c"),
        Notes("d", ["e"], detail=True),
    ]
    titles = [(p.text, p.level) for p in arranged(parts) if isinstance(p, Heading)]
    assert titles == [("a", 1), ("c", 2), ("Appendix", 2), ("b", 3), ("d", 3)]
    assert arranged(parts[:1]) == parts[:1]


def test_a_command_gives_the_result_again(tree):
    words = again(tree.attrs)
    assert words.startswith("uncertainty run ")
    assert words.endswith("p.yaml --draws 256 --seed 0")
    assert again({"recipe": "null"}) == ""


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["uncertainty", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        found = capsys.readouterr()
        return ended.value.code, found.out, found.err

    return run


def test_a_saved_run_becomes_one_file_that_is_not_written_over(call, tree, tmp_path):
    run = un.save(tree, tmp_path / "run.nc")
    status, out, _ = call("report", run)
    assert status == 0
    assert "For a report: " in out
    first = (tmp_path / "report.html").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"run.nc", "report.html"}
    status, _, err = call("report", run)
    assert status == 2
    assert "report.html: exists already" in err
    assert call("report", run, "--force")[0] == 0
    assert (tmp_path / "report.html").read_bytes() == first  # two runs, the same bytes
    status, out, _ = call("report", run, "--out", tmp_path / "x.tex", "--json")
    assert json.loads(out) == {"warnings": [], "written": [str(tmp_path / "x.tex")]}
    assert (tmp_path / "x.tex").read_text("utf-8").startswith("\\documentclass")
    assert call("report", run, "--to", "md", "--quantity", "gpu_energy_wh")[0] == 0
    assert "](data:image/svg+xml;base64," in (tmp_path / "report.md").read_text("utf-8")
    assert call("report", run, "--force", "--out", run)[0] == 2
    assert un.load(run).equals(tree)


def test_what_is_not_to_be_trusted_says_so_first(call, tree, tmp_path):
    doubtful = tree.copy()
    doubtful.attrs["warnings"] = json.dumps(["chains disagree"])
    status, _, err = call("report", un.save(doubtful, tmp_path / "odd.nc"))
    assert status == 3
    assert "not to be trusted: chains disagree" in err
    text = Path(tmp_path / "report-odd.html").read_text("utf-8")
    assert text.index("Not to be trusted") < text.index("<table>")


def test_an_unknown_format_is_a_fault_with_a_hint(tree, tmp_path):
    with pytest.raises(un.InputError, match="htm"):
        un.write_report(tree, tmp_path / "new", formats=("htm",))
    assert not (tmp_path / "new").exists()


def test_a_hash_may_go_on_in_the_next_line_and_a_word_may_not():
    parts = escape_latex("0a" * 32).split(r"\allowbreak{}")
    assert [len(part) for part in parts] == [10] * 6 + [4]
    assert escape_latex("mlenergylongitudinal") == "mlenergylongitudinal"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_plain_latex_takes_it(folder, tmp_path):
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run(
        [*command, folder / "report.tex"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("law", [{"fixed": 2}, {"normal": {"mean": 0, "sd": 1}}, None], ids=str)
def test_what_has_no_spread_no_logarithm_or_no_inputs_has_a_page_too(law, tmp_path):
    laws = {"a": law or {"lognormal": {"median": 1, "sigma": 0.5}}}
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a: 2 * a)
    tree = un.simulate(problem, draws=64) if law else un.stream(problem, draws=2**12)
    un.write_report(tree, tmp_path, formats=("html", "tex"))
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert ("Assumptions" in page.text("h3")) == (law is not None)
    assert "Energy model: <lambda>." in page.text("p")
    assert page.text("p")[-1].startswith("It was made from Python objects")


def test_a_terminal_has_no_appendix(tree):
    from uncertainty.cli.terminal import items_on_terminal
    from uncertainty.report import parts

    texts = [item for item in items_on_terminal(parts(tree)) if isinstance(item, str)]
    assert not [text for text in texts if "Energy model" in text or "uncertainty run" in text]
    assert any("what is not known" in text for text in texts)


def test_effects_of_measured_groups_are_no_assumptions(tree):
    posterior = tree.copy()
    draws = posterior["prior"].to_dataset()
    effects = draws["tokens_per_s"].expand_dims(group=3, axis=-1)
    posterior["posterior"] = draws.assign(effects=effects, system_effect=draws["overhead"])
    names = [
        row[0] for part in appendix_parts(posterior) if isinstance(part, Table) for row in part.rows
    ]
    assert "system_effect" in names
    assert "effects" not in names
