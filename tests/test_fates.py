"""What became of messages: every one in one word, and the lost ones by the fault they were lost to."""

from pathlib import Path

import numpy as np
from builders import changed, trace, undelivered

from lab import Periodic, Scenario, WebSocketPush, Workload, simulate
from lab.compare import compare
from lab.faults import ConnectionReset, ConsumerCrash, LinkDown, LostResponse, SlowConsumer
from lab.metrics import Run
from lab.outcomes.fates import NO_FAULT, accounts, lost_to, peaks, summary
from lab.physics import reference
from lab.report.aftermath import grids
from lab.trace import Fate, Trace, load

CREATED = np.arange(40) / 10.0
CRASH, DOWN = ConsumerCrash(at=1, duration=0.5), LinkDown(at=2, duration=0.5)


def lost(*rows: int) -> Trace:
    return undelivered(trace(CREATED), *rows, fate=Fate.LOST)


def scenario(**fields: object) -> Scenario:
    plain = {"workload": Workload(arrivals=Periodic(rate=100), duration=3)}
    return Scenario.model_validate({**plain, "strategies": [WebSocketPush()], **fields})


def test_lost_to_the_first_fault_that_ends_after_the_last_stamp() -> None:
    found = lost_to(lost(9, 12, 22, 23), [DOWN, CRASH])
    assert found == {str(CRASH): 2, str(DOWN): 2}


def test_what_is_lost_until_the_connection_is_made_anew_is_lost_to_the_reset() -> None:
    reset = ConnectionReset(at=0.95)
    assert lost_to(lost(10, 11, 21), [reset, DOWN]) == {str(reset): 2, str(DOWN): 1}


def test_lost_after_every_fault_is_lost_to_the_last_one() -> None:
    reset = LostResponse(at=3)
    assert lost_to(lost(35), [CRASH, reset]) == {str(reset): 1}
    assert lost_to(lost(35), []) == {NO_FAULT: 1}


def test_a_fault_of_another_consumer_is_not_to_blame() -> None:
    other = ConsumerCrash(at=1, duration=0.5, consumer=1)
    assert lost_to(lost(12), [other, DOWN]) == {str(DOWN): 1}
    ingest = LinkDown(at=1, duration=0.5, link="ingest", consumer=1)
    assert lost_to(lost(12), [ingest, DOWN]) == {str(ingest): 1}


def test_what_only_delays_is_to_blame_if_nothing_breaks() -> None:
    slow = SlowConsumer(at=0.5, duration=0.4)
    assert lost_to(lost(9, 12), [slow, CRASH]) == {str(CRASH): 2}
    assert lost_to(lost(9), [slow]) == {str(slow): 1}


def test_an_account_adds_up_over_replications() -> None:
    again = changed(lost(12), completions={3: 3})
    run = Run("WebSocketPush", "simulation", [again, lost(12, 22)])
    (account,) = accounts(scenario(faults=[CRASH, DOWN]), [run])
    assert account.messages == sum(account.fates.values()) == 80
    assert account.fates["delivered"] == 77 and account.fates["lost"] == 3
    assert account.done_again == 2
    assert account.lost_to == {str(CRASH): 2, str(DOWN): 1}
    assert account.peaks == {}


def test_a_saved_trace_tells_to_which_fault_it_lost_what(tmp_path: Path) -> None:
    asked = scenario(faults=[CRASH, DOWN], strategies=[WebSocketPush(buffer=5)])
    ran = simulate(asked, asked.strategies[0], reference().physics)
    ran.save(tmp_path / "t.npz")
    told = summary(load(tmp_path / "t.npz"))
    assert told.fates["lost"] == sum(told.lost_to.values()) > 20
    assert set(told.lost_to) == {str(CRASH), str(DOWN)}
    assert sum(told.fates.values()) == len(ran)
    assert f"lost {told.fates['lost']} ({CRASH}: {told.lost_to[str(CRASH)]}" in str(told)
    bare = summary(lost(3))  # whose manifest does not say what was run
    assert bare.fates == {"delivered": 39, "lost": 1} and not bare.lost_to


def test_what_is_dropped_is_told_with_its_policy() -> None:
    some = undelivered(trace(CREATED), 4, 5, fate=Fate.DROPPED)
    plain = scenario(strategies=[WebSocketPush(buffer=5)]).model_dump(mode="json")
    some.manifest.update(scenario=plain, strategy_index=0)
    assert summary(some).dropped_by == {"drop_newest": 2}
    assert str(summary(some)) == "delivered 38, dropped 2 (drop_newest: 2)"


def test_nothing_is_told_of_a_scenario_without_trouble() -> None:
    run = Run("WebSocketPush", "simulation", [trace(CREATED)])
    assert not list(accounts(scenario(), [run])) and not grids(scenario(), [run])


def test_peaks_are_of_the_places_that_were_sampled() -> None:
    whole = trace(CREATED)
    places = {"time": np.arange(3.0), "broker": np.array([0.0, 7.0, 2.0])}
    sampled = Trace(
        counters=whole.counters, manifest=whole.manifest, places=places, **whole.columns()
    )
    assert peaks(sampled) == {"broker": 7} and peaks(whole) == {}


def test_a_comparison_tells_it_in_json_and_in_its_report(tmp_path) -> None:
    asked = scenario(faults=[CRASH], sample=0.05, replications=1)
    found = compare(asked, engines=["simulation"])
    (told,) = found.to_json()["accounts"]
    assert told["lost_to"] == {str(CRASH): told["fates"]["lost"]} and told["fates"]["lost"] > 40
    titles = [grid.title for grid in grids(asked, found.runs)]
    assert titles[:2] == ["What became of the messages", f"After {CRASH}"]
    found.save(tmp_path)
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert all(title in text for title in titles)
        assert f"{CRASH}: {told['fates']['lost']}" in text
