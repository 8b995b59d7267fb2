"""Every ranking method over every structure that a file may have."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr, ndtri

import uncertainty as un
from uncertainty.sensitivity.rank import METHODS, OF_DRAWS

REACH = ndtri(0.95)
DRAWS = {"value": 2**12, "tornado": None}


def lognormal(median, sigma, **more):
    return {"lognormal": {"median": median, "sigma": sigma}, **more}


A, B, T = lognormal(2, 0.8), lognormal(3, 0.5), lognormal(1, 0.6, varies="query")
PEARSON = 0.5


def pair(*names):
    return [{"between": [*names], "rank": 6 / np.pi * np.arcsin(PEARSON / 2)}]


def product(a, b, t):
    return a * b * t


# Laws, correlations, and what the logarithms of the inputs are of independent or correlated scores.
GAUSSIAN = {
    "unknown ones correlated": ({"a": A, "b": B, "t": T}, pair("a", "b"), {}),
    "per-query ones correlated": (
        {"a": A, "b": {**B, "varies": "query"}, "t": T},
        pair("b", "t"),
        {},
    ),
    "a child": (
        {"a": A, "b": lognormal("m", 0.5), "m": lognormal(3, 0.3), "t": T},
        [],
        {"b": {"b": 0.5, "m": 0.3}},
    ),
    "a child per query": (
        {"a": A, "b": B, "m": lognormal(3, 0.3), "t": lognormal("m", 0.6, varies="query")},
        [],
        {"t": {"t": 0.6, "m": 0.3}},
    ),
    "an expression and a fixed one": (
        {"x": lognormal(2, 0.8), "a": {"expression": "2 * x"}, "b": {"fixed": 3}, "t": T},
        [],
        {"a": {"x": 0.8}, "b": {}},
    ),
}
SIGMAS = {"a": 0.8, "b": 0.5, "t": 0.6, "m": 0.3, "x": 0.8}


class Oracle:
    """All answers, where the logarithm of the output is a sum of normal scores."""

    def __init__(self, laws, stated, loads, statistic):
        ranked = [n for n, law in laws.items() if not {"fixed", "expression"} & law.keys()]
        if statistic == "typical":
            ranked = [name for name in ranked if laws[name].get("varies") != "query"]
        self.names = ranked
        self.tied = [i for i, n in enumerate(ranked) if stated and n in stated[0]["between"]]
        self.tied = self.tied if len(self.tied) == 2 else []
        rows = {n: loads.get(n, {n: SIGMAS[n]}) for n in laws}
        load = {n: np.array([rows[n].get(m, 0.0) for m in ranked]) for n in laws}
        self.load, self.cov = load, np.eye(len(ranked))
        if self.tied:
            self.cov[tuple(self.tied)] = self.cov[tuple(self.tied[::-1])] = PEARSON
        self.output = load["a"] + load["b"] + load["t"]
        self.variance = self.output @ self.cov @ self.output

    def share(self):
        """Of the variance; of two correlated ones the halves that Shapley gives."""
        parts = self.output**2
        if self.tied:
            i, j = self.tied
            mine, other = (
                (self.output[a] + PEARSON * self.output[b]) ** 2 for a, b in ((i, j), (j, i))
            )
            both = parts[i] + parts[j] + 2 * PEARSON * self.output[i] * self.output[j]
            parts[i], parts[j] = (mine + both - other) / 2, (other + both - mine) / 2
        return parts / self.variance

    def known(self):
        """Share of the variance that goes, were a score known."""
        return (self.cov @ self.output) ** 2 / self.variance

    def pearson(self):
        """Correlation of the logarithm of each input's value with that of the output."""
        values = np.array([self.load[n] for n in self.names])
        return (values @ self.cov @ self.output) / np.sqrt(
            self.variance * np.einsum("ij,jk,ik->i", values, self.cov, values)
        )

    def exact(self, method):
        pearson = self.pearson()
        return {
            "shapley": ("shapley", self.share),
            "sobol": ("total", self.share),
            "derivative": ("total_bound", self.share),
            "value": ("variance_reduction", self.known),
            "tornado": ("swing", lambda: 2 * REACH * self.output),
            "correlation": ("rank_correlation", lambda: 6 / np.pi * np.arcsin(pearson / 2)),
            "delta": ("delta", lambda: [area(r) for r in pearson]),
            "pawn": ("pawn", lambda: [distance(r) for r in pearson]),
        }[method]


