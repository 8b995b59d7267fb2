"""A stream as the command line shows it: a bar with rate, time left and the interval so far."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

    from uncertainty.problem import Problem
    from uncertainty.sampling import Standing


_LARGE = 2**20
_SAMPLE = 2**13
_INTERVAL_EVERY_S = 0.5


@dataclass(frozen=True)
class Streaming:
    """What the options ask of a stream."""

    tolerance: float | None
    executor: str | None
    checkpoint: Path | None

    def wanted(self, draws: int | None) -> bool:
        """Whether draws are to be streamed and not stored."""
        asked = (self.tolerance, self.executor, self.checkpoint)
        return any(item is not None for item in asked) or (draws or 0) > _LARGE

    def run(
        self,
        problem: "Problem",
        quantity: str,
        draws: int | None,
        seed: int,
        prob: float,
        above: float | None,
    ) -> "xr.DataTree":
        """Stream one output: the others would each cost as much again."""
        import uncertainty as un

        with _bar(quantity, prob) as watch:
            return un.stream(
                problem,
                draws,
                seed,
                executor=self.executor,
                tolerance=self.tolerance,
                probs=sorted({0.5, prob}),
                quantities=[quantity],
                thresholds=[] if above is None else [above],
                sample=_SAMPLE,
                checkpoint=self.checkpoint,
                watch=watch,
            )


@contextmanager
def _bar(quantity: str, prob: float) -> "Iterator[Callable[[Standing], None] | None]":
    """Give what draws the bar, on a terminal only."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %  {task.fields[rate]}  time left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[interval]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("streaming", total=None, rate="", interval="")
        last = [-_INTERVAL_EVERY_S]

        def watch(standing: "Standing") -> None:
            rate = f"{standing.fresh / max(standing.seconds, 1e-9):.2g} evaluations/s"
            progress.update(
                task,
                description=f"streaming, stage {standing.number + 1}",
                completed=standing.done,
                total=standing.wanted,
                rate=rate,
            )
            if standing.seconds > last[0] + _INTERVAL_EVERY_S or standing.seconds < last[0]:
                last[0] = standing.seconds
                progress.update(task, interval=_interval(standing, quantity, prob))

        yield watch


def _interval(standing: "Standing", quantity: str, prob: float) -> str:
    totals = standing.totals
    ends = [totals.quantile(totals.main(quantity), (1 + side * prob) / 2)[0] for side in (-1, 1)]
    return f"{quantity} {ends[0]:.3g} to {ends[1]:.3g} ({100 * prob:g} %)"
