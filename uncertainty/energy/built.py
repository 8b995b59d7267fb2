"""Models by name, and what is built of them: a fleet, an ensemble, an error of the model."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from uncertainty.arrays import Array, ArrayLike, jnp
from uncertainty.energy.board import JOULES_PER_WH, Facility
from uncertainty.energy.flops import FLOPS
from uncertainty.energy.model import EnergyModel, ModelError, by_name, model_from_callable
from uncertainty.energy.published import PUBLISHED
from uncertainty.energy.roofline import LOCAL, ROOFLINE
from uncertainty.energy.throughput import THROUGHPUT
from uncertainty.inputs import Output

ENERGY_MODELS = MappingProxyType(
    {model.name: model for model in (FLOPS, ROOFLINE, THROUGHPUT, LOCAL, PUBLISHED)}
)
"""Every shipped model by the name that files use."""

CHOICE = "model_form"
"""The input that says which member of an ensemble holds: its number, from 0."""

EFFECTS = ("system_effect", "stack_effect", "system_discrepancy")
"""Inputs: effects of a system that nobody measured and of what serves it; the model's error."""

ENERGY_UNITS = frozenset({"Wh", "kWh", "J"})
"""Units of outputs that an error of the energy multiplies."""


@lru_cache(maxsize=64)  # one object for one ensemble: compiled code is found by it
def ensemble_of(*members: EnergyModel) -> EnergyModel:
    """Join models of the same question; members share the inputs that they have in common.

    Parameters
    ----------
    *members : EnergyModel
        At least two.

    Returns
    -------
    EnergyModel
        With the input `CHOICE`, and those outputs that all members give.

    Examples
    --------
    >>> from uncertainty.energy import ENERGY_MODELS
    >>> ensemble_of(ENERGY_MODELS["flops"], ENERGY_MODELS["roofline"]).name
    'flops or roofline'
    """
    first, *others = members

    def ensemble(**inputs: ArrayLike) -> dict[str, Array]:
        result, *rest = (member(inputs) for member in members)
        for number, outputs in enumerate(rest, start=1):
            chosen = jnp.asarray(inputs[CHOICE]) == number
            result = {
                k: jnp.where(chosen, outputs[k], v) for k, v in result.items() if k in outputs
            }
        return result

    meanings = "; or ".join(member.meaning.removesuffix(".") for member in members)
    ensemble.__doc__ = f"One of several models: {meanings}."
    required = dict.fromkeys(name for member in members for name in member.required)
    optional = dict.fromkeys(name for member in members for name in member.optional)
    everywhere = [{output.name for output in other.outputs} for other in others]
    return EnergyModel(
        name=" or ".join(member.name for member in members),
        function=ensemble,
        required=(*required, CHOICE),
        optional=tuple(name for name in optional if name not in required),
        alternatives=next((m.alternatives for m in members if m.alternatives), ()),
        outputs=tuple(o for o in first.outputs if all(o.name in names for names in everywhere)),
    )


@lru_cache(maxsize=64)  # as in `ensemble_of`
def with_error(
    model: EnergyModel, errors: tuple[str, ...], observed: str, multiplies: bool
) -> EnergyModel:
    """Add inputs to a model that its energies differ by.

    Parameters
    ----------
    model : EnergyModel
    errors : tuple of str
        Names of the new inputs; they add up.
    observed : str
        The output whose error they are.
    multiplies : bool
        True where they are errors of the logarithm: then every energy takes the same factor, as
        all are proportional to one another. Otherwise they are added to `observed` alone.

    Returns
    -------
    EnergyModel

    Examples
    --------
    >>> from uncertainty.energy import ENERGY_MODELS
    >>> model = with_error(ENERGY_MODELS["flops"], ("system_effect",), "energy_wh", True)
    >>> model.optional[-1]
    'system_effect'
    """
    energies = {output.name for output in model.outputs if output.unit in ENERGY_UNITS}
    changed = {*energies, observed} if multiplies else {observed}

    def function(**inputs: Array) -> dict[str, Array]:
        shift = sum((inputs[name] for name in errors if name in inputs), jnp.zeros(()))
        outputs = model({name: value for name, value in inputs.items() if name not in errors})
        moved = {
            name: outputs[name] * jnp.exp(shift) if multiplies else outputs[name] + shift
            for name in changed
            if name in outputs
        }
        return {**outputs, **moved}

    function.__doc__ = model.function.__doc__
    return replace(model, function=function, optional=(*model.optional, *errors))


ModelName: TypeAlias = str | Mapping[str, object]
"""``flops``, ``{fleet: flops}``, ``{ensemble: {flops: 0.3, roofline: 0.7}}``; a fleet of that."""


