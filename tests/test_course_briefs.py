"""The three briefs: good designs meet them, tempting ones do not, and what is handed in is looked at."""

import pytest

from lab import HttpIngest, LongPoll, ServerSentEvents, ShortPoll, Strategy, Webhook, WebSocketPush
from lab.course.briefs import BRIEFS, Brief
from lab.course.questions.lesson_13 import QUESTIONS, p90
from lab.course.quiz import Quiz

RETRIES = {"timeout": 0.4, "retry_first": 0.05, "attempts": 12}
PARTNER = {"rate_limit": 80, "burst": 20}
LATEST = {"buffer": 1, "overflow": "drop_oldest"}
GOOD = {
    "sensors": [
        HttpIngest(method="PUT", batch_size=10, linger=0.3, **RETRIES),
        WebSocketPush(replay=True),
        LongPoll(min_records=10, max_wait=0.4, timeout=0.8),
    ],
    "prices": [WebSocketPush(acks=True, credits=1, **LATEST)],
    "invoices": [
        Webhook(**PARTNER, idempotent=True, attempts=20, timeout=1),
        HttpIngest(**PARTNER, method="PUT", attempts=20, timeout=1),
    ],
}
TEMPTING = {  # and the kind of criterion that each does not meet
    "sensors": [
        (WebSocketPush(), "loss"),
        (WebSocketPush(acks=True), "loss"),
        (ShortPoll(interval=0.2, timeout=0.4, destructive=True), "loss"),
        (LongPoll(timeout=0.4), "cost"),
    ],
    "prices": [
        (WebSocketPush(**LATEST), "latency"),
        (ServerSentEvents(), "latency"),
        (Webhook(**LATEST), "cost"),
    ],
    "invoices": [
        (Webhook(**PARTNER), "loss"),
        (Webhook(**PARTNER, attempts=20, timeout=0.5), "loss"),
        (Webhook(**PARTNER, attempts=20, timeout=1, idempotent=True, concurrency=10), "cost"),
    ],
}


def right(quiz: Quiz, id: str, answer: object, **evidence: object) -> bool:
    """Check an answer, and say whether it is right."""
    quiz.check(id, answer, **evidence)
    return id in quiz.right


def missed(brief: Brief, strategy: Strategy) -> set[str]:
    """Return the kinds of criteria that a strategy does not meet in simulation."""
    (run,) = brief.simulate(brief.scenario(strategy))
    return {verdict.criterion.kind for verdict in brief.judge(run) if not verdict.met}


@pytest.mark.parametrize("name", BRIEFS)
def test_good_designs_meet_the_brief_and_its_terms(name: str) -> None:
    for strategy in GOOD[name]:
        assert not BRIEFS[name].terms(strategy)
        assert missed(BRIEFS[name], strategy) == set(), strategy.label


@pytest.mark.parametrize("name", BRIEFS)
def test_tempting_designs_do_not(name: str) -> None:
    for strategy, kind in TEMPTING[name]:
        assert kind in missed(BRIEFS[name], strategy), strategy.label


def test_the_partner_has_terms() -> None:
    terms = BRIEFS["invoices"].terms
    assert terms(WebSocketPush()) and terms(Webhook()) and terms(Webhook(**PARTNER, batch_size=5))


def test_what_is_handed_in_must_be_of_the_brief() -> None:
    sensors, prices = BRIEFS["sensors"], BRIEFS["prices"]
    quiz = Quiz(QUESTIONS, say=lambda text: None)
    design = GOOD["sensors"][0]
    runs = sensors.simulate(sensors.scenario(design, WebSocketPush()))
    assert right(quiz, "13.2", runs[0], brief=sensors)
    assert not right(quiz, "13.2", runs[1], brief=sensors)  # it loses messages
    assert not right(quiz, "13.2", runs[0], brief=prices)  # not its workload
    assert not right(quiz, "13.7", runs[0], brief=sensors)  # not measured
    easier = sensors.scenario(design, WebSocketPush()).model_copy(update={"faults": []})
    assert not right(quiz, "13.1", easier, brief=sensors)
    assert right(quiz, "13.1", sensors.scenario(design, WebSocketPush()), brief=sensors)
    assert not right(quiz, "13.2", sensors.simulate(easier)[0], brief=sensors)
    for nothing in (..., None, "good", 1):
        assert not right(quiz, "13.2", nothing, brief=sensors)


def test_the_rival_must_miss_what_is_said_of_it() -> None:
    sensors = BRIEFS["sensors"]
    quiz = Quiz(QUESTIONS, say=lambda text: None)
    runs = sensors.simulate(sensors.scenario(GOOD["sensors"][0], WebSocketPush()))
    lost, again, *_ = (criterion.name for criterion in sensors.criteria)
    assert right(quiz, "13.5", lost, brief=sensors, runs=runs)
    assert not right(quiz, "13.5", again, brief=sensors, runs=runs)
    assert not right(quiz, "13.5", lost, brief=sensors, runs=runs[:1])
    good = [*runs[:1], *sensors.simulate(sensors.scenario(GOOD["sensors"][1]))]
    assert not right(quiz, "13.5", lost, brief=sensors, runs=good)


def test_the_price_and_the_prediction_are_those_of_the_runs() -> None:
    sensors = BRIEFS["sensors"]
    quiz = Quiz(QUESTIONS, say=lambda text: None)
    runs = sensors.simulate(sensors.scenario(GOOD["sensors"][0], WebSocketPush()))
    design, rival = (sensors.judge(run)[-1].worst for run in runs)
    assert right(quiz, "13.6", rival / design, brief=sensors, runs=runs)
    for wrong in (1, design / rival, True, "much"):
        assert not right(quiz, "13.6", wrong, brief=sensors, runs=runs), wrong
    assert not right(quiz, "13.6", rival / design, brief=sensors, runs=[])
    found = p90(runs[0])
    for predicted in (2 * found, found / 2):
        assert right(quiz, "13.8", 2.0, predicted=predicted, measured=runs)
        assert not right(quiz, "13.8", 1.0, predicted=predicted, measured=runs)
    assert not right(quiz, "13.8", 2.0, predicted=..., measured=runs)
    assert not right(quiz, "13.8", 2.0, predicted=found, measured=[])
