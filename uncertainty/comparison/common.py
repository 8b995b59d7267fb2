"""Common random numbers: what two problems name alike moves together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import xarray as xr

from uncertainty.errors import InputError
from uncertainty.problem import Problem

__all__ = ["aligned", "common_quantity", "origin"]


def aligned(problems: Sequence[Problem]) -> list[Problem]:
    """Give every assumption the same coordinate in all problems, the first one's where it has it.

    Results of `simulate` with one seed then share the points of all assumptions that have one name.
    """
    places: dict[str, int] = {}
    for problem in problems:
        for node in sorted(problem.joint.nodes, key=lambda node: node.index):
            places.setdefault(node.name, len(places))
    return [_moved(problem, places) for problem in problems]


def origin(trees: Sequence[xr.DataTree]) -> dict[str, str | int]:
    """Attributes that say where a table of several results comes from."""
    first = trees[0].attrs
    joined = {
        key: "; ".join(dict.fromkeys(str(tree.attrs[key]) for tree in trees))
        for key in ("priors", "priors_sha256")
    }
    return {**joined, "seed": int(first["seed"]), "versions": str(first["versions"])}


def _moved(problem: Problem, places: Mapping[str, int]) -> Problem:
    nodes = tuple(replace(node, index=places[node.name]) for node in problem.joint.nodes)
    return replace(problem, joint=replace(problem.joint, nodes=nodes))


def common_quantity(problems: Mapping[str, Problem], quantity: str | None) -> str:
    """Choose an output that all problems give, at one boundary and in one unit.

    Raises
    ------
    InputError
        If there is none: numbers at different boundaries are never compared.
    """
    first, *others = problems.items()
    name = first[1].quantity(quantity)
    chosen = first[1].outputs[name]
    for label, problem in others:
        found = problem.outputs.get(name)
        if found is None:
            raise InputError.of("<quantity>", f"{label} gives no {name!r}, which {first[0]} gives")
        if (found.unit, found.boundary) != (chosen.unit, chosen.boundary):
            text = (
                f"{name} is in {chosen.unit} at {chosen.boundary or 'no boundary'} in {first[0]}, "
                f"in {found.unit} at {found.boundary or 'no boundary'} in {label}"
            )
            raise InputError.of("<quantity>", text)
    return name
