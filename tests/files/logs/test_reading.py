"""Texts of logs are read whole or refused in a sentence, and values know their places."""

from pathlib import Path

import pytest

from uncertainty.errors import InputError
from uncertainty.files.logs import reading
from uncertainty.files.logs.reading import csv_records, json_place, json_record, read_text

HERE = Path("my-log")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"a,b\n1,\xff2\n", ":2:1: is not UTF-8 text (byte 6); save it as UTF-8"),
        ("a,b".encode("utf-16"), "is UTF-16 text: save it as text in UTF-8, JSON or CSV"),
        (b"PK\x03\x04rest", "is an Excel workbook (.xlsx) or another zip archive: save it as text"),
        (b"a\0b", "is not text: it holds zero bytes"),
    ],
)
def test_what_is_not_text_is_refused_in_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_text(path)
    assert sentence in str(error.value)


def test_a_file_without_end_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    path.write_text("a,b\n" * 10)
    monkeypatch.setattr(reading, "_LARGEST", 20)
    with pytest.raises(InputError, match="is larger than 20 bytes; leave single requests out"):
        read_text(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_text(tmp_path / "none.json")


def test_keys_of_json_are_found_where_they_stand():
    text = '{"a": {"x": "}"},\n "list": [{"x": 1},\n  {"y": 2, "x": 3}]}'
    assert json_place(text, ["a", "x"]) == (1, 8)
    assert json_place(text, ["list", 1]) == (3, 3)
    assert json_place(text, ["list", 1, "x"]) == (3, 12)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1 // watts\n}', "1:9: is not JSON: expecting ',' delimiter; JSON has no comments"),
        ('{"a": [1, 2', "the file ends too early: was it cut off?"),
        ('{"a": 1,\n "a": 2}', "2:2: a: this key is there twice; keep one"),
        ("[" * 100_000, "is nested too deep"),
    ],
)
def test_broken_json_is_located(text, sentence):
    with pytest.raises(InputError) as error:
        json_record(HERE, text)
    assert sentence in str(error.value)


def test_numbers_are_finite_and_not_negative_and_texts_of_cells_are_not_repeated():
    text = '{"a": NaN,\n "b": -1, "c": "sk-secret-of-somebody", "d": [1], "e": true, "f": "N/A", "g": 2}'
    record = json_record(HERE, text)
    assert [record.number(name) for name in "abcdef"] == [None] * 6
    assert record.number("g", scale=1e-3) == 2e-3
    record.number("h", needed=True)
    assert [str(fault).partition("my-log:")[2] for fault in record.faults] == [
        "1:2: a: must be a finite number, 0 or more (got nan)",
        "2:2: b: must be a finite number, 0 or more (got -1)",
        "2:11: c: must be a number (got a text)",
        "2:41: d: must be a number (got a list or a mapping)",
        "2:51: e: must be a finite number, 0 or more (got True)",
        "1:1: h: is missing",
    ]


def test_rows_that_do_not_match_their_header_are_all_named():
    with pytest.raises(InputError) as error:
        csv_records(HERE, "a,b,a\n1,2,3\n1,2\n1,2,3,4\n")
    assert [str(fault).partition("my-log:")[2] for fault in error.value.faults] == [
        "1:1: a: is there twice in the header",
        "3:1: has 2 cells, and the header 3: mend or remove the row",
        "4:1: has 4 cells, and the header 3: mend or remove the row",
    ]


def test_cells_know_their_line_and_column():
    first, second = csv_records(HERE, "a, b\n1,2\n\n3,x\n")
    assert first.number("b") == 2
    assert second.number("b") is None
    assert str(second.faults[0]).endswith("my-log:4:3: b: must be a number (got 'x')")
