"""Contributions to a ratio: closed forms, every kind of swap, and their exact sum."""

from functools import reduce
from itertools import permutations
from operator import mul

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri

import uncertainty as un

EPOCH = {
    "active_parameters": {"fixed": 1e11},
    "output_tokens": {"fixed": 500},
    "utilization": {"fixed": 0.1},
    "peak_flops": {"fixed": 9.89e14},
    "gpu_power_w": {"fixed": 1500},
    "power_fraction": {"fixed": 0.7},
    "overhead": {"fixed": 1},
}


def times(**inputs):
    return reduce(mul, inputs.values())


def lognormal(median, sigma, **more):
    return {"lognormal": {"median": median, "sigma": sigma}, **more}


def problem(assumptions, model="flops", **more):
    return un.build_problem({"schema": 1, "model": model, "assumptions": assumptions, **more})


def product(**laws):
    stated = {"schema": 1, "assumptions": laws}
    return un.build_problem(stated, model=times)


def parts(table):
    return dict(zip(table["input"].values, table["contribution"].values, strict=True))


def test_medians_of_a_product_of_lognormals_split_into_their_ratios():
    first = product(a=lognormal(2, 0.5), b=lognormal(1, 0.3), c=lognormal(5, 0.2))
    second = product(a=lognormal(6, 0.5), b=lognormal(0.5, 0.6), c=lognormal(5, 0.2))
    table = un.explain(first, second, quantity="y", draws=2**13)
    assert table["input"].values.tolist() == ["a", "b"]
    for name, exact in (("a", np.log(3)), ("b", np.log(0.5))):
        row = table.sel(input=name)
        error = max(float(row["contribution_se"]), 1e-9)
        assert float(row["contribution"]) == pytest.approx(exact, abs=4 * error)
        assert error < 0.02
    assert float(table["contribution"].sum()) == pytest.approx(float(table["log_ratio"]), abs=1e-12)


def test_fixed_numbers_split_exactly_as_the_definition_says():
    """Against the average over all orders, computed one by one."""
    changes = {"active_parameters": 2e10, "output_tokens": 1500, "input_tokens": 20_000}
    first = problem({**EPOCH, "input_tokens": {"fixed": 100}})
    second = problem({**EPOCH, **{name: {"fixed": v} for name, v in changes.items()}})
    found = parts(un.explain(first, second))
    expected = dict.fromkeys(changes, 0.0)
    for order in permutations(changes):
        values, before = {**EPOCH, "input_tokens": {"fixed": 100}}, first.central()["energy_wh"]
        for name in order:
            values[name] = {"fixed": changes[name]}
            after = problem(values).central()["energy_wh"]
            expected[name] += np.log(after / before) / 6
            before = after
    assert found == pytest.approx(expected, rel=1e-9)


def test_an_input_left_to_the_model_is_swapped_with_what_it_takes():
    told = {**EPOCH, "input_tokens": {"fixed": 5000}, "prefill_utilization": {"fixed": 0.5}}
    table = un.explain(problem({**EPOCH, "input_tokens": {"fixed": 5000}}), problem(told))
    assert table["input"].values.tolist() == ["prefill_utilization"]
    assert table["stated"].values.tolist() == [["left to the model", "0.5"]]
    assert float(table["contribution"][0]) == pytest.approx(float(table["log_ratio"]))


def test_the_overhead_and_its_parts_are_one_swap():
    parted = {k: v for k, v in EPOCH.items() if k != "overhead"}
    parted |= {name: {"fixed": v} for name, v in (("host", 1.5), ("idle", 1.2), ("pue", 1.1))}
    table = un.explain(problem(EPOCH), problem(parted))
    assert parts(table) == pytest.approx({"overhead": np.log(1.5 * 1.2 * 1.1)})


def test_the_model_is_one_swap():
    served = {k: EPOCH[k] for k in ("output_tokens", "gpu_power_w", "power_fraction", "overhead")}
    served |= {"tokens_per_s": {"fixed": 900}, "output_tokens": {"fixed": 1000}}
    table = un.explain(problem(EPOCH), problem(served, "throughput"))
    assert set(parts(table)) == {"model", "output_tokens"}
    assert parts(table)["output_tokens"] == pytest.approx(np.log(2), rel=0.02)
    assert table.sel(input="model")["stated"].values.tolist() == ["flops", "throughput"]


def test_both_ends_are_the_estimates_themselves_though_models_differ():
    """Neither model is told what only the other's file states."""
    first = {**EPOCH, "input_tokens": {"fixed": 800}}
    second = {
        k: v for k, v in first.items() if k not in ("overhead", "utilization", "power_fraction")
    }
    more = {"host": 1.5, "idle": 1.2, "pue": 1.1, "prefill_utilization": 0.4, "batch_size": 32,
            "memory_bandwidth_bytes_per_s": 3e12, "bytes_per_parameter": 2, "layers": 80}  # fmt: skip
    second |= {name: {"fixed": value} for name, value in more.items()}
    ends = problem(first), problem(second, "roofline")
    for one, other in (ends, ends[::-1]):
        table = un.explain(one, other)
        exact = [p.central()["energy_wh"] for p in (one, other)]
        assert table["value"].values == pytest.approx(exact, rel=1e-9)
        assert {"model", "overhead", "prefill_utilization", "layers"} <= set(parts(table))
        assert sum(parts(table).values()) == pytest.approx(np.log(exact[1] / exact[0]))


def test_what_varies_per_query_in_one_file_only():
    varying = {**EPOCH, "output_tokens": {"varies": "query", **lognormal(500, 1)}}
    unknown = {**EPOCH, "output_tokens": lognormal(1000, 0.5)}
    table = un.explain(problem(varying), problem(unknown), draws=2**12)
    assert float(table["value"][0]) == pytest.approx(
        problem(EPOCH).central()["energy_wh"], rel=0.05
    )
    assert float(table["factor"][0]) == pytest.approx(2, rel=0.1)


