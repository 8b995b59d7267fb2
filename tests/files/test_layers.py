"""Layers: a later one overrides an earlier one, and says so."""

import pytest

import uncertainty as un

BASE = """
schema: 1
title: base
model: flops
assumptions:
  active_parameters: {fixed: 1.0e11}
  output_tokens: {varies: query, lognormal: {median: 300, sigma: 1}, group: usage}
  utilization: {fixed: 0.1}
  peak_flops: {fixed: 989 TFLOP/s}
  gpu_power_w: {fixed: 1.5 kW}
  power_fraction: {fixed: 70 %}
  overhead: {expression: speed / 2}
  speed: {fixed: 2, unit: km/s}
scenarios:
  long: {output_tokens: 5000}
"""


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def number(problem, name):
    return dict(problem.assumptions[name].law.fields)["value"]


def test_numbers_with_units_are_converted_once(base):
    problem = un.build_problem(base)
    assert number(problem, "peak_flops") == 9.89e14
    assert number(problem, "gpu_power_w") == 1500
    assert number(problem, "power_fraction") == pytest.approx(0.7)


def test_given_takes_numbers_units_and_families(base):
    laws = {
        "output_tokens": 500,
        "gpu_power_w": "0.7 kW",
        "utilization": {"uniform": {"low": 0.1, "high": 0.2}},
    }
    problem = un.build_problem(base, given=laws)
    assert number(problem, "output_tokens") == 500
    assert number(problem, "gpu_power_w") == 700
    assert problem.assumptions["utilization"].law.family == "uniform"
    assert not problem.varies


def test_an_override_keeps_unit_group_and_kind_of_variation(base):
    law = {"lognormal": {"median": 700, "sigma": 1}}
    problem = un.build_problem(base, given={"output_tokens": law, "speed": "3000 m/s"})
    tokens = problem.assumptions["output_tokens"]
    assert (tokens.varies, tokens.group) == (True, "usage")
    assert number(problem, "speed") == pytest.approx(3)


def test_an_undeclared_number_with_a_unit_goes_to_its_base_unit():
    priors = {"schema": 1, "assumptions": {"wait": {"fixed": "2 ms"}}}
    problem = un.build_problem(priors, model=lambda wait: wait)
    assert number(problem, "wait") == pytest.approx(0.002)
    assert problem.assumptions["wait"].unit == "second"


def test_an_undeclared_unit_that_is_unknown_is_a_fault():
    priors = {"schema": 1, "assumptions": {"wait": {"fixed": "2 blinks"}}}
    with pytest.raises(un.InputError, match="blinks"):
        un.build_problem(priors, model=lambda wait: wait)


def test_units_reach_into_families_choices_and_mixtures():
    laws = {
        "a": {"uniform": {"low": "1 kW", "high": 2000}, "unit": "W"},
        "b": {"choice": {"options": ["1 kW", 5]}, "unit": "W"},
        "c": {
            "mixture": [{"weight": "50 %", "fixed": "1 kW"}, {"weight": 1, "fixed": 2}],
            "unit": "W",
        },
    }
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=lambda a, b, c: a + b + c)
    assert dict(problem.assumptions["a"].law.fields) == {"low": 1000, "high": 2000}
    assert [dict(p.fields)["value"] for p in problem.assumptions["b"].law.parts] == [1000, 5]
    assert problem.assumptions["c"].law.weights == (0.5, 1.0)


def test_scenarios_are_layers(base):
    problem = un.build_problem(base, scenario="long")
    assert number(problem, "output_tokens") == 5000
    with pytest.raises(un.InputError, match="did you mean 'long'"):
        un.build_problem(base, scenario="lonk")


def test_a_file_extends_another_and_reports_old_and_new(base, tmp_path):
    top = tmp_path / "top.yaml"
    top.write_text("schema: 1\nextends: base.yaml\nassumptions: {utilization: {fixed: 0.2}}\n")
    problem = un.build_problem(top)
    assert number(problem, "utilization") == 0.2
    assert problem.priors.title == "base"
    notices = [str(notice) for notice in problem.notices]
    assert any("overrides fixed: 0.1 -> fixed: 0.2" in notice for notice in notices)


def test_overrides_are_told_for_every_form(base):
    given = {
        "utilization": {"lognormal": {"p5": 0.1, "p95": 0.2}},
        "gpu_power_w": "700 W",
        "output_tokens": {"choice": {"options": [1, 2]}},
    }
    notices = "\n".join(str(notice) for notice in un.build_problem(base, given=given).notices)
    assert "fixed: 0.1 -> lognormal: {p5: 0.1, p95: 0.2}" in notices
    assert "fixed: 1.5 kW -> fixed: 700 W" in notices
    assert "choice: {options: [1, 2]}" in notices


