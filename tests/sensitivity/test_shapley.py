"""Shapley effects against closed forms, with and without dependence."""

from importlib import import_module
from itertools import combinations, permutations
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import uncertainty as un

ARITHMETIC = Path(__file__).parents[1] / "arithmetic.yaml"  # of utilization, which is correlated

# As an attribute of the package the name is the function.
SHAPLEY = import_module("uncertainty.sensitivity.shapley")


def of_value_function(players, value):
    """The definition: what each player adds, averaged over every order."""
    gains = {player: [] for player in players}
    for order in permutations(players):
        for i, player in enumerate(order):
            gains[player].append(value(order[: i + 1]) - value(order[:i]))
    return {player: np.mean(gain) for player, gain in gains.items()}


def agrees(table, exact):
    for name, share in exact.items():
        row = table.sel(input=name)
        error = float(row["shapley_se"])
        assert error < 0.02
        assert float(row["shapley"]) == pytest.approx(share, abs=4.5 * error + 1e-12), name
    assert float(table["shapley"].sum()) == pytest.approx(1, abs=1e-12)


def gaussian(coefficients, pearson, pairs=1):
    """A weighted sum of standard normals, the last two correlated, and so on; its exact effects."""
    names = [f"x{i}" for i in range(len(coefficients))]
    weights = dict(zip(names, coefficients, strict=True))
    laws = {name: {"normal": {"mean": 1, "sd": 1}} for name in names}
    rank = 6 / np.pi * np.arcsin(pearson / 2)
    both = [(len(names) - 2 * i - 2, len(names) - 2 * i - 1) for i in range(pairs)]
    stated = [{"between": [names[i], names[j]], "rank": rank} for i, j in both if pearson]
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws, "correlations": stated},
        model=lambda **x: sum(weights[name] * x[name] for name in weights),
    )
    sigma = np.eye(len(names))
    for i, j in both:
        sigma[i, j] = sigma[j, i] = pearson
    beta = np.array(coefficients)

    def known(subset):
        at = [names.index(name) for name in subset]
        if not at:
            return 0.0
        covered = sigma[:, at] @ np.linalg.solve(sigma[np.ix_(at, at)], sigma[at])
        return beta @ covered @ beta / (beta @ sigma @ beta)

    return problem, of_value_function(names, known) if len(names) < 8 else {}


@pytest.mark.parametrize("pearson", [0, 0.5, -0.5, 0.9])
@pytest.mark.parametrize("evaluations", ["subsets", "orders"])
def test_effects_of_three_gaussians_are_exact(pearson, evaluations, monkeypatch):
    """Owen and Prieur (2017), SIAM/ASA J. Uncertainty Quantification 5, 986."""
    problem, exact = gaussian([1.0, 2.0, -1.5], pearson)
    if evaluations == "orders":
        monkeypatch.setattr(SHAPLEY, "_EXACT", 0)
    agrees(un.rank_inputs(problem, method="shapley", scale="linear", draws=2**14), exact)


def test_a_product_with_interactions():
    """The G function of Saltelli and Sobol' (1995): v(S) is a product over S, less one."""
    weights = {"a": 0.0, "b": 1.0, "c": 4.5, "d": 9.0}
    problem = un.build_problem(
        {"schema": 1, "assumptions": {n: {"uniform": {"low": 0, "high": 1}} for n in weights}},
        model=lambda **x: jnp.prod(
            jnp.stack([(jnp.abs(4 * x[n] - 2) + w) / (1 + w) for n, w in weights.items()])
        ),
    )
    parts = {n: 1 / (3 * (1 + w) ** 2) for n, w in weights.items()}
    whole = np.prod([1 + part for part in parts.values()]) - 1
    exact = of_value_function(
        list(parts), lambda subset: (np.prod([1 + parts[n] for n in subset]) - 1) / whole
    )
    agrees(un.rank_inputs(problem, method="shapley", scale="linear", draws=2**16), exact)
    table = un.rank_inputs(problem, scale="linear", draws=2**16)
    for name, part in parts.items():
        row, others = table.sel(input=name), np.prod([1 + p for n, p in parts.items() if n != name])
        for key, share in (("first_order", part), ("total", part * others)):
            error = float(row[f"{key}_se"])
            assert float(row[key]) == pytest.approx(share / whole, abs=4.5 * error)
    for one, other in combinations(weights, 2):
        row = table.sel(input=one, other=other)
        share, error = parts[one] * parts[other] / whole, float(row["second_order_se"])
        assert float(row["second_order"]) == pytest.approx(share, abs=4.5 * error)
        assert np.isnan(table["second_order"].sel(input=one, other=one))


