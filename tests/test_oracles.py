"""Queues and paths against textbook numbers, limits, balance equations and brute force."""

import math
from collections import deque

import numpy as np
import pytest
from samples import agrees, poisson_times, rng
from scipy import integrate

from lab import oracles


def test_mm1_textbook() -> None:
    # Kleinrock: 8 an hour served at 10 an hour stay half an hour.
    assert oracles.mm1_sojourn_mean(8, 10) == pytest.approx(0.5)
    assert oracles.mm1_sojourn_quantile(8, 10, 1 - math.exp(-1)) == pytest.approx(0.5)
    assert oracles.mm1_sojourn_quantile(8, 10, 0.99) == pytest.approx(0.5 * math.log(100))


def test_mg1_is_mm1_with_exponential_service() -> None:
    assert oracles.mg1_sojourn_mean(8, 0.1, 2 * 0.1**2) == pytest.approx(
        oracles.mm1_sojourn_mean(8, 10)
    )


def test_md1_waits_half_as_long_as_mm1() -> None:
    mm1 = oracles.mm1_sojourn_mean(8, 10) - 0.1
    assert oracles.md1_wait_mean(8, 0.1) == pytest.approx(mm1 / 2)


@pytest.mark.parametrize(("load", "first"), [(0.5, 0.5), (0.8, 0.2)])
def test_md1_distribution_is_erlangs_series(load: float, first: float) -> None:
    def erlang(t: float) -> float:  # stable for small t only
        terms = [
            (-load * (t - j)) ** j / math.factorial(j) * math.exp(load * (t - j))
            for j in range(math.floor(t) + 1)
        ]
        return (1 - load) * math.fsum(terms)

    assert oracles.md1_wait_at_most(load, 1, 0) == pytest.approx(first)
    for t in (0.3, 1.0, 1.5, 4.2, 7.9):
        assert oracles.md1_wait_at_most(load * 5, 0.2, t * 0.2) == pytest.approx(
            erlang(t), rel=1e-9
        )


@pytest.mark.parametrize("load", [0.3, 0.8, 0.95])
def test_md1_mean_is_the_integral_of_its_tail(load: float) -> None:
    grid = np.linspace(0, oracles.md1_wait_quantile(load, 1, 1 - 1e-9), 2001)
    tail = [1 - oracles.md1_wait_at_most(load, 1, t) for t in grid]
    area = float(integrate.simpson(tail, x=grid))
    assert area == pytest.approx(oracles.md1_wait_mean(load, 1), rel=1e-3)


def test_md1_quantile_inverts_the_distribution() -> None:
    for p in (0.3, 0.9, 0.999, 1 - 1e-9):
        t = oracles.md1_wait_quantile(80, 0.01, p)
        assert oracles.md1_wait_at_most(80, 0.01, t) == pytest.approx(p, abs=1e-12)
    assert oracles.md1_wait_quantile(80, 0.01, 0.1) == 0  # P(no wait) is 0.2


def test_md1_quantile_is_stable_near_saturation() -> None:
    # Heavy traffic: the wait is exponential, with mean ρ/(2(1-ρ)) services.
    p99 = oracles.md1_wait_quantile(0.999, 1, 0.99)
    assert p99 == pytest.approx(math.log(100) * 0.999 / 0.002, rel=2e-3)


def test_erlang_c_textbook() -> None:
    # Gross and Harris: 2 servers at 1.5 Erlang: C = 0.642857; one server waits with probability ρ.
    assert oracles.erlang_c(2, 1.5) == pytest.approx(9 / 14)
    assert oracles.erlang_c(1, 0.7) == pytest.approx(0.7)
    a, c = 8.0, 10  # the definition, with factorials
    top = a**c / math.factorial(c) * c / (c - a)
    assert oracles.erlang_c(c, a) == pytest.approx(
        top / (sum(a**n / math.factorial(n) for n in range(c)) + top)
    )


def test_mmc_with_one_server_is_mm1() -> None:
    assert oracles.mmc_wait_mean(8, 10, 1) == pytest.approx(oracles.mm1_sojourn_mean(8, 10) - 0.1)


def test_mginf_is_poisson() -> None:
    chances = [oracles.mginf_probability(3, 0.5, n) for n in range(60)]
    assert sum(chances) == pytest.approx(1)
    assert sum(n * c for n, c in enumerate(chances)) == pytest.approx(1.5)
    assert oracles.mginf_probability(3, 0, 0) == 1


@pytest.mark.parametrize("load", [0.2, 0.8, 1.0, 1.25, 3.0])
@pytest.mark.parametrize("capacity", [1, 2, 7])
def test_mm1k_solves_the_balance_equations(load: float, capacity: int) -> None:
    size = capacity + 1
    generator = np.diag([load] * capacity, 1) + np.diag([1.0] * capacity, -1)
    generator -= np.diag(generator.sum(axis=1))
    equations = np.vstack([generator.T, np.ones(size)])
    states = np.linalg.lstsq(equations, np.array([0.0] * size + [1.0]))[0]
    assert oracles.mm1k_loss(load, capacity) == pytest.approx(states[-1])
    number = states @ np.arange(size)
    accepted = load * (1 - states[-1])
    assert oracles.mm1k_sojourn_mean(load, 1, capacity) == pytest.approx(number / accepted)


def test_mm1k_limits() -> None:
    assert oracles.mm1k_loss(1, 4) == pytest.approx(1 / 5)
    assert oracles.mm1k_loss(1 + 1e-9, 4) == pytest.approx(1 / 5)
    assert oracles.mm1k_loss(1e6, 2000) == pytest.approx(1 - 1e-6)
    assert oracles.mm1k_sojourn_quantile(8, 10, 400, 0.9) == pytest.approx(
        oracles.mm1_sojourn_quantile(8, 10, 0.9)
    )
    assert oracles.mm1k_sojourn_quantile(5, 10, 1, 0.9) == pytest.approx(math.log(10) / 10)


