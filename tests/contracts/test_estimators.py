"""Every ranking method: one shape, honest errors, closed forms."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import uncertainty as un
from uncertainty.sensitivity.rank import METHODS

ARITHMETIC = Path(__file__).parents[1] / "arithmetic.yaml"  # of utilization, which is correlated


@pytest.fixture(scope="module")
def problem(lognormals):
    return un.build_problem(lognormals.priors(), model=lognormals.model)


@pytest.fixture(scope="module")
def nested():
    laws = {
        "a": {"lognormal": {"median": 2, "sigma": 0.6}},
        "t": {"varies": "query", "lognormal": {"median": "m", "sigma": 1.0}},
        "m": {"lognormal": {"median": 3, "sigma": 0.3}},
        "k": {"fixed": 3},
    }
    return un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, t, k: a * t * k)


FEW = {"delta": 2**9, "pawn": 2**9}
"""Draws of methods that are slow."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("statistic", "scale"),
    [("typical", "log"), ("mean", "log"), ("query", "log"), ("query", "linear")],
)
class TestEveryMethod:
    def test_a_table_of_estimates_with_errors_that_a_second_call_repeats(
        self, nested, method, statistic, scale
    ):
        options = {"statistic": statistic, "scale": scale, "draws": FEW.get(method)}
        table = un.rank_inputs(nested, method=method, **options)
        names = {"a", "m", "t"} if statistic == "query" else {"a", "m"}
        assert set(table["input"].values) == names
        assert table["rank"].values.tolist() == list(range(1, len(names) + 1))
        assert table["rank_probability"].dims == ("input", "position")
        np.testing.assert_allclose(table["rank_probability"].sum("position"), 1)
        np.testing.assert_allclose(table["rank_probability"].sum("input"), 1)
        estimates = [
            n for n in table.data_vars if f"{n}_se" in table and table[n].dims == ("input",)
        ]
        assert estimates
        for name in estimates:
            assert np.isfinite(table[name]).all()
            assert (table[f"{name}_se"] >= 0).all()
        assert table.attrs["scale"] == scale

        assert table.identical(un.rank_inputs(nested, method=method, **options))


class TestSobol:
    def shares(self, lognormals):
        return {name: s**2 / lognormals.total**2 for name, s in lognormals.sigmas.items()}

    def test_log_scale_shares(self, problem, lognormals):
        table = un.rank_inputs(problem)
        assert table["input"].values.tolist() == ["a", "b", "c"]
        for name, share in self.shares(lognormals).items():
            row = table.sel(input=name)
            for key in ("first_order", "total"):
                assert float(row[key]) == pytest.approx(share, abs=4.5 * float(row[f"{key}_se"]))
                assert 0 < float(row[f"{key}_se"]) < 0.02

    def test_linear_scale_shares(self, problem, lognormals):
        table = un.rank_inputs(problem, scale="linear", draws=2**17)
        whole = np.expm1(lognormals.total**2)
        for name, s in lognormals.sigmas.items():
            row = table.sel(input=name)
            first = np.expm1(s**2) / whole
            total = 1 - np.expm1(lognormals.total**2 - s**2) / whole
            assert float(row["first_order"]) == pytest.approx(
                first, abs=4.5 * float(row["first_order_se"])
            )
            assert float(row["total"]) == pytest.approx(total, abs=4.5 * float(row["total_se"]))

    def test_ishigami(self):
        """First-order 0.3139, 0.4424, 0; total 0.5576, 0.4424, 0.2437 (Ishigami and Homma, 1990)."""
        import jax.numpy as jnp

        laws = {x: {"uniform": {"low": -np.pi, "high": np.pi}} for x in "abc"}
        problem = un.build_problem(
            {"schema": 1, "assumptions": laws},
            model=lambda a, b, c: jnp.sin(a) + 7 * jnp.sin(b) ** 2 + 0.1 * c**4 * jnp.sin(a),
        )
        table = un.rank_inputs(problem, scale="linear")
        exact = {"a": (0.313905, 0.557589), "b": (0.442411, 0.442411), "c": (0.0, 0.243684)}
        for name, (first, total) in exact.items():
            row = table.sel(input=name)
            assert float(row["first_order"]) == pytest.approx(
                first, abs=4.5 * float(row["first_order_se"])
            )
            assert float(row["total"]) == pytest.approx(total, abs=4.5 * float(row["total_se"]))

    def test_standard_errors_are_calibrated(self, problem, lognormals):
        """Of 200 seeds, the exact value lies inside the 95 % t interval of 90 to 98 %."""
        reach, hits = stats.t.ppf(0.975, 15), {}
        for seed in range(200):
            table = un.rank_inputs(problem, seed=seed, draws=2**11)
            for name, share in self.shares(lognormals).items():
                for key in ("first_order", "total"):
                    row = table.sel(input=name)
                    inside = abs(float(row[key]) - share) <= reach * float(row[f"{key}_se"])
                    hits.setdefault((name, key), []).append(inside)
        for key, inside in hits.items():
            assert 0.88 <= np.mean(inside) <= 0.99, key
        assert 0.90 <= np.mean(list(hits.values())) <= 0.98

    def test_nested_statistics_share_the_closed_form(self, nested):
        for statistic in ("typical", "mean"):
            table = un.rank_inputs(nested, statistic=statistic)
            row = table.sel(input="a")
            assert float(row["total"]) == pytest.approx(0.8, abs=4.5 * float(row["total_se"]))
            share, error = float(table["query_share"]), float(table["query_share_se"])
            assert share == pytest.approx(1 / 1.45, abs=4.5 * error)

    def test_a_query_ranks_what_varies_too(self, nested):
        table = un.rank_inputs(nested, statistic="query")
        row = table.sel(input="t")
        assert table["input"].values[0] == "t"
        assert float(row["total"]) == pytest.approx(1 / 1.45, abs=4.5 * float(row["total_se"]))
        assert "query_share" not in table

    def test_correlated_inputs_are_refused_with_an_explanation_and_ranked_together(self):
        problem = un.build_problem("gpt-4o-mini")
        with pytest.raises(
            un.InputError, match=r"moe_ratio and total_parameters are correlated.*by=\"block\""
        ):
            un.rank_inputs(problem)
        together = un.rank_inputs(problem, by="block")
        assert "total_parameters + moe_ratio" in together["input"].values
        groups = un.rank_inputs(problem, by="group")
        found = {"model", "hardware", "serving", "usage", "facility"}
        assert set(groups["input"].values) == found
        assert float(groups["total"].sum()) == pytest.approx(1, abs=0.1)

    def test_an_input_that_does_nothing_and_an_output_that_is_constant(self, lognormals):
        idle = un.build_problem(lognormals.priors(), model=lambda a, b, c: a * b)
        row = un.rank_inputs(idle).sel(input="c")
        assert (float(row["total"]), float(row["total_se"])) == (0, 0)
        constant = un.build_problem(lognormals.priors(), model=lambda a, b, c: 0 * a + 2)
        table = un.rank_inputs(constant)
        assert (table["total"] == 0).all()
        np.testing.assert_allclose(table["rank_probability"], 1 / 3, atol=0.05)


