"""Does a file fit a model? Faults and notices that neither shows alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from uncertainty.energy import EnergyModel
from uncertainty.errors import Fault, nearest
from uncertainty.files import GIVEN, KINDS, NO_NAME, Assumption, Key, Law, Priors, Resolution
from uncertainty.inputs import INPUTS


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
            text = f"{model.name} needs {name!r}, which is not an assumption"
            if name in INPUTS:
                text += f" ({INPUTS[name].meaning}; unit {INPUTS[name].unit})"
            hint = nearest(name, known)  # a list of all that is known would be no hint
            text += hint if "did you mean" in hint else ""
            yield priors.document.fault(("assumptions",), text)
    if model.alternatives and not any(set(group) <= known for group in model.alternatives):
        ways = ", or ".join(" and ".join(group) for group in model.alternatives)
        yield priors.document.fault(("assumptions",), f"{model.name} needs {ways}")
    yield from (fault for a in resolution.assumptions for fault in _range_faults(a, model))
    yield from _misspelt(resolution, model, priors, also)
    if not altered:
        last = priors.layers[-1]
        left_over = unused(resolution, model, also)
        yield from (fault for item, fault in left_over if item.layer is last)


def _range_faults(assumption: Assumption, model: EnergyModel) -> Iterator[Fault]:
    """Values that are stated must lie where the formulas hold: fixed ones, options, atoms, data."""
    declared = INPUTS.get(assumption.name)
    if declared is None or assumption.law is None or not model.outputs:
        return
    for keys, values in _values(assumption.law, ()):
        wrong = [value for value in values if declared.impossible(value)]
        if wrong and len(values) > 1:
            worst = min(wrong) if min(wrong) < declared.low else max(wrong)
            text = f"{len(wrong)} of {len(values)} values: each {declared.impossible(worst)}"
            yield assumption.fault(text, *keys)
        elif wrong:
            yield assumption.fault(declared.impossible(wrong[0]), *keys)


def _values(law: Law, at: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Sequence[float]]]:
    """Yield the single values that a law may take, with the keys that lead to them."""
    if law.family == "fixed" and isinstance(law.fields[0][1], float):
        yield (at if at[-2:-1] == ("options",) else (*at, "fixed")), [law.fields[0][1]]
    if law.data:
        yield (*at, "empirical", "column"), law.data
    place = (*at, "choice", "options") if law.family == "choice" else (*at, "mixture")
    for number, part in enumerate(law.parts):
        yield from _values(part, (*place, number))


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


def _set_in_vain(
    resolution: Resolution, model: EnergyModel, priors: Priors, also: frozenset[str]
) -> Iterator[tuple[Assumption, Fault]]:
    """Find the names that a call or a scenario sets and nothing uses."""
    scenarios = list(priors.scenarios.values())
    written = {name for layer in priors.layers for name in layer.names}
    for item, fault in unused(resolution, model, also):
        if item.layer in scenarios or item.layer.document.label == GIVEN:
            # A name of the file itself is not misspelt: something else now stands in its place.
            plain = item.fault(f"is used by nothing in {model.name}")
            yield item, plain if item.name in written else fault


def _misspelt(
    resolution: Resolution, model: EnergyModel, priors: Priors, also: frozenset[str]
) -> Iterator[Fault]:
    """Find the names that a call or a scenario sets and that nothing else knows."""
    written = {name for layer in priors.layers for name in layer.names}
    in_use = {*written, *model.required, *model.optional, *also}
    known = {*in_use, *INPUTS, *(f"{kind}_choice" for kind in KINDS)}
    meant = known if model.outputs else in_use
    for resolved in (resolution, *resolution.others):
        for item, _ in _set_in_vain(resolved, model, priors, also):
            if item.name in KINDS:
                text = f"must be a name of the {item.name} catalogue, or a choice of names"
                yield item.fault(f"{text}: `uncertainty list` has them")
            elif item.name not in known:
                text = f"is not an assumption, not an input of {model.name}, and nothing uses it"
                yield item.fault(text + nearest(item.name, meant))


def cautions(
    resolution: Resolution,
    model: EnergyModel,
    priors: Priors,
    also: frozenset[str],
    central: Mapping[str, float],
) -> Iterator[Fault]:
    """Say what to know before the answer: what was set in vain, and what looks like a slip.

    `central` holds every assumption at its median.
    """
    yield from (fault for _, fault in _set_in_vain(resolution, model, priors, also))
    known = set(model.used(a.name for a in resolution.assumptions)) if model.outputs else set()
    for item in resolution.assumptions:
        if item.name in INPUTS and (item.name in known or item.layer.document.label == GIVEN):
            text = INPUTS[item.name].implausible(central[item.name])
            if text:
                yield item.fault(text if item.fixed else f"its median of {text}")


def unused_notices(
    resolution: Resolution,
    model: EnergyModel,
    priors: Priors,
    altered: bool,
    also: frozenset[str] = frozenset(),
) -> Iterator[Fault]:
    """Report unused names that are not faults: from lower layers, altered files and scenarios."""
    last = priors.layers[-1]
    left_over = unused(resolution, model, also)
    lower = [(item, f) for item, f in left_over if altered or item.layer is not last]
    yield from (f for item, f in lower if not item.layer.bundle)
    scenarios = list(priors.scenarios.values())
    for other in resolution.others:
        yield from (f for item, f in unused(other, model, also) if item.layer in scenarios)


def default_notices(resolution: Resolution, model: EnergyModel, priors: Priors) -> Iterator[Fault]:
    """Say what a model takes for each input that is not given."""
    names = {a.name for a in resolution.assumptions}
    for name in model.optional:
        default = INPUTS[name].default if name in INPUTS else ""
        if model.outputs and name not in names and default not in ("", "none"):
            text = f"not given; {model.name} takes {default}"
            yield Fault(priors.label, 0, 0, name, text)


def output_faults(
    assumptions: Mapping[str, Assumption], outputs: Iterable[str], *, own_model: bool
) -> Iterator[Fault]:
    """Find names that would hide one another, or a dimension, in a result, and outputs lost.

    An `own_model` is one of the call: then outputs that the file speaks of need not be there.
    """
    outputs, scores = tuple(outputs), {f"{name}_score" for name in assumptions}
    taken = scores | {"chain", "draw", "statistic", "level"}
    for name, item in assumptions.items():
        if name in scores | {"chain", "draw"}:
            yield item.fault("is a name that results need; choose another")
        if item.solved_for and item.solved_for not in outputs and not own_model:
            text = f"no output {item.solved_for!r}{nearest(item.solved_for, outputs)}"
            yield item.fault(text, "solved_for")
    for name in outputs:
        if name in taken or not name.isidentifier():
            text = "is one that results need" if name in taken else NO_NAME
            yield Fault(
                "<model>", 0, 0, f"{name:.80}", f"the name of an output {text}; choose another"
            )
