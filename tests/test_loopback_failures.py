"""What a measured run does when something goes wrong: it says so, and leaves a session that works."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import cast

import pytest
from servers import on_loop, serving

from lab import LongPoll, Periodic, Scenario, ShortPoll, Webhook, WebSocketPush, Workload, simulate
from lab.engines.common import MeasurementError
from lab.engines.loopback import Session, run, settings
from lab.engines.loopback.actor import Actor
from lab.engines.loopback.outlet import Outlet
from lab.engines.loopback.processes import Process, Processes
from lab.messages import Blocked, Deliver, Message
from lab.physics import IDEAL
from lab.roles import Poller, PushConsumer
from lab.strategies import FRESH, Start, Strategy
from lab.trace import Fate

WORKLOAD = Workload(arrivals=Periodic(rate=50), duration=0.2)


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


def scenario(strategy: Strategy, workload: Workload = WORKLOAD) -> Scenario:
    return Scenario(workload=workload, strategies=[strategy], drain=20.0)


def delivers(session: Session) -> bool:
    strategy = LongPoll()
    trace = session.measure(scenario(strategy), strategy)
    return bool((trace.fate == Fate.DELIVERED).all())


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


def test_what_the_time_to_drain_did_not_suffice_for_is_in_flight(session: Session) -> None:
    strategy = ShortPoll(interval=60)
    short = scenario(strategy).model_copy(update={"drain": 0.1})
    trace = session.measure(short, strategy)
    assert trace.manifest["cut_off"] is True
    assert (trace.fate == Fate.IN_FLIGHT).all()
    assert trace.counters.requests == 1


def test_a_time_out_repeats_a_delivery_on_both_engines(session: Session) -> None:
    """The second message waits for the first, longer than its time-out, and is sent again."""
    strategy = Webhook(concurrency=2, timeout=1.0, retry_first=0.05)
    workload = Workload(arrivals=Periodic(rate=20), duration=0.1, work=0.6)
    described = scenario(strategy, workload)
    simulated = simulate(described, strategy, IDEAL)
    measured = session.measure(described, strategy)
    for trace in (simulated, measured):
        assert trace.fate.tolist() == [Fate.DELIVERED] * 2
        assert trace.attempts.tolist() == [1, 2]
        assert (trace.acked >= trace.done).all()
        assert trace.counters.requests == 3


class Oversleeper(Poller):
    """A consumer that breaks when its time has come."""

    def wake(self, now: float) -> Sequence[Message]:
        raise ArithmeticError("a planted bug")


class Oversleep(ShortPoll):
    """A strategy whose consumer breaks in a timer."""

    def consumer(self, index: int, start: Start = FRESH) -> Poller:
        return Oversleeper(index, self.polling())


@on_loop
async def test_a_role_that_breaks_in_a_timer_is_reported() -> None:
    async with serving(Oversleep(), "target") as (side, _):
        side.consumers[0].plan()
        await asyncio.sleep(0.05)
        assert side.site.errors == ["ArithmeticError('a planted bug')"]
        side.site.errors.clear()


def test_a_role_that_breaks_is_reported_with_its_side(session: Session) -> None:
    strategy = Stumble()
    with pytest.raises(MeasurementError, match="^target: .*a planted bug"):
        session.measure(scenario(strategy), strategy)
    assert not session.processes, "what state they are in is not known"


def test_a_side_that_is_killed_is_reported(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert delivers(session)
    broker = session.processes[list(session.pipes).index("broker")]
    sleep_until = run.sleep_until

    def kill_half_way(end: float) -> None:
        sleep_until(end - WORKLOAD.duration / 2)
        os.kill(broker.pid, signal.SIGKILL)

    monkeypatch.setattr(run, "sleep_until", kill_half_way)
    strategy = LongPoll()
    with pytest.raises(MeasurementError, match="the process ended"):
        session.measure(scenario(strategy), strategy)
    assert not session.processes


def test_the_side_that_ended_is_named_not_one_that_fails_for_want_of_it() -> None:
    refused = SimpleNamespace(closed=False, poll=bool, recv=lambda: OSError("connection refused"))
    running = SimpleNamespace(is_alive=lambda: True)
    ended = SimpleNamespace(is_alive=lambda: False, join=lambda _: None, exitcode=-9)
    processes = Processes()
    processes.sides["source"] = Process(running, cast(Connection, refused))
    with pytest.raises(MeasurementError, match="^source: connection refused$"):
        processes.answer("source")
    processes.sides["broker"] = Process(ended, cast(Connection, SimpleNamespace(closed=False)))
    with pytest.raises(MeasurementError, match="^broker: the process ended$"):
        processes.answer("source")


def test_closing_a_session_lets_its_processes_end_by_themselves(session: Session) -> None:
    assert delivers(session)
    processes = list(session.processes)
    session.close()
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_a_peer_that_stops_reading_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one that reads nothing: a slow one that goes on reading keeps its connection."""
    monkeypatch.setattr(settings, "SEND_DEADLINE", 0.5)
    said: list[object] = []

    async def scene(pauses: Iterator[float]) -> None:
        async def write(frame: str) -> None:
            await asyncio.sleep(next(pauses))

        actor = SimpleNamespace(handle=said.append)
        outlet = Outlet(cast(Actor, actor), 0, write)
        running = asyncio.create_task(outlet.run())
        for _ in range(5):
            outlet.put("frame")
            await asyncio.sleep(0)
        await asyncio.wait_for(running, 10)

    with pytest.raises(TimeoutError):
        asyncio.run(scene(iter([0.05, 0.1, 0.1, 60.0])))
    assert said == [Blocked(0)]
    said.clear()
    with pytest.raises(RuntimeError):  # the pauses are used up: all five frames were written
        asyncio.run(scene(iter([0.2] * 4)))
