"""What files and a call say, checked together: all of a problem that needs no computing."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from uncertainty.energy import (
    CHOICE,
    ENERGY_MODELS,
    Choice,
    EnergyModel,
    ModelError,
    ModelName,
    PlainFunction,
    compose,
    model_from_callable,
)
from uncertainty.errors import Fault, InputError, nearest
from uncertainty.files import (
    EFFECT,
    Assumption,
    Evidence,
    InputFile,
    Layer,
    Priors,
    Resolution,
    file_of_function,
    given_layer,
    load_priors,
    resolve,
)
from uncertainty.problem.checks import fit_faults
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
        names = ("priors", "model", "given", "scenario", "evidence", "allow_outside")
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
    'flops'
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
