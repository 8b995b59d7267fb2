"""From a result back to the problem that it answers."""

import json
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import uuid4

from uncertainty.errors import InputError
from uncertainty.problem import Problem, build_problem
from uncertainty.spec import shipped_names

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["problem_of", "remember"]

_MOST = 64
_RECENT: OrderedDict[str, Problem] = OrderedDict()


def remember(problem: Problem) -> dict[str, str]:
    """Attributes by which `problem_of` finds the problem again: in this process, or from files."""
    key = uuid4().hex
    _RECENT[key] = problem
    while len(_RECENT) > _MOST:
        _RECENT.popitem(last=False)
    return {"problem": key, "recipe": json.dumps(problem.recipe)}


def problem_of(tree: "xr.DataTree") -> Problem:
    """Give the problem that a result answers.

    Raises
    ------
    InputError
        If it was made in another process from what no file holds, or the files have changed.
    """
    known = _RECENT.get(str(tree.attrs.get("problem", "")))
    if known is not None:
        return known
    recipe = json.loads(str(tree.attrs.get("recipe", "null")))
    if recipe is None:
        raise _gone("it was made from Python objects that a file does not keep")
    problem = build_problem(**{**recipe, "priors": _found(recipe["priors"])})
    if problem.priors.layers[-1].document.sha256 != tree.attrs["priors_sha256"]:
        raise _gone(f"{tree.attrs['priors']} has changed since")
    before = {item["name"]: item["sha256"] for item in json.loads(tree.attrs.get("evidence", "[]"))}
    for item in problem.observed.evidence:
        if item.document.sha256 != before.get(item.name, item.document.sha256):
            raise _gone(f"{item.document.label} has changed since")
    return problem


def _found(label: str) -> str:
    """Name a file as it can be found from anywhere: shipped ones are shown under priors/."""
    shipped = label.removeprefix("priors/").removesuffix(".yaml")
    return shipped if shipped in shipped_names() else label


def _gone(why: str) -> InputError:
    return InputError.of("<result>", f"its problem cannot be built again: {why}; run it anew")
