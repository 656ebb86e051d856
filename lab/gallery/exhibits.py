"""The figures of the gallery: what each asks, what to see in it, and the experiment behind it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from lab.gallery import draw, scenarios
from lab.gallery.bench import Found, Idler
from lab.gallery.scenarios import Study
from lab.strategies import WebSocketPush

Studies = Callable[[bool], Iterator[Study] | Sequence[Study]]


@dataclass(frozen=True)
class Exhibit:
    """One figure: its file's name, the question it answers, what to see, and the experiment.

    `studies` makes the scenarios (fewer if quick); with `idles` idle connections are measured, too.
    """

    name: str
    title: str
    question: str
    see: str
    experiment: str
    draw: Callable[[Found], Figure]
    studies: Studies = lambda quick: ()
    idles: bool = False


def _feed(quick: bool) -> list[Study]:
    return [Study(scenarios.FEED)]


def _behind(quick: bool) -> list[Study]:
    return [Study(scenarios.BEHIND)]


FEED_SETTING = (
    "100 messages a second (Poisson) of 100 bytes, work exponential with mean 2 ms, one consumer,"
    " 4 s, 3 measured and 9 simulated replications."
)
BEHIND_SETTING = (
    "150 messages a second (Poisson), work 1 to 3 ms, two consumers, the second 15 times as slow from"
    " 0.5 s to 1.5 s. One replication."
)

EXHIBITS = (
    Exhibit(
        "ecdf",
        "Latency: distribution and tail",
        "How long do messages take, and the slowest of them?",
        "Where a curve crosses the line p99, one message in a hundred is slower. Push and long poll lie"
        " left of short polls, whose curves bend down at their interval: nobody waits longer than that.",
        FEED_SETTING,
        draw.ecdf,
        _feed,
    ),
    Exhibit(
        "load",
        "Latency against load",
        "What happens to latency when the load comes close to what the consumer can do?",
        "The hockey stick: nearly flat for a long time, then steep. The webhook's limit comes earlier,"
        " as each message holds the consumer for a round trip, too. Theory is that of long runs: close"
        " to the limit the short ones here stay below its p99.",
        "Poisson arrivals at 20 to 225 messages a second, work exponential with mean 4 ms, which fills"
        " the consumer at 250 a second; 4 s, 3 measured and 9 simulated replications.",
        draw.load,
        scenarios.loads,
    ),
    Exhibit(
        "cost_plane",
        "Latency against requests",
        "What does freshness cost in requests?",
        "Nothing is better than what lies lower left. Polling more often buys freshness with requests;"
        " a stream needs one request for all messages.",
        FEED_SETTING,
        draw.cost_plane,
        _feed,
    ),
    Exhibit(
        "anatomy",
        "Anatomy of a latency",
        "In which part of its way does a message spend its time?",
        "A polled message waits at the broker for the next poll. Where that is over, the rest is the"
        " same for all: the queue at the consumer and the work.",
        FEED_SETTING,
        draw.anatomy,
        _feed,
    ),
    Exhibit(
        "sequence",
        "Message sequence",
        "What happens to single messages on their way?",
        "Time runs down. Pushed messages leave the broker at once; polled ones collect there (the bars"
        " in the middle) and leave together.",
        FEED_SETTING,
        draw.sequence,
        _feed,
    ),
    Exhibit(
        "lag",
        "Lag and queue over time",
        "How far behind is a consumer that is slow for a while, and where do its messages wait?",
        "The lag of the slow consumer is the same with push and pull. Its queue is not: push fills it to"
        " its bound (16 messages) and then the sockets, while a poll takes one answer of at most 50 and"
        " asks again when it is done. The other consumer notices nothing.",
        BEHIND_SETTING,
        draw.lag,
        _behind,
    ),
    Exhibit(
        "places",
        "Where messages wait",
        "In which place do how many messages wait?",
        "The same runs, by place. With push what waits has left the broker: it is in sockets (kernel)"
        " and libraries on its way, and lost if the connection is. With pull the broker keeps it. How"
        " much the receiver's library takes from the kernel at once differs between model and machine.",
        BEHIND_SETTING,
        draw.places,
        _behind,
    ),
    Exhibit(
        "offsets",
        "Offsets over time",
        "How far is each consumer in the log?",
        "The slow consumer leaves the line of the log, runs parallel to it, and comes back: nothing is"
        " lost, only late.",
        BEHIND_SETTING,
        draw.offsets,
        _behind,
    ),
    Exhibit(
        "batch_size",
        "Throughput against batch size",
        "What does a larger batch buy, and what does it cost?",
        "Left, a flood: throughput rises until the batch's own cost no longer counts. Right, a calm"
        " stream: a message waits until its batch is full.",
        "Left: 2,000 messages at 20,000 a second. Right: 200 messages a second (Poisson) for 2.5 s."
        " Batches are sent when full, or after 1 s; no work; 3 measured and 9 simulated replications.",
        draw.batch_size,
        scenarios.batches,
    ),
    Exhibit(
        "idle",
        "Idle cost",
        "What does one connection cost while nothing happens?",
        "An open stream costs memory and nothing else, until pings keep it alive. A poll costs the same"
        " whether there is something new or not.",
        "No messages for 2 s, one connection. Memory: what 100 more connections add to the processes of"
        " both sides, divided by 100. Costs are differences between a"
        " longer and a shorter run, so that one near 0 may come out below it. 3 replications.",
        draw.idle,
        idles=True,
    ),
    Exhibit(
        "decision_interval",
        "Decision map: rate and poll interval",
        "Which takes less CPU time per message, push or poll?",
        "A poll fetches all that is new at once: the more messages in an interval, the cheaper each."
        " Push wins where polls come back empty. Along the border there is no measurable difference.",
        "Poisson arrivals, no work, 2.5 s, 3 measured and 9 simulated replications.",
        draw.by_interval,
        scenarios.intervals,
    ),
    Exhibit(
        "decision_speed",
        "Decision map: rate and consumer speed",
        "Which takes less CPU time per message, push or long poll, for a fast consumer and a slow one?",
        "A fast consumer asks anew for each message. One that is slow, or behind, finds several when it"
        " asks, and so the price of asking is shared: the advantage of push shrinks, and where the"
        " consumer is overloaded it is gone, or measurement cannot tell.",
        "Poisson arrivals, work exponential, 1.2 s, 3 measured and 9 simulated replications.",
        draw.by_speed,
        scenarios.speeds,
    ),
)


def idlers(quick: bool) -> list[Idler]:
    """Return the strategies whose idle cost is shown, and the seconds between pings."""
    some = scenarios.QUICK_IDLERS if quick else scenarios.IDLERS
    pinged = (WebSocketPush(), scenarios.PING)
    return [(some[0], None), pinged, *((strategy, None) for strategy in some[1:])]


def gather(exhibits: Sequence[Exhibit], quick: bool) -> tuple[list[Study], list[Idler]]:
    """Return what must be run for these exhibits: each study once, and the idlers."""
    studies: dict[str, Study] = {}
    for exhibit in exhibits:
        studies |= {study.scenario.name: study for study in exhibit.studies(quick)}
    idle = idlers(quick) if any(exhibit.idles for exhibit in exhibits) else []
    return list(studies.values()), idle
