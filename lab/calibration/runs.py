"""The measured runs of a calibration, interleaved in random order, and which of them were disturbed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.calibration import plan
from lab.calibration.figures import Figures, figures
from lab.compare import Progress, silent
from lab.machine import disturbed
from lab.scenario import Scenario
from lab.trace import Trace

LATE = 0.5e-3  # seconds of lateness beyond the typical that are called a stall
ALONE = 2e-3  # seconds since the message before, so that the source is not busy with it
FEWEST = 10  # such messages in a run
WAITS = {
    "source": "schedule delay",
    "broker": "to the broker",
}  # what a stall of each side prolongs


@dataclass(frozen=True)
class Sample:
    """One measured run: the scenario and replication it came from, its figures by name.

    `background` is what else went on (see `disturbed`). `late` are, by side, the seconds over `LATE` of
    each message that a stall kept waiting there, among `sent` messages; empty for a run that cannot tell.
    """

    scenario: Scenario
    replication: int
    figures: Figures
    background: Mapping[str, float] | None = None
    late: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    sent: int = 0

    @property
    def calm(self) -> bool:
        return not disturbed(self.background)


def sample(scenario: Scenario, replication: int, trace: Trace) -> Sample:
    """Return what calibration keeps of a measured run."""
    background = trace.manifest.get("background")
    late, sent = ({}, 0) if disturbed(background) else _lateness(trace)
    return Sample(scenario, replication, figures(trace), background, late, sent)


def _lateness(trace: Trace) -> tuple[dict[str, tuple[float, ...]], int]:
    """Return how late stalled messages were on each side, over `LATE`, and how many were sent in all."""
    sides = trace.counters.cpu_seconds
    if not all(side in sides for side in WAITS) or trace.manifest["consumers"] > 1:
        return {}, 0
    alone = np.diff(trace.created, prepend=-np.inf) >= ALONE
    if alone.sum() < FEWEST:
        return {}, 0
    parts = trace.parts()
    return {side: _over(parts[wait][alone]) for side, wait in WAITS.items()}, int(alone.sum())


def _over(waits: NDArray[np.float64]) -> tuple[float, ...]:
    over = waits - np.median(waits) - LATE
    return tuple(float(f"{x:.4g}") for x in over[over > 0])


def measure(quick: bool = False, progress: Progress = silent) -> list[Sample]:
    """Measure every run of the plan several times, interleaved in random order."""
    from lab.engines.loopback import Session  # needs sockets, which fitting does not

    order = np.random.default_rng(plan.SEED)
    scenarios, samples = plan.scenarios(quick), list[Sample]()
    segments = plan.segments(quick)
    steps = segments * len(scenarios)
    with Session() as session:
        session.measure(scenarios[0], scenarios[0].strategies[0])  # imports and first uses
        for segment in range(segments):
            for i in order.permutation(len(scenarios)):
                scenario = scenarios[i]
                progress(f"measuring {plan.title(scenario)}", len(samples), steps)
                trace = session.measure(scenario, scenario.strategies[0], segment)
                samples.append(sample(scenario, segment, trace))
    progress("measured", steps, steps)
    return samples


def plain(sample: Sample) -> dict[str, Any]:
    """Return a sample as it stands in the calibration file."""
    workload = sample.scenario.workload
    return {
        "strategy": sample.scenario.strategies[0].label,
        "rate": workload.arrivals.mean_rate,
        "size": workload.size.mean,
        "seconds": workload.duration,
        "replication": sample.replication,
        "background": sample.background,
        "disturbed": not sample.calm,
        "figures": {k: float(f"{v:.4g}") for k, v in sample.figures.items()},
    }
