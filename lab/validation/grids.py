"""The tables of a validation as plain cells, the same for the terminal and for Markdown."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lab.show import UNKNOWN, number
from lab.validation.document import Findings
from lab.validation.goals import Goal
from lab.validation.rows import PROMISED, Cost, Pair, Row
from lab.validation.summary import Group, Rival, Score

ANSWERS = {True: "yes", False: "NO", None: UNKNOWN}


class Grid(NamedTuple):
    """A table: its title, what must be known to read it, its headings and its cells.

    The columns in `words` hold words; the others hold numbers.
    """

    title: str
    caption: str
    headings: Sequence[str]
    cells: Sequence[Sequence[str]]
    words: Sequence[str] = ("point", "quantile")


def grids(findings: Findings) -> list[Grid]:
    """Return all tables, in order: goals, worst rows, summary, every row, throughput and costs."""
    rows = findings.rows
    sections = (
        ("Held-out points", [row for row in rows if row.promised]),
        ("No promise", [row for row in rows if row.place.held_out and not row.promised]),
        ("Calibration's own runs", [row for row in rows if not row.place.held_out]),
    )
    tables = [_goals(findings.goals), _worst(findings.worst), _summary(findings.groups)]
    tables += [_rows(title, some) for title, some in sections]
    return [table for table in (*tables, _costs(findings.costs)) if table.cells]


def _goals(goals: Sequence[Goal]) -> Grid:
    return Grid(
        "Goals",
        "Of held-out points, p50, p90 and p99.",
        ("goal", "found", "wanted", "rows", "reached"),
        [
            [goal.text, _found(goal), _wanted(goal), str(goal.points), ANSWERS[goal.reached]]
            for goal in goals
        ],
        words=("goal",),
    )


def _found(goal: Goal) -> str:
    if not math.isfinite(goal.figure):
        return UNKNOWN
    return percent(goal.figure) if goal.percent else number(goal.figure)


def _wanted(goal: Goal) -> str:
    limit = percent(goal.limit) if goal.percent else number(goal.limit)
    return f"at least {limit}" if goal.at_least else f"at most {limit}"


def _worst(rows: Sequence[Row]) -> Grid:
    return Grid(
        "Worst rows",
        "Why: the part of the latency in which predicted and measured differ most; its median for"
        " p50, its mean over the slowest tenth for p90 and p99.",
        ("point", "quantile", "error", "inside", "why"),
        [
            [_point(row), row.quantile, signed(row.error), ANSWERS[row.inside], row.reason]
            for row in rows
        ],
        words=("point", "quantile", "why"),
    )


def _summary(groups: Sequence[Group]) -> Grid:
    return Grid(
        "Summary of the errors",
        "Medians of their sizes. Near: the share within 15, 20 and 30 % at p50, p90 and p99."
        " Inside: the share in the replicates' 95 % interval. Noise: how well the other replicates"
        " tell one of them; ratio: the model's error over it. A baseline stands beside the"
        " model over the points, so many in brackets, for which it can be computed.",
        (
            *("group", "quantile", "points", "error", "near", "inside"),
            *("noise", "ratio", "tandem /\nmodel", "interpolation /\nmodel"),
        ),
        [
            [group.name, quantile, *_score(score)]
            for group in groups
            for quantile, score in group.scores.items()
            if quantile in PROMISED
        ],
        words=("group", "quantile"),
    )


def _score(score: Score) -> list[str]:
    points = f"{score.points}" + (f" ({score.unknown} unknown)" if score.unknown else "")
    figures = [percent(share) for share in (score.error, score.near, score.inside, score.noise)]
    return [points, *figures, number(score.ratio), *map(_rival, score.rivals.values())]


def _rival(rival: Rival) -> str:
    if not rival.points:
        return UNKNOWN
    return f"{percent(rival.error)} / {percent(rival.model)} ({rival.points})"


def _rows(title: str, rows: Sequence[Row]) -> Grid:
    return Grid(
        f"{title}: latency in ms",
        "Measured: the median over replicates, with the 95 % interval for one more. Predicted: the"
        " median, with the central 95 % of likely runs. Noise: the replicates' own error."
        " Busy: the busiest core's utilisation, or over where messages came faster than they went."
        " *: the rate or size is beyond those at which calibration ran.",
        (
            *("point", "quantile", "busy", "measured", "predicted", "error"),
            *("inside", "noise", "tandem", "interpo-\nlation"),
        ),
        [_cells(row) for row in rows],
    )


def _cells(row: Row) -> list[str]:
    place = row.place
    return [
        _point(row),
        row.quantile,
        "over" if place.overloaded else percent(place.utilisation),
        _bounded(row.measured, row.low, row.high),
        _bounded(row.predicted, row.predicted_low, row.predicted_high),
        signed(row.error),
        ANSWERS[row.inside],
        percent(row.replicate_error),
        signed(row.baseline_error("tandem")),
        signed(row.baseline_error("interpolation")),
    ]


def _point(row: Row) -> str:
    place = row.place
    beyond = "*" if place.outside else ""
    disturbed = f", {place.disturbed} of {place.replicates} disturbed" if place.disturbed else ""
    return f"{place.title}{beyond}{disturbed}"


def _costs(costs: Sequence[Cost]) -> Grid:
    ordered = sorted(costs, key=lambda cost: (not cost.place.held_out, not cost.place.overloaded))
    return Grid(
        "Throughput and costs: predicted / measured",
        "Throughput in deliveries a second from the first creation to the last delivery; CPU time in"
        " µs, in all and by side, and requests for each message and consumer, over the whole run.",
        ("point", "throughput", "CPU", "requests", "delivered"),
        [_cost(cost) for cost in ordered],
    )


def _cost(cost: Cost) -> list[str]:
    sides = (f"{side} {_pair(pair, 1e6)}" for side, pair in cost.cpu_by_side.items())
    return [
        cost.place.title + ("" if cost.place.held_out else ", used by calibration"),
        _pair(cost.throughput),
        "; ".join([_pair(cost.cpu_seconds, 1e6), *sides]),
        _pair(cost.requests),
        _delivered(cost.delivered),
    ]


def _pair(pair: Pair, scale: float = 1.0) -> str:
    predicted, measured = (number(x * scale, most=4) for x in (pair.predicted, pair.measured))
    return f"{predicted} / {measured} ({signed(pair.error)})"


def _delivered(pair: Pair) -> str:
    return (
        "all"
        if pair.predicted == pair.measured == 1
        else f"{percent(pair.predicted)} / {percent(pair.measured)}"
    )


def percent(share: float) -> str:
    """Return a share as a percentage with two digits: 7.3 %, 28 %."""
    if math.isnan(share):
        return UNKNOWN
    return f"{share:.0%}".replace("%", " %") if abs(share) >= 0.0995 else f"{100 * share:.1f} %"


def signed(share: float) -> str:
    """Return an error with its sign: +7.3 %, −28 %; less than 0.05 % has none."""
    text = percent(abs(share))
    if math.isnan(share) or abs(share) < 0.0005:
        return text
    return f"{'+' if share > 0 else '−'}{text}"


def milliseconds(seconds: float) -> str:
    return number(1e3 * seconds, most=4)


def _bounded(value: float, low: float, high: float) -> str:
    """Return a time in ms with its bounds, if they are known: 0.31 (0.28–0.35)."""
    if math.isnan(low + high):
        return milliseconds(value)
    return f"{milliseconds(value)} ({milliseconds(low)}–{milliseconds(high)})"


def head(manifest: dict[str, object]) -> Iterable[str]:
    """Yield a line for each thing that is known of where the findings come from."""
    for name in ("machine", "date", "session"):
        value = manifest.get(name)
        if isinstance(value, dict):
            value = ", ".join(f"{key} {inner}" for key, inner in value.items())
        if value:
            yield f"{name}: {value}"
