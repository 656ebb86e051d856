"""Questions of lesson 11, calibrate and predict: keys from the student's forecast and own runs."""

from collections.abc import Mapping, Sequence

import numpy as np

from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Slip
from lab.metrics import Run
from lab.prediction.forecast import Forecast, Outlook
from lab.prediction.limits import MOST_UTILISATION
from lab.validation.judge import leave_one_out

READ = 0.02  # of a value that is read off with three digits
SLACK = 0.2  # percentage points, for rounding
LIMITS = {"a": "core", "b": "work", "c": "waiting", "d": None}


def _outlook(forecast: Forecast, name: str) -> Outlook:
    """Return what is forecast of the strategy with that name."""
    return next(o for o in forecast.outlooks if o.strategy.startswith(name))


def medians(run: Run) -> list[float]:
    """Return the median latency of each replication, in seconds."""
    return [float(np.median(trace.latency[trace.counted])) for trace in run.traces]


def error(forecast: Forecast, run: Run) -> float:
    """Return by how much the predicted median differs from the measured one, as a share of it."""
    predicted = next(o for o in forecast.outlooks if o.strategy == run.strategy).latency["p50"]
    return abs(predicted.value / float(np.median(medians(run))) - 1)


def _poll_to_push(forecast: Forecast) -> Band:
    poll, push = (_outlook(forecast, n).latency["p50"].value for n in ("ShortPoll", "ServerSent"))
    return near(poll / push, READ, "Half of the interval is spent waiting for the next poll.")


def _sure(forecast: Forecast) -> Band:
    p99 = _outlook(forecast, "Webhook").latency["p99"]
    return near(p99.high / p99.low, READ, "The tail is less sure than the middle.")


def _limit(limits: Forecast) -> str:
    kind = _outlook(limits, "Webhook").saturation.resource.kind
    return next(letter for letter, name in LIMITS.items() if name == kind)


def _end(limits: Forecast) -> Band:
    rate = _outlook(limits, "Webhook").saturation.rate.value
    why = "Beyond it latency multiplies every small error of the costs by 1/(1 - utilisation)."
    return near(MOST_UTILISATION * rate, READ, why)


def _error(forecast: Forecast, measured: Sequence[Run]) -> Band:
    found = 100 * error(forecast, _named(measured, "Webhook"))
    why = "By itself that is neither good nor bad: the next question says how noisy the runs are."
    return Band(found - SLACK, found + SLACK, why)


def _noise(measured: Sequence[Run]) -> Band:
    found = 100 * leave_one_out(np.array(medians(_named(measured, "Webhook"))))
    why = "No prediction can be better than that, as no measurement is."
    return Band(found - SLACK, found + SLACK, why)


def _named(runs: Sequence[Run], name: str) -> Run:
    return next(run for run in runs if run.strategy.startswith(name))


def _inside(forecast: Forecast, measured: Sequence[Run]) -> Band:
    found = 0
    for run in measured:
        p50 = next(o for o in forecast.outlooks if o.strategy == run.strategy).latency["p50"]
        found += sum(p50.low <= median <= p50.high for median in medians(run))
    why = (
        "About 95 in 100 should be: one of nine outside proves nothing, five say that something has"
        " changed since the calibration, such as what else the machine is doing."
    )
    return Band(found - 0.5, found + 0.5, why)


def _other_machine(forecast: Forecast, elsewhere: Mapping[str, float]) -> Band:
    push = _outlook(forecast, "ServerSent")
    ratio = elsewhere[push.strategy] / push.latency["p50"].value
    return near(ratio, READ, "So far off you would be with the costs of that machine.")


QUESTIONS = (
    Number(
        "11.1",
        "How many times as long as the event stream does the short poll take, by the predicted medians?",
        "times",
        _poll_to_push,
        ("Divide the two numbers in the column p50.",),
        (Slip(lambda right: 1 / right, "That is the event stream divided by the poll."),),
    ),
    Number(
        "11.2",
        "How sure is p99 of the webhook? Divide the upper bound of its interval by the lower one.",
        "times",
        _sure,
        ('forecast.outlooks[1].latency["p99"] has .low and .high.',),
        (Slip(lambda right: 1 / right, "That is the lower bound divided by the upper one."),),
    ),
    Choice(
        "11.3",
        "What limits the throughput of the webhook, one request at a time?",
        {
            "a": "a core that is busy all the time",
            "b": "the work that a message costs its consumer",
            "c": "waiting: for an answer, while no core is busy",
            "d": "nothing was found",
        },
        _limit,
        "More requests at a time help where it is waiting, and do not where it is a core.",
        ("It was printed, behind 'limited by'.",),
    ),
    Number(
        "11.4",
        "By how many per cent is the predicted median of the webhook off the measured one?",
        "%",
        _error,
        ("100 × |predicted / median of the measured medians - 1|", "It was printed: 'error'."),
    ),
    Number(
        "11.5",
        "With which error does the measurement of the webhook predict itself (each run from the others)?",
        "%",
        _noise,
        ("It was printed: 'noise'.",),
    ),
    Number(
        "11.6",
        "How many of all the measured medians lie inside the predicted intervals of p50?",
        "medians",
        _inside,
        ("Compare each measured median with the low and high of its strategy.",),
    ),
    Choice(
        "11.7",
        "A prediction is 9 % off, and the benchmark repeats itself within 10 %. What follows?",
        {
            "a": "these runs cannot tell the model from the truth",
            "b": "the model is wrong by 9 %, since the runs show such an error",
            "c": "the model is right, since 9 is less than 10",
            "d": "the benchmark is useless, since it does not repeat itself",
        },
        "a",
        "An error means something only beside the noise in which it was found. More runs might tell.",
        ("Could you tell a perfect model from this one by these runs?",),
        {
            "b": "What error would the truth itself have had in these runs?",
            "c": "Would you have noticed in these runs if it were wrong by 9 %?",
            "d": "It tells what it can: a model that is wrong by half would show.",
        },
    ),
    Number(
        "11.8",
        "From which load on, in messages a second, does the lab promise nothing for the webhook?",
        "messages/s",
        _end,
        (
            "It promises nothing above 85 % of what the strategy can do.",
            "The rate at which it is full was printed above.",
        ),
        (Slip(lambda right: right / 0.85, "There it is full. The promise ends before that."),),
    ),
    Number(
        "11.9",
        "How many times as large is the median that the reference machine would have, for the event"
        " stream, as the one predicted for the costs you use?",
        "times",
        _other_machine,
        ("Divide: elsewhere / here. Below 1 the reference machine is faster.",),
        (Slip(lambda right: 1 / right, "That is here divided by elsewhere."),),
    ),
)
