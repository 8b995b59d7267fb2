"""Text of other people stays text wherever it is written."""

import csv
import io
import re
import warnings
from html import unescape
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import uncertainty as un
from uncertainty.cli.terminal import complain, say, table
from uncertainty.errors import InputError, one_line
from uncertainty.report.figures import (
    one_axes,
    plain_numbers,
    plot_fit,
    plot_rank_chances,
    plot_ranking,
    plot_scenarios,
    plot_shares,
    plot_sweep,
)
from uncertainty.report.pages.html import html
from uncertainty.report.parts import (
    Doubts,
    Heading,
    Notes,
    Sentence,
    Table,
    escape,
    markdown,
    write_csv,
    write_figure,
)

NASTY = "=1+1 <script>alert(1)</script> [/x] [bold] a|b $\\frac{ {0} `c` *d* _e_ \\ &amp; #f 日本"
ACTING = "title\n# Verified\r\x1b[2J\x07\u202e\u2028end\ud800"
MARKDOWN = MarkdownIt("commonmark").enable("table")


def shown(markdown):
    """What a reader of the page sees: the kinds of its blocks, and the text in them."""
    tokens = MARKDOWN.parse(markdown)
    kinds = {t.type.removesuffix("_open") for t in tokens if t.type.endswith("_open")}
    others = {t.type for t in tokens if t.nesting == 0} - {"inline"}
    inline = [child for t in tokens for child in t.children or []]
    assert {child.type for child in inline} <= {"text", "text_special", "softbreak"}
    return kinds | others, "".join(child.content for child in inline)


TEXTS = st.text(max_size=30) | st.text("#-+=*_`[]()<>|~$&;\\!:1.) a\n", max_size=30)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example(NASTY)
@example(ACTING)
@example("- - -")
@example("1. one")
@example("=====")
@example("a &lt; b &#35;")
@example("\tcode")
def test_markdown_shows_any_text_as_it_is(text):
    line = one_line(text).strip()
    for part, kinds, before in (
        (Sentence(text), {"paragraph"}, ""),
        (Heading(text), {"heading"}, ""),
        (Notes("of", [text]), {"heading", "bullet_list", "list_item", "paragraph"}, "of"),
    ):
        found, seen = shown(markdown([part]))
        assert seen == before + line
        if line:
            assert found == kinds
    kinds, seen = shown(markdown([Table("", ["a", "b"], [[text, "x"]])]))
    assert seen == f"ab{line}x"
    assert "table" in kinds


@given(TEXTS)
@example(NASTY)
@example(ACTING)
@example("</p><script>")
def test_html_shows_any_text_as_it_is(text):
    def shown(text):
        table = Table(text, ["a", text], [[text, text]], links={text: f"javascript:{text}"})
        parts = [
            Sentence(text),
            Sentence(text, code=True),
            Notes("", [text]),
            Doubts([text]),
            table,
        ]
        page = html([Heading(text, 1), *parts], {}).replace("<wbr>", "")
        body = page[page.index("<body>") : page.index("<script>")]
        return re.findall(r"</?[a-z0-9]+", body), unescape(re.sub(r"<[^>]*>", "", body))

    tags, seen = shown(text)
    if text:  # a table without a title has no caption
        assert tags == shown("x")[0]
        assert seen.count(one_line(text)) >= 9


@given(TEXTS)
def test_one_line_has_no_character_that_acts(text):
    assert one_line(text).isprintable() or not text
    assert len(one_line(text)) == len(text)


def test_a_fault_is_one_line_whatever_is_in_it():
    assert len(str(InputError.of(ACTING, ACTING)).splitlines()) == 1
    assert "\x1b" not in str(InputError.of(ACTING, ACTING))


def test_the_terminal_shows_markup_as_text(capsys):
    table(NASTY, ["name", NASTY], [[NASTY, ACTING], ["[/x]", ":smile: [red]"]])
    say(NASTY)
    say(ACTING)
    complain(ACTING)
    found = capsys.readouterr()
    for part in ("[/x]", ":smile:", "[red]", "# Verified"):
        assert part in found.out
    assert len(found.err.splitlines()) == 1
    assert not {"\x1b", "\x07", "\u202e"} & {*found.out, *found.err}


