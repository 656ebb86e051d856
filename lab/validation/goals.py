"""What the predictions should reach, each goal with the figure that was found.

The limits are the lab's own targets for a 2-core machine with pinned sides and one interleaved
session. The figures come from the rows and costs that are passed in, and from nothing else.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lab.metrics import plain
from lab.validation.rows import PROMISED, Cost, Row
from lab.validation.summary import (
    NEAR,
    busy,
    calm,
    light,
    median_error,
    median_noise,
    of_strategy,
    rival,
    select,
    share_inside,
    share_near,
    short_poll,
    unseen,
)

ERRORS_LIGHT = {"p50": 0.06, "p90": 0.08, "p99": 0.13}
ERRORS_BUSY = {"p50": 0.12, "p90": 0.18, "p99": 0.3}
ERRORS_SHORT_POLL = {"p50": 0.05, "p90": 0.05, "p99": 0.05}
ERRORS_UNSEEN = {"p50": 0.12, "p99": 0.25}
MOST = 0.9  # of the points
NOISE_RATIO = 1.25
TANDEM_RATIO = 0.5
COSTS = 0.15
POINTS, REPLICATES = 40, 6


@dataclass(frozen=True)
class Goal:
    """A figure that should be at most `limit`, or at least that much.

    `points` is how many rows or points it rests on; with none of them the figure is NaN and it is
    not known whether the goal is reached.
    """

    text: str
    figure: float
    limit: float
    points: int
    at_least: bool = False
    percent: bool = True

    @property
    def reached(self) -> bool | None:
        if not self.points:
            return None
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def to_json(self) -> dict[str, Any]:
        return plain(vars(self) | {"reached": self.reached})


def goals(rows: Sequence[Row], costs: Sequence[Cost]) -> list[Goal]:
    """Return all goals. Held-out points count, p50, p90 and p99 only, and costs of pinned runs."""
    rows = [row for row in rows if row.quantile in PROMISED and row.place.held_out]
    costs = [cost for cost in costs if cost.place.held_out and cost.place.pinned]
    groups = (_protocol, _closeness, _against_noise, _against_baselines)
    return [*(goal for group in groups for goal in group(rows)), *_costs(costs)]


def _protocol(rows: Sequence[Row]) -> Iterator[Goal]:
    places = [row.place for row in rows if row.quantile == "p50"]
    fewest = min((place.replicates for place in places), default=0)
    for text, figure, limit in (
        ("held-out points", len(places), POINTS),
        ("replicates of the point that has fewest", fewest, REPLICATES),
    ):
        yield Goal(text, figure, limit, len(places), at_least=True, percent=False)


def _closeness(rows: Sequence[Row]) -> Iterator[Goal]:
    yield from _medians("utilisation up to 60 %", select(rows, light), ERRORS_LIGHT)
    for quantile, bound in NEAR.items():
        some = _of(select(rows, light), quantile)
        text = f"utilisation up to 60 %: points within {round(100 * bound)} % at {quantile}"
        yield Goal(text, share_near(some), MOST, len(some), at_least=True)
    yield from _medians("utilisation 60 to 85 %", select(rows, busy), ERRORS_BUSY)
    yield from _medians("short polls", select(rows, short_poll), ERRORS_SHORT_POLL)
    yield from _medians("settings never calibrated", select(rows, unseen), ERRORS_UNSEEN)


def _medians(group: str, rows: Sequence[Row], limits: dict[str, float]) -> Iterator[Goal]:
    for quantile, limit in limits.items():
        some = _of(rows, quantile)
        yield Goal(f"{group}: median error at {quantile}", median_error(some), limit, len(some))


def _of(rows: Sequence[Row], quantile: str) -> list[Row]:
    return [row for row in rows if row.quantile == quantile]


def _against_noise(rows: Sequence[Row]) -> Iterator[Goal]:
    groups = [("all", select(rows, calm))]
    for name in sorted({row.place.name for row in rows}):
        groups.append((name, select(rows, of_strategy(name))))
    for name, some in groups:
        text = f"{name}: points inside the replicates' interval"
        yield Goal(text, share_inside(some), MOST, len(some), at_least=True)
    for name, some in groups[1:]:
        text = f"{name}: median error, as a multiple of the replicates' own"
        ratio = _ratio(median_error(some), median_noise(some))
        yield Goal(text, ratio, NOISE_RATIO, len(some), percent=False)


def _against_baselines(rows: Sequence[Row]) -> Iterator[Goal]:
    rows = select(rows, calm)
    beyond = select(rows, lambda place: place.outside is True)
    for baseline, where, some, limit in (
        ("the textbook tandem's", "", rows, TANDEM_RATIO),
        ("interpolation's", " outside the calibrated range", beyond, 1.0),
    ):
        name = "tandem" if "tandem" in baseline else "interpolation"
        for quantile in PROMISED:
            found = rival(_of(some, quantile), name)
            text = f"median error at {quantile}{where}, as a multiple of {baseline}"
            ratio = _ratio(found.model, found.error)
            yield Goal(text, ratio, limit, found.points, percent=False)


def _ratio(error: float, other: float) -> float:
    return error / other if other > 0 else math.nan


def _costs(costs: Sequence[Cost]) -> Iterator[Goal]:
    overloads = [cost.throughput.error for cost in costs if cost.place.overloaded]
    yield _largest("throughput when overloaded", overloads)
    yield _largest("CPU seconds per message", [cost.cpu_seconds.error for cost in costs])
    yield _largest("requests per message", [cost.requests.error for cost in costs])


def _largest(what: str, errors: Sequence[float]) -> Goal:
    """Return the goal that no error is larger than `COSTS`; one that is unknown is."""
    sizes = [math.inf if math.isnan(error) else abs(error) for error in errors]
    return Goal(f"{what}: largest error", max(sizes, default=math.nan), COSTS, len(sizes))