def test_effects_of_the_ishigami_function_are_exact():
    """A product of a sine and a fourth power shares its part: Ishigami and Homma (1990)."""
    problem = un.build_problem(
        {
            "schema": 1,
            "assumptions": {x: {"uniform": {"low": -np.pi, "high": np.pi}} for x in "abc"},
        },
        model=lambda a, b, c: jnp.sin(a) + 7 * jnp.sin(b) ** 2 + 0.1 * c**4 * jnp.sin(a),
    )
    exact = {"a": 0.313905 + 0.243684 / 2, "b": 0.442411, "c": 0.243684 / 2}
    agrees(un.rank_inputs(problem, method="shapley", scale="linear", draws=2**16), exact)


def test_lognormals_on_both_scales(lognormals):
    problem = un.build_problem(lognormals.priors(), model=lognormals.model)
    squares = {name: s**2 for name, s in lognormals.sigmas.items()}
    whole = lognormals.total**2
    agrees(un.rank_inputs(problem, method="shapley"), {n: s / whole for n, s in squares.items()})
    exact = of_value_function(
        list(squares), lambda subset: np.expm1(sum(squares[n] for n in subset)) / np.expm1(whole)
    )
    agrees(un.rank_inputs(problem, method="shapley", scale="linear", draws=2**18), exact)


@pytest.mark.parametrize("evaluations", ["subsets", pytest.param("orders", marks=pytest.mark.slow)])
def test_more_players_and_groups_of_them(evaluations, monkeypatch):
    """Some correlated among seven, so that both kinds of pairs are used."""
    if evaluations == "orders":
        monkeypatch.setattr(SHAPLEY, "_EXACT", 0)
    coefficients = [0.5, 1.0, 0.8, 1.2, 0.3, 1.0, 2.0]
    for pairs in (1, 2, 3):
        problem, exact = gaussian(coefficients, -0.6, pairs)
        agrees(un.rank_inputs(problem, method="shapley", scale="linear", draws=2**15), exact)
    problem, exact = gaussian(coefficients, -0.6)
    joined = {n: s for n, s in exact.items() if n not in ("x5", "x6")}
    joined["x5 + x6"] = exact["x5"] + exact["x6"]
    table = un.rank_inputs(problem, method="shapley", scale="linear", by="block", draws=2**15)
    agrees(table, joined)


def test_the_typical_query_of_correlated_inputs():
    """Of a product of lognormals the median over queries is a product of the other two."""
    laws = {
        "a": {"lognormal": {"median": 2, "sigma": 0.6}},
        "b": {"lognormal": {"median": 2, "sigma": 0.3}},
        "t": {"varies": "query", "lognormal": {"median": 3, "sigma": 1.0}},
    }
    pearson = 0.7
    rank = 6 / np.pi * np.arcsin(pearson / 2)
    problem = un.build_problem(
        {
            "schema": 1,
            "assumptions": laws,
            "correlations": [{"between": ["a", "b"], "rank": rank}],
        },
        model=lambda a, b, t: a * b * t,
    )
    covariance = 0.6 * 0.3 * pearson
    whole = 0.36 + 0.09 + 2 * covariance
    alone = {"a": (0.36 + covariance) ** 2 / 0.36, "b": (0.09 + covariance) ** 2 / 0.09}
    exact = {n: (alone[n] + whole - alone[m]) / 2 / whole for n, m in ("ab", "ba")}
    agrees(un.rank_inputs(problem, method="shapley"), exact)


@pytest.fixture
def subsets_only(monkeypatch):
    """Nothing may go over random orders."""
    monkeypatch.setattr(SHAPLEY, "_MOST_ORDERS", None)


