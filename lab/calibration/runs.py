"""The measured runs of a calibration, interleaved in random order, and which of them were disturbed."""

from collections.abc import Mapping, Sequence
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
    """Measure every run of the plan several times, interleaved in random order.

    Disturbed runs are measured once more, and both kept: medians are told from calm runs only.
    """
    from lab.engines.loopback import Session  # needs sockets, which fitting does not

    order = np.random.default_rng(plan.SEED)
    scenarios, samples = plan.scenarios(quick), list[Sample]()
    todo = [
        (scenarios[i], segment)
        for segment in range(plan.segments(quick))
        for i in order.permutation(len(scenarios)).tolist()
    ]
    with Session() as session:
        session.measure(scenarios[0], scenarios[0].strategies[0])  # imports and first uses

        def run(jobs: Sequence[tuple[Scenario, int]], doing: str) -> None:
            for done, (scenario, replication) in enumerate(jobs):
                progress(f"{doing} {plan.title(scenario)}", done, len(jobs))
                trace = session.measure(scenario, scenario.strategies[0], replication)
                samples.append(sample(scenario, replication, trace))

        run(todo, "measuring")
        run([(s.scenario, s.replication) for s in samples if not s.calm], "measuring again")
    progress("measured", len(todo), len(todo))
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
