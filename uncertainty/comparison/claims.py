"""Every claim of a ledger against what its computation gives."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.typing import ArrayLike

from uncertainty.arrays import in_float64, source_digest, surroundings
from uncertainty.comparison.compare import common_quantity, relate
from uncertainty.comparison.explain import explain
from uncertainty.energy import (
    ENERGY_MODELS,
    by_name,
    fleet_outputs,
    kv_bytes_per_token,
    query_flop,
    step_bytes,
    touched_share,
    training_wh,
)
from uncertainty.errors import InputError, nearest
from uncertainty.files import Term, names_in, parse_expression, read_ledger, shipped_folder
from uncertainty.inference import answer
from uncertainty.problem import build_problem, evaluate
from uncertainty.results import Estimate, group_of, summarize
from uncertainty.sampling import simulate
from uncertainty.writing import FINDINGS, digest_of

Value = TypeVar("Value")


def _fleet(output: str, energy_wh: float, **inputs: float) -> ArrayLike:
    return by_name(fleet_outputs)(query={"energy_wh": energy_wh}, **inputs)[output]


FORMULAS: Mapping[str, Callable[..., ArrayLike | None]] = MappingProxyType(
    {
        "query_flop": lambda **inputs: sum(by_name(query_flop)(**inputs).values()),
        "touched_share": touched_share,
        "kv_bytes_per_token": by_name(kv_bytes_per_token),
        "weight_bytes": lambda batch, **inputs: by_name(step_bytes)(batch_size=batch, **inputs)[
            "weights"
        ],
        "training_wh": by_name(training_wh),
        "fleet_power_mw": partial(_fleet, "fleet_power_mw"),
        "household_days": partial(_fleet, "household_days"),
    }
)
"""Formulas of the package that a ledger may name."""


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


@in_float64
def check_ledger(
    path: str | Path | None = None, *, only: Iterable[str] = (), kept: bool = False
) -> list[Finding]:
    """Compute the claims of a ledger.

    Parameters
    ----------
    path : str or Path, optional
        The shipped ledger where not given.
    only : iterable of str
        Identifiers; all of them where empty.
    kept : bool
        Take what was computed before of the shipped ledger, by the same code, files and machine,
        from the user's cache folder, and keep it there.

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
    >>> [finding] = check_ledger(only=["E2"])
    >>> finding.holds, round(finding.computed[0], 3)
    (True, 0.042)
    """
    claims = read_ledger(Path(path) if path else None)
    chosen, known = set(only), {claim.id for claim in claims}
    if unknown := sorted(chosen - known):
        raise InputError.of("<only>", f"no claim {', '.join(unknown)}{nearest(unknown[0], known)}")
    shared, findings = _Shared(), list[Finding]()
    kept, around = kept and path is None, ""
    if kept:
        files = digest_of(file for file in shipped_folder().rglob("*") if file.is_file())
        around = f"{source_digest()} {surroundings()} {files}"
    for claim in claims:
        if chosen and claim.id not in chosen:
            continue
        name = hashlib.sha256(f"{around} {claim.id}".encode()).hexdigest()
        if kept and (content := FINDINGS.load(name)):
            fields = json.loads(content)
            fields |= {key: tuple(fields[key]) for key in ("computed", "mcse")}
            findings.append(Finding(**fields))
            continue
        terms = {name: _estimate(term, claim.terms, shared) for name, term in claim.terms.items()}
        values = {name: value for name, (value, _) in terms.items()}
        computed, errors, holds = list[float](), list[float](), list[bool]()
        for condition in claim.holds:
            expression = parse_expression(condition.computed)
            if unknown := sorted(set(names_in(expression)) - terms.keys()):
                raise InputError.of("<ledger>", f"{claim.id}: no term {', '.join(unknown)}")
            number = float(evaluate(expression, values))  # type: ignore[arg-type]  # numbers will do
            # Errors of terms are carried over by the change that each makes, and are independent.
            changes = [
                float(evaluate(expression, {**values, name: value + error})) - number  # type: ignore[dict-item]  # as above
                for name, (value, error) in terms.items()
                if error
            ]
            low, high = condition.low, condition.high
            computed.append(number)
            errors.append(float(np.linalg.norm(changes)))
            holds.append((low is None or number >= low) and (high is None or number <= high))
        plausible, today = None, "not judged: no shipped file asks the same"
        if (judge := claim.today) is not None:
            tree = shared.answer((judge.file, judge.scenario), judge.output)
            row = summarize(tree, 0.9, quantities=[judge.output]).isel(quantity=0)
            row = row.sel(statistic=judge.statistic)
            least, most = float(row["lower"]), float(row["upper"])
            plausible = least <= judge.claimed <= most
            units = f" {row['units'].item()}".rstrip()
            where = f":{judge.scenario}" if judge.scenario else ""
            today = (
                f"{judge.claimed:g}{units} lies {'in' if plausible else 'outside'} {least:.2g} to "
                f"{most:.2g}{units}, the 90 % interval of {judge.file}{where} "
                f"({judge.statistic} query, {group_of(tree)})"
            )
        facts = ("id", "claim", "expected", "unit", "source", "note", "slip")
        finding = Finding(
            **{key: getattr(claim, key) or "" for key in facts},
            computed=tuple(computed),
            mcse=tuple(errors),
            holds=all(holds),
            plausible=plausible,
            today=today,
        )
        findings.append(finding)
        if kept:
            FINDINGS.save(name, json.dumps(asdict(finding)).encode())
    return findings


class _Shared:
    """Results of sides (a file, its scenario) in one call: by the next, files may have changed."""

    def __init__(self) -> None:
        # The prior of a file: a computation is of what it says, not of what evidence adds.
        self.problem = cache(lambda file, name: build_problem(file, scenario=name, evidence=[]))
        self.tree = cache(lambda side, output: simulate(self.problem(*side), quantities=[output]))
        self.whole = cache(lambda file, name: build_problem(file, scenario=name))
        self.answer = cache(lambda side, output: answer(self.whole(*side), quantities=[output]))
        self.explained = cache(lambda one, other: explain(self.problem(*other), self.problem(*one)))

    @cache  # noqa: B019  # an instance lives as long as its results
    def compared(
        self, one: tuple[str, str | None], other: tuple[str, str | None], prob: float
    ) -> xr.Dataset:
        """Relate a side to another one."""
        # Of two the second side stands first: ratios are to it.
        sides = {"against": other, "file": one}
        problems = {label: self.problem(*side) for label, side in sides.items()}
        output = common_quantity(problems, None)
        trees = {label: self.tree(side, output) for label, side in sides.items()}
        return relate(problems, trees, output, prob, None, 0)


def _estimate(term: Term, earlier: Mapping[str, Term], shared: _Shared) -> Estimate:
    """One number with its Monte Carlo standard error, 0 where there is none."""
    if term.number is not None:
        return term.number, 0.0
    if term.file is not None:
        # A figure of one file, or of two against one another.
        level = term.probability
        prob = abs(1 - 2 * level) or 0.5  # of the equal-tailed interval that ends at this level
        key = "median" if level == 0.5 else "lower" if level < 0.5 else "upper"
        here = str(term.file), term.scenario
        if term.against is None:
            output = term.output or "energy_wh"
            table = summarize(shared.tree(here, output), prob, quantities=[output])
            table = table.isel(quantity=0)
        else:
            there = term.against, term.against_scenario
            if term.give in ("log_ratio", "contributions"):
                parts = shared.explained(here, there)
                sums = (
                    parts["contribution"].sum() if term.give != "log_ratio" else parts["log_ratio"]
                )
                return float(sums), float(parts["log_ratio_se"])
            table = shared.compared(here, there, prob).isel(scenario=1)
            key = "chance_above" if term.give == "chance_above" else f"ratio_{key}"
        row = table.sel(statistic=term.statistic)
        return float(row[key]), float(row[f"mcse_{key}"])
    while term.like is not None:
        base = _known(earlier, term.like, "term")
        changes = {"inputs": {**base.inputs, **term.inputs}, "output": term.output or base.output}
        term = base.model_copy(update=changes)
    if term.formula is not None:
        function = _known(FORMULAS, term.formula, "formula")
        return float(np.asarray(function(**term.inputs))), 0.0
    model = _known(ENERGY_MODELS, term.model or "", "model")
    outputs = model({name: jnp.asarray(value, float) for name, value in term.inputs.items()})
    return float(_known(outputs, term.output or "energy_wh", "output")), 0.0


def _known(table: Mapping[str, Value], name: str, kind: str) -> Value:
    if name not in table:
        raise InputError.of("<ledger>", f"no {kind} {name!r}{nearest(name, table)}")
    return table[name]
