"""Faults in the simulation: each kind does what its docstring says, and only for as long as it says.

Message m is created at (m + 1) / RATE seconds. Every run is judged by the delivery checker as well.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lab import Constant, Exponential, Periodic, Scenario, Trace, Workload, simulate
from lab.engines.common import luck
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
    slowness,
)
from lab.messages import Message, OutOfRange
from lab.outcomes.checks import check
from lab.physics import IDEAL, ConnectionCosts, reference
from lab.roles import Poller
from lab.scenario import Producer, Retention
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
from lab.trace import PLACES, Fate

# What comes by chance would hide what faults do.
COSTS = reference().physics.steady().model_copy(update={"stalls": ()})
RATE, WORK, END = 100.0, 0.001, 2.0
AT, LASTS = 0.505, 0.4  # between two messages
OVER = AT + LASTS
NEXT = int(AT * RATE)  # the first message after AT
SOON = 0.05  # seconds within which everything is done when nothing is wrong
Rows = NDArray[np.bool_]

FORGETS = WebSocketPush()
ACKED = WebSocketPush(acks=True, credits=20)
RESUMED = WebSocketPush(replay=True)
EVENTS = ServerSentEvents()
HOOK = Webhook(timeout=0.3, retry_first=0.05, retry_limit=0.2, attempts=20)
SHORT = ShortPoll(interval=0.02, timeout=0.3)
HEAD = PollThenPull(interval=0.02, timeout=0.3)
ONCE = ShortPoll(interval=0.02, timeout=0.3, destructive=True)
LONG = LongPoll(timeout=0.3, max_wait=0.3)
CAREFUL = (ACKED, RESUMED, EVENTS, HOOK, SHORT, HEAD, LONG)
ANY_LINK: tuple[Fault, ...] = (
    LinkDown(at=AT, duration=LASTS),
    ConnectionReset(at=AT),
    HalfOpen(at=AT, duration=LASTS),
    LostRequest(at=AT),
    LostResponse(at=AT),
    AddedLatency(at=AT, duration=LASTS),
    LimitedBandwidth(at=AT, duration=LASTS, rate=10_000),
)


def run(
    strategy: Strategy,
    *faults: Fault,
    work: float = WORK,
    rate: float = RATE,
    consumers: int = 1,
    seed: int = 3,
    size: int = 100,
    acks: str = "idempotent",
    **settings: Any,
) -> Trace:
    """Return the trace of a run in which every message has a fate and no promise is broken."""
    workload = Workload(
        arrivals=Periodic(rate=rate),
        work=Constant(value=work),
        size=Constant(value=size),
        duration=END,
        consumers=consumers,
        seed=seed,
    )
    scenario = Scenario(
        workload=workload,
        strategies=[strategy],
        faults=list(faults),
        producer=Producer(acks=acks, timeout=0.3),
        **settings,
    )
    trace = simulate(scenario, strategy, COSTS)
    assert check(trace) == []
    assert len(trace) == len(workload.draw()) * consumers
    assert not has(trace, Fate.IN_FLIGHT).any()
    return trace


def has(trace: Trace, fate: Fate) -> Rows:
    found: Rows = trace.fate == fate
    return found


def again(trace: Trace) -> int:
    return int((trace.completions - 1).clip(0).sum())


def counts(trace: Trace) -> dict[Fate, int]:
    return {fate: int(has(trace, fate).sum()) for fate in Fate if has(trace, fate).any()}


def all_delivered(trace: Trace) -> bool:
    return set(counts(trace)) == {Fate.DELIVERED}


def during(times: NDArray[np.float64], begin: float = AT, end: float = OVER) -> Rows:
    within: Rows = (times > begin) & (times < end)
    return within


# Connections


@pytest.mark.parametrize("fault", ANY_LINK, ids=lambda fault: fault.name)
@pytest.mark.parametrize("strategy", CAREFUL, ids=lambda strategy: strategy.label)
def test_who_can_ask_again_loses_nothing(strategy: Strategy, fault: Fault) -> None:
    trace = run(strategy, fault)
    assert all_delivered(trace)
    calm = (trace.created < AT - SOON) | (trace.created > OVER + 1)
    assert trace.latency[calm].max() < SOON


def test_fire_and_forget_loses_what_is_sent_until_the_consumer_is_back() -> None:
    trace = run(FORGETS, LinkDown(at=AT, duration=LASTS))
    lost = np.flatnonzero(has(trace, Fate.LOST))
    assert len(lost) == lost[-1] - lost[0] + 1
    assert lost[0] == NEXT
    back = trace.created[lost[-1] + 1]
    assert OVER < back < OVER + 0.5
    assert trace.received[lost[-1] + 1 :].min() > back


def test_a_reset_connection_is_made_again_at_once() -> None:
    trace = run(FORGETS, ConnectionReset(at=AT))
    lost = trace.created[has(trace, Fate.LOST)]
    assert 1 <= len(lost) < 8 and AT - SOON < lost.min() and lost.max() < AT + 0.1
    assert not has(run(FORGETS, LostResponse(at=AT)), Fate.LOST).any()  # there is no response


def test_a_half_open_connection_swallows_everything_and_tells_nobody() -> None:
    trace = run(FORGETS, HalfOpen(at=AT, duration=LASTS))
    vanished = has(trace, Fate.LOST)
    assert vanished[during(trace.created, AT, OVER)].all()
    assert not np.isnan(trace.left_broker[during(trace.created)]).any()  # the broker knew nothing
    known = run(FORGETS, LinkDown(at=AT, duration=LASTS))
    assert np.isnan(known.left_broker[during(known.created, AT + SOON)]).all()


def test_who_waits_for_an_answer_finds_a_half_open_connection_by_its_own_time_out() -> None:
    impatient, patient = (
        run(HOOK.model_copy(update={"timeout": t}), HalfOpen(at=AT, duration=LASTS))
        for t in (0.1, 5.0)
    )
    assert impatient.attempts.max() > patient.attempts.max() == 2
    assert all_delivered(impatient) and all_delivered(patient)


def test_a_lost_request_is_repeated_and_a_lost_answer_has_the_work_done_again() -> None:
    request, answer = run(HOOK, LostRequest(at=AT)), run(HOOK, LostResponse(at=AT))
    for trace in (request, answer):
        [repeated] = np.flatnonzero(trace.attempts > 1)
        assert repeated == NEXT
    assert again(request) == 0
    assert again(answer) == 1 and answer.completions[answer.attempts > 1] == [2]


def test_an_idempotent_target_does_not_do_it_again() -> None:
    trace = run(HOOK.model_copy(update={"idempotent": True}), LostResponse(at=AT))
    assert all_delivered(trace) and again(trace) == 0 and trace.attempts.max() == 2


def test_a_lost_answer_to_a_destructive_read_loses_what_was_in_it() -> None:
    kept, lost = run(ONCE, LostRequest(at=AT)), run(ONCE, LostResponse(at=AT))
    assert all_delivered(kept)
    assert 1 <= has(lost, Fate.LOST).sum() <= 0.1 * RATE
    assert np.abs(lost.created[has(lost, Fate.LOST)] - AT).max() < 2 * SOON


def test_a_reset_loses_the_answers_under_way() -> None:
    far = AddedLatency(at=0, duration=END, delay=0.05)
    resets = [ConnectionReset(at=at) for at in (0.5, 0.84, 1.18, 1.52)]
    trace = run(ONCE, far, *resets)
    assert has(trace, Fate.LOST).any()
    read = 0.001  # what has arrived is still read
    gaps = [during(trace.received, reset.at + read, reset.at + 0.1) for reset in resets]
    assert not any(gap.any() for gap in gaps)
    assert all_delivered(run(ONCE, far)) and all_delivered(run(SHORT, far, *resets))


@pytest.mark.parametrize("strategy", [FORGETS, LONG], ids=lambda strategy: strategy.label)
def test_added_latency_shows_and_ends(strategy: Strategy) -> None:
    usual = run(strategy)
    trace = run(strategy, AddedLatency(at=AT, duration=LASTS, delay=0.05))
    longer = trace.latency - usual.latency
    assert longer[during(trace.created)].min() > 0.02
    if strategy is FORGETS:
        assert longer[during(trace.created, AT, OVER - 0.05)] == pytest.approx(0.05, abs=1e-3)
    calm = (trace.created < AT - SOON) | (trace.created > OVER + 0.3)
    assert longer[calm] == pytest.approx(0, abs=1e-3)


def test_limited_bandwidth_lets_only_so_much_pass() -> None:
    trace = run(FORGETS, LimitedBandwidth(at=AT, duration=LASTS, rate=10_000), size=1_000)
    passed = during(trace.received, AT + SOON, OVER).sum() * 1_000
    assert 0 < passed <= 10_000 * LASTS
    assert all_delivered(trace)
    assert trace.latency[during(trace.created)].max() > 0.1
    assert trace.latency[trace.created > OVER + 1].max() < SOON


def test_a_new_connection_does_not_wait_for_what_the_old_one_had_to_send() -> None:
    slow, reset = LimitedBandwidth(at=AT, duration=1.2, rate=2_000), ConnectionReset(at=AT + 1)
    trace = run(FORGETS, slow, reset, size=500)
    first = trace.created > AT + 1.1
    assert trace.latency[first][0] < 0.5  # four messages a second pass
    assert has(trace, Fate.LOST)[during(trace.created, AT + 0.5, AT + 1)].all()


def test_a_fault_of_one_consumer_is_none_of_the_others() -> None:
    trace = run(FORGETS, LinkDown(at=AT, duration=LASTS, consumer=1), consumers=3)
    lost = has(trace, Fate.LOST)
    assert lost.any() and set(trace.consumer[lost]) == {1}
    assert trace.latency[trace.consumer != 1].max() < SOON


# The producer and its connection


@pytest.mark.parametrize("fault", ANY_LINK, ids=lambda fault: fault.name)
@pytest.mark.parametrize("acks", ["retry", "idempotent"])
def test_a_producer_that_waits_to_be_told_loses_nothing(acks: str, fault: Fault) -> None:
    trace = run(LONG, fault.model_copy(update={"link": "ingest"}), acks=acks)
    assert all_delivered(trace)
    assert not np.isnan(trace.accepted).any()
    if acks == "idempotent":
        assert again(trace) == 0


def test_a_producer_that_repeats_has_it_done_twice_and_one_with_numbers_has_not() -> None:
    fault = LostResponse(at=AT, link="ingest")
    assert again(run(LONG, fault, acks="retry")) > 0
    assert again(run(LONG, fault, acks="idempotent")) == 0


def test_a_producer_that_forgets_loses_what_was_under_way() -> None:
    trace = run(LONG, LostRequest(at=AT, link="ingest"), acks="none")
    assert counts(trace)[Fate.LOST] >= 1
    assert np.isnan(trace.accepted).all()
    assert again(trace) == 0


# Processes


def test_a_stalled_loop_does_nothing_at_all() -> None:
    for side, stamp in (("source", "sent"), ("broker", "at_broker"), ("target", "started")):
        trace = run(FORGETS, StalledLoop(at=AT, duration=LASTS, side=side))
        at = getattr(trace, stamp)
        assert not during(at, AT + 0.01, OVER).any(), side
        assert all_delivered(trace)
        assert trace.latency[during(trace.created)].max() > LASTS - SOON
        assert trace.latency[trace.created > OVER + 0.3].max() < SOON


def test_a_slow_consumer_works_so_many_times_as_long() -> None:
    trace = run(LONG, SlowConsumer(at=AT, duration=LASTS, times=5))
    work = trace.done - trace.started
    slow = during(trace.started)
    usual = run(LONG)
    often = float(np.median(usual.done - usual.started))
    assert np.median(work[slow]) == pytest.approx(often + 4 * WORK, rel=0.1)
    assert np.median(work[~slow]) == pytest.approx(often, rel=0.1)
    assert work[slow].min() > 5 * WORK > work[~slow].max()
    least = run(LONG, SlowConsumer(at=AT, duration=LASTS, times=1, work=0.008))
    assert (least.done - least.started)[during(least.started)].min() > 0.008


def test_slowness_multiplies_and_is_of_one_consumer() -> None:
    faults = [
        SlowConsumer(at=1, duration=2, times=3),
        SlowConsumer(at=2, duration=2, times=4, work=0.1),
        SlowConsumer(at=2, duration=2, times=7, consumer=1),
        LinkDown(at=2),
    ]
    expected = {0.9: (1, 0), 1: (3, 0), 2.5: (12, 0.1), 3: (4, 0.1), 4: (1, 0)}
    assert {now: slowness(faults, 0, now) for now in expected} == expected


@pytest.mark.parametrize("strategy", CAREFUL, ids=lambda strategy: strategy.label)
def test_a_crash_loses_nothing_that_can_be_had_again(strategy: Strategy) -> None:
    trace = run(strategy, ConsumerCrash(at=AT, duration=LASTS), work=0.009)
    assert all_delivered(trace)
    assert not during(trace.started).any() and not during(trace.done).any()


def test_a_crash_of_who_forgets_loses_what_it_held_and_what_came_meanwhile() -> None:
    trace = run(FORGETS, ConsumerCrash(at=AT, duration=LASTS), work=0.012)
    lost = has(trace, Fate.LOST)
    assert lost[during(trace.created)].all()
    assert lost[trace.created < AT].any()  # those that waited for the work
    assert not lost[trace.created > OVER + SOON].any()


def test_a_crash_after_the_work_and_before_the_commit_repeats_a_batch() -> None:
    some = {"max_records": 5, "timeout": 0.3}  # it is always behind: every answer has five
    after, before, each = (
        run(ShortPoll(interval=0.02, commit=c, **some), ConsumerCrash(at=AT), work=0.012)
        for c in ("after_work", "before_work", "each")
    )
    assert all_delivered(after) and 1 <= again(after) <= 5
    assert 1 <= counts(before)[Fate.LOST] <= 5 and again(before) == 0
    assert all_delivered(each) and again(each) <= 1


def test_a_late_subscriber_gets_what_was_kept() -> None:
    late = ConsumerCrash(at=0, duration=0.505)
    assert all_delivered(run(LONG, late)) and all_delivered(run(RESUMED, late))
    for strategy in (FORGETS, LONG.model_copy(update={"begin": "latest"})):
        trace = run(strategy, late)
        missed = has(trace, Fate.LOST if strategy is FORGETS else Fate.SKIPPED)
        assert missed[trace.created < 0.49].all() and not missed[trace.created > 0.56].any()


@pytest.mark.parametrize("strategy", [LONG, HEAD], ids=lambda strategy: strategy.name)
def test_who_comes_late_may_begin_at_an_offset_or_a_time(strategy: Strategy) -> None:
    late = ConsumerCrash(at=0, duration=1.0)
    changes: tuple[tuple[dict[str, Any], int], ...] = (
        ({"from_offset": 30}, 30),
        ({"from_time": 0.405}, 40),
        ({"from_time": 0.0}, 0),
        ({"from_offset": 100_000}, 0),  # which is not there
    )
    for change, skipped in changes:
        trace = run(strategy.model_copy(update=change), late)
        assert has(trace, Fate.SKIPPED).sum() == skipped
        assert has(trace, Fate.DELIVERED)[skipped:].all()


def test_where_to_begin_is_one_place() -> None:
    for wrong in (
        {"begin": "latest", "from_time": 1.0},
        {"from_offset": 3, "from_time": 1.0},
        {"from_offset": -1},
        {"from_time": -1.0},
    ):
        with pytest.raises(ValueError):
            LongPoll(**wrong)
    with pytest.raises(ValueError, match="destructive"):
        ShortPoll(destructive=True, begin="latest")
    assert LongPoll(from_time=3.0).faster(2).from_time == 1.5


def test_who_begins_at_the_latest_record_goes_on_from_its_cursor_after_a_crash() -> None:
    strategy = LONG.model_copy(update={"begin": "latest"})
    trace = run(strategy, ConsumerCrash(at=AT, duration=LASTS))
    assert all_delivered(trace)


def test_a_broker_in_memory_loses_what_it_had_and_one_with_a_durable_log_nothing() -> None:
    restart = BrokerRestart(at=AT, duration=LASTS)
    for strategy in (ACKED, HOOK, LONG, RESUMED):
        memory = run(strategy, restart, work=0.012)  # too slow, so that messages wait
        durable = run(strategy, restart, work=0.012, durable=True)
        lost = memory.created[has(memory, Fate.LOST)]
        deaf = OVER + 0.3 if strategy is ACKED else AT  # a stream's new broker knows nobody
        if strategy is not RESUMED:  # which has what waits in its own queue
            assert len(lost) >= 3
        assert lost.max(initial=0.0) < deaf
        assert all_delivered(durable)
        assert not during(durable.at_broker).any()


def test_a_cursor_of_the_log_before_is_told_from_one_of_the_new_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[OutOfRange] = []
    receive = Poller.receive

    def listen(self: Poller, message: Message, now: float) -> Any:
        if isinstance(message, OutOfRange):
            told.append(message)
        return receive(self, message, now)

    monkeypatch.setattr(Poller, "receive", listen)
    trace = run(LONG, BrokerRestart(at=AT, duration=LASTS), BrokerRestart(at=1.505, duration=0.1))
    assert [message.epoch for message in told] == [1, 2]
    assert not has(trace, Fate.LOST)[trace.created > AT].any()
    told.clear()
    run(LONG, BrokerRestart(at=AT, duration=LASTS), durable=True)
    assert told == []


@pytest.mark.parametrize(
    "strategy",
    [RESUMED, EVENTS, WebSocketPush(acks=True, credits=20, replay=True)],
    ids=lambda strategy: strategy.label,
)
def test_who_resumes_a_stream_in_a_new_log_is_told_and_misses_nothing_of_it(
    strategy: Strategy,
) -> None:
    faults = BrokerRestart(at=AT, duration=LASTS), BrokerRestart(at=1.505, duration=0.1)
    crash = ConsumerCrash(at=1.55, duration=0.1)  # resumes from what was saved, in the last log
    for more in ((), (crash,)):
        trace = run(strategy, *faults, *more)
        refused = trace.counters.events["offsets out of range"]
        assert refused == len(faults)  # who was told once goes on where there is something
        lost = has(trace, Fate.LOST)
        assert trace.at_broker[lost].max(initial=0.0) < 1.505
        first = (trace.at_broker > OVER) & (trace.created < 1.2)  # what the second broker had
        assert first.sum() > 20 and not lost[first].any()


def test_faults_that_a_strategy_cannot_have_are_named_and_ignored() -> None:
    restart, crash = BrokerRestart(at=AT), ConsumerCrash(at=AT)
    ingest = LinkDown(at=AT, link="ingest")
    trace = run(HttpIngest(), restart, ingest, acks="none")
    assert trace.manifest["ignored_faults"] == [str(restart), str(ingest)]
    trace = run(InProcessLongPoll(), restart, crash, LinkDown(at=AT), acks="none")
    assert len(trace.manifest["ignored_faults"]) == 3
    assert all_delivered(trace)


# Backpressure


def test_what_overflows_a_buffer_meets_its_policy() -> None:
    slow = {"work": 0.02, "rate": RATE}
    found = {
        policy: run(WebSocketPush(acks=True, credits=1, buffer=5, overflow=policy), **slow)
        for policy in ("drop_newest", "drop_oldest", "block", "disconnect")
    }
    newest, oldest = found["drop_newest"], found["drop_oldest"]
    for trace in (newest, oldest):
        assert set(counts(trace)) == {Fate.DELIVERED, Fate.DROPPED}
        assert counts(trace)[Fate.DROPPED] == pytest.approx(END * RATE / 2, rel=0.2)
        assert trace.latency[has(trace, Fate.DELIVERED)].max() < 0.02 * 9
    last = len(newest) - 1
    assert has(oldest, Fate.DELIVERED)[last - 3 :].all()
    assert has(newest, Fate.DROPPED)[last - 3 :].any()
    blocked = found["block"]
    assert all_delivered(blocked)
    waits = {name: part.max() for name, part in blocked.parts().items()}
    assert waits["broker residence"] < 0.02 * 9  # they wait before the broker, not in it
    assert waits["schedule delay"] + waits["to the broker"] > 0.5
    cut = found["disconnect"]
    assert set(counts(cut)) == {Fate.DELIVERED, Fate.DROPPED, Fate.LOST}


def test_a_target_that_limits_its_rate_is_obeyed() -> None:
    strategy = Webhook(rate_limit=50, burst=5, concurrency=8, attempts=2, timeout=5)
    trace = run(strategy)
    assert all_delivered(trace)  # a refusal is no failed attempt
    assert trace.attempts.max() > 2 and again(trace) == 0
    starts = np.sort(trace.started)
    for first, beyond in zip(starts, starts[10:], strict=False):
        assert beyond - first > 10 / 50 - 5 / 50 - SOON
    assert trace.done.max() > END * RATE / 50 - 0.2


def test_an_adaptive_sender_begins_with_one_request_and_finds_more() -> None:
    wide = {"concurrency": 8, "timeout": 5.0}
    fixed, adaptive = (run(Webhook(adaptive=a, **wide), work=0.05) for a in (False, True))
    assert fixed.left_broker[1] < fixed.acked[0]
    assert adaptive.left_broker[1] > adaptive.acked[0] - 1e-4
    assert _outstanding(fixed) == _outstanding(adaptive) == 8


def test_an_adaptive_sender_holds_back_after_a_failure() -> None:
    strategy = Webhook(adaptive=True, concurrency=8, timeout=5.0)
    trace = run(strategy, LinkDown(at=AT, duration=LASTS), work=0.015)
    back = trace.left_broker > OVER + 0.5
    assert all_delivered(trace) and back.any()
    usual = run(strategy.model_copy(update={"adaptive": False}), LinkDown(at=AT, duration=LASTS))
    failed = during(usual.left_broker, AT, OVER + 0.2).sum()
    assert during(trace.left_broker, AT, OVER + 0.2).sum() <= failed


def _outstanding(trace: Trace) -> int:
    """Return the most requests that were ever without an answer."""
    changes = sorted([(t, 1) for t in trace.left_broker] + [(t, -1) for t in trace.acked])
    return int(np.cumsum([change for _, change in changes]).max())


def test_where_messages_wait_is_sampled() -> None:
    slow = SlowConsumer(at=AT, duration=LASTS, times=100)
    trace = run(ACKED, slow, sample=0.05)
    assert set(trace.places) == {"time", *PLACES}
    time = trace.places["time"]
    assert [b - a for a, b in pairwise(time)] == pytest.approx([0.05] * (len(time) - 1))
    waiting = trace.places["broker"] + trace.places["consumer"]
    assert waiting[during(time)].max() >= 20 > waiting[time < AT].max()
    assert run(ACKED, slow).places == {}


# Fates


def test_work_that_always_fails_ends_in_a_dead_letter() -> None:
    for strategy, tries in (
        (Webhook(attempts=3, retry_first=0.01), 3),
        (LongPoll(tries=3), None),
        (ShortPoll(interval=0.02, commit="each"), None),
        (ACKED, 5),
        (FORGETS, 1),
    ):
        trace = run(strategy, poison=[7, 50])
        dead = np.flatnonzero(has(trace, Fate.DEAD_LETTERED))
        assert list(dead) == [7, 50], strategy.label
        assert counts(trace) == {Fate.DELIVERED: len(trace) - 2, Fate.DEAD_LETTERED: 2}
        if tries:
            assert list(trace.attempts[dead]) == [tries, tries], strategy.label


def test_what_retention_takes_is_counted() -> None:
    trace = run(
        ShortPoll(interval=0.2, max_records=5), SlowConsumer(at=AT), retention=Retention(count=10)
    )
    found = counts(trace)
    assert set(found) == {Fate.DELIVERED, Fate.EXPIRED}
    assert sum(found.values()) == len(trace)
    assert has(trace, Fate.DELIVERED)[-10:].all()
    old = run(
        ShortPoll(interval=0.3),
        ConsumerCrash(at=AT, duration=0.5),
        retention=Retention(age=0.4),
    )
    gone = old.created[has(old, Fate.EXPIRED)]
    assert len(gone) and gone.max() < AT + 0.5


# Chance


def _bytes(trace: Trace) -> bytes:
    return b"".join(column.tobytes() for column in trace.columns().values())


@pytest.mark.parametrize("strategy", CAREFUL, ids=lambda strategy: strategy.label)
def test_the_same_seed_gives_the_same_trace_byte_for_byte(strategy: Strategy) -> None:
    faults = (LinkDown(at=AT, duration=LASTS), ConsumerCrash(at=1.2, duration=0.3))
    first, second = (run(strategy, *faults) for _ in range(2))
    assert _bytes(first) == _bytes(second)


def test_the_jitter_of_back_off_is_drawn_from_the_seed() -> None:
    down = LinkDown(at=AT, duration=LASTS)
    backs = {float(run(RESUMED, down, seed=seed).received[60]) for seed in range(5)}
    assert len(backs) == 5
    crashes = [ConsumerCrash(at=0.1, duration=0.1, consumer=c) for c in range(3)]
    downs = [down.model_copy(update={"consumer": c}) for c in range(3)]
    for before in ([], crashes):  # a consumer that began again has chances of its own, too
        several = run(RESUMED, *before, *downs, consumers=3)
        returns = [several.received[several.consumer == c][60] for c in range(3)]
        assert min(np.diff(sorted(returns))) > 0.001  # not a herd
    draws = [next(luck(1, 0, who)) for who in range(3)]
    assert len(set(draws)) == 3 and draws[0] == next(luck(1, 0, 0))
    assert all(0 <= draw < 1 for draw in draws)


def test_faults_can_overlap() -> None:
    faults = (
        LinkDown(at=0.4, duration=0.5),
        LinkDown(at=0.6, duration=0.6),
        AddedLatency(at=0.3, duration=0.5, delay=0.02),
        AddedLatency(at=0.5, duration=1.0, delay=0.03),
        HalfOpen(at=1.0, duration=0.3),
        ConsumerCrash(at=0.7, duration=0.3),
        BrokerRestart(at=0.8, duration=0.5),
        StalledLoop(at=1.1, duration=0.3, side="broker"),
    )
    for strategy in (HOOK, RESUMED, LONG):
        trace = run(strategy, *faults, durable=True)
        assert all_delivered(trace)
        assert not during(trace.received, 0.4 + SOON, 1.3).any()


def test_random_work_under_faults_is_conserved() -> None:
    workload = Workload(
        arrivals=Periodic(rate=RATE), work=Exponential(mean=0.004), duration=END, consumers=2
    )
    scenario = Scenario(workload=workload, strategies=[FORGETS], faults=list(ANY_LINK))
    trace = simulate(scenario, FORGETS, COSTS)
    assert check(trace) == []
    assert sum(counts(trace).values()) == len(trace) == 2 * END * RATE


def test_a_request_opens_a_connection_that_was_broken_again() -> None:
    client = 1e-2
    costs = IDEAL.model_copy(update={"connection": ConnectionCosts(client=client)})
    workload = Workload(arrivals=Periodic(rate=RATE), duration=END)
    for count in range(3):
        faults = [ConnectionReset(at=AT + 0.3 * i) for i in range(count)]
        scenario = Scenario(workload=workload, strategies=[HOOK], faults=faults)
        used = simulate(scenario, HOOK, costs).counters.cpu_seconds
        assert used["broker"] == pytest.approx((1 + count) * client)