GIVEN = ndtri((np.arange(400) + 0.5) / 400)[:, None]
Y = np.linspace(-7, 7, 2801)


def conditional(pearson):
    return (Y - pearson * GIVEN) / np.sqrt(1 - pearson**2)


def area(pearson):
    """Borgonovo's delta of two normals; 1 where one follows from the other."""
    if pearson > 1 - 1e-9:
        return 1.0
    density = np.diff(ndtr(conditional(pearson)), axis=1)
    return float(np.abs(density - np.diff(ndtr(Y))).sum(1).mean() / 2)


def distance(pearson):
    """Mean Kolmogorov-Smirnov distance of the same."""
    if pearson > 1 - 1e-9:
        return 0.75
    return float(np.abs(ndtr(conditional(pearson)) - ndtr(Y)).max(1).mean())


def build(laws, stated=(), model=product):
    told = {"schema": 1, "assumptions": laws, "correlations": list(stated)}
    return un.build_problem(told, model=model)


@pytest.fixture(scope="module")
def problems():
    return {name: build(laws, stated) for name, (laws, stated, _) in GAUSSIAN.items()}


CASES = [(name, "query") for name in GAUSSIAN]
CASES += [("per-query ones correlated", "typical"), ("a child per query", "typical")]


@pytest.mark.parametrize(("name", "statistic"), CASES)
@pytest.mark.parametrize("method", METHODS)
def test_closed_forms(problems, name, statistic, method):
    oracle = Oracle(*GAUSSIAN[name], statistic)
    by_block = method in ("sobol", "derivative") and oracle.tied
    options = {"method": method, "statistic": statistic, "draws": DRAWS.get(method, 2**10)}
    table = un.rank_inputs(problems[name], **options, by="block" if by_block else "input")
    key, exact = oracle.exact(method)
    expected = dict(zip(oracle.names, exact(), strict=True))
    if by_block:
        one, other = (oracle.names[i] for i in oracle.tied)
        expected[f"{one} + {other}"] = expected.pop(one) + expected.pop(other)
        if method == "derivative":  # a bound, which holds with equality of what is independent
            expected.pop(f"{one} + {other}")
    assert set(expected) <= set(table["input"].values)
    assert table.sizes["input"] == len(oracle.names) - bool(by_block)
    for one, value in expected.items():
        row = table.sel(input=one)
        error = 4.5 * float(row[f"{key}_se"])
        assert float(row[key]) == pytest.approx(value, abs=error + 1e-9), one


MIXTURE = [{"weight": 1, "lognormal": {"median": 1, "sigma": 0.3}}, {"weight": 1, "fixed": 3}]
ADDITIVE = {
    "a mixture with an atom": {"mixture": MIXTURE},
    "a choice": {"choice": {"options": [1, 2, 5]}},
    "a truncated one": lognormal(2, 0.8, truncate={"low": 1, "high": 3}),
    "elicited quantiles": {"quantiles": {0.05: 3, 0.5: 4, 0.95: 6}},
    "a choice per query": {"choice": {"options": [1, 2, 5]}, "varies": "query"},
}


@pytest.mark.parametrize("name", ADDITIVE)
def test_other_laws_agree_between_methods(name):
    """A logarithm that is a sum: first-order, total and Shapley shares are one share."""
    problem = build({"a": ADDITIVE[name], "b": B}, model=lambda a, b: a * b)
    tables = {
        method: un.rank_inputs(
            problem, method=method, statistic="query", draws=DRAWS.get(method, 2**11)
        )
        for method in METHODS
    }
    share = tables["shapley"].sel(input="a")
    for method, key in (
        ("sobol", "first_order"),
        ("sobol", "total"),
        ("value", "variance_reduction"),
    ):
        row = tables[method].sel(input="a")
        error = 4.5 * np.hypot(float(row[f"{key}_se"]), float(share["shapley_se"]))
        assert float(row[key]) == pytest.approx(float(share["shapley"]), abs=error), key
    bound = tables["derivative"].sel(input="a")
    slack = 4.5 * np.hypot(float(bound["total_bound_se"]), float(share["shapley_se"]))
    assert float(bound["total_bound"]) > float(share["shapley"]) - slack
    for table in tables.values():
        assert set(table["input"].values) == {"a", "b"}
    for name in "ab":
        assert float(tables["correlation"]["rank_correlation"].sel(input=name)) > 0.2
        farthest, moved = (tables[m].sel(input=name) for m in ("pawn", "delta"))
        slack = 4.5 * np.hypot(float(farthest["pawn_se"]), float(moved["delta_se"]))
        assert 0 < float(farthest["pawn"]) < float(moved["delta"]) + slack <= 1 + 2 * slack


