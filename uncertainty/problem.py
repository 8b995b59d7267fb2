"""The waist: joint prior and energy model, checked once, with everything wrong raised at once."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.checks import (
    default_notices,
    fit_faults,
    name_clashes,
    undefined,
    unused_notices,
)
from uncertainty.declarations import Output
from uncertainty.energy import (
    CHOICE,
    ENERGY_MODELS,
    Choice,
    EnergyModel,
    ModelError,
    ModelName,
    compose,
    model_from_callable,
)
from uncertainty.errors import Fault, InputError
from uncertainty.evaluation import each_point, evaluate_point
from uncertainty.joint import Joint, build_joint
from uncertainty.moments import moment_notices
from uncertainty.precision import in_float64
from uncertainty.spec import Assumption, Priors, load_priors, nearest, resolve

__all__ = ["ModelLike", "Problem", "build_problem"]

ModelLike: TypeAlias = ModelName | Callable[..., object]


@dataclass(frozen=True, eq=False)
class Problem:
    """A question ready to be sampled.

    Attributes
    ----------
    priors : Priors
        Where it came from.
    assumptions : mapping of str to Assumption
        After all layers, by name, in file order.
    joint : Joint
        The map from scores to inputs.
    model : EnergyModel
        The map from inputs to outputs.
    outputs : mapping of str to Output
        What the model gives.
    notices : tuple of Fault
        What is worth knowing before believing a result.
    lost_means : mapping of str to str
        Outputs whose mean does not exist under these assumptions, with the reason.
    scenario : str
        Name of the scenario; empty for none.
    given : mapping of str to object
        Assumptions fixed or replaced in the call.
    """

    priors: Priors
    assumptions: Mapping[str, Assumption]
    joint: Joint
    model: EnergyModel
    outputs: Mapping[str, Output]
    notices: tuple[Fault, ...] = ()
    lost_means: Mapping[str, str] | None = None
    scenario: str = ""
    given: Mapping[str, object] = field(default_factory=dict)

    def __repr__(self) -> str:
        uncertain = sum(node.uncertain for node in self.joint.nodes)
        return (
            f"<Problem {self.priors.label}: {self.model.name}, {uncertain} uncertain assumptions>"
        )

    @property
    def varies(self) -> bool:
        """True where something varies from query to query."""
        return bool(self.joint.coordinates(varies=True))

    @property
    def used(self) -> frozenset[str]:
        """Names that the model or another assumption uses."""
        needs = (name for item in self.assumptions.values() for name in item.needs)
        return frozenset([*self.model.used(self.assumptions), *needs])

    def quantity(self, name: str | None = None) -> str:
        """Choose an output: the one named, the only one, or ``energy_wh``.

        Raises
        ------
        InputError
            If there is no such output, or several and none named.
        """
        names = list(self.outputs)
        chosen = name or (names[0] if len(names) == 1 else "energy_wh")
        if chosen in names:
            return chosen
        if name is None:
            message = f"name one of the outputs of {self.model.name}: {', '.join(names)}"
        else:
            message = f"{self.model.name} has no output {name!r}{nearest(name, names)}"
        raise InputError.of("<quantity>", message)

    @in_float64
    def central(self) -> dict[str, float]:
        """Outputs at the central assumptions: every assumption at its median.

        Examples
        --------
        >>> build_problem("gpt-4o").central()["energy_wh"] > 0
        True
        """
        return dict(self._central)

    @cached_property
    def _central(self) -> Mapping[str, float]:
        scores = {node.name: np.zeros(1) for node in self.joint.nodes if node.uncertain}
        outputs = each_point(self.joint, self.model, scores)[1]
        return {name: float(values[0]) for name, values in outputs.items()}

    def numpyro_model(self) -> Callable[[], dict[str, Array]]:
        """Give the same joint prior and model as a numpyro model.

        Returns
        -------
        callable
            Samples one site ``<name>_score`` (standard normal) for each uncertain assumption;
            every assumption and every output is a deterministic site under its own name (an
            output goes before an assumption of the same name). One draw is one query. It computes
            in whatever precision JAX is set to.

        Examples
        --------
        >>> import jax
        >>> from numpyro.infer import Predictive
        >>> model = build_problem("gpt-4o").numpyro_model()
        >>> Predictive(model, num_samples=3)(jax.random.key(0))["energy_wh"].shape
        (3,)
        """
        import numpyro
        from numpyro.distributions import Normal

        def model() -> dict[str, Array]:
            scores = {
                node.name: numpyro.sample(f"{node.name}_score", Normal(0.0, 1.0))
                for node in sorted(self.joint.nodes, key=lambda node: node.index)
                if node.uncertain
            }
            inputs, outputs = evaluate_point(self.joint, self.model, scores)
            for name, value in {**inputs, **outputs}.items():
                numpyro.deterministic(name, value)
            return outputs

        return model


@in_float64
def build_problem(
    priors: Priors | str | Mapping[str, object],
    model: ModelLike | None = None,
    given: Mapping[str, object] | None = None,
    scenario: str | None = None,
    evidence: object = None,
) -> Problem:
    """Check assumptions against a model and make them ready to be sampled.

    Parameters
    ----------
    priors : Priors, str or mapping
        From `load_priors`, or what `load_priors` takes.
    model : str, mapping or callable, optional
        A name in ``ENERGY_MODELS``; ``{"fleet": name}``; ``{"ensemble": {name: weight, ...}}``,
        whose choice becomes the assumption ``model_form``; or any function of named inputs in
        `jax.numpy` that gives a scalar or a mapping of named scalars. The file's own model
        where not given.
    given : mapping, optional
        Assumptions fixed or replaced: a number, a string with a unit, or a mapping as in a file;
        ``hardware``, ``precision`` and ``llm`` take names of the catalogues.
    scenario : str, optional
        A scenario of the file.
    evidence : None
        Measurements cannot be taken into account yet.

    Returns
    -------
    Problem

    Raises
    ------
    InputError
        With every fault of the files, of `given` and of their fit to the model.

    Examples
    --------
    >>> problem = build_problem("gpt-4o", given={"output_tokens": 500, "gpu_power_w": "0.7 kW"})
    >>> problem.model.name
    'flops'
    >>> build_problem("gpt-4o", given={"pue_excess": {"normal": {"mean": 0, "sd": -1}}})
    Traceback (most recent call last):
    ...
    uncertainty.errors.InputError: <given>: pue_excess.normal.sd: must be greater than 0 (got -1)
    """
    if evidence is not None:
        raise InputError.of("<evidence>", "this version cannot take evidence into account")
    priors = priors if isinstance(priors, Priors) else load_priors(priors)
    choice, faults = _choose_model(priors, model)
    resolution = resolve(priors, given or {}, scenario, _form(choice))
    if not priors.readable:
        raise InputError(resolution.faults)
    chosen = choice.model if choice else None
    altered = bool(given or scenario or model is not None)
    faults += [*resolution.faults, *fit_faults(resolution, chosen, priors, altered)]
    if faults or chosen is None:
        raise InputError(faults)
    joint, failures = build_joint(resolution.assumptions, resolution.correlations)
    by_name = {a.name: a for a in sorted(resolution.assumptions, key=lambda a: a.index)}
    if failures:
        raise InputError(
            by_name[name].fault(text, _family(by_name[name])) for name, text in failures.items()
        )
    outputs = _outputs(joint, chosen)
    late = [*name_clashes(by_name, outputs), *undefined(joint, chosen, by_name)]
    if late:
        raise InputError(late)
    problem = Problem(priors, by_name, joint, chosen, outputs)
    problem = replace(problem, scenario=scenario or "", given=dict(given or {}))
    notices = [
        *resolution.notices,
        *unused_notices(resolution, chosen, priors, altered),
        *default_notices(resolution, chosen, priors),
    ]
    return _with_notices(problem, notices)


def _family(assumption: Assumption) -> str:
    return assumption.law.family if assumption.law else "expression"


def _choose_model(priors: Priors, model: ModelLike | None) -> tuple[Choice | None, list[Fault]]:
    if callable(model):
        try:
            return Choice(model_from_callable(model), {}), []
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


def _form(choice: Choice | None) -> dict[str, object]:
    """Make which member of an ensemble holds an assumption like any other."""
    if choice is None or not choice.weights:
        return {}
    names = ", ".join(f"{i}: {name}" for i, name in enumerate(choice.weights))
    weights = list(choice.weights.values())
    law = {"options": list(range(len(weights))), "weights": weights}
    return {CHOICE: {"choice": law, "group": "model form", "note": names}}


_NO_MODEL = f"no model: write 'model: {next(iter(ENERGY_MODELS))}' or give one in the call"


def _outputs(joint: Joint, model: EnergyModel) -> dict[str, Output]:
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


_JAX_HINT = "a model is written in jax.numpy: jnp.exp for np.exp, jnp.where for if"


def _place(error: Exception) -> str:
    """Tell the last line that ran outside of installed libraries."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and f.filename != __file__]
    outside = [f for f in own if not f.filename.startswith(str(Path(__file__).parent))]
    return f" at {outside[-1].filename}:{outside[-1].lineno}" if outside else ""


def _unit_of(name: str) -> str:
    """Unit of a user's own output, where its name ends in one."""
    return {"wh": "Wh", "kwh": "kWh", "w": "W", "j": "J", "s": "s"}.get(name.split("_")[-1], "")


def _with_notices(problem: Problem, notices: list[Fault]) -> Problem:
    # The parts of a shipped model's energy share its moments: one notice serves for all.
    names = ["energy_wh"] if problem.model.outputs else list(problem.outputs)
    found = moment_notices(problem.joint, problem.model, names)
    notices += [problem.assumptions[item.name].fault(item.message) for item in found]
    lost = {item.quantity: item.message for item in found if item.mean}
    return replace(problem, notices=tuple(sorted(set(notices))), lost_means=lost)
