"""Numbers from traces: a summary of every replication, and intervals over replications.

Rows created during warm-up are not counted. Times are in seconds; unknown is NaN, never 0.
Quantiles interpolate linearly between order statistics, which is NumPy's default (type 7 of
Hyndman and Fan, 1996).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lab.trace import Fate, Floats, Trace

LATENCIES = ("mean", "p50", "p90", "p99", "max")
CONFIDENCE = 0.95
ENOUGH_FOR_P99 = 100  # below that, p99 lies between the two largest samples


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % confidence bounds; NaN where unknown."""

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    @classmethod
    def over(cls, values: Iterable[float]) -> "Interval":
        """Return Student's interval, mean ± t(n-1)·s/√n, over independent replications.

        NaN among `values` are left out; with a single value left the bounds are NaN.
        """
        known = np.array([v for v in values if not math.isnan(v)], dtype=float)
        if not len(known):
            return cls()
        mean = float(known.mean())
        if len(known) == 1:
            return cls(mean)
        quantile = float(stdtrit(len(known) - 1, (1 + CONFIDENCE) / 2))
        half = quantile * float(known.std(ddof=1)) / math.sqrt(len(known))
        return cls(mean, mean - half, mean + half)


UNKNOWN = Interval()


@dataclass(frozen=True)
class Run:
    """All replications of one strategy on one engine: "simulation" or "loopback"."""

    strategy: str
    engine: str
    traces: list[Trace]


@dataclass(frozen=True)
class Metrics:
    """One replication in numbers.

    `offered` and `fates` count rows (message and consumer) created after warm-up, `duplicates`
    their deliveries beyond the first. `latency` has the keys of `LATENCIES` and is that of the
    delivered ones; `parts` are the means of `Trace.parts` and add up to its mean. `throughput`
    is in rows per second: "offered" from the end of warm-up to the last creation, "achieved" from
    the end of warm-up to the last `done`, whenever created. Costs are those of the whole run,
    warm-up included, per row; `empty_replies` is their share of the requests.
    """

    offered: int
    fates: dict[str, int]
    duplicates: int
    latency: dict[str, float]
    parts: dict[str, float]
    throughput: dict[str, float]
    requests_per_message: float
    empty_replies: float
    bytes_per_message: float
    cpu_seconds_per_message: float
    cpu_by_side: dict[str, float]
    peak_queue: float


def summarise(trace: Trace) -> Metrics:
    """Return the metrics of one replication."""
    counted = trace.counted
    fate = trace.fate[counted]
    delivered = counted & (trace.fate == Fate.DELIVERED)
    counters, rows = trace.counters, len(trace)
    cpu = {side: _ratio(used, rows) for side, used in counters.cpu_seconds.items()}
    return Metrics(
        offered=len(fate),
        fates=_fates(fate),
        duplicates=_duplicates(trace, counted),
        latency=_quantiles(trace.done[delivered] - trace.created[delivered]),
        parts={name: _mean(part[delivered]) for name, part in trace.parts().items()},
        throughput=_throughput(trace, counted),
        requests_per_message=_ratio(counters.requests, rows),
        empty_replies=_ratio(counters.empty_replies, counters.requests),
        bytes_per_message=_ratio(counters.bytes_out + counters.bytes_back, rows),
        cpu_seconds_per_message=sum(cpu.values()) if cpu else math.nan,
        cpu_by_side=cpu,
        peak_queue=float(counters.peak_queue) if rows else math.nan,
    )


def _ratio(amount: float, of: float) -> float:
    return amount / of if of > 0 else math.nan


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _fates(fate: NDArray[np.int8]) -> dict[str, int]:
    counts = {f.name.lower(): int(np.count_nonzero(fate == f)) for f in Fate}
    return {name: count for name, count in counts.items() if count or name == "delivered"}


def _duplicates(trace: Trace, counted: NDArray[np.bool_]) -> int:
    again = trace.attempts[counted & (trace.attempts > 1)]
    return int(again.sum(dtype=np.int64)) - len(again)


def _quantiles(latency: Floats) -> dict[str, float]:
    if not len(latency):
        return dict.fromkeys(LATENCIES, math.nan)
    quantiles = np.quantile(latency, [0.5, 0.9, 0.99, 1.0])
    values = (float(latency.mean()), *quantiles.tolist())
    return dict(zip(LATENCIES, values, strict=True))


