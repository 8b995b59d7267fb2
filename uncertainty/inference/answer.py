"""What is quoted of a problem: its posterior where evidence bears on it, else its prior."""

import json
from typing import TYPE_CHECKING

from uncertainty.inference.infer import infer
from uncertainty.inference.nuts import Progress
from uncertainty.inference.target import learns
from uncertainty.problem import Problem
from uncertainty.sampling import simulate

if TYPE_CHECKING:
    import xarray as xr


POSTERIOR_DRAWS = 4000
"""Of each chain: its steps cost little beside compiling them."""


def answer(
    problem: Problem, draws: int | None = None, seed: int = 0, progress: Progress | None = None
) -> "xr.DataTree":
    """Draw what is quoted, the same wherever it is asked for.

    Parameters
    ----------
    problem : Problem
    draws : int, optional
        Of the prior, as in `simulate`; where there is a posterior it has 4 chains of 4000.
    seed : int
    progress : callable, optional
        As in `infer`.
    """
    if learns(problem):
        return infer(problem, POSTERIOR_DRAWS, seed=seed, prior_draws=draws, progress=progress)
    tree = simulate(problem, draws, seed)
    if problem.has_evidence:
        where = f"{problem.scenario}: " if problem.scenario else ""
        text = f"{where}this is the prior alone: all that the measurements bear on is fixed"
        tree.attrs["notices"] = json.dumps([text, *json.loads(str(tree.attrs["notices"]))])
    return tree
