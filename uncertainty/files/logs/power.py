"""Logs of power and energy: what the boards took in a window of time, without any tokens."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import dropwhile, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from uncertainty.errors import Fault, InputError, counted, listed
from uncertainty.files.library import shown_path
from uncertainty.files.logs.reading import csv_records
from uncertainty.files.logs.runs import JOULES, Run
from uncertainty.units import UnitError, factor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

GAP_S = 3.0
"""Longest time between two readings of power; InferenceX refuses more, because load changes."""

_UNSURE = 0.1  # of the energy of a window: what readings far apart may leave open at its ends
_SHOWN = 20  # faults of one file: a damaged log has one in each of its lines
_EPOCH = datetime(1970, 1, 1)
# Seconds since 1970 from 2001 to 2100; what is larger is in ms, us or ns.
_SECONDS = (1e9, 4.2e9)
_CLOCK_BACK = (3540, 3660)  # seconds: the hour at the end of daylight saving, and a long interval
_IDLE = 0.5  # of the mean power of the busiest board; a serving board reaches more now and then
_LONGER = 0.05  # of its length: what an energy window may have beyond its benchmark without a word
_OTHER = 0.3  # from here on, the energy is of something else as well
_LACKING = 0.02  # of its length: what an energy window may lack
ROUNDED_S = 1.0
"""Times may be cut to whole seconds."""
_BURST = 0.3  # shortest over longest interval of readings that belong to one board
_ABSENT = re.compile(r"(?i)\[?(n/?a|not supported|unknown error|none|nan|err!?|-)?\]?")
_NUMBER = re.compile(r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*([a-zA-Z]*)")
_TIME = re.compile(r"(?i)(timestamp|time|date)\b")
_BOARD = re.compile(r"(?i)((gpu_?)?(index|id)|gpu|card|device|minor_number|.*uuid|.*bus_id)$")
_MODEL = re.compile(r"(?i)(gpu_?|model_?|product_?)?name$")
# A module's power holds that of its CPU; limits and states are not what was drawn.
_POWER = re.compile(r"(?i)(?!module|.*(limit|cap|max|min|manage|mgmt|state|violation|mode)).*power")
_COUNTER = re.compile(r"(?i).*total_energy_consumption")
_UNIT = re.compile(r"(?i).*?[\[(_ ](k?wh?|m?w|[mk]?j)[\])]?$")
_SAMPLE = re.compile(r"DCGM_FI_DEV_(POWER_USAGE|TOTAL_ENERGY_CONSUMPTION)\{(.*)\}(.*)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Board:
    """Readings of one board, or of a meter, in order of time.

    Attributes
    ----------
    name : str
        Its number in the log.
    model : str
        What the log calls the GPU; empty where it does not.
    times_s : array
        Seconds since 1970 by the log's clock.
    readings : array
        Power in W; where `counts` is true, energy in J counted up.
    lines : array
        Of the file, one a reading.
    counts : bool
    """

    name: str
    model: str
    times_s: "Array"
    readings: "Array"
    lines: "Array"
    counts: bool

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Give the energy between two times, by trapezoids whose ends are interpolated."""
        import numpy as np

        if self.counts:
            first, last = np.interp([start_s, end_s], self.times_s, self.readings)
            return float(last - first)
        inside = self.times_s[(self.times_s > start_s) & (self.times_s < end_s)]
        times = np.concatenate(([start_s], inside, [end_s]))
        # Seconds since 1970 have seven digits after the point; those since the start, all of them.
        return float(np.trapezoid(np.interp(times, self.times_s, self.readings), times - start_s))

    def around(self, start_s: float, end_s: float) -> slice:
        """Give the readings of a window, with the one before and the one after it."""
        first = int(self.times_s.searchsorted(start_s, side="right")) - 1
        return slice(max(first, 0), int(self.times_s.searchsorted(end_s)) + 1)