def _throughput(trace: Trace, counted: NDArray[np.bool_]) -> dict[str, float]:
    start = float(trace.manifest.get("warm_up", 0.0))
    offered = int(np.count_nonzero(counted))
    if not offered:
        return {"offered": math.nan, "achieved": math.nan}
    done = trace.done[trace.done >= start]
    achieved = _ratio(len(done), float(done.max()) - start) if len(done) else 0.0
    return {
        "offered": _ratio(offered, float(trace.created.max()) - start),
        "achieved": achieved,
    }


@dataclass(frozen=True)
class Result:
    """One strategy by one engine, over its replications: one row of a comparison.

    Each `Interval` is the mean of that metric over replications (for "max", the mean of the
    maxima); `offered`, `fates` and `duplicates` are sums. What is left out is unknown, so that
    `Result("LongPoll", "theory", latency={"mean": Interval(0.05)})` is a whole row.
    """

    strategy: str
    engine: str
    replications: int = 0
    offered: int | None = None
    fates: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    latency: Mapping[str, Interval] = field(default_factory=dict)
    parts: Mapping[str, Interval] = field(default_factory=dict)
    throughput: Mapping[str, Interval] = field(default_factory=dict)
    requests_per_message: Interval = UNKNOWN
    empty_replies: Interval = UNKNOWN
    bytes_per_message: Interval = UNKNOWN
    cpu_seconds_per_message: Interval = UNKNOWN
    cpu_by_side: Mapping[str, Interval] = field(default_factory=dict)
    peak_queue: Interval = UNKNOWN
    warnings: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return means as plain JSON values, in seconds and bytes, with null for unknown.

        "intervals" has [low, high] for each of the latencies.
        """
        latency = {name: self.latency.get(name, UNKNOWN) for name in LATENCIES}
        rates = {name: self.throughput.get(name, UNKNOWN) for name in ("offered", "achieved")}
        data = {name: _means(value) for name, value in vars(self).items()} | {
            "latency": _means(latency),
            "intervals": {name: [i.low, i.high] for name, i in latency.items()},
            "throughput": _means(rates),
        }
        return plain(data)


def _means(value: Any) -> Any:
    if isinstance(value, Interval):
        return value.mean
    if isinstance(value, Mapping):
        return {name: _means(inner) for name, inner in value.items()}
    return value


def plain(value: Any) -> Any:
    """Return `value` as `json.dumps(..., allow_nan=False)` takes it: NaN and infinity are None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]
    return value


def combine(strategy: str, engine: str, replications: Sequence[Metrics]) -> Result:
    """Return the result of one strategy on one engine from the metrics of its replications."""
    data = [asdict(m) for m in replications]

    def over(name: str) -> Interval:
        return Interval.over(d[name] for d in data)

    def each(name: str) -> dict[str, Interval]:
        keys = dict.fromkeys(key for d in data for key in d[name])
        return {key: Interval.over(d[name].get(key, math.nan) for d in data) for key in keys}

    return Result(
        strategy,
        engine,
        replications=len(data),
        offered=sum(m.offered for m in replications),
        fates=_sum([m.fates for m in replications]),
        duplicates=sum(m.duplicates for m in replications),
        latency=each("latency"),
        parts=each("parts"),
        throughput=each("throughput"),
        requests_per_message=over("requests_per_message"),
        empty_replies=over("empty_replies"),
        bytes_per_message=over("bytes_per_message"),
        cpu_seconds_per_message=over("cpu_seconds_per_message"),
        cpu_by_side=each("cpu_by_side"),
        peak_queue=over("peak_queue"),
        warnings=tuple(_warnings(replications)),
    )


def summarise_run(run: Run) -> Result:
    """Return the result of `run`: `combine` of the `summarise` of each of its traces."""
    return combine(run.strategy, run.engine, [summarise(trace) for trace in run.traces])


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for count in counts for name in count)
    return {name: sum(count.get(name, 0) for count in counts) for name in names}


def _warnings(replications: Sequence[Metrics]) -> Iterable[str]:
    delivered = [m.fates.get("delivered", 0) for m in replications]
    silent = delivered.count(0)
    if silent:
        yield f"nothing was delivered in {silent} of {len(delivered)} replications"
    fewest = min((count for count in delivered if count), default=ENOUGH_FOR_P99)
    if fewest < ENOUGH_FOR_P99:
        yield f"p99 and max rest on {fewest} messages in a replication; need {ENOUGH_FOR_P99}"
    if len(replications) == 1:
        yield "one replication: no confidence intervals"
    cut_off = sum(m.fates.get("in_flight", 0) for m in replications)
    if cut_off:
        yield f"{cut_off:,} messages were in flight when the run was cut off"
