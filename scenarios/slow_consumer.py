"""A consumer needs 9 ms for each message, and one comes every 10 ms on average: where do they wait?"""

from lab import (
    Exponential,
    LongPoll,
    Poisson,
    Scenario,
    ShortPoll,
    Webhook,
    WebSocketPush,
    Workload,
    main,
)

scenario = Scenario(
    name="slow_consumer",
    question=__doc__,
    workload=Workload(
        arrivals=Poisson(rate=100), work=Exponential(mean=0.009), duration=20, warm_up=2, seed=7
    ),
    strategies=[
        WebSocketPush(),
        WebSocketPush(acks=True, credits=10),
        WebSocketPush(acks=True, credits=1, buffer=20),
        Webhook(),
        LongPoll(),
        ShortPoll(interval=0.2),
    ],
    replications=3,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