def test_a_correlation_is_a_swap():
    laws = {"a": lognormal(2, 0.5), "b": lognormal(1, 0.5)}
    pair = [{"between": ["a", "b"], "rank": 0.9}]

    def model(a, b):
        return a + b

    one = un.build_problem({"schema": 1, "assumptions": laws}, model=model)
    other = un.build_problem({"schema": 1, "assumptions": laws, "correlations": pair}, model=model)
    table = un.explain(one, other, quantity="y", draws=2**13)
    assert table["input"].values.tolist() == ["correlations"]
    assert abs(float(table["contribution"][0])) > 3 * float(table["contribution_se"][0])


def test_equal_problems_have_nothing_to_explain():
    table = un.explain(problem(EPOCH), problem(EPOCH))
    assert table.sizes["input"] == 0
    assert float(table["log_ratio"]) == 0


def test_many_swaps_go_by_random_orders_and_still_sum_to_the_whole():
    first = product(**{f"x{i}": {"fixed": 1.0 + i} for i in range(14)})
    second = product(**{f"x{i}": {"fixed": 2.0 + i} for i in range(14)})
    table = un.explain(first, second, quantity="y")
    assert "random orders" in table.attrs["method"]
    expected = {f"x{i}": np.log((2 + i) / (1 + i)) for i in range(14)}
    assert parts(table) == pytest.approx(expected)
    assert float(table["contribution"].sum()) == pytest.approx(float(table["log_ratio"]), abs=1e-10)


def test_a_circle_among_swapped_assumptions_is_refused():
    one = product(a={"fixed": 1}, b={"expression": "2 * a"})
    other = product(b={"fixed": 1}, a={"expression": "2 * b"})
    with pytest.raises(un.InputError, match="swapped assumptions need one another"):
        un.explain(one, other, quantity="y")


def test_values_that_have_no_logarithm_are_refused():
    one, other = (product(a={"normal": {"mean": m, "sd": 1}}) for m in (0, 1))
    with pytest.raises(
        un.InputError, match="must be finite and above 0, and is not everywhere with"
    ):
        un.explain(one, other, quantity="y")
    with pytest.raises(un.InputError, match="must be one of typical"):
        un.explain(one, other, quantity="y", statistic="sum")


def test_the_ends_are_those_of_the_comparison_and_evidence_is_a_part():
    """Of a posterior the swaps are those of the prior, and evidence makes up the rest."""
    evidence = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": 0.2}},
        "columns": ["b", "value"],
        "rows": [[1.0, 5.0]],
    }
    laws = {"a": lognormal(2, 0.5), "b": lognormal(1, 0.3)}
    for known in ((None, None), (evidence, evidence), (evidence, [])):
        first, second = (
            un.build_problem(
                {"schema": 1, "assumptions": {**laws, "b": lognormal(middle, 0.3)}},
                model=times,
                evidence=given,
            )
            for middle, given in zip((1, 3), known, strict=True)
        )
        table = un.compare({"one": first, "other": second}, quantity="y", draws=256)
        found = un.explain(first, second, quantity="y", draws=256, table=table)
        middles = table["median"].sel(statistic="typical").values
        assert found["value"].values.tolist() == middles.tolist()
        assert found["side"].values.tolist() == ["one", "other"]
        whole = float(np.log(middles[1] / middles[0]))
        assert float(found["log_ratio"]) == pytest.approx(whole, abs=1e-12)
        assert float(found["contribution"].sum()) == pytest.approx(whole, abs=1e-12)
        row = found.sel(input="b")
        error = 4 * float(row["contribution_se"]) + 1e-12  # it is exact but for rounding
        assert abs(float(row["contribution"]) - np.log(3)) < error
        if not known[0]:
            assert "group" not in found.attrs
            assert "evidence" not in found["input"].values
            continue
        groups = ["posterior" if given else "prior" for given in known]
        assert found.attrs["group"] == " and ".join(dict.fromkeys(groups))
        words = ["what it moves" if given else "none" for given in known]
        assert found["stated"].sel(input="evidence").values.tolist() == words


def test_a_number_solved_from_the_answer_is_marked_and_must_name_an_output():
    solved = {"fixed": 0.2, "solved_for": "energy_wh"}
    table = un.explain(problem(EPOCH), problem({**EPOCH, "utilization": solved}))
    assert table["solved"].values.tolist() == [True]
    with pytest.raises(un.InputError, match="solved_for: no output 'energy'.*'energy_wh'"):
        problem({**EPOCH, "utilization": {**solved, "solved_for": "energy"}})


def test_medians_at_a_gap_are_never_wrong_by_five_errors():
    """Half of the draws are 1, half are 10; the middle lies at the gap."""

    def model(a, b, c, k):
        return k * jnp.where(a + b + c < 0, 1.0, 10.0)

    low = -float(np.sqrt(3) * ndtri(0.505)) / 3
    law = {"normal": {"mean": low, "sd": 1.0}}
    first, second = (
        un.build_problem(
            {"schema": 1, "assumptions": {**dict.fromkeys("abc", law), "k": {"fixed": k}}},
            model=model,
        )
        for k in (1.0, 2.0)
    )
    for seed in range(100):
        table = un.explain(first, second, seed=seed)
        wrong = np.abs(table["value"].values - [1, 2])
        assert (wrong <= 5 * table["value_se"].values).all()
        # What the swap does is the same on both sides of the gap.
        assert abs(float(table["contribution"][0]) - np.log(2)) < 1e-12
        assert float(table["contribution_se"][0]) < 1e-9
    assert table["side"].values[0] != table["side"].values[1]
