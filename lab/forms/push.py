"""Theory of push: one consumer is one server, fed at once or through a window of acknowledgements.

Waiting in the broker, in sockets or in the consumer is all the same queue while nothing is dropped.
A window of one adds the round trip to what a message holds the server for; a wide one adds nothing.
"""

import math
from typing import Any

from lab import oracles
from lab.forms.case import MUCH, Case, Prediction, rarely_fewer, rarely_more
from lab.strategies import ServerSentEvents, WebSocketPush
from lab.strategies.webhook import RequestPush

MOST_PLACES = 5000  # a larger queue is not worth the time to solve
MOST_LOAD = 100.0


def stream_push(case: Case, strategy: WebSocketPush | ServerSentEvents) -> Prediction | None:
    """WebSocket and event stream. The only request is the one that opens the stream."""
    requests = 1 / max(1.0, case.rate * case.workload.duration)
    batches, lingers = strategy.batch_size > 1, strategy.linger > 0
    if isinstance(strategy, WebSocketPush) and strategy.acks:
        if batches and (strategy.credits > 1 or lingers):
            return None
        return _queue(case, strategy.credits, strategy, requests)
    if batches and lingers:
        return _batched(case, strategy, 0.0, requests, requests)
    return _queue(case, math.inf, strategy, requests)


def request_push(case: Case, strategy: RequestPush) -> Prediction | None:
    """Webhook and HTTP ingest: a request for each delivery, answered when its work is done."""
    size, linger = strategy.batch_size, strategy.linger
    if size > 1 and linger > 0:
        each = 1 / (1 + case.rate * linger)
        return _batched(case, strategy, case.round_trip, each, 1 / size)
    if size > 1:
        return _gathered(case, strategy)
    if not _in_time(case, strategy, 1):
        return None
    prediction = _queue(case, strategy.concurrency, strategy, 1.0)
    if prediction is None or not prediction.loss:
        return prediction
    return prediction.but(requests_per_message=1 - prediction.loss)


def _in_time(case: Case, strategy: RequestPush, batch: float) -> bool:
    """Say whether time-outs, which would repeat deliveries, are far off."""
    outstanding = strategy.concurrency * case.work * batch
    return strategy.timeout >= MUCH * (outstanding + case.round_trip)


def _queue(case: Case, window: float, strategy: Any, requests: float) -> Prediction | None:
    """One message after the other, with at most `window` of them sent and not acknowledged."""
    if case.is_periodic:
        return _periodic(case, window, requests)
    if window > 1 and not _is_wide(case, window):
        return None
    held = case.round_trip if window == 1 else 0.0
    if strategy.buffer is not None:
        return _bounded(case, window, held, strategy, requests)
    if case.rate * (case.work + held) >= 1:
        return None
    return Prediction(_name(case, held), _sojourn(case, held), requests, 0.0)


def _periodic(case: Case, window: float, requests: float) -> Prediction | None:
    """D/D/1: nothing waits if each message is done before the next one comes."""
    period = 1 / case.rate
    fits = case.work <= period and case.work + case.round_trip <= window * period
    if not (case.work_is_constant and fits):
        return None
    return Prediction("D/D/1: transit + work, nothing waits", case.always(case.work), requests, 0.0)


def _is_wide(case: Case, window: float) -> bool:
    """Say whether a window of more than one neither starves the consumer nor fills up."""
    if case.work == 0:
        return rarely_more(case.rate * case.round_trip, window - 1)
    lasts = (window - 1) * case.work >= MUCH * case.round_trip
    sojourn = oracles.mg1_sojourn_mean(case.rate, case.work, case.work_squared)
    return lasts or window >= MUCH * (1 + case.rate * (sojourn + case.round_trip))


def _name(case: Case, held: float) -> str:
    service = "work + round trip" if held else "work"
    if case.work + held == 0:
        name = "transit alone: no work"
    elif case.work_is_constant:
        name = f"M/D/1 ({service}) + transit"
    elif case.work_is_exponential and not held:
        name = "M/M/1 + transit"
    else:
        name = f"M/G/1 ({service}) + transit"
    return f"{name}; hops do not queue"


