"""Problems: what is refused, what is noticed, what is central."""

import json
import re
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import uncertainty as un
from uncertainty.sampling import problem_of


def problem(law, model=lambda x: {"energy_wh": 1 / x}, **options):
    return un.build_problem({"schema": 1, "assumptions": {"x": law}}, model=model, **options)


def moments(law, **options):
    return [
        str(n)
        for n in problem(law, **options).notices
        if "does not exist" in str(n) or "do not" in str(n)
    ]


@pytest.mark.parametrize(
    ("law", "mean", "variance"),
    [
        ({"beta": {"alpha": 0.5, "beta": 3}}, False, False),
        ({"beta": {"alpha": 0.05, "beta": 3}}, False, False),
        ({"beta": {"alpha": 1, "beta": 3}}, False, False),
        ({"beta": {"alpha": 1.5, "beta": 3}}, True, False),
        ({"beta": {"alpha": 2, "beta": 18}}, True, False),
        ({"beta": {"alpha": 2.1, "beta": 18}}, True, True),
        ({"beta": {"alpha": 30, "beta": 200}}, True, True),
        ({"uniform": {"low": 0, "high": 1}}, False, False),
        ({"uniform": {"low": 0.01, "high": 1}}, True, True),
        ({"triangular": {"low": 0, "mode": 0.5, "high": 1}}, True, False),
        ({"pert": {"low": 0, "mode": 0.4, "high": 1}}, True, True),
        ({"normal": {"mean": 0.1, "sd": 0.02}}, False, False),
        ({"normal": {"mean": 0.1, "sd": 0.02}, "truncate": {"low": 0.01}}, True, True),
        ({"lognormal": {"median": 0.1, "sigma": 2}}, True, True),
        (
            {
                "mixture": [
                    {"weight": 1, "fixed": 0.2},
                    {"weight": 1, "beta": {"alpha": 0.8, "beta": 2}},
                ]
            },
            False,
            False,
        ),
        ({"beta": {"alpha": 0.5, "beta": 3}, "truncate": {"low": 0.01}}, True, True),
    ],
)
def test_moments_that_do_not_exist_are_said_when_the_file_is_loaded(law, mean, variance):
    """Of 1/x: the mean needs P(x < e) to fall faster than e, the variance faster than e^2."""
    found = moments(law)
    assert bool(found) == (not variance)
    assert (problem(law).lost_means == {}) == mean
    if found:
        assert ("mean and variance" in found[0]) == (not mean)
        assert "of x" in found[0]


@pytest.mark.parametrize(
    "model",
    [
        lambda x: x,
        lambda x: jnp.maximum(x - 0.1, 0),  # 0 at the median
        lambda x: jnp.where(x < -0.3, 3, 0 * x),
        lambda x: jnp.where(x < -0.3, -3, jnp.where(x < -0.2, 2, 0 * x)),
        lambda x: jnp.where(x < -0.3, -3, 1e-9 + jnp.abs(x)),
    ],
)
def test_a_change_of_sign_that_is_no_pole_is_no_matter(model):
    law = {"normal": {"mean": 0, "sd": 1}}
    assert not moments(law, model=lambda x: {"energy_wh": model(x)})
    assert moments(law, model=lambda x: {"energy_wh": 1 / (x - 0.1234)})


def test_a_lost_mean_is_marked_in_the_result():
    tree = un.simulate(problem({"beta": {"alpha": 0.5, "beta": 3}}), draws=512)
    assert "mean of energy_wh is meaningless" in tree.attrs["warnings"]


def test_central_is_every_assumption_at_its_median():
    laws = {"a": {"lognormal": {"mean": 3, "sd": 2}}, "b": {"uniform": {"low": 2, "high": 4}}}
    built = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, b: a * b)
    assert built.central()["y"] == pytest.approx(3 * 3 / np.sqrt(1 + 4 / 9))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x, y: x, "needs 'y', which is not an assumption"),
        (lambda *x: x, "by position"),
        ("flopz", "unknown model 'flopz'; did you mean 'flops'"),
    ],
)
def test_models_that_cannot_serve_are_refused_in_a_sentence(model, message):
    with pytest.raises(un.InputError, match=message):
        problem({"fixed": 1}, model=model)


