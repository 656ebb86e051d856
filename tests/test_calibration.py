"""Calibration: what is fitted is what simulated runs then repeat. No real measurement here."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab import (
    InvalidInput,
    LongPoll,
    Poisson,
    Scenario,
    ShortPoll,
    Webhook,
    WebSocketPush,
    Workload,
    simulate,
)
from lab import calibration as cal
from lab.calibration import fit, learning, parameters, plan, runs, stalls
from lab.calibration.figures import SPEEDS, THROUGHPUT, at_usual_speed, figures, kind, typical
from lab.calibration.parameters import START, Fixed, physics_of
from lab.physics import (
    IDEAL,
    SCHEMA,
    LoopCosts,
    Physics,
    Stalls,
    StreamCosts,
    load,
    reference,
)
from lab.strategies import Strategy

RNG = np.random.default_rng(5)
TRUTH = {name: value * math.exp(RNG.uniform(-0.3, 0.3)) for name, value in START.items()}
TRUE = physics_of(TRUTH)
STEADY = TRUE.model_copy(update={"swing": 0.0})
WITHIN = 0.05  # of what held-out runs of the truth show
IDENTIFIED_WITHIN = 0.10
FEWEST_IDENTIFIED = 3


def measured(scenario: Scenario, replication: int, physics: Physics = TRUE) -> runs.Sample:
    """Return a run "measured" by the model itself, with physics that the fit does not know."""
    trace = simulate(scenario, scenario.strategies[0], physics, replication)
    return runs.sample(scenario, replication, trace)


def some(quick: bool = True) -> list[runs.Sample]:
    return [measured(s, k) for s in plan.scenarios(quick) for k in range(plan.segments(quick))]


@pytest.fixture(scope="module")
def recovered() -> dict:
    """A full search over the whole plan."""
    return cal.learn(some(quick=False))


HELD_OUT = [
    (WebSocketPush(), 250),
    (WebSocketPush(batch_size=5, linger=0.01), 1500),
    (Webhook(), 120),
    (Webhook(keep_alive=False), 200),
    (LongPoll(), 500),
    (LongPoll(max_records=1), 200),
]


def test_predictions_are_recovered(recovered: dict) -> None:
    """Runs that were not fitted come out as the truth has them, at every quantile promised.

    Of four runs each: one alone shows the luck of its few spells, too.
    """
    found = learning.calibrated(recovered).physics.steady()
    errors = []
    for i, (strategy, rate) in enumerate(HELD_OUT):
        workload = Workload(arrivals=Poisson(rate=rate), duration=600 / rate, seed=900 + i)
        scenario = Scenario(workload=workload, strategies=[strategy])
        true, predicted = (
            np.quantile(
                np.concatenate([simulate(scenario, strategy, costs, k).latency for k in range(4)]),
                (0.5, 0.9),
            )
            for costs in (TRUE, found)
        )
        errors += np.abs(predicted / true - 1).tolist()
    assert np.median(errors) < WITHIN / 2
    assert max(errors) < WITHIN


def test_identified_parameters_are_recovered_and_the_others_named(recovered: dict) -> None:
    found = recovered["manifest"]["parameters"]
    sure = [name for name, of in found.items() if of["identified"]]
    assert len(sure) >= FEWEST_IDENTIFIED
    errors = {name: abs(found[name]["value"] / TRUTH[name] - 1) for name in sure}
    assert np.median(list(errors.values())) < 0.7 * IDENTIFIED_WITHIN
    assert all(error < IDENTIFIED_WITHIN for error in errors.values()), errors
    text = "\n".join(cal.described(recovered))
    for name in set(found) - set(sure):
        assert name in text


def test_the_same_runs_give_the_same_file() -> None:
    samples = some()[:8]
    texts = [json.dumps(cal.learn(list(order), quick=True)) for order in (samples, samples)]
    assert texts[0] == texts[1]
    other = cal.learn(some()[2:10], quick=True)
    assert json.dumps(other) != texts[0]


def test_the_ensemble_surrounds_what_was_found(recovered: dict) -> None:
    values = recovered["manifest"]["parameters"]
    members = learning.calibrated(recovered).ensemble
    assert len(members) == fit.MEMBERS
    wake_ups = [member.loop.wake_up for member in members]
    assert min(wake_ups) < values["wake_up"]["value"] < max(wake_ups)


class Here:
    """Workers that are this very process."""

    def map(self, task: Callable, tasks: list, chunksize: int) -> Iterator:
        return map(task, tasks)


def test_the_search_starts_at_the_speed_of_the_machine() -> None:
    slow = physics_of(START).slower(3.0)
    alike = fit.points([measured(s, 0, slow) for s in plan.scenarios(quick=True)])
    points = [fit._point(each, fit.QUICK) for each in alike]
    fit._start(points)
    search = fit.Search(alike, points, Fixed(), Here())
    before = search.start.copy()
    search.keep_pace()
    times = dict(zip(START, np.exp(search.start - before), strict=True))
    assert times["send"] == pytest.approx(3.0, rel=0.15)
    work = {name for name, of in times.items() if of == pytest.approx(times["send"])}
    assert {"wake_up", "hop", "client", "byte"} <= work
    assert all(times[name] == 1.0 for name in START if name not in work)
    assert not work & {"habit", "noise", "slack", "common", "http_cold", "cold_half"}
    scaled = {name: value * (4 if name in work else 1) for name, value in START.items()}
    assert physics_of(scaled) == physics_of(START).slower(4)


@pytest.mark.parametrize("name", START)
def test_a_parameter_changes_only_runs_that_it_matters_for(name: str) -> None:
    """What `matters` leaves out of the Jacobian is zero indeed."""
    moved = physics_of({**TRUTH, name: TRUTH[name] * 2})
    left_out = [s for s in plan.scenarios(quick=True) if not parameters.matters(name, s)]
    if name in ("byte", "record"):
        left_out = []  # these matter a little everywhere
    for scenario in left_out:
        assert measured(scenario, 0, moved).figures == measured(scenario, 0).figures
    matter = [s for s in plan.scenarios() if parameters.matters(name, s)]
    assert any(measured(s, 0, moved).figures != measured(s, 0).figures for s in matter)


def test_every_figure_is_of_a_known_kind() -> None:
    found = measured(plan.scenarios()[0], 0).figures
    assert {kind(name) for name in found} == {*SPEEDS, THROUGHPUT}
    assert found["broker cpu"] > 0
    assert found["latency p50"] < found["latency p90"] <= found["latency p99"]


def test_quantiles_are_of_the_messages_after_warm_up_costs_of_all() -> None:
    workload = Workload(arrivals=Poisson(rate=400), duration=0.5, warm_up=0.3)
    scenario = Scenario(workload=workload, strategies=[WebSocketPush()])
    trace = simulate(scenario, WebSocketPush(), TRUE)
    found, late = figures(trace), trace.created >= 0.3
    assert 0 < late.sum() < len(trace)
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        assert found[f"latency {name}"] == np.quantile(trace.latency[late], share)
    assert found["on the way p90"] == np.quantile(trace.parts()["on the way"][late], 0.9)
    assert found["broker cpu"] == trace.counters.cpu_seconds["broker"] / len(trace)


def test_what_short_and_long_sleeps_do_is_told_apart() -> None:
    """A loop that is cold after 3 ms, not after 1: at 500/s a third follow sooner, a tenth later."""
    step, cold = 1e-5, 4
    costs = IDEAL.model_copy(
        update={
            "loop": LoopCosts(cold=cold, cooled=(0, 0, 1, 1, 1, 1, 1)),
            "stream": StreamCosts(step=step),
        }
    )
    workload = Workload(arrivals=Poisson(rate=500), duration=2, warm_up=0.1)
    scenario = Scenario(workload=workload, strategies=[WebSocketPush()])
    found = figures(simulate(scenario, WebSocketPush(), costs))
    assert found["broker residence close"] == pytest.approx(step)
    assert found["broker residence far"] == pytest.approx(step * (1 + cold))
    assert step < found["broker residence p50"] < found["broker residence p90"]


def test_chance_that_outlasts_a_message_shows_in_medians_of_several() -> None:
    """Drawn for every turn it is lost in a median of five; drawn for a spell it stays."""
    workload = Workload(arrivals=Poisson(rate=200), duration=10, warm_up=0.1)
    scenario = Scenario(workload=workload, strategies=[WebSocketPush()])
    found = []
    for chance in ({"noise": 0.3}, {"swing": 0.3, "spell": 0.1}):
        costs = IDEAL.model_copy(update={"stream": StreamCosts(step=1e-4), **chance})
        run = figures(simulate(scenario, WebSocketPush(), costs))
        found.append([run[f"latency {q}"] / run["latency p50"] - 1 for q in ("p90", "spells")])
    (p90, spells), (swings_p90, swings_spells) = found
    assert p90 == pytest.approx(swings_p90, rel=0.3)
    assert spells < 0.65 * p90
    assert swings_spells > 0.75 * swings_p90


def test_figures_follow_the_speed_each_in_its_way() -> None:
    run = {"latency p50": 2.0, "broker cpu": 3.0, "broker wake-ups": 1.0, THROUGHPUT: 10.0}
    found = at_usual_speed(run, 2.0)
    assert list(found.values()) == pytest.approx([2.0 / 2**1.2, 1.5, 1.0, 20.0])


def test_runs_are_compared_at_the_typical_speed() -> None:
    """Three runs of one machine at three speeds are the same run at the mean, once that is known."""
    scenario = plan.scenarios()[1]
    alike = [
        figures(simulate(scenario, scenario.strategies[0], TRUE.slower(times)))
        for times in (0.9, 1.0, 1.1)
    ]
    raw = [run["latency p50"] for run in alike]
    middle = typical(alike, [True] * 3)["latency p50"]
    one_slow = typical([alike[1], alike[1], alike[2]], [True] * 3)["latency p50"]
    disturbed = typical([alike[1], alike[1], alike[2]], [True, True, False])["latency p50"]
    assert middle == pytest.approx(raw[1], rel=0.01)
    assert one_slow == pytest.approx(raw[1] + (raw[2] - raw[1]) / 3, rel=0.01)
    assert disturbed == raw[1], "what is disturbed has no part in it"
    assert raw[2] / raw[0] > 1.2


def test_the_fit_compares_with_runs_at_the_typical_speed_too() -> None:
    """A machine that drifts draws the speed of each run; a fit to such draws follows their luck."""
    alike = fit.points([s for s in some() if s.scenario.workload.arrivals.mean_rate == 500])[0]
    point = fit._point(alike, fit.QUICK)
    drifting = physics_of(TRUTH, Fixed(drift=0.5))
    assert fit.simulated(point, drifting) == fit.simulated(point, TRUE)
    swinging = TRUE.model_copy(update={"swing": 0.5, "spell": 0.5})  # a run sees one speed, or two
    strategy, k = point.scenario.strategies[0], point.replications[0]
    luck = simulate(point.scenario, strategy, swinging, k).manifest["pace"]
    assert abs(math.log(luck)) > 0.1
    alone = point._replace(replications=(k,))
    found = [fit.simulated(alone, physics) for physics in (swinging, STEADY)]
    found.append(figures(simulate(point.scenario, strategy, swinging, k)))
    used, steady, raw = (sum(v for k, v in run.items() if kind(k) == "cpu") for run in found)
    assert used == pytest.approx(steady, rel=0.05)
    assert raw / steady == pytest.approx(luck, rel=0.05)


def test_throughput_is_fitted_in_overload_only_and_there_in_full() -> None:
    for alike in fit.points(some()):
        workload = alike[0].scenario.workload
        point = fit._point(alike, fit.QUICK)
        rate = workload.arrivals.mean_rate
        overloaded = rate >= 5_000
        assert (THROUGHPUT in point.weights) is overloaded, plan.title(point.scenario)
        shortened = point.scenario.workload.duration < workload.duration
        expected = rate * workload.duration
        assert shortened is (expected > fit.QUICK.most and not overloaded)
        three = [replace(alike[0], replication=k) for k in (0, 1, 1, 2)]  # one of them twice
        assert fit._point(three, fit.QUICK._replace(fewest=10**6)).replications == (0, 1, 2)


def test_quantiles_leave_out_disturbed_runs_unless_too_few_are_left() -> None:
    alike = [{"latency p50": t, "broker cpu": 1e-4} for t in (0.001, 0.001, 0.009, 0.009, 0.009)]
    calm = [True, True, False, False, False]
    assert typical(alike, calm)["latency p50"] == 0.001
    assert typical(alike, [True, *([False] * 4)])["latency p50"] == 0.009


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        (None, False),
        ({"stolen": 0.01, "other": 0.05}, False),
        ({"stolen": 0.011, "other": 0.0}, True),
        ({"stolen": 0.0, "other": 0.06}, True),
        ({"stolen": 0.016, "other": 0.0, "tick": 0.016}, False),
        ({"stolen": 0.032, "other": 0.0, "tick": 0.016}, True),
        ({"stolen": 0.012, "other": 0.0, "tick": 0.003}, True),
    ],
)
def test_the_gate(background: dict[str, float] | None, expected: bool) -> None:
    assert cal.disturbed(background) is expected


def offered(rate: float, duration: float) -> Scenario:
    workload = Workload(arrivals=Poisson(rate=rate), duration=duration)
    return Scenario(workload=workload, strategies=[WebSocketPush()])


def told(samples: list[runs.Sample]) -> tuple[Stalls, ...]:
    return learning._stalls(samples, learning._simulated(samples, TRUE))


def test_stalls_are_told_from_late_messages() -> None:
    planted = {0.001: 12.0, 0.004: 4.0}  # a second, by length
    kinds = tuple(Stalls(rate=rate, length=length) for length, rate in planted.items())
    stalling = physics_of(TRUTH, Fixed(stalls=kinds))
    samples = [measured(offered(1_500, 5), k, stalling) for k in range(8)]
    found = {some.length: some.rate for some in told(samples)}
    for length, rate in planted.items():
        assert found.pop(length) == pytest.approx(rate, rel=0.15)
    lost = sum(length * rate for length, rate in planted.items())
    assert sum(length * rate for length, rate in found.items()) < 0.1 * lost, found
    quiet = [measured(offered(1_500, 1), 0, TRUE)]
    assert told(quiet) == told([]) == ()


def late(rates: dict[float, float]) -> stalls.Late:
    """Return what stalls of these rates, by length, make late of a million messages."""
    count = 1_000_000
    shares = [sum(r * max(0, s - x) for s, r in rates.items()) for x in stalls.LIMITS]
    return stalls.Late(*np.array([[count * share, count] for share in shares]).T)


def test_the_rate_of_stalls_of_each_length_follows_from_the_limits() -> None:
    rates = dict(zip(stalls.LENGTHS, (4.0, 3.0, 2.0, 1.0, 0.5), strict=True))
    found = stalls.stalls([[(late(rates), late({}).beyond)]])
    assert {some.length: some.rate for some in found} == pytest.approx(rates)
    explained = stalls.stalls([[(late(rates), late({0.002: 0.5}).beyond)]] * 2)
    assert [some.rate for some in explained] == pytest.approx([4.0, 3.0, 1.5, 1.0, 0.5])
    fewer = (late({0.008: 0.1}), late({0.008: 0.2}).beyond)
    assert stalls.stalls([[fewer]]) == (), "fewer than without any"


def test_a_limit_tells_nothing_where_more_than_stalls_make_messages_so_late() -> None:
    """The model's own error there would be taken for stalls, or hide some."""
    often = late({0.002: 10.0})
    assert (often.beyond > stalls.SELDOM * often.among).sum() == 3
    twice = late({0.002: 20.0, 0.004: 1.0})
    found, rare = stalls.stalls([[(twice, often.beyond)]]), late({0.004: 1.0})
    assert found == stalls.stalls([[(rare, late({}).beyond)]])


