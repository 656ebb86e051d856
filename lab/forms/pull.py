"""Theory of pull: a message waits for the request that takes it, and then for its turn."""

from dataclasses import replace

import numpy as np

from lab import oracles
from lab.forms.case import MUCH, Case, Prediction, rarely_fewer, rarely_more
from lab.strategies import ConsumerGroup, LongPoll, PollThenPull, ShortPoll

MOST_PHASES = 100_000
EVEN = 0.02  # phases this close to uniform (Kolmogorov's distance) count as uniform


def short_poll(case: Case, strategy: ShortPoll) -> Prediction | None:
    """Uniform delay without work, gated vacations with it."""
    cycle = strategy.interval + case.round_trip
    if case.work == 0:
        return _uniform(case, strategy, cycle)
    if not case.is_poisson or case.load >= 1:
        return None
    rate, work, squared = case.rate, case.work, case.work_squared
    wait = oracles.gated_vacation_wait_mean(rate, work, squared, cycle, cycle**2)
    prediction = Prediction(
        "gated vacation: M/G/1, pause = interval + round trip, + transit",
        case.latency(wait + work),
        (1 - case.load) / (rate * cycle),
        oracles.gated_vacation_empty_share(rate, cycle, case.transform),
    )
    return _unlimited(case, strategy.max_records, rate * cycle / (1 - case.load), prediction)


def _uniform(case: Case, strategy: ShortPoll, cycle: float) -> Prediction | None:
    """Uniform over the cycle: exactly for Poisson arrivals, for periodic ones if phases spread."""
    form = "uniform over interval + round trip, + transit"
    each = case.rate * cycle
    empty = oracles.short_poll(case.rate, cycle).empty_share
    if case.is_periodic:
        if not _phases_are_even(case, cycle):
            return None
        form += "; polls and messages share no rhythm"
        empty = max(0.0, 1 - each)
    latency = case.latency_with(cycle / 2, lambda p: oracles.short_poll_wait_quantile(cycle, p)) | {
        "max": cycle + case.transit
    }
    return _unlimited(case, strategy.max_records, each, Prediction(form, latency, 1 / each, empty))


def _phases_are_even(case: Case, cycle: float) -> bool:
    """Say whether the messages of the run meet the polls at every phase equally often."""
    count = int(min(MOST_PHASES, case.rate * case.workload.duration))
    if count < 1 / EVEN:
        return False
    phases = np.sort(np.arange(count) / case.rate % cycle / cycle)
    return bool(np.abs(phases - np.arange(count) / count).max() <= EVEN)


def poll_then_pull(case: Case, strategy: PollThenPull) -> Prediction | None:
    """Exact without work; a check that finds nothing is an empty reply."""
    if not case.is_poisson or case.work > 0:
        return None
    rate, trip = case.rate, case.round_trip
    cycle = strategy.interval + trip
    costs = oracles.poll_then_pull(rate, cycle, trip)
    latency = case.latency_with(
        costs.wait, lambda p: oracles.poll_then_pull_wait_quantile(rate, cycle, trip, p)
    ) | {"max": cycle + trip + case.transit}
    form = "check every interval + round trip, one more round trip to pull, + transit"
    prediction = Prediction(form, latency, costs.requests_per_message, costs.empty_share)
    return _unlimited(case, strategy.max_records, rate * (cycle + trip), prediction)


def long_poll(case: Case, strategy: LongPoll) -> Prediction | None:
    """The re-arm formula; batches of exactly `min_records` if that is more than one."""
    if case.is_periodic:
        return _long_poll_periodic(case, strategy)
    if case.load >= 1:
        return None
    if strategy.min_records > 1:
        return _long_poll_batches(case, strategy)
    rate, trip = case.rate, case.round_trip
    costs = oracles.long_poll(
        rate, trip, strategy.max_wait, case.work, case.work_squared, case.transform
    )
    form = "long poll, re-arm gap = round trip, + transit"
    if case.work > 0:
        form = "M/G/1 and " + form
    latency = case.latency(costs.wait + case.work)
    prediction = Prediction(form, latency, costs.requests_per_message, costs.empty_share)
    batch = 1 / costs.requests_per_message if case.work > 0 else rate * trip
    return _unlimited(case, strategy.max_records, batch, prediction)


def _long_poll_batches(case: Case, strategy: LongPoll) -> Prediction | None:
    """Batches of B, if work costs nothing, few come while re-arming, and no request runs out."""
    size = strategy.min_records
    few = rarely_more(case.rate * case.round_trip, size - 1)
    full = rarely_fewer(case.rate * strategy.max_wait, size)
    if case.work > 0 or not few or not full or strategy.max_records < size:
        return None
    latency = case.latency(oracles.fixed_batch_wait_mean(case.rate, size))
    prediction = Prediction("full batches of min_records + transit", latency, 1 / size, 0.0)
    return _unlimited(case, strategy.max_records, 0.0, prediction)


def _long_poll_periodic(case: Case, strategy: LongPoll) -> Prediction | None:
    """Every message finds a request held, if one fits between two messages."""
    period = 1 / case.rate
    fits = case.work + case.round_trip <= period < strategy.max_wait
    if strategy.min_records > 1 or not case.work_is_constant or not fits:
        return None
    form = "D/D/1: transit + work, a request is always held"
    prediction = Prediction(form, case.always(case.work), 1.0, 0.0)
    return _unlimited(case, strategy.max_records, 0.0, prediction)


def consumer_group(case: Case, strategy: ConsumerGroup) -> Prediction | None:
    """A lone member: a long poll that re-arms after two round trips, that of the commit first."""
    lone = case.workload.consumers == 1 and strategy.commit == "after_work"
    if not lone or MUCH * case.work > strategy.heartbeat:
        return None
    poll = LongPoll(max_records=strategy.max_records, max_wait=strategy.max_wait)
    prediction = long_poll(replace(case, round_trip=2 * case.round_trip), poll)
    if prediction is None:
        return None
    fetches, empty = prediction.requests_per_message, prediction.empty_replies
    requests = fetches * (2 - empty)  # each answer with records is followed by a commit
    return prediction.but(
        form=prediction.form.replace("round trip", "fetch and commit"),
        requests_per_message=requests,
        empty_replies=fetches * empty / requests,
    )


def _unlimited(
    case: Case, max_records: int, batch: float, prediction: Prediction
) -> Prediction | None:
    """Return the prediction if answers and log are so large that they limit nothing.

    `batch` is the mean number of records in an answer beyond the first: Poisson, if there is no work.
    """
    roomy = max_records >= MUCH * batch if case.work else rarely_more(batch, max_records)
    delay = prediction.latency["mean"]
    kept = case.scenario.retention.limits()
    records = min(kept.count, kept.bytes / case.workload.size.mean)
    fits = records >= MUCH * (1 + case.rate * delay) and kept.age >= MUCH * delay
    return prediction if roomy and fits else None