def test_no_model_at_all():
    with pytest.raises(un.InputError, match="no model: write 'model: flops'"):
        un.build_problem({"schema": 1, "assumptions": {"x": {"fixed": 1}}})


def test_the_quantity_is_the_only_one_or_energy_or_asked_for():
    assert problem({"fixed": 1}, model=lambda x: x).quantity() == "y"
    two = problem({"fixed": 1}, model=lambda x: {"a": x, "b": x})
    assert two.quantity("b") == "b"
    with pytest.raises(un.InputError, match="name one of the outputs of <lambda>: a, b"):
        two.quantity()
    with pytest.raises(un.InputError, match="no output 'energy'; did you mean 'energy_wh'"):
        un.build_problem("gpt-4o").quantity("energy")


def test_defaults_of_the_model_are_noticed():
    notices = "\n".join(str(notice) for notice in un.build_problem("gpt-4o").notices)
    assert "attention_factor: not given; roofline takes 0.5, causal" in notices


def test_a_problem_shows_what_it_is():
    assert (
        repr(un.build_problem("gpt-4o"))
        == "<Problem priors/gpt-4o.yaml: roofline, 31 uncertain assumptions>"
    )


def law_of(x, **others):
    return {"schema": 1, "assumptions": {"x": x, **others}}


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        (
            law_of({"lognormal": {"median": 1, "sigma": "s"}}, s={"fixed": -1}),
            "all others at their medians: s = -1",
        ),
        (
            law_of({"uniform": {"low": "s", "high": 1}}, s={"uniform": {"low": 1, "high": 2}}),
            "s = 1.5",
        ),
        (
            law_of({"uniform": {"low": 0, "high": 1}, "truncate": {"low": "s"}}, s={"fixed": 5}),
            "s = 5",
        ),
        (law_of({"choice": {"options": [1, 2], "weights": ["s", 1]}}, s={"fixed": -1}), "s = -1"),
        (law_of({"beta": {"mean": "s", "sd": 0.6}}, s={"fixed": 0.5}), "s = 0.5"),
        (law_of({"pert": {"low": 0, "mode": "s", "high": 1}}, s={"fixed": 2}), "s = 2"),
        (law_of({"expression": "log(s)"}, s={"fixed": -1}), "x.expression: is not a number"),
    ],
)
def test_named_parameters_that_leave_no_distribution_are_faults(priors, message):
    with pytest.raises(un.InputError, match=message):
        un.build_problem(priors, model=lambda x: x)


def test_named_parameters_that_fail_in_some_draws_are_counted():
    laws = law_of(
        {"triangular": {"low": 0, "mode": "m", "high": 1}}, m={"uniform": {"low": 0, "high": 1.5}}
    )
    tree = un.simulate(un.build_problem(laws, model=lambda x: x), draws=1024)
    assert "y is not finite for 33" in tree.attrs["warnings"]


def test_a_named_shape_may_take_the_mean_away_at_other_values_than_its_median():
    laws = law_of({"beta": {"alpha": "a", "beta": 3}}, a={"uniform": {"low": 0.5, "high": 5}})
    assert un.build_problem(laws, model=lambda x: {"energy_wh": 1 / x}).lost_means


def test_every_output_of_ones_own_model_is_asked_for_its_moments():
    law = {"beta": {"alpha": 0.8, "beta": 3}}
    assert set(problem(law, model=lambda x: {"energy_wh": x, "z": 1 / x}).lost_means) == {"z"}


