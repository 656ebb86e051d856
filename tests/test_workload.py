"""The workload: what its distributions promise, and that it is drawn once and from its seed alone."""

from pathlib import Path

import numpy as np
import pytest
from samples import agrees, rng

from lab import IDEAL, LongPoll, Scenario, ShortPoll, WebSocketPush, simulate
from lab.description import InvalidInput
from lab.scenario import override
from lab.workload import (
    Constant,
    Distribution,
    Exponential,
    LogNormal,
    OnOff,
    Periodic,
    Poisson,
    Replay,
    Uniform,
    Workload,
)

DISTRIBUTIONS = [
    Constant(value=0.3),
    Uniform(low=0.1, high=0.7),
    Exponential(mean=0.02),
    LogNormal(mean=0.02, sigma=0.8),
    LogNormal(mean=5.0, sigma=0.0),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
def test_moments_are_those_of_samples(distribution: Distribution) -> None:
    samples = distribution.draw(400_000, rng())
    assert len(samples) == 400_000
    if samples.std() < 1e-12:
        assert samples.mean() == pytest.approx(distribution.mean)
        assert (samples**2).mean() == pytest.approx(distribution.second_moment)
        return
    assert agrees(samples, distribution.mean)
    assert agrees(samples**2, distribution.second_moment)


def test_a_number_is_a_constant() -> None:
    workload = Workload(arrivals=Poisson(rate=1), size=60, work=0.5)
    assert workload.size == Constant(value=60)
    assert workload.work == Constant(value=0.5)


def test_periodic_times_are_exact() -> None:
    assert Periodic(rate=4).draw(1.0, rng()).tolist() == [0.25, 0.5, 0.75, 1.0]
    assert Periodic(rate=4, offset=0.0).draw(1.0, rng()).tolist() == [0, 0.25, 0.5, 0.75, 1.0]
    assert Periodic(rate=4, offset=0.9).draw(1.0, rng()).tolist() == [0.9]
    assert Periodic(rate=0.5).draw(1.0, rng()).tolist() == []


@pytest.mark.parametrize(
    "arrivals",
    [
        Periodic(rate=50),
        Poisson(rate=50),
        OnOff(rate=100, on=Constant(value=0.5), off=Constant(value=0.5)),
        OnOff(rate=200, on=Exponential(mean=0.1), off=Exponential(mean=0.3)),
    ],
    ids=repr,
)
def test_arrivals_come_sorted_and_at_their_mean_rate(arrivals: Periodic | Poisson | OnOff) -> None:
    runs = [arrivals.draw(20.0, rng(seed)) for seed in range(100)]
    for times in runs:
        assert (np.diff(times) >= 0).all()
        assert 0 <= times[0] and times[-1] <= 20.0
    counts = np.array([len(times) for times in runs])
    error = counts.std(ddof=1) / 10
    start = 20 * 0.02 * arrivals.mean_rate if isinstance(arrivals, OnOff) else 0  # a burst is first
    assert abs(counts.mean() - 20 * arrivals.mean_rate) < 4 * error + start + 1


def test_bursts_are_followed_by_silence() -> None:
    arrivals = OnOff(rate=1000, on=Constant(value=0.25), off=Constant(value=0.75))
    phase = arrivals.draw(10.0, rng()) % 1.0
    assert len(phase) > 2000
    assert phase.max() <= 0.25


def test_a_burst_longer_than_the_run_is_drawn_only_as_far_as_the_run_goes() -> None:
    arrivals = OnOff(rate=100, on=Constant(value=1e9), off=Constant(value=0))
    assert 0 < len(arrivals.draw(1.0, rng())) < 200


def replay(folder: Path, text: str, column: str = "time") -> Replay:
    path = folder / "times.csv"
    path.write_text(text, encoding="utf-8")
    return Replay(path=str(path), column=column)


def test_replay_takes_a_column_sorts_it_and_ends_with_the_run(tmp_path: Path) -> None:
    arrivals = replay(tmp_path, "\ufeffid,at\na,0.3\nb,0.1\nc,5\n", column="at")
    assert arrivals.draw(1.0, rng()).tolist() == [0.1, 0.3]
    assert arrivals.mean_rate == pytest.approx(3 / 5)
    assert replay(tmp_path, "time\n").mean_rate == 0.0


def test_replay_is_refused_if_it_is_too_long_for_its_consumers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.workload.MOST_MESSAGES", 5)
    workload = Workload(arrivals=replay(tmp_path, "time\n1\n2\n3\n"), consumers=2)
    with pytest.raises(InvalidInput, match="need at most 5 deliveries; these are about 6"):
        workload.draw()


WORKLOAD = Workload(
    arrivals=Poisson(rate=200), size=Uniform(low=0, high=500), work=Exponential(mean=0.001), seed=5
)


def test_the_same_seed_gives_the_same_messages_and_another_gives_others() -> None:
    one, two = WORKLOAD.draw(), WORKLOAD.draw(0)
    for name in ("created", "size", "work"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
        other = WORKLOAD.model_copy(update={"seed": 6}).draw()
        for another in (WORKLOAD.draw(1), other):
            assert getattr(one, name).tobytes() != getattr(another, name).tobytes()


def test_changing_one_part_of_the_workload_leaves_the_draws_of_the_others() -> None:
    slower = WORKLOAD.model_copy(update={"work": Constant(value=0.1)})
    larger = WORKLOAD.model_copy(update={"size": Constant(value=9)})
    assert (slower.draw().created == WORKLOAD.draw().created).all()
    assert (slower.draw().size == WORKLOAD.draw().size).all()
    assert (larger.draw().work == WORKLOAD.draw().work).all()


def test_times_are_whole_nanoseconds_and_sizes_whole_bytes() -> None:
    drawn = WORKLOAD.draw()
    for times in (drawn.created, drawn.work, drawn.faster(7).created):
        assert np.abs(times * 1e9 - np.rint(times * 1e9)).max() < 1e-3
        assert (np.rint(times * 1e9) / 1e9 == times).all()
    assert drawn.size.dtype == np.int32
    assert drawn.size.min() >= 1


def test_every_strategy_faces_the_same_messages() -> None:
    strategies = [WebSocketPush(), LongPoll(), ShortPoll()]
    scenario = Scenario(workload=WORKLOAD, strategies=strategies)
    drawn = WORKLOAD.draw(2)
    for strategy in strategies:
        trace = simulate(scenario, strategy, IDEAL, 2)
        assert (trace.created == drawn.created).all()
        assert (trace.size == drawn.size).all()
        assert np.allclose(trace.done - trace.started, drawn.work, rtol=0, atol=2e-9)


def test_utilisation_is_rate_times_work() -> None:
    assert WORKLOAD.utilisation == pytest.approx(0.2)


def test_quick_keeps_what_is_short_and_shortens_the_rest_in_proportion() -> None:
    long = Workload(arrivals=Poisson(rate=1), duration=100, warm_up=10)
    scenario = Scenario(workload=long, strategies=[LongPoll()], quick_duration=5, replications=9)
    quick = scenario.quick()
    assert (quick.workload.duration, quick.workload.warm_up) == (5, 0.5)
    assert quick.replications < 9
    short = scenario.model_copy(update={"workload": WORKLOAD, "quick_duration": 99.0})
    assert short.quick().workload == WORKLOAD


SCENARIO = Scenario(workload=WORKLOAD, strategies=[WebSocketPush(), ShortPoll(), LongPoll()])


def test_override_changes_a_field_and_nothing_else() -> None:
    changed = override(SCENARIO, ["workload.arrivals.rate=7", "strategy.interval=0.5"])
    assert changed.workload.arrivals.mean_rate == 7
    assert changed.strategies == [WebSocketPush(), ShortPoll(interval=0.5), LongPoll()]
    assert override(changed, ["workload.arrivals.rate=200", "strategy.interval=0.1"]) == SCENARIO


def test_override_reaches_one_strategy_or_all_that_have_the_knob() -> None:
    assert override(SCENARIO, ["strategy.LongPoll.max_wait=2"]).strategies[2].label == (
        "LongPoll(max_wait=2)"
    )
    both = override(SCENARIO, ["strategy.max_records=5"]).strategies
    assert [getattr(s, "max_records", None) for s in both] == [None, 5, 5]


def test_override_changes_the_kind_of_arrivals_and_fields_that_were_not_there() -> None:
    changed = override(SCENARIO, ["workload.arrivals.kind=periodic", "retention.count=20000"])
    assert changed.workload.arrivals == Periodic(rate=200)
    assert changed.retention.count == 20_000
    assert override(SCENARIO, ["workload.size=10"]).workload.size == Constant(value=10)


def test_override_keeps_strategies_that_are_not_listed() -> None:
    class Impatient(ShortPoll):
        """A poller of a reader's own."""

    scenario = SCENARIO.model_copy(update={"strategies": [Impatient(), LongPoll()]})
    changed = override(scenario, ["workload.seed=9", "strategy.interval=0.01"])
    assert changed.strategies == [Impatient(interval=0.01), LongPoll()]
    with pytest.raises(InvalidInput, match="interval: got -1; need greater than 0"):
        override(scenario, ["strategy.interval=-1"])
