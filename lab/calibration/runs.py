"""The measured runs of a calibration, interleaved in random order, and which of them were disturbed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.calibration import plan
from lab.calibration.figures import Figures, figures
from lab.compare import Progress, silent, unbatched
from lab.machine import disturbed
from lab.scenario import Scenario
from lab.trace import Trace

LATE = 0.5e-3  # seconds of lateness beyond the typical that are called a stall, at least
ORDINARY = 0.5e-3  # seconds over the median that nine in ten wait at most, or stalls cannot be told
TIMES = 4  # a stall is also later, over the median, than so many times what these are
BUSY = 0.5  # of the time that a side works, from which on its messages wait for others in any case
FEWEST = 20  # messages in a run
WAITS = {
    "source": "schedule delay",
    "broker": "to the broker",
}  # what a stall of each side prolongs


class Late(NamedTuple):
    """Seconds over `limit` that each message had to wait which a stall kept waiting, `among` so many."""

    over: tuple[float, ...]
    among: int
    limit: float = LATE


@dataclass(frozen=True)
class Sample:
    """One measured run: the scenario and replication it came from, its figures by name.

    `background` is what else went on (see `disturbed`). `late` are the messages that stalls of a side
    kept waiting there, by side; without those of which the run cannot tell.
    """

    scenario: Scenario
    replication: int
    figures: Figures
    background: Mapping[str, float] | None = None
    late: Mapping[str, Late] = field(default_factory=dict)

    @property
    def calm(self) -> bool:
        return not disturbed(self.background)


def sample(scenario: Scenario, replication: int, trace: Trace) -> Sample:
    """Return what calibration keeps of a measured run."""
    background = trace.manifest.get("background")
    late = {} if _together(scenario) else _lateness(trace)  # stalls may be what disturbs a run
    return Sample(scenario, replication, figures(trace), background, late)


def _together(scenario: Scenario) -> bool:
    """Say whether several messages come at once, so that the work on them makes others wait."""
    strategy = scenario.strategies[0]
    return bool(strategy.paced) or unbatched(scenario, strategy)[1] != strategy


def _lateness(trace: Trace) -> dict[str, Late]:
    """Return how late stalled messages were, for each side where little else makes messages wait."""
    sides, counted, parts = trace.counters.cpu_seconds, trace.counted, trace.parts()
    if not all(side in sides for side in WAITS) or trace.manifest["consumers"] > 1:
        return {}
    if counted.sum() < FEWEST:
        return {}
    span = float(np.nanmax(trace.done))
    idle = [side for side in WAITS if sides[side] < BUSY * span]
    found = {side: _late(parts[WAITS[side]][counted]) for side in idle}
    return {side: late for side, late in found.items() if late}


def _late(waits: NDArray[np.float64]) -> Late | None:
    median, most = np.quantile(waits, (0.5, 0.9))
    if most - median > ORDINARY:
        return None
    limit = max(LATE, TIMES * float(most - median))
    over = waits - median - limit
    return Late(tuple(float(f"{x:.4g}") for x in over[over > 0]), len(waits), limit)


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
