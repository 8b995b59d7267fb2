"""`uncertainty import` and `import-usage`: people's own logs to files that other commands take."""

import math
import re
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uncertainty.cli.question import (
    DONE,
    NOT_TRUSTED,
    AsJson,
    Debug,
    Force,
    Question,
    asking,
    settings,
)
from uncertainty.cli.terminal import busy, complain, print_json, say, show_written, table
from uncertainty.errors import Fault, InputError, counted
from uncertainty.writing import refuse_inputs, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from uncertainty.arrays import Floats

_SHOWN = 20  # rows of the table: the file has all
_UNITS = {"gpu_energy_per_output_token_j": "J per output token"}  # else Wh per query
_BOUNDARIES = {
    "gpu_board": "of the GPU boards",
    "node": "of the node",
    "facility": "of the facility",
}
TOKENS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
_COLUMNS = ("model_id", "hardware", "precision", "gpu_count", "batch_size", "output_tokens")

Logs = Annotated[list[Path], typer.Argument(metavar="PATH", help="Logs with measured energy.")]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="FORMAT", help="The format, where its content does not show it."),
]
With = Annotated[
    Path | None,
    typer.Option("--with", metavar="FILE", help="Results of the benchmark that ran meanwhile."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="What holds in every row, such as llm=NAME."),
]
Out = Annotated[Path, typer.Option(metavar="FILE", help="The evidence file to write.")]


