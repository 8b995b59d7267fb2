"""The draws of a posterior, laid out beside its prior."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from uncertainty.arrays import Floats
from uncertainty.files import Evidence
from uncertainty.inference.importance import Weighted
from uncertainty.inference.nuts import Chains
from uncertainty.inference.paired import batches_of, drawn_scores
from uncertainty.inference.target import Open, RowsAt, open_names
from uncertainty.problem import Columns, Joint, Observation, Problem, Target, each_point
from uncertainty.results import LEVELS, QUERY_STATISTICS, with_posterior
from uncertainty.sampling import labels, nested

if TYPE_CHECKING:
    import xarray as xr


Labelled: TypeAlias = dict[str, tuple[Sequence[str], np.ndarray]]
"""Arrays with their dimensions, by name."""

_CHAINS = ("chain", "draw")


@dataclass(frozen=True)
class Posterior:
    """Draws of a posterior with all that follows from them.

    Attributes
    ----------
    problem : Problem
        For a system that was not measured.
    target : Target
    chains : Chains
    rows : RowsAt
        At each draw, in order.
    seed : int
    """

    problem: Problem
    target: Target
    chains: Chains
    rows: RowsAt
    seed: int

    @property
    def shape(self) -> tuple[int, int]:
        """Chains and draws of each."""
        chains, draws, _ = self.chains.z.shape
        return chains, draws

    @cached_property
    def scores(self) -> Columns:
        """Scores of every coordinate, shape (chain * draw,): what evidence cannot move is drawn."""
        columns = np.moveaxis(self.chains.z, -1, 0).reshape(self.target.size, -1)
        own = dict(zip(self.target.names, columns, strict=False))
        return drawn_scores(self.problem, own, self.chains.z[..., 0].size, self.seed)

    @cached_property
    def points(self) -> tuple[Columns, Columns]:
        """Inputs and outputs, one query for each draw."""
        return each_point(self.problem.joint, self.problem.model, self.scores)

    def by_chain(self, columns: Mapping[str, np.ndarray]) -> Labelled:
        """Columns of shape (chain * draw,) with their dimensions."""
        return {name: (_CHAINS, column.reshape(self.shape)) for name, column in columns.items()}

    def groups(self) -> dict[str, Labelled]:
        """Everything but what varies per query."""
        inputs, outputs = self.points
        densities = _log_priors(self.problem.joint, self.scores)
        plain = {name: np.asarray(column) for name, column in densities.items()}
        found: dict[str, Labelled] = {
            "posterior": self.by_chain({name: inputs[name] for name in self.problem.assumptions}),
            "posterior_predictive": self.by_chain(
                {name: outputs[name] for name in self.problem.outputs}
            ),
            "log_prior": self.by_chain(plain),
            "log_likelihood": {},
            "observed_data": {},
            "sample_stats": {k: (_CHAINS, v) for k, v in self.chains.stats.items()},
            "unconstrained_posterior": self.by_chain(self.scores),
        }
        start = len(self.target.names)
        for number, item in enumerate(self.target.observations):
            row = f"{item.name}_row"
            dims, shape = (*_CHAINS, row), (*self.shape, item.count)
            densities_of_rows = self.rows.log_likelihood[number].reshape(shape)
            found["log_likelihood"][item.name] = dims, densities_of_rows
            replicates = self.rows.replicate[number].reshape(shape)
            found["posterior_predictive"][item.name] = dims, replicates
            found["observed_data"] |= {k: ((row,), v) for k, v in item.observed().items()}
            for group, labelled in self._effects(item, start).items():
                found[group][f"{item.name}_effect"] = labelled
            start += len(item.groups)
        return found

    def _effects(self, item: Observation, start: int) -> Labelled:
        """What each group differs by, its score and its log prior."""
        if not item.groups or item.sd is None:
            return {}
        dims = (*_CHAINS, f"{item.name}_group")
        z = self.chains.z[:, :, start : start + len(item.groups)]
        named = {name: jnp.asarray(values) for name, values in self.points[0].items()}
        spread = np.asarray(item.sd.fields(named)["value"], np.float64)
        sd = np.broadcast_to(spread, z[..., 0].size).reshape(*self.shape, 1)
        density = -0.5 * z**2 - 0.5 * np.log(2 * np.pi) - np.log(sd)
        return {
            "posterior": (dims, z * sd),
            "unconstrained_posterior": (dims, z),
            "log_prior": (dims, density),
        }

    def coords(self) -> dict[str, Sequence[str] | Sequence[int] | Floats]:
        """Coordinates of rows, groups and statistics."""
        found: dict[str, Sequence[str] | Sequence[int] | Floats] = {
            "statistic": QUERY_STATISTICS,
            "level": LEVELS,
        }
        for item in self.target.observations:
            found[f"{item.name}_row"] = list(range(item.count))
            found[f"{item.name}_group"] = list(item.groups)
        return found


@jax.jit
def _log_priors(joint: Joint, scores: dict[str, Array]) -> dict[str, Array]:
    return jax.vmap(joint.log_prior)(scores)


def lay_out(
    posterior: Posterior,
    prior: "xr.DataTree",
    weighted: Weighted,
    doubts: Sequence[str],
    queries: int,
) -> "xr.DataTree":
    """Put a posterior beside its prior; `doubts` join the warnings of the result."""
    problem, groups = posterior.problem, posterior.groups()
    warnings = [*json.loads(prior.attrs["warnings"]), *doubts]
    if problem.varies:
        chains, _ = posterior.shape
        batches = batches_of(problem, posterior.scores, chains, queries, posterior.seed)
        reduced = nested(problem, batches, posterior.seed, "posterior")
        warnings += [f"posterior: {text}" for text in reduced.tally.warnings(problem)]
        for name, columns in reduced.groups.items():
            whole = name.endswith("_statistics")
            dims = (*_CHAINS, "statistic") if whole else ("batch", "level")
            lead = posterior.shape if whole else (-1,)
            groups[name] = {k: (dims, v.reshape(*lead, v.shape[-1])) for k, v in columns.items()}
    facts = {**_facts(posterior, weighted), "warnings": json.dumps(warnings)}
    return with_posterior(prior, groups, labels(problem), facts, posterior.coords())


def _facts(posterior: Posterior, weighted: Weighted) -> dict[str, str | int | float]:
    evidence, error = weighted.log_evidence
    known = {"log_evidence": evidence, "log_evidence_se": error} if weighted.reliable else {}
    problem = posterior.problem
    items = zip(problem.observed.evidence, problem.observations, strict=True)
    told = [_told(item, open_names(problem.joint, own)) for item, own in items if item.rows]
    chains, draws = posterior.shape
    return {
        "posterior_chains": chains,
        "posterior_draws": draws,
        "evidence": json.dumps(told),
        "updated": json.dumps(list(posterior.target.names)),
        "pareto_k": weighted.smoothed.k,
        **known,
    }


def _told(item: Evidence, left_open: Iterable[Open]) -> dict[str, object]:
    stated = item.measurement
    return {
        "name": item.name,
        "title": item.title,
        "source": item.source,
        "sha256": item.document.sha256,
        "path": item.document.label,
        "text": item.document.text,
        "observes": stated.observes if stated else "",
        "boundary": stated.boundary if stated else "",
        "rows": len(item.rows),
        "open": [asdict(part) for part in left_open],
    }