@pytest.fixture(scope="module")
def constants():
    models = {
        "constant": lambda a, b: 192.53 + 0 * a + 0 * b,
        "rounded": lambda a, b: 7.1 * a / b / a * b,
    }
    return {name: build({"a": A, "b": B}, model=model) for name, model in models.items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("model", "scale"), [("constant", "log"), ("rounded", "log"), ("rounded", "linear")]
)
def test_nothing_moves_a_constant(constants, method, model, scale):
    """Also one that is constant but for the last digit."""
    draws = DRAWS.get(method, 2**9)
    table = un.rank_inputs(constants[model], method=method, scale=scale, draws=draws)
    shown = {"width", "low", "high"}
    for key in (k for k in table.data_vars if f"{k}_se" in table and table[k].dims == ("input",)):
        assert (table[f"{key}_se"] == 0).all()
        assert key in shown or (table[key] == 0).all(), key
    assert table["tied_rank"].values.tolist() == [1, 1]
    assert table.attrs["constant"] == pytest.approx({"constant": 192.53, "rounded": 7.1}[model])
    assert "no input that is ranked changes it" in table.attrs["note"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_what_moves_the_last_digit_alone_has_no_share(method, scale):
    """Nor is what moves no digit known better than rounding and few points show."""
    laws = {n: {"choice": {"options": [1, 2], "weights": [1, 1]}} for n in "ab"} | {"c": A, "d": A}
    problem = build(laws, model=lambda a, b, c, d: (a + b + c) - c + 0 * d)
    table = un.rank_inputs(problem, method=method, scale=scale)
    assert set(table["input"].values[2:]) == {"c", "d"}
    assert table["tied_rank"].values.tolist()[2:] == [3, 3]
    for key in {k for k in table.data_vars if f"{k}_se" in table} - {"width", "low", "high"}:
        if table[key].dims == ("input",):
            small = table[[key, f"{key}_se"]].sel(input=["c", "d"])
            assert (np.abs(small[key]) <= 5 * small[f"{key}_se"]).all(), key
            exact = (0, pytest.approx(0, abs=1e-5))["correlation" in key]
            assert small[key].values.tolist() == [exact, exact], key


def test_a_share_may_be_tiny_and_a_slope_smaller():
    problem = build({"a": A, "c": A}, model=lambda a, c: jnp.log(a) + 1e-9 * jnp.log(c))
    for method, key in (("sobol", "total"), ("derivative", "total_bound")):
        row = un.rank_inputs(problem, method=method, scale="linear").sel(input="c")
        assert float(row[key]) == pytest.approx(1e-18, rel=0.02), method
    problem = build({"a": A, "c": A}, model=lambda a, c: 1e9 + jnp.log(a) + 1e-6 * jnp.log(c))
    row = un.rank_inputs(problem, method="derivative", scale="linear").sel(input="c")
    assert float(row["mean_square"]) == pytest.approx(1e-12 * SIGMAS["a"] ** 2)
    assert float(row["total_bound"]) <= float(row["total_bound_se"])


def test_nothing_moves_a_constant_of_a_saved_run():
    tree = un.simulate(build({"a": A, "t": T}, model=lambda a, t: 3.0 + 0 * a * t), draws=2**9)
    for method in OF_DRAWS:
        table = un.rank_inputs(tree, method=method)
        assert (table[next(iter(table.data_vars))] == 0).all(), method
        assert table.attrs["constant"] == pytest.approx(3)


@pytest.mark.parametrize("size", [1e200, 1e-200])
@pytest.mark.parametrize("method", METHODS)
def test_shares_do_not_follow_from_the_unit(method, size):
    """Where squares of the output are not among float64, what needs them is refused."""
    options = {"method": method, "draws": DRAWS.get(method, 2**9)}

    def model(a, b, t):
        return {"y": a * b * t, "other": size * a * b * t}

    problem = build({"a": A, "b": B, "t": T}, model=model)
    one, other = (un.rank_inputs(problem, quantity=name, **options) for name in ("y", "other"))
    key = next(iter(one.data_vars)) if method != "tornado" else "swing"
    np.testing.assert_allclose(one[key], other[key], rtol=1e-6)
    with pytest.raises(un.InputError, match="of which no square can be computed"):
        un.rank_inputs(problem, quantity="other", scale="linear", **options)


def test_what_few_draws_hide_is_not_called_constant():
    rare = {"choice": {"options": [1, 100], "weights": [0.9999, 0.0001]}}
    problem = build({"a": rare, "b": B}, model=lambda a, b: a + 0 * b)
    with pytest.raises(un.InputError, match="changes far out in a tail of a: use more"):
        un.rank_inputs(problem, draws=2**9)


@pytest.fixture(scope="module")
def partly_used(tmp_path_factory):
    """A problem whose model uses two inputs, one of which has a mate, and none of its base file."""
    folder = tmp_path_factory.mktemp("partly_used")
    unused = {"z": lognormal(1, 1), "child": lognormal("z", 1, varies="query")}
    laws = {"a": A, "b": B, "mate": B}
    mine = {"extends": "base.yaml", "assumptions": laws, "correlations": pair("b", "mate")}
    for name, content in (("base", {"assumptions": unused}), ("mine", mine)):
        (folder / f"{name}.yaml").write_text(json.dumps({"schema": 1, **content}))
    problem = un.build_problem(str(folder / "mine.yaml"), model=lambda a, b: a * b)
    return problem, un.simulate(problem, draws=2**9)


@pytest.mark.parametrize("method", METHODS)
def test_what_the_model_does_not_use_is_not_ranked(partly_used, method):
    """Of a base file, nor what only that uses; what goes along with something used stays."""
    problem, tree = partly_used
    options = {"method": method, "draws": DRAWS.get(method, 2**9)}
    by = "block" if method in ("sobol", "derivative") else "input"
    table = un.rank_inputs(problem, **options, by=by)
    assert set("+".join(table["input"].values).replace(" ", "").split("+")) == {"a", "b", "mate"}
    if method in OF_DRAWS:
        assert set(un.rank_inputs(tree, method=method)["input"].values) == {"a", "b", "mate"}
    if method == "correlation":
        streamed = un.stream(problem, 2**10, correlations=True)
        assert set(streamed["prior_correlation"]["y"]["input"].values) == {"a", "b", "mate"}
    if method in ("sobol", "shapley", "value", "derivative"):
        assert un.rank_inputs(problem, **options, by="group")["input"].values.tolist() == ["other"]


@pytest.mark.parametrize("slope", [3.0, -1.0])
def test_where_one_input_rules(slope):
    """Of ranks it leaves nothing: it correlates fully, and what does nothing not at all."""
    laws = {n: {"normal": {"mean": 0, "sd": 1}} for n in "abc"}
    problem = build(laws, model=lambda a, b, c: slope * a + 2 + 0 * b)
    table = un.rank_inputs(problem, method="correlation", scale="linear", draws=2**9)
    ruling = table.sel(input="a")
    for key in ("rank_correlation", "partial_rank_correlation"):
        assert float(ruling[key]) == pytest.approx(np.sign(slope), abs=1e-12)
        for name in "bc":
            row = table.sel(input=name)
            assert 0 < float(row[f"{key}_se"]) < 0.2
            assert float(row[key]) == pytest.approx(0, abs=4.5 * float(row[f"{key}_se"]))


def test_where_one_input_rules_but_for_little():
    """The little is b's: given a it is all that is left, though few ranks change places."""
    laws = {n: {"normal": {"mean": 0, "sd": 1}} for n in "ab"}
    problem = build(laws, model=lambda a, b: a + 1e-3 * b)
    table = un.rank_inputs(problem, method="correlation", scale="linear", draws=2**12)
    assert float(table["partial_rank_correlation"].sel(input="a")) > 0.999
    row = table.sel(input="b")
    assert float(row["partial_rank_correlation"]) > 4.5 * float(row["partial_rank_correlation_se"])


def test_jumps_have_no_slope_but_are_bounded():
    """Of a step the total share is 1; a bound of 0 would be none."""
    problem = build({"a": A, "b": B}, model=lambda a, b: jnp.where(a > 3, 2.0, 1.0) + 0 * b)
    table = un.rank_inputs(problem, method="derivative", scale="linear")
    row = table.sel(input="a")
    assert float(row["mean_square"]) == 0
    assert float(row["total_bound"]) == pytest.approx(1, abs=4.5 * float(row["total_bound_se"]))