class TestTornado:
    def test_swings_are_exact(self, problem, lognormals):
        table = un.rank_inputs(problem, method="tornado")
        for name, s in lognormals.sigmas.items():
            row = table.sel(input=name)
            assert float(row["swing"]) == pytest.approx(2 * 1.6448536269514722 * s, rel=1e-9)
            assert float(row["low"]) == pytest.approx(
                lognormals.median * np.exp(-1.6448536269514722 * s)
            )
        assert (table["swing_se"] == 0).all()
        assert (np.diag(table["rank_probability"]) == 1).all()

    @pytest.mark.parametrize("scale", ["log", "linear"])
    def test_the_center_is_the_value_at_the_medians_and_the_figure_starts_there(
        self, nested, scale, tmp_path
    ):
        table = un.rank_inputs(nested, method="tornado", scale=scale)
        assert float(table["center"]) == pytest.approx(18, abs=4.5 * float(table["center_se"]))
        un.write_report(un.simulate(nested, draws=64), tmp_path, ranking=table)
        assert "swings of" in (tmp_path / "report.md").read_text()
        assert (tmp_path / "ranking.svg").is_file()

    def test_correlated_inputs_are_moved_one_at_a_time(self):
        table = un.rank_inputs(un.build_problem(ARITHMETIC), method="tornado")
        row = table.sel(input="utilization")
        assert float(row["swing"]) < 0
        assert float(row["swing_se"]) > 0
        ratio = float(table.sel(input="total_parameters")["swing"])
        assert ratio == pytest.approx(np.log(4), rel=0.02)

    @pytest.mark.parametrize(
        ("options", "message"), [({"by": "block"}, 'by="input"'), ({"draws": 9}, "no draws")]
    )
    def test_what_a_tornado_cannot_do(self, options, message):
        with pytest.raises(un.InputError, match=message):
            un.rank_inputs(un.build_problem(ARITHMETIC), method="tornado", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "sobal"},
            "<method>: must be one of sobol, shapley, value, derivative, tornado, correlation, delta, "
            r"pawn, prior \(got 'sobal'; did you mean 'sobol'",
        ),
        ({"statistic": "median"}, "<statistic>: .* 'mean'"),
        ({"scale": "liner"}, "<scale>: .* did you mean 'linear'"),
        ({"scale": None}, "<scale>: must be one of log, linear"),
        ({"by": "inputs"}, "<by>: .* did you mean 'input'"),
        ({"threshold": np.nan, "method": "value"}, "<threshold>: must be a finite number"),
        ({"quantity": "z"}, "no output 'z'"),
        ({"draws": 9}, "<draws>: must be 32 or more"),
    ],
)
def test_misspelled_choices_are_named(problem, options, message):
    with pytest.raises(un.InputError, match=message):
        un.rank_inputs(problem, **options)


def test_a_log_scale_of_what_is_not_above_0_names_the_other_scale(lognormals):
    problem = un.build_problem(lognormals.priors(), model=lambda a, b, c: a - b)
    for method in ("sobol", "derivative"):
        with pytest.raises(un.InputError, match='not above 0 for .* % .* use scale="linear"'):
            un.rank_inputs(problem, method=method)
    assert un.rank_inputs(problem, scale="linear").sizes["input"] == 3


def test_what_cannot_be_ranked(lognormals):
    import jax.numpy as jnp

    fixed = un.build_problem({"schema": 1, "assumptions": {"x": {"fixed": 1}}}, model=lambda x: x)
    with pytest.raises(un.InputError, match="nothing that the model uses is uncertain"):
        un.rank_inputs(fixed)
    broken = un.build_problem(lognormals.priors(), model=lambda a, b, c: jnp.log(a - 2))
    with pytest.raises(un.InputError, match="not finite for .* mostly where a is low"):
        un.rank_inputs(broken)
    with pytest.raises(un.InputError, match="not finite for .* mostly where a is low"):
        un.rank_inputs(un.simulate(broken, 512), method="value")
    with pytest.raises(un.InputError, match="give the problem"):
        un.rank_inputs(un.simulate(fixed, draws=64))
