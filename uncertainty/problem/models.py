"""What a model gives at points of the prior: its outputs, moments they lack, what is undefined."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from scipy.special import log_ndtr

from uncertainty.arrays import Floats, program
from uncertainty.distributions import Values
from uncertainty.energy import (
    EFFECTS,
    EnergyModel,
    ModelError,
    PlainFunction,
    failure_text,
    is_traced_misuse,
    model_from_callable,
)
from uncertainty.errors import Fault, InputError
from uncertainty.files import Assumption
from uncertainty.inputs import Output
from uncertainty.problem.joint import Columns, Joint, Node, Scores, each_point
from uncertainty.results import ROUNDING

Result = TypeVar("Result")

_JAX_HINT = "write the model in jax.numpy: jnp.exp for np.exp, jnp.where for if"
_PLAIN_HINT = (
    f"{_JAX_HINT}, jnp.interp for a table; or have it called with plain numbers, once for each "
    "draw: vectorized=False (for --model: write FUNCTION.vectorized = False below the function)"
)
_CALLBACKS = re.compile(r"\b(pure_callback|io_callback)\[")
_POINTS = 64
"""Points of the prior at which a user's model must give a finite number at least once."""
_FEW = 8
"""As many for a model in plain Python, which may be slow."""
_GRID = np.linspace(-11.0, 11.0, 111)
"""Scores at which an output is probed: within the reach of the tables, 12, and 0.2 apart."""
_TOLERANCE = 1e-3
"""Of an exponent, which a difference of logarithms gives: at the edge a moment counts as lost."""
_PLACES = (0.0, -2.0, 2.0)
"""Scores of the parents of a law: their medians, and either side of most of their draws."""
_SCALES = np.tile([1.0, 2.0, 4.0], (333, 1))
"""Spread of scores of points far out, in three times as many as tell a chance of 1 %."""
_OVERFLOW = 250 * np.log(10)
"""Growth of a logarithm above the median after which float64, at 10^308, is nearly full."""
_SMALL = 1e-300  # the least that a file may state: draws about it may be lost
_LEAST = float(np.finfo(np.float64).tiny)
_LOST = f": numbers below {_LEAST:.3g} count as 0; choose other units where they should not"
"""Compiled code keeps no number that float64 has with fewer digits only."""
_NOTHING = "cuts all of the distribution off (but for 1 in 10^400000); widen the limits"
_BEYOND = "has parameters too small or too large to compute with"


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
        text = f"{model.name} must give the same names each time it is called (got {both})"
        raise InputError.of("<model>", text)
    constants = (*first[0].consts, *second[0].consts)
    kept = any(isinstance(constant, jax.core.Tracer) for constant in constants)
    programs = {_program(str(f[0].jaxpr), f[0].consts) for f in (first, second) if not kept}
    if len(programs) != 1:
        text = (
            f"{model.name} gives another result each time it is called: it draws random numbers or "
            "keeps something between calls; make what is random an assumption"
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
        for name, value in outputs.items():
            if 0 < abs(value) < _LEAST:
                raise InputError.of("<model>", f"{name} is {value:.3g}{_LOST}")
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


def require_finite(joint: Joint, model: EnergyModel) -> Iterator[Fault]:
    """Refuse a user's own model of which an output is never a finite number.

    Gives notices of outputs that are lost because they are too small.
    """
    if model.outputs or model.plain is not None:  # each call of plain Python may be slow
        return
    points = _points(joint, _POINTS)
    outputs = _tried(model, lambda: each_point(joint, model, points)[1])
    for name, values in outputs.items():
        if not np.isfinite(values).any():
            text = f"{model.name} gives no finite number for {name} at any of {len(values)} points"
            raise InputError.of("<model>", f"{text} of the prior (got {values[0]:g})")
        small = np.abs(values) < _SMALL
        if small.all() or (small & (values != 0)).any():
            text = f"is 0 or below {_SMALL:g} in size at {small.sum()} of {len(values)} points"
            yield Fault("<model>", 0, 0, name, f"{text} of the prior{_LOST}")


def _unit_of(name: str) -> str:
    """Unit of a user's own output, where its name ends in one."""
    return {"wh": "Wh", "kwh": "kWh", "w": "W", "j": "J", "s": "s"}.get(name.split("_")[-1], "")


@dataclass(frozen=True)
class MomentNotice:
    """A moment of an output that does not exist, and the assumption that takes it away."""

    name: str
    quantity: str
    mean: bool
    message: str


def probe_moments(
    joint: Joint, model: EnergyModel, quantities: Sequence[str]
) -> tuple[list[MomentNotice], dict[str, dict[str, float]]]:
    """Probe each uncertain assumption, all others at their medians.

    Where an output grows like ``u^-s`` as a tail probability u goes to 0, its mean exists for
    s < 1 only and its variance for s < 1/2 only. (Example: ``1/x`` under a beta has s = 1/alpha.)
    An output that passes through infinity inside the range has no mean either.

    Gives notices and, by output, the smallest chance, of a tail of what does not vary per query,
    that makes half of its mean (``rarest``), and half of its mean square about the value at the
    medians (``rarest_spread``), and that of a tail of what varies per query that makes half of its
    mean (``rarest_query``): far fewer draws, or queries, than one over it do not see that half.
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
    keys = ("rarest", "rarest_spread", "rarest_query")
    least = {key: dict.fromkeys(quantities, 1.0) for key in keys}
    for quantity in quantities:
        curves = np.split(outputs[quantity], len(cases))
        for (node, place), values in zip(cases, curves, strict=True):
            notice = _tail(node.name, quantity, values)
            notice = notice or _pole(joint, model, node, quantity, values, place)
            worst = notices.get((node.name, quantity))
            if notice and (worst is None or (notice.mean and not worst.mean)):
                notices[node.name, quantity] = notice
            if place == 0.0:
                middle = values[len(values) // 2]
                with np.errstate(invalid="ignore"):  # infinite values are probed above
                    apart = np.abs(values - middle)
                    # What differs by rounding alone is no spread. Shares have squares in float64.
                    apart = np.where(apart > ROUNDING * np.abs(middle), apart, 0.0)
                    apart /= apart.max() or 1.0
                sizes = {"rarest": np.abs(values), "rarest_spread": apart**2}
                sizes = {"rarest_query": sizes["rarest"]} if node.varies else sizes
                for key, size in sizes.items():
                    chance = min(_half_of_mean(size), _half_of_mean(size[::-1]))
                    least[key][quantity] = min(least[key][quantity], chance)
    # What is the same along every axis may differ where two assumptions are far out together.
    spread = least["rarest_spread"]
    flat = [quantity for quantity in quantities if spread[quantity] == 1]
    lasting = [node.name for node in joint.nodes if node.uncertain and not node.varies]
    if not flat or not lasting:
        return [*notices.values()], least
    wide = np.random.default_rng(0).normal(scale=_SCALES, size=(len(lasting), *_SCALES.shape))
    cloud = {name: np.zeros(_SCALES.size) for name in columns}
    cloud |= {name: each.ravel() for name, each in zip(lasting, wide, strict=True)}
    results = each_point(joint, model, joint.decorrelate(cloud))[1]
    chances = np.exp(-(wide**2 * (1 - _SCALES**-2)).sum(0) / 2) * _SCALES ** len(lasting)
    for quantity in flat:
        middle = float(outputs[quantity][len(_GRID) // 2])
        differ = np.abs(results[quantity].reshape(_SCALES.shape) - middle) > ROUNDING * abs(middle)
        for seen, chance in zip(differ.T, chances.T, strict=True):
            if seen.any():
                spread[quantity] = float((seen * chance).mean())
                break
    return [*notices.values()], least


def _half_of_mean(sizes: Floats) -> float:
    """Chance of the upper tail that makes half of the mean; 1 where sizes are not finite."""
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


def undefined(
    joint: Joint, central: Mapping[str, float], assumptions: Mapping[str, Assumption]
) -> Iterator[Fault]:
    """Find laws without a distribution: nothing left by a truncation, or impossible parameters.

    Parameters that name assumptions are looked at with all assumptions at their medians.
    """
    laws = {n.name: n.law for n in joint.nodes if n.law and n.law.cut and n.law.log_mass is None}
    empty = {name for name, law in laws.items() if law.cut and not float(law.cut[-1]) > 0}
    for name in empty:
        yield assumptions[name].fault(_NOTHING, "truncate")
    lost = {name for name, value in central.items() if np.isnan(value)} - empty
    for name in lost:
        item = assumptions[name]
        if not item.needs & (lost | empty):
            text = ", ".join(f"{need} = {central[need]:.4g}" for need in sorted(item.needs))
            key = item.law.family if item.law else "expression"
            yield item.fault(
                f"is not a number with all others at their medians: {text}" if text else _BEYOND,
                key,
            )
