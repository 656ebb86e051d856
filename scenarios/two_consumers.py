"""One of two consumers falls behind and catches up: does the other one notice?"""

from lab import LongPoll, Poisson, Scenario, Uniform, Webhook, WebSocketPush, Workload, main
from lab.faults import SlowConsumer

scenario = Scenario(
    name="two_consumers",
    question=__doc__,
    workload=Workload(
        arrivals=Poisson(rate=150),
        work=Uniform(low=0.001, high=0.003),
        consumers=2,
        duration=4,
        seed=7,
    ),
    strategies=[
        WebSocketPush(),
        WebSocketPush(buffer=20, overflow="block", acks=True, credits=20),
        Webhook(),
        LongPoll(max_records=100),
    ],
    faults=[SlowConsumer(at=0.5, duration=1, consumer=1, times=20)],
    sample=0.02,
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
