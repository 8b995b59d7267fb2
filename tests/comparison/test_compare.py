"""Comparisons at common points: closed forms for lognormals, and what cannot be compared."""

from functools import reduce
from operator import mul

import numpy as np
import pytest
from scipy.stats import norm

import uncertainty as un


def times(**inputs):
    return reduce(mul, inputs.values())


def lognormal(median, sigma):
    return {"lognormal": {"median": median, "sigma": sigma}}


def product(**laws):
    stated = {"schema": 1, "assumptions": laws}
    return un.build_problem(stated, model=times)


@pytest.fixture(scope="module")
def table():
    """Both take `a` alike; `b` is 3 times larger in the second; `c` is only in the second."""
    first = product(a=lognormal(2, 0.5), b=lognormal(1, 0.3))
    second = product(c=lognormal(1, 0.4), b=lognormal(3, 0.3), a=lognormal(2, 0.5))
    return un.compare({"first": first, "second": second}, quantity="y")


def test_what_both_share_cancels(table):
    """The ratio is 3 c, whatever the places of the assumptions in their files."""
    row = table.sel(scenario="second", statistic="query")
    ends = 3 * np.exp(0.4 * norm.ppf([0.5, 0.05, 0.95]))
    for key, exact in zip(("median", "lower", "upper"), ends, strict=True):
        error = float(row[f"mcse_ratio_{key}"])
        assert float(row[f"ratio_{key}"]) == pytest.approx(exact, abs=4 * error)
        assert error < 0.01 * exact


def test_the_chance_of_being_above(table):
    row = table.sel(scenario="second", statistic="query")
    exact = norm.cdf(np.log(3) / 0.4)
    assert float(row["chance_above"]) == pytest.approx(
        exact, abs=4 * float(row["mcse_chance_above"])
    )
    itself = table.sel(scenario="first", statistic="query")
    assert float(itself["chance_above"]) == 0
    assert float(itself["difference_median"]) == 0


def test_differences_have_their_intervals(table):
    row = table.sel(scenario="second", statistic="query")
    assert row["difference_lower"] < row["difference_median"] < row["difference_upper"]
    assert 0 < float(row["mcse_difference_median"]) < 0.02 * float(row["difference_median"])


def test_a_problem_with_and_one_without_queries_compare():
    varying = {"t": {"varies": "query", **lognormal(3, 1)}, "a": lognormal(2, 0.5)}
    first, second = product(a=lognormal(2, 0.5)), product(**varying)
    found = un.compare({"one": first, "other": second}, quantity="y", draws=2**10)
    row = found.sel(scenario="other", statistic="typical")
    assert float(row["ratio_median"]) == pytest.approx(3, rel=0.1)


def test_what_does_not_compare_is_refused():
    one = product(a=lognormal(1, 1))
    with pytest.raises(un.InputError, match="two or more"):
        un.compare({"one": one})
    with pytest.raises(un.InputError, match="the query has no 'y', which one has"):
        un.compare({"one": one, "the query": un.build_problem("gpt-4o")})
    board = un.build_problem(
        {"schema": 1, "assumptions": {"a": lognormal(1, 1)}}, model=lambda a: {"energy_wh": a}
    )
    with pytest.raises(un.InputError, match="at no boundary in own, in Wh at facility in gpt-4o"):
        un.compare({"own": board, "gpt-4o": un.build_problem("gpt-4o")})


EVIDENCE = {
    "schema": 1,
    "observes": "y",
    "error": {"lognormal": {"sigma": 0.2}},
    "columns": ["t", "c", "value"],
    "rows": [[1.0, 1.0, 3.0]],
}


def learned(evidence=EVIDENCE, **changes):
    """Evidence bears on `a`; `t` and `c` are stated in its row."""
    laws = {"a": lognormal(2, 0.5), "c": lognormal(1, 0.4)}
    laws |= {"t": {"varies": "query", **lognormal(1, 1)}, **changes}
    stated = {"schema": 1, "assumptions": laws}
    return un.build_problem(stated, model=times, evidence=evidence)


