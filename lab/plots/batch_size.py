"""Throughput against batch size, and the latency that a larger batch costs."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from lab.metrics import UNKNOWN, Interval, Run, summarise
from lab.plots import style
from lab.plots.series import Panel, Series
from lab.plots.sweep import sweep
from lab.show import ENGINES
from lab.strategies import STRATEGIES

SWEPT = "batch size (messages)"
KNOBS = ("batch_size", "min_records", "max_records")  # of which the first that is set counts


class Batch(NamedTuple):
    """What batches of `size` messages achieve: messages a second, and seconds to wait for one."""

    strategy: str
    engine: str
    size: int
    throughput: Interval
    latency: Interval = UNKNOWN


def batch_size(points: Sequence[Run | Batch], latency: str = "median latency") -> Figure:
    """Draw throughput over the batch size, and beside it the latency, with 95 % intervals.

    `points` are runs whose strategies differ in the size of their batches only (throughput is what
    they achieved, messages per second; latency is the median), or batches; `latency` says what the
    latency of those is. Strategies have colours and markers; simulated points are filled on solid
    lines, measured ones hollow on dashed lines. Axes are logarithmic.
    """
    batches = sorted(_batches(points), key=lambda batch: batch.size)
    longest = max((b.latency.mean for b in batches if b.latency.mean > 0), default=0.0)
    unit = style.unit_for(longest or 1.0)
    panels = [Panel("", "throughput (messages per second)", SWEPT, "throughput")]
    if longest:
        panels.append(Panel("", f"{latency} ({unit.name})", SWEPT, "latency", unit.scale))
    engines = [e for e in ENGINES if any(batch.engine == e for batch in batches)]
    drawn = {engine: list(_series(batches, engine)) for engine in engines}
    return sweep(drawn, panels, "What does a larger batch buy?")


def _series(batches: Sequence[Batch], engine: str) -> Iterator[Series]:
    mine = [batch for batch in batches if batch.engine == engine]
    for strategy in dict.fromkeys(batch.strategy for batch in mine):
        some = [batch for batch in mine if batch.strategy == strategy]
        yield Series(strategy, [(b.size, b.throughput) for b in some], "throughput")
        yield Series(strategy, [(b.size, b.latency) for b in some], "latency")


def batch_of(run: Run) -> Batch:
    """Return what a run achieved, its batch size as its strategy says it; the label loses it."""
    metrics = [summarise(trace) for trace in run.traces]
    knob, size = _size(run)
    name = re.sub(rf"(, )?\b{knob}=\d+(, )?", _join, run.strategy).replace("()", "")
    throughput = Interval.over(each.throughput["achieved"] for each in metrics)
    return Batch(
        name, run.engine, size, throughput, Interval.over(each.latency["p50"] for each in metrics)
    )


def _join(found: re.Match[str]) -> str:
    return ", " if found[1] and found[2] else ""


def _size(run: Run) -> tuple[str, int]:
    """Return the knob that sets the size of a batch, and what it is set to."""
    manifest = run.traces[0].manifest
    strategies: list[dict[str, Any]] = manifest.get("scenario", {}).get("strategies", [])
    turned = strategies[manifest["strategy_index"]] if strategies else {}
    kinds = (s.model_fields for s in STRATEGIES if s.__name__ == turned.get("kind"))
    defaults = {name: field.default for name, field in next(kinds, {}).items()}
    for plain in (turned, defaults):
        for knob in KNOBS:
            if knob in plain:
                return knob, int(plain[knob])
    return "batch_size", 1


def _batches(points: Sequence[Run | Batch]) -> Iterator[Batch]:
    for point in points:
        if isinstance(point, Batch):
            yield point
        elif point.traces:
            yield batch_of(point)
