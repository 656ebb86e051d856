"""The figures of a report, as PNG, with the words beside them."""

import io
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from lab import plots
from lab.metrics import Result, Run
from lab.report.page import Picture
from lab.trace import Trace

DOTS_PER_INCH = 120


class Kind(NamedTuple):
    """A kind of figure: its file's name, what it is about, what to see, and how it is drawn."""

    name: str
    topic: str
    caption: str
    draw: Callable[[Sequence[Result], Sequence[Run]], Figure | None]


def pictures(results: Sequence[Result], runs: Sequence[Run]) -> list[Picture]:
    """Return the figures of a report, in order, without those that would show nothing."""
    drawn = (_picture(kind, results, runs) for kind in KINDS)
    return [picture for picture in drawn if picture is not None]


def _picture(kind: Kind, results: Sequence[Result], runs: Sequence[Run]) -> Picture | None:
    figure = kind.draw(results, runs)
    if figure is None:
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(kind.name, kind.topic, kind.caption, buffer.getvalue())


def _of_runs(draw: Callable[[Sequence[Run]], Figure]) -> Callable[..., Figure | None]:
    return lambda results, runs: draw(runs) if runs else None


def _anatomy(results: Sequence[Result], runs: Sequence[Run]) -> Figure | None:
    return plots.anatomy(results) if any(result.parts for result in results) else None


def _cost(results: Sequence[Result], runs: Sequence[Run]) -> Figure | None:
    known = any(not math.isnan(result.requests_per_message.mean) for result in results)
    return plots.cost_plane(results) if known else None


def _sequence(results: Sequence[Result], runs: Sequence[Run]) -> Figure | None:
    """Draw one engine only: the simulated runs, or the measured ones if there are no others."""
    simulated = [run for run in runs if run.engine == "simulation"]
    return plots.sequence(simulated or runs) if runs else None


def _first(runs: Sequence[Run]) -> list[Trace]:
    """Return the first replication of each run, the engines of a strategy side by side."""
    order = list(dict.fromkeys(run.strategy for run in runs))
    return [r.traces[0] for r in sorted(runs, key=lambda r: order.index(r.strategy)) if r.traces]


def _offsets(results: Sequence[Result], runs: Sequence[Run]) -> Figure | None:
    wrong = [t for t in _first(runs) if t.manifest.get("scenario", {}).get("faults")]
    return plots.offsets(wrong) if wrong else None


def _places(results: Sequence[Result], runs: Sequence[Run]) -> Figure | None:
    sampled = [trace for trace in _first(runs) if trace.places]
    return plots.places(sampled) if sampled else None


KINDS = (
    Kind(
        "latency",
        "Latency of each strategy",
        "The share of messages that take longer than a time. Where a curve crosses the line p99,"
        " one message in a hundred is slower.",
        _of_runs(plots.ecdf),
    ),
    Kind(
        "anatomy",
        "Mean latency in parts",
        "The mean latency in parts, in time on the left and as shares of it on the right.",
        _anatomy,
    ),
    Kind(
        "cost",
        "Latency against requests",
        "The median latency against the requests between broker and consumer for each message.",
        _cost,
    ),
    Kind(
        "backlog",
        "Backlog over time",
        "Messages created and not yet done, in the first replication. A line that keeps rising is"
        " an overload; what was dropped is not counted.",
        _of_runs(plots.backlog),
    ),
    Kind(
        "offsets",
        "How far each consumer is",
        "How many messages the broker had, and how many each consumer was done with, in the first"
        " replication. Shaded: something went wrong. A gap that stays is a loss.",
        _offsets,
    ),
    Kind(
        "places",
        "Where messages wait",
        "How many messages wait in each place, one above the other, in the first replication; the"
        " red line counts those created by then that never arrive: dropped, lost or expired.",
        _places,
    ),
    Kind(
        "sequence",
        "The first messages on their way",
        "The first messages after warm-up on their way, time running downwards. Bars are time"
        " spent in one place, arrows time spent between two.",
        _sequence,
    ),
)
