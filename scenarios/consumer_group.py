"""One of three members of a group crashes: how long do its partitions wait, and what is done twice?"""

from lab import ConsumerGroup, Exponential, Poisson, Scenario, Workload, main
from lab.faults import ConsumerCrash

scenario = Scenario(
    name="consumer_group",
    question=__doc__,
    workload=Workload(
        arrivals=Poisson(rate=200),
        work=Exponential(mean=0.008),
        consumers=3,
        duration=10,
        seed=7,
    ),
    strategies=[
        ConsumerGroup(max_records=20),
        ConsumerGroup(max_records=20, session_timeout=0.3, heartbeat=0.1),
        ConsumerGroup(max_records=20, commit="before_work"),
    ],
    faults=[ConsumerCrash(at=1.5, duration=1.5, consumer=1)],
    replications=3,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