def test_a_limit_tells_nothing_where_few_messages_were_looked_at() -> None:
    """Of 100 messages three that are 0.3 ms late would be 100 stalls a second, a twentieth of all time."""
    rates = dict.fromkeys(stalls.LENGTHS, 100.0)
    few = stalls.Late(*(np.array(some) / 10_000 for some in late(rates)))
    found = stalls.stalls([[(few, late({}).beyond)]])
    assert [some.length for some in found] == [0.002, 0.004, 0.008]


def test_a_limit_tells_nothing_where_other_waits_are_almost_as_long() -> None:
    """Nine in ten exponential waits are less than 1.6 times their mean over the median."""
    for mean, told in ((0.07e-3, 5), (0.14e-3, 4), (0.28e-3, 3), (0.6e-3, 2), (1.3e-3, 0)):
        waits = np.random.default_rng(1).exponential(mean, 10_000)
        assert (stalls._late(waits, 1e3).among > 0).sum() == told, mean


def test_messages_that_come_together_count_as_one() -> None:
    waits = np.append(np.zeros(950), [0.003] * 50)
    apart = stalls._late(waits, span=1e6)
    assert apart.beyond == pytest.approx([50, 50, 50, 50, 0], rel=0.001)
    together = stalls._late(waits, span=stalls.TOGETHER)
    assert together.among == pytest.approx([1.0] * 5, rel=0.002)
    assert together.beyond == pytest.approx(apart.beyond / 1000, rel=0.002)