def test_one_posterior_is_shared_and_other_ones_are_two_unknowns():
    """Of `a` nothing is left where both have the same evidence, and twice its spread elsewhere."""
    other = {**EVIDENCE, "rows": [[1.0, 1.0, 3.5]]}
    problems = {
        "first": learned(),
        "larger": learned(c=lognormal(3, 0.4)),
        "other": learned(other),
        "alone": learned([]),
    }
    table = un.compare(problems, quantity="y", draws=512)
    assert table["group"].values.tolist() == ["posterior"] * 3 + ["prior"]
    spread = 1 / np.sqrt(1 / 0.5**2 + 1 / 0.2**2)
    middles = [spread**2 * (np.log(2) / 0.5**2 + np.log(y) / 0.2**2) for y in (3.0, 3.5)]
    exact = {
        "larger": (np.log(3), 0.0),
        "other": (middles[1] - middles[0], np.hypot(spread, spread)),
        "alone": (np.log(2) - middles[0], np.hypot(spread, 0.5)),
    }
    for name, (middle, sd) in exact.items():
        row = table.sel(scenario=name, statistic="typical")
        for key, level in (("median", 0.5), ("lower", 0.05), ("upper", 0.95)):
            end = np.exp(middle + sd * norm.ppf(level))
            error = float(row[f"mcse_ratio_{key}"])
            assert abs(float(row[f"ratio_{key}"]) - end) < 4.5 * error + 1e-9, (name, key)
            assert error < 0.05 * end
    assert "of other differs from that of" in table.attrs["pairing"]
    assert "alone has no evidence" in table.attrs["pairing"]


def test_a_file_against_itself_takes_exactly_as_much():
    table = un.compare({"one": learned(), "again": learned()}, quantity="y", draws=64)
    row = table.sel(scenario="again")
    for key in ("median", "lower", "upper"):
        assert (row[f"ratio_{key}"] == 1).all()
        assert (row[f"mcse_ratio_{key}"] == 0).all()
    assert (row["chance_above"] == 0).all()


def test_what_differs_by_rounding_alone_is_not_more():
    laws = {"a": {"lognormal": {"median": 2, "sigma": 0.6}}}
    problems = {
        name: un.build_problem({"schema": 1, "assumptions": laws}, model=model)
        for name, model in (("one", lambda a: 0.3 * a), ("other", lambda a: 0.1 * a + 0.2 * a))
    }
    table = un.compare(problems, draws=2**9).sel(scenario="other")
    assert (table["chance_above"] == 0).all()


def test_a_range_of_one_input_leaves_evidence_out_and_says_prior(tmp_path):
    prior = {
        "schema": 1,
        "assumptions": {"a": lognormal(2, 0.5), "b": lognormal(1, 0.3)},
        "evidence": [],
    }
    evidence = tmp_path / "measured.yaml"
    evidence.write_text(
        "schema: 1\nobserves: y\nerror: {lognormal: {sigma: 0.2}}\ncolumns: [value]\nrows: [[3]]\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nevidence: [measured]\nassumptions: {a: {lognormal: {median: 2, sigma: 0.5}}, "
        "b: {fixed: 1}}\n"
    )
    tables = {
        label: un.sweep(file, "b", [1, 2], quantities=["y"], model=times, draws=64)
        for label, file in (("plain", prior), ("measured", str(tmp_path / "mine.yaml")))
    }
    assert {table.attrs["group"] for table in tables.values()} == {"prior"}
    csv, *_ = un.write_sweep(tables, tmp_path / "out", quantity="y")
    rows = csv.read_text().splitlines()
    assert rows[0].endswith(",group")
    assert {row.rsplit(",", 1)[1] for row in rows[1:]} == {"prior"}
