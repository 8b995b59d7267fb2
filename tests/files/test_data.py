"""Data columns: every way a table can be wrong, and columns drawn row by row."""

import gzip

import numpy as np
import pytest

import uncertainty as un


def problem(folder, text, column="x", **more):
    """One column of a file, which holds a text or bytes."""
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / "data.csv").write_bytes(raw)
    law = {"empirical": {"file": str(folder / "data.csv"), "column": column, **more}}
    priors = un.load_priors({"schema": 1, "assumptions": {"a": law}}, allow_outside=True)
    return un.build_problem(priors, model=lambda a: a)


def complaints(folder, text, **more):
    with pytest.raises(un.InputError) as caught:
        problem(folder, text, **more)
    return [fault.message.split("' ", 1)[1] for fault in caught.value.faults]


WRONG = {
    "decimal comma": ("x\n1,5\n2\n", "must have 1 cell in each line, as the header has (line 2 has 2)"),
    "too many cells": ("x,y\n1,2\n1,2,3\n4\n", "(line 3 has 3, line 4 has 1)"),
    "thousands": ('x,y\n"1,000",2\n3,4\n', "(got '1,000' in line 2); numbers are written 1.5"),
    "underscore": ("x\n1_0\n2\n", "must hold finite numbers only (got '1_0' in line 2)"),
    "other digits": ("x\n\N{ARABIC-INDIC DIGIT FOUR}\n2\n", "must hold finite numbers only"),
    "not finite": ("x\ninf\nnan\n1e999\n2\n", "(got 'inf' in line 2, 'nan' in line 3, '1e999' in"),
    "header twice": ("x,y\n1,2\nx,y\n3,4\n", "repeats its header (line 3)"),
    "two of one name": ("x,y,x\n1,2,3\n", "has 2 columns called 'x'; rename all but one"),
    "no header": ("1,2\n3,4\n", "has no header: its first line must name the columns (got '1')"),
    "empty": ("", "is empty; its first line must name the columns"),
    "header alone": ("x,y\n", "has one value only in this column"),
    "semicolons": ("x;y\n1,5;2\n", "separates its cells by semicolons; save it with commas"),
    "spaces": ("x  y\n1  2\n", "separates its cells by spaces; save it with commas"),
    "tabs": ("x\ty\n1\t2\n", "separates its cells by tabs; save it with commas"),
    "quote left open": ('x,y\n1,"2\n3,4\n', "is not CSV in line 3: unexpected end of data"),
    "NUL": (b"x\n1\n\0\n", "is not text: byte 4 is NUL"),
    "not UTF-8": (b"x\n1\n\xff\n", "is not UTF-8 text (byte 4)"),
    "UTF-16": ("x\n1\n".encode("utf-16"), "is UTF-16 text, not CSV; save the table as CSV"),
    "Excel": (b"PK\x03\x04rest", "is an Excel workbook (.xlsx) or another zip archive, not CSV"),
    "Parquet": (b"PAR1rest", "is a Parquet file, not CSV; save the table as CSV"),
    "gzip": (gzip.compress(b"x\n1\n2\n"), "is compressed with gzip, not CSV"),
    "JSON": ('[{"x": 1}]', "is JSON, not CSV; save the table as CSV"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_table_that_is_wrong_is_refused_with_its_line_or_its_format(tmp_path, kind):
    text, message = WRONG[kind]
    [found] = complaints(tmp_path, text)
    assert message in found


def test_everything_wrong_is_said_at_once_and_a_long_list_is_cut(tmp_path):
    lines = ["x,y", *["many,1"] * 9, *["1"] * 5, "x,y"]
    cells, numbers, header = complaints(tmp_path, "\n".join(lines))
    assert cells.endswith("(line 11 has 1, line 12 has 1, line 13 has 1 and 2 more); numbers are "
                          "written 1.5 and 1000")  # fmt: skip
    assert header == "repeats its header (line 16)"
    assert numbers.endswith("'many' in line 3, 'many' in line 4 and 6 more)")


RIGHT = {
    "mark at the start": "\ufeffx,y\n1,9\n2,9\n",
    "Windows line ends": "x,y\r\n1,9\r\n2,9\r\n",
    "quotes and blanks": '"x", y\n"1",9\n\n +2.0e0,9\n',
    "a name that is empty": ",x\n0,1\n1,2\n",
}


@pytest.mark.parametrize("kind", RIGHT)
def test_a_table_that_is_merely_odd_is_read(tmp_path, kind):
    law = problem(tmp_path, RIGHT[kind]).assumptions["a"].law
    assert law.data == (1.0, 2.0)


def two_columns(folder, **more):
    rng = np.random.default_rng(2)
    first = rng.lognormal(size=200)
    table = np.column_stack([first, first * rng.lognormal(sigma=0.2, size=200)])
    rows = "\n".join(f"{a!r},{b!r}" for a, b in table.tolist())
    (folder / "chat-1.csv").write_text(f"short,long\n{rows}\n")
    stated = {
        name: {"empirical": {"file": str(folder / "chat-1.csv"), "column": name, **more}}
        for name in ("short", "long")
    }
    return table, un.load_priors({"schema": 1, "assumptions": stated}, allow_outside=True)


def ratio(short, long):
    return long / short


def test_columns_of_one_file_are_drawn_row_by_row_where_it_says_so(tmp_path):
    table, priors = two_columns(tmp_path, rows="file")
    problem = un.build_problem(priors, model=ratio)
    drawn = un.simulate(problem, draws=2**11)["prior"]
    rows = drawn["chat_1_row"].values.astype(int).ravel()
    for i, name in enumerate(("short", "long")):
        assert (drawn[name].values.ravel() == table[rows, i]).all()
    counts = np.bincount(rows, minlength=len(table))
    assert counts.min() > 0
    # What is ranked is the row: its columns have nothing of their own.
    assert un.rank_inputs(problem, method="sobol", draws=256)["input"].values.tolist() == [
        "chat_1_row"
    ]
    assert not [notice for notice in problem.notices if "independently" in str(notice)]


def test_columns_drawn_independently_are_said_to_be(tmp_path):
    problem = un.build_problem(two_columns(tmp_path)[1], model=ratio)
    [notice] = [notice for notice in problem.notices if "independently" in notice.message]
    assert "short and long are columns of one file" in notice.message
    assert "rows: file" in notice.message


def test_rows_stay_whole(tmp_path):
    _, priors = two_columns(tmp_path, rows="file")
    for change, message in (
        ({"truncate": {"high": 1}}, "cannot cut one column of rows: file"),
        ({"varies": "query"}, "write varies: query in both or in neither"),
    ):
        stated = priors.document.data["assumptions"]
        changed = {**stated, "long": {**stated["long"], **change}}
        again = un.load_priors({"schema": 1, "assumptions": changed}, allow_outside=True)
        with pytest.raises(un.InputError, match=message):
            un.build_problem(again, model=ratio)
