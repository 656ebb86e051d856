"""What goes wrong in a measured run, and what the strategies make of it: real processes and sockets.

Runs are short and differ from one another; only fates, counts and promises are compared, not times.
"""

import asyncio
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import Http, ask, on_loop, publish, serving
from websockets.asyncio.client import connect

from lab import (
    Constant,
    HttpIngest,
    LongPoll,
    Periodic,
    PollThenPull,
    Scenario,
    ServerSentEvents,
    ShortPoll,
    Webhook,
    WebSocketPush,
    Workload,
    simulate,
)
from lab.engines.common import MeasurementError
from lab.engines.loopback import Session, settings
from lab.faults import (
    AddedLatency,
    BrokerRestart,
    ConnectionReset,
    ConsumerCrash,
    Fault,
    HalfOpen,
    LimitedBandwidth,
    LinkDown,
    LostRequest,
    LostResponse,
    SlowConsumer,
    StalledLoop,
)
from lab.messages import Deliver, Message
from lab.outcomes.checks import check
from lab.physics import reference
from lab.roles import PushConsumer
from lab.scenario import Producer
from lab.strategies import FRESH, Start, Strategy
from lab.trace import PLACES, Fate, Trace

PLAIN = Workload(arrivals=Periodic(rate=100), work=0.001, duration=0.4)
IDEMPOTENT = Producer(acks="idempotent", timeout=0.2)
POLL = LongPoll(max_wait=0.1, timeout=2.0)
HOOK = Webhook(timeout=2.0, retry_first=0.02, attempts=20)
AT = 0.15
SMALL = 500_000  # bytes that a connection holds, where it matters that it is full


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


def measure(
    session: Session,
    strategy: Strategy,
    faults: Sequence[Fault] = (),
    workload: Workload = PLAIN,
    **options: Any,
) -> Trace:
    """Measure a run that keeps its promises, in which every message has a fate in the end."""
    scenario = Scenario(
        workload=workload, strategies=[strategy], faults=list(faults), drain=40.0, **options
    )
    trace = session.measure(scenario, strategy)
    assert check(trace) == []
    assert len(trace) == len(workload.draw()) * workload.consumers
    assert "cut_off" not in trace.manifest and (trace.fate != Fate.IN_FLIGHT).all()
    return trace


def count(trace: Trace, fate: Fate) -> int:
    return int((trace.fate == fate).sum())


@pytest.mark.parametrize(
    "strategy",
    [
        POLL,
        LongPoll(max_wait=0.1, commit="each"),
        WebSocketPush(acks=True),
        WebSocketPush(replay=True),
        ServerSentEvents(),
        HOOK,
    ],
    ids=lambda strategy: strategy.label,
)
def test_a_consumer_that_is_killed_loses_nothing(strategy: Strategy, session: Session) -> None:
    before = {process.pid for process in session.processes}
    trace = measure(session, strategy, [ConsumerCrash(at=AT, duration=0.1)])
    assert (trace.fate == Fate.DELIVERED).all()
    assert len({process.pid for process in session.processes} - before) >= 1, "nobody was killed"
    assert not session.reserve


def test_a_consumer_of_a_stream_that_nobody_keeps_loses_what_comes_meanwhile(
    session: Session,
) -> None:
    trace = measure(session, WebSocketPush(), [ConsumerCrash(at=AT, duration=0.1)])
    assert count(trace, Fate.LOST) > 0
    assert count(trace, Fate.LOST) + count(trace, Fate.DELIVERED) == len(trace)
    assert trace.done[trace.created < AT - 0.05].max() < AT, "what was before the crash is kept"


def test_the_crash_of_one_consumer_does_not_disturb_another(session: Session) -> None:
    two = PLAIN.model_copy(update={"consumers": 2})
    trace = measure(session, HOOK, [ConsumerCrash(at=AT, duration=0.1, consumer=1)], two)
    assert (trace.fate == Fate.DELIVERED).all()
    mine = trace.consumer == 0
    assert (trace.attempts[mine] == 1).all() and (trace.attempts[~mine] > 1).any()


