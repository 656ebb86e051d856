"""Is a record lost that a durable broker acknowledged, if its process is killed at any moment?

    python benchmarks/broker_kills.py [--kills N] [--seed S]

A producer publishes over its real connection and has every message acknowledged; the broker keeps its
log on disk. Its process is killed (SIGKILL) at random moments, N times in all (default: 100), a few
times in each run, and another goes on in its place. In the end every message that was acknowledged
must have reached the consumer, and no promise may be broken. Strategies take turns. Exit status 1 if
anything is lost. Takes about a second for each kill.
"""

import argparse
import itertools
import sys
import time
from typing import NamedTuple

import numpy as np

from lab import (
    LongPoll,
    Periodic,
    Scenario,
    ServerSentEvents,
    Strategy,
    Trace,
    Webhook,
    WebSocketPush,
    Workload,
)
from lab.engines.loopback import Session
from lab.faults import BrokerRestart
from lab.outcomes.checks import check
from lab.scenario import Producer
from lab.trace import Fate

RATE = (
    200.0  # messages a second; each is on disk before it is acknowledged, and again when it is done
)
EVERY, DEAD = 0.4, 0.1  # seconds between two kills, and until another broker goes on
MOST = 8  # kills in a run: so many processes stand by
STRATEGIES: tuple[Strategy, ...] = (
    LongPoll(max_wait=0.2, timeout=1.0),
    WebSocketPush(acks=True),
    Webhook(timeout=1.0, retry_first=0.05, retry_limit=0.2, attempts=50),
    ServerSentEvents(),
)


class Killed(NamedTuple):
    """A run: how often its broker was killed, what was under way then, and what became of it all."""

    kills: int
    messages: int
    acknowledged: int
    unanswered: int  # messages sent and not acknowledged when a broker was killed
    lost: int  # messages acknowledged and not delivered
    violations: list[str]


class Counting(Session):
    """A session that counts its kills."""

    kills = 0

    def kill(self, name: str) -> None:
        super().kill(name)
        self.kills += 1


def scenario(strategy: Strategy, kills: int, rng: np.random.Generator) -> Scenario:
    """Return a run in which the broker is killed so many times, at random within each interval."""
    at = [EVERY * (i + float(rng.uniform(0.3, 0.9))) for i in range(kills)]
    return Scenario(
        workload=Workload(arrivals=Periodic(rate=RATE), duration=EVERY * (kills + 1)),
        strategies=[strategy],
        faults=[BrokerRestart(at=round(t, 6), duration=DEAD) for t in at],
        producer=Producer(acks="idempotent", timeout=1.0),
        durable=True,
        drain=60.0,
    )


def judged(trace: Trace, asked: Scenario, kills: int) -> Killed:
    """Return what became of a run."""
    acknowledged = ~np.isnan(trace.accepted)
    told = np.where(acknowledged, trace.accepted, np.inf)
    open_ = sum(int(((trace.sent < f.at) & (told > f.at)).sum()) for f in asked.faults)
    gone = (trace.fate != Fate.DELIVERED) & (trace.fate != Fate.IN_FLIGHT)
    lost = int((acknowledged & gone).sum())
    wrong = [f"{v.kind}: {v.text}" for v in check(trace)]
    if trace.manifest.get("cut_off"):
        wrong.append("cut off: this machine is too slow or too busy for this rate")
    return Killed(kills, len(trace), int(acknowledged.sum()), open_, lost, wrong)


def kill_brokers(kills: int, seed: int) -> list[Killed]:
    """Kill brokers so many times, run by run, and print a line for each run."""
    rng, found = np.random.default_rng(seed), list[Killed]()
    turns, left = itertools.cycle(STRATEGIES), kills
    with Counting() as session:
        while left:
            strategy, count = next(turns), min(MOST, left)
            asked = scenario(strategy, count, rng)
            before = session.kills
            trace = session.measure(asked, strategy)
            run = judged(trace, asked, session.kills - before)
            found.append(run)
            left -= count
            wrong = "".join(f"  {text}" for text in run.violations)
            print(
                f"{strategy.name:<18}" + "".join(f"{n:>14,}" for n in run[:5]) + wrong, flush=True
            )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    heads = ("kills", "messages", "acknowledged", "unanswered", "acked, lost")
    print(f"{'strategy':<18}" + "".join(f"{head:>14}" for head in heads))
    begun = time.monotonic()
    found = kill_brokers(options.kills, options.seed)
    total = [sum(run[i] for run in found) for i in range(5)]
    print(f"{'all':<18}" + "".join(f"{n:>14,}" for n in total))
    print(f"{time.monotonic() - begun:.0f} s")
    return int(total[0] != options.kills or total[4] > 0 or any(run.violations for run in found))


if __name__ == "__main__":
    sys.exit(main())
