"""Rank correlations: which may be stated, and whether they can all hold at once."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from uncertainty.errors import Fault, nearest
from uncertainty.files.assumptions import Assumption, Correlation
from uncertainty.files.layers import Layer
from uncertainty.files.schema import CorrelationEntry

if TYPE_CHECKING:
    import numpy as np


_LEAST = 1e-10
"""Least eigenvalue of a correlation matrix that can be computed with."""
_SHOWN = 10
Placed: TypeAlias = tuple[Layer, int, CorrelationEntry]


def resolve_correlations(
    layers: Sequence[Layer], assumptions: Sequence[Assumption], broken: frozenset[str]
) -> tuple[tuple[Correlation, ...], list[Fault], list[Fault]]:
    """Check the correlations of all layers; gives those in force, faults and notices."""
    by_name = {a.name: a for a in assumptions}
    parents = frozenset(name for a in assumptions for name in a.parents)
    kept, faults, notices = list[Placed](), _twice(layers), list[Fault]()
    for placed in _latest(layers):
        complaint = _complaint(placed[2].between, by_name, parents, broken)
        constant = [name for name in placed[2].between if _is_constant(by_name.get(name))]
        if complaint:
            faults.append(_fault(placed, complaint))
        elif constant:
            notices.append(_fault(placed, f"has no effect: {' and '.join(constant)} is fixed"))
        elif not set(placed[2].between) & broken:
            kept.append(placed)
    result = tuple(Correlation(*entry.between, entry.rank) for _, _, entry in kept)
    return result, faults + _impossible(kept, result), notices


def _latest(layers: Sequence[Layer]) -> list[Placed]:
    """Keep the last statement on each pair."""
    placed = [(layer, i, entry) for layer in layers for i, entry in layer.correlations]
    return list({frozenset(entry.between): (x, i, entry) for x, i, entry in placed}.values())


def _twice(layers: Sequence[Layer]) -> list[Fault]:
    """Find the pairs that one file states again; a later file may."""
    faults = list[Fault]()
    for layer in layers:
        seen = dict[frozenset[str], int]()
        for i, entry in layer.correlations:
            first = seen.setdefault(frozenset(entry.between), i)
            if first != i:
                text = f"states this pair again, after correlations.{first}; keep one"
                faults.append(_fault((layer, i, entry), text))
    return faults


def _fault(placed: Placed, message: str) -> Fault:
    layer, position, _ = placed
    return layer.document.fault(("correlations", position), message)


def _is_constant(assumption: Assumption | None) -> bool:
    return (
        assumption is not None and assumption.law is not None and assumption.law.family == "fixed"
    )


def _complaint(
    pair: tuple[str, str],
    by_name: Mapping[str, Assumption],
    parents: frozenset[str],
    broken: frozenset[str],
) -> str:
    for name in pair:
        if name not in by_name and name not in broken:
            return f"{name!r} is no assumption{nearest(name, by_name)}"
    if pair[0] == pair[1]:
        return f"{pair[0]!r} stands twice"
    known = [by_name[name] for name in pair if name in by_name]
    for assumption in known:
        reason = _not_a_root(assumption, parents)
        if reason:
            return f"{assumption.name!r} {reason}, so the stated rank would not be attained"
    if len({assumption.varies for assumption in known}) > 1:
        return (
            f"{pair[0]!r} and {pair[1]!r} differ in kind: one varies per query, the other does not"
        )
    return ""


def _not_a_root(assumption: Assumption, parents: frozenset[str]) -> str:
    if assumption.expression is not None:
        return "is an expression"
    if assumption.law is not None and assumption.law.family == "choice":
        return "is a choice"
    if assumption.law is not None and any(part.family == "fixed" for part in assumption.law.parts):
        return "is a mixture with an atom"
    if assumption.parents:
        return f"depends on {', '.join(sorted(assumption.parents))}"
    return "is a parameter of another assumption" if assumption.name in parents else ""


def correlation_matrix(
    names: Sequence[str], correlations: Sequence[Correlation]
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Correlation of the normal scores: ``2 sin(pi rank / 6)`` for a Spearman rank.

    Source: Kruskal (1958), Ordinal measures of association, J. Am. Stat. Assoc. 53, 814.

    Examples
    --------
    >>> float(correlation_matrix(["a", "b"], [Correlation("a", "b", 0.5)])[0, 1].round(6))
    0.517638
    """
    import numpy as np

    place = {name: i for i, name in enumerate(names)}
    matrix = np.eye(len(names))
    for item in correlations:
        i, j = place[item.first], place[item.second]
        matrix[i, j] = matrix[j, i] = 2 * np.sin(np.pi * item.rank / 6)
    return matrix


def _impossible(kept: Sequence[Placed], correlations: Sequence[Correlation]) -> list[Fault]:
    """Blame a set of names whose stated correlations cannot hold together."""
    clash = _clash(correlations)
    inside = [placed for placed in kept if clash.issuperset(placed[2].between)]
    if not inside:
        return []
    told = [f"{' ~ '.join(entry.between)} = {entry.rank:g}" for _, _, entry in inside]
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    pairs = ", ".join(told[:_SHOWN]) + more
    text = f"impossible together (unstated pairs count as 0): {pairs}"
    return [_fault(inside[-1], text)]


def _clash(correlations: Sequence[Correlation]) -> set[str]:
    """Give names that clash, and of which none can be left out; none where all fit together.

    A Cholesky factorization stops at the first name that clashes with those before it. That name
    stays; put first, it makes the next factorization stop at another one that has to stay.
    """
    import numpy as np
    from scipy.linalg.lapack import dpotrf

    weight: dict[str, float] = {}
    for item in correlations:
        for name in (item.first, item.second):
            weight[name] = weight.get(name, 0.0) + abs(item.rank)
    names = sorted(weight, key=lambda name: (-weight[name], name))  # the likely ones first
    matrix = correlation_matrix(names, correlations) - _LEAST * np.eye(len(names))
    stay, rest = list[int](), list(range(len(names)))
    while names:
        order = [*stay, *rest]
        stopped = dpotrf(matrix[np.ix_(order, order)])[1]
        if stopped <= len(stay):
            return {names[i] for i in stay} if stopped else set()
        stay, rest = [*stay, order[stopped - 1]], order[len(stay) : stopped - 1]
    return set()
