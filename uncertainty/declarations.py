"""The shared vocabulary: what each named input and output is, in which unit, in which range.

Every energy model and every prior file that uses one of these names means the same thing by it.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["ALTERNATIVES", "INPUTS", "Input", "Output"]


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
    """

    name: str
    unit: str
    meaning: str
    low: float = 0.0
    high: float = math.inf
    default: str = ""


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
    """

    name: str
    unit: str
    meaning: str
    boundary: str = ""
    part_of: str = ""


_INPUTS = (
    Input("active_parameters", "parameters", "parameters used for one token"),
    Input(
        "total_parameters",
        "parameters",
        "parameters stored",
        default="moe_ratio x active_parameters, else dense",
    ),
    Input("moe_ratio", "1", "total parameters over active parameters", 1.0, default="1, dense"),
    Input("experts", "1", "routed experts in a layer", 1.0, default="none"),
    Input("experts_per_token", "1", "routed experts that one token uses", 1.0, default="none"),
    Input("bytes_per_parameter", "byte/parameter", "memory of one parameter"),
    Input("output_tokens", "tokens", "tokens generated for the query, reasoning included"),
    Input("input_tokens", "tokens", "tokens of prompt and context", default="0, no prompt"),
    Input("utilization", "1", "FLOP/s achieved in decode over the peak", 0.0, 1.0),
    Input(
        "prefill_utilization",
        "1",
        "FLOP/s achieved in prefill over the peak",
        0.0,
        1.0,
        "the same as utilization",
    ),
    Input("peak_flops", "FLOP/s", "dense peak of one GPU in the format computed in"),
    Input("memory_bandwidth_bytes_per_s", "byte/s", "peak memory bandwidth of one GPU"),
    Input("gpu_count", "1", "GPUs that serve one copy of the model", 1.0, default="1"),
    Input("batch_size", "1", "sequences decoded together", 1.0),
    Input("tokens_per_s", "token/s", "output tokens per second of the deployment"),
    Input("gpu_power_w", "W", "rated board power of one GPU"),
    Input("power_fraction", "1", "average over rated power in decode", 0.0, 1.0),
    Input(
        "prefill_power_fraction",
        "1",
        "average over rated power in prefill",
        0.0,
        1.0,
        "the same as power_fraction",
    ),
    Input("overhead", "1", "facility power over GPU board power: host x idle x pue", 1.0),
    Input("host", "1", "node power over GPU board power", 1.0),
    Input("idle", "1", "provisioned over busy node energy", 1.0),
    Input("pue", "1", "facility over IT energy (power usage effectiveness)", 1.0),
    Input("attention_factor", "1", "share of the n^2 attention computed", 0.0, 1.0, "0.5, causal"),
    Input("cached_share", "1", "share of the input served from a cache", 0.0, 1.0, "0, no cache"),
    Input("layers", "1", "transformer layers", default="scaled from active_parameters"),
    Input("heads", "1", "attention heads in a layer", default="scaled from active_parameters"),
    Input("head_dim", "1", "width of one head", default="scaled from active_parameters"),
    Input(
        "kv_heads", "1", "key-value heads in a layer", 1.0, default="scaled from active_parameters"
    ),
    Input(
        "kv_width",
        "1",
        "numbers that a layer's KV cache keeps of one token",
        default="2 x kv_heads x head_dim",
    ),
    Input("kv_bytes_per_value", "byte", "memory of one number of the KV cache", default="2, bf16"),
    Input("kv_cost", "1", "time to read the KV cache over that of its bytes", default="1"),
    Input(
        "expert_cost",
        "1",
        "time of the arithmetic of a sparse model's experts over that of its FLOP",
        default="1",
    ),
    Input("expert_launch", "1", "launch time of a sparse layer over a dense one's", default="1"),
    Input(
        "shared_parameters",
        "parameters",
        "parameters that every token of a mixture of experts uses",
        default="what experts imply, else 0.3 x active_parameters",
    ),
    Input("bandwidth_cap", "1", "highest share of the memory bandwidth reached", 0.0, 1.0, "1"),
    Input("compute_cap", "1", "highest share of peak FLOP/s reached in decode", 0.0, 1.0, "1"),
    Input("prefill_share", "1", "share of prefill's time that adds to decode's", 0.0, 1.0, "1"),
    Input("launch_s", "s", "time of a step, for each layer, in which the GPUs wait", default="0"),
    Input("link_latency_s", "s", "time that two GPUs take to begin to exchange", default="0"),
    Input(
        "link_bandwidth_bytes_per_s",
        "byte/s",
        "bandwidth of one GPU's links to the others",
        default="no limit",
    ),
    Input("occupancy", "1", "average share of the batch in use", 0.0, 1.0, "1"),
    Input("speculative_tokens", "1", "tokens drafted for each step", default="0"),
    Input("acceptance", "1", "chance that a drafted token is accepted", 0.0, 1.0, "0"),
    Input("draft_parameters", "parameters", "parameters of the drafting model", default="0"),
    Input("static_power_fraction", "1", "idle over rated power of a GPU", 0.0, 1.0, "0.25"),
    Input(
        "memory_power_fraction",
        "1",
        "power above idle while memory is moved over that while it computes",
        0.0,
        1.0,
        "1",
    ),
    Input("power_exponent", "1", "how power grows with the busy share of time", default="0.67"),
    Input(
        "wall_power_w", "W", "power of the whole machine while it computes", default="gpu_power_w"
    ),
    Input("model_form", "1", "which model of an ensemble holds: its number, from 0"),
    Input("queries_per_day", "query/day", "queries that the fleet answers"),
    Input(
        "training_energy_wh",
        "Wh",
        "energy of training, facility included",
        default="what its power and days, or its FLOP, imply",
    ),
    Input("training_power_w", "W", "power of training, facility included", default="none"),
    Input("training_days", "day", "duration of training", default="none"),
    Input("training_flop", "FLOP", "floating-point operations of training", default="none"),
    Input(
        "training_utilization", "1", "FLOP/s achieved in training over the peak", 0.0, 1.0, "0.35"
    ),
    Input("training_peak_flops", "FLOP/s", "dense peak of a GPU in training", default="peak_flops"),
    Input("training_gpu_power_w", "W", "rated power of a GPU in training", default="gpu_power_w"),
    Input("lifetime_days", "day", "days over which a model's training is spread", default="none"),
    Input(
        "embodied_wh_per_gpu",
        "Wh",
        "energy of making one GPU and its share of a node",
        default="none",
    ),
    Input(
        "embodied_g_per_gpu", "g", "CO2e of making one GPU and its share of a node", default="none"
    ),
    Input("gpu_lifetime_days", "day", "days in which a GPU is used", default="none"),
    Input("carbon_intensity_g_per_kwh", "g/kWh", "CO2e of the electricity", default="none"),
    Input("water_intensity_l_per_kwh", "l/kWh", "water of cooling and electricity", default="none"),
    Input(
        "household_kwh_per_year",
        "kWh/year",
        "electricity of a household",
        default="10500, in the US",
    ),
)

INPUTS = MappingProxyType({item.name: item for item in _INPUTS})
"""Every declared input by name."""

ALTERNATIVES = (("overhead",), ("host", "idle", "pue"))
"""Two ways to say one thing: a layer that gives one replaces the other in the layers below."""