@pytest.mark.parametrize("strategy", [WebSocketPush(batch_size=20), ShortPoll(interval=0.05)])
def test_lateness_is_not_told_where_messages_come_together(strategy: Strategy) -> None:
    """The work on a batch makes others wait, which is no stall."""
    workload = Workload(arrivals=Poisson(rate=300), duration=0.5)
    assert measured(Scenario(workload=workload, strategies=[strategy]), 0).late == {}
    assert measured(offered(300, 0.5), 0).late


def test_lateness_needs_a_side_where_messages_hardly_wait() -> None:
    assert set(measured(offered(1_500, 1), 0).late) == set(stalls.WAITS)
    half = simulate(offered(14_000, 0.2), WebSocketPush(), STEADY)
    assert half.counters.cpu_seconds["broker"] > stalls.BUSY * half.done.max()
    assert "broker" not in stalls.lateness(offered(14_000, 0.2), half), "messages wait for others"
    for late in measured(offered(100_000, 0.05), 0, STEADY).late.values():
        assert not late.among.any(), "a source with half a core waits for the target"
    assert measured(offered(20, 0.5), 0).late == {}, "too few"


def test_the_drift_is_that_of_runs_alike() -> None:
    scenario = plan.scenarios()[1]
    slow, fast = (measured(scenario, 0, TRUE.slower(times)) for times in (1.1, 1 / 1.1))
    steady = learning._simulated([slow], STEADY)
    assert learning._drift([slow, fast], steady) == pytest.approx(math.log(1.1), rel=0.05)
    assert learning._drift([slow], steady) == 0.0


