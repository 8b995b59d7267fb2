"""Problems: what is refused, what is noticed, what is central."""

import jax.numpy as jnp
import numpy as np
import pytest

import uncertainty as un


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


def test_a_change_of_sign_that_is_no_pole_is_no_matter():
    assert not moments({"normal": {"mean": 0, "sd": 1}}, model=lambda x: {"energy_wh": x})


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
        (lambda x: jnp.ones(3) * x, "must give scalars .got y of shape .3,"),
        (lambda x: {}, "must give scalars"),
        (lambda x: {1: x}, "keys are not all names"),
        (lambda x: float(x), r"<lambda> failed at .*test_problem.py:.*jnp.where for if"),
        (lambda x: np.sqrt(x) if x > 0 else 0, "failed at"),
        (lambda x, y: x, "needs 'y', which is no assumption"),
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
    assert "attention_factor: not given; flops takes 0.5, causal" in notices


def test_a_problem_shows_what_it_is():
    assert (
        repr(un.build_problem("gpt-4o"))
        == "<Problem priors/gpt-4o.yaml: flops, 14 uncertain assumptions>"
    )
