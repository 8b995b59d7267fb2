"""Does the mean exist? Probing how fast an output grows into the tail of one assumption."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from uncertainty.energy import EnergyModel
from uncertainty.evaluation import Columns, each_point
from uncertainty.joint import Joint, Node
from uncertainty.precision import Floats

__all__ = ["MomentNotice", "probe_moments"]

_GRID = np.linspace(-11.0, 11.0, 111)
_TOLERANCE = 1e-3
_PLACES = (0.0, -2.0, 2.0)
_OVERFLOW = 250 * np.log(10)


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

    Returns
    -------
    notices : list of MomentNotice
    rarest : dict of str to float
        By output: the smallest chance, of a tail of what does not vary per query, that makes half
        of its mean. Far fewer draws than one over it do not see that half.
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
    found: dict[tuple[str, str], MomentNotice] = {}
    rarest = dict.fromkeys(quantities, 1.0)
    for quantity in quantities:
        curves = np.split(outputs[quantity], len(cases))
        for (node, place), values in zip(cases, curves, strict=True):
            notice = _tail(node.name, quantity, values)
            notice = notice or _pole(joint, model, node, quantity, values, place)
            worst = found.get((node.name, quantity))
            if notice and (worst is None or (notice.mean and not worst.mean)):
                found[node.name, quantity] = notice
            if not node.varies and place == 0.0:
                chance = min(_half_of_mean(values), _half_of_mean(values[::-1]))
                rarest[quantity] = min(rarest[quantity], chance)
    return [*found.values()], rarest


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
    if not np.isfinite(values[0]) or sizes[0] - np.median(sizes) > _OVERFLOW:
        return np.inf
    logs = log_ndtr(_GRID)
    deep = -(sizes[0] - sizes[10]) / (logs[0] - logs[10])
    shallow = -(sizes[20] - sizes[30]) / (logs[20] - logs[30])
    return float(deep) if deep > 0.9 * shallow else 0.0


def _pole(
    joint: Joint, model: EnergyModel, node: Node, quantity: str, values: Floats, place: float
) -> MomentNotice | None:
    """Follow a change of sign: an output that is huge on both sides of it has a pole there."""
    center = np.abs(values[len(values) // 2])
    for left, right in _sign_changes(values):
        ends, here = (_GRID[left], _GRID[right]), values
        for _ in range(4):
            grid = np.linspace(*ends, len(_GRID))
            scores = joint.decorrelate(_scores(joint, node, grid, place))
            here = each_point(joint, model, scores)[1][quantity]
            change = next(_sign_changes(here), None)
            if change is None:
                break
            ends = (grid[change[0]], grid[change[1]])
        if not np.abs(here).max() < 1e6 * center:
            text = f"the mean and variance do not exist for {quantity}: it passes through infinity"
            return MomentNotice(
                node.name,
                quantity,
                True,
                f"{text} inside the range of {node.name}; keep it off with truncate",
            )
    return None


def _sign_changes(values: Floats) -> Iterator[tuple[int, int]]:
    signs = np.sign(values)
    for left in np.flatnonzero(signs[:-1] * signs[1:] < 0):
        yield int(left), int(left) + 1
