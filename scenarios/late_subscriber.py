"""A consumer comes two seconds late: does it get what was sent before?"""

from lab import LongPoll, Periodic, Scenario, ServerSentEvents, WebSocketPush, Workload, main
from lab.faults import ConsumerCrash

scenario = Scenario(
    name="late_subscriber",
    question=__doc__,
    workload=Workload(arrivals=Periodic(rate=100), duration=4, seed=7),
    strategies=[
        WebSocketPush(),
        WebSocketPush(replay=True),
        ServerSentEvents(replay=False),
        LongPoll(max_records=20),
        LongPoll(max_records=20, begin="latest"),
    ],
    faults=[ConsumerCrash(at=0, duration=2)],
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
