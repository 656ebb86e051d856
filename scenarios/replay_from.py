"""A consumer comes late: what does it get from the earliest record, the latest, an offset, a time?"""

from lab import LongPoll, Periodic, Scenario, Workload, main
from lab.faults import ConsumerCrash

scenario = Scenario(
    name="replay_from",
    question=__doc__,
    workload=Workload(arrivals=Periodic(rate=100), work=0.004, duration=4, seed=7),
    strategies=[
        LongPoll(max_records=20),
        LongPoll(max_records=20, begin="latest"),
        LongPoll(max_records=20, from_offset=40),
        LongPoll(max_records=20, from_time=0.7),
    ],
    faults=[ConsumerCrash(at=0, duration=1)],
    replications=2,
    quick_duration=2,
)

if __name__ == "__main__":
    main(scenario)
