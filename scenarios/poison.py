"""Two messages make the work fail every time: what becomes of them, and of those behind them?"""

from lab import LongPoll, Periodic, Scenario, Webhook, WebSocketPush, Workload, main

scenario = Scenario(
    name="poison",
    question=__doc__,
    workload=Workload(arrivals=Periodic(rate=100), duration=3, seed=7),
    strategies=[
        WebSocketPush(),
        WebSocketPush(acks=True, credits=20),
        Webhook(attempts=4, retry_first=0.05),
        Webhook(attempts=4, retry_first=0.05, concurrency=8),
        LongPoll(max_records=20, tries=3),
    ],
    poison=[30, 60],
    replications=2,
    quick_duration=2,
)

if __name__ == "__main__":
    main(scenario)
