"""Which closed form of `lab.oracles` fits which strategy under which workload; see `lab.theory`."""

from lab.forms.case import Case, Prediction, Promise
from lab.forms.pull import consumer_group, long_poll, poll_then_pull, short_poll
from lab.forms.push import request_push, stream_push

__all__ = [
    "Case",
    "Prediction",
    "Promise",
    "consumer_group",
    "long_poll",
    "poll_then_pull",
    "request_push",
    "short_poll",
    "stream_push",
]