@pytest.mark.usefixtures("subsets_only")
@pytest.mark.parametrize("size", [9, 12])
def test_the_typical_query_of_many_inputs_is_exact_over_subsets(size):
    """A product of lognormals, two correlated; the median over queries takes nothing away."""
    sigmas, pearson = {f"x{i}": 0.1 + 0.05 * i for i in range(size)}, -0.6
    laws = {name: {"lognormal": {"median": 2, "sigma": s}} for name, s in sigmas.items()}
    laws["t"] = {"varies": "query", "lognormal": {"median": 3, "sigma": 1.0}}
    one, other = list(sigmas)[-2:]
    tied = [{"between": [one, other], "rank": 6 / np.pi * np.arcsin(pearson / 2)}]
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws, "correlations": tied},
        model=lambda **x: jnp.prod(jnp.stack(list(x.values()))),
    )
    parts = {name: s**2 for name, s in sigmas.items()}
    pair = parts[one] + parts[other] + 2 * pearson * sigmas[one] * sigmas[other]
    alone = {a: (sigmas[a] + pearson * sigmas[b]) ** 2 for a, b in ((one, other), (other, one))}
    parts[one], parts[other] = (
        (alone[a] + pair - alone[b]) / 2 for a, b in ((one, other), (other, one))
    )
    whole = sum(parts.values())
    exact = {name: part / whole for name, part in parts.items()}
    agrees(un.rank_inputs(problem, method="shapley"), exact)


@pytest.mark.usefixtures("subsets_only")
def test_a_control_that_says_little_of_the_mean_query():
    """Of `a t + b t^2 + c`, t standard normal per query, the mean has no part of a."""
    laws = {
        "a": {"normal": {"mean": 0, "sd": 1}},
        "b": {"normal": {"mean": 1, "sd": 0.5}},
        "c": {"normal": {"mean": 0, "sd": 1}},
        "t": {"varies": "query", "normal": {"mean": 0, "sd": 1}},
    }
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda a, b, c, t: a * t + b * t**2 + c
    )
    table = un.rank_inputs(problem, method="shapley", statistic="mean", scale="linear")
    agrees(table, {"a": 0.0, "b": 0.2, "c": 0.8})


@pytest.mark.slow
@pytest.mark.usefixtures("subsets_only")
def test_the_shipped_query_is_ranked_to_a_hundredth():
    """Over all subsets of its twelve inputs, some correlated."""
    table = un.rank_inputs(un.build_problem(ARITHMETIC), method="shapley")
    assert table.sizes["input"] == 12
    assert float(table["shapley_se"].max()) < 0.01


def calibrated(problem, exact, seeds, **settings):
    """Whether the spread over seeds is what the standard errors say, within its own scatter."""
    tables = [un.rank_inputs(problem, method="shapley", seed=s, **settings) for s in range(seeds)]
    least = 1 - 4 / np.sqrt(2 * seeds)
    for name, share in exact.items():
        found = np.array([float(table["shapley"].sel(input=name)) for table in tables])
        errors = np.array([float(table["shapley_se"].sel(input=name)) for table in tables])
        assert least < found.std(ddof=1) / errors.mean() < 1 / least
        assert abs(found.mean() - share) < 4.5 * found.std(ddof=1) / np.sqrt(seeds)


@pytest.mark.parametrize("seeds", [64, pytest.param(200, marks=pytest.mark.slow)])
def test_standard_errors_are_calibrated(seeds):
    problem, exact = gaussian([1.0, 2.0, -1.5], 0.5)
    calibrated(problem, exact, seeds, scale="linear", draws=2**10)


@pytest.mark.slow
def test_standard_errors_with_a_control_are_calibrated():
    """The mean over queries of `a + b + t c` is a sum; its control is one query of it."""
    laws = {name: {"normal": {"mean": 0, "sd": sd}} for name, sd in (("a", 1), ("b", 1), ("c", 2))}
    laws["t"] = {"varies": "query", "uniform": {"low": 0, "high": 1}}
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda a, b, c, t: a + b + t * c
    )
    exact = dict.fromkeys("abc", 1 / 3)
    calibrated(problem, exact, 200, scale="linear", statistic="mean", draws=2**11)


def test_more_inputs_than_have_subsets_go_by_orders():
    """Thirteen normals, the last two correlated: all other effects are squares."""
    coefficients, pearson = [0.5 + 0.1 * i for i in range(13)], 0.5
    problem = gaussian([*coefficients[:11], 1.0, 2.0], pearson)[0]
    squares = {f"x{i}": c**2 for i, c in enumerate(coefficients[:11])}
    pair = 1 + 4 + 2 * 2 * pearson
    alone = {"x11": (1 + 2 * pearson) ** 2, "x12": (2 + pearson) ** 2}
    both = {n: (alone[n] + pair - alone[m]) / 2 for n, m in (("x11", "x12"), ("x12", "x11"))}
    whole = sum(squares.values()) + pair
    exact = {name: part / whole for name, part in (squares | both).items()}
    agrees(un.rank_inputs(problem, method="shapley", scale="linear"), exact)
