"""Value of information, slopes and measures from draws, against closed forms."""

from pathlib import Path
from types import MappingProxyType

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr, ndtri

import uncertainty as un
from uncertainty.sampling.points import unit_points
from uncertainty.sensitivity.rank import BY_DRAWS
from uncertainty.sensitivity.sample import Sample

ARITHMETIC = Path(__file__).parents[1] / "arithmetic.yaml"  # of utilization, which is correlated

REACH = 1.6448536269514722


@pytest.fixture(scope="module")
def product(lognormals):
    return un.build_problem(lognormals.priors(), model=lognormals.model)


def holds(row, key, exact):
    assert float(row[key]) == pytest.approx(exact, abs=4.5 * float(row[f"{key}_se"]) + 1e-12), key


def test_what_knowing_a_factor_would_buy(product, lognormals):
    """On the log scale what is left is normal, with the other factors' variance."""
    table = un.rank_inputs(product, method="value", draws=2**17)
    total = lognormals.total
    holds(table, "width_now", np.exp(2 * REACH * total))
    for name, sigma in lognormals.sigmas.items():
        row, left = table.sel(input=name), np.sqrt(total**2 - sigma**2)
        holds(row, "narrowing", 1 - left / total)
        holds(row, "width", np.exp(2 * REACH * left))
        holds(row, "variance_reduction", sigma**2 / total**2)


def test_a_correlated_input_tells_of_the_other():
    """Of 2 a + b with correlation r, knowing a leaves the variance 1 - r^2."""
    pearson = 0.7
    laws = {n: {"normal": {"mean": 0, "sd": 1}} for n in "ab"}
    rank = 6 / np.pi * np.arcsin(pearson / 2)
    stated = [{"between": ["a", "b"], "rank": rank}]
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws, "correlations": stated}, model=lambda a, b: 2 * a + b
    )
    table = un.rank_inputs(problem, method="value", scale="linear", draws=2**17)
    left = {"a": 1 - pearson**2, "b": 4 * (1 - pearson**2)}
    for name, variance in left.items():
        row, share = table.sel(input=name), variance / (5 + 4 * pearson)
        holds(row, "variance_reduction", 1 - share)
        holds(row, "narrowing", 1 - np.sqrt(share))


def test_what_it_would_buy_for_a_decision(product, lognormals):
    """Chance of being right about a limit: expected over the factor that becomes known."""
    limit = 1.5 * lognormals.median
    table = un.rank_inputs(product, method="value", threshold=limit, draws=2**17)
    z = ndtri((np.arange(200_000) + 0.5) / 200_000)
    total, gap = lognormals.total, np.log(1.5)
    now = max(ndtr(gap / total), 1 - ndtr(gap / total))
    for name, sigma in lognormals.sigmas.items():
        below = ndtr((gap - sigma * z) / np.sqrt(total**2 - sigma**2))
        holds(table.sel(input=name), "decision", np.maximum(below, 1 - below).mean() - now)


def test_a_width_in_units_on_the_linear_scale():
    laws = {n: {"normal": {"mean": 9, "sd": sd}} for n, sd in (("a", 2.0), ("b", 1.0))}
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, b: a + b)
    table = un.rank_inputs(problem, method="value", scale="linear", prob=0.5, draws=2**17)
    reach = 2 * ndtri(0.75)
    holds(table, "width_now", reach * np.sqrt(5))
    holds(table.sel(input="a"), "width", reach)
    holds(table.sel(input="b"), "width", 2 * reach)


def test_slopes_and_the_bound_they_give(product, lognormals):
    """On the log scale the slope in each score is its sigma: the bound is the share itself."""
    table = un.rank_inputs(product, method="derivative")
    for name, sigma in lognormals.sigmas.items():
        row = table.sel(input=name)
        holds(row, "mean_square", sigma**2)
        holds(row, "total_bound", sigma**2 / lognormals.total**2)


