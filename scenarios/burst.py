"""Half a second of 2,000 messages/s, then silence: who spreads the burst, and who is buried in it?"""

from lab import (
    HttpIngest,
    LongPoll,
    OnOff,
    Scenario,
    ServerSentEvents,
    ShortPoll,
    Webhook,
    WebSocketPush,
    Workload,
    main,
)

scenario = Scenario(
    name="burst",
    question=__doc__,
    workload=Workload(arrivals=OnOff(rate=2000, on=0.5, off=2.0), work=0.0005, duration=10, seed=7),
    strategies=[
        WebSocketPush(),
        WebSocketPush(acks=True, credits=20),
        ServerSentEvents(),
        Webhook(),
        Webhook(batch_size=50),
        HttpIngest(batch_size=50),
        LongPoll(),
        ShortPoll(interval=0.2),
    ],
    replications=3,
    quick_duration=2.5,
)

if __name__ == "__main__":
    main(scenario)