def test_one_way_to_state_the_overhead_replaces_the_other(base):
    given = {"host": 1.5, "idle": 1.1, "pue": 1.2}
    problem = un.build_problem(base, given=given)
    assert "overhead" not in problem.assumptions
    assert any("overhead: is not used" in str(notice) for notice in problem.notices)
    assert {"energy_wh_node", "energy_wh_provisioned"} <= problem.outputs.keys()
    back = un.build_problem("gpt-4o", given={"overhead": 2})
    assert "pue" not in back.assumptions
    assert "energy_wh_node" not in back.outputs


def test_unused_is_a_notice_where_the_file_is_altered(base, tmp_path):
    top = tmp_path / "top.yaml"
    top.write_text("schema: 1\nextends: base.yaml\nassumptions: {cats: {fixed: 3}}\n")
    with pytest.raises(un.InputError, match="cats: is used by nothing"):
        un.build_problem(top)
    problem = un.build_problem(top, given={"utilization": 0.2})
    assert any("cats: is used by nothing" in str(notice) for notice in problem.notices)


def test_unused_names_of_a_lower_layer_are_notices(base, tmp_path):
    top = tmp_path / "top.yaml"
    top.write_text("schema: 1\nextends: base.yaml\nassumptions: {overhead: {fixed: 2}}\n")
    notices = [str(notice) for notice in un.build_problem(top).notices]
    assert any("speed: is used by nothing" in notice for notice in notices)


def test_faults_of_given_have_no_line():
    with pytest.raises(un.InputError) as caught:
        un.build_problem(
            "gpt-4o", given={"host": {"lognormal": {"median": -1, "sigma": 1}}, "idle": True}
        )
    assert [str(fault).split(":")[0] for fault in caught.value.faults] == ["<given>", "<given>"]


def test_a_correlation_of_a_fixed_assumption_is_a_notice():
    problem = un.build_problem("gpt-4o-mini", given={"moe_ratio": 4})
    assert any("moe_ratio is fixed" in str(notice) for notice in problem.notices)
    assert not problem.joint.blocks


def test_a_later_correlation_replaces_an_earlier_one(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "schema: 1\nextends: gpt-4o-mini\ncorrelations:\n"
        "  - {between: [moe_ratio, total_parameters], rank: 0.1}\n"
    )
    block = un.build_problem(tmp_path / "x.yaml").joint.blocks[0]
    assert block.factor[1][0] == pytest.approx(0.1, abs=0.01)


def test_sources_may_stand_beside_the_file(tmp_path):
    (tmp_path / "sources.bib").write_text("@misc{mine,\n title = {x}}\n")
    (tmp_path / "x.yaml").write_text("schema: 1\nassumptions: {x: {fixed: 1, source: mine}}\n")
    assert un.build_problem(tmp_path / "x.yaml", model=lambda x: x).central() == {"y": 1.0}


def test_a_stated_unit_stays_for_the_numbers_of_an_override(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "schema: 1\nextends: gpt-4o\nassumptions: {peak_flops: {fixed: 989, unit: TFLOP/s}}\n"
    )
    problem = un.build_problem(tmp_path / "x.yaml", given={"peak_flops": 2000})
    assert number(problem, "peak_flops") == pytest.approx(2e15)


def test_named_parameters_are_in_the_unit_wanted_and_expressions_in_the_unit_stated():
    base = {"schema": 1, "extends": "gpt-4o"}
    for power in ({"fixed": 0.7, "unit": "kW"}, {"fixed": "700 s"}):
        with pytest.raises(un.InputError, match="but must be in 'W'"):
            un.build_problem({**base, "assumptions": {"gpu_power_w": {"fixed": "p"}, "p": power}})
    laws = {"gpu_power_w": {"expression": "2 * p", "unit": "kW"}, "p": {"fixed": 0.35}}
    same = un.build_problem({**base, "assumptions": laws}).central()["energy_wh"]
    assert same == pytest.approx(un.build_problem("gpt-4o").central()["energy_wh"])


def test_a_part_of_what_overhead_replaced_is_not_enough():
    priors = {"schema": 1, "extends": "gpt-4o", "assumptions": {"overhead": {"fixed": 1.5}}}
    with pytest.raises(un.InputError, match="roofline needs overhead, or host and idle and pue"):
        un.build_problem(priors, given={"pue": 1.2})


def test_scenarios_that_are_not_chosen_are_checked_too():
    scenarios = {
        "s": {
            "host": {"uniform": {"low": 3, "high": 1}, "source": "nobody"},
            "idle": {"fixed": "nothing"},
        }
    }
    with pytest.raises(un.InputError) as caught:
        un.build_problem(
            {"schema": 1, "extends": "gpt-4o", "assumptions": {}, "scenarios": scenarios}
        )
    fields = [fault.field for fault in caught.value.faults]
    assert fields == [
        "scenarios.s.host.source",
        "scenarios.s.host.uniform.high",
        "scenarios.s.idle.fixed",
    ]
