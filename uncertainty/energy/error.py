"""A model with its own error: energies of a system that nobody has measured."""

from dataclasses import replace
from functools import lru_cache

import jax.numpy as jnp
from jax import Array

from uncertainty.energy.model import EnergyModel

__all__ = ["EFFECTS", "ENERGY_UNITS", "with_error"]

EFFECTS = ("system_effect", "system_discrepancy")
"""Inputs: the own effect of a system that nobody measured, and the model's error there."""

ENERGY_UNITS = frozenset({"Wh", "kWh", "J"})
"""Units of outputs that an error of the energy multiplies."""


@lru_cache(maxsize=64)
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

    def scaled(name: str, value: Array, shift: Array) -> Array:
        if not multiplies:
            return value + shift if name == observed else value
        return value * jnp.exp(shift) if name in {*energies, observed} else value

    def function(**inputs: Array) -> dict[str, Array]:
        shift = sum((inputs[name] for name in errors if name in inputs), jnp.zeros(()))
        rest = {name: value for name, value in inputs.items() if name not in errors}
        return {name: scaled(name, value, shift) for name, value in model(rest).items()}

    function.__doc__ = model.function.__doc__
    return replace(model, function=function, optional=(*model.optional, *errors))
