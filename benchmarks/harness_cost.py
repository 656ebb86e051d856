"""What the lab's harness costs per message beside a bare loop on the same library.

    python benchmarks/harness_cost.py [--quick]

Bare loops (see `floors`) and lab take turns; ratios are those within a repetition. Wall time is per
message, after connecting; CPU is process time, summed over the sides named. Two things to know:

* The lab's source publishes to the broker over a WebSocket. No bare echo, flood or GET has that hop,
  and nothing is subtracted for it: "all" sides includes it, "target" has no part in it, and the
  relays are bare loops that have it. Wall time is that of the drain, after publishing, except in
  floods, where it cannot be told apart.
* The floors include the JSON that the lab cannot do without.

Takes about two minutes.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import NamedTuple

from bursts import burst, drain_seconds_per_message, seconds_per_message
from figures import ratios, shown
from floors import Cost, Floors
from meter import Load
from rich.console import Console
from rich.table import Table

from lab import HttpIngest, LongPoll, Trace, WebSocketPush
from lab.engines.loopback import Session
from lab.strategies import Strategy


class Pair(NamedTuple):
    """A floor and the strategy that does the same; `wall` is how to read the time off a trace."""

    floor: str
    strategy: Strategy
    count: int
    wall: Callable[[Trace], float] = drain_seconds_per_message


PAIRS = (
    Pair("echo", WebSocketPush(acks=True, credits=1), 2_000),
    Pair("relay with acks", WebSocketPush(acks=True, credits=1), 2_000),
    Pair("flood", WebSocketPush(), 10_000, seconds_per_message),
    Pair("relay", WebSocketPush(), 10_000, seconds_per_message),
    Pair("POST", HttpIngest(), 1_500),
    Pair("GET", LongPoll(max_records=1), 1_500),
)


class Costs(NamedTuple):
    """What every repetition cost on the floor and in the lab."""

    floor: list[Cost]
    lab: list[Cost]


def measure(repetitions: int, say: Callable[[str], None]) -> list[Costs]:
    """Run every pair by turns, after one repetition that does not count."""
    found = [Costs([], []) for _ in PAIRS]
    with Floors() as floors, Session() as session:
        for repetition in range(repetitions + 1):
            for pair, costs in zip(PAIRS, found, strict=True):
                say(f"repetition {repetition}/{repetitions}: {pair.floor}")
                costs.floor.append(floors.run(pair.floor, Load(pair.count)))
                costs.lab.append(lab_cost(session, pair))
    return [Costs(costs.floor[1:], costs.lab[1:]) for costs in found]


def lab_cost(session: Session, pair: Pair) -> Cost:
    trace = session.measure(burst(pair.strategy, pair.count), pair.strategy)
    cpu = {side: used / len(trace) for side, used in trace.counters.cpu_seconds.items()}
    return Cost(pair.wall(trace), cpu)


MEASURES: dict[str, Callable[[Cost], float]] = {
    "wall": lambda cost: cost.wall,
    "CPU, all": lambda cost: sum(cost.cpu.values()),
    "CPU, broker and target": lambda cost: cost.cpu.get("broker", 0.0) + cost.cpu["target"],
    "CPU, target": lambda cost: cost.cpu["target"],
    "CPU, source": lambda cost: cost.cpu.get("source", 0.0),
}


def table(found: list[Costs]) -> Table:
    result = Table("floor", "lab", "µs a message", "floor", "lab", "lab : floor")
    for pair, (floor, lab) in zip(PAIRS, found, strict=True):
        names = (pair.floor, pair.strategy.label)
        for measure, read in MEASURES.items():
            bare, ours = [read(cost) for cost in floor], [read(cost) for cost in lab]
            if not all(bare) or (measure.endswith("broker and target") and "POST" in names):
                continue
            medians = (f"{statistics.median(values) * 1e6:.1f}" for values in (bare, ours))
            result.add_row(*names, measure, *medians, shown(ratios(ours, bare)))
            names = ("", "")
        result.add_section()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three repetitions")
    options = parser.parse_args()
    repetitions = 3 if options.quick else 9
    console = Console()
    with console.status("starting") as status:
        found = measure(repetitions, status.update)
    console.print(table(found))


if __name__ == "__main__":
    main()
