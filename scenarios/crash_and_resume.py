"""A consumer crashes while messages come: who gets back what it missed, and what is done twice?"""

from lab import (
    LongPoll,
    Poisson,
    Scenario,
    ServerSentEvents,
    ShortPoll,
    Uniform,
    Webhook,
    WebSocketPush,
    Workload,
    main,
)
from lab.faults import ConsumerCrash

scenario = Scenario(
    name="crash_and_resume",
    question=__doc__,
    workload=Workload(
        arrivals=Poisson(rate=200), work=Uniform(low=0.001, high=0.007), duration=4, seed=7
    ),
    strategies=[
        WebSocketPush(),
        ServerSentEvents(),
        WebSocketPush(acks=True, credits=20),
        WebSocketPush(acks=True, credits=20, ack_on="receipt"),
        Webhook(),
        ShortPoll(interval=0.05, destructive=True),
        LongPoll(max_records=20),
        LongPoll(max_records=20, commit="before_work"),
    ],
    faults=[ConsumerCrash(at=0.8, duration=0.8)],
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
