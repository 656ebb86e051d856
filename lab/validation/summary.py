"""How good the predictions are, group by group: medians over held-out points.

Unless a group says otherwise it holds the points for which the lab promises something, those that
keep no core busy for more than 85 % of the time. p99.9 is in every group and promised in none.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.metrics import plain
from lab.validation.rows import BASELINES, FULL, LIGHT, QUANTILES, Place, Row, typical

NEAR = {"p50": 0.15, "p90": 0.2, "p99": 0.3}  # errors within which 90 % of the points should lie
SHORT_POLL = "ShortPoll"


@dataclass(frozen=True)
class Rival:
    """A baseline beside the model over the `points` at which both are known: median |errors|."""

    points: int
    error: float
    model: float


@dataclass(frozen=True)
class Score:
    """One quantile over a group of rows; shares are of all rows, an unknown counts as a miss.

    `error` is the median |error| of the model and `noise` that of the replicates themselves (leave
    one out). `near` is the share of rows whose error is within `NEAR` and `inside` the share in
    the replicates' 95 % interval.
    """

    points: int
    unknown: int
    error: float
    near: float
    inside: float
    noise: float
    rivals: dict[str, Rival]

    @property
    def ratio(self) -> float:
        """How many times the replicates' own error that of the model is."""
        return self.error / self.noise if self.noise > 0 else math.nan

    def to_json(self) -> dict[str, Any]:
        rivals = {name: vars(rival) for name, rival in self.rivals.items()}
        return plain(vars(self) | {"ratio": self.ratio, "rivals": rivals})


@dataclass(frozen=True)
class Group:
    """Rows that belong together, and a score for each quantile."""

    name: str
    scores: dict[str, Score]

    def to_json(self) -> dict[str, Any]:
        scores = {quantile: score.to_json() for quantile, score in self.scores.items()}
        return {"group": self.name, "quantiles": scores}


def summarise(rows: Sequence[Row]) -> list[Group]:
    """Return the scores of all groups that have rows."""
    named = [(name, select(rows, holds)) for name, holds in _groups(rows)]
    return [Group(name, _scores(members)) for name, members in named if members]


def select(rows: Iterable[Row], holds: Callable[[Place], bool]) -> list[Row]:
    return [row for row in rows if holds(row.place)]


def calm(place: Place) -> bool:
    return place.held_out and not place.full


def light(place: Place) -> bool:
    return calm(place) and place.utilisation <= LIGHT


def busy(place: Place) -> bool:
    return calm(place) and place.utilisation > LIGHT


def unseen(place: Place) -> bool:
    return calm(place) and place.unseen


def short_poll(place: Place) -> bool:
    return calm(place) and place.name == SHORT_POLL


def of_strategy(name: str) -> Callable[[Place], bool]:
    return lambda place: calm(place) and place.name == name


def _groups(rows: Sequence[Row]) -> list[tuple[str, Callable[[Place], bool]]]:
    names = sorted({row.place.name for row in rows})
    return [
        ("all", calm),
        (f"utilisation up to {100 * LIGHT:g} %", light),
        (f"utilisation {100 * LIGHT:g} to {100 * FULL:g} %", busy),
        ("busier or overloaded: no promise", lambda p: p.held_out and p.full),
        ("settings never calibrated", unseen),
        ("short polls", short_poll),
        *((name, of_strategy(name)) for name in names),
        ("calibration's own runs", lambda p: not p.held_out),
    ]


def _scores(rows: Sequence[Row]) -> dict[str, Score]:
    by_quantile = {q: [row for row in rows if row.quantile == q] for q in QUANTILES}
    return {q: score(some) for q, some in by_quantile.items() if some}


def score(rows: Sequence[Row]) -> Score:
    """Return the score of `rows`, of which there is at least one."""
    return Score(
        points=len(rows),
        unknown=sum(math.isnan(row.error) for row in rows),
        error=median_error(rows),
        near=share_near(rows),
        inside=share_inside(rows),
        noise=median_noise(rows),
        rivals={name: rival(rows, name) for name in BASELINES},
    )


def median_error(rows: Iterable[Row]) -> float:
    """Return the median size of the known errors."""
    return typical(abs(row.error) for row in rows)


def median_noise(rows: Iterable[Row]) -> float:
    return typical(row.replicate_error for row in rows)


def share_near(rows: Sequence[Row]) -> float:
    """Return the share of rows whose error is within `NEAR`; NaN if no row has such a bound."""
    bounded = [row for row in rows if row.quantile in NEAR]
    return share(row.badness <= NEAR[row.quantile] for row in bounded)


def share_inside(rows: Iterable[Row]) -> float:
    return share(row.inside is True for row in rows)


def share(hits: Iterable[bool]) -> float:
    """Return how many of `hits` are true, NaN if there are none."""
    found = list(hits)
    return sum(found) / len(found) if found else math.nan


def rival(rows: Iterable[Row], baseline: str) -> Rival:
    """Return that baseline beside the model, over the rows that have both."""
    known = [r for r in rows if not math.isnan(r.error + r.baseline_error(baseline))]
    others = typical(abs(row.baseline_error(baseline)) for row in known)
    return Rival(len(known), others, median_error(known))
