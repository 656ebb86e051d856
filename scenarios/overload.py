"""The consumer is ten times too slow for two seconds: where do messages pile up, and which are lost?"""

from lab import Constant, LongPoll, Periodic, Scenario, Webhook, WebSocketPush, Workload, main
from lab.faults import SlowConsumer

scenario = Scenario(
    name="overload",
    question=__doc__,
    workload=Workload(
        arrivals=Periodic(rate=200),
        size=Constant(value=50_000),
        work=Constant(value=0.004),
        duration=4,
        seed=7,
    ),
    strategies=[
        WebSocketPush(),
        WebSocketPush(buffer=20, overflow="block"),
        WebSocketPush(buffer=20, overflow="drop_newest"),
        WebSocketPush(buffer=20, overflow="drop_oldest"),
        WebSocketPush(buffer=20, overflow="disconnect"),
        WebSocketPush(acks=True, credits=20),
        Webhook(concurrency=20, adaptive=True),
        LongPoll(max_records=20),
    ],
    faults=[SlowConsumer(at=0.5, duration=2, times=10)],
    sample=0.02,
    socket_buffer=500_000,
    drain=20,
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
