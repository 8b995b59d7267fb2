"""Logs of power and energy: exact where the answer is known, refused where it cannot be."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncertainty.errors import InputError
from uncertainty.files.logs.power import (
    POWER_FORMATS,
    Board,
    read_codecarbon,
    read_prometheus,
    read_spl,
    read_table,
    read_zeus,
    time_of,
)
from uncertainty.files.logs.runs import JOULES

DATA = Path(__file__).parent / "data"
START = 1789120800.0  # 2026-09-11 10:00:00
NVIDIA = "timestamp, index, power.draw [W]\n"


def log_of(name):
    text = (DATA / name).read_text()
    (kind,) = [form for form in POWER_FORMATS.values() if form.looks_like(text)]
    return kind.read(DATA / name, text)


def smi(*rows, header=NVIDIA):
    """A log of nvidia-smi: second, board and cell of each row."""
    lines = [
        f"2026/09/11 10:{s // 60:02.0f}:{s % 60:06.3f}, {board}, {cell}" for s, board, cell in rows
    ]
    return read_table(Path("smi.csv"), header + "\n".join(lines) + "\n")


def messages(call):
    with pytest.raises(InputError) as error:
        call()
    return [str(fault) for fault in error.value.faults]


times = st.floats(0, 100, allow_nan=False)


@settings(deadline=None)
@given(st.floats(0, 500), st.floats(0, 20), times, times)
def test_a_ramp_has_its_exact_energy(low, slope, a, b):
    start, end = sorted((a, b))
    at = START + np.linspace(0, 100, 41)
    ramp = Board("0", "", at, low + slope * (at - START), np.arange(41), counts=False)
    exact = low * (end - start) + slope * (end**2 - start**2) / 2
    # A power near its trapezoid's end is known to seven digits of its time since 1970.
    assert ramp.energy_j(START + start, START + end) == pytest.approx(exact, rel=1e-6, abs=1e-2)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=12, max_size=12), times, times, times, st.booleans())
def test_parts_of_a_window_add_up_to_the_whole(readings, a, b, c, counts):
    start, middle, end = sorted((a, b, c))
    at = START + np.linspace(0, 100, 12)
    values = np.cumsum(readings) if counts else np.array(readings)
    board = Board("0", "", at, values, np.arange(12), counts)
    parts = board.energy_j(START + start, START + middle) + board.energy_j(
        START + middle, START + end
    )
    assert parts == pytest.approx(board.energy_j(START + start, START + end), rel=1e-9, abs=1e-3)


def test_a_counter_and_its_power_agree():
    seconds = range(0, 60, 2)
    mw = "timestamp,gpu,power.draw [mW]\n" + "".join(f"{START + s},0,{250e3}\n" for s in seconds)
    kwh = "timestamp,gpu,total_energy_consumption (kWh)\n" + "".join(
        f"{START + s},0,{5 + 250 * s / JOULES['kWh']:.12f}\n" for s in seconds
    )
    for text in (mw, kwh):
        log = read_table(Path("x"), text)
        assert log.utc
        energy = log.between(START + 5, START + 47).run.energy_j
        assert energy == pytest.approx(250 * 42, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "utc", "boundary", "energy_j", "boards"),
    [
        ("nvidia_smi.csv", False, "gpu_board", 900 * 10, 2),
        ("dcgm.txt", True, "gpu_board", 900 * 10, 2),
        ("dcgm.csv", True, "gpu_board", 900 * 10, 2),
        ("amd_smi.csv", True, "gpu_board", 1410 * 10, 2),
        ("spl.txt", False, "node", 10 * 1150, None),
    ],
)
def test_each_format_is_read_in_its_units_and_boundary(name, utc, boundary, energy_j, boards):
    log = log_of(name)
    window = log.between(START + 10, START + 20)
    assert window.run.energy_j == pytest.approx(energy_j, rel=1e-9)
    assert (window.run.boundary, window.run.gpu_count) == (boundary, boards)
    assert (log.utc, window.run.window_s) == (utc, 10)
    assert "SECRET" not in repr(log)


def test_names_of_gpus_are_kept():
    for name in ("nvidia_smi.csv", "dcgm.txt"):
        assert log_of(name).between(START + 10, START + 20).run.gpu_name == "NVIDIA H100 80GB HBM3"


def test_windows_of_zeus_are_joules_of_each_board():
    log = log_of("zeus.csv")  # written by Zeus 0.11 on counters of 402 and 75.5 W
    load, decode = (window.run for window in log.windows)
    assert (load.place, decode.place) == ("window load", "window decode")
    assert decode.energy_j / decode.window_s == pytest.approx(477.5, rel=1e-3)
    assert (decode.gpu_count, decode.boundary, log.utc) == (2, "gpu_board", True)
    first = log.of_boards(["0"]).windows[1].run
    assert first.energy_j / first.window_s == pytest.approx(402, rel=1e-3)
    assert first.gpu_count == 1


def test_codecarbon_takes_its_pue_out():
    (window,) = log_of("codecarbon_gpu.csv").windows
    run = window.run
    assert run.energy_j == pytest.approx(5e-3 * JOULES["kWh"])
    assert (run.boundary, run.gpu_count) == ("gpu_board", 2)
    assert (run.gpu_name, run.cautions) == ("NVIDIA H100 80GB HBM3", ())
    assert (window.start_s, window.end_s) == (START + 5, START + 25)


def test_codecarbon_without_a_gpu_is_the_machine():
    log = log_of("codecarbon_cpu.csv")  # written by CodeCarbon 3.3 with pue=1.2
    first, second = (window.run for window in log.windows)
    assert first.energy_j == pytest.approx(6.532591236592092e-05 * JOULES["kWh"] / 1.2)
    assert first.boundary == second.boundary == "node"
    assert "models the RAM" in first.cautions[0]
    assert "SECRET" not in repr(log)


def test_rows_of_codecarbon_that_shifted_are_refused():
    text = (DATA / "codecarbon_gpu.csv").read_text()
    header, row = text.splitlines()
    short = ",".join(row.split(",")[:-3])
    cells = row.split(",")
    moved = ",".join([*cells[:10], "9.0", *cells[11:]])
    stamp = row.replace("2026-09-11T10", "11 Sept 10").replace(",1.2,", ",0.5,")
    assert messages(lambda: read_codecarbon(Path("e.csv"), "\n".join([header, short, row]))) == [
        "e.csv:2:1: has 35 cells, and the header 38: mend or remove the row"
    ]
    bad = messages(lambda: read_codecarbon(Path("e.csv"), "\n".join([header, moved, stamp])))
    assert "cpu_energy, gpu_energy and ram_energy: a shifted row?" in bad[0]
    assert [line.partition(" ")[2] for line in bad[1:]] == [
        "timestamp: must be a date with a time",
        "pue: must be 1 or more (got 0.5)",
    ]


def test_a_run_that_codecarbon_wrote_twice_counts_once():
    header, row = (DATA / "codecarbon_gpu.csv").read_text().splitlines()
    log = read_codecarbon(Path("e.csv"), "\n".join([header, row.replace(",20.0,", ",10.0,"), row]))
    assert [window.run.window_s for window in log.windows] == [20]


def test_a_gap_is_refused_where_it_matters():
    log = smi(*((s, 0, "300 W") for s in [*range(10), *range(14, 60)]))
    assert messages(lambda: log.between(START + 5, START + 30)) == [
        "smi.csv:12:1: board 0: no reading of power for 5.0 s from 2026-09-11 10:00:09, within the "
        "benchmark; at most 3 s are bridged: log each second"
    ]
    assert log.between(START + 20, START + 30).run.energy_j == pytest.approx(3000)


def test_a_window_must_lie_inside_the_log():
    log = smi(*((s, 0, "300 W") for s in range(60)))
    (message,) = messages(lambda: log.between(START - 13, START + 30))
    assert message == (
        "smi.csv: covers 2026-09-11 10:00:00 to 2026-09-11 10:00:59, and the benchmark runs from "
        "2026-09-11 09:59:47 to 2026-09-11 10:00:30: 13.0 s of 43.0 s are missing"
    )
    assert "20.0 s of 20.0 s" in messages(lambda: log.between(START + 90, START + 110))[0]


def test_a_counter_that_starts_anew_is_refused_where_it_matters():
    rows = [f"{START + s:.0f},0,{(5000 if s < 20 else 0) + 100 * s} J" for s in range(60)]
    log = read_table(Path("e.csv"), "time,gpu,total_energy_consumption\n" + "\n".join(rows))
    assert messages(lambda: log.between(START + 5, START + 30)) == [
        "e.csv:22:1: board 0: the energy counter falls from 6900 to 2000 J: the machine was started "
        "anew, and what was taken before is lost; use a run before or after it"
    ]
    assert log.between(START + 21, START + 51).run.energy_j == pytest.approx(3000)


def test_a_counter_may_be_read_seldom_but_not_too_seldom():
    rows = "".join(f"{START + s:.0f},0,{100 * s}\n" for s in range(0, 1200, 15))
    log = read_table(Path("e.csv"), "time,gpu,total_energy_consumption [J]\n" + rows)
    assert log.between(START + 20, START + 1000).run.energy_j == pytest.approx(98000)
    (message,) = messages(lambda: log.between(START + 20, START + 80))
    assert "readings 15 s apart leave 3000 J of 6000 J open at the ends" in message


def test_boards_that_idle_are_named_and_can_be_left_out():
    rows = [(s, b, f"{w} W") for s in range(40) for b, w in ((0, 600), (1, 590), (2, 72), (3, 70))]
    run = smi(*rows).between(START + 5, START + 35).run
    assert run.gpu_count == 4
    assert run.cautions == (
        "2 boards of 4 (2, 3) at no more than 72 W counted with the rest (the busiest: 600 W); "
        "if they do not serve this model, --set boards=0,1",
    )
    kept = smi(*rows).of_boards(["0", "1"]).between(START + 5, START + 35).run
    assert (kept.gpu_count, kept.cautions) == (2, ())
    assert kept.energy_j == pytest.approx(30 * 1190)
    assert messages(lambda: smi(*rows).of_boards(["0", "7"])) == [
        "smi.csv: has no board 7; it has 0, 1, 2, 3"
    ]


def test_readings_out_of_order_and_twice_are_put_right():
    rows = [(s, 0, "300 W") for s in range(20)]
    rows[4], rows[5] = rows[5], rows[4]
    log = smi(*rows, (19, 0, "100 W"))
    assert log.cautions == (
        "board 0: 1 reading out of order, sorted by time",
        "board 0: 1 times with more than one reading: their mean",
    )
    assert log.between(START + 2, START + 10).run.energy_j == pytest.approx(2400)
    assert log.boards[0].readings[-1] == 200


def test_the_end_of_daylight_saving_is_a_fault():
    rows = [(3600 + s, 0, "300 W") for s in range(20)] + [(s + 20, 0, "300 W") for s in range(20)]
    lines = [
        f"2026/10/25 {2 + s // 3600:02.0f}:{s % 3600 // 60:02.0f}:{s % 60:02.0f}, 0, {w}"
        for s, _, w in rows
    ]
    (message,) = messages(lambda: read_table(Path("smi.csv"), NVIDIA + "\n".join(lines)))
    assert message.startswith("smi.csv:22:1: time: local time goes back an hour here")


def test_cells_without_a_number_leave_gaps_or_boards_out():
    rows = [
        (s, b, "[N/A]" if b == 1 or s in (5, 6, 7) else "300 W") for s in range(20) for b in (0, 1)
    ]
    log = smi(*rows)
    assert [board.name for board in log.boards] == ["0"]
    assert log.cautions == (
        "board 0 has cells without a number (3)",
        "board 1 has no reading: not counted (20)",
    )
    assert (
        "no reading of power for 4.0 s" in messages(lambda: log.between(START + 1, START + 18))[0]
    )


def test_a_log_without_a_header_is_read_by_its_units():
    text = "".join(
        f"2026/09/11 10:00:{s:02d}.000, {b}, 300.00 W, 41, 1980 MHz\n"
        for s in range(20)
        for b in (0, 1)
    )
    assert POWER_FORMATS["nvidia-smi"].looks_like(text)
    assert read_table(Path("x"), text).between(START, START + 10).run.energy_j == 6000
    for change, kind in ((" W", "no column has"), (" MHz", "more than one column has")):
        other = text.replace(change, "" if kind[:2] == "no" else " W")
        (message,) = messages(lambda other=other: read_table(Path("x"), other))
        assert f"{kind} a power in W: write the header as the first line" in message


def test_boards_that_no_column_tells_apart_are_refused():
    one = "timestamp, power.draw [W]\n" + "".join(
        f"2026/09/11 10:00:{s:02d}.{7 * s % 40:03d}, 300.00 W\n" for s in range(30)
    )
    assert read_table(Path("x"), one).between(START + 1, START + 11).run.energy_j == pytest.approx(
        3000
    )
    for boards in (2, 8):
        text = "timestamp, power.draw [W]\n" + "".join(
            f"2026/09/11 10:00:{s:02d}.{3 * b:03d}, 300.00 W\n"
            for s in range(30)
            for b in range(boards)
        )
        (message,) = messages(lambda text=text: read_table(Path("x"), text))
        assert "readings come in bursts and no column says of which board" in message


def test_limits_are_not_power_and_the_usual_draw_is_taken():
    header = (
        "timestamp, index, power.limit [W], module.power.draw.instant [W], power.draw.average [W], "
        "power.draw [W], enforced.power.limit [W], power.max_limit [W]\n"
    )
    text = header + "".join(
        f"2026/09/11 10:00:{s:02d}.000, 0, 700.00, 900, 290, 300, 700, 700\n" for s in range(20)
    )
    assert read_table(Path("x"), text).between(START, START + 10).run.energy_j == 3000


def test_units_in_the_name_of_a_column():
    for header, cell in (("socket_power_w", 300), ("power.draw [mW]", 3e5), ("power (kW)", 0.3)):
        rows = "".join(f"{START + s},0,{cell}\n" for s in range(20))
        log = read_table(Path("x"), f"timestamp,gpu,{header}\n{rows}")
        assert log.between(START, START + 10).run.energy_j == pytest.approx(3000)


def test_every_damaged_cell_is_a_fault_at_its_place():
    text = (
        "timestamp, index, power.draw [W]\n"
        "2026/09/11 10:00:00.000, 0, 300.00 W\n"
        "yesterday, 0, 300.00 W\n"
        "2026/09/11 10:00:02.000, 0, -5 W\n"
        "2026/09/11 10:00:03.000, 0\n"
        "2026/09/11 10:00:04.000, 0, SECRET-KEY-0123456789\n"
        "2026/09/11 10:00:05.000, 0, 300 MHz\n"
    )
    assert messages(lambda: read_table(Path("smi.csv"), text)) == [
        "smi.csv:3:1: time: must be a date with a time, or seconds since 1970 (got 'yesterday')",
        "smi.csv:4:29: power.draw [W]: must be a number, 0 or more (got '-5 W')",
        "smi.csv:5:1: has 2 cells, and the header 3: mend or remove it",
        "smi.csv:6:29: power.draw [W]: must be a number, 0 or more (got 'SECRET-KEY-0')",
        "smi.csv:7:29: power.draw [W]: unit 'MHz' does not convert to 'J'",
    ]


def test_many_faults_are_counted():
    text = NVIDIA + "x, 0, 300 W\n" * 500
    found = messages(lambda: read_table(Path("x"), text))
    assert len(found) == 21
    assert found[-1].endswith("and 480 faults more")


def test_a_log_that_was_cut_off_loses_its_last_line_only():
    assert log_of("amd_smi.csv").cautions == ("the last line is cut off and left out",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("time,gpu,temperature\n1789120800,0,40\n", "has no column of power (columns: time, gpu"),
        (NVIDIA, "has no reading of power or energy"),
        (NVIDIA + "2026/09/11 10:00:00, 0, 5 W\n", "has one time of reading: two are needed"),
        (NVIDIA + "2026/09/11 10:00:00, 0, 5 W\n1789120801, 0, 5 W\n", "some in local time"),
        (NVIDIA + "12.5, 0, 5 W\n", "seconds since 1970 (got '12.5')"),
    ],
)
def test_what_is_not_a_log_is_refused_in_a_sentence(text, sentence):
    assert any(sentence in line for line in messages(lambda: read_table(Path("x"), text)))


def test_scrapes_without_times_say_how_to_save_them():
    text = 'DCGM_FI_DEV_POWER_USAGE{gpu="0"} 300\n' * 3
    (message,) = messages(lambda: read_prometheus(Path("dcgm.txt"), text))
    assert message.startswith("dcgm.txt:1:1: has no time after its value")


def test_two_hosts_have_boards_of_the_same_number():
    rows = [
        f'DCGM_FI_DEV_POWER_USAGE{{gpu="0",Hostname="{h}"}} {w} {START + s:.0f}000'
        for s in range(20)
        for h, w in (("a", 300), ("b", 400))
    ]
    log = read_prometheus(Path("dcgm.txt"), "\n".join(rows))
    assert [board.name for board in log.boards] == ["a/0", "b/0"]
    assert log.between(START + 2, START + 12).run.energy_j == pytest.approx(7000)


def test_a_board_without_a_counter_is_known_by_its_power():
    rows = []
    for s in range(20):
        rows += [f'DCGM_FI_DEV_POWER_USAGE{{gpu="{b}"}} 300 {START + s:.0f}000' for b in (0, 1)]
        rows += [f'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{gpu="0"}} {300000 * s} {START + s:.0f}000']
    log = read_prometheus(Path("dcgm.txt"), "\n".join(rows))
    assert log.between(START + 2, START + 12).run.energy_j == pytest.approx(6000)


def test_lines_of_a_meter_that_are_damaged():
    text = "Time,2026-09-11 10:00:00,Watts,5\nTime,31-02-2026 10:00:00,Watts,5\n"
    first, second = messages(lambda: read_spl(Path("spl.txt"), text))
    assert first == "spl.txt:1:1: must be Time,DD-MM-YYYY hh:mm:ss.sss,Watts,..."
    assert second.startswith("spl.txt:2:1: time: must be a date with a time")


def test_damaged_windows_of_zeus():
    header = "start_time,window_name,elapsed_time,gpu0_energy\n"
    assert messages(lambda: read_zeus(Path("z.csv"), header + "1789120800,a,0,5\nx,b,1,-2\n")) == [
        "z.csv:2:14: elapsed_time: is 0, or there is no column of energy, gpu0_energy",
        "z.csv:3:1: start_time: must be a number (got 'x')",
        "z.csv:3:7: gpu0_energy: must be a finite number, 0 or more (got -2)",
    ]
    none = read_zeus(Path("z.csv"), header + "1789120800,a,0.01,0\n").windows[0].run.cautions
    assert none == ("GPU 0 took 0 J: a shorter window than the step of its counter",)


@pytest.mark.parametrize(
    "cell",
    [
        *("2026/09/11 10:00:00.5", "2026-09-11T10:00:00.5", "2026-09-11 12:00:00.5+02:00"),
        *("1789120800.5", "1789120800500", "1789120800500000", "1789120800500000000"),
    ],
)
def test_times_of_all_tools(cell):
    assert time_of(cell) == (START + 0.5, "1789" in cell or "+" in cell)


def damaged(text, random, count):
    """The text with some of its parts replaced by what breaks readers."""
    bad = ["", "x", ",", "\n", '"', "-", "1e999", "NaN", "[N/A]", "{", "]", "٥", "9" * 400, " kWh"]
    for _ in range(count):
        at = random.randrange(len(text))
        text = text[:at] + random.choice(bad) + text[at + random.randrange(30) :]
    return text + "x"


@settings(deadline=None)
@given(
    st.randoms(use_true_random=False), st.integers(1, 4), st.sampled_from(sorted(DATA.iterdir()))
)
def test_a_damaged_file_is_read_or_refused_in_sentences(random, count, path):
    text = damaged(path.read_text(), random, count)
    kinds = [form for form in POWER_FORMATS.values() if form.looks_like(text)]
    for read in [form.read for form in kinds] or [read_table, read_zeus]:
        try:
            log = read(Path("x"), text)
            log.between(START + random.uniform(-5, 20), START + random.uniform(5, 40))
        except InputError as error:
            sentences = [fault.message for fault in error.faults]
        else:
            sentences = ["read"]
        assert all(sentences)
        assert sentences