def test_names_that_would_hide_one_another_are_faults():
    laws = {name: {"uniform": {"low": 0, "high": 1}} for name in ("chain", "a", "a_score")}
    with pytest.raises(un.InputError) as caught:
        un.build_problem(
            {"schema": 1, "assumptions": laws},
            model=lambda **all: {"a": 1.0 * all["a"], "y/z": all["a"]},
        )
    assert [fault.field for fault in caught.value.faults] == [
        "assumptions.a_score",
        "assumptions.chain",
        "y/z",
    ]


def test_an_output_may_have_the_name_of_an_assumption():
    import jax
    from numpyro.infer import Predictive

    laws = {name: {"uniform": {"low": 1, "high": 2}} for name in "xy"}
    built = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda x, y: x * y)
    assert float(un.simulate(built, draws=64)["prior_predictive"]["y"].max()) > 2
    drawn = Predictive(built.numpyro_model(), num_samples=200)(jax.random.key(0))
    assert float(drawn["y"].max()) > 2


def test_a_system_that_nobody_measured_is_the_same_problem_with_an_effect():
    built = un.build_problem("gpt-4o")
    system = built.new_system
    assert {*system.assumptions} - {*built.assumptions} == {"system_effect", "stack_effect"}
    laws = {node.name: node.law for node in system.joint.nodes}
    assert all(node.law is laws[node.name] for node in built.joint.nodes)
    assert system.new_system is system


def measured(error=None, rows=(("a", 1.1), ("b", 0.9)), **more):
    error = error or {"lognormal": {"sigma": 0.1}}
    rows = [list(row) for row in rows]
    return {
        "schema": 1,
        "observes": "y",
        "error": error,
        "columns": ["at", "value"],
        "rows": rows,
    } | {
        "random_effect": {"column": "at", "sd": 0.2},
        **more,
    }


def test_evidence_called_like_the_effect_of_a_new_system_is_numbered():
    [item] = un.build_problem(law_of(1.0), lambda x: {"y": x}, evidence=measured()).evidence
    for name in ("system", "system_effect"):
        named = replace(item, name=name)
        built = un.build_problem(law_of(1.0), lambda x: {"y": x}, evidence=named)
        assert [item.name for item in built.observations] == [f"{name}_2"]
        assert "system_effect" in built.new_system.assumptions


def test_a_discrepancy_with_a_unit_is_that_of_a_new_system():
    off = {"normal": {"mean": "0 Wh", "sd": "500 mWh"}, "unit": "Wh"}
    one = measured({"normal": {"sd": 0.1}}, discrepancy="off")
    built = un.build_problem(law_of(1.0, off=off), lambda x: {"y": x}, evidence=one)
    law = built.new_system.assumptions["system_discrepancy"].law
    assert dict(law.fields) == {"mean": 0.0, "sd": 0.5}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, r"<evidence>: random_effect.sd: names 'tau', which is not an assumption; known: x$"),
        ({"tau": 0}, r"<evidence>: random_effect.sd: names 'tau', whose median is 0"),
        ({"tau": {"beta": {"p5": 0.9, "p95": 0.1}}}, r"^<mapping>: assumptions.tau.beta[^\n]*$"),
    ],
)
def test_what_the_effect_of_a_new_system_repeats_is_said_once_where_it_stands(more, message):
    one = measured(random_effect={"column": "at", "sd": "tau"})
    with pytest.raises(un.InputError, match=message) as raised:
        un.build_problem(law_of(1.0, **more), lambda x: {"y": x}, evidence=one)
    assert len(raised.value.faults) == 1


