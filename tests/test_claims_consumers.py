"""Claims 10 to 18: each criterion gives each verdict, on runs with known figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import trace

from lab import IDEAL, simulate
from lab.claims import (
    batch_choice,
    busy_poll,
    fan_out,
    immutable,
    inserts,
    listening,
    poll_first,
    sockets,
    status_acks,
    transits,
    witness,
)
from lab.claims.base import Finding
from lab.claims.bench import simulation
from lab.metrics import Run
from lab.physics import reference
from lab.scenario import Scenario
from lab.strategies import Strategy, WebSocketPush
from lab.trace import Counters, Fate, Trace
from lab.workload import Periodic, Workload

EVEN, WILD = (0.99, 1.0, 1.01), (0.05, 1.0, 20.0)  # of replications around what is asked for


def run(label: str, make: Callable[[float], Trace], spread: Sequence[float] = EVEN) -> Run:
    """Return a run whose replications are made with the factors of `spread`."""
    return Run(label, "simulation", [make(by) for by in spread])


def waiting(label: str, latency: float, spread: Sequence[float] = EVEN) -> Run:
    return run(label, lambda by: trace(np.arange(50) * 0.01, latency * by), spread)


def batches(latency: Mapping[Strategy, Sequence[float]], spread: Any = EVEN) -> Finding:
    """Judge claim 10 where settings have those latencies for three consumers, and others 10 s.

    `spread` is that of the pull.
    """
    ways = (*batch_choice.PULLS, *batch_choice.BLIND, *batch_choice.TOLD)
    return batch_choice.judge(
        {
            cost: {
                way.label: waiting(
                    way.label,
                    latency.get(way, [10.0] * 3)[i],
                    spread if way in batch_choice.PULLS else EVEN,
                )
                for way in ways
            }
            for i, cost in enumerate(batch_choice.COSTS)
        }
    )


def test_whose_batches_suit() -> None:
    (pull,), (single, *_), (told,) = batch_choice.PULLS, batch_choice.BLIND, batch_choice.TOLD
    good, bad = [1.0, 1.0, 1.0], [1.0, 1.0, 4.0]
    assert batches({pull: good, single: bad}).verdict == "supported"
    assert batches({pull: good, single: bad, told: good}).verdict == "depends"
    assert batches({pull: good, single: good, told: good}).verdict == "refuted"
    assert batches({pull: bad, told: good}).verdict == "refuted"
    assert batches({pull: good, single: bad}, WILD).verdict == "not measurable here"
    cost = batches({pull: good, single: bad}).amounts[-1].value.mean
    assert batch_choice.COSTS[1] < cost < batch_choice.COSTS[2]


def crowded(harm: float, rise: float, spread: Any = EVEN) -> Finding:
    """Judge claim 11 where a slow consumer harms others so much, and 8 slow the first so much."""

    def slow(by: float) -> Trace:
        created = np.tile(np.arange(50) * 0.02, 2)
        late = (created >= fan_out.SLOW.at) & (created < fan_out.SLOW.until)
        latency = np.where(late, harm * by, 1) * 0.001
        return trace(created, latency, consumer=np.repeat([0, 1], 50))

    def crowd(label: str, number: int) -> Run:
        costs = Counters(cpu_seconds={"broker": 0.1}, elapsed=1.0)
        slower = 1 + (rise - 1) * (number > 4)
        made = lambda by: trace(np.arange(50) * 0.01, 0.001 * slower * by, counters=costs)
        return run(label, made, spread)

    crowds = {n: {s.label: crowd(s.label, n) for s in fan_out.CROWD} for n in fan_out.NUMBERS}
    return fan_out.judge(crowds, {s.label: run(s.label, slow, spread) for s in fan_out.ISOLATION})


def test_consumers_together() -> None:
    assert crowded(harm=1, rise=1).verdict == "supported"
    assert crowded(harm=1, rise=3).verdict == "depends"
    assert crowded(harm=3, rise=1).verdict == "refuted"
    assert crowded(harm=1.4, rise=1, spread=WILD).verdict == "not measurable here"
    number = crowded(harm=1, rise=3).amounts[3]
    assert "consumers at which" in number.name
    assert 4 < number.value.mean < 8


def held(means: Sequence[float], most: float, spread: Any = EVEN) -> Finding:
    """Judge claim 12 where messages take so many transits on average, and one in ten `most`."""

    def delivering(transit: float, last: float) -> Trace:
        at = np.arange(100) * 0.1
        took = np.full(100, transit)
        took[::10] = last
        return trace(at, at_broker=at, left_broker=at, received=at + took, started=at + took)

    pairs = {}
    for rate, mean in zip(transits.RATES, means, strict=True):
        rest = (mean - most / 10) / 0.9
        pushed = run("push", lambda by: delivering(1.0, 1.0), spread)
        pairs[rate] = pushed, run("poll", lambda by, r=rest: delivering(r * by, most), spread)  # type: ignore[misc]
    return transits.judge(pairs)


def test_transits() -> None:
    assert held([1.1, 1.2, 1.3], most=3).verdict == "supported"
    assert held([1.1, 1.7, 2.0], most=3).verdict == "depends"
    assert held([1.7, 1.8, 2.0], most=3).verdict == "refuted"
    assert held([1.1, 1.2, 1.3], most=4).verdict == "refuted"
    assert held([1.2, 1.2, 1.3], most=3, spread=WILD).verdict == "not measurable here"
    load = held([1.1, 1.7, 2.0], most=3).amounts[-1].value.mean
    rates = list(transits.RATES)
    assert rates[0] * transits.DELAY < load < rates[1] * transits.DELAY


def test_transits_are_foretold_between_one_and_two() -> None:
    rare, often = transits.foretold(0.01), transits.foretold(1e5)
    assert (rare, often) == pytest.approx((1, 2), abs=0.06)


def polled(checks: Sequence[float], repeats: float, spread: Any = EVEN) -> Finding:
    """Judge claim 13 where checking takes so many bytes a poll, over 1,000, at each rate.

    Half of the polls find nothing, and full answers are of `repeats` bytes of records.
    """

    def counted(strategy: Strategy, total: float, empty: float, cycles: int = 100) -> Trace:
        asked = cycles if strategy == poll_first.PLAIN else 2 * cycles - round(empty * cycles)
        counters = Counters(
            requests=asked,
            empty_replies=round(empty * cycles),
            bytes_out=round(total * cycles),
            cpu_seconds={"broker": 0.1},
        )
        messages = round(repeats * cycles * (1 - empty) / poll_first.SIZE)
        told = {"strategy": strategy.label}
        return trace(np.arange(messages) * 0.001, manifest=told, counters=counters)

    pairs = {}
    for rate, share, factor in zip(poll_first.RATES, (0.9, 0.5, 0.1), checks, strict=True):
        plain = run("plain", lambda by, e=share: counted(poll_first.PLAIN, 1_000, e), spread)  # type: ignore[misc]
        pairs[rate] = (
            plain,
            run(
                "checking",
                lambda by, e=share, f=factor: counted(poll_first.CHECKING, 1_000 * f * by, e),  # type: ignore[misc]
                spread,
            ),
        )
    return poll_first.judge(pairs)


def test_checking_first() -> None:
    assert polled([0.5, 0.7, 0.9], repeats=2_000).verdict == "supported"
    assert polled([5, 5, 5], repeats=2_000).verdict == "refuted"
    mixed = polled([0.5, 0.9, 1.2], repeats=2_000)
    assert mixed.verdict == "depends"
    assert "above 2" in mixed.reason and "% empty polls if an empty answer is small" in mixed.reason
    assert "at no share of empty polls if" in polled([1.1, 1.1, 1.1], repeats=2_000).reason
    assert polled([1.0, 1.0, 1.0], repeats=20, spread=WILD).verdict == "not measurable here"


def busy(requests: float, cores: float, spread: Any = EVEN) -> Finding:
    """Judge claim 14 where a poll without a pause is asked so often, and keeps so many cores busy."""

    def polling(label: str, often: float, used: float) -> Run:
        def made(by: float) -> Trace:
            counters = Counters(
                requests=round(often * 1000),
                elapsed=1000.0,
                cpu_seconds={"broker": 500 * used * by, "target": 500 * used * by},
            )
            return trace(np.arange(10) * 0.02, 0.001, counters=counters)

        return run(label, made, spread)

    ways = busy_poll.scenario(busy_poll.PAUSES).strategies
    labels = [strategy.label for strategy in ways]
    figures = [(50.0, 0.05), (requests, cores), (500.0, 0.3), (90.0, 0.05), (20.0, 0.02)]
    found = {label: polling(label, *f) for label, f in zip(labels, figures, strict=True)}
    return busy_poll.judge(found, busy_poll.PAUSES)


def test_polls_without_a_pause() -> None:
    found = busy(requests=2000, cores=0.9)
    assert found.verdict == "supported"
    pause = next(a.value.mean for a in found.amounts if a.name.startswith("pause"))
    assert 0.001 < pause < 0.01
    assert busy(requests=2000, cores=0.2).verdict == "refuted"
    assert busy(requests=50, cores=0.9).verdict == "refuted"
    assert busy(requests=2000, cores=0.5, spread=WILD).verdict == "not measurable here"


def inserted(once: float, row: float, spread: Any = EVEN) -> Finding:
    """Judge claim 15 where a transaction costs that, and each of its rows."""
    return inserts.judge(
        [
            inserts.Timed({n: np.array([(once + n * row) * by]) for n in inserts.SIZES}, {})
            for by in spread
        ]
    )


def test_inserts() -> None:
    found = inserted(once=1e-4, row=1e-6)
    assert found.verdict == "depends"
    end = next(a.value.mean for a in found.amounts if a.name.startswith("load above"))
    assert 1_000 < end < 20_000, "single inserts are full at 9,901 rows/s"
    assert inserted(once=1e-2, row=1e-6).verdict == "supported"
    assert inserted(once=0.0, row=1e-5).verdict == "refuted"


def test_costs_of_inserts_are_learnt_from_two_sizes() -> None:
    true = {n: np.full(3, 1e-4 + n * 2e-6) for n in inserts.SIZES}
    wrong = true | {n: true[n] * 50 for n in inserts.SIZES if n not in inserts.LEARNT}
    (found,) = inserts.simulated([inserts.Timed(wrong, {})])
    for size, seconds in true.items():
        assert found.seconds[size].mean() == pytest.approx(seconds.mean())


def test_the_latency_of_a_batch_is_its_filling_and_its_insertion() -> None:
    alone = inserts.latency(np.array([1e-6]), 1, 1_000.0)
    assert alone == pytest.approx(1e-6, rel=0.01)
    full = inserts.latency(np.array([1e-6]), 100, 1_000.0)
    assert full == pytest.approx(99 / 2 / 1_000, rel=0.05)
    assert inserts.latency(np.array([2e-3]), 1, 1_000.0) > 1, "it cannot keep up"


def test_inserts_are_timed_for_real() -> None:
    (found,) = inserts.measured(1)
    assert set(found.seconds) == set(inserts.SIZES)
    assert set(found.on_disk) == set(inserts.ON_DISK)
    assert all((seconds > 0).all() for seconds in found.seconds.values())
    assert found.rate(1_000) > found.rate(1)


def acked(patient: Fate, early: Fate, hasty: Fate, again: int = 2) -> Finding:
    """Judge claim 16 where each sender's first five messages have that fate."""

    def sender(label: str, fate: Fate) -> Run:
        fates = np.where(np.arange(50) < 5, fate, Fate.DELIVERED)
        done = np.where(np.arange(50) > 40, again, 1)
        made = lambda by: trace(np.arange(50) * 0.01, fate=fates, completions=done)
        return run(label, made)

    ways = (status_acks.PATIENT, status_acks.EARLY, status_acks.HASTY)
    fates = (patient, early, hasty)
    return status_acks.judge(
        {way.label: sender(way.label, fate) for way, fate in zip(ways, fates, strict=True)}
    )


