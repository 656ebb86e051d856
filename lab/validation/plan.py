"""The held-out plan: loads between and beyond the calibrated ones, and settings never calibrated.

Frozen before the session that is reported; `QUICK` is the small form, a check that all of it runs.
"""

from lab.scenario import Scenario
from lab.strategies import (
    HttpIngest,
    InProcessLongPoll,
    LongPoll,
    PollThenPull,
    ServerSentEvents,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
)
from lab.validation.observed import Point
from lab.workload import Constant, Exponential, OnOff, Periodic, Poisson, Workload

SEED = 1000
SECONDS, QUICK_SECONDS = 2.0, 0.4
RARE = 4.0  # seconds of a few messages a second
OVERLOADED = 0.4  # seconds that messages come much faster than they can be delivered
KNOWN = (WebSocketPush(), Webhook(), Webhook(keep_alive=False), LongPoll(), InProcessLongPoll())


def point(
    strategy: Strategy,
    rate: float,
    size: int = 100,
    consumers: int = 1,
    work: float = 0.0,
    kind: str = "",
    seconds: float = SECONDS,
    pinned: bool = True,
) -> Point:
    """Return a point, without a seed. `kind` of producer: periodic, bursts, or random if empty."""
    arrivals = {
        "": Poisson(rate=rate),
        "periodic": Periodic(rate=rate),
        "bursts": OnOff(rate=2 * rate, on=Exponential(mean=0.05), off=Exponential(mean=0.05)),
    }[kind]
    workload = Workload(
        arrivals=arrivals,
        size=Constant(value=size),
        work=Exponential(mean=work) if work else Constant(value=0),
        consumers=consumers,
        duration=seconds,
    )
    said = [
        f"{rate:,.0f}/s",
        *([f"{size / 1000:g} kB"] if size != 100 else []),
        *([f"{consumers} consumers"] if consumers > 1 else []),
        *([f"{1000 * work:g} ms of work"] if work else []),
        *([kind] if kind else []),
        *([] if pinned else ["not pinned"]),
    ]
    new = strategy not in KNOWN or size != 100 or consumers > 1 or bool(work) or bool(kind)
    scenario = Scenario(name="validation", workload=workload, strategies=[strategy])
    return Point(scenario, ", ".join(said), unseen=new, pinned=pinned)


HELD_OUT = [
    point(WebSocketPush(), 6, seconds=RARE),
    point(WebSocketPush(), 100),
    point(WebSocketPush(), 300),
    point(WebSocketPush(), 800),
    point(WebSocketPush(), 2200),
    point(WebSocketPush(), 4500),
    point(WebSocketPush(), 7000),
    point(WebSocketPush(), 10_000, seconds=1.0),
    point(WebSocketPush(), 70_000, seconds=OVERLOADED),
    point(WebSocketPush(), 300, size=8000),
    point(WebSocketPush(), 150, size=60_000),
    point(WebSocketPush(batch_size=5, linger=0.01), 1500),
    point(WebSocketPush(), 250, consumers=3),
    point(WebSocketPush(), 300, work=0.001),
    point(WebSocketPush(acks=True), 300),
    point(WebSocketPush(), 500, kind="periodic"),
    point(WebSocketPush(), 400, kind="bursts"),
    point(ServerSentEvents(), 40),
    point(ServerSentEvents(), 300),
    point(ServerSentEvents(), 1500),
    point(ServerSentEvents(), 3000),
    point(ServerSentEvents(), 5500),
    point(ServerSentEvents(), 300, size=8000),
    point(Webhook(), 6, seconds=RARE),
    point(Webhook(), 120),
    point(Webhook(), 350),
    point(Webhook(), 700),
    point(Webhook(), 1500, seconds=1.0),
    point(Webhook(), 8000, seconds=OVERLOADED),
    point(Webhook(concurrency=4), 400),
    point(Webhook(batch_size=5, linger=0.01), 1000),
    point(Webhook(batch_size=50, linger=0.02), 3000),
    point(Webhook(keep_alive=False), 15, seconds=RARE),
    point(Webhook(keep_alive=False), 160),
    point(Webhook(keep_alive=False), 450),
    point(Webhook(keep_alive=False), 1000, seconds=1.0),
    point(Webhook(), 100, size=8000),
    point(Webhook(), 80, consumers=2),
    point(Webhook(), 150, work=0.001),
    point(HttpIngest(), 40),
    point(HttpIngest(), 200),
    point(HttpIngest(), 500),
    point(HttpIngest(), 1200),
    point(HttpIngest(), 2000, seconds=1.0),
    point(LongPoll(), 6, seconds=RARE),
    point(LongPoll(), 100),
    point(LongPoll(), 450),
    point(LongPoll(), 1500),
    point(LongPoll(), 3500),
    point(LongPoll(), 5000),
    point(LongPoll(), 7000, seconds=1.0),
    point(LongPoll(max_records=1), 200),
    point(LongPoll(), 100, consumers=3),
    point(LongPoll(), 150, size=8000),
    point(LongPoll(), 100, size=60_000),
    point(LongPoll(), 200, work=0.001),
    point(PollThenPull(interval=0.02), 100),
    point(PollThenPull(interval=0.1), 300),
    point(PollThenPull(interval=0.05), 40, seconds=RARE),
    point(PollThenPull(interval=0.03), 800),
    point(ShortPoll(interval=0.01), 200),
    point(ShortPoll(interval=0.02), 200),
    point(ShortPoll(interval=0.2), 500),
    point(ShortPoll(interval=0.1), 1500),
    point(ShortPoll(interval=0.03), 200, size=8000),
    point(InProcessLongPoll(), 6, seconds=RARE),
    point(InProcessLongPoll(), 15, seconds=RARE),
    point(InProcessLongPoll(), 60),
    point(InProcessLongPoll(), 1000),
    point(InProcessLongPoll(), 10_000, seconds=1.0),
    point(InProcessLongPoll(), 300, work=0.001),
    point(WebSocketPush(), 300, pinned=False),
    point(Webhook(), 200, pinned=False),
]
QUICK = [
    point(WebSocketPush(), 300, seconds=QUICK_SECONDS),
    point(ServerSentEvents(), 300, seconds=QUICK_SECONDS),
    point(Webhook(), 100, seconds=QUICK_SECONDS),
    point(LongPoll(), 100, seconds=QUICK_SECONDS),
    point(ShortPoll(interval=0.02), 200, seconds=QUICK_SECONDS),
    point(InProcessLongPoll(), 1000, seconds=QUICK_SECONDS),
]


def held_out(quick: bool = False) -> list[Point]:
    """Return the plan, each point with messages of its own."""
    return [p.reseeded(SEED + i) for i, p in enumerate(QUICK if quick else HELD_OUT)]
