"""The guarantee matrix: what each strategy does to messages when something breaks.

Every cell is a small experiment, judged by the delivery checker. L: lost, D: done twice, R: done out
of order, P: dropped by policy, E: expired from the log, X: given up, W: nothing but waiting.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lab.compare import Progress, silent
from lab.faults import BrokerRestart, ConsumerCrash, Fault, LinkDown, LostResponse, SlowConsumer
from lab.outcomes.checks import check
from lab.outcomes.guarantees import allowance
from lab.scenario import Producer, Scenario
from lab.strategies import ConsumerGroup, LongPoll, ShortPoll, Strategy, Webhook, WebSocketPush
from lab.trace import Fate, Trace
from lab.workload import Constant, Poisson, Workload

Run = Callable[[Scenario, Strategy], Trace]
RATE, SECONDS, WORK = 200.0, 1.5, 0.004
SIZE = 50_000  # bytes, so that what sockets hold is soon full
SOCKETS = 500_000  # bytes
QUEUE = 20  # messages that a bounded buffer, window or answer holds
LETTERS = {
    "L": "lost",
    "D": "done again",
    "R": "out of order",
    "P": "dropped by policy",
    "E": "expired",
    "X": "given up",
}
WAITS = "W"


@dataclass(frozen=True)
class Row:
    """A strategy, and what each column may do to it, in letters; "" is nothing at all."""

    name: str
    strategy: Strategy
    expected: tuple[str, ...]
    consumers: int = 1


@dataclass(frozen=True)
class Column:
    """Something that goes wrong."""

    name: str
    faults: tuple[Fault, ...]
    durable: bool = False


COLUMNS = (
    Column("consumer crash", (ConsumerCrash(at=0.5, duration=0.6),)),
    Column("slow consumer", (SlowConsumer(at=0.3, duration=1.0, times=10),)),
    Column(
        "network drop", (LostResponse(at=0.3), LinkDown(at=0.6, duration=0.4), LostResponse(at=1.2))
    ),
    Column("broker restart, memory log", (BrokerRestart(at=0.5, duration=0.6),)),
    Column("broker restart, durable log", (BrokerRestart(at=0.5, duration=0.6),), durable=True),
)
RETRIES: dict[str, Any] = {"retry_first": 0.05, "retry_limit": 0.4, "attempts": 20}
ROWS = (
    Row("WebSocket, fire and forget", WebSocketPush(), ("L", "W", "L", "L", "L")),
    Row(
        "WebSocket, buffer bounded, drops oldest",
        WebSocketPush(buffer=QUEUE, overflow="drop_oldest"),
        ("LP", "PW", "LP", "L", "LP"),
    ),
    Row("WebSocket, log, resumed by offset", WebSocketPush(replay=True), ("D", "W", "W", "L", "D")),
    Row(
        "WebSocket, acks after work, credits",
        WebSocketPush(acks=True, credits=QUEUE),
        ("D", "W", "DR", "L", "D"),
    ),
    Row(
        "WebSocket, acks on receipt, credits",
        WebSocketPush(acks=True, ack_on="receipt", credits=QUEUE),
        ("L", "W", "DR", "L", "DL"),
    ),
    Row(
        "webhook, retries, 2xx after work",
        Webhook(timeout=0.3, concurrency=4, **RETRIES),
        ("DR", "DRX", "DR", "LR", "DR"),
    ),
    Row(
        "webhook, retries, early 2xx",
        Webhook(timeout=0.3, concurrency=4, ack_on="receipt", **RETRIES),
        ("LDR", "RW", "DR", "LR", "DR"),
    ),
    Row(
        "short poll, destructive read",
        ShortPoll(interval=0.05, destructive=True, max_records=QUEUE, timeout=0.5),
        ("L", "W", "L", "L", "L"),
    ),
    Row(
        "short poll, offset saved after work",
        ShortPoll(interval=0.05, max_records=QUEUE, timeout=0.5),
        ("D", "W", "W", "L", "W"),
    ),
    Row(
        "short poll, offset saved with the output",
        ShortPoll(interval=0.05, max_records=QUEUE, commit="each", timeout=0.5),
        ("W", "W", "W", "L", "W"),
    ),
    Row(
        "long poll, commit before work",
        LongPoll(max_records=QUEUE, commit="before_work", timeout=0.5),
        ("L", "W", "W", "L", "W"),
    ),
    Row(
        "long poll, commit after work",
        LongPoll(max_records=QUEUE, timeout=0.5),
        ("D", "W", "W", "L", "W"),
    ),
    Row(
        "consumer group, commit after work",
        ConsumerGroup(max_records=QUEUE, session_timeout=0.4, heartbeat=0.1, timeout=0.5),
        ("DR", "DR", "DR", "LR", "DR"),
        consumers=3,
    ),
)


@dataclass(frozen=True)
class Cell:
    """What happened in one experiment: counts by letter, and what the checker found."""

    strategy: str
    fault: str
    expected: str
    observed: dict[str, int]
    messages: int
    violations: list[str]
    may: list[str]

    @property
    def letters(self) -> str:
        """What was observed, or W if it was only a wait."""
        return "".join(self.observed) or WAITS

    @property
    def text(self) -> str:
        """What is expected / what was observed, with counts, and a mark if they contradict."""
        counts = " ".join(f"{letter} {count}" for letter, count in self.observed.items())
        return f"{self.expected} / {counts or WAITS}{'' if self.agrees else ' !'}"

    @property
    def agrees(self) -> bool:
        """Whether nothing was observed but what is expected, and the checker found nothing."""
        return not self.violations and set(self.letters) <= set(self.expected + WAITS)


def scenario(row: Row, column: Column) -> Scenario:
    """Return the experiment of a cell."""
    workload = Workload(
        arrivals=Poisson(rate=RATE),
        size=Constant(value=SIZE),
        work=Constant(value=WORK),
        duration=SECONDS,
        consumers=row.consumers,
        seed=5,
    )
    return Scenario(
        name="guarantees",
        question=f"What does a {column.name} do to {row.name}?",
        workload=workload,
        strategies=[row.strategy],
        faults=list(column.faults),
        durable=column.durable,
        socket_buffer=SOCKETS,
        producer=Producer(acks="idempotent", timeout=0.3),
        drain=20.0,
    )


def observed(trace: Trace) -> dict[str, int]:
    """Count what happened to the messages of a trace, by the letters of the matrix."""
    fate = trace.fate
    done = np.where(np.isnan(trace.done), -np.inf, trace.done)
    late = done < np.maximum.accumulate(done)
    found = {
        "L": int((fate == Fate.LOST).sum()),
        "D": int((trace.completions > 1).sum()),
        "R": int((late & (fate == Fate.DELIVERED)).sum()),
        "P": int((fate == Fate.DROPPED).sum()),
        "E": int((fate == Fate.EXPIRED).sum()),
        "X": int((fate == Fate.DEAD_LETTERED).sum()),
    }
    return {letter: count for letter, count in found.items() if count}


def cells(run: Run, rows: Sequence[Row] = ROWS, progress: Progress = silent) -> Iterator[Cell]:
    """Yield the cells of the matrix, row by row, each as soon as it was run."""
    total = len(rows) * len(COLUMNS)
    for i, row in enumerate(rows):
        for j, column in enumerate(COLUMNS):
            progress(f"{row.name}: {column.name}", i * len(COLUMNS) + j, total)
            asked = scenario(row, column)
            trace = run(asked, row.strategy)
            allowed = allowance(asked, row.strategy)
            yield Cell(
                row.name,
                column.name,
                row.expected[j],
                observed(trace),
                len(trace),
                [f"{v.kind}: {v.text}" for v in check(trace)],
                allowed.reasons if allowed else [],
            )


def table(found: Sequence[Cell]) -> Iterator[list[str]]:
    """Yield the rows of the matrix as text: the strategy, and what its cells say."""
    for first in range(0, len(found), len(COLUMNS)):
        row = found[first : first + len(COLUMNS)]
        yield [row[0].strategy, *(cell.text for cell in row)]


def markdown(engine: str, found: Sequence[Cell]) -> Iterator[str]:
    """Yield the lines of the matrix as a Markdown table."""
    columns = [column.name for column in COLUMNS]
    yield f"| {engine} | {' | '.join(columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    for row in table(found):
        yield f"| {' | '.join(row)} |"


def to_json(engine: str, found: Sequence[Cell]) -> dict[str, Any]:
    return {
        "engine": engine,
        "cells": [asdict(c) | {"letters": c.letters, "agrees": c.agrees} for c in found],
    }
