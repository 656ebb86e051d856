"""What is fitted of a run: its figures by name, and what is typical of several runs alike.

The machine's speed wanders by a tenth from second to second, with its neighbours. CPU time per
message tells the speed of a run: with it known, the medians of runs alike differ by a third of what
they differ by otherwise. So figures are brought to the typical speed before they are compared.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lab.trace import Trace

CLOSE, FAR, SPELLS = "close", "far", "spells"
AFTER = {CLOSE: 1 / 3, FAR: 1 / 10}  # of the messages: those soonest, and latest, after another
PARTS = ("schedule delay", "to the broker", "broker residence", "on the way", "consumer queue")
TIMES = ("p50", "p90", "p99", CLOSE, FAR, SPELLS)
THROUGHPUT = "throughput"
WAKE_UPS = "wake-ups"
SHORTEST = 1e-6  # seconds; shorter figures are not fitted
TOGETHER = 5  # messages one after another, of which a median is taken
FLOOR = 2e-6  # added to both sides of a ratio, so that nothing is infinitely wrong
SPEEDS = {"cpu": 1.0, WAKE_UPS: 0.0} | dict.fromkeys(TIMES, 1.2)
"""Powers of a run's cost that figures follow."""

Figures = dict[str, float]


def figures(trace: Trace) -> Figures:
    """Return quantiles of latency and its parts, CPU seconds and wake-ups a message, and throughput.

    Quantiles are of the messages after warm-up, the rest of all. Of each part there is a median, too, of the
    messages that were created soonest after the one before, and of those that were latest: they tell
    what a short sleep does, and a long one. Of latency there is a ninth decile, too, of medians of five
    messages that followed on one another: it tells which part of the chance outlasts a message.
    """
    found: Figures = {}
    counted = trace.counted
    close, far = _close_and_far(trace)
    for part, values in trace.parts().items():
        if part in PARTS and not np.isnan(values[counted]).all():
            found[f"{part} p50"], found[f"{part} p90"] = np.nanquantile(values[counted], (0.5, 0.9))
            found[f"{part} {CLOSE}"] = np.nanmedian(values[close])
            found[f"{part} {FAR}"] = np.nanmedian(values[far])
    latency = trace.latency[counted]
    quantiles = np.nanquantile(latency, (0.5, 0.9, 0.99))
    found[f"latency {SPELLS}"] = _of_spells(latency)
    found |= dict(zip(("latency p50", "latency p90", "latency p99"), quantiles, strict=True))
    for side, used in trace.counters.cpu_seconds.items():
        found[f"{side} cpu"] = used / len(trace)
        found[f"{side} wake-ups"] = trace.counters.wake_ups[side] / len(trace)
    found[THROUGHPUT] = len(trace) / float(np.nanmax(trace.done))
    return {name: float(value) for name, value in found.items()}


def _of_spells(latency: NDArray[np.float64]) -> float:
    pieces = np.array_split(latency, max(1, len(latency) // TOGETHER))
    return float(np.nanquantile([np.nanmedian(piece) for piece in pieces], 0.9))


def _close_and_far(trace: Trace) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of the messages that came soonest after the one before, and of the latest."""
    rows = np.flatnonzero(trace.counted)
    gaps = np.diff(trace.created, prepend=0.0)[rows]
    order = rows[np.argsort(gaps, kind="stable")]
    close, far = (max(1, round(share * len(rows))) for share in AFTER.values())
    return order[:close], order[-far:]


def kind(name: str) -> str:
    """Return what sort of figure it is: p50, p90, p99, close, far, spells, cpu, wake-ups or throughput."""
    return name.split()[-1]


def is_time(name: str) -> bool:
    """Say whether a figure is how long messages took, which a disturbance prolongs."""
    return kind(name) in TIMES


def costs(runs: Sequence[Mapping[str, float]], calm: Sequence[bool]) -> NDArray[np.float64]:
    """Return how much CPU time a message took in each of runs alike, to the mean of the `calm` ones.

    It is the mean that a longer run has: it sees slow spells in proportion, of which a median of short
    runs sees none.
    """
    used = np.array([sum(v for k, v in run.items() if kind(k) == "cpu") for run in runs])
    return used / np.mean(used[_quiet(np.arange(len(runs)), calm)])


def at_usual_speed(run: Mapping[str, float], speed: float) -> Figures:
    """Return what the figures of a run would be whose work took not `speed` times as long as usual."""
    return {name: value * speed ** -SPEEDS.get(kind(name), -1.0) for name, value in run.items()}


def _quiet(picked: NDArray[np.intp], calm: Sequence[bool]) -> NDArray[np.intp]:
    """Return those of the indices whose runs are calm; all, if fewer than two are."""
    quiet = picked[np.asarray(calm)[picked]]
    return quiet if len(quiet) > 1 else picked


def typical(
    runs: Sequence[Mapping[str, float]],
    calm: Sequence[bool],
    chosen: NDArray[np.intp] | None = None,
) -> Figures:
    """Return the medians of runs alike, each brought to the typical speed.

    Quantiles leave out runs that are not `calm`, unless fewer than two are. `chosen` are indices
    of the runs to take, for a bootstrap.
    """
    speeds = costs(runs, calm).tolist()
    usual = [at_usual_speed(run, speed) for run, speed in zip(runs, speeds, strict=True)]
    picked = np.arange(len(runs)) if chosen is None else chosen
    quiet = _quiet(picked, calm)
    found = {}
    for name in runs[0]:
        which = quiet if is_time(name) else picked
        found[name] = float(np.median([usual[i][name] for i in which.tolist()]))
    return found