@pytest.mark.parametrize("statistic", ["typical", "mean", "query"])
def test_no_total_share_exceeds_the_bound(statistic):
    laws = {
        "a": {"beta": {"alpha": 2, "beta": 5}},
        "b": {"uniform": {"low": 0.2, "high": 2}},
        "t": {"varies": "query", "lognormal": {"median": 1, "sigma": 0.5}},
    }
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda a, b, t: (1 + a) ** 3 * t + jnp.sin(4 * b)
    )
    options = {"scale": "linear", "statistic": statistic}
    bounds = un.rank_inputs(problem, method="derivative", **options)
    shares = un.rank_inputs(problem, **options)
    for name in shares["input"].values:
        bound, share = bounds.sel(input=name), shares.sel(input=name)
        slack = 4.5 * (float(bound["total_bound_se"]) + float(share["total_se"]))
        assert float(share["total"]) <= float(bound["total_bound"]) + slack


def test_slopes_of_a_group_add_up_and_correlated_inputs_are_refused():
    problem = un.build_problem(ARITHMETIC)
    with pytest.raises(un.InputError, match="utilization and power_fraction are correlated"):
        un.rank_inputs(problem, method="derivative")
    table = un.rank_inputs(problem, method="derivative", by="block")
    assert "utilization + power_fraction" in table["input"].values


def test_measures_of_draws_count_a_parent_in_its_child_and_say_so():
    laws = {
        "m": {"lognormal": {"median": 2, "sigma": 0.3}},
        "g": {"lognormal": {"median": "m", "sigma": 0.5}},
    }
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda g: 1.0 * g)
    shares = un.rank_inputs(problem, method="shapley", draws=2**12)
    holds(shares.sel(input="g"), "shapley", 0.25 / 0.34)
    assert "what stays uncertain once these are known" in shares.attrs["note"]
    table = un.rank_inputs(problem, method="correlation", draws=2**12)
    holds(table.sel(input="g"), "rank_correlation", 1.0)
    holds(table.sel(input="m"), "rank_correlation", 6 / np.pi * np.arcsin(0.3 / 0.34**0.5 / 2))
    assert "what goes along with an input counts as its own effect" in table.attrs["note"]


def test_rank_correlations_of_a_sum():
    """Of normals: 6/pi asin(rho/2), and for the partial one 6/pi asin(1/2) = 1."""
    laws = {n: {"normal": {"mean": 0, "sd": sd}} for n, sd in (("a", 3.0), ("b", 4.0))}
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, b: a - b)
    table = un.rank_inputs(problem, method="correlation", scale="linear")
    assert table["input"].values.tolist() == ["b", "a"]
    for name, pearson in (("a", 0.6), ("b", -0.8)):
        holds(table.sel(input=name), "rank_correlation", 6 / np.pi * np.arcsin(pearson / 2))
        assert float(table["partial_rank_correlation"].sel(input=name)) * pearson > 0.9 * abs(
            pearson
        )


def of_normals(measure):
    """Mean over an input's score of a distance between two normals, for a share 0.64 of 1."""
    given = ndtri((np.arange(400) + 0.5) / 400)
    y = np.linspace(-6, 6, 4001)
    return np.mean([measure(y, 0.8 * z, 0.6) for z in given])


def area(y, mean, sd):
    densities = [np.exp(-(((y - m) / s) ** 2) / 2) / s for m, s in ((0, 1), (mean, sd))]
    return np.abs(np.subtract(*densities)).sum() * (y[1] - y[0]) / np.sqrt(2 * np.pi) / 2


def distance(y, mean, sd):
    return np.abs(ndtr(y) - ndtr((y - mean) / sd)).max()


@pytest.mark.parametrize(("method", "measure"), [("delta", area), ("pawn", distance)])
def test_moment_independent_measures_of_a_gaussian(method, measure):
    """What few draws and classes make of a distance is taken off, or is in the error."""
    laws = {n: {"normal": {"mean": 5, "sd": sd}} for n, sd in (("a", 0.8), ("b", 0.6))}
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, b: a + b)
    table = un.rank_inputs(problem, method=method, scale="linear")
    assert table["input"].values.tolist() == ["a", "b"]
    assert float(table[f"{method}_se"].sel(input="a")) < 0.01
    holds(table.sel(input="a"), method, of_normals(measure))


