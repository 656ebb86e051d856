"""How fast the lab simulates beside bare SimPy, and how much memory a message takes.

    python benchmarks/simulation_speed.py [--quick]

CPU time of one run of each in turn, repeated; ratios are those within a repetition. The lab records
every column of its trace, bare SimPy only latencies. "time : small" is the lab's time per message
over that for 10^4 messages at the same rate. Takes about eight minutes, one with --quick.
"""

import argparse
import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from figures import new_console, ratios, shown
from pipelines import PIPELINES, SATURATED, Case
from rich.table import Table

SMALL, TRACED = 10_000, 100_000
RATE = 10_000  # messages a second, where it is not the rate that is varied
WHAT = ("pipeline", "messages", "per second", "in flight")
SPEED = "Simulated messages per CPU second: medians, and in brackets ranges"
STATUS = Path("/proc/self/status")


class Times(NamedTuple):
    """CPU seconds per message of every repetition of one case."""

    bare: list[float]
    lab: list[float]


def cases(large: int) -> list[Case]:
    """Return what is timed: both pipelines at several rates, long runs, many in flight."""
    rates = (1_000, RATE, 0.9 * SATURATED, 0.99 * SATURATED)
    plain = [Case(p, SMALL, rate) for p in PIPELINES for rate in rates]
    longer = [Case(p, large, RATE) for p in PIPELINES]
    in_flight = [Case(p, 100_000, RATE, delay=1.0) for p in PIPELINES]
    return plain + longer + in_flight


def cpu_time(run: Callable[[Any], Any], argument: Any) -> float:
    gc.collect()
    begun = time.process_time()
    run(argument)
    return time.process_time() - begun


def measure(plan: list[Case], repetitions: int, say: Callable[[str], None]) -> list[Times]:
    """Run every case by turns, bare and lab one after the other, `repetitions` times."""
    found = [Times([], []) for _ in plan]
    for repetition in range(repetitions):
        for case, times in zip(plan, found, strict=True):
            what = f"{case.pipeline.name}, {case.messages:,} messages"
            say(f"repetition {repetition + 1} of {repetitions}: {what}")
            scenario = case.scenario()
            created = scenario.workload.draw().created
            times.bare.append(cpu_time(case.run_bare, created) / len(created))
            times.lab.append(cpu_time(case.run_lab, scenario) / len(created))
    return found


def describe(case: Case) -> tuple[str, str, str, str]:
    """Return the cells that say what is simulated."""
    in_flight = f"{case.rate * case.delay:,.0f}"
    return case.pipeline.name, f"{case.messages:,}", f"{case.rate:,.0f}", in_flight


def speed_table(plan: list[Case], found: list[Times]) -> Table:
    table = Table(*WHAT, "bare/s", "lab/s", "lab : bare", "time : small", title=SPEED)
    small = {
        case.pipeline.name: times.lab
        for case, times in zip(plan, found, strict=True)
        if case.messages == SMALL and case.rate == RATE
    }
    for case, times in zip(plan, found, strict=True):
        longer = case.messages > SMALL
        table.add_row(
            *describe(case),
            *(f"{1 / statistics.median(t):,.0f}" for t in times),
            shown(ratios(times.bare, times.lab)),
            shown(ratios(times.lab, small[case.pipeline.name])) if longer else "",
        )
    return table


def traced_bytes(case: Case) -> float:
    """Return the peak of Python's and NumPy's memory in a run, in bytes per message."""
    scenario = case.scenario()
    case.run_lab(case._replace(messages=100).scenario())  # what stays in caches is not counted
    tracemalloc.start()
    trace = case.run_lab(scenario)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / len(trace)


def resident_growth(pipeline: int, count: int) -> float:
    """Return by how much this process grows at most in a run, in bytes per message."""
    case = Case(PIPELINES[pipeline], count, RATE)
    case.run_lab(case._replace(messages=100).scenario())
    before = status_bytes("VmRSS")
    trace = case.run_lab(case.scenario())
    return (status_bytes("VmHWM") - before) / len(trace)


def status_bytes(name: str) -> int:
    line = next(text for text in STATUS.read_text().splitlines() if text.startswith(name))
    return int(line.split()[1]) * 1024


def memory_table(large: int, say: Callable[[str], None]) -> Table:
    table = Table(*WHAT, "measured as", "bytes a message", title="Memory at the peak")
    for index, pipeline in enumerate(PIPELINES):
        say(f"memory: {pipeline.name}")
        for delay in (20e-6, 1.0):
            case = Case(pipeline, TRACED, RATE, delay)
            table.add_row(*describe(case), "tracemalloc", f"{traced_bytes(case):.0f}")
        if STATUS.exists():
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                grown = fresh.submit(resident_growth, index, large).result()
            case = Case(pipeline, large, RATE)
            table.add_row(*describe(case), "process growth", f"{grown:.0f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10^5 messages for 10^6, fewer runs")
    parser.add_argument("--repetitions", type=int, metavar="N", help="7, or 3 with --quick")
    options = parser.parse_args()
    large = 100_000 if options.quick else 1_000_000
    repetitions = options.repetitions or (3 if options.quick else 7)
    console = new_console()
    plan = cases(large)
    with console.status("starting") as status:
        found = measure(plan, repetitions, status.update)
        memory = memory_table(large, status.update)
    console.print(speed_table(plan, found), memory)


if __name__ == "__main__":
    main()
