"""The measured runs of a calibration, interleaved in random order, and which of them were disturbed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.calibration import plan
from lab.calibration.figures import Figures, figures
from lab.calibration.stalls import Late, lateness
from lab.compare import Progress, silent
from lab.machine import disturbed
from lab.scenario import Scenario
from lab.trace import Trace


@dataclass(frozen=True)
class Sample:
    """One measured run: the scenario and replication it came from, its figures by name.

    `background` is what else went on (see `disturbed`). `late` are messages that stalls may have kept
    waiting, by side; those of disturbed runs, too, as that may be what disturbed them.
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
    return Sample(scenario, replication, figures(trace), background, lateness(scenario, trace))


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