@pytest.mark.parametrize("strategy", [WebSocketPush(replay=True), ServerSentEvents()])
def test_who_resumes_a_stream_in_a_new_log_misses_nothing_of_it(
    strategy: Strategy, session: Session
) -> None:
    trace = measure(session, strategy, [BrokerRestart(at=AT, duration=0.1)], producer=IDEMPOTENT)
    began = trace.manifest["log_began_at"]
    refused = trace.counters.events.get("offsets out of range", 0)
    assert refused == (trace.received < began).any()  # whoever had something was told
    after = trace.at_broker > began
    assert began >= AT + 0.1 and after.any()
    assert (trace.fate[after] == Fate.DELIVERED).all()


@pytest.mark.parametrize("strategy", [POLL, WebSocketPush(acks=True), HOOK, ServerSentEvents()])
def test_a_durable_log_survives_its_broker(strategy: Strategy, session: Session) -> None:
    restart = [BrokerRestart(at=AT, duration=0.1)]
    trace = measure(session, strategy, restart, durable=True, producer=IDEMPOTENT)
    assert (trace.fate == Fate.DELIVERED).all()
    assert not np.isnan(trace.accepted).any()
    if isinstance(strategy, LongPoll):
        assert (trace.completions == 1).all()


@pytest.mark.parametrize("strategy", [POLL, WebSocketPush(acks=True), HOOK])
def test_a_log_in_memory_does_not(strategy: Strategy, session: Session) -> None:
    slow = PLAIN.model_copy(update={"work": PLAIN.work.model_copy(update={"value": 0.015})})
    restart = [BrokerRestart(at=0.3, duration=0.1)]
    trace = measure(session, strategy, restart, slow, producer=IDEMPOTENT)
    assert count(trace, Fate.DELIVERED) > 0
    if strategy is not POLL:  # the new broker does not know what the old one still had
        assert count(trace, Fate.LOST) > 0
    after = trace.created > 0.4
    assert not np.isnan(trace.at_broker[after]).any(), "the producer comes back"


LINKS: list[Fault] = [
    LinkDown(at=AT, duration=0.1),
    ConnectionReset(at=AT),
    HalfOpen(at=AT, duration=0.4),
    LostRequest(at=AT),
    LostResponse(at=AT),
    AddedLatency(at=AT, duration=0.1, delay=0.02),
    LimitedBandwidth(at=AT, duration=0.1, rate=20_000),
]
each_link_fault = pytest.mark.parametrize("fault", LINKS, ids=lambda fault: fault.name)


@each_link_fault
@pytest.mark.parametrize("strategy", [POLL, HOOK], ids=lambda strategy: strategy.name)
def test_requests_survive_a_bad_connection(
    strategy: Strategy, fault: Fault, session: Session
) -> None:
    if isinstance(fault, HalfOpen):  # of which nobody is told
        strategy = strategy.model_copy(update={"timeout": 0.3})
    trace = measure(session, strategy, [fault])
    assert (trace.fate == Fate.DELIVERED).all()
    if isinstance(fault, HalfOpen) and isinstance(strategy, Webhook):
        assert (trace.attempts > 1).any(), "requests are repeated"
    elif isinstance(fault, HalfOpen):
        assert trace.counters.events["connections"] > 1, "it asks again, elsewhere"


@pytest.mark.parametrize(
    "strategy", [WebSocketPush(acks=True), ServerSentEvents(), PollThenPull(interval=0.02)]
)
@pytest.mark.parametrize("fault", [LINKS[0], LINKS[2]], ids=lambda fault: fault.name)
def test_what_is_kept_or_asked_for_survives_a_bad_connection(
    strategy: Strategy, fault: Fault, session: Session
) -> None:
    trace = measure(session, strategy, [fault])
    assert (trace.fate == Fate.DELIVERED).all()


@pytest.mark.parametrize("fault", LINKS[:5], ids=lambda fault: fault.name)
def test_an_idempotent_producer_repeats_nothing(fault: Fault, session: Session) -> None:
    broken = [fault.model_copy(update={"link": "ingest"})]
    trace = measure(session, WebSocketPush(), broken, producer=IDEMPOTENT)
    assert (trace.fate == Fate.DELIVERED).all()
    assert (trace.completions == 1).all()
    assert (trace.accepted >= trace.at_broker).all()


def test_a_producer_that_only_retries_repeats_what_was_not_answered(session: Session) -> None:
    lost = [LostResponse(at=AT, link="ingest")]
    retry = Producer(acks="retry", timeout=0.2)
    trace = measure(session, WebSocketPush(), lost, producer=retry)
    assert (trace.fate == Fate.DELIVERED).all()
    assert (trace.completions > 1).any()