def _sojourn(case: Case, held: float) -> dict[str, float]:
    """Return the latencies if each message holds the server for its work and `held` seconds."""
    rate, work = case.rate, case.work
    service = work + held
    if service == 0:
        return case.always(0.0)
    if case.work_is_constant:
        mean = work + oracles.md1_wait_mean(rate, service)
        return case.latency_with(mean, lambda p: work + oracles.md1_wait_quantile(rate, service, p))
    if case.work_is_exponential and not held:
        mean = oracles.mm1_sojourn_mean(rate, 1 / work)
        return case.latency_with(mean, lambda p: oracles.mm1_sojourn_quantile(rate, 1 / work, p))
    squared = case.work_squared + 2 * work * held + held**2
    return case.latency(work + oracles.mg1_wait_mean(rate, service, squared))


def _bounded(
    case: Case, window: float, held: float, strategy: Any, requests: float
) -> Prediction | None:
    """Window and buffer together hold K messages. Without a window sockets would hold more."""
    if window == math.inf or (not held and case.work < MUCH * case.round_trip):
        return None
    places, rate, service = int(window) + strategy.buffer, case.rate, case.work + held
    solvable = 0 < rate * service < MOST_LOAD and places <= MOST_PLACES
    arrivals = case.arrivals_in_service(held, places) if solvable else None
    if arrivals is None:
        return None
    loss, sojourn = oracles.mg1k(rate, service, arrivals, places)
    latency = case.latency(math.nan)  # with drop_oldest, that of those who are left is unknown
    if getattr(strategy, "overflow", "drop_newest") == "drop_newest":
        latency = case.latency(sojourn - held)
        if case.work_is_exponential and not held:
            latency = case.latency_with(
                sojourn, lambda p: oracles.mm1k_sojourn_quantile(rate, 1 / service, places, p)
            )
    name = _name(case, held).replace("/1 ", f"/1/{places} ", 1)
    return Prediction(name, latency, requests, 0.0, loss)


def _gathered(case: Case, strategy: RequestPush) -> Prediction | None:
    """What came while a request was out goes in the next: a long poll turned round."""
    if strategy.concurrency > 1 or not case.is_poisson or case.load >= 1:
        return None
    costs = oracles.long_poll(
        case.rate, case.round_trip, math.inf, case.work, case.work_squared, case.transform
    )
    batch = 1 / costs.requests_per_message
    room = min(strategy.batch_size, strategy.buffer or math.inf)
    if room < MUCH * batch or not _in_time(case, strategy, batch):
        return None
    form = "batches of what came meanwhile (long poll, re-arm gap = round trip) + transit"
    latency = case.latency(costs.wait + case.work)
    return Prediction(form, latency, costs.requests_per_message, 0.0)


def _batched(
    case: Case,
    strategy: WebSocketPush | ServerSentEvents | RequestPush,
    busy: float,
    requests: float,
    requests_full: float,
) -> Prediction | None:
    """Batches that wait to be full or for `linger` seconds, if it is nearly always the same one.

    `busy` is how long the connection is taken by a batch.
    """
    size, linger, rate = strategy.batch_size, strategy.linger, case.rate
    if not case.is_poisson or case.work > 0 or (strategy.buffer or math.inf) < size:
        return None
    if rarely_more(rate * linger, size - 2) and busy <= linger:
        mean = oracles.linger_wait_mean(rate, linger)
        latency = case.latency_with(mean, lambda p: oracles.linger_wait_quantile(rate, linger, p))
        latency["max"] = linger + case.transit
        return Prediction("linger + transit; batches are not full", latency, requests, 0.0)
    if rarely_fewer(rate * linger, size - 1) and rarely_more(rate * busy, size - 1):
        latency = case.latency(oracles.fixed_batch_wait_mean(rate, size))
        return Prediction("full batches + transit; none lingers", latency, requests_full, 0.0)
    return None
