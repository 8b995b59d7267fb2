"""Models by name, and what is built of them: a fleet on top of one, an ensemble of several."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from types import MappingProxyType
from typing import TypeAlias

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy.fleet import fleet_of
from uncertainty.energy.flops import FLOPS
from uncertainty.energy.local import LOCAL
from uncertainty.energy.model import EnergyModel, arrays
from uncertainty.energy.roofline import ROOFLINE
from uncertainty.energy.throughput import THROUGHPUT

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


ModelName: TypeAlias = str | Mapping[str, object]
"""``flops``, ``{fleet: flops}``, ``{ensemble: {flops: 0.3, roofline: 0.7}}``; a fleet of that."""
Complaint: TypeAlias = tuple[tuple[str, ...], str]
"""Keys inside the stated model, and what is wrong there."""

ENERGY_MODELS = MappingProxyType(
    {model.name: model for model in (FLOPS, ROOFLINE, THROUGHPUT, LOCAL)}
)
"""Every shipped model by the name that files use."""


@dataclass(frozen=True)
class Choice:
    """A model, and the chances of its forms where it is an ensemble.

    Attributes
    ----------
    model : EnergyModel
    weights : mapping of str to float
        By member; empty where there is nothing to choose.
    single : EnergyModel
        Of one query: that under a fleet, else the model itself.
    fleet : bool
    """

    model: EnergyModel
    weights: Mapping[str, float]
    single: EnergyModel
    fleet: bool = False

    def altered(self, change: Callable[[EnergyModel], EnergyModel]) -> "Choice":
        """Change the model of one query; a fleet is built anew on top of it."""
        single = change(self.single)
        return replace(self, model=_fleet_model(single) if self.fleet else single, single=single)


def choice_of_model(model: EnergyModel) -> Choice:
    """Take one model as it is."""
    return Choice(model, {}, model)


def compose(stated: ModelName) -> tuple[Choice | None, list[Complaint]]:
    """Build a model from its name, or from what a file says of it.

    Parameters
    ----------
    stated : str or mapping

    Returns
    -------
    Choice or None
        None where something is wrong.
    list of (keys, message)
        Everything that is.

    Examples
    --------
    >>> compose({"ensemble": {"flops": 0.3, "roofline": 0.7}})[0].model.name
    'flops or roofline'
    >>> compose({"fleet": "flop"})[1]
    [(('fleet',), "unknown model 'flop'")]
    """
    if isinstance(stated, str):
        found = ENERGY_MODELS.get(stated)
        return (
            (choice_of_model(found), []) if found else (None, [((), f"unknown model {stated!r}")])
        )
    if (
        not isinstance(stated, Mapping)
        or len(stated) != 1
        or not set(stated) <= {"fleet", "ensemble"}
    ):
        parts = stated if isinstance(stated, Mapping) else [type(stated).__name__]
        shown = ", ".join(map(str, parts)) or "nothing"
        return None, [((), f"must be a name, {{fleet: NAME}} or {{ensemble: ...}} (got {shown})")]
    if "fleet" in stated:
        return _fleet(stated["fleet"])
    return _ensemble(stated["ensemble"])


@lru_cache(maxsize=64)
def _fleet_model(inner: EnergyModel) -> EnergyModel:
    """One object for one model: compiled code is found by it."""
    return fleet_of(inner)


@lru_cache(maxsize=64)
def _ensemble_model(members: tuple[str, ...]) -> EnergyModel:
    return ensemble_of([ENERGY_MODELS[name] for name in members])


def _fleet(inner: object) -> tuple[Choice | None, list[Complaint]]:
    if not isinstance(inner, str | Mapping) or (isinstance(inner, Mapping) and "fleet" in inner):
        return None, [(("fleet",), "must be the name of a model, or an ensemble")]
    choice, complaints = compose(inner)
    if choice is None:
        return None, [(("fleet", *keys), text) for keys, text in complaints]
    return replace(choice, model=_fleet_model(choice.model), fleet=True), []


def _ensemble(members: object) -> tuple[Choice | None, list[Complaint]]:
    if not isinstance(members, Mapping) or len(members) < 2:
        return None, [(("ensemble",), "must name two or more models, each with its weight")]
    complaints: list[Complaint] = [
        (("ensemble", str(name)), text)
        for name, weight in members.items()
        for text in _member_faults(name, weight)
    ]
    if complaints:
        return None, complaints
    whole = sum(members.values())
    weights = {name: weight / whole for name, weight in members.items()}
    model = _ensemble_model(tuple(members))
    return Choice(model, weights, model), []


def _member_faults(name: object, weight: object) -> list[str]:
    faults = [] if name in ENERGY_MODELS else [f"unknown model {name!r}"]
    usable = isinstance(weight, int | float) and not isinstance(weight, bool) and weight > 0
    return faults if usable else [*faults, f"must have a weight greater than 0 (got {weight!r})"]
