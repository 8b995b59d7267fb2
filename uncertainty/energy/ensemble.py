"""Several models of one question: which of them is right is one more unknown."""

from collections.abc import Iterable, Sequence
from functools import reduce

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy.model import EnergyModel, arrays

__all__ = ["CHOICE", "ensemble_of"]

CHOICE = "model_form"
"""The input that says which member holds: its number, from 0."""


def ensemble_of(members: Sequence[EnergyModel]) -> EnergyModel:
    """Join models of the same question; members share the inputs that they have in common.

    Parameters
    ----------
    members : sequence of EnergyModel
        At least two.

    Returns
    -------
    EnergyModel
        With the input `CHOICE`, and those outputs that all members give.

    Examples
    --------
    >>> from uncertainty.energy import ENERGY_MODELS
    >>> ensemble_of([ENERGY_MODELS[name] for name in ("flops", "roofline")]).name
    'flops or roofline'
    """

    def ensemble(**inputs: ArrayLike) -> dict[str, Array]:
        found = [member(arrays(inputs)) for member in members]
        common = [name for name in found[0] if all(name in outputs for outputs in found)]
        chosen = jnp.asarray(inputs[CHOICE])
        return {name: _pick(chosen, [outputs[name] for outputs in found]) for name in common}

    meanings = "; or ".join(member.meaning.removesuffix(".") for member in members)
    ensemble.__doc__ = f"One of several models: {meanings}."
    required = _once(name for member in members for name in member.required)
    optional = _once(name for member in members for name in member.optional)
    first, *others = members
    everywhere = [{output.name for output in other.outputs} for other in others]
    return EnergyModel(
        name=" or ".join(member.name for member in members),
        function=ensemble,
        required=(*required, CHOICE),
        optional=tuple(name for name in optional if name not in required),
        alternatives=next((m.alternatives for m in members if m.alternatives), ()),
        outputs=tuple(o for o in first.outputs if all(o.name in names for names in everywhere)),
    )


def _pick(chosen: Array, values: Sequence[Array]) -> Array:
    numbered = list(enumerate(values))
    return reduce(
        lambda rest, item: jnp.where(chosen == item[0], item[1], rest), numbered, values[0]
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
