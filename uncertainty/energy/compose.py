"""Models by name, and what is built of them: a fleet on top of one, an ensemble of several."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from uncertainty.arrays import Array, ArrayLike, jnp
from uncertainty.energy.fleet import fleet_of
from uncertainty.energy.flops import FLOPS
from uncertainty.energy.model import EnergyModel
from uncertainty.energy.roofline import LOCAL, ROOFLINE
from uncertainty.energy.throughput import THROUGHPUT

ENERGY_MODELS = MappingProxyType(
    {model.name: model for model in (FLOPS, ROOFLINE, THROUGHPUT, LOCAL)}
)
"""Every shipped model by the name that files use."""

CHOICE = "model_form"
"""The input that says which member of an ensemble holds: its number, from 0."""

EFFECTS = ("system_effect", "system_discrepancy")
"""Inputs: the own effect of a system that nobody measured, and the model's error there."""

ENERGY_UNITS = frozenset({"Wh", "kWh", "J"})
"""Units of outputs that an error of the energy multiplies."""


@lru_cache(maxsize=64)  # one object for one ensemble: compiled code is found by it
def ensemble_of(*members: EnergyModel) -> EnergyModel:
    """Join models of the same question; members share the inputs that they have in common.

    Parameters
    ----------
    *members : EnergyModel
        At least two.

    Returns
    -------
    EnergyModel
        With the input `CHOICE`, and those outputs that all members give.

    Examples
    --------
    >>> from uncertainty.energy import ENERGY_MODELS
    >>> ensemble_of(ENERGY_MODELS["flops"], ENERGY_MODELS["roofline"]).name
    'flops or roofline'
    """
    first, *others = members

    def ensemble(**inputs: ArrayLike) -> dict[str, Array]:
        result, *rest = (member(inputs) for member in members)
        for number, outputs in enumerate(rest, start=1):
            chosen = jnp.asarray(inputs[CHOICE]) == number
            result = {
                k: jnp.where(chosen, outputs[k], v) for k, v in result.items() if k in outputs
            }
        return result

    meanings = "; or ".join(member.meaning.removesuffix(".") for member in members)
    ensemble.__doc__ = f"One of several models: {meanings}."
    required = dict.fromkeys(name for member in members for name in member.required)
    optional = dict.fromkeys(name for member in members for name in member.optional)
    everywhere = [{output.name for output in other.outputs} for other in others]
    return EnergyModel(
        name=" or ".join(member.name for member in members),
        function=ensemble,
        required=(*required, CHOICE),
        optional=tuple(name for name in optional if name not in required),
        alternatives=next((m.alternatives for m in members if m.alternatives), ()),
        outputs=tuple(o for o in first.outputs if all(o.name in names for names in everywhere)),
    )


@lru_cache(maxsize=64)  # as in `ensemble_of`
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
    changed = {*energies, observed} if multiplies else {observed}

    def function(**inputs: Array) -> dict[str, Array]:
        shift = sum((inputs[name] for name in errors if name in inputs), jnp.zeros(()))
        outputs = model({name: value for name, value in inputs.items() if name not in errors})
        moved = {
            name: outputs[name] * jnp.exp(shift) if multiplies else outputs[name] + shift
            for name in changed
            if name in outputs
        }
        return {**outputs, **moved}

    function.__doc__ = model.function.__doc__
    return replace(model, function=function, optional=(*model.optional, *errors))


ModelName: TypeAlias = str | Mapping[str, object]
"""``flops``, ``{fleet: flops}``, ``{ensemble: {flops: 0.3, roofline: 0.7}}``; a fleet of that."""


@dataclass(frozen=True)
class Choice:
    """A model, and the chances of its forms where it is an ensemble.

    Attributes
    ----------
    single : EnergyModel
        Of one query.
    weights : mapping of str to float
        By member; empty where there is nothing to choose.
    fleet : bool
        True where all queries of a day are asked for.
    """

    single: EnergyModel
    weights: Mapping[str, float] = field(default_factory=dict)
    fleet: bool = False

    @property
    def model(self) -> EnergyModel:
        """The model that is asked for: that of one query, or a fleet on top of it."""
        return fleet_of(self.single) if self.fleet else self.single

    def altered(self, change: Callable[[EnergyModel], EnergyModel]) -> "Choice":
        """Change the model of one query, and with it the fleet on top of it."""
        return replace(self, single=change(self.single))


def compose(name: ModelName) -> tuple[Choice | None, list[tuple[tuple[str, ...], str]]]:
    """Build a model from its name, or from the mapping that a file gives.

    Parameters
    ----------
    name : str or mapping

    Returns
    -------
    Choice or None
        None where something is wrong.
    list of (keys, message)
        Every fault, with the keys that lead to it.

    Examples
    --------
    >>> compose({"ensemble": {"flops": 0.3, "roofline": 0.7}})[0].model.name
    'flops or roofline'
    >>> compose({"fleet": "flop"})[1]
    [(('fleet',), "unknown model 'flop'")]
    """
    if isinstance(name, str):
        shipped = ENERGY_MODELS.get(name)
        return (Choice(shipped), []) if shipped else (None, [((), f"unknown model {name!r}")])
    keys = [*map(str, name)] if isinstance(name, Mapping) else [type(name).__name__]
    if keys not in (["fleet"], ["ensemble"]) or not isinstance(name, Mapping):
        got = ", ".join(keys) or "nothing"
        return None, [((), f"must be a name, {{fleet: NAME}} or {{ensemble: ...}} (got {got})")]
    [(kind, inner)] = name.items()
    if kind == "fleet":
        if not isinstance(inner, str | Mapping) or (isinstance(inner, Mapping) and kind in inner):
            return None, [((kind,), "must be the name of a model, or an ensemble")]
        choice, complaints = compose(inner)
        fleet = replace(choice, fleet=True) if choice else None
        return fleet, [((kind, *keys), text) for keys, text in complaints]
    faults = [((kind, *keys), text) for keys, text in _member_faults(inner)]
    if faults or not isinstance(inner, Mapping):
        return None, faults
    whole = sum(inner.values())
    weights = {member: weight / whole for member, weight in inner.items()}
    return Choice(ensemble_of(*(ENERGY_MODELS[member] for member in inner)), weights), []


def _member_faults(members: object) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(members, Mapping) or len(members) < 2:
        yield (), "must name two or more models, each with its weight"
        return
    for member, weight in members.items():
        if member not in ENERGY_MODELS:
            yield (str(member),), f"unknown model {member!r}"
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not weight > 0:
            yield (str(member),), f"must have a weight greater than 0 (got {weight!r})"