@pytest.mark.parametrize("width", [200, 80, 50])
def test_no_word_of_a_table_breaks_where_the_terminal_has_room_for_one_column(
    monkeypatch, capsys, width
):
    from rich.console import Console

    from uncertainty.cli import terminal

    monkeypatch.setattr(
        terminal, "console", lambda **_: Console(width=width, markup=False, emoji=False)
    )
    names = ["gpt-4o:long_input_tokens", "base/frontier-moe"]
    columns = ["", "statistic", *(f"figure_{i}" for i in range(9))]
    cells = [f"{i}.123 ± 0.00{i}" for i in range(9)]
    table("Against the first", columns, [[name, "typical query", *cells] for name in names])
    lines = capsys.readouterr().out.splitlines()
    words = [word for line in lines for word in line.split()]
    assert {*names, *columns[1:], *(f"{i}.123" for i in range(9))} <= {*words}
    assert max(map(len, lines)) <= width


def test_figures_stay_beside_their_errors_where_a_name_is_long(capsys):
    name = " + ".join(f"input_number_{i}" for i in range(20))
    rows = [["1", "batch_size", "0.358 ± 0.0094", "0.418 ± 0.0077"]]
    table("Shares", ["rank", "input", "first order", "total"], [*rows, ["2", name, *rows[0][2:]]])
    lines = capsys.readouterr().out.splitlines()
    assert sum("0.358 ± 0.0094" in line and "0.418 ± 0.0077" in line for line in lines) == 2


def test_csv_keeps_numbers_and_disarms_formulas(tmp_path):
    texts = ["=1+1", "+1", "-1", "@a", "\t=1", " =1", "plain", "a,b", 'a"b', ACTING]
    frame = pd.DataFrame({"=name": texts, "value": np.linspace(-1, 1, len(texts))})
    path = write_csv(tmp_path / "a.csv", frame)
    header, *rows = csv.reader(io.StringIO(path.read_text("utf-8")))
    assert header == ["'=name", "value"]
    assert len(rows) == len(texts)
    assert all(cell.strip()[:1] not in {"=", "+", "-", "@"} for cell, _ in rows)
    assert np.array_equal([float(value) for _, value in rows], frame["value"])


@pytest.fixture(scope="module")
def answered():
    """A result whose every free text is hostile."""
    laws = {"median": 1.0, "sigma": 0.5}
    entries = {
        name: {"lognormal": laws, "group": group, "note": NASTY}
        for name, group in (("a", NASTY), ("b", "a$b$c"), ("c", "{"))
    }
    priors = {"schema": 1, "title": NASTY, "assumptions": entries}
    problem = un.build_problem(priors, model=lambda a, b, c: {"energy_wh": a * b * c})
    return problem, un.simulate(problem, draws=256)


def test_reports_and_figures_show_hostile_texts(answered, tmp_path):
    problem, tree = answered
    ranking = un.rank_inputs(problem, by="group", draws=64)
    files = un.write_report(tree, tmp_path, ranking=ranking)
    files += un.write_ranking([ranking], tmp_path / "ranking")
    text = (tmp_path / "report.md").read_text("utf-8")
    assert text.startswith(f"# {escape(NASTY)}\n")
    html = MARKDOWN.render(text)
    assert "<script" not in html
    assert html.count("<h1>") == 1
    for path in files:
        if path.suffix == ".svg":
            ElementTree.parse(path)


def test_figures_draw_every_curve_however_many(tmp_path):
    names = [f"curve {i}" for i in range(23)]
    x = xr.DataArray([1.0, 2.0, 3.0], dims="x", name="x")
    row = {"median": x, "lower": x / 2, "upper": 2 * x}
    facts = {"prob": 0.9, "kind": "eti", "statistic": "typical", "quantity": "y"}
    one = xr.Dataset(row, {"x": x}, facts).expand_dims(quantity=["y"])
    labels = {"units": "Wh", "boundary": "", "meaning": "energy"}
    one = one.assign_coords({key: ("quantity", [value]) for key, value in labels.items()})
    figure = plot_sweep(dict.fromkeys(names, one), "y", {f"mark {i}": 2.0 for i in range(5)})
    axes = figure.axes[0]
    drawn = [line for line in axes.lines if line.get_label() in names]
    assert len(drawn) == len(names)
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn}) == len(names)
    assert sum(line.get_label().startswith("mark") for line in axes.lines) == 5
    numbers = np.linspace(1, 2, 12).reshape(4, 3)
    points = plot_fit(dict.fromkeys(names, numbers[0]), dict.fromkeys(names, numbers), 0.9, "J")
    lines = [line for line in points.axes[0].lines if line.get_label() in names]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == len(names)
    write_figure(tmp_path / "sweep", figure)


