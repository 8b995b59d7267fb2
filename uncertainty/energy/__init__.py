"""Pure physics in `jax.numpy`: no files, no randomness, no labels; one model a file."""

from uncertainty.energy.compose import ENERGY_MODELS, Choice, ModelName, compose
from uncertainty.energy.ensemble import CHOICE
from uncertainty.energy.model import EnergyModel, ModelError, model_from_callable

__all__ = [
    "CHOICE",
    "ENERGY_MODELS",
    "Choice",
    "EnergyModel",
    "ModelError",
    "ModelName",
    "compose",
    "model_from_callable",
]
