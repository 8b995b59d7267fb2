"""Does a file fit a model? Faults and notices that neither shows alone."""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite

import jax
import numpy as np

from uncertainty.declarations import INPUTS
from uncertainty.energy import EnergyModel
from uncertainty.errors import Fault
from uncertainty.evaluation import each_point
from uncertainty.joint import Joint
from uncertainty.spec import Assumption, Priors, Resolution, nearest

__all__ = ["default_notices", "fit_faults", "name_clashes", "undefined", "unused_notices"]


def fit_faults(
    resolution: Resolution,
    model: EnergyModel | None,
    priors: Priors,
    altered: bool,
    also: frozenset[str] = frozenset(),
) -> Iterator[Fault]:
    """Find missing inputs, values out of range, and names that nothing uses.

    Evidence uses the names that are in `also`.
    """
    if model is None or priors.document is None:
        return
    used = {*model.used(resolution.lacking)}
    used |= {name for a in resolution.assumptions for name in a.needs}
    yield from (fault for name, fault in resolution.lacking.items() if name in used)
    known = {a.name for a in resolution.assumptions} | resolution.broken | {*resolution.lacking}
    for name in model.required:
        if name not in known:
            text = f"{model.name} needs {name!r}, which is no assumption{_told(name, known)}"
            yield priors.document.fault(("assumptions",), text)
    if model.alternatives and not any(set(group) <= known for group in model.alternatives):
        ways = ", or ".join(" and ".join(group) for group in model.alternatives)
        yield priors.document.fault(("assumptions",), f"{model.name} needs {ways}")
    yield from (fault for a in resolution.assumptions for fault in _range_faults(a, model))
    if not altered:
        own = priors.layers[-1]
        found = unused(resolution, model, also)
        yield from (fault for item, fault in found if item.layer is own)


def _told(name: str, known: set[str]) -> str:
    hint = nearest(name, known)
    meaning = f" ({INPUTS[name].meaning}; unit {INPUTS[name].unit})" if name in INPUTS else ""
    return meaning + (hint if "did you mean" in hint else "")


def _range_faults(assumption: Assumption, model: EnergyModel) -> Iterator[Fault]:
    """A fixed value must lie where the formulas hold."""
    declared, law = INPUTS.get(assumption.name), assumption.law
    if declared is None or law is None or law.family != "fixed" or not model.outputs:
        return
    value = law.fields[0][1]
    if isinstance(value, float) and not declared.low <= value <= declared.high:
        limits = f"lie between {declared.low:g} and {declared.high:g}"
        wanted = limits if isfinite(declared.high) else f"be {declared.low:g} or more"
        yield assumption.fault(f"must {wanted} (got {value:g})", "fixed")


def unused(
    resolution: Resolution, model: EnergyModel, also: frozenset[str]
) -> Iterator[tuple[Assumption, Fault]]:
    """Find the assumptions that neither the model nor another assumption nor evidence uses."""
    used = {*model.used({a.name: a for a in resolution.assumptions}), *also}
    used |= {name for a in resolution.assumptions for name in a.needs}
    known = {*model.required, *model.optional, *used}
    for item in resolution.assumptions:
        if item.name not in used:
            hint = nearest(item.name, known)
            suggestion = hint if "did you mean" in hint else ""
            yield item, item.fault(f"is used by nothing in {model.name}{suggestion}")


def unused_notices(
    resolution: Resolution,
    model: EnergyModel,
    priors: Priors,
    altered: bool,
    also: frozenset[str] = frozenset(),
) -> Iterator[Fault]:
    """Report unused names that are no fault: from lower layers, altered files and scenarios."""
    own = priors.layers[-1]
    found = unused(resolution, model, also)
    lower = [(item, f) for item, f in found if altered or item.layer is not own]
    yield from (f for item, f in lower if not item.layer.bundle)
    scenarios = list(priors.scenarios.values())
    for other in resolution.others:
        yield from (f for item, f in unused(other, model, also) if item.layer in scenarios)


def default_notices(resolution: Resolution, model: EnergyModel, priors: Priors) -> Iterator[Fault]:
    """Say what a model takes for each input that is not given."""
    names = {a.name for a in resolution.assumptions}
    for name in model.optional:
        told = INPUTS[name].default if name in INPUTS else ""
        if model.outputs and name not in names and told not in ("", "none"):
            text = f"not given; {model.name} takes {INPUTS[name].default}"
            yield Fault(priors.label, 0, 0, name, text)


def name_clashes(assumptions: Mapping[str, Assumption], outputs: Iterable[str]) -> Iterator[Fault]:
    """Find names that would hide one another, or a dimension, in a result."""
    scores = {f"{name}_score" for name in assumptions}
    taken = scores | {"chain", "draw", "statistic", "level"}
    for name, item in assumptions.items():
        if name in scores | {"chain", "draw"}:
            yield item.fault("is a name that results need; choose another")
    for name in outputs:
        if name in taken or not name.isidentifier():
            text = "is no usable output name: results need it, or it is no identifier"
            yield Fault("<model>", 0, 0, name, text)


def undefined(
    joint: Joint, model: EnergyModel, assumptions: Mapping[str, Assumption]
) -> Iterator[Fault]:
    """Find laws without a distribution: nothing left by a truncation, or impossible parameters.

    Parameters that name assumptions are looked at with all assumptions at their medians.
    """
    empty = {name for name, left in jax.jit(Joint.masses)(joint).items() if not float(left) > 1e-12}
    for name in empty:
        yield assumptions[name].fault("leaves nothing of the distribution", "truncate")
    scores = {node.name: np.zeros(1) for node in joint.nodes if node.uncertain}
    central = each_point(joint, model, scores)[0]
    lost = {name for name, values in central.items() if np.isnan(values[0])} - empty
    for name in lost:
        item = assumptions[name]
        if not item.needs & (lost | empty):
            told = ", ".join(f"{need} = {central[need][0]:.4g}" for need in sorted(item.needs))
            key = item.law.family if item.law else "expression"
            yield item.fault(f"is undefined at the central values: {told}", key)