BURST = Workload(arrivals=Periodic(rate=400), work=0.005, duration=0.2)


def test_a_full_buffer_blocks_the_producer(session: Session) -> None:
    strategy = WebSocketPush(acks=True, credits=2, buffer=3, overflow="block")
    few = Producer(acks="retry", timeout=10.0, in_flight=5)
    trace = measure(session, strategy, workload=BURST, producer=few)
    assert (trace.fate == Fate.DELIVERED).all()
    assert trace.sent.max() > 0.3, "the producer was held back"


@pytest.mark.parametrize("replay", [False, True])
def test_a_slow_consumer_is_cut_off(replay: bool, session: Session) -> None:
    strategy = WebSocketPush(acks=True, credits=2, buffer=3, overflow="disconnect", replay=replay)
    trace = measure(session, strategy, workload=BURST)
    assert trace.counters.requests > 1, "it comes back"
    if replay:
        assert (trace.fate == Fate.DELIVERED).all()
    else:
        assert count(trace, Fate.DROPPED) > 0


def test_a_target_says_when_to_come_back(session: Session) -> None:
    strategy = Webhook(rate_limit=100, burst=2, concurrency=4, attempts=2)
    trace = measure(session, strategy, workload=BURST.model_copy(update={"work": PLAIN.work}))
    assert (trace.fate == Fate.DELIVERED).all()
    assert trace.attempts.sum() > len(trace), "it was refused, and that is no failed attempt"
    done = np.sort(trace.done)
    assert (done[10:] - done[:-10] > 7 / 100).all(), "at most 100 a second, and 2 at once"


@pytest.mark.parametrize(
    "strategy",
    [POLL, Webhook(retry_first=0.01, attempts=3), WebSocketPush(), HttpIngest(retry_first=0.01)],
    ids=lambda strategy: strategy.name,
)
def test_work_that_always_fails_is_put_aside(strategy: Strategy, session: Session) -> None:
    trace = measure(session, strategy, poison=[3, 7])
    assert trace.message[trace.fate == Fate.DEAD_LETTERED].tolist() == [3, 7]
    assert count(trace, Fate.DELIVERED) == len(trace) - 2


def test_a_slow_consumer_and_a_stalled_loop(session: Session) -> None:
    faults = [
        SlowConsumer(at=0.05, duration=0.05, work=0.01),
        StalledLoop(at=0.2, duration=0.1, side="target"),
    ]
    trace = measure(session, WebSocketPush(), faults)
    assert (trace.fate == Fate.DELIVERED).all()
    slow = (trace.started >= 0.05) & (trace.started < 0.1)
    assert slow.any() and (trace.done - trace.started)[slow].min() >= 0.01 - 1e-6
    assert np.diff(np.sort(trace.received)).max() > 0.08, "one message comes every 10 ms"


def test_where_messages_wait_is_sampled(session: Session) -> None:
    strategy = WebSocketPush(acks=True, credits=4)
    trace = measure(session, strategy, workload=BURST, sample=0.02)
    assert set(trace.places) == {"time", *PLACES}
    assert (np.diff(trace.places["time"]) > 0).all()
    assert trace.places["time"][-1] > trace.done.max() - 0.02
    for place in PLACES:
        assert (trace.places[place] >= 0).all()
    assert trace.places["broker"].max() > 10, "the consumer is slower than the producer"
    assert trace.places["consumer"].max() >= 1


def test_what_waits_in_the_sockets_of_requests_is_sampled(session: Session) -> None:
    size = 700_000  # more than the proxy takes in; how much a socket does is the system's choice
    long = PLAIN.model_copy(update={"size": Constant(value=size)})
    slow = [LimitedBandwidth(at=0.0, duration=1.0, rate=20_000_000)]
    under_way = 4
    for strategy in (LongPoll(max_records=under_way), Webhook(concurrency=under_way)):
        trace = measure(session, strategy, slow, workload=long, sample=0.005)
        most = trace.places["kernel"].max()
        assert most * size > 10_000, strategy.name
        assert most <= 2 * under_way, f"{strategy.name}: more than its two ends can hold"


