"""A fleet: what all queries of a day take, with training, manufacture, carbon and water."""

import inspect
from collections.abc import Mapping
from dataclasses import replace

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy import constants
from uncertainty.energy.boundaries import facility_factor
from uncertainty.energy.model import EnergyModel, ModelError, arrays, call
from uncertainty.inputs import Output

OUTPUTS = (
    Output("fleet_power_mw", "MW", "average power of the fleet", "facility", total=True),
    Output(
        "fleet_idle_energy_mwh_per_day",
        "MWh/day",
        "energy of boards that wait",
        "facility",
        total=True,
    ),
    Output("fleet_busy_boards", "1", "boards at work, on average", total=True),
    Output("fleet_busy_share", "1", "share of the boards owned at work, on average", total=True),
    Output("fleet_co2e_t_per_year", "t/year", "CO2e of the electricity", total=True),
    Output("fleet_water_m3_per_year", "m3/year", "water", total=True),
    Output("training_wh", "Wh", "energy of training", "facility"),
    Output("training_wh_per_query", "Wh", "training, spread over all queries", "facility"),
    Output("training_share", "1", "share of training in training and queries"),
    Output("embodied_wh_per_query", "Wh", "making the GPUs, spread over their use"),
    Output("lifecycle_wh", "Wh", "query, with its part of training and manufacture"),
    Output("co2e_g", "g", "CO2e of the electricity of one query"),
    Output("embodied_co2e_g", "g", "CO2e of making the GPUs, for one query"),
    Output("water_ml", "ml", "water for one query"),
    Output("household_days", "day", "time in which a household takes as much"),
    Output("led_s", "s", "time of a 10 W lamp that takes as much"),
    Output("microwave_s", "s", "time of a 1000 W oven that takes as much"),
)


def training_wh(
    *,
    training_energy_wh: ArrayLike | None = None,
    training_power_w: ArrayLike | None = None,
    training_days: ArrayLike | None = None,
    training_flop: ArrayLike | None = None,
    training_utilization: ArrayLike = 0.35,
    training_peak_flops: ArrayLike | None = None,
    training_gpu_power_w: ArrayLike | None = None,
    peak_flops: ArrayLike | None = None,
    gpu_power_w: ArrayLike | None = None,
    overhead: ArrayLike | None = None,
    host: ArrayLike | None = None,
    idle: ArrayLike | None = None,
    pue: ArrayLike | None = None,
) -> ArrayLike | None:
    """Energy of training a model, facility included.

    Parameters
    ----------
    training_energy_wh : array_like, optional
        Where it is known, Wh.
    training_power_w, training_days : array_like, optional
        Else the power of the whole facility, W, and how long it was drawn.
    training_flop, training_utilization : array_like, optional
        Else its arithmetic, and achieved over peak FLOP/s.
    training_peak_flops, training_gpu_power_w, peak_flops, gpu_power_w : array_like, optional
        Of one GPU, FLOP/s and W; those that serve queries where no others are given.
    overhead, host, idle, pue : array_like, optional
        As in `facility_factor`; 1 where none is given.

    Returns
    -------
    array_like or None
        Wh; None where nothing is told of training.

    Raises
    ------
    ModelError
        If FLOP are given without a GPU to compute them.

    Notes
    -----
    ``P t``, or ``FLOP / (peak utilization) P_rated overhead``: in training, GPUs draw about their
    rated power. Source: Epoch AI (2025), How much energy does ChatGPT use?, appendix.

    Examples
    --------
    >>> training_wh(training_power_w=25e6, training_days=90.0) / 1e9
    54.0
    """
    if training_energy_wh is not None:
        return training_energy_wh
    if training_power_w is not None and training_days is not None:
        return training_power_w * training_days * constants.HOURS_PER_DAY
    if training_flop is None:
        return None
    peak = peak_flops if training_peak_flops is None else training_peak_flops
    power = gpu_power_w if training_gpu_power_w is None else training_gpu_power_w
    if peak is None or power is None:
        raise ModelError("training_flop needs training_peak_flops and training_gpu_power_w")
    known = overhead is not None or None not in (host, idle, pue)
    factor = facility_factor(overhead, host, idle, pue) if known else 1.0
    return training_flop / (peak * training_utilization) * power * factor / constants.JOULES_PER_WH


