"""Makes one trace of what the sides of a run wrote down and counted."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.engines import common
from lab.engines.loopback import columns
from lab.engines.loopback.job import Job, Trouble
from lab.engines.loopback.run import Outcome
from lab.trace import PLACES, Counters, Trace

BY_SIDE = {  # which side writes which column
    "source": ("sent", "accepted"),
    "broker": ("at_broker", "left_broker", "acked", "attempts", "fate"),
    "target": ("received", "started", "done", "again"),
}
Columns = dict[str, NDArray[Any]]


def merge(job: Job, outcome: Outcome, manifest: dict[str, Any]) -> Trace:
    """Put the columns of all sides together, and give every message its fate."""
    messages, (n, consumers, _) = job.messages, job.size
    mine = _from_files(job, job.trouble) if job.trouble else _from_sides(job, outcome)
    if job.strategy.brokerless:
        mine["at_broker"] = np.full((1, n), np.nan)
    fate, again = mine.pop("fate"), mine.pop("again")
    common.settle(fate, mine, manifest, outcome.drained)
    mine |= {"fate": fate, "completions": again + ~np.isnan(mine["done"])}
    rows = {
        name: (column if len(column) == consumers else np.repeat(column, consumers, 0)).reshape(-1)
        for name, column in mine.items()
    }
    accepted = rows["sent"] if job.strategy.brokerless else rows["at_broker"]
    peak = common.peak_queues(accepted, rows["started"], consumers)
    return Trace(
        message=np.tile(np.arange(n, dtype=np.int32), consumers),
        consumer=np.repeat(np.arange(consumers, dtype=np.int16), n),
        size=np.tile(messages.size, consumers),
        created=np.tile(messages.created, consumers),
        counters=_counters(outcome.results, peak),
        manifest=manifest,
        places=_places(job, job.trouble, rows) if job.trouble else {},
        **rows,
    )


def _from_sides(job: Job, outcome: Outcome) -> Columns:
    place, results = job.layout, outcome.results
    found = {
        column: results[place.side(part)]["columns"][column]
        for part, names in BY_SIDE.items()
        for column in names
    }
    by_consumers = results[place.side("target")]["columns"]["fate"]
    found["fate"] = np.where(by_consumers, by_consumers, found["fate"])
    return found


def _from_files(job: Job, trouble: Trouble) -> Columns:
    files = columns.in_files(trouble.folder, job.size)
    return {name: np.array(column) for name, column in files.items() if name != columns.SAVED}


def _places(job: Job, trouble: Trouble, rows: Columns) -> dict[str, NDArray[np.float64]]:
    """Return how many messages waited where, up to the end of the run."""
    if not trouble.sample:
        return {}
    sides = columns.samples(trouble.folder, len(job.layout.sides), trouble.samples)
    counts = sides.sum(axis=0)
    stamps = [rows[name] for name in ("sent", "done", "acked")]
    end = max(np.nanmax(stamp, initial=0.0) for stamp in stamps)
    used = counts[: int(end / trouble.sample) + 2]
    times = np.arange(len(used)) * trouble.sample
    return {"time": times, **dict(zip(PLACES, used.T.copy(), strict=True))}


def _counters(results: dict[str, dict[str, Any]], peak: int) -> Counters:
    def total(name: str) -> int:
        return sum(result["counters"][name] for result in results.values())

    events = Counter[str]()
    for result in results.values():
        events.update(result["events"])
    return Counters(
        requests=total("requests"),
        empty_replies=total("empty_replies"),
        bytes_in=total("bytes_in"),
        bytes_out=total("bytes_out"),
        bytes_back=total("bytes_back"),
        peak_queue=peak,
        log_length=max(result["log_length"] for result in results.values()),
        elapsed=max(result["elapsed"] for result in results.values()),
        cpu_seconds={name: result["cpu_seconds"] for name, result in results.items()},
        wake_ups={name: result["wake_ups"] for name, result in results.items()},
        events=dict(events),
    )
