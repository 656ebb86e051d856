"""Guarantees: what faults allow, told by the checker where more happened; and the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import changed, trace, undelivered
from commands import Shell

from lab import LongPoll, Periodic, Scenario, Trace, Webhook, WebSocketPush, Workload
from lab.faults import (
    AddedLatency,
    BrokerRestart,
    ConsumerCrash,
    Fault,
    HalfOpen,
    LinkDown,
    SlowConsumer,
)
from lab.outcomes.checks import check
from lab.outcomes.guarantees import allowance
from lab.scenario import Producer, Retention
from lab.strategies import (
    ConsumerGroup,
    HttpIngest,
    InProcessLongPoll,
    ServerSentEvents,
    ShortPoll,
    Strategy,
)
from lab.trace import Fate
from lab.trials import matrix
from lab.workload import Constant

ROWS = 20
ANY = np.inf
DOWN = LinkDown(at=0.3)
CRASH, RESTART = ConsumerCrash(at=0.3), BrokerRestart(at=0.3)
SLOW, LATE = SlowConsumer(at=0.3), AddedLatency(at=0.3)
INGEST = LinkDown(at=0.3, link="ingest")
TOLD = {"producer": Producer(acks="idempotent")}


def scenario(strategy: Strategy, *faults: Fault, **more: Any) -> Scenario:
    workload = Workload(arrivals=Periodic(rate=20), work=Constant(value=0.002), duration=1)
    return Scenario(workload=workload, strategies=[strategy], faults=list(faults), **more)


def ran(strategy: Strategy, *faults: Fault, **more: Any) -> Trace:
    """Return a sound trace of a run with those faults, in which nothing came of them."""
    asked = scenario(strategy, *faults, **more)
    manifest = {
        "messages": ROWS,
        "consumers": 1,
        "scenario": asked.model_dump(mode="json", exclude_none=True),
        "strategy_index": 0,
    }
    sound = trace(np.arange(ROWS) / 10, manifest=manifest)
    assert check(sound) == []
    return sound


def kinds(broken: Trace) -> set[str]:
    return {violation.kind for violation in check(broken)}


@pytest.mark.parametrize(
    ("strategy", "fault", "lost", "again"),
    [
        (WebSocketPush(), DOWN, ANY, 0),
        (WebSocketPush(), SLOW, 0, 0),
        (WebSocketPush(replay=True), DOWN, 0, 0),
        (WebSocketPush(acks=True, ack_on="receipt", credits=7, queue=3), CRASH, 10, 10),
        (ServerSentEvents(), CRASH, 0, 1),
        (ServerSentEvents(replay=False), CRASH, ANY, 0),
        (Webhook(), SLOW, 0, ANY),
        (Webhook(concurrency=3, batch_size=4), CRASH, 0, 12),
        (HttpIngest(), RESTART, 0, 0),
        (HttpIngest(), INGEST, 0, 0),
        (LongPoll(max_records=9), RESTART, 0, ANY),
        (WebSocketPush(replay=True), RESTART, 0, ANY),
        (WebSocketPush(acks=True), RESTART, ANY, ANY),
        (Webhook(), RESTART, 0, ANY),
        (LongPoll(max_records=9), INGEST, 0, 0),
        (LongPoll(max_records=9, commit="each"), CRASH, 0, 1),
        (LongPoll(commit="never"), CRASH, 0, ANY),
        (LongPoll(begin="latest", max_records=9), CRASH, 9, 9),
        (ShortPoll(destructive=True, max_records=9), LATE, 9, 0),
        (InProcessLongPoll(), CRASH, 0, 0),
        (InProcessLongPoll(), DOWN, 0, 0),
    ],
    ids=str,
)
def test_what_a_fault_may_do(strategy: Strategy, fault: Fault, lost: float, again: float) -> None:
    found = allowance(scenario(strategy, fault, **TOLD), strategy)
    assert found is not None
    # the cursor of pulls bounds duplicates by what is asked for, which is no bound by default
    most = getattr(strategy, "max_records", ANY)
    assert (found.lost, min(found.again, most)) == (lost, min(again, most))


def test_a_durable_log_bounds_what_a_restart_does() -> None:
    polls, pushes = LongPoll(max_records=9), WebSocketPush(acks=True, credits=7)
    one, several = Webhook(), Webhook(concurrency=3)  # the cursor waits for the oldest request
    for strategy, again in ((polls, 0), (pushes, 7), (one, 1), (several, ANY)):
        found = allowance(scenario(strategy, RESTART, durable=True, **TOLD), strategy)
        assert found is not None and (found.lost, found.again) == (0, again)


def test_faults_add_up_and_are_named() -> None:
    strategy = LongPoll(max_records=9)
    found = allowance(scenario(strategy, CRASH, CRASH, DOWN, **TOLD), strategy)
    assert found is not None and found.again == 18 and not found.lost
    assert found.reasons == [f"{CRASH}: up to 9 done again, reordered"] * 2


def test_a_producer_that_is_not_told_may_lose() -> None:
    strategy = LongPoll()
    forgets, repeats = (
        allowance(scenario(strategy, INGEST, producer=Producer(acks=acks)), strategy)
        for acks in ("none", "retry")
    )
    assert forgets is not None and (forgets.lost, forgets.again) == (0, 0)
    assert forgets.forgotten == ANY
    assert repeats is not None and (repeats.lost, repeats.again) == (0, ANY)
    late = allowance(scenario(strategy, AddedLatency(at=0.3, link="ingest")), strategy)
    assert late is not None and not late.lost and not late.unaccepted  # a delay loses nothing


def test_a_strategy_that_promises_nothing_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = undelivered(ran(WebSocketPush()), 5, fate=Fate.LOST)
    assert kinds(lost) == {"lost"}
    monkeypatch.setattr(WebSocketPush, "care", None)
    assert allowance(scenario(WebSocketPush(), DOWN), WebSocketPush()) is None
    assert check(lost) == []


def test_a_group_pays_for_each_time_that_a_member_seems_to_be_gone() -> None:
    group = ConsumerGroup(max_records=2, partitions=3, session_timeout=0.5)
    care = group.care
    assert care is not None
    long = LinkDown(at=0.3, duration=3 * care.patience + 0.01)
    found = allowance(scenario(group, long, **TOLD), group)
    assert found is not None and found.again >= 4 * care.window and found.reordered


@pytest.mark.parametrize(
    ("fate", "kind"),
    [
        (Fate.LOST, "lost"),
        (Fate.EXPIRED, "expired"),
        (Fate.DROPPED, "dropped"),
        (Fate.DEAD_LETTERED, "dead_lettered"),
        (Fate.NEVER_ACCEPTED, "never_accepted"),
        (Fate.INDETERMINATE, "indeterminate"),
    ],
)
def test_without_faults_every_message_is_delivered(fate: Fate, kind: str) -> None:
    assert kind in kinds(undelivered(ran(LongPoll()), 5, fate=fate))


def test_as_many_as_are_allowed_and_no_more() -> None:
    crashed = ran(LongPoll(max_records=3), CRASH)
    twice = {"completions": dict.fromkeys(range(3), 2), "attempts": dict.fromkeys(range(3), 2)}
    assert check(changed(crashed, **twice)) == []
    four = {"completions": dict.fromkeys(range(4), 2), "attempts": dict.fromkeys(range(4), 2)}
    assert kinds(changed(crashed, **four)) == {"duplicate"}
    thrice = {"completions": {0: 3, 1: 3}, "attempts": {0: 3, 1: 3}}
    assert kinds(changed(crashed, **thrice)) == {"duplicate"}
    early = ran(LongPoll(max_records=3, commit="before_work"), CRASH)
    assert check(undelivered(early, 4, 5, 6, fate=Fate.LOST)) == []
    assert kinds(undelivered(early, 4, 5, 6, 7, fate=Fate.LOST)) == {"lost"}


def test_what_the_last_broker_had_is_not_lost_with_the_one_before() -> None:
    for strategy, may in ((WebSocketPush(replay=True), False), (WebSocketPush(), True)):
        restarted = ran(strategy, RESTART)
        began = float(RESTART.until)
        before, after = (np.flatnonzero(m) for m in _sides_of(restarted, began))
        assert check(undelivered(restarted, *before, fate=Fate.LOST)) == []
        late = undelivered(restarted, int(after[0]), fate=Fate.LOST)
        assert kinds(late) == (set() if may else {"lost"})
        restarted.manifest["log_began_at"] = float(restarted.at_broker[after[0]])  # later than told
        assert check(late) == []


def _sides_of(restarted: Trace, began: float) -> tuple[Any, Any]:
    return restarted.at_broker <= began, restarted.at_broker > began


def test_what_reached_the_broker_is_not_lost_on_the_way_to_it() -> None:
    cut = ran(LongPoll(), INGEST)
    on_its_way = changed(undelivered(cut, 5, fate=Fate.LOST), at_broker={5: np.nan})
    assert check(on_its_way) == []
    assert kinds(undelivered(cut, 5, fate=Fate.LOST)) == {"lost"}


def test_order_is_kept_but_by_parallel_requests_and_repetitions() -> None:
    for strategy, faults, kept in (
        (LongPoll(), (), True),
        (WebSocketPush(), (HalfOpen(at=0.3),), True),
        (Webhook(), (), True),
        (Webhook(concurrency=2), (), False),
        (WebSocketPush(acks=True), (DOWN,), False),
    ):
        sound = ran(strategy, *faults)
        late = changed(sound, done={3: sound.done[4] + 0.001})
        assert kinds(late) == ({"order"} if kept else set()), strategy.label


def test_nothing_is_given_up_before_the_last_attempt() -> None:
    sound = ran(Webhook(attempts=4), DOWN)
    given_up = undelivered(sound, 5, fate=Fate.DEAD_LETTERED)
    assert check(changed(given_up, attempts={5: 4})) == []
    assert kinds(changed(given_up, attempts={5: 3})) == {"hasty"}


def test_nothing_expires_while_the_log_has_room_for_it() -> None:
    sound = ran(LongPoll(max_records=5), SLOW, retention=Retention(count=5))
    old = undelivered(sound, ROWS - 6, fate=Fate.EXPIRED)
    assert check(old) == []
    assert kinds(undelivered(sound, ROWS - 5, fate=Fate.EXPIRED)) == {"hasty"}


def test_nothing_is_skipped_but_what_is_before_where_the_consumer_begins() -> None:
    sound = ran(LongPoll(), LATE)
    assert kinds(undelivered(sound, 0, fate=Fate.SKIPPED)) == {"skipped"}
    at = float(sound.at_broker[3])
    for strategy in (LongPoll(from_offset=3), LongPoll(from_time=at)):
        begun = ran(strategy, LATE)
        assert check(undelivered(begun, 0, 1, 2, fate=Fate.SKIPPED)) == []
        assert kinds(undelivered(begun, 0, 1, 2, 3, fate=Fate.SKIPPED)) == {"skipped"}
    late = undelivered(ran(LongPoll(begin="latest"), LATE), 0, 1, 2, fate=Fate.SKIPPED)
    assert check(late) == []
    assert kinds(undelivered(late, 10, fate=Fate.SKIPPED)) == {"skipped"}


def test_nothing_is_held_back_from_who_waits_for_it() -> None:
    sound = ran(LongPoll(max_wait=0.2))
    after = {name: {9: getattr(sound, name)[9] + 0.15} for name in ("received", "started", "done")}
    held = changed(sound, left_broker={9: sound.left_broker[9] + 0.15}, **after)
    assert "held" in kinds(held)


def test_every_cell_of_the_matrix_has_known_letters_only() -> None:
    for row in matrix.ROWS:
        assert len(row.expected) == len(matrix.COLUMNS)
        assert set("".join(row.expected)) <= {*matrix.LETTERS, matrix.WAITS}


def test_a_cell_that_contradicts_what_is_expected_is_told() -> None:
    def cell(expected: str, violations: list[str], **observed: int) -> matrix.Cell:
        return matrix.Cell("s", "f", expected, observed, 9, violations, [])

    assert cell("D", []).agrees and cell("D", []).letters == "W"
    assert cell("LD", [], D=3).agrees
    assert not cell("D", [], L=1).agrees
    assert not cell("D", ["order: late"], D=1).agrees


def test_the_command_gives_every_cell(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    some = tuple(row for row in matrix.ROWS if row.name.startswith("long poll"))
    monkeypatch.setattr(matrix, "ROWS", some)
    monkeypatch.setattr(matrix.cells, "__defaults__", (some, matrix.silent))
    status, out, err = shell("guarantees", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["engine"] == "simulation"
    assert len(found["cells"]) == len(some) * len(matrix.COLUMNS)
    assert all(cell["agrees"] and not cell["violations"] for cell in found["cells"])
    status, out, err = shell("guarantees")
    assert (status, err) == (0, "")
    assert f"{len(found['cells'])} of {len(found['cells'])} cells agree" in out


def test_a_cell_that_does_not_agree_is_exit_status_1(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = (matrix.Row("wrong", WebSocketPush(), ("W",) * len(matrix.COLUMNS)),)
    monkeypatch.setattr(matrix, "ROWS", wrong)
    monkeypatch.setattr(matrix.cells, "__defaults__", (wrong, matrix.silent))
    status, out, err = shell("guarantees")
    assert (status, err) == (1, "")
    assert "wrong, consumer crash: not what is expected" in out


def test_wrong_input_is_one_line(shell: Shell, tmp_path: Path) -> None:
    status, out, err = shell("guarantees", "--engine", "pigeon")
    assert (status, out) == (2, "")
    assert err == "pushpull: --engine: got 'pigeon'; need one of simulation, loopback\n"
    assert list(tmp_path.iterdir()) == []
