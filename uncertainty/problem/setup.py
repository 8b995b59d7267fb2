"""What files and a call say, checked together: all of a problem that needs no computing."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import TypeAlias

import numpy as np

from uncertainty.arrays import in_float64
from uncertainty.energy import (
    CHOICE,
    ENERGY_MODELS,
    Choice,
    EnergyModel,
    ModelError,
    ModelName,
    PlainFunction,
    by_name,
    compose,
    held_bytes,
    model_from_callable,
)
from uncertainty.errors import Fault, InputError, nearest
from uncertainty.files import (
    EFFECT,
    GIVEN,
    KINDS,
    NO_NAME,
    Assumption,
    Evidence,
    InputFile,
    Key,
    Law,
    Layer,
    Priors,
    Resolution,
    file_of_function,
    given_layer,
    load_priors,
    resolve,
)
from uncertainty.inputs import INPUTS
from uncertainty.problem.evidence import (
    EvidenceLike,
    evidence_of,
    misfits,
    observed_models,
    used_by,
    with_effect,
)

ModelLike: TypeAlias = ModelName | Callable[..., object]

Arguments: TypeAlias = tuple[
    Priors,
    ModelLike | None,
    Mapping[str, object] | None,
    str | None,
    EvidenceLike | Sequence[EvidenceLike] | None,
]

_FAR_OUT = 2.0  # times beyond the first or last measurement: formulas reach a little further
_BESIDE = 3
_held = by_name(held_bytes)
_NEEDED = {"active_parameters", "batch_size", "bytes_per_parameter", "output_tokens"}
_NO_MODEL = f"no model: write 'model: {next(iter(ENERGY_MODELS))}' or give one in the call"


@dataclass(frozen=True, eq=False, kw_only=True)
class Setup:
    """A question whose files and call fit together."""

    priors: Priors
    given: Mapping[str, object]  # fixed or replaced in the call
    scenario: str  # empty for none
    evidence: tuple[Evidence, ...]  # one without rows is the measurement that the file states
    arguments: Arguments  # of `build_problem`, the priors read
    altered: bool  # whether these ask for anything but what the file says
    resolution: Resolution
    assumptions: Mapping[str, Assumption]  # after all layers, in file order
    used: frozenset[str]  # by the model, another assumption or evidence
    observed: Sequence[tuple[Evidence, EnergyModel | None]]
    choice: Choice
    whole: EnergyModel  # the model with the own effect of a system that nobody measured
    measured: bool  # whether there are rows, and such an effect

    @property
    def files(self) -> tuple[InputFile, ...]:
        """The files that all of it was read from: each once."""
        layers = [*self.priors.layers, *(item.layer for item in self.assumptions.values())]
        documents = [layer.document for layer in layers]
        documents += [item.document for item in self.evidence]
        files = [
            *(InputFile(item.path, item.label, item.sha256) for item in documents if item.path),
            *(file for item in self.assumptions.values() if item.law for file in item.law.files()),
        ]
        model = self.arguments[1]
        source = file_of_function(model) if callable(model) else None
        return tuple({file.path: file for file in [*files, *([source] if source else [])]}.values())

    @property
    def recipe(self) -> dict[str, object] | None:
        """Arguments of `build_problem` that make it again; None where a file lacks some of them."""
        priors, model, given, scenario, evidence = self.arguments
        outside = priors.place.root is None or None
        parts: tuple[object, ...] = (priors.label, model, given, scenario, evidence, outside)
        parts += (priors.usage or None,)
        names = ("priors", "model", "given", "scenario", "evidence", "allow_outside", "usage")
        recipe = {k: x for k, x in zip(names, parts, strict=True) if x is not None}
        if callable(model) or priors.document is None or not priors.document.text:
            return None
        try:
            json.dumps(recipe)
        except TypeError:
            return None
        return recipe


def set_up(
    priors: Priors | str | Mapping[str, object],
    model: ModelLike | None = None,
    given: Mapping[str, object] | None = None,
    scenario: str | None = None,
    evidence: EvidenceLike | Sequence[EvidenceLike] | None = None,
    vectorized: bool | None = None,
) -> Setup:
    """Check what `build_problem` takes, as far as it can be without JAX.

    Raises
    ------
    InputError
        With every fault of the files, of `given` and of their fit to the model.

    Examples
    --------
    >>> set_up("gpt-4o").choice.model.name
    'roofline'
    """
    priors = priors if isinstance(priors, Priors) else load_priors(priors)
    model = declared_plain(model, vectorized)
    choice, faults = choose_model(priors, model)
    read = evidence_of(priors, evidence)
    items, complaints = observed_models(read, choice)
    faults += complaints
    brought = [item.layer for item in read if item.layer is not None]
    # Its scenario, and what is given, may change the law of a discrepancy.
    later = [layer for name, layer in priors.scenarios.items() if name == scenario]
    top = given_layer(given or {}, priors.place)
    layers = [*brought, *priors.layers, *later, top]
    whole, effects, complaints = with_effect(items, layers, priors, choice)
    faults += complaints
    added = [*form_layer(choice, priors), *brought, *effects]
    resolution = resolve(priors, top, scenario, added)
    if not priors.readable:
        raise InputError(resolution.faults)
    altered = bool(given or scenario or model is not None or evidence is not None)
    by_evidence, system = used_by(items), whole.model if whole else None
    faults += resolution.faults
    faults += fit_faults(resolution, system, priors, altered, by_evidence)
    faults += misfits(items, resolution)
    if faults or choice is None or system is None:
        raise refusal(faults)
    by_name = {a.name: a for a in sorted(resolution.assumptions, key=lambda a: a.index)}
    needs = {name for item in by_name.values() for name in item.needs}
    return Setup(
        priors=priors,
        given=dict(given or {}),
        scenario=scenario or "",
        evidence=read,
        arguments=(priors, model, given, scenario, evidence),
        altered=altered,
        resolution=resolution,
        assumptions=by_name,
        used=frozenset([*system.used(by_name), *needs, *by_evidence]),
        observed=items,
        choice=choice,
        whole=system,
        measured=any(item.rows for item in read) and bool(effects),
    )


def refusal(faults: Iterable[Fault]) -> InputError:
    """Say what is wrong, once: the effect of a new system repeats what evidence names."""
    faults = [*faults]
    return InputError([fault for fault in faults if fault.path != EFFECT] or faults)


def choose_model(priors: Priors, model: ModelLike | None) -> tuple[Choice | None, list[Fault]]:
    """Give the model of a call, or else that of the file."""
    if callable(model):
        try:
            return Choice(model_from_callable(model)), []
        except ModelError as error:
            return None, [Fault("<model>", 0, 0, "", str(error))]
    name = model or priors.model
    choice, complaints = compose(name) if name else (None, [((), _NO_MODEL)])
    faults = list[Fault]()
    for keys, text in complaints:
        if text.startswith("unknown model "):
            text += nearest(text.removeprefix("unknown model ").strip("'"), ENERGY_MODELS)
        faults.append(
            Fault("<model>", 0, 0, ".".join(keys), text)
            if model is not None or priors.document is None
            else priors.document.fault(("model", *keys), text)
        )
    return choice, faults


def form_layer(choice: Choice | None, priors: Priors) -> list[Layer]:
    """Make which member of an ensemble holds an assumption like any other."""
    if choice is None or not choice.weights:
        return []
    names = ", ".join(f"{i}: {name}" for i, name in enumerate(choice.weights))
    weights = list(choice.weights.values())
    law = {"options": list(range(len(weights))), "weights": weights}
    entry: Mapping[str, object] = {CHOICE: {"choice": law, "group": "model form", "note": names}}
    return [given_layer(entry, priors.place, "<model>")]


def declared_plain(model: ModelLike | None, vectorized: bool | None) -> ModelLike | None:
    """Take a function as plain Python where the call, or its attribute ``vectorized``, says so."""
    if not callable(model):
        if vectorized is not None:
            raise InputError.of("<vectorized>", "is for a function of your own: give model=")
        return model
    plain = getattr(model, "vectorized", True) is False if vectorized is None else not vectorized
    if not plain or isinstance(model, PlainFunction):
        return model
    try:
        model_from_callable(model)
    except ModelError:
        return model  # `choose_model` says what is wrong with it
    return PlainFunction(model)


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
            # Misspelt is what the model does not know; a list of all that it knows is no hint.
            hint = nearest(name, known - {*model.required, *model.optional})
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


def memory_faults(
    assumptions: Mapping[str, Assumption], central: Mapping[str, float], label: str
) -> tuple[list[Fault], list[Fault]]:
    """Find weights that the GPUs cannot hold, and warn of a cache that does not fit beside them.

    `central` holds every assumption at its median: of a deployment that is uncertain, half is less.
    """
    known = {name: central[name] for name in signature(_held).parameters if name in central}
    memory, gpus = central.get("memory_bytes", 0.0), central.get("gpu_count", 1.0)
    if not memory > 0 or not known.keys() >= _NEEDED:
        return [], []
    held = in_float64(_held)(**known)
    weights, cache = (float(np.asarray(held[name])) for name in ("weights", "cache"))
    if weights + cache <= gpus * memory:
        return [], []
    have = f"into {gpus:.4g} x {memory / 1e9:.4g} GB"
    if weights > gpus * memory:
        text = f"{weights / 1e9:.4g} GB of weights do not fit {have}"
        text += f": {math.ceil(weights / memory)} GPUs or more are needed"
    else:
        most = int(known["batch_size"] * (gpus * memory - weights) / cache)
        text = f"{weights / 1e9:.4g} GB of weights and {cache / 1e9:.4g} GB of cache do not fit "
        text += f"{have}: there is room for a batch of {most}"
    count = assumptions.get("gpu_count")
    fault = (
        count.fault(text) if count else Fault(label, 0, 0, "gpu_count", f"not given, so 1: {text}")
    )
    return ([fault], []) if weights > gpus * memory else ([], [fault])


def coverage_notices(
    items: Iterable[tuple[Evidence, object]], central: Mapping[str, float], label: str
) -> tuple[list[Fault], list[Fault]]:
    """Warn of a question far outside what was measured, and name the measurements next to it.

    Compared is what rows and the question (`central`, at the medians) both say, above 0, and how
    sparse the model is. A question is next to a row by the logarithms of its ratios to it.
    """

    def compared(values: Mapping[str, float]) -> dict[str, float]:
        # How many queries a session sums is no condition of one.
        known = {n: x for n, x in values.items() if x > 0 and n != "steps_per_session"}
        if {"total_parameters", "active_parameters"} <= known.keys():
            known["moe_ratio"] = known["total_parameters"] / known["active_parameters"]
        return known

    asked = compared(central)
    rows = [(item, row, compared(row.conditions)) for item, _ in items for row in item.rows]
    measured = {
        name: [known[name] for _, _, known in rows if name in known]
        for name in asked
        if any(name in known for _, _, known in rows)
    }
    beyond = [
        f"{name} is {asked[name]:,.4g} (measured: {min(values):,.4g} to {max(values):,.4g})"
        for name, values in measured.items()
        if not min(values) / _FAR_OUT <= asked[name] <= max(values) * _FAR_OUT
    ]
    beside = list[tuple[float, str]]()
    for item, row, known in rows:
        away = math.hypot(*(math.log(asked[n] / known[n]) for n in measured if n in known))
        what = item.measurement.observes if item.measurement else ""
        # A number in a unit of its own is written as it stands.
        values = {
            k: f"{x:.3g}" if isinstance(x, float) else f"{x[0]:.3g} {x[1]}"
            for k, x in row.observed.items()
        }
        seen = ", ".join(f"{key} {value}" for key, value in values.items())
        who = "".join(f"{group}, " for group in row.groups)
        beside.append((away, f"row {row.number + 1} of {item.name} ({who}{what}: {seen})"))
    text = f"{', '.join(beyond)}: there the answer rests on the formulas of the model alone"
    outside = [Fault(label, 0, 0, "outside of what was measured", text)] if beyond else []
    text = "; ".join(text for _, text in sorted(beside)[:_BESIDE])
    return outside, [Fault(label, 0, 0, "measured next to this", text)] if text else []


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
