"""`uncertainty ledger`: published claims, computed again."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.options import NOT_TRUSTED, AsJson, Debug
from uncertainty.cli.show import busy, complain, print_json, say, table

if TYPE_CHECKING:
    from uncertainty.comparison import Finding


Only = Annotated[list[str] | None, typer.Argument(help="Claims, such as E1; all if none is named.")]
Of = Annotated[Path | None, typer.Option("--file", help="A ledger of your own.")]


def ledger(
    only: Only = None, file: Of = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Compute published claims again, and say which are plausible today."""
    from uncertainty.comparison import check_ledger

    with busy("computing claims"):
        findings = check_ledger(file, only=only or ())
    failed = [finding.id for finding in findings if not finding.holds]
    if as_json:
        print_json([_record(finding) for finding in findings])
    else:
        _print(findings)
    if failed:
        complain(f"These do not hold: {', '.join(failed)}")
        raise typer.Exit(NOT_TRUSTED)


def _print(findings: "Sequence[Finding]") -> None:
    columns = ["id", "claim", "expected", "computed", "reproduces", "plausible today"]
    rows = [
        [f.id, f.claim, f.expected, told(f), "yes" if f.holds else "NO", _plausible(f)]
        for f in findings
    ]
    table("Published claims", columns, rows)
    for finding in findings:
        if finding.slip:
            say(f"{finding.id}: a slip of the source: {finding.slip}")
        if finding.note:
            say(f"{finding.id}: {finding.note}")
        if finding.plausible is not None:
            say(f"{finding.id}: {finding.today}.")
    judged = [finding for finding in findings if finding.plausible is not None]
    said = [
        f"The arithmetic of {sum(f.holds for f in findings)} of {len(findings)} claims reproduces, "
        "which does not make a claim true."
    ]
    if judged:
        count = sum(bool(finding.plausible) for finding in judged)
        said.append(
            f"Of {len(judged)} that can be set against a shipped file, {count} "
            f"{'is' if count == 1 else 'are'} plausible today."
        )
    say(" ".join(said))


def _plausible(finding: "Finding") -> str:
    if finding.plausible is None:
        return "not judged"
    return "yes" if finding.plausible else "NO"


def told(finding: "Finding") -> str:
    """Write the computed numbers, with their standard errors where they are sampled."""
    numbers = [
        f"{value:.4g} ± {error:.1g}" if error else f"{value:.4g}"
        for value, error in zip(finding.computed, finding.mcse, strict=True)
    ]
    return "; ".join(numbers) + (f" {finding.unit}" if finding.unit not in ("", "1") else "")


def _record(finding: "Finding") -> dict[str, object]:
    """One number stands by itself, several as a list."""
    found = asdict(finding)
    found["reproduces"] = found.pop("holds")
    alone = len(finding.computed) == 1
    return {
        **found,
        "computed": finding.computed[0] if alone else list(finding.computed),
        "mcse": finding.mcse[0] if alone else list(finding.mcse),
    }
