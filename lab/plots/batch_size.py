"""Throughput against batch size, and the latency that a larger batch costs."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.metrics import UNKNOWN, Interval, Run, summarise
from lab.plots import style
from lab.plots.marks import entry
from lab.show import wrap
from lab.strategies import STRATEGIES

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
    latency of those is. Strategies have colours and markers; simulated points are joined by solid
    lines, measured ones by dashed lines and hollow. Axes are logarithmic.
    """
    batches = sorted(_batches(points), key=lambda batch: batch.size)
    known = style.looks(batch.strategy for batch in batches)
    timed = [b for b in batches if b.latency.mean > 0]
    figure = style.slide()
    grid = figure.subplots(1, 2 if timed else 1, squeeze=False)[0]
    unit = style.unit_for(max((b.latency.mean for b in timed), default=1.0))
    _draw(grid[0], batches, known, lambda batch: batch.throughput, 1.0)
    style.dress(grid[0], "", "batch size (messages)", "throughput (messages per second)")
    if timed:
        _draw(grid[1], timed, known, lambda batch: batch.latency, unit.scale)
        style.dress(grid[1], "", "batch size (messages)", f"{latency} ({unit.name})")
    style.headline(figure, "What does a larger batch buy?")
    if not batches:
        style.say_empty(grid[0])
    style.legend(figure, _legend(known, batches), "outside lower center", columns=3)
    return figure


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


def _draw(
    axes: Axes,
    batches: Sequence[Batch],
    known: dict[str, style.Look],
    value: Callable[[Batch], Interval],
    scale: float,
) -> None:
    """Draw a line with bars for each strategy and engine."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    for strategy, engine in dict.fromkeys((b.strategy, b.engine) for b in batches):
        mine = [b for b in batches if (b.strategy, b.engine) == (strategy, engine)]
        style.error_line(
            axes,
            [float(b.size) for b in mine],
            [value(b) for b in mine],
            known[strategy],
            engine,
            scale,
        )
    if batches:
        for axis in (axes.xaxis, axes.yaxis):
            style.log_ticks(axis)


def _legend(known: dict[str, style.Look], batches: Sequence[Batch]) -> list[Any]:
    present = {batch.engine for batch in batches}
    names = [entry(wrap(name), look) for name, look in known.items()]
    return [*names, *style.engine_lines(present)]