def test_hints_know_what_evidence_brings_along():
    one = measured({"lognormal": {"sigma": "noisse"}}, assumptions={"noise": {"fixed": 0.1}})
    with pytest.raises(un.InputError, match="'noisse', which is not an.*did you mean 'noise'"):
        un.build_problem(law_of(1.0), lambda x: {"y": x}, evidence=one)
    with pytest.raises(un.InputError, match="'noisse', which is not an.*did you mean 'noise'"):
        un.build_problem(
            law_of({"expression": "noisse"}),
            lambda x: {"y": x},
            evidence=measured({"lognormal": {"sigma": "noise"}}, assumptions=one["assumptions"]),
        )


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"given": 5}, "<given>: must be a mapping (got int)"),
        ({"given": ["a"]}, "<given>: must be a mapping (got list)"),
        ({"scenario": 7}, "no scenario 7"),
        ({"scenario": ["a"]}, "no scenario ['a']"),
        ({"model": ["x"]}, "<model>: must be a name"),
        ({"evidence": [["x"]]}, "<evidence>: must be a file"),
        ({"unknown": 1}, "of another version"),
        ({"priors": 5}, "attribute 'recipe' must be a mapping or null, as JSON"),
        ({"priors": None}, "attribute 'recipe' must be a mapping or null, as JSON"),
    ],
)
def test_what_a_result_was_made_from_may_be_anything_and_is_refused_in_a_sentence(recipe, message):
    tree = un.simulate(un.build_problem("epoch"), draws=32)
    tree.attrs |= {"problem": "of no other", "recipe": json.dumps({"priors": "epoch"} | recipe)}
    with pytest.raises(un.InputError, match=re.escape(message)) as refused:
        problem_of(tree)
    assert re.search("cannot be built again|not a result that can be used", str(refused.value))
    assert len(refused.value.faults) == 1


SERVED = {
    "llm": "llama-3.1-70b",
    "hardware": "h100-sxm",
    "precision": "bfloat16",
    "batch_size": 4,
}


@pytest.mark.parametrize(
    ("given", "refused", "said"),
    [
        ({"gpu_count": 1}, True, "141.2 GB of weights do not fit into 1 x 80 GB: 2 GPUs or more"),
        ({"gpu_count": 2}, False, ""),
        ({"gpu_count": 2, "batch_size": 1024}, False, "there is room for a batch of"),
        ({"gpu_count": 1, "memory_bytes": 0}, False, ""),
        ({"gpu_count": 1, "memory_bytes": 2e11}, False, ""),
        ({"gpu_count": 1, "hardware": "mi300x"}, False, ""),
    ],
)
def test_a_deployment_fits_its_memory(given, refused, said):
    if refused:
        with pytest.raises(un.InputError, match=said):
            un.build_problem("open-llama-70b", model="roofline", given=SERVED | given)
        return
    problem = un.build_problem("open-llama-70b", model="roofline", given=SERVED | given)
    assert ["GB" in str(notice) for notice in problem.cautions] == [True] * bool(said)
    assert all(said in str(notice) for notice in problem.cautions)


def test_a_question_outside_of_what_was_measured_is_told_what_lies_next_to_it():
    evidence = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": 0.1}},
        "random_effect": {"column": "board", "sd": 0.2},
        "columns": ["board", "batch_size", "gpu_count", "value"],
        "rows": [["a", 8, 1, 5.0], ["b", 900, 4, 2.0], ["c", 2000, 8, 1.0]],
    }

    def said(batch_size):
        laws = {"batch_size": {"fixed": batch_size}, "gpu_count": {"fixed": 4}}
        prior = {"schema": 1, "assumptions": laws}
        problem = un.build_problem(
            prior, model=lambda batch_size, gpu_count: gpu_count / batch_size, evidence=evidence
        )
        return [str(text) for text in problem.notices if "measured" in str(text)]

    [beside] = said(64)
    assert "measured next to this: row 1 of evidence (a, y: value 5); row 2" in beside
    outside, beside = said(8000)
    assert "outside of what was measured: batch_size is 8,000 (measured: 8 to 2,000): " in outside
    assert "there the answer rests on the formulas of the model alone" in outside
    assert "measured next to this: row 3 of evidence (c, y: value 1)" in beside