def test_sockets_of_a_known_size_fill_like_those_of_the_model(session: Session) -> None:
    """The same messages are dropped on both engines, give or take what a socket's books take."""
    strategy = WebSocketPush(buffer=10, overflow="drop_newest", queue=4)
    asked = Scenario(
        workload=Workload(
            arrivals=Periodic(rate=200), size=Constant(value=50_000), work=0.05, duration=0.6
        ),
        strategies=[strategy],
        socket_buffer=400_000,
        drain=20.0,
    )
    held = {}
    for engine in (session.measure, lambda s, t: simulate(s, t, reference().physics)):
        trace = engine(asked, strategy)
        assert check(trace) == []
        held[engine] = len(trace) - count(trace, Fate.DROPPED)
    measured, simulated = held.values()
    assert simulated < len(trace) - 40, "most overflow"
    assert measured == pytest.approx(simulated, abs=12)


def test_a_socket_holds_about_what_it_was_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = socket.create_connection(server.getsockname())
        writer, _ = server.accept()
    with reader, writer:
        for end in (reader, writer):
            settings.limit_buffers(end, 400_000)
        writer.setblocking(False)
        held = refused = 0
        while refused < 20:
            try:
                held, refused = held + writer.send(b"x" * 10_000), 0
            except BlockingIOError:
                refused += 1
                time.sleep(0.005)
    assert 200_000 < held < 800_000


class Stumbler(PushConsumer):
    """A consumer that breaks on the first delivery."""

    def receive(self, message: Message, now: float) -> Sequence[Message]:
        if isinstance(message, Deliver):
            raise TypeError("a planted bug")
        return super().receive(message, now)


class Stumble(WebSocketPush):
    """A strategy whose consumer breaks."""

    def consumer(self, index: int, start: Start = FRESH) -> PushConsumer:
        return Stumbler(index)


def test_a_run_that_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, session: Session
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    faults = [AddedLatency(at=0.1, duration=0.1), ConsumerCrash(at=0.4, duration=0.1)]
    threads = threading.active_count()
    others = len(multiprocessing.active_children()) - len(session.processes)
    with pytest.raises(MeasurementError, match="a planted bug"):
        measure(session, Stumble(), faults)
    assert not session.processes and not session.reserve
    assert len(multiprocessing.active_children()) == others
    assert threading.active_count() == threads
    assert not list(tmp_path.iterdir())


@on_loop
async def test_a_peer_that_does_not_read_is_cut_off_and_its_role_told() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "SEND_DEADLINE", 0.2)
        async with (
            serving(WebSocketPush(), count=100, size=500_000, socket_buffer=SMALL) as (side, ports),
            connect(f"ws://127.0.0.1:{ports['websocket']}/stream", max_queue=1) as client,
        ):
            settings.limit_buffers(client.transport.get_extra_info("socket"), SMALL)
            await client.send('{"subscribe":0,"offset":null}')
            while not side.site.counts["subscribed"]:
                await asyncio.sleep(0.01)
            for message in range(100):
                publish(side, message)
                await asyncio.sleep(0)
            while side.broker.role.sessions:
                await asyncio.sleep(0.05)
            assert not side.servers["websocket"].outlets
            client.transport.abort()


@on_loop
async def test_where_a_log_begins_and_ends_can_be_asked() -> None:
    async with serving(ShortPoll()) as (side, ports):
        publish(side, 0, 1, 2)
        for to, offset in (("earliest", 0), ("latest", 3), ("0", 0), ("299", 3)):
            reply = await ask(ports["http"], "GET", f"/offset?to={to}")
            assert (reply.status, reply.body) == (200, b'{"offset":%d,"epoch":0}' % offset)
        found = await ask(ports["http"], "GET", "/offset?offset=2")
        assert (found.status, found.body) == (200, b'{"offset":2,"epoch":0}')
        gone = await ask(ports["http"], "GET", "/offset?offset=9")
        assert gone.status == 416 and b'"start":0,"end":3,"epoch":0' in gone.body
        for wrong in ("to=yesterday", "offset=-1", "offset=abc"):
            assert (await ask(ports["http"], "GET", f"/offset?{wrong}")).status == 400


@on_loop
async def test_a_held_request_ends_with_its_client() -> None:
    async with serving(LongPoll()) as (side, ports):
        async with Http(ports["http"]) as http:
            http.send("GET", "/records?offset=0&max_wait=200")
            while not side.broker.role.held:
                await asyncio.sleep(0.01)
        while side.broker.role.held:
            await asyncio.sleep(0.01)