def test_acks_by_status() -> None:
    fine, lost, spent = Fate.DELIVERED, Fate.LOST, Fate.DEAD_LETTERED
    assert acked(fine, fine, fine).verdict == "supported"
    assert acked(fine, lost, spent).verdict == "depends"
    assert acked(fine, lost, fine).verdict == "depends"
    assert acked(lost, fine, fine).verdict == "refuted"
    assert acked(spent, fine, fine).verdict == "refuted"
    assert acked(fine, lost, spent, again=1).verdict == "not measurable here"


def test_so_many_attempts_outlast_the_outage() -> None:
    assert status_acks.patience(status_acks.HASTY) == pytest.approx(0.02 + 0.04)
    enough = status_acks.enough()
    assert enough <= status_acks.PATIENT.attempts
    least, less = (
        status_acks.patience(status_acks.PATIENT.model_copy(update={"attempts": n})) / 2
        for n in (enough, enough - 1)
    )
    assert less < status_acks.OUTAGE <= least, "jitter takes up to half of each pause away"


def test_who_listens() -> None:
    told = {s.label: listening.declared(s) for s in (*listening.PUSHES, *listening.PULLS)}
    found = listening.judge(told)
    assert found.verdict == "depends"
    assert "Webhook and HttpIngest connect to the target" in found.reason
    out = listening.Seen({"broker": 1, "target": 1}, {("broker", "target"): 1})
    back = listening.Seen({"broker": 1}, {("target", "broker"): 1})
    assert listening.judge(dict.fromkeys(told, out)).verdict == "supported"
    assert listening.judge(dict.fromkeys(told, back)).verdict == "refuted"


