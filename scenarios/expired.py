"""A consumer is away for longer than the log remembers: what is gone, and who says so?"""

from lab import LongPoll, Periodic, Scenario, ServerSentEvents, ShortPoll, Workload, main
from lab.faults import ConsumerCrash
from lab.scenario import Retention

scenario = Scenario(
    name="expired",
    question=__doc__,
    workload=Workload(arrivals=Periodic(rate=200), duration=4, seed=7),
    strategies=[
        ServerSentEvents(),
        ShortPoll(interval=0.1, max_records=50),
        LongPoll(max_records=50),
    ],
    retention=Retention(count=100),
    faults=[ConsumerCrash(at=0.5, duration=1.5)],
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
