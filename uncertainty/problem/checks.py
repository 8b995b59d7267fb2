"""Does a file fit a model? Faults and notices that neither shows alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jax import Array
from scipy.special import log_ndtr

from uncertainty.arrays import Floats, program
from uncertainty.distributions import Values
from uncertainty.energy import EnergyModel
from uncertainty.errors import Fault, nearest
from uncertainty.files import GIVEN, KINDS, NO_NAME, Assumption, Key, Law, Priors, Resolution
from uncertainty.inputs import INPUTS
from uncertainty.problem.joint import Columns, Joint, Node, Scores, each_point

_GRID = np.linspace(-11.0, 11.0, 111)
"""Scores at which an output is probed: within the reach of the tables, 12, and 0.2 apart."""
_TOLERANCE = 1e-3
"""Of an exponent, which a difference of logarithms gives: at the edge a moment counts as lost."""
_PLACES = (0.0, -2.0, 2.0)
"""Scores of the parents of a law: their medians, and either side of most of their draws."""
_OVERFLOW = 250 * np.log(10)
"""Growth of a logarithm above the median after which float64, at 10^308, is nearly full."""


@dataclass(frozen=True)
class MomentNotice:
    """A moment of an output that does not exist, and the assumption that takes it away."""

    name: str
    quantity: str
    mean: bool
    message: str


def probe_moments(
    joint: Joint, model: EnergyModel, quantities: Sequence[str]
) -> tuple[list[MomentNotice], dict[str, float]]:
    """Probe each uncertain assumption, all others at their medians.

    Where an output grows like ``u^-s`` as a tail probability u goes to 0, its mean exists for
    s < 1 only and its variance for s < 1/2 only. (Example: ``1/x`` under a beta has s = 1/alpha.)
    An output that passes through infinity inside the range has no mean either.

    Gives notices and, by output, the smallest chance, of a tail of what does not vary per query,
    that makes half of its mean: far fewer draws than one over it do not see that half.
    """
    # A named parameter may bring a moment down at values other than its median.
    cases = [
        (node, place)
        for node in joint.nodes
        if node.uncertain
        for place in (_PLACES if node.law is not None and node.law.references else (0.0,))
    ]
    if not cases:
        return [], {}
    # All cases in one call: a batch of points costs the same, filled or not.
    parts = [_scores(joint, node, _GRID, place) for node, place in cases]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    outputs = each_point(joint, model, joint.decorrelate(columns))[1]
    notices: dict[tuple[str, str], MomentNotice] = {}
    rarest = dict.fromkeys(quantities, 1.0)
    for quantity in quantities:
        curves = np.split(outputs[quantity], len(cases))
        for (node, place), values in zip(cases, curves, strict=True):
            notice = _tail(node.name, quantity, values)
            notice = notice or _pole(joint, model, node, quantity, values, place)
            worst = notices.get((node.name, quantity))
            if notice and (worst is None or (notice.mean and not worst.mean)):
                notices[node.name, quantity] = notice
            if not node.varies and place == 0.0:
                chance = min(_half_of_mean(values), _half_of_mean(values[::-1]))
                rarest[quantity] = min(rarest[quantity], chance)
    return [*notices.values()], rarest


def _half_of_mean(values: Floats) -> float:
    """Chance of the upper tail that makes half of the mean size; 1 where sizes are not finite."""
    sizes = np.abs(values)
    if not np.isfinite(sizes).all() or not sizes.any():
        return 1.0
    parts = np.cumsum((sizes / sizes.max() * np.exp(-(_GRID**2) / 2))[::-1])
    score = _GRID[::-1][np.argmax(parts >= parts[-1] / 2)]
    return float(np.exp(log_ndtr(-score)))


def _scores(joint: Joint, node: Node, grid: Floats, place: float) -> Columns:
    """Scores along the margin of one assumption, its parents at `place`, others at medians."""
    parents = node.law.references if node.law is not None else frozenset()
    return {
        other.name: grid
        if other is node
        else np.full_like(grid, place if other.name in parents else 0.0)
        for other in joint.nodes
        if other.uncertain
    }


def _tail(name: str, quantity: str, values: Floats) -> MomentNotice | None:
    if np.isnan(values).any() or not np.isfinite(values[len(values) // 2]):
        return None  # undefined rather than large: counted when draws are made
    growth = max(_growth(values), _growth(values[::-1]))
    if growth < 0.5 - _TOLERANCE:
        return None
    mean = growth >= 1 - _TOLERANCE
    lost = "mean and variance do" if mean else "variance does"
    text = f"the {lost} not exist for {quantity}: it grows without bound in a tail of {name}"
    return MomentNotice(name, quantity, mean, f"{text}; keep it off with truncate")


def _growth(values: Floats) -> float:
    """Exponent s of ``|y| ~ u^-s`` in the lower tail; 0 where growth slows like a lognormal's."""
    sizes = np.log(np.maximum(np.abs(values), 1e-320))
    # An output that is 0 for half of the scores has not grown out of this 0.
    usual = np.median(sizes[values != 0]) if values.any() else 0.0
    if not np.isfinite(values[0]) or sizes[0] - usual > _OVERFLOW:
        return np.inf
    logs = log_ndtr(_GRID)
    deep = -(sizes[0] - sizes[10]) / (logs[0] - logs[10])
    shallow = -(sizes[20] - sizes[30]) / (logs[20] - logs[30])
    return float(deep) if deep > 0.9 * shallow else 0.0