@pytest.mark.parametrize("ends", [(0.9, 1.1), (0.3, 2.0), (1.0, 9.0), (1e-3, 1e3), (1e-9, 1e9)])
def test_a_log_axis_has_enough_numbers_to_be_read(ends):
    figure, axes = one_axes(6, 3)
    axes.plot(ends, [0, 1])
    axes.set_xscale("log")
    plain_numbers(axes)
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    numbers = {t.get_text() for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high}
    assert 4 <= len(numbers) <= 12


def test_figures_say_what_they_are_of_and_stay_the_size_of_a_page():
    size = 40
    names = [" + ".join(f"input_{i}_{j}" for j in range(1 + i % 7)) for i in range(size)]
    shares = np.linspace(1, 0, size)
    columns = dict.fromkeys(
        ("first_order", "total", "first_order_se", "total_se"), ("input", shares)
    )
    chances = {"rank_probability": (("input", "position"), np.eye(size))}
    facts = {"method": "sobol", "statistic": "typical", "scale": "log", "quantity": "y"}
    ranking = xr.Dataset(
        columns | chances, {"input": names}, facts | {"subject": "A query", "group": "posterior"}
    )
    for plot in (plot_ranking, plot_rank_chances):
        figure = plot(ranking)
        assert figure.get_suptitle() == "A query (posterior)"
        assert max(figure.get_size_inches()) < 14
        assert "25 more, which rank below these, are in the table" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize("word", ["assumption_of_somebody_", "a"])
def test_long_names_leave_room_for_what_is_drawn(word, tmp_path):
    names = [f"{word * (60 // len(word))}{i}" for i in range(20)]
    shares = np.linspace(0.1, 0, 20)
    columns = dict.fromkeys(("shapley", "shapley_se"), ("input", shares))
    facts = {"method": "shapley", "statistic": "typical", "scale": "log", "quantity": "y"}
    ranking = xr.Dataset(columns, {"input": names}, facts | {"subject": "A", "group": "prior"})
    for number, figure in enumerate((plot_ranking(ranking), plot_shares([ranking]))):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a layout that has no room
            write_figure(tmp_path / str(number), figure)
        assert figure.axes[0].get_window_extent().width > 0.4 * figure.bbox.width
        for legend in figure.legends:
            assert legend.get_window_extent().x1 <= figure.bbox.x1
            assert legend.get_window_extent().y1 < figure.axes[0].get_window_extent().y0
    labels = [label.get_text() for label in plot_ranking(ranking).axes[0].get_yticklabels()]
    assert len({*labels}) == len(labels) == 15
    assert max(len(line) for label in labels for line in label.splitlines()) <= 32


def test_no_label_runs_over_the_edge_of_a_figure(tmp_path):
    figure, axes = one_axes(8, 3)
    axes.set_yticks([0], ["a long name of an input"])
    axes.set_xlabel("Share expected to go, were the input known, of log energy_wh, typical query")
    write_figure(tmp_path / "labels", figure)
    figure.draw_without_rendering()
    drawn = axes.xaxis.label.get_window_extent()
    assert 0 <= drawn.x0 < drawn.x1 <= figure.bbox.x1


def test_a_dollar_sign_in_a_figure_is_no_formula(tmp_path):
    table = xr.Dataset(
        {key: (("scenario", "statistic"), [[value], [value]])
         for key, value in (("median", 1.0), ("lower", 0.5), ("upper", 2.0))},
        {"scenario": ["$\\frac{", "costs $5 or $6"], "statistic": ["typical"]},
        {"prob": 0.9, "kind": "eti", "quantity": "y"},
    )  # fmt: skip
    for path in write_figure(tmp_path / "scenarios", plot_scenarios(table)):
        assert path.stat().st_size > 0
