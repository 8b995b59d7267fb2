"""From a result back to the problem that it answers."""

import hashlib
import json
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import uuid4

from uncertainty.errors import InputError
from uncertainty.problem import Problem, build_problem
from uncertainty.spec import file_of_function, load_priors, shipped_names

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["problem_of", "remember"]

_MOST = 64
_RECENT: OrderedDict[str, Problem] = OrderedDict()


def remember(problem: Problem) -> dict[str, str]:
    """Attributes by which `problem_of` finds the problem again: in this process, or from files."""
    key = _key(problem)
    _RECENT[key] = problem
    while len(_RECENT) > _MOST:
        _RECENT.popitem(last=False)
    return {"problem": key, "recipe": json.dumps(problem.recipe)}


def _key(problem: Problem) -> str:
    """Name a problem: the same in every process where files hold all of it."""
    recipe: object = problem.recipe
    if recipe is None and problem.arguments is not None:
        priors, model, *more = problem.arguments
        if callable(model) and file_of_function(model) and priors.document and priors.document.text:
            recipe = (priors.label, getattr(model, "__qualname__", ""), more)
    facts = (recipe, [(str(file.path), file.sha256) for file in problem.files])
    try:
        text = json.dumps(facts) if recipe is not None else uuid4().hex
    except TypeError:  # Python objects, of which no other process knows
        text = uuid4().hex
    return hashlib.sha256(text.encode()).hexdigest()[:32]


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
    outside = bool(recipe.pop("allow_outside", False))
    priors = load_priors(_found(recipe.pop("priors")), allow_outside=outside)
    try:
        problem = build_problem(priors, **recipe)
    except InputError as error:
        raise _gone(f"its files are at fault now ({error.faults[0]})") from error
    before = {file["path"]: file["sha256"] for file in json.loads(str(tree.attrs["prior_files"]))}
    changed = [x.label for x in problem.files if before.get(x.label, x.sha256) != x.sha256]
    other = {x.label for x in problem.files} ^ before.keys()
    if changed or other:
        raise _gone(f"{' and '.join(changed or sorted(other))} has changed since")
    return problem


def _found(label: str) -> str:
    """Name a file as it can be found from anywhere: shipped ones are shown under priors/."""
    shipped = label.removeprefix("priors/").removesuffix(".yaml")
    return shipped if label.startswith("priors/") and shipped in shipped_names() else label


def _gone(why: str) -> InputError:
    return InputError.of("<result>", f"its problem cannot be built again: {why}; run it anew")
