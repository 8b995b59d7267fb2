"""Rank correlations: which may be stated, and whether they can all hold at once."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

from uncertainty.errors import Fault
from uncertainty.spec.assumptions import Assumption, Correlation
from uncertainty.spec.layers import Layer
from uncertainty.spec.schema import CorrelationEntry
from uncertainty.spec.validation import nearest

if TYPE_CHECKING:
    import numpy as np

__all__ = ["correlation_matrix", "resolve_correlations"]

Placed: TypeAlias = tuple[Layer, int, CorrelationEntry]


def resolve_correlations(
    layers: Sequence[Layer], assumptions: Sequence[Assumption], broken: frozenset[str]
) -> tuple[tuple[Correlation, ...], list[Fault], list[Fault]]:
    """Check the correlations of all layers; gives those in force, faults and notices."""
    by_name = {a.name: a for a in assumptions}
    parents = frozenset(name for a in assumptions for name in a.parents)
    kept, faults, notices = list[Placed](), list[Fault](), list[Fault]()
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
    """Blame the smallest set of names whose stated correlations cannot hold together."""
    names = sorted({name for item in correlations for name in (item.first, item.second)})
    clashes = list(_clashes(names, correlations))
    if not clashes:
        return []
    stated = [{item.first, item.second} for item in correlations]
    clash = max(clashes, key=lambda clash: sum(pair <= set(clash) for pair in stated))
    inside = [placed for placed in kept if set(placed[2].between) <= set(clash)]
    told = ", ".join(f"{' ~ '.join(e.between)} = {e.rank:g}" for _, _, e in inside)
    return [_fault(inside[-1], f"impossible together (unstated pairs count as 0): {told}")]


def _clashes(
    names: Sequence[str], correlations: Sequence[Correlation]
) -> Iterator[tuple[str, ...]]:
    import numpy as np

    whole = correlation_matrix(names, correlations)
    if not names or np.linalg.eigvalsh(whole)[0] > 1e-10:
        return
    for size in range(3, min(len(names), 5)):
        sets = list(combinations(range(len(names)), size))
        found = [s for s in sets if np.linalg.eigvalsh(whole[np.ix_(s, s)])[0] <= 1e-10]
        if found:
            yield from (tuple(names[i] for i in places) for places in found)
            return
    yield tuple(names)