def test_the_drift_leaves_out_what_the_swing_of_the_cores_explains() -> None:
    scenario = plan.scenarios()[1]
    swinging = TRUE.model_copy(update={"swing": 0.4, "spell": 0.05})
    samples = [measured(scenario, k, swinging) for k in range(12)]
    assert learning._drift(samples, learning._simulated(samples, STEADY)) > 0.1
    assert learning._drift(samples, learning._simulated(samples, swinging)) == 0.0


def test_the_plan_has_other_messages_in_every_run() -> None:
    whole, quick = plan.scenarios(), plan.scenarios(quick=True)
    assert len({s.workload.seed for s in whole}) == len(whole) == len(plan.PLAN)
    assert 5 < len(quick) < len(whole)
    assert len({plan.title(s) for s in whole}) == len(whole)


@pytest.mark.parametrize("quick", [False, True])
def test_every_run_of_the_plan_has_a_message_after_warm_up(quick: bool) -> None:
    for scenario in plan.scenarios(quick):
        workload = scenario.workload
        for k in range(plan.segments(quick)):
            assert workload.draw(k).created[-1] >= workload.warm_up, plan.title(scenario)


def test_half_of_the_slow_cold_is_back_after_the_time_that_says_so() -> None:
    values = START | {"cold_half": 2.0**22 * 1e-9, "cold_power": 3.0}
    loop = physics_of(values).loop
    back = dict(zip(loop.sleeps, loop.cooled, strict=True))
    assert back[values["cold_half"]] == pytest.approx(0.5)
    assert back[values["cold_half"] * 2] == pytest.approx(8 / 9)
    assert back[values["cold_half"] / 2] == pytest.approx(1 / 9)


