"""What a query takes: pure physics in `jax.numpy`; one model a file."""

from uncertainty.energy.built import (
    CHOICE,
    DAYS_PER_YEAR,
    EFFECTS,
    ENERGY_MODELS,
    HOURS_PER_DAY,
    Choice,
    ModelName,
    compose,
    fleet_outputs,
    training_wh,
    with_error,
)
from uncertainty.energy.flops import query_flop
from uncertainty.energy.model import (
    EnergyModel,
    ModelError,
    PlainFunction,
    by_name,
    failure_text,
    is_traced_misuse,
    model_from_callable,
)
from uncertainty.energy.serving import held_bytes, step_bytes
from uncertainty.energy.transformer import kv_bytes_per_token, touched_share

__all__ = [
    "CHOICE", "DAYS_PER_YEAR", "EFFECTS", "ENERGY_MODELS", "HOURS_PER_DAY", "Choice", "EnergyModel",
    "ModelError", "ModelName", "PlainFunction", "by_name", "compose", "failure_text",
    "fleet_outputs", "held_bytes", "is_traced_misuse", "kv_bytes_per_token", "model_from_callable",
    "query_flop", "step_bytes", "touched_share", "training_wh", "with_error",
]  # fmt: skip