@dataclass(frozen=True)
class Timed:
    """A run with its times: of a log that has no tokens, or of a benchmark that has no energy.

    Attributes
    ----------
    start_s, end_s : float
        Seconds since 1970 by the clock of the file.
    run : Run
        `energy_j` is not a number where the file holds none.
    energy_j : dict of str to float
        By board.
    utc : bool
        True: the times are in UTC; False: they are local, of a zone that the file does not say.
    late : bool
        The end is when the file was written, a little after the last answer.
    """

    start_s: float
    end_s: float
    run: Run
    energy_j: dict[str, float] = field(default_factory=dict)
    utc: bool = False
    late: bool = False

    def shown(self) -> str:
        """Write its times."""
        return f"{clock(self.start_s)} to {clock(self.end_s)}"


@dataclass(frozen=True)
class PowerLog:
    """One log of power or energy: readings of boards, or windows with their energy.

    Attributes
    ----------
    path : Path
    utc : bool
        As in `Timed`.
    boundary : str
        Of the readings.
    boards : tuple of Board
    windows : tuple of Timed
    cautions : tuple of str
        What to know before trusting it, each a sentence.
    """

    path: Path
    utc: bool
    boundary: str = "gpu_board"
    boards: tuple[Board, ...] = ()
    windows: tuple[Timed, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def span_s(self) -> tuple[float, float]:
        """Times between which all boards were read, or of the first and last window."""
        if self.windows:
            return min(w.start_s for w in self.windows), max(w.end_s for w in self.windows)
        first, last = ([board.times_s[end] for board in self.boards] for end in (0, -1))
        return float(max(first)), float(min(last))

    def fault(self, message: str, line: int = 0, field: str = "") -> Fault:
        """Make a fault of the file."""
        return Fault(shown_path(self.path), line, 1 if line else 0, field, message)

    def of_boards(self, names: Sequence[str]) -> "PowerLog":
        """Keep some of the boards.

        Raises
        ------
        InputError
            Where the log has no such board.
        """
        has = {board.name for board in self.boards}.union(*(w.energy_j for w in self.windows))
        if unknown := [name for name in names if name not in has]:
            message = f"has no board {listed(unknown)}; it has {listed(sorted(has))}"
            raise InputError([self.fault(message)])
        windows = []
        for window in self.windows:
            energy = {name: window.energy_j[name] for name in names}
            run = replace(window.run, energy_j=sum(energy.values()), gpu_count=len(energy))
            windows.append(replace(window, energy_j=energy, run=run))
        boards = tuple(board for board in self.boards if board.name in names)
        return replace(self, boards=boards, windows=tuple(windows))

    def between(self, start_s: float, end_s: float) -> Timed:
        """Give what the log says of the time between two times.

        Raises
        ------
        InputError
            Where it does not say it: with every reason.
        """
        if not start_s < end_s:
            message = f"the benchmark ends ({clock(end_s)}) before it starts ({clock(start_s)})"
            raise InputError([self.fault(message)])
        if self.windows:
            return self._best(start_s, end_s)
        if faults := _unknown(self, start_s, end_s):
            raise InputError(faults)
        energy = {board.name: board.energy_j(start_s, end_s) for board in self.boards}
        models = sorted({board.model for board in self.boards if board.model})
        run = Run(
            energy_j=sum(energy.values()),
            boundary=self.boundary,
            path=self.path,
            place=f"{clock(start_s)} to {clock(end_s)}",
            window_s=end_s - start_s,
            gpu_count=float(len(energy)) if self.boundary == "gpu_board" else None,
            gpu_name=listed(models),
            cautions=(*self.cautions, *_idle(self, start_s, end_s)),
        )
        return Timed(start_s, end_s, run, energy, self.utc)

    def _best(self, start_s: float, end_s: float) -> Timed:
        """Choose the window that covers a time best."""

        def covered(window: Timed) -> float:
            return max(min(end_s, window.end_s) - max(start_s, window.start_s), 0.0)

        # Of windows that cover it alike, the shortest has the least of anything else.
        window = max(self.windows, key=lambda w: (round(covered(w), 1), w.start_s - w.end_s))
        length, lasts = end_s - start_s, window.end_s - window.start_s
        missing, longer = length - covered(window), lasts / length - 1
        problem = ""
        if missing > max(_LACKING * length, ROUNDED_S):
            problem = (
                f"no window covers the benchmark ({clock(start_s)} to {clock(end_s)}): of the "
                f"nearest ({window.shown()}), {missing:.1f} s of {length:.1f} s are missing"
            )
        elif longer > _OTHER:
            problem = (
                f"the energy is of {lasts:.0f} s ({window.shown()}), of which the benchmark took "
                f"{length:.0f} s: measure the benchmark alone"
            )
        if problem:
            raise InputError([self.fault(problem, window.run.line)])
        text = f"the energy is of a window {100 * longer:.0f} % longer than the benchmark"
        longer_too = (text,) if longer > _LONGER else ()
        run = replace(window.run, cautions=(*self.cautions, *window.run.cautions, *longer_too))
        return replace(window, run=run)


def clock(time_s: float) -> str:
    """Write a time of day as the log has it.

    Examples
    --------
    >>> clock(1789100381.98)
    '2026-09-11 04:19:41'
    """
    # A damaged time may lie beyond all years that can be written.
    return f"{datetime.fromtimestamp(min(max(time_s, 0), 2.5e11), UTC):%Y-%m-%d %H:%M:%S}"


def _unknown(log: PowerLog, start_s: float, end_s: float) -> list[Fault]:
    """Find what keeps the energy of a time from being known."""
    first, last = log.span_s
    missing = max(0.0, first - start_s) + max(0.0, end_s - last)
    if missing > 0:
        text = (
            f"covers {clock(first)} to {clock(last)}, and the benchmark runs from {clock(start_s)} "
            f"to {clock(end_s)}: {min(missing, end_s - start_s):.1f} s of "
            f"{end_s - start_s:.1f} s are missing"
        )
        return [log.fault(text)]
    faults = []
    for board in log.boards:
        around = board.around(start_s, end_s)
        times, values, lines = board.times_s[around], board.readings[around], board.lines[around]
        where = f"board {board.name}"
        steps, rises = times[1:] - times[:-1], values[1:] - values[:-1]
        if board.counts and (rises < 0).any():
            at = int((rises < 0).argmax())
            text = (
                f"the energy counter falls from {values[at]:.0f} to {values[at + 1]:.0f} J: "
                "the machine was started anew, and what was taken before is lost; "
                "use a run before or after it"
            )
            faults.append(log.fault(text, int(lines[at + 1]), where))
        elif board.counts:
            energy = board.energy_j(start_s, end_s)
            if rises[0] + rises[-1] > _UNSURE * energy and steps.max() > GAP_S:
                text = (
                    f"readings {steps.max():.0f} s apart leave {rises[0] + rises[-1]:.0f} J of "
                    f"{energy:.0f} J open at the ends of the window: read the counter more often, "
                    "or run longer"
                )
                faults.append(log.fault(text, int(lines[-1]), where))
        elif steps.max() > GAP_S:
            at = int(steps.argmax())
            text = (
                f"no reading of power for {steps[at]:.1f} s from {clock(times[at])}, within the "
                f"benchmark; at most {GAP_S:g} s are bridged: log each second"
            )
            faults.append(log.fault(text, int(lines[at + 1]), where))
    return faults


def _idle(log: PowerLog, start_s: float, end_s: float) -> list[str]:
    """Say which boards idle while others work."""
    mean, most = dict[str, float](), dict[str, float]()
    for board in log.boards:
        around = board.around(start_s, end_s)
        times, values = board.times_s[around], board.readings[around]
        power = (values[1:] - values[:-1]) / (times[1:] - times[:-1]) if board.counts else values
        mean[board.name] = board.energy_j(start_s, end_s) / (end_s - start_s)
        most[board.name] = float(power.max())
    busiest = max(mean.values())
    idle = [name for name, power in most.items() if power < _IDLE * busiest]
    others = ",".join(name for name in mean if name not in idle)
    text = (
        f"{counted(len(idle), 'board')} of {len(mean)} ({listed(idle)}) at no more than "
        f"{max((most[name] for name in idle), default=0):.0f} W counted with the rest (the "
        f"busiest: {busiest:.0f} W); if they do not serve this model, --set boards={others}"
    )
    return [text] if idle else []


@dataclass
class _Log:
    """A log while it is read: readings by board, and all that is wrong."""

    path: Path
    text: str
    faults: list[Fault] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    # Of power in W, and of counters in J, by board: time, value and line.
    readings: dict[bool, dict[str, list[tuple[float, float, int]]]] = field(
        default_factory=lambda: {False: {}, True: {}}
    )
    models: dict[str, str] = field(default_factory=dict)
    zones: set[bool] = field(default_factory=set)
    absent: dict[str, int] = field(default_factory=dict)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def fault(self, line: int, name: str, message: str, cell: str = "") -> None:
        column = self.lines[line - 1].find(cell) + 1
        self.faults.append(Fault(shown_path(self.path), line, max(column, 1), name, message))

    def add(self, board: str, when: str, cell: str, unit: str, line: int, name: str) -> None:
        """Keep a reading, in the unit of its cell or else in `unit`."""
        try:
            time_s, utc = time_of(when)
        except ValueError:
            text = "must be a date with a time, or seconds since 1970"
            self.fault(line, "time", f"{text} (got {when[:24]!r})", when)
            return
        self.zones.add(utc)
        match = _NUMBER.fullmatch(cell)
        if _ABSENT.fullmatch(cell):
            self.absent[board] = self.absent.get(board, 0) + 1
        elif not match or match[1].startswith("-"):
            self.fault(line, name, f"must be a number, 0 or more (got {cell[:12]!r})", cell)
        else:
            try:
                scale, counts = _scale(match[2] or unit)
                reading = time_s, float(match[1]) * scale, line
                self.readings[counts].setdefault(board, []).append(reading)
            except UnitError as error:
                self.fault(line, name, str(error), cell)

    def board(self, name: str, counts: bool) -> Board | None:
        """Put the readings of a board in order of time."""
        import numpy as np

        rows = self.readings[counts][name]
        times, values, lines = (np.array(part) for part in zip(*rows, strict=True))
        steps = np.diff(times)
        back = (steps < -_CLOCK_BACK[0]) & (steps > -_CLOCK_BACK[1])
        if back.any() and True not in self.zones:
            text = (
                "local time goes back an hour here (the end of daylight saving): cut the log in "
                "two, and import the part with the benchmark"
            )
            self.fault(int(lines[1:][back][0]), "time", text)
            return None
        if (steps < 0).any():
            unsorted = counted(int((steps < 0).sum()), "reading")
            self.cautions.append(f"board {name}: {unsorted} out of order, sorted by time")
        order = np.argsort(times, kind="stable")
        values, lines = values[order], lines[order]
        # Some tools write whole seconds and read more often.
        times, first, number = np.unique(times[order], return_index=True, return_counts=True)
        if (number > 1).any():
            twice = f"{int((number > 1).sum())} times with more than one reading: their mean"
            self.cautions.append(f"board {name}: {twice}")
        if len(times) < 2:
            self.fault(int(lines[0]), f"board {name}", "has one time of reading: two are needed")
            return None
        values = np.add.reduceat(values, first) / number
        return Board(name, self.models.get(name, ""), times, values, lines[first], counts)

    def finish(self, boundary: str = "gpu_board") -> PowerLog:
        """Make the log, or refuse it with all that is wrong.

        Raises
        ------
        InputError
        """
        power, counters = self.readings[False], self.readings[True]
        # A counter is exact; a board without one (older than Volta, or shared) has its power.
        counts = bool(counters) and {*power} <= {*counters}
        names = sorted(self.readings[counts], key=lambda name: (len(name), name))
        boards = [] if self.faults else [self.board(name, counts) for name in names]
        for name, number in sorted(self.absent.items()):
            left = "has cells without a number" if name in names else "has no reading: not counted"
            self.cautions.append(f"board {name} {left} ({number})")
        if len(self.zones) > 1:
            self.fault(1, "time", "some times are in UTC and some in local time: use one")
        if not names and not self.faults:
            self.fault(1, "", "has no reading of power or energy")
        refuse(self.path, self.faults)
        kept = tuple(board for board in boards if board)
        return PowerLog(self.path, self.zones == {True}, boundary, kept, (), (*self.cautions,))


def refuse(path: Path, faults: Sequence[Fault]) -> None:
    """Raise the faults of a log, if there are any; beyond the first, they are counted."""
    faults = sorted(faults)
    if len(faults) > _SHOWN:
        more = f"and {counted(len(faults) - _SHOWN, 'fault')} more"
        last = faults[_SHOWN].line
        faults = [*faults[:_SHOWN], Fault(shown_path(path), last, 1, "", more)]
    if faults:
        raise InputError(faults)


@lru_cache(maxsize=64)
def _scale(unit: str) -> tuple[float, bool]:
    """Factor to W or J, and whether it is J."""
    unit = unit.replace("w", "W").replace("j", "J")  # socket_power_w
    try:
        return factor(unit, "W"), False
    except UnitError:
        return factor(unit, "J"), True


# Readings of several boards at one time follow one another.
@lru_cache(maxsize=16)
def time_of(cell: str) -> tuple[float, bool]:
    """Read a time of day: seconds since 1970, and whether it is known in UTC.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> time_of("2026/09/11 04:19:41.5"), time_of("2026-09-11T04:19:41.5Z")
    ((1789100381.5, False), (1789100381.5, True))
    >>> time_of("1789100381500")
    (1789100381.5, True)
    """
    text = cell.strip()
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        while seconds >= _SECONDS[1] and seconds < 1e20:
            seconds /= 1e3
        if not _SECONDS[0] <= seconds < _SECONDS[1]:
            raise ValueError(cell)
        return seconds, True
    time = datetime.fromisoformat(text.replace("/", "-"))
    if time.tzinfo is not None:
        return time.timestamp(), True
    return (time - _EPOCH).total_seconds(), False


def _columns(header: Sequence[str], pattern: re.Pattern[str]) -> list[int]:
    return [i for i, name in enumerate(header) if pattern.match(name)]


def read_table(path: Path, text: str) -> PowerLog:
    """Read a CSV of readings: of nvidia-smi, of amd-smi, or of fields of DCGM.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    log, rows = _Log(path, text), list[tuple[int, list[str]]]()
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        log.fault(reader.line_num, "", f"is not CSV: {error}")
        refuse(path, log.faults)
    # Before the table there may be lines for people.
    table = dropwhile(lambda row: len(row[1]) < 2, ((n, row) for n, row in rows if any(row)))
    rows = [*table] or [(1, [""])]
    header = _header(log, *rows[0])
    power, counters = _columns(header, _POWER), _columns(header, _COUNTER)
    # `power.draw` is the usual one; beside it there may be means of other lengths.
    exact = [i for i in power if re.match(r"(?i)(power\.draw|\w+_power)( \[|$)", header[i])]
    drawn = [*(exact or power)[:1], *counters[:1]]
    if not drawn:
        log.fault(rows[0][0], "", f"has no column of power (columns: {listed(header, 8)})")
        refuse(path, log.faults)
    when, which, model = (
        next(iter(_columns(header, kind)), None) for kind in (_TIME, _BOARD, _MODEL)
    )
    units = {i: _UNIT.match(header[i]) for i in drawn}
    for line, cells in rows:
        if cells == header:
            continue  # amd-smi writes its header again and again
        if len(cells) < len(header) and line == rows[-1][0]:
            log.cautions.append("the last line is cut off and left out")
        elif len(cells) != len(header):
            message = f"has {len(cells)} cells, and the header {len(header)}: mend or remove it"
            log.fault(line, "", message)
        else:
            board = "0" if which is None else cells[which]
            for i in drawn:
                plain = "W" if i not in counters else "mJ" if header[i].startswith("DCGM") else "J"
                unit = match[1] if (match := units[i]) else plain
                log.add(board, cells[when or 0], cells[i], unit, line, header[i])
            if model is not None:
                log.models[board] = cells[model]
    if which is None:
        times_s = [time for time, _, _ in log.readings[False].get("0", ())]
        steps = sorted(abs(after - before) for before, after in pairwise(times_s)) or [1.0]
        if steps[len(steps) // 10] < _BURST * steps[-1 - len(steps) // 20]:
            message = (
                "readings come in bursts and no column says of which board: "
                "log again with --query-gpu=timestamp,index,power.draw"
            )
            log.fault(1, "", message)
    return log.finish()


def _header(log: _Log, line: int, cells: list[str]) -> list[str]:
    """Give the header, or name the columns of nvidia-smi without one by a row of it."""
    if _columns(cells, _TIME):
        return cells
    names = [f"column {i}" for i in range(1, len(cells) + 1)]
    names[0] = "timestamp"
    power = [i for i, cell in enumerate(cells) if re.fullmatch(r"[\d.]+ W", cell)]
    if len(power) == 1:
        names[power[0]] = "power.draw"
    else:
        kind = "more than one column has" if power else "no column has"
        message = (
            f"there is no header, and {kind} a power in W: write the header as the first line "
            "(timestamp, index, power.draw [W], ...), or log again without noheader and nounits"
        )
        log.fault(line, "", message)
        refuse(log.path, log.faults)
    if re.fullmatch(r"\d{1,2}", cells[1]):
        names[1] = "index"
    return names


def read_prometheus(path: Path, text: str) -> PowerLog:
    """Read scrapes of the DCGM exporter, each sample with its time.

    Raises
    ------
    InputError
    """
    log, untimed = _Log(path, text), 0
    hosts = {*re.findall(r'[Hh]ostname="([^"]*)"', text)}
    for number, row in enumerate(log.lines, 1):
        match = _SAMPLE.match(row)
        if not match:
            continue
        labels = {key.lower(): value for key, value in _LABEL.findall(match[2])}
        board = labels.get("gpu") or labels.get("uuid", "0")
        if len(hosts) > 1:
            board = f"{labels.get('hostname', '')}/{board}"
        log.models[board] = labels.get("modelname", "")
        unit = "W" if match[1] == "POWER_USAGE" else "mJ"
        value, *when = match[3].split() or [""]
        if when:
            log.add(board, when[0], value, unit, number, f"DCGM_FI_DEV_{match[1]}")
        else:
            untimed = untimed or number
    if untimed:
        message = (
            "has no time after its value: save each scrape with one, as in "
            """curl -s HOST:9400/metrics | sed "/^DCGM/s/$/ $(date +%s%3N)/" >> dcgm.txt"""
        )
        log.fault(untimed, "", message)
    return log.finish()


def read_spl(path: Path, text: str) -> PowerLog:
    """Read a log of MLPerf power: a meter at the wall, of the whole system.

    Raises
    ------
    InputError
    """
    log = _Log(path, text)
    for number, row in enumerate(log.lines, 1):
        match = re.match(r"Time,(\d\d)-(\d\d)-(\d{4}) ([\d:.]+),Watts,([^,]*)", row)
        if match:
            day, month, year, time, watts = match.groups()
            log.add("meter", f"{year}-{month}-{day} {time}", watts, "W", number, "Watts")
        elif row.strip():
            log.fault(number, "", "must be Time,DD-MM-YYYY hh:mm:ss.sss,Watts,...")
    return log.finish("node")


def _of_windows(path: Path, utc: bool, windows: list[Timed], faults: list[Fault]) -> PowerLog:
    if not windows:
        faults.append(Fault(shown_path(path), 1, 1, "", "has no row below its header"))
    refuse(path, faults)
    return PowerLog(path, utc, windows=tuple(windows))


def read_zeus(path: Path, text: str) -> PowerLog:
    """Read the log of a ZeusMonitor: windows with J of each GPU.

    Raises
    ------
    InputError
    """
    windows, faults = [], list[Fault]()
    for record in csv_records(path, text):
        boards = [name for name in record.values if re.fullmatch(r"gpu\d+_energy", name)]
        start, length, *joules = (
            record.number(name, needed=True) or 0.0
            for name in ("start_time", "elapsed_time", *boards)
        )
        if not record.faults and not (length and boards):
            record.fault("elapsed_time", "is 0, or there is no column of energy, gpu0_energy")
        faults += record.faults
        energy = {name[3:-7]: value for name, value in zip(boards, joules, strict=True)}
        run = Run(
            energy_j=sum(joules),
            boundary="gpu_board",
            path=path,
            place=f"window {str(record.values.get('window_name'))[:40]}",
            line=record.place_of("start_time")[0],
            column=1,
            window_s=length,
            gpu_count=len(energy),
            cautions=tuple(
                f"GPU {name} took 0 J: a shorter window than the step of its counter"
                for name, value in energy.items()
                if value == 0
            ),
        )
        windows.append(Timed(start, start + length, run, energy, True))
    return _of_windows(path, True, windows, faults)


def read_codecarbon(path: Path, text: str) -> PowerLog:
    """Read emissions.csv of CodeCarbon: kWh of the boards, or of CPU, GPU and RAM together.

    CodeCarbon has multiplied the energies by the PUE that it was given; that is taken out.

    Raises
    ------
    InputError
    """
    rows, faults = dict[tuple[object, object], Timed](), list[Fault]()
    for record in csv_records(path, text):
        gpu, *others = (
            record.number(f"{name}_energy", scale=JOULES["kWh"]) or 0.0
            for name in ("gpu", "cpu", "ram")
        )
        total = record.number("energy_consumed", needed=True, scale=JOULES["kWh"]) or 0.0
        duration = record.number("duration", needed=True) or 0.0
        gpus, pue = record.number("gpu_count"), record.number("pue")
        end, when = 0.0, record.text("timestamp")
        try:
            end = time_of(when)[0] if when else 0.0
        except ValueError:
            record.fault("timestamp", "must be a date with a time")
        if pue is not None and pue < 1:
            record.fault("pue", f"must be 1 or more (got {pue:g})")
        if not record.faults and abs(gpu + sum(others) - total) > 0.01 * total:
            message = "is not the sum of cpu_energy, gpu_energy and ram_energy: a shifted row?"
            record.fault("energy_consumed", message)
        faults += record.faults
        cautions = [] if pue else ["its energies may hold a PUE, which the file does not say"]
        if not gpu:
            cautions.append(
                "no energy of a GPU: taken is that of CPU, GPU and RAM, of which CodeCarbon models "
                "the RAM and often the CPU; fans and losses are not in it"
            )
        energy, line = (gpu or total) / (pue or 1.0), record.place_of("duration")[0]
        run = Run(
            energy_j=energy,
            boundary="gpu_board" if gpu else "node",
            path=path,
            place=record.text("task_name") or f"line {line}",
            line=line,
            column=1,
            window_s=duration,
            gpu_count=gpus or None,
            gpu_name=re.sub(r"^\d+ x ", "", record.text("gpu_model")),
            cautions=tuple(cautions),
        )
        # A tracker that is flushed writes its run again, from the start.
        key = record.values.get("run_id"), record.values.get("task_name")
        rows[key] = Timed(end - duration, end, run, {"all": energy})
    return _of_windows(path, False, [*rows.values()], faults)


@dataclass(frozen=True)
class PowerFormat:
    """One format of logs without tokens.

    Attributes
    ----------
    title : str
        What it is, for people.
    looks_like : callable
        Says of a text whether it is of this format, by its content.
    read : callable
        Gives the log of a file.
    """

    title: str
    looks_like: Callable[[str], bool]
    read: Callable[[Path, str], PowerLog]


def _begins(pattern: str) -> Callable[[str], bool]:
    """Make a check of the first lines of a text."""
    return lambda text: re.search(pattern, text[:20_000], re.IGNORECASE | re.MULTILINE) is not None


_NVIDIA = r"^\s*\"?timestamp\"?,.*power\.draw|\A\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3}, "
_DCGM = r"^.*\btime.*,DCGM_FI_DEV_(POWER_USAGE|TOTAL_ENERGY_CONSUMPTION)"
POWER_FORMATS = {
    name: PowerFormat(title, _begins(pattern), read)
    for name, title, pattern, read in (
        ("zeus", "ZeusMonitor log", r"\Astart_time,window_name,elapsed_time,gpu", read_zeus),
        ("codecarbon", "CodeCarbon emissions.csv", r"\A.*\benergy_consumed\b", read_codecarbon),
        ("dcgm", "DCGM exporter samples", r"^DCGM_FI_DEV_\w+\{", read_prometheus),
        ("mlperf-power", "MLPerf power spl.txt", r"\ATime,.*,Watts,", read_spl),
        ("nvidia-smi", "nvidia-smi CSV", _NVIDIA, read_table),
        ("amd-smi", "amd-smi CSV", r"^timestamp,.*socket_power", read_table),
        ("dcgm-csv", "CSV of DCGM fields", _DCGM, read_table),
    )
}
"""Logs without tokens by their names."""
