"""Claim 8: push overwhelms a slow consumer, and pull lets it fall behind and catch up."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, leading, series
from lab.claims.judging import above, below, weigh
from lab.claims.readings import trace_amount, undelivered
from lab.faults import SlowConsumer
from lab.metrics import Interval, Run
from lab.outcomes.recovery import recovery
from lab.plots.bars import bars
from lab.plots.series import Panel, Series
from lab.scenario import Scenario
from lab.strategies import LongPoll, Strategy, WebSocketPush
from lab.trace import Trace
from lab.workload import Constant, Periodic, Workload

HOLDS = 20  # messages that the consumer is ready to hold, as credits or as the size of a batch
MOST = 2.0 * HOLDS  # more than that in front of it is too much
LOST = 0.01  # a share of messages above which it counts as losing some
SLOW = SlowConsumer(at=0.1, duration=0.5, times=25)

PUSHES: tuple[Strategy, ...] = (
    WebSocketPush(),
    WebSocketPush(buffer=HOLDS, overflow="drop_newest"),
    WebSocketPush(buffer=HOLDS, overflow="drop_oldest"),
    WebSocketPush(buffer=HOLDS, overflow="block"),
    WebSocketPush(buffer=HOLDS, overflow="disconnect"),
    WebSocketPush(acks=True, credits=HOLDS),
)
PULLS: tuple[Strategy, ...] = (LongPoll(max_records=HOLDS),)
QUICK = (PUSHES[0], PUSHES[1], PUSHES[5], *PULLS)

scenario = Scenario(
    workload=Workload(
        arrivals=Periodic(rate=300),
        size=Constant(value=50_000),
        work=Constant(value=0.002),
        duration=1.0,
        seed=108,
    ),
    strategies=[*PUSHES, *PULLS],
    faults=[SLOW],
    drain=20,
)


def in_front(trace: Trace) -> float:
    """Return how many messages at most had left the broker and were not begun to be worked on."""
    left, started = trace.left_broker, trace.started
    reached = ~np.isnan(left) & ~np.isnan(started)
    times = np.concatenate([left[reached], started[reached]])
    change = np.repeat([1, -1], reached.sum())
    return float(np.cumsum(change[np.argsort(times, kind="stable")]).max(initial=0))


def behind(trace: Trace) -> float:
    """Return the seconds from when it was fast again until the consumer had caught up."""
    seconds = recovery(trace, SLOW).seconds
    return seconds if math.isfinite(seconds) else math.nan


def test(bench: Bench) -> Finding:
    some = {"strategies": list(QUICK)} if bench.quick else {}
    return judge(bench.run(scenario.model_copy(update=some)))


def judge(runs: Mapping[str, Run]) -> Finding:
    """See which ways flood the consumer or lose messages while it is slow, and whether it catches up."""
    waiting = {way: trace_amount(run, in_front) for way, run in runs.items()}
    share = {way: trace_amount(run, undelivered) for way, run in runs.items()}
    late = {way: trace_amount(run, behind) for way, run in runs.items()}
    floods = {way: overwhelmed(share[way], waiting[way]) for way in runs}
    pulls = {pull.label for pull in PULLS}
    held = [
        (None if flood is None else not flood) if way in pulls else flood
        for way, flood in floods.items()
    ]
    named = {word: [way for way in floods if floods[way] is is_so] for is_so, word in WORDS.items()}
    reason = "; ".join(f"{word} {' and '.join(some)}" for word, some in named.items() if some)
    name = "most messages in front of the consumer, {}".format
    amounts = [
        *(Amount(name(w), i) for w, i in waiting.items()),
        *(Amount(f"share lost, {way}", found) for way, found in share.items()),
        *(Amount(f"time to catch up, {way}", found, "s") for way, found in late.items()),
    ]
    first = (PUSHES[0], PUSHES[-1], PULLS[0])
    amounts = leading(amounts, *(name(way.label) for way in first))
    drawn = [
        Series(way, [(0, found[way])], panel)
        for panel, found in (("waiting", waiting), ("lost", share))
        for way in runs
    ]
    return Finding(weigh(held), reason, amounts, drawn)


WORDS = {True: "overwhelmed by", False: "not overwhelmed by", None: "not to be told for"}


def overwhelmed(share: Interval, waiting: Interval) -> bool | None:
    """Say whether messages are lost, or more are put in front of the consumer than it can take."""
    if above(share, LOST) or above(waiting, MOST):
        return True
    return False if below(share, LOST) and below(waiting, MOST) else None


def draw(findings: Findings) -> Figure:
    panels = [
        Panel(
            "In front of it", "most messages", "", "waiting", 1, MOST, "too many", logarithmic=False
        ),
        Panel("Never had", "share of messages (%)", "", "lost", 100, logarithmic=False),
    ]
    return bars(series(findings), panels, "What does a slow consumer get to feel?")


CLAIM = Claim(
    number=8,
    name="overload",
    text="Push overwhelms a slow consumer; pull lets it fall behind and catch up.",
    chapter="Push, disadvantages: difficult flow control; pull: the consumer can fall behind and catch up",
    experiment=(
        "300 messages a second of 50 kB; the consumer needs 2 ms for each, and 50 ms for"
        f" {SLOW.duration:g} s. A WebSocket without flow control, with each policy for a full buffer, and with"
        f" {HOLDS} credits; a long poll for {HOLDS} messages at most. What counts is how many messages at most"
        " are in front of the consumer (they have left the broker, and work on them has not begun), and the"
        " share that it never has."
    ),
    criterion=(
        f"A way overwhelms the consumer if more than {LOST * 100:g} % are lost, or more than {MOST:g} messages are"
        " in front of it (the whole interval). Supported if every push does and no pull, refuted if no push"
        " does and every pull; otherwise it depends on the flow control of the push."
    ),
    test=test,
    draw=draw,
)
