"""Models built of models: fleets and ensembles, and the machine on one's own desk."""

import json

import numpy as np
import pytest

import uncertainty as un
from uncertainty import report
from uncertainty.arrays import in_float64
from uncertainty.energy.built import (
    ENERGY_MODELS,
    Facility,
    Training,
    compose,
    fleet_outputs,
    training_wh,
)
from uncertainty.energy.model import by_name

QUERY = {
    "active_parameters": {"lognormal": {"median": 1e11, "sigma": 0.5}},
    "output_tokens": {"fixed": 500},
    "utilization": {"fixed": 0.1},
    "batch_size": {"fixed": 32},
    "gpu_count": {"fixed": 8},
    "hardware": "h100-sxm",
    "precision": "bfloat16",
    "power_fraction": {"fixed": 0.7},
    "overhead": {"fixed": 1.5},
}
FLOPS = {k: v for k, v in QUERY.items() if k not in ("batch_size", "gpu_count")}


def problem(model, assumptions, **more):
    return un.build_problem({"schema": 1, "model": model, "assumptions": assumptions}, **more)


@in_float64
def fleet(**inputs):
    return {name: float(value) for name, value in by_name(fleet_outputs)(**inputs).items()}


def test_a_fleet_keeps_the_energy_of_its_model():
    alone = problem("flops", FLOPS).central()
    whole = problem({"fleet": "flops"}, {**FLOPS, "queries_per_day": {"fixed": 1e9}}).central()
    assert {name: whole[name] for name in alone} == pytest.approx(alone, rel=1e-12)
    assert whole["fleet_power_mw"] == pytest.approx(alone["energy_wh"] * 1e9 / 24e6)


def test_training_by_power_by_arithmetic_and_as_published():
    assert training_wh(Training(), Facility()) is None
    by_power = Training(training_power_w=2e7, training_days=90)
    assert training_wh(by_power, Facility()) == 2e7 * 90 * 24
    by_flop, served = Training(training_flop=2e25, training_utilization=0.4), (1e15, 700)
    expected = 2e25 / 4e14 * 700 * 1.5 / 3600
    for facility in (Facility(overhead=1.5), Facility(host=1.25, pue=1.2)):
        energy = training_wh(by_flop, facility, peak_flops=served[0], gpu_power_w=served[1])
        assert energy == pytest.approx(expected)
    assert training_wh(Training(training_energy_wh=5.0, training_flop=1e25), Facility()) == 5
    with pytest.raises(un.InputError, match="training_flop needs training_peak_flops"):
        problem(
            {"fleet": "throughput"},
            {
                **{k: FLOPS[k] for k in ("output_tokens", "power_fraction", "overhead")},
                "gpu_power_w": {"fixed": 700},
                "tokens_per_s": {"fixed": 900},
                "queries_per_day": {"fixed": 1e9},
                "training_flop": {"fixed": 1e25},
            },
        )


def test_what_is_spread_over_queries():
    query = {"energy_wh": 0.3, "gpu_seconds": 2.0}
    found = fleet(
        query=query, queries_per_day=1e9, training_energy_wh=5e10, lifetime_days=500.0, idle=1.25,
        embodied_wh_per_gpu=1e6, embodied_g_per_gpu=2e5, gpu_lifetime_days=1000.0,
        carbon_intensity_g_per_kwh=400.0, water_intensity_l_per_kwh=2.0,
    )  # fmt: skip
    life = 1000 * 86400
    assert found["training_wh_per_query"] == pytest.approx(0.1)
    assert found["training_share"] == pytest.approx(0.25)
    assert found["embodied_wh_per_query"] == pytest.approx(1e6 * 2.5 / life)
    assert found["embodied_co2e_g"] == pytest.approx(2e5 * 2.5 / life)
    assert found["lifecycle_wh"] == pytest.approx(0.4 + 1e6 * 2.5 / life)
    assert found["co2e_g"] == pytest.approx(0.12)
    assert found["water_ml"] == pytest.approx(0.6)
    assert found["led_s"] == pytest.approx(108)
    assert found["microwave_s"] == pytest.approx(1.08)


def test_outputs_of_a_fleet_are_those_that_the_inputs_allow():
    found = fleet(query={"energy_wh": 0.3}, queries_per_day=1e9)
    assert set(found) == {"fleet_power_mw", "household_days", "led_s", "microwave_s"}


