"""The producer's connection breaks three times: what is lost, and what comes twice?

Compare with --set producer.acks=retry and with --set producer.acks=idempotent.
"""

from lab import LongPoll, Poisson, Scenario, WebSocketPush, Workload, main
from lab.faults import LinkDown, LostRequest, LostResponse
from lab.scenario import Producer

scenario = Scenario(
    name="producer_acks",
    question=__doc__,
    workload=Workload(arrivals=Poisson(rate=200), duration=4, seed=7),
    strategies=[WebSocketPush(acks=True), LongPoll(max_records=50)],
    producer=Producer(acks="none", timeout=0.3),
    faults=[
        LostRequest(at=0.5, link="ingest"),
        LostResponse(at=1.0, link="ingest"),
        LinkDown(at=1.5, duration=0.5, link="ingest"),
    ],
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
