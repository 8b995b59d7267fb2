"""What YAML allows and no prior file needs: located, or read right; never an exception."""

import random

import pytest

import uncertainty as un
from uncertainty.files import given_layer, resolve
from uncertainty.files.document import (
    DocumentError,
    _composed,
    parse_yaml,
    to_plain,
    yaml_text,
)
from uncertainty.files.evidence import read_evidence
from uncertainty.files.library import Place, shipped_folder

HEAD = "schema: 1\nassumptions:\n  x:\n"
ANCHOR = "schema: 1\ntitle: &a One\nassumptions:\n"


def build(text, folder):
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return un.build_problem(path, model=lambda x: x)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (HEAD + "    ? {a: 1}\n    : 2\n", "4:7", "a key must be a name .got a mapping"),
        (HEAD + "    ? [a, b]\n    : 2\n", "4:7", "a key must be a name .got a list"),
        (HEAD + "    fixed: 1\n    null: W\n", "5:5", "got 'null', which is no value in YAML"),
        (HEAD + "    fixed: 1\n    ~: W\n", "5:5", "got '~'"),
        (HEAD + "    fixed: 1\n    : W\n", "5:5", "got nothing"),
        (HEAD + "    fixed: 1\n    true: W\n", "5:5", "got true, which YAML reads as true or false"),
        (HEAD + "    fixed: 1\n  FALSE: 2\n", "5:3", "got FALSE, which YAML reads as true or false"),
        (ANCHOR + "  *a : {fixed: 1}\n", "4:3", "got the alias"),
        (HEAD + f"    fixed: {'9' * 5000}\n", "4:12", "a number of 5,000 digits is too large"),
        (HEAD + f"    fixed: 0x{'f' * 5000}\n", "4:12", "is too large"),
        (HEAD + f"    fixed: {'9' * 400}\n", "4:5", "must be a finite number"),
        (HEAD + "    fixed: 1\n    note: a\x07\n", "5:12", r"control character U\+0007; take it"),
        (HEAD + "    fixed: 1 # \u202e\n", "4:16", r"the control character U\+202E"),
        (HEAD + '    fixed: 1\n    note: "\\x1b[2J"\n', "5:11", r"control character U\+001B"),
        (HEAD + '    fixed: 1\n    note: "\\ud800"\n', "5:11", r"half a character U\+D800"),
        (HEAD + "    fixed: 1\n    note: a\ufffe\n", "5:12", r"control character U\+FFFE"),
        (HEAD + "    fixed: .NaN\n", "4:5", "must be a finite number .got nan"),
        (HEAD + "    fixed: -.INF\n", "4:5", "must be a finite number .got -inf"),
        (HEAD + "    fixed: 1\n    .nan: 2\n", "5:5", "nan: unknown key"),
        (HEAD + "    quantiles: {.nan: 2, 0.5: 3}\n", "4:5", "'nan' is not a probability"),
        (HEAD + "    fixed: 1\n    \tunit: W\n", "5:5", "a tab: indent with spaces"),
        (HEAD + "    fixed: 1\n    1: 2\n    '1': 3\n", "6:5", "is there twice"),
        (HEAD + "    fixed: 1\n---\nx: 1\n", "5:1", "another document: keep one"),
        (HEAD + "    fixed: 2024-01-01\n", "4:5", "must be a number"),
        (HEAD + "    fixed: 1\n    note: @me\n", "5:11", "put the text in quotes"),
        (HEAD.encode() + b"    note: \xff\n", "4:11", "is not UTF-8 text"),
        ("\ufeff" + HEAD + "    fixd: 1\n", "4:5", "did you mean 'fixed'"),
        (HEAD.replace("\n", "\r\n") + "    fixd: 1\r\n", "4:5", "did you mean 'fixed'"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "1:1", "is not UTF-8 text"),
        ("", "1:1", "is empty"),
        ("x", "1:1", "must be a mapping"),
    ],
)  # fmt: skip
def test_odd_yaml_is_said_at_its_place(text, place, message, tmp_path):
    with pytest.raises(un.InputError, match=message) as caught:
        build(text, tmp_path)
    places = [f"{fault.line}:{fault.column}" for fault in caught.value.faults]
    assert place in places, str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD + "    fixed: 2\n",
        (HEAD + "    fixed: 2\n").replace("\n", "\r\n"),
        "%YAML 1.2\n---\n" + HEAD + "    fixed: 2\n...\n",
        HEAD + "    fixed: &two 2\n    note: *two\n".replace("note: *two", "note: 'two'"),
        HEAD + "    note: >-\n      folded\n      lines \u00e9 \U0001f600\n    fixed: 2.0e0\n",
        HEAD + '    note: "a\\tb\\n"\n    fixed: 0x2\n',
    ],
)
def test_what_is_only_unusual_is_read(text, tmp_path):
    assert build(text, tmp_path).central() == {"y": 2.0}


