"""What a side needs to know of a run, and of what goes wrong in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.engines import common
from lab.engines.loopback.columns import Size
from lab.faults import Fault
from lab.roles import PublishPolicy, Retention
from lab.roles.producer import FORGET
from lab.strategies import Strategy
from lab.workload import Messages

SOURCE, BROKER = 100_000, 200_000  # whose luck it is; consumers have their own numbers
LIFE = 1000  # added to a consumer's number for each time it was killed

INGEST = ("ingest", 0)
Links = Mapping[tuple[str, int], int]  # the port to connect to, by link and consumer
Ports = Mapping[str, int]  # on which a side listens, by kind of server


def delivery(consumer: int) -> tuple[str, int]:
    """Return the name of the link between the broker and a consumer."""
    return "delivery", consumer


@dataclass(frozen=True)
class Before:
    """What a side that was killed `times` times must know to go on in a run that began at `start`.

    `ports` is where it listened.
    """

    times: int
    start: float  # CLOCK_MONOTONIC
    ports: Ports
    links: Links


@dataclass(frozen=True)
class Trouble:
    """What goes wrong in a run, and `folder`, where the files are that outlive a process.

    Every `sample` seconds it is noted where messages wait, at most `samples` times.
    """

    folder: Path
    faults: tuple[Fault, ...] = ()
    poison: frozenset[int] = frozenset()
    durable: bool = False
    sample: float = 0.0
    samples: int = 0

    def note_error(self, text: str) -> None:
        """Keep what went wrong with the lab itself in a side that may be killed."""
        with open(self.folder / "errors", "a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    def errors(self) -> list[str]:
        """Return what was noted."""
        path = self.folder / "errors"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@dataclass(frozen=True)
class Job:
    """One run. `port` is the broker's (or endpoint's), 0 for any.

    `trouble` is None in most runs, and `before` for sides that were not killed. With a `socket_buffer`
    the sockets of streams hold about so many bytes each way. Every `ping_interval` seconds consumers
    send a keep-alive ping over their WebSockets, if at all.
    """

    strategy: Strategy
    layout: common.Layout
    messages: Messages
    consumers: int
    retention: Retention
    port: int = 0
    publishing: PublishPolicy = FORGET
    seed: int = 0
    replication: int = 0
    trouble: Trouble | None = None
    socket_buffer: int = 0
    before: Before | None = None
    ping_interval: float | None = None

    @property
    def life(self) -> int:
        return self.before.times if self.before else 0

    @property
    def size(self) -> Size:
        """How large the columns are; where consumers share the messages they have one row."""
        rows = 1 if self.strategy.shared else self.consumers
        return Size(len(self.messages), rows, self.consumers)

    def luck(self, who: int) -> Iterator[float]:
        return common.luck(self.seed, self.replication, who)
