"""What validation compares: a point of its plan, runs measured there, and runs predicted for it."""

from dataclasses import dataclass, field, replace

from lab.scenario import Scenario
from lab.strategies import Strategy
from lab.trace import Trace


@dataclass(frozen=True)
class Point:
    """One strategy under one workload: the scenario holds just that strategy.

    `setting` says what is special about it ("300/s", "300/s, 8 kB, 3 consumers"). `fitted` says
    that calibration itself uses these runs; all others are held out. `unseen` says that a knob, a
    size or the strategy itself is one that calibration never met, not the load alone. `pinned` says
    that each side's process is bound to a core.
    """

    scenario: Scenario
    setting: str
    fitted: bool = False
    unseen: bool = False
    pinned: bool = True

    def reseeded(self, seed: int) -> "Point":
        """Return the same point with other messages."""
        workload = self.scenario.workload.model_copy(update={"seed": seed})
        return replace(self, scenario=self.scenario.model_copy(update={"workload": workload}))

    @property
    def strategy(self) -> Strategy:
        return self.scenario.strategies[0]


@dataclass(frozen=True)
class Observation:
    """A point, and its traces.

    `measured`: one a replicate; replicate k has the messages of replication `replications[k]`.
    `predicted`: the model's runs on the very same messages, as many for each measured run.
    `likely`: runs by other physics of the calibration's ensemble, each at a speed of its own
    drawing: what a replicate may look like if the model is right. `disturbed` counts the measured
    runs among `measured` that failed the background gate even when repeated.
    """

    point: Point
    replications: list[int] = field(default_factory=list)
    measured: list[Trace] = field(default_factory=list)
    predicted: list[Trace] = field(default_factory=list)
    likely: list[Trace] = field(default_factory=list)
    disturbed: int = 0
