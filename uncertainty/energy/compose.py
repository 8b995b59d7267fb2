"""Models by name, and what is built of them: a fleet on top of one, an ensemble of several."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from uncertainty.energy.ensemble import ensemble_of
from uncertainty.energy.fleet import fleet_of
from uncertainty.energy.flops import FLOPS
from uncertainty.energy.local import LOCAL
from uncertainty.energy.model import EnergyModel
from uncertainty.energy.roofline import ROOFLINE
from uncertainty.energy.throughput import THROUGHPUT

__all__ = ["ENERGY_MODELS", "Choice", "Complaint", "ModelName", "choice_of_model", "compose"]

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
