"""Which model a problem has, and which outputs that gives."""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import jax
import jax.numpy as jnp

from uncertainty.declarations import Output
from uncertainty.energy import (
    CHOICE,
    ENERGY_MODELS,
    Choice,
    EnergyModel,
    ModelError,
    ModelName,
    choice_of_model,
    compose,
    model_from_callable,
)
from uncertainty.errors import Fault, InputError
from uncertainty.evaluation import evaluate_point
from uncertainty.joint import Joint
from uncertainty.spec import Layer, Priors, given_layer, nearest

__all__ = ["ModelLike", "choose_model", "form_layer", "outputs_of"]

ModelLike: TypeAlias = ModelName | Callable[..., object]

_NO_MODEL = f"no model: write 'model: {next(iter(ENERGY_MODELS))}' or give one in the call"
_JAX_HINT = "a model is written in jax.numpy: jnp.exp for np.exp, jnp.where for if"


def choose_model(priors: Priors, model: ModelLike | None) -> tuple[Choice | None, list[Fault]]:
    """Give the model of a call, or else that of the file."""
    if callable(model):
        try:
            return choice_of_model(model_from_callable(model)), []
        except (ModelError, ValueError, TypeError) as error:
            return None, [Fault("<model>", 0, 0, "", str(error))]
    stated = model or priors.model
    choice, complaints = compose(stated) if stated else (None, [((), _NO_MODEL)])
    faults = [_model_fault(keys, text, priors, model is not None) for keys, text in complaints]
    return choice, faults


def _model_fault(keys: tuple[str, ...], text: str, priors: Priors, given: bool) -> Fault:
    name = text.removeprefix("unknown model ").strip("'")
    told = text + nearest(name, ENERGY_MODELS) if text.startswith("unknown model ") else text
    if given or priors.document is None:
        return Fault("<model>", 0, 0, ".".join(keys), told)
    return priors.document.fault(("model", *keys), told)


def form_layer(choice: Choice | None, priors: Priors) -> list[Layer]:
    """Make which member of an ensemble holds an assumption like any other."""
    if choice is None or not choice.weights:
        return []
    names = ", ".join(f"{i}: {name}" for i, name in enumerate(choice.weights))
    weights = list(choice.weights.values())
    law = {"options": list(range(len(weights))), "weights": weights}
    stated: Mapping[str, object] = {CHOICE: {"choice": law, "group": "model form", "note": names}}
    return [given_layer(stated, priors.place, "<model>")[0]]


def outputs_of(joint: Joint, model: EnergyModel) -> dict[str, Output]:
    """Trace the model once, to learn its outputs without computing them."""
    scores = {n.name: jnp.zeros(()) for n in joint.nodes if n.uncertain}
    try:
        shapes = jax.eval_shape(lambda s: evaluate_point(joint, model, s)[1], scores)
    except Exception as error:
        first = (str(error).strip() or "no message").splitlines()[0]
        text = f"{model.name} failed{_place(error)}: {type(error).__name__}: {first}"
        raise InputError.of("<model>", f"{text} ({_JAX_HINT})") from error
    wrong = [f"{name} of shape {s.shape}" for name, s in shapes.items() if s.shape != ()]
    if wrong or not shapes:
        raise InputError.of("<model>", f"{model.name} must give scalars (got {', '.join(wrong)})")
    declared = {output.name: output for output in model.outputs}
    ordered = [name for name in (*declared, *shapes) if name in shapes]
    return {name: declared.get(name, Output(name, _unit_of(name), "")) for name in ordered}


def _place(error: Exception) -> str:
    """Tell the last line that ran outside of installed libraries."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and f.filename != __file__]
    outside = [f for f in own if not f.filename.startswith(str(Path(__file__).parent))]
    return f" at {outside[-1].filename}:{outside[-1].lineno}" if outside else ""


def _unit_of(name: str) -> str:
    """Unit of a user's own output, where its name ends in one."""
    return {"wh": "Wh", "kwh": "kWh", "w": "W", "j": "J", "s": "s"}.get(name.split("_")[-1], "")
