"""The numbers that a claim's computation uses."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.typing import ArrayLike

from uncertainty.comparison import compare, explain
from uncertainty.energy import ENERGY_MODELS
from uncertainty.energy.decode import step_bytes
from uncertainty.energy.experts import touched_share
from uncertainty.energy.fleet import fleet_outputs, training_wh
from uncertainty.energy.flops import query_flop
from uncertainty.energy.shape import kv_bytes_per_token
from uncertainty.errors import InputError
from uncertainty.estimate import Estimate
from uncertainty.precision import in_float64
from uncertainty.problem import Problem, build_problem
from uncertainty.sampling import answer, simulate
from uncertainty.spec import Term, Today, nearest
from uncertainty.summary import group_of, summarize

__all__ = ["FORMULAS", "estimate_term", "forget", "judge"]

Value = TypeVar("Value")


def _total(parts: Mapping[str, ArrayLike]) -> float:
    return float(sum(np.asarray(part) for part in parts.values()))


def _fleet(output: str) -> Callable[..., float]:
    def one(energy_wh: float, **inputs: float) -> float:
        return float(fleet_outputs(query={"energy_wh": energy_wh}, **inputs)[output])

    return one


FORMULAS: Mapping[str, Callable[..., ArrayLike | None]] = MappingProxyType(
    {
        "query_flop": lambda **inputs: _total(query_flop(**inputs)),
        "touched_share": touched_share,
        "kv_bytes_per_token": kv_bytes_per_token,
        "weight_bytes": lambda **inputs: step_bytes(**inputs)["weights"],
        "training_wh": training_wh,
        "fleet_power_mw": _fleet("fleet_power_mw"),
        "household_days": _fleet("household_days"),
    }
)
"""Formulas of the package that a ledger may name."""


@in_float64
def estimate_term(term: Term, earlier: Mapping[str, Term]) -> Estimate:
    """Compute one number, with its Monte Carlo standard error (0 where there is none).

    Raises
    ------
    InputError
        If it names a formula, model, output or term that does not exist.
    """
    if term.number is not None:
        return term.number, 0.0
    if term.file is not None:
        return _of_files(term)
    whole = _with_earlier(term, earlier)
    if whole.formula is not None:
        function = _known(FORMULAS, whole.formula, "formula")
        return float(np.asarray(function(**whole.inputs))), 0.0
    model = _known(ENERGY_MODELS, whole.model or "", "model")
    outputs = model({name: jnp.asarray(value, float) for name, value in whole.inputs.items()})
    return float(_known(outputs, whole.output or "energy_wh", "output")), 0.0


def _known(table: Mapping[str, Value], name: str, kind: str) -> Value:
    if name not in table:
        raise InputError.of("<ledger>", f"no {kind} {name!r}{nearest(name, table)}")
    return table[name]


def _with_earlier(term: Term, earlier: Mapping[str, Term]) -> Term:
    """Take model and inputs of the term that this one is like."""
    if term.like is None:
        return term
    base = _with_earlier(_known(earlier, term.like, "term"), earlier)
    changes = {"inputs": {**base.inputs, **term.inputs}, "output": term.output or base.output}
    return base.model_copy(update=changes)


def _of_files(term: Term) -> Estimate:
    if term.against is None:
        table = _summary(str(term.file), term.scenario, term.probability)
        return _cell(table.sel(quantity=term.output or "energy_wh"), term, "")
    if term.give in ("log_ratio", "contributions"):
        found = _explained(str(term.file), term.scenario, term.against, term.against_scenario)
        if term.give == "log_ratio":
            return float(found["log_ratio"]), float(found["log_ratio_se"])
        return float(found["contribution"].sum()), float(found["log_ratio_se"])
    table = _compared(
        str(term.file), term.scenario, term.against, term.against_scenario, term.probability
    )
    row = table.isel(scenario=1)
    if term.give == "chance_above":
        own = row.sel(statistic=term.statistic)
        return float(own["chance_above"]), float(own["mcse_chance_above"])
    return _cell(row, term, "ratio_")


def judge(today: Today | None) -> tuple[bool | None, str]:
    """Whether a number lies in the 90 % interval of a shipped file, and what that is."""
    if today is None:
        return None, "not judged: no shipped file asks the same"
    tree = _answer(today.file, today.scenario)
    table = summarize(tree, 0.9, quantities=[today.output])
    row = table.sel(quantity=today.output, statistic=today.statistic)
    low, high = float(row["lower"]), float(row["upper"])
    units = f" {row['units'].item()}".rstrip()
    where = f":{today.scenario}" if today.scenario else ""
    inside = low <= today.claimed <= high
    return inside, (
        f"{today.claimed:g}{units} lies {'in' if inside else 'outside'} {low:.2g} to "
        f"{high:.2g}{units}, the 90 % interval of {today.file}{where} "
        f"({today.statistic} query, {group_of(tree)})"
    )


@lru_cache(maxsize=8)
def _answer(file: str, scenario: str | None) -> xr.DataTree:
    return answer(build_problem(file, scenario=scenario))


def _cell(table: xr.Dataset, term: Term, prefix: str) -> Estimate:
    row = table.sel(statistic=term.statistic)
    side = "median" if term.probability == 0.5 else "lower" if term.probability < 0.5 else "upper"
    return float(row[f"{prefix}{side}"]), float(row[f"mcse_{prefix}{side}"])


def _prob(probability: float) -> float:
    """Probability of the equal-tailed interval that ends at this one."""
    return abs(1 - 2 * probability) or 0.5


@lru_cache(maxsize=32)
def _problem(file: str, scenario: str | None) -> Problem:
    """The prior of a file: a computation is of what it states, not of what evidence adds."""
    return build_problem(file, scenario=scenario, evidence=[])


@lru_cache(maxsize=32)
def _summary(file: str, scenario: str | None, probability: float) -> xr.Dataset:
    return summarize(_tree(file, scenario), _prob(probability))


@lru_cache(maxsize=32)
def _tree(file: str, scenario: str | None) -> xr.DataTree:
    return simulate(_problem(file, scenario))


@lru_cache(maxsize=32)
def _compared(
    file: str, scenario: str | None, other: str, other_scenario: str | None, probability: float
) -> xr.Dataset:
    """The first file against the second, which stands first: ratios are to it."""
    both = {"against": _problem(other, other_scenario), "file": _problem(file, scenario)}
    return compare(both, _prob(probability))


@lru_cache(maxsize=32)
def _explained(
    file: str, scenario: str | None, other: str, other_scenario: str | None
) -> xr.Dataset:
    return explain(_problem(other, other_scenario), _problem(file, scenario))


def forget() -> None:
    """Drop results that claims share: by the next call files, or settings, may have changed."""
    for kept in (_answer, _problem, _summary, _tree, _compared, _explained):
        kept.cache_clear()