@dataclass(frozen=True)
class Choice:
    """A model, and the chances of its forms where it is an ensemble.

    Attributes
    ----------
    single : EnergyModel
        Of one query.
    weights : mapping of str to float
        By member; empty where there is nothing to choose.
    fleet : bool
        True where all queries of a day are asked for.
    """

    single: EnergyModel
    weights: Mapping[str, float] = field(default_factory=dict)
    fleet: bool = False

    @property
    def model(self) -> EnergyModel:
        """The model that is asked for: that of one query, or a fleet on top of it."""
        return fleet_of(self.single) if self.fleet else self.single

    def altered(self, change: Callable[[EnergyModel], EnergyModel]) -> "Choice":
        """Change the model of one query, and with it the fleet on top of it."""
        return replace(self, single=change(self.single))


def compose(name: ModelName) -> tuple[Choice | None, list[tuple[tuple[str, ...], str]]]:
    """Build a model from its name, or from the mapping that a file gives.

    Parameters
    ----------
    name : str or mapping

    Returns
    -------
    Choice or None
        None where something is wrong.
    list of (keys, message)
        Every fault, with the keys that lead to it.

    Examples
    --------
    >>> compose({"ensemble": {"flops": 0.3, "roofline": 0.7}})[0].model.name
    'flops or roofline'
    >>> compose({"fleet": "flop"})[1]
    [(('fleet',), "unknown model 'flop'")]
    """
    if isinstance(name, str):
        shipped = ENERGY_MODELS.get(name)
        return (Choice(shipped), []) if shipped else (None, [((), f"unknown model {name!r}")])
    keys = [*map(str, name)] if isinstance(name, Mapping) else [type(name).__name__]
    if keys not in (["fleet"], ["ensemble"]) or not isinstance(name, Mapping):
        got = ", ".join(keys) or "nothing"
        return None, [((), f"must be a name, {{fleet: NAME}} or {{ensemble: ...}} (got {got})")]
    [(kind, inner)] = name.items()
    if kind == "fleet":
        if not isinstance(inner, str | Mapping) or (isinstance(inner, Mapping) and kind in inner):
            return None, [((kind,), "must be the name of a model, or an ensemble")]
        choice, complaints = compose(inner)
        fleet = replace(choice, fleet=True) if choice else None
        return fleet, [((kind, *keys), text) for keys, text in complaints]
    faults = [((kind, *keys), text) for keys, text in _member_faults(inner)]
    if faults or not isinstance(inner, Mapping):
        return None, faults
    whole = sum(inner.values())
    weights = {member: weight / whole for member, weight in inner.items()}
    return Choice(ensemble_of(*(ENERGY_MODELS[member] for member in inner)), weights), []


def _member_faults(members: object) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(members, Mapping) or len(members) < 2:
        yield (), "must name two or more models, each with its weight"
        return
    for member, weight in members.items():
        if member not in ENERGY_MODELS:
            yield (str(member),), f"unknown model {member!r}"
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not weight > 0:
            yield (str(member),), f"must have a weight greater than 0 (got {weight!r})"


