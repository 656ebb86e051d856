"""What does waiting for a fuller batch buy? Requests saved against latency lost."""

from lab import LongPoll, Poisson, Scenario, Webhook, WebSocketPush, Workload, main

scenario = Scenario(
    name="batching",
    question=__doc__,
    workload=Workload(arrivals=Poisson(rate=500), duration=8, warm_up=0.5, seed=7),
    strategies=[
        WebSocketPush(),
        WebSocketPush(batch_size=10, linger=0.05),
        Webhook(),
        Webhook(batch_size=10),
        Webhook(batch_size=10, linger=0.05),
        Webhook(batch_size=100, linger=0.2),
        LongPoll(),
        LongPoll(min_records=10, max_wait=0.05),
        LongPoll(min_records=100, max_wait=0.2),
    ],
    replications=3,
)

if __name__ == "__main__":
    main(scenario)
