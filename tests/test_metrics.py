"""Metrics: exact numbers from small traces."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders import trace, undelivered

from lab.metrics import (
    LATENCIES,
    Interval,
    Result,
    Run,
    combine,
    plain,
    summarise,
    summarise_run,
)
from lab.trace import Counters, Fate

CREATED = [0.5, 1.0, 2.0, 3.0, 4.0]
LATENCY = [9.0, 0.1, 0.2, 0.3, 0.4]
WARM = {"warm_up": 1.0, "messages": 5, "consumers": 1}


def test_latency_leaves_out_warm_up_and_interpolates_linearly():
    metrics = summarise(trace(CREATED, LATENCY, WARM))
    assert metrics.offered == 4
    assert metrics.latency == pytest.approx(
        {"mean": 0.25, "p50": 0.25, "p90": 0.37, "p99": 0.397, "max": 0.4}
    )


def test_parts_add_up_to_the_mean_latency():
    metrics = summarise(trace(CREATED, LATENCY, WARM))
    assert list(metrics.parts) == list(trace().parts())
    assert sum(metrics.parts.values()) == pytest.approx(metrics.latency["mean"], rel=1e-12)
    assert metrics.parts["work"] == pytest.approx(0.25 / 6)


def test_parts_of_a_brokerless_trace_add_up_too():
    nothing = [math.nan] * 5
    metrics = summarise(trace(CREATED, LATENCY, WARM, at_broker=nothing, left_broker=nothing))
    assert metrics.parts["to the broker"] == metrics.parts["broker residence"] == 0
    assert sum(metrics.parts.values()) == pytest.approx(0.25, rel=1e-12)


def test_only_delivered_messages_have_a_latency():
    dropped = undelivered(trace(CREATED, LATENCY, WARM), 0, 4)
    metrics = summarise(dropped)
    assert metrics.fates == {"delivered": 3, "dropped": 1}
    assert metrics.latency["max"] == pytest.approx(0.3)
    assert sum(metrics.parts.values()) == pytest.approx(0.2)


def test_throughput_runs_from_the_end_of_warm_up():
    metrics = summarise(trace(CREATED, LATENCY, WARM))
    assert metrics.throughput["offered"] == pytest.approx(4 / 3)
    # The message of the warm-up is done last, at 9.5 s: all five are done after warm-up.
    assert metrics.throughput["achieved"] == pytest.approx(5 / 8.5)


def test_costs_are_per_row_of_the_whole_run():
    counters = Counters(
        requests=10,
        empty_replies=4,
        bytes_in=999,
        bytes_out=500,
        bytes_back=250,
        peak_queue=3,
        cpu_seconds={"broker": 0.01, "target": 0.04},
    )
    metrics = summarise(trace(CREATED, LATENCY, WARM, counters))
    assert metrics.requests_per_message == 2
    assert metrics.empty_replies == 0.4
    assert metrics.bytes_per_message == 150
    assert metrics.cpu_by_side == pytest.approx({"broker": 0.002, "target": 0.008})
    assert metrics.cpu_seconds_per_message == pytest.approx(0.01)
    assert metrics.peak_queue == 3


def test_unknown_is_nan_never_zero():
    metrics = summarise(trace(CREATED, LATENCY, WARM))
    assert math.isnan(metrics.empty_replies)  # no requests: no share of them
    assert math.isnan(metrics.cpu_seconds_per_message)
    empty = summarise(trace())
    assert empty.fates == {"delivered": 0}
    numbers = [*empty.latency.values(), *empty.parts.values(), *empty.throughput.values()]
    numbers += [empty.requests_per_message, empty.bytes_per_message, empty.peak_queue]
    assert all(math.isnan(number) for number in numbers)


def test_nothing_delivered_is_a_throughput_of_zero():
    metrics = summarise(undelivered(trace(CREATED, LATENCY, WARM), *range(5)))
    assert metrics.throughput["achieved"] == 0
    assert math.isnan(metrics.latency["p50"])


def test_duplicates_count_deliveries_beyond_the_first_after_warm_up():
    metrics = summarise(trace(CREATED, LATENCY, WARM, attempts=[7, 1, 3, 2, 1]))
    assert metrics.duplicates == 3


def test_interval_is_students():
    interval = Interval.over([1.0, 2.0, 3.0])
    assert interval.mean == 2
    # The 97.5 % quantile of t with two degrees of freedom is 4.30265.
    assert interval.half_width == pytest.approx(4.302652729911275 / math.sqrt(3))
    assert interval.low == pytest.approx(2 - interval.half_width)


def test_interval_of_one_value_has_no_bounds_and_of_none_no_mean():
    single = Interval.over([2.5, math.nan])
    assert single.mean == 2.5
    assert math.isnan(single.low) and math.isnan(single.high)
    assert math.isnan(Interval.over([]).mean)


def test_combine_averages_metrics_and_sums_counts():
    one = summarise(trace(CREATED, 0.1, WARM))
    two = summarise(undelivered(trace(CREATED, 0.3, WARM), 4))
    result = combine("LongPoll", "simulation", [one, two])
    assert (result.strategy, result.engine, result.replications) == ("LongPoll", "simulation", 2)
    assert result.offered == 8
    assert result.fates == {"delivered": 7, "dropped": 1}
    assert result.latency["p50"].mean == pytest.approx(0.2)
    assert result.latency["p50"].half_width == pytest.approx(12.7062047 * 0.1)
    assert result.parts["work"].mean == pytest.approx(0.2 / 6)


def test_run_is_summarised_over_its_traces():
    traces = [trace(CREATED, latency, WARM) for latency in (0.1, 0.3)]
    result = summarise_run(Run("Webhook", "loopback", traces))
    assert result.engine == "loopback"
    assert result.latency["mean"].mean == pytest.approx(0.2)


def test_warnings_say_what_the_numbers_cannot_bear():
    few = summarise(trace(CREATED, LATENCY, WARM))
    enough = summarise(trace(np.arange(100.0), 0.1))
    none = summarise(undelivered(trace(CREATED, LATENCY, WARM), *range(5), fate=Fate.IN_FLIGHT))
    assert combine("x", "simulation", [enough, enough]).warnings == ()
    assert combine("x", "simulation", [enough, few]).warnings == (
        "p99 and max rest on 4 messages in a replication; need 100",
    )
    assert "one replication: no confidence intervals" in combine("x", "loopback", [few]).warnings
    cut_off = combine("x", "loopback", [none, enough]).warnings
    assert cut_off == (
        "nothing was delivered in 1 of 2 replications",
        "4 messages were in flight when the run was cut off",
    )


def test_json_has_the_agreed_keys_and_null_for_unknown():
    theory = Result("LongPoll", "theory", latency={"mean": Interval(0.05)})
    data = json.loads(json.dumps(theory.to_json(), allow_nan=False))
    assert {
        "strategy",
        "engine",
        "offered",
        "fates",
        "latency",
        "requests_per_message",
        "empty_replies",
        "bytes_per_message",
        "cpu_seconds_per_message",
        "intervals",
        "parts",
        "throughput",
        "peak_queue",
        "replications",
        "warnings",
    } <= set(data)
    assert data["latency"] == {"mean": 0.05} | dict.fromkeys(LATENCIES[1:])
    assert data["intervals"]["mean"] == [None, None]
    assert data["throughput"] == {"offered": None, "achieved": None}
    assert data["requests_per_message"] is None
    assert data["offered"] is None


def test_json_of_a_run_is_in_seconds():
    result = summarise_run(Run("x", "simulation", [trace(CREATED, LATENCY, WARM)]))
    data = result.to_json()
    assert data["latency"]["p50"] == pytest.approx(0.25)
    assert data["fates"] == {"delivered": 4}
    assert data["warnings"] == list(result.warnings)


def test_plain_takes_numpy_and_infinity_to_json():
    value = {"a": np.float64(1.5), "b": [np.int32(2), math.inf], 3: (np.bool_(True), np.arange(2))}
    assert plain(value) == {"a": 1.5, "b": [2, None], "3": [True, [0, 1]]}


def test_trace_is_not_changed():
    whole = trace(CREATED, LATENCY, WARM)
    copies = {name: column.copy() for name, column in whole.columns().items()}
    summarise(replace(whole))
    assert all(np.array_equal(whole.columns()[n], c, equal_nan=True) for n, c in copies.items())
