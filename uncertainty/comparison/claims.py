"""Every claim of a ledger against what its computation gives."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.typing import ArrayLike

from uncertainty.arrays import in_float64
from uncertainty.comparison.compare import compare
from uncertainty.comparison.explain import explain
from uncertainty.energy import (
    ENERGY_MODELS,
    fleet_outputs,
    kv_bytes_per_token,
    query_flop,
    step_bytes,
    touched_share,
    training_wh,
)
from uncertainty.errors import InputError, nearest
from uncertainty.files import Claim, Term, Today, names_in, parse_expression, read_ledger
from uncertainty.inference import answer
from uncertainty.problem import Problem, build_problem, evaluate
from uncertainty.results import Estimate, group_of, summarize
from uncertainty.sampling import simulate

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


@dataclass(frozen=True)
class Finding:
    """A claim, computed again.

    Attributes
    ----------
    id, claim, expected, unit, source, note, slip : str
        As the ledger says; `slip` is an error of the source, empty where there is none.
    computed : tuple of float
        One number for each condition.
    mcse : tuple of float
        Monte Carlo standard error of each; 0 where nothing is sampled.
    holds : bool
        Whether the arithmetic reproduces: each number lies in its range. That does not make the
        claim true.
    plausible : bool or None
        Whether the number claimed lies in the 90 % interval of a shipped file that asks the same;
        None where there is none to judge by.
    today : str
        That interval, and of what it is.
    """

    id: str
    claim: str
    expected: str
    computed: tuple[float, ...]
    mcse: tuple[float, ...]
    unit: str
    holds: bool
    source: str
    note: str
    slip: str = ""
    plausible: bool | None = None
    today: str = ""


def check_ledger(path: str | Path | None = None, *, only: Iterable[str] = ()) -> list[Finding]:
    """Compute the claims of a ledger.

    Parameters
    ----------
    path : str or Path, optional
        The shipped ledger where not given.
    only : iterable of str
        Identifiers; all of them where empty.

    Returns
    -------
    list of Finding
        In the order of the file.

    Raises
    ------
    InputError
        If the ledger is faulty, or an identifier is unknown.

    Examples
    --------
    >>> [finding] = check_ledger(only=["E1"])
    >>> finding.holds, round(finding.computed[0], 3)
    (True, 0.295)
    """
    claims = read_ledger(Path(path) if path else None)
    wanted, known = set(only), {claim.id for claim in claims}
    if wanted - known:
        hint = nearest(sorted(wanted - known)[0], known)
        raise InputError.of("<only>", f"no claim {', '.join(sorted(wanted - known))}{hint}")
    try:
        return [_check(claim) for claim in claims if not wanted or claim.id in wanted]
    finally:
        forget()


@in_float64
def _check(claim: Claim) -> Finding:
    terms = {name: estimate_term(term, claim.terms) for name, term in claim.terms.items()}
    computed, errors, holds = [], [], []
    for condition in claim.holds:
        expression = parse_expression(condition.computed)
        unknown = sorted(set(names_in(expression)) - terms.keys())
        if unknown:
            raise InputError.of("<ledger>", f"{claim.id}: no term {', '.join(unknown)}")
        values = {name: value for name, (value, _) in terms.items()}
        number = float(evaluate(expression, values))  # type: ignore[arg-type]  # numbers will do
        slopes = [
            abs(float(evaluate(expression, {**values, name: value + error})) - number)  # type: ignore[dict-item]  # as above
            for name, (value, error) in terms.items()
            if error
        ]
        low, high = condition.low, condition.high
        computed.append(number)
        errors.append(sum(slope**2 for slope in slopes) ** 0.5)
        holds.append((low is None or number >= low) and (high is None or number <= high))
    plausible, today = judge(claim.today)
    return Finding(
        id=claim.id,
        claim=claim.claim,
        expected=claim.expected,
        computed=tuple(computed),
        mcse=tuple(errors),
        unit=claim.unit,
        holds=all(holds),
        source=claim.source,
        note=claim.note or "",
        slip=claim.slip or "",
        plausible=plausible,
        today=today,
    )
