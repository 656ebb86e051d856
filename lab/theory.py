"""Theory: the third answer to an experiment, a closed form beside simulation and measurement.

Only where one applies. Effects that have no closed form together, arrivals in bursts or from a file,
what a batch costs besides its messages, and loads of 1 or more without a bound on the queue give no
prediction rather than a wrong one.
"""

from lab.forms import (
    Case,
    Prediction,
    Promise,
    consumer_group,
    long_poll,
    poll_then_pull,
    request_push,
    short_poll,
    stream_push,
)
from lab.forms.case import MUCH
from lab.scenario import Scenario
from lab.strategies import (
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

__all__ = ["FORMS", "Prediction", "theory"]

FORMS: dict[type[Strategy], Promise] = {
    WebSocketPush: stream_push,
    ServerSentEvents: stream_push,
    Webhook: request_push,
    HttpIngest: request_push,
    ShortPoll: short_poll,
    PollThenPull: poll_then_pull,
    LongPoll: long_poll,
    ConsumerGroup: consumer_group,
    InProcessLongPoll: long_poll,
}


def theory(
    scenario: Scenario, strategy: Strategy, transit: float, round_trip: float
) -> Prediction | None:
    """Return what a closed form says of `strategy` under `scenario.workload`, or None if none does.

    `transit` is the time in seconds that one message needs from its intended time to the consumer in
    an empty system, `round_trip` that of an empty request and its answer. The hops themselves are
    taken not to queue, and each consumer, which gets every message, is a queue of its own.
    """
    form = FORMS.get(type(strategy))
    case = Case(scenario.workload, scenario, transit, round_trip)
    if form is None or not (case.is_poisson or case.is_periodic) or scenario.workload.per_batch:
        return None
    prediction = form(case, strategy)
    if prediction is None or _settles(case):
        return prediction
    return prediction.but(form=f"{prediction.form}; the run is short for a steady state")


def _settles(case: Case) -> bool:
    """Say whether the run is much longer than the relaxation time (E[S²]/E[S])/(1-ρ)² of a queue."""
    if case.work == 0 or not case.is_poisson or case.load >= 1:
        return True
    relaxation = case.work_squared / case.work / (1 - case.load) ** 2
    return case.workload.duration >= MUCH * relaxation
