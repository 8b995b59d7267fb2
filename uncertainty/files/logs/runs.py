"""The common table of all measurements: one measured window a run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Run:
    """One measured window: the energy that was taken, and what was done for it.

    Attributes
    ----------
    energy_j : float
        Of all boards together, within `boundary`.
    boundary : str
        ``gpu_board``, ``node`` or ``facility``.
    path : Path
    place : str
        Line or key in the file, for messages.
    line, column : int
        The same as numbers, from 1; 0 where the input has no lines.
    window_s : float or None
        Length of the window; None where the log does not say.
    gpu_count : float or None
        All boards whose energy is counted.
    prefill_gpu_count : float
        Those of them that only read inputs.
    power_w : float or None
        Average of one board, where the log says it.
    gpu_name, model_name, precision, stack : str
        As the log calls them; `stack` is the engine and its version. Empty: not said.
    requests : float or None
        Those that succeeded.
    failed : float
        Those that did not.
    input_tokens, cached_tokens, output_tokens : float or None
        Totals over the window; cached ones are part of the input.
    concurrency : float or None
        Mean number of requests at once.
    active_parameters, total_parameters : float or None
        Of the model, where the log says them.
    software_year : float or None
        When it was measured: 2026.5 is the middle of that year.
    cautions : tuple of str
        What to know before trusting it, each a sentence.
    sha256 : str
        Of the file; whoever reads the file fills it in.
    """

    energy_j: float
    boundary: str
    path: Path
    place: str
    line: int = 0
    column: int = 0
    window_s: float | None = None
    gpu_count: float | None = None
    prefill_gpu_count: float = 0.0
    power_w: float | None = None
    gpu_name: str = ""
    model_name: str = ""
    precision: str = ""
    stack: str = ""
    requests: float | None = None
    failed: float = 0.0
    input_tokens: float | None = None
    cached_tokens: float | None = None
    output_tokens: float | None = None
    concurrency: float | None = None
    active_parameters: float | None = None
    total_parameters: float | None = None
    software_year: float | None = None
    cautions: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True)
class Format:
    """One format of measurements.

    Attributes
    ----------
    title : str
        What it is, for people.
    looks_like : callable
        Says of a text whether it is of this format, by its content.
    read : callable
        Gives the runs of a file.
    """

    title: str
    looks_like: Callable[[str], bool]
    read: Callable[[Path, str], list[Run]]
