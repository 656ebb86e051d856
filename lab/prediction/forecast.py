"""A forecast: what is predicted of each strategy, how sure that is, and where the promise ends.

Times are seconds, rates messages a second, shares between 0 and 1; unknown is NaN.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from lab.metrics import CONFIDENCE, plain
from lab.scenario import Scenario

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
PROMISED = ("p50", "p90", "p99")


class Estimate(NamedTuple):
    """A predicted value and the bounds of its 95 % interval."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan


def estimate(central: Sequence[float], likely: Sequence[float]) -> Estimate:
    """Return the median of `central`, and the central 95 % of `likely`, widened to hold it.

    NaN among them are left out.
    """
    known, around = (np.array([v for v in some if not math.isnan(v)]) for some in (central, likely))
    if not len(known):
        return Estimate()
    value = float(np.median(known))
    if not len(around):
        return Estimate(value)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(around, (tail, 1 - tail)).tolist()
    return Estimate(value, min(low, value), max(high, value))


class Resource(NamedTuple):
    """What limits throughput: a core, the work of a consumer, or waiting, and its name.

    The kind is None where nothing was found to limit it.
    """

    kind: Literal["core", "work", "waiting"] | None
    name: str


NOTHING = Resource(None, "nothing found")


@dataclass(frozen=True)
class Saturation:
    """The load beyond which a strategy no longer keeps up, and why.

    `rate` is in messages a second, each delivered to every consumer. `utilisation` is how busy the
    resource is at the scenario's own load; where it is waiting, the share of `rate` that is used.
    """

    resource: Resource
    rate: Estimate
    utilisation: Estimate


@dataclass(frozen=True)
class Outlook:
    """What is predicted of one strategy.

    `latency` has the keys of `QUANTILES`. Requests, bytes and CPU seconds (by side) are for each
    message and consumer. `caveats` say where the promise ends.
    """

    strategy: str
    latency: Mapping[str, Estimate]
    requests_per_message: Estimate
    bytes_per_message: Estimate
    cpu_by_side: Mapping[str, Estimate]
    saturation: Saturation
    caveats: Sequence[str] = ()


@dataclass(frozen=True)
class Forecast:
    """What is predicted of a scenario; `caveats` hold for all its strategies."""

    scenario: Scenario
    outlooks: Sequence[Outlook]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    caveats: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the forecast as plain data: seconds, messages a second, and None for unknown."""
        calibration = {key: self.manifest.get(key) for key in ("machine", "date")}
        return plain(
            {
                "scenario": self.scenario.name,
                "calibration": calibration if self.manifest else None,
                "strategies": [_plain_outlook(outlook) for outlook in self.outlooks],
                "caveats": self.caveats,
            }
        )


def _plain_outlook(outlook: Outlook) -> dict[str, Any]:
    saturation = outlook.saturation
    return {
        "strategy": outlook.strategy,
        "latency": {name: value._asdict() for name, value in outlook.latency.items()},
        "requests_per_message": outlook.requests_per_message._asdict(),
        "bytes_per_message": outlook.bytes_per_message._asdict(),
        "cpu_seconds_per_message": {k: v._asdict() for k, v in outlook.cpu_by_side.items()},
        "saturation": {
            "messages_per_second": saturation.rate._asdict(),
            "limited_by": saturation.resource._asdict(),
            "utilisation": saturation.utilisation._asdict(),
        },
        "caveats": outlook.caveats,
    }
