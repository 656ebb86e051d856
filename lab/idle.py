"""What a strategy costs while nothing happens: connections that are open, and polls for nothing.

Costs are differences between a longer and a shorter run, so that what opens and closes connections
is not counted. Messages that never come cost nothing: there are none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from lab.description import InvalidInput
from lab.metrics import UNKNOWN, Interval, plain
from lab.physics import Physics, reference
from lab.scenario import Scenario
from lab.strategies import Strategy, Stream
from lab.trace import Counters
from lab.workload import Periodic, Workload

SETTLED = 0.5  # seconds of the shorter run
MEMORY_WITH, WARM_WITH = 100, 2  # connections that are opened to see what one of them holds
MOST_OPEN = 900  # connections: select() takes no file numbers above 1023
SLOWER = 50.0  # times by which polls are rarer while memory is looked at
LOOK, OPENING = 0.7, 0.003  # seconds, and a connection, until all are open and have had a message


@dataclass(frozen=True)
class IdleCost:
    """The cost of one idle connection, means over replications with 95 % intervals.

    `cpu` is CPU seconds per second on all sides together, `wake_ups`, `requests` and `bytes` (both
    ways) are per second, `memory` is resident bytes on both sides together. All are for one of the
    `connections` that were open for `seconds`. Unknown is NaN: simulation has no memory.
    """

    strategy: str
    engine: str
    seconds: float
    connections: int
    cpu: Interval = UNKNOWN
    wake_ups: Interval = UNKNOWN
    requests: Interval = UNKNOWN
    bytes: Interval = UNKNOWN
    memory: Interval = UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """Return means and bounds as plain data, with None for unknown."""
        values = vars(self).items()
        return plain({k: vars(v) if isinstance(v, Interval) else v for k, v in values})


class Count(NamedTuple):
    """What was counted in one run, all sides together."""

    cpu: float
    wake_ups: float
    requests: float
    bytes: float


def idle_cost(
    strategy: Strategy,
    seconds: float = 3.0,
    engine: str = "simulation",
    connections: int = 1,
    replications: int = 3,
    costs: Physics | None = None,
    ping_interval: float | None = None,
    memory_with: int = MEMORY_WITH,
) -> IdleCost:
    """Return what one idle connection of `strategy` costs on an engine: "simulation" or "loopback".

    Let `seconds` be several poll intervals. `costs` are the simulation's, by default the reference.
    With `ping_interval` the consumer sends a keep-alive ping over its WebSocket every so many
    seconds, as most libraries do (20 s by default in `websockets`), and the broker's end answers. On
    loopback memory is that of `memory_with` more open connections, after one message over each,
    divided by their number (0: not measured). Raises `InvalidInput` for more than 900 connections,
    and `MeasurementError` if a measured run fails.
    """
    if max(connections, memory_with) > MOST_OPEN:
        raise InvalidInput(f"need at most {MOST_OPEN} connections at once")
    pings = ping_interval if isinstance(strategy.wire, Stream) and strategy.wire.duplex else None
    memory: list[float] = []
    if engine == "simulation":
        physics = costs or reference().physics
        runs = (_simulated(strategy, physics, connections, k, pings) for k in range(replications))
        found = [_difference(run, seconds) for run in runs]
    else:
        found, memory = _measured(strategy, seconds, connections, pings, memory_with, replications)
    rates = [Count(*(value / seconds / connections for value in count)) for count in found]
    means = {name: Interval.over(getattr(r, name) for r in rates) for name in Count._fields}
    label = strategy.label if pings is None else f"{strategy.label}, ping every {pings:g} s"
    return IdleCost(label, engine, seconds, connections, **means, memory=Interval.over(memory))


def _difference(run: Callable[[float], Count], seconds: float) -> Count:
    long, short = run(SETTLED + seconds), run(SETTLED)
    return Count(*(a - b for a, b in zip(long, short, strict=True)))


def _scenario(strategy: Strategy, seconds: float, connections: int, first: bool) -> Scenario:
    """Return an experiment without messages, or with one that comes `first`."""
    arrivals = Periodic(rate=1 / (10 * seconds), offset=0.0 if first else None)
    workload = Workload(arrivals=arrivals, duration=seconds, consumers=connections)
    return Scenario(name="idle", workload=workload, strategies=[strategy], replications=1)


def _simulated(
    strategy: Strategy, physics: Physics, connections: int, replication: int, pings: float | None
) -> Callable[[float], Count]:
    from lab.engines.simulation.engine import Simulation  # figures import costs, and no engine

    def run(seconds: float) -> Count:
        scenario = _scenario(strategy, seconds, connections, first=False)
        simulation = Simulation(scenario, strategy, physics, replication)
        return _count(simulation.idle(seconds, pings))

    return run


def _measured(
    strategy: Strategy,
    seconds: float,
    connections: int,
    pings: float | None,
    memory_with: int,
    replications: int,
) -> tuple[list[Count], list[float]]:
    """Measure all replications in one session; memory with ever more connections at once.

    What a process once took it keeps for the next run, so that only more connections take more.
    """
    from lab.engines.loopback import Session  # needs sockets, which simulation does not
    from lab.engines.loopback.idle import idle

    def run(duration: float) -> Count:
        scenario = _scenario(strategy, duration, connections, first=False)
        counters, heard, _ = idle(session, scenario, strategy, pings)
        count = _count(counters)
        return count if pings is None else count._replace(bytes=float(heard))

    def held(many: int) -> int:
        rare = strategy.faster(1 / SLOWER)
        look = max(LOOK, many * OPENING)
        return idle(session, _scenario(rare, look, many, first=True), rare).memory

    with Session() as session:
        steps = min(replications, MOST_OPEN // memory_with) if memory_with else -1
        totals = [held(WARM_WITH + step * memory_with) for step in range(steps + 1)]
        memory = [(more - less) / memory_with for less, more in pairwise(totals)]
        return [_difference(run, seconds) for _ in range(replications)], memory


def _count(counters: Counters) -> Count:
    return Count(
        sum(counters.cpu_seconds.values()),
        sum(counters.wake_ups.values()),
        counters.requests,
        counters.bytes_out + counters.bytes_back,
    )
