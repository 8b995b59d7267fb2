"""The road: correlations, coordinates, densities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.distributions import compile_law
from uncertainty.files import Law, Reference, parse_expression
from uncertainty.problem.joint import Joint, Node, build_joint

LAWS = {
    "a": {"lognormal": {"median": 2, "sigma": 0.7}},
    "b": {"beta": {"alpha": 2, "beta": 5}},
    "c": {"uniform": {"low": 0, "high": 4}},
}
CORRELATIONS = [
    {"between": ["a", "b"], "rank": 0.6},
    {"between": ["c", "b"], "rank": -0.5},
]


def problem(laws=LAWS, correlations=CORRELATIONS, **options):
    priors = {"schema": 1, "assumptions": laws, "correlations": correlations}
    return un.build_problem(priors, model=lambda a, b, c, **rest: a + b + c, **options)


def test_rank_correlations_are_attained_and_margins_kept():
    tree = un.simulate(problem(), draws=2**15)
    columns = {name: tree["prior"][name].values for name in LAWS}
    wanted = {("a", "b"): 0.6, ("c", "b"): -0.5, ("a", "c"): 0.0}
    for (x, y), rank in wanted.items():
        found = [stats.spearmanr(columns[x][i], columns[y][i])[0] for i in range(16)]
        assert np.mean(found) == pytest.approx(rank, abs=5 * stats.sem(found))
    medians = np.median(columns["b"], axis=1)
    assert medians.mean() == pytest.approx(stats.beta(2, 5).median(), abs=5 * stats.sem(medians))


def test_an_assumption_appended_changes_nothing_before_it():
    before = un.simulate(problem(), draws=2**10)
    more = {**LAWS, "d": {"normal": {"mean": 0, "sd": 1}}}
    after = un.simulate(problem(more), draws=2**10)
    for name in LAWS:
        np.testing.assert_array_equal(before["prior"][name], after["prior"][name])


def test_fixing_an_assumption_leaves_the_others_draws_as_they_were():
    free = un.simulate(problem(correlations=[]), draws=2**10)
    fixed = un.simulate(problem(correlations=[], given={"a": 2}), draws=2**10)
    for name in ("b", "c"):
        np.testing.assert_array_equal(free["prior"][name], fixed["prior"][name])


def test_decorrelate_inverts_correlate():
    joint = problem().joint
    scores = {name: np.array([0.3, -1.2]) for name in LAWS}
    back = joint.decorrelate(scores)
    for i in range(2):
        point = {name: jnp.asarray(column[i]) for name, column in back.items()}
        again = in_float64(joint.correlate)(point)
        for name in LAWS:
            assert float(again[name]) == pytest.approx(scores[name][i], abs=1e-6)


def test_log_prior_is_the_density_of_each_margin_and_conditional_under_a_correlation():
    joint = problem().joint
    w = {"a": 0.4, "b": -0.3, "c": 1.1}
    scores = {name: jnp.asarray(value) for name, value in w.items()}
    found = {k: float(v) for k, v in in_float64(joint.log_prior)(scores).items()}
    inputs = in_float64(joint.inputs)(in_float64(joint.correlate)(scores))
    lognormal = stats.lognorm(0.7, scale=2)
    assert found["a"] == pytest.approx(lognormal.logpdf(float(inputs["a"])), abs=1e-5)
    # b given a: density of the margin, times the ratio of normal densities of the score.
    r = 2 * np.sin(np.pi * 0.6 / 6)
    z = r * w["a"] + np.sqrt(1 - r * r) * w["b"]
    conditional = stats.norm.logpdf(w["b"]) - 0.5 * np.log(1 - r * r) - stats.norm.logpdf(z)
    expected = stats.beta(2, 5).logpdf(float(inputs["b"])) + conditional
    assert found["b"] == pytest.approx(expected, abs=1e-4)


def test_log_prior_of_an_atom_is_zero():
    laws = {"a": {"choice": {"options": [1, 2]}}, "b": LAWS["b"], "c": LAWS["c"]}
    scores = {name: jnp.asarray(0.1) for name in laws}
    assert float(problem(laws, []).joint.log_prior(scores)["a"]) == 0.0


def test_new_numbers_need_no_new_compilation():
    import jax

    first, second = (
        problem().joint,
        problem(given={"a": {"lognormal": {"median": 3, "sigma": 1}}}).joint,
    )
    assert jax.tree_util.tree_structure(first) == jax.tree_util.tree_structure(second)


def test_a_percentile_that_no_family_has_is_a_fault_of_the_problem():
    laws = {**LAWS, "b": {"beta": {"p5": 0.49999999, "p95": 0.50000001}}}
    with pytest.raises(un.InputError, match="assumptions.b.beta: no beta distribution"):
        problem(laws)


def test_nothing_to_join():
    assert build_joint([], [])[0].nodes == ()


def test_roots_of_one_family_are_evaluated_together_as_each_alone():
    laws = {**LAWS, "b": {"lognormal": {"p5": 1, "p95": 9}}}
    joint = problem(laws, []).joint
    assert [group.names for group in joint.roots] == [("a", "b")]
    scores = {name: np.float64(value) for name, value in {"a": 0.4, "b": -2.0, "c": 1.1}.items()}
    together = in_float64(joint.inputs)(scores)
    for node in joint.nodes:
        alone = in_float64(node.value)(scores, {})
        assert float(together[node.name]) == pytest.approx(float(alone), rel=1e-14)


def test_laws_that_name_others_alike_are_evaluated_together_as_each_alone():
    """The program is as long, however many there are; what varies per query is apart."""

    def exponentials(count):
        nodes = [Node("m", 0, False, compile_law(Law("uniform", (("low", 0.3), ("high", 0.6)))))]
        nodes.append(Node("half", -1, False, None, parse_expression("m / 2")))
        for i in range(count):
            median = Reference(("m", "half")[i % 2])
            law = compile_law(Law("lognormal", (("median", median), ("sigma", 0.1 + i))))
            nodes.append(Node(f"b{i}", i + 1, i == 0, law))
        joint = Joint.of(nodes, [])
        scores = {node.name: np.float64(0.3 - node.index / 10) for node in joint.nodes}
        known = {"b1": np.float64(0.5)}
        inputs = jax.jit(joint.inputs)
        together, given = inputs(scores), inputs(scores, known)
        each = jax.jit(lambda values: {n.name: n.value(scores, values) for n in joint.nodes})
        for name, value in each(together).items():
            alone = pytest.approx(float(value), rel=1e-14)
            assert float(together[name]) == alone
            assert float(given[name]) == known.get(name, alone)
        return inputs.lower(scores).as_text().count("exponential")

    assert 0 < in_float64(exponentials)(6) == in_float64(exponentials)(4)


def test_coordinates_keep_their_order_where_an_assumption_is_left_out():
    joint = problem().joint
    assert {n.name: n.index for n in joint.without(("a",)).nodes} == {"b": 0, "c": 1}
    assert joint.without(("a",)).blocks == ()


def test_what_another_assumption_needs_is_not_left_out():
    laws = {**LAWS, "c": {"expression": "2 * a"}}
    assert len(problem(laws, []).joint.without(("a",)).nodes) == 3