@pytest.mark.parametrize("load", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("capacity", [1, 2, 9, 3000])
def test_mg1k_is_mm1k_with_exponential_service(load: float, capacity: int) -> None:
    geometric = (load / (1 + load)) ** np.arange(capacity + 1) / (1 + load)
    loss, sojourn = oracles.mg1k(load / 0.1, 0.1, geometric, capacity)
    assert loss == pytest.approx(oracles.mm1k_loss(load, capacity), abs=1e-12)
    expected = oracles.mm1k_sojourn_mean(load / 0.1, 10, capacity)
    assert sojourn == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("load", [0.8, 1.5])
def test_mg1k_with_constant_service_by_brute_force(load: float) -> None:
    capacity, present, free, lost = 3, deque[float](), 0.0, 0
    sojourns, arrivals = [], poisson_times(load, 200_000).tolist()
    for t in arrivals:
        while present and present[0] <= t:
            present.popleft()
        if len(present) == capacity:
            lost += 1
            continue
        free = max(free, t) + 1
        present.append(free)
        sojourns.append(free - t)
    pmf = [math.exp(-load) * load**k / math.factorial(k) for k in range(capacity + 1)]
    loss, sojourn = oracles.mg1k(load, 1, pmf, capacity)
    assert lost / len(arrivals) == pytest.approx(loss, rel=0.02)
    assert agrees(np.array(sojourns), sojourn)


def test_batch_arrivals() -> None:
    # Batches of one are M/G/1; of two, by brute force.
    assert oracles.batch_wait_mean(8, 1, 0, 0.1, 0.02) == pytest.approx(
        oracles.mg1_wait_mean(8, 0.1, 0.02)
    )
    count = 200_000
    arrivals = np.repeat(poisson_times(3, count), 2)
    waits = oracles.lindley(arrivals, rng(2).exponential(0.1, 2 * count))
    assert agrees(waits, oracles.batch_wait_mean(3, 2, 2, 0.1, 0.02))


def test_overloaded_queues_never_settle() -> None:
    assert oracles.mm1_sojourn_mean(10, 10) == math.inf
    assert oracles.mg1_wait_mean(11, 0.1, 0.01) == math.inf
    assert oracles.md1_wait_quantile(10, 0.1, 0.5) == math.inf
    assert oracles.mmc_wait_mean(20, 10, 2) == math.inf
    assert oracles.batch_wait_mean(5, 2, 2, 0.1, 0.02) == math.inf
    assert oracles.gated_vacation_wait_mean(10, 0.1, 0.02, 1, 1) == math.inf
    assert oracles.long_poll(10, 0.1, 1, 0.1, 0.02).wait == math.inf


def test_lindley_by_hand() -> None:
    waits = oracles.lindley([0, 1, 2, 10], [3, 1, 1, 1])
    assert waits.tolist() == [0, 2, 2, 0]


def test_lindley_is_the_brute_force_maximum() -> None:
    # W_n is the largest of 0 and all sums of (service - gap) that end at n.
    arrivals, services = poisson_times(9, 150), rng(2).exponential(0.1, 150)
    steps = services[:-1] - np.diff(arrivals)
    brute = [max([0.0] + [steps[i:n].sum() for i in range(n)]) for n in range(150)]
    assert oracles.lindley(arrivals, services) == pytest.approx(brute, abs=1e-12)


def test_one_server_is_lindley() -> None:
    arrivals, services = poisson_times(9, 5000), rng(2).exponential(0.1, 5000)
    assert (
        oracles.kiefer_wolfowitz(arrivals, services, 1) == oracles.lindley(arrivals, services)
    ).all()


def test_kiefer_wolfowitz_is_the_sorted_vector() -> None:
    arrivals, services = poisson_times(25, 2000), rng(2).exponential(0.1, 2000)
    work, brute = np.zeros(3), []  # the recursion as it was published: remaining work, sorted
    for gap, service in zip(np.diff(arrivals, prepend=0.0), services, strict=True):
        work = np.sort(np.maximum(work - gap, 0))
        brute.append(work[0])
        work[0] += service
    waits = oracles.kiefer_wolfowitz(arrivals, services, 3)
    assert waits == pytest.approx(brute, abs=1e-9)
    assert waits.max() > 0


def test_simulated_queues_agree_with_their_means() -> None:
    count = 200_000
    arrivals, services = poisson_times(14, count), rng(2).exponential(0.1, count)
    two = oracles.kiefer_wolfowitz(arrivals, services, 2)
    assert agrees(two, oracles.mmc_wait_mean(14, 10, 2))
    fixed = oracles.lindley(poisson_times(7, count, 3), np.full(count, 0.1))
    assert agrees(fixed, oracles.md1_wait_mean(7, 0.1))
    assert np.quantile(fixed, 0.9) == pytest.approx(
        oracles.md1_wait_quantile(7, 0.1, 0.9), rel=0.03
    )


def test_littles_law() -> None:
    arrivals, services = poisson_times(9, 3000), rng(2).exponential(0.1, 3000)
    sojourns = oracles.lindley(arrivals, services) + services
    assert oracles.time_integral(arrivals, arrivals + sojourns) == pytest.approx(sojourns.sum())
    assert oracles.time_integral([0, 1], [2, 5]) == 6


def test_intervals_here_can_fail() -> None:
    samples = rng().exponential(1.0, 50_000)
    assert agrees(samples, 1.0)
    assert not agrees(samples, 1.03)
