"""The broker is killed and comes back with its log on disk: what does that save, and cost?

Compare with --set durable=false.
"""

from lab import LongPoll, Poisson, Scenario, Webhook, WebSocketPush, Workload, main
from lab.faults import BrokerRestart
from lab.scenario import Producer

scenario = Scenario(
    name="broker_restart",
    question=__doc__,
    workload=Workload(arrivals=Poisson(rate=200), duration=4, seed=7),
    strategies=[
        WebSocketPush(),
        WebSocketPush(replay=True),
        WebSocketPush(acks=True, credits=20),
        Webhook(),
        LongPoll(max_records=50),
    ],
    producer=Producer(acks="idempotent", timeout=0.3),
    durable=True,
    faults=[BrokerRestart(at=0.8, duration=0.8)],
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
