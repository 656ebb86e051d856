"""Queues: M/M/1, M/D/1, M/G/1, M/M/c, M/G/∞, M/M/1/K, M/G/1/K and batch arrivals, in steady state.

Wait is the time before service, sojourn is wait plus service. Sources: Kleinrock, Queueing Systems
I (1975); Gross and Harris, Fundamentals of Queueing Theory; Franx (2001) for quantiles of M/D/1.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaincc

Floats = NDArray[np.float64]

HUGE = 1e200
POISSON_TERMS = 60  # a Poisson variable of mean at most 1 exceeds this with probability 1e-82


def mm1_sojourn_mean(rate: float, service_rate: float) -> float:
    """Return the mean sojourn 1/(μ-λ) of M/M/1, in seconds."""
    return 1 / (service_rate - rate) if rate < service_rate else math.inf


def mm1_sojourn_quantile(rate: float, service_rate: float, p: float) -> float:
    """Return the p-quantile -ln(1-p)/(μ-λ) of the sojourn in M/M/1, which is exponential."""
    return -math.log1p(-p) * mm1_sojourn_mean(rate, service_rate)


def mg1_wait_mean(rate: float, mean: float, second_moment: float) -> float:
    """Return the mean wait λE[S²]/(2(1-ρ)) of M/G/1, in seconds (Pollaczek-Khinchine).

    `mean` and `second_moment` are E[S] and E[S²] of the service time.
    """
    load = rate * mean
    return rate * second_moment / (2 * (1 - load)) if load < 1 else math.inf


def mg1_sojourn_mean(rate: float, mean: float, second_moment: float) -> float:
    """Return the mean sojourn of M/G/1: its mean wait plus E[S], in seconds."""
    return mg1_wait_mean(rate, mean, second_moment) + mean


def md1_wait_mean(rate: float, service: float) -> float:
    """Return the mean wait ρD/(2(1-ρ)) of M/D/1, in seconds."""
    return mg1_wait_mean(rate, service, service**2)


def md1_wait_at_most(rate: float, service: float, time: float) -> float:
    """Return P(wait ≤ time) in M/D/1.

    Franx, A simple solution for the M/D/c waiting time distribution (2001), for one server: with
    (k-1)D ≤ t < kD and u = λ(kD-t), the sum over j < k of e^-u u^j/j! times the probability that
    at most k-1-j are waiting. All terms are positive, unlike those of Erlang's series.
    """
    if rate * service >= 1 or time < 0:
        return 0.0
    if service == 0:
        return 1.0
    count = math.floor(time / service) + 1
    return _md1_at_most(_md1_waiting(rate * service, count), rate * service, time / service)


def md1_wait_quantile(rate: float, service: float, p: float) -> float:
    """Return the p-quantile of the wait in M/D/1, in seconds: 0 for p up to 1-ρ."""
    load = rate * service
    if load >= 1:
        return math.inf
    if p <= 1 - load:
        return 0.0
    count = 64
    while (waiting := _md1_waiting(load, count))[-1] < p:
        count *= 2
    return service * _invert(lambda t: _md1_at_most(waiting, load, t), p, count - 1)


def _md1_at_most(waiting: Floats, load: float, time: float) -> float:
    """Return P(wait ≤ time), time in units of the service; `waiting[m]` is P(at most m wait)."""
    whole = math.floor(time)
    u = load * (whole + 1 - time)
    j = np.arange(min(whole + 1, POISSON_TERMS))
    pmf = np.exp(-u) * np.cumprod(np.concatenate(([1.0], u / j[1:])))
    return float(pmf @ waiting[whole - j])


def _md1_waiting(load: float, count: int) -> Floats:
    """Return P(at most m are waiting) for m = 0 … count-1 in M/D/1."""
    at_least = np.asarray(gammainc(np.arange(1.0, POISSON_TERMS + 1), load), np.float64)
    states = (1 - load) * _left_behind(math.exp(-load), at_least, count + 1)
    return np.asarray(np.cumsum(states)[1:])


def _left_behind(none: float, at_least: Floats, count: int) -> Floats:
    """Return how often a departure leaves 0 … count-1 behind, as multiples of how often it leaves 0.

    `none` is a_0, the probability of no arrival in a service, and `at_least` has A_1, A_2, …, those of
    k or more. Ramaswami's recursion (1988): π_i·a_0 = π_0·A_i + Σ_(0<j<i) π_j·A_(i+1-j). All terms are positive. In an
    unstable queue they grow; then the multiples are those of the largest.
    """
    terms = len(at_least)
    states = np.zeros(count)
    states[0] = 1.0
    for i in range(1, count):
        first = max(1, i + 1 - terms)
        back = at_least[i - first : 0 : -1]  # A_(i+1-first) … A_2
        own = states[0] * at_least[i - 1] if i <= terms else 0.0
        states[i] = (own + states[first:i] @ back) / none
        if states[i] > HUGE:
            states[: i + 1] /= states[i]
    return states


def erlang_c(servers: int, load: float) -> float:
    """Return the probability of waiting in M/M/c offered `load` = λ/μ Erlang (Erlang C).

    By the recursion of Erlang B, B_n = aB/(n+aB), and C = B/(1 - (a/c)(1-B)).
    """
    if load >= servers:
        return 1.0
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def mmc_wait_mean(rate: float, service_rate: float, servers: int) -> float:
    """Return the mean wait C(c, λ/μ)/(cμ-λ) of M/M/c, in seconds."""
    spare = servers * service_rate - rate
    return erlang_c(servers, rate / service_rate) / spare if spare > 0 else math.inf


def mginf_probability(rate: float, mean: float, number: int) -> float:
    """Return P(N = number) in M/G/∞: Poisson with mean λE[S]."""
    load = rate * mean
    if load == 0:
        return float(number == 0)
    return math.exp(number * math.log(load) - load - math.lgamma(number + 1))


def mm1k_loss(load: float, capacity: int) -> float:
    """Return the share of arrivals lost in M/M/1/K, at any load: (1-ρ)ρ^K/(1-ρ^(K+1)).

    `capacity` K counts the one in service. Whether the newest or the oldest is dropped
    changes who is lost, not how many. At ρ = 1 the loss is 1/(K+1).
    """
    return _mm1k_states(load, capacity)[-1]


def mm1k_sojourn_mean(rate: float, service_rate: float, capacity: int) -> float:
    """Return the mean sojourn, in seconds, of those accepted in M/M/1/K that refuses the newest."""
    found = _mm1k_found(rate / service_rate, capacity)
    return float(found @ np.arange(1, capacity + 1)) / service_rate


def mm1k_sojourn_quantile(rate: float, service_rate: float, capacity: int, p: float) -> float:
    """Return the p-quantile of that sojourn: who finds n waits for n+1 services (Erlang)."""
    found = _mm1k_found(rate / service_rate, capacity)
    stages = np.arange(1, capacity + 1)
    high = 1.0
    while found @ gammaincc(stages, high) > 1 - p:
        high *= 2
    return _invert(lambda t: 1 - float(found @ gammaincc(stages, t)), p, high) / service_rate


def mg1k(rate: float, mean: float, arrivals: ArrayLike, capacity: int) -> tuple[float, float]:
    """Return the loss of M/G/1/K, and the mean sojourn in seconds if it refuses the newest.

    `mean` is E[S] and `arrivals[k]`, k = 0 … K, the probability of k arrivals in one service. With
    π_0 the share of departures that leave nothing behind, the loss is 1 - 1/(π_0+ρ); the sojourn
    follows by Little's law (Gross and Harris, on M/G/1/K).
    """
    chances = np.asarray(arrivals, float)
    at_least = np.clip(1 - np.cumsum(chances), 0.0, 1.0)
    states = _left_behind(float(chances[0]), at_least, capacity)
    states /= states.sum()
    busy = float(states[0]) + rate * mean
    loss = max(0.0, 1 - 1 / busy)
    present = float(states @ np.arange(capacity)) / busy + capacity * loss
    return loss, present / (rate * (1 - loss))


def _mm1k_states(load: float, capacity: int) -> list[float]:
    """Return P(N = n), n = 0 … K, scaled by the largest so that no power overflows."""
    top = capacity if load > 1 else 0
    weights = [load ** (n - top) for n in range(capacity + 1)]
    total = math.fsum(weights)
    return [w / total for w in weights]


def _mm1k_found(load: float, capacity: int) -> Floats:
    states = np.array(_mm1k_states(load, capacity)[:-1])
    return np.asarray(states / states.sum())


def batch_wait_mean(
    batch_rate: float,
    mean_batch: float,
    batch_pairs: float,
    mean: float,
    second_moment: float,
) -> float:
    """Return the mean wait of M^X/G/1, in seconds; batches of X messages arrive at `batch_rate`.

    `batch_pairs` is E[X(X-1)]. The first part is the wait of whole batches and the second the wait
    within one's own: λ_B·E[X]·E[S²]/(2(1-ρ)) + E[S]·E[X(X-1)]/(2E[X](1-ρ)).
    """
    load = batch_rate * mean_batch * mean
    if load >= 1:
        return math.inf
    between = batch_rate * mean_batch * second_moment
    return (between + mean * batch_pairs / mean_batch) / (2 * (1 - load))


def _invert(increasing: Callable[[float], float], value: float, high: float) -> float:
    """Return where `increasing` reaches `value` between 0 and `high`, to the last digits."""
    low = 0.0
    for _ in range(100):
        middle = (low + high) / 2
        if increasing(middle) < value:
            low = middle
        else:
            high = middle
    return high
