"""Pure physics in `jax.numpy`: no files, no randomness, no labels; one model a file."""

from types import MappingProxyType

from uncertainty.energy.flops import FLOPS
from uncertainty.energy.model import EnergyModel, ModelError, model_from_callable

__all__ = ["ENERGY_MODELS", "EnergyModel", "ModelError", "model_from_callable"]

ENERGY_MODELS = MappingProxyType({"flops": FLOPS})
"""Every shipped model by the name that files use."""