def test_an_ensemble_is_the_mixture_of_its_members():
    """Its mean is the weighted mean of theirs, and the choice is ranked with the rest."""
    ensemble = {"ensemble": {"flops": 1, "roofline": 3}}
    members = [problem(name, _used(name)) for name in ("flops", "roofline")]
    both = problem(ensemble, QUERY)
    assert both.assumptions["model_form"].note == "0: flops, 1: roofline"
    tables = [un.summarize(un.simulate(p), quantities=["energy_wh"]) for p in (both, *members)]
    means = [float(t["mean"][0, 0]) for t in tables]
    errors = [float(t["mcse_mean"][0, 0]) for t in tables]
    expected = 0.25 * means[1] + 0.75 * means[2]
    assert means[0] == pytest.approx(expected, abs=4 * np.hypot(*errors[:2]) + 4 * errors[2])
    ranking = un.rank_inputs(both)
    assert set(ranking["input"].values) == {"active_parameters", "model_form"}


def _used(name):
    used = ENERGY_MODELS[name].used(QUERY)
    return {k: v for k, v in QUERY.items() if k in (*used, "hardware", "precision")}


def test_a_fleet_of_an_ensemble_is_built_too():
    stated = {"fleet": {"ensemble": {"flops": 1, "roofline": 1}}}
    whole = problem(stated, {**QUERY, "queries_per_day": {"fixed": 1e6}})
    assert {"energy_wh", "fleet_power_mw"} <= set(whole.outputs)
    assert "model_form" in whole.assumptions


def test_the_weights_of_an_ensemble_may_be_stated_with_their_source():
    own = {"choice": {"options": [0, 1], "weights": [1, 9]}, "source": "epoch2025"}
    both = problem({"ensemble": {"flops": 1, "roofline": 1}}, {**QUERY, "model_form": own})
    assert both.assumptions["model_form"].source == "epoch2025"


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("flop", "<mapping>: model: unknown model 'flop'; did you mean 'flops'?"),
        ({"fleet": "flop"}, "<mapping>: model.fleet: unknown model 'flop'; did you mean 'flops'?"),
        ({"ensemble": {"flops": 1}}, "<mapping>: model.ensemble: must name two or more models"),
        ({"ensemble": {"flops": 0, "roofline": 1}}, "model.ensemble.flops: must have a weight"),
        ({"fleet": {"fleet": "flops"}}, "model.fleet: must be the name of a model, or an ensemble"),
        ({"sum": "flops"}, "must be a name, {fleet: NAME} or {ensemble: ...} (got sum)"),
    ],
)
def test_a_model_that_cannot_be_built_is_a_fault(stated, message):
    with pytest.raises(un.InputError) as caught:
        problem(stated, FLOPS)
    assert message in str(caught.value)


def test_a_model_is_read_from_a_command():
    from uncertainty.files import model_of_text

    assert compose(model_of_text("{fleet: {ensemble: {flops: 1, roofline: 1}}}"))[0].weights == {
        "flops": 0.5,
        "roofline": 0.5,
    }
    with pytest.raises(un.InputError, match="is not YAML"):
        model_of_text("{fleet: [}")


def test_a_laptop_reads_every_parameter_for_every_token():
    found = in_float64(ENERGY_MODELS["local"].function)(
        active_parameters=8e9, output_tokens=500.0, peak_flops=3.4e13, gpu_power_w=140.0,
        memory_bandwidth_bytes_per_s=5.46e11, bytes_per_parameter=0.5, bandwidth_cap=0.8,
        wall_power_w=70.0,
    )  # fmt: skip
    assert float(found["memory_bound"]) > 0.999
    assert float(found["tokens_per_s"]) < 0.8 * 5.46e11 / 4e9
    seconds = 500 / float(found["tokens_per_s"])
    assert float(found["energy_wh"]) == pytest.approx(70 * seconds / 3600, rel=1e-9)


def test_boards_that_are_owned_draw_power_while_they_wait():
    """Two boards at work of sixteen: the others wait at 100 W each, behind a host and a PUE."""
    query = {"energy_wh": 0.5, "gpu_seconds": 2.0}
    facility = {"host": 1.5, "idle": 1.25, "pue": 1.2}
    busy = {"query": query, "queries_per_day": 86400.0, **facility}
    found = fleet(**busy, boards_owned=16.0, idle_power_w=100.0)
    work_w = 0.5 * 3600 / 1.25
    waiting_w = 100 * 14 * 1.5 * 1.2
    assert found["fleet_busy_boards"] == pytest.approx(2)
    assert found["fleet_busy_share"] == pytest.approx(2 / 16)
    assert found["fleet_idle_energy_mwh_per_day"] == pytest.approx(24 * waiting_w / 1e6)
    assert found["fleet_power_mw"] == pytest.approx((work_w + waiting_w) / 1e6)
    more = fleet(**busy, carbon_intensity_g_per_kwh=400.0, water_intensity_l_per_kwh=2.0)
    assert more["fleet_co2e_t_per_year"] == pytest.approx(0.5 * 86400 * 365 * 0.4 / 1e6)
    assert more["fleet_water_m3_per_year"] == pytest.approx(0.5 * 86400 * 365 * 2 / 1e6)
    rated = fleet(**busy, boards_owned=16.0, gpu_power_w=800.0, static_power_fraction=0.125)
    assert rated["fleet_power_mw"] == pytest.approx(found["fleet_power_mw"])


