"""Lesson 1, one message both ways: who opens what, where the time goes, half an interval."""

from lab.course.bands import around, near
from lab.course.quiz import Band, Choice, Number, Question, Slip
from lab.metrics import Run, summarise
from lab.trace import Trace

TIMES = 4  # as long is the interval of the poll that asks rarely
PARTS = {
    "a": "schedule delay",
    "b": "to the broker",
    "c": "broker residence",
    "d": "on the way",
    "e": "consumer queue or work",
}


def _poll_at(trace: Trace) -> Band:
    why = "It is a little more than 200: two pauses of 100 ms, and two questions with answers."
    return near(float(trace.left_broker[0]) * 1e3, 0.005, why)


def _residence(trace: Trace) -> Band:
    share = 100 * float(trace.parts()["broker residence"][0] / trace.latency[0])
    why = "Nearly all of it is waiting for the next question."
    return Band(0.99 * share, (share + 100) / 2, why)  # but not all


def _later(trace: Trace) -> Band:
    why = "The same poll takes it, so it waits 20 ms less than the one created at 130 ms."
    return near(float(trace.latency[0]) * 1e3, 0.03, why)


def _four_times(rare: Run, often: Run) -> Band:
    means = [[summarise(trace).latency["mean"] for trace in run.traces] for run in (rare, often)]
    pairs = [slow / fast for slow, fast in zip(*means, strict=True)]
    why = "Four times the wait. The way is no longer than before, so it is a little less than four."
    return around(TIMES, sum(pairs) / len(pairs), 0.03, why)


def _measured_ratio(push: Trace, poll: Trace) -> Band:
    ratio = float(poll.latency.mean() / push.latency.mean())
    return near(ratio, why="On another machine it is another number.")


def _largest(push: Trace) -> str:
    means = {name: float(values.mean()) for name, values in push.parts().items()}
    longest = max(means, key=lambda name: means[name])
    return next((letter for letter, name in PARTS.items() if name == longest), "e")


QUESTIONS: tuple[Question, ...] = (
    Choice(
        "1.1",
        "Who opened the connection over which the pushed message came to the consumer?",
        {
            "a": "the broker, when the message was there",
            "b": "the consumer, before there was any message",
            "c": "the source, when it had created the message",
        },
        "b",
        "Push says who decides when a message is sent, not who opens the connection.",
        ("A WebSocket begins as a request. Who sends it?", "Read the row 'at the start' above."),
        {
            "a": "When the message came, the broker had a connection already.",
            "c": "The source hands its messages to the broker, and does not know the consumer.",
        },
    ),
    Number(
        "1.2",
        "How long after the start did the broker hand out the polled message?",
        "ms",
        _poll_at,
        ("It stands in the trace.", "The step is called left_broker; a trace has seconds."),
        (
            Slip(200, "So it would be if a question and its answer took no time."),
            Slip(230, "The pause of 100 ms begins after an answer, not with the message."),
            Slip(lambda right: right - 130, "That is the time since its creation."),
        ),
    ),
    Number(
        "1.3",
        "Which share of the latency of the polled message was its stay at the broker?",
        "%",
        _residence,
        (
            "Divide one part by the whole latency.",
            'polled.parts()["broker residence"][0] / polled.latency[0] is the share.',
        ),
        (
            Slip(100, "The message had a way to the broker and one from there, too."),
            Slip(
                50,
                "Half of the *interval* is the mean wait of many messages. What did this one do?",
            ),
        ),
    ),
    Number(
        "1.4",
        "The same poller, but the message is created 0.150 s after the start. Its latency?",
        "ms",
        _later,
        (
            "At what time does the poll come that takes it?",
            "It is the poll of 1.2. Subtract, and add a millisecond or less for the way down.",
        ),
        (
            Slip(50, "So it would be if that poll came at 200 ms sharp. See 1.2."),
            Slip(lambda right: right + 20, "So long took the message that was created at 130 ms."),
            Slip(lambda right: right + 40, "It comes 20 ms later: is that nearer to the poll?"),
        ),
    ),
    Number(
        "1.5",
        "How many times as large is the mean latency with interval 0.4 s as with 0.1 s?",
        "",
        _four_times,
        (
            "Divide two means of the table.",
            "The table is simulated.results: [1] is interval 0.1, and [2] is interval 0.4.",
        ),
        (
            Slip(lambda right: 1 / right, "That is the shorter divided by the longer."),
            Slip(2, "Half of an interval is waited in both cases."),
        ),
    ),
    Choice(
        "1.6",
        "No message comes for a minute. How many requests do ShortPoll(interval=0.1) and"
        " WebSocketPush send to the broker in it?",
        {
            "a": "neither sends any: there is nothing to fetch",
            "b": "both about 600: the WebSocket has to ask as well",
            "c": "the poller one, which is answered after a minute; the WebSocket none",
            "d": "the poller about 600, the WebSocket none",
        },
        "d",
        "A short poll asks whether or not there is something; empty answers cost requests too.",
        (
            "How often does the poller ask in a second?",
            "What does the broker answer while it has nothing?",
        ),
        {
            "a": "How would the poller know that there is nothing?",
            "b": "Who writes into a WebSocket when a message comes?",
            "c": "A request that is held until something comes is a long poll (lesson 4).",
        },
    ),
    Number(
        "1.7",
        "Measured on your machine: how many times as long as a push does a poll take, on average?",
        "",
        _measured_ratio,
        ("Divide two means.", "real_poll.latency.mean() is one of them, in seconds."),
        (Slip(lambda right: 1 / right, "That is the push divided by the poll."),),
    ),
    Choice(
        "1.8",
        "Measured on your machine: which part of the latency of the push is the largest on average?",
        PARTS,
        _largest,
        "It differs from machine to machine. None of these parts is the wire alone.",
        (
            "real_push.parts() has an array for each part.",
            "for name, values in real_push.parts().items(): print(name, values.mean())",
        ),
    ),
)