@pytest.mark.skipif(not sockets.can_tell(), reason="needs /proc")
def test_the_system_tells_what_the_wires_declare() -> None:
    some: tuple[Strategy, ...] = (listening.PUSHES[0], listening.PUSHES[3])
    found = listening.observed(some)
    assert found == {strategy.label: listening.declared(strategy) for strategy in some}


def test_connections_belong_to_who_made_them() -> None:
    seen = {
        "server": sockets.Sockets({80}, {(80, 5001), (80, 5002), (80, 5003)}),
        "client": sockets.Sockets(set(), {(5001, 80), (5002, 80)}),
    }
    made = sockets.connections(seen)
    assert made == {("client", "server"): 2, ("?", "server"): 1}
    assert sockets.parties(made, "server") == 2
    assert sockets.parties(made, "client") == 0


def test_altered_records_are_found(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    sizes = [60, 70, 80, 90]
    spy = witness.Witness(WebSocketPush().wire.format, str(noted))
    text = [f'{{"id":{m},"data":"{"x" * (size - 18)}"}}' for m, size in enumerate(sizes)]
    frame = f'{{"offset":0,"records":[{text[0]},{text[1].replace("xx", "xy", 1)},{text[2]}]}}'
    spy.decode(frame)
    found = immutable.compared("some", witness.published(sizes), witness.received(noted), 1)
    assert (found.records, found.altered, found.missing) == (3, 1, 1)
    gone = Run("poll", "loopback", [trace([0.0, 1.0])] * 3)
    assert immutable.judge([found], gone).verdict == "refuted"
    whole = immutable.Compared("some", 3, 0, 0)
    assert immutable.judge([whole], gone).verdict == "not measurable here"
    assert "no bytes" in immutable.judge([], gone).reason


@pytest.mark.parametrize("kind", witness.SEEN)
def test_witnesses_change_nothing(kind: type[witness.Witnessed], tmp_path: Path) -> None:
    workload = Workload(arrivals=Periodic(rate=100), duration=0.2)
    (plain,) = (base for base in kind.__mro__ if f"Seen{base.__name__}" == kind.__name__)
    traces = [
        simulate(Scenario(workload=workload, strategies=[s]), s, IDEAL)
        for s in (kind(path=str(tmp_path / "noted")), plain())
    ]
    assert traces[0].counters == traces[1].counters
    assert (traces[0].done == traces[1].done).all()


@pytest.mark.parametrize("module", [batch_choice, busy_poll, fan_out, poll_first, status_acks])
def test_claims_run_quickly_in_simulation(module: Any) -> None:
    bench = simulation(reference().physics, quick=True)
    found = module.CLAIM.test(bench)
    assert bench.violations == []
    assert found.amounts and found.series
    assert module.CLAIM.draw({"simulation": found}).axes
