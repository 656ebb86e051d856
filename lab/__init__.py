"""Push–Pull Lab: one workload, every way of delivering it, in theory, simulated and measured.

Verbs: `simulate`, `measure`, `theory`, `predict`, `compare`, `check`. Nouns: `Scenario`, `Workload`
with its arrivals and distributions, the strategies, `Physics`, `Trace`. `main` makes a script of a
scenario.
"""

from typing import Any

from lab.compare import Comparison, compare
from lab.description import InvalidInput
from lab.engines.simulation import simulate
from lab.outcomes.checks import check
from lab.physics import IDEAL, Physics
from lab.prediction.forecast import Forecast
from lab.prediction.predict import predict
from lab.scenario import Retention, Scenario
from lab.strategies import (
    STRATEGIES,
    ConsumerGroup,
    HttpIngest,
    InProcessLongPoll,
    LongPoll,
    PollThenPull,
    ServerSentEvents,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
)
from lab.theory import theory
from lab.trace import Trace
from lab.workload import (
    Constant,
    Exponential,
    LogNormal,
    OnOff,
    Periodic,
    Poisson,
    Replay,
    Uniform,
    Workload,
)


def main(scenario: Scenario) -> None:
    """Run `pushpull compare` on `scenario`, with the options on the command line of this script."""
    from lab.cli import run_scenario

    run_scenario(scenario)


def measure(scenario: Scenario, strategy: Any, replication: int = 0) -> Trace:
    """Run `strategy` on the scenario's workload over real connections; return its trace."""
    from lab.engines.loopback import measure  # needs sockets, which simulation does not

    return measure(scenario, strategy, replication)


__all__ = [
    "IDEAL",
    "STRATEGIES",
    "Comparison",
    "Constant",
    "ConsumerGroup",
    "Exponential",
    "Forecast",
    "HttpIngest",
    "InProcessLongPoll",
    "InvalidInput",
    "LogNormal",
    "LongPoll",
    "OnOff",
    "Periodic",
    "Physics",
    "Poisson",
    "PollThenPull",
    "Replay",
    "Retention",
    "Scenario",
    "ServerSentEvents",
    "ShortPoll",
    "Strategy",
    "Trace",
    "Uniform",
    "WebSocketPush",
    "Webhook",
    "Workload",
    "check",
    "compare",
    "main",
    "measure",
    "predict",
    "simulate",
    "theory",
]