def fleet_outputs(
    *,
    query: Mapping[str, ArrayLike],
    queries_per_day: ArrayLike,
    training: ArrayLike | None = None,
    lifetime_days: ArrayLike | None = None,
    embodied_wh_per_gpu: ArrayLike | None = None,
    embodied_g_per_gpu: ArrayLike | None = None,
    gpu_lifetime_days: ArrayLike | None = None,
    boards_owned: ArrayLike | None = None,
    idle_power_w: ArrayLike | None = None,
    gpu_power_w: ArrayLike | None = None,
    static_power_fraction: ArrayLike = 0.25,
    overhead: ArrayLike | None = None,
    host: ArrayLike = 1.0,
    idle: ArrayLike = 1.0,
    pue: ArrayLike = 1.0,
    carbon_intensity_g_per_kwh: ArrayLike | None = None,
    water_intensity_l_per_kwh: ArrayLike | None = None,
    household_kwh_per_year: ArrayLike = 10_500.0,
) -> dict[str, Array]:
    """What a fleet adds to the energy of one query; only what the inputs tell.

    Parameters
    ----------
    query : mapping of str to array_like
        Outputs of a model of one query: ``energy_wh``, and ``gpu_seconds`` for the manufacture.
    queries_per_day : array_like
    training : array_like, optional
        Wh, from `training_wh`.
    lifetime_days : array_like, optional
        Over which training is spread.
    embodied_wh_per_gpu, embodied_g_per_gpu, gpu_lifetime_days : array_like, optional
        Making one GPU and its share of a node, in Wh and in g CO2e, and the days of its use.
    boards_owned, idle_power_w : array_like, optional
        GPUs that are on all day, and the power of one that waits, W; where that is not given
        `static_power_fraction` of `gpu_power_w`.
    gpu_power_w, static_power_fraction : array_like, optional
        Rated power of one GPU, W, and the share of it drawn when idle.
    overhead, host, idle, pue : array_like, optional
        As in `facility_factor`. `idle`, provisioned over busy GPUs, is replaced where
        `boards_owned` is given; what waits was made too.
    carbon_intensity_g_per_kwh, water_intensity_l_per_kwh : array_like, optional
        Of the electricity at the facility.
    household_kwh_per_year : array_like
        Electricity of a household; 10,500 kWh in the United States (EIA).

    Returns
    -------
    dict of str to Array
        Shape (), in the units of their names; see `OUTPUTS`.

    Notes
    -----
    A GPU's manufacture goes to queries by the seconds that they use of its life, as in Luccioni,
    Viguier and Ligozat (2022), arXiv:2211.02001, section 4.2. Energy over a day is average power.
    The lamp takes 10 W and the oven 1000 W by definition. All inputs are 0 or more.

    Boards that are owned draw power when idle too: ``work + P_idle (owned - busy) host PUE``, where
    ``busy = queries per day x seconds of one board / 86400``. That is linear in the queries, so the
    mean query gives the total; more work than boards makes the second part negative.

    Examples
    --------
    >>> found = fleet_outputs(query={"energy_wh": 0.3}, queries_per_day=1e9)
    >>> round(float(found["fleet_power_mw"]), 2)
    12.5
    """
    wh = query["energy_wh"]
    totals = _fleet_power(
        query,
        queries_per_day,
        boards_owned,
        static_power_fraction * gpu_power_w
        if idle_power_w is None and gpu_power_w is not None
        else idle_power_w,
        idle,
        host * pue if overhead is None else overhead,
    )
    household_wh_per_day = household_kwh_per_year * constants.WH_PER_KWH / constants.DAYS_PER_YEAR
    found = {
        **totals,
        "household_days": wh / household_wh_per_day,
        "led_s": wh * constants.JOULES_PER_WH / constants.LED_W,
        "microwave_s": wh * constants.JOULES_PER_WH / constants.MICROWAVE_W,
    }
    upstream = []
    if training is not None:
        found["training_wh"] = training
    if training is not None and lifetime_days is not None:
        each = training / (queries_per_day * lifetime_days)
        found |= {"training_wh_per_query": each, "training_share": each / (each + wh)}
        upstream.append(each)
    if gpu_lifetime_days is not None and "gpu_seconds" in query:
        life_s = gpu_lifetime_days * constants.HOURS_PER_DAY * constants.SECONDS_PER_HOUR
        used = query["gpu_seconds"] * idle / life_s
        if embodied_wh_per_gpu is not None:
            found["embodied_wh_per_query"] = embodied_wh_per_gpu * used
            upstream.append(embodied_wh_per_gpu * used)
        if embodied_g_per_gpu is not None:
            found["embodied_co2e_g"] = embodied_g_per_gpu * used
    if upstream:
        found["lifecycle_wh"] = wh + sum(upstream)
    per_year = totals["fleet_power_mw"] * constants.HOURS_PER_DAY * constants.DAYS_PER_YEAR  # MWh
    if carbon_intensity_g_per_kwh is not None:
        found["co2e_g"] = wh / constants.WH_PER_KWH * carbon_intensity_g_per_kwh
        # g per kWh is kg per MWh
        found["fleet_co2e_t_per_year"] = per_year * carbon_intensity_g_per_kwh / constants.KG_PER_T
    if water_intensity_l_per_kwh is not None:
        found["water_ml"] = wh * water_intensity_l_per_kwh  # l per kWh is ml per Wh
        found["fleet_water_m3_per_year"] = per_year * water_intensity_l_per_kwh  # and m3 per MWh
    return arrays(found)


