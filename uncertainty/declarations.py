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
    Input("total_parameters", "parameters", "parameters stored"),
    Input("moe_ratio", "1", "total parameters over active parameters", 1.0),
    Input("experts", "1", "routed experts in a layer", 1.0),
    Input("experts_per_token", "1", "routed experts that one token uses", 1.0),
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
    Input("gpu_count", "1", "GPUs that serve one copy of the model", 1.0),
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
    Input("kv_heads", "1", "key-value heads in a layer", 1.0),
)

INPUTS = MappingProxyType({item.name: item for item in _INPUTS})
"""Every declared input by name."""

ALTERNATIVES = (("overhead",), ("host", "idle", "pue"))
"""Two ways to say one thing: a layer that gives one replaces the other in the layers below."""