def test_files_go_round_and_bad_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    data = {"schema": SCHEMA, "physics": TRUE.model_dump(mode="json"), "manifest": {}}
    cal.save(data | {"ensemble": [data["physics"]]}, path)
    assert load(path).physics == TRUE
    assert load(path).ensemble == (TRUE,)
    head = f'{{"schema": {SCHEMA}, '
    bad = [head + '"physics": {"noise": -1e999}}', head + '"ensemble": [3]}']
    curves = ("[0.001]", "[]", "[0.1, 0.2, 0.3, 0.4, 0.6, 0.5, 0.7]")
    bad += [head + f'"physics": {{"loop": {{"sleeps": {curve}}}}}}}' for curve in curves]
    for wrong in ("{", '{"schema": 1}', *bad, "[]"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InvalidInput, match=r"calibration\.json: "):
            load(path)


def test_ones_own_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "user_cache_path", lambda name: tmp_path / name)
    assert cal.own() is None
    data = {"schema": SCHEMA, "physics": TRUE.model_dump(mode="json"), "manifest": {"date": "x"}}
    cal.save(data, cal.own_path())
    found = cal.own()
    assert found is not None
    assert found.manifest == {"date": "x"}
    cal.own_path().write_text('{"schema": 1}', encoding="utf-8")
    assert cal.own() is None


def test_the_shipped_calibration_was_measured() -> None:
    physics, manifest, ensemble = reference()
    assert physics.loop.wake_up > 0
    assert len(ensemble) == fit.MEMBERS
    for name in ("date", "machine", "versions", "settings", "probe", "errors", "parameters"):
        assert manifest[name]
    runs_of = Counter((run["strategy"], run["rate"], run["size"]) for run in manifest["runs"])
    assert len(runs_of) > 30
    assert set(runs_of.values()) == {plan.SEGMENTS}
    json.dumps(manifest, allow_nan=False)


def test_a_connection_holds_some_bytes_for_a_peer_that_does_not_read() -> None:
    assert 2**12 < learning.socket_buffer() <= 2**26