def test_totals_are_quoted_from_the_mean_query_and_a_low_load_is_told(tmp_path):
    from uncertainty.report.result import citation_sentence, headline, notices_of

    laws = {
        **FLOPS,
        "output_tokens": {"varies": "query", "lognormal": {"median": 500, "sigma": 1.0}},
        "queries_per_day": {"fixed": 1e4},
        "boards_owned": {"fixed": 16},
    }
    asked = problem({"fleet": "flops"}, laws)
    tree = un.simulate(asked, draws=512)
    table = un.summarize(tree).sel(quantity="fleet_power_mw")
    quoted = headline(tree, "fleet_power_mw", [un.summarize(tree)])
    assert quoted.quoted == "mean"
    [row] = quoted.table().rows
    assert row[0] == "mean query"
    assert row[1].startswith(f"{float(table['median'].sel(statistic='mean')):.3g}")
    assert "median of the mean query" in citation_sentence(tree, quoted)
    page = list(report.parts(tree, quantity="fleet_power_mw"))
    tables = [part for part in page if isinstance(part, report.Table)]
    [together] = [part for part in tables if part.title.startswith("All queries together")]
    days = {row[0]: float(row[1].replace(",", "")) for row in together.rows}
    megawatts = float(table["median"].sel(statistic="mean"))
    assert days == {
        f"kWh a {period}": float(f"{megawatts * 24e3 * number:.3g}")
        for period, number in (("day", 1), ("month", 365 / 12), ("year", 365))
    }
    figures = {part.name: part.draw for part in page if isinstance(part, report.Figure)}
    assert list(figures["distribution"].args[0]) == ["mean"]
    for said in (
        json.loads(tree.attrs["notices"]),
        json.loads(un.stream(asked, draws=512, quantities=["energy_wh"]).attrs["notices"]),
        notices_of(tree),
    ):
        assert len([text for text in said if "boards owned (16) are busy" in text]) == 1
    typical = un.summarize(tree, quantities=["energy_wh"])
    assert headline(tree, "energy_wh", [un.summarize(tree)]).quoted == "typical"
    assert float(typical["median"].sel(statistic="mean")[0]) > float(
        typical["median"].sel(statistic="typical")[0]
    )


PLAIN = {"utilization": 0.05, "power_fraction": 0.7}  # for the plain arithmetic, exact in tokens


def test_each_turn_of_a_chat_reads_what_was_said_before_it():
    given = {"steps_per_session": 3, "message_tokens": 100, "output_tokens": 400}
    turns = [{**given, "turn_share": place, "cache_hits": 0.5} for place in (0, 0.5, 1)]
    last = {**turns[-1], "cache_hits": 0}
    first, second, third, anew = (
        un.build_problem(
            "multi-turn-chat", model="flops", given=PLAIN | laws, evidence=[]
        ).central()
        for laws in (*turns, last)
    )
    read = [turn["energy_wh_prefill_weights"] for turn in (first, second, third)]
    # Of the history a cache has a share: each turn reads as much more as the one before did.
    assert read[2] - read[1] == pytest.approx(read[1] - read[0], rel=1e-9)
    assert read[1] > read[0]
    assert anew["energy_wh"] > third["energy_wh"]
    assert third["session_energy_wh"] == pytest.approx(3 * third["energy_wh"], rel=1e-12)


def test_a_session_is_a_sum_of_steps_and_follows_the_mean_query():
    given = {"steps_per_session": 80}
    problem = un.build_problem("agentic-coding", given=given)
    tree = un.simulate(problem, draws=256, queries=32)
    table = un.summarize(tree, quantities=["energy_wh", "session_energy_wh"])
    means = table["median"].sel(statistic="mean")
    ratio = float(means.sel(quantity="session_energy_wh") / means.sel(quantity="energy_wh"))
    assert ratio == pytest.approx(80, rel=1e-9)
    assert table.attrs["group"] == "prior"
    # One query of the summed length would attend to all of it: 80 times as much.
    plain = given | PLAIN
    long = {"input_tokens": {"expression": "80 * input_tokens_median"}}
    steps, summed = (
        un.build_problem("agentic-coding", model="flops", given=laws, evidence=[]).central()
        for laws in (plain, {**plain, **long})
    )
    for part, times in (("prefill_weights", 80), ("prefill_attention", 80**2)):
        name = f"energy_wh_{part}"
        assert summed[name] == pytest.approx(times * steps[name], rel=1e-9)
