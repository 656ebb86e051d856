"""Does memory stay bounded under ten times more than a consumer can do?

    python benchmarks/overload_memory.py [--quick]

For each bounded policy, on real connections: 60 seconds (quick: 5) of 1,000 messages a second, of
which the consumer does 100. The broker's queue must stay at or below its cap, and no side's resident
set may grow by more than twice the cap and 50 MB. Exit status 1 if one does.
"""

import argparse
import sys
import threading
import time
from pathlib import Path

from lab import Constant, LongPoll, Periodic, Scenario, Strategy, Webhook, WebSocketPush, Workload
from lab.engines.loopback import Session
from lab.scenario import Retention

RATE, SIZE, WORK, CAP = 1000, 2000, 0.01, 500
ALLOWED = 2 * CAP * SIZE + 50 * 2**20
POLICIES: tuple[Strategy, ...] = (
    WebSocketPush(buffer=CAP, overflow="drop_newest"),
    WebSocketPush(buffer=CAP, overflow="drop_oldest"),
    WebSocketPush(buffer=CAP, overflow="block"),
    WebSocketPush(buffer=CAP, overflow="disconnect"),
    WebSocketPush(acks=True, credits=20, buffer=CAP),
    Webhook(buffer=CAP),
    LongPoll(max_records=100),  # with a log that keeps CAP records
)


def resident(pid: int) -> int:
    """Return the resident set of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


class Watch(threading.Thread):
    """Notes the resident sets of a session's processes until it is stopped."""

    def __init__(self, session: Session) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.first: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            for name, side in list(self.session.sides.items()):
                try:
                    size = resident(side.process.pid)
                except (OSError, IndexError):
                    continue
                self.first.setdefault(name, size)
                self.most[name] = max(self.most.get(name, 0), size)

    def growth(self) -> int:
        """Return by how many bytes the side grew that grew most."""
        return max((self.most[name] - self.first[name] for name in self.first), default=0)


def overload(strategy: Strategy, seconds: float) -> Scenario:
    """Return ten times more than the consumer can do."""
    return Scenario(
        workload=Workload(
            arrivals=Periodic(rate=RATE),
            size=Constant(value=SIZE),
            work=Constant(value=WORK),
            duration=seconds,
        ),
        strategies=[strategy],
        retention=Retention(count=CAP),
        sample=0.1,
        drain=1,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="5 seconds for each policy")
    seconds = 5.0 if parser.parse_args().quick else 60.0
    print(f"{'policy':<50} {'longest queue':>14} {'cap':>5} {'grew by MB':>11}")
    failed = False
    for strategy in POLICIES:
        scenario = overload(strategy, seconds)
        warm = scenario.model_copy(
            update={"workload": scenario.workload.model_copy(update={"duration": 0.5})}
        )
        with Session() as session:
            session.measure(warm, strategy)
            watch = Watch(session)
            watch.start()
            time.sleep(0.3)
            trace = session.measure(scenario, strategy)
            watch.over.set()
            watch.join()
        queue, grown = int(trace.places["broker"].max()), watch.growth()
        cap = CAP + int(getattr(strategy, "credits", 0) if getattr(strategy, "acks", False) else 0)
        cap += isinstance(strategy, Webhook)  # the request that has no answer yet
        wrong = queue > cap or grown > ALLOWED
        failed |= wrong
        mark = "  TOO MUCH" if wrong else ""
        print(f"{strategy.label:<50} {queue:>14,} {cap:>5,} {grown / 2**20:>11.1f}{mark}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
