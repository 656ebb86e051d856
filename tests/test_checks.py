"""The delivery checker: sound traces pass, and a planted violation of every kind is found."""

import math

import numpy as np
import pytest
from builders import changed, trace, undelivered

from lab.outcomes.checks import check
from lab.outcomes.findings import MOST, Violation
from lab.trace import Fate, Trace

CREATED = np.arange(10) * 0.1


def sound(**manifest: object) -> Trace:
    return trace(CREATED, manifest={"messages": 10, "consumers": 1, **manifest})


def two_consumers() -> Trace:
    return trace(
        [0.0, 0.1, 0.2] * 2,
        manifest={"messages": 3, "consumers": 2, "ordered": True},
        message=[0, 1, 2] * 2,
        consumer=[0] * 3 + [1] * 3,
    )


def without(whole: Trace, *rows: int) -> Trace:
    kept = np.setdiff1d(np.arange(len(whole)), rows)
    columns = {name: column[kept] for name, column in whole.columns().items()}
    return Trace(counters=whole.counters, manifest=whole.manifest, **columns)


def single(broken: Trace) -> Violation:
    [violation] = check(broken)
    return violation


@pytest.mark.parametrize(
    "whole",
    [
        sound(ordered=True, expect="once"),
        two_consumers(),
        trace(),
        trace(CREATED, manifest={}),
        undelivered(sound(ordered=True), 3, 4),
        undelivered(sound(cut_off=True), 8, 9, fate=Fate.IN_FLIGHT),
        trace(CREATED, at_broker=[math.nan] * 10, left_broker=[math.nan] * 10),
        changed(sound(), attempts={3: 2}),
    ],
)
def test_sound_traces_have_no_violations(whole: Trace):
    assert check(whole) == []


def test_missing_row():
    violation = single(without(sound(), 4))
    assert violation[:3] == ("conservation", 4, 0)
    assert "1 of 10" in violation.text


def test_missing_row_of_one_consumer_is_named():
    first, more = check(without(two_consumers(), 3, 5))
    assert first[:3] == ("conservation", 0, 1)
    assert more.text == "2 violations in all"


def test_missing_last_row():
    assert single(without(sound(), 9))[:3] == ("conservation", 9, 0)


def test_second_row():
    again = single(changed(trace(CREATED, manifest={}), message={6: 5}))
    assert again[:3] == ("conservation", 5, 0)
    assert "second" in again.text


def test_row_that_was_never_offered():
    kinds = check(changed(sound(), message={9: 12}))
    assert [v[:3] for v in kinds] == [("conservation", 9, 0), ("conservation", 12, 0)]


def test_in_flight_after_a_whole_run():
    violation = single(undelivered(sound(), 7, fate=Fate.IN_FLIGHT))
    assert violation[:3] == ("fate", 7, 0)


def test_unknown_fate():
    violation = single(undelivered(sound(), 7, fate=99))
    assert violation[:3] == ("fate", 7, 0)
    assert "99" in violation.text


@pytest.mark.parametrize("stamp", ["received", "done"])
def test_delivered_without_a_stamp(stamp: str):
    violation = single(changed(sound(), **{stamp: {2: math.nan}}))
    assert violation[:3] == ("delivered", 2, 0)
    assert stamp in violation.text


def test_delivered_without_an_attempt():
    assert single(changed(sound(), attempts={2: 0}))[:3] == ("delivered", 2, 0)


def test_done_though_not_delivered():
    violation = single(changed(sound(), fate={2: Fate.EXPIRED}))
    assert violation[:3] == ("delivered", 2, 0)
    assert "expired" in violation.text


@pytest.mark.parametrize(
    "stamp", ["sent", "at_broker", "left_broker", "received", "started", "done"]
)
def test_stamp_that_goes_back(stamp: str):
    violation = single(changed(sound(), **{stamp: {5: 0.4999}}))
    assert violation[:3] == ("stamps", 5, 0)


def test_stamp_that_goes_back_across_one_that_is_missing():
    broken = changed(sound(), at_broker={5: math.nan}, left_broker={5: 0.4})
    violation = single(broken)
    assert violation[:3] == ("stamps", 5, 0)
    assert "left_broker" in violation.text


def test_never_created_and_infinite():
    assert check(changed(sound(), created={1: math.nan}))[0][:3] == ("stamps", 1, 0)
    assert check(changed(sound(), acked={1: math.inf}))[0][:3] == ("stamps", 1, 0)


def test_duplicate_where_once_is_expected():
    violation = single(changed(sound(expect="once"), attempts={3: 2}))
    assert violation[:3] == ("duplicate", 3, 0)


def test_overtaking_where_order_is_promised():
    broken = changed(two_consumers(), done={3: 0.15})
    violation = single(broken)
    assert violation[:3] == ("order", 1, 1)
    assert violation.text.endswith("before message 0")
    assert check(changed(sound(), done={3: 0.45})) == []


def test_another_consumer_or_an_undelivered_message_is_not_overtaken():
    slow = changed(two_consumers(), done={2: 9.0})
    assert check(slow) == []
    assert check(undelivered(sound(ordered=True), 0)) == []


def test_output_is_bounded_and_starts_with_the_smallest():
    many = trace(np.arange(1000.0), manifest={"messages": 1000, "consumers": 1})
    rows = range(999, 10, -1)
    broken = changed(many, done=dict.fromkeys(rows, math.nan), attempts={7: 0})
    *told, more = check(broken)
    assert len(told) == MOST
    assert [v.message for v in told] == [7, *range(11, 30)]
    assert more == Violation("more", None, None, "990 violations in all")


def test_every_kind_is_told_even_beside_many_of_another():
    many = trace(np.arange(1000.0), manifest={"messages": 1001, "consumers": 1})
    broken = changed(many, attempts=dict.fromkeys(range(900), 0), done={950: 0.0})
    assert {v.kind for v in check(broken)} == {"delivered", "stamps", "conservation", "more"}


def test_unsorted_rows_are_checked_the_same():
    shuffled = np.random.default_rng(1).permutation(10)
    whole = sound(ordered=True)
    columns = {name: column[shuffled] for name, column in whole.columns().items()}
    assert check(Trace(counters=whole.counters, manifest=whole.manifest, **columns)) == []
