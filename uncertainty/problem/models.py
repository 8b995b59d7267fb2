"""Which model a problem has, and which outputs that gives."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy import (
    CHOICE,
    EFFECTS,
    ENERGY_MODELS,
    Choice,
    EnergyModel,
    ModelError,
    ModelName,
    PlainFunction,
    compose,
    failure_text,
    is_traced_misuse,
    model_from_callable,
)
from uncertainty.errors import Fault, InputError, nearest
from uncertainty.files import Layer, Priors, given_layer
from uncertainty.inputs import Output
from uncertainty.problem.joint import Columns, Joint, each_point

Result = TypeVar("Result")

ModelLike: TypeAlias = ModelName | Callable[..., object]

_NO_MODEL = f"no model: write 'model: {next(iter(ENERGY_MODELS))}' or give one in the call"
_JAX_HINT = "a model is written in jax.numpy: jnp.exp for np.exp, jnp.where for if"
_PLAIN_HINT = (
    f"{_JAX_HINT}, jnp.interp for a table; or give vectorized=False (in a file of --model: "
    "set the attribute vectorized = False of the function), and it is called with plain numbers, "
    "once for each draw"
)
_CALLBACKS = re.compile(r"\b(pure_callback|io_callback)\[")
_POINTS = 64
"""Points of the prior at which a user's model must give a finite number at least once."""
_FEW = 8
"""As many for a model in plain Python, which may be slow."""


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


def outputs_of(joint: Joint, model: EnergyModel) -> tuple[EnergyModel, dict[str, Output]]:
    """Try the model: which outputs it has; a user's own with its version."""
    if model.plain is not None:
        names = _learn(joint, model, model.plain)
    elif model.outputs:  # by a program that serves later, and is not traced in each process
        names = list(_tried(model, lambda: each_point(joint, model, _points(joint, 1))[1]))
    else:
        names, version = _traced(model, {node.name: jnp.zeros(()) for node in joint.nodes})
        model = replace(model, version=version)
    declared = {output.name: output for output in model.outputs}
    ordered = [name for name in (*declared, *names) if name in names]
    return model, {n: declared.get(n, Output(n, _unit_of(n), "")) for n in dict.fromkeys(ordered)}


def _tried(model: EnergyModel, run: Callable[[], Result]) -> Result:
    """Run what calls the model, and say what it raises."""
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's function may raise anything
        raise _refusal(model, error) from error


def _refusal(model: EnergyModel, error: BaseException) -> InputError:
    hint = f" ({_PLAIN_HINT if is_traced_misuse(error) else _JAX_HINT})"
    ending = "" if model.plain or isinstance(error, ModelError | SystemExit) else hint
    return InputError.of("<model>", f"{model.name} {failure_text(error)}{ending}")


def _traced(model: EnergyModel, shapes: Mapping[str, Array]) -> tuple[list[str], str]:
    """Names of the outputs, and a hash of the program; traced twice, as it will be many times."""
    first, second = (
        _tried(model, lambda: jax.make_jaxpr(lambda x: model(x), return_shape=True)(dict(shapes)))
        for _ in range(2)  # each of a function of its own: JAX traces one only once
    )
    names = [list(shape) for _, shape in (first, second)]
    if set(names[0]) != set(names[1]):
        both = f"{', '.join(names[0])}, and then {', '.join(names[1])}"
        text = f"{model.name} gives other names each time it is called ({both})"
        raise InputError.of("<model>", text)
    constants = (*first[0].consts, *second[0].consts)
    kept = any(isinstance(constant, jax.core.Tracer) for constant in constants)
    programs = {_program(str(f[0].jaxpr), f[0].consts) for f in (first, second) if not kept}
    if len(programs) != 1:
        text = (
            f"{model.name} is another function each time it is called: it draws random numbers, or "
            "keeps something between calls; what is random belongs among the assumptions"
        )
        raise InputError.of("<model>", text)
    called = sorted(set(_CALLBACKS.findall(str(first[0].jaxpr))))
    if called:
        text = f"{model.name} calls plain Python through JAX ({', '.join(called)})"
        raise InputError.of("<model>", f"{text}: {_PLAIN_HINT}")
    return names[0], programs.pop()


def _program(text: str, constants: Sequence[ArrayLike]) -> str:
    """A hash of all that a traced function computes, its constants too."""
    plain = re.sub("0x[0-9a-fX]+", "", text)  # addresses differ from trace to trace
    digest = hashlib.sha256(plain.encode())
    for constant in constants:
        digest.update(np.asarray(constant).tobytes())
    return digest.hexdigest()


def _learn(joint: Joint, model: EnergyModel, plain: PlainFunction) -> list[str]:
    """Call a model in plain Python at the central assumptions, or near them, until it can be."""
    bare, failure, points = model_from_callable(plain), None, _points(joint, _FEW)
    for i in range(0 if plain.outputs else _FEW):
        scores = {name: jnp.asarray(column[i]) for name, column in points.items()}
        inputs = joint.inputs(joint.correlate(scores))
        names = bare.used(name for name in inputs if name not in EFFECTS)
        try:
            outputs = plain.learn({name: float(inputs[name]) for name in names})
        except Exception as error:  # a user's function may raise anything
            if isinstance(error, ModelError):
                raise _refusal(model, error) from error
            failure = error
            continue
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the end of the program, and the like
            raise _refusal(model, error) from error
        if np.isfinite([*outputs.values()]).all():
            return list(outputs)
    if failure is not None and not plain.outputs:
        raise _refusal(model, failure) from failure
    return list(plain.outputs)


def _points(joint: Joint, count: int) -> Columns:
    """Scores of some points, the central one first."""
    rng = np.random.default_rng(0)
    names = [node.name for node in joint.nodes if node.uncertain]
    rows = np.vstack([np.zeros(len(names)), rng.standard_normal((count - 1, len(names)))])
    return dict(zip(names, rows.T, strict=True))


def require_finite(joint: Joint, model: EnergyModel) -> None:
    """Refuse a user's own model of which an output is never a finite number."""
    if model.outputs or model.plain is not None:  # each call of plain Python may be slow
        return
    points = _points(joint, _POINTS)
    outputs = _tried(model, lambda: each_point(joint, model, points)[1])
    for name, values in outputs.items():
        if not np.isfinite(values).any():
            text = f"{model.name} gives no finite number for {name} at any of {len(values)} points"
            raise InputError.of("<model>", f"{text} of the prior (got {values[0]:g})")


def _unit_of(name: str) -> str:
    """Unit of a user's own output, where its name ends in one."""
    return {"wh": "Wh", "kwh": "kWh", "w": "W", "j": "J", "s": "s"}.get(name.split("_")[-1], "")
