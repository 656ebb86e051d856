"""What the lab's harness costs per message beside a bare loop on the same library.

    python benchmarks/harness_cost.py [--quick]

Bare loops (see `floors`) and the lab take turns; a ratio is the median of those within a
repetition, with their range. CPU is process time by side; wall time begins when all are connected.
Mind that

* the lab's source publishes to the broker over a WebSocket of its own. The bare echo, flood and GET
  have no such hop, and nothing is subtracted for it: it is in "all sides" and in "broker". The
  target has no part in it, and the relays are bare loops that have it too;
* wall time is that of the drain, when publishing is over, but in floods that cannot be told apart;
* one at a time, the CPU mostly goes to sleeping and waking up, on the floor as in the lab;
* the floors make and parse JSON, as the lab must.

Takes about three minutes, one with --quick.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bursts import burst, drain_seconds_per_message, seconds_per_message
from figures import new_console, ratios, shown
from floors import Cost, Floors
from meter import Load
from rich.table import Table

from lab import HttpIngest, LongPoll, Trace, WebSocketPush
from lab.engines.loopback import Session
from lab.strategies import Strategy


class Comparison(NamedTuple):
    """A strategy and the floors that do the same; `wall` reads seconds per message off a trace."""

    strategy: Strategy
    messages: int
    floors: tuple[str, ...]
    wall: Callable[[Trace], float] = drain_seconds_per_message


COMPARISONS = (
    Comparison(WebSocketPush(acks=True, credits=1), 2_000, ("echo", "relay with acks")),
    Comparison(WebSocketPush(), 10_000, ("flood", "relay"), seconds_per_message),
    Comparison(HttpIngest(), 1_500, ("POST",)),
    Comparison(LongPoll(max_records=1), 1_500, ("GET",)),
)


class Costs(NamedTuple):
    """What each repetition of one comparison cost in the lab and on each floor."""

    lab: list[Cost]
    floors: dict[str, list[Cost]]


def measure(repetitions: int, say: Callable[[str], None]) -> list[Costs]:
    """Run all by turns, after one repetition that does not count."""
    found = [Costs([], {name: [] for name in c.floors}) for c in COMPARISONS]
    with Floors() as floors, Session() as session:
        for repetition in range(repetitions + 1):
            for comparison, costs in zip(COMPARISONS, found, strict=True):
                say(f"repetition {repetition} of {repetitions}: {comparison.strategy.label}")
                costs.lab.append(lab_cost(session, comparison))
                for name, floor in costs.floors.items():
                    floor.append(floors.run(name, Load(comparison.messages)))
    return [Costs(c.lab[1:], {name: f[1:] for name, f in c.floors.items()}) for c in found]


def lab_cost(session: Session, comparison: Comparison) -> Cost:
    strategy = comparison.strategy
    trace = session.measure(burst(strategy, comparison.messages), strategy)
    cpu = {side: used / len(trace) for side, used in trace.counters.cpu_seconds.items()}
    return Cost(comparison.wall(trace), cpu)


def cpu_of(cost: Cost, sides: list[str]) -> float:
    return sum(cost.cpu[side] for side in sides)


def rows(lab: list[Cost], floor: list[Cost]) -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield what is compared, and its values in the lab and on the floor."""
    yield "wall", [c.wall for c in lab], [c.wall for c in floor]
    every, here = list(lab[0].cpu), list(floor[0].cpu)
    parts = {"CPU, all sides": (every, here)}
    if len(every) > len(here):
        parts[f"CPU, {' and '.join(here)}"] = (here, here)
    parts |= {f"CPU, {side}": ([side], [side]) for side in here}
    for name, (ours, bare) in parts.items():
        yield name, [cpu_of(c, ours) for c in lab], [cpu_of(c, bare) for c in floor]


def table(found: list[Costs]) -> Table:
    result = Table("floor", "µs a message", "floor", "lab", "lab : floor")
    for costs in found:
        for name, floor in costs.floors.items():
            for label, ours, bare in rows(costs.lab, floor):
                medians = (f"{statistics.median(values) * 1e6:.1f}" for values in (bare, ours))
                result.add_row(name, label, *medians, shown(ratios(ours, bare)))
                name = ""
            result.add_section()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three repetitions in place of eleven")
    repetitions = 3 if parser.parse_args().quick else 11
    console = new_console()
    with console.status("starting") as status:
        found = measure(repetitions, status.update)
    console.print(table(found))
    for comparison in COMPARISONS:
        for name in comparison.floors:
            console.print(f"{name}: {comparison.strategy.label}", highlight=False)


if __name__ == "__main__":
    main()
