"""How often should a poller ask? Freshness against wasted requests."""

from lab import LongPoll, Poisson, Scenario, ShortPoll, WebSocketPush, Workload, main

INTERVALS = (0.01, 0.05, 0.2, 1.0)  # seconds

scenario = Scenario(
    name="poll_interval",
    question=__doc__,
    workload=Workload(arrivals=Poisson(rate=20), duration=20, warm_up=1, seed=7),
    strategies=[WebSocketPush(), LongPoll(), *(ShortPoll(interval=t) for t in INTERVALS)],
    replications=3,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
