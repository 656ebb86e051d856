"""Who chooses the size of a batch, the producer's side or the consumer, and what if its speed changes?

With --set workload.per_batch=0.004 each batch costs the consumer 4 ms beside its messages.
"""

from lab import LongPoll, Poisson, Scenario, Uniform, Webhook, WebSocketPush, Workload, main
from lab.faults import SlowConsumer

scenario = Scenario(
    name="who_batches",
    question=__doc__,
    workload=Workload(
        arrivals=Poisson(rate=200), work=Uniform(low=0.001, high=0.003), duration=4, seed=7
    ),
    strategies=[
        WebSocketPush(),
        WebSocketPush(batch_size=50, linger=0.1),
        Webhook(batch_size=50, linger=0.1),
        LongPoll(max_records=50),
        LongPoll(max_records=50, min_records=20, max_wait=0.1),
    ],
    faults=[SlowConsumer(at=0.5, duration=1, times=4)],
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
