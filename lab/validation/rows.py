"""What validation finds: a row for each point and quantile, and the throughput and costs of a point.

Times are seconds, errors are shares (0.05 is 5 %), and unknown is NaN.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lab.metrics import plain
from lab.show import number

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
PROMISED = ("p50", "p90", "p99")
LIGHT, FULL = 0.6, 0.85  # utilisations: the bands end here, and the promise ends at the second
BASELINES = ("tandem", "interpolation")
Anatomy = Mapping[str, tuple[float, float]]  # seconds in each part: predicted, measured


def error(predicted: float, measured: float) -> float:
    """Return predicted/measured - 1; NaN where either is unknown or only the measured one is 0."""
    if measured > 0:
        return predicted / measured - 1
    return 0.0 if predicted == measured == 0 else math.nan


def typical(values: Iterable[float]) -> float:
    """Return the median of those that are known."""
    known = [value for value in values if not math.isnan(value)]
    return median(known) if known else math.nan


@dataclass(frozen=True)
class Place:
    """Where a row belongs: a point of the plan, and how busy its runs were.

    `strategy` is its label. `rate` is messages a second, `messages` those of one replicate.
    `family` names the point's scenario but for its rate. `overloaded` says that the messages came
    faster than they were delivered, so that latency depends on how long the run lasted.
    `utilisation` is that of the busiest core, `outside` says that the rate or size is beyond
    those at which points like it were calibrated (None if none were).
    """

    strategy: str
    setting: str
    family: str
    rate: float
    held_out: bool
    unseen: bool
    replicates: int
    disturbed: int
    messages: int
    utilisation: float
    overloaded: bool
    outside: bool | None = None
    pinned: bool = True

    @property
    def name(self) -> str:
        """The strategy without its knobs."""
        return self.strategy.partition("(")[0]

    @property
    def title(self) -> str:
        return f"{self.strategy}, {self.setting}"

    @property
    def full(self) -> bool:
        """Whether there is no promise: too busy, of unknown utilisation, or not pinned."""
        return self.overloaded or not self.pinned or not self.utilisation <= FULL


@dataclass(frozen=True)
class Row:
    """One quantile of the latency at one point.

    `measured` is the median over replicates and `low`, `high` the 95 % prediction interval for one
    more; `predicted` is the median over the model's runs, `predicted_low`, `predicted_high` the
    central 95 % of likely ones. `replicate_error` is the median error with which the others tell a
    replicate. `baselines` are other predictions, in seconds, where they can be made.
    """

    place: Place
    quantile: str
    measured: float
    low: float
    high: float
    predicted: float
    predicted_low: float
    predicted_high: float
    replicate_error: float
    baselines: Mapping[str, float] = field(default_factory=dict)
    anatomy: Anatomy = field(default_factory=dict)

    @property
    def error(self) -> float:
        return error(self.predicted, self.measured)

    @property
    def inside(self) -> bool | None:
        """Whether the prediction lies in the replicates' interval; None if there is none."""
        if math.isnan(self.low + self.high):
            return None
        return self.low <= self.predicted <= self.high

    @property
    def promised(self) -> bool:
        """Whether the lab answers for this row: held out, not too busy, no p99.9."""
        return self.place.held_out and not self.place.full and self.quantile in PROMISED

    @property
    def badness(self) -> float:
        """The size of the error; infinite where it is unknown."""
        return math.inf if math.isnan(self.error) else abs(self.error)

    def baseline_error(self, name: str) -> float:
        return error(self.baselines.get(name, math.nan), self.measured)

    @property
    def reason(self) -> str:
        """The part of the latency in which predicted and measured differ most, in words."""
        known = {part: pair for part, pair in self.anatomy.items() if not math.isnan(sum(pair))}
        if not known:
            return "unknown: no messages to compare"
        part = max(known, key=lambda part: abs(known[part][0] - known[part][1]))
        predicted, measured = (number(1e3 * seconds, most=4) for seconds in known[part])
        return f"{part}: predicted {predicted} ms, measured {measured} ms"

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain data, with None for unknown."""
        values = vars(self.place) | vars(self)
        for name in ("place", "family", "anatomy"):
            del values[name]
        baselines = {name: self.baselines.get(name, math.nan) for name in BASELINES}
        derived = {
            "error": self.error,
            "inside": self.inside,
            "promised": self.promised,
            "baselines": baselines,
            "reason": self.reason,
        }
        return plain(values | derived)


@dataclass(frozen=True)
class Pair:
    """One figure as predicted and as measured."""

    predicted: float
    measured: float

    @property
    def error(self) -> float:
        return error(self.predicted, self.measured)

    def to_json(self) -> dict[str, Any]:
        return plain(vars(self) | {"error": self.error})


@dataclass(frozen=True)
class Cost:
    """What a point achieved and what it cost, medians over runs.

    `throughput` is in deliveries per second from the first creation to the last delivery;
    `cpu_seconds`, `cpu_by_side` and `requests` are those of the whole run for each message and
    consumer; `delivered` is the share of the messages that was.
    """

    place: Place
    throughput: Pair
    cpu_seconds: Pair
    cpu_by_side: Mapping[str, Pair]
    requests: Pair
    delivered: Pair

    def to_json(self) -> dict[str, Any]:
        """Return the costs as plain data, with None for unknown."""
        pairs = {name: pair for name, pair in vars(self).items() if isinstance(pair, Pair)}
        sides = {side: pair.to_json() for side, pair in self.cpu_by_side.items()}
        figures = {name: pair.to_json() for name, pair in pairs.items()}
        place = plain(vars(self.place))
        del place["family"]
        return place | figures | {"cpu_by_side": sides}


def worst_first(rows: Iterable[Row]) -> list[Row]:
    """Sort rows: those promised by the size of their error, then the others, then fitted ones."""
    return sorted(rows, key=lambda r: (not r.place.held_out, not r.promised, -r.badness))
