"""`uncertainty predict` and `plan`: what runs would measure, and which to measure next."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from uncertainty.cli.question import DONE, NOT_TRUSTED, Question, asking
from uncertainty.cli.run import drawn
from uncertainty.cli.terminal import busy, complain, print_json, say, table

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.sensitivity import Statistic as OfStatistic

Of = Annotated[
    str, typer.Argument(metavar="FILE", help="A saved run (run.nc), or a prior file with evidence.")
]
Rows = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="A CSV file or an evidence file: a run in each row."),
]
Runs = Annotated[
    Path, typer.Argument(metavar="RUNS", help="A CSV file or an evidence file: a run in each row.")
]
Statistic = Annotated[str, typer.Option(help="typical, mean or query.")]
_WITHOUT = ("out", "scenario", "model", "evidence", "draws", "allow_outside", "png", "force")
_LONGEST = 60  # characters of conditions that name a run: half a line
_STRETCHES = 16  # of chains, which stand for independent samples: as in a result


@asking(without=_WITHOUT)
def predict(
    question: Question, file: Of, rows: Rows = None, statistic: Statistic = "typical"
) -> None:
    """Predict what runs at other conditions would measure, or any output with --quantity.

    Conditions stand in --set, or in the rows of a file; --set holds for all of these. With a column
    `value` in it, predictions are scored against what was measured.
    """
    import numpy as np

    import uncertainty as un
    from uncertainty.cli.question import settings
    from uncertainty.files import read_runs
    from uncertainty.results import quantile_estimate, warnings_of

    given = dict(settings(question.sets or []))
    runs, measured = read_runs(rows) if rows else ([{}], [])
    runs = [{**run, **given} for run in runs]
    tree = _posterior(question, file)
    with busy("predicting"):
        result = un.predict(
            tree,
            runs,
            seed=question.seed,
            quantity=question.quantity,
            statistic=cast("OfStatistic", statistic),
        )
    (draws,) = result.data_vars.values()
    unit = str(draws.attrs.get("units", ""))
    levels = {"median": 0.5, "lower": 0.5 - question.prob / 2, "upper": 0.5 + question.prob / 2}
    figures = []
    for values in np.asarray(draws.values).T:
        chains = values[: len(values) // _STRETCHES * _STRETCHES].reshape(_STRETCHES, -1)
        estimates = {name: quantile_estimate(chains, level) for name, level in levels.items()}
        figures.append(
            {name: float(value) for name, (value, _) in estimates.items()}
            | {f"mcse_{name}": float(error) for name, (_, error) in estimates.items()}
        )
    scores = un.score(draws, measured) if measured else None
    if question.as_json:
        facts = {"output": str(draws.name), "unit": unit, "prob": question.prob, "kind": "eti"}
        each = [{"conditions": run, **row} for run, row in zip(runs, figures, strict=True)]
        columns_of_scores = scores.data_vars.items() if scores is not None else ()
        known = {str(name): column.values.tolist() for name, column in columns_of_scores}
        print_json({**facts, "runs": each, "scores": known, "warnings": warnings_of(tree)})
    else:
        of = f"{statistic} query" if question.quantity else "one measurement"
        interval = f"{100 * question.prob:g} % predictive interval, equal tails"
        first, output = figures[0], str(draws.name)
        say(
            f"{output}, {of}{' of the first run' * (len(runs) > 1)}: {first['median']:.3g} {unit} "
            f"({interval}, {first['lower']:.3g} to {first['upper']:.3g} {unit})."
        )
        lines = []
        for number, row in enumerate(figures):
            texts = [f"{row[name]:.3g} ± {row[f'mcse_{name}']:.1g}" for name in levels]
            seen = [f"{measured[number]:.4g}"] if measured else []
            lines.append([_named(number, runs), texts[0], " to ".join(texts[1:]), *seen])
        columns = ["run", "median", interval, *(["measured"] if measured else [])]
        table(f"{output} ({unit}), ± Monte Carlo standard errors", columns, lines)
        if scores is not None:
            held = scores["coverage"].sel(prob=0.9)
            held, error = scores["coverage"].sel(prob=0.9), scores["coverage_se"].sel(prob=0.9)
            say(
                f"90 % intervals hold {100 * float(held):.0f} ± {100 * float(error):.0f} % of "
                f"{len(measured)} runs; log-RMSE {float(scores['log_rmse']):.2f}, bias of the "
                f"logarithm {float(scores['bias']):+.2f} ± {float(scores['bias_se']):.2f}."
            )
    _end(tree, result)


@asking(without=_WITHOUT)
def plan(question: Question, file: Of, runs: Runs, statistic: Statistic = "typical") -> None:
    """Say which of some runs to measure next: the one that would narrow the answer most.

    Under the evidence's columns of groups (`model_id`, `stack`) write `asked` for a run of the very
    system that FILE is about.
    """
    import uncertainty as un
    from uncertainty.files import read_runs
    from uncertainty.results import warnings_of

    cells, _ = read_runs(runs)
    tree = _posterior(question, file)
    with busy("planning"):
        ranked = un.plan_measurements(
            tree,
            cells,
            quantity=question.quantity,
            statistic=cast("OfStatistic", statistic),
            prob=question.prob,
            seed=question.seed,
        )
    names = ("narrowing", "narrowing_se", "width", "width_se", "variance_reduction")
    order = [int(row) for row in ranked["row"].values]
    figures = [
        {name: float(ranked[name].values[place]) for name in names} for place in range(len(order))
    ]
    now = float(ranked["width_now"])
    if question.as_json:
        each = [
            {"run": row + 1, "conditions": cells[row], **part}
            for row, part in zip(order, figures, strict=True)
        ]
        print_json({**ranked.attrs, "width_now": now, "runs": each, "warnings": warnings_of(tree)})
    else:
        best = figures[0]
        kind = f"{100 * question.prob:g} % interval"
        say(
            f"Measure run {order[0] + 1} next: the {kind} of {ranked.attrs['quantity']} "
            f"({statistic} query) would shrink from a factor of {now:.3g} between its ends to "
            f"{best['width']:.3g} ± {best['width_se']:.1g}, expected over what the run may show."
        )
        lines = [
            [
                _named(row, cells),
                f"{100 * part['narrowing']:.1f} ± {100 * part['narrowing_se']:.1f} %",
                f"{part['width']:.3g} ± {part['width_se']:.1g}",
            ]
            for row, part in zip(order, figures, strict=True)
        ]
        columns = ["run", "narrower by", "factor between ends"]
        table(f"What each run would do to the {kind}, equal tails", columns, lines)
    _end(tree, ranked)


def _posterior(question: Question, file: str) -> "xr.DataTree":
    """Load a saved run, or learn from the evidence of a file."""
    import uncertainty as un

    if Path(file).suffix == ".nc":
        return un.load(file)
    problem = Question(file=file).problem()
    return drawn(problem, question, problem.quantity(question.quantity), full=False)


def _named(number: int, runs: Sequence[Mapping[str, object]]) -> str:
    """Name a run by its place, and by what is not the same in all of them."""
    differ = {
        name: value
        for name, value in runs[number].items()
        if value is not None and (len(runs) == 1 or any(run.get(name) != value for run in runs))
    }
    texts = [f"{k} {v}" for k, v in differ.items() if not isinstance(v, float)]  # names first
    texts += [f"{k} {v:g}" for k, v in differ.items() if isinstance(v, float)]
    text = ", ".join(texts)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip(', ')} …"
    return f"{number + 1}: {text}" if text else f"{number + 1}"


def _end(tree: "xr.DataTree", result: "xr.Dataset") -> None:
    """Say what was set in vain, and what makes the answer doubtful; exit as trusted or not."""
    from uncertainty.results import warnings_of

    for notice in json.loads(str(result.attrs["notices"])):
        complain(f"note: {notice}")
    doubts = warnings_of(tree)
    for doubt in doubts:
        complain(f"not to be trusted: {doubt}")
    raise typer.Exit(NOT_TRUSTED if doubts else DONE)
