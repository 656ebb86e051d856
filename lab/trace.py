"""The trace: one row per message and consumer, written by either engine, read by everything else.

Times are seconds from the start of the run; NaN means that it did not happen. A trace is saved as
NumPy arrays without pickle, with a manifest that is enough to run it again.
"""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.description import InvalidInput
from lab.files import whole_file

SCHEMA = 2
PLACE = "place: "  # before the name of a place, in a file
Column = NDArray[Any]
Floats = NDArray[np.float64]


class Fate(IntEnum):
    """What became of a message for one consumer; every row has exactly one."""

    IN_FLIGHT = 0  # only where a run was cut off
    DELIVERED = 1
    DROPPED = 2  # by the overflow policy
    EXPIRED = 3  # by retention, unread
    DEAD_LETTERED = 4  # every attempt failed
    LOST = 5  # to a fault
    NEVER_ACCEPTED = 6
    INDETERMINATE = 7  # the producer was never told whether it was accepted
    SKIPPED = 8  # by a consumer that chose to begin later


STAMPS = (
    "created",
    "sent",
    "at_broker",
    "left_broker",
    "received",
    "started",
    "done",
    "acked",
    "accepted",
)
PATH = STAMPS[:-2]  # in the order in which a message passes them; acks come back

OTHERS = ("counters", "manifest", "places")  # fields of a trace that are not columns
PLACES = (  # where messages can wait, in the order in which they come there
    "producer",
    "to the broker",
    "broker",
    "sender's library",
    "kernel",
    "receiver's library",
    "consumer",
)
PARTS = {  # each part of the latency ends at one stamp and begins at the one before it
    "schedule delay": "sent",
    "to the broker": "at_broker",
    "broker residence": "left_broker",
    "on the way": "received",
    "consumer queue": "started",
    "work": "done",
}


@dataclass(frozen=True)
class Counters:
    """What the rows cannot say, for the whole run.

    Requests are those between broker and consumer; opening a stream is one. Bytes count what
    the application hands to its sockets (HTTP heads and WebSocket framing included, TCP/IP not):
    `bytes_in` from the source to the broker, `bytes_out` from broker to consumers, `bytes_back`
    from consumers to broker. CPU seconds and wake-ups are by side: source, broker, target.
    `events` counts what happened now and then, as rebalances, or offsets that a log did not hold; measured,
    "connections" are those that were made between broker (or source) and consumers.
    """

    requests: int = 0
    empty_replies: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    bytes_back: int = 0
    peak_queue: int = 0
    log_length: int = 0
    elapsed: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    wake_ups: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trace:
    """Arrays of equal length, sorted by consumer and then by message.

    `size` is in bytes; `created` is the intended time, `sent` when the source sent it,
    `at_broker` when the broker had it, `left_broker` when the broker (first) sent it on,
    `received` when the consumer (first) had it, `started` and `done` the (first) work on it,
    `acked` when the sender knew, `accepted` when the producer knew that the broker had it. `attempts`
    counts deliveries, `completions` how often the work was done, `fate` is a `Fate`. Where the
    source delivers without a broker, `at_broker` is NaN and `left_broker` is when its request left.

    `places` says how many messages waited in each of `PLACES` at the times "time", where sampled.
    """

    message: NDArray[np.int32]
    consumer: NDArray[np.int16]
    size: NDArray[np.int32]
    created: Floats
    sent: Floats
    at_broker: Floats
    left_broker: Floats
    received: Floats
    started: Floats
    done: Floats
    acked: Floats
    accepted: Floats
    attempts: NDArray[np.int16]
    completions: NDArray[np.int16]
    fate: NDArray[np.int8]
    counters: Counters
    manifest: dict[str, Any]
    places: dict[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.message)

    def __repr__(self) -> str:
        """Return what was run and how many rows it has; the columns are too long to print."""
        told = self.manifest.get("strategy", "?"), self.manifest.get("engine", "?")
        delivered = int(np.count_nonzero(self.fate == Fate.DELIVERED))
        return f"<Trace of {told[0]}, {told[1]}: {len(self):,} rows, {delivered:,} delivered>"

    @property
    def latency(self) -> Floats:
        """Seconds from the intended time to the end of the work."""
        return self.done - self.created

    @property
    def counted(self) -> NDArray[np.bool_]:
        """The rows that metrics count: all but those created during warm-up."""
        return self.created >= self.manifest.get("warm_up", 0.0)

    def parts(self) -> dict[str, Floats]:
        """Split each latency into the parts of `PARTS`, which add up to it.

        A stamp that a strategy does not have (no broker) gives a part of 0.
        """
        before, parts = self.created, {}
        for name, stamp in PARTS.items():
            at = getattr(self, stamp)
            at = np.where(np.isnan(at), before, at)
            parts[name] = at - before
            before = at
        return parts

    def columns(self) -> dict[str, Column]:
        names = (f.name for f in fields(self) if f.name not in OTHERS)
        return {name: getattr(self, name) for name in names}

    def save(self, path: Path) -> None:
        """Write the trace under `path`, whole or not at all."""
        head = {"schema": SCHEMA, "counters": asdict(self.counters), "manifest": self.manifest}
        text = json.dumps(head, sort_keys=True).encode()
        with whole_file(path) as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                head=np.frombuffer(text, np.uint8),
                **self.columns(),
                **{f"{PLACE}{name}": some for name, some in self.places.items()},
            )


def load(path: Path) -> Trace:
    """Read a saved trace; raises `InvalidInput` if the file is not a whole and sane one."""
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise InvalidInput(f"{path}: not a file that can be read")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        head = json.loads(arrays.pop("head").tobytes())
    except Exception as error:  # there is no end to what NumPy raises on a damaged file
        raise InvalidInput(f"{path}: not a trace, or cut off") from error
    schema = head.get("schema") if isinstance(head, dict) else None
    if schema != SCHEMA:
        raise InvalidInput(f"{path}: schema: got {schema!r}; need {SCHEMA}")
    try:
        counters = Counters(**head["counters"])
        places = {
            name.removeprefix(PLACE): arrays.pop(name)
            for name in list(arrays)
            if name.startswith(PLACE)
        }
        trace = Trace(counters=counters, manifest=dict(head["manifest"]), places=places, **arrays)
    except (TypeError, ValueError, KeyError):
        raise InvalidInput(f"{path}: columns are missing or unknown") from None
    _check_columns(trace, str(path))
    _check_rows(trace, str(path))
    return trace


def _check_columns(trace: Trace, where: str) -> None:
    for name, column in trace.columns().items():
        need = "f" if name in STAMPS else "i"
        if column.ndim != 1 or column.dtype.kind != need:
            what = "times" if need == "f" else "whole numbers"
            raise InvalidInput(f"{where}: {name}: need a column of {what}")


def _check_rows(trace: Trace, where: str) -> None:
    lengths = {name: len(column) for name, column in trace.columns().items()}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(f"{where}: columns differ in length: {lengths}")
    if not len(trace):
        return
    key = trace.consumer.astype(np.int64) * (int(trace.message.max()) + 1) + trace.message
    again = np.flatnonzero(np.diff(np.sort(key)) == 0)
    if len(again):
        raise InvalidInput(f"{where}: message: a message stands twice for one consumer")
    before = trace.created
    for name in PATH[1:]:
        at = getattr(trace, name)
        wrong = np.flatnonzero(at < before)
        if len(wrong):
            row = int(wrong[0])
            raise InvalidInput(
                f"{where}: {name}[{row}]: got {at[row]:.9f}; need a time not before {before[row]:.9f}"
            )
        before = np.where(np.isnan(at), before, at)
