"""Pure physics in `jax.numpy`: no files, no randomness, no labels; one model a file."""

from uncertainty.energy.compose import (
    ENERGY_MODELS,
    Choice,
    ModelName,
    choice_of_model,
    compose,
)
from uncertainty.energy.ensemble import CHOICE
from uncertainty.energy.error import EFFECTS, ENERGY_UNITS, with_error
from uncertainty.energy.model import EnergyModel, model_from_callable
from uncertainty.energy.plain import PlainFunction
from uncertainty.energy.result import ModelError, failure_text, is_traced_misuse

__all__ = [
    "CHOICE",
    "EFFECTS",
    "ENERGY_MODELS",
    "ENERGY_UNITS",
    "Choice",
    "EnergyModel",
    "ModelError",
    "ModelName",
    "PlainFunction",
    "choice_of_model",
    "compose",
    "failure_text",
    "is_traced_misuse",
    "model_from_callable",
    "with_error",
]
