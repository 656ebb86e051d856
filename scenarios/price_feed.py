"""Ticks of a price feed, delivered to one consumer: how old is each price, and what does it cost?"""

from lab import (
    HttpIngest,
    InProcessLongPoll,
    LongPoll,
    Poisson,
    PollThenPull,
    Scenario,
    ServerSentEvents,
    ShortPoll,
    Webhook,
    WebSocketPush,
    Workload,
    main,
)

scenario = Scenario(
    name="price_feed",
    question=__doc__,
    workload=Workload(arrivals=Poisson(rate=100), size=100, duration=10, warm_up=0.5, seed=7),
    strategies=[
        WebSocketPush(),
        ServerSentEvents(),
        Webhook(),
        HttpIngest(),
        ShortPoll(),
        PollThenPull(),
        LongPoll(),
        InProcessLongPoll(),
    ],
)

if __name__ == "__main__":
    main(scenario)
