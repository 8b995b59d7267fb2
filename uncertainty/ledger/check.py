"""Every claim of a ledger against what its computation gives."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from uncertainty.errors import InputError
from uncertainty.joint import evaluate
from uncertainty.ledger.terms import estimate_term, forget, judge
from uncertainty.names import nearest
from uncertainty.precision import in_float64
from uncertainty.spec import Claim, names_in, parse_expression, read_ledger

__all__ = ["Finding", "check_ledger"]


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
