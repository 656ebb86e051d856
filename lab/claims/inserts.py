"""Claim 15: batching inserts into a database makes ingestion faster."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import above, below, crossing, geometric, known
from lab.feed.sinks import insert_rate
from lab.feed.sinks.sqlite import Synchronous
from lab.feed.ticks import Tick, ticks
from lab.metrics import Interval
from lab.plots.series import Panel, Series
from lab.plots.sweep import sweep
from lab.trace import Floats
from lab.validation.tandem import departures

SIZES = {1: 1_500, 10: 5_000, 100: 10_000, 1_000: 20_000}  # rows in a transaction, and timed rows
LEARNT = (1, 100)  # the sizes from which simulation learns the costs; the others it predicts
ON_DISK = (1, 100)  # the sizes tried with every commit on disk
REPLICATIONS, QUICK_REPLICATIONS = 5, 3
FASTER = 2.0  # times the rows a second of single inserts
RATE = 1_000.0  # rows a second at which latencies are compared
RATES = (RATE, 3_000.0, 10_000.0, 30_000.0, 100_000.0, 300_000.0)
LARGE = 100  # the batch whose latency is compared with that of single inserts
ARRIVALS = 20_000  # rows that a latency is the mean of
SEED = 15
ROWS, DELAY = "rows", "delay"  # the panels of the figure


@dataclass(frozen=True)
class Timed:
    """One replication: the seconds of each transaction by its rows; some with commits on disk."""

    seconds: Mapping[int, Floats]
    on_disk: Mapping[int, Floats]

    def rate(self, size: int) -> float:
        """Return rows a second, back to back."""
        return size / float(self.seconds[size].mean())


def measured(replications: int) -> list[Timed]:
    """Time inserts into SQLite files, the sizes in an order drawn anew for each replication."""
    rng = np.random.default_rng(SEED)
    rows = list(islice(ticks(rng), max(SIZES.values())))
    cases: list[tuple[int, Synchronous]] = [(size, "NORMAL") for size in SIZES]
    cases += [(size, "FULL") for size in ON_DISK]
    return [
        _timed(rows, [cases[i] for i in rng.permutation(len(cases))]) for _ in range(replications)
    ]


def _timed(rows: Sequence[Tick], cases: Sequence[tuple[int, Synchronous]]) -> Timed:
    found: dict[str, dict[int, Floats]] = {"NORMAL": {}, "FULL": {}}
    with tempfile.TemporaryDirectory(prefix="pushpull-") as folder:
        for size, mode in cases:
            path = Path(folder) / f"{size}.{mode}.sqlite"
            some = rows[: SIZES[size] if mode == "NORMAL" else SIZES[size] // 5]
            found[mode][size] = insert_rate(size, some, path, mode).transactions
    return Timed(found["NORMAL"], found["FULL"])


def simulated(probes: Sequence[Timed]) -> list[Timed]:
    """Return what a model foretells: each transaction costs something, and each of its rows.

    Both costs are learnt from the sizes `LEARNT` of a replication.
    """
    return [_foretold(probe) for probe in probes]


def _foretold(probe: Timed) -> Timed:
    few, many = LEARNT
    each = {size: float(probe.seconds[size].mean()) for size in LEARNT}
    row = (each[many] - each[few]) / (many - few)
    once = each[few] - few * row
    return Timed({size: np.array([once + size * row]) for size in SIZES}, {})


def latency(seconds: Floats, size: int, rate: float) -> float:
    """Return the mean seconds from a row's arrival until it is committed.

    Rows come by a Poisson process; a transaction begins when `size` rows are there and the last one
    is committed, and takes as long as those in `seconds`, in turn.
    """
    batches = ARRIVALS // size
    rng = np.random.default_rng(SEED)
    arrivals = np.cumsum(rng.exponential(1 / rate, batches * size)).reshape(batches, size)
    done = departures(arrivals[:, -1], np.resize(seconds, batches))
    return float((done[:, None] - arrivals).mean())


def test(bench: Bench) -> Finding:
    probes = measured(QUICK_REPLICATIONS if bench.quick else REPLICATIONS)
    return judge(probes if bench.engine == "loopback" else simulated(probes))


def judge(found: Sequence[Timed]) -> Finding:
    """Return the verdict on replications."""
    gains = {n: geometric(one.rate(n) / one.rate(1) for one in found) for n in SIZES if n > 1}
    slower = {
        rate: [
            latency(one.seconds[LARGE], LARGE, rate) / latency(one.seconds[1], 1, rate)
            for one in found
        ]
        for rate in RATES
    }
    end = crossing(slower)
    finding = Finding(
        "not measurable here", "", list(_amounts(found, gains, slower, end)), list(_series(found))
    )
    told = f"{LARGE} rows a transaction are {gains[LARGE].mean:.0f} times as fast as one"
    if below(gains[LARGE], FASTER):
        reason = f"{LARGE} rows a transaction are only {gains[LARGE].mean:.1f} times as fast as one"
        return replace(finding, verdict="refuted", reason=reason)
    if not all(above(gain, FASTER) for gain in gains.values()):
        return replace(
            finding, reason="intervals reach over the limit: more replications would tell"
        )
    if below(geometric(slower[RATE]), 1):
        reason = f"{told}, and a row waits less at {RATE:,.0f} rows/s"
        return replace(finding, verdict="supported", reason=reason)
    where = (
        f"more than {end.mean:,.0f} rows/s come" if known(end) else "single inserts cannot keep up"
    )
    reason = (
        f"{told}, but until {where} a row waits longer for its batch to fill than a transaction of its"
        f" own would take ({geometric(slower[RATE]).mean:,.0f} times at {RATE:,.0f} rows/s)"
    )
    return replace(finding, verdict="depends", reason=reason)


def _amounts(
    found: Sequence[Timed],
    gains: Mapping[int, Interval],
    slower: Mapping[float, Sequence[float]],
    end: Interval,
) -> Iterator[Amount]:
    yield Amount(f"rows/s, {LARGE} a transaction over 1", gains[LARGE], "times")
    name = f"mean latency at {RATE:,.0f} rows/s, {LARGE} a transaction over 1"
    yield Amount(name, geometric(slower[RATE]), "times")
    yield Amount("load above which the batch has the shorter latency", end, "rows/s")
    for size in SIZES:
        rates = Interval.over(one.rate(size) for one in found)
        yield Amount(f"rows/s, {size:,} a transaction", rates, "rows/s")
    if all(one.on_disk for one in found):
        few, many = ON_DISK
        gain = geometric(
            many / float(one.on_disk[many].mean()) * float(one.on_disk[few].mean()) / few
            for one in found
        )
        yield Amount(f"the same with every commit on disk, {many} over {few}", gain, "times")


def _series(found: Sequence[Timed]) -> Iterator[Series]:
    rates = [(float(size), Interval.over(one.rate(size) for one in found)) for size in SIZES]
    yield Series("back to back", rates, ROWS)
    for rate in (RATE, 10_000.0, 100_000.0):
        waits = [
            (
                float(size),
                Interval.over(latency(one.seconds[size], size, rate) for one in found),
            )
            for size in SIZES
        ]
        yield Series(f"{rate:,.0f} rows/s come", waits, DELAY)


def draw(findings: Findings) -> Figure:
    """Draw rows a second, and the mean latency at several loads, over the rows in a transaction."""
    size = "rows in a transaction"
    panels = [
        Panel("", "rows inserted (per second)", size, ROWS),
        Panel("", "mean latency of a row (ms)", size, DELAY, 1e3),
    ]
    return sweep(series(findings), panels, "What does a larger transaction buy?")


CLAIM = Claim(
    number=15,
    name="inserts",
    text="Batching inserts into a database makes ingestion faster.",
    chapter="Push, WebSocket, the example use case: batches in the callback on_event",
    experiment=(
        f"Ticks are inserted into SQLite (WAL, synchronous NORMAL), {min(SIZES):,} to"
        f" {max(SIZES):,} rows in a transaction. From the measured transactions follows the latency of"
        " rows that come at a given rate (Poisson), from arrival to commit. Simulated: a transaction"
        f" costs something and so does each row, learnt from transactions of {LEARNT[0]} and"
        f" {LEARNT[1]} rows, measured just before."
    ),
    criterion=(
        f"Supported if every batch is more than {FASTER:g} times as fast as single inserts and, at"
        f" {RATE:,.0f} rows a second, {LARGE} rows together are committed sooner, too; it depends on"
        f" the load if only the first is so; refuted if {LARGE} rows together are less than"
        f" {FASTER:g} times as fast."
    ),
    test=test,
    draw=draw,
)
