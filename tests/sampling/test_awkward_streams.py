"""Outputs that bins alone would get wrong: a stream is as right as stored draws, or says why not."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import norm

import uncertainty as un

DRAWS = 2**16
ENDS = ("lower", "median", "upper")
LEVELS = (0.05, 0.5, 0.95)
NEUTRON, PROTON = 1.67492749804e-27, 1.67262192369e-27
LAWS = {
    "a": {"normal": {"mean": 0, "sd": 1}},
    "b": {"normal": {"mean": 0, "sd": 1}},
    "u": {"uniform": {"low": 0, "high": 1}},
    "dice": {"choice": {"options": [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
                        "weights": [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]}},
    "m": {"normal": {"mean": NEUTRON, "sd": 9.5e-37}},
    "n": {"normal": {"mean": PROTON, "sd": 5.1e-37}},
    "narrow": {"normal": {"mean": 1, "sd": 1e-12}},
    "edges": {"beta": {"alpha": 0.001, "beta": 0.001}},
}  # fmt: skip
PAIRS = [{"between": ["m", "n"], "rank": 0.9992}]


def model(a, b, u, dice, m, n, narrow, edges):
    size = jnp.exp(a)
    return {
        "dice": dice,
        "tenths": 0.1 * dice * dice,
        "clipped": jnp.maximum(u - 0.3, 0.0),
        "kept": jnp.where(u < 0.3, 0.5, 2 * (u - 0.3)),
        "far": 1e9 + 3 * a + b,
        "large": 1e200 * size,
        "small": 1e-200 * size,
        "tiny": 1e-300 * size,
        "largest": -1e307 * (1 + 0.1 * u),
        "gap": jnp.where(u < 0.45, a, jnp.where(u < 0.55, 1e12, 100 + b)),
        "ones": jnp.round(1 + 0.3 * a),
        "counts": jnp.floor(1e5 * u),
        "edges": edges + 0.0,
        "constant": 192.53 + 0 * a,
        "masses": m - n,
        "narrow": narrow + 0.0,
        "wide": jnp.exp(20 * a),
        "clusters": jnp.where(u < 0.5, 1e9 + a, 3e9 + b),
        "apart": jnp.where(u < 0.4, 1e-200, 1e200),
        "half": jnp.where(u < 0.5, jnp.nan, u),
        "infinite": jnp.where(u < 0.02, -jnp.inf, jnp.where(u > 0.97, jnp.inf, a)),
    }


def lognormal(scale):
    return scale * np.exp(ndtri(LEVELS))


def spread_of_masses():
    """Standard deviation of the difference: a rank correlation of normals in their own terms."""
    common = 2 * np.sin(np.pi * 0.9992 / 6)
    return np.sqrt(9.5e-37**2 + 5.1e-37**2 - 2 * common * 9.5e-37 * 5.1e-37)


EXACT = {
    "dice": [3, 7, 11],
    "tenths": [0.1 * 3 * 3, 0.1 * 7 * 7, 0.1 * 11 * 11],
    "clipped": [0, 0.2, 0.65],
    "kept": [0.1, 0.5, 1.3],
    "far": 1e9 + np.sqrt(10) * ndtri(LEVELS),
    "large": lognormal(1e200),
    "small": lognormal(1e-200),
    "tiny": lognormal(1e-300),
    "largest": [-1.095e307, -1.05e307, -1.005e307],
    "gap": [ndtri(0.05 / 0.45), 100 + ndtri(0.05 / 0.45), 1e12],
    "ones": [1, 1, 1],
    "counts": [4999, 49999, 94999],
    "edges": [1e-300, 0.5, 1],  # nearer to 0 than any law comes
    "constant": [192.53] * 3,
    "masses": NEUTRON - PROTON + spread_of_masses() * ndtri(LEVELS),
    "narrow": 1 + 1e-12 * ndtri(LEVELS),
    "wide": np.exp(20 * ndtri(LEVELS)),
    "apart": [1e-200, 1e200, 1e200],
    "infinite": ndtri((np.array(LEVELS) - 0.02) / 0.95),
}


@pytest.fixture(scope="module")
def problem():
    priors = {"schema": 1, "assumptions": LAWS, "correlations": PAIRS}
    return un.build_problem(priors, model=model)


@pytest.fixture(scope="module")
def tree(problem, tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "run.nc"
    return un.load(un.save(un.stream(problem, DRAWS, seed=1), path))


@pytest.fixture(scope="module")
def table(tree):
    return un.summarize(tree).sel(statistic="query")


@pytest.mark.parametrize("name", EXACT)
def test_quantiles_are_exact_within_their_errors(table, name):
    row = table.sel(quantity=name)
    for end, exact in zip(ENDS, EXACT[name], strict=True):
        rounding = 4 * np.finfo(float).eps * abs(exact) + 1e-300 * (name == "edges")
        assert abs(float(row[end]) - exact) <= 5 * float(row[f"mcse_{end}"]) + rounding, end


@pytest.mark.parametrize("name", ["far", "large", "small", "tiny", "largest", "masses", "narrow"])
def test_errors_are_a_small_part_of_the_spread(table, name):
    """A figure that is right within a huge error would be of no use."""
    row = table.sel(quantity=name)
    for figure in (*ENDS, "sd"):
        assert float(row[f"mcse_{figure}"]) < 0.01 * float(row["sd"]), figure


@pytest.mark.parametrize(
    ("name", "sd"),
    [
        ("dice", np.sqrt(35 / 6)),
        ("far", np.sqrt(10)),
        ("large", 1e200 * np.sqrt(np.expm1(1) * np.e)),
        ("tiny", 1e-300 * np.sqrt(np.expm1(1) * np.e)),
        ("largest", 1e306 / np.sqrt(12)),
        ("narrow", 1e-12),
        ("masses", spread_of_masses()),
    ],
)
def test_a_spread_keeps_its_digits_whatever_the_size(table, name, sd):
    row = table.sel(quantity=name)
    # A few parts in a thousand of "narrow" are the rounding of 1 + 1e-12 x itself.
    assert abs(float(row["sd"]) - sd) < 5 * float(row["mcse_sd"]) + 1e-6 * sd


def test_values_that_repeat_are_exact(table):
    for name in ("dice", "tenths", "constant"):
        row = table.sel(quantity=name)
        assert [float(row[end]) for end in ENDS] == list(EXACT[name])
    assert float(table["lower"].sel(quantity="clipped")) == 0
    assert float(table["sd"].sel(quantity="constant")) == 0


@pytest.mark.parametrize(
    ("name", "threshold", "exact"),
    [
        ("dice", 7, 15 / 36),
        ("dice", 6.999, 21 / 36),
        ("dice", 12, 0.0),
        ("clipped", 0, 0.7),
        ("kept", 0.5, 0.45),
        ("kept", 0.4999, 0.75005),
        ("far", 1e9 + 2.5, norm.sf(2.5 / np.sqrt(10))),
        ("tiny", 2e-300, norm.sf(np.log(2))),
        ("gap", 50, 0.55),
        ("gap", 1e12, 0.0),
        ("masses", NEUTRON - PROTON, 0.5),
        ("clusters", 1e9, 0.75),
        ("counts", 20_000, 1 - 20_001 / 1e5),
        ("infinite", 50, 0.03),
        ("infinite", -50, 0.98),
    ],
)
def test_a_threshold_that_nobody_named_may_be_a_value_that_repeats(tree, name, threshold, exact):
    chance, error = un.exceedance(tree, threshold, name)
    assert abs(chance - exact) <= 5 * error + 1e-12
    assert error < 0.005 or name == "clusters"


def test_what_a_stream_cannot_tell_apart_is_said_and_is_in_the_error(tree, table):
    told = json.loads(tree.attrs["warnings"])
    assert [text.split()[0] for text in told] == ["clusters", "half", "infinite", "the"]
    assert told[2] == "infinite is not finite for 5 % of the draws"
    assert "the mean of infinite is meaningless" in told[3]
    assert "for 50 % of the draws, which a stream cannot tell apart" in told[0]
    row = table.sel(quantity="clusters")
    assert abs(float(row["lower"]) - (1e9 + ndtri(0.1))) < 2 * float(row["mcse_lower"])


def test_blocks_in_any_order_give_the_same(problem, tree, monkeypatch):
    """Every bin, every value that repeats and every count: they add up whatever the cuts."""
    from uncertainty.sampling import blocks

    monkeypatch.setattr(blocks, "EVALUATIONS", 2**14)
    again = un.stream(problem, DRAWS, seed=1)["prior_sketch"]
    for name, values in tree["prior_sketch"].data_vars.items():
        # Sums may be rounded otherwise.
        rtol = 1e-9 if name.endswith("_moments") else 0
        assert np.allclose(values, again[name], rtol=rtol, atol=0, equal_nan=True), name


@pytest.mark.slow
@pytest.mark.parametrize("varies", [{}, {"varies": "query"}], ids=["one", "queries"])
def test_infinities_have_their_place_as_among_stored_draws(varies):
    """Each statistic: some draws of which a query is infinite, some queries of every draw."""
    laws = {name: LAWS[name] for name in ("a", "u")} | {"q": LAWS["u"] | varies}
    part = un.build_problem(
        {"schema": 1, "assumptions": laws},
        model=lambda a, u, q: {
            "draws": jnp.where(u < 0.04, jnp.inf, jnp.exp(a)),
            "queries": jnp.where(q < 0.2, -jnp.inf, a + 3 * q),
            "atoms": jnp.where(u < 0.2, -jnp.inf, jnp.floor(5 * u)),
            "missing": jnp.where(u < 0.01, jnp.nan, a),
        },
    )
    draws = 2**11 if varies else 2**14
    stored, streamed = un.simulate(part, draws), un.stream(part, draws, thresholds={"draws": [1]})
    one, other = un.summarize(stored), un.summarize(streamed)
    for end in ENDS:
        size = np.hypot(one[f"mcse_{end}"], other[f"mcse_{end}"])
        # Two infinities of one sign are the same, and have no difference.
        known = (np.isfinite(size) & (one[end] != other[end])).values
        assert (np.abs(one[end] - other[end]).values[known] <= 5 * size.values[known]).all()
        assert np.isfinite(other[end].sel(quantity="draws")).all()
    assert np.isneginf(other["lower"].sel(quantity="atoms")).all()
    assert (other[["median", "upper"]].sel(quantity="atoms").to_array().T == [2, 4]).all()
    assert np.isneginf(other["lower"].sel(quantity="queries", statistic=["mean", "query"])).all()
    assert np.isfinite(
        other["median"].sel(quantity="queries", statistic=["typical", "query"])
    ).all()
    assert np.isposinf(other["mean"].sel(quantity="draws")).all()
    assert np.isnan(other["sd"].sel(quantity="draws")).all()
    assert np.isnan(other.sel(quantity="missing")[["mean", *ENDS]].to_array()).all()
    for name, limit in (("draws", 1), ("draws", 2), ("queries", 1), ("atoms", 1)):
        chances = [un.exceedance(tree, limit, name, "typical") for tree in (stored, streamed)]
        assert abs(chances[0][0] - chances[1][0]) <= 5 * np.hypot(chances[0][1], chances[1][1])
    with pytest.raises(un.InputError, match=r"missing is not a number for 1.* % of the draws"):
        un.exceedance(streamed, 1, "missing")


@pytest.mark.parametrize("seeds", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_errors_are_the_spread_over_seeds(seeds):
    """Spread and bias of quantiles against their stated errors."""
    laws = {name: LAWS[name] for name in ("a", "b", "u")}
    part = un.build_problem(
        {"schema": 1, "assumptions": laws},
        model=lambda a, b, u: {
            "far": 1e9 + 3 * a + b,
            "kept": jnp.where(u < 0.3, 0.5, 2 * (u - 0.3)) + 0 * b,
            "falling": -jnp.exp(a),
        },
    )
    exact = {**EXACT, "falling": -np.exp(-ndtri(LEVELS))}
    misses = []
    for seed in range(seeds):
        found = un.summarize(un.stream(part, 2**12, seed)).sel(statistic="query")
        misses.append(
            [
                (float(row[end]) - right) / float(row[f"mcse_{end}"])
                for name in part.outputs
                for row in [found.sel(quantity=name)]
                for end, right in zip(ENDS, exact[name], strict=True)
                if (name, end) != ("kept", "median")  # which repeats
            ]
        )
    z = np.array(misses)
    # Student's t of 16 chains has a spread of 1.07, seen from so many seeds.
    whole = np.sqrt((z**2).mean(0))
    assert (whole < 1.07 * (1 + 2.5 / np.sqrt(2 * seeds))).all(), whole
    # The median of "falling" is the middle of symmetric points, and better known than it says.
    assert (np.delete(whole, 1) > 0.5).all(), whole
