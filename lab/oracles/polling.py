"""Polling: waits at the broker until a request takes the message, and what the requests cost.

Arrivals are Poisson. Add the time of the empty system (to the broker and down to the consumer) for
a latency. A *gap* or *pause* is all the time between two polls that is not work.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

Transform = Callable[[float], float]  # s → E[exp(-s·S)] of the work S

NEGLIGIBLE = 1e-12


class Polling(NamedTuple):
    """Mean wait in seconds, requests per message, and the share of requests answered empty."""

    wait: float
    requests_per_message: float
    empty_share: float


def no_work(s: float) -> float:
    return 1.0


def short_poll(rate: float, cycle: float) -> Polling:
    """Return the costs of a poll every `cycle` seconds P = T + RTT that takes everything, no work.

    The wait is uniform on (0, P), with mean P/2; there are 1/(λP) requests per message, and a
    share e^(-λP) of them finds nothing.
    """
    return Polling(cycle / 2, 1 / (rate * cycle), math.exp(-rate * cycle))


def short_poll_wait_quantile(cycle: float, p: float) -> float:
    """Return the p-quantile pP of the wait for a poll every `cycle` seconds."""
    return p * cycle


def short_poll_is_stable(rate: float, pause: float, batch: int, mean: float) -> bool:
    """Say whether polls of at most `batch` records keep up: λ(P + B·E[S]) < B."""
    return rate * (pause + batch * mean) < batch


def poll_then_pull(rate: float, cycle: float, round_trip: float) -> Polling:
    """Return the costs of a check every `cycle` = T + RTT seconds and a pull if it finds something.

    Between two pulls lie checks that find nothing, one cycle P in which something came, and the
    round trip R from check to pull. With q = e^(-λP): wait (P(P/2+R)/(1-q) + R²/2)/(P/(1-q) + R);
    1/(1-q) + 1 requests, of which q/(1-q) are empty, for λ(P/(1-q) + R) messages.
    """
    some = -math.expm1(-rate * cycle)
    span = cycle / some + round_trip
    wait = (cycle * (cycle / 2 + round_trip) / some + round_trip**2 / 2) / span
    requests = 1 / some + 1
    return Polling(wait, requests / (rate * span), (1 / some - 1) / requests)


def poll_then_pull_wait_quantile(rate: float, cycle: float, round_trip: float, p: float) -> float:
    """Return the p-quantile of that wait: those of the round trip wait up to R, others R to R+P."""
    cycles = cycle / -math.expm1(-rate * cycle)
    at = p * (cycles + round_trip)
    return at if at <= round_trip else round_trip + (at - round_trip) * cycle / cycles


def gated_vacation_wait_mean(
    rate: float,
    mean: float,
    second_moment: float,
    pause_mean: float,
    pause_second_moment: float,
    gated: bool = True,
) -> float:
    """Return the mean wait before service, in seconds, if the server pauses after every batch.

    M/G/1 with vacations V (Takagi, Queueing Analysis 1, 1991): λE[S²]/(2(1-ρ)) + E[V²]/(2E[V]), and
    ρE[V]/(1-ρ) more if only those present at the poll are served (gated); without it the server
    works until nothing is left (exhaustive).
    """
    load = rate * mean
    if load >= 1:
        return math.inf
    wait = rate * second_moment / (2 * (1 - load)) + pause_second_moment / (2 * pause_mean)
    return wait + load * pause_mean / (1 - load) if gated else wait


def gated_vacation_empty_share(rate: float, pause: float, transform: Transform = no_work) -> float:
    """Return the share of polls that find nothing, for constant pauses V and work with `transform`.

    A cycle C' is V plus the work of those who came in the last, so its transform is
    f(s) = e^(-sV)·f(λ(1-S*(s))), and f(λ) = exp(-VΣs_k) along s_0 = λ, s_(k+1) = λ(1-S*(s_k)).
    """
    return math.exp(-pause * math.fsum(_iterates(rate, transform)))


def long_poll(
    rate: float,
    gap: float,
    max_wait: float,
    mean: float = 0.0,
    second_moment: float = 0.0,
    transform: Transform = no_work,
) -> Polling:
    """Return the costs of a long poll: ask, be held up to `max_wait`, work on the answer, ask again.

    `gap` g is the time from an answer to the next request, without the work; the wait is that
    before the message's own work. Without work (Poisson arrivals, a = e^(-λg), τ = `max_wait`,
    k = a(1-e^(-λτ))) the mean wait is (λg²/2)/(λg+k), there are 1/(λg+k) requests per message
    and a share a·e^(-λτ) of them is empty. With work, a becomes the probability π that nothing
    came from an answer to the next request, the wait grows by λE[S²]/(2(1-ρ)) + ρg/(1-ρ), and
    there are (1-ρ)/(λg+k) requests per message.

    Our derivation: the busy time G has the transform f(s) = e^(-sg)·(f(σ) - kσ/λ), σ = λ(1-S*(s)),
    which is followed from π = f(λ) down to f(0) = 1; second moments of G and the batch do the rest.
    """
    load = rate * mean
    if load >= 1:
        return Polling(math.inf, math.nan, math.nan)
    expired = math.exp(-rate * max_wait)
    nothing = _nothing_came(rate, gap, 1 - expired, transform)
    messages = rate * gap + nothing * (1 - expired)  # a request, if there were no work
    queue = rate * second_moment / (2 * (1 - load)) + load * gap / (1 - load)
    return Polling(
        queue + rate * gap**2 / (2 * messages),
        (1 - load) / messages,
        nothing * expired,
    )


def _nothing_came(rate: float, gap: float, answered: float, transform: Transform) -> float:
    """Return π of `long_poll`; a held request is answered with a record in a share `answered`."""
    product, total, steps = 1.0, 0.0, _iterates(rate, transform)
    for s, after in zip(steps, [*steps[1:], 0.0], strict=True):
        product *= math.exp(-gap * s)
        total += product * after / rate
    return product / (1 + answered * total)


def _iterates(rate: float, transform: Transform) -> list[float]:
    """Return s_0 = λ, s_(k+1) = λ(1-S*(s_k)), which fall like the powers of the load."""
    steps, s = [], rate
    while s > NEGLIGIBLE * rate:
        steps.append(s)
        s = rate * (1 - transform(s))
    return steps
