"""`uncertainty ledger`: published claims, computed again."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.options import NOT_TRUSTED, AsJson, Debug
from uncertainty.cli.show import busy, print_json, say, table

if TYPE_CHECKING:
    from uncertainty.ledger import Finding

__all__ = ["ledger"]

Only = Annotated[list[str] | None, typer.Argument(help="Claims, such as E1; all if none is named.")]
Of = Annotated[Path | None, typer.Option("--file", help="A ledger of your own.")]


def ledger(
    only: Only = None, file: Of = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Compute published claims again, and say which of them hold."""
    from uncertainty.ledger import check_ledger

    with busy("computing claims"):
        findings = check_ledger(file, only=only or ())
    failed = [finding.id for finding in findings if not finding.holds]
    if as_json:
        print_json([_record(finding) for finding in findings])
    else:
        rows = [[f.id, f.claim, f.expected, told(f), "yes" if f.holds else "NO"] for f in findings]
        table("Published claims", ["id", "claim", "expected", "computed", "holds"], rows)
        for finding in findings:
            if finding.note:
                say(f"{finding.id}: {finding.note}")
        say(f"{len(findings) - len(failed)} of {len(findings)} claims hold.")
    if failed:
        say(f"These do not hold: {', '.join(failed)}")
        raise typer.Exit(NOT_TRUSTED)


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
    alone = len(finding.computed) == 1
    return {
        **found,
        "computed": finding.computed[0] if alone else list(finding.computed),
        "mcse": finding.mcse[0] if alone else list(finding.mcse),
    }
