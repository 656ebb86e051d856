"""The measured runs of a calibration, interleaved in random order, and which of them were disturbed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.calibration import plan
from lab.calibration.figures import Figures, figures
from lab.calibration.stalls import Late, lateness
from lab.compare import Progress, silent
from lab.machine import disturbed, lost
from lab.scenario import Scenario
from lab.trace import Trace

REPEATS = 1  # of a disturbed run, for which calibration has the time

Job = tuple[int, int]  # which scenario, and which replication of it


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
    late = lateness(scenario, trace)
    return Sample(scenario, replication, figures(trace), _background(trace), late)


def measure(quick: bool = False, progress: Progress = silent) -> list[Sample]:
    """Measure every run of the plan several times, interleaved in random order."""
    from lab.engines.loopback import Session  # needs sockets, which fitting does not

    order = np.random.default_rng(plan.SEED)
    scenarios = plan.scenarios(quick)
    rounds = [
        [(i, segment) for i in order.permutation(len(scenarios)).tolist()]
        for segment in range(plan.segments(quick))
    ]
    with Session() as session:
        session.measure(scenarios[0], scenarios[0].strategies[0])  # imports and first uses

        def run(i: int, segment: int) -> Trace:
            return session.measure(scenarios[i], scenarios[i].strategies[0], segment)

        titles = [plan.title(scenario) for scenario in scenarios]
        kept, _ = calmest(rounds, run, titles, REPEATS, progress)
    return [sample(scenarios[i], segment, trace) for (i, segment), trace in kept.items()]


def calmest(
    rounds: Sequence[Sequence[Job]],
    run: Callable[[int, int], Trace],
    titles: Sequence[str],
    repeats: int,
    progress: Progress,
) -> tuple[dict[Job, Trace], int]:
    """Run the jobs of each round, and at its end up to `repeats` times those that were disturbed.

    So they are repeated while the machine's pace is still the same. Returns the calmest try at each
    job, and how many were repeated.
    """
    kept = dict[Job, Trace]()
    jobs, tries = sum(map(len, rounds)), 0
    for todo in rounds:
        for repeat in range(1 + repeats):
            doing = "measuring again" if repeat else "measuring"
            for job in todo:
                progress(f"{doing} {titles[job[0]]}", len(kept), jobs)
                trace = run(*job)
                kept[job] = min(kept.get(job, trace), trace, key=_noise)
                tries += 1
            todo = [job for job in todo if disturbed(_background(kept[job]))]
    progress("measured", jobs, jobs)
    return kept, tries - jobs


def _noise(trace: Trace) -> tuple[bool, float]:
    return disturbed(_background(trace)), lost(_background(trace))


def _background(trace: Trace) -> Mapping[str, float] | None:
    return trace.manifest.get("background")


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
