"""The shared vocabulary: what each named input and output is, in which unit, in which range.

Every energy model and every prior file that uses one of these names means the same thing by it.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Input:
    """One argument of an energy model.

    Attributes
    ----------
    name, unit, meaning : str
        Its name, canonical unit and what it is.
    low, high : float
        The range in which the formulas hold, ends included.
    default : str
        What a model does without it, in words; empty where it cannot do without.
    usual : tuple of float
        Lowest and highest value that anyone has met, with room: beyond, a slip is likelier.
    """

    name: str
    unit: str
    meaning: str
    low: float = 0.0
    high: float = math.inf
    default: str = ""
    usual: tuple[float, float] = (-math.inf, math.inf)

    def impossible(self, value: float) -> str:
        """Say what is wrong with a value outside the range in which the formulas hold.

        Examples
        --------
        >>> INPUTS["cached_share"].impossible(30)
        "must lie between 0 and 1 (got 30); for 30 % write 0.3 or '30 %'"
        """
        if self.low <= value <= self.high:
            return ""
        limits = f"lie between {self.low:g} and {self.high:g}"
        wanted = limits if math.isfinite(self.high) else f"be {self.low:g} or more"
        share = self.high == 1 < value <= 100
        hint = f"; for {value:g} % write {value / 100:g} or '{value:g} %'" if share else ""
        return f"must {wanted} (got {value:g}){hint}"

    def implausible(self, value: float) -> str:
        """Say that a value lies beyond all that is known, and which unit was perhaps meant.

        Examples
        --------
        >>> INPUTS["carbon_intensity_g_per_kwh"].implausible(0.28)
        '0.28 g/kWh is unusual: known values are 1 to 2000 g/kWh; did you mean 0.28 kg/kWh?'
        """
        low, high = self.usual
        if value == 0 or low <= value <= high:
            return ""
        unit = "" if self.unit == "1" else f" {self.unit}"
        others = (name for name, size in _SLIPS.get(self.unit, ()) if low <= value * size <= high)
        meant = next((f"; did you mean {value:g} {name}?" for name in others), "")
        return f"{value:g}{unit} is unusual: known values are {low:g} to {high:g}{unit}{meant}"


_SLIPS = {
    "W": (("kW", 1e3), ("MW", 1e6), ("GW", 1e9)),
    "Wh": (("kWh", 1e3), ("MWh", 1e6), ("GWh", 1e9)),
    "g": (("kg", 1e3), ("t", 1e6)),
    "s": (("ms", 1e-3), ("us", 1e-6)),
    "day": (("years", 365.25),),
    "FLOP": (("PFLOP", 1e15), ("ZFLOP", 1e21), ("YFLOP", 1e24)),
    "FLOP/s": (("TFLOP/s", 1e12), ("PFLOP/s", 1e15), ("GFLOP/s", 1e9)),
    "byte/s": (("GB/s", 1e9), ("TB/s", 1e12)),
    "byte/parameter": (("bits", 1 / 8),),
    "byte": (("bits", 1 / 8), ("GB", 1e9)),
    "parameters": (("billion: write it as e9", 1e9), ("million: write it as e6", 1e6)),
    "g/kWh": (("kg/kWh", 1e3),),
    "l/kWh": (("ml/kWh", 1e-3), ("m3/kWh", 1e3)),
    "kWh/year": (("MWh/year", 1e3), ("Wh/year", 1e-3)),
    "query/day": (("million: write it as e6", 1e6), ("billion: write it as e9", 1e9)),
}
"""Units in which people have a number at hand, with their size: kg of CO2 for g, TB/s."""


@dataclass(frozen=True)
class Output:
    """One named result of an energy model.

    Attributes
    ----------
    name, unit, meaning : str
        Its name, unit and what it is.
    boundary : str
        Of an energy: ``gpu_board``, ``node``, ``provisioned`` or ``facility``.
    part_of : str
        Of a component: the output that it and the others add up to.
    total : bool
        True of a sum over all queries: it follows the mean query, not the typical one.
    """

    name: str
    unit: str
    meaning: str
    boundary: str = ""
    part_of: str = ""
    total: bool = False


# fmt: off
_INPUTS = (
    # Usual: from the smallest model that answers anything to ten times the largest announced.
    Input("active_parameters", "parameters", "parameters used for one token", usual=(1e6, 1e13)),
    Input("total_parameters", "parameters", "parameters stored",
          default="moe_ratio x active_parameters, else dense", usual=(1e6, 1e14)),
    Input("moe_ratio", "1", "total parameters over active parameters", 1.0, default="1, dense",
          usual=(1, 300)),
    Input("experts", "1", "routed experts in a layer", 1.0, default="none", usual=(1, 1e4)),
    Input("experts_per_token", "1", "routed experts that one token uses", 1.0, default="none",
          usual=(1, 1e3)),
    Input("bytes_per_parameter", "byte/parameter", "memory of one parameter", usual=(0.1, 8)),
    # Usual: windows of 10 million tokens exist; an answer of a million tokens was never seen.
    Input("output_tokens", "tokens", "tokens generated for the query, reasoning included",
          usual=(0.5, 1e6)),
    Input("input_tokens", "tokens", "tokens of prompt and context", default="0, no prompt",
          usual=(0.5, 1e7)),
    Input("utilization", "1", "FLOP/s achieved in decode over the peak", 0.0, 1.0, usual=(1e-5, 1)),
    Input("prefill_utilization", "1", "FLOP/s achieved in prefill over the peak", 0.0, 1.0,
          "the same as utilization", usual=(1e-4, 1)),
    # Usual: from a phone to a wafer.
    Input("peak_flops", "FLOP/s", "dense peak of one GPU in the format computed in",
          usual=(1e10, 1e18)),
    Input("memory_bandwidth_bytes_per_s", "byte/s", "peak memory bandwidth of one GPU",
          usual=(1e9, 1e17)),
    Input("memory_bytes", "byte", "memory of one GPU; 0 where not known",
          default="none", usual=(1e8, 1e13)),
    Input("gpu_count", "1", "GPUs that serve one copy of the model", 1.0, default="1",
          usual=(1, 1e4)),
    Input("batch_size", "1", "sequences decoded together", 1.0, usual=(1, 1e5)),
    Input("tokens_per_s", "token/s", "output tokens per second of the deployment",
          usual=(1e-2, 1e8)),
    Input("gpu_power_w", "W", "rated board power of one GPU", usual=(1, 5e4)),
    Input("power_fraction", "1", "average over rated power in decode", 0.0, 1.0, usual=(0.01, 1)),
    Input("prefill_power_fraction", "1", "average over rated power in prefill", 0.0, 1.0,
          "the same as power_fraction"),
    Input("overhead", "1", "facility power over GPU board power: host x idle x pue", 1.0,
          usual=(1, 20)),
    Input("host", "1", "node power over GPU board power", 1.0, usual=(1, 10)),
    Input("host_power_w", "W", "power of the node for each GPU, beside its board", usual=(5, 5e3)),
    Input("network_power_w", "W", "power of the network for each GPU", default="none",
          usual=(1, 2e3)),
    Input("idle", "1", "provisioned over busy node energy", 1.0, usual=(1, 20)),
    Input("pue", "1", "facility over IT energy (power usage effectiveness)", 1.0, usual=(1, 3)),
    Input("attention_factor", "1", "share of the n^2 attention computed", 0.0, 1.0, "0.5, causal"),
    Input("cached_share", "1", "share of the input served from a cache", 0.0, 1.0, "0, no cache"),
    Input("cache_hit_cost", "1", "what a cached input token costs of an uncached one", 0.0, 1.0,
          "none"),
    Input("steps_per_session", "1", "queries of one session", default="none", usual=(1, 1e5)),
    Input("prefill_gpu_count", "1", "GPUs that only read inputs; 0 where the same do both",
          default="none", usual=(1, 1e4)),
    Input("layers", "1", "transformer layers", default="scaled from active_parameters",
          usual=(1, 1e3)),
    Input("heads", "1", "attention heads in a layer", default="scaled from active_parameters",
          usual=(1, 1e3)),
    Input("head_dim", "1", "width of one head", default="scaled from active_parameters",
          usual=(4, 4096)),
    Input("kv_heads", "1", "key-value heads in a layer", 1.0,
          default="scaled from active_parameters", usual=(1, 1e3)),
    Input("kv_width", "1", "numbers that a layer of latent attention keeps of one token",
          default="none", usual=(16, 1e5)),
    Input("window_layers", "1", "layers that attend to the last tokens alone", default="none",
          usual=(1, 1e3)),
    Input("window_tokens", "tokens", "tokens that such a layer attends to", 1.0, default="none",
          usual=(16, 1e6)),
    Input("linear_layers", "1", "layers whose cost does not grow with the context",
          default="none", usual=(1, 1e3)),
    Input("state_bytes", "byte", "what linear layers keep of one sequence", default="none"),
    Input("model_width", "1", "numbers that stand for a token between layers",
          default="heads x head_dim", usual=(16, 1e6)),
    Input("kv_bytes_per_value", "byte", "memory of one number of the KV cache", default="2, bf16",
          usual=(0.1, 8)),
    Input("kv_cost", "1", "time to read the KV cache over that of its bytes", default="1"),
    Input("expert_cost", "1",
          "time of the arithmetic of a sparse model's experts over that of its FLOP", default="1"),
    Input("expert_launch", "1", "launch time of a sparse layer over a dense one's", default="1"),
    Input("shared_parameters", "parameters",
          "parameters that every token of a mixture of experts uses",
          default="what experts imply, else 0.3 x active_parameters", usual=(1e4, 1e13)),
    Input("bandwidth_cap", "1", "highest share of the memory bandwidth reached", 0.0, 1.0, "1"),
    Input("compute_cap", "1", "highest share of peak FLOP/s reached in decode", 0.0, 1.0, "1"),
    Input("prefill_share", "1", "share of prefill's time that adds to decode's", 0.0, 1.0, "1"),
    Input("launch_s", "s", "time of a step, for each layer, in which the GPUs wait", default="0",
          usual=(1e-8, 0.01)),
    Input("schedule_s", "s", "wait of a step for each sequence", default="0", usual=(1e-8, 0.01)),
    Input("software_year", "1", "vintage of the serving software", default="2025, no effect of it"),
    Input("software_trend", "1", "yearly fall of the logarithm of schedule_s", default="0"),
    Input("link_latency_s", "s", "time that two GPUs take to begin to exchange", default="0",
          usual=(1e-8, 0.01)),
    Input("link_bandwidth_bytes_per_s", "byte/s", "bandwidth of one GPU's links to the others",
          default="no limit", usual=(1e8, 1e14)),
    Input("occupancy", "1", "average share of the batch in use", 0.0, 1.0, "1"),
    Input("speculative_tokens", "1", "tokens drafted for each step", default="0", usual=(0, 100)),
    Input("acceptance", "1", "chance that a drafted token is accepted", 0.0, 1.0, "0"),
    Input("draft_parameters", "parameters", "parameters of the drafting model", default="0",
          usual=(1e5, 1e12)),
    Input("static_power_fraction", "1", "idle over rated power of a GPU", 0.0, 1.0, "0.25"),
    Input("memory_power_fraction", "1",
          "power above idle while memory is moved over that while it computes", 0.0, 1.0, "1"),
    Input("power_exponent", "1", "how power grows with the busy share of time", default="0.67",
          usual=(0.05, 5)),
    Input("wall_power_w", "W", "power of the whole machine while it computes",
          default="gpu_power_w", usual=(1, 1e5)),
    Input("published_wh", "Wh", "energy of one query as published, facility included",
          usual=(1e-4, 1e4)),
    Input("model_form", "1", "which model of an ensemble holds: its number, from 0"),
    Input("queries_per_day", "query/day", "queries that the fleet answers", usual=(1, 1e12)),
    Input("boards_owned", "1", "GPUs that are on all day, busy or not", 1.0,
          default="those at work", usual=(1, 1e8)),
    Input("idle_power_w", "W", "power of one GPU that waits",
          default="static_power_fraction x gpu_power_w", usual=(0.5, 5e3)),
    Input("training_energy_wh", "Wh", "energy of training, facility included",
          default="what its power and days, or its FLOP, imply", usual=(1e3, 1e14)),
    Input("training_power_w", "W", "power of training, facility included", default="none",
          usual=(1e2, 1e11)),
    Input("training_days", "day", "duration of training", default="none", usual=(1e-2, 2e3)),
    Input("training_flop", "FLOP", "floating-point operations of training", default="none",
          usual=(1e15, 1e29)),
    Input("training_utilization", "1", "FLOP/s achieved in training over the peak", 0.0, 1.0,
          "0.35"),
    Input("training_peak_flops", "FLOP/s", "dense peak of a GPU in training", default="peak_flops",
          usual=(1e10, 1e18)),
    Input("training_gpu_power_w", "W", "rated power of a GPU in training", default="gpu_power_w",
          usual=(1, 5e4)),
    Input("lifetime_days", "day", "days over which a model's training is spread", default="none",
          usual=(1, 1e4)),
    Input("embodied_wh_per_gpu", "Wh", "energy of making one GPU and its share of a node",
          default="none", usual=(1e3, 1e8)),
    Input("embodied_g_per_gpu", "g", "CO2e of making one GPU and its share of a node",
          default="none", usual=(1e3, 1e8)),
    Input("gpu_lifetime_days", "day", "days in which a GPU is used", default="none",
          usual=(30, 1e4)),
    # Usual: hydropower alone, to old lignite; no water, to evaporation from reservoirs.
    Input("carbon_intensity_g_per_kwh", "g/kWh", "CO2e of the electricity", default="none",
          usual=(1, 2000)),
    Input("water_intensity_l_per_kwh", "l/kWh", "water of cooling and electricity", default="none",
          usual=(0.01, 100)),
    Input("household_kwh_per_year", "kWh/year", "electricity of a household",
          default="10500, in the US", usual=(100, 1e5)),
)
# fmt: on

INPUTS = MappingProxyType({x.name: x for x in _INPUTS})
"""Every declared input by name."""

ALTERNATIVES = (("overhead",), ("host", "idle", "pue"), ("host_power_w", "idle", "pue"))
"""Ways to say what surrounds GPU boards, of which a model needs one."""

_WATTS = {"host_power_w", "network_power_w"}
REPLACES = MappingProxyType(
    {
        "overhead": frozenset({"host", "idle", "pue", *_WATTS}),
        "host": frozenset({"overhead", *_WATTS}),
        **dict.fromkeys(("idle", "pue"), frozenset({"overhead"})),
        **dict.fromkeys(_WATTS, frozenset({"overhead", "host"})),
    }
)
"""By a name, those that say in another way what it says: it takes them from the layers below."""