def test_a_mapping_of_python_is_held_to_the_same(tmp_path):
    loop = {"schema": 1}
    loop["assumptions"] = {"x": loop}
    law = {"fixed": 1}
    for data, message in (
        (loop, "nested more than"),
        ({"schema": 1, "assumptions": {1: law, "1": law}}, "stands twice"),
        ({"schema": 1, "title": "a\x1b[2J", "assumptions": {"x": law}}, "title: has the control"),
        ({"schema": 1, "assumptions": {"x\x07": law}}, "has the control character"),
        ({"schema": 1, "assumptions": {"x": {"fixed": 10**5000}}}, "must be a finite number"),
        ({"schema": 10**400, "assumptions": {"x": law}}, "is later than"),
    ):
        with pytest.raises(un.InputError, match=message):
            un.build_problem(data, model=lambda x: x)
    given = {"x": {"fixed": 1, "note": "\x07"}}
    priors = un.load_priors({"schema": 1, "assumptions": {"x": law}})
    with pytest.raises(un.InputError, match=r"x\.note: has the control character"):
        un.build_problem(priors, model=lambda x: x, given=given)


JUNK = ["null", "? {a: 1}", "- ", "{", "]", ": ", "*a", "!!int ", "'", "\t", "\x00", "\u202e", "1e999",
        "9" * 400, "9" * 5000, ".nan", "2024-01-01", "---\n", "> ", "@x", "1,2", "\r\n", "null: 3", "a: b: c"]  # fmt: skip


def mutated(text, rng):
    lines = text.split("\n")
    line, place = rng.randrange(len(lines)), rng.randrange(len(text))
    kind = rng.randrange(5)
    if kind == 0:
        return text[:place] + rng.choice(JUNK) + text[place + rng.randrange(4) :]
    if kind == 1:
        lines[line] = lines[line].split(":")[0] + ": " + rng.choice(JUNK)
    elif kind == 2:
        lines.insert(line, rng.choice(lines))
    elif kind == 3:
        del lines[line]
    else:
        lines[line] = " " * rng.randrange(4) + lines[line]
    return "\n".join(lines)


FUZZED = ("gpt-4o", "fleet", "base/datacenter", "evidence/mlenergy-formula", "frontier-forms")


def test_mutated_files_end_in_located_faults_and_nothing_else(tmp_path):
    rng = random.Random(17)
    for number in range(60):
        name = FUZZED[number % len(FUZZED)]
        path = tmp_path / f"f{number}.yaml"
        path.write_text(mutated((shipped_folder() / f"{name}.yaml").read_text(), rng))
        if name.startswith("evidence"):
            faults = read_evidence(str(path), Place(tmp_path, tmp_path)).faults
        else:
            priors = un.load_priors(path)
            faults = resolve(priors, given_layer({}, priors.place), None).faults
        own = [fault for fault in faults if fault.path == str(path)]
        assert all(fault.line and fault.column for fault in own), path.read_text()


def test_what_is_written_reads_back_the_same():
    data = {
        "schema": 1,
        "title": "One: of # two\nlines, é 'x' \"y\" \\ e",
        "assumptions": {
            "a": {"quantiles": {"0": -1.5e-7, "0.05": 1e11, "1": 123456789.125}, "note": "null"},
            "b": {"fixed": 1 / 3, "unit": "1", "note": f"{'long text ' * 30}: end "},
            "yes": {"fixed": "yes", "basis": None},
            "e": {"fixed": 1e-300, "note": "1e3"},
        },
        "evidence": [],
        "scenarios": {"empty": {}},
        "rows": [[None, 1.0, "x, y"], ["~", True, 1e22]],
    }
    text = yaml_text(data, "Head", {("assumptions", "yes"): "\nabove", ("rows",): ""})
    plain = to_plain(parse_yaml(text))
    levels = plain["assumptions"]["a"].pop("quantiles")
    quantiles = data["assumptions"]["a"].pop("quantiles")
    assert {float(k): v for k, v in levels.items()} == {float(k): v for k, v in quantiles.items()}
    assert plain == data
    assert text.startswith("# Head\nschema: 1\n")
    assert "\n\n  # above\n  yes: {fixed: yes, basis: null}\n" in text
    assert max(map(len, text.splitlines())) < 110


def test_the_parser_in_python_reads_what_the_one_in_c_reads(monkeypatch):
    rng = random.Random(29)
    texts = [path.read_text() for path in sorted(shipped_folder().rglob("*.yaml"))]
    texts += [
        "a: &x {b: 1, c: [~, .INF, -.5, 1.e1, 0x1F, 0o17, 010, 1_000, 1e3, +2]}\nd: {<<: *x, b: 2}\n",
        "? a\n: |\n  two\n  lines\nb: 'it''s'\nc: \"\\u00e9\"\n'1': yes\n2: 2024-01-01\n",
        *(mutated(rng.choice(texts), rng) for _ in range(40)),
    ]

    def read(text):
        try:
            return _composed(text)
        except DocumentError as error:
            return str(error), error.keys, error.line, error.column

    by_c = [read(text) for text in texts]
    monkeypatch.delattr("yaml.CSafeLoader")
    for text, result in zip(texts, by_c, strict=True):
        assert read(text) == result, text
    plain = {"b": 1, "c": [None, float("inf"), -0.5, 10.0, 31, 15, 10, 1000, 1000.0, 2]}
    assert by_c[-42][0] == {"a": plain, "d": {**plain, "b": 2}}
