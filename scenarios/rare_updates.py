"""One small update every 30 minutes: is an open connection worth it, and what do polls cost?

Simulated over eight hours; measured 1,800 times as fast, an update a second. Updates come 7 s later
each time, so that they and the polls do not march in step.
"""

from lab import (
    HttpIngest,
    LongPoll,
    Periodic,
    PollThenPull,
    Scenario,
    ShortPoll,
    WebSocketPush,
    Workload,
    main,
)

HALF_HOUR = 1_800.0  # seconds

scenario = Scenario(
    name="rare_updates",
    question=__doc__,
    workload=Workload(
        arrivals=Periodic(rate=1 / (HALF_HOUR + 7)), size=60, duration=16.5 * HALF_HOUR, seed=7
    ),
    speed_up=1_800,
    strategies=[
        WebSocketPush(),
        HttpIngest(keep_alive=False),
        LongPoll(max_wait=30),
        ShortPoll(interval=60, keep_alive=False),
        PollThenPull(interval=60),
    ],
    replications=2,
    drain=120,
    quick_duration=4.5 * HALF_HOUR,
)

if __name__ == "__main__":
    main(scenario)
