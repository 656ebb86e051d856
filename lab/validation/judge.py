"""From observations to rows: what was measured, what was predicted, and how far replicates agree.

Pure functions of traces: no clock, no socket, no run here.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import stdtrit

from lab.metrics import CONFIDENCE, Metrics, summarise
from lab.trace import PARTS, Fate, Floats, Trace
from lab.validation.baselines import baselines, outside
from lab.validation.families import family, rate
from lab.validation.latency import quantiles, shown
from lab.validation.observed import Observation
from lab.validation.rows import QUANTILES, Anatomy, Cost, Pair, Place, Row, typical

OVERLOAD = 1.25  # messages that come so many times as fast as they are delivered are too many
SLOW = 0.9  # the slowest tenth tells why p90 and p99 are what they are


def judge(observations: Sequence[Observation]) -> list[Row]:
    """Return a row for each observation and quantile, in their order."""
    fitted = _fitted(observations)
    return [row for o in observations for row in _rows(o, fitted)]


def costs(observations: Sequence[Observation]) -> list[Cost]:
    """Return the throughput and costs of each observation, in their order."""
    fitted = _fitted(observations)
    return [_cost(o, fitted) for o in observations]


def _fitted(observations: Sequence[Observation]) -> list[Observation]:
    return [o for o in observations if o.point.fitted]


def prediction_interval(replicates: Floats) -> tuple[float, float]:
    """Return the 95 % interval for one more replicate: Student's, in the logarithm.

    exp(m ± t(n-1)·s·√(1+1/n)) with the mean m and the standard deviation s of the logarithms
    (Hahn and Meeker, Statistical Intervals, 1991). NaN with fewer than two, or if one is not
    positive.
    """
    n = len(replicates)
    if n < 2 or not (replicates > 0).all():
        return math.nan, math.nan
    logs = np.log(replicates)
    student = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    half = student * float(logs.std(ddof=1)) * math.sqrt(1 + 1 / n)
    return math.exp(logs.mean() - half), math.exp(logs.mean() + half)


def leave_one_out(replicates: Floats) -> float:
    """Return the median over replicates of |replicate / median of the others - 1|."""
    if len(replicates) < 2:
        return math.nan
    others = [np.median(np.delete(replicates, k)) for k in range(len(replicates))]
    if not all(other > 0 for other in others):
        return math.nan
    return typical(np.abs(replicates / np.array(others) - 1).tolist())


def utilisation(trace: Trace) -> float:
    """Return the share of the run that the busiest core was busy with it.

    Sides that are pinned to the same core share it; any other side is taken to have one to itself.
    """
    cores: dict[str | int, float] = {}
    for side, used in trace.counters.cpu_seconds.items():
        mine = trace.manifest.get("cores", {}).get(side) or []
        core = mine[0] if len(mine) == 1 else side
        cores[core] = cores.get(core, 0.0) + used
    elapsed = trace.counters.elapsed
    return max(cores.values()) / elapsed if cores and elapsed > 0 else math.nan


def _rows(observation: Observation, fitted: Sequence[Observation]) -> Iterator[Row]:
    place = _place(observation, fitted)
    others = baselines(observation, fitted) if place.held_out else {}
    anatomies = {tail: _anatomy(observation, tail) for tail in (False, True)}
    for name, share in QUANTILES.items():
        measured = quantiles(observation.measured, share)
        low, high = prediction_interval(measured)
        predicted_low, predicted_high = _central(quantiles(observation.likely, share))
        yield Row(
            place=place,
            quantile=name,
            measured=typical(measured.tolist()),
            low=low,
            high=high,
            predicted=typical(quantiles(observation.predicted, share).tolist()),
            predicted_low=predicted_low,
            predicted_high=predicted_high,
            replicate_error=leave_one_out(measured),
            baselines={baseline: values[name] for baseline, values in others.items()},
            anatomy=anatomies[name != "p50"],
        )


def _central(values: Floats) -> tuple[float, float]:
    """Return between which two values the middle 95 % lie."""
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _place(observation: Observation, fitted: Sequence[Observation]) -> Place:
    point, measured = observation.point, observation.measured
    excess = [_offered(trace) / _throughput(trace) for trace in measured]
    return Place(
        strategy=point.strategy.label,
        setting=point.setting,
        family=family(point),
        rate=rate(point),
        held_out=not point.fitted,
        unseen=point.unseen,
        replicates=len(measured),
        disturbed=observation.disturbed,
        messages=int(np.median([len(trace) for trace in measured])) if measured else 0,
        utilisation=typical(utilisation(trace) for trace in measured),
        overloaded=typical(excess) > OVERLOAD,
        outside=outside(point, fitted),
        pinned=point.pinned,
    )


def _offered(trace: Trace) -> float:
    """Return the rows created per second, from the first to the last of them."""
    return _per_second(len(trace), trace.created, trace.created)


def _throughput(trace: Trace) -> float:
    """Return the deliveries per second, from the first creation to the last delivery."""
    done = trace.done[trace.fate == Fate.DELIVERED]
    return _per_second(len(done), trace.created, done)


def _per_second(count: int, first: Floats, last: Floats) -> float:
    span = last.max() - first.min() if count else 0.0
    return count / float(span) if span > 0 else math.nan


def _anatomy(observation: Observation, tail: bool) -> Anatomy:
    """Return the time in each part, predicted and measured: see `anatomy`; medians over runs."""
    predicted, measured = (
        [anatomy(trace, tail) for trace in traces]
        for traces in (observation.predicted, observation.measured)
    )
    return {
        part: (typical(p[part] for p in predicted), typical(m[part] for m in measured))
        for part in PARTS
    }


def anatomy(trace: Trace, tail: bool) -> dict[str, float]:
    """Return the median of each part, or with `tail` its mean over the slowest tenth, in seconds."""
    rows = shown(trace)
    if not rows.any():
        return dict.fromkeys(PARTS, math.nan)
    parts = {name: part[rows] for name, part in trace.parts().items()}
    if not tail:
        return {name: float(np.median(part)) for name, part in parts.items()}
    latency = trace.latency[rows]
    slow = latency >= np.quantile(latency, SLOW)
    return {name: float(part[slow].mean()) for name, part in parts.items()}


def _cost(observation: Observation, fitted: Sequence[Observation]) -> Cost:
    predicted, measured = observation.predicted, observation.measured
    metrics = [[summarise(trace) for trace in traces] for traces in (predicted, measured)]

    def pair(pick: Callable[[Metrics], float]) -> Pair:
        return Pair(*(typical(pick(run) for run in runs) for runs in metrics))

    def side(name: str) -> Pair:
        return pair(lambda run: run.cpu_by_side.get(name, math.nan))

    sides = dict.fromkeys(side for runs in metrics for run in runs for side in run.cpu_by_side)
    return Cost(
        place=_place(observation, fitted),
        throughput=Pair(*(typical(map(_throughput, runs)) for runs in (predicted, measured))),
        cpu_seconds=pair(lambda run: run.cpu_seconds_per_message),
        cpu_by_side={name: side(name) for name in sides},
        requests=pair(lambda run: run.requests_per_message),
        delivered=Pair(*(typical(map(_delivered, runs)) for runs in (predicted, measured))),
    )


def _delivered(trace: Trace) -> float:
    """Return the share of the rows that was delivered."""
    return float(np.mean(trace.fate == Fate.DELIVERED)) if len(trace) else math.nan
