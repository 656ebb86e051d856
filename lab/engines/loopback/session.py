"""A session of measured runs: it keeps the sides' processes, and makes traces of their runs."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.engines import common
from lab.engines.loopback import columns, settings
from lab.engines.loopback.job import Job, Trouble
from lab.engines.loopback.merge import merge
from lab.engines.loopback.processes import Processes
from lab.engines.loopback.run import Run
from lab.engines.loopback.trouble import TroubledRun
from lab.scenario import Scenario
from lab.strategies import Strategy
from lab.trace import Trace
from lab.workload import Messages


class Session(Processes):
    """Processes for measured runs, kept from run to run. Use as a context manager.

    `port` fixes the port of the side that listens, 0 lets the system choose. `pinned` binds each
    side to a core, where there are two.
    """

    def __init__(self, port: int = 0, pinned: bool = True) -> None:
        super().__init__(pinned)
        self.port = port

    def measure(self, scenario: Scenario, strategy: Strategy, replication: int = 0) -> Trace:
        """Run `strategy` on the scenario's workload in real time and return its trace.

        Raises `MeasurementError` if a side fails.
        """
        workload, speed_up = scenario.workload, scenario.speed_up
        messages = workload.draw(replication).faster(speed_up)
        layout = common.layout(scenario, strategy)
        manifest = common.manifest(scenario, strategy, "loopback", replication, len(messages))
        manifest["warm_up"] = workload.warm_up / speed_up
        manifest["settings"] = settings.described()
        self.start(layout.sides)
        with _trouble(scenario, strategy, messages) as trouble:
            job = Job(
                strategy.faster(speed_up),
                layout,
                messages,
                workload.consumers,
                scenario.retention.limits(),
                self.port,
                scenario.producer.policy(),
                workload.seed,
                replication,
                trouble,
                scenario.socket_buffer or 0,
            )
            try:
                outcome = self._run(scenario, job).run()
            except BaseException:
                self.close()  # what state the sides are in is not known
                raise
            manifest["background"] = outcome.disturbed
            manifest["cores"] = {name: told["core"] for name, told in outcome.results.items()}
            return merge(job, outcome, manifest)

    def _run(self, scenario: Scenario, job: Job) -> Run:
        times = scenario.workload.duration / scenario.speed_up, scenario.drain
        if job.trouble:
            return TroubledRun(self, job, *times, acks=scenario.producer.acks != "none")
        return Run(self, job, *times)


@contextmanager
def _trouble(
    scenario: Scenario, strategy: Strategy, messages: Messages
) -> Iterator[Trouble | None]:
    """Make the folder of a run with trouble, and remove it afterwards; None in a run without."""
    if not len(messages) or not common.troubled(scenario, strategy):
        yield None
        return
    speed_up = scenario.speed_up
    sample = (scenario.sample or 0.0) / speed_up
    lasts = scenario.workload.duration / speed_up + scenario.drain
    with tempfile.TemporaryDirectory(prefix="pushpull-") as name:
        trouble = Trouble(
            Path(name),
            tuple(fault.faster(speed_up) for fault in scenario.faults),
            frozenset(scenario.poison),
            scenario.durable,
            sample,
            int(lasts / sample) + 1 if sample else 0,
        )
        rows = 1 if strategy.shared else scenario.workload.consumers
        size = columns.Size(len(messages), rows, scenario.workload.consumers)
        columns.create(trouble.folder, size)
        if sample:
            sides = common.layout(scenario, strategy).sides
            columns.samples(trouble.folder, len(sides), trouble.samples, "w+")
        yield trouble


def measure(scenario: Scenario, strategy: Strategy, replication: int = 0) -> Trace:
    """Measure one run in a session of its own."""
    with Session() as session:
        return session.measure(scenario, strategy, replication)