def _fleet_power(
    query: Mapping[str, ArrayLike],
    queries_per_day: ArrayLike,
    boards_owned: ArrayLike | None,
    idle_power_w: ArrayLike | None,
    idle: ArrayLike,
    factor: ArrayLike,
) -> dict[str, ArrayLike]:
    """Average power of all queries, and of boards that are owned while they wait.

    Raises
    ------
    ModelError
        If boards are owned and nothing says how long they work, or what one draws when idle.
    """
    watts = queries_per_day * query["energy_wh"] / constants.HOURS_PER_DAY
    found: dict[str, ArrayLike] = {}
    if "gpu_seconds" in query:
        day_s = constants.HOURS_PER_DAY * constants.SECONDS_PER_HOUR
        found["fleet_busy_boards"] = queries_per_day * query["gpu_seconds"] / day_s
        found |= {"fleet_idle_energy_mwh_per_day": 0.0, "fleet_busy_share": 1.0}
    if boards_owned is not None:
        if "fleet_busy_boards" not in found:
            raise ModelError("boards_owned needs a model that gives gpu_seconds")
        if idle_power_w is None:
            raise ModelError("boards_owned needs idle_power_w, or gpu_power_w")
        busy = jnp.asarray(found["fleet_busy_boards"])
        watts = watts / idle
        # A board that waits draws no more than one at work: totals stay above 0 at any query.
        each_w = jnp.minimum(idle_power_w * factor, watts / jnp.where(busy > 0, busy, 1.0))
        each_w = jnp.where(busy > 0, each_w, idle_power_w * factor)
        waiting = each_w * (boards_owned - busy)
        watts = watts + waiting
        a_day = waiting * constants.HOURS_PER_DAY / constants.W_PER_MW
        found["fleet_idle_energy_mwh_per_day"] = a_day
        found["fleet_busy_share"] = busy / boards_owned
    found["fleet_power_mw"] = watts / constants.W_PER_MW
    return found


def _named(function: object) -> dict[str, bool]:
    """Inputs of a function, and whether each is required."""
    assert callable(function)
    parameters = inspect.signature(function).parameters.values()
    own = {"query", "training"}
    return {p.name: p.default is p.empty for p in parameters if p.name not in own}


def fleet_of(model: EnergyModel) -> EnergyModel:
    """Put a fleet on top of a model of one query.

    Parameters
    ----------
    model : EnergyModel
        Gives ``energy_wh``.

    Returns
    -------
    EnergyModel
        With the outputs of both.

    Examples
    --------
    >>> from uncertainty.energy import ENERGY_MODELS
    >>> fleet_of(ENERGY_MODELS["flops"]).name
    'fleet of flops'
    """

    def fleet(**inputs: ArrayLike) -> dict[str, Array]:
        query = model(arrays(inputs))
        training = call(training_wh, inputs)
        return {**query, **call(fleet_outputs, inputs, query=query, training=training)}

    fleet.__doc__ = f"All queries of a day: {model.meaning[0].lower()}{model.meaning[1:]}"
    named = {**_named(training_wh), **_named(fleet_outputs)}
    known = {*model.required, *model.optional}
    return replace(
        model,
        name=f"fleet of {model.name}",
        function=fleet,
        required=(*model.required, *(n for n, required in named.items() if required)),
        optional=(*model.optional, *(n for n, r in named.items() if not r and n not in known)),
        outputs=(*model.outputs, *OUTPUTS),
    )
