"""A greedy source sends twice what its target allows: what does a 429 with Retry-After do?"""

from lab import Constant, HttpIngest, OnOff, Scenario, Webhook, Workload, main

scenario = Scenario(
    name="rate_limit",
    question=__doc__,
    workload=Workload(
        arrivals=OnOff(rate=300, on=Constant(value=1), off=Constant(value=1)), duration=4, seed=7
    ),
    strategies=[
        Webhook(),
        Webhook(rate_limit=150),
        Webhook(rate_limit=150, concurrency=10),
        Webhook(rate_limit=150, concurrency=10, adaptive=True),
        HttpIngest(rate_limit=150, batch_size=10, linger=0.05),
    ],
    replications=2,
    quick_duration=3,
)

if __name__ == "__main__":
    main(scenario)
