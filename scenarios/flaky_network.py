"""The network resets, stalls and loses answers: what arrives, and how often?"""

from lab import LongPoll, Poisson, Scenario, Webhook, WebSocketPush, Workload, main
from lab.faults import (
    AddedLatency,
    ConnectionReset,
    HalfOpen,
    LinkDown,
    LostResponse,
)

scenario = Scenario(
    name="flaky_network",
    question=__doc__,
    workload=Workload(arrivals=Poisson(rate=100), duration=5, seed=7),
    strategies=[
        WebSocketPush(),
        WebSocketPush(replay=True),
        WebSocketPush(acks=True, credits=20),
        Webhook(timeout=0.4, retry_first=0.05),
        LongPoll(max_records=50, timeout=0.4),
    ],
    faults=[
        AddedLatency(at=0.3, duration=0.4, delay=0.05),
        LostResponse(at=0.9),
        ConnectionReset(at=1.2),
        HalfOpen(at=1.5, duration=0.3),
        LinkDown(at=2.2, duration=0.4),
    ],
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