def _pole(
    joint: Joint, model: EnergyModel, node: Node, quantity: str, values: Floats, place: float
) -> MomentNotice | None:
    """Follow a change of sign: an output that grows on both sides of it has a pole there."""
    for left, right in _sign_changes(values):
        ends, near = (_GRID[left], _GRID[right]), np.abs(values[[left, right]]).min()
        usual = max(near, np.abs(values[len(values) // 2]))
        for _ in range(4):  # to 1e-9 of a score
            grid = np.linspace(*ends, len(_GRID))
            scores = joint.decorrelate(_scores(joint, node, grid, place))
            here = each_point(joint, model, scores)[1][quantity]
            change = next(_sign_changes(here), None)
            if change is None:
                break
            ends, near = (grid[change[0]], grid[change[1]]), np.abs(here[[*change]]).min()
        if not near < 1e6 * usual:
            text = f"the mean and variance do not exist for {quantity}: it passes through infinity"
            text += f" inside the range of {node.name}; keep it off with truncate"
            return MomentNotice(node.name, quantity, True, text)
    return None


def _sign_changes(values: Floats) -> Iterator[tuple[int, int]]:
    signs = np.sign(values)
    for left in np.flatnonzero(signs[:-1] * signs[1:] < 0):
        yield int(left), int(left) + 1


_NOTHING = "leaves nothing of the distribution (less than 1 in 10^400000)"
_BEYOND = "has parameters too small or too large to compute with"


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


def central_inputs(local: Joint, model: EnergyModel, joint: Joint) -> dict[str, float]:
    """Give every assumption of `joint` at the central point, all at their medians.

    What `local` lacks, the effects of a system, is in no compiled program yet, and few.
    """
    scores = {node.name: np.zeros(1) for node in local.nodes if node.uncertain}
    central = {name: float(x[0]) for name, x in each_point(local, model, scores)[0].items()}
    for node in joint.nodes:
        if node.name not in central:
            values = {name: np.float64(central[name]) for name in node.needs}
            central[node.name] = float(_value(node, {node.name: np.float64(0)}, values))
    return central


@program()
def _value(node: Node, scores: Scores, values: Values) -> Array:
    return node.value(scores, values)


@program()
def _masses(joint: Joint) -> dict[str, Array]:
    return joint.masses()


def undefined(
    joint: Joint, central: Mapping[str, float], assumptions: Mapping[str, Assumption]
) -> Iterator[Fault]:
    """Find laws without a distribution: nothing left by a truncation, or impossible parameters.

    Parameters that name assumptions are looked at with all assumptions at their medians.
    """
    empty = {name for name, left in _masses(joint).items() if not float(left) > 0}
    for name in empty:
        yield assumptions[name].fault(_NOTHING, "truncate")
    lost = {name for name, value in central.items() if np.isnan(value)} - empty
    for name in lost:
        item = assumptions[name]
        if not item.needs & (lost | empty):
            text = ", ".join(f"{need} = {central[need]:.4g}" for need in sorted(item.needs))
            key = item.law.family if item.law else "expression"
            yield item.fault(
                f"is undefined at the central values: {text}" if text else _BEYOND, key
            )
