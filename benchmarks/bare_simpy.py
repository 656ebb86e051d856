"""The same pipelines in idiomatic SimPy, as a yardstick: Store pairs, a process per message.

Nothing but the end-to-end latency is recorded.
"""

from collections.abc import Generator
from typing import Any

import simpy
from numpy.typing import NDArray

Process = Generator[simpy.Event, Any, None]

PIPELINE_COST = 20e-6  # seconds of CPU at each node, and of delay on each link


def push(
    created: NDArray, cost: float = PIPELINE_COST, delay: float = PIPELINE_COST
) -> list[float]:
    """Producer → broker → consumer, every message on its way a process of its own."""
    env = simpy.Environment()
    to_broker, to_consumer = simpy.Store(env), simpy.Store(env)
    latencies: list[float] = []

    def carry(message: Any, store: simpy.Store) -> Process:
        yield env.timeout(delay)
        yield store.put(message)

    def producer() -> Process:
        for number, at in enumerate(created.tolist()):
            if at > env.now:
                yield env.timeout(at - env.now)
            env.process(carry((number, at), to_broker))

    def broker() -> Process:
        while True:
            message = yield to_broker.get()
            yield env.timeout(cost)
            env.process(carry(message, to_consumer))

    def consumer() -> Process:
        while len(latencies) < len(created):
            message = yield to_consumer.get()
            yield env.timeout(cost)
            latencies.append(env.now - message[1])

    env.process(producer())
    env.process(broker())
    env.run(until=env.process(consumer()))
    return latencies


def poll(
    created: NDArray,
    cost: float = PIPELINE_COST,
    delay: float = PIPELINE_COST,
    interval: float = 0.1,
) -> list[float]:
    """Producer → broker, and a consumer that takes everything there is at each poll."""
    env = simpy.Environment()
    to_broker, log = simpy.Store(env), simpy.Store(env)
    latencies: list[float] = []

    def carry(message: Any) -> Process:
        yield env.timeout(delay)
        yield to_broker.put(message)

    def producer() -> Process:
        for number, at in enumerate(created.tolist()):
            if at > env.now:
                yield env.timeout(at - env.now)
            env.process(carry((number, at)))

    def broker() -> Process:
        while True:
            message = yield to_broker.get()
            yield log.put(message)

    def consumer() -> Process:
        while len(latencies) < len(created):
            yield env.timeout(interval)
            yield env.timeout(cost)
            for _ in range(len(log.items)):
                message = yield log.get()
                latencies.append(env.now - message[1])

    env.process(producer())
    env.process(broker())
    env.run(until=env.process(consumer()))
    return latencies