SECONDS_PER_HOUR = 3600.0
HOURS_PER_DAY = 24.0
DAYS_PER_YEAR = 365.0
WH_PER_KWH = 1000.0
W_PER_MW = 1e6
KG_PER_T = 1000.0
LED_W = 10.0
"""Of a lamp, for comparison: by definition."""
MICROWAVE_W = 1000.0
"""Of an oven, for comparison: by definition."""

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


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is known of a model's training.

    Attributes
    ----------
    training_energy_wh : array_like, optional
        Facility included, Wh.
    training_power_w, training_days : array_like, optional
        Else the power of the whole facility, W, and how long it was drawn.
    training_flop, training_utilization : array_like, optional
        Else its arithmetic, and achieved over peak FLOP/s.
    training_peak_flops, training_gpu_power_w : array_like, optional
        Of one GPU, FLOP/s and W; those that serve queries where not given.
    """

    training_energy_wh: ArrayLike | None = None
    training_power_w: ArrayLike | None = None
    training_days: ArrayLike | None = None
    training_flop: ArrayLike | None = None
    training_utilization: ArrayLike = 0.35  # GPT-4's lay at 32 to 36 % (claim S8 of the ledger)
    training_peak_flops: ArrayLike | None = None
    training_gpu_power_w: ArrayLike | None = None


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """All queries of a day, the boards that answer them, and the electricity.

    Attributes
    ----------
    queries_per_day : array_like
    lifetime_days : array_like, optional
        Over which training is spread.
    embodied_wh_per_gpu, embodied_g_per_gpu, gpu_lifetime_days : array_like, optional
        Making one GPU and its share of a node, in Wh and in g CO2e, and the days of its use.
    boards_owned, idle_power_w : array_like, optional
        GPUs that are on all day, and the power of one that waits, W.
    carbon_intensity_g_per_kwh, water_intensity_l_per_kwh : array_like, optional
        Of the electricity at the facility.
    household_kwh_per_year : array_like
        Electricity of a household.
    """

    queries_per_day: ArrayLike
    lifetime_days: ArrayLike | None = None
    embodied_wh_per_gpu: ArrayLike | None = None
    embodied_g_per_gpu: ArrayLike | None = None
    gpu_lifetime_days: ArrayLike | None = None
    boards_owned: ArrayLike | None = None
    idle_power_w: ArrayLike | None = None
    carbon_intensity_g_per_kwh: ArrayLike | None = None
    water_intensity_l_per_kwh: ArrayLike | None = None
    household_kwh_per_year: ArrayLike = 10_500.0  # United States (EIA)


def training_wh(
    training: Training,
    facility: Facility,
    *,
    peak_flops: ArrayLike | None = None,
    gpu_power_w: ArrayLike | None = None,
) -> ArrayLike | None:
    """Energy of training a model, facility included.

    Parameters
    ----------
    training : Training
    facility : Facility
        1 for each ratio that is not given.
    peak_flops, gpu_power_w : array_like, optional
        Of one GPU that serves queries, FLOP/s and W.

    Returns
    -------
    array_like or None
        Wh; None where nothing is known of training.

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
    >>> training_wh(Training(training_power_w=25e6, training_days=90.0), Facility()) / 1e9
    54.0
    """
    if training.training_energy_wh is not None:
        return training.training_energy_wh
    if training.training_power_w is not None and training.training_days is not None:
        return training.training_power_w * training.training_days * HOURS_PER_DAY
    if training.training_flop is None:
        return None
    peak = training.training_peak_flops
    peak = peak_flops if peak is None else peak
    power_w = training.training_gpu_power_w
    power_w = gpu_power_w if power_w is None else power_w
    if peak is None or power_w is None:
        raise ModelError("training_flop needs training_peak_flops and training_gpu_power_w")
    gpu_seconds = training.training_flop / (peak * training.training_utilization)
    host, idle, pue = facility.around(power_w).ratios
    factor = host * idle * pue if facility.overhead is None else facility.overhead
    return gpu_seconds * power_w * factor / JOULES_PER_WH


def fleet_outputs(
    fleet: Fleet,
    training: Training,
    facility: Facility,
    *,
    query: Mapping[str, ArrayLike],
    peak_flops: ArrayLike | None = None,
    gpu_power_w: ArrayLike | None = None,
    static_power_fraction: ArrayLike = 0.25,
) -> dict[str, ArrayLike]:
    """What a fleet adds to the energy of one query; only what the inputs say something of.

    Parameters
    ----------
    fleet : Fleet
    training : Training
    facility : Facility
        1 for each ratio that is not given. `idle`, provisioned over busy GPUs, is replaced where
        `boards_owned` is given; what waits was made too.
    query : mapping of str to array_like
        Outputs of a model of one query: ``energy_wh``, and ``gpu_seconds`` for the manufacture.
    peak_flops, gpu_power_w : array_like, optional
        Of one GPU, FLOP/s and W.
    static_power_fraction : array_like
        Share of `gpu_power_w` that a board draws which waits, where `idle_power_w` is not given.

    Returns
    -------
    dict of str to array_like
        Shape (), in the units of their names; see `OUTPUTS`.

    Raises
    ------
    ModelError
        If boards are owned and nothing says how long they work, or what one draws when idle.

    Notes
    -----
    A GPU's manufacture goes to queries by the seconds that they use of its life, as in Luccioni,
    Viguier and Ligozat (2022), arXiv:2211.02001, section 4.2. Energy over a day is average power.

    Boards that are owned draw power when idle too: ``work + P_idle (owned - busy) host PUE``, where
    ``busy = queries per day x seconds of one board / 86400``. That is linear in the queries, so the
    mean query gives the total; more work than boards makes the second part negative.

    Examples
    --------
    >>> added = fleet_outputs(
    ...     Fleet(queries_per_day=1e9), Training(), Facility(), query={"energy_wh": 0.3}
    ... )
    >>> added["fleet_power_mw"]
    12.5
    """
    wh = query["energy_wh"]
    idle_w = fleet.idle_power_w
    if idle_w is None and gpu_power_w is not None:
        idle_w = static_power_fraction * gpu_power_w
    outputs = _power(fleet, facility, query, idle_w)
    outputs |= {
        "household_days": wh / (fleet.household_kwh_per_year * WH_PER_KWH / DAYS_PER_YEAR),
        "led_s": wh * JOULES_PER_WH / LED_W,
        "microwave_s": wh * JOULES_PER_WH / MICROWAVE_W,
    }
    upstream = []
    trained = training_wh(training, facility, peak_flops=peak_flops, gpu_power_w=gpu_power_w)
    if trained is not None:
        outputs["training_wh"] = trained
    if trained is not None and fleet.lifetime_days is not None:
        each = trained / (fleet.queries_per_day * fleet.lifetime_days)
        outputs |= {"training_wh_per_query": each, "training_share": each / (each + wh)}
        upstream.append(each)
    if fleet.gpu_lifetime_days is not None and "gpu_seconds" in query:
        life_s = fleet.gpu_lifetime_days * HOURS_PER_DAY * SECONDS_PER_HOUR
        used = query["gpu_seconds"] * facility.ratios[1] / life_s
        if fleet.embodied_wh_per_gpu is not None:
            outputs["embodied_wh_per_query"] = fleet.embodied_wh_per_gpu * used
            upstream.append(fleet.embodied_wh_per_gpu * used)
        if fleet.embodied_g_per_gpu is not None:
            outputs["embodied_co2e_g"] = fleet.embodied_g_per_gpu * used
    if upstream:
        outputs["lifecycle_wh"] = wh + sum(upstream)
    mwh_per_year = outputs["fleet_power_mw"] * HOURS_PER_DAY * DAYS_PER_YEAR
    if fleet.carbon_intensity_g_per_kwh is not None:
        outputs["co2e_g"] = wh / WH_PER_KWH * fleet.carbon_intensity_g_per_kwh
        kg_per_year = mwh_per_year * fleet.carbon_intensity_g_per_kwh  # g per kWh is kg per MWh
        outputs["fleet_co2e_t_per_year"] = kg_per_year / KG_PER_T
    if fleet.water_intensity_l_per_kwh is not None:
        # l per kWh is ml per Wh, and m3 per MWh
        outputs["water_ml"] = wh * fleet.water_intensity_l_per_kwh
        outputs["fleet_water_m3_per_year"] = mwh_per_year * fleet.water_intensity_l_per_kwh
    return outputs


def _power(
    fleet: Fleet, facility: Facility, query: Mapping[str, ArrayLike], idle_w: ArrayLike | None
) -> dict[str, ArrayLike]:
    """Average power of all queries, and of boards that are owned while they wait."""
    idle = facility.ratios[1]
    watts = fleet.queries_per_day * query["energy_wh"] / HOURS_PER_DAY
    if "gpu_seconds" not in query:
        if fleet.boards_owned is not None:
            raise ModelError("boards_owned needs a model that gives gpu_seconds")
        return {"fleet_power_mw": watts / W_PER_MW}
    day_s = HOURS_PER_DAY * SECONDS_PER_HOUR
    busy = jnp.asarray(fleet.queries_per_day * query["gpu_seconds"] / day_s)
    waiting_w: ArrayLike = 0.0
    if fleet.boards_owned is not None:
        if idle_w is None:
            raise ModelError("boards_owned needs idle_power_w, or gpu_power_w")
        host, _, pue = facility.around(idle_w).ratios
        idle_w = idle_w * (host * pue if facility.overhead is None else facility.overhead)
        watts = watts / idle
        # A board that waits draws no more than one at work: totals stay above 0 at any query.
        at_work_w = watts / jnp.where(busy > 0, busy, 1.0)
        each_w = jnp.where(busy > 0, jnp.minimum(idle_w, at_work_w), idle_w)
        waiting_w = each_w * (fleet.boards_owned - busy)
        watts = watts + waiting_w
    return {
        "fleet_power_mw": watts / W_PER_MW,
        "fleet_busy_boards": busy,
        "fleet_busy_share": 1.0 if fleet.boards_owned is None else busy / fleet.boards_owned,
        "fleet_idle_energy_mwh_per_day": waiting_w * HOURS_PER_DAY / W_PER_MW,
    }


@lru_cache(maxsize=64)  # one object for one model: compiled code is found by it
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
    added = model_from_callable(by_name(fleet_outputs))

    def fleet(**inputs: ArrayLike) -> dict[str, ArrayLike]:
        query = model(inputs)
        more = {name: inputs[name] for name in added.used(inputs)}
        return {**query, **by_name(fleet_outputs)(query=query, **more)}

    fleet.__doc__ = f"All queries of a day: {model.meaning[0].lower()}{model.meaning[1:]}"
    known = {*model.required, *model.optional, "query"}
    return replace(
        model,
        name=f"fleet of {model.name}",
        function=fleet,
        required=(*model.required, *(name for name in added.required if name not in known)),
        optional=(*model.optional, *(name for name in added.optional if name not in known)),
        outputs=(*model.outputs, *OUTPUTS),
    )
