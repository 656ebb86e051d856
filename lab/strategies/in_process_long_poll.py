"""In-process long poll: the same broker and consumer in one process, with no socket between."""

from typing import Literal

from lab.strategies.base import Call
from lab.strategies.long_poll import LongPoll


class InProcessLongPoll(LongPoll):
    """A long poll as a function call: what is left when the network costs nothing."""

    kind: Literal["InProcessLongPoll"] = "InProcessLongPoll"  # type: ignore[assignment]

    @property
    def wire(self) -> Call:  # type: ignore[override]
        return Call()