def import_(
    paths: Logs,
    format: As = None,
    serving: With = None,
    sets: Sets = None,
    out: Out = Path("my-evidence.yaml"),
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Turn logs of measured energy and tokens into an evidence file."""
    del debug  # `main` reads it
    from uncertainty.files import import_measurements, yaml_text

    files = [*paths]
    given = dict(settings(sets or []))
    result = import_measurements(files, format, serving=serving, given=given)
    each = result if isinstance(result, list) else [result]
    outs = [out] + [out.with_stem(f"{out.stem}-{item['boundary']}") for item in each[1:]]
    refuse_inputs(outs, [*paths, *([serving] if serving else [])])
    if there := [path for path in outs if path.exists() and not force]:
        text = "exists already; choose another name with --out, or replace it with --force"
        raise InputError(Fault(str(path), 0, 0, "", text) for path in there)
    for path, item in zip(outs, each, strict=True):
        write_text(path, yaml_text(item, "Written by uncertainty import."))
    if as_json:
        print_json({"evidence": each, "written": [str(path) for path in outs]})
        return
    for item in each:
        rows, columns, conditions = item["rows"], item["columns"], item["conditions"]
        assert isinstance(rows, list)
        assert isinstance(columns, list)
        assert isinstance(conditions, dict)
        unit = _UNITS.get(str(item["observes"]), "Wh per query")
        values = [row[-1] for row in rows]
        low, high = f"{min(values):.3g}", f"{max(values):.3g}"
        text = f"{counted(len(rows), 'measured row')} of {counted(len(files), 'file')}: "
        text += low if low == high else f"{low} to {high}"
        say(f"{text} {unit}, {_BOUNDARIES[str(item['boundary'])]}.")
        cells = [{**conditions, **dict(zip(columns, row, strict=True))} for row in rows]
        lines = [
            [*(_shown(cell.get(key)) for key in _COLUMNS), _shown(cell["value"])]
            for cell in cells[:_SHOWN]
        ]
        titles = [key.replace("_", " ") for key in _COLUMNS]
        more = f"; {len(rows) - _SHOWN} more in the file" if len(rows) > _SHOWN else ""
        table(f"Rows{more}", [*titles, unit], lines)
        for paragraph in str(item["note"]).split("\n"):
            say(paragraph)
    show_written(outs)
    for path in outs:
        say(f"Learn from it: uncertainty infer roofline-efficiency --evidence +{path}")


def _shown(value: object) -> str:
    return "open" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


Fit = StrEnum("Fit", ["empirical", "lognormal"])
By = StrEnum("By", ["request", "session"])
TokenLogs = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="Logs with tokens, and folders of them.")
]
UsageOut = Annotated[Path, typer.Option(metavar="FILE", help="The usage file to write.")]


def import_usage(
    paths: TokenLogs,
    format: As = None,
    fit: Annotated[Fit, typer.Option(help="Rows as they are, or fitted.")] = Fit.empirical,
    by: Annotated[By, typer.Option(help="What one query is.")] = By.request,
    out: UsageOut = Path("my-usage.yaml"),
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Turn token logs into a usage file, for --usage.

    Formats: claude-code, codex, otel, openai-usage, litellm, azure, burstgpt, mooncake, openai,
    anthropic and csv. Nothing is read but counts of tokens, times and names of models.
    """
    del debug  # `main` reads it
    import uncertainty as un

    if out.exists() and not force:
        text = "exists already; choose another name with --out, or replace it with --force"
        raise InputError.of(str(out), text)
    data = un.import_usage([*paths], out, format=format, fit=fit.value, by=by.value)
    totals, entries = data["usage"], data["assumptions"]
    assert isinstance(totals, list)
    assert isinstance(entries, dict)
    drawn = any("empirical" in entry for entry in entries.values())
    written = [out, *([out.with_suffix(".csv")] if drawn else [])]
    if as_json:
        print_json({"usage": data, "written": [str(path) for path in written]})
        return
    sums = {name: sum(row[name] for row in totals) for name in TOKENS}
    per = {name: sums[name] / sums["requests"] for name in TOKENS}
    share = sums["cached_tokens"] / max(sums["input_tokens"], 1)
    say(
        f"{counted(sums['requests'], 'request')}: on average {per['input_tokens']:,.4g} input "
        f"tokens ({100 * share:.3g} % cached) and {per['output_tokens']:,.4g} output tokens."
    )
    titles = ["model", "month", *(name.replace("_", " ") for name in TOKENS)]
    lines = [[row["model"], row["month"], *(f"{row[n]:,}" for n in TOKENS)] for row in totals]
    more = f"; {len(lines) - _SHOWN} more in the file" if len(lines) > _SHOWN else ""
    table(f"Tokens by model and month{more}", titles, lines[:_SHOWN])
    for note in dict.fromkeys(entry["note"] for entry in entries.values()):
        say(note)
    show_written(written)
    say(f"Ask with it: uncertainty run gpt-4o --usage {out}")


def grid_of(text: str) -> "Callable[[Floats], Floats]":
    """Read g CO2e/kWh: 280; 280±50, a normal cut at 0; or 200-400, P5 and P95 of a uniform."""
    import numpy as np
    from scipy.stats import truncnorm, uniform

    number = r"(\d+(?:\.\d+)?)"
    match = re.fullmatch(rf"{number}(?:\s*(±|\+-|\+/-|-)\s*{number})?", text.strip())
    if match is None or (match[2] == "-" and not float(match[1]) < float(match[3])):
        raise InputError.of("--grid", f"write 280, 280±50 or 200-400 (got {text!r:.40})")
    first, second = float(match[1]), float(match[3] or 0)
    if match[2] == "-":
        width = (second - first) / 0.9  # from P5 to P95 there are nine tenths of it
        if first < width / 20:
            raise InputError.of("--grid", "its uniform reaches below 0: write a narrower range")
        law = uniform(first - width / 20, width)
    elif second:
        law = truncnorm(-first / second, math.inf, first, second)
    else:
        return lambda p: np.full(np.shape(p), first)
    return lambda p: np.asarray(law.ppf(p), np.float64)


Grid = Annotated[
    str | None, typer.Option(metavar="TEXT", help=str(grid_of.__doc__).removeprefix("Read "))
]


Answers = Annotated[
    str | None, typer.Argument(metavar="FILE", help="What answers the requests; or --model FILE.")
]


@asking(without=("out", "png", "force"))
def total(question: Question, file: Answers = None, grid: Grid = None) -> None:
    """Give the energy of a whole log, by model and month, as FILE answers each of its requests.

    What is unknown is the same for all requests, so that the interval does not shrink with their
    number; what differs between them is averaged.
    """
    import uncertainty as un
    from uncertainty.cli.run import drawn
    from uncertainty.inference import total_energy
    from uncertainty.results import warnings_of

    if not question.usage:
        raise InputError.of("--usage", "is missing: uncertainty import-usage makes one of a log")
    if file is None:  # of a log, the model is what answered
        question = replace(question, file=question.model or "", model=None)
    if not question.file:
        raise InputError.of("FILE", "is missing: name what answers the requests, such as gpt-4o")
    with busy("checking"):
        problem = question.problem()
        quantity = problem.quantity(question.quantity)
    law = grid_of(grid) if grid else None
    tree = drawn(problem, question, quantity, full=False)
    result = total_energy(problem, tree, quantity, prob=question.prob, grid=law)
    rows = result.to_dataframe().reset_index().to_dict("records")
    with busy("ranking"):
        of = tree if "posterior" in tree.children else problem
        ranking = un.rank_inputs(
            of,
            method="value",
            quantity=quantity,
            statistic="mean",
            seed=question.seed,
            prob=question.prob,
        )
    narrowing = ranking["narrowing"].to_series()
    doubts = warnings_of(tree)
    if question.as_json:
        record = {"total": rows, "narrowing": narrowing.to_dict(), "warnings": doubts}
        print_json({"file": question.file, "usage": question.usage, **record})
    else:
        whole, wide = rows[0], f"{100 * question.prob:g} % interval"

        def interval(row: dict[str, float], size: float, tail: str = "") -> str:
            middle, low, high = (row[f"{k}{tail}"] / size for k in ("median", "lower", "upper"))
            return f"{middle:,.3g} ({low:,.3g} to {high:,.3g})"

        text = f"{whole['requests']:,.0f} requests: {interval(whole, 1e3)} kWh, {wide}"
        text += f", and {interval(whole, 1, '_kg')} kg CO2e" if grid else ""
        say(f"{text}, equal tails, all of them answered as {question.file} says.")
        most = max(
            row[f"mcse_{key}"] / row[key] for row in rows for key in ("median", "lower", "upper")
        )
        group = str(result.attrs["group"])
        say(f"Drawn from the {group}; Monte Carlo standard errors are at most {100 * most:.2g} %.")
        titles = ["part", "requests", f"kWh ({wide})", *([f"kg CO2e ({wide})"] if grid else [])]
        lines = [
            [row["part"], f"{row['requests']:,.0f}", interval(row, 1e3)]
            + ([interval(row, 1, "_kg")] if grid else [])
            for row in rows
        ]
        table("Energy of the log", titles, lines)
        drivers = [[name, f"{100 * value:.0f} %"] for name, value in narrowing.head(6).items()]
        table("What drives it: how much narrower if known", ["input", "narrower"], drivers)
        unmeasured = [n for n in ("system_effect", "stack_effect") if n in narrowing]
        if unmeasured:
            parts = " and ".join(f"{100 * narrowing[n]:.0f} % ({n})" for n in unmeasured)
            say(f"To measure the deployment itself would narrow the interval by up to {parts}.")
    for doubt in doubts:
        complain(f"not to be trusted: {doubt}")
    raise typer.Exit(NOT_TRUSTED if doubts else DONE)
