"""What the longest fault of a scenario did to each run: recovery, catching up, harm to others."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lab.faults import Fault
from lab.metrics import Run
from lab.outcomes.recovery import Recovery, recovery
from lab.scenario import Scenario


class Aftermath(NamedTuple):
    """How one strategy, on one engine, recovered from the longest fault; medians of replications."""

    strategy: str
    engine: str
    fault: str
    recovery: Recovery

    def to_json(self) -> dict[str, Any]:
        plain = {
            name: value if math.isfinite(value) else None
            for name, value in self.recovery._asdict().items()
        }
        return {**self._asdict(), "recovery": plain}


def longest(scenario: Scenario) -> Fault | None:
    """Return the fault that lasts longest; None if none lasts."""
    lasting = [fault for fault in scenario.faults if fault.duration]
    return max(lasting, key=lambda fault: fault.duration, default=None)


def aftermath(scenario: Scenario, runs: Sequence[Run]) -> Iterator[Aftermath]:
    """Yield what the longest fault of `scenario` did in each of `runs`."""
    fault = longest(scenario)
    if fault is None:
        return
    for run in runs:
        consumer = getattr(fault, "consumer", 0)
        found = [recovery(trace, fault, consumer) for trace in run.traces]
        if found:
            middle = Recovery(*(float(np.median(column)) for column in zip(*found, strict=True)))
            yield Aftermath(run.strategy, run.engine, str(fault), middle)
