"""The waist: joint prior and energy model, checked once, with everything wrong raised at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import numpy as np
from jax import Array

from uncertainty.arrays import in_float64
from uncertainty.energy import EFFECTS, EnergyModel
from uncertainty.errors import Fault, InputError, nearest
from uncertainty.files import Priors
from uncertainty.inputs import Output
from uncertainty.problem import models
from uncertainty.problem.evidence import EvidenceLike, used_by
from uncertainty.problem.joint import Joint, ahead, build_joint, each_point, evaluate_point
from uncertainty.problem.likelihood import Observation, observations_of
from uncertainty.problem.setup import (
    ModelLike,
    Setup,
    cautions,
    coverage_notices,
    default_notices,
    memory_faults,
    output_faults,
    refusal,
    set_up,
    unused_notices,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem(Setup):
    """A question ready to be sampled: a `Setup` with what is compiled of it.

    Attributes
    ----------
    joint : Joint
        The map from scores to inputs.
    model : EnergyModel
        The map from inputs to outputs.
    outputs : mapping of str to Output
        What the model gives.
    notices : tuple of Fault
        What is worth knowing before believing a result.
    cautions : tuple of Fault
        Those of them to be said before the answer: what was set in vain, what looks like a slip.
    lost_means : mapping of str to str
        Outputs whose mean does not exist under these assumptions, with the reason.
    rarest : mapping of str to mapping of str to float
        By kind and output: the smallest chance that makes half of a mean (see `probe_moments`).
    observations : tuple of Observation
        The evidence, compiled.
    system : Problem or None
        The same for a system that was not measured, where its energies have an effect of their own.
    """

    joint: Joint
    model: EnergyModel
    outputs: Mapping[str, Output]
    notices: tuple[Fault, ...]
    cautions: tuple[Fault, ...]
    lost_means: Mapping[str, str]
    rarest: Mapping[str, Mapping[str, float]]
    observations: tuple[Observation, ...]
    system: "Problem | None" = None

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
    def needed(self) -> frozenset[str]:
        """Names that the outputs follow from, and what is correlated with one of these."""
        return self.joint.behind(self.model.used(node.name for node in self.joint.nodes))

    @property
    def new_system(self) -> "Problem":
        """The same for a system that was not measured: its energies have an effect of their own."""
        return self.system or self

    @property
    def has_evidence(self) -> bool:
        """True where there are measurements to learn from."""
        return any(item.count for item in self.observations)

    def quantity(self, name: str | None = None) -> str:
        """Choose an output: the one named, the only one, or ``energy_wh``.

        Raises
        ------
        InputError
            If there is no such output, or several and none named.
        """
        names = list(self.outputs)
        only = names[0] if len(names) == 1 else "energy_wh"
        chosen = only if name is None else name
        if chosen in names:
            return chosen
        if name is None:
            message = f"name one of the outputs of {self.model.name}: {', '.join(names)}"
        else:
            message = f"{self.model.name} has no output {name!r}{nearest(str(name), names)}"
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

    def compile(self, queries: int, quantities: Sequence[str] | None = None) -> None:
        """Begin to compile what it is sampled by; not a user's own, which may not like threads."""
        if self.model.outputs and self.model.plain is None:
            ahead(self.joint, self.model, queries, tuple(quantities or self.outputs))

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
            # A copy: JAX remembers the numbers that a trace in 32 bits has met as such.
            joint = jax.tree.map(np.array, self.joint)
            inputs, outputs = evaluate_point(joint, self.model, scores)
            for name, value in {**inputs, **outputs}.items():
                numpyro.deterministic(name, value)
            return outputs

        return model


def build_problem(
    priors: Priors | str | Mapping[str, object],
    model: ModelLike | None = None,
    given: Mapping[str, object] | None = None,
    scenario: str | None = None,
    evidence: EvidenceLike | Sequence[EvidenceLike] | None = None,
    vectorized: bool | None = None,
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
    evidence : str, mapping or sequence of these, optional
        Evidence files: paths, names of shipped ones, or mappings of the same shape. Those that
        the file names where not given; none where empty.
    vectorized : bool, optional
        False for a function in plain Python (NumPy, SciPy, a table): it is called with floats,
        once for each draw, and is learned from by importance sampling. Where not given, the
        function's own attribute ``vectorized``, if it has one; else it is in `jax.numpy`.

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
    'roofline'
    >>> build_problem("gpt-4o", given={"pue_excess": {"normal": {"mean": 0, "sd": -1}}})
    Traceback (most recent call last):
    ...
    uncertainty.errors.InputError: <given>: pue_excess.normal.sd: must be greater than 0 (got -1)
    """
    return compiled(set_up(priors, model, given, scenario, evidence, vectorized))


@in_float64
def compiled(setup: Setup) -> Problem:
    """Compile what was checked, and check what shows only then.

    Raises
    ------
    InputError
        With laws that do not exist, evidence at odds with its output, a model that fails.
    """
    resolution, by_name = setup.resolution, setup.assumptions
    joint, failures = build_joint(resolution.assumptions, resolution.correlations)
    if failures:
        raise refusal(
            item.fault(text, item.law.family if item.law else "expression")
            for item, text in ((by_name[name], text) for name, text in failures.items())
        )
    # A system that was measured has no effect but those of its groups: its coordinates are left
    # out, and the others stay where they were.
    local = joint.without(EFFECTS) if setup.measured else joint
    chosen, outputs = models.outputs_of(
        local, setup.choice.model if setup.measured else setup.whole
    )
    whole = replace(setup.whole, version=chosen.version)
    # A user's own model has its version once it is traced.
    items = [
        (item, m if m is None or m.outputs else replace(m, version=chosen.version))
        for item, m in setup.observed
    ]
    central = models.central_inputs(local, chosen, joint)
    observations, complaints = observations_of(items, joint, central)
    unheld, tight = memory_faults(by_name, central, setup.priors.label)
    faults = [
        *unheld,
        *output_faults(by_name, outputs, own_model=setup.arguments[1] is not None),
        *models.undefined(joint, central, by_name),
        *complaints,
    ]
    if faults:
        raise refusal(faults)
    too_small = [*models.require_finite(local, chosen)]
    asked, by_evidence = (resolution, whole, setup.priors), used_by(items)
    outside, beside = coverage_notices(items, central, setup.priors.label)
    first = (*cautions(*asked, by_evidence, central), *tight, *outside)
    # The parts of a shipped model's energy share its moments: one notice serves for all.
    names = ["energy_wh"] if chosen.outputs else list(outputs)
    # Probing tails takes some hundred calls for each assumption: too many for plain Python.
    probed = chosen.plain is None
    lost, rarest = models.probe_moments(local, chosen, names) if probed else ([], {})
    notices = [
        *resolution.notices,
        *unused_notices(*asked, setup.altered, by_evidence),
        *default_notices(resolution, chosen, setup.priors),
        *beside,
        *(by_name[notice.name].fault(notice.message) for notice in lost),
        *too_small,
    ]
    system = Problem(
        **vars(setup),
        joint=joint,
        model=whole,
        outputs=outputs,
        notices=(*first, *sorted({*notices} - {*first})),
        cautions=first,
        lost_means={notice.quantity: notice.message for notice in lost if notice.mean},
        rarest=rarest,
        observations=observations,
    )
    if not setup.measured:
        return system
    left = {node.name for node in local.nodes}
    assumed = {name: item for name, item in by_name.items() if name in left}
    return replace(system, assumptions=assumed, joint=local, model=chosen, system=system)