class TestDistancesFromDraws:
    """Over seeds, against exact values: of a + b / 2 with c doing nothing, and of Ishigami's.

    Those of Ishigami's function were integrated numerically, on a grid of 0.01 of the output and
    from closed forms of its conditional distribution.
    """

    EXACT = MappingProxyType(
        {
            ("sum", "delta"): (0.5055, 0.1604, 0.0),
            ("sum", "pawn"): (0.4448, 0.1567, 0.0),
            ("ishigami", "delta"): (0.2628, 0.4248, 0.2098),
            ("ishigami", "pawn"): (0.2298, 0.3898, 0.0924),
        }
    )

    @staticmethod
    def of_seeds(function, method, draws, seeds):
        places = {name: i for i, name in enumerate("abc")}
        estimates = []
        for seed in range(seeds):
            each = [
                np.stack(
                    [*unit_points(places, draws // 16, seed=seed, randomization=r).values()], -1
                )
                for r in range(16)
            ]
            if function == "sum":
                outputs = [ndtri(u) @ np.array([1.0, 0.5, 0.0]) for u in each]
            else:
                angles = [np.pi * (2 * u - 1).T for u in each]
                outputs = [
                    np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a) for a, b, c in angles
                ]
            estimates.append(BY_DRAWS[method](Sample(("a", "b", "c"), tuple(each), tuple(outputs))))
        found = np.array([item.columns[method][0] for item in estimates])
        errors = np.array([item.columns[method][1] for item in estimates])
        return found, np.sqrt((errors**2).mean(0))

    @pytest.mark.parametrize("method", ["delta", "pawn"])
    @pytest.mark.parametrize(
        ("function", "draws", "seeds"),
        [
            ("sum", 2**9, 12),
            ("ishigami", 2**9, 12),
            pytest.param("sum", 2**9, 200, marks=pytest.mark.slow),
            pytest.param("ishigami", 2**9, 200, marks=pytest.mark.slow),
            pytest.param("sum", 2**12, 200, marks=pytest.mark.slow),
            pytest.param("ishigami", 2**12, 200, marks=pytest.mark.slow),
        ],
    )
    def test_bias_and_spread_are_within_the_stated_error(self, function, method, draws, seeds):
        """The bias that stays is part of the error, which so may exceed the spread."""
        found, stated = self.of_seeds(function, method, draws, seeds)
        bias = found.mean(0) - self.EXACT[function, method]
        scatter = 1 + 4.5 / np.sqrt(2 * seeds)
        assert (found.std(0, ddof=1) < 1.25 * scatter * stated).all()
        assert (np.abs(bias) < 1.5 * stated + 4.5 * stated / np.sqrt(seeds)).all()
        if function == "sum":  # no bias, so that the error is the spread
            assert abs(bias[2]) < 4.5 * stated[2] / np.sqrt(seeds)
            assert found[:, 2].std(ddof=1) > 0.5 * stated[2] / scatter


@pytest.fixture(scope="module")
def tree():
    return un.simulate(un.build_problem("gpt-4o"))


class TestDraws:
    @pytest.mark.parametrize("method", ["correlation", "delta"])
    def test_saved_draws_rank_as_their_problem(self, tree, method, tmp_path):
        kept = un.load(un.save(tree, tmp_path / "run.nc"))
        saved = un.rank_inputs(kept, method=method)
        fresh = un.rank_inputs(un.build_problem("gpt-4o"), method=method)
        assert set(saved["input"].values) == set(fresh["input"].values)
        first = saved.variables and next(iter(saved.data_vars))
        for name in fresh["input"].values[:4]:
            one, other = saved.sel(input=name), fresh.sel(input=name)
            gap = abs(float(one[first]) - float(other[first]))
            assert gap < 4.5 * np.hypot(float(one[f"{first}_se"]), float(other[f"{first}_se"]))

    def test_what_makes_the_answer_large(self, lognormals):
        """Given a large product each factor is large, in proportion to its variance."""
        problem = un.build_problem(lognormals.priors(), model=lognormals.model)
        tree = un.simulate(problem, 2**14)
        limit = lognormals.quantile(0.9)
        table = un.rank_inputs(tree, method="correlation", where=f"y > {limit}", prob=0.8)
        z = ndtri(1 - (np.arange(100_000) + 0.5) / 1_000_000)
        for name, sigma in lognormals.sigmas.items():
            row, pearson = table.sel(input=name), sigma / lognormals.total
            # A normal given that another exceeds its 90 % point is a mixture of normals.
            share = np.array(
                [
                    ndtr((ndtri(p) - pearson * z) / np.sqrt(1 - pearson**2)).mean()
                    for p in (0.3, 0.6, 0.9)
                ]
            )
            assert (share < (0.3, 0.6, 0.9)).all()
            median = lognormals.medians[name] * np.exp(sigma * _middle(pearson, z))
            holds(row, "middle", median)
        assert table["input"].values[np.argmax(table["distance"].values)] == "a"
        assert table.attrs["where"] == f"y > {limit}"

    def test_what_has_no_part_in_a_condition_is_at_a_distance_of_0(self):
        """Of a + b given a large: a's distance is exact, c's is not above 0 by chance."""
        laws = {name: {"normal": {"mean": 0, "sd": 1}} for name in "ac"}
        problem = un.build_problem(
            {"schema": 1, "assumptions": laws}, model=lambda a, c: a + 0 * c + 9
        )
        tree = un.simulate(problem, 2**12)
        table = un.rank_inputs(tree, method="correlation", scale="linear", where="y > 9")
        holds(table.sel(input="a"), "distance", 0.5)
        holds(table.sel(input="c"), "distance", 0)
        assert 0 < float(table["distance_se"].sel(input="c")) < 0.1

    def test_conditions_on_inputs(self, tree):
        table = un.rank_inputs(tree, method="correlation", where="moe_ratio <= 3")
        row = table.sel(input="moe_ratio")
        assert float(row["upper"]) <= 3 + 4.5 * float(row["upper_se"])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"method": "sobol"}, "chooses its own points: give the problem"),
            ({"method": "delta", "where": "energy_wh"}, "write a comparison"),
            ({"method": "delta", "where": "energy > 1"}, "did you mean 'energy_wh'"),
            ({"method": "delta", "where": "energy_wh > 1e9"}, "64 draws must meet"),
            ({"method": "delta", "quantity": "energy_w"}, "did you mean 'energy_wh'"),
            ({"method": "delta", "where": "moe_ration > 1"}, "did you mean 'moe_ratio'"),
            ({"method": "delta", "prob": 2}, "between 0 and 1"),
            ({"method": "delta", "by": "group"}, "ranked by its own draws"),
            ({"method": "delta", "draws": 512}, "ranked by its own draws"),
        ],
    )
    def test_what_draws_cannot_answer(self, tree, options, message):
        with pytest.raises(un.InputError, match=message):
            un.rank_inputs(tree, **options)

    def test_a_stream_has_no_draws_and_a_problem_no_condition(self, product):
        for kept in (0, 64):  # inputs kept for reports are not those of the stream's quantiles
            stream = un.stream(product, 2**12, sample=kept)
            with pytest.raises(un.InputError, match="keeps no draws"):
                un.rank_inputs(stream, method="delta")
        with pytest.raises(un.InputError, match="give a result of simulate"):
            un.rank_inputs(product, where="y > 1")
        with pytest.raises(un.InputError, match='for method="value"'):
            un.rank_inputs(product, threshold=1)
        with pytest.raises(un.InputError, match='by="input"'):
            un.rank_inputs(product, method="delta", by="group")
        with pytest.raises(un.InputError, match="4096 or more"):
            un.rank_inputs(product, method="value", draws=64)


def _middle(pearson, z):
    """Median of a normal given another's tail, whose scores are z."""
    low, high = -8.0, 8.0
    for _ in range(60):
        half = (low + high) / 2
        below = ndtr((half - pearson * z) / np.sqrt(1 - pearson**2)).mean() < 0.5
        low, high = (half, high) if below else (low, half)
    return low


def test_inputs_whose_order_is_open_share_a_rank():
    """Equals are told apart in a twentieth of the cases, by chance; unequals always."""
    laws = {n: {"lognormal": {"median": 1, "sigma": s}} for n, s in (("a", 1), ("b", 1), ("c", 3))}
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, b, c: a * b * c)
    tables = [un.rank_inputs(problem, draws=2**10, seed=seed) for seed in range(200)]
    assert all(table["rank"].values.tolist() == [1, 2, 3] for table in tables)
    told_apart = np.mean([table["tied_rank"].values.tolist() == [1, 2, 3] for table in tables])
    shared = np.mean([table["tied_rank"].values.tolist() == [1, 2, 2] for table in tables])
    assert shared + told_apart == 1
    # Resampling 16 of them makes the chance of 0.05 somewhat larger.
    assert told_apart < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)
